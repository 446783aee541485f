"""Task spaces: named features with bounds, and the unit cube in which every task is a point."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.lookup import unknown_name

Value: TypeAlias = float | int | str
Kind: TypeAlias = Literal["real", "integer", "category"]


@dataclass(frozen=True)
class Feature:
    """One named task parameter. Make it with :meth:`real`, :meth:`integer` or :meth:`category`."""

    name: str
    kind: Kind
    default: Value
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    """Whether the unit interval maps to [low, high] evenly in the logarithm (real features with low > 0)."""
    unit: str = ""
    """Physical unit, for people: "m", "kg", "rad/s"; empty for a pure number."""
    choices: tuple[Value, ...] = ()

    @classmethod
    def real(
        cls, name: str, low: float, high: float, default: float, *, log: bool = False, unit: str = ""
    ) -> Feature:
        """Give a real feature in [low, high]."""
        return cls(name, "real", float(default), float(low), float(high), log, unit)

    @classmethod
    def integer(cls, name: str, low: int, high: int, default: int, *, unit: str = "") -> Feature:
        """Give an integer feature in {low, ..., high}; each value owns an equal share of the unit interval."""
        for value in (low, high, default):
            if value != int(value):
                raise ValueError(f"feature {name!r} needs whole bounds and default, found {value!r}.")
        return cls(name, "integer", int(default), int(low), int(high), False, unit)

    @classmethod
    def category(cls, name: str, choices: Sequence[Value], default: Value) -> Feature:
        """Give a feature with unordered values; each choice owns an equal share of the unit interval."""
        return cls(name, "category", default, choices=tuple(choices))

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a feature's name must be a Python identifier, found {self.name!r}.")
        if self.kind not in get_args(Kind):
            raise ValueError(f"a feature's kind is one of {', '.join(get_args(Kind))}, found {self.kind!r}.")
        if self.kind == "category":
            if len(set(self.choices)) < 1 or len(set(self.choices)) != len(self.choices):
                raise ValueError(f"feature {self.name!r} needs distinct choices, found {self.choices}.")
        elif not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"feature {self.name!r} needs finite bounds with low < high, found [{self.low}, {self.high}]."
            )
        if self.log and self.low <= 0:
            raise ValueError(f"feature {self.name!r} has a log scale and needs low > 0, found {self.low}.")
        self.check(self.default)

    def check(self, value: Any) -> Value:
        """Give ``value`` as this feature's type; ValueError names feature, value and allowed range."""
        if self.kind == "category":
            if np.ndim(value) or value not in self.choices:
                raise ValueError(f"feature {self.name!r} must be one of {self.choices}, found {value!r}.")
            return self.choices[self.choices.index(value)]  # its own type: np.str_("a") would alter the id
        try:
            number = float(value) + 0.0  # + 0.0: minus zero is the same task as zero
        except (TypeError, ValueError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise ValueError(
                f"feature {self.name!r} must lie in [{self.low:g}, {self.high:g}]"
                f"{' ' + self.unit if self.unit else ''}, found {value!r}."
            )
        if self.kind == "integer":
            if number != int(number):
                raise ValueError(f"feature {self.name!r} must be an integer, found {value!r}.")
            return int(number)
        return number

    @property
    def n_values(self) -> int | None:
        """Number of distinct values, or None for a real feature."""
        if self.kind == "real":
            return None
        return len(self.choices) if self.kind == "category" else int(self.high - self.low) + 1

    def from_unit(self, unit: NDArray[np.float64]) -> list[Value]:
        """Map n coordinates in [0, 1] to n values of this feature."""
        if self.kind == "real":
            if self.log:
                values = np.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
            else:
                values = self.low + unit * (self.high - self.low)
            clipped: list[Value] = np.clip(values, self.low, self.high).tolist()  # rounding may step outside
            return clipped
        assert self.n_values is not None
        index = np.minimum((unit * self.n_values).astype(np.int64), self.n_values - 1).tolist()
        return [self.choices[i] if self.kind == "category" else int(self.low) + i for i in index]

    def to_unit(self, value: Value) -> float:
        """Map a value to its coordinate in [0, 1]: the centre of its share for integers and categories."""
        return self._coordinate(self.check(value))

    def _coordinate(self, value: Value) -> float:
        if self.kind == "real":
            number = float(value)
            if self.log:
                span = math.log(self.high) - math.log(self.low)
                return min(1.0, max(0.0, (math.log(number) - math.log(self.low)) / span))
            return (number - self.low) / (self.high - self.low)
        assert self.n_values is not None
        index = self.choices.index(value) if self.kind == "category" else int(value) - int(self.low)
        return (index + 0.5) / self.n_values


@dataclass(frozen=True)
class Task:
    """One task: a point of a family's task space. Frozen, hashable, and cheap to send between processes."""

    family: str
    names: tuple[str, ...]
    values: tuple[Value, ...]
    unit: tuple[float, ...]
    """The task's coordinates in the unit cube of the space that made it."""
    name: str = ""
    """What people call it ("east"); empty for a task that nobody named."""

    @property
    def params(self) -> dict[str, Value]:
        """The features by name."""
        return dict(zip(self.names, self.values))  # noqa: B905  # every reset calls this; strict costs a third more

    @cached_property
    def id(self) -> str:
        """A stable id, the same in every process and run: the name, or family and hash of the values."""
        if self.name:
            return self.name
        text = repr(sorted(self.params.items())).encode()
        return f"{self.family}-{hashlib.blake2b(text, digest_size=5).hexdigest()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Task:
        return self  # frozen; Stable-Baselines3 deep-copies every info, and this one would be most of the copy

    def to_json(self) -> dict[str, Any]:
        """Give the task as plain JSON values; :meth:`TaskSpace.task` with ``params`` is the way back."""
        return {"id": self.id, "params": self.params, "unit": list(self.unit)}


class TaskSpace:
    """The named features of an environment family; every task is a point of the unit cube [0, 1]^d.

    Integers and categories own equal shares of their axis; a feature with a log scale is even in the logarithm.
    """

    def __init__(self, family: str, features: Sequence[Feature], fixed: Mapping[str, Value] | None = None):
        names = [feature.name for feature in features]
        if len(set(names)) != len(names):
            raise ValueError(f"features of {family!r} need distinct names, found {names}.")
        self.family = family
        self.features = tuple(features)
        self.fixed = dict(fixed or {})
        """Features that :meth:`subspace` pinned to one value: part of every task, not of the cube."""
        self.names = (*names, *self.fixed)
        self._fixed_values = tuple(self.fixed.values())
        self._is_linear = all(feature.kind == "real" and not feature.log for feature in features)
        self._is_real = all(feature.kind == "real" for feature in features)
        self._bounds = [(feature.low, feature.high) for feature in features]
        self._lows = np.array([feature.low for feature in features])
        self._highs = np.array([feature.high for feature in features])
        self._spans = self._highs - self._lows
        self._may_overshoot = bool((self._lows + self._spans > self._highs).any())  # by rounding

    @property
    def dimension(self) -> int:
        """Number of free features d."""
        return len(self.features)

    def __repr__(self) -> str:
        return f"TaskSpace({self.family!r}, d={self.dimension}, features={[f.name for f in self.features]})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskSpace):
            return NotImplemented
        return (self.family, self.features, self.fixed) == (other.family, other.features, other.fixed)

    def __hash__(self) -> int:
        return hash((self.family, self.features))

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw ``n`` points uniformly; shape (n, d) in [0, 1]."""
        return rng.random((n, self.dimension))

    def decode(self, unit: ArrayLike, name: str = "") -> Task:
        """Give the task at one point of the unit cube, shape (d,)."""
        point = _real_numbers(unit)
        if point.shape != (self.dimension,):
            raise ValueError(
                f"a point of the task space of {self.family!r} has shape ({self.dimension},), found {point.shape}."
            )
        _check_name(name)
        task = self.decode_many(point[None])[0]
        return replace(task, name=name) if name else task

    def decode_many(self, units: ArrayLike) -> list[Task]:
        """Give the tasks at n points of the unit cube, shape (n, d)."""
        points = self.check_points(units)
        rows = self._linear_rows(points) if self._is_linear else self._rows(points)
        family, names, fixed = self.family, self.names, self._fixed_values
        return [
            _new_task(family, names, (*values, *fixed), tuple(unit))
            for values, unit in zip(rows, points.tolist(), strict=True)
        ]

    def _rows(self, points: NDArray[np.float64]) -> list[tuple[Value, ...]]:
        columns = [feature.from_unit(points[:, i]) for i, feature in enumerate(self.features)]
        return list(zip(*columns, strict=True))

    def _linear_rows(self, points: NDArray[np.float64]) -> list[list[Value]]:
        """Give the same bits as :meth:`_rows`, for a space of linear reals: teachers decode small batches often."""
        values = points * self._spans + self._lows
        if self._may_overshoot:
            values = np.minimum(values, self._highs)
        rows: list[list[Value]] = values.tolist()
        return rows

    def check_points(self, units: ArrayLike) -> NDArray[np.float64]:
        """Give ``units`` as a float array of shape (n, d); ValueError where shape or range are wrong."""
        points = _real_numbers(units)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ValueError(
                f"points of the task space of {self.family!r} have shape (n, {self.dimension}), found {points.shape}."
            )
        if not is_in_unit_cube(points):
            worst = points[~((points >= 0) & (points <= 1))][0]
            raise ValueError(f"points of a task space must lie in [0, 1], found {worst}.")
        return points

    def encode(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """Map features by name to the unit cube, shape (d,). Features left out take their defaults."""
        return np.array(self._values_and_unit(params)[1], dtype=np.float64)

    def coordinates(self, task: Task) -> NDArray[np.float64]:
        """Give a task's point in this space, shape (d,); ``task.unit`` may be one of a subspace that made it."""
        if self._is_linear and not self.fixed and task.names == self.names:
            point: NDArray[np.float64] = (np.array(task.values, dtype=np.float64) - self._lows) / self._spans
            return point
        return self.encode(task.params)

    def task(self, params: Mapping[str, Any] | None = None, name: str = "") -> Task:
        """Give the task with these exact feature values. Features left out take their defaults."""
        _check_name(name)
        values, unit = self._values_and_unit(params or {})
        return Task(self.family, self.names, values + self._fixed_values, unit, name)

    def _values_and_unit(self, params: Mapping[str, Any]) -> tuple[tuple[Value, ...], tuple[float, ...]]:
        for key in params:
            if key not in self.names:
                raise unknown_name(f"feature of {self.family!r}", key, self.names)
        for key, value in self.fixed.items():
            if params.get(key, value) != value:
                raise ValueError(f"feature {key!r} is fixed to {value!r} in this subspace, found {params[key]!r}.")
        values = tuple([f.check(params.get(f.name, f.default)) for f in self.features])
        return values, tuple([f._coordinate(value) for f, value in zip(self.features, values, strict=True)])

    @property
    def default(self) -> Task:
        """The task whose features all have their default values."""
        return self.task()

    def check(self, task: Task) -> Task:
        """Give ``task`` if it belongs to this space; ValueError says which feature does not."""
        if task.family != self.family:
            raise ValueError(f"a task of family {self.family!r} is expected, found one of {task.family!r}.")
        if self._is_linear and task.names == self.names and self._are_in_bounds(task.values):
            return task
        if len(task.names) != len(self.names):
            missing = set(self.names) ^ set(task.names)
            raise ValueError(f"a task of {self.family!r} has features {self.names}; differing: {missing}.")
        params = task.params
        for feature in self.features:
            if feature.name not in params:
                raise ValueError(f"the task {task.id!r} lacks the feature {feature.name!r}.")
            feature.check(params[feature.name])
        for name, value in self.fixed.items():
            if name not in params:
                raise ValueError(f"the task {task.id!r} lacks the feature {name!r}.")
            if params[name] != value:
                raise ValueError(f"feature {name!r} is fixed to {value!r} in this subspace, found {params[name]!r}.")
        return task

    def _are_in_bounds(self, values: tuple[Value, ...]) -> bool:
        """Say whether the values are plain floats in bounds; False where :meth:`check` must look closer."""
        if self.fixed or len(values) != len(self._bounds):
            return False
        for value, (low, high) in zip(values, self._bounds, strict=True):
            if type(value) is not float or not low <= value <= high:
                return False
        return True

    def snap(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give n points, shape (n, d), with integers and categories at the centres of their shares.

        Points that decode to the same features become the same point; a real axis stays as it is.
        """
        if self._is_real:
            return units
        snapped = units.copy()
        for axis, feature in enumerate(self.features):
            if (n := feature.n_values) is not None:
                snapped[:, axis] = (np.minimum((units[:, axis] * n).astype(np.int64), n - 1) + 0.5) / n
        return snapped

    def embed(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give n points, shape (n, d), as rows whose Euclidean distances say how unlike two tasks are; shape (n, m).

        Real axes stay, integers stand at the centres of their shares, and a category of c choices takes c columns,
        so that two tasks of different choices are 1 apart. In a space of real features m = d.
        """
        if self._is_real:
            return units
        columns = []
        for (axis, feature), values in zip(enumerate(self.features), self.snap(units).T, strict=True):
            if feature.kind == "category":
                choice = (units[:, axis] * len(feature.choices)).astype(np.int64)
                choice = np.minimum(choice, len(feature.choices) - 1)
                columns.append(np.eye(len(feature.choices))[choice] / math.sqrt(2.0))
            else:
                columns.append(values[:, None])
        return np.hstack(columns)

    def grid(self, per_axis: int) -> NDArray[np.float64]:
        """Give a full grid, shape (m, d): ``per_axis`` cell centres on each real axis, each value of the others."""
        axes = []
        for feature in self.features:
            n = per_axis if feature.n_values is None else min(per_axis, feature.n_values)
            axes.append((np.arange(n) + 0.5) / n)
        if not axes:
            return np.zeros((1, 0))
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dimension)

    def subspace(self, **bounds: Any) -> TaskSpace:
        """Give a narrower space: ``feature=(low, high)`` narrows, ``feature=value`` pins it and drops its axis.

        For a category, a tuple names the choices that stay.
        """
        for name, bound in bounds.items():
            if bound is None:
                raise ValueError(f"the bound of feature {name!r} is (low, high) or a value, found None.")
            if name not in [f.name for f in self.features]:
                raise unknown_name(f"free feature of {self.family!r}", name, [f.name for f in self.features])
        features, fixed = [], dict(self.fixed)
        for feature in self.features:
            bound = bounds.get(feature.name)
            if bound is None:
                features.append(feature)
            elif isinstance(bound, tuple | list):
                features.append(_narrowed(feature, tuple(bound)))
            else:
                fixed[feature.name] = feature.check(bound)
        return TaskSpace(self.family, features, fixed)


def _check_name(name: str) -> None:
    # Names become folders and TensorBoard tags.
    if name and not re.fullmatch(r"[\w.=,+() -]+", name):
        raise ValueError(f"a task's name may hold letters, digits, spaces and any of _.=,+()- only, found {name!r}.")


def _narrowed(feature: Feature, bound: tuple[Any, ...]) -> Feature:
    values = tuple(feature.check(value) for value in bound)
    if feature.kind == "category":
        return replace(feature, choices=values, default=values[0])
    if len(values) != 2:
        raise ValueError(f"the bounds of feature {feature.name!r} are (low, high), found {bound!r}.")
    low, high = float(values[0]), float(values[1])
    if not low < high:
        raise ValueError(f"the bounds of feature {feature.name!r} need low < high, found {bound!r}.")
    default = min(max(float(feature.default), low), high)
    if feature.kind == "integer":
        return Feature.integer(feature.name, int(low), int(high), int(default), unit=feature.unit)
    return replace(feature, low=low, high=high, default=default)


def is_in_unit_cube(points: NDArray[np.float64]) -> bool:
    """Say whether all coordinates of points of any shape lie in [0, 1]; a NaN does not."""
    if points.size > 200:
        return bool(points.min() >= 0.0 and points.max() <= 1.0)
    for coordinate in points.ravel().tolist():  # noqa: SIM110  # quicker than all(), and for few points than min()
        if not 0.0 <= coordinate <= 1.0:
            return False
    return True


def _real_numbers(coordinates: ArrayLike) -> NDArray[np.float64]:
    """Give coordinates as an array of floats; ValueError where they are none, complex numbers included."""
    if type(coordinates) is np.ndarray and coordinates.dtype.char == "d":  # a double: quick, as teachers do so often
        return coordinates
    try:
        array = np.asarray(coordinates)
        if array.dtype.kind in "fiub":
            return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):  # rows of different lengths
        pass
    raise ValueError(f"a point of a task space is an array of real numbers, found {coordinates!r}.")


def _new_task(family: str, names: tuple[str, ...], values: tuple[Value, ...], unit: tuple[float, ...]) -> Task:
    """Give ``Task(family, names, values, unit)`` in a third of the time: a frozen dataclass sets field by field."""
    task = object.__new__(Task)
    fields = task.__dict__
    fields["family"], fields["names"], fields["values"] = family, names, values
    fields["unit"], fields["name"] = unit, ""
    return task
