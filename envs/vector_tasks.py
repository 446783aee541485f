"""What vector environments with a task for each instance are asked, checked before any instance changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskLike

AsTask = Callable[[TaskLike], Task]
"""Gives a checked task; ValueError for one that the family cannot play or show."""


def check_count(n: Any, what: str = "n, the number of environments,") -> None:
    """Raise ValueError where n is no whole number of at least 1."""
    if not (_is_whole(n) and n >= 1):
        raise ValueError(f"{what} must be a whole number of at least 1, found {n!r}.")


def checked_seed(seed: Any) -> int | None:
    """Give a seed as an int or None; ValueError for what cannot seed a generator."""
    if seed is None:
        return None
    if not (_is_whole(seed) and seed >= 0):
        raise ValueError(f"a seed must be None or a whole number of at least 0, found {seed!r}.")
    return int(seed)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def check_options(options: Any, known: Sequence[str]) -> Mapping[str, Any]:
    """Give the options of a reset, an empty mapping for None; ValueError for a key that means nothing."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(f"the options of a reset must be a dictionary or None, found {options!r}.")
    for key in options:
        if key not in known:
            raise unknown_name("reset option", str(key), known)
    return options


class Reset(NamedTuple):
    """What a reset asks of n instances."""

    who: NDArray[np.intp]
    """The instances that are reset, shape (k,)."""
    tasks: list[Task | None]
    """The task that is named for each of ``who``; None where none is."""
    seeds: list[int | None]
    """The seed of each of ``who``."""


def checked_reset(seed: Any, options: Any, n: int, as_task: AsTask) -> Reset:
    """Give what a reset of n instances asks; ValueError, or TypeError for the mask, where it means nothing.

    seed: instance i gets ``seed + i``, or its own of a list. options: ``"tasks"``, one for each instance, or
    ``"task"``, one for all; ``"reset_mask"``, shape (n,) of bools, the instances that are reset.
    """
    options = check_options(options, ("task", "tasks", "reset_mask"))
    seeds, tasks = _seeds(seed, n), _named_tasks(options, n, as_task)
    who = np.flatnonzero(_mask(options["reset_mask"], n)) if "reset_mask" in options else np.arange(n)
    chosen = who.tolist()
    return Reset(who, [tasks[i] for i in chosen], [seeds[i] for i in chosen])


def checked_tasks_of_each(all_options: Sequence[Any], as_task: AsTask) -> list[Task | None]:
    """Give the task that each instance's own options name as "task"; None where they name none."""
    named = [check_options(options, ("task",)).get("task") for options in all_options]
    return [None if task is None else as_task(task) for task in named]


def _named_tasks(options: Mapping[str, Any], n: int, as_task: AsTask) -> list[Task | None]:
    named, one = options.get("tasks"), options.get("task")
    if named is not None and one is not None:
        raise ValueError("reset takes options['task'], for all instances, or options['tasks'], not both.")
    if named is None:
        return [None if one is None else as_task(one)] * n
    if not (isinstance(named, list | tuple) or (isinstance(named, np.ndarray) and named.ndim > 0)):
        raise ValueError(f"options['tasks'] must hold {n} tasks or None, found {named!r}.")
    if len(named) != n:
        raise ValueError(f"options['tasks'] must hold {n} tasks or None, found {len(named)}.")
    return [None if task is None else as_task(task) for task in named]


def _seeds(seed: Any, n: int) -> list[int | None]:
    if not isinstance(seed, list | tuple | np.ndarray):
        first = checked_seed(seed)
        return [None if first is None else first + i for i in range(n)]
    if len(seed) != n:
        raise ValueError(f"a list of seeds must hold one for each of {n} instances, found {len(seed)}.")
    return [checked_seed(one) for one in seed]


def _mask(mask: Any, n: int) -> NDArray[np.bool_]:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:  # TypeError here as SyncVectorEnv
        found = f"an array of {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"options['reset_mask'] must be a numpy array of bools, found {found}.")
    if mask.shape != (n,):
        raise ValueError(f"options['reset_mask'] must have the shape ({n},), found {mask.shape}.")
    if not mask.any():
        raise ValueError("options['reset_mask'] must name at least one instance, found none.")
    return mask


def queued_seeds(seed: Any, index: int | None, n: int) -> dict[int, int | None]:
    """Give the instances that a task is queued for, each with its seed: ``index``, or all, i with ``seed + i``."""
    checked = checked_seed(seed)
    if index is None:
        return {i: None if checked is None else checked + i for i in range(n)}
    if not (_is_whole(index) and 0 <= index < n):
        raise ValueError(f"index must be an instance in 0 .. {n - 1}, found {index!r}.")
    return {index: checked}


def refuse_ended(ended: NDArray[np.intp]) -> None:
    """Raise RuntimeError for instances whose episode has ended, where nobody resets them by themselves."""
    if ended.size:
        raise RuntimeError(
            f"the episodes of instances {ended.tolist()} have ended: reset them with "
            "options={'reset_mask': mask} before the next step."
        )


def refuse_some_first() -> None:
    """Raise RuntimeError for a reset of some instances where no episodes are under way."""
    raise RuntimeError("no episodes are under way: reset all instances before some of them.")
