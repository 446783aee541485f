"""Densities over the unit cube: an estimate from draws, and how even a density is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import TaskSpace

Floats = NDArray[np.float64]

N_CELLS = 1000  # about this many cells or points stand for the cube: a millisecond for a mixture of ten


_OWN_SEED = (2019, 1000, 6)
"""Of points that are always the same; a seed that no run has, or they were the very numbers that a teacher draws."""


def kernel_density(points: Floats, draws: Floats) -> Floats:
    """Estimate the density that m draws came from, by Gaussian kernels reflected at the faces of the unit cube.

    points: shape (n, d); draws: shape (m, d), both in [0, 1]. Gives shape (n,); it integrates to 1 over the cube.
    One width an axis, by Scott's rule (Scott 1992, section 6.3): the draws' standard deviation * m^(-1/(d+4)).
    """
    m, dimension = draws.shape
    # 0.01: the draws of a teacher that gives one task only would have kernels of no width
    widths = np.maximum(draws.std(axis=0) * m ** (-1.0 / (dimension + 4)), 0.01)
    images = (draws, -draws, 2.0 - draws)
    densities = np.empty(len(points))
    for start in range(0, len(points), 64):  # 64 * 1,000 draws * 3 images: a few MB an axis
        rows = points[start : start + 64]
        product = np.ones((len(rows), m))
        for axis, width in enumerate(widths):
            gaps = [(rows[:, axis, None] - image[:, axis]) / width for image in images]
            product *= sum(np.exp(-0.5 * gap**2) for gap in gaps) / (width * np.sqrt(2.0 * np.pi))
        densities[start : start + 64] = product.mean(axis=1)
    return densities


def cells_per_axis(dimension: int) -> int:
    """Give how many equal parts of each axis make about 1,000 cells of the cube; at least 2."""
    return max(2, int(N_CELLS ** (1.0 / max(dimension, 1)) + 1e-9))


def reference_points(space: TaskSpace) -> Floats:
    """Give about 1,000 points spread over the unit cube, shape (m, d), always the same for a space.

    Cell centres of a grid while it has 3 cells an axis or more (d <= 6), else pseudo-random points.
    """
    per_axis = cells_per_axis(space.dimension)
    if per_axis >= 3:
        return space.grid(per_axis)
    return np.random.default_rng(_OWN_SEED).random((N_CELLS, space.dimension))


def evenness(densities: Floats) -> float:
    """Give the entropy of a density known at m points of equal volume, divided by log(m): 1 is uniform, 0 one point.

    densities: shape (m,), non-negative, finite. Where none is above 0, as that of narrow kernels far from all m
    points, the density lies beside the points and is as uneven as one point: 0.
    """
    highest = densities.max(initial=0.0)
    if not highest > 0.0:
        return 0.0
    if not 1e-300 < highest < 1e300:  # a sum beyond what floats hold, or shares of one too small to divide by
        densities = densities / highest
    shares = densities / densities.sum()
    shares = shares[shares > 0]
    if len(densities) < 2:
        return 1.0
    return float(min(1.0, -(shares * np.log(shares)).sum() / np.log(len(densities))))


def box_evenness(widths: Floats) -> float:
    """Give :func:`evenness` of a uniform density on a box of these widths, shape (d,), on about 1,000 points."""
    volume = float(np.prod(widths))
    return max(0.0, 1.0 + float(np.log(volume) / np.log(N_CELLS))) if volume > 0.0 else 0.0


def cell_evenness(tasks: Floats, space: TaskSpace) -> float:
    """Give :func:`evenness` of n tasks, shape (n, d), over the cells of the cube: 1 if no two share a cell."""
    shares = np.unique(cell_numbers(tasks, space), axis=0, return_counts=True)[1] / len(tasks)
    possible = min(len(tasks), n_cells(space))
    return float(min(1.0, -(shares * np.log(shares)).sum() / np.log(possible))) if possible > 1 else 1.0


def parts_per_axis(space: TaskSpace) -> NDArray[np.int64]:
    """Give how many equal parts each axis has in about 1,000 cells of the cube, shape (d,).

    As :func:`cells_per_axis`, but no more than an integer or category has values: uniform tasks are even over the
    cells then, and all tasks of a small space cover them all.
    """
    per_axis = cells_per_axis(space.dimension)
    return np.array([min(per_axis, feature.n_values or per_axis) for feature in space.features], dtype=np.int64)


def n_cells(space: TaskSpace) -> float:
    """Give the number of cells of :func:`parts_per_axis`; a float, since many axes have more than 2^63."""
    return float(np.prod(parts_per_axis(space).astype(np.float64)))


def cell_numbers(tasks: Floats, space: TaskSpace) -> NDArray[np.int64]:
    """Give the cell (see :func:`parts_per_axis`) of each of n tasks, shape (n, d): a number, or a row of indices."""
    parts = parts_per_axis(space)
    indices = np.minimum((tasks * parts).astype(np.int64), parts - 1)
    # one number a cell is far quicker to sort than a row of indices; 2^63 cells have no number
    return indices @ np.cumprod([1, *parts[:-1]]) if space.dimension < 63 else indices


def covered_share(tasks: Floats, space: TaskSpace) -> float:
    """Give the share of the cells of the cube (see :func:`parts_per_axis`) that n tasks, shape (n, d), lie in."""
    return float(len(np.unique(cell_numbers(tasks, space), axis=0)) / n_cells(space))


def spread_in_cells(tasks: Floats, space: TaskSpace) -> Floats:
    """Give n tasks, shape (n, d), whose integers and categories lie anywhere in their values' cells.

    A task that was played stands at its values' centres, for all points of their cells: kernels at centres would be
    peaks with nothing between them. The places are pseudo-random, and always the same.
    """
    if all(feature.kind == "real" for feature in space.features):
        return tasks
    spread, places = tasks.copy(), np.random.default_rng(_OWN_SEED).random(tasks.shape)
    for axis, feature in enumerate(space.features):
        if (n := feature.n_values) is not None:
            values = np.minimum((tasks[:, axis] * n).astype(np.int64), n - 1)
            spread[:, axis] = (values + places[:, axis]) / n
    return spread
