"""Average performance, forgetting and forward transfer of Continual World (Wołczyk et al. 2021).

The functions on arrays take one run's curves: ``scores`` of shape (n_evaluations, n_tasks), without the evaluation
before training; ``active`` of shape (n_evaluations,), the index of the block being trained at each evaluation (the
one at the block's end included); ``trained`` of length n_blocks, the column of each block's task. A task that is
trained in several blocks is scored once for each of them, as in the paper's CW20 (its later blocks are then
compared with the same reference, so there forward transfer is mostly remembering).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import (
    Definition,
    MetricValue,
    Reference,
    References,
    check_finished,
    finite_array,
    single_task_curve,
    trained_columns,
)

WINDOW = 5
"""Evaluations whose mean is a "final" score: the paper's number."""

MINIMUM_HEADROOM = 0.01
"""Smallest 1 - AUCb by which the area gain is divided. Below it one failed episode moves the ratio by whole units."""

SOURCE = "Wołczyk et al. 2021, Continual World, arXiv 2105.10919"

PERFORMANCE = Definition(
    family="cw",
    name="average_performance",
    sign="higher is better",
    window="",
    reference="none",
    source=f"{SOURCE}; mean over every evaluated task",
)
FORGETTING = Definition(
    family="cw",
    name="forgetting",
    sign="lower is better",
    window="",
    reference="the agent's own score at the end of the block that trained the task",
    source=f"{SOURCE}; mean over every block, the last one contributes 0",
)
FORWARD = Definition(
    family="cw",
    name="forward_transfer",
    sign="higher is better",
    window="every evaluation while the task is trained, up to the end of the shortest curve compared",
    reference="",
    source=f"{SOURCE}; mean over every block of (AUC - AUCb) / (1 - AUCb)",
)
DIFFERENCE = replace(
    FORWARD,
    name="forward_transfer_difference",
    source=f"the numerator of {SOURCE}: mean over every block of AUC - AUCb",
)


@dataclass(frozen=True)
class AreaTransfer:
    """Forward transfer to one task, by area; areas are means over evaluations, so they lie in [0, 1]."""

    area: float
    """AUC: mean score while the task is trained, over evaluations and seeds."""
    reference_area: float
    """AUCb: the same of the reference runs."""
    n_evaluations: int
    """Evaluations of each curve that were used: the smallest count among run and references."""

    @property
    def difference(self) -> float:
        """AUC - AUCb: positive where the earlier tasks helped."""
        return self.area - self.reference_area

    def ratio(self, minimum_headroom: float = MINIMUM_HEADROOM) -> float:
        """Give (AUC - AUCb) / (1 - AUCb): neutral 0, at most 1, unbounded below.

        Raises Undefined where 1 - AUCb is below ``minimum_headroom``.
        """
        headroom = 1.0 - self.reference_area
        if headroom < minimum_headroom:
            raise Undefined(f"1 - AUCb is {headroom:.3g}, below the {minimum_headroom:g} that a ratio needs")
        return self.difference / headroom


def final_performance(scores: ArrayLike, window: int = WINDOW) -> NDArray[np.float64]:
    """Give each task's mean over the last ``window`` evaluations, shape (n_tasks,).

    Raises Undefined for fewer evaluations than the window.
    """
    table = finite_array(scores, "scores", 2)
    check_window(window)
    if len(table) < window:
        raise Undefined(f"the run has {len(table)} evaluation(s), fewer than the window of {window}")
    return np.asarray(table[-window:].mean(axis=0), dtype=np.float64)


def end_of_training(
    scores: ArrayLike, active: ArrayLike, trained: Sequence[int], window: int = WINDOW
) -> NDArray[np.float64]:
    """Give each block's mean over its last ``window`` evaluations of the task it trains, shape (n_blocks,).

    Raises Undefined where a block has fewer evaluations than the window.
    """
    check_window(window)
    curves = training_curves(scores, active, trained)
    for block, curve in enumerate(curves):
        if len(curve) < window:
            raise Undefined(
                f"block {block} has {len(curve)} evaluation(s), fewer than the window of {window}: "
                "evaluate more often or give a shorter window"
            )
    return np.array([curve[-window:].mean() for curve in curves], dtype=np.float64)


def forgetting(
    scores: ArrayLike, active: ArrayLike, trained: Sequence[int], window: int = WINDOW
) -> NDArray[np.float64]:
    """Give [score at the end of the block] - [score of its task at the end of the run], shape (n_blocks,).

    Positive is forgetting; the last block gives 0. Raises Undefined for a single block, whose 0 would say nothing,
    and where a block has fewer evaluations than the window.
    """
    if len(trained) < 2:
        raise Undefined("nothing is trained after the only block, so nothing could be forgotten")
    learned = end_of_training(scores, active, trained, window)
    final = final_performance(scores, window)
    return np.array([score - final[column] for score, column in zip(learned, trained, strict=True)])


def training_curves(scores: ArrayLike, active: ArrayLike, trained: Sequence[int]) -> list[NDArray[np.float64]]:
    """Give, for each block, the scores of its task while it was trained, shape (n_evaluations of the block,)."""
    table = finite_array(scores, "scores", 2)
    blocks = np.asarray(active)
    if blocks.shape != (len(table),):
        raise ValueError(f"active must have one entry an evaluation, shape ({len(table)},), found {blocks.shape}.")
    return [table[blocks == block, column] for block, column in enumerate(trained)]


def area_transfer(curves: Sequence[ArrayLike], references: Sequence[ArrayLike]) -> AreaTransfer:
    """Compare the area under one task's training curves (one a seed) with that of its reference runs.

    Every curve holds the score at each evaluation while the task is trained, in [0, 1], at the same steps in the
    run and its references. All are cut to the smallest count among them, so the same budget is compared; seeds are
    averaged before any ratio. Raises Undefined without a reference run or without an evaluation.
    """
    if len(references) == 0:  # an array of shape (n_runs, n_evaluations) is welcome and has no truth value
        raise Undefined("there is no reference run")
    run = [_unit_curve(curve, "a training curve") for curve in curves]
    reference = [_unit_curve(curve, "a reference curve") for curve in references]
    n = min(len(curve) for curve in (*run, *reference))
    if n == 0:
        raise Undefined("there is no evaluation while the task is trained")
    area, reference_area = (float(np.mean([curve[:n] for curve in group])) for group in (run, reference))
    return AreaTransfer(area, reference_area, n)


def reference_curves(
    references: References, value: Measured, like: EvaluationLog
) -> dict[str, list[NDArray[np.float64]]]:
    """Give the curves of reference runs by task id; curves that are given as such stay as they are.

    like: the run to compare with; its evaluations must lie at the same steps after the start of the task as those
    of the references' logs, as far as both go: raises Undefined where they do not.
    """
    return {
        task: [_reference_curve(task, reference, value, like) for reference in references[task]]
        for task in dict.fromkeys(like.block_tasks)
        if task is not None and task in references
    }


def _reference_curve(task: str, reference: Reference, value: Measured, like: EvaluationLog) -> NDArray[np.float64]:
    if not isinstance(reference, EvaluationLog):
        return np.asarray(reference, dtype=np.float64)
    steps, curve = single_task_curve(reference, task, value)
    for block in (i for i, trained in enumerate(like.block_tasks) if trained == task):
        own = like.block_curve(block, task, value)[0]
        n = min(len(own), len(steps))
        if not np.array_equal(own[:n], steps[:n]):
            raise Undefined(
                f"task {task!r} is evaluated at other steps in the run than in its reference, "
                f"{own[:n].tolist()} and {steps[:n].tolist()}: use one evaluation interval for all of them"
            )
    return curve


def cw_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    window: int = WINDOW,
    minimum_headroom: float = MINIMUM_HEADROOM,
) -> list[MetricValue]:
    """Give average performance, forgetting, and forward transfer (as ratio and as difference) of one run.

    references: of each task the logs of its reference runs, or their curves in the ``value`` the run is measured in.
    window: evaluations whose mean is a final score. minimum_headroom: smallest 1 - AUCb for the ratio.
    A task trained in several blocks counts once a block; ``per_task`` then holds the mean over its blocks.
    What cannot be computed is None with the reason: too few evaluations in a block, no reference run, and so on.
    """
    return cw_metrics_over_seeds(
        [log], references=references, value=value, window=window, minimum_headroom=minimum_headroom
    )


def cw_metrics_over_seeds(
    logs: Sequence[EvaluationLog],
    *,
    references: References | None = None,
    value: Measured = "score",
    window: int = WINDOW,
    minimum_headroom: float = MINIMUM_HEADROOM,
) -> list[MetricValue]:
    """Give the metrics of several seeds of one experiment, pooled as in the paper.

    Areas are averaged over seeds before the ratio is taken, so forward transfer is not the mean of the runs' own;
    the other values are. Raises ValueError where the logs differ in tasks or blocks.
    """
    check_window(window)
    _check_same_experiment(logs)
    runs = _Runs(logs, value, window)
    definitions = [
        replace(definition, measured=value, window=runs.window_text()) for definition in (PERFORMANCE, FORGETTING)
    ]
    return [
        _average_performance(definitions[0], runs),
        _forgetting(definitions[1], runs),
        *_forward_transfer(runs, references or {}, minimum_headroom),
    ]


@dataclass(frozen=True)
class _Runs:
    """The logs of one experiment's seeds and how they are read."""

    logs: Sequence[EvaluationLog]
    value: Measured
    window: int

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.logs[0].tasks

    def arrays(self, log: EvaluationLog) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Give ``scores`` and ``active`` of one run, columns as :attr:`tasks`; Undefined where it has gaps."""
        check_finished(log)
        is_trained = np.array([moment != "start" for moment in log.at])
        scores = log.scores(self.value)[is_trained][:, [log.tasks.index(task) for task in self.tasks]]
        gaps = np.argwhere(np.ma.getmaskarray(scores))
        if len(gaps):
            step = log.steps[is_trained][gaps[0][0]]
            raise Undefined(f"task {self.tasks[gaps[0][1]]!r} was not evaluated at step {step}")
        return np.asarray(scores, dtype=np.float64), log.blocks[is_trained]

    def window_text(self) -> str:
        """Say how long the window is, and when it is too long for the blocks (they then mix in learning)."""
        text = f"last {self.window} evaluations"
        counts = [
            sum(point.at != "start" and point.block == block for point in log.points)
            for log in self.logs
            for block in range(len(log.block_tasks))
        ]
        if counts and 2 * self.window > (fewest := min(counts)):
            text += f"; these are more than half of a block's {fewest}, so scores during learning are mixed in"
        return text


def _average_performance(definition: Definition, runs: _Runs) -> MetricValue:
    try:
        finals = []
        for log in runs.logs:
            scores, active = runs.arrays(log)
            if (n := int((active == active[-1]).sum())) < runs.window:
                raise Undefined(f"the last block has {n} evaluation(s), fewer than the window of {runs.window}")
            finals.append(final_performance(scores, runs.window))
    except Undefined as undefined:
        return definition.undefined(str(undefined), dict.fromkeys(runs.tasks))
    per_task = np.mean(finals, axis=0)
    return definition.defined(float(per_task.mean()), dict(zip(runs.tasks, per_task.tolist(), strict=True)))


def _forgetting(definition: Definition, runs: _Runs) -> MetricValue:
    try:
        drops = []
        for log in runs.logs:
            scores, active = runs.arrays(log)
            trained = [runs.tasks.index(log.tasks[column]) for column in trained_columns(log)]
            drops.append(forgetting(scores, active, trained, runs.window))
    except Undefined as undefined:
        return definition.undefined(str(undefined), dict.fromkeys(runs.tasks))
    per_block = np.mean(drops, axis=0).tolist()
    return definition.defined(float(np.mean(per_block)), _by_task(runs, per_block), per_block)


def _forward_transfer(
    runs: _Runs, references: References, minimum_headroom: float
) -> tuple[MetricValue, MetricValue]:
    """Give forward transfer as the paper's ratio and as a difference."""
    counts = [len(references.get(task, ())) for task in dict.fromkeys(runs.logs[0].block_tasks) if task]
    reference = f"area under the curves of single-task runs ({min(counts, default=0)} or more a task)"
    ratio = replace(FORWARD, measured=runs.value, reference=reference)
    difference = replace(DIFFERENCE, measured=runs.value, reference=reference)
    try:
        areas = _areas_by_block(runs, references)
    except Undefined as undefined:
        nothing = dict.fromkeys(runs.tasks)
        return ratio.undefined(str(undefined), nothing), difference.undefined(str(undefined), nothing)
    return (
        _mean_over_blocks(ratio, runs, areas, lambda area: area.ratio(minimum_headroom)),
        _mean_over_blocks(difference, runs, areas, lambda area: area.difference),
    )


def _areas_by_block(runs: _Runs, references: References) -> list[AreaTransfer | Undefined]:
    """Give each block's areas, or why that block has none; raises Undefined where no block can have any."""
    if runs.value == "return":
        raise Undefined("the area of returns has no upper bound of 1: measure the score or the success")
    if not references:
        raise Undefined("there are no reference runs to compare with")
    found = reference_curves(references, runs.value, runs.logs[0])
    curves = []
    for log in runs.logs:
        scores, active = runs.arrays(log)
        trained = [runs.tasks.index(log.tasks[column]) for column in trained_columns(log)]
        curves.append(training_curves(scores, active, trained))
    areas: list[AreaTransfer | Undefined] = []
    for task, *curves_of_seeds in zip(runs.logs[0].block_tasks, *curves, strict=True):
        try:
            areas.append(area_transfer(curves_of_seeds, found.get(task or "", ())))
        except Undefined as undefined:
            areas.append(undefined)
    return areas


def _mean_over_blocks(
    definition: Definition,
    runs: _Runs,
    areas: Sequence[AreaTransfer | Undefined],
    take: Callable[[AreaTransfer], float],
) -> MetricValue:
    """Give the mean over blocks; undefined, with the defined blocks in the tables, where one block is."""
    per_block: list[float | None] = []
    reasons: list[str] = []
    for task, area in zip(runs.logs[0].block_tasks, areas, strict=True):
        try:
            if isinstance(area, Undefined):
                raise area
            per_block.append(take(area))
        except Undefined as undefined:
            per_block.append(None)
            reasons.append(f"task {task!r}: {undefined}")
    tables = (_by_task(runs, per_block), per_block)
    if reasons:
        return definition.undefined("; ".join(dict.fromkeys(reasons)), *tables)
    return definition.defined(float(np.mean([number for number in per_block if number is not None])), *tables)


def _by_task(runs: _Runs, per_block: Sequence[float | None]) -> dict[str, float | None]:
    """Give each task's mean over its blocks; None for a task without a block or with an undefined one."""
    per_task: dict[str, float | None] = dict.fromkeys(runs.tasks)
    for task in runs.tasks:
        pairs = zip(runs.logs[0].block_tasks, per_block, strict=True)
        values = [number for trained, number in pairs if trained == task]
        defined = [number for number in values if number is not None]
        if defined and len(defined) == len(values):
            per_task[task] = float(np.mean(defined))
    return per_task


def check_window(window: int) -> None:
    """Refuse a window that is not at least one evaluation."""
    if window < 1:
        raise ValueError(f"window must be at least 1 evaluation, found {window}.")


def _unit_curve(curve: ArrayLike, name: str) -> NDArray[np.float64]:
    values = finite_array(curve, name, 1)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"{name} must lie in [0, 1], found {values.min():g} to {values.max():g}.")
    return values


def _check_same_experiment(logs: Sequence[EvaluationLog]) -> None:
    if not logs:
        raise ValueError("at least one log is needed, found none.")
    for log in logs[1:]:
        if set(log.tasks) != set(logs[0].tasks) or log.block_tasks != logs[0].block_tasks:
            raise ValueError(
                "seeds of one experiment have the same tasks and blocks, "
                f"found blocks {logs[0].block_tasks} and {log.block_tasks}."
            )
