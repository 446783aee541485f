"""The mixture: each task comes from one of several teachers, chosen at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes
from lifelong_rl.teachers.composed import ComposedTeacher, Entry, Hearing, choose
from lifelong_rl.teachers.open_draws import OpenDraws


class Mixture(ComposedTeacher):
    """Draws each task from one of several teachers, with fixed probabilities.

    Its density is the weighted sum of theirs. It keeps what they keep, and with ``hear="own"`` up to 10,000 tasks
    whose episodes have not ended.
    """

    def __init__(
        self,
        teachers: Sequence[Entry] = ("random", "alp-kde"),
        weights: Sequence[float] | None = None,
        hear: Hearing = "all",
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        teachers: each a name, ``{"name": name, hyper-parameter: value}``, or a teacher. weights: how often each is
        drawn from, in any unit, one a teacher; None for equally often. hear: whether each of them hears how all
        tasks went ("all"), or its own and those that nobody here drew ("own").
        """
        self.teachers = teachers
        self.weights = weights
        self.hear = hear

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        super().reset(space, rng)
        weights = np.ones(len(self.children))
        if self.weights is not None:
            weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (len(self.children),) or not (np.isfinite(weights) & (weights >= 0.0)).all():
            raise ValueError(
                f"weights of Mixture must be {len(self.children)} numbers >= 0, one a teacher, "
                f"found {self.weights!r}."
            )
        if not weights.sum() > 0.0:
            raise ValueError(f"weights of Mixture must not all be 0, found {self.weights!r}.")
        self._shares: list[float] = (weights / weights.sum()).tolist()
        self._open = OpenDraws(space, 1)

    def probabilities(self) -> Floats:
        """Give the share of each teacher, shape (number of teachers,)."""
        return np.array(self._shares)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]."""
        choices = choose(self._shares, self.rng.random(n))
        tasks = self._sample_from(choices)
        if self.hear == "own":
            self._open.add(tasks, [(float(choice),) for choice in choices])
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Hand n finished episodes, tasks of shape (n, d), to the teachers that hear them."""
        tasks = self.checked(tasks, outcomes)
        drawn_by = [note[0] if note else -1.0 for note in self._open.take(tasks)]
        self._tell(tasks, outcomes, np.array(drawn_by))

    def state_dict(self) -> dict[str, Any]:
        """Give the teachers' states, the open draws and the generator."""
        return {**super().state_dict(), "open": self._open.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._open.load_state_dict(state["open"])
