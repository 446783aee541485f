"""The restriction: a teacher that works in a part of the task space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Feature, Kind, TaskSpace
from lifelong_rl.teachers.alp_gmm import Gaussians
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher
from lifelong_rl.teachers.composed import ComposedTeacher, Entry
from lifelong_rl.teachers.open_draws import OpenDraws

_BELOW_1 = 1.0 - 1e-9  # the end of a value's cell stays in it
ROUNDING = 1e-9  # a coordinate that went into a feature's unit and back may step outside by that


class Restriction(ComposedTeacher):
    """Lets a teacher work in a sub-space, and maps points between its cube and that of the whole space.

    The teacher sees ``space.subspace(**bounds)``: a unit cube of its own, without the pinned features. It hears of
    tasks inside the sub-space only, whoever drew them, and of its own ones with exactly the points that it drew.
    It keeps what that teacher keeps, and up to 10,000 tasks whose episodes have not ended.
    """

    def __init__(self, teacher: Entry = "random", bounds: Mapping[str, Any] | None = None) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        teacher: a name, ``{"name": name, hyper-parameter: value}``, or a teacher. bounds: by feature name, in the
        feature's unit: (low, high) narrows, a tuple of choices narrows a category, one value pins the feature; None
        for the whole space.
        """
        self.teacher = teacher
        self.bounds = bounds

    @property
    def entries(self) -> Sequence[Entry]:
        """The one teacher's entry."""
        return [self.teacher]

    @property
    def kinds(self) -> frozenset[Kind]:  # type: ignore[override]  # the teacher says it, so not the class
        """The kinds that the teacher honours; all, where a feature is pinned: :meth:`reset` refuses what is left."""
        if any(not isinstance(bound, tuple | list) for bound in (self.bounds or {}).values()):
            return frozenset(get_args(Kind))
        return super().kinds

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to the whole task space and start afresh; ValueError for bounds that are none of its features."""
        if self.bounds is not None and not isinstance(self.bounds, Mapping):
            raise ValueError(f"bounds of Restriction must map features to bounds, found {self.bounds!r}.")
        self._inner = space.subspace(**(self.bounds or {}))
        super().reset(space, rng)
        self._axes = [_axis(feature, self._inner) for feature in space.features]
        self._open = OpenDraws(space, self._inner.dimension)

    def _child_space(self) -> TaskSpace:
        return self._inner

    @property
    def _child(self) -> Teacher:
        return next(iter(self.children.values()))

    def probabilities(self) -> Floats:
        """Give 1, shape (1,): every task is the teacher's."""
        return np.ones(1)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks as points of the whole space, shape (n, d) in [0, 1]."""
        drawn = self._child.sample(n)
        self._n_drawn[0] += n
        self._untrained = self._child.untrained
        tasks = self.to_whole(drawn)
        self._open.add(tasks, [tuple(point) for point in drawn.tolist()])
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Hand those of n finished episodes, tasks of shape (n, d), to the teacher that lie in its sub-space."""
        tasks = self.checked(tasks, outcomes)
        drawn = self._open.take(tasks)
        if drawn and all(drawn):
            self._child.update(np.array(drawn), outcomes)
            return
        points, is_inside = self.to_part(tasks)
        for row, point in enumerate(drawn):
            if point:
                points[row] = point
        if is_inside.any():
            self._child.update(points[is_inside], outcomes[is_inside])

    def to_whole(self, points: Floats) -> Floats:
        """Map points of the sub-space's cube, shape (n, d'), to the whole space's, shape (n, d)."""
        whole = np.empty((len(points), len(self._axes)))
        for i, axis in enumerate(self._axes):
            whole[:, i] = axis.start if axis.column is None else axis.to_whole(points[:, axis.column])
        return whole

    def to_part(self, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Map points of the whole space's cube, shape (n, d), to the sub-space's, shape (n, d'); say which lie there.

        A point outside gets coordinates that mean nothing; integers and categories get their cells' centres.
        """
        return self._to_part(points, keeps_place=False)

    def _to_part(self, points: Floats, *, keeps_place: bool) -> tuple[Floats, NDArray[np.bool_]]:
        """As :meth:`to_part`; keeps_place: whether a point keeps its place in its values' cells, for a density."""
        part = np.empty((len(points), self._inner.dimension))
        is_inside = np.ones(len(points), dtype=bool)
        for i, axis in enumerate(self._axes):
            coordinates, is_on = axis.to_part(points[:, i], keeps_place)
            is_inside &= is_on
            if axis.column is not None:
                part[:, axis.column] = coordinates
        return part, is_inside

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` over the whole cube at points of shape (n, d); shape (n,).

        Exact where the teacher's is. Where a real feature is pinned, all mass lies on a slice without volume, and
        this is the estimate of :meth:`Teacher.density`.
        """
        if not all(axis.volume > 0.0 for axis in self._axes):
            return Teacher.density(self, points)
        part, is_inside = self._to_part(self.space.check_points(points), keeps_place=True)
        density = np.zeros(len(part))
        if is_inside.any():
            density[is_inside] = self._child.density(part[is_inside])
        return density / float(np.prod([axis.volume for axis in self._axes]))

    def gaussians(self) -> Gaussians | None:
        """Give the teacher's Gaussians over the whole cube; None where it has none or a feature is pinned."""
        own = self._child.gaussians() if hasattr(self._child, "gaussians") else None
        if own is None or any(axis.column is None for axis in self._axes):
            return None
        scale = np.array([axis.volume for axis in self._axes])
        start = np.array([axis.start for axis in self._axes])
        return Gaussians(start + own.means * scale, own.covariances * np.outer(scale, scale), own.weights)

    def state_dict(self) -> dict[str, Any]:
        """Give the teacher's state, the open draws and the generator."""
        return {**super().state_dict(), "open": self._open.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._open.load_state_dict(state["open"])


@dataclass(frozen=True)
class _Axis:
    """One axis of the whole cube, and what of it is in the sub-space."""

    column: int | None
    """The sub-space's axis; None where the feature is pinned."""
    start: float
    """Where the part begins, or the pinned coordinate, in [0, 1]."""
    volume: float
    """The share of the axis that the part takes; 0 for a pinned real feature."""
    n_values: int | None = None
    """Number of the feature's values in the whole space; None for a real feature."""
    kept: NDArray[np.intp] | range | None = None
    """Of an integer or category: the indices of the values in the part, in its order; an integer's are a range."""

    def to_whole(self, coordinates: Floats) -> Floats:
        if self.kept is None or self.n_values is None:
            inside: Floats = np.clip(self.start + coordinates * self.volume, 0.0, 1.0)
            return inside
        entry = np.minimum((coordinates * len(self.kept)).astype(np.intp), len(self.kept) - 1)
        index = entry + self.kept.start if isinstance(self.kept, range) else self.kept[entry]
        return (index + 0.5) / self.n_values  # the centre: rounding cannot reach another value

    def to_part(self, coordinates: Floats, keeps_place: bool) -> tuple[Floats, NDArray[np.bool_]]:
        if self.kept is not None and self.n_values is not None:
            value = np.minimum((coordinates * self.n_values).astype(np.intp), self.n_values - 1)
            place = np.minimum(coordinates * self.n_values - value, _BELOW_1) if keeps_place else 0.5
            if isinstance(self.kept, range):
                offset = value - self.kept.start
                is_inside = (offset >= 0) & (offset < len(self.kept))
                return (np.where(is_inside, offset, 0) + place) / len(self.kept), is_inside
            is_kept = value[:, None] == self.kept
            return (is_kept.argmax(axis=1) + place) / len(self.kept), is_kept.any(axis=1)
        if self.column is None:
            return coordinates, np.abs(coordinates - self.start) <= ROUNDING
        inside = (coordinates - self.start) / self.volume
        return np.clip(inside, 0.0, 1.0), (inside >= -ROUNDING) & (inside <= 1.0 + ROUNDING)


def _axis(feature: Feature, inner: TaskSpace) -> _Axis:
    n = feature.n_values
    column = next((i for i, narrow in enumerate(inner.features) if narrow.name == feature.name), None)
    if column is None:
        coordinate = feature.to_unit(inner.fixed[feature.name])
        index = None if n is None else range(int(coordinate * n), int(coordinate * n) + 1)
        return _Axis(None, coordinate, 0.0 if n is None else 1.0 / n, n, index)
    narrow = inner.features[column]
    if n is None:
        start, stop = feature.to_unit(narrow.low), feature.to_unit(narrow.high)
        return _Axis(column, start, stop - start)
    kept: NDArray[np.intp] | range
    if narrow.choices:
        kept = np.array([int(feature.to_unit(value) * n) for value in narrow.choices])
    else:
        first = int(narrow.low) - int(feature.low)
        kept = range(first, first + int(narrow.high) - int(narrow.low) + 1)
    return _Axis(column, float(kept[0]) / n, len(kept) / n, n, kept)
