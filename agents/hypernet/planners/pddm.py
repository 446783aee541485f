"""Filtered noise and reward-weighted refinement, as PDDM plans."""

from __future__ import annotations

from typing import Any

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
from lifelong_rl.agents.hypernet.planners.search import Search, softmax_weights, spread, weighted_mean, weighted_value


class PDDM(Planner):
    """Online planning with deep dynamics models (Nagabandi et al. 2019, section on filtering and refinement).

    Noise is smooth in time: u_t ~ N(0, Sigma), n_t = beta u_t + (1 - beta) n_(t-1), n_(-1) = 0. Candidates are
    a_t = mu_t + n_t, and the plan becomes mu_t = sum_k exp(kappa R_k) a_t^k / sum_k exp(kappa R_k).

    horizon, n_candidates, n_iterations, budget_ms: as every planner has them.
    std: root of the diagonal of Sigma, before the filter, as a multiple of half the range of the actions.
    beta: in (0, 1]; 1 does not filter.
    kappa: above 0, per unit of the return, or per standard deviation of the returns over the population, see
    ``is_scale_free``.
    is_scale_free: whether kappa follows the scale of the returns, so that it suits every reward.
    """

    def __init__(
        self,
        horizon: int = 20,
        n_candidates: int = 200,
        n_iterations: int = 3,
        std: float = 0.8,
        beta: float = 0.6,
        kappa: float = 5.0,
        is_scale_free: bool = True,
        budget_ms: float | None = None,
    ):
        self.horizon = horizon
        self.n_candidates = n_candidates
        self.n_iterations = n_iterations
        self.std = std
        self.beta = beta
        self.kappa = kappa
        self.is_scale_free = is_scale_free
        self.budget_ms = budget_ms

    @classmethod
    def published(cls, kappa: float, **changes: Any) -> PDDM:
        """Give PDDM as the paper has it: one population a step, and kappa per unit of the return."""
        return cls(**({"n_iterations": 1, "kappa": kappa, "is_scale_free": False} | changes))

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of its range."""
        super().check()
        self.require("std", self.std > 0, "above 0")
        self.require("beta", 0 < self.beta <= 1, "above 0 and at most 1")
        self.require("kappa", self.kappa > 0, "above 0")

    def plan(
        self,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ) -> Plan:
        """Look for the actions with the highest return, see :meth:`Planner.plan`; returns are weighted means."""
        search = Search(self, evaluate, plans, low, high, generator)
        means, filtering = plans, filter_matrix(self.horizon, self.beta, plans)
        stds = (self.std * (high - low) / 2).expand_as(means)
        for _ in search.iterations(self.n_iterations):
            candidates = search.around(means, torch.matmul(filtering, search.normal()), stds)
            values = search.value(candidates)
            temperature = spread(values) / self.kappa if self.is_scale_free else 1 / self.kappa
            weights = softmax_weights(values, temperature)
            means, returns = weighted_mean(weights, candidates, means), weighted_value(weights, values)
        share = float((1 / weights.square().sum(dim=1).clamp_min(1e-12)).mean()) / self.n_candidates
        return search.plan(means[:, 0], means, returns, effective_share=share)


def filter_matrix(horizon: int, beta: float, like: torch.Tensor) -> torch.Tensor:
    """Give the filter n_t = beta u_t + (1 - beta) n_(t-1) as a matrix: beta (1 - beta)^(t - s) for s <= t, else 0."""
    steps = torch.arange(horizon, dtype=like.dtype, device=like.device)
    return torch.tril(beta * (1 - beta) ** (steps[:, None] - steps).clamp_min(0))
