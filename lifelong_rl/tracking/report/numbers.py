"""Numbers over seeds: means with intervals, bands around curves, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.evaluation.statistics import Interval, bootstrap_interval
from lifelong_rl.tracking.report.document import UNKNOWN, Cell

LEVEL = 0.95
N_RESAMPLES = 2000
"""Resamples of a band; those of intervals are the default of :func:`bootstrap_interval`."""

FEW_SEEDS = 5
"""With fewer seeds a bootstrap interval is usually too narrow, and the report says so."""

ONE_SEED = "one seed: an interval needs at least two"


@dataclass(frozen=True)
class Summary:
    """A metric over the seeds of a group."""

    values: tuple[float | None, ...]
    """One a seed; None where it is undefined."""
    estimate: float | None
    """The mean; None where a seed has no value."""
    interval: Interval | None
    """The 95 % bootstrap interval of the mean; None for one seed."""
    reason: str
    """Why there is no mean, or why it has no interval; empty where it has one."""

    def cell(self) -> Cell:
        """Give the cell of a table: mean [low, high]."""
        if self.estimate is None:
            return Cell(UNKNOWN, note=self.reason)
        if self.interval is None:
            return Cell(rounded(self.estimate), note=self.reason)
        return Cell(rounded(self.estimate), interval_text(self.interval), note=f"{len(self.values)} seeds")


def summary_of(metrics: Sequence[MetricValue], n_seeds: int) -> Summary:
    """Give a metric's mean over seeds; undefined, with the reasons, where it is for one of the seeds.

    metrics: the metric of each run that has it, of ``n_seeds`` runs.
    """
    values = tuple(metric.value for metric in metrics)
    missing = [metric for metric in metrics if metric.value is None]
    if missing or len(values) < n_seeds or not values:
        reasons = list(dict.fromkeys(metric.reason for metric in missing)) or ["not computed for every seed"]
        n_missing = len(missing) + n_seeds - len(values)
        share = "" if n_missing == n_seeds else f"undefined for {n_missing} of {n_seeds} seeds: "
        return Summary(values, None, None, share + "; ".join(reasons))
    known = [value for value in values if value is not None]
    if len(known) == 1:
        return Summary(values, known[0], None, ONE_SEED)
    interval = bootstrap_interval(known, level=LEVEL)
    return Summary(values, interval.estimate, interval, "")


def rounded(number: float) -> str:
    """Give a number with two decimals; from 100 on with none and thousands set apart."""
    if abs(number) >= 99.995:
        return f"{number:,.0f}"
    return f"{round(number, 2) + 0.0:.2f}"  # adding 0 makes a rounded -0 a plain one


def signed(number: float) -> str:
    """Give a difference, with its sign."""
    text = rounded(number)
    return text if text.startswith("-") or float(text.replace(",", "")) == 0 else f"+{text}"


def interval_text(interval: Interval) -> str:
    """Give the limits of an interval."""
    return f"[{rounded(interval.low)}, {rounded(interval.high)}]"


def mean_and_band(tables: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Give the mean over seeds of equally shaped masked tables, and the limits of its 95 % bootstrap band.

    A number that one seed lacks is masked. With one seed the limits are masked. Seeds are resampled whole, so the
    band is pointwise and its points belong together.
    """
    stacked = np.ma.stack([np.ma.asarray(table, dtype=np.float64) for table in tables])
    is_missing = np.ma.getmaskarray(stacked).any(axis=0)
    values = stacked.filled(0.0)
    mean = np.ma.MaskedArray(values.mean(axis=0), mask=is_missing)
    n_seeds = len(values)
    if n_seeds < 2:
        nothing = np.ma.MaskedArray(values[0], mask=True)
        return mean, nothing, nothing
    low, high = _limits(values.reshape(n_seeds, -1))
    band = [np.ma.MaskedArray(limit.reshape(mean.shape), mask=is_missing) for limit in (low, high)]
    return mean, band[0], band[1]


def _limits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n_seeds = len(values)
    picks = np.random.default_rng(0).integers(n_seeds, size=(N_RESAMPLES, n_seeds))
    shares = np.stack([np.bincount(pick, minlength=n_seeds) for pick in picks]) / n_seeds
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    # 64 columns at once: 2,000 resamples of a long stream's curves would take hundreds of MB
    parts = [np.quantile(shares @ values[:, i : i + 64], tails, axis=0) for i in range(0, values.shape[1], 64)]
    return np.concatenate(parts, axis=1)
