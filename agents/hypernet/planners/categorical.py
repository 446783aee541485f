"""The cross-entropy method over sequences of choices, for discrete actions."""

from __future__ import annotations

from typing import ClassVar

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
from lifelong_rl.agents.hypernet.planners.search import Search


class CategoricalCEM(Planner):
    """The cross-entropy method with independent choices (De Boer et al. 2005, updating of probabilities).

    Candidates are sequences of one-hot vectors, drawn from probabilities p of shape (horizon, n_actions). Each
    population ends in p <- m p + (1 - m) f, where f is how often the elites choose each action. The plans are the
    probabilities; bounds are 0 and 1 for each of the ``n_actions``, and what is executed is the one-hot vector of the
    likeliest first choice.

    horizon, n_candidates, n_iterations, budget_ms: as every planner has them.
    elite_fraction: share of a population that are elites, in (0, 1]; at least one is.
    momentum: m in [0, 1).
    exploration: share of even choice, in [0, 1], that is mixed into the plans of a step ago before they are used.
    """

    action_kind: ClassVar[str] = "discrete"

    def __init__(
        self,
        horizon: int = 20,
        n_candidates: int = 200,
        n_iterations: int = 3,
        elite_fraction: float = 0.1,
        momentum: float = 0.0,
        exploration: float = 0.5,
        budget_ms: float | None = None,
    ):
        self.horizon = horizon
        self.n_candidates = n_candidates
        self.n_iterations = n_iterations
        self.elite_fraction = elite_fraction
        self.momentum = momentum
        self.exploration = exploration
        self.budget_ms = budget_ms

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of its range."""
        super().check()
        self.require("elite_fraction", 0 < self.elite_fraction <= 1, "above 0 and at most 1")
        self.require("momentum", 0 <= self.momentum < 1, "at least 0 and below 1")
        self.require("exploration", 0 <= self.exploration <= 1, "between 0 and 1")

    def fresh(self, n_envs: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Give the plans at an episode's start: every choice as likely as any other."""
        super().fresh(n_envs, low, high)  # for its checks
        return torch.full_like(low, 1 / len(low)).repeat(n_envs, self.horizon, 1)

    def plan(
        self,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ) -> Plan:
        """Look for the choices with the highest return, see :meth:`Planner.plan`; returns are those of the elites."""
        search = Search(self, evaluate, plans, low, high, generator)
        n_elites = max(1, round(self.elite_fraction * self.n_candidates))
        odds = torch.lerp(plans, torch.full_like(plans, 1 / len(low)), self.exploration)
        for _ in search.iterations(self.n_iterations):
            # argmax of p / E with E ~ Exp(1) is a draw from p (the Gumbel-max trick, without its logarithms)
            choices = (odds[:, None] / search.exponential()).argmax(dim=-1)
            candidates = torch.nn.functional.one_hot(choices, len(low)).to(plans.dtype)
            highest, index = search.value(candidates).topk(n_elites, dim=1)
            elites = candidates[torch.arange(len(index), device=index.device)[:, None], index]
            is_valid = torch.isfinite(highest)
            count = is_valid.sum(dim=1).clamp_min(1)
            found = torch.where(is_valid[..., None, None], elites, 0.0).sum(dim=1) / count[:, None, None]
            is_found = is_valid.any(dim=1)
            odds = torch.where(is_found[:, None, None], torch.lerp(found, odds, self.momentum), odds)
            mean_return = torch.where(is_valid, highest, 0.0).sum(dim=1) / count
            returns = torch.where(is_found, mean_return, -torch.inf)
        chosen = torch.nn.functional.one_hot(odds[:, 0].argmax(dim=-1), len(low)).to(plans.dtype)
        return search.plan(chosen, odds, returns)
