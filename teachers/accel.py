"""ACCEL: replay the tasks with most left to learn, and look at what lies beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, check_ranges
from lifelong_rl.teachers.plr import PLR, REPLAYED, Score

CHILD = 2
"""Where a task comes from that was made of a replayed level."""


class ACCEL(PLR):
    """ACCEL (Parker-Holder et al. 2022): robust PLR whose levels evolve by small changes.

    Each replay of a level is followed by a child of that level, which is the next task to be played, and which
    enters the buffer by its score as any new task; a child that is played makes no other. A child differs by a
    Gaussian step of the standard deviation ``step`` on every axis of the unit cube, reflected at its faces; on an
    integer axis the step is at least half a value wide (standard deviation), so that every third child or so has
    another value; a category is drawn anew with probability 1 / d. New tasks and children are not trained on if
    ``robust``. Where the buffer holds all tasks of a space without real features there is nothing to look for, and
    no more children are made.

    Memory: as PLR.
    """

    def __init__(
        self,
        score: Score = "positive_value_loss",
        capacity: int = 1000,
        min_fill: float = 0.5,
        replay_probability: float = 0.8,
        temperature: float = 0.3,
        staleness: float = 0.3,
        memory: float = 0.5,
        step: float = 0.05,
        robust: bool = True,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        Those of PLR, and: step: standard deviation of a child's step in the unit cube, above 0. robust: whether the
        agent trains on replayed levels only.
        """
        super().__init__(score, capacity, min_fill, replay_probability, temperature, staleness, memory)
        self.step = step
        self.robust = robust

    @property
    def is_selective(self) -> bool:
        """Whether new tasks and children are only looked at."""
        return self.robust

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        check_ranges(self, [("step", 0.0 < self.step < np.inf, "above 0")])
        super().reset(space, rng)
        self._children: deque[Floats] = deque()  # to be played next: that of the last replay, or none
        widths = [self.step if f.n_values is None else max(self.step, 0.5 / f.n_values) for f in space.features]
        is_category = np.array([feature.kind == "category" for feature in space.features])
        self._widths = np.where(is_category, 0.0, widths)
        self._redrawn = np.where(is_category, 1.0 / space.dimension, 0.0)  # probability of each axis

    def _next(self) -> tuple[Floats, int]:
        if self._children:
            return self._children.popleft(), CHILD
        level, source = super()._next()
        if source == REPLAYED and not self._knows_all:
            self._children.append(self._child(level))
        return level, source

    def _child(self, level: Floats) -> Floats:
        d = self.space.dimension
        moved = np.abs(level + self._widths * self.rng.standard_normal(d)) % 2.0  # reflected: 2 - x above 1
        moved = np.minimum(moved, 2.0 - moved)
        if self._redrawn.any():
            moved = np.where(self.rng.random(d) < self._redrawn, self.rng.random(d), moved)
        child: Floats = self.space.snap(moved[None])[0]
        return child

    def state_dict(self) -> dict[str, Any]:
        """Give what PLR keeps, and the child that is next, if any."""
        waiting = np.array(self._children).reshape(-1, self.space.dimension)
        return {**super().state_dict(), "children": waiting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._children = deque(child.copy() for child in state["children"])
