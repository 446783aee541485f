"""The freeze gap: what an agent would have lost had it stopped learning at some moment.

A problem is one of continual reinforcement learning where no agent that ever stops its search is among the best
(Abel et al. 2023, A Definition of Continual Reinforcement Learning, arXiv 2307.11046). The gap of a moment t is the
mean score of the learner over the rest of the stream, minus that of its copy frozen at t. No copy has to be run for
it: an evaluation is deterministic (fixed seeds, no exploration), so that a copy frozen at t would have scored at
every later evaluation, on every task, just what the learner scored at t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.measured import Undefined


@dataclass(frozen=True)
class StoppingRegret:
    """The most that stopping would have cost."""

    value: float
    """The largest freeze gap, in the unit of the score; about 0 where one may as well stop."""
    point: int
    """The evaluation at which stopping would have cost that."""


def freeze_gap(scores: ArrayLike, active: ArrayLike, steps: ArrayLike | None = None) -> np.ma.MaskedArray:
    """Give the freeze gap of each evaluation, shape (n_points,), in the unit of the score; positive: learning paid.

    scores: shape (n_points, n_tasks), in order, masked or NaN where a task was not evaluated. active: shape
    (n_points,), the column of the task that is trained from each evaluation to the next; negative where none is, or
    where it is not one of the columns. steps: shape (n_points,), environment steps at each evaluation, increasing (or
    equal, for an interval that then counts nothing); without them every interval counts alike.

    Between two evaluations the learner's score on the task in training counts as the mean of both ends (the trapezoid
    rule): an evaluation at a block's end would else count the next task as the learner has never seen it. The gap of
    point t is the mean over the intervals from t on, each as long as its steps:

        gap(t) = mean_i [(S[i, k_i] + S[i + 1, k_i]) / 2 - S[t, k_i]],   k_i = active[i],   i = t, ..., n_points - 2

    Intervals with a masked score in them are left out; a gap without any is masked, and so is the last one.
    """
    table, columns, lengths = _checked(scores, active, steps)
    n_points = len(table)
    gaps = np.ma.masked_array(np.zeros(n_points), mask=True)
    rows = np.flatnonzero(columns[:-1] >= 0)
    trained = columns[rows]
    learner = (table[rows, trained] + table[rows + 1, trained]) / 2
    for point in range(n_points - 1):
        later = rows >= point
        lead = learner[later] - table[point, trained[later]]
        weights = np.where(np.ma.getmaskarray(lead), 0.0, lengths[rows[later]])
        if weights.sum() > 0:
            gaps[point] = float(np.ma.filled(lead, 0.0) @ weights / weights.sum())
    return gaps


def regret_of_stopping(
    scores: ArrayLike, active: ArrayLike, steps: ArrayLike | None = None, *, since: int = 0
) -> StoppingRegret:
    """Give the largest freeze gap from the evaluation ``since`` on: max over t of gap(t).

    Whoever learned anything lost something by stopping untrained. To ask whether a stream never lets one stop, choose
    a ``since`` by which the agent would have converged on a task that stays. A maximum leans on noise: the last gaps
    are means over few intervals. Other arguments as for :func:`freeze_gap`. Raises Undefined where no gap is defined.
    """
    gaps = freeze_gap(scores, active, steps)
    if not 0 <= since < len(gaps):
        raise ValueError(f"since must be one of the {len(gaps)} evaluations, counted from 0, found {since}.")
    if not gaps[since:].count():
        raise Undefined(f"no task in training was evaluated on from evaluation {since} to the end")
    point = since + int(np.ma.argmax(gaps[since:]))
    return StoppingRegret(float(gaps[point]), point)


def _checked(
    scores: ArrayLike, active: ArrayLike, steps: ArrayLike | None
) -> tuple[np.ma.MaskedArray, NDArray[np.int64], NDArray[np.float64]]:
    """Give the table, the columns and the intervals' lengths, shape (n_points - 1,); ValueError for other shapes."""
    table = np.ma.masked_invalid(np.ma.masked_array(scores, dtype=np.float64))
    if table.ndim != 2:
        raise ValueError(f"scores must have one row an evaluation and one column a task, found shape {table.shape}.")
    columns = np.asarray(active, dtype=np.int64)
    if columns.shape != (len(table),) or np.any(columns >= table.shape[1]):
        raise ValueError(
            f"active must hold a column of scores {table.shape} for each evaluation, found {columns.tolist()}."
        )
    times = np.arange(len(table), dtype=np.float64) if steps is None else np.asarray(steps, dtype=np.float64)
    if times.shape != (len(table),) or not np.all(np.diff(times) >= 0):
        raise ValueError(f"steps must hold {len(table)} numbers that never fall, found {times.tolist()}.")
    return table, columns, np.diff(times)
