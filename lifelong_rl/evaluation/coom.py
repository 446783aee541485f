"""Average performance, forgetting and forward transfer of COOM (Tomilin et al. 2023).

``curves`` has shape (n_evaluations, n_blocks): column k is the score on the task of block k; ``active`` of shape
(n_evaluations,) is the block trained at each evaluation, the one at its end included; there is no evaluation before
training. A task that is trained in several blocks has a column for each of them, as in COOM's CO16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation import cw
from lifelong_rl.evaluation.blocks import Scored, by_task, scored, scores_while_training
from lifelong_rl.evaluation.cw import MINIMUM_HEADROOM, AreaTransfer, area_transfer, check_window, reference_curves
from lifelong_rl.evaluation.log import EvaluationLog, MaskedTable
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, finite_array, trained_columns

WINDOW = 10
"""Evaluations whose mean is a score at the end of a block: COOM's number."""

SOURCE = "Tomilin et al. 2023, COOM, NeurIPS Datasets and Benchmarks; results/common.py"

PERFORMANCE = Definition(
    family="coom",
    name="average_performance",
    sign="higher is better",
    window="every evaluation from the task's block on",
    reference="none",
    source=f"{SOURCE}; mean over every pair (task, its block or a later one) of the mean over that block",
)
FORGETTING = Definition(
    family="coom",
    name="forgetting",
    sign="lower is better",
    window="",
    reference="the agent's own score at the end of the block that trained the task",
    source=f"{SOURCE}; mean over every block but the last",
)
FORWARD = replace(
    cw.FORWARD,
    family="coom",
    reference="area under the curves of single-task runs",
    source=f"{SOURCE}; one ratio of totals, (AUC - AUCb) / (1 - AUCb) over all blocks at once, so no value a task",
)
DIFFERENCE = replace(
    FORWARD, name="forward_transfer_difference", source=f"the numerator of {SOURCE}: AUC - AUCb over all blocks"
)


@dataclass(frozen=True)
class _Options:
    window: int
    drop_zeros: bool
    minimum_headroom: float


def block_means(curves: ArrayLike, active: ArrayLike) -> NDArray[np.float64]:
    """Give the mean score on each block's task over every block, shape (n_blocks, n_blocks); row: while trained."""
    table, blocks = _checked(curves, active)
    starts = np.searchsorted(blocks, np.arange(table.shape[1]))
    counts = np.bincount(blocks, minlength=table.shape[1])
    return np.asarray(np.add.reduceat(table, starts, axis=0) / counts[:, None], dtype=np.float64)


def performance_by_block(means: ArrayLike, *, drop_zeros: bool = False) -> MaskedTable:
    """Give the mean over each task's own and later blocks, shape (n_blocks,), from :func:`block_means`.

    drop_zeros: leave out the pairs whose mean is exactly 0, as COOM's code does, which cannot tell a score of 0
    from a missing one; masked where nothing else is there.
    """
    found: MaskedTable = _seen(means, drop_zeros).mean(axis=0)
    return found


def average_performance(means: ArrayLike, *, drop_zeros: bool = False) -> float:
    """Give the mean over every pair (task, its block or a later one) of the score's mean over that block.

    It weighs pairs alike, so an early task counts more often. Undefined where all are 0 and zeros are dropped.
    """
    pairs = _seen(means, drop_zeros).compressed()
    if not len(pairs):
        raise Undefined("every score is exactly 0, and zeros are dropped")
    return float(pairs.mean())


def _seen(means: ArrayLike, drop_zeros: bool) -> MaskedTable:
    table = finite_array(means, "means", 2)
    is_unseen = np.triu(np.ones_like(table, dtype=bool), 1)
    return np.ma.MaskedArray(table, mask=is_unseen | (table == 0) if drop_zeros else is_unseen)


def forgetting(curves: ArrayLike, active: ArrayLike, window: int = WINDOW) -> NDArray[np.float64]:
    """Give [mean of the last evaluations of the block] - [that of the run] of every block but the last.

    Shape (n_blocks - 1,); positive is forgetting. Raises Undefined for a single block, and where a block has fewer
    evaluations than the window (COOM's code then takes those that there are, without a word).
    """
    check_window(window)
    table, blocks = _checked(curves, active)
    n_blocks = table.shape[1]
    if n_blocks < 2:
        raise Undefined("nothing is trained after the only block, so nothing could be forgotten")
    counts = np.bincount(blocks, minlength=n_blocks)
    short = np.flatnonzero(counts < window)
    if len(short):
        raise Undefined(
            f"block {short[0]} has {counts[short[0]]} evaluation(s), fewer than the window of {window}: "
            "evaluate more often or give a shorter window"
        )
    ends = np.cumsum(counts)
    learned = np.array([table[end - window : end, k].mean() for k, end in enumerate(ends)])
    return np.asarray(learned - table[-window:].mean(axis=0), dtype=np.float64)[:-1]


def total_transfer(areas: Sequence[AreaTransfer]) -> AreaTransfer:
    """Give the areas of all blocks as one, each evaluation with the same weight; its ratio is the family's number."""
    n = sum(area.n_evaluations for area in areas)
    run, reference = (
        sum(getattr(area, name) * area.n_evaluations for area in areas) / n for name in ("area", "reference_area")
    )
    return AreaTransfer(run, reference, n)


def coom_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    window: int = WINDOW,
    drop_zeros: bool = False,
    minimum_headroom: float = MINIMUM_HEADROOM,
) -> list[MetricValue]:
    """Give average performance, forgetting, and forward transfer (as ratio and as difference) of one run.

    references and minimum_headroom: as for the family ``cw``, whose forward transfer is a mean of ratios where this
    one is a ratio of means. window: evaluations at the end of a block. drop_zeros: as :func:`average_performance`; a
    score of 0 is a score here unless this is set.
    """
    check_window(window)
    options = _Options(window, drop_zeros, minimum_headroom)
    zeros = "; pairs of exactly 0 are left out" if drop_zeros else "; a 0 counts"
    return [
        scored(
            replace(PERFORMANCE, source=PERFORMANCE.source + zeros),
            log,
            value,
            lambda log, value: _performance(log, value, options),
        ),
        scored(
            replace(FORGETTING, window=f"last {window} evaluations"),
            log,
            value,
            lambda log, value: _forgetting(log, value, options),
        ),
        *_transfers(log, value, references or {}, options),
    ]


def _curves(log: EvaluationLog, value: Measured) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give ``curves`` and ``active`` of one run; Undefined where it has gaps."""
    columns = trained_columns(log)
    table, active = scores_while_training(log, value)
    curves = table[:, columns]
    gaps = np.argwhere(np.ma.getmaskarray(curves))
    if len(gaps):
        step = [point.step for point in log.points if point.at != "start"][gaps[0][0]]
        raise Undefined(f"task {log.block_tasks[gaps[0][1]]!r} was not evaluated at step {step}")
    return np.asarray(curves, dtype=np.float64), active


def _performance(log: EvaluationLog, value: Measured, options: _Options) -> Scored:
    means = block_means(*_curves(log, value))
    total = average_performance(means, drop_zeros=options.drop_zeros)
    per_block = performance_by_block(means, drop_zeros=options.drop_zeros).tolist()
    return Scored(total, by_task(log, per_block), per_block)


def _forgetting(log: EvaluationLog, value: Measured, options: _Options) -> Scored:
    drops = forgetting(*_curves(log, value), options.window)
    per_block = [*drops.tolist(), None]
    return Scored(float(drops.mean()), by_task(log, per_block, left_out=len(drops)), per_block)


def _transfers(log: EvaluationLog, value: Measured, references: References, options: _Options) -> list[MetricValue]:
    def ratio(log: EvaluationLog, value: Measured) -> Scored:
        return Scored(total_transfer(_areas(log, value, references)).ratio(options.minimum_headroom))

    def difference(log: EvaluationLog, value: Measured) -> Scored:
        areas = _areas(log, value, references)
        per_block = [area.difference for area in areas]
        return Scored(total_transfer(areas).difference, by_task(log, per_block), per_block)

    return [scored(FORWARD, log, value, ratio), scored(DIFFERENCE, log, value, difference)]


def _areas(log: EvaluationLog, value: Measured, references: References) -> list[AreaTransfer]:
    """Give each block's areas; Undefined where one is missing, since the totals are over all blocks."""
    if value == "return":
        raise Undefined("the area of returns has no upper bound of 1: measure the score or the success")
    if not references:
        raise Undefined("there are no reference runs to compare with")
    curves, active = _curves(log, value)
    found = reference_curves(references, value, log)
    areas = []
    for block, task in enumerate(log.block_tasks):
        try:
            areas.append(area_transfer([curves[active == block, block]], found.get(str(task), ())))
        except Undefined as undefined:
            raise Undefined(f"task {task!r}: {undefined}") from undefined
    return areas


def _checked(curves: ArrayLike, active: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    table, blocks = finite_array(curves, "curves", 2), np.asarray(active, dtype=np.int64)
    expected = list(range(table.shape[1]))
    if blocks.shape != (len(table),) or (np.diff(blocks) < 0).any() or sorted(set(blocks.tolist())) != expected:
        raise ValueError(
            f"active must be one never falling block index an evaluation, with every block of {expected} in it, "
            f"found {blocks}."
        )
    return table, blocks
