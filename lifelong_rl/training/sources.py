"""Task sources: what a block draws its tasks from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.envs.state import state_to_bytes
from lifelong_rl.scenarios import Block, Distribution, Drift
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

    def next(self, n: int, step: int) -> Sequence[Task]:
        """Give the next ``n`` tasks. step: environment steps of the block so far, over all environments."""

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

    def next(self, n: int, step: int) -> Sequence[Task]:
        """Give the task ``n`` times."""
        return [self.task] * n

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Give nothing: there is nothing to continue."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from nothing."""


class DrawnTasks:
    """The tasks of a distribution, one drawn for each episode."""

    name = "distribution"
    is_fixed = False
    needs: frozenset[str] = frozenset()
    untrained = None

    def __init__(self, distribution: Distribution, rng: np.random.Generator):
        self._tasks = distribution.tasks
        self._probabilities = distribution.probabilities
        self._rng = rng

    def next(self, n: int, step: int) -> Sequence[Task]:
        """Give ``n`` independent draws."""
        chosen = self._rng.choice(len(self._tasks), size=n, p=self._probabilities)
        return [self._tasks[i] for i in chosen.tolist()]

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Give the generator's state."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a generator's state."""
        self._rng.bit_generator.state = state["rng"]


class DriftingTask:
    """One task that moves with the steps of its block.

    A task is chosen one episode ahead, so each episode plays where the drift stood when the one before it began.
    """

    name = "drift"
    is_fixed = False
    needs: frozenset[str] = frozenset()
    untrained = None

    def __init__(self, drift: Drift, space: TaskSpace, steps: int):
        self._drift = drift
        self._space = space
        self._steps = steps

    def next(self, n: int, step: int) -> Sequence[Task]:
        """Give the task of this moment ``n`` times."""
        return [self._drift.at(self._space, step / self._steps)] * n

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Give nothing: where the task stands follows from the block's steps."""
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
        self._spent = (0.0, 0.0)  # the teacher's seconds, wall and processor, since the last `take_spent`
        try:
            teacher.reset(space, rng)
        except ValueError:
            raise  # it refuses the space or its hyper-parameters, and says so itself
        except Exception as error:
            raise teacher_failure(name, error, __file__, " at reset") from error
        self.state_dict()  # a state that cannot be saved ends the run here, not at its first checkpoint

    @property
    def needs(self) -> frozenset[str]:
        """What the teacher needs of the learner."""
        return self.teacher.needs

    @property
    def untrained(self) -> Sequence[bool] | None:
        """Which of the teacher's last tasks the agent must not train on; None for none."""
        rows = self.teacher.untrained
        return None if rows is None else rows.tolist()

    def next(self, n: int, step: int) -> Sequence[Task]:
        """Give the teacher's next ``n`` tasks; ValueError where it leaves the unit cube."""
        try:
            with self._timed():
                units = self.teacher.sample(n)
            if len(units) != n:
                raise ValueError(f"sample({n}) gave {len(units)} tasks")
            return self.space.decode_many(units)
        except Exception as error:
            raise teacher_failure(self.name, error, __file__, " at sample") from error

    def update(self, tasks: Sequence[Task], outcomes: Outcomes) -> None:
        """Hand finished episodes to the teacher."""
        try:
            with self._timed():
                self.teacher.update(np.array([task.unit for task in tasks]), outcomes)
        except Exception as error:
            raise teacher_failure(self.name, error, __file__, " at update") from error
        self._n_episodes += len(tasks)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start, cpu_start = time.perf_counter(), time.process_time()
        yield
        seconds = time.perf_counter() - start
        self._seconds += seconds
        self._spent = (self._spent[0] + seconds, self._spent[1] + time.process_time() - cpu_start)

    def take_spent(self) -> tuple[float, float]:
        """Give the teacher's seconds (sampling and updating) since the last call: on the wall, of the processor."""
        spent, self._spent = self._spent, (0.0, 0.0)
        return spent

    def microseconds(self) -> float:
        """Give the teacher's time (sampling and updating) an episode since the last call, in microseconds."""
        spent = 1e6 * self._seconds / max(self._n_episodes, 1)
        self._seconds, self._n_episodes = 0.0, 0
        return spent

    def state_dict(self) -> dict[str, Any]:
        """Give the teacher's state; ValueError names the teacher where it has none that can be saved."""
        try:
            state = self.teacher.state_dict()
            state_to_bytes(state)
        except Exception as error:
            raise teacher_failure(self.name, error, __file__, " at state_dict") from error
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a teacher's state."""
        self.teacher.load_state_dict(state)


def source_of(block: Block, space: TaskSpace, rng: np.random.Generator) -> TaskSource:
    """Make the source of a block; a distribution and a teacher draw from ``rng`` alone."""
    if block.task is not None:
        return FixedTask(block.task)
    if block.distribution is not None:
        return DrawnTasks(block.distribution, rng)
    if block.drift is not None:
        return DriftingTask(block.drift, space, block.steps)
    teacher = make_teacher(block.teacher, **block.teacher_options)
    return TaughtTasks(teacher, block.space(space), rng, block.teacher)
