"""The evaluation log: what the agent scored on every task, at every evaluation of a run."""

from __future__ import annotations

import json
import logging
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Moment: TypeAlias = Literal["start", "during", "end"]
Measured: TypeAlias = Literal["score", "return", "success"]
"""Which of an episode's numbers is averaged: score and success lie in [0, 1], return is in the task's unit."""

MaskedTable: TypeAlias = np.ma.MaskedArray[Any, np.dtype[np.float64]]

FIELDS = ("step", "block", "at", "trained", "task", "returns", "scores", "successes", "lengths")
"""The fields every line has; further fields are ignored."""


@dataclass(frozen=True)
class EvaluationPoint:
    """One moment at which the agent was evaluated on the tasks of the scenario."""

    step: int
    """Environment steps of training so far, over the whole run."""
    block: int
    """Index of the block being trained; 0 for the evaluation before training."""
    at: Moment
    """"start": before any training; "during": inside the block; "end": at the end of the block."""
    trained: str | None
    """Id of the block's fixed task; None where a teacher or a distribution draws the tasks."""


@dataclass(frozen=True)
class EvaluationRecord:
    """One line of the log: every episode that one task got at one evaluation point."""

    point: EvaluationPoint
    task: str
    returns: tuple[float, ...]
    scores: tuple[float, ...]
    successes: tuple[bool, ...]
    lengths: tuple[int, ...]

    def mean(self, value: Measured = "score") -> float:
        """Give the mean over the episodes of their score, return or success."""
        episodes = {"score": self.scores, "return": self.returns, "success": self.successes}[value]
        return math.fsum(episodes) / len(episodes)


@dataclass(frozen=True)
class EvaluationLog:
    """A run's evaluations in the order they were made; make it with :meth:`read` or :meth:`from_records`."""

    records: tuple[EvaluationRecord, ...]

    @classmethod
    def read(cls, path: str | Path) -> EvaluationLog:
        """Read ``evaluations.jsonl``.

        A last line that a kill cut short (no newline, no whole JSON object) is left out with a logged
        warning: its task then counts as not evaluated there, and a metric that needs it is undefined.
        Anything else that is damaged raises ValueError with file and line.
        """
        path = Path(path)
        lines = path.read_bytes().split(b"\n")
        last = lines.pop()  # empty where the file ends with a newline, as a whole file does
        entries = [(_parse(line, f"{path}, line {i}"), f"{path}, line {i}") for i, line in enumerate(lines, 1)]
        if last:
            place = f"{path}, line {len(lines) + 1}"
            try:
                entries.append((_parse(last, place), place))
            except ValueError:
                logger.warning("%s is cut short (the run was killed while writing it): left out.", place)
        if not entries:
            raise ValueError(f"{path} holds no evaluation. Has the run begun?")
        return cls._from_entries(entries)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> EvaluationLog:
        """Make a log from dicts with the fields of ``evaluations.jsonl``; ValueError names a bad record."""
        entries = [(record, f"record {i}") for i, record in enumerate(records)]
        if not entries:
            raise ValueError("an evaluation log needs at least one record, found none.")
        return cls._from_entries(entries)

    @classmethod
    def _from_entries(cls, entries: Sequence[tuple[Any, str]]) -> EvaluationLog:
        records: list[EvaluationRecord] = []
        seen: set[tuple[int, str]] = set()
        for entry, place in entries:
            record = _check_record(entry, place)
            if (record.point.step, record.task) in seen:
                _refuse(place, f"task {record.task!r} is evaluated twice at step {record.point.step}")
            if records:
                _check_succession(records[-1].point, record.point, place)
            seen.add((record.point.step, record.task))
            records.append(record)
        return cls(tuple(records))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The ids of the evaluated tasks, in order of first appearance."""
        return tuple(dict.fromkeys(record.task for record in self.records))

    @cached_property
    def points(self) -> tuple[EvaluationPoint, ...]:
        """The evaluation points, in order of steps."""
        return tuple(dict.fromkeys(record.point for record in self.records))

    @property
    def steps(self) -> NDArray[np.int64]:
        """Environment steps of each evaluation point, shape (n_points,)."""
        return np.array([point.step for point in self.points], dtype=np.int64)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Block of each evaluation point, shape (n_points,); the evaluation before training is in block 0."""
        return np.array([point.block for point in self.points], dtype=np.int64)

    @property
    def at(self) -> tuple[Moment, ...]:
        """The moment of each evaluation point: "start", "during" or "end"."""
        return tuple(point.at for point in self.points)

    @property
    def is_at_block_end(self) -> bool:
        """Whether the last evaluation is at the end of a block and covers every task."""
        last = self.points[-1]
        n_evaluated = sum(record.point == last for record in self.records)
        return last.at == "end" and n_evaluated == len(self.tasks)

    @cached_property
    def block_tasks(self) -> tuple[str | None, ...]:
        """The fixed task of each block trained so far; None where a block has none."""
        trained = {point.block: point.trained for point in self.points if point.at != "start"}
        return tuple(trained.get(block) for block in range(max(trained, default=-1) + 1))

    @cached_property
    def block_ends(self) -> tuple[int | None, ...]:
        """Environment steps at the end of each block; None for a block without an evaluation at its end."""
        ends = {point.block: point.step for point in self.points if point.at == "end"}
        return tuple(ends.get(block) for block in range(len(self.block_tasks)))

    def scores(self, value: Measured = "score") -> MaskedTable:
        """Give the mean over episodes of each task at each point.

        Shape (n_points, n_tasks), masked where a task was not evaluated; higher is better.
        """
        if value not in get_args(Measured):
            raise ValueError(f"value must be one of {', '.join(get_args(Measured))}, found {value!r}.")
        row = {point: i for i, point in enumerate(self.points)}
        column = {task: j for j, task in enumerate(self.tasks)}
        table = _all_masked(len(row), len(column))
        for record in self.records:
            table[row[record.point], column[record.task]] = record.mean(value)
        return table

    def matrix(self, value: Measured = "score") -> MaskedTable:
        """Give the score on every task before training and after each block.

        Shape (n_blocks + 1, n_tasks): row 0 is the evaluation before training, row k the end of block k - 1;
        columns as :attr:`tasks`. Masked where there is no such evaluation.
        """
        table = self.scores(value)
        matrix = _all_masked(len(self.block_tasks) + 1, len(self.tasks))
        for i, point in enumerate(self.points):
            if point.at != "during":
                matrix[0 if point.at == "start" else point.block + 1] = table[i]
        return matrix

    def block_curve(
        self, block: int, task: str, value: Measured = "score"
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give the evaluations of ``task`` while ``block`` was trained, the one at its end included.

        Gives the steps since the end of the block before (shape (n,)) and the mean scores (shape (n,)).
        """
        before = self.block_ends[block - 1] if block > 0 else 0
        if before is None:
            raise ValueError(f"block {block - 1} has no evaluation at its end, so block {block} has no start.")
        inside = [r for r in self.records if r.point.block == block and r.point.at != "start" and r.task == task]
        steps = np.array([record.point.step - before for record in inside], dtype=np.int64)
        return steps, np.array([record.mean(value) for record in inside], dtype=np.float64)


def to_line(record: Mapping[str, Any]) -> str:
    """Give a record as one line of JSON, newline included: the same record always gives the same bytes.

    Keys are sorted, floats written so that they read back to the same bits, numpy values written as plain ones.
    Raises ValueError for NaN and infinity and TypeError for what JSON cannot hold, both with the field.
    """
    for field, value in record.items():
        try:
            json.dumps(value, allow_nan=False, default=_plain)
        except ValueError as error:
            raise ValueError(f"field {field!r} of a log line must be finite, found {value!r}.") from error
        except TypeError as error:
            raise TypeError(f"field {field!r} of a log line does not fit JSON: {error}.") from error
    return json.dumps(record, allow_nan=False, sort_keys=True, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"found a {type(value).__name__}")


def _all_masked(n_rows: int, n_columns: int) -> MaskedTable:
    return np.ma.MaskedArray(np.zeros((n_rows, n_columns)), mask=True)


def _refuse(place: str, problem: str) -> NoReturn:
    raise ValueError(f"{place}: {problem}.")


def _parse(line: bytes, place: str) -> Any:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{place}: not a JSON object ({error}). Is the file damaged?") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")


def _check_record(entry: Any, place: str) -> EvaluationRecord:
    if not isinstance(entry, Mapping):
        _refuse(place, f"expected an object with the fields of an evaluation, found {entry!r}")
    if missing := [field for field in FIELDS if field not in entry]:
        _refuse(place, f"missing {', '.join(missing)}; an evaluation has {', '.join(FIELDS)}")
    if entry["at"] not in get_args(Moment):
        _refuse(place, f"at must be one of {', '.join(get_args(Moment))}, found {entry['at']!r}")
    trained = None if entry["trained"] is None else _check_id(entry, "trained", place)
    step, block = _check_count(entry["step"], "step", place), _check_count(entry["block"], "block", place)
    episodes = {field: _check_list(entry, field, place) for field in FIELDS[5:]}
    if len(n_episodes := {len(values) for values in episodes.values()}) != 1 or 0 in n_episodes:
        found = ", ".join(f"{len(values)} {field}" for field, values in episodes.items())
        _refuse(place, f"expected the same number of each, at least 1, found {found}")
    if any(not isinstance(success, bool | np.bool_) for success in episodes["successes"]):
        _refuse(place, f"successes must be true or false, found {episodes['successes']!r}")
    scores = tuple(_check_number(score, "scores", place) for score in episodes["scores"])
    if any(not 0 <= score <= 1 for score in scores):
        _refuse(place, f"scores must lie in [0, 1], found {list(scores)}")
    return EvaluationRecord(
        point=EvaluationPoint(step, block, entry["at"], trained),
        task=_check_id(entry, "task", place),
        returns=tuple(_check_number(value, "returns", place) for value in episodes["returns"]),
        scores=scores,
        successes=tuple(bool(success) for success in episodes["successes"]),
        lengths=tuple(_check_count(length, "lengths", place) for length in episodes["lengths"]),
    )


def _check_id(entry: Mapping[str, Any], field: str, place: str) -> str:
    value = entry[field]
    if not isinstance(value, str) or not value:
        _refuse(place, f"{field} must be the id of a task, found {value!r}")
    return value


def _check_list(entry: Mapping[str, Any], field: str, place: str) -> list[Any]:
    if not isinstance(entry[field], list | tuple | np.ndarray):
        _refuse(place, f"{field} must be a list with one entry an episode, found {entry[field]!r}")
    return list(entry[field])


def _check_number(value: Any, field: str, place: str) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not _is_finite(value):
        _refuse(place, f"{field} must be finite numbers, found {value!r}")
    return float(value)


def _is_finite(value: numbers.Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _check_count(value: Any, field: str, place: str) -> int:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
        _refuse(place, f"{field} must be an integer of at least 0, found {value!r}")
    return int(value)


def _check_succession(before: EvaluationPoint, point: EvaluationPoint, place: str) -> None:
    """Refuse a point that cannot follow the one before it in a run."""
    if point == before:
        return
    if point.step < before.step:
        _refuse(
            place,
            f"the steps go back from {before.step} to {point.step}; "
            "a resumed run drops the lines after its checkpoint before it appends",
        )
    if point.step == before.step:
        _refuse(place, f"two different evaluation points at step {point.step}: {before} and {point}")
    if point.at == "start":
        _refuse(place, f"the evaluation before training must come first, found it at step {point.step}")
    if point.block < before.block or (point.block == before.block and before.at == "end"):
        _refuse(place, f"block {point.block} is evaluated after the end of block {before.block}")
    if point.block == before.block and before.at != "start" and point.trained != before.trained:
        _refuse(place, f"block {point.block} trains both {before.trained!r} and {point.trained!r}")
