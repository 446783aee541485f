"""ADR: a box of tasks that grows where the agent does well on its faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import TaskSpace, is_in_unit_cube
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import box_evenness
from lifelong_rl.teachers.states import check_shapes

_LIMITS = np.array([[0.0], [1.0]])  # of the cube, as rows of lower and upper bounds
_PROBED = 0.1  # share of the tasks on a bound that lie on one at its limit: enough to notice that it is forgotten
_SAME = 1e-9  # a task comes back from an environment with its last bits changed

Integers = NDArray[np.int64]

Start = float | list[Any] | tuple[Any, ...] | Mapping[str, Any] | None


class ADR(Teacher):
    """ADR, automatic domain randomisation (OpenAI et al. 2019, section 5; task sampling as in Romac et al. 2021).

    Tasks are uniform in a box, which begins as one task. With probability ``boundary_fraction`` one coordinate is
    put on one of the box's bounds, drawn among those that can still grow. The scores of tasks on a bound are
    collected. Once there are ``queue_length`` of them, the bound moves out by ``step`` if their mean is at least
    ``high_score``, and back if it is at most ``low_score``, but not past where it started; then the collection
    starts again. A bound that has reached the limit of the cube can only move back. A tenth of the tasks that would
    lie on a bound lie on one of those, so that an agent that forgets is sent back; where none is left that can grow,
    the other nine tenths are uniform in the box.

    Integers count by value: every task of the bound's value lies on the bound. Categories have no order to grow
    along and are refused. It keeps a sum of scores a bound.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        start: Start = None,
        step: float = 0.1,
        low_score: float = 0.3,
        high_score: float = 0.66,
        boundary_fraction: float = 0.7,
        queue_length: int = 10,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        start: the first box. None is the default task of the space. A mapping gives features by name, each a value
        or a (low, high) pair; those left out start at their default. A list gives coordinates of the unit cube, one
        an axis, each a number or a (low, high) pair; a number is that coordinate on all axes. step: what a bound
        moves by, on the unit cube. low_score, high_score: mean scores in [0, 1] at which a bound moves back and out;
        the defaults are the returns 0 and 180 of Romac et al. 2021 on the scale from -150 to 350.
        boundary_fraction: share of tasks on a bound. queue_length: scores of a bound that are averaged.
        """
        self.start = start
        self.step = step
        self.low_score = low_score
        self.high_score = high_score
        self.boundary_fraction = boundary_fraction
        self.queue_length = queue_length

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._start = first_box(self.start, space)
        self._box = self._start.copy()  # rows: lower and upper bounds
        self._sums = np.zeros((2, space.dimension))  # of the scores collected on each bound
        self._counts = np.zeros((2, space.dimension), dtype=np.int64)
        self._n_boundary = self._n_uniform = 0  # tasks drawn on a bound, and anywhere in the box
        self._look_at_box()

    def _check_hyperparameters(self) -> None:
        rules = [
            ("step", 0.0 < self.step <= 1.0, "in (0, 1]"),
            ("low_score", 0.0 <= self.low_score < self.high_score, "in [0, high_score)"),
            ("high_score", self.high_score <= 1.0, "at most 1"),
            ("boundary_fraction", 0.0 <= self.boundary_fraction <= 1.0, "in [0, 1]"),
            ("queue_length", self.queue_length >= 1, "at least 1"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + self.space.dimension))
        low, high = self._box
        tasks: Floats = np.minimum(low + uniform[:, 2:] * (high - low), high)  # rounding may step outside
        rows = np.flatnonzero(uniform[:, 0] < self.boundary_fraction)
        choice, n_before = uniform[rows, 1], self._n_boundary
        if len(self._ended):
            is_probe = choice < _PROBED
            self._put_on_bounds(tasks, rows[is_probe], self._ended, choice[is_probe] / _PROBED)
            rows, choice = rows[~is_probe], (choice[~is_probe] - _PROBED) / (1.0 - _PROBED)
        self._put_on_bounds(tasks, rows, self._growing, choice)
        self._n_uniform += n - (self._n_boundary - n_before)
        return tasks

    def _put_on_bounds(self, tasks: Floats, rows: Integers, bounds: Integers, choice: Floats) -> None:
        """Put one coordinate of some tasks on the bounds, rows of (side, axis), that uniform numbers choose."""
        if len(bounds):
            side, axis = bounds[(choice * len(bounds)).astype(np.int64)].T
            tasks[rows, axis] = self._box[side, axis]
            self._n_boundary += len(rows)

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Collect the scores of those of n finished episodes, tasks of shape (n, d), that lie on a bound."""
        tasks = self.space.snap(self.checked(tasks, outcomes))
        for task, score in zip(tasks, outcomes.scores.tolist(), strict=True):
            is_on = np.abs(task - self._on_bound) <= _SAME
            if is_on.any():
                self._collect(is_on, score)

    def _collect(self, is_on: np.ndarray[Any, np.dtype[np.bool_]], score: float) -> None:
        """Add a score to the bounds told by a mask, shape (2, d), and move those that have enough."""
        self._sums[is_on] += score
        self._counts[is_on] += 1
        is_full = self._counts == self.queue_length
        if not is_full.any():
            return
        means = self._sums / self.queue_length
        outwards = np.array([[-self.step], [self.step]])
        moves = np.where(means >= self.high_score, outwards, np.where(means <= self.low_score, -outwards, 0.0))
        low, high = np.clip(np.round(self._box + moves, 12), 0.0, 1.0)  # 12: ten steps of 0.1 are 1 then
        moved = np.stack([np.minimum(low, self._start[0]), np.maximum(high, self._start[1])])
        self._box = np.where(is_full, moved, self._box)
        self._sums[is_full], self._counts[is_full] = 0.0, 0
        self._look_at_box()

    def _look_at_box(self) -> None:
        """Find the bounds to draw, rows of (side, axis), and the values of tasks that lie on each bound."""
        self._growing = np.argwhere(self._box != _LIMITS)
        self._ended = np.argwhere((self._box == _LIMITS) & (self._box != self._start))  # these can only move back
        self._on_bound = self.space.snap(self._box)

    def box(self) -> Floats:
        """Give the lower and the upper bounds of the present box, shape (2, d) in [0, 1]."""
        return self._box.copy()

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, all in [0, 1]; undefined ones are left out.

        mean_width: of the box over the axes. entropy: of the tasks inside the box on about 1,000 points (1 is the
        whole cube). boundary_share, uniform_share: sources of all tasks drawn so far.
        """
        widths = self._box[1] - self._box[0]
        numbers = {"mean_width": float(widths.mean()), "entropy": box_evenness(widths)}
        if n_drawn := self._n_boundary + self._n_uniform:
            numbers["boundary_share"] = self._n_boundary / n_drawn
            numbers["uniform_share"] = self._n_uniform / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give box, scores, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "box": self._box.copy(),
            "sums": self._sums.copy(),
            "counts": self._counts.copy(),
            "n_boundary": self._n_boundary,
            "n_uniform": self._n_uniform,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        shapes = {"box": self._box.shape, "sums": self._sums.shape, "counts": self._counts.shape}
        check_shapes("the teacher 'ADR'", state, **shapes)
        self._box, self._sums, self._counts = (state[name].copy() for name in ("box", "sums", "counts"))
        self._n_boundary, self._n_uniform = state["n_boundary"], state["n_uniform"]
        self._look_at_box()


def first_box(start: Start, space: TaskSpace) -> Floats:
    """Give the box that ``start`` of :class:`ADR` describes: lower and upper bounds, shape (2, d) in [0, 1].

    ValueError where it is not inside the cube, or has low > high on an axis.
    """
    if start is None or isinstance(start, Mapping):
        pairs = {name: value if _is_pair(value) else (value, value) for name, value in (start or {}).items()}
        box = np.array([space.encode({name: pair[side] for name, pair in pairs.items()}) for side in (0, 1)])
    else:
        entries = [start] * space.dimension if isinstance(start, int | float) else list(start)
        if len(entries) != space.dimension:
            raise ValueError(f"start of ADR must have one entry for each of {space.dimension} axes, found {start!r}.")
        box = np.array([entry if _is_pair(entry) else (entry, entry) for entry in entries], dtype=np.float64).T
    if not (is_in_unit_cube(box) and (box[0] <= box[1]).all()):
        raise ValueError(f"start of ADR must lie in [0, 1] on every axis, with low <= high, found {start!r}.")
    return box


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2
