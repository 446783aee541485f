"""Learning progress follows its averages, and draws the cells that stand out."""

import numpy as np
import pytest

from lifelong_rl.agents.simulated import CompetenceGrid
from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes
from lifelong_rl.teachers.learning_progress import LearningProgress


def bound(seed=0, n_values=10, **hyperparameters):
    teacher = LearningProgress(**hyperparameters)
    teacher.reset(TaskSpace("list", [Feature.integer("task", 0, n_values - 1, 0)]), np.random.default_rng(seed))
    return teacher


def play(teacher, cell, scores, n_values=10):
    tasks = np.full((len(scores), 1), (cell + 0.5) / n_values)
    teacher.update(tasks, Outcomes.from_scores(scores))


def shares(teacher, n_values=10):
    drawn = (teacher.sample(4000)[:, 0] * n_values).astype(int)
    return np.bincount(drawn, minlength=n_values) / 4000


def test_progress_is_the_fast_less_the_slow_average_reweighted():
    teacher = bound(rate=0.5, theta=0.1)
    play(teacher, 2, [0.0, 1.0, 1.0])
    # fast: 0, 0.5, 0.75; slow: 0, 0.25, 0.5
    reweighted = [0.9 * p / (p + 0.1 * (1 - 2 * p)) for p in (0.75, 0.5)]

    assert teacher.signed_progress()[2] == pytest.approx(reweighted[0] - reweighted[1])
    assert not np.delete(teacher.signed_progress(), 2).any()


def test_the_first_score_of_a_task_is_no_progress():
    teacher = bound()
    play(teacher, 4, [1.0])

    assert not teacher.signed_progress().any()


def test_low_scores_weigh_more_than_high_ones():
    teacher = bound()
    play(teacher, 0, [0.0, 0.2, 0.2])
    play(teacher, 1, [0.8, 1.0, 1.0])

    assert teacher.signed_progress()[0] > 5 * teacher.signed_progress()[1] > 0


def test_the_draws_follow_the_sigmoid_of_the_z_score():
    teacher = bound(sharpness=1.0, random_fraction=0.0)
    play(teacher, 3, [0.0, 1.0])
    z = np.full(10, -1 / 3)
    z[3] = 3.0
    expected = 1 / (1 + np.exp(1.2815515655 - z))

    np.testing.assert_allclose(shares(teacher), expected / expected.sum(), atol=0.03)


@pytest.mark.parametrize(("weights", "favourite"), [((1.0, 0.0), 2), ((0.0, 1.0), 7)])
def test_learning_and_forgetting_have_weights_of_their_own(weights, favourite):
    teacher = bound(gain_weight=weights[0], loss_weight=weights[1])
    play(teacher, 2, [0.2] + [0.8] * 5)
    play(teacher, 7, [0.8] + [0.2] * 5)

    assert teacher.signed_progress()[2] > 0 > teacher.signed_progress()[7]
    drawn = shares(teacher)
    assert drawn.argmax() == favourite
    assert drawn[favourite] > 0.5


def test_without_progress_all_cells_are_drawn_alike():
    np.testing.assert_allclose(shares(bound()), 0.1, atol=0.02)


def test_the_density_is_that_of_the_draws():
    teacher = bound()
    play(teacher, 3, [0.0, 1.0, 1.0])
    centres = (np.arange(10)[:, None] + 0.5) / 10

    np.testing.assert_allclose(teacher.density(centres) / 10, shares(teacher), atol=0.03)


def test_it_masters_the_toy_grid_where_uniform_tasks_do_not():
    space = TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(2)])
    teacher, learner = LearningProgress(), CompetenceGrid(2, 5)
    teacher.reset(space, np.random.default_rng(0))
    for _ in range(4000):
        task = teacher.sample(1)
        teacher.update(task, Outcomes.from_scores([learner.play(task[0])]))

    assert learner.mastery >= 70.0  # uniform tasks: 12 to 16 (seeds 0 to 2)


def test_too_fine_a_grid_is_refused_at_reset():
    with pytest.raises(ValueError, match="at most 10000 cells"):
        space = TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(5)])
        LearningProgress(per_axis=10).reset(space, np.random.default_rng(0))


def test_a_hyperparameter_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"theta of LearningProgress must be in \(0, 0.5\], found 0.7"):
        bound(theta=0.7)
