"""Learning speed, forgetting and area of LIBERO (Liu et al. 2023, section 3.3), with and without its selection.

A block's *curve* is the score on its task at each evaluation while it is trained, the one before the block's first
step included (LIBERO's epoch 0). ``after`` has shape (K, K): row i is the agent after block i, column k its score on
the task of block k; only the triangle i >= k is read. LIBERO keeps the best of a block's evaluated checkpoints, so
its curves are flat after their first maximum, and that maximum is S[k][k]: the score is selected on the evaluation it
is reported from, which flatters the learner. Our metrics come in both modes, and their names say which:

* ``best``: as LIBERO. The rows after the block are those of the agent as it was trained on, not of a kept checkpoint.
* ``last``: without selection; the curve as it is, and S[k][k] is the end of the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.blocks import Scored, by_task, scored, scores_after_blocks, scores_before_training
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, finite_array

Mode: TypeAlias = Literal["best", "last"]

SOURCE = "Liu et al. 2023, LIBERO, arXiv 2306.03310, section 3.3"

FORWARD = Definition(
    family="libero",
    name="forward_transfer",
    sign="higher is better",
    window="every evaluation of the block, from the one before its first step on",
    reference="none: the speed of learning, not a comparison with learning from scratch",
    source=f"{SOURCE}, FWT; mean over every block",
)
BACKWARD = Definition(
    family="libero",
    name="negative_backward_transfer",
    sign="lower is better",
    window="1 evaluation: the end of each later block",
    reference="the agent's own score at the block",
    source=f"{SOURCE}, NBT; mean over every block, the last one contributes 0",
)
AREA = Definition(
    family="libero",
    name="area_under_curve",
    sign="higher is better",
    window="the block's mean (FWT) and the end of each later block",
    reference="none",
    source=f"{SOURCE}, AUC; mean over every block",
)
CURVES = {"best": "the curve is flat after its first maximum", "last": "the curve is taken as it is"}
DIAGONALS = {"best": "the block's best evaluation, selected on itself", "last": "the evaluation at the block's end"}


def flattened(curve: ArrayLike) -> NDArray[np.float64]:
    """Give a curve whose values after its first maximum are that maximum, shape (n,)."""
    values = finite_array(curve, "curve", 1).copy()
    if not len(values):
        raise Undefined("there is no evaluation while the task is trained")
    best = int(values.argmax())
    values[best:] = values[best]
    return values


def forward_transfer(curves: Sequence[ArrayLike], mode: Mode = "best") -> NDArray[np.float64]:
    """Give FWT_k, the mean of each block's curve, shape (K,); in the unit of the score, higher is better.

    curves: one a block, shape (n_evaluations of the block,). Raises Undefined for an empty one.
    """
    _check_mode(mode)
    whole = [flattened(curve) if mode == "best" else finite_array(curve, "curve", 1) for curve in curves]
    if any(len(curve) == 0 for curve in whole):
        raise Undefined("there is no evaluation while the task is trained")
    return np.array([curve.mean() for curve in whole], dtype=np.float64)


def negative_backward_transfer(after: ArrayLike) -> NDArray[np.float64]:
    """Give NBT_k = mean over tau > k of (S[k][k] - S[tau][k]), shape (K,); NBT is its mean.

    Positive is forgetting; the last block has 0. What stands above the diagonal is not read: LIBERO stores 0 for
    what was never evaluated. Raises Undefined for a single block.
    """
    scores = _check_rows(after)
    if len(scores) < 2:
        raise Undefined("nothing is trained after the only block, so nothing could be forgotten")
    n_later = np.arange(len(scores) - 1, -1, -1)
    drops = n_later * np.diagonal(scores) - np.tril(scores, -1).sum(axis=0)
    return np.asarray(drops / np.maximum(n_later, 1), dtype=np.float64)


def area_under_curve(forward: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Give AUC_k = (FWT_k + sum over tau > k of S[tau][k]) / (K - k + 1), k from 1, shape (K,); AUC is its mean.

    forward: FWT_k, shape (K,).
    """
    scores, speeds = _check_rows(after), finite_array(forward, "forward", 1)
    if len(speeds) != len(scores):
        raise ValueError(f"forward must have {len(scores)} entries, one a block, found {len(speeds)}.")
    totals = speeds + np.tril(scores, -1).sum(axis=0)
    return np.asarray(totals / np.arange(len(scores), 0, -1), dtype=np.float64)


def libero_metrics(
    log: EvaluationLog, *, references: References | None = None, value: Measured = "score"
) -> list[MetricValue]:
    """Give FWT, NBT and AUC of one run in both modes: ``forward_transfer_best``, ``forward_transfer_last``, ...

    FWT and AUC need the evaluation before training: without it the first block's curve would begin later than the
    others. A task trained in several blocks, which LIBERO does not have, is scored once for each of them (a later
    block of the same task then counts as remembering). References are not used.
    """
    return [metric for mode in get_args(Mode) for metric in _metrics_of(log, value, mode)]


def _metrics_of(log: EvaluationLog, value: Measured, mode: Mode) -> list[MetricValue]:
    forward, backward, area = (replace(d, name=f"{d.name}_{mode}") for d in (FORWARD, BACKWARD, AREA))
    forward = replace(forward, window=f"{forward.window}; {CURVES[mode]}")
    area = replace(area, window=f"{area.window}; {CURVES[mode]}")
    backward = replace(backward, reference=f"{backward.reference}: {DIAGONALS[mode]}")

    def speeds(log: EvaluationLog, value: Measured) -> NDArray[np.float64]:
        return forward_transfer(_curves(log, value), mode)

    def forgotten(log: EvaluationLog, value: Measured) -> Scored:
        after = scores_after_blocks(log, value)
        if mode == "best":
            curves = _curves(log, value, needs_first=False)
            np.fill_diagonal(after, [curve.max() for curve in curves])
        return _over_blocks(log, negative_backward_transfer(after))

    return [
        scored(forward, log, value, lambda log, value: _over_blocks(log, speeds(log, value))),
        scored(backward, log, value, forgotten),
        scored(
            area,
            log,
            value,
            lambda log, value: _over_blocks(
                log, area_under_curve(speeds(log, value), scores_after_blocks(log, value))
            ),
        ),
    ]


def _curves(log: EvaluationLog, value: Measured, *, needs_first: bool = True) -> list[NDArray[np.float64]]:
    """Give each block's curve, with the score at the end of the block before in front.

    needs_first: raise Undefined without an evaluation before training; else the first block's curve lacks it.
    """
    after = scores_after_blocks(log, value)
    try:
        first = [float(scores_before_training(log, value)[0])]
    except Undefined:
        if needs_first:
            raise
        first = []
    before = [first, *([score] for score in np.diagonal(after, 1).tolist())]
    return [
        np.append(start, log.block_curve(block, str(task), value)[1])
        for block, (task, start) in enumerate(zip(log.block_tasks, before, strict=True))
    ]


def _over_blocks(log: EvaluationLog, numbers: NDArray[np.float64]) -> Scored:
    per_block = numbers.tolist()
    return Scored(float(numbers.mean()), by_task(log, per_block), per_block)


def _check_rows(after: ArrayLike) -> NDArray[np.float64]:
    scores = finite_array(after, "after", 2)
    if scores.shape[0] != scores.shape[1] or not len(scores):
        raise ValueError(f"after must be square, one row and one column a block, found shape {scores.shape}.")
    return scores


def _check_mode(mode: str) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, found {mode!r}.")
