"""How much of a fixed test set a run masters, at its end and on the way: made for curricula.

``scores`` has shape (n_evaluations, n_tasks): the evaluated tasks are the test set, and no block needs
a fixed task. A mean hides the tasks that stay unsolved, so the mastered share and the mean over the worst tenth
stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.blocks import Scored, scored
from lifelong_rl.evaluation.gem import final_row
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References, check_finished, finite_array

THRESHOLD = 0.75
"""Score, or share of successful episodes, above which a task counts as mastered: that of the teachers' benchmark."""

WORST_SHARE = 0.1
"""Share of the test tasks in the worst tail."""

PORTELAS = "Portelas et al. 2020, Teacher algorithms, arXiv 1910.07224: mastered share of a fixed test set"
ROCKAFELLAR = "Rockafellar and Uryasev 2000, Optimization of conditional value-at-risk: mean over the worst tail"
_Summary: TypeAlias = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""From scores of shape (n, n_tasks) to the summary of each evaluation (n,) and each task's part (n, n_tasks)."""

AREA = "; trapezoid area over environment steps, divided by the span"

MASTERY = Definition(
    family="generalisation",
    name="mastery_rate",
    sign="higher is better",
    window="1 evaluation: the end of the last block",
    reference="",
    source=PORTELAS,
)
PERFORMANCE = replace(MASTERY, name="mean_performance", reference="none", source="the mean over every evaluated task")
WORST = replace(MASTERY, name="worst_tenth", reference="none", source=ROCKAFELLAR)


def mastery_rate(scores: ArrayLike, threshold: float = THRESHOLD) -> NDArray[np.float64]:
    """Give the share of the tasks above the threshold at each evaluation, shape (n_evaluations,), in [0, 1]."""
    return np.asarray((finite_array(scores, "scores", 2) > threshold).mean(axis=1), dtype=np.float64)


def worst_mean(scores: ArrayLike, share: float = WORST_SHARE) -> NDArray[np.float64]:
    """Give the mean over the worst ``share`` of the tasks at each evaluation, shape (n_evaluations,).

    Of n tasks the worst n * share are averaged, the last of them in part where that is no whole number; never fewer
    than one (conditional value-at-risk over tasks, all alike). share: in (0, 1].
    """
    table = finite_array(scores, "scores", 2)
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], found {share}.")
    size = max(table.shape[1] * share, 1.0)
    weights = np.clip(size - np.arange(table.shape[1]), 0.0, 1.0)
    return np.asarray(np.sort(table, axis=1) @ weights / size, dtype=np.float64)


def mean_over_steps(values: ArrayLike, steps: ArrayLike) -> NDArray[np.float64]:
    """Give the trapezoid area of the columns of ``values`` over ``steps``, divided by the span.

    values: shape (n_evaluations, ...). steps: shape (n_evaluations,), rising. Raises Undefined for one evaluation.
    """
    table, at = np.asarray(values, dtype=np.float64), finite_array(steps, "steps", 1)
    if at.shape != table.shape[:1] or (np.diff(at) <= 0).any():
        raise ValueError(f"steps must be one rising count an evaluation, found {at}.")
    if len(at) < 2:
        raise Undefined("an area needs at least two evaluations, found one")
    return np.asarray(np.trapezoid(table, at, axis=0) / (at[-1] - at[0]), dtype=np.float64)


def generalisation_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    threshold: float | None = None,
    worst_share: float = WORST_SHARE,
) -> list[MetricValue]:
    """Give mastery rate, mean and worst tail over the evaluated tasks: at the end of the run, and as area over steps.

    threshold: what a task must be above to be mastered; None takes 0.75 of score and success, and leaves the mastery
    of returns undefined. worst_share: of the tasks, in the tail. The areas (``..._area``) go from the first
    evaluation to the last, and are undefined where a task was left out of one. ``per_task`` holds whether each task
    is mastered (1 or 0), and its own score beside the mean and the worst tail. References are not used.
    """
    limit = THRESHOLD if threshold is None and value != "return" else threshold
    mastery = replace(MASTERY, reference="none" if limit is None else f"a fixed threshold of {limit:g}")
    share = f"; the worst {worst_share:g} of the tasks"
    worst = replace(WORST, source=WORST.source + share)

    def mastered(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if limit is None:
            raise Undefined("a return has no threshold of mastery: give one, or measure the score or the success")
        return mastery_rate(table, limit), (table > limit).astype(np.float64)

    kinds: list[tuple[Definition, _Summary]] = [
        (mastery, mastered),
        (replace(PERFORMANCE), lambda table: (table.mean(axis=1), table)),
        (worst, lambda table: (worst_mean(table, worst_share), table)),
    ]
    at_end = [scored(kind, log, value, partial(_final, summary=summary)) for kind, summary in kinds]
    return at_end + [scored(_as_area(kind), log, value, partial(_area, summary=summary)) for kind, summary in kinds]


def _as_area(definition: Definition) -> Definition:
    return replace(
        definition,
        name=f"{definition.name}_area",
        window="every evaluation, the one before training included",
        source=definition.source + AREA,
    )


def _final(log: EvaluationLog, value: Measured, summary: _Summary) -> Scored:
    total, parts = summary(final_row(log, value)[None])
    return Scored(float(total[0]), dict(zip(log.tasks, parts[0].tolist(), strict=True)))


def _area(log: EvaluationLog, value: Measured, summary: _Summary) -> Scored:
    check_finished(log)
    table = log.scores(value)
    gaps = np.argwhere(np.ma.getmaskarray(table))
    if len(gaps):
        raise Undefined(f"task {log.tasks[gaps[0][1]]!r} was not evaluated at step {log.steps[gaps[0][0]]}")
    total, parts = summary(np.asarray(table, dtype=np.float64))
    found = mean_over_steps(parts, log.steps)
    return Scored(float(mean_over_steps(total, log.steps)), dict(zip(log.tasks, found.tolist(), strict=True)))
