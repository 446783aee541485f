"""Scenarios: lists of blocks, and what every evaluation plays."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.envs.task_env import ObserveTask, TaskEnv
from lifelong_rl.envs.test_set_files import find_test_set
from lifelong_rl.scenarios.block import Block, task_entry
from lifelong_rl.scenarios.reading import check_keys, check_kinds, read_block, read_tasks
from lifelong_rl.teachers import make_teacher

EvaluationVisibility: TypeAlias = Literal["auto", "task_id", "none"]


@dataclass(frozen=True, eq=False)
class Scenario:
    """Blocks of one environment family, and the tasks that every evaluation plays.

    Scenarios of the same data are equal, in every process. A wrong one is refused with ValueError when it is made.
    """

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
    """The tasks that a one-hot observation tells apart; by default those that blocks name or evaluations play."""
    evaluation_visibility: EvaluationVisibility = "auto"
    """Whether evaluations tell the agent each task's id: "task_id", "none", or "auto": where every block shows it."""

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError(f"the scenario {self.name!r} needs at least one block.")
        if not self.evaluation_tasks:
            raise ValueError(f"the scenario {self.name!r} needs at least one evaluation task.")
        space = self.env_class.task_space
        for task in (*self.all_tasks, *self.known_tasks):
            space.check(task)
        _check_names((*self.all_tasks, *self.known_tasks))
        self._check_teachers(space)
        self._check_observation()
        self._check_evaluation()

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
        if self.observe_task == "one-hot" and any(block.teacher or block.drift for block in self.blocks):
            raise ValueError(
                "observe_task='one-hot' needs fixed tasks; use observe_task='vector' with a teacher or a drift."
            )
        known = {_point(task) for task in self.known_tasks or self.all_tasks}
        unknown = [task.id for task in self.all_tasks if _point(task) not in known]
        if self.observe_task == "one-hot" and unknown:
            raise ValueError(
                f"known_tasks lacks {unknown[0]!r}, which a one-hot observation must tell apart; add it."
            )

    def _check_evaluation(self) -> None:
        if self.evaluation_visibility not in get_args(EvaluationVisibility):
            raise ValueError(
                f"evaluation_visibility must be one of {get_args(EvaluationVisibility)}, "
                f"found {self.evaluation_visibility!r}."
            )
        if self.evaluation_visibility == "none" and self.observe_task != "none":
            raise ValueError(
                f"observe_task={self.observe_task!r} shows the task in evaluations too; use observe_task='none' or "
                "another evaluation_visibility."
            )

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
        """The distinct tasks that blocks name (fix, draw from, or drift through) or evaluations play."""
        named = [task for block in self.blocks for task in block.tasks]
        return tuple(dict.fromkeys((*named, *self.evaluation_tasks)))

    @property
    def is_told_in_evaluation(self) -> bool:
        """Whether an evaluation tells the agent each task's id."""
        if self.evaluation_visibility == "auto":
            return all(block.visibility == "task_id" for block in self.blocks)
        return self.evaluation_visibility == "task_id"

    @cached_property
    def key(self) -> str:
        """A hash of all that the scenario says: 16 hexadecimal digits, the same in every process."""
        text = json.dumps(_canonical(self.to_json()), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Scenario) else NotImplemented

    def __hash__(self) -> int:
        return int(self.key, 16)

    def with_steps(self, steps: int) -> Scenario:
        """Give the same stream with another number of steps, which the blocks share as they share these.

        ValueError where they cannot share it in whole numbers.
        """
        unit = self.steps // math.gcd(*(block.steps for block in self.blocks))
        if steps < 1 or steps % unit:
            raise ValueError(
                f"the blocks of the scenario {self.name!r} can share a multiple of {unit} steps, found {steps}."
            )
        blocks = tuple(replace(block, steps=block.steps * steps // self.steps) for block in self.blocks)
        return replace(self, blocks=blocks)

    def env_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of :func:`lifelong_rl.envs.make` for this scenario."""
        arguments = dict(self.env_options) | {"observe_task": self.observe_task}
        if self.observe_task == "one-hot":
            arguments["tasks"] = list(self.known_tasks or self.all_tasks)
        return arguments

    def to_json(self) -> dict[str, Any]:
        """Give the scenario as JSON values, in the form that :meth:`from_json` and TOML files have."""
        # left out where it is not set: references that were trained before there was such a choice keep their names
        chosen = {} if self.evaluation_visibility == "auto" else {"evaluation_visibility": self.evaluation_visibility}
        return chosen | {
            "name": self.name,
            "family": self.family,
            "observe_task": self.observe_task,
            "env_options": dict(self.env_options),
            "blocks": [block.to_json() for block in self.blocks],
            "evaluation_tasks": [task_entry(task) for task in self.evaluation_tasks],
            "known_tasks": [task_entry(task) for task in self.known_tasks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scenario:
        """Give the scenario that JSON or TOML values describe.

        They list ``blocks``, or name a ``kind`` (a key of ``lifelong_rl.scenarios.SCENARIOS``, or
        ``module:function``) with its arguments. With blocks, ``evaluation_tasks`` may be left out (the tasks that
        blocks name are evaluated; where a teacher draws, 16 standard tasks of the family), or be a number of
        standard tasks, or a test set: a JSON file or a built-in name. ValueError names what is missing or unknown.
        """
        if "kind" in data:
            from lifelong_rl.scenarios.kinds import read_kind  # kinds are functions that make scenarios

            return read_kind(data)
        check_keys("scenario", data, {"name", "family", "blocks"}, {*cls.__dataclass_fields__, "kind"})
        check_kinds("scenario", data, {"name": str, "family": str, "blocks": list, "env_options": Mapping})
        env_class = find_family(data["family"])
        space = env_class.task_space
        blocks = tuple(read_block(entry, space) for entry in data["blocks"])
        return cls(
            name=data["name"],
            family=data["family"],
            blocks=blocks,
            evaluation_tasks=_evaluation_tasks(data.get("evaluation_tasks"), blocks, env_class),
            observe_task=data.get("observe_task", "none"),
            env_options=data.get("env_options", {}),
            known_tasks=tuple(read_tasks("known_tasks", data.get("known_tasks", []), space)),
            evaluation_visibility=data.get("evaluation_visibility", "auto"),
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


def _evaluation_tasks(listed: Any, blocks: Sequence[Block], env_class: type[TaskEnv]) -> tuple[Task, ...]:
    named = [task for block in blocks for task in block.tasks]
    if listed is None and all(block.tasks for block in blocks):
        return tuple(dict.fromkeys(named))
    if listed is None:
        listed = 16
    if isinstance(listed, str):
        try:
            return find_test_set(listed, env_class.task_space).tasks
        except ValueError as error:
            raise ValueError(f"evaluation_tasks: {error}") from error
    if isinstance(listed, int):
        names = {_point(task): task for task in named}  # a standard task that a block names keeps the block's name
        tasks = [names.get(_point(task), task) for task in env_class.standard_tasks(max(listed, 0))]
    else:
        tasks = read_tasks("evaluation_tasks", listed, env_class.task_space)
    return tuple(dict.fromkeys(tasks))


def _point(task: Task) -> tuple[Any, ...]:
    return tuple(sorted(task.params.items()))


def _canonical(value: Any) -> Any:
    """Give JSON values with one form for each: 1.0 and 1 are the same number, a tuple is a list."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_names(tasks: Sequence[Task]) -> None:
    points: dict[tuple[Any, ...], Task] = {}
    ids: dict[str, Task] = {}
    for task in tasks:
        point = _point(task)
        if points.setdefault(point, task).name != task.name:
            raise ValueError(f"the tasks {points[point].id!r} and {task.id!r} are the same point; give one name.")
        if _point(ids.setdefault(task.id, task)) != point:
            raise ValueError(f"two different tasks are called {task.id!r}; give them names of their own.")
