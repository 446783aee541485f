"""Logs from elsewhere: one reader for everything that evaluations are written in, and one writer of tables."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lifelong_rl.evaluation.l2logger import read_l2logger
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.long_tables import read_csv, read_training_csv
from lifelong_rl.evaluation.points import EvaluationPoint
from lifelong_rl.evaluation.progress_tables import read_progress
from lifelong_rl.evaluation.tables import Table

__all__ = ["read_csv", "read_log", "read_progress", "read_references", "read_training_csv", "write_csv"]

FOLDERS = {
    "evaluations.jsonl": "a run folder of lifelong_rl",
    "logger_info.json": "an l2logger folder",
    "progress.tsv": "a folder of Continual World",
}
"""What makes a folder one that is read, and of which kind it then is."""

WIDE = "a table as progress.tsv"
LONG = "a table with a row an episode"


def read_log(path: str | Path, **options: Any) -> EvaluationLog:
    """Read a run's evaluations, whatever they are written in.

    path: a run folder, ``evaluations.jsonl`` (or another ``.jsonl`` file of such lines), a ``.csv`` or ``.tsv`` table
    with a row an episode or as ``progress.tsv``, the folder of a ``progress.tsv``, or an l2logger folder. options:
    those of the reader of that format: :func:`read_csv`, :func:`read_progress`,
    :func:`lifelong_rl.evaluation.l2logger.read_l2logger`.
    Raises ValueError for a path that is none of these, for options that its reader does not have, and as its reader.
    """
    path = Path(path)
    kind = _kind(path)
    reader = _reader(kind)
    known = [name for name in inspect.signature(reader).parameters if name != "path"]
    if unknown := [name for name in options if name not in known]:
        raise ValueError(
            f"{path} is {kind}, which is read with {', '.join(known) or 'no options'}, found {unknown[0]}."
        )
    log: EvaluationLog = reader(path, **options)
    return log


def _reader(kind: str) -> Callable[..., Any]:
    if kind == FOLDERS["logger_info.json"]:
        return _read_l2logger
    if kind in (WIDE, FOLDERS["progress.tsv"]):
        return read_progress
    return read_csv if kind == LONG else EvaluationLog.read


def _read_l2logger(path: Path, metric: str | None = None, keep_case: bool = False) -> EvaluationLog:
    return read_l2logger(path, metric, keep_case=keep_case).log


def _kind(path: Path) -> str:
    """Say in what the evaluations are written; ValueError where that is not known."""
    if path.is_dir():
        for name, kind in FOLDERS.items():
            if (path / name).is_file():
                return kind
        raise ValueError(f"{path} is no folder of a run: it has none of {', '.join(FOLDERS)}.")
    if path.name == "episodes.jsonl":
        raise ValueError(
            f"{path} holds training episodes: read them with TrainingLog.read, or read the run's folder."
        )
    if path.suffix == ".jsonl" or not path.exists():
        return "a file of evaluation lines"
    if path.suffix not in (".csv", ".tsv"):
        raise ValueError(f"{path} is of no known kind: a folder, .jsonl, .csv or .tsv is expected.")
    header = Table(path).header
    is_wide = path.name == "progress.tsv" or not {"step", "task"} <= set(header)
    is_wide = is_wide and (path.suffix == ".tsv" or "total_env_steps" in header)
    return WIDE if is_wide else LONG


def read_references(
    paths: Mapping[str, str | Path | Iterable[str | Path]] | Iterable[str | Path], **options: Any
) -> dict[str, list[EvaluationLog]]:
    """Read the logs of reference runs, each of which trained one task alone, by task: what the metrics take.

    paths: the files or folders; or task id -> file, folder, or several of them, where the files do not say which task
    was trained. options: as for :func:`read_log`. A log that does not say what it trained and evaluates one task
    trained that one. Raises ValueError, with the path, for a log that is none of a reference run.
    """
    pairs: list[tuple[str | None, Path]] = []
    if isinstance(paths, Mapping):
        for task, of_task in paths.items():
            several = [of_task] if isinstance(of_task, str | Path) else of_task
            pairs += [(task, Path(path)) for path in several]
    else:
        pairs = [(None, Path(path)) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    found: dict[str, list[EvaluationLog]] = {}
    for task, path in pairs:
        trained, log = _with_trained(read_log(path, **options), task, path)
        found.setdefault(trained, []).append(log)
    return found


def _with_trained(log: EvaluationLog, task: str | None, path: Path) -> tuple[str, EvaluationLog]:
    """Give what a reference run trained, and its log, which says so; ValueError where it is none."""
    if len(log.block_tasks) != 1:
        raise ValueError(f"{path} is no reference run: one trains one task in one block, found {log.block_tasks}.")
    (trained,) = log.block_tasks
    found = task or trained or (log.tasks[0] if len(log.tasks) == 1 else None)
    if found is None:
        raise ValueError(f"{path} does not say which task it trained: give the paths by task, {{task: path}}.")
    if trained not in (None, found):
        raise ValueError(f"{path} is no reference run of {found!r}: it trained {trained!r}.")
    if found not in log.tasks:
        raise ValueError(f"{path} is no reference run of {found!r}: it evaluates {', '.join(log.tasks)}.")
    points = tuple(EvaluationPoint(point.step, point.block, point.at, found) for point in log.points)
    return found, log if trained == found else replace(log, points=points)


def write_csv(log: EvaluationLog, path: str | Path) -> None:
    """Write the evaluations as a comma separated table with a row an episode, which :func:`read_csv` reads back.

    Columns: step, block (-1 before training), at, trained, task, episode (from 0), then return, score, success and
    length as far as they are known; numbers so that they read back to the same bits.
    """
    has_lengths = bool(len(log.lengths))
    names = ["step", "block", "at", "trained", "task", "episode", *log.measured, *(["length"] if has_lengths else [])]
    columns = [column.tolist() for column in log.episodes.values()] + ([log.lengths.tolist()] if has_lengths else [])
    first = np.cumsum(log.n_episodes) - log.n_episodes
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for point_index, task_index, begin, n in zip(
            log.point_index.tolist(), log.task_index.tolist(), first.tolist(), log.n_episodes.tolist(), strict=True
        ):
            point, task = log.points[point_index], log.tasks[task_index]
            block = -1 if point.at == "start" else point.block
            shared = [point.step, block, point.at, point.trained or "", task]
            writer.writerows([*shared, i, *(column[begin + i] for column in columns)] for i in range(n))
