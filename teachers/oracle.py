"""Oracle: a window that a person's knowledge moves over the task space, from easy to hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import box_evenness


class Oracle(Teacher):
    """A moving window, the hand-made curriculum of Portelas et al. 2019 (section 4, "Oracle").

    Tasks are uniform in a window of ``width`` on each axis. It begins at the easy end, the low one where ``step`` is
    positive and the high one where it is negative, and after every ``every`` episodes whose mean score is above
    ``threshold`` it moves by ``step``, until it reaches the other end. On an axis with step 0 the window is the whole
    axis. It never goes back: an agent that forgets the easy tasks does not meet them again.

    It needs to know which end is easy; categories have none and are refused. It keeps one sum of scores.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        step: float | Sequence[float] | Mapping[str, float] = 1 / 30,
        width: float = 1 / 6,
        threshold: float = 0.76,
        every: int = 50,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        step: how far the window moves, on the unit cube, and in its sign which end is hard (positive: the high end);
        one number for all axes, a list of one an axis, or a mapping by feature name, where features left out get 0.
        The default has the size of the paper's steps on Stump Tracks, (1/30, -1/30). width: of the window, a share of
        the axis. threshold: mean score that moves it; the default is the paper's return of 230 on the scale from
        -150 to 350. every: episodes between decisions.
        """
        self.step = step
        self.width = width
        self.threshold = threshold
        self.every = every

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._steps = self._steps_of(space)
        self._widths = np.where(self._steps == 0.0, 1.0, self.width)
        self._low = np.where(self._steps < 0.0, 1.0 - self._widths, 0.0)
        self._n_episodes = 0
        self._sum = 0.0  # of the scores since the last decision

    def _check_hyperparameters(self) -> None:
        rules = [
            ("width", 0.0 < self.width <= 1.0, "in (0, 1]"),
            ("threshold", 0.0 <= self.threshold <= 1.0, "in [0, 1]"),
            ("every", self.every >= 1, "at least 1"),
        ]
        check_ranges(self, rules)

    def _steps_of(self, space: TaskSpace) -> Floats:
        """Give the step of each axis, shape (d,)."""
        names = [feature.name for feature in space.features]
        if isinstance(self.step, Mapping):
            for name in self.step:
                if name not in names:
                    raise unknown_name("feature in step of Oracle", name, names)
            steps = np.array([self.step.get(name, 0.0) for name in names], dtype=np.float64)
        else:
            steps = np.array(self.step, dtype=np.float64)
            steps = np.full(len(names), steps) if steps.ndim == 0 else steps
        if steps.shape != (len(names),) or not (np.abs(steps) <= 1.0).all():
            raise ValueError(
                f"step of Oracle must be in [-1, 1], one number or one an axis ({len(names)}), found {self.step!r}."
            )
        return steps

    def sample(self, n: int = 1) -> Floats:
        """Give ``n`` tasks that are uniform in the window, shape (n, d) in [0, 1]."""
        tasks = self._low + self.rng.random((n, self.space.dimension)) * self._widths
        return np.minimum(tasks, 1.0)  # rounding may step outside

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Count n finished episodes, and move the window after every ``every`` of them that went well."""
        self.checked(tasks, outcomes)
        for score in outcomes.scores.tolist():
            self._sum += score
            self._n_episodes += 1
            if self._n_episodes % self.every == 0:
                if self._sum / self.every > self.threshold:
                    self._low = np.clip(self._low + self._steps, 0.0, 1.0 - self._widths)
                self._sum = 0.0

    def window(self) -> Floats:
        """Give the lower and the upper bounds of the present window, shape (2, d) in [0, 1]."""
        return np.stack([self._low, self._low + self._widths])

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,)."""
        points = self.space.check_points(points)
        is_inside = np.all((points >= self._low) & (points <= self._low + self._widths), axis=1)
        return np.where(is_inside, 1.0 / np.prod(self._widths), 0.0)

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, both in [0, 1].

        position: of the window on its way, a mean over the axes (1 is the hard end). entropy: of the tasks in the
        window on about 1,000 points (1 is the whole cube).
        """
        way = np.maximum(1.0 - self._widths, 1e-12)  # a window as wide as its axis has no way to go
        shares = np.where(self._steps < 0.0, way - self._low, self._low) / way
        numbers = {"entropy": box_evenness(self._widths)}
        if len(moving := shares[self._widths < 1.0]):
            numbers["position"] = float(moving.mean())
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give window, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "low": self._low.copy(),
            "n_episodes": self._n_episodes,
            "sum": self._sum,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._low = state["low"].copy()
        self._n_episodes, self._sum = state["n_episodes"], state["sum"]
