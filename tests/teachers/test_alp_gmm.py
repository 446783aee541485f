"""ALP-GMM keeps to its paper: when it fits, on what, and where it draws."""

import copy

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import ALPGMM, Outcomes, RandomTeacher, alp_gmm, make_teacher
from lifelong_rl.teachers.alp_gmm import best_mixture
from lifelong_rl.teachers.gaussians import n_parameters_of, price_of


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(dimension=2, seed=0, **hyperparameters):
    teacher = ALPGMM(**hyperparameters)
    teacher.reset(space(dimension), np.random.default_rng(seed))
    return teacher


def play(teacher, n, score, size=50):
    for _ in range(n // size):
        tasks = teacher.sample(size)
        teacher.update(tasks, Outcomes.from_scores(score(tasks)))


def learnable_corner(rng):
    """Scores change from visit to visit in one ninth of the square only."""
    return lambda tasks: np.where(in_corner(tasks), rng.random(len(tasks)), 0.0)


def in_corner(tasks):
    return (tasks > 2 / 3).all(axis=1)


@pytest.fixture
def fits(monkeypatch):
    """The points of each fit, shape (window, d + 1)."""
    seen = []

    def recorded(points, *arguments):
        seen.append(points.copy())
        return best_mixture(points, *arguments)

    monkeypatch.setattr(alp_gmm, "best_mixture", recorded)
    return seen


@pytest.fixture(scope="module")
def adapted_once():
    teacher = bound()
    play(teacher, 750, learnable_corner(np.random.default_rng(1)))
    return teacher


@pytest.fixture
def adapted(adapted_once):
    """A teacher after three fits, of one learnable corner."""
    return copy.deepcopy(adapted_once)


def test_a_fit_comes_after_each_fit_every_episodes_and_sees_exactly_those(fits):
    teacher = bound(fit_every=20, max_gaussians=2)
    tasks = np.random.default_rng(1).random((45, 2))
    scores = np.random.default_rng(2).random(45)

    counts = []
    for start, stop in ((0, 19), (19, 20), (20, 39), (39, 45)):
        teacher.update(tasks[start:stop], Outcomes.from_scores(scores[start:stop]))
        counts.append(len(fits))

    assert counts == [0, 1, 1, 2]
    assert np.array_equal(fits[0][:, :2], tasks[:20])
    assert np.array_equal(fits[1][:, :2], tasks[20:40])


def test_one_batch_over_several_fits_sees_the_windows_of_single_episodes(fits):
    tasks = np.random.default_rng(1).random((65, 2))
    scores = np.random.default_rng(2).random(65)
    batched, single = bound(fit_every=20, max_gaussians=3), bound(fit_every=20, max_gaussians=3)

    batched.update(tasks, Outcomes.from_scores(scores))
    for i in range(65):
        single.update(tasks[i : i + 1], Outcomes.from_scores(scores[i : i + 1]))

    assert len(fits) == 6
    assert all(np.array_equal(one, other) for one, other in zip(fits[:3], fits[3:], strict=True))
    assert np.array_equal(batched.sample(100), single.sample(100))


def test_a_window_longer_than_the_fit_interval_uses_episodes_again(fits):
    teacher = bound(fit_every=20, window=30, max_gaussians=2)
    tasks = np.random.default_rng(1).random((40, 2))

    teacher.update(tasks, Outcomes.from_scores(tasks[:, 0]))

    assert [len(points) for points in fits] == [20, 30]
    assert np.array_equal(fits[1][:, :2], tasks[10:])


def test_the_last_axis_of_a_fit_is_the_progress_against_the_whole_history(fits):
    teacher = bound(fit_every=10, max_gaussians=2)
    tasks = np.random.default_rng(1).random((20, 2))
    tasks[15] = tasks[3]
    scores = np.zeros(20)
    scores[15] = 0.75

    teacher.update(tasks, Outcomes.from_scores(scores))

    assert fits[1][5, 2] == 0.75


def test_tasks_are_uniform_before_the_first_fit():
    teacher = bound()
    teacher.update(teacher.sample(249), Outcomes.from_scores(np.linspace(0, 1, 249)))

    tasks = teacher.sample(4000)

    assert teacher.diagnostics()["random_share"] == 1.0
    assert np.abs(np.histogram2d(*tasks.T, bins=4, range=[[0, 1], [0, 1]])[0] - 250).max() < 75
    assert np.array_equal(teacher.density(tasks[:5]), np.ones(5))


def test_most_gaussian_draws_lie_where_alone_the_score_changes(adapted):
    adapted.random_fraction = 0.0

    assert in_corner(adapted.sample(1000)).mean() >= 0.6


def test_a_fifth_of_the_draws_stays_uniform(adapted):
    before = adapted.diagnostics()
    adapted.sample(20_000)
    after = adapted.state_dict()

    assert (after["n_random"] - before["random_share"] * 750) / 20_000 == pytest.approx(0.2, abs=0.01)


def test_without_any_progress_each_gaussian_is_equally_likely():
    teacher = bound()
    play(teacher, 250, lambda tasks: np.full(len(tasks), 0.5))

    weights = teacher.gaussians().weights

    assert len(weights) >= 2
    assert weights == pytest.approx(np.full(len(weights), 1 / len(weights)))


def test_a_gaussian_is_as_likely_as_its_mean_progress_is_large(adapted):
    progress = adapted.state_dict()["means"][:, -1].clip(0.0)

    assert adapted.gaussians().weights == pytest.approx(progress / progress.sum())


def test_a_mean_progress_below_zero_counts_as_zero():
    teacher = bound()
    play(teacher, 250, lambda tasks: tasks[:, 0])
    state = teacher.state_dict()
    state["means"][:, -1] = [-1e-18] + [0.5] * (len(state["means"]) - 1)

    teacher.load_state_dict(state)

    assert teacher.gaussians().weights[0] == 0.0
    assert len(teacher.sample(100)) == 100


@pytest.mark.parametrize("dimension", [1, 2, 12])
def test_draws_stay_in_the_cube_and_some_are_clipped_onto_its_faces(dimension):
    teacher = bound(dimension)
    play(teacher, 500, lambda tasks: (tasks[:, 0] * 20 % 1).round())

    tasks = teacher.sample(3000)

    assert ((tasks >= 0) & (tasks <= 1)).all()
    assert (tasks == 0).any()
    assert (tasks == 1).any()


def test_many_tasks_at_once_are_those_of_single_calls(adapted):
    other = bound(seed=99)
    other.load_state_dict(adapted.state_dict())

    assert np.array_equal(adapted.sample(200), np.concatenate([other.sample() for _ in range(200)]))


def test_the_density_integrates_to_one_before_clipping(adapted):
    axis = (np.arange(600) + 0.5) / 200 - 1.0  # [-1, 2]
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    assert adapted.density(plane).sum() / 200**2 == pytest.approx(1.0, abs=0.005)


def test_the_density_is_that_of_the_draws(adapted):
    points = space().grid(100)
    is_cell = (points[:, 0] > 0.8) & (points[:, 0] < 0.9) & (points[:, 1] > 0.7) & (points[:, 1] < 0.8)
    expected = adapted.density(points[is_cell]).sum() / 100**2

    tasks = adapted.sample(20_000)
    share = ((tasks > [0.8, 0.7]) & (tasks < [0.9, 0.8])).all(axis=1).mean()

    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / 20_000))


def test_the_gaussians_are_given_over_the_task_axes(adapted):
    gaussians = adapted.gaussians()
    k = len(gaussians.weights)

    assert gaussians.means.shape == (k, 2)
    assert gaussians.covariances.shape == (k, 2, 2)
    assert gaussians.weights.sum() == pytest.approx(1.0)


def test_there_are_no_gaussians_before_the_first_fit():
    assert bound().gaussians().means.shape == (0, 2)


def test_the_lowest_criterion_chooses_the_number_of_gaussians():
    rng = np.random.default_rng(0)
    centres = np.array([[0.1, 0.1, 0.0], [0.5, 0.9, 0.5], [0.9, 0.2, 0.9]])
    points = np.repeat(centres, 100, axis=0) + rng.normal(0.0, 0.01, (300, 3))

    mixture = best_mixture(points, list(range(1, 7)), [0] * 6, "bic")

    assert len(mixture.means_) == 3


@pytest.mark.parametrize("n_distinct", [1, 2, 3, 9])
def test_fewer_distinct_tasks_than_gaussians_are_no_error(n_distinct):
    teacher = bound(fit_every=50)
    tasks = np.random.default_rng(1).random((n_distinct, 2))[np.arange(150) % n_distinct]

    teacher.update(tasks, Outcomes.from_scores(np.arange(150) % 2))

    assert 1 <= len(teacher.gaussians().weights) <= 10
    assert ((teacher.sample(500) >= 0) & (teacher.sample(500) <= 1)).all()


def test_a_state_of_another_teacher_is_refused():
    other = RandomTeacher()
    other.reset(space(), np.random.default_rng(0))

    with pytest.raises(ValueError, match="teacher 'ALPGMM' is expected, found 'RandomTeacher'"):
        bound().load_state_dict(other.state_dict())


def test_a_state_of_another_task_space_is_refused():
    with pytest.raises(ValueError, match=r"features \['x0', 'x1'\] is expected, found \['x0', 'x1', 'x2'\]"):
        bound().load_state_dict(bound(dimension=3).state_dict())


def test_a_state_with_other_hyperparameters_is_refused_and_changes_nothing(adapted):
    before = state_to_bytes(adapted.state_dict())

    with pytest.raises(ValueError, match=r"hyperparameters\.fit_every 250 is expected, found 100"):
        adapted.load_state_dict(bound(fit_every=100).state_dict())
    assert state_to_bytes(adapted.state_dict()) == before


def test_a_damaged_state_is_refused_and_changes_nothing(adapted):
    before = state_to_bytes(adapted.state_dict())
    state = bound().state_dict()
    del state["means"]

    with pytest.raises(ValueError, match="'means'"):
        adapted.load_state_dict(state)
    assert state_to_bytes(adapted.state_dict()) == before


def test_a_bounded_history_survives_a_save(adapted):
    teacher, loaded = (bound(seed=seed, max_gaussians=3, max_history=250) for seed in (0, 5))
    play(teacher, 700, learnable_corner(np.random.default_rng(1)))

    loaded.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
    for each in (teacher, loaded):
        play(each, 600, learnable_corner(np.random.default_rng(2)))

    assert state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict())


def test_fits_do_not_depend_on_the_number_of_threads():
    from threadpoolctl import threadpool_limits

    points = np.random.default_rng(0).random((600, 3))
    means = []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads):
            means.append(best_mixture(points, [4, 5], [1, 2], "aic").means_)

    assert np.array_equal(*means)


def test_diagnostics_tell_what_the_teacher_does(adapted):
    numbers = adapted.diagnostics()

    assert set(numbers) == {"mean_alp", "n_gaussians", "entropy", "coverage", "random_share", "gmm_share"}
    assert numbers["random_share"] + numbers["gmm_share"] == pytest.approx(1.0)
    assert 0.1 < numbers["entropy"] < 0.95
    assert 0.1 < numbers["coverage"] < 0.75
    assert numbers["mean_alp"] == pytest.approx(np.abs(adapted.state_dict()["history"]["progress"][-250:]).mean())


def test_diagnostics_leave_out_what_is_not_defined_yet():
    assert bound().diagnostics() == {"n_gaussians": 0.0, "entropy": pytest.approx(1.0), "coverage": 0.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fit_every", 0),
        ("fit_every", 1),
        ("window", 1),
        ("min_gaussians", 0),
        ("max_gaussians", 1),
        ("random_fraction", 1.2),
        ("random_fraction", float("nan")),
        ("criterion", "dic"),
        ("max_history", 100),
    ],
)
def test_a_hyperparameter_out_of_range_is_named_at_reset(name, value):
    with pytest.raises(ValueError, match=f"{name} of ALPGMM must be .*, found {value!r}"):
        bound(**{name: value})


def test_a_task_space_without_a_free_feature_is_refused():
    with pytest.raises(ValueError, match="free feature"):
        bound(dimension=0)


def test_the_small_sample_criterion_prices_parameters_by_the_points_that_are_left():
    # two Gaussians on three axes: 2 * (1 + 3 + 6) - 1 = 19 numbers
    assert n_parameters_of([2], 3).tolist() == [19]
    assert price_of(np.array([19]), 40, "aicc").tolist() == [2 * 19 * 40 / 20]
    assert price_of(np.array([19, 29]), 20, "aicc").tolist() == [np.inf, np.inf]
    assert price_of(np.array([19]), 40, "aic").tolist() == [38.0]
    assert price_of(np.array([19]), 40, "bic") == pytest.approx(19 * np.log(40))


@pytest.mark.parametrize("name", ["alp-gmm", "alp-gmm-fast", "covar-gmm"])
def test_with_few_points_it_takes_fewer_gaussians_than_aic(name):
    counts = {}
    for criterion in ("aic", "aicc"):
        teacher = make_teacher(name, fit_every=40, criterion=criterion)
        teacher.reset(space(), np.random.default_rng(0))
        rng = np.random.default_rng(1)
        for _ in range(60):
            teacher.update(rng.random((2, 2)), Outcomes.from_scores(rng.random(2)))
        counts[criterion] = teacher.diagnostics()["n_gaussians"]
    assert counts["aicc"] < counts["aic"]
