"""Acting by planning in the dynamics models, for any number of environments at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, Predictor
from lifelong_rl.agents.hypernet.inference import TaskFilter
from lifelong_rl.agents.hypernet.planners.planner import Plan, Planner
from lifelong_rl.agents.hypernet.reward import TaskReward
from lifelong_rl.agents.hypernet.rollout import PredictionLimits, Rollout

WIDENED = 3.0
"""How many times the range of the task's observations a prediction may span before it is clipped."""


@dataclass
class Acting:
    """What acting in n environments carries from step to step: the state that ``predict`` takes and gives."""

    plans: torch.Tensor
    """What was planned, shape (n, horizon, action)."""
    n_calls: int = 0
    """Calls so far: with the agent's seed they determine the noise of the next."""
    observations: NDArray[Any] | None = None
    """What was observed at the last call, shape (n, observation)."""
    actions: NDArray[Any] | None = None
    """What was done then, shape (n, action)."""
    belief: TaskFilter | None = None
    """What is believed about the tasks that are played; None where they are told, or there is nothing to choose."""


class LearnedStep:
    """A predictor whose last output is the reward: one forward pass gives both."""

    def __init__(self, predictor: Predictor):
        self._predictor = predictor
        self._rewards: list[torch.Tensor] = []

    def step(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the next observations, and keep the rewards until they are asked for."""
        outputs = self._predictor.outputs(observations, actions)
        self._rewards.append(outputs[..., -1])
        return self._predictor.following(observations, outputs)

    def reward(
        self, observations: torch.Tensor, actions: torch.Tensor, following: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the rewards of the steps made since the last call; a learned model knows no terminal states."""
        rewards = torch.stack(self._rewards).to(observations.dtype)
        self._rewards.clear()
        return rewards, torch.zeros_like(rewards, dtype=torch.bool)


class ModelActor:
    """Plans with each task's model; rollouts are kept until the model changes."""

    def __init__(
        self,
        model: DynamicsModel,
        planner: Planner,
        low: NDArray[Any],
        high: NDArray[Any],
        *,
        discount: float,
        precision: torch.dtype | None,
    ):
        self.model, self.planner = model, planner
        self._like = model.learner.like()
        self.low, self.high = (torch.from_numpy(bound).to(self._like) for bound in (low, high))
        self._discount, self._precision = discount, precision
        self._rollouts: dict[int, Rollout] = {}
        self.n_clipped = 0
        """Predictions outside their limits, over all rollouts so far."""
        self.n_predictions = 0

    def model_changed(self) -> None:
        """Forget the rollouts, whose weights are those from before."""
        self.count_predictions()
        self._rollouts.clear()

    def count_predictions(self) -> None:
        """Add up what the rollouts counted."""
        for rollout in self._rollouts.values():
            n_clipped, n_predictions = rollout.take_counts()
            self.n_clipped += n_clipped
            self.n_predictions += n_predictions

    def _rollout(self, task: int, reward: TaskReward | None) -> Rollout:
        if task not in self._rollouts:
            predictor = self.model.predictor(task)
            learned = LearnedStep(predictor)
            self._rollouts[task] = Rollout(
                predictor.step if reward is not None else learned.step,
                reward if reward is not None else learned.reward,
                self._discount,
                self._limits(task),
                self._precision,
            )
        return self._rollouts[task]

    def _limits(self, task: int) -> PredictionLimits | None:
        seen = self.model.scales[task].inputs
        if not seen.count:
            return None  # nothing was seen yet that could say what is usual
        size = self.model.observation_size
        # 1 to both sides where nothing varied: such numbers are predicted to stay, up to rounding
        around = np.where(seen.is_constant, 1.0, 0.0)
        bounds = (seen.low - around, seen.high + around)
        low, high = (torch.from_numpy(bound[:size]).to(self._like) for bound in bounds)
        return PredictionLimits.around(low, high, WIDENED)

    def fresh(self, n_envs: int) -> torch.Tensor:
        """Give the plans at the start of episodes, shape (n_envs, horizon, action)."""
        return self.planner.fresh(n_envs, self.low, self.high)

    def restarted(self, plans: torch.Tensor, is_start: NDArray[np.bool_]) -> torch.Tensor:
        """Give the plans with those rows fresh whose episode starts now."""
        if not is_start.any():
            return plans
        mask = torch.from_numpy(is_start).to(plans.device)
        return self.planner.restarted(plans, mask, self.low, self.high)

    def plan(
        self,
        observations: NDArray[Any],
        plans: torch.Tensor,
        tasks: NDArray[np.int64],
        rewards: Mapping[int, TaskReward | None],
        generator: torch.Generator,
    ) -> tuple[NDArray[np.float32], torch.Tensor, Plan]:
        """Give actions (n, action), the plans to start from at the next step, and the last of the searches.

        tasks: which task's model each environment is planned with, shape (n,).
        """
        seen = torch.from_numpy(np.ascontiguousarray(observations)).to(self._like)
        actions = np.empty((len(observations), len(self.low)), dtype=np.float32)
        following = torch.empty_like(plans)
        plan: Plan | None = None
        for task in np.unique(tasks).tolist():
            rows = torch.from_numpy(np.flatnonzero(tasks == task))
            rollout, here = self._rollout(task, rewards[task]), seen[rows]

            def value(
                candidates: torch.Tensor, rollout: Rollout = rollout, here: torch.Tensor = here
            ) -> torch.Tensor:
                return rollout.returns(here, candidates)

            plan = self.planner.plan(value, plans[rows], self.low, self.high, generator)
            actions[rows.numpy()] = plan.actions.cpu().numpy()
            following[rows] = self.planner.shifted(plan.plans)
        assert plan is not None
        return actions, following, plan
