"""One Gaussian over tasks: its density, its distance to another one, and natural steps away from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lifelong_rl.teachers.base import Floats, Teacher

SMALLEST_STD = 1e-3
"""No Gaussian gets narrower than this share of an axis: its factor would lose its digits."""


def per_axis(teacher: Teacher, name: str, numbers: Sequence[float] | float, lowest: float = 0.0) -> Floats:
    """Give a mean or a standard deviation, one number or one an axis, as an array of shape (d,) in [lowest, 1].

    teacher: bound to its task space. name: the hyper-parameter's, for the ValueError that any other value raises.
    """
    d = teacher.space.dimension
    array = np.array(numbers, dtype=np.float64)
    if array.shape not in ((), (d,)) or not ((array >= lowest) & (array <= 1.0)).all():
        raise ValueError(
            f"{name} of {type(teacher).__name__} must be one number or {d} (one an axis) in [{lowest:g}, 1], "
            f"found {numbers!r}."
        )
    return np.broadcast_to(array, (d,)).copy()


@dataclass(frozen=True)
class TaskGaussian:
    """One Gaussian over the d axes of the unit cube: mean, shape (d,), and Cholesky factor, shape (d, d)."""

    mean: Floats
    factor: Floats
    """Lower triangular with a positive diagonal; factor @ factor.T is the covariance."""

    @cached_property
    def inverse(self) -> Floats:
        """The inverse of the factor, shape (d, d)."""
        inverse: Floats = np.tril(np.linalg.inv(self.factor))
        return inverse

    @cached_property
    def stds(self) -> Floats:
        """The standard deviation along each axis, shape (d,)."""
        stds: Floats = np.sqrt((self.factor**2).sum(axis=1))
        return stds

    def whitened(self, points: Floats) -> Floats:
        """Give points of shape (n, d) in standard deviations from the mean, uncorrelated; shape (n, d)."""
        # einsum here and below: a matrix product wakes threads, and its last bits depend on the number of rows
        whitened: Floats = np.einsum("ij,nj->ni", self.inverse, points - self.mean)
        return whitened

    def log_density(self, points: Floats) -> Floats:
        """Give the logarithm of the density at points of shape (n, d); shape (n,)."""
        log_scale = np.log(np.diag(self.factor)).sum() + 0.5 * len(self.mean) * np.log(2.0 * np.pi)
        log_density: Floats = -0.5 * (self.whitened(points) ** 2).sum(axis=1) - log_scale
        return log_density

    def divergence(self, other: TaskGaussian) -> float:
        """Give the Kullback-Leibler divergence KL(self || other), at least 0."""
        ratio, shift = self.seen_from(other)
        log_volume = np.log(np.diag(ratio)).sum()
        return max(0.0, float(0.5 * ((ratio**2).sum() + shift @ shift - len(shift)) - log_volume))

    def seen_from(self, other: TaskGaussian) -> tuple[Floats, Floats]:
        """Give factor and mean of this Gaussian in the coordinates in which ``other`` is the standard one."""
        return other.inverse @ self.factor, other.inverse @ (self.mean - other.mean)

    def moved(self, shift: Floats, growth: Floats) -> TaskGaussian:
        """Give the Gaussian a step away: the mean by ``factor @ shift``, the factor times that of ``growth``.

        growth: lower triangular, shape (d, d); its diagonal is that of the factor's logarithm.
        """
        step = np.tril(growth, -1) + np.diag(np.exp(np.diag(growth)))
        return TaskGaussian(self.mean + self.factor @ shift, self.factor @ step)

    def bounded(self, lowest_stds: Floats) -> TaskGaussian:
        """Give the nearest Gaussian with a mean in the cube and stds between ``lowest_stds``, shape (d,), and 1."""
        scales = np.clip(self.stds, lowest_stds, 1.0) / self.stds
        factor = self.factor * scales[:, None]
        np.fill_diagonal(factor, np.maximum(np.diag(factor), SMALLEST_STD))
        return TaskGaussian(np.clip(self.mean, 0.0, 1.0), factor)
