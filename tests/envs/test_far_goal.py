"""FarGoal pays for reaching a goal and nothing else, and some goals are out of reach."""

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.far_goal import GOAL_RADIUS


def walk(goal, n_steps=16):
    """Walk straight towards the goal; give the rewards and the last info."""
    env = make("far-goal")
    env.reset(seed=0, options={"task": {"goal_x": goal[0], "goal_y": goal[1]}})
    rewards = []
    for _ in range(n_steps):
        _, reward, terminated, truncated, info = env.step(np.array(goal) / np.linalg.norm(goal))
        rewards.append(reward)
        if terminated or truncated:
            break
    return rewards, info


def test_reaching_the_goal_pays_once_and_ends_the_episode():
    rewards, info = walk((3.0, 4.0))

    assert rewards[-1] == 1.0 and sum(rewards) == 1.0
    assert len(rewards) == pytest.approx((5.0 - GOAL_RADIUS) / 0.5, abs=1.5)
    assert info["score"] == 1.0 and info["success"]


def test_a_goal_beyond_the_longest_walk_is_never_reached():
    rewards, info = walk((9.0, 0.0))

    assert len(rewards) == 16 and sum(rewards) == 0.0
    assert info["score"] == 0.0 and not info["success"]


def test_every_standard_task_can_be_reached():
    for task in make("far-goal").standard_tasks(50):
        _, info = walk((task.params["goal_x"], task.params["goal_y"]))
        assert info["success"], task


def test_a_long_action_is_shortened_to_one_full_move():
    env = make("far-goal")
    env.reset(seed=0, options={"task": {"goal_x": 5.0, "goal_y": 5.0}})
    before = env.reset(seed=0)[0][:2] * 12.0
    after = env.step(np.array([1.0, 1.0]))[0][:2] * 12.0

    assert np.linalg.norm(after - before) == pytest.approx(0.5, rel=1e-5)


def test_an_action_that_is_not_finite_is_refused():
    env = make("far-goal")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="finite"):
        env.step(np.array([np.nan, 0.0]))
