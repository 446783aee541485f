"""Accuracy, backward and forward transfer, and remembering of Díaz-Rodríguez et al. 2018, section 3.

``after`` has shape (T, T), as in :mod:`lifelong_rl.evaluation.gem`: row i is the agent after the i-th task, column j
its score on the j-th task, both in the order of training. These metrics take every cell of the triangle, where GEM's
take its edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.blocks import Scored, by_pair, scored
from lifelong_rl.evaluation.gem import check_after, training_matrix
from lifelong_rl.evaluation.log import EvaluationLog, MaskedTable
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, finite_array

SOURCE = "Díaz-Rodríguez et al. 2018, Don't forget, there is more than forgetting, arXiv 1810.13166, section 3"

ACCURACY = Definition(
    family="diaz",
    name="accuracy",
    sign="higher is better",
    window="1 evaluation: the end of each block from the task's own on",
    reference="none",
    source=f"{SOURCE}, A; mean over every pair i >= j",
)
INCREMENTAL = Definition(
    family="diaz",
    name="average_incremental_accuracy",
    sign="higher is better",
    window="1 evaluation: the end of each block",
    reference="none",
    source="Rebuffi et al. 2017, iCaRL, arXiv 1611.07725; mean over blocks of the mean over the tasks seen so far",
)
BACKWARD = Definition(
    family="diaz",
    name="backward_transfer",
    sign="higher is better",
    window="1 evaluation: the end of each later block",
    reference="the agent's own score at the end of the task's block",
    source=f"{SOURCE}, BWT; mean over every pair i > j",
)
REMEMBERING = replace(BACKWARD, name="remembering", source=f"{SOURCE}, REM = 1 - |min(BWT, 0)|")
POSITIVE = replace(BACKWARD, name="positive_backward_transfer", source=f"{SOURCE}, BWT+ = max(BWT, 0)")
FORWARD = Definition(
    family="diaz",
    name="forward_transfer",
    sign="higher is better",
    window="1 evaluation: the end of each block before the task's",
    reference="none: the score itself, without the untrained agent's taken off",
    source=f"{SOURCE}, FWT; mean over every pair i < j",
)


def accuracy(after: ArrayLike) -> float:
    """Give A, the mean of R[i][j] over i >= j; higher is better, in the unit of the score. One task is enough."""
    scores = square(after)
    return float(scores[np.tril_indices(len(scores))].mean())


def average_incremental_accuracy(after: ArrayLike) -> float:
    """Give the mean over i of the mean over j <= i of R[i][j] (Rebuffi et al. 2017); one task is enough.

    It weighs every block alike, where :func:`accuracy` weighs every pair alike.
    """
    return float(incremental_accuracies(square(after)).mean())


def incremental_accuracies(after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the mean score over the tasks seen so far after each block, shape (T,)."""
    return np.asarray(np.tril(after).sum(axis=1) / np.arange(1, len(after) + 1), dtype=np.float64)


def backward_transfers(after: ArrayLike) -> MaskedTable:
    """Give R[i][j] - R[j][j] of every pair i > j, shape (T, T), masked elsewhere; BWT is its mean.

    Higher is better, negative is forgetting. Raises Undefined for a single task.
    """
    scores = check_after(after)
    above = np.triu(np.ones_like(scores, dtype=bool))
    return np.ma.MaskedArray(np.where(above, 0.0, scores - np.diagonal(scores)), mask=above)


def forward_transfers(after: ArrayLike) -> MaskedTable:
    """Give R[i][j] of every pair i < j, shape (T, T), masked elsewhere; FWT is its mean.

    There is no baseline in it, so it is not 0 without transfer. Raises Undefined for a single task.
    """
    scores = check_after(after)
    below = np.tril(np.ones_like(scores, dtype=bool))
    return np.ma.MaskedArray(np.where(below, 0.0, scores), mask=below)


def remembering(backward: float) -> float:
    """Give REM = 1 - |min(BWT, 0)|: 1 where nothing is forgotten."""
    return 1.0 - abs(min(backward, 0.0))


def positive_backward_transfer(backward: float) -> float:
    """Give BWT+ = max(BWT, 0): 0 where later tasks did not help."""
    return max(backward, 0.0)


def square(after: ArrayLike) -> NDArray[np.float64]:
    """Give ``after`` as a finite square array with at least one task; ValueError for another shape."""
    scores = finite_array(after, "after", 2)
    return check_after(scores) if scores.shape != (1, 1) else scores


def diaz_metrics(
    log: EvaluationLog, *, references: References | None = None, value: Measured = "score"
) -> list[MetricValue]:
    """Give A, BWT, REM, BWT+ and FWT of one run, and its average incremental accuracy.

    They take the evaluations at the ends of blocks, and are undefined where a task is trained in more than one block,
    as GEM's are: the matrix has one row a task. REM and BWT+ of a task are those of the task's own mean BWT. In
    ``per_pair`` stands each pair (trained task -> evaluated task). References are not used.
    """
    return [
        scored(ACCURACY, log, value, _accuracy),
        scored(INCREMENTAL, log, value, _incremental),
        scored(BACKWARD, log, value, lambda log, value: _of_pairs(log, value, backward_transfers)),
        scored(REMEMBERING, log, value, lambda log, value: _of_backward(log, value, remembering)),
        scored(POSITIVE, log, value, lambda log, value: _of_backward(log, value, positive_backward_transfer)),
        scored(FORWARD, log, value, lambda log, value: _of_pairs(log, value, forward_transfers)),
    ]


def _accuracy(log: EvaluationLog, value: Measured) -> Scored:
    order, after = training_matrix(log, value)
    means = np.tril(after).sum(axis=0) / np.arange(len(after), 0, -1)
    return Scored(accuracy(after), dict(zip(order, means.tolist(), strict=True)))


def _incremental(log: EvaluationLog, value: Measured) -> Scored:
    _, after = training_matrix(log, value)
    return Scored(average_incremental_accuracy(after), {}, incremental_accuracies(after).tolist())


def _of_pairs(
    log: EvaluationLog,
    value: Measured,
    pairs_of: Callable[[ArrayLike], MaskedTable],
) -> Scored:
    order, after = training_matrix(log, value)
    pairs = pairs_of(after)
    has_pair: NDArray[np.bool_] = np.logical_not(np.ma.getmaskarray(pairs).all(axis=0))
    means = pairs.mean(axis=0).compressed().tolist()
    per_task = dict(zip([task for task, has in zip(order, has_pair, strict=True) if has], means, strict=True))
    wide = np.ma.MaskedArray(np.zeros((len(order), len(log.tasks))), mask=True)
    wide[:, [log.tasks.index(task) for task in order]] = pairs
    return Scored(float(pairs.mean()), per_task, (), by_pair(log, wide))


def _of_backward(log: EvaluationLog, value: Measured, take: Callable[[float], float]) -> Scored:
    order, after = training_matrix(log, value)
    pairs = backward_transfers(after)
    means = dict(zip(order[:-1], pairs.mean(axis=0).compressed().tolist(), strict=True))
    return Scored(take(float(pairs.mean())), {task: take(number) for task, number in means.items()})
