"""CURROT keeps to its paper: particles go to the target, no further than they may, and only where scores hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from teacher_toys import Front, play

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import CURROT, Outcomes
from lifelong_rl.teachers.transport import nadaraya_watson, partners


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(dimension=2, seed=0, task_space=None, **hyperparameters):
    small = {"performance_bound": 0.6, "n_particles": 60, "memory": 200, "min_successes": 10, "trust_radius": 0.1}
    teacher = CURROT(**{**small, **hyperparameters})
    teacher.reset(task_space or space(dimension), np.random.default_rng(seed))
    return teacher


def always(tasks):
    return np.ones(len(tasks))


def near_the_origin(tasks):
    return (tasks.max(axis=1) < 0.3).astype(float)


def test_particles_reach_the_target_as_the_front_of_difficulty_moves_and_fixed_tasks_do_not():
    learner, fixed_learner = Front(0.2), Front(0.2)
    teacher = bound(target_mean=0.85, target_std=0.05, initial_mean=0.1)
    fixed = bound(initial_mean=0.1, update_every=10**4, memory=10**4)
    play(teacher, 3000, learner.play)
    play(fixed, 3000, fixed_learner.play)

    target = np.random.default_rng(1).normal(0.85, 0.05, (1000, 2))
    assert learner.score(target).mean() > 0.9
    assert fixed_learner.score(target).mean() < 0.1
    assert teacher.particles().mean(axis=0) == pytest.approx([0.85, 0.85], abs=0.03)
    assert teacher.particles().std(axis=0) == pytest.approx([0.05, 0.05], abs=0.03)


def test_uniform_targets_end_in_uniform_tasks_where_all_can_be_done():
    teacher = bound(initial_mean=0.1, n_particles=200)
    play(teacher, 1500, always)

    counts = np.histogram2d(*teacher.particles().T, bins=3, range=[[0, 1], [0, 1]])[0]
    assert counts.min() > 8
    assert teacher.diagnostics()["entropy"] > 0.9


def test_particles_stay_where_the_score_is_expected_to_reach_the_bound():
    teacher = bound(initial_mean=0.1)
    play(teacher, 2000, near_the_origin)

    is_inside = teacher.particles().max(axis=1) < 0.3
    assert is_inside.mean() > 0.5
    assert teacher.particles().max() < 0.3 + 2 * 0.1 * np.sqrt(2)
    assert teacher.particles()[:, 0].std() > 0.05


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 7]), st.floats(0.01, 1.0), st.floats(0.0, 1.0))
def test_no_particle_goes_further_than_the_trust_radius_in_one_update(seed, dimension, radius, easy_share):
    teacher = bound(dimension, seed, trust_radius=radius, min_successes=1, update_every=20)
    rng = np.random.default_rng(seed)
    tasks = teacher.sample(20)
    teacher.update(tasks, Outcomes.from_scores(np.ones(20)))
    for _ in range(4):
        before = teacher.particles()
        tasks = teacher.sample(20)
        teacher.update(tasks, Outcomes.from_scores((rng.random(20) < easy_share).astype(float)))
        after = teacher.particles()
        assert len(after) == len(before)
        assert np.sqrt(((after - before) ** 2).sum(axis=1)).max() <= radius * np.sqrt(dimension) * (1 + 1e-12)
        assert ((after >= 0.0) & (after <= 1.0)).all()


def test_a_particle_whose_straight_way_is_blocked_goes_round():
    teacher = bound(update_every=200, trust_radius=0.2, target_mean=[0.9, 0.5], target_std=0.02)
    grid = space().grid(14)  # 196 tasks, and four more at the start
    tasks = np.concatenate([grid, np.full((4, 2), [0.1, 0.5])])
    wall = (np.abs(tasks[:, 0] - 0.5) < 0.1) & (np.abs(tasks[:, 1] - 0.5) < 0.3)

    teacher.update(tasks, Outcomes.from_scores(1.0 - wall))
    for _ in range(12):
        teacher.update(tasks, Outcomes.from_scores(1.0 - wall))

    assert (teacher.particles()[:, 0] > 0.6).all()


def test_particles_retreat_to_successes_when_the_learner_forgets_the_rest():
    teacher = bound(initial_mean=0.1, trust_radius=0.2)
    play(teacher, 1500, always)
    assert teacher.particles().max() > 0.8
    play(teacher, 2000, near_the_origin)

    assert (teacher.particles().max(axis=1) < 0.35).mean() > 0.5


def test_it_searches_again_when_no_success_is_left():
    teacher = bound(initial_mean=0.1)
    play(teacher, 500, always)
    assert len(teacher.particles()) == 60
    play(teacher, 250, lambda tasks: np.zeros(len(tasks)))

    assert len(teacher.particles()) == 0
    assert teacher.sample(100).std() < 0.15  # the initial tasks again


def test_the_search_starts_uniform_and_closes_in_on_the_best_tasks():
    teacher = bound(min_successes=200)
    first = teacher.sample(1000)
    play(teacher, 1000, lambda tasks: 0.5 * (1.0 - tasks.max(axis=1)))
    later = teacher.sample(1000)

    assert len(teacher.particles()) == 0
    assert (first.max(axis=1) < 0.5).mean() == pytest.approx(0.25, abs=0.06)
    assert (later.max(axis=1) < 0.5).mean() > 0.5


def test_it_finds_the_only_tasks_that_can_be_done_far_sooner_than_random_draws():
    def score(tasks):
        return np.clip(1.0 - 2.0 * np.abs(tasks - 0.9).max(axis=1), 0.0, 1.0)

    teacher = bound(dimension=4, performance_bound=0.9, min_successes=10)
    play(teacher, 1600, score)

    random_tasks = np.random.default_rng(0).random((1600, 4))
    assert (score(random_tasks) >= 0.9).sum() < 5
    assert len(teacher.particles()) == 60


@pytest.mark.parametrize("initial_mean", [None, 0.5])
def test_the_density_of_the_search_is_that_of_its_draws(initial_mean):
    teacher = bound(min_successes=200, initial_mean=initial_mean)
    for n in (0, 200):  # before and after it has seen anything
        play(teacher, n, lambda tasks: 0.5 * (1.0 - np.abs(tasks - 0.5).max(axis=1)))
        points = space().grid(100)
        is_cell = (np.abs(points - 0.45) < 0.1).all(axis=1)
        expected = teacher.density(points)[is_cell].sum() / 100**2

        tasks = teacher.sample(10_000)

        assert (np.abs(tasks - 0.45) < 0.1).all(axis=1).mean() == pytest.approx(expected, abs=0.03)


def test_the_search_ends_with_the_update_that_sees_enough_successes():
    teacher = bound(update_every=20, min_successes=3)
    tasks = teacher.sample(40)
    scores = np.zeros(40)
    scores[[0, 1, 25]] = 1.0

    teacher.update(tasks[:39], Outcomes.from_scores(scores[:39]))
    assert len(teacher.particles()) == 0
    teacher.update(tasks[39:], Outcomes.from_scores(scores[39:]))
    assert len(teacher.particles()) == 60


def test_a_batch_over_several_updates_moves_as_its_episodes():
    batched, single = bound(update_every=20), bound(update_every=20)
    tasks = np.random.default_rng(1).random((130, 2))
    scores = near_the_origin(tasks)

    batched.update(tasks, Outcomes.from_scores(scores))
    for i in range(130):
        single.update(tasks[i : i + 1], Outcomes.from_scores(scores[i : i + 1]))

    assert len(batched.particles()) == 60
    assert np.array_equal(batched.particles(), single.particles())


def test_tasks_are_particles_once_the_search_is_over_in_one_stream():
    one, other = (bound(initial_mean=0.1) for _ in range(2))
    for teacher in (one, other):
        play(teacher, 300, always)

    tasks = one.sample(200)
    assert np.array_equal(tasks, np.concatenate([other.sample() for _ in range(200)]))
    assert {tuple(task) for task in tasks} <= {tuple(particle) for particle in one.particles()}


def test_the_estimate_is_the_weighted_mean_computed_by_hand():
    tasks, scores = np.array([[0.0], [0.3]]), np.array([0.2, 1.0])

    weight = np.exp(-(0.2**2 - 0.1**2) / (2 * 0.1**2))  # of the first against the second, seen from 0.2
    by_hand = (0.2 * weight + 1.0) / (weight + 1.0)
    assert nadaraya_watson(np.array([[0.2]]), tasks, scores, 0.1) == pytest.approx([by_hand])


def test_far_from_all_tasks_the_estimate_is_that_of_the_nearest():
    tasks, scores = np.array([[0.0], [0.3]]), np.array([0.2, 1.0])

    assert nadaraya_watson(np.array([[1.0]]), tasks, scores, 1e-4) == pytest.approx([1.0])


@pytest.mark.parametrize("crowding", [0.0, 1e-3, 1.0])
def test_partners_are_those_of_the_plain_assignment(crowding):
    rng = np.random.default_rng(0)
    particles, targets = 0.3 + crowding * rng.random((40, 3)), rng.random((40, 3))
    costs = cdist(particles, targets, "sqeuclidean")
    plain = linear_sum_assignment(costs)

    rows = partners(particles, targets)

    assert sorted(rows) == list(range(40))
    assert costs[np.arange(40), rows].sum() == pytest.approx(costs[plain].sum(), rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 20])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_scores_of_one_task_leave_tasks_to_draw(dimension, value):
    teacher = bound(dimension)
    for corner in (0.0, 1.0, 0.3):
        teacher.update(np.full((300, dimension), corner), Outcomes.from_scores(np.full(300, value)))
        tasks = teacher.sample(100)
        assert ((tasks >= 0) & (tasks <= 1)).all()
        assert all(np.isfinite(list(teacher.diagnostics().values())))


def test_values_of_an_integer_count_as_one_task_for_the_estimate():
    floors = TaskSpace("floors", [Feature.integer("floor", 1, 4, 1), Feature.real("x", 0.0, 1.0, 0.5)])
    teacher = bound(task_space=floors, initial_mean=0.1, trust_radius=0.1)
    play(teacher, 2000, lambda tasks: (tasks[:, 0] < 0.5).astype(float))

    floor = (teacher.particles()[:, 0] * 4).astype(int)
    assert {0, 1} <= set(floor)
    assert (floor <= 1).mean() > 0.6


def test_a_save_in_the_search_and_in_the_transport_continues():
    for n_before in (70, 430):
        teacher, loaded = bound(initial_mean=0.3), bound(initial_mean=0.3, seed=9)
        play(teacher, n_before, near_the_origin)
        loaded.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
        for each in (teacher, loaded):
            play(each, 300, near_the_origin)

        assert state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict())


def test_diagnostics_tell_search_from_particles():
    teacher = bound(initial_mean=0.1)
    play(teacher, 50, always)
    play(teacher, 150, always)
    numbers = teacher.diagnostics()

    assert set(numbers) == {"entropy", "success_share", "distance_to_target", "search_share", "particle_share"}
    assert numbers["search_share"] == 0.25
    assert numbers["particle_share"] == 0.75
    assert numbers["success_share"] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("performance_bound", 0.0),
        ("n_particles", 1),
        ("update_every", 0),
        ("trust_radius", 0.0),
        ("bandwidth", -0.1),
        ("memory", 20),
        ("min_successes", 0),
        ("target_mean", 1.5),
        ("initial_std", 0.0),
        ("initial_mean", [0.5, 0.5, 0.5]),
        ("performance_bound", float("nan")),
    ],
)
def test_a_hyperparameter_out_of_range_is_named_at_reset(name, value):
    with pytest.raises(ValueError, match=f"{name} of CURROT must be .*, found"):
        bound(**{"target_mean": 0.5, "initial_mean": 0.5, name: value})


def test_a_category_is_refused():
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(task_space=TaskSpace("floor", [Feature.category("floor", ["ice", "sand"], "ice")]))


@pytest.mark.parametrize("name", ["target_std", "initial_std"])
def test_a_standard_deviation_is_checked_where_it_has_no_use_too(name):
    with pytest.raises(ValueError, match=rf"{name} of CURROT must be .*found -1"):
        CURROT(**{name: -1}).reset(TaskSpace("s", [Feature.real("x", 0.0, 1.0, 0.5)]), np.random.default_rng(0))
