"""What a family takes of the spaces of a Gymnasium environment, and gives as its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs.actions import array_of, choice_of
from lifelong_rl.envs.task_env import ActionKind


def action_kind(space: spaces.Space[Any]) -> ActionKind:
    """Give the kind of an action space; ValueError for one that is not one array or number."""
    if isinstance(space, spaces.Box):
        return "continuous"
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return "discrete"
    raise ValueError(f"a family needs actions that are one array or number, found {space}: wrap the environment.")


def observations_of(space: spaces.Space[Any], env_id: str) -> tuple[spaces.Space[Any], Callable[[Any], Any]]:
    """Give the observation space of the family, and what makes an observation of the environment one of it."""
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        with np.errstate(over="ignore"):  # a bound that float32 does not have is infinite
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        return spaces.Box(low, high, dtype=np.float32), lambda observation: np.asarray(observation, np.float32)
    if isinstance(space, spaces.Discrete):
        return space, space.dtype.type
    if isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return space, np.asarray
    raise ValueError(
        f"a family needs observations that are one array or number, found {space} of {env_id}: wrap the environment "
        "in make_environment, for example in gymnasium.wrappers.FlattenObservation."
    )


def checked_action(action: Any, space: spaces.Space[Any]) -> Any:
    """Give the action as the environment takes it: whole and known, or finite and clipped; ValueError otherwise."""
    if isinstance(space, spaces.Discrete):
        return choice_of(action, int(space.n), int(space.start))
    if isinstance(space, spaces.Box):
        # As doubles until they are clipped: a large number has no place in the space's own type
        return np.clip(array_of(action, space.shape), space.low, space.high).astype(space.dtype)
    try:
        array = np.asarray(action)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "iub" or array not in space:
        raise ValueError(f"an action must be whole numbers in {space}, found {action!r}.")
    return array.astype(space.dtype)
