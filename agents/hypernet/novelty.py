"""When transitions are of none of the known tasks: limits on scores that hold a rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lifelong_rl.agents.hypernet.residuals import STRETCH, ResidualLaw
from lifelong_rl.agents.hypernet.transitions import Array

N_RESAMPLED = 4000
"""Streams drawn for a limit."""


def check_rate(false_alarm_rate: float) -> None:
    """Raise ValueError where a rate of false alarms is not above 0 and below 0.5."""
    if not 0 < false_alarm_rate < 0.5:
        raise ValueError(f"false_alarm_rate must be above 0 and below 0.5, found {false_alarm_rate}.")


def resampled(law: ResidualLaw, length: int, rng: np.random.Generator, n: int = N_RESAMPLED) -> Array:
    """Draw n streams of the task's scores from those kept, shape (n, length).

    Moving blocks (Künsch 1989) of up to 50 steps keep what neighbours have in common; each stream is then shifted at
    random by the doubt about the scores' mean.
    """
    n_streams, kept = law.scores.shape
    block = min(STRETCH, kept, length)
    n_blocks = -(-length // block)
    streams = rng.integers(0, n_streams, (n, n_blocks, 1))
    starts = rng.integers(0, kept - block + 1, (n, n_blocks, 1))
    drawn = law.scores[streams, starts + np.arange(block)].reshape(n, -1)[:, :length].astype(np.float64)
    return np.asarray(drawn + law.doubt * rng.standard_normal((n, 1)))


def window_statistic(scores: Array) -> Array:
    """Give the sum of a window's scores over the root of its length, (..., length, k) -> (..., k).

    Standard normal on windows of the task, if scores were independent of each other; they are not, hence the limits.
    """
    return np.asarray(scores.sum(axis=-2) / np.sqrt(scores.shape[-2]))


def window_limits(
    laws: Sequence[ResidualLaw], length: int, false_alarm_rate: float, rng: np.random.Generator
) -> Array:
    """Give what :func:`window_statistic` exceeds in that share of windows of the task itself, shape (k,)."""
    check_rate(false_alarm_rate)
    draws = [window_statistic(resampled(law, length, rng)[..., None])[:, 0] for law in laws]
    return _quantiles(draws, false_alarm_rate)


def cusum_step(cusums: Array, scores: Array, allowance: float) -> Array:
    """Give Page's sums one step later: max(0, C + z - allowance) (Page 1954), whatever the shape."""
    return np.maximum(0.0, cusums + scores - allowance)


def highest_cusum(scores: Array, allowance: float) -> Array:
    """Give the highest that Page's sum gets along a stream, (n, length) -> (n,).

    The sum is how far the running total lies above its lowest point so far, 0 at the start included.
    """
    totals = np.cumsum(scores - allowance, axis=1)
    lowest = np.minimum(0.0, np.minimum.accumulate(totals, axis=1))
    return np.asarray((totals - lowest).max(axis=1))


def cusum_limits(
    laws: Sequence[ResidualLaw], horizon: int, allowance: float, false_alarm_rate: float, rng: np.random.Generator
) -> Array:
    """Give what Page's sum exceeds within ``horizon`` steps in that share of the task's own streams, shape (k,)."""
    check_rate(false_alarm_rate)
    draws = [highest_cusum(resampled(law, horizon, rng), allowance) for law in laws]
    return _quantiles(draws, false_alarm_rate)


def _quantiles(draws: Sequence[Array], false_alarm_rate: float) -> Array:
    # 0.1: dividing by a limit must keep the sign of what is divided
    return np.maximum(0.1, [np.quantile(values, 1 - false_alarm_rate) for values in draws])
