"""Columns of a log that come as arrays: checked once, where they come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def integer_column(values: ArrayLike, name: str, n: int) -> NDArray[np.int64]:
    """Give ``values`` as integers of shape (n,); ValueError where they are others, or of another shape."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), found {array.shape}.")
    if array.dtype.kind in "iu" and (array <= np.iinfo(np.int64).max).all():
        return array.astype(np.int64)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (np.abs(array) < 2**53).all():
        whole = array.astype(np.int64)
        if (whole == array).all():
            return whole
    raise ValueError(f"{name} must be integers, found {array!r}.")


def check_tasks(tasks: Iterable[Any], name: str) -> None:
    """Raise ValueError for what is no id of a task."""
    for task in tasks:
        if not isinstance(task, str) or not task:
            raise ValueError(f"{name} must be ids of tasks, found {task!r}.")


def indices_of(names: Sequence[str], known: dict[str, int]) -> NDArray[np.int64]:
    """Give each name's index in ``known``, shape (n,); new names join it, in order of first appearance."""
    for name in dict.fromkeys(names):
        known.setdefault(name, len(known))
    return np.fromiter(map(known.__getitem__, names), np.int64, len(names))
