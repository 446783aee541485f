"""Setter-Solver: the flow has the density it says, the judge learns success, and set tasks follow the wish."""

import numpy as np
import pytest
import torch

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes, SetterSolver
from lifelong_rl.teachers.networks import Networks
from lifelong_rl.teachers.setter_solver import log_density_of, set_tasks


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(task_space=None, seed=0, **hyperparameters):
    teacher = SetterSolver(**{"setter_units": 16, "judge_units": 16, **hyperparameters})
    teacher.reset(task_space or space(), np.random.default_rng(seed))
    return teacher


def teach(teacher, tasks, successes):
    teacher.update(np.asarray(tasks, dtype=np.float64), Outcomes.from_scores(np.asarray(successes, dtype=float)))


def couplings(dimension, seed=0):
    """A flow that is far from the identity."""
    sizes = [[dimension + 1, 8, 2 * dimension]] * 4
    return Networks(sizes, np.random.default_rng(seed), "adam", 1e-3, last_scale=2.0).layers()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_density_of_a_set_task_is_the_same_both_ways_through_the_flow(dimension):
    layers = couplings(dimension)
    rng = np.random.default_rng(1)
    noise = torch.from_numpy(0.5 * rng.standard_normal((50, dimension)))
    layers = [[(weight.double(), bias.double()) for weight, bias in network] for network in layers]
    wanted = torch.from_numpy(rng.random((50, 1)))

    tasks, forward = set_tasks(layers, noise, wanted)

    assert log_density_of(layers, tasks, wanted).tolist() == pytest.approx(forward.tolist(), abs=1e-6)


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_density_integrates_to_one(dimension):
    points = torch.from_numpy(space(dimension).grid(2000 if dimension == 1 else 150)).float()

    log_density = log_density_of(couplings(dimension), points, torch.full((len(points), 1), 0.3))

    assert log_density.exp().mean().item() == pytest.approx(1.0, abs=0.05)


def test_every_axis_is_moved_and_depends_on_the_wanted_success():
    layers, noise = couplings(3), torch.zeros(1, 3)

    easy, hard = (set_tasks(layers, noise, torch.full((1, 1), wanted))[0] for wanted in (0.1, 0.9))

    assert ((easy - hard).abs() > 1e-4).all()


def test_tasks_are_nearly_uniform_at_the_start():
    teacher = bound()

    tasks = teacher.sample(4000)

    assert np.histogram2d(*tasks.T, bins=2, range=[[0, 1], [0, 1]])[0].min() > 850
    assert teacher.density(space().grid(10)) == pytest.approx(np.ones(100), abs=0.2)


def test_the_judge_learns_which_tasks_succeed():
    teacher = bound(learning_rate=2e-2)
    tasks = np.random.default_rng(0).random((2500, 2))
    teach(teacher, tasks, tasks[:, 0] < 0.5)

    probability = teacher.success_probability(np.array([[0.1, 0.5], [0.9, 0.5]]))

    assert probability[0] > 0.9 and probability[1] < 0.1


def test_set_tasks_become_as_hard_as_wanted():
    """Easier tasks lie at low x0: where more success is wanted, the setter goes there."""
    teacher = bound(learning_rate=1e-2)
    rng = np.random.default_rng(0)
    for _ in range(80):
        tasks = teacher.sample(50)
        teach(teacher, tasks, rng.random(50) > tasks[:, 0])

    layers, noise = teacher._setter.layers(), torch.from_numpy(rng.standard_normal((200, 2))).float()
    easy, hard = (
        float(set_tasks(layers, noise, torch.full((200, 1), wanted))[0][:, 0].detach().mean())
        for wanted in (0.9, 0.1)
    )

    assert easy < hard - 0.1


def test_nothing_is_learned_between_steps():
    teacher = bound(fit_every=50)
    before = teacher.state_dict()["judge"]["parameters"]

    teach(teacher, np.full((49, 2), 0.5), np.ones(49))
    between = teacher.state_dict()["judge"]["parameters"]
    teach(teacher, np.full((1, 2), 0.5), np.ones(1))

    assert np.array_equal(before, between)
    assert not np.array_equal(before, teacher.state_dict()["judge"]["parameters"])


def test_the_judge_has_all_its_hidden_layers():
    """The code of Romac et al. loses the first one."""
    n_parameters = len(bound(judge_units=16).state_dict()["judge"]["parameters"])

    assert n_parameters == (2 * 16 + 16) + 2 * (16 * 16 + 16) + (16 + 1)


def test_solved_tasks_are_kept_up_to_a_bound():
    teacher = bound(max_solved=30, fit_every=1000)
    tasks = np.random.default_rng(0).random((100, 2))

    teach(teacher, tasks, np.ones(100))

    solved = teacher.state_dict()["solved"]
    assert sorted(map(tuple, solved)) == sorted(map(tuple, tasks[-30:]))


def test_torchs_own_generator_is_left_alone():
    before = torch.random.get_rng_state()
    teacher = bound(fit_every=5)

    teach(teacher, teacher.sample(20), np.ones(20))

    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fit_every", 0), ("n_blocks", 0), ("learning_rate", 0.0), ("learning_rate", 2.5), ("noise", -1.0)],
)
def test_a_hyperparameter_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} of SetterSolver must be .*found {value}"):
        bound(**{name: value})


def test_categories_are_refused():
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(TaskSpace("toy", [Feature.category("floor", ["ice", "mud"], "ice")]))
