"""The reward as a function of what is observed equals the one that the environment pays."""

import math

import numpy as np
import pytest
import torch

from lifelong_rl.envs import TaskEnvError, check_task_env, family, make
from lifelong_rl.envs.classic_control import PendulumPhysics
from lifelong_rl.envs.far_goal import FarGoal
from lifelong_rl.envs.point_goal import PointGoal

FAMILIES = [
    ("cartpole-physics", {}),
    ("cartpole-physics", {"actions": "continuous"}),
    ("cartpole-swing-up", {}),
    ("pendulum-physics", {}),
    ("half-cheetah", {"max_episode_steps": 200}),
    ("pusher", {}),
    ("point-goal", {"actions": "continuous", "observe_task": "vector"}),
    ("far-goal", {"max_episode_steps": 200}),
]


def transitions(name, options, n_steps=1500, far_actions=1.5):
    """Play random tasks with actions beyond the box; gives (params, the three arrays, rewards, ends) per task."""
    env = make(name, **options)
    rng = np.random.default_rng(7)
    for task in env.standard_tasks(4):
        rows = []
        observation, _ = env.reset(seed=3, options={"task": task})
        for _ in range(n_steps):
            if hasattr(env.action_space, "n"):
                action = rng.integers(env.action_space.n)
            else:
                action = env.action_space.high * rng.uniform(-far_actions, far_actions, env.action_space.shape)
            following, reward, terminated, truncated, _ = env.step(action)
            rows.append((observation, np.atleast_1d(action), following, reward, terminated))
            observation = env.reset()[0] if terminated or truncated else following
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        yield {name: task.params[name] for name in env.reward_features}, columns[:3], columns[3], columns[4]


@pytest.mark.parametrize(("name", "options"), FAMILIES)
def test_the_known_reward_equals_the_environment_s_in_any_shape_and_library(name, options):
    known = family(name).known_reward
    for params, arrays, rewards, ends in transitions(name, options):
        for xp, batch in [
            (np, [array.astype(np.float64).reshape(10, 150, -1) for array in arrays]),
            (torch, [torch.tensor(array, dtype=torch.float32).reshape(2, 5, 150, -1) for array in arrays]),
        ]:
            given, ended = known(params, *batch, xp)
            assert given.shape == ended.shape == batch[0].shape[:-1]
            assert given.dtype == batch[0].dtype
            np.testing.assert_allclose(np.asarray(given).reshape(-1), rewards, rtol=2e-6, atol=5e-6)
            np.testing.assert_array_equal(np.asarray(ended).reshape(-1), ends)


@pytest.mark.parametrize("name", ["cartpole-physics", "far-goal"])
def test_the_transitions_that_are_compared_hold_terminal_ones(name):
    assert any(ends.any() for *_, ends in transitions(name, {}))


def test_the_pendulum_s_reward_is_of_the_state_before_the_step():
    observation = np.array([math.cos(1.0), math.sin(1.0), 2.0])
    reward, ended = PendulumPhysics.known_reward({"max_torque": 4.0}, observation, np.array([5.0]), observation, np)

    assert reward == pytest.approx(-(1.0 + 0.1 * 4.0 + 0.001 * 16.0))
    assert not ended


def test_the_far_goal_s_reward_trusts_no_prediction_of_the_goal():
    before, predicted = np.array([0.0, 0.0, 0.5, 0.5]), np.array([0.4, 0.4, 0.4, 0.4])

    assert FarGoal.known_reward({}, before, np.zeros(2), predicted, np) == (0.0, False)


def test_families_without_a_known_reward_say_so():
    assert family("toy-grid").known_reward is None and family("toy-grid").reward_features == ()


def test_the_check_finds_a_known_reward_that_is_wrong():
    class Wrong(PointGoal):
        @staticmethod
        def known_reward(params, observations, actions, next_observations, xp):
            return PointGoal.known_reward(params, observations, actions, observations, xp)

    with pytest.raises(TaskEnvError, match=r"rewards of known_reward with numpy .* must equal"):
        check_task_env(Wrong)


def test_the_check_finds_a_known_reward_that_needs_an_undeclared_feature():
    class Undeclared(PointGoal):
        reward_features = ("goal_x",)

    class Unknown(PointGoal):
        reward_features = ("goal_z",)

    with pytest.raises(TaskEnvError, match="needs the feature 'goal_y'"):
        check_task_env(Undeclared)
    with pytest.raises(TaskEnvError, match="must be features of the task space"):
        check_task_env(Unknown)


def test_the_check_finds_a_known_reward_of_wrong_shape():
    class Flat(PointGoal):
        @staticmethod
        def known_reward(params, observations, actions, next_observations, xp):
            rewards, ended = PointGoal.known_reward(params, observations, actions, next_observations, xp)
            return rewards[0], ended

    with pytest.raises(TaskEnvError, match="must have the shape"):
        check_task_env(Flat)


VARIANTS = [(10.0, 1.0, 1.0), (2.0, 1.0, 1.0), (10.0, 2.0, 1.0), (10.0, 1.0, 0.6), (16.0, 0.7, 1.3)]


@pytest.mark.parametrize(("g", "m", "length"), VARIANTS + [(10.0 + 2.0 * i, 1.0, 1.0) for i in range(5)])
def test_the_pendulums_of_hypercrl_lie_in_the_task_space(g, m, length):
    task = PendulumPhysics.task_space.task({"g": g, "m": m, "l": length})
    assert task.params == {"g": g, "m": m, "l": length, "max_torque": 2.0}
