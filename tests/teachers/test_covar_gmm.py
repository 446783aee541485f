"""Covar-GMM keeps to its paper: it goes where scores rise with time within one batch."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import CovarGMM, Outcomes, covar_gmm
from lifelong_rl.teachers.covar_gmm import best_mixture


def bound(seed=0, **hyperparameters):
    teacher = CovarGMM(**hyperparameters)
    space = TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(2)])
    teacher.reset(space, np.random.default_rng(seed))
    return teacher


def three_trends(n=250):
    """Tasks of which those left rise with time, those in the middle stay, and those right fall twice as fast."""
    tasks = np.random.default_rng(1).random((n, 2))
    time = np.arange(n) / n
    scores = np.select([tasks[:, 0] < 1 / 3, tasks[:, 0] > 2 / 3], [0.4 * time, 1.0 - 0.8 * time], 0.5)
    return tasks, Outcomes.from_scores(scores)


def thirds(teacher):
    """The shares of Gaussian draws left, in the middle and right."""
    teacher.random_fraction = 0.0
    return np.histogram(teacher.sample(2000)[:, 0], bins=3, range=(0, 1))[0] / 2000


@pytest.fixture
def fits(monkeypatch):
    """The points of each fit, shape (fit_every, d + 2)."""
    seen = []

    def recorded(points, *arguments):
        seen.append(points.copy())
        return best_mixture(points, *arguments)

    monkeypatch.setattr(covar_gmm, "best_mixture", recorded)
    return seen


def test_each_fit_sees_task_time_and_score_of_its_batch_alone(fits):
    teacher = bound(fit_every=20, max_gaussians=2)
    tasks, scores = np.random.default_rng(1).random((45, 2)), np.random.default_rng(2).random(45)

    for start, stop in ((0, 19), (19, 23), (23, 45)):
        teacher.update(tasks[start:stop], Outcomes.from_scores(scores[start:stop]))

    time = np.arange(20) / 20
    assert len(fits) == 2
    assert np.array_equal(fits[0], np.column_stack([tasks[:20], time, scores[:20]]))
    assert np.array_equal(fits[1], np.column_stack([tasks[20:40], time, scores[20:40]]))


def test_tasks_lie_where_scores_rise():
    teacher = bound()
    teacher.update(*three_trends())

    left, _, right = thirds(teacher)

    assert left > 0.7
    assert right < 0.05


def test_with_absolute_falling_scores_attract_by_the_size_of_their_change():
    teacher = bound(absolute=True)
    teacher.update(*three_trends())

    left, middle, right = thirds(teacher)

    assert right > left > 0.1
    assert middle < 0.25


def test_without_rising_scores_each_gaussian_is_equally_likely():
    teacher = bound()
    tasks, _ = three_trends()
    teacher.update(tasks, Outcomes.from_scores(np.linspace(1.0, 0.0, 250)))

    weights = teacher.gaussians().weights

    assert weights == pytest.approx(np.full(len(weights), 1 / len(weights)))


def test_a_gaussian_is_as_likely_as_time_and_score_covary_in_it():
    teacher = bound()
    teacher.update(*three_trends())

    covariance = np.maximum(teacher.state_dict()["covariances"][:, 2, 3], 0.0)

    assert teacher.gaussians().weights == pytest.approx(covariance / covariance.sum())


def test_a_state_within_a_batch_goes_on_bit_for_bit():
    teacher, loaded = bound(fit_every=100, max_gaussians=3), bound(7, fit_every=100, max_gaussians=3)
    tasks, outcomes = three_trends()
    teacher.update(tasks[:150], outcomes[:150])

    loaded.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
    for each in (teacher, loaded):
        each.update(tasks[150:], outcomes[150:])

    assert state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict())
    assert np.array_equal(teacher.sample(50), loaded.sample(50))


def test_draws_outside_the_cube_are_clipped_and_the_density_knows_them():
    teacher = bound()
    teacher.update(*three_trends())
    axis = (np.arange(500) + 0.5) / 125 - 1.5  # [-1.5, 2.5]
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    assert (teacher.sample(2000) == 0.0).any()
    assert teacher.density(plane).sum() / 125**2 == pytest.approx(1.0, abs=0.01)


def test_diagnostics_tell_what_the_teacher_does():
    teacher = bound()
    teacher.update(*three_trends())
    teacher.sample(1000)

    numbers = teacher.diagnostics()

    assert set(numbers) == {"n_gaussians", "entropy", "random_share", "gmm_share"}
    assert numbers["random_share"] == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fit_every", 1), ("min_gaussians", 0), ("max_gaussians", 1), ("random_fraction", -0.1), ("criterion", "dic")],
)
def test_a_hyperparameter_out_of_range_is_named_at_reset(name, value):
    with pytest.raises(ValueError, match=f"{name} of CovarGMM must be .*, found {value!r}"):
        bound(**{name: value})
