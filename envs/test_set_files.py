"""Test sets as JSON files, which say when they were altered or do not fit the family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.envs.test_sets import (
    FixedTestSet,
    built_in_test_set,
    check_distinct,
    content_hash,
    feature_entry,
)

_KEYS = ("family", "features", "recipe", "tasks", "sha256")


def find_test_set(name: str, space: TaskSpace) -> FixedTestSet:
    """Give the test set of a name: a built-in one such as "stump-tracks/uniform-50", or a JSON file."""
    if not isinstance(name, str):
        raise ValueError(f"a test set is a built-in name or a JSON file, found {name!r}.")
    if name.endswith(".json"):
        return load_test_set(name, space)
    if "/" not in name:
        raise ValueError(
            f"a test set is a built-in name such as '{space.family}/uniform-50', or a JSON file, found {name!r}."
        )
    return built_in_test_set(name, space)


def to_text(test_set: FixedTestSet) -> str:
    """Give a test set as the text of its file, a line a task."""
    content = test_set.content()
    tasks = ",\n".join(f"    {json.dumps(task)}" for task in content.pop("tasks"))
    features = ",\n".join(f"    {json.dumps(feature)}" for feature in content.pop("features"))
    return (
        f'{{\n  "family": {json.dumps(content["family"])},\n  "features": [\n{features}\n  ],\n'
        f'  "recipe": {json.dumps(content["recipe"])},\n  "tasks": [\n{tasks}\n  ],\n'
        f'  "sha256": "{test_set.sha256}"\n}}\n'
    )


def save_test_set(test_set: FixedTestSet, path: str | Path) -> None:
    """Write a test set to a JSON file; FileExistsError where there is another file of this name."""
    place, text = Path(path), to_text(test_set)
    if place.exists() and place.read_bytes() != text.encode():
        raise FileExistsError(f"{place} exists and is another file; choose another name, or remove it first.")
    place.write_text(text, encoding="utf-8")


def load_test_set(path: str | Path, space: TaskSpace) -> FixedTestSet:
    """Read a test set of a family from its JSON file.

    space: the family's task space. ValueError says in one sentence what is wrong: the file is missing, damaged or
    altered, or of another family, or the family's features have other bounds by now.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"the test set file {path} does not exist.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the test set file {path} is not valid JSON: {error}.") from error
    try:
        return _read(data, space)
    except ValueError as error:
        raise ValueError(f"in the test set file {path}: {error}") from error


def _read(data: Any, space: TaskSpace) -> FixedTestSet:
    _check_keys("test set", data, _KEYS)
    content = {key: data[key] for key in _KEYS if key != "sha256"}
    found = content_hash(content)
    if data["sha256"] != found:
        raise ValueError(
            f"it was altered: its content has the SHA-256 {found}, and it says {data['sha256']}; restore it, or make "
            "another with `lifelong-rl test-set`."
        )
    if data["family"] != space.family:
        raise ValueError(f"it is a test set of the family {data['family']!r}, expected one of {space.family!r}.")
    _check_features(data["features"], space)
    if not isinstance(data["recipe"], Mapping) or not isinstance(data["tasks"], list) or not data["tasks"]:
        raise ValueError("'recipe' must be a table and 'tasks' a list of at least one task.")
    tasks = tuple(_read_task(entry, space) for entry in data["tasks"])
    check_distinct(tasks)
    return FixedTestSet(space, tasks, data["recipe"])


def _check_features(entries: Any, space: TaskSpace) -> None:
    """Require the features that the space has, with the same bounds."""
    if not isinstance(entries, list):
        raise ValueError(f"'features' must be a list, found {entries!r}.")
    names = [entry["name"] if isinstance(entry, Mapping) and "name" in entry else entry for entry in entries]
    expected = [feature.name for feature in space.features]
    if names != expected:
        raise ValueError(f"its features are {names}, and {space.family!r} has {expected}; make the test set again.")
    for entry, feature in zip(entries, space.features, strict=True):
        usual = feature_entry(feature)
        _check_keys("feature", entry, tuple(usual))
        if entry != usual:
            raise ValueError(
                f"the feature {feature.name!r} has changed: the test set was made for {_limits(entry)}, and the "
                f"family has {_limits(usual)}; make the test set again."
            )


def _limits(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in entry.items() if key != "name" and value not in ("", False))


def _read_task(entry: Any, space: TaskSpace) -> Task:
    _check_keys("task", entry, ("name", "task"))
    if not isinstance(entry["name"], str) or not isinstance(entry["task"], Mapping):
        raise ValueError(f"a task has a name and a table of its features, found {entry!r}.")
    missing = [name for name in space.names if name not in entry["task"]]
    if missing:
        raise ValueError(f"the task {entry['name']!r} lacks the feature {missing[0]!r}.")
    return space.task(entry["task"], entry["name"])


def _check_keys(what: str, data: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"a {what} must be a table, found {data!r}.")
    for key in data:
        if key not in keys:
            raise unknown_name(f"key of a {what}", key, keys)
    missing = [key for key in keys if key not in data]
    if missing:
        raise ValueError(f"a {what} needs {', '.join(keys)}; missing: {', '.join(missing)}.")
