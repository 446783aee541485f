"""The two forgetting formulas and the relative forward transfer of MEAL (Tomilin et al. 2025).

A curve is the score on one task at every evaluation of the run, shape (n_evaluations,), without the one before
training. MEAL's code fills what is missing with zeros and leaves tasks whose reference is near 0 out of the mean;
here either makes the number undefined, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lifelong_rl.evaluation import cw
from lifelong_rl.evaluation.blocks import Numbers, Scored, by_task, mean, scored, scores_while_training
from lifelong_rl.evaluation.cw import check_window, reference_curves
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, finite_array, trained_columns

WINDOW = 10
"""Evaluations whose mean is the final score: MEAL's number."""

DECAY = 2.0
"""How fast a later drop loses weight, over the time after the block: MEAL's lambda."""

MINIMUM_REFERENCE = 0.01
"""Smallest reference area, and smallest learned score, by which is divided. MEAL takes 1e-8."""

SOURCE = "Tomilin et al. 2025, MEAL, arXiv 2506.14990; experiments/results/plotting/utils/metrics.py"

WEIGHTED = Definition(
    family="meal",
    name="weighted_forgetting",
    sign="lower is better",
    window="every evaluation after the block, the first ones with the largest weight",
    reference="the agent's own score at the end of the block, by which the drop is divided",
    source=f"{SOURCE}, 'weighted'; mean over every block but the last, in [0, 1]",
)
PEAK = Definition(
    family="meal",
    name="peak_forgetting",
    sign="lower is better",
    window="",
    reference="the agent's own best score at any evaluation",
    source=f"{SOURCE}, 'peak_final'; mean over every trained task, at least 0",
)
FORWARD = replace(
    cw.FORWARD,
    family="meal",
    reference="area under the curves of single-task runs",
    source=f"{SOURCE}; mean over every block of (AUC - AUCb) / AUCb",
)
DIFFERENCE = replace(
    FORWARD, name="forward_transfer_difference", source=f"the numerator of {SOURCE}: mean over blocks of AUC - AUCb"
)


def weighted_forgetting(
    curve: ArrayLike, end: int, *, decay: float = DECAY, minimum: float = MINIMUM_REFERENCE
) -> float:
    """Give the weighted mean of the relative drops max(0, p - c[t]) / p after the block, in [0, 1].

    end: index of the evaluation at the end of the block, p its score. The weight of the i-th of n later evaluations
    is exp(-decay i / (n - 1)), i from 0. Raises Undefined where nothing comes after and where p is below ``minimum``.
    """
    values = finite_array(curve, "curve", 1)
    if not 0 <= end < len(values):
        raise ValueError(f"end must be the index of one of the {len(values)} evaluations, found {end}.")
    learned, later = values[end], values[end + 1 :]
    if not len(later):
        raise Undefined("there is no evaluation after the block")
    if learned < minimum:
        raise Undefined(f"the score at the end of the block is {learned:.3g}, below the {minimum:g} to divide by")
    weights = np.exp(-decay * np.arange(len(later)) / max(len(later) - 1, 1))
    drops = np.maximum(learned - later, 0.0) / learned
    return float(np.clip((weights * drops).sum() / weights.sum(), 0.0, 1.0))


def peak_forgetting(curve: ArrayLike, window: int = WINDOW) -> float:
    """Give max(0, best score of the curve - mean of the last ``window``); Undefined for a shorter curve."""
    values = finite_array(curve, "curve", 1)
    check_window(window)
    if len(values) < window:
        raise Undefined(f"the run has {len(values)} evaluation(s), fewer than the window of {window}")
    return max(0.0, float(values.max() - values[-window:].mean()))


def area(curve: ArrayLike) -> float:
    """Give the trapezoid area divided by the number of evaluations; a single one is its own area.

    The division is MEAL's: of a constant curve of n evaluations it gives (n - 1) / n of the constant.
    """
    values = finite_array(curve, "curve", 1)
    if not len(values):
        raise Undefined("there is no evaluation while the task is trained")
    if len(values) == 1:
        return float(values[0])
    return float((values.sum() - (values[0] + values[-1]) / 2) / len(values))


def relative_gain(run: float, reference: float, *, minimum: float = MINIMUM_REFERENCE) -> float:
    """Give (AUC - AUCb) / AUCb: neutral 0, at least -1, unbounded above; Undefined for AUCb below ``minimum``."""
    if reference < minimum:
        raise Undefined(f"AUCb is {reference:.3g}, below the {minimum:g} that a ratio needs")
    return (run - reference) / reference


def meal_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    window: int = WINDOW,
    minimum: float = MINIMUM_REFERENCE,
) -> list[MetricValue]:
    """Give both kinds of forgetting, and forward transfer (as ratio and as difference) of one run.

    references: as for the family ``cw``. window: evaluations of the final score. minimum: smallest number to divide
    by. A task trained in several blocks counts once a block in all but ``peak_forgetting``, which looks at the whole
    curve of each trained task. The relative ones are undefined for returns, which may be negative.
    """
    check_window(window)
    peak = replace(PEAK, window=f"last {window} evaluations; the best is one evaluation")
    return [
        scored(WEIGHTED, log, value, lambda log, value: _weighted(log, value, minimum)),
        scored(peak, log, value, lambda log, value: _peak(log, value, window)),
        scored(FORWARD, log, value, lambda log, value: _transfer(log, value, references or {}, minimum)),
        scored(DIFFERENCE, log, value, lambda log, value: _transfer(log, value, references or {}, None)),
    ]


def _weighted(log: EvaluationLog, value: Measured, minimum: float) -> Scored:
    columns = trained_columns(log)
    if value == "return":
        raise Undefined("a drop of returns cannot be divided by a return: measure the score or the success")
    if len(columns) < 2:
        raise Undefined("nothing is trained after the only block, so nothing could be forgotten")
    table, blocks = scores_while_training(log, value)
    ends = np.searchsorted(blocks, np.arange(len(columns)), side="right") - 1
    per_block: list[float | None] = []
    reasons = []
    for block, (column, end) in enumerate(zip(columns[:-1], ends, strict=False)):
        try:
            if np.ma.is_masked(table[:, column]):
                raise Undefined("it was not evaluated at every evaluation")
            per_block.append(weighted_forgetting(table[:, column], int(end), minimum=minimum))
        except Undefined as undefined:
            per_block.append(None)
            reasons.append(f"task {log.block_tasks[block]!r}: {undefined}")
    return _over_blocks(log, [*per_block, None], reasons, left_out=len(per_block))


def _peak(log: EvaluationLog, value: Measured, window: int) -> Scored:
    columns = list(dict.fromkeys(trained_columns(log).tolist()))
    table, blocks = scores_while_training(log, value)
    if (n := int((blocks == blocks[-1]).sum())) < window:
        raise Undefined(f"the last block has {n} evaluation(s), fewer than the window of {window}")
    per_task = {}
    for column in columns:
        if np.ma.is_masked(table[:, column]):
            raise Undefined(f"task {log.tasks[column]!r} was not evaluated at every evaluation")
        per_task[log.tasks[column]] = peak_forgetting(table[:, column], window)
    return Scored(mean(list(per_task.values())), per_task)


def _transfer(log: EvaluationLog, value: Measured, references: References, minimum: float | None) -> Scored:
    """Give the mean over blocks of the relative gain, or of the plain one where ``minimum`` is None."""
    trained_columns(log)
    if value == "return":
        raise Undefined("areas of returns may be negative: measure the score or the success")
    if not references:
        raise Undefined("there are no reference runs to compare with")
    found = reference_curves(references, value, log)
    per_block: list[float | None] = []
    reasons = []
    for block, task in enumerate(log.block_tasks):
        try:
            run, reference = areas(log.block_curve(block, str(task), value)[1], found.get(str(task), ()))
            gain = run - reference if minimum is None else relative_gain(run, reference, minimum=minimum)
            per_block.append(gain)
        except Undefined as undefined:
            per_block.append(None)
            reasons.append(f"task {task!r}: {undefined}")
    return _over_blocks(log, per_block, reasons)


def areas(curve: ArrayLike, references: Sequence[ArrayLike]) -> tuple[float, float]:
    """Give the area of one block's curve and the mean area of its reference curves, all cut to the shortest."""
    if len(references) == 0:
        raise Undefined("there is no reference run")
    own, others = finite_array(curve, "curve", 1), [finite_array(c, "a reference curve", 1) for c in references]
    n = min(len(c) for c in (own, *others))
    return area(own[:n]), float(np.mean([area(c[:n]) for c in others]))


def _over_blocks(
    log: EvaluationLog, per_block: Numbers, reasons: Sequence[str], left_out: int | None = None
) -> Scored:
    table = by_task(log, per_block, left_out)
    if reasons:
        return Scored(None, table, per_block, reason="; ".join(dict.fromkeys(reasons)))
    return Scored(mean([number for i, number in enumerate(per_block) if i != left_out]), table, per_block)
