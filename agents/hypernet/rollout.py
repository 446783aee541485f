"""Predicted returns of many candidates at once: a dynamics model and a known or learned reward, rolled forward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Observations (n_envs, n_candidates, obs_size) and actions (n_envs, n_candidates, action_size) -> next observations.

What it is given is read-only.
"""
Reward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Observations, actions, next observations -> rewards and whether the episode ends.

It is called once for all steps: shapes (horizon, n_envs, n_candidates, size) -> (horizon, n_envs, n_candidates).
"""


@dataclass(frozen=True)
class PredictionLimits:
    """Between which values predicted observations are kept."""

    low: torch.Tensor
    """Shape (obs_size,)."""
    high: torch.Tensor
    """Shape (obs_size,)."""

    def __post_init__(self) -> None:
        """Check that there is room between them."""
        if self.low.shape != self.high.shape or not bool((self.low <= self.high).all()):
            raise ValueError(
                f"limits of predictions need low <= high in every dimension, found {self.low.tolist()} and "
                f"{self.high.tolist()}."
            )

    @classmethod
    def around(cls, smallest: torch.Tensor, largest: torch.Tensor, multiple: float = 3.0) -> PredictionLimits:
        """Give limits that lie ``multiple`` times half the data's range around the middle of it, in each dimension.

        smallest, largest: of the data, shape (obs_size,). multiple: at least 1. A dimension that hardly varied counts
        as if its half-range were a thousandth of its size, or of 1.
        """
        if not multiple >= 1:
            raise ValueError(f"limits of predictions need a multiple of at least 1, found {multiple}.")
        middle = (smallest + largest) / 2
        half = torch.maximum((largest - smallest) / 2, 1e-3 * middle.abs().clamp_min(1.0))
        return cls(middle - multiple * half, middle + multiple * half)


class Rollout:
    """Values candidates by rolling a model forward, with memory that is kept from call to call.

    The memory holds the predictions of all steps, horizon x n_envs x n_candidates x obs_size numbers.

    step, reward: see :data:`Step` and :data:`Reward`; neither is differentiated.
    discount: in (0, 1]; the reward of step t counts discount^t.
    limits: where given, predictions are clipped to them, which keeps an exploding model from overflowing, and those
    outside are counted. A prediction that is not a number stays so: its candidate's return is not finite, and a
    planner passes it over.
    precision: a type such as ``torch.bfloat16`` in which ``step`` runs (autocast), or None for the observations' own.
    Rewards, sums and clipping keep the observations' type.
    """

    def __init__(
        self,
        step: Step,
        reward: Reward,
        discount: float = 1.0,
        limits: PredictionLimits | None = None,
        precision: torch.dtype | None = None,
    ):
        if not 0 < discount <= 1:
            raise ValueError(f"a rollout needs a discount above 0 and at most 1, found {discount}.")
        self.step = step
        self.reward = reward
        self.discount = discount
        self.limits = limits
        self.precision = precision
        self.n_predictions = 0
        """Predicted observations so far."""
        self._n_clipped: torch.Tensor | None = None
        self._history = torch.empty(0)
        self._is_outside = torch.empty(0, dtype=torch.bool)

    @property
    def n_clipped(self) -> int:
        """Predicted observations so far that lay outside the limits, or were not numbers, in unended candidates."""
        return 0 if self._n_clipped is None else int(self._n_clipped)

    def take_counts(self) -> tuple[int, int]:
        """Give ``n_clipped`` and ``n_predictions``, and count from 0 again."""
        counts = (self.n_clipped, self.n_predictions)
        self._n_clipped, self.n_predictions = None, 0
        return counts

    @torch.no_grad()
    def returns(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the return of each candidate, shape (n_envs, n_candidates).

        observations: now, shape (n_envs, obs_size). actions: shape (n_envs, n_candidates, horizon, action_size).
        After the step that ends an episode, rewards count no more.
        """
        steps = actions.movedim(2, 0)
        history = self._memory(observations, steps)
        for t, action in enumerate(steps):
            with self._precise(observations.device.type):
                predicted = self.step(history[t], action)
            self._keep(predicted.to(observations.dtype), t)
        # One call for all steps: for a small model, rewards by the step would cost more than the model.
        rewards, terminated = self.reward(history[:-1], steps, history[1:])
        is_running = torch.ones_like(terminated)
        is_running[1:] = terminated[:-1].cumsum(dim=0) == 0
        self._count(is_running)
        # where, and not a product: what a model predicts after the end may not even be a number
        counted = torch.where(is_running, rewards, 0.0)
        if self.discount < 1:
            powers = torch.arange(len(counted), device=counted.device, dtype=counted.dtype)
            counted *= (self.discount**powers)[:, None, None]
        return counted.sum(dim=0)

    def _precise(self, device: str) -> Any:
        if self.precision is None:
            return nullcontext()
        return torch.autocast(device, dtype=self.precision)

    def _memory(self, observations: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Give memory for all observations, (horizon + 1, n_envs, n_candidates, obs_size), the first written down."""
        horizon, *batch = steps.shape[:3]
        shape = (horizon + 1, *batch, observations.shape[-1])
        old = self._history
        if (old.shape, old.dtype, old.device) != (shape, observations.dtype, observations.device):
            self._history = observations.new_empty(shape)
            self._is_outside = observations.new_empty((horizon, *shape[1:]), dtype=torch.bool)
        self._history[0] = observations[:, None]
        return self._history

    def _keep(self, predicted: torch.Tensor, t: int) -> None:
        """Write down what step t led to, inside the limits."""
        following = self._history[t + 1]
        if self.limits is None:
            following.copy_(predicted)
            return
        torch.clamp(predicted, self.limits.low.to(predicted), self.limits.high.to(predicted), out=following)
        torch.ne(following, predicted, out=self._is_outside[t])

    def _count(self, is_running: torch.Tensor) -> None:
        self.n_predictions += is_running.numel()
        if self.limits is not None:
            n_clipped = (self._is_outside.any(dim=-1) & is_running).sum()
            self._n_clipped = n_clipped if self._n_clipped is None else self._n_clipped + n_clipped


def rollout_returns(
    step: Step,
    reward: Reward,
    observations: torch.Tensor,
    actions: torch.Tensor,
    discount: float = 1.0,
    limits: PredictionLimits | None = None,
    precision: torch.dtype | None = None,
) -> torch.Tensor:
    """Give the return of each candidate, shape (n_envs, n_candidates), by one :class:`Rollout`.

    observations: shape (n_envs, obs_size). actions: shape (n_envs, n_candidates, horizon, action_size).
    """
    return Rollout(step, reward, discount, limits, precision).returns(observations, actions)
