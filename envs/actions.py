"""Actions as a family takes them: checked, as a choice, as plain numbers, or as an array."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Bounds: TypeAlias = Sequence[tuple[float, float]]
"""The least and the largest of each number of an action."""
_FEW = 64  # numbers that Python looks through in less time than numpy takes to begin


def choice_of(action: Any, n: int, start: int = 0) -> int:
    """Give a discrete action, one of n whole numbers from ``start``, as an int; ValueError where it is none."""
    try:
        choice = operator.index(action)
    except TypeError:
        choice = start - 1
    if not start <= choice < start + n:
        raise ValueError(f"a discrete action must lie in {start} .. {start + n - 1}, found {action!r}.")
    return choice


def numbers_of(action: Any, bounds: Bounds) -> list[float]:
    """Give a continuous action as floats, each clipped to its bounds; ValueError for another shape or a NaN."""
    if type(action) is not np.ndarray or action.dtype.kind != "f":
        action = as_array(action)
    if action.shape != (len(bounds),):
        raise _wrong_shape((len(bounds),), action)
    numbers: list[float] = action.tolist()
    for i, (low, high) in enumerate(bounds):
        if not low <= (number := numbers[i]) <= high:
            if not isfinite(number):
                raise _not_finite(action)
            numbers[i] = low if number < low else high
    return numbers


def array_of(action: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Give a continuous action as a finite array of that shape and type; ValueError where it is none."""
    array = as_array(action, dtype)
    if array.shape != shape:
        raise _wrong_shape(shape, array)
    if not np.isfinite(array).all():
        raise _not_finite(action)
    return array


def choices_of(
    actions: Any, n: int, n_choices: int, start: int = 0, ignored: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Give the discrete actions of n instances, each one of ``n_choices`` from ``start``, as an array of shape (n,).

    ignored: instances, shape (n,), whose action goes unused and may be any whole number. ValueError says what is
    wrong, and for which instance.
    """
    choices = np.asarray(actions)
    if choices.shape != (n,) or choices.dtype.kind not in "iu":
        raise ValueError(
            f"the discrete actions of {n} instances are whole numbers of shape ({n},), found shape "
            f"{choices.shape} and type {choices.dtype}."
        )
    if n <= _FEW:
        numbers = choices.tolist()
        if start <= min(numbers) and max(numbers) < start + n_choices:
            return choices
    elif not start and choices.astype(np.uint64).max() < n_choices:  # unsigned, negative ones are the largest
        return choices
    wrong = (choices < start) | (choices >= start + n_choices)
    if ignored is not None:
        choices, wrong = np.where(ignored, start, choices), wrong & ~ignored
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(
            f"a discrete action must lie in {start} .. {start + n_choices - 1}, found {choices[i]} for instance {i}."
        )
    return choices


def rows_of(
    actions: Any, shape: tuple[int, ...], ignored: NDArray[np.bool_] | None = None, dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Give the continuous actions of n instances as a finite array of shape (n, ...); ValueError where they are none.

    ignored: instances, shape (n,), whose action goes unused and may be anything of the right shape.
    """
    is_ready = dtype is None and type(actions) is np.ndarray and actions.dtype.kind == "f"
    rows = actions if is_ready else as_array(actions, dtype)
    if rows.shape != shape:
        raise ValueError(f"actions must have the shape {shape}, found {rows.shape}.")
    if not _are_finite(rows):
        wrong = ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        if ignored is not None:
            rows, wrong = rows.copy(), wrong & ~ignored
            rows[ignored] = 0
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(f"actions must be finite, found {rows[i]} for instance {i}.")
    return rows


def _are_finite(rows: NDArray[Any]) -> bool:
    if rows.size <= _FEW:
        return isfinite(sum(rows.ravel().tolist()))  # False, too, where only the sum is too large: look at each then
    return bool(np.isfinite(rows).all())


def as_array(action: Any, dtype: DTypeLike | None = np.float64) -> NDArray[Any]:
    """Give what may be actions as an array of real numbers; ValueError where it is none."""
    try:
        array = np.asarray(action)
        if array.dtype.kind != "c":  # numpy would drop the imaginary part
            array = np.asarray(array, dtype)
    except (TypeError, ValueError, OverflowError):  # the last for whole numbers beyond any float
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"a continuous action must be an array of real numbers, found {action!r}.")
    return array


def _wrong_shape(shape: tuple[int, ...], action: NDArray[Any]) -> ValueError:
    return ValueError(f"an action must have the shape {shape}, found {action.shape}.")


def _not_finite(action: Any) -> ValueError:
    return ValueError(f"an action must be finite, found {action!r}.")
