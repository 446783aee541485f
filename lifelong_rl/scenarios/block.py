"""Blocks: stretches of environment steps, each with one source of tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.teachers import Teacher, teacher_entry, teacher_from

Visibility: TypeAlias = Literal["task_id", "boundary", "none"]
VISIBILITIES = ("task_id", "boundary", "none")


@dataclass(frozen=True)
class Distribution:
    """Tasks of which each episode draws one, whatever the others drew."""

    tasks: tuple[Task, ...]
    weights: tuple[float, ...] = ()
    """How often each task is drawn, relative to the others; above 0, all alike by default."""

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("a distribution needs at least one task, found none.")
        object.__setattr__(self, "tasks", tuple(self.tasks))
        weights = tuple(self.weights) or (1.0,) * len(self.tasks)
        if len(weights) != len(self.tasks):
            raise ValueError(
                f"a distribution needs a weight for each of its {len(self.tasks)} tasks, found {len(weights)}."
            )
        for task, weight in zip(self.tasks, weights, strict=True):
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not 0.0 < weight < math.inf:
                raise ValueError(f"the weight of the task {task.id!r} must be a number above 0, found {weight!r}.")
        object.__setattr__(self, "weights", tuple(map(float, weights)))
        if len({task.id for task in self.tasks}) < len(self.tasks):
            raise ValueError("a distribution names a task twice; give it once, with the sum of the weights.")

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The chance of each task, shape (n_tasks,); sums to 1."""
        weights = np.array(self.weights)
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    def to_json(self) -> list[dict[str, Any]]:
        """Give the distribution as JSON values."""
        return [task_entry(t) | {"weight": weight} for t, weight in zip(self.tasks, self.weights, strict=True)]


@dataclass(frozen=True)
class Drift:
    """A task that moves in straight lines of the unit cube, from each way point to the next."""

    path: tuple[Task, ...]
    """The way points, two or more. Each line between two of them takes an equal share of the block's steps."""
    n_stages: int | None = None
    """For a drift in jumps: in how many equal parts of the block the task stands still, the first at the first way
    point and the last at the last one. None: it moves all the time."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(self.path))
        if len(self.path) < 2:
            raise ValueError(f"a drift needs at least two way points, found {len(self.path)}.")
        stages = self.n_stages
        if stages is not None and (not isinstance(stages, int) or isinstance(stages, bool) or stages < 2):
            raise ValueError(f"n_stages of a drift is a whole number of at least 2, or left out; found {stages!r}.")

    def at(self, space: TaskSpace, fraction: float) -> Task:
        """Give the task after a fraction of the block in [0, 1]; space: the whole task space of the family.

        At a way point it is the way point itself, with its name; between two it has no name.
        """
        if self.n_stages is not None:
            fraction = min(int(fraction * self.n_stages), self.n_stages - 1) / (self.n_stages - 1)
        place = fraction * (len(self.path) - 1)
        index = min(int(place), len(self.path) - 2)
        rest = place - index
        if rest in (0.0, 1.0):
            return self.path[index + int(rest)]
        start, end = space.coordinates(self.path[index]), space.coordinates(self.path[index + 1])
        return space.decode(np.clip((1.0 - rest) * start + rest * end, 0.0, 1.0))

    def to_json(self) -> dict[str, Any]:
        """Give the drift as JSON values."""
        stages = {} if self.n_stages is None else {"n_stages": self.n_stages}
        return {"path": [task_entry(task) for task in self.path]} | stages


@dataclass(frozen=True)
class Block:
    """A stretch of the stream: a budget, and one source of tasks.

    The source is a fixed task, a distribution, a drift, or a teacher.
    """

    steps: int
    """Environment steps, summed over the parallel environments."""
    task: Task | None = None
    teacher: str = ""
    """Name or ``module:Class`` of the teacher; "random" draws uniformly."""
    teacher_options: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters of the teacher, by name."""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    """The part of the task space that the teacher draws from: feature to (low, high), or to one value."""
    visibility: Visibility = "task_id"
    """What the agent is told: the task's id (where the block has one task), the block's boundaries only, or
    nothing."""
    distribution: Distribution | None = None
    drift: Drift | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or self.steps < 1:
            raise ValueError(f"a block needs a whole number of steps >= 1, found {self.steps!r}.")
        for name, kind in (("task", Task), ("distribution", Distribution), ("drift", Drift)):
            if not isinstance(getattr(self, name), kind | None):
                raise ValueError(f"{name!r} of a block is a {kind.__name__}, found {getattr(self, name)!r}.")
        named = ("task", "distribution", "drift", "teacher")
        found = [name for name in named if getattr(self, name) is not None and getattr(self, name) != ""]
        if len(found) != 1:
            raise ValueError(
                "a block has one source of tasks: a fixed task or a teacher, or a distribution or a drift; "
                f"found {' and '.join(found) or 'none'}."
            )
        if not self.teacher and (self.teacher_options or self.bounds):
            raise ValueError(f"teacher_options and bounds belong to a teacher; a block with a {found[0]} has none.")
        if self.visibility not in VISIBILITIES:
            raise ValueError(f"a block's visibility is one of {VISIBILITIES}, found {self.visibility!r}.")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the block names: the fixed one, those of the distribution, or the drift's way points."""
        if self.task is not None:
            return (self.task,)
        if self.distribution is not None:
            return self.distribution.tasks
        return () if self.drift is None else self.drift.path

    def space(self, whole: TaskSpace) -> TaskSpace:
        """Give the task space that the block's teacher works in."""
        return whole.subspace(**{k: tuple(v) if isinstance(v, list) else v for k, v in self.bounds.items()})

    def to_json(self) -> dict[str, Any]:
        """Give the block as JSON values."""
        data: dict[str, Any] = {"steps": self.steps, "visibility": self.visibility}
        if self.task is not None:
            return data | task_entry(self.task)
        if self.distribution is not None:
            return data | {"distribution": self.distribution.to_json()}
        if self.drift is not None:
            return data | {"drift": self.drift.to_json()}
        return data | {
            "teacher": self.teacher,
            "teacher_options": dict(self.teacher_options),
            "bounds": {k: list(v) if isinstance(v, tuple) else v for k, v in self.bounds.items()},
        }


def task_entry(task: Task) -> dict[str, Any]:
    """Give a task as files name it: its features and its name."""
    return {"task": task.params, "name": task.name}


def teacher_arguments(teacher: str | Mapping[str, Any] | Teacher) -> dict[str, Any]:
    """Give a teacher as the arguments of a :class:`Block`.

    teacher: a name, ``{"name": name, hyper-parameter: value, ...}``, or an object whose hyper-parameters count.
    """
    if isinstance(teacher, str):
        return {"teacher": teacher}
    options = teacher_entry(teacher_from(teacher))
    return {"teacher": options.pop("name"), "teacher_options": options}
