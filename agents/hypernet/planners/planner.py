"""What every planner offers, and what it gives; it sees neither model nor task, only what candidates return."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

Evaluate = Callable[[torch.Tensor], torch.Tensor]
"""Actions (n_envs, n_candidates, horizon, action_size) -> predicted returns (n_envs, n_candidates).

The planner writes its next candidates into the same memory: a function that keeps them must copy them.
"""


@dataclass(frozen=True)
class Plan:
    """What one call of a planner gives for all environments."""

    actions: torch.Tensor
    """What to execute now, shape (n_envs, action_size), inside the bounds."""
    plans: torch.Tensor
    """What is planned, shape (n_envs, horizon, action_size); shifted by a step it starts the next search."""
    returns: torch.Tensor
    """The predicted return of each plan, shape (n_envs,); -inf where no candidate had a finite return."""
    n_iterations: int
    """Populations that were valued."""
    n_invalid: int
    """Candidates whose return was not finite; they never win."""
    metrics: dict[str, float]
    """Numbers for TensorBoard, without a group name."""


class Planner(ABC):
    """A sampling planner for model-predictive control.

    ``__init__`` stores the hyper-parameters under their own names and does nothing else. What is kept between two
    steps are the plans, in the caller's hands, so a checkpoint needs the plans and the generator's state only.

    Every planner has these hyper-parameters:
    horizon: steps that are planned ahead.
    n_candidates: sequences of actions in a population.
    n_iterations: populations, at most.
    budget_ms: milliseconds of wall-clock time that a plan may take, or None. A further population is valued only if
    it would end in time at the mean pace so far; the first one is always valued. The clock decides then, so runs with
    a budget are not bit-exact: neither repeated nor resumed.
    """

    action_kind: ClassVar[str] = "continuous"
    """``"continuous"``: vectors within bounds. ``"discrete"``: one-hot vectors, see :class:`CategoricalCEM`."""
    horizon: int
    n_candidates: int
    n_iterations: int
    budget_ms: float | None

    @abstractmethod
    def plan(
        self,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ) -> Plan:
        """Look for the actions with the highest return.

        plans: shape (n_envs, horizon, action_size): what was planned a step ago, already :meth:`shifted`, or the
        start that :meth:`fresh` gives, for each environment by itself. low, high: bounds of the actions, shape
        (action_size,). generator: all that is drawn comes from it.
        """

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of its range."""
        for name in ("horizon", "n_candidates", "n_iterations"):
            self.require(name, getattr(self, name) >= 1, "at least 1")
        self.require("budget_ms", self.budget_ms is None or self.budget_ms >= 0, "at least 0, or None")

    def require(self, name: str, is_right: bool, expected: str) -> None:
        """Raise ValueError that names a hyper-parameter and its value unless ``is_right``."""
        if not is_right:
            kind = type(self).__name__
            raise ValueError(f"{kind} needs {name} to be {expected}, found {getattr(self, name)!r}.")

    def fresh(self, n_envs: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Give the plans at an episode's start, shape (n_envs, horizon, action_size): the middle of the bounds.

        Raises ValueError for a hyper-parameter out of its range, and for bounds between which nothing can be drawn.
        """
        self.check()
        require_finite_bounds(low, high)
        return ((low + high) / 2).repeat(n_envs, self.horizon, 1)

    def shifted(self, plans: torch.Tensor) -> torch.Tensor:
        """Give the plans without their first step, the last one repeated: where the next search starts."""
        return torch.cat([plans[:, 1:], plans[:, -1:]], dim=1)

    def restarted(
        self, plans: torch.Tensor, is_start: torch.Tensor, low: torch.Tensor, high: torch.Tensor
    ) -> torch.Tensor:
        """Give the plans with those rows fresh whose episode starts now; is_start: bool, shape (n_envs,)."""
        return torch.where(is_start[:, None, None], self.fresh(len(plans), low, high), plans)


def require_finite_bounds(low: torch.Tensor, high: torch.Tensor) -> None:
    """Raise ValueError unless low < high, finite, in every dimension of the actions."""
    if low.dim() != 1 or low.shape != high.shape:
        shapes = f"{tuple(low.shape)} and {tuple(high.shape)}"
        raise ValueError(f"the bounds of the actions must both have the shape (action_size,), found {shapes}.")
    if not (math.isfinite(float((high - low).sum())) and bool((low < high).all())):
        raise ValueError(
            "a planner needs finite bounds of the actions with low < high, found "
            f"{low.tolist()} and {high.tolist()}; give finite ones, by a wrapper around the environment."
        )
