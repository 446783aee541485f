"""Least-squares fits of curves that are linear but for one number, and the points they are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from lifelong_rl.evaluation.measured import Undefined

Fit = tuple[float, ...]
"""The squared error first, then whatever else belongs to a fit."""


def paired_points(
    x: ArrayLike, y: ArrayLike, x_name: str, y_name: str, n_least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the points of which both parts are there, each of shape (n,).

    Raises ValueError for other shapes, and for x that is not positive and increasing; Undefined for fewer than
    ``n_least`` points.
    """
    times, values = (np.ma.masked_invalid(np.ma.masked_array(array, dtype=np.float64)) for array in (x, y))
    if times.ndim != 1 or times.shape != values.shape:
        raise ValueError(
            f"{x_name} and {y_name} must be rows of one length, found shapes {times.shape} and {values.shape}."
        )
    is_there = ~(np.ma.getmaskarray(times) | np.ma.getmaskarray(values))
    found, seen = np.asarray(times)[is_there], np.asarray(values)[is_there]
    if np.any(found <= 0) or np.any(np.diff(found) <= 0):
        raise ValueError(f"{x_name} must be positive and increasing, found {found.tolist()}.")
    if len(found) < n_least:
        raise Undefined(f"a fit needs {n_least} points, found {len(found)}")
    return found, seen


def least_squares_over(
    fit_at: Callable[[float], Fit], grid: Sequence[float] | NDArray[np.float64]
) -> tuple[float, Fit]:
    """Give the number with the least squared error, and its fit: the best of an increasing grid, then refined."""
    errors = [fit_at(float(number))[0] for number in grid]
    best = int(np.argmin(errors))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(
        lambda number: fit_at(number)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-9}
    )
    number = float(found.x)
    if errors[best] <= found.fun:  # the search never touches the ends of its range
        number = float(grid[best])
    return number, fit_at(number)
