"""Scores by block and the tables made from them, for families that score every occurrence of a task by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.log import EvaluationLog, MaskedTable
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, PerPair, trained_columns

Numbers: TypeAlias = Sequence[float | None]


@dataclass(frozen=True)
class Scored:
    """What one metric gives for one run; the fields are those of :class:`MetricValue`."""

    value: float | None
    per_task: Mapping[str, float | None] = field(default_factory=dict)
    """Tasks that are left out have no value."""
    per_block: Numbers = ()
    per_pair: PerPair = field(default_factory=dict)
    reason: str = ""


def scored(
    definition: Definition, log: EvaluationLog, value: Measured, compute: Callable[[EvaluationLog, Measured], Scored]
) -> MetricValue:
    """Give the metric that ``compute`` finds, or the reason of its Undefined; every task is in its table."""
    definition = replace(definition, measured=value)
    try:
        found = compute(log, value)
    except Undefined as undefined:
        return definition.undefined(str(undefined), dict.fromkeys(log.tasks))
    per_task = {task: found.per_task.get(task) for task in log.tasks}
    if found.value is None:
        return definition.undefined(found.reason, per_task, found.per_block, found.per_pair)
    return definition.defined(found.value, per_task, found.per_block, found.per_pair)


def scores_after_blocks(log: EvaluationLog, value: Measured) -> NDArray[np.float64]:
    """Give the score on each block's task at the end of every block, shape (n_blocks, n_blocks).

    Row i is the agent after block i, column k the task that block k trains; a task trained in several blocks has
    a column for each of them. Undefined for an unfinished run, a block without a fixed task, and a gap.
    """
    table = log.matrix(value)[1:, trained_columns(log)]
    gaps = np.argwhere(np.ma.getmaskarray(table))
    if len(gaps):
        block, k = gaps[0]
        raise Undefined(f"task {log.block_tasks[k]!r} was not evaluated at the end of block {block}")
    return np.asarray(table, dtype=np.float64)


def scores_before_training(log: EvaluationLog, value: Measured) -> NDArray[np.float64]:
    """Give the untrained agent's score on each block's task, shape (n_blocks,); Undefined where it is missing."""
    if log.at[0] != "start":
        raise Undefined("there is no evaluation before training to compare with")
    row = log.matrix(value)[0, trained_columns(log)]
    missing = np.flatnonzero(np.ma.getmaskarray(row))
    if len(missing):
        names = dict.fromkeys(str(log.block_tasks[k]) for k in missing)
        raise Undefined(f"not evaluated before training: {', '.join(names)}")
    return np.asarray(row, dtype=np.float64)


def scores_while_training(log: EvaluationLog, value: Measured) -> tuple[MaskedTable, NDArray[np.int64]]:
    """Give the scores without those before training, shape (n, n_tasks), and the block of each, shape (n,)."""
    is_trained = np.array([moment != "start" for moment in log.at])
    return log.scores(value)[is_trained], log.blocks[is_trained]


def by_task(log: EvaluationLog, per_block: Numbers, left_out: int | None = None) -> dict[str, float | None]:
    """Give each task's mean over its blocks; None for a task without a block or with an undefined one.

    left_out: the block that the definition does not count.
    """
    found: dict[str, list[float | None]] = {}
    for block, (task, number) in enumerate(zip(log.block_tasks, per_block, strict=True)):
        if task is not None and block != left_out:
            found.setdefault(task, []).append(number)
    return {task: mean(found.get(task, ())) for task in log.tasks}


def by_pair(log: EvaluationLog, table: MaskedTable) -> PerPair:
    """Give a table of shape (n_blocks, n_tasks) as trained task -> evaluated task -> one number a block of the first.

    Masked entries are None; pairs without any number are left out.
    """
    blocks_of: dict[str, list[int]] = {}
    for block, task in enumerate(log.block_tasks):
        blocks_of.setdefault(str(task), []).append(block)
    is_known = ~np.ma.getmaskarray(table)
    numbers = table.filled(0.0).tolist()
    pairs: dict[str, dict[str, tuple[float | None, ...]]] = {}
    for trained, blocks in blocks_of.items():
        row = {
            log.tasks[column]: tuple(numbers[b][column] if is_known[b, column] else None for b in blocks)
            for column in np.flatnonzero(is_known[blocks].any(axis=0))
        }
        if row:
            pairs[trained] = row
    return pairs


def mean(numbers: Numbers) -> float | None:
    """Give the mean; None where there is nothing or something is undefined."""
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(numbers) else None
