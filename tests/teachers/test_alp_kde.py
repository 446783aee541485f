"""ALP-KDE repeats recent tasks where the score changed; expected values are counted by hand or integrated."""

import numpy as np
import pytest

from lifelong_rl.agents.simulated import CompetenceGrid
from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import ALPKDE, Outcomes
from lifelong_rl.teachers.alp_kde import RecentProgress, noise_share


def cube(dimension=2):
    return TaskSpace("cube", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(space=None, seed=0, **hyperparameters):
    teacher = ALPKDE(**hyperparameters)
    teacher.reset(space or cube(), np.random.default_rng(seed))
    return teacher


def teach(teacher, tasks, scores):
    teacher.update(np.array(tasks, dtype=float), Outcomes.from_scores(scores))


LEARNED, LOST, STILL = [0.2, 0.2], [0.8, 0.8], [0.2, 0.8]


def taught_gain_and_loss(**hyperparameters):
    """Give a teacher that saw one task gain 0.5, another lose 0.5 and a third stay, in ten episodes."""
    teacher = bound(**{"random_fraction": 0.0, "jitter": 0.01, **hyperparameters})
    teach(teacher, [STILL, *([LEARNED, LOST, STILL] * 2)], [0.3, *([0.0, 1.0, 0.3] * 2)])
    teach(teacher, [LEARNED, LOST, STILL], [0.5, 0.5, 0.3])
    return teacher


def share_near(tasks, place, within=0.1):
    return (np.abs(tasks - place) < within).all(axis=1).mean()


def test_progress_is_the_change_since_the_nearest_of_the_recent_tasks():
    recent = RecentProgress(cube(1), size=7)
    recent.append(np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [0.5]]), np.arange(6) / 10)
    assert not recent.progress.any()  # the first six have none
    recent.append(np.array([[0.04], [0.47]]), np.array([0.5, 0.1]))
    np.testing.assert_allclose(recent.progress[-2:], [0.5, -0.4])
    recent.append(np.array([[0.0]]), np.array([0.2]))  # the first episode, 0.0, has left the window: 0.04 is nearest
    np.testing.assert_allclose(recent.progress[-1], 0.2 - 0.5)


def test_of_identical_tasks_the_latest_counts():
    recent = RecentProgress(cube(1), size=20)
    recent.append(np.full((9, 1), 0.5), np.array([0.0] * 6 + [0.1, 0.4, 0.6]))
    np.testing.assert_allclose(recent.progress[-3:], [0.1, 0.3, 0.2])


def test_a_difference_that_is_only_rounding_is_no_progress():
    recent = RecentProgress(cube(1), size=20)
    recent.append(np.full((7, 1), 0.5), np.array([0.3] * 6 + [0.1 + 0.2]))
    assert recent.progress[-1] == 0.0


def test_the_window_slides_in_time_order_for_batches_of_any_size():
    rng = np.random.default_rng(0)
    tasks, scores = rng.random((500, 2)), rng.random(500)
    at_once, in_parts = RecentProgress(cube(), size=16), RecentProgress(cube(), size=16)
    at_once.append(tasks, scores)
    start = 0
    while start < 500:
        stop = min(500, start + int(rng.integers(1, 40)))
        in_parts.append(tasks[start:stop], scores[start:stop])
        start = stop
    for recent in (at_once, in_parts):
        assert np.array_equal(recent.tasks, tasks[-16:])
        assert np.array_equal(recent.scores, scores[-16:])
    assert np.array_equal(at_once.progress, in_parts.progress)


def test_distances_of_categories_do_not_depend_on_their_order():
    floors = Feature.category("floor", ["ice", "sand", "mud"], "ice")
    recent = RecentProgress(TaskSpace("floors", [floors]), size=20)
    ice, sand, mud = 0.1, 0.5, 0.9
    recent.append(np.array([[ice], [mud], [sand]] * 2 + [[ice]]), np.array([0.1, 0.9, 0.5] * 2 + [0.4]))
    np.testing.assert_allclose(recent.progress[-1], 0.3)


def test_without_progress_tasks_are_uniform():
    teacher = bound(random_fraction=0.0)
    teach(teacher, [LEARNED] * 50, [0.4] * 50)
    tasks = teacher.sample(4000)
    assert np.abs(np.histogram(tasks[:, 0], bins=4, range=(0, 1))[0] / 4000 - 0.25).max() < 0.04
    assert teacher.diagnostics()["random_share"] == 1.0


def test_tasks_are_drawn_where_the_score_changed_in_either_direction():
    tasks = taught_gain_and_loss().sample(2000)
    assert abs(share_near(tasks, LEARNED) - 0.5) < 0.05
    assert abs(share_near(tasks, LOST) - 0.5) < 0.05


def test_gain_and_loss_weights_choose_between_learning_and_going_back():
    assert share_near(taught_gain_and_loss(loss_weight=0.0).sample(500), LEARNED) == 1.0
    assert share_near(taught_gain_and_loss(gain_weight=0.0).sample(500), LOST) == 1.0
    assert abs(share_near(taught_gain_and_loss(loss_weight=3.0).sample(4000), LOST) - 0.75) < 0.03


def test_gain_and_loss_are_reported_apart():
    numbers = taught_gain_and_loss().diagnostics()
    assert numbers["mean_gain"] == pytest.approx(0.5 / 10)
    assert numbers["mean_loss"] == pytest.approx(0.5 / 10)
    assert numbers["mean_alp"] == pytest.approx(1.0 / 10)


def test_the_exponent_sets_how_much_more_a_larger_change_draws():
    for exponent, odds in ((0.5, 2.0), (1.0, 4.0)):
        teacher = bound(random_fraction=0.0, jitter=0.01, exponent=exponent, noisy_exponent=exponent)
        teach(teacher, [LEARNED, LOST] * 5, [0.0, 1.0] * 4 + [0.8, 0.8])
        tasks = teacher.sample(8000)
        assert share_near(tasks, LEARNED) / share_near(tasks, LOST) == pytest.approx(odds, rel=0.1)


def test_tasks_are_reflected_at_the_faces_and_not_piled_up_on_them():
    teacher = bound(cube(1), random_fraction=0.0, jitter=0.2)
    teach(teacher, [[0.0]] * 10, [0.0] * 9 + [1.0])
    tasks = teacher.sample(4000)
    assert (tasks > 0.0).all()
    assert tasks.mean() == pytest.approx(0.2 * np.sqrt(2 / np.pi), rel=0.05)  # the mean of a half-normal number


def test_an_integer_moves_by_steps_and_a_category_is_redrawn_rarely():
    count = Feature.integer("n", 1, 5, 3)
    floors = Feature.category("floor", ["ice", "sand", "mud", "snow"], "ice")
    teacher = bound(TaskSpace("mixed", [count, floors]), random_fraction=0.0, jitter=0.01, redraw=0.2)
    teach(teacher, [[0.5, 0.6]] * 10, [0.0] * 9 + [1.0])
    tasks = teacher.sample(4000)
    # standard deviation 0.2, one of five steps: the middle value stays with probability P(|z| < 0.5) = 0.383
    assert np.mean((tasks[:, 0] * 5).astype(int) == 2) == pytest.approx(0.383, abs=0.03)
    assert np.mean((tasks[:, 1] * 4).astype(int) == 2) == pytest.approx(0.8 + 0.2 / 4, abs=0.02)


MIXED = TaskSpace("mixed", [Feature.category("floor", ["ice", "sand", "mud"], "ice"), Feature.integer("n", 1, 2, 1)])


@pytest.mark.parametrize("space", [cube(), MIXED], ids=["reals", "category and integer"])
@pytest.mark.parametrize("jitter", [0.05, 0.5])
def test_the_density_is_that_of_the_draws_and_integrates_to_one(space, jitter):
    teacher = bound(space, jitter=jitter)
    rng = np.random.default_rng(0)
    tasks = rng.random((40, 2))
    teach(teacher, tasks, (tasks[:, 0] > 0.4) * rng.random(40))
    n = 60
    points = cube().grid(n)  # axis by axis, also where the space is not made of reals
    expected = teacher.density(points).reshape(n, n)
    assert expected.mean() == pytest.approx(1.0, abs=1e-3)
    draws = teacher.sample(60_000)
    counts = np.histogram2d(draws[:, 0], draws[:, 1], bins=6, range=[(0, 1), (0, 1)])[0]
    shares = expected.reshape(6, 10, 6, 10).mean(axis=(1, 3)) / 36
    np.testing.assert_allclose(counts / 60_000, shares, atol=4.5 * np.sqrt(shares.max() / 60_000))


def test_noise_looks_like_noise_and_an_edge_of_competence_does_not():
    rng = np.random.default_rng(0)
    assert noise_share(rng.standard_normal(1000)) > 0.9
    assert noise_share(np.where(rng.random(1000) < 0.1, 0.9, 0.01)) < 0.01
    assert noise_share(np.zeros(10)) == 0.0
    assert noise_share(np.empty(0)) == 0.0


def test_noise_raises_the_exponent():
    rng = np.random.default_rng(0)
    tasks = rng.random((250, 2))
    quiet, noisy = bound(), bound()
    teach(quiet, tasks, (tasks[:, 0] > 0.9) * 1.0)
    teach(noisy, tasks, np.clip(0.5 + 0.1 * rng.standard_normal(250), 0, 1))
    assert quiet.power == 0.5
    assert noisy.power > 1.5
    assert noisy.diagnostics()["power"] == noisy.power


def test_a_state_from_before_the_window_moved_continues_bit_for_bit_after_it():
    rng = np.random.default_rng(0)
    teacher, other = bound(window=10), bound(window=10, seed=1)
    teach(teacher, rng.random((37, 2)), rng.random(37))
    other.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
    for _ in range(30):
        tasks = teacher.sample(3)
        assert np.array_equal(tasks, other.sample(3))
        scores = rng.random(3)
        for each in (teacher, other):
            teach(each, tasks, scores)
    assert state_to_bytes(teacher.state_dict()) == state_to_bytes(other.state_dict())


def test_a_state_whose_arrays_do_not_fit_is_refused():
    teacher = taught_gain_and_loss()
    state = teacher.state_dict()
    for part, array in (("tasks", np.zeros((3, 2))), ("progress", np.zeros(3)), ("tasks", np.zeros((9, 5)))):
        with pytest.raises(ValueError, match="recent"):
            teacher.load_state_dict({**state, "recent": {**state["recent"], part: array}})


def test_memory_does_not_grow_with_the_episodes():
    teacher = bound(window=20)
    sizes = []
    for _ in range(3):
        tasks = np.random.default_rng(0).random((1000, 2))
        teach(teacher, tasks, tasks[:, 0])
        teacher.sample(1)
        sizes.append(len(state_to_bytes(teacher.state_dict())))
    assert max(sizes) - min(sizes) < 100  # digits of the counters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 1),
        ("exponent", 0.0),
        ("noisy_exponent", 0.1),
        ("jitter", 0.0),
        ("jitter", 0.6),
        ("random_fraction", 1.1),
        ("redraw", -0.1),
        ("gain_weight", -1.0),
        ("loss_weight", float("nan")),
    ],
)
def test_a_hyperparameter_out_of_its_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} of ALPKDE"):
        bound(**{name: value})


def test_at_least_one_of_gain_and_loss_must_count():
    with pytest.raises(ValueError, match="one weight above"):
        bound(gain_weight=0.0, loss_weight=0.0)


def mastery_after(teacher, n_episodes):
    learner = CompetenceGrid(2, 5)
    for _ in range(n_episodes):
        task = teacher.sample(1)
        teach(teacher, task, [learner.play(task[0])])
    return learner.mastery


def test_it_masters_the_toy_grid_where_uniform_tasks_master_little():
    assert mastery_after(bound(cube(), seed=1), 4000) >= 50.0
    assert mastery_after(bound(cube(), seed=1, random_fraction=1.0), 4000) <= 30.0
