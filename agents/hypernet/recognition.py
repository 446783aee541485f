"""Which task each environment plays while an agent acts: told, or recognised by what happens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.hypernet.acting import Acting
from lifelong_rl.agents.hypernet.dynamics import DynamicsModel
from lifelong_rl.agents.hypernet.inference import TaskFilter
from lifelong_rl.agents.hypernet.task_models import TaskModels
from lifelong_rl.agents.hypernet.transitions import Array


class TaskRecognition:
    """Chooses the model to plan with; it keeps the limits of alarms, which take a while to find, for all episodes."""

    def __init__(self, dynamics: DynamicsModel):
        self._dynamics = dynamics
        self._filter: TaskFilter | None = None

    def model_changed(self) -> None:
        """Forget what follows from the models' weights."""
        self._filter = None

    def tasks(
        self, known: int | None, current: int | None, acting: Acting, seen: Array, starts: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], TaskFilter | None]:
        """Give each environment's task to plan with, shape (n,), and what that was inferred from, if it was.

        It is ``known``, the task that was told, where that is not None. Else it is the known task that the episode's
        transitions fit best; ``current``, the one trained last, before there are any, and where they fit none.
        """
        if known is not None:
            return np.full(len(seen), known), None
        assert current is not None
        tasks = np.full(len(seen), current)
        belief = self._belief(acting, seen, starts)
        if belief is None:
            return tasks, None
        fits = (belief.n_seen > 0) & ~belief.is_unknown
        return np.where(fits, belief.most_likely, tasks), belief

    def _belief(self, acting: Acting, seen: Array, starts: NDArray[np.bool_]) -> TaskFilter | None:
        """Give the belief about the tasks after the last transitions; None where there is nothing to choose from."""
        # where the reward is learned it belongs to the evidence, and acting does not see it
        is_blind = self._dynamics.settings.learns_reward or self._dynamics.n_calibrated < 2
        if is_blind or acting.observations is None or acting.actions is None:
            return None
        if self._filter is None:
            self._filter = TaskFilter(TaskModels(self._dynamics), 1)
        before = acting.belief
        is_same = before is not None and before.models is self._filter.models and before.n_envs == len(seen)
        belief = before.copied() if before is not None and is_same else self._filter.for_envs(len(seen))
        belief.update(acting.observations, acting.actions, seen)
        belief.restart(starts)
        return belief
