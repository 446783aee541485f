"""What vector environments with a task for each instance are asked, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskLike


def check_count(n: int) -> None:
    """Raise ValueError where n is no number of instances."""
    if n < 1:
        raise ValueError(f"n, the number of environments, must be at least 1, found {n}.")


def named_tasks(options: Mapping[str, Any], n: int, as_task: Callable[[TaskLike], Task]) -> list[Task | None]:
    """Give the task that the options of a reset name for each of n instances; None where they name none.

    They name one for each as "tasks", or one for all as "task". as_task: of the family, which checks it.
    """
    named, one = options.get("tasks"), options.get("task")
    if named is not None and one is not None:
        raise ValueError("reset takes options['task'], for all instances, or options['tasks'], not both.")
    if named is None:
        named = [one] * n
    if len(named) != n:
        raise ValueError(f"options['tasks'] must hold {n} tasks or None, found {len(named)}.")
    return [None if task is None else as_task(task) for task in named]


def checked_index(index: int, n: int) -> int:
    """Give the index of one of n instances; ValueError where there is none."""
    if not 0 <= index < n:
        raise ValueError(f"index must be an instance in 0 .. {n - 1}, found {index}.")
    return index


def refuse_ended(ended: NDArray[np.intp]) -> None:
    """Raise RuntimeError for instances whose episode has ended, where nobody resets them by themselves."""
    if ended.size:
        raise RuntimeError(
            f"the episodes of instances {ended.tolist()} have ended: reset them with "
            "options={'reset_mask': mask} before the next step."
        )
