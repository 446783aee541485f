"""Reading the folders of l2logger 1.1, damaged ones included; see :mod:`lifelong_rl.evaluation.l2logger`."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lifelong_rl.evaluation.l2logger_log import Experience, log_of
from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.log import EvaluationLog

logger = logging.getLogger(__name__)

VERSION = "1.1"
LOGGER_INFO, SCENARIO_INFO, FILE = "logger_info.json", "scenario_info.json", "data-log.tsv"
STANDARD_COLUMNS = (
    "block_num",
    "exp_num",
    "worker_id",
    "block_type",
    "block_subtype",
    "task_name",
    "task_params",
    "exp_status",
    "timestamp",
)
STEPS_COLUMN = "episode_step_count"
"""The column, where a log has it, with the environment steps of each episode."""

_CHOICES = {
    "block_type": ("train", "test"),
    "block_subtype": ("wake", "sleep"),
    "exp_status": ("complete", "incomplete"),
}


@dataclass(frozen=True)
class L2LoggerRun:
    """A run as l2logger recorded it."""

    metric: str
    """The column that was read."""
    metrics_columns: tuple[str, ...]
    """The columns that can be."""
    scenario: dict[str, Any]
    """What ``scenario_info.json`` says."""
    experiences: tuple[Experience, ...]
    """The complete rows with a value, in order."""

    @property
    def regimes(self) -> Regimes:
        """The regimes exactly as l2metrics has them."""
        rows = self.experiences
        tasks = {task: i for i, task in enumerate(dict.fromkeys(row.task for row in rows))}
        return Regimes(
            tasks=tuple(tasks),
            task=np.array([tasks[row.task] for row in rows], dtype=np.int64),
            block=np.array([row.block for row in rows], dtype=np.int64),
            is_test=np.array([row.is_test for row in rows], dtype=bool),
            is_sleep=np.array([row.is_sleep for row in rows], dtype=bool),
            lengths=np.ones(len(rows), dtype=np.int64),
            values=np.array([row.value for row in rows], dtype=np.float64),
            experiences=np.array([row.experience for row in rows], dtype=np.int64),
        ).merged()

    @property
    def log(self) -> EvaluationLog:
        """The run as an evaluation log with its training episodes.

        Evaluations with no learning between them are one evaluation point; a task evaluated twice there has all its
        episodes in one entry. Where the log has sleep regimes, wake evaluations are left out, as in l2metrics. Each
        learning block number is a block, trained on its task where it has just one; a point is at the end of the
        block before it, or during it where the block goes on. Steps are those of the training episodes, or their
        count where the log holds no ``episode_step_count``. The values are the score or success where the metric
        column has that name, else the return. Raises ValueError for a log without an evaluation.
        """
        return log_of(self.experiences, self.metric)


def read_l2logger(folder: str | Path, metric: str | None = None, *, keep_case: bool = False) -> L2LoggerRun:
    """Read a folder of l2logger 1.1, or one that holds a single such folder.

    metric: the metric column to read; None for score, where there is one, else the first. keep_case: keep the names
    of tasks as they are written; l2metrics lower-cases them, which makes one task of names that differ in case.
    Rows that are incomplete or without a value are left out, as l2metrics does. A last line that was cut off, and
    rows that stand there twice, in one file or several, are left out with a logged warning; a block without rows is
    named in one. Anything else that is wrong raises ValueError with file and line: another version, missing or
    changing columns, several runs in one folder, blocks out of order.
    """
    folder = _run_folder(Path(folder))
    info = _json(folder / LOGGER_INFO)
    if (version := info.get("log_format_version")) != VERSION:
        raise ValueError(f"{folder / LOGGER_INFO}: log_format_version must be {VERSION!r}, found {version!r}.")
    offered = info.get("metrics_columns")
    if not isinstance(offered, list) or not offered or not all(isinstance(name, str) for name in offered):
        raise ValueError(f"{folder / LOGGER_INFO}: metrics_columns must be a list of names, found {offered!r}.")
    metric = metric or ("score" if "score" in offered else offered[0])
    if metric not in offered:
        raise ValueError(f"{folder}: the metric must be one of {', '.join(offered)}, found {metric!r}.")
    tables = [_Table(path, offered) for path in sorted(folder.rglob(FILE))]
    _check_alike(tables)
    _leave_out_copies(tables)
    rows = [row for table in tables for row in table.experiences(metric, str if keep_case else str.lower)]
    rows.sort(key=lambda row: (row.experience, row.block))
    for before, row in pairwise(rows):
        if row.block < before.block:
            raise ValueError(
                f"{folder}: experience {row.experience} is in block {row.block}, after experience "
                f"{before.experience} in block {before.block}; are two runs in one folder?"
            )
    if not rows:
        raise ValueError(f"{folder} holds no complete row with a {metric}. Has the run begun?")
    if missing := sorted({*range(rows[0].block, rows[-1].block)} - {row.block for row in rows}):
        logger.warning("%s: no complete row with a %s in block %s; did a file get lost?", folder, metric, missing[0])
    scenario = _json(folder / SCENARIO_INFO) if (folder / SCENARIO_INFO).is_file() else {}
    return L2LoggerRun(metric, tuple(offered), scenario, tuple(rows))


def _leave_out_copies(tables: Sequence[_Table]) -> None:
    """Leave out the rows that stand in an earlier file: a worker's folder that was copied."""
    found: dict[tuple[str, ...], Path] = {}
    for table in tables:
        copies = [line for line in table.rows if found.setdefault(line, table.path) != table.path]
        if copies:
            logger.warning("%s repeats %d rows of %s: left out.", table.path, len(copies), found[copies[0]])
        for line in copies:
            del table.rows[line]


def _run_folder(folder: Path) -> Path:
    """Give the folder that holds the run; ValueError where there is none or several."""
    if not folder.is_dir():
        raise ValueError(f"{folder} must be a folder of l2logger, found none.")
    found = sorted(path.parent for path in folder.rglob(LOGGER_INFO))
    if not found:
        raise ValueError(f"{folder} holds no {LOGGER_INFO}: is it a folder of l2logger?")
    if len(found) > 1:
        raise ValueError(
            f"{folder} holds {len(found)} runs ({', '.join(path.name for path in found[:3])}, ...): name one of them."
        )
    return found[0]


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON object ({error}). Is the file damaged?") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {content!r}.")
    return content


class _Table:
    """One ``data-log.tsv``: its columns and its rows, repeated ones left out."""

    def __init__(self, path: Path, offered: Sequence[str]):
        self.path = path
        text = path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):
            logger.warning("%s: the last line is cut off (the run was killed while writing it): left out.", path)
            text = text[: text.rfind("\n") + 1]
        lines = list(csv.reader(io.StringIO(text), delimiter="\t"))
        self.columns: list[str] = lines[0] if lines else []
        needed = [*(name for name in STANDARD_COLUMNS if name != "block_subtype"), *offered]
        if lines and (missing := [name for name in needed if name not in self.columns]):
            self._refuse(1, f"missing the columns {', '.join(missing)}; found {', '.join(self.columns)}")
        self.rows: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(lines[1:], 2):
            if len(line) != len(self.columns):
                self._refuse(number, f"expected {len(self.columns)} entries, one a column, found {len(line)}")
            if self.rows.setdefault(tuple(line), number) != number:
                logger.warning("%s, line %d repeats line %d: left out.", path, number, self.rows[tuple(line)])

    def experiences(self, metric: str, name_of: Callable[[str], str]) -> list[Experience]:
        """Give the complete rows that have a value of the metric."""
        found = []
        for line, number in self.rows.items():
            row = self._row(dict(zip(self.columns, line, strict=True)), number, metric, name_of)
            found += [] if row is None else [row]
        return found

    def _row(self, row: dict[str, str], number: int, metric: str, name_of: Callable[[str], str]) -> Experience | None:
        row.setdefault("block_subtype", "wake")
        for name, choices in _CHOICES.items():
            if row[name] not in choices:
                self._refuse(number, f"{name} must be {' or '.join(choices)}, found {row[name]!r}")
        if not row["task_name"]:
            self._refuse(number, "task_name must be the name of a task, found none")
        value = self._value(row[metric], metric, number)
        if row["exp_status"] != "complete" or math.isnan(value):
            return None
        return Experience(
            self._count(row["exp_num"], "exp_num", number),
            self._count(row["block_num"], "block_num", number),
            row["block_type"] == "test",
            row["block_subtype"] == "sleep",
            name_of(row["task_name"]),
            value,
            self._count(row[STEPS_COLUMN], STEPS_COLUMN, number) if row.get(STEPS_COLUMN) else None,
        )

    def _value(self, text: str, name: str, number: int) -> float:
        """Give a number, NaN for an empty entry."""
        try:
            value = {"True": 1.0, "False": 0.0, "": math.nan}[text] if text in ("True", "False", "") else float(text)
        except ValueError:
            self._refuse(number, f"{name} must be a number or empty, found {text!r}")
        if math.isinf(value):
            self._refuse(number, f"{name} must be finite, found {text!r}")
        return value

    def _count(self, text: str, name: str, number: int) -> int:
        try:
            count = int(float(text)) if text.endswith(".0") else int(text)
        except ValueError:
            count = -1
        if count < 0:
            self._refuse(number, f"{name} must be an integer of at least 0, found {text!r}")
        return count

    def _refuse(self, number: int, problem: str) -> NoReturn:
        raise ValueError(f"{self.path}, line {number}: {problem}.")


def _check_alike(tables: Sequence[_Table]) -> None:
    """Refuse tables with different columns: they come from different runs or versions."""
    filled = [table for table in tables if table.columns]
    for table in filled[1:]:
        if table.columns != filled[0].columns:
            raise ValueError(
                f"{table.path}: the columns are {', '.join(table.columns)}, but those of {filled[0].path} are "
                f"{', '.join(filled[0].columns)}; are two runs in one folder?"
            )
