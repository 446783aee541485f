"""PLR and robust PLR: scores and probabilities by hand, the buffer, what is trained on, and cost."""

import time

import numpy as np
import pytest

from lifelong_rl.bench.settings import setting_of
from lifelong_rl.bench.teachers import run_teacher
from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes, TeacherError, make_teacher
from lifelong_rl.teachers.base import EXTRAS
from lifelong_rl.teachers.check import says_what_is_only_looked_at
from lifelong_rl.teachers.plr import PLR, RobustPLR

LINE = TaskSpace("line", [Feature.real("x", 0.0, 1.0, 0.5)])


def bound(teacher, space=LINE, seed=0):
    teacher.reset(space, np.random.default_rng(seed))
    return teacher


def outcomes(scores, returns=None, **extra):
    scores = np.array(scores, dtype=float)
    returns = scores if returns is None else np.array(returns, dtype=float)
    columns = {name: np.array(extra.get(name, np.zeros(len(scores))), dtype=float) for name in EXTRAS}
    return Outcomes(returns, scores, scores >= 1, np.ones(len(scores)), columns)


def points(*xs):
    return np.array(xs, dtype=float)[:, None]


def scores_of(teacher):
    scores = teacher._ranking.scores.tolist()
    return dict(zip(teacher._levels[: len(scores), 0].round(6).tolist(), scores, strict=True))


# Scores


def test_the_positive_value_loss_of_the_newest_episode_is_the_score():
    teacher = bound(PLR())
    assert teacher.needs == {"positive_value_loss"}
    teacher.update(points(0.1, 0.2), outcomes([0, 0], positive_value_loss=[3.0, 1.0]))
    teacher.update(points(0.1), outcomes([0], positive_value_loss=[2.0]))
    assert scores_of(teacher) == {0.1: 2.0, 0.2: 1.0}


def test_max_mc_is_the_best_return_of_the_level_minus_the_newest_mean_value():
    teacher = bound(PLR("max_mc"))
    assert teacher.needs == {"mean_value"}
    teacher.update(points(0.1, 0.2), outcomes([0, 0], [10.0, 50.0], mean_value=[4.0, 45.0]))
    assert scores_of(teacher) == {0.1: 6.0, 0.2: 5.0}
    teacher.update(points(0.1, 0.1), outcomes([0, 0], [7.0, 12.0], mean_value=[5.0, 9.0]))
    assert scores_of(teacher) == {0.1: 3.0, 0.2: 5.0}  # 10 - 5, then 12 - 9


def test_learnability_is_that_of_the_running_mean_of_scores():
    teacher = bound(PLR("learnability"))
    assert teacher.needs == frozenset()
    teacher.update(points(0.1, 0.2, 0.3), outcomes([0.0, 1.0, 0.5]))
    assert scores_of(teacher) == {0.1: 0.0, 0.2: 0.0, 0.3: 0.25}
    teacher.update(points(0.1, 0.2, 0.2), outcomes([1.0, 0.0, 0.0]))
    assert scores_of(teacher) == {0.1: 0.25, 0.2: 0.25 * 0.75, 0.3: 0.25}


def test_absolute_progress_is_the_change_of_that_mean_and_for_a_new_level_from_its_neighbour():
    teacher = bound(PLR("absolute_progress"))
    teacher.update(points(0.1, 0.9), outcomes([0.2, 0.8]))
    assert scores_of(teacher) == pytest.approx({0.1: 0.0, 0.9: 0.6})
    teacher.update(points(0.8, 0.1), outcomes([0.7, 0.6]))
    assert scores_of(teacher) == pytest.approx({0.1: 0.2, 0.9: 0.6, 0.8: 0.1})


def test_without_memory_the_newest_score_alone_counts():
    teacher = bound(PLR("learnability", memory=0.0))
    teacher.update(points(0.1, 0.1), outcomes([0.5, 1.0]))
    assert scores_of(teacher) == {0.1: 0.0}


# The distribution


def test_the_probability_of_a_level_is_rank_and_staleness_by_hand():
    teacher = bound(PLR(capacity=3, min_fill=1.0, temperature=0.5, staleness=0.25))
    teacher.update(points(0.1, 0.2, 0.3), outcomes([0, 0, 0], positive_value_loss=[1.0, 9.0, 4.0]))
    teacher._drawn[0] = 10
    teacher._drawn_at[:3] = (10, 4, 8)  # ages 0, 6 and 2
    by_rank = np.array([1 / 9, 1.0, 1 / 4]) / (1 + 1 / 4 + 1 / 9)  # rank^(-1 / 0.5)
    expected = 0.75 * by_rank + 0.25 * np.array([0, 6, 2]) / 8
    np.testing.assert_allclose(teacher.probabilities(), expected)


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_draws_follow_the_probabilities(temperature):
    teacher = bound(PLR(capacity=20, replay_probability=0.7, temperature=temperature))
    rng = np.random.default_rng(1)
    levels, scores = rng.random((20, 1)), rng.random(20)
    teacher.update(levels, outcomes(np.zeros(20), positive_value_loss=scores))
    ages = rng.integers(1, 50, 20)
    counts, n_new, n = np.zeros(20), 0, 8000
    slots = {float(level[0]): slot for slot, level in enumerate(teacher._levels)}
    teacher._drawn[0] = 1000
    for _ in range(n):
        teacher._drawn = [1000, 0, 0]
        teacher._drawn_at[:] = 1000 - ages
        expected = teacher.probabilities()
        slot = slots.get(float(teacher.sample(1)[0, 0]))
        if slot is None:
            n_new += 1
        else:
            counts[slot] += 1
    assert abs(n_new / n - 0.3) < 0.02
    np.testing.assert_allclose(counts / counts.sum(), expected, atol=0.03)


def test_equal_scores_share_the_first_rank_in_turn():
    teacher = bound(PLR("learnability", capacity=10, staleness=0.0, replay_probability=1.0))
    teacher.update(points(*np.linspace(0, 1, 10)), outcomes(np.zeros(10)))
    seen = set()
    for _ in range(200):
        task = teacher.sample(1)
        seen.add(float(task[0, 0]))
        teacher.update(task, outcomes([0.0]))
    assert len(seen) >= 8  # by slot, the first rank would be one level's for ever


def test_nothing_is_replayed_before_the_buffer_is_filled_enough():
    teacher = bound(PLR(capacity=100, min_fill=0.3, replay_probability=1.0))
    for n in range(30):
        assert teacher.diagnostics()["n_levels"] == n
        task = teacher.sample(1)
        assert task.tobytes() not in teacher._slots
        teacher.update(task, outcomes([0.0]))
    assert teacher.sample(1).tobytes() in teacher._slots


def test_a_level_that_was_not_drawn_for_long_is_drawn_again_whatever_its_score():
    teacher = bound(PLR(capacity=50, min_fill=1.0))
    teacher.update(points(*np.linspace(0, 1, 50)), outcomes(np.zeros(50), positive_value_loss=np.arange(50)))
    drawn = {float(x) for x in teacher.sample(1500)[:, 0]}
    assert drawn >= set(np.linspace(0, 1, 50).tolist())


# The buffer


def test_a_full_buffer_gives_up_its_lowest_level_for_a_better_new_one_only():
    teacher = bound(PLR(capacity=3))
    teacher.update(points(0.1, 0.2, 0.3), outcomes([0, 0, 0], positive_value_loss=[1.0, 9.0, 4.0]))
    teacher.update(points(0.4), outcomes([0], positive_value_loss=[1.0]))
    assert scores_of(teacher) == {0.1: 1.0, 0.2: 9.0, 0.3: 4.0}
    teacher.update(points(0.5), outcomes([0], positive_value_loss=[2.0]))
    assert scores_of(teacher) == {0.5: 2.0, 0.2: 9.0, 0.3: 4.0}
    teacher.update(points(0.1), outcomes([0], positive_value_loss=[0.0]))  # it is a new one by now
    assert 0.1 not in scores_of(teacher)


def test_points_of_one_task_are_one_level():
    space = TaskSpace("mixed", [Feature.integer("n", 1, 4, 2), Feature.category("floor", ["ice", "mud"], "ice")])
    teacher = bound(PLR("learnability", capacity=100), space)
    teacher.update(np.random.default_rng(0).random((200, 2)), outcomes(np.full(200, 0.5)))
    assert teacher.diagnostics()["n_levels"] == 8


def test_equal_states_of_any_history_are_saved_in_numbers_of_the_capacity_alone():
    teacher = bound(PLR("learnability", capacity=40))
    for _ in range(10):
        teacher.update(teacher.sample(50), outcomes(np.random.default_rng(1).random(50)))
    arrays = [part for part in teacher.state_dict().values() if isinstance(part, np.ndarray)]
    assert arrays and all(len(part) == 40 for part in arrays)


# Robust


def test_robust_plr_has_only_looked_at_what_it_does_not_replay():
    teacher = bound(RobustPLR(capacity=20, min_fill=0.5))
    assert teacher.is_selective
    teacher.update(points(*np.linspace(0, 1, 20)), outcomes(np.zeros(20)))
    tasks = teacher.sample(400)
    is_known = np.array([task.tobytes() in teacher._slots for task in tasks])
    np.testing.assert_array_equal(teacher.untrained, ~is_known)
    assert 50 < teacher.untrained.sum() < 120


def test_plain_plr_trains_on_everything():
    teacher = bound(PLR())
    teacher.sample(3)
    assert not teacher.is_selective and teacher.untrained is None


# The whole


@pytest.mark.parametrize(
    ("setting", "found", "what"),
    [
        ("capacity", 0, "at least 1"),
        ("min_fill", 0.0, r"in \(0, 1\]"),
        ("temperature", 0.0, "above 0"),
        ("memory", 1.0, r"in \[0, 1\)"),
        ("score", "regret", "'positive_value_loss', 'max_mc', 'learnability' or 'absolute_progress'"),
    ],
)
def test_a_hyperparameter_out_of_its_range_is_refused(setting, found, what):
    with pytest.raises(ValueError, match=f"{setting} of PLR must be {what}"):
        bound(make_teacher("plr", **{setting: found}))


def test_outcomes_without_the_score_s_extra_are_refused_by_name():
    with pytest.raises(ValueError, match="positive_value_loss"):
        bound(PLR()).update(points(0.1), Outcomes.from_scores([0.5]))


def test_diagnostics_tell_sources_and_how_narrow_the_draws_are():
    teacher = bound(PLR("learnability", capacity=100), TaskSpace("square", setting_of("2d10").space().features))
    assert teacher.diagnostics() == {"n_levels": 0.0}
    for _ in range(20):
        tasks = teacher.sample(50)
        teacher.update(tasks, outcomes(np.clip(1.0 - tasks[:, 0], 0, 1)))
    numbers = teacher.diagnostics()
    assert numbers["random_share"] + numbers["replay_share"] == pytest.approx(1.0)
    assert 0.1 < numbers["random_share"] < 0.4 and numbers["child_share"] == 0.0
    assert 0.0 < numbers["entropy"] < 0.9
    x = teacher.space.grid(40)
    assert teacher.density(x).mean() == pytest.approx(1.0, abs=0.05)


def test_without_values_of_a_learner_it_masters_far_more_of_the_toy_grid_than_random():
    result = run_teacher("plr", setting_of("2d10", 8000), 1, {"score": "learnability"})
    assert result.mastery > 25  # random: 1 or 2 after 8,000 episodes
    assert result.us_per_episode < 400  # 60 on a quiet machine


def test_an_episode_costs_about_the_same_in_a_buffer_forty_times_as_large():
    spent = []
    for capacity in (100, 4000):
        teacher = bound(PLR("learnability", capacity=capacity))
        rng = np.random.default_rng(0)
        teacher.update(rng.random((capacity, 1)), outcomes(rng.random(capacity)))
        one = outcomes([0.3])
        start = time.process_time()
        for _ in range(1500):
            teacher.update(teacher.sample(1), one)
        spent.append(time.process_time() - start)
    assert spent[1] < 4 * spent[0]


class OneForAll(RobustPLR):
    untrained = np.array([True])


class Secretive(RobustPLR):
    is_selective = False
    untrained = property(lambda self: np.array(self._sources) != 1)


@pytest.mark.parametrize(("teacher", "found"), [(OneForAll, "as 7 booleans"), (Secretive, "is_selective is False")])
def test_the_check_finds_a_teacher_that_does_not_say_what_is_only_looked_at(teacher, found):
    with pytest.raises(TeacherError, match=found):
        says_what_is_only_looked_at(teacher, seed=0)


# Spaces of few tasks


FEW = TaskSpace("few", [Feature.integer("n", 1, 5, 2), Feature.category("floor", ["ice", "sand", "mud"], "ice")])


@pytest.mark.parametrize("name", ["plr", "robust-plr", "accel"])
def test_a_space_of_fewer_tasks_than_min_fill_asks_for_is_replayed_all_the_same(name):
    teacher = bound(make_teacher(name), FEW)
    rng = np.random.default_rng(1)
    for _ in range(2000):
        teacher.update(teacher.sample(1), outcomes([0.0], positive_value_loss=[rng.random()]))
    numbers = teacher.diagnostics()
    assert numbers["n_levels"] == 15.0
    assert numbers["replay_share"] > 0.9  # once all 15 are known, none is new


def test_the_buffer_of_such_a_space_is_filled_by_a_share_of_its_tasks():
    teacher = bound(PLR(min_fill=0.2, replay_probability=1.0), FEW)
    for level in FEW.grid(5)[:3]:  # 0.2 of 15
        assert teacher.diagnostics().get("replay_share", 0.0) == 0.0
        teacher.update(level[None], outcomes([0.0]))
    teacher.sample(20)
    assert teacher.diagnostics()["replay_share"] == 1.0


def test_the_density_of_a_space_that_is_known_is_that_of_its_levels():
    teacher = bound(PLR("learnability", replay_probability=0.5), TaskSpace("two", [Feature.integer("n", 0, 1, 0)]))
    assert teacher.density(np.array([[0.25]])) == pytest.approx([1.0])
    teacher.update(np.array([[0.25], [0.75]]), outcomes([0.5, 1.0]))
    drawn = teacher.sample(100)
    assert teacher.diagnostics()["replay_share"] == 1.0 and set(drawn[:, 0]) == {0.25, 0.75}


def test_two_levels_of_two_values_that_are_replayed_alike_are_even_and_level():
    teacher = bound(
        PLR("learnability", staleness=0.0, temperature=1e9), TaskSpace("two", [Feature.integer("n", 0, 1, 0)])
    )
    teacher.update(np.array([[0.25], [0.75]]), outcomes([0.5, 1.0]))

    assert teacher.diagnostics()["entropy"] == pytest.approx(1.0)
    assert teacher.diagnostics()["coverage"] == 1.0
    assert np.abs(teacher.density(np.linspace(0.0, 1.0, 21)[:, None]) - 1.0).max() < 0.15


def test_a_space_with_a_real_feature_has_no_last_task():
    teacher = bound(PLR(capacity=10, min_fill=0.5, replay_probability=0.5), LINE)
    teacher.update(np.linspace(0.0, 1.0, 20)[:, None], outcomes(np.arange(20) / 20))
    teacher.sample(400)
    assert teacher.diagnostics()["random_share"] == pytest.approx(0.5, abs=0.1)
