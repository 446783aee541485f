"""Statistics over seeds: intervals of a mean that do not assume a shape of the scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Interval:
    """A percentile bootstrap interval over seeds."""

    estimate: float
    """The statistic of the values themselves."""
    low: float
    high: float
    level: float
    """Share of the resamples whose statistic lies inside."""
    n_values: int
    """Number of seeds."""
    n_resamples: int


def iqm(values: ArrayLike) -> float:
    """Give the interquartile mean: the mean of what is left after dropping a quarter at either end.

    values: shape (n,). ``int(n / 4)`` values are dropped at either end, so up to 3 values give the plain mean
    (Agarwal et al. 2021, Deep RL at the Edge of the Statistical Precipice).
    """
    ordered = np.sort(_check_values(values, 1))
    n_dropped = len(ordered) // 4
    return float(ordered[n_dropped : len(ordered) - n_dropped].mean())


def mean(values: ArrayLike) -> float:
    """Give the mean of shape (n,) values."""
    return float(_check_values(values, 1).mean())


STATISTICS: dict[str, Callable[[NDArray[np.float64]], float]] = {"mean": mean, "iqm": iqm}
"""The statistics that :func:`bootstrap_interval` knows by name."""


def bootstrap_interval(
    values: ArrayLike,
    *,
    level: float = 0.95,
    n_resamples: int = 4000,
    seed: int = 0,
    statistic: str | Callable[[NDArray[np.float64]], float] = "mean",
) -> Interval:
    """Give the percentile bootstrap interval of a statistic over seeds (Efron 1979).

    values: shape (n_seeds,), one number a seed. level: share of the resamples inside, in (0, 1).
    statistic: a name in :data:`STATISTICS`, or a function from shape (n_seeds,) to a number.
    The draw has its own generator: the same arguments give the same interval.
    Raises ValueError for fewer than two values and for NaN.
    """
    sample = _check_values(values, 2)
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), found {level}.")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, found {n_resamples}.")
    if isinstance(statistic, str):
        if statistic not in STATISTICS:
            raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}, found {statistic!r}.")
        statistic = STATISTICS[statistic]
    rng = np.random.default_rng(seed)
    resamples = sample[rng.integers(len(sample), size=(n_resamples, len(sample)))]
    outcomes = np.array([statistic(resample) for resample in resamples], dtype=np.float64)
    low, high = np.quantile(outcomes, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(sample)), float(low), float(high), level, len(sample), n_resamples)


def _check_values(values: ArrayLike, n_least: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must have one number a seed, shape (n,), found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite, found NaN or infinity: leave undefined runs out and say so.")
    if len(array) < n_least:
        if n_least == 2:
            raise ValueError(f"an interval needs at least two seeds, found {len(array)}.")
        raise ValueError("a mean needs at least one value, found none.")
    return array
