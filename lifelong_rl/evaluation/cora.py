"""Isolated forgetting and zero-shot forward transfer of CORA (Powers et al. 2022), what one block does to one task.

A block's *region* is its evaluations. Both metrics are the change over a region, (last score inside it) minus (last
score before it), of a task that the region does not train for the first time: forgetting (with the sign turned) for
tasks that were trained before, zero-shot transfer for tasks that are trained later. CORA's regions leave out an
evaluation exactly on a boundary; here the evaluation at the end of a block is inside it, and is the last one before
the next region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.blocks import Scored, by_pair, scored
from lifelong_rl.evaluation.log import EvaluationLog, MaskedTable
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, trained_columns

Scales: TypeAlias = Mapping[str, float] | float
"""What scores are divided by: one number for all tasks, or one a task id; above 0."""

SOURCE = "Powers et al. 2022, CORA, arXiv 2110.10067, section 4"

FORGETTING = Definition(
    family="cora",
    name="isolated_forgetting",
    sign="lower is better",
    window="",
    reference="the agent's own score just before the block",
    source=f"{SOURCE}; mean over every (task trained before, block), relearning counts as negative",
)
TRANSFER = Definition(
    family="cora",
    name="zero_shot_forward_transfer",
    sign="higher is better",
    window="",
    reference="the agent's own score just before the block",
    source=f"{SOURCE}; mean over every (task trained later, block)",
)


def moving_average(curves: ArrayLike, n_evaluations: int) -> NDArray[np.float64]:
    """Give the mean of each score and those before it, at most ``n_evaluations`` in all, shape (n, n_tasks).

    CORA smooths so (20 evaluations) before it scores. The mean does not stop at the boundary of a block, so the first
    values of a block hold what was scored in the block before.
    """
    table = np.asarray(curves, dtype=np.float64)
    if n_evaluations < 1:
        raise ValueError(f"moving_average must be at least 1 evaluation, found {n_evaluations}.")
    if n_evaluations == 1 or not len(table):
        return table
    n = np.minimum(np.arange(1, len(table) + 1), n_evaluations)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(table, ((n_evaluations - 1, 0), (0, 0))), n_evaluations, axis=0
    )
    return np.asarray(windows.sum(axis=-1) / n[:, None], dtype=np.float64)


def largest(runs: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Give each task's largest |score| over the runs of one model, shape (n_tasks,); 1 where all scores are 0.

    runs: one array of shape (n_evaluations, n_tasks) a run. This is CORA's scale: two models have two of them.
    """
    found = np.max([np.ma.filled(np.ma.abs(np.ma.asarray(run)).max(axis=0), 0.0) for run in runs], axis=0)
    return np.where(found > 0, found, 1.0)


def changes(curves: ArrayLike, regions: ArrayLike, *, from_first_value: bool = False) -> MaskedTable:
    """Give (last score inside each region) - (last score before it) of every task, shape (n_regions, n_tasks).

    curves: shape (n_evaluations, n_tasks), masked where a task was not evaluated. regions: shape (n_evaluations,),
    the index of the region of each evaluation, never falling; -1 before any training. from_first_value: where nothing
    stands before a region, compare with the run's first value, as CORA does for its first region. Masked where there
    is no score inside or before.
    """
    table = np.ma.asarray(curves, dtype=np.float64)
    of_region = np.asarray(regions, dtype=np.int64)
    if table.ndim != 2 or of_region.shape != (len(table),) or (np.diff(of_region) < 0).any():
        raise ValueError(f"regions must be one never falling index an evaluation, found {of_region}.")
    values, is_known = table.filled(0.0), ~np.ma.getmaskarray(table)
    latest = np.maximum.accumulate(np.where(is_known, np.arange(len(table))[:, None], -1), axis=0)
    latest = np.vstack([latest, np.full(latest.shape[1], -1)])  # row -1: before the first evaluation
    n_regions = int(of_region.max(initial=-1)) + 1
    starts = np.searchsorted(of_region, np.arange(n_regions))
    inside = latest[np.searchsorted(of_region, np.arange(n_regions), side="right") - 1]
    before = latest[starts - 1]
    if from_first_value and len(table):
        before = np.where(before < 0, np.where(is_known.any(axis=0), is_known.argmax(axis=0), -1), before)
    columns = np.arange(table.shape[1])
    is_missing = (inside < starts[:, None]) | (before < 0)
    return np.ma.MaskedArray(values[inside, columns] - values[before, columns], mask=is_missing)


def pairs_of(trained: Sequence[int], n_tasks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give which (block, task) pairs are forgetting and which zero-shot transfer, each of shape (n_blocks, n_tasks).

    trained: the column of each block's task. Forgetting: the task is trained in an earlier block; the block's own
    task counts when it is trained again ("relearning"). Transfer: its first block comes later. In CORA's cycles these
    are j > i in the first cycle and all pairs in the later ones, and j < i in the first cycle.
    """
    blocks = np.arange(len(trained))
    first = np.full(n_tasks, len(trained))
    np.minimum.at(first, np.asarray(trained, dtype=np.int64), blocks)
    is_trained = first < len(trained)
    return first[None] < blocks[:, None], (first[None] > blocks[:, None]) & is_trained


def cora_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    moving_average: int = 1,
    scales: Scales | None = None,
) -> list[MetricValue]:
    """Give isolated forgetting and zero-shot forward transfer of one run.

    moving_average: evaluations averaged before scoring; CORA takes 20. scales: what scores are divided by. None takes
    the largest |score| of each task in this run, as CORA does over a model's runs (:func:`largest` gives that for
    several): every model then has a scale of its own. To compare agents, give the same scales to all of them.
    In ``per_pair`` stands trained task -> other task -> one number for each block of the trained task, None where the
    definition has none. ``value`` is the mean over all pairs, ``per_task`` over those that happen to the task.
    """
    average = f"the mean of the last {moving_average} evaluations" if moving_average > 1 else "1 evaluation:"
    window = f"{average} at the end of the block and just before it"
    divided = "largest value in this run" if scales is None else "given scale"
    source = f"; scores divided by the task's {divided}"
    forgetting, transfer = (replace(d, window=window, source=d.source + source) for d in (FORGETTING, TRANSFER))

    def compute(log: EvaluationLog, value: Measured, which: int, sign: float) -> Scored:
        table = sign * _changes(log, value, moving_average, scales)
        return _over_pairs(log, table, pairs_of(trained_columns(log).tolist(), len(log.tasks))[which], which)

    return [
        scored(forgetting, log, value, lambda log, value: compute(log, value, 0, -1.0)),
        scored(transfer, log, value, lambda log, value: compute(log, value, 1, 1.0)),
    ]


def _changes(log: EvaluationLog, value: Measured, n_average: int, scales: Scales | None) -> MaskedTable:
    trained_columns(log)  # its reasons are better than a missing number
    curves: MaskedTable = log.scores(value)
    if n_average != 1:
        gaps = np.argwhere(np.ma.getmaskarray(curves))
        if len(gaps):
            raise Undefined(f"task {log.tasks[gaps[0][1]]!r} was not evaluated at step {log.steps[gaps[0][0]]}")
        curves = np.ma.asarray(moving_average(curves, n_average))
    regions = np.where([moment == "start" for moment in log.at], -1, log.blocks)
    divisor = largest([curves]) if scales is None else _given(scales, log.tasks)
    found: MaskedTable = changes(curves, regions) / divisor
    return found


def _over_pairs(log: EvaluationLog, table: MaskedTable, selected: NDArray[np.bool_], which: int) -> Scored:
    if not selected.any():
        raise Undefined(
            "there is no pair: "
            + ("no task is trained before another block" if which == 0 else "no task is trained after another one")
        )
    missing = np.argwhere(selected & np.ma.getmaskarray(table))
    pairs = np.ma.MaskedArray(table.filled(0.0), mask=~selected | np.ma.getmaskarray(table))
    of_task = {
        task: float(pairs[:, column].mean())
        for column, task in enumerate(log.tasks)
        if selected[:, column].any() and not (selected & np.ma.getmaskarray(table))[:, column].any()
    }
    value, reason = (None, _reason(log, *missing[0])) if len(missing) else (float(pairs.mean()), "")
    return Scored(value, of_task, (), by_pair(log, pairs), reason)


def _reason(log: EvaluationLog, block: int, column: int) -> str:
    if block == 0 and log.at[0] != "start":
        return "there is no evaluation before training to compare with"
    return f"task {log.tasks[column]!r} was not evaluated in block {block} or before it"


def _given(scales: Scales, tasks: Sequence[str]) -> NDArray[np.float64]:
    numbers = {task: scales.get(task) if isinstance(scales, Mapping) else scales for task in tasks}
    for task, number in numbers.items():
        if number is None or not (np.isfinite(number) and number > 0):
            raise ValueError(f"scales must give task {task!r} a number above 0, found {number!r}.")
    return np.array(list(numbers.values()), dtype=np.float64)
