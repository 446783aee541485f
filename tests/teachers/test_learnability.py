"""Learnability is p (1 - p) of the scores near by, and the most learnable tasks are replayed."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes
from lifelong_rl.teachers.learnability import Learnability


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(seed=0, over=None, **hyperparameters):
    teacher = Learnability(**hyperparameters)
    teacher.reset(over or space(), np.random.default_rng(seed))
    return teacher


def play_uniform(teacher, n, score, seed=5):
    tasks = np.random.default_rng(seed).random((n, teacher.space.dimension))
    teacher.update(tasks, Outcomes.from_scores(score(tasks)))


def coin_in_the_middle(tasks, seed=3):
    """Always solved on the left, never on the right, now and then between 0.4 and 0.6 of the first axis."""
    coin = np.random.default_rng(seed).random(len(tasks)) < 0.5
    return np.where(tasks[:, 0] < 0.4, 1.0, np.where(tasks[:, 0] > 0.6, 0.0, coin))


def test_learnability_is_the_posterior_mean_of_p_times_one_minus_p():
    teacher = bound(n_neighbours=4, refresh_every=1000)
    teacher.update(np.full((4, 2), 0.5), Outcomes.from_scores([1.0, 0.0, 1.0, 1.0]))

    learnability, progress = teacher.judged(np.array([[0.4, 0.4]]))

    assert learnability[0] == pytest.approx(4 * 2 / (6 * 7))  # Beta(1 + 3, 1 + 1)
    assert progress[0] == pytest.approx(0.5)  # 1/2 in the older half, 1 in the newer


def test_the_most_learnable_tasks_are_drawn():
    teacher = bound()
    play_uniform(teacher, 1000, coin_in_the_middle)
    tasks = teacher.sample(1000)

    in_middle = (tasks[:, 0] > 0.35) & (tasks[:, 0] < 0.65)
    assert in_middle.mean() > 0.75


def test_kept_tasks_are_replayed_exactly_and_jitter_moves_them():
    replayed, jittered = bound(random_fraction=0.0, learnability_fraction=1.0), None
    play_uniform(replayed, 100, coin_in_the_middle)
    assert len(np.unique(replayed.sample(500), axis=0)) <= 50

    jittered = bound(random_fraction=0.0, learnability_fraction=1.0, jitter=0.05)
    play_uniform(jittered, 100, coin_in_the_middle)
    tasks = jittered.sample(500)
    assert len(np.unique(tasks, axis=0)) == 500
    assert ((tasks >= 0) & (tasks <= 1)).all()


def test_the_shares_of_the_sources_are_those_asked_for():
    teacher = bound(random_fraction=0.3, learnability_fraction=0.2)
    play_uniform(teacher, 100, coin_in_the_middle)
    teacher.sample(4000)
    numbers = teacher.diagnostics()

    assert numbers["random_share"] == pytest.approx(0.3, abs=0.03)
    assert numbers["learnability_share"] == pytest.approx(0.2, abs=0.03)
    assert numbers["progress_share"] == pytest.approx(0.5, abs=0.03)


def test_the_progress_source_draws_where_the_score_changed():
    teacher = bound(random_fraction=0.0, learnability_fraction=0.0, window=400)
    play_uniform(teacher, 200, lambda tasks: np.zeros(len(tasks)))
    play_uniform(teacher, 200, lambda tasks: (tasks[:, 1] > 0.7) * 1.0, seed=6)

    assert (teacher.sample(500)[:, 1] > 0.65).mean() > 0.9


def test_what_left_the_window_is_forgotten():
    teacher = bound(window=200)
    play_uniform(teacher, 300, coin_in_the_middle)
    play_uniform(teacher, 200, lambda tasks: np.zeros(len(tasks)), seed=6)
    learnability, _ = teacher.judged(np.array([[0.5, 0.5], [0.1, 0.5]]))

    assert learnability[0] == learnability[1]


def test_successes_can_be_judged_instead_of_scores():
    teacher = bound(use_success=True, n_neighbours=2)
    scores = np.array([0.5, 0.5])
    teacher.update(np.full((2, 2), 0.5), Outcomes(scores, scores, np.array([True, True]), np.ones(2, dtype=int)))

    assert teacher.judged(np.full((1, 2), 0.5))[0] == pytest.approx(3 * 1 / (4 * 5))


def test_categories_are_neighbours_of_their_own_kind():
    mixed = TaskSpace("mixed", [Feature.category("floor", ["ice", "mud"], "ice"), Feature.real("x", 0.0, 1.0, 0.5)])
    teacher = bound(over=mixed, n_neighbours=2)
    tasks = np.array([[0.49, 0.5], [0.1, 0.6], [0.51, 0.5], [0.9, 0.6]])
    teacher.update(tasks, Outcomes.from_scores([1.0, 1.0, 0.0, 1.0]))
    ice, mud = teacher.judged(np.array([[0.4, 0.5], [0.6, 0.5]]))[0]

    assert mud > ice


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"n_kept": 300}, "n_kept of Learnability must be at least 1 and at most n_candidates, found 300"),
        ({"random_fraction": 0.5}, r"learnability_fraction of Learnability must be in \[0, 1 - random_fraction\]"),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(hyperparameters, message):
    with pytest.raises(ValueError, match=message):
        bound(**hyperparameters)
