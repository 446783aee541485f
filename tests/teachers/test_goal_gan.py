"""GoalGAN labels tasks by their rollouts, trains on the labels, and generates tasks like the good ones."""

import numpy as np
import pytest
import torch

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import GoalGAN, Outcomes
from lifelong_rl.teachers.goal_gan import discriminator_loss


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(task_space=None, seed=0, **hyperparameters):
    small = {"generator_units": 16, "discriminator_units": 16, "iterations": 20}
    teacher = GoalGAN(**{**small, **hyperparameters})
    teacher.reset(task_space or space(), np.random.default_rng(seed))
    return teacher


def teach(teacher, tasks, successes):
    teacher.update(np.asarray(tasks, dtype=np.float64), Outcomes.from_scores(np.asarray(successes, dtype=float)))


def labels_of(teacher):
    return teacher.state_dict()["labelled"]


def test_each_task_is_drawn_as_often_as_it_has_rollouts():
    tasks = bound(n_rollouts=3).sample(12).reshape(4, 3, 2)

    assert (tasks == tasks[:, :1]).all()
    assert len(np.unique(tasks[:, 0], axis=0)) == 4


@pytest.mark.parametrize(("successes", "label"), [([0, 0], 0.0), ([1, 0], 1.0), ([0, 1], 1.0), ([1, 1], 0.0)])
def test_a_task_is_good_if_it_succeeds_sometimes(successes, label):
    teacher = bound()

    teach(teacher, [[0.2, 0.3]] * 2, successes)

    assert labels_of(teacher).tolist() == [[0.2, 0.3, label]]


def test_rollouts_that_end_in_another_order_are_counted_for_their_tasks():
    teacher = bound()

    teach(teacher, [[0.1, 0.1], [0.2, 0.2], [0.2, 0.2 + 1e-14], [0.1, 0.1]], [1, 0, 0, 0])

    assert labels_of(teacher).tolist() == [[0.2, 0.2, 0.0], [0.1, 0.1, 1.0]]


def test_it_trains_at_every_hundredth_label_and_only_where_one_is_good():
    teacher = bound(fit_every=5)
    tasks = np.random.default_rng(0).random((5, 2)).repeat(2, axis=0)

    teach(teacher, tasks, [0] * 10)
    without = teacher.diagnostics()["n_fits"]
    teach(teacher, tasks, [0] * 9 + [1])

    assert (without, teacher.diagnostics()["n_fits"]) == (0.0, 1.0)
    assert len(labels_of(teacher)) == 0


def test_tasks_are_uniform_before_the_first_training():
    tasks = bound().sample(8000)[::2]

    assert np.histogram2d(*tasks.T, bins=2, range=[[0, 1], [0, 1]])[0].min() > 850


def test_generated_tasks_gather_where_tasks_are_good():
    teacher = bound(iterations=120, generator_units=32, discriminator_units=32, random_fraction=0.0, noise=0.02)
    rng = np.random.default_rng(1)
    for _ in range(2):
        tasks = rng.random((100, 2))
        is_good = np.abs(tasks - [0.75, 0.25]).max(axis=1) < 0.2
        successes = np.stack([is_good, np.zeros(100)], axis=1).ravel()
        teach(teacher, tasks.repeat(2, axis=0), successes)

    drawn = teacher.sample(400)[::2]

    assert (np.abs(drawn - [0.75, 0.25]).max(axis=1) < 0.3).mean() > 0.7  # uniform tasks: 0.33


def test_only_tasks_that_succeeded_in_all_rollouts_and_lie_apart_are_replayed():
    teacher = bound(random_fraction=0.0, replay_fraction=1.0, fit_every=5)
    tasks = np.array([[0.1, 0.1], [0.15, 0.1], [0.9, 0.9], [0.5, 0.5], [0.2, 0.9]]).repeat(2, axis=0)

    teach(teacher, tasks, [1, 1, 1, 1, 1, 1, 1, 0, 0, 0])

    drawn = np.unique(teacher.sample(100), axis=0)
    assert drawn.tolist() == [[0.1, 0.1], [0.9, 0.9]]
    assert teacher.diagnostics()["n_replay"] == 2.0


def test_what_is_kept_is_bounded():
    teacher = bound(max_replay=10, distance=0.0)
    rng = np.random.default_rng(0)

    teach(teacher, rng.random((3000, 2)), np.ones(3000))  # never played twice
    teach(teacher, rng.random((90, 2)).repeat(2, axis=0), np.ones(180))

    state = teacher.state_dict()
    assert len(state["open"]) <= 1000
    assert len(state["replay"]) == 10


def test_the_discriminators_loss_is_that_of_the_paper():
    outputs = torch.tensor([[0.5], [0.0]]), torch.tensor([[1.0], [0.0]]), torch.tensor([[-1.0], [1.0]])

    assert float(discriminator_loss(*outputs)) == pytest.approx((0.25 + 1.0) / 2 + (0.0 + 4.0) / 2)


def test_torchs_own_generator_is_left_alone():
    teacher = bound(fit_every=5)
    before = torch.random.get_rng_state()

    teach(teacher, np.random.default_rng(0).random((5, 2)).repeat(2, axis=0), [0, 1] * 5)
    teacher.sample(20)

    assert teacher.diagnostics()["n_fits"] == 1.0
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_rollouts", 0), ("max_success", 0.1), ("noise", -1.0), ("random_fraction", 2.0), ("distance", -0.5)],
)
def test_a_hyperparameter_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} of GoalGAN must be .*found {value}"):
        bound(**{name: value})


def test_categories_are_refused():
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(TaskSpace("toy", [Feature.category("floor", ["ice", "mud"], "ice")]))
