"""One call of a planner for all environments: populations are drawn, valued and weighed, and the clock is watched."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan

if TYPE_CHECKING:
    from lifelong_rl.agents.hypernet.planners.planner import Planner


class Search:
    """The state of one call of a planner.

    Noise and candidates are kept in memory of their own from population to population.
    """

    def __init__(
        self,
        planner: Planner,
        evaluate: Evaluate,
        plans: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        generator: torch.Generator,
    ):
        if plans.dim() != 3 or plans.shape[1:] != (planner.horizon, len(low)):
            raise ValueError(
                f"{type(planner).__name__}.plan needs plans of the shape (n_envs, {planner.horizon}, {len(low)}), as "
                f"fresh() and shifted() give them, found {tuple(plans.shape)}."
            )
        self._started = perf_counter()
        self._evaluate = evaluate
        self._generator = generator
        self._budget_ms = planner.budget_ms
        self.low, self.high = low, high
        shape = (len(plans), planner.n_candidates, *plans.shape[1:])
        self._candidates = plans.new_empty(shape)
        # Drawn on the generator's device, so that a processor's generator gives the same numbers on every device.
        self._noise = torch.empty(shape, dtype=plans.dtype, device=generator.device)
        self._n_invalid = torch.zeros((), dtype=torch.long, device=plans.device)
        self.n_iterations = 0

    def iterations(self, at_most: int, reserved: int = 0) -> Iterator[int]:
        """Count populations until there were ``at_most``, or the time is used up; one is always counted.

        reserved: populations that the caller values afterwards, for which time is left.
        """
        for i in range(at_most):
            if i and not self._has_time(1 + reserved):
                return
            yield i

    def _has_time(self, n_populations: int) -> bool:
        if self._budget_ms is None:
            return True
        pace = self.elapsed_ms() / self.n_iterations
        return pace * (self.n_iterations + n_populations) <= self._budget_ms

    def elapsed_ms(self) -> float:
        """Give the milliseconds since the call began; waits for an accelerator, which only queued its work."""
        if self._candidates.is_cuda:
            torch.cuda.synchronize(self._candidates.device)
        return 1e3 * (perf_counter() - self._started)

    def normal(self) -> torch.Tensor:
        """Draw standard normal noise, shape (n_envs, n_candidates, horizon, action_size)."""
        return self._noise.normal_(generator=self._generator).to(self._candidates.device)

    def uniform(self) -> torch.Tensor:
        """Draw noise between 0 and 1, shape (n_envs, n_candidates, horizon, action_size)."""
        return self._noise.uniform_(generator=self._generator).to(self._candidates.device)

    def exponential(self) -> torch.Tensor:
        """Draw noise of the standard exponential distribution, shape (n_envs, n_candidates, horizon, action_size)."""
        return self._noise.exponential_(generator=self._generator).to(self._candidates.device)

    def around(
        self, means: torch.Tensor, noise: torch.Tensor, scale: torch.Tensor, clip: bool = True
    ) -> torch.Tensor:
        """Give candidates ``means + scale * noise``, clipped or not; means, scale: (n_envs, horizon, action_size)."""
        torch.addcmul(means[:, None], scale[:, None], noise, out=self._candidates)
        return torch.clamp(self._candidates, self.low, self.high, out=self._candidates) if clip else self._candidates

    def value(self, candidates: torch.Tensor) -> torch.Tensor:
        """Give the candidates' returns, shape (n_envs, n_candidates); -inf in place of what is not finite."""
        self.n_iterations += 1
        with torch.no_grad():
            returns = self._evaluate(candidates)
        if returns.shape != candidates.shape[:2]:
            expected = tuple(candidates.shape[:2])
            raise ValueError(f"evaluate must give returns of the shape {expected}, found {tuple(returns.shape)}.")
        is_finite = torch.isfinite(returns)
        self._n_invalid += (~is_finite).sum()
        return torch.where(is_finite, returns, -torch.inf).to(candidates.dtype)

    def plan(self, actions: torch.Tensor, plans: torch.Tensor, returns: torch.Tensor, **metrics: float) -> Plan:
        """Give the result; actions are clipped to the bounds, whatever the candidates were."""
        n_invalid = int(self._n_invalid)
        valued = returns[torch.isfinite(returns)]
        if len(valued):
            metrics["expected_return"] = float(valued.mean())
        metrics["n_iterations"] = float(self.n_iterations)
        metrics["invalid_share"] = n_invalid / (self.n_iterations * self._candidates[..., 0, 0].numel())
        metrics["time_ms"] = self.elapsed_ms()
        actions = torch.clamp(actions, self.low, self.high)
        return Plan(actions, plans, returns, self.n_iterations, n_invalid, metrics)


def best(candidates: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give each environment's best candidate (n_envs, horizon, action_size) and its value (n_envs,), as copies."""
    highest, index = values.max(dim=1)
    return candidates[torch.arange(len(index), device=index.device), index], highest


def softmax_weights(values: torch.Tensor, temperature: torch.Tensor | float) -> torch.Tensor:
    """Give weights exp(value / temperature) / sum, shape (n_envs, n_candidates); 0 where the value is -inf.

    temperature: a number, or one for each environment, shape (n_envs, 1). An environment without any finite value
    has weights of 0 alone.
    """
    is_finite = torch.isfinite(values)
    # The best value is taken off before exp, which cannot overflow then and gives 1 at least once.
    scaled = (values - values.max(dim=1, keepdim=True).values) / temperature
    weights = torch.where(is_finite, scaled, -torch.inf).exp()
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1.0)


def spread(values: torch.Tensor) -> torch.Tensor:
    """Give the standard deviation of each environment's finite values, shape (n_envs, 1); never 0."""
    is_finite = torch.isfinite(values)
    count = is_finite.sum(dim=1, keepdim=True).clamp_min(1)
    mean = torch.where(is_finite, values, 0.0).sum(dim=1, keepdim=True) / count
    variance = torch.where(is_finite, values - mean, 0.0).square().sum(dim=1, keepdim=True) / count
    return variance.sqrt().clamp_min(torch.finfo(values.dtype).tiny ** 0.5)


def weighted_mean(weights: torch.Tensor, candidates: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
    """Give sum_k w_k a_k, shape (n_envs, horizon, action_size), and ``otherwise`` where all weights are 0."""
    mean = torch.bmm(weights[:, None], candidates.flatten(2)).view_as(otherwise)
    return torch.where((weights > 0).any(dim=1)[:, None, None], mean, otherwise)


def weighted_value(weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Give sum_k w_k R_k, shape (n_envs,), and -inf where all weights are 0."""
    mean = (weights * torch.where(weights > 0, values, 0.0)).sum(dim=1)
    return torch.where((weights > 0).any(dim=1), mean, -torch.inf)
