"""Writing and reading the folders of l2logger 1.1, the format that l2metrics checks runs in.

A folder holds ``logger_info.json``, ``scenario_info.json`` and one table a block,
``<worker>/<block_num>-<block_type>/data-log.tsv``, with one row an experience (a finished episode).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.l2logger_reading import (
    FILE,
    LOGGER_INFO,
    SCENARIO_INFO,
    STANDARD_COLUMNS,
    STEPS_COLUMN,
    VERSION,
    L2LoggerRun,
    read_l2logger,
)
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.training_log import TrainingLog

__all__ = ["L2LoggerRun", "read_l2logger", "write_l2logger"]

WORKER = "worker-default"

_BEGIN = datetime(1970, 1, 1)

_NO_NAME = re.compile(r"[+-]?([\d.]+(e[+-]?\d+)?|inf|infinity)|nan|na|n/a|null|none|true|false|", re.IGNORECASE)
"""What table readers take for a number, a truth value or a missing entry; l2metrics then fails."""


def write_l2logger(
    log: EvaluationLog,
    folder: str | Path,
    *,
    names: Mapping[str, str] | None = None,
    scenario_type: str = "custom",
    scenario: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run as a folder of l2logger 1.1 and give the folder.

    The evaluation before training, the training episodes of each block, and the evaluation at its end become blocks
    0, 1, 2 and so on; evaluations inside a block are not written, since l2metrics would take them for the end of a
    learning block. The metric columns are return, score and success, as far as they are known, empty in the rows
    that lack them. Timestamps count environment steps as microseconds, as a log holds no clock time.

    names: id -> the name that is written, ``label_variant`` to have variants; other tasks keep their ids.
    scenario_type, scenario: what goes into ``scenario_info.json``.
    Raises ValueError for a folder that holds something, and for names that l2metrics cannot tell apart (it
    ignores case) or reads as a number.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} must be a new or empty folder, one for each run; found something in it.")
    names = _checked_names(log, names or {})
    columns = [name for name in get_args(Measured) if name in log.measured or _trained_measure(log, name)]
    has_steps = len(log.lengths) > 0 or (log.training is not None and len(log.training.lengths) > 0)
    header = [*STANDARD_COLUMNS, *columns, *([STEPS_COLUMN] if has_steps else [])]
    folder.mkdir(parents=True, exist_ok=True)
    n_before = 0
    for number, kind, rows in _blocks(log):
        block = folder / WORKER / f"{number}-{kind}"
        block.mkdir(parents=True)
        with (block / FILE).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, delimiter="\t", lineterminator="\n")
            table.writerow(header)
            for task, step, length, values in rows:
                time = (_BEGIN + timedelta(microseconds=step)).strftime("%Y%m%dT%H%M%S.%f")
                start = [number, n_before, WORKER, kind, "wake", names[task], "{}", "complete", time]
                numbers = [values.get(name, "") for name in columns]
                table.writerow([*start, *numbers, *([length] if has_steps else [])])
                n_before += 1
    _write_json(folder / LOGGER_INFO, {"metrics_columns": columns, "log_format_version": VERSION})
    _write_json(folder / SCENARIO_INFO, {"scenario_type": scenario_type, **(scenario or {})})
    return folder


Row = tuple[str, int, int | str, dict[Measured, float]]
"""Task, environment steps so far, steps of the episode (empty where they are not known), and what was measured."""


def _blocks(log: EvaluationLog) -> Iterator[tuple[int, str, Iterator[Row]]]:
    """Give the blocks in order: number, train or test, and the rows; blocks without a row are left out."""
    training = log.training
    of_training = training.blocks if training is not None else np.empty(0, dtype=np.int64)
    points = {2 * p.block + 2 if p.at == "end" else 0: i for i, p in enumerate(log.points) if p.at != "during"}
    for number in sorted({*points, *(2 * block + 1 for block in np.unique(of_training).tolist())}):
        if number in points:
            yield number, "test", _evaluated(log, np.flatnonzero(log.point_index == points[number]))
        elif training is not None:
            yield number, "train", _trained(training, np.flatnonzero(of_training == number // 2))


def _evaluated(log: EvaluationLog, entries: NDArray[np.int64]) -> Iterator[Row]:
    ends = np.cumsum(log.n_episodes)
    for entry in entries:
        for episode in range(int(ends[entry] - log.n_episodes[entry]), int(ends[entry])):
            values = {name: _plain(name, column[episode]) for name, column in log.episodes.items()}
            length = int(log.lengths[episode]) if len(log.lengths) else ""
            yield log.tasks[log.task_index[entry]], log.points[log.point_index[entry]].step, length, values


def _trained(training: TrainingLog, episodes: NDArray[np.int64]) -> Iterator[Row]:
    lengths: list[Any] = training.lengths[episodes].tolist() if len(training.lengths) else [""] * len(episodes)
    tasks = [training.tasks[task] for task in training.task_index[episodes].tolist()]
    columns = {name: column[episodes].tolist() for name, column in training.values.items()}
    for i, step in enumerate(training.steps[episodes].tolist()):
        yield tasks[i], step, lengths[i], {name: _plain(name, column[i]) for name, column in columns.items()}


def _plain(name: Measured, value: float) -> float:
    return int(value) if name == "success" and value in (0.0, 1.0) else float(value)


def _trained_measure(log: EvaluationLog, name: Measured) -> bool:
    return log.training is not None and name in log.training.values


def _checked_names(log: EvaluationLog, names: Mapping[str, str]) -> dict[str, str]:
    tasks = dict.fromkeys((*log.tasks, *(log.training.tasks if log.training is not None else ())))
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for task in tasks:
        name = names.get(task, task)
        if _NO_NAME.fullmatch(name) or re.search(r"[\t\r\n]", name):
            raise ValueError(
                f"task {task!r} must have a name that no table reader takes for a number or a missing entry, "
                f"found {name!r}: give it one in names."
            )
        if name.lower() in taken:
            raise ValueError(
                f"l2metrics ignores the case of names, so it cannot tell {taken[name.lower()]!r} from {task!r}: "
                "give one of them another name in names."
            )
        taken[name.lower()] = task
        found[task] = name
    return found


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
