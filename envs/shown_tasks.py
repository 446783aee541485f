"""Which tasks of a family its pictures show: the levels of each feature, standard tasks, or drawn ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import TaskEnv

LabelledTask: TypeAlias = tuple[str, Task]
Row: TypeAlias = Sequence[LabelledTask]

LEVELS = {"low": 0.0, "middle": 0.5, "high": 1.0}
"""The places on a feature's unit interval that can be shown."""
MOST_CHOICES = 6
"""A category or integer with at most so many values is shown with all of them, and no row is longer."""


def feature_rows(space: TaskSpace, levels: Sequence[str] = tuple(LEVELS)) -> list[Row]:
    """Give a row a feature: it alone varies over the levels, the others keep their defaults."""
    for level in levels:
        if level not in LEVELS:
            raise unknown_name("level of a feature", level, LEVELS)
    if not space.features:
        return [[("the only task", space.default)]]
    return [
        [(f"{f.name} {_in_words(f, value)}", space.task({f.name: value})) for value in _shown_values(f, levels)]
        for f in space.features
    ]


def standard_rows(cls: type[TaskEnv], n: int) -> list[Row]:
    """Give the family's first ``n`` standard tasks, labelled with their names."""
    return _broken([(task.id, task) for task in cls.standard_tasks(n)])


def random_rows(space: TaskSpace, n: int, seed: int) -> list[Row]:
    """Give ``n`` tasks drawn uniformly, labelled with their features where these are at most two."""
    tasks = space.decode_many(space.sample(n, np.random.default_rng(seed)))
    return _broken([(_features_in_words(space, task) or f"random {i}", task) for i, task in enumerate(tasks, 1)])


def rows_of(cls: type[TaskEnv], tasks: str, *, n: int = MOST_CHOICES, seed: int = 0) -> list[Row]:
    """Give the rows that ``tasks`` asks for: "standard", "random" (``n`` of them), or levels as in "low,high"."""
    if n < 1:
        raise ValueError(f"the number of tasks to show must be at least 1, found {n}.")
    if tasks == "standard":
        return standard_rows(cls, n)
    if tasks == "random":
        return random_rows(cls.task_space, n, seed)
    levels = [level.strip() for level in tasks.split(",")]
    for level in levels:
        if level not in LEVELS:
            raise unknown_name("choice of tasks", level, ("standard", "random", *LEVELS))
    return feature_rows(cls.task_space, levels)


def _shown_values(feature: Feature, levels: Sequence[str]) -> list[Value]:
    if feature.kind == "category":
        return list(feature.choices[:MOST_CHOICES])
    if feature.n_values is not None and feature.n_values <= MOST_CHOICES:
        return feature.from_unit((np.arange(feature.n_values) + 0.5) / feature.n_values)
    return feature.from_unit(np.array([LEVELS[level] for level in levels]))


def _in_words(feature: Feature, value: Value) -> str:
    number = value if isinstance(value, str) else f"{value:.4g}"
    return f"{number} {feature.unit}".strip()


def _features_in_words(space: TaskSpace, task: Task) -> str:
    if space.dimension > 2:
        return ""
    return ", ".join(f"{f.name} {_in_words(f, task.params[f.name])}" for f in space.features)


def _broken(row: Row) -> list[Row]:
    return [row[i : i + MOST_CHOICES] for i in range(0, len(row), MOST_CHOICES)]
