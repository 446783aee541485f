"""The rows of an l2logger folder as an evaluation log with its training episodes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.log import EvaluationLog, EvaluationPoint, Moment
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.training_log import TrainingLog


class Experience(NamedTuple):
    """One complete row of a log."""

    experience: int
    """Its number in the run."""
    block: int
    is_test: bool
    is_sleep: bool
    task: str
    value: float
    length: int | None
    """Environment steps; None where the log does not say."""


def log_of(rows: Sequence[Experience], metric: str) -> EvaluationLog:
    """Give the rows of a run, in order, as a log; :attr:`L2LoggerRun.log` says how."""
    measured = _measured(rows, metric)
    if any(row.is_sleep for row in rows):
        rows = [row for row in rows if not row.is_test or row.is_sleep]
    trained = [row for row in rows if not row.is_test]
    index = {number: i for i, number in enumerate(dict.fromkeys(row.block for row in trained))}
    tasks_of: dict[int, set[str]] = {}
    for row in trained:
        tasks_of.setdefault(index[row.block], set()).add(row.task)
    points: list[EvaluationPoint] = []
    entries: list[tuple[int, str, list[Experience]]] = []
    steps = _steps(trained)
    stretches = [(test, list(found)) for test, found in groupby(rows, key=lambda row: row.is_test)]
    n_trained, block = 0, -1
    for i, (is_test, found) in enumerate(stretches):
        if not is_test:
            n_trained += len(found)
            block = index[found[-1].block]
            continue
        goes_on = i + 1 < len(stretches) and index[stretches[i + 1][1][0].block] == block
        at: Moment = "start" if block < 0 else "during" if goes_on else "end"
        names = tasks_of.get(max(block, 0), set())
        step = int(steps[n_trained - 1]) if n_trained else 0
        points.append(EvaluationPoint(step, max(block, 0), at, next(iter(names)) if len(names) == 1 else None))
        by_task: dict[str, list[Experience]] = {}
        for row in found:
            by_task.setdefault(row.task, []).append(row)
        entries += [(len(points) - 1, task, episodes) for task, episodes in by_task.items()]
    if not points:
        raise ValueError("the l2logger folder holds no evaluation: use its regimes.")
    return _log(points, entries, measured).with_training(_training(trained, index, steps, measured))


def _measured(rows: Sequence[Experience], metric: str) -> Measured:
    """Give what the column is in our logs: itself, or a return; ValueError for a score outside [0, 1]."""
    measured: Measured = "score" if metric == "score" else "success" if metric == "success" else "return"
    outside = [row for row in rows if measured != "return" and not 0 <= row.value <= 1]
    if outside:
        raise ValueError(
            f"the column {metric} must lie in [0, 1], found {outside[0].value:g} at experience "
            f"{outside[0].experience}: use the regimes, or rename the column."
        )
    return measured


def _steps(trained: Sequence[Experience]) -> NDArray[np.int64]:
    lengths = [row.length for row in trained if row.length is not None]
    return np.cumsum(lengths if len(lengths) == len(trained) else np.ones(len(trained)), dtype=np.int64)


def _log(
    points: Sequence[EvaluationPoint], entries: Sequence[tuple[int, str, list[Experience]]], measured: Measured
) -> EvaluationLog:
    tasks = {task: i for i, task in enumerate(dict.fromkeys(task for _, task, _ in entries))}
    episodes = [row for _, _, found in entries for row in found]
    return EvaluationLog(
        points=tuple(points),
        tasks=tuple(tasks),
        point_index=np.array([point for point, _, _ in entries], dtype=np.int64),
        task_index=np.array([tasks[task] for _, task, _ in entries], dtype=np.int64),
        n_episodes=np.array([len(found) for _, _, found in entries], dtype=np.int64),
        episodes={measured: np.array([row.value for row in episodes], dtype=np.float64)},
        lengths=_lengths(episodes),
    )


def _training(
    trained: Sequence[Experience], index: dict[int, int], steps: NDArray[np.int64], measured: Measured
) -> TrainingLog:
    tasks = {task: i for i, task in enumerate(dict.fromkeys(row.task for row in trained))}
    return TrainingLog(
        tasks=tuple(tasks),
        task_index=np.array([tasks[row.task] for row in trained], dtype=np.int64),
        steps=steps,
        blocks=np.array([index[row.block] for row in trained], dtype=np.int64),
        values={measured: np.array([row.value for row in trained], dtype=np.float64)},
        lengths=_lengths(trained),
    )


def _lengths(rows: Sequence[Experience]) -> NDArray[np.int64]:
    lengths = [row.length for row in rows if row.length is not None]
    return np.array(lengths if len(lengths) == len(rows) else [], dtype=np.int64)
