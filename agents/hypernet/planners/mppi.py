"""Model-predictive path integral control."""

from __future__ import annotations

from typing import Any

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
from lifelong_rl.agents.hypernet.planners.search import Search, softmax_weights, spread, weighted_mean, weighted_value


class MPPI(Planner):
    """Model-predictive path integral control (Williams et al. 2017, Information Theoretic MPC, their MPPI algorithm).

    Around the plan u, candidates v = u + eps with eps ~ N(0, Sigma) have the costs
    S = -R + lambda c sum_t u_t' Sigma^-1 eps_t and the weights w = exp(-(S - min S) / lambda) / sum; the plan becomes
    u + sum_k w_k eps_k. Here u is measured from the middle of the bounds, and what is clipped off a candidate is
    taken off its eps too.

    horizon, n_candidates, n_iterations, budget_ms: as every planner has them.
    std: root of the diagonal of Sigma, as a multiple of half the range of the actions.
    temperature: lambda, in units of the return, or as a multiple of the returns' standard deviation over the
    population, see ``is_scale_free``.
    is_scale_free: whether the temperature follows the scale of the returns, so that it suits every reward.
    control_cost: c; 1 is the paper's, 0 leaves the term out.
    warm_start: whether u starts from the plans of a step ago, as the paper has it, or afresh at every step.
    """

    def __init__(
        self,
        horizon: int = 20,
        n_candidates: int = 200,
        n_iterations: int = 3,
        std: float = 0.5,
        temperature: float = 0.2,
        is_scale_free: bool = True,
        control_cost: float = 0.0,
        warm_start: bool = True,
        budget_ms: float | None = None,
    ):
        self.horizon = horizon
        self.n_candidates = n_candidates
        self.n_iterations = n_iterations
        self.std = std
        self.temperature = temperature
        self.is_scale_free = is_scale_free
        self.control_cost = control_cost
        self.warm_start = warm_start
        self.budget_ms = budget_ms

    @classmethod
    def published(cls, **changes: Any) -> MPPI:
        """Give MPPI with the paper's weights and HyperCRL's size for the pendulum (Huang et al. 2021).

        The temperature of 1 and the noise are usual choices, not read from either paper.
        """
        style: dict[str, Any] = {"temperature": 1.0, "is_scale_free": False, "control_cost": 1.0}
        return cls(**({"horizon": 15, "n_candidates": 100, "n_iterations": 10} | style | changes))

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of its range."""
        super().check()
        self.require("std", self.std > 0, "above 0")
        self.require("temperature", self.temperature > 0, "above 0")
        self.require("control_cost", self.control_cost >= 0, "at least 0")

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
        middle, stds = (low + high) / 2, self.std * (high - low) / 2
        means = plans if self.warm_start else self.fresh(len(plans), low, high)
        for _ in search.iterations(self.n_iterations):
            candidates = search.around(means, search.normal(), stds.expand_as(means))
            values = search.value(candidates)
            temperature = self.temperature * (
                spread(values) if self.is_scale_free else torch.ones_like(values[:, :1])
            )
            costs = values.new_zeros(())
            if self.control_cost:
                pull = (means - middle) / stds.square()
                costs = ((candidates - means[:, None]) * pull[:, None]).sum(dim=(2, 3))
            weights = softmax_weights(values - self.control_cost * temperature * costs, temperature)
            means, returns = weighted_mean(weights, candidates, means), weighted_value(weights, values)
        share = float((1 / weights.square().sum(dim=1).clamp_min(1e-12)).mean()) / self.n_candidates
        return search.plan(means[:, 0], means, returns, effective_share=share)
