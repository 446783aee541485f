"""What moves particles over tasks: who goes where, how far, and what score is expected there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import ndtri

from lifelong_rl.teachers.base import Floats


def nadaraya_watson(points: Floats, tasks: Floats, scores: Floats, bandwidth: float) -> Floats:
    """Estimate the score at m points, shape (m, c), from n tasks, shape (n, c), and their scores; shape (m,).

    Gaussian kernels of standard deviation ``bandwidth``; far from all tasks it is the score of the nearest.
    """
    weights = cdist(points, tasks, "sqeuclidean")
    weights -= weights.min(axis=1, keepdims=True)  # the nearest weighs 1, so that far points divide by no 0
    weights *= -0.5 / bandwidth**2
    np.exp(weights, out=weights)
    estimate: Floats = np.einsum("mn,n->m", weights, scores) / weights.sum(axis=1)
    return estimate


def partners(particles: Floats, targets: Floats) -> NDArray[np.intp]:
    """Give for each of n particles, shape (n, d), its target's row: no target twice, least sum of squared distances.

    Scaling and shifting the particles, and taking a constant from a column, leave the best assignment as it is and
    spare a crowd of particles most of the solver's time (9 times less for 500 of them in the plane).
    """
    centred, targets = particles - particles.mean(axis=0), targets - targets.mean(axis=0)
    spread = np.sqrt((centred**2).sum())
    if spread > 1e-9:  # else all assignments are equally good
        centred *= np.sqrt((targets**2).sum()) / spread
    costs = cdist(centred, targets, "sqeuclidean")
    rows: NDArray[np.intp] = linear_sum_assignment(costs - costs.min(axis=0))[1]
    return rows


def gaussian_draws(gaussian: tuple[Floats, Floats] | None, uniform: Floats) -> Floats:
    """Turn uniform numbers, shape (n, d), into draws of a Gaussian (mean, std), clipped to the cube; or uniform."""
    if gaussian is None:
        return uniform.copy()
    mean, std = gaussian
    normal = ndtri(np.maximum(uniform, 1e-16))  # 0 would be at minus infinity
    clipped: Floats = np.clip(mean + std * normal, 0.0, 1.0)
    return clipped


def towards(points: Floats, goals: Floats, most: float) -> Floats:
    """Give points on the way to their goals, both of shape (n, d), at most ``most`` from where they are."""
    gaps = goals - points
    distances = np.sqrt((gaps**2).sum(axis=1, keepdims=True))
    moved: Floats = points + gaps * np.minimum(1.0, most / np.maximum(distances, 1e-300))
    return moved
