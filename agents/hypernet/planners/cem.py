"""The cross-entropy method over sequences of actions."""

from __future__ import annotations

from typing import Any

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
from lifelong_rl.agents.hypernet.planners.search import Search, best
from lifelong_rl.envs.lookup import unknown_name

PUBLISHED: dict[str, dict[str, Any]] = {
    "cartpole": {"horizon": 25, "n_candidates": 400, "elite_fraction": 40 / 400, "n_iterations": 5},
    "pusher": {"horizon": 20, "n_candidates": 500, "elite_fraction": 40 / 500, "n_iterations": 5},
    "half_cheetah": {"horizon": 30, "n_candidates": 500, "elite_fraction": 50 / 500, "n_iterations": 5},
    "door_pose": {"horizon": 10, "n_candidates": 2000, "elite_fraction": 40 / 2000, "n_iterations": 5},
}
"""HyperCRL's sizes by environment (Huang et al. 2021, from the authors' settings)."""


class CEM(Planner):
    """The cross-entropy method (Rubinstein 1999; for planning as in Chua et al. 2018, PETS, algorithm 1).

    Candidates are drawn from a diagonal Gaussian N(mu, sigma^2) over (horizon, action_size). With the elites E, the
    candidates of the highest returns, each population ends in (De Boer et al. 2005, updating with smoothing)
    mu <- m mu + (1 - m) mean(E), sigma <- m sigma + (1 - m) std(E), where m is the momentum.

    horizon, n_candidates, n_iterations, budget_ms: as every planner has them.
    elite_fraction: share of a population that are elites, in (0, 1]; at least one is.
    initial_std, std_floor: sigma at the start, and the least it may become, as multiples of half the range of the
    actions, or in the actions' own unit, see ``std_unit``.
    momentum: m in [0, 1).
    warm_start: whether mu starts from the plans of a step ago, or afresh at every step.
    clip: whether candidates are clipped to the bounds. What is executed always is.
    std_unit: "half-range", or "action": then mu starts at 0 and not in the middle of the bounds.
    execute: "mean": the first action of the last mu; "best": that of the best candidate of the last population;
    "extra-population": that of the best candidate of one more population, drawn from the last mu and sigma.
    """

    def __init__(
        self,
        horizon: int = 20,
        n_candidates: int = 200,
        n_iterations: int = 3,
        elite_fraction: float = 0.1,
        initial_std: float = 0.5,
        std_floor: float = 0.05,
        momentum: float = 0.0,
        warm_start: bool = True,
        clip: bool = True,
        std_unit: str = "half-range",
        execute: str = "mean",
        budget_ms: float | None = None,
    ):
        self.horizon = horizon
        self.n_candidates = n_candidates
        self.n_iterations = n_iterations
        self.elite_fraction = elite_fraction
        self.initial_std = initial_std
        self.std_floor = std_floor
        self.momentum = momentum
        self.warm_start = warm_start
        self.clip = clip
        self.std_unit = std_unit
        self.execute = execute
        self.budget_ms = budget_ms

    @classmethod
    def published(cls, environment: str, **changes: Any) -> CEM:
        """Give the planner as HyperCRL has it (Huang et al. 2021): a name of :data:`PUBLISHED`, with what is changed.

        mu = 0 and sigma = 1 afresh at every step, no clipping, no floor, no momentum, and one more population whose
        best candidate is executed.
        """
        if environment not in PUBLISHED:
            raise unknown_name("published size of CEM", environment, PUBLISHED)
        style = {
            "initial_std": 1.0,
            "std_floor": 0.0,
            "warm_start": False,
            "clip": False,
            "std_unit": "action",
            "execute": "extra-population",
        }
        return cls(**(PUBLISHED[environment] | style | changes))

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of its range."""
        super().check()
        self.require("elite_fraction", 0 < self.elite_fraction <= 1, "above 0 and at most 1")
        self.require("initial_std", self.initial_std > 0, "above 0")
        self.require("std_floor", self.std_floor >= 0, "at least 0")
        self.require("momentum", 0 <= self.momentum < 1, "at least 0 and below 1")
        self.require("std_unit", self.std_unit in ("half-range", "action"), "'half-range' or 'action'")
        executed = ("mean", "best", "extra-population")
        self.require("execute", self.execute in executed, f"one of {', '.join(map(repr, executed))}")

    def fresh(self, n_envs: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Give the plans at an episode's start: the middle of the bounds, or 0 where ``std_unit`` is "action"."""
        if self.std_unit == "action":
            self.check()
            return low.new_zeros(n_envs, self.horizon, len(low))
        return super().fresh(n_envs, low, high)

    def plan(
        self,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ) -> Plan:
        """Look for the actions with the highest return, see :meth:`Planner.plan`; returns are those of the elites."""
        search = Search(self, evaluate, plans, low, high, generator)
        has_extra = self.execute == "extra-population"
        unit = (high - low) / 2 if self.std_unit == "half-range" else torch.ones_like(low)
        means = plans if self.warm_start else self.fresh(len(plans), low, high)
        stds = (self.initial_std * unit).expand_as(means)
        for _ in search.iterations(self.n_iterations, reserved=int(has_extra)):
            candidates = search.around(means, search.normal(), stds, self.clip)
            values = search.value(candidates)
            means, stds, returns = self._refitted(means, stds, candidates, values)
            stds = torch.maximum(stds, self.std_floor * unit)
        executed = means
        if has_extra:
            candidates = search.around(means, search.normal(), stds, self.clip)
            values = search.value(candidates)
        if self.execute != "mean":
            found, returns = best(candidates, values)
            executed = torch.where(torch.isfinite(returns)[:, None, None], found, means)
        return search.plan(executed[:, 0], means, returns, std=float((stds / unit).mean()))

    def _refitted(
        self, means: torch.Tensor, stds: torch.Tensor, candidates: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give mean, standard deviation and mean return of the elites; the old ones where no return is finite."""
        highest, index = values.topk(max(1, round(self.elite_fraction * self.n_candidates)), dim=1)
        elites = candidates[torch.arange(len(index), device=index.device)[:, None], index]
        is_valid = torch.isfinite(highest)
        count = is_valid.sum(dim=1)
        shares = (is_valid / count.clamp_min(1)[:, None]).to(candidates.dtype)
        mean = (shares[..., None, None] * elites).sum(dim=1)
        std = (shares[..., None, None] * (elites - mean[:, None]).square()).sum(dim=1).sqrt()
        returns = torch.where(count > 0, (shares * torch.where(is_valid, highest, 0.0)).sum(dim=1), -torch.inf)
        is_found = (count > 0)[:, None, None]
        mean = torch.where(is_found, torch.lerp(mean, means, self.momentum), means)
        return mean, torch.where(is_found, torch.lerp(std, stds, self.momentum), stds), returns
