"""The cells of a task space: what teachers of discrete tasks choose among."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats

Integers = NDArray[np.int64]

MAX_CELLS = 10_000
"""More cells than that are refused: hardly one of them would be visited twice."""


class Cells:
    """A grid of the unit cube: integers and categories by their values, reals in equal parts.

    Without ``per_axis`` the parts are chosen: as many on every axis as give at most ``n_cells`` cells, an integer's
    neighbouring values in one part where it has more values than that. Where two parts an axis are too many already
    (2^20 in a space of 20 dimensions), the axes are cut in two in their order while that fits, and **the later axes
    stay whole**: name what matters first, or pin the rest with ``subspace``.
    """

    def __init__(self, space: TaskSpace, n_cells: int, per_axis: int | None = None) -> None:
        """Cut a space. n_cells: the most that are chosen; per_axis: parts of each real axis, None to choose.

        ValueError where ``per_axis`` gives more than ``MAX_CELLS`` cells.
        """
        values = [feature.n_values for feature in space.features]
        if per_axis is None:
            is_category = [feature.kind == "category" for feature in space.features]
            parts = chosen_parts(values, is_category, n_cells)
        else:
            parts = [per_axis if n is None else n for n in values]
        self.n = math.prod(parts)
        if self.n > MAX_CELLS:
            raise ValueError(
                f"a grid of at most {MAX_CELLS} cells is expected, found {self.n} with per_axis = {per_axis} on "
                f"{space!r}: give fewer parts, None to have them chosen, or pin features with subspace."
            )
        self.parts = np.array(parts, dtype=np.int64)
        """Parts of each axis, shape (d,)."""
        # A real axis is treated as an integer with one value a part.
        self._values = np.array([k if n is None else n for k, n in zip(parts, values, strict=True)], dtype=np.int64)
        self._strides = np.array([math.prod(parts[axis + 1 :]) for axis in range(len(parts))], dtype=np.int64)
        cell_parts = np.stack(np.unravel_index(np.arange(self.n), parts), axis=-1)
        self.low = self._edges(cell_parts)
        """The lower corner of each cell, shape (n, d)."""
        self.width = self._edges(cell_parts + 1) - self.low
        """The width of each cell on each axis, shape (n, d)."""
        self.volume = self.width.prod(axis=1)
        """Shape (n,); they sum to 1."""

    def _edges(self, parts: Integers) -> Floats:
        first_values = -(-parts * self._values // self.parts)  # rounded up
        edges: Floats = first_values / self._values
        return edges

    def indices(self, tasks: Floats) -> Integers:
        """Give the cell of each of n tasks, shape (n, d); shape (n,) in 0, ..., ``n`` - 1."""
        values = np.minimum((tasks * self._values).astype(np.int64), self._values - 1)
        cells: Integers = (values * self.parts // self._values) @ self._strides
        return cells

    def tasks(self, cells: Integers, uniform: Floats) -> Floats:
        """Give a uniform task of each cell: cells of shape (n,) and uniform numbers of shape (n, d); shape (n, d)."""
        # minimum: rounding may step over the face of the cube
        points: Floats = np.minimum(self.low[cells] + self.width[cells] * uniform, 1.0)
        return points

    def density(self, points: Floats, probabilities: Floats) -> Floats:
        """Give the density at points, shape (n, d), of drawing a cell by its probability and a task in it; (n,)."""
        cells = self.indices(points)
        density: Floats = probabilities[cells] / self.volume[cells]
        return density


def chosen_parts(values: list[int | None], is_category: list[bool], n_cells: int) -> list[int]:
    """Give the parts of each axis that make at most ``n_cells`` cells; values: those of each axis, None for a real.

    >>> chosen_parts([None, None], [False, False], 100)
    [10, 10]
    >>> chosen_parts([None, 3], [False, True], 100)
    [33, 3]
    >>> chosen_parts([None] * 8, [False] * 8, 10)
    [2, 2, 2, 1, 1, 1, 1, 1]
    """
    whole = [n if category and n is not None else 1 for n, category in zip(values, is_category, strict=True)]
    if math.prod(whole) > n_cells:  # too many choices: neighbours in the list share a part
        is_category, whole = [False] * len(values), [1] * len(values)
    best = whole
    for per_axis in range(2, n_cells + 1):
        parts = [
            k if category else min(per_axis, n or per_axis)
            for k, category, n in zip(whole, is_category, values, strict=True)
        ]
        if math.prod(parts) > n_cells:
            break
        best = parts
        if all(n is not None and k == n for k, n in zip(parts, values, strict=True)):
            break
    if best == whole:
        for axis, n in enumerate(values):
            if not is_category[axis] and n != 1 and 2 * math.prod(best) <= n_cells:
                best = [2 if i == axis else k for i, k in enumerate(best)]
    return best
