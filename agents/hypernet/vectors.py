"""What HyperCRL needs of the environments: vectors as observations, bounded vectors as actions."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv


def vectorised(env: Any) -> VecEnv:
    """Give one environment as vector environment of itself; ValueError for what is neither."""
    if isinstance(env, VecEnv):
        return env
    if not isinstance(env, gymnasium.Env):
        raise ValueError(
            "HyperCRL needs a gymnasium.Env, or a vector environment of Stable-Baselines3 "
            f"(DummyVecEnv([make_env] * 4)), found {env!r}."
        )
    return DummyVecEnv([lambda: Monitor(env)])


def checked_spaces(env: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the bounds of the actions; ValueError for spaces that a dynamics model cannot work with."""
    for name, space in (("observations", env.observation_space), ("actions", env.action_space)):
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ValueError(
                f"HyperCRL predicts vectors: {name} must be a Box of one dimension, found {space}; wrap the "
                "environment (gymnasium.wrappers.FlattenObservation) or choose another agent."
            )
    low, high = env.action_space.low, env.action_space.high
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(
            f"HyperCRL plans within the bounds of the actions, which must be finite, found {low} to {high}; wrap the "
            "environment (gymnasium.wrappers.RescaleAction)."
        )
    return low, high


def check_finite(what: str, values: Any) -> None:
    """Raise ValueError where numbers of the environment hold NaN or infinity, which no model can learn from."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"{what} must be finite numbers, found {np.asarray(values).tolist()}; mend the environment, or wrap it "
            "(gymnasium.wrappers.TransformObservation)."
        )
