"""What l2metrics does to scores before it measures anything: smooth, clip, normalise, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lifelong_rl.evaluation.l2m.options import L2MOptions, Range, label
from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import Floats, Indices, smooth
from lifelong_rl.evaluation.measured import Undefined
from lifelong_rl.evaluation.metrics import finite_array

QUANTILES = (0.1, 0.9)
"""Where scores are clipped when outliers are and no range is given."""

SCALE, OFFSET = 100.0, 1.0
"""Normalised scores run from OFFSET to OFFSET + SCALE: never 0, so that a ratio can be taken of them."""

ROUNDING = 1e-12
"""What the moving average may change of a constant score, as a part of it: a range this small is none."""

Experts: TypeAlias = Mapping[str, Sequence["ArrayLike | Regimes"]]
"""Task -> its single-task runs (l2metrics calls them STE): the training curve of each, or all its regimes."""


@dataclass(frozen=True)
class Prepared:
    """A run and its experts, ready to be measured."""

    regimes: Regimes
    """The run's regimes, with the scores that are measured."""
    experts: Mapping[str, Sequence[Floats]]
    """Task -> the training curve of each of its single-task runs."""
    ranges: Mapping[str, Range] | None
    """Task -> the scores that became 1 and 101; None where nothing was normalised."""


@dataclass(frozen=True)
class _Curves:
    """The training curves of all experts on one array, so that they are prepared as the run is."""

    values: Floats
    lengths: Indices
    """Of each learning block of each expert."""
    block_task: Indices
    """Index into the run's tasks of each learning block."""
    run: Indices
    """Which expert each learning block belongs to."""

    @property
    def task(self) -> Indices:
        return np.repeat(self.block_task, self.lengths)


def prepare(regimes: Regimes, experts: Experts | None, options: L2MOptions, rounding: float = ROUNDING) -> Prepared:
    """Give the scores that are measured.

    Smoothing takes learning blocks and experts; clipping and normalising take everything, by task, and the experts'
    scores count for the bounds. Experts of tasks that the run does not hold are left out. rounding: the part of a
    score that its moving average may miss it by and be constant still; 0 as in l2metrics.
    Raises Undefined where a run of one single score should be normalised by its extremes.
    """
    experts = experts or {}
    if options.variant_mode == "agnostic":
        regimes, experts = regimes.without_variants(), _by_label(experts)
    curves = _curves(regimes, experts)
    if options.smoothing_method != "none":
        regimes, curves = _smoothed(regimes, curves, options)
    ranges = None
    # A return near the largest float overflows; what becomes infinite is undefined where it is reported
    with np.errstate(over="ignore", invalid="ignore"):
        if options.clamp_outliers:
            low, high = _clipping_bounds(regimes, curves, options)
            regimes, curves = _clipped(regimes, curves, low, high)
        if options.normalization_method != "none":
            low, high = _extremes(regimes, curves, options)
            ranges = {
                task: (float(low[i]), float(high[i])) for i, task in enumerate(regimes.tasks) if low[i] <= high[i]
            }
            if options.normalization_method == "run":
                low, high = np.full_like(low, low.min(initial=np.inf)), np.full_like(high, high.max(initial=-np.inf))
                if low.size and _span(low, high, rounding)[0] == 0:
                    raise Undefined(f"every score of the run is {low[0]:g}, so its extremes give no scale")
            regimes, curves = _normalised(regimes, curves, low, _span(low, high, rounding))
    return Prepared(regimes, _by_task(curves, regimes.tasks), ranges)


def _by_label(experts: Experts) -> Experts:
    merged: dict[str, list[ArrayLike | Regimes]] = {}
    for task, runs in experts.items():
        merged.setdefault(label(task), []).extend(runs)
    return merged


def _curves(regimes: Regimes, experts: Experts) -> _Curves:
    values, lengths, tasks, run_of = [np.empty(0)], [np.empty(0, dtype=np.int64)], [], []
    for i, task in enumerate(regimes.tasks):
        for run in experts.get(task, ()):
            if isinstance(run, Regimes):
                values.append(run.values[np.repeat(~run.is_test, run.lengths)])
                lengths.append(run.lengths[~run.is_test])
            else:
                values.append(finite_array(run, f"the curve of an expert of task {task!r}", 1))
                lengths.append(np.array([len(values[-1])]))
            tasks += [i] * len(lengths[-1])
            run_of += [len(lengths)] * len(lengths[-1])
    of_task, of_run = np.array(tasks, dtype=np.int64), np.array(run_of, dtype=np.int64)
    return _Curves(np.concatenate(values), np.concatenate(lengths), of_task, of_run)


def _by_task(curves: _Curves, tasks: Sequence[str]) -> dict[str, list[Floats]]:
    """Give the curves back by task; a run without any episode is none."""
    found: dict[str, list[Floats]] = {}
    ends = np.append(0, np.cumsum(curves.lengths))
    for number in np.unique(curves.run):
        first, after = np.searchsorted(curves.run, [number, number + 1])
        if ends[first] < ends[after]:
            curve = curves.values[ends[first] : ends[after]]
            found.setdefault(tasks[curves.block_task[first]], []).append(curve)
    return found


def _smoothed(regimes: Regimes, curves: _Curves, options: L2MOptions) -> tuple[Regimes, _Curves]:
    window = (options.smoothing_method, options.window_length)
    chosen = ~regimes.is_test | options.smooth_evaluations
    values = smooth(regimes.values, regimes.starts[chosen], regimes.lengths[chosen], *window)
    of_curves = smooth(curves.values, np.cumsum(curves.lengths) - curves.lengths, curves.lengths, *window)
    return regimes.with_values(values), replace(curves, values=of_curves)


def _extremes(regimes: Regimes, curves: _Curves, options: L2MOptions) -> tuple[Floats, Floats]:
    """Give the smallest and largest score of each task, inf and -inf where it has none."""
    n_tasks = len(regimes.tasks)
    if options.data_range is not None:
        bounds = np.array([options.range_of(task) for task in regimes.tasks], dtype=np.float64).reshape(n_tasks, 2)
        return bounds[:, 0], bounds[:, 1]
    low, high = np.full(n_tasks, np.inf), np.full(n_tasks, -np.inf)
    for values, lengths, task in (
        (regimes.values, regimes.lengths, regimes.task),
        (curves.values, curves.lengths, curves.block_task),
    ):
        is_filled = lengths > 0
        first = (np.cumsum(lengths) - lengths)[is_filled]
        if len(first):
            np.minimum.at(low, task[is_filled], np.minimum.reduceat(values, first))
            np.maximum.at(high, task[is_filled], np.maximum.reduceat(values, first))
    return low, high


def _clipping_bounds(regimes: Regimes, curves: _Curves, options: L2MOptions) -> tuple[Floats, Floats]:
    """Give the quantiles of each task over the run and its experts, or its range."""
    if options.data_range is not None:
        return _extremes(regimes, curves, options)
    task = np.concatenate([np.repeat(regimes.task, regimes.lengths), curves.task])
    values = np.concatenate([regimes.values, curves.values])
    values = values[np.lexsort((values, task))]
    counts = np.bincount(task, minlength=len(regimes.tasks))
    starts = np.cumsum(counts) - counts
    low, high = (_quantile(values, starts, counts, fraction) for fraction in QUANTILES)
    return low, high


def _quantile(values: Floats, starts: Indices, counts: Indices, fraction: float) -> Floats:
    """Give the quantile of each sorted segment, linear between its neighbours."""
    if not len(values):
        return np.zeros(len(starts))
    place = fraction * np.maximum(counts - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    first = np.minimum(starts, len(values) - 1)  # a task without scores at the end
    left, right = (
        values[np.minimum(first + below, len(values) - 1)],
        values[np.minimum(first + above, len(values) - 1)],
    )
    found: Floats = left + (right - left) * (place - below)
    return found


def _clipped(regimes: Regimes, curves: _Curves, low: Floats, high: Floats) -> tuple[Regimes, _Curves]:
    task = np.repeat(regimes.task, regimes.lengths)
    values = np.clip(regimes.values, low[task], high[task])
    of_curves = np.clip(curves.values, low[curves.task], high[curves.task])
    return regimes.with_values(values), replace(curves, values=of_curves)


def _span(low: Floats, high: Floats, rounding: float) -> Floats:
    """Give the width of each range, 0 where it is that of a constant which was averaged."""
    span: Floats = high - low
    return np.where(span > rounding * np.maximum(np.abs(low), np.abs(high)), span, 0.0)


def _normalised(regimes: Regimes, curves: _Curves, low: Floats, span: Floats) -> tuple[Regimes, _Curves]:
    divisor = np.where(span > 0, span, 1.0)

    def scaled(values: Floats, task: Indices) -> Floats:
        inside = np.where(span[task] > 0, (values - low[task]) / divisor[task], 0.0)  # a constant task becomes OFFSET
        return inside * SCALE + OFFSET

    of_regimes = scaled(regimes.values, np.repeat(regimes.task, regimes.lengths))
    return regimes.with_values(of_regimes), replace(curves, values=scaled(curves.values, curves.task))
