"""Random shooting: the best of many random sequences of actions."""

from __future__ import annotations

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
from lifelong_rl.agents.hypernet.planners.search import Search, best


class RandomShooting(Planner):
    """Draws sequences evenly between the bounds and takes the best (Nagabandi et al. 2018, section IV-C; Rao 2009).

    horizon, n_candidates, n_iterations, budget_ms: as every planner has them; populations only add up here.
    warm_start: whether the plan of a step ago is a candidate too, in place of the first one drawn. The paper starts
    afresh: False.
    """

    def __init__(
        self,
        horizon: int = 20,
        n_candidates: int = 600,
        n_iterations: int = 1,
        warm_start: bool = True,
        budget_ms: float | None = None,
    ):
        self.horizon = horizon
        self.n_candidates = n_candidates
        self.n_iterations = n_iterations
        self.warm_start = warm_start
        self.budget_ms = budget_ms

    def plan(
        self,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ) -> Plan:
        """Look for the actions with the highest return, see :meth:`Planner.plan`; returns are the best ones."""
        search = Search(self, evaluate, plans, low, high, generator)
        winners, returns = plans, plans.new_full((len(plans),), -torch.inf)
        for i in search.iterations(self.n_iterations):
            candidates = search.around(low.expand_as(plans), search.uniform(), (high - low).expand_as(plans))
            if i == 0 and self.warm_start:
                candidates[:, 0] = plans
            found, values = best(candidates, search.value(candidates))
            is_better = values > returns
            winners = torch.where(is_better[:, None, None], found, winners)
            returns = torch.where(is_better, values, returns)
        return search.plan(winners[:, 0], winners, returns)
