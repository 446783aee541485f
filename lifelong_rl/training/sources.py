"""Task sources: what a block draws its tasks from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.scenarios.scenario import Block
from lifelong_rl.teachers import make_teacher
from lifelong_rl.teachers.base import Outcomes, Teacher
from lifelong_rl.teachers.failures import teacher_failure


class TaskSource(Protocol):
    """Gives tasks, and hears how their episodes went."""

    name: str
    """How logs call the source."""
    is_fixed: bool
    """Whether it gives one task only."""

    @property
    def needs(self) -> frozenset[str]:
        """What outcomes must have of the learner, by the names of ``lifelong_rl.teachers.base.EXTRAS``."""

    @property
    def untrained(self) -> Sequence[bool] | None:
        """Which of the tasks that :meth:`next` gave last the agent must not train on; None for none."""

    def next(self, n: int) -> Sequence[Task]:
        """Give the next ``n`` tasks."""

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Hear what n finished episodes showed."""

    def state_dict(self) -> dict[str, Any]:
        """Give what :meth:`load_state_dict` needs to continue bit for bit."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state."""


class FixedTask:
    """One task, again and again."""

    name = "fixed"
    is_fixed = True
    needs: frozenset[str] = frozenset()
    untrained = None

    def __init__(self, task: Task):
        self.task = task

    def next(self, n: int) -> Sequence[Task]:
        """Give the task ``n`` times."""
        return [self.task] * n

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Give nothing: there is nothing to continue."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from nothing."""


class TaughtTasks:
    """The tasks that a teacher draws from a task space."""

    is_fixed = False

    def __init__(self, teacher: Teacher, space: TaskSpace, rng: np.random.Generator, name: str):
        self.teacher = teacher
        self.space = space
        self.name = name
        self._seconds = 0.0  # the teacher's time since the last `microseconds`, and the episodes it heard of
        self._n_episodes = 0
        try:
            teacher.reset(space, rng)
        except ValueError:
            raise  # it refuses the space or its hyper-parameters, and says so itself
        except Exception as error:
            raise teacher_failure(name, error, __file__, " at reset") from error

    @property
    def needs(self) -> frozenset[str]:
        """What the teacher needs of the learner."""
        return self.teacher.needs

    @property
    def untrained(self) -> Sequence[bool] | None:
        """Which of the teacher's last tasks the agent must not train on; None for none."""
        rows = self.teacher.untrained
        return None if rows is None else rows.tolist()

    def next(self, n: int) -> Sequence[Task]:
        """Give the teacher's next ``n`` tasks; ValueError where it leaves the unit cube."""
        try:
            start = time.perf_counter()
            units = self.teacher.sample(n)
            self._seconds += time.perf_counter() - start
            if len(units) != n:
                raise ValueError(f"sample({n}) gave {len(units)} tasks")
            return self.space.decode_many(units)
        except Exception as error:
            raise teacher_failure(self.name, error, __file__, " at sample") from error

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Hand finished episodes to the teacher."""
        start = time.perf_counter()
        try:
            self.teacher.update(np.array([task.unit for task in tasks]), outcomes)
        except Exception as error:
            raise teacher_failure(self.name, error, __file__, " at update") from error
        self._seconds += time.perf_counter() - start
        self._n_episodes += len(tasks)

    def microseconds(self) -> float:
        """Give the teacher's time (sampling and updating) an episode since the last call, in microseconds."""
        spent = 1e6 * self._seconds / max(self._n_episodes, 1)
        self._seconds, self._n_episodes = 0.0, 0
        return spent

    def state_dict(self) -> dict[str, Any]:
        """Give the teacher's state."""
        return self.teacher.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a teacher's state."""
        self.teacher.load_state_dict(state)


def source_of(block: Block, space: TaskSpace, rng: np.random.Generator) -> TaskSource:
    """Make the source of a block; a teacher draws from ``rng`` alone."""
    if block.task is not None:
        return FixedTask(block.task)
    teacher = make_teacher(block.teacher, **block.teacher_options)
    return TaughtTasks(teacher, block.space(space), rng, block.teacher)
