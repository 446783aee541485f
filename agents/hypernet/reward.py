"""Where a planner's rewards come from: the family's own function, the user's, or the dynamics model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch

RewardFunction: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Any]
"""Observations (..., observation), actions (..., action), next observations -> rewards (...).

Or rewards and whether a terminal state was reached, both (...).
"""


def check_function(function: Any, like: torch.Tensor, sizes: tuple[int, int]) -> None:
    """Try a user's reward function; ValueError unless it gives what :data:`RewardFunction` says.

    like: a tensor of the type and on the device of the planner's. sizes: of an observation and of an action.
    """
    several = (2, 3, 4)
    observations, actions = (like.new_zeros((*several, size)) for size in sizes)
    expected = (
        "reward_function must take tensors of observations, actions and next observations, shapes (..., size), and "
        "give a tensor of rewards, shape (...), or a pair of rewards and of truth values for terminal states"
    )
    try:
        given = function(observations, actions, observations)
    except Exception as error:  # the function is the user's, and may fail in any way
        raise ValueError(f"{expected}; on zeros it raised {type(error).__name__}: {error}.") from error
    parts = given if isinstance(given, tuple) else (given,)
    for part in parts:
        if not isinstance(part, torch.Tensor) or part.shape != several:
            found = tuple(part.shape) if hasattr(part, "shape") else repr(part)
            raise ValueError(
                f"{expected}; for {several} of them it gave a {type(part).__name__} {found}. Index with [..., i]."
            )
    if not 1 <= len(parts) <= 2 or (len(parts) == 2 and parts[1].dtype != torch.bool):
        raise ValueError(f"{expected}; it gave {len(parts)} tensors of {[part.dtype for part in parts]}.")


class TaskReward:
    """The reward of one task as a rollout asks for it: rewards and whether the episode ends."""

    def __init__(self, function: RewardFunction):
        self._function = function

    def __call__(
        self, observations: torch.Tensor, actions: torch.Tensor, following: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give rewards and terminal flags, both (...)."""
        given = self._function(observations, actions, following)
        rewards, terminated = given if isinstance(given, tuple) else (given, None)
        if terminated is None:
            terminated = torch.zeros_like(rewards, dtype=torch.bool)
        return rewards, terminated


class RewardSource:
    """The rewards of all tasks; chosen at construction, so that a missing one is refused before anything is learned.

    function: the user's, for all tasks; None for the family's own ``known_reward``, which is told the features of the
    task that it depends on.
    """

    def __init__(self, env: Any, function: RewardFunction | None):
        self._function = function
        self._known: Any = None
        self._features: tuple[str, ...] = ()
        if function is None:
            self._known = _attribute(env, "known_reward")
            self._features = tuple(_attribute(env, "reward_features") or ())
        if function is None and self._known is None:
            raise ValueError(
                "planning needs to know the reward, and this environment has no known_reward; give a function of "
                "observations, actions and next observations as reward_function=..., or let the model learn it with "
                "dynamics={'learns_reward': True}."
            )

    def params(self, env: Any) -> dict[str, float]:
        """Give the features of the task now played that the reward depends on; ValueError where they differ."""
        if not self._features:
            return {}
        played = [{name: float(task.params[name]) for name in self._features} for task in env.get_attr("task")]
        if any(params != played[0] for params in played):
            raise ValueError(
                f"the reward of this family depends on {', '.join(self._features)}, which differ between the tasks "
                "that are played at the same time; let the model learn it with dynamics={'learns_reward': True}."
            )
        return played[0]

    def of(self, params: Mapping[str, float]) -> TaskReward:
        """Give the reward of a task with these features."""
        if self._function is not None:
            return TaskReward(self._function)
        known = self._known
        return TaskReward(lambda now, action, after: known(params, now, action, after, torch))


def _attribute(env: Any, name: str) -> Any:
    """Give an attribute of the environments, or None where they have none."""
    try:
        values: Sequence[Any] = env.get_attr(name)
    except AttributeError:
        return None
    return values[0]
