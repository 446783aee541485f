"""Our logs as regimes: what counts as a learning block, as an evaluation block, and as an expert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import Floats, Indices, positions, stable_order
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, known
from lifelong_rl.evaluation.metrics import References, finite_array, single_task
from lifelong_rl.evaluation.training_log import TrainingLog


def regimes_of(log: EvaluationLog, value: Measured = "score") -> Regimes:
    """Give the regimes of a run, with the tasks' ids as names.

    Evaluation blocks are the evaluation before training and those at the ends of blocks, one regime a task and one
    experience an episode; evaluations inside a block are left out, so they do not cut a learning block in two.
    Learning blocks are the stretches of training episodes on one task in one block; a block of one fixed task of
    which no episode with ``value`` is known is a learning block without values. Blocks are numbered 0 for the
    evaluation before training, then 1 and 2 for the first block and the evaluation at its end, and so on.
    Raises Undefined where the log does not hold ``value``.
    """
    parts = [_evaluations(log, value)]
    if log.training is not None and value in log.training.values:
        parts.append(_learning(log.training, value))
    parts.append(_silent(log, {int(block) for part in parts[1:] for block in np.unique(part.block)}))
    return _joined(parts)


def experts_of(references: References | None, value: Measured = "score") -> dict[str, list[ArrayLike | Regimes]]:
    """Give the single-task runs as experts: a log's training episodes, or a bare curve as the training curve.

    A log without training episodes that show ``value`` is left out. Raises ValueError for the log of a run that
    trained another task, or several.
    """
    found: dict[str, list[ArrayLike | Regimes]] = {}
    for task, runs in (references or {}).items():
        for run in runs:
            if not isinstance(run, EvaluationLog):
                found.setdefault(task, []).append(finite_array(run, f"the training curve of task {task!r}", 1))
                continue
            if (trained := single_task(run)) != task:
                raise ValueError(f"the reference run of task {task!r} trained {trained!r}.")
            if run.training is not None and value in run.training.values:
                found.setdefault(task, []).append(_learning(run.training, value))
    return found


def _evaluations(log: EvaluationLog, value: Measured) -> Regimes:
    values = known(log.episodes, value)
    number = np.array([2 * point.block + 2 if point.at == "end" else 0 for point in log.points], dtype=np.int64)
    is_kept = np.array([point.at != "during" for point in log.points], dtype=bool)[log.point_index]
    starts = np.cumsum(log.n_episodes) - log.n_episodes
    inside = positions(starts[is_kept], log.n_episodes[is_kept])
    return _columns(
        log.tasks, log.task_index[is_kept], number[log.point_index[is_kept]], log.n_episodes[is_kept], values[inside]
    )


def _learning(training: TrainingLog, value: Measured) -> Regimes:
    task, block = training.task_index, training.blocks
    is_new = np.append(True, (task[1:] != task[:-1]) | (block[1:] != block[:-1]))[: len(task)]
    (first,) = np.nonzero(is_new)
    lengths = np.diff(np.append(first, len(task)))
    part = _columns(training.tasks, task[first], 2 * block[first] + 1, lengths, training.measured(value))
    return replace(part, is_test=~part.is_test)


def _silent(log: EvaluationLog, heard: set[int]) -> Regimes:
    """Give the blocks of a fixed task in which no episode ended, or none is known; heard: numbers of the others."""
    blocks = [(2 * i + 1, task) for i, task in enumerate(log.block_tasks) if task is not None]
    silent = [(number, task) for number, task in blocks if number not in heard]
    names = tuple(dict.fromkeys(task for _, task in silent))
    task = np.array([names.index(task) for _, task in silent], dtype=np.int64)
    number = np.array([number for number, _ in silent], dtype=np.int64)
    part = _columns(names, task, number, np.zeros(len(silent), dtype=np.int64), np.empty(0))
    return replace(part, is_test=~part.is_test)


def _columns(tasks: tuple[str, ...], task: Indices, block: Indices, lengths: Indices, values: Floats) -> Regimes:
    """Give evaluations as regimes; the number of an experience is set when parts are joined."""
    kind = np.ones(len(task), dtype=bool)
    return Regimes(tasks, task, block, kind, ~kind, lengths, values, np.zeros(len(values), dtype=np.int64))


def _joined(parts: list[Regimes]) -> Regimes:
    """Give the regimes of all parts in order of blocks, their experiences counted through the run."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.tasks))
    position = {name: i for i, name in enumerate(names)}
    of_tasks = [np.array([position[name] for name in part.tasks], dtype=np.int64)[part.task] for part in parts]
    block, lengths = np.concatenate([p.block for p in parts]), np.concatenate([p.lengths for p in parts])
    order = stable_order(block)
    starts = np.cumsum(lengths) - lengths
    values = np.concatenate([part.values for part in parts])[positions(starts[order], lengths[order])]
    return Regimes(
        tasks=names,
        task=np.concatenate(of_tasks)[order],
        block=block[order],
        is_test=np.concatenate([part.is_test for part in parts])[order],
        is_sleep=np.zeros(len(order), dtype=bool),
        lengths=lengths[order],
        values=values,
        experiences=np.arange(len(values)),
    )
