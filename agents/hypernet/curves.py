"""What a HyperCRL agent shows of its training: running means since the last time they were written."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.hypernet.learner import Update
from lifelong_rl.agents.hypernet.planners.planner import Plan

N_RECENT = 100
"""Episodes over which returns and lengths are averaged, as Stable-Baselines3 does."""


class Curves:
    """Gathers numbers between two writings of the curves."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}
        self._episodes: deque[tuple[float, int]] = deque(maxlen=N_RECENT)
        self._errors: dict[str, tuple[float, int]] = {}
        self.error: float | None = None
        """The current task's error on held-out rows when it was last trained, as a share of its targets' variance."""

    def _add(self, name: str, value: float) -> None:
        total, count = self._sums.get(name, (0.0, 0))
        self._sums[name] = (total + value, count + 1)

    def note_update(self, update: Update) -> None:
        """Take one update in."""
        self._add("train/loss", update.loss)
        self._add("train/regulariser", update.regulariser)
        self._add("train/gradient_norm", update.gradient_norm)

    def note_sleep(self, update: Update) -> None:
        """Take one update of a sleep phase in."""
        self._add("sleep/loss", update.loss)
        self._add("sleep/regulariser", update.regulariser)

    def note_plan(self, plan: Plan) -> None:
        """Take one step's planning in."""
        for name, value in plan.metrics.items():
            self._add(f"time/plan_{name}" if name == "time_ms" else f"plan/{name}", value)

    def note_episodes(self, infos: Sequence[Mapping[str, Any]]) -> None:
        """Take the episodes that ended with this step in."""
        for info in infos:
            if "episode" in info:
                self._episodes.append((float(info["episode"]["r"]), int(info["episode"]["l"])))

    def note_errors(self, task: str, errors: NDArray[np.float64]) -> None:
        """Take squared prediction errors of a task in, shares of its variance, shape (n,)."""
        total, count = self._errors.get(task, (0.0, 0))
        self._errors[task] = (total + float(errors.sum()), count + len(errors))

    def take_errors(self) -> dict[str, float]:
        """Give the mean error of each task since the last call."""
        taken, self._errors = self._errors, {}
        return {task: total / count for task, (total, count) in taken.items()}

    def scalars(self) -> dict[str, float]:
        """Give the means since the last writing, by TensorBoard's names."""
        scalars = {name: total / count for name, (total, count) in self._sums.items()}
        if self.error is not None:
            scalars["train/held_out_error"] = self.error
        if self._episodes:
            scalars["rollout/ep_rew_mean"] = float(np.mean([r for r, _ in self._episodes]))
            scalars["rollout/ep_len_mean"] = float(np.mean([n for _, n in self._episodes]))
        return scalars

    def take(self, n_clipped: int, n_predictions: int) -> dict[str, float]:
        """Give them and start over; n_clipped of n_predictions lay outside their limits."""
        scalars = self.scalars()
        if n_predictions:
            scalars["plan/clipped_share"] = n_clipped / n_predictions
        self._sums.clear()
        return scalars

    def state_dict(self) -> dict[str, Any]:
        """Give what was gathered, so that the curves go on as if never stopped."""
        return {
            "sums": {name: [total, count] for name, (total, count) in self._sums.items()},
            "episodes": [[r, n] for r, n in self._episodes],
            "errors": {task: [total, count] for task, (total, count) in self._errors.items()},
            "error": self.error,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take such a state over."""
        self._sums = {name: (total, count) for name, (total, count) in state["sums"].items()}
        self._episodes = deque(((r, n) for r, n in state["episodes"]), maxlen=N_RECENT)
        self._errors = {task: (total, count) for task, (total, count) in state["errors"].items()}
        self.error = state["error"]
