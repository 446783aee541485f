"""Teachers made of teachers: mixture, sequence, restriction and the bandit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.scenarios import Scenario, curriculum
from lifelong_rl.teachers import (
    ALPGMM,
    EXP3,
    RIAC,
    Mixture,
    Outcomes,
    RandomTeacher,
    Restriction,
    Teacher,
    TeacherSequence,
    check_teacher,
    teacher_entry,
    teacher_from,
)
from lifelong_rl.teachers.exp3 import QuantileScale
from lifelong_rl.teachers.open_draws import OpenDraws

SQUARE = TaskSpace("square", [Feature.real("x", 0.0, 1.0, 0.5), Feature.real("y", 0.0, 1.0, 0.5)])
MIXED = TaskSpace(
    "mixed",
    [
        Feature.real("mass", 0.01, 100.0, 1.0, log=True),
        Feature.integer("legs", 1, 6, 2),
        Feature.category("floor", ["ice", "sand", "mud"], "sand"),
        Feature.real("height", -1.0, 3.0, 0.0),
    ],
)
QUICK_GMM = {"name": "alp-gmm", "fit_every": 60, "max_gaussians": 2}


class Corner(Teacher):
    """Draws from a small square whose lower corner is at ``at`` on both axes, and remembers what it heard."""

    def __init__(self, at=0.0):
        self.at = at

    def reset(self, space, rng):
        super().reset(space, rng)
        self.heard = []

    def sample(self, n=1):
        return self.at + 0.1 * self.rng.random((n, self.space.dimension))

    def update(self, tasks, outcomes):
        tasks = self.checked(tasks, outcomes)
        self.heard += list(zip(map(tuple, tasks.tolist()), outcomes.scores.tolist(), strict=True))

    def density(self, points):
        inside = ((points >= self.at) & (points <= self.at + 0.1)).all(axis=1)
        return inside / 0.1**self.space.dimension


def bound(teacher, space=SQUARE, seed=0):
    teacher.reset(space, np.random.default_rng(seed))
    return teacher


def scored(score, n):
    return Outcomes.from_scores(np.full(n, float(score)))


def two_corners(**settings):
    return bound(Mixture([Corner(0.0), Corner(0.5)], **settings))


# The protocol, with settings that the defaults do not reach


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mixture(["random", "riac"], weights=[1, 3], hear="own"),
        lambda: TeacherSequence(["random", "riac"], until=[{"progress": 0.2, "episodes": 90}], hear="own"),
        lambda: EXP3(["random", "riac"], gain="signed", sample_size=50, max_history=100, hear="own"),
        lambda: Restriction(Mixture(["random", "riac"], hear="own")),
    ],
)
def test_composed_teachers_keep_the_protocol_with_other_settings(make):
    check_teacher(make)


# One form of a teacher among hyper-parameters


def test_a_name_a_mapping_and_an_object_are_the_same_teacher():
    states = []
    for entry in ("riac", {"name": "riac"}, RIAC(), {"name": "lifelong_rl.teachers.riac:RIAC"}):
        teacher = bound(Mixture(["random", entry]))
        for _ in range(26):
            tasks = teacher.sample(10)
            teacher.update(tasks, Outcomes.from_scores(tasks[:, 0]))
        states.append(teacher.state_dict())
        bound(Mixture(["random", "riac"])).load_state_dict(states[-1])

    assert len({state_to_bytes(state) for state in states}) == 1


def test_nested_teachers_go_through_a_configuration_file_and_back():
    teacher = EXP3([Restriction(ALPGMM(fit_every=40), {"goal_x": (0.0, 0.5)}), "random"])
    scenario = curriculum("point-goal", teacher=teacher)

    data = json.loads(json.dumps(scenario.to_json()))
    (block,) = Scenario.from_json(data).blocks
    rebuilt = teacher_from({"name": block.teacher, **block.teacher_options})

    assert block.teacher == "exp3"
    inner = block.teacher_options["teachers"][0]
    assert inner["name"] == "restriction" and inner["bounds"] == {"goal_x": [0.0, 0.5]}
    assert inner["teacher"]["name"] == "alp-gmm" and inner["teacher"]["fit_every"] == 40
    assert json.loads(json.dumps(teacher_entry(rebuilt))) == json.loads(json.dumps(teacher_entry(teacher)))


def test_a_teacher_object_among_the_hyperparameters_stays_as_it_is():
    child = RandomTeacher()
    bound(Mixture([child, child])).sample(5)

    with pytest.raises(RuntimeError, match="no task space yet"):
        _ = child.space


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        (Mixture("random"), "must be a list, found 'random'"),
        (Mixture([]), "list of at least one teacher"),
        (Mixture([3]), "a teacher is given as a name"),
        (Mixture([{"fit_every": 3}]), "a teacher is given as a name"),
        (Mixture(["randm"]), "did you mean 'random'"),
        (Mixture([{"name": "alp-gmm", "fit_evry": 3}]), "did you mean 'fit_every'"),
        (Mixture([{"name": "alp-gmm", "fit_every": 0}]), "fit_every of ALPGMM must be at least 1"),
        (Mixture(weights=[1.0]), "weights of Mixture must be 2 numbers >= 0"),
        (Mixture(weights=[1.0, -1.0]), "weights of Mixture must be 2 numbers >= 0"),
        (Mixture(weights=[0.0, 0.0]), "must not all be 0"),
        (Mixture(hear="some"), "'all' or 'own', found 'some'"),
        (TeacherSequence(until=[]), "a list of 1 conditions"),
        (TeacherSequence(until={"episodes": 3}), "until of TeacherSequence must be a list"),
        (TeacherSequence(until=[{"episode": 3}]), "names at least one of episodes"),
        (TeacherSequence(until=[{"episodes": 3, "windw": 3}]), "did you mean 'window'"),
        (TeacherSequence(until=[{"episodes": 0}]), "episodes of until must be at least 1"),
        (TeacherSequence(until=[{"score": 2}]), "score of until must lie in"),
        (TeacherSequence(until=[{"score": "high"}]), "score of until must be a number, found 'high'"),
        (Restriction(bounds={"z": 1.0}), "unknown free feature of 'square' 'z'"),
        (Restriction(bounds={"x": (0.5, 2.0)}), r"feature 'x' must lie in \[0, 1\]"),
        (Restriction(bounds={"x": 0.5, "y": 0.5}), "needs a task space with a free feature"),
        (Restriction(bounds=[0.0, 1.0]), "bounds of Restriction must be a mapping or None"),
        (EXP3(gain="best"), "gain of EXP3 must be 'absolute' or 'signed'"),
        (EXP3(exploration=0.0), r"exploration of EXP3 must be in \(0, 1\]"),
        (EXP3(forgetting=2.0), r"forgetting of EXP3 must be in \[0, 1\]"),
        (EXP3(sample_size=1), "sample_size of EXP3 must be at least 2"),
        (EXP3(max_history=5), "max_history of EXP3 must be at least 10"),
    ],
)
def test_a_wrong_hyperparameter_is_named(teacher, words):
    with pytest.raises(ValueError, match=words):
        bound(teacher)


def test_children_of_one_name_are_told_apart():
    teacher = bound(Mixture(["random", "random", "random"]))
    teacher.sample(30)

    assert list(teacher.children) == ["random", "random-2", "random-3"]
    assert {"random_share", "random-2_share", "random-3_share", "random-2/entropy"} <= teacher.diagnostics().keys()


def test_a_composed_teacher_honours_what_all_its_teachers_honour():
    assert Mixture(["random"]).kinds == {"real", "integer", "category"}
    assert Mixture(["random", "alp-gmm"]).kinds == ALPGMM.kinds
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(Mixture(["random", "alp-gmm"]), MIXED)


def test_a_state_of_other_teachers_is_refused():
    state = bound(Mixture(["random", "alp-gmm"])).state_dict()

    with pytest.raises(ValueError, match=r"\['children'\]|'alp-gmm'|labels"):
        bound(Mixture(["random", "random"])).load_state_dict(state)
    with pytest.raises(ValueError, match="fit_every 100 is expected, found 250"):
        bound(Mixture(["random", {"name": "alp-gmm", "fit_every": 100}])).load_state_dict(state)


@pytest.mark.parametrize("n", [1, 40])
def test_what_a_teacher_only_looks_at_is_passed_on(n):
    class Looks(Corner):
        is_selective = True
        untrained = property(lambda self: np.ones(self.n_drawn, dtype=bool))

        def sample(self, n=1):
            self.n_drawn = n
            return super().sample(n)

    teacher = bound(Mixture([Corner(0.0), Restriction(Looks(0.0), {"x": (0.5, 1.0)})]))
    assert teacher.is_selective and not bound(Mixture(["random"])).is_selective
    for _ in range(10):
        is_looked_at = teacher.sample(n)[:, 0] >= 0.5
        untrained = np.zeros(n, dtype=bool) if teacher.untrained is None else teacher.untrained
        assert untrained.tolist() == is_looked_at.tolist()


# Mixture


def test_a_mixture_draws_from_each_teacher_by_its_weight():
    teacher = two_corners(weights=[1, 3])
    is_second = teacher.sample(4000)[:, 0] >= 0.5

    assert chisquare([(~is_second).sum(), is_second.sum()], [1000, 3000]).pvalue > 1e-3
    assert teacher.diagnostics()["Corner_share"] == (~is_second).mean()


def test_a_weight_of_zero_is_never_drawn_from():
    assert (two_corners(weights=[0, 1]).sample(500) >= 0.5).all()


def test_a_mixtures_density_is_the_weighted_sum():
    points = np.array([[0.05, 0.05], [0.55, 0.55], [0.3, 0.3]])

    assert np.allclose(two_corners(weights=[1, 3]).density(points), [25.0, 75.0, 0.0])


@pytest.mark.parametrize("hear", ["all", "own"])
def test_who_hears_what_is_the_users_choice_also_when_episodes_end_out_of_order(hear):
    teacher = two_corners(hear=hear)
    tasks = np.concatenate([teacher.sample(20), teacher.sample(20)])
    order = np.random.default_rng(1).permutation(40)
    for rows in np.split(order, 8):
        teacher.update(tasks[rows], Outcomes.from_scores(tasks[rows, 1]))

    for number, child in enumerate(teacher.children.values()):
        own = [tuple(task) for task in tasks[order].tolist() if (task[0] >= 0.5) == number]
        assert [task for task, _ in child.heard] == (own if hear == "own" else [*map(tuple, tasks[order].tolist())])
        assert all(score == task[1] for task, score in child.heard)


def test_a_task_that_nobody_drew_is_heard_by_all():
    teacher = two_corners(hear="own")
    teacher.update(np.array([[0.3, 0.3]]), scored(0.5, 1))

    assert [len(child.heard) for child in teacher.children.values()] == [1, 1]


def test_a_mixture_shows_the_gaussians_of_its_teachers_with_their_weights():
    teacher = bound(Mixture([QUICK_GMM, "random"], weights=[1, 3]))
    assert bound(Mixture(["random"])).gaussians() is None
    for _ in range(6):
        tasks = teacher.sample(10)
        teacher.update(tasks, Outcomes.from_scores(tasks[:, 0]))

    gaussians = teacher.gaussians()
    assert len(gaussians.means) == len(gaussians.covariances) == len(gaussians.weights) > 0
    assert gaussians.weights.sum() == pytest.approx(0.25)


# Open draws


def test_of_a_task_drawn_twice_the_oldest_draw_is_found_first():
    draws = OpenDraws(SQUARE, 1)
    task = np.array([[0.5, 0.5]])
    draws.add(task, [(1.0,)])
    draws.add(task + 1e-14, [(2.0,)])

    assert [draws.take(task), draws.take(task), draws.take(task)] == [[(1.0,)], [(2.0,)], [None]]


def test_draws_that_never_end_are_forgotten_oldest_first():
    draws = OpenDraws(SQUARE, 1, limit=3)
    tasks = np.random.default_rng(0).random((5, 2))
    draws.add(tasks, [(float(i),) for i in range(5)])

    assert len(draws) == 3
    assert draws.take(tasks) == [None, None, (2.0,), (3.0,), (4.0,)]


def test_open_draws_survive_a_trip_through_a_file():
    draws, loaded = OpenDraws(MIXED, 2), OpenDraws(MIXED, 2)
    tasks = np.random.default_rng(0).random((5, 4))
    draws.add(tasks, [(float(i), 0.5) for i in range(5)])
    loaded.load_state_dict(state_from_bytes(state_to_bytes(draws.state_dict())))

    assert loaded.take(MIXED.snap(tasks)) == [(float(i), 0.5) for i in range(5)]


# Sequence


def sequence(condition, **settings):
    return bound(TeacherSequence([Corner(0.0), Corner(0.5)], until=[condition], **settings))


def play(teacher, score, n):
    for _ in range(n):
        teacher.update(teacher.sample(1), scored(score, 1))


def test_a_sequence_goes_on_after_its_episodes():
    teacher = sequence({"episodes": 5})
    play(teacher, 0.3, 4)
    assert teacher.sample(1)[0, 0] < 0.5
    play(teacher, 0.3, 1)

    assert teacher.stage == 1 and teacher.diagnostics()["stage"] == 1.0
    assert teacher.sample(1)[0, 0] >= 0.5


@pytest.mark.parametrize(
    ("condition", "bad", "good"),
    [({"score": 0.5, "window": 4}, 0.4, 0.6), ({"success": 0.75, "window": 4}, 0.9, 1.0)],
)
def test_a_sequence_goes_on_when_the_last_outcomes_are_good_enough(condition, bad, good):
    teacher = sequence(condition)
    play(teacher, bad, 10)
    assert teacher.stage == 0
    play(teacher, good, 1)
    assert teacher.stage == 0
    play(teacher, good, 2)

    assert teacher.stage == 1


def test_a_sequence_goes_on_when_progress_has_faded():
    teacher = sequence({"progress": 0.05, "window": 10})
    scores = np.random.default_rng(0).random(30)
    for score in scores:
        play(teacher, score, 1)
    assert teacher.stage == 0
    play(teacher, 0.5, 60)

    assert teacher.stage == 1


def test_the_first_condition_that_holds_ends_a_stage():
    teacher = sequence({"episodes": 8, "score": 0.5, "window": 2})
    play(teacher, 0.0, 8)

    assert teacher.stage == 1


def test_episodes_of_an_earlier_stage_do_not_count_for_a_later_one():
    teacher = bound(TeacherSequence([Corner(0.0), Corner(0.3), Corner(0.6)], until=[{"episodes": 2}] * 2))
    early = teacher.sample(10)
    teacher.update(early, scored(0.5, 10))
    assert teacher.stage == 1
    play(teacher, 0.5, 2)

    assert teacher.stage == 2


@pytest.mark.parametrize(("hear", "n_heard"), [("all", 7), ("own", 2)])
def test_a_later_stage_has_heard_of_the_earlier_ones_if_asked(hear, n_heard):
    teacher = sequence({"episodes": 5}, hear=hear)
    play(teacher, 0.5, 7)

    assert len(teacher.children["Corner-2"].heard) == n_heard


# Restriction


BOUNDS = {"mass": (0.1, 10.0), "legs": (3, 4), "floor": ("mud", "ice"), "height": 1.0}


def test_a_restriction_draws_tasks_within_its_bounds_only_and_all_of_them():
    teacher = bound(Restriction("random", BOUNDS), MIXED)
    tasks = [task.params for task in MIXED.decode_many(teacher.sample(400))]

    assert {task["legs"] for task in tasks} == {3, 4}
    assert {task["floor"] for task in tasks} == {"mud", "ice"}
    assert {task["height"] for task in tasks} == {1.0}
    masses = np.array([task["mass"] for task in tasks])
    assert masses.min() >= 0.1 and masses.max() <= 10.0
    assert 0.8 < np.median(masses) < 1.25  # even in the logarithm


def test_points_go_into_the_sub_space_as_their_features_say():
    teacher = bound(Restriction("random", BOUNDS), MIXED)
    part = MIXED.subspace(**BOUNDS)
    for task in part.decode_many(part.sample(50, np.random.default_rng(0))):
        point, is_inside = teacher.to_part(MIXED.encode(task.params)[None])
        assert is_inside[0]
        assert np.allclose(point[0], part.encode(task.params))
        assert MIXED.decode(teacher.to_whole(point)[0]).params == pytest.approx(task.params)


@pytest.mark.parametrize(
    ("change", "is_inside"),
    [({}, True), ({"mass": 0.05}, False), ({"legs": 5}, False), ({"floor": "sand"}, False), ({"height": 0.9}, False)],
)
def test_a_restricted_teacher_hears_of_tasks_inside_its_sub_space_only(change, is_inside):
    teacher = bound(Restriction(Corner(), BOUNDS), MIXED)
    task = {"mass": 1.0, "legs": 3, "floor": "ice", "height": 1.0} | change
    teacher.update(MIXED.encode(task)[None], scored(0.5, 1))

    heard = teacher.children["Corner"].heard
    assert [task for task, _ in heard] == ([pytest.approx((0.5, 0.25, 0.75))] if is_inside else [])


def test_a_restricted_teacher_hears_of_its_own_tasks_bit_for_bit():
    teacher = bound(Restriction(Corner(), {"mass": (0.1, 3.0), "floor": ("mud", "ice")}), MIXED)
    twin = bound(Restriction(Corner(), {"mass": (0.1, 3.0), "floor": ("mud", "ice")}), MIXED)
    drawn = twin.children["Corner"].sample(50)
    teacher.update(teacher.sample(50), scored(0.5, 50))

    assert [task for task, _ in teacher.children["Corner"].heard] == [tuple(task) for task in drawn.tolist()]


def test_a_restrictions_density_lies_in_its_sub_space_and_sums_to_one():
    teacher = bound(Restriction(RandomTeacher(), {"mass": (0.1, 10.0), "legs": (3, 4), "floor": "mud"}), MIXED)
    points = MIXED.grid(20)
    density = teacher.density(points)

    assert density.mean() == pytest.approx(1.0, rel=0.01)
    assert (density[~teacher.to_part(points)[1]] == 0.0).all()
    pinned = bound(Restriction(RandomTeacher(), {"x": 0.25}))
    assert pinned.density(np.array([[0.25, 0.5], [0.75, 0.5]])).tolist() == pytest.approx([39.9, 0.0], abs=2.0)


def test_a_restriction_to_the_whole_space_has_its_teachers_density_also_within_the_cells_of_values():
    teacher = bound(Restriction("accel"), MIXED)
    rng = np.random.default_rng(0)
    for _ in range(60):
        tasks = teacher.sample(10)
        outcomes = Outcomes.from_scores(rng.random(10))
        teacher.update(tasks, replace(outcomes, extra={"positive_value_loss": rng.random(10)}))
    points = MIXED.sample(500, rng)

    assert teacher.density(points) == pytest.approx(teacher.children["accel"].density(points))


def test_a_restriction_moves_its_teachers_gaussians_to_the_whole_space():
    teacher = bound(Restriction(QUICK_GMM, {"x": (0.5, 1.0)}))
    rng = np.random.default_rng(0)
    for _ in range(6):
        tasks = teacher.sample(10)
        teacher.update(tasks, Outcomes.from_scores(rng.random(10)))

    own, moved = teacher.children["alp-gmm"].gaussians(), teacher.gaussians()
    assert np.allclose(moved.means, [0.5, 0.0] + own.means * [0.5, 1.0])
    assert np.allclose(moved.covariances[:, 0, 1], 0.5 * own.covariances[:, 0, 1])
    assert bound(Restriction(QUICK_GMM, {"x": 0.5})).gaussians() is None


def test_a_pinned_category_lets_a_teacher_of_reals_work():
    teacher = bound(Restriction("alp-gmm", {"floor": "ice"}), MIXED)

    assert {task.params["floor"] for task in MIXED.decode_many(teacher.sample(20))} == {"ice"}
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(Restriction("alp-gmm", {"height": 0.0}), MIXED)


# EXP3


def bandit(**settings):
    return bound(EXP3([Corner(0.0), Corner(0.5)], **settings))


def teach(teacher, n, useful):
    """Let n episodes end, one at a time: scores jump about in the corner ``useful``, and stand still elsewhere."""
    rng = np.random.default_rng(7)
    for _ in range(n):
        task = teacher.sample(1)
        score = rng.random() if (task[0, 0] >= 0.5) == useful else 0.5
        teacher.update(task, Outcomes.from_scores([score]))


def test_the_bandit_learns_who_brings_progress_and_notices_a_change():
    teacher = bandit(forgetting=0.005)
    teach(teacher, 600, useful=1)
    assert teacher.probabilities()[1] > 0.7
    numbers = teacher.diagnostics()
    assert numbers["Corner-2_probability"] == teacher.probabilities()[1]
    assert numbers["Corner_share"] + numbers["Corner-2_share"] == pytest.approx(1.0)
    teach(teacher, 1500, useful=0)

    assert teacher.probabilities()[0] > 0.7


def test_every_teacher_keeps_its_share_of_exploration():
    teacher = bandit(forgetting=0.0, exploration=0.2)
    teach(teacher, 1000, useful=1)

    assert teacher.probabilities().min() >= 0.1
    assert teacher.probabilities().sum() == pytest.approx(1.0)


def test_signed_gain_prefers_learning_to_forgetting():
    probabilities = {}
    for gain in ("absolute", "signed"):
        teacher = bandit(gain=gain)
        for i in range(600):
            task = teacher.sample(1)
            teacher.update(task, scored(i / 600 if task[0, 0] >= 0.5 else 1.0 - i / 600, 1))
        probabilities[gain] = teacher.probabilities()[1]

    assert probabilities["signed"] > 0.8
    assert 0.2 < probabilities["absolute"] < 0.8


def test_the_weights_follow_the_equation_by_hand():
    teacher = bandit(exploration=0.5, forgetting=0.1)
    teacher._grow(0, estimated_gain=0.8)

    grown = 0.5 * np.exp(0.5 * 0.8 / 2) + np.e * 0.1 / 2
    other = 0.5 + np.e * 0.1 / 2
    assert np.allclose(teacher.probabilities(), 0.25 + 0.5 * np.array([grown, other]) / (grown + other))


def test_a_task_that_nobody_drew_moves_no_weight():
    teacher = bandit()
    rng = np.random.default_rng(0)
    teacher.update(rng.random((100, 2)), Outcomes.from_scores(rng.random(100)))

    assert teacher.probabilities().tolist() == [0.5, 0.5]


def test_gains_are_put_between_the_quantiles_of_what_was_seen():
    scale = QuantileScale(1000)
    rng = np.random.default_rng(0)
    scale.scaled(np.linspace(0.0, 10.0, 1001), rng)

    assert scale.scaled(np.array([0.0, 2.0, 5.0, 8.0, 99.0]), rng).tolist() == pytest.approx(
        [0.0, 0.0, 0.5, 1.0, 1.0], abs=0.02
    )
    assert QuantileScale(5).scaled(np.zeros(3), rng).tolist() == [0.0, 0.0, 0.0]


def test_many_open_draws_are_forgotten_one_by_one_without_looking_through_all():
    draws = OpenDraws(SQUARE, 1)
    tasks = np.random.default_rng(0).random((300_000, 2))
    draws.add(tasks, [(float(i),) for i in range(len(tasks))])
    assert len(draws) == 10_000
    assert draws.take(tasks[[0, 289_999, 290_000, -1]]) == [None, None, (290_000.0,), (299_999.0,)]


def test_a_restriction_of_a_wide_integer_needs_no_list_of_its_values():
    wide = TaskSpace("wide", [Feature.integer("n", 0, 10**9, 5), Feature.real("x", 0.0, 1.0, 0.5)])
    teacher = Restriction("random", {"n": (7, 4 * 10**8)})
    teacher.reset(wide, np.random.default_rng(0))
    tasks = teacher.sample(200)
    values = [task.params["n"] for task in wide.decode_many(tasks)]
    assert min(values) >= 7 and max(values) <= 4 * 10**8 and len(set(values)) > 190
    points, is_inside = teacher.to_part(wide.snap(tasks))
    assert is_inside.all()
    np.testing.assert_allclose(teacher.to_whole(points), wide.snap(tasks))
    for value, inside in ((6, False), (7, True), (4 * 10**8, True), (4 * 10**8 + 1, False)):
        assert teacher.to_part(wide.encode({"n": value, "x": 0.5})[None])[1].tolist() == [inside]
