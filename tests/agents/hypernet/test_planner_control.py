"""Planners on the true dynamics of the pendulum: nothing is learned, so what they return is theirs alone."""

import importlib.util
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from lifelong_rl.agents.hypernet.planners import CEM

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "planner_comparison.py"


@pytest.fixture(scope="module")
def comparison():
    spec = importlib.util.spec_from_file_location("planner_comparison", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("variant", range(5))
def test_the_batched_pendulum_is_gymnasiums(comparison, variant):
    gravity, mass, length = comparison.VARIANTS[variant]
    env = gymnasium.make("Pendulum-v1").unwrapped
    env.g, env.m, env.l = gravity, mass, length
    observation, _ = env.reset(seed=variant)
    world = comparison.Pendulums(torch.tensor([[gravity, mass, length]]))
    rng = np.random.default_rng(variant)
    for _ in range(100):
        action = rng.uniform(-3, 3, 1)
        now = torch.tensor(observation).reshape(1, 1, 3)
        torque = torch.tensor(action, dtype=torch.float32).reshape(1, 1, 1)
        observation, reward, *_ = env.step(action)
        following = world.step(now, torque)
        assert following.flatten().numpy() == pytest.approx(observation, abs=2e-5)
        assert world.reward(now, torque, following)[0].item() == pytest.approx(reward, abs=1e-4)


def mean_return(comparison, planner):
    """The mean of two swing-ups of each of the five pendulums, 5 seconds each."""
    parameters = torch.tensor(comparison.VARIANTS).repeat_interleave(2, dim=0)
    begin = comparison.starts(len(parameters), True, np.random.default_rng(0))
    return float(comparison.play(planner, parameters, begin, seed=0, n_steps=100)[0].mean())


@pytest.fixture(scope="module")
def default_return(comparison):
    return mean_return(comparison, CEM())


def test_the_default_returns_at_least_as_much_as_the_published_planner_with_a_fifth_of_its_candidates(
    comparison, default_return
):
    published = CEM.published("pusher", **comparison.PUBLISHED_STYLE)
    assert default_return >= mean_return(comparison, published) > -400


def test_a_warm_start_returns_more_than_the_same_search_started_afresh(comparison, default_return):
    assert default_return > mean_return(comparison, CEM(warm_start=False)) + 40
