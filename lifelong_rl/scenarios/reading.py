"""Reading scenarios: tasks and blocks from the values of JSON and TOML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.scenarios.block import Block, Distribution, Drift


def read_task(entry: Any, space: TaskSpace) -> Task:
    """Give the task of an entry ``{"task": {feature: value}, "name": name}``; ValueError where it is none."""
    if not isinstance(entry, Mapping) or "task" not in entry:
        raise ValueError(f"a task is given as task = {{feature = value, ...}} and a name, found {entry!r}.")
    check_kinds("task", entry, {"task": Mapping, "name": str})
    return space.task(entry["task"], entry.get("name", ""))


def read_tasks(key: str, entries: Any, space: TaskSpace, place: str = "scenario") -> list[Task]:
    """Give the tasks of a list of entries, that stands under ``key`` of a ``place``."""
    check_kinds(place, {key: entries}, {key: list})
    return [read_task(entry, space) for entry in entries]


def read_block(entry: Any, space: TaskSpace) -> Block:
    """Give the block of an entry; ValueError names what is missing, unknown or of another type."""
    check_kinds("scenario", {"block": entry}, {"block": Mapping})
    options = dict(entry)
    check_keys("block", options, {"steps"}, {*Block.__dataclass_fields__, "name"})
    kinds = {"teacher": str, "teacher_options": Mapping, "bounds": Mapping, "distribution": list, "drift": Mapping}
    check_kinds("block", options, kinds)
    if "task" in options:
        options["task"] = read_task(options, space)
    if "distribution" in options:
        options["distribution"] = _read_distribution(options["distribution"], space)
    if "drift" in options:
        options["drift"] = _read_drift(options["drift"], space)
    options.pop("name", None)
    return Block(**options)


def _read_distribution(entries: Sequence[Any], space: TaskSpace) -> Distribution:
    tasks = read_tasks("distribution", entries, space, "block")
    for entry in entries:
        check_keys("task of a distribution", entry, {"task"}, {"task", "name", "weight"})
    return Distribution(tuple(tasks), tuple(entry.get("weight", 1.0) for entry in entries))


def _read_drift(entry: Mapping[str, Any], space: TaskSpace) -> Drift:
    check_keys("drift", entry, {"path"}, {"path", "n_stages"})
    return Drift(tuple(read_tasks("path", entry["path"], space, "drift")), entry.get("n_stages"))


def check_kinds(place: str, data: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise ValueError for a value of another type than its key has."""
    for key, kind in kinds.items():
        if key in data and not isinstance(data[key], kind):
            expected = "a text" if kind is str else "a list" if kind is list else "a table"
            raise ValueError(f"{key!r} of a {place} is {expected}, found {data[key]!r}.")


def check_keys(place: str, data: Mapping[str, Any], needed: set[str], known: set[str]) -> None:
    """Raise ValueError for a key that is unknown, and for one that is missing."""
    for key in data:
        if key not in known:
            raise unknown_name(f"key of a {place}", key, known)
    missing = sorted(needed - set(data))
    if missing:
        raise ValueError(f"a {place} needs {', '.join(sorted(needed))}; missing: {', '.join(missing)}.")
