"""Actions as a family that steps one instance takes them: checked, and as plain numbers."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np


def choice_of(action: Any, n: int) -> int:
    """Give a discrete action in 0 .. n - 1 as an int; ValueError where it is none."""
    try:
        choice = operator.index(action)
    except TypeError:
        choice = -1
    if not 0 <= choice < n:
        raise ValueError(f"a discrete action must lie in 0 .. {n - 1}, found {action!r}.")
    return choice


def numbers_of(action: Any, n: int) -> list[float]:
    """Give a continuous action of shape (n,) as n finite floats; ValueError where it is none."""
    numbers = action.tolist() if isinstance(action, np.ndarray) else action
    if not isinstance(numbers, list | tuple) or len(numbers) != n or any(isinstance(x, list) for x in numbers):
        raise ValueError(f"an action must have the shape ({n},), found {action!r}.")
    for number in numbers:
        if not math.isfinite(number):
            raise ValueError(f"an action must be finite, found {action!r}.")
    return list(numbers)
