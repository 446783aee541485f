"""Average accuracy, backward and forward transfer of Lopez-Paz and Ranzato 2017 ("GEM", section 2).

In the formulas T tasks are trained once each, one after the other. ``after`` has shape (T, T): row i is the agent
after the i-th task, column j its score on the j-th task (both in the order of training). ``before`` has shape
(T,): the untrained agent. Higher scores are better.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import (
    Definition,
    MetricValue,
    References,
    check_finished,
    finite_array,
    trained_columns,
)

SOURCE = "Lopez-Paz and Ranzato 2017, Gradient Episodic Memory, arXiv 1706.08840, section 2"

ACCURACY = Definition(
    family="gem",
    name="average_accuracy",
    sign="higher is better",
    window="1 evaluation: the end of the last block",
    reference="none",
    source=f"{SOURCE}, ACC; mean over every evaluated task",
)
BACKWARD = Definition(
    family="gem",
    name="backward_transfer",
    sign="higher is better",
    window="1 evaluation: the end of each block",
    reference="the agent's own score at the end of the task's block",
    source=f"{SOURCE}, BWT; mean over every trained task but the last",
)
FORWARD = Definition(
    family="gem",
    name="forward_transfer",
    sign="higher is better",
    window="1 evaluation: the end of the block before the task's",
    reference="the untrained agent's score",
    source=f"{SOURCE}, FWT; mean over every trained task but the first",
)


def average_accuracy(last: ArrayLike) -> float:
    """Give the mean score over tasks at the end of training: ACC = mean_j R[T][j].

    last: shape (n_tasks,), the final row of ``after``. Higher is better, in the unit of the score.
    """
    return float(finite_array(last, "last", 1).mean())


def backward_transfer(after: ArrayLike) -> NDArray[np.float64]:
    """Give R[T][j] - R[j][j] of every task but the last, shape (T - 1,); BWT is its mean.

    Higher is better, negative is forgetting. Raises Undefined for a single task.
    """
    scores = check_after(after)
    return np.asarray(scores[-1] - np.diagonal(scores), dtype=np.float64)[:-1]


def forward_transfer(after: ArrayLike, before: ArrayLike) -> NDArray[np.float64]:
    """Give R[j-1][j] - b[j] of every task but the first, shape (T - 1,); FWT is its mean.

    before: shape (T,), the untrained agent's scores. Higher is better, neutral is 0.
    Raises Undefined for a single task.
    """
    scores = check_after(after)
    untrained = finite_array(before, "before", 1)
    if len(untrained) != len(scores):
        raise ValueError(f"before must have {len(scores)} entries, one a task, found {len(untrained)}.")
    return np.diagonal(scores, offset=1) - untrained[1:]


def check_after(after: ArrayLike) -> NDArray[np.float64]:
    """Give ``after`` as a finite square array; Undefined for a single task, ValueError for another shape."""
    scores = finite_array(after, "after", 2)
    if scores.shape[0] != scores.shape[1]:
        raise ValueError(f"after must be square, one row and one column a task, found shape {scores.shape}.")
    if len(scores) < 2:
        raise Undefined("transfer and forgetting need at least two trained tasks, found one")
    return scores


def gem_metrics(
    log: EvaluationLog, *, references: References | None = None, value: Measured = "score"
) -> list[MetricValue]:
    """Give ACC, BWT and FWT of one run, from the evaluations at the ends of its blocks.

    ACC is over every evaluated task. BWT and FWT are over the trained tasks; they are undefined where a task is
    trained in more than one block, since the formula has one row a task. References are not used.
    """
    return [
        ACCURACY.mean_over_tasks(log, value, _accuracy_by_task),
        BACKWARD.mean_over_tasks(log, value, _backward_by_task),
        FORWARD.mean_over_tasks(log, value, _forward_by_task),
    ]


def _accuracy_by_task(log: EvaluationLog, value: Measured) -> dict[str, float]:
    return dict(zip(log.tasks, final_row(log, value).tolist(), strict=True))


def _backward_by_task(log: EvaluationLog, value: Measured) -> dict[str, float]:
    order, after = training_matrix(log, value)
    return dict(zip(order[:-1], backward_transfer(after).tolist(), strict=True))


def _forward_by_task(log: EvaluationLog, value: Measured) -> dict[str, float]:
    order, after = training_matrix(log, value)
    check_after(after)  # "a single task" is a better reason than a missing evaluation before training
    gains = forward_transfer(after, _untrained(log, value, order))
    return dict(zip(order[1:], gains.tolist(), strict=True))


def final_row(log: EvaluationLog, value: Measured) -> NDArray[np.float64]:
    """Give the score on every task at the end of the run, shape (n_tasks,); Undefined for an unfinished run."""
    check_finished(log)
    return np.asarray(log.matrix(value)[-1], dtype=np.float64)


def training_matrix(log: EvaluationLog, value: Measured) -> tuple[list[str], NDArray[np.float64]]:
    """Give the trained tasks in order and their matrix ``after``, shape (T, T).

    Tasks that are evaluated but never trained are left out. Raises Undefined where the log has no such matrix:
    a block without a fixed task, a repeated task, a missing evaluation.
    """
    columns = trained_columns(log)
    order = [log.tasks[column] for column in columns]
    for task, n_blocks in Counter(order).items():
        if n_blocks > 1:
            blocks = [str(block) for block, trained in enumerate(order) if trained == task]
            raise Undefined(
                f"task {task!r} is trained in blocks {', '.join(blocks)}; this family needs each task once"
            )
    after = log.matrix(value)[1:, columns]
    gaps = np.argwhere(np.ma.getmaskarray(after))
    if len(gaps):
        block, column = gaps[0]
        raise Undefined(f"task {order[column]!r} was not evaluated at the end of block {block}")
    return order, np.asarray(after, dtype=np.float64)


def _untrained(log: EvaluationLog, value: Measured, order: list[str]) -> NDArray[np.float64]:
    if log.at[0] != "start":
        raise Undefined("there is no evaluation before training to compare with")
    before = log.matrix(value)[0, [log.tasks.index(task) for task in order]]
    if np.ma.is_masked(before):
        missing = [task for task, gap in zip(order, np.ma.getmaskarray(before), strict=True) if gap]
        raise Undefined(f"not evaluated before training: {', '.join(missing)}")
    return np.asarray(before, dtype=np.float64)
