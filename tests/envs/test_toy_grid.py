"""The toy grid scores the competence that the learner brings, and shows it the task."""

import numpy as np
import pytest

from lifelong_rl.envs import Feature, TaskSpace, check_task_env, make
from lifelong_rl.envs.toy_grid import ToyGrid, ToyGrid2DPlus10, ToyGrid4D


def play(env, competence, **options):
    observation, _ = env.reset(**options)
    _, reward, terminated, _, info = env.step(np.array([competence], dtype=np.float32))
    assert terminated
    return observation, reward, info


def test_the_observation_is_the_task_and_the_score_what_the_learner_brings():
    observation, reward, info = play(make("toy-grid"), 0.5, options={"task": [0.25, 1.0]})

    assert observation.tolist() == [0.25, 1.0]
    assert reward == info["score"] == info["episode"]["r"] == 0.5
    assert info["episode"]["l"] == 1


@pytest.mark.parametrize(("competence", "success"), [(0.75, False), (0.76, True)])
def test_a_success_is_a_score_above_three_quarters(competence, success):
    assert play(make("toy-grid"), competence)[2]["success"] is success


def test_a_competence_out_of_range_is_clipped_and_one_that_is_no_number_refused():
    env = make("toy-grid")

    assert play(env, 2.0)[1] == 1.0
    assert play(env, -1.0)[1] == 0.0
    with pytest.raises(ValueError, match="must be finite"):
        play(env, float("nan"))


def test_noise_comes_from_the_environments_generator_and_stays_in_range():
    env = make("toy-grid", noise=0.1)
    env.reset(seed=3)
    rewards = [play(env, 0.5)[1] for _ in range(1000)]
    env.reset(seed=3)

    assert [play(env, 0.5)[1] for _ in range(1000)] == rewards
    assert np.mean(rewards) == pytest.approx(0.5, abs=0.02)
    assert np.std(rewards) == pytest.approx(0.1, rel=0.1)
    assert 0.9 < max(play(env, 1.0)[1] for _ in range(50)) <= 1.0


def test_a_noisy_toy_grid_keeps_every_rule_of_families():
    check_task_env(ToyGrid, noise=0.2)


@pytest.mark.parametrize("noise", [-0.1, float("inf"), float("nan")])
def test_noise_that_is_no_deviation_is_refused(noise):
    with pytest.raises(ValueError, match="noise is a standard deviation"):
        make("toy-grid", noise=noise)


def test_the_standard_tasks_are_the_cells_where_their_number_fits():
    tasks = ToyGrid.standard_tasks(100)

    assert len({task.values for task in tasks}) == 100
    assert tasks[0].values == (0.05, 0.05) and tasks[-1].values == pytest.approx((0.95, 0.95))
    assert tasks[13].id == "cell-1-3"
    assert len(ToyGrid4D.standard_tasks(16)) == 16
    assert len({task.id for task in ToyGrid.standard_tasks(7)}) == 7


def test_the_standard_tasks_leave_irrelevant_axes_in_their_middle():
    task = ToyGrid2DPlus10.standard_tasks(4)[0]

    assert task.values == (0.25, 0.25, *[0.5] * 10)
    assert task.names[2] == "irrelevant0"


def test_the_standard_tasks_of_a_subclass_are_in_the_units_of_its_features():
    class Legs(ToyGrid):
        task_space = TaskSpace("legs", [Feature.integer("legs", 1, 6, 2)])
        n_relevant = 1

    assert [task.params["legs"] for task in Legs.standard_tasks(6)] == [1, 2, 3, 4, 5, 6]
