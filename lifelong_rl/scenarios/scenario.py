"""Scenarios: lists of blocks, each a stretch of environment steps with one source of tasks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.envs.task_env import ObserveTask, TaskEnv
from lifelong_rl.teachers import make_teacher, teacher_entry
from lifelong_rl.teachers.base import Teacher

Visibility: TypeAlias = Literal["task_id", "boundary", "none"]
VISIBILITIES = ("task_id", "boundary", "none")


@dataclass(frozen=True)
class Block:
    """A stretch of the stream: a budget, and either one fixed task or a teacher that draws the tasks."""

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
    """What the agent is told: the task's id, the block's boundaries only, or nothing."""

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"a block needs a whole number of steps >= 1, found {self.steps!r}.")
        if (self.task is None) == (not self.teacher):
            raise ValueError("a block needs either a fixed task or a teacher, found both or neither.")
        if self.task is not None and (self.teacher_options or self.bounds):
            raise ValueError("teacher_options and bounds belong to a teacher; a block with a fixed task has none.")
        if self.visibility not in VISIBILITIES:
            raise ValueError(f"a block's visibility is one of {VISIBILITIES}, found {self.visibility!r}.")

    def space(self, whole: TaskSpace) -> TaskSpace:
        """Give the task space that the block's teacher works in."""
        return whole.subspace(**{k: tuple(v) if isinstance(v, list) else v for k, v in self.bounds.items()})

    def to_json(self) -> dict[str, Any]:
        """Give the block as JSON values."""
        data: dict[str, Any] = {"steps": self.steps, "visibility": self.visibility}
        if self.task is not None:
            return data | {"task": self.task.params, "name": self.task.name}
        return data | {
            "teacher": self.teacher,
            "teacher_options": dict(self.teacher_options),
            "bounds": {k: list(v) if isinstance(v, tuple) else v for k, v in self.bounds.items()},
        }


@dataclass(frozen=True)
class Scenario:
    """Blocks of one environment family, and the tasks that every evaluation plays."""

    name: str
    family: str
    """Name or ``module:Class`` of the environment family."""
    blocks: tuple[Block, ...]
    evaluation_tasks: tuple[Task, ...]
    observe_task: ObserveTask = "none"
    """How the task is part of the observation: not at all, as its unit vector, or one-hot among the fixed tasks."""
    env_options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the family's constructor, by name."""
    known_tasks: tuple[Task, ...] = ()
    """The tasks that a one-hot observation tells apart; by default those that blocks fix or evaluations play."""

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError(f"the scenario {self.name!r} needs at least one block.")
        if not self.evaluation_tasks:
            raise ValueError(f"the scenario {self.name!r} needs at least one evaluation task.")
        space = self.env_class.task_space
        for task in self.all_tasks:
            space.check(task)
        _check_names(self.all_tasks)
        self._check_teachers(space)
        self._check_observation()

    def _check_teachers(self, space: TaskSpace) -> None:
        for block in self.blocks:
            if block.teacher:
                try:
                    teacher = make_teacher(block.teacher, **block.teacher_options)
                    teacher.reset(block.space(space), np.random.default_rng(0))
                except TypeError as error:  # a hyper-parameter of another type than the teacher compares it with
                    raise ValueError(
                        f"the teacher {block.teacher!r} cannot work with {dict(block.teacher_options)}: {error}."
                    ) from error

    def _check_observation(self) -> None:
        if self.observe_task not in get_args(ObserveTask):
            raise ValueError(f"observe_task must be one of {get_args(ObserveTask)}, found {self.observe_task!r}.")
        if self.observe_task == "none":
            return
        hidden = [i for i, block in enumerate(self.blocks) if block.visibility != "task_id"]
        if hidden:
            raise ValueError(
                f"observe_task={self.observe_task!r} shows the task, and block {hidden[0]} has the visibility "
                f"{self.blocks[hidden[0]].visibility!r}; use observe_task='none' or visibility='task_id'."
            )
        if self.observe_task == "one-hot" and any(block.teacher for block in self.blocks):
            raise ValueError("observe_task='one-hot' needs fixed tasks; use observe_task='vector' with a teacher.")

    @property
    def env_class(self) -> type[TaskEnv]:
        """The environment family's class."""
        return find_family(self.family)

    @property
    def steps(self) -> int:
        """Environment steps of all blocks."""
        return sum(block.steps for block in self.blocks)

    @property
    def fixed_tasks(self) -> tuple[Task, ...]:
        """The distinct fixed tasks of the blocks, in order of first appearance."""
        return tuple(dict.fromkeys(block.task for block in self.blocks if block.task is not None))

    @property
    def all_tasks(self) -> tuple[Task, ...]:
        """The distinct tasks that blocks fix or evaluations play."""
        return tuple(dict.fromkeys((*self.fixed_tasks, *self.evaluation_tasks)))

    def env_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of :func:`lifelong_rl.envs.make` for this scenario."""
        arguments = dict(self.env_options) | {"observe_task": self.observe_task}
        if self.observe_task == "one-hot":
            arguments["tasks"] = list(self.known_tasks or self.all_tasks)
        return arguments

    def to_json(self) -> dict[str, Any]:
        """Give the scenario as JSON values, in the form that :meth:`from_json` and TOML files have."""
        return {
            "name": self.name,
            "family": self.family,
            "observe_task": self.observe_task,
            "env_options": dict(self.env_options),
            "blocks": [block.to_json() for block in self.blocks],
            "evaluation_tasks": [_task_entry(task) for task in self.evaluation_tasks],
            "known_tasks": [_task_entry(task) for task in self.known_tasks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scenario:
        """Give the scenario that JSON or TOML values describe.

        ``evaluation_tasks`` may be left out (the fixed tasks are evaluated; where a teacher draws, 16 standard tasks
        of the family), or be a number of standard tasks. ValueError names what is missing or unknown.
        """
        _check_keys("scenario", data, {"name", "family", "blocks"}, cls)
        _check_kinds("scenario", data, {"name": str, "family": str, "blocks": list, "env_options": Mapping})
        env_class = find_family(data["family"])
        space = env_class.task_space
        blocks = tuple(_block(entry, space) for entry in data["blocks"])
        return cls(
            name=data["name"],
            family=data["family"],
            blocks=blocks,
            evaluation_tasks=_evaluation_tasks(data.get("evaluation_tasks"), blocks, env_class),
            observe_task=data.get("observe_task", "none"),
            env_options=data.get("env_options", {}),
            known_tasks=tuple(_tasks("known_tasks", data.get("known_tasks", []), space)),
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Scenario:
        """Read a scenario from a TOML file; ValueError where it does not parse or does not fit."""
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"the scenario file {path} does not exist.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"the scenario file {path} is not valid TOML: {error}.") from error
        try:
            return cls.from_json({"name": Path(path).stem} | data)
        except ValueError as error:
            raise ValueError(f"in the scenario file {path}: {error}") from error


def teacher_arguments(teacher: str | Teacher) -> dict[str, Any]:
    """Give a teacher (a name, or an object whose hyper-parameters count) as the arguments of a :class:`Block`."""
    if isinstance(teacher, str):
        return {"teacher": teacher}
    options = teacher_entry(teacher)
    return {"teacher": options.pop("name"), "teacher_options": options}


def _task_entry(task: Task) -> dict[str, Any]:
    return {"task": task.params, "name": task.name}


def _evaluation_tasks(listed: Any, blocks: Sequence[Block], env_class: type[TaskEnv]) -> tuple[Task, ...]:
    fixed = [block.task for block in blocks if block.task is not None]
    if listed is None and len(fixed) == len(blocks):
        return tuple(dict.fromkeys(fixed))
    if listed is None:
        listed = 16
    if isinstance(listed, int):
        named = {_point(task): task for task in fixed}  # a standard task that a block fixes keeps the block's name
        tasks = [named.get(_point(task), task) for task in env_class.standard_tasks(max(listed, 0))]
    else:
        tasks = _tasks("evaluation_tasks", listed, env_class.task_space)
    return tuple(dict.fromkeys(tasks))


def _point(task: Task) -> tuple[Any, ...]:
    return tuple(sorted(task.params.items()))


def _tasks(key: str, entries: Any, space: TaskSpace) -> list[Task]:
    _check_kinds("scenario", {key: entries}, {key: list})
    return [_task(entry, space) for entry in entries]


def _task(entry: Any, space: TaskSpace) -> Task:
    if not isinstance(entry, Mapping) or "task" not in entry:
        raise ValueError(f"a task is given as task = {{feature = value, ...}} and a name, found {entry!r}.")
    _check_kinds("task", entry, {"task": Mapping, "name": str})
    return space.task(entry["task"], entry.get("name", ""))


def _block(entry: Any, space: TaskSpace) -> Block:
    _check_kinds("scenario", {"block": entry}, {"block": Mapping})
    options = dict(entry)
    _check_keys("block", options, {"steps"}, Block, extra={"name"})
    _check_kinds("block", options, {"teacher": str, "teacher_options": Mapping, "bounds": Mapping})
    if "task" in options:
        options["task"] = _task(options, space)
    options.pop("name", None)
    return Block(**options)


def _check_kinds(place: str, data: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for key, kind in kinds.items():
        if key in data and not isinstance(data[key], kind):
            expected = "a text" if kind is str else "a list" if kind is list else "a table"
            raise ValueError(f"{key!r} of a {place} is {expected}, found {data[key]!r}.")


def _check_keys(
    kind: str, data: Mapping[str, Any], needed: set[str], target: type, extra: Sequence[str] | set[str] = ()
) -> None:
    known = {*target.__dataclass_fields__, *extra}  # type: ignore[attr-defined]  # both are dataclasses
    for key in data:
        if key not in known:
            raise unknown_name(f"key of a {kind}", key, known)
    missing = sorted(needed - set(data))
    if missing:
        raise ValueError(f"a {kind} needs {', '.join(sorted(needed))}; missing: {', '.join(missing)}.")


def _check_names(tasks: Sequence[Task]) -> None:
    points: dict[tuple[Any, ...], Task] = {}
    ids: dict[str, Task] = {}
    for task in tasks:
        point = _point(task)
        if points.setdefault(point, task).name != task.name:
            raise ValueError(f"the tasks {points[point].id!r} and {task.id!r} are the same point; give one name.")
        if _point(ids.setdefault(task.id, task)) != point:
            raise ValueError(f"two different tasks are called {task.id!r}; give them names of their own.")
