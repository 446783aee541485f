"""What the comparisons with worked examples share: reading their inputs, and what ours may be beside the expected.

Every family's comparison gives *ours*: a tree with the keys of the example's expected values, whose leaves are
numbers, lists, ``None``, an ``Undefined`` with its reason, one of the classes below, or a function that gives any of
these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifelong_rl.evaluation import Undefined

Example = Mapping[str, Any]
Examples = Mapping[str, Example]

AXES = {
    "method": "method",
    "model": "method",
    "agent": "method",
    "seed": "seed",
    "run": "seed",
    "task": "task",
    "env": "task",
    "eval": "eval",
    "epoch": "eval",
    "step": "eval",
    "time": "eval",
    "iteration": "eval",
    "period": "block",
    "block": "block",
}
"""A word in the name of an input of curves -> the axis it stands for."""

BY_DEPTH = ("method", "seed", "task", "eval")
"""The axes of curves whose name has none, the last ones of these."""


@dataclass(frozen=True)
class Either:
    """Ours, and what the formula alone gives where ours differs from it by rule; the note says why."""

    ours: Any
    formula: Any
    note: str


@dataclass(frozen=True)
class Draw:
    """An interval from random resamples: a draw of one's own may only be near it."""

    ours: Any


@dataclass(frozen=True)
class Table:
    """Numbers by index, in whichever nesting an example gives them.

    readings: ways to read an index path (of ints) as a number; one of them must fit every number of the example.
    names: what a key may be instead of an index.
    """

    readings: Mapping[str, Callable[[tuple[int, ...]], Any]]
    names: Sequence[str] = ()
    lengths: Sequence[int] = ()
    """The lengths a list of them may have; empty for any."""


def attempt(compute: Callable[[], Any]) -> Any:
    """Give what ``compute`` gives; its Undefined where the metric is undefined."""
    try:
        return compute()
    except Undefined as undefined:
        return undefined


def resolved(example: Example, examples: Examples) -> Mapping[str, Any]:
    """Give the example's inputs; with ``same_as``, those of the named example under its own."""
    inputs = dict(example.get("inputs", {}))
    same = inputs.pop("same_as", None)
    return inputs if same is None else {**resolved(examples[same], examples), **inputs}


def settings(example: Example, examples: Examples) -> Mapping[str, Any]:
    """Give the example's inputs, and what its protocol and the options in it set, which the inputs go before."""
    protocol = example.get("protocol") or {}
    return {**protocol, **(protocol.get("options") or {}), **resolved(example, examples)}


def first(inputs: Mapping[str, Any], *names: str, default: Any = None) -> Any:
    """Give the first input that has one of the names."""
    return next((inputs[name] for name in names if name in inputs), default)


@dataclass(frozen=True)
class Curves:
    """Curves by (method, seed, task), each the values in order of evaluation."""

    values: Mapping[tuple[Any, Any, Any], list[float]]

    def keys(self, axis: int) -> list[Any]:
        """Give the methods (0), seeds (1) or tasks (2) in order of appearance."""
        return list(dict.fromkeys(key[axis] for key in self.values))

    def runs(self, method: Any) -> list[dict[Any, list[float]]]:
        """Give task -> curve for each seed of a method."""
        found: dict[Any, dict[Any, list[float]]] = {}
        for (of_method, seed, task), values in self.values.items():
            if of_method == method:
                found.setdefault(seed, {})[task] = values
        return list(found.values())

    def of_task(self, task: Any) -> list[list[float]]:
        """Give the curves of all runs on one task."""
        return [values for key, values in self.values.items() if key[2] == task]


def curves_of(name: str, nested: Any) -> Curves:
    """Read nested lists and dicts of curves, whose axes are the words in the name (``..._method_seed_task_eval``)."""
    axes = axes_of(name, depth_of(nested))
    found: dict[tuple[Any, Any, Any], list[tuple[Any, float]]] = {}
    for path, value in leaves(nested):
        at = dict(zip(axes, path, strict=True))
        key = (at.get("method", ""), at.get("seed", 0), at.get("task", 0))
        found.setdefault(key, []).append((at["eval"], value))
    return Curves({key: [value for _, value in values] for key, values in found.items()})


def axes_of(name: str, depth: int) -> list[str]:
    """Give what each level of nesting is, by the words in the name, evaluations last."""
    words = [AXES[word.rstrip("s")] for word in re.split(r"[^a-z]+", name.lower()) if word.rstrip("s") in AXES]
    words = words if "eval" in words else [*words, "eval"]
    axes = words[-depth:] if len(words) >= depth else list(BY_DEPTH[-depth:])
    if len(set(axes)) < len(axes) or 1 < len(words) < depth:
        raise ValueError(
            f"the input {name!r} has {depth} levels, and its name says {', '.join(words)}: give a word for each "
            "level, such as curves_method_seed_task_eval"
        )
    return axes


def find_curves(inputs: Mapping[str, Any]) -> tuple[Curves, Curves | None]:
    """Give the curves of the runs and those of their baselines (None), told apart by the inputs' names."""
    own = baseline = None
    for name, nested in inputs.items():
        is_baseline = re.search("baseline|single|reference|expert|scratch", name) is not None
        if not isinstance(nested, (list, dict)) or depth_of(nested) < 1 or not is_numeric(nested):
            continue
        if is_baseline and re.search("curve|baseline|success|return", name):
            baseline = curves_of(name, nested)
        elif own is None and re.search("curve|return|success|score|data", name):
            own = curves_of(name, nested)
    if own is None:
        raise ValueError(
            f"there are no curves among the inputs {', '.join(inputs) or '(none)'}: expected one such as "
            "curves_seed_task_eval, and for single-task runs one such as baseline_curves_task_run_eval"
        )
    return own, baseline


def leaves(nested: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Give every leaf of nested lists and dicts with its path of indices and keys."""
    if isinstance(nested, dict):
        for key, value in nested.items():
            yield from leaves(value, (*path, key))
    elif isinstance(nested, (list, tuple)):
        for i, value in enumerate(nested):
            yield from leaves(value, (*path, i))
    else:
        yield path, nested


def depth_of(nested: Any) -> int:
    return max((len(path) for path, _ in leaves(nested)), default=0)


def is_numeric(nested: Any) -> bool:
    return all(isinstance(value, (int, float)) for _, value in leaves(nested))


def index_path(path: Sequence[Any], names: Sequence[str]) -> tuple[int, ...]:
    """Give the indices in a path of indices, names, and keys that hold some of either ("0 by 1", "a_by_b")."""
    found: list[int] = []
    for part in path:
        if isinstance(part, int):
            found.append(part)
            continue
        for token in [part] if part in names else re.split(r"\W*(?:\bby\b|\bfrom\b|_by_|_from_|->|,)\W*", part):
            name = token.strip("[]() ")
            found += [list(names).index(name)] if name in names else map(int, re.findall(r"\d+", name))
    return tuple(found)


def table(values: Any, names: Sequence[str] = ()) -> Table:
    """Give numbers by one or two indices: as they are, with the two swapped, and as a mean over the first.

    values: a list, or a list of lists, of numbers, None and Undefined; its entries may also be given by name.
    """

    def at(path: tuple[int, ...]) -> Any:
        found = values
        for i in path:
            found = found[i]
        return found

    def mean_of(path: tuple[int, ...]) -> Any:
        found = [at((i, *path)) for i in range(len(values))]
        return found[0] if len(found) == 1 else mean(found) if all(isinstance(v, float) for v in found) else None

    readings = {"in order": at, "axes swapped": lambda path: at(path[::-1]), "mean": mean_of}
    inner = [len(row) for row in values if isinstance(row, (list, np.ndarray))]
    return Table(readings, names, (len(values), *inner))


def mean(values: Any) -> float:
    return float(np.mean(values))
