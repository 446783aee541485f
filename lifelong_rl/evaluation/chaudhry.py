"""Forgetting of Chaudhry et al. 2018: the best earlier score minus the final one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.gem import check_after, training_matrix
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References

SOURCE = "Chaudhry et al. 2018, Riemannian Walk, arXiv 1801.10112"

FORGETTING = Definition(
    family="chaudhry",
    name="forgetting",
    sign="lower is better",
    window="1 evaluation: the end of each block",
    reference="the agent's own best score at the end of an earlier block",
    source=f"{SOURCE}; mean over every trained task but the last",
)


def forgetting(after: ArrayLike, *, from_own_training: bool = False) -> NDArray[np.float64]:
    """Give max_{l<T} R[l][j] - R[T][j] of every task but the last, shape (T - 1,); forgetting is its mean.

    after: shape (T, T), as in :mod:`lifelong_rl.evaluation.gem`. Positive is forgetting; never below -BWT.
    from_own_training: take the maximum only over l >= j, so that a score before the task's own training
    cannot be the best one. Raises Undefined for a single task.
    """
    scores = check_after(after)
    earlier = scores[:-1, :-1]
    if from_own_training:
        earlier = np.where(np.tril(np.ones_like(earlier, dtype=bool)), earlier, -np.inf)
    return np.asarray(earlier.max(axis=0) - scores[-1, :-1], dtype=np.float64)


def chaudhry_metrics(
    log: EvaluationLog, *, references: References | None = None, value: Measured = "score"
) -> list[MetricValue]:
    """Give the forgetting of one run, from the evaluations at the ends of its blocks.

    Undefined where a task is trained in more than one block. References are not used.
    """
    return [FORGETTING.mean_over_tasks(log, value, _forgetting_by_task)]


def _forgetting_by_task(log: EvaluationLog, value: Measured) -> dict[str, float]:
    order, after = training_matrix(log, value)
    return dict(zip(order[:-1], forgetting(after).tolist(), strict=True))
