"""Predicted returns of many candidates at once: a dynamics model and a known or learned reward, rolled forward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Observations (n_envs, n_candidates, obs_size) and actions (n_envs, n_candidates, action_size) -> next observations.

The observations are read-only and change with the next call; at the first step all candidates share their memory.
"""
Reward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Observations, actions, next observations -> rewards and whether the episode ends, both (n_envs, n_candidates)."""


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
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def n_clipped(self) -> int:
        """Predicted observations so far that lay outside the limits, or were not numbers, in unended candidates."""
        return 0 if self._n_clipped is None else int(self._n_clipped)

    @torch.no_grad()
    def returns(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the return of each candidate, shape (n_envs, n_candidates).

        observations: now, shape (n_envs, obs_size). actions: shape (n_envs, n_candidates, horizon, action_size).
        After the step that ends an episode, rewards count no more.
        """
        n_envs, n_candidates, horizon = actions.shape[:3]
        current = observations[:, None].expand(n_envs, n_candidates, -1)
        total = observations.new_zeros(n_envs, n_candidates)
        is_running = torch.ones_like(total, dtype=torch.bool)
        for t in range(horizon):
            action = actions[:, :, t]
            with self._precise(observations.device.type):
                predicted = self.step(current, action)
            following = self._kept(predicted.to(observations.dtype), is_running, t)
            rewards, terminated = self.reward(current, action, following)
            # where, and not a product: what a model predicts after the end may not even be a number
            total.add_(torch.where(is_running, rewards, 0.0), alpha=self.discount**t)
            is_running &= ~terminated
            current = following
        return total

    def _precise(self, device: str) -> Any:
        if self.precision is None:
            return nullcontext()
        return torch.autocast(device, dtype=self.precision)

    def _kept(self, predicted: torch.Tensor, is_running: torch.Tensor, t: int) -> torch.Tensor:
        """Give the prediction inside the limits, in memory that lasts until the step after the next."""
        self.n_predictions += is_running.numel()
        if self.limits is None:
            return predicted
        if self._buffers is None or self._buffers[0].shape != predicted.shape:
            self._buffers = (torch.empty_like(predicted), torch.empty_like(predicted))
        if self._n_clipped is None:
            self._n_clipped = torch.zeros((), dtype=torch.long, device=predicted.device)
        low, high = self.limits.low.to(predicted), self.limits.high.to(predicted)
        inside = torch.clamp(predicted, low, high, out=self._buffers[t % 2])
        self._n_clipped += ((inside != predicted).any(dim=-1) & is_running).sum()
        return inside


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
