"""SPDL keeps to its paper: what an update maximises, how far it goes, and when the target pulls."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from teacher_toys import Front, play

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import SPDL, Outcomes
from lifelong_rl.teachers.spdl import SelfPacedProblem, self_paced_step
from lifelong_rl.teachers.task_gaussian import SMALLEST_STD, TaskGaussian


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.1) for i in range(dimension)])


def bound(dimension=2, seed=0, **hyperparameters):
    teacher = SPDL(**hyperparameters)
    teacher.reset(space(dimension), np.random.default_rng(seed))
    return teacher


def a_gaussian(rng, dimension):
    factor = np.tril(rng.normal(0.0, 0.05, (dimension, dimension)), -1)
    return TaskGaussian(rng.random(dimension), factor + np.diag(rng.uniform(0.05, 0.3, dimension)))


def a_problem(rng, dimension, alpha, n=60):
    old, target = a_gaussian(rng, dimension), a_gaussian(rng, dimension)
    tasks = np.clip(old.mean + rng.standard_normal((n, dimension)) @ old.factor.T, 0.0, 1.0)
    return SelfPacedProblem(old, target, tasks, rng.random(n), alpha)


def test_the_gaussian_reaches_the_target_as_the_front_of_difficulty_moves_and_a_fixed_one_does_not():
    learner, fixed_learner = Front(0.3), Front(0.3)
    teacher, fixed = bound(target_mean=0.8, target_std=0.1), bound(update_every=10**6)
    play(teacher, 4000, learner.play)
    play(fixed, 4000, fixed_learner.play)

    target = np.random.default_rng(1).normal(0.8, 0.1, (1000, 2)).clip(0.0, 1.0)
    assert learner.score(target).mean() > 0.9
    assert fixed_learner.score(target).mean() < 0.1
    assert teacher.gaussian().mean == pytest.approx([0.8, 0.8], abs=0.05)
    assert teacher.gaussian().stds == pytest.approx([0.1, 0.1], abs=0.04)
    assert teacher.diagnostics()["kl_to_target"] < 0.3


def test_a_learner_that_never_succeeds_is_not_sent_to_the_target():
    teacher = bound(alpha_offset=0)
    before = teacher.gaussian()
    play(teacher, 500, lambda tasks: np.zeros(len(tasks)))

    assert np.array_equal(teacher.gaussian().mean, before.mean)
    assert np.array_equal(teacher.gaussian().factor, before.factor)


def test_a_learner_that_always_succeeds_is_sent_to_the_target():
    teacher = bound(alpha_offset=0)
    play(teacher, 1500, lambda tasks: np.ones(len(tasks)))

    assert teacher.gaussian().divergence(TaskGaussian(np.full(2, 0.5), 0.25 * np.eye(2))) < 0.01


def test_without_a_pull_equal_values_change_nothing():
    teacher = bound(alpha_offset=100)
    before = teacher.gaussian()
    play(teacher, 500, lambda tasks: np.full(len(tasks), 0.7))

    assert np.array_equal(teacher.gaussian().factor, before.factor)


def test_the_gaussian_moves_towards_higher_values():
    teacher = bound(initial_mean=0.5, alpha_offset=100)
    play(teacher, 200, lambda tasks: tasks[:, 0])

    assert teacher.gaussian().mean[0] > 0.6
    assert teacher.gaussian().mean[1] == pytest.approx(0.5, abs=0.1)


def test_the_target_pulls_after_the_offset_with_zeta_times_the_mean_value_over_the_divergence():
    teacher = bound(update_every=4, alpha_offset=1, zeta=0.5)
    scores = np.array([0.2, 0.4, 0.6, 0.4])
    tasks = teacher.sample(4)

    teacher.update(tasks, Outcomes.from_scores(scores))
    assert teacher.diagnostics()["alpha"] == 0.0

    distance = teacher.diagnostics()["kl_to_target"]
    teacher.update(teacher.sample(4), Outcomes.from_scores(scores))
    assert teacher.diagnostics()["alpha"] == pytest.approx(0.5 * 0.4 / distance)


def test_the_divergence_to_the_default_target_is_that_computed_by_hand():
    teacher = bound(dimension=1)  # mean 0.1 and std 0.1 against 0.5 and 0.25

    by_hand = np.log(0.25 / 0.1) + (0.1**2 + 0.4**2) / (2 * 0.25**2) - 0.5
    assert teacher.diagnostics()["kl_to_target"] == pytest.approx(by_hand)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 5]), st.sampled_from([0.0, 0.1, 10.0]), st.floats(1e-3, 3.0))
def test_an_update_gains_and_stays_within_its_radius_and_the_bounds(seed, dimension, alpha, max_kl):
    problem = a_problem(np.random.default_rng(seed), dimension, alpha)

    new = self_paced_step(problem, max_kl, np.full(dimension, 0.08))

    assert problem.old.divergence(new) <= max_kl
    assert problem.objective(new) >= problem.objective(problem.old)
    assert ((new.mean >= 0.0) & (new.mean <= 1.0)).all()
    assert (new.stds >= np.minimum(0.08, problem.old.stds) - 1e-12).all()
    assert (new.stds <= 1.0 + SMALLEST_STD).all()
    assert (np.diag(new.factor) > 0.0).all()
    assert np.array_equal(new.factor, np.tril(new.factor))


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("dimension", [1, 3])
def test_the_natural_gradient_is_the_slope_of_the_objective_in_every_coordinate(dimension, alpha):
    problem = a_problem(np.random.default_rng(3), dimension, alpha)
    shift, growth, squared = problem.natural_gradient(problem.old)
    gradient = np.concatenate([shift, growth[np.tril_indices(dimension)]])
    fisher = np.concatenate([np.ones(dimension), (np.eye(dimension) + 1.0)[np.tril_indices(dimension)]])

    slopes = []
    for step in 1e-6 * np.eye(len(gradient)):
        values = []
        for direction in (step, -step):
            lower = np.zeros((dimension, dimension))
            lower[np.tril_indices(dimension)] = direction[dimension:]
            values.append(problem.objective(problem.old.moved(direction[:dimension], lower)))
        slopes.append((values[0] - values[1]) / 2e-6)

    assert gradient * fisher == pytest.approx(slopes, rel=1e-4, abs=1e-7)
    assert squared == pytest.approx((gradient**2 * fisher).sum())


@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.5])
def test_an_update_finds_nearly_what_a_general_optimiser_finds_for_a_smooth_value(alpha):
    noise = a_problem(np.random.default_rng(5), 2, alpha)
    problem = replace(noise, values=np.abs(noise.tasks - 0.5).max(axis=1))

    def candidate(step):
        return problem.old.moved(step[:2], np.array([[step[2], 0.0], [step[3], step[4]]]))

    best = minimize(
        lambda step: -problem.objective(candidate(step)),
        np.zeros(5),
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda step: 0.1 - problem.old.divergence(candidate(step))},
    )
    start = problem.objective(problem.old)

    new = self_paced_step(problem, 0.1, np.zeros(2))

    assert problem.objective(new) - start >= 0.9 * (-best.fun - start)


def test_the_density_is_that_of_a_normal_and_the_divergence_a_mean_over_draws():
    rng = np.random.default_rng(0)
    one, other = a_gaussian(rng, 3), a_gaussian(rng, 3)
    draws = one.mean + rng.standard_normal((50_000, 3)) @ one.factor.T

    covariance, gaps = one.factor @ one.factor.T, draws[:50] - one.mean
    distances = (gaps * np.linalg.solve(covariance, gaps.T).T).sum(axis=1)
    expected = -0.5 * (distances + np.log(np.linalg.det(2.0 * np.pi * covariance)))
    assert one.log_density(draws[:50]) == pytest.approx(expected)
    difference = one.log_density(draws) - other.log_density(draws)
    assert one.divergence(other) == pytest.approx(difference.mean(), abs=5 * difference.std() / 50_000**0.5)


def test_no_std_shrinks_below_the_floor_before_the_target_is_near():
    hyperparameters = {"initial_std": 0.02, "target_mean": 0.1, "target_std": 0.02, "min_std": 0.2}
    floored = bound(**hyperparameters)
    freed = bound(**hyperparameters, min_std_until_kl=1e9)
    for teacher in (floored, freed):
        play(teacher, 1500, lambda tasks: np.ones(len(tasks)))

    assert floored.gaussian().stds == pytest.approx([0.2, 0.2], abs=1e-3)
    assert freed.gaussian().stds == pytest.approx([0.02, 0.02], rel=0.3)


def test_an_update_comes_after_exactly_update_every_episodes():
    teacher = bound(update_every=20, initial_mean=0.5)
    tasks = teacher.sample(50)
    means = []
    for start, stop in ((0, 19), (19, 20), (20, 39), (39, 50)):
        teacher.update(tasks[start:stop], Outcomes.from_scores(tasks[start:stop, 0]))
        means.append(teacher.gaussian().mean[0])

    assert means[0] == 0.5
    assert means[1] > 0.5
    assert means[2] == means[1]
    assert means[3] > means[2]


def test_many_tasks_at_once_are_those_of_single_calls():
    one, other = bound(5), bound(5)
    for teacher in (one, other):
        play(teacher, 200, lambda tasks: tasks[:, 1], size=50)

    assert np.array_equal(one.sample(200), np.concatenate([other.sample() for _ in range(200)]))


def test_the_density_is_that_of_the_draws_inside_the_cube():
    teacher = bound(initial_mean=[0.3, 0.1], initial_std=[0.1, 0.3])
    points = space().grid(100)

    tasks = teacher.sample(20_000)

    assert teacher.density(points).mean() == pytest.approx(((tasks > 0) & (tasks < 1)).all(axis=1).mean(), abs=0.02)


def test_the_learners_own_estimate_is_what_an_episode_is_worth_where_asked():
    teacher = bound(value="value", initial_mean=0.5)
    assert teacher.needs == {"value"}
    for _ in range(10):
        tasks = teacher.sample(10)
        n = np.ones(10)
        teacher.update(tasks, Outcomes(n, n, n > 0, n, {"value": -300.0 * tasks[:, 0]}))

    assert teacher.gaussian().mean[0] < 0.45
    assert SPDL().needs == frozenset()


def test_the_default_task_is_where_it_starts():
    teacher = bound()

    assert np.array_equal(teacher.gaussian().mean, [0.1, 0.1])
    assert teacher.gaussian().stds == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("dimension", [1, 20])
def test_extreme_outcomes_of_foreign_tasks_leave_a_gaussian_to_draw_from(dimension):
    teacher = bound(dimension, alpha_offset=0)
    rng = np.random.default_rng(0)
    for tasks in (np.zeros((500, dimension)), np.ones((500, dimension)), rng.random((500, dimension)).round()):
        teacher.update(tasks, Outcomes.from_scores(rng.random(500).round()))

    tasks = teacher.sample(100)
    assert ((tasks >= 0) & (tasks <= 1)).all()
    assert all(np.isfinite(list(teacher.diagnostics().values())))
    assert np.isfinite(teacher.density(tasks)).all()


def test_a_save_between_two_updates_keeps_the_open_episodes():
    teacher, loaded = bound(update_every=64), bound(update_every=64, seed=5)
    play(teacher, 100, lambda tasks: tasks[:, 0])

    loaded.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
    for each in (teacher, loaded):
        play(each, 300, lambda tasks: tasks[:, 0])

    assert state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("update_every", 1),
        ("max_kl", 0.0),
        ("max_kl", float("nan")),
        ("zeta", -1.0),
        ("alpha_offset", -1),
        ("min_std", 2.0),
        ("min_std_until_kl", -1.0),
        ("value", "return"),
        ("initial_mean", 1.5),
        ("initial_mean", [0.5, 0.5, 0.5]),
        ("initial_std", 0.0),
        ("target_mean", [0.5, float("nan")]),
        ("target_std", 1e-4),
    ],
)
def test_a_hyperparameter_out_of_range_is_named_at_reset(name, value):
    with pytest.raises(ValueError, match=f"{name} of SPDL must be .*, found"):
        bound(**{name: value})


def test_a_category_is_refused():
    floor = TaskSpace("floor", [Feature.category("floor", ["ice", "sand"], "ice")])

    with pytest.raises(ValueError, match="'floor' is a category"):
        SPDL().reset(floor, np.random.default_rng(0))
