"""Fixed test sets: the tasks that every agent is tested on, made by rule, with a name and a hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from lifelong_rl.envs.json_values import canonical
from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value

DEFAULT_SEED = 4222
"""The papers draw their test sets with this seed (of numpy's old generator: the tasks are others)."""
LARGEST_GRID = 100
"""Tasks of the grid that every family has by rule, at most; those of more than six features have none."""
LARGEST_SET = 10_000
"""Tasks of any test set, at most: a grid over many features is soon larger than anybody meant."""

_UP_TO_3 = {"stump_height": [0.0, 3.0]}  # the papers test so, however high the stumps of the training are

TEST_SETS: dict[str, dict[str, Any]] = {
    "stump-tracks/uniform-50": {"kind": "uniform", "n": 50, "seed": DEFAULT_SEED},
    "stump-tracks/grid-100": {"kind": "grid", "per_axis": 10},
    "stump-tracks-hard/uniform-50": {"kind": "uniform", "n": 50, "seed": DEFAULT_SEED, "bounds": _UP_TO_3},
    "stump-tracks-hard/grid-100": {"kind": "grid", "per_axis": 10, "bounds": _UP_TO_3},
    "hexagon-tracks/uniform-50": {"kind": "uniform", "n": 50, "seed": DEFAULT_SEED},
    "hexagon-tracks/uniform-400": {"kind": "uniform", "n": 400, "seed": DEFAULT_SEED},
}
"""The test sets of the papers' sizes: 50 tasks (Portelas et al. 2019), 100 and 400 (Romac et al. 2021).

Every family has others by rule: see :func:`built_in_recipes`.
"""


@dataclass(frozen=True)
class FixedTestSet:
    """Tasks that evaluations play, with what they are tasks of and how they were made."""

    space: TaskSpace
    """The family's whole task space."""
    tasks: tuple[Task, ...]
    recipe: Mapping[str, Any]
    """The kind ("uniform", "grid" or "axes") and its arguments, as JSON values."""

    def content(self) -> dict[str, Any]:
        """Give all that the set says, as JSON values: family, features with their bounds, recipe, and tasks."""
        return {
            "family": self.space.family,
            "features": [feature_entry(feature) for feature in self.space.features],
            "recipe": dict(self.recipe),
            "tasks": [{"name": task.name, "task": task.params} for task in self.tasks],
        }

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hexadecimal digits: the same in every process."""
        return content_hash(self.content())


def uniform_test_set(
    space: TaskSpace, n: int, seed: int = DEFAULT_SEED, *, bounds: Mapping[str, Any] | None = None
) -> FixedTestSet:
    """Give ``n`` different tasks that are drawn uniformly from the space, or from the part of it within bounds.

    bounds: feature to (low, high), or to one value; see :meth:`TaskSpace.subspace`.
    """
    _check_whole(space)
    _check_count("n", n, 1, LARGEST_SET)
    _check_count("the seed", seed, 0)
    part = _part(space, bounds)
    if n > n_tasks_of(part):
        raise ValueError(f"{n} different tasks are asked for, and {space.family!r} has {n_tasks_of(part)} there.")
    rng = np.random.default_rng(seed)
    found: dict[tuple[Value, ...], Task] = {}
    while len(found) < n:
        for task in part.decode_many(part.sample(n, rng)):
            found.setdefault(task.values, task)
    chosen = [task.params for task in list(found.values())[:n]]
    return FixedTestSet(space, _named(space, "uniform", chosen), _recipe("uniform", bounds, n=n, seed=seed))


def grid_test_set(
    space: TaskSpace, per_axis: int | Mapping[str, int], *, bounds: Mapping[str, Any] | None = None
) -> FixedTestSet:
    """Give every combination of values that are evenly spaced on each axis, ends included.

    per_axis: how many values each feature takes (one: its middle; integers and categories at most all of theirs), or
        how many those take that it names, with the others at their defaults.
    """
    _check_whole(space)
    part = _part(space, bounds)
    counts = {feature.name: per_axis for feature in part.features} if isinstance(per_axis, int) else dict(per_axis)
    for name, count in counts.items():
        if name not in [feature.name for feature in part.features]:
            raise unknown_name(f"feature of a grid over {space.family!r}", name, [f.name for f in part.features])
        _check_count(f"per_axis of {name}", count, 1)
    axes = [_values(feature, counts[feature.name]) for feature in part.features if feature.name in counts]
    n = math.prod(map(len, axes))
    _check_count("the number of tasks of the grid", n, 1, LARGEST_SET)
    names = [feature.name for feature in part.features if feature.name in counts]
    chosen = [_pinned(part) | dict(zip(names, values, strict=True)) for values in product(*axes)]
    recipe = _recipe("grid", bounds, per_axis=per_axis if isinstance(per_axis, int) else counts)
    return FixedTestSet(space, _named(space, "grid", chosen), recipe)


def axes_test_set(space: TaskSpace, per_axis: int = 2, *, bounds: Mapping[str, Any] | None = None) -> FixedTestSet:
    """Give the default task, and tasks that differ from it in one feature: evenly spaced on its axis, ends included.

    For spaces of many features, where a grid would be too large. Tasks that would come twice come once.
    """
    _check_whole(space)
    _check_count("per_axis", per_axis, 1, LARGEST_SET)
    part = _part(space, bounds)
    default = part.default.params
    chosen = [default]
    for feature in part.features:
        chosen += [default | {feature.name: value} for value in _values(feature, per_axis)]
    different = [params for i, params in enumerate(chosen) if params not in chosen[:i]]
    return FixedTestSet(space, _named(space, "axes", different), _recipe("axes", bounds, per_axis=per_axis))


KINDS = {"uniform": uniform_test_set, "grid": grid_test_set, "axes": axes_test_set}
"""The kinds of test sets by name: functions of a task space and the kind's arguments."""


def make_test_set(space: TaskSpace, recipe: Mapping[str, Any]) -> FixedTestSet:
    """Give the test set of a recipe, such as ``{"kind": "uniform", "n": 50, "seed": 4222}``."""
    arguments = dict(recipe)
    kind = arguments.pop("kind", "")
    if kind not in KINDS:
        raise unknown_name("kind of a test set", str(kind), KINDS)
    made: FixedTestSet = KINDS[kind](space, **arguments)  # type: ignore[operator]  # functions of several signatures
    return made


def built_in_recipes(space: TaskSpace) -> dict[str, dict[str, Any]]:
    """Give the recipes of a family's built-in test sets by name.

    Those of :data:`TEST_SETS`, and by rule: "FAMILY/uniform-50", of all its tasks where they are fewer, and
    "FAMILY/grid-N", with as many values of each feature (10 at most) as give no more than :data:`LARGEST_GRID` tasks,
    or "FAMILY/axes-N" where two values of each are too many.
    """
    family = space.family
    n = int(min(50, n_tasks_of(space)))
    found: dict[str, dict[str, Any]] = {f"{family}/uniform-{n}": {"kind": "uniform", "n": n, "seed": DEFAULT_SEED}}
    sizes = {k: math.prod(min(k, feature.n_values or k) for feature in space.features) for k in range(2, 11)}
    fitting = [k for k, size in sizes.items() if size <= LARGEST_GRID]
    if fitting:
        found[f"{family}/grid-{sizes[fitting[-1]]}"] = {"kind": "grid", "per_axis": fitting[-1]}
    else:
        found[f"{family}/axes-{len(axes_test_set(space).tasks)}"] = {"kind": "axes", "per_axis": 2}
    return found | {name: recipe for name, recipe in TEST_SETS.items() if name.startswith(f"{family}/")}


def built_in_test_set(name: str, space: TaskSpace) -> FixedTestSet:
    """Give a built-in test set by its name, "FAMILY/KIND-N"; ValueError where the family has none of this name."""
    family = name.partition("/")[0]
    if family != space.family:
        raise ValueError(f"the test set {name!r} is of the family {family!r}, expected one of {space.family!r}.")
    recipes = built_in_recipes(space)
    if name not in recipes:
        raise unknown_name(f"test set of {family!r}", name, recipes)
    return make_test_set(space, recipes[name])


def n_tasks_of(space: TaskSpace) -> float:
    """Give the number of different tasks of a space; infinity where a feature is real."""
    return math.prod(math.inf if f.n_values is None else f.n_values for f in space.features)


def feature_entry(feature: Feature) -> dict[str, Any]:
    """Give what a feature's values mean, as JSON values: not its default, which no test set depends on."""
    entry: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
    if feature.kind == "category":
        return entry | {"choices": list(feature.choices)}
    return entry | {"low": feature.low, "high": feature.high, "log": feature.log, "unit": feature.unit}


def content_hash(content: Mapping[str, Any]) -> str:
    """Give the SHA-256 of JSON values; 1 and 1.0 are one number."""
    text = json.dumps(canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _values(feature: Feature, count: int) -> list[Value]:
    if feature.n_values is None:
        return feature.from_unit(np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5]))
    n = min(count, feature.n_values)
    index = np.round(np.linspace(0, feature.n_values - 1, n)) if n > 1 else np.array([(feature.n_values - 1) // 2])
    return feature.from_unit((index + 0.5) / feature.n_values)


def _named(space: TaskSpace, kind: str, chosen: Sequence[Mapping[str, Value]]) -> tuple[Task, ...]:
    digits = len(str(len(chosen)))
    return tuple(space.task(params, name=f"{kind}-{i:0{digits}d}") for i, params in enumerate(chosen, start=1))


def _recipe(kind: str, bounds: Mapping[str, Any] | None, **arguments: Any) -> dict[str, Any]:
    limits = {name: list(bound) if isinstance(bound, tuple) else bound for name, bound in (bounds or {}).items()}
    return {"kind": kind, **arguments} | ({"bounds": limits} if limits else {})


def _part(space: TaskSpace, bounds: Mapping[str, Any] | None) -> TaskSpace:
    return space.subspace(**bounds) if bounds else space


def _pinned(part: TaskSpace) -> dict[str, Value]:
    return part.default.params


def _check_whole(space: TaskSpace) -> None:
    if space.fixed:
        raise ValueError(
            f"a test set is one of a family's whole task space, found one with {', '.join(space.fixed)} fixed; pass "
            "bounds instead."
        )


def _check_count(name: str, value: Any, low: int, high: int | None = None) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} of a test set must be a whole number {limits}, found {value!r}.")


def check_distinct(tasks: Iterable[Task]) -> None:
    """Raise ValueError where two of the tasks are the same point or have the same name."""
    points: dict[Any, Task] = {}
    for task in tasks:
        for key in (task.values, task.id):
            if key in points:
                raise ValueError(f"the tasks {points[key].id!r} and {task.id!r} of a test set are the same.")
            points[key] = task
