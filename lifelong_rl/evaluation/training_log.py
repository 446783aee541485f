"""The training episodes of a run, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.lines import (
    check_count,
    check_fields,
    check_flag,
    check_id,
    check_number,
    decoded,
    parts_of,
    refuse,
    split,
)
from lifelong_rl.evaluation.measured import Measured, check_measured, known

FIELDS = ("step", "block", "task", "return", "score", "success", "length")
"""The fields every line of ``episodes.jsonl`` has; further fields are ignored."""

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Line(msgspec.Struct, gc=False):
    step: _Count
    block: _Count
    task: Annotated[str, msgspec.Meta(min_length=1)]
    episode_return: float = msgspec.field(name="return")
    score: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    success: bool
    length: _Count


_DECODER = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """Every finished training episode of a run, in the order they ended; one column an entry, each of shape (n,)."""

    tasks: tuple[str, ...]
    """The ids of the played tasks, in order of first appearance."""
    task_index: NDArray[np.int64]
    """Index into :attr:`tasks` of the task that the episode played."""
    steps: NDArray[np.int64]
    """Environment steps of the run when the episode ended; never falling."""
    blocks: NDArray[np.int64]
    """The block it was trained in; never falling."""
    values: Mapping[Measured, NDArray[np.float64]]
    """What was measured: return, score and success, as far as they are known."""
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Steps of the episode; empty where they are not known."""

    def __len__(self) -> int:
        return len(self.steps)

    @classmethod
    def read(cls, path: str | Path) -> TrainingLog:
        """Read ``episodes.jsonl``; one that is damaged raises ValueError with file and line.

        A last line that a kill cut short is left out with a logged warning. An empty file has no episodes.
        """
        path = Path(path)
        lines: list[_Columns] = []
        for first, part in parts_of(path):
            found = decoded(part, _DECODER)
            if found is None:
                found = [_checked(entry, place) for entry, place in split(part, path, first)]
            lines.append(_columns(found))
        return cls._from_columns(lines, lambda i: f"{path}, line {i + 1}")

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> TrainingLog:
        """Make a log from dicts with the fields of ``episodes.jsonl``; ValueError names a bad record."""
        lines = [_checked(record, f"record {i}") for i, record in enumerate(records)]
        return cls._from_columns([_columns(lines)], lambda i: f"record {i}")

    @classmethod
    def from_arrays(
        cls,
        tasks: Sequence[str],
        values: ArrayLike,
        *,
        blocks: ArrayLike | None = None,
        steps: ArrayLike | None = None,
        measured: Measured = "return",
    ) -> TrainingLog:
        """Make a log from one number an episode.

        tasks: the task of each episode, length n. values: what ``measured`` says, shape (n,). blocks: the block of
        each episode, shape (n,), never falling; None for a new block wherever the task changes. steps: environment
        steps at the end of each episode, shape (n,); None for the count of episodes.
        """
        check_measured(measured)
        column = np.asarray(values, dtype=np.float64)
        n = len(tasks)
        if column.shape != (n,) or not np.isfinite(column).all():
            raise ValueError(f"values must be one finite number a task, shape ({n},), found {column.shape}.")
        names = tuple(dict.fromkeys(tasks))
        position = {task: i for i, task in enumerate(names)}
        index = np.array([position[task] for task in tasks], dtype=np.int64)
        if blocks is None:
            blocks = np.cumsum(np.diff(index, prepend=index[:1]) != 0)
        ends = np.arange(1, n + 1) if steps is None else steps
        log = cls(names, index, np.asarray(ends, np.int64), np.asarray(blocks, np.int64), {measured: column})
        for name, values_of in (("steps", log.steps), ("blocks", log.blocks)):
            if values_of.shape != (n,) or (np.diff(values_of) < 0).any():
                raise ValueError(f"{name} must have one entry an episode and never fall, found {values_of}.")
        return log

    @classmethod
    def _from_columns(cls, parts: Sequence[_Columns], place_of: Any) -> TrainingLog:
        tasks = [task for part in parts for task in part.tasks]
        names = tuple(dict.fromkeys(tasks))
        position = {task: i for i, task in enumerate(names)}
        index = np.fromiter((position[task] for task in tasks), np.int64, len(tasks))
        numbers = np.concatenate([part.numbers for part in parts]) if parts else np.empty((0, 6))
        steps, blocks, lengths = (numbers[:, i].astype(np.int64) for i in (0, 1, 5))
        names_of: dict[Measured, int] = {"return": 2, "score": 3, "success": 4}
        values = {name: np.ascontiguousarray(numbers[:, i]) for name, i in names_of.items()}
        if not np.isfinite(values["return"]).all():
            row = int(np.flatnonzero(~np.isfinite(values["return"]))[0])
            refuse(place_of(row), f"return must be finite numbers, found {values['return'][row]}")
        for name, column in (("step", steps), ("block", blocks)):
            falls = np.flatnonzero(np.diff(column) < 0)
            if len(falls):
                row = int(falls[0]) + 1
                refuse(
                    place_of(row),
                    f"the {name}s go back from {column[row - 1]} to {column[row]}; are two runs in one file?",
                )
        return cls(names, index, steps, blocks, values, lengths)

    def measured(self, value: Measured) -> NDArray[np.float64]:
        """Give the column of what is measured, shape (n,); Undefined where the log does not hold it."""
        return known(self.values, value)


@dataclass(frozen=True)
class _Columns:
    tasks: list[str]
    numbers: NDArray[np.float64]
    """Shape (n, 6): step, block, return, score, success, length. Steps stay exact up to 2**53."""


def _columns(lines: Sequence[_Line]) -> _Columns:
    numbers = np.empty((len(lines), 6))
    for i, name in enumerate(("step", "block", "episode_return", "score", "success", "length")):
        numbers[:, i] = np.fromiter((getattr(line, name) for line in lines), np.float64, len(lines))
    return _Columns([line.task for line in lines], numbers)


def _checked(entry: Any, place: str) -> _Line:
    check_fields(entry, FIELDS, "an episode", place)
    score = check_number(entry["score"], "score", place)
    if not 0 <= score <= 1:
        refuse(place, f"score must lie in [0, 1], found {score}")
    return _Line(
        check_count(entry["step"], "step", place),
        check_count(entry["block"], "block", place),
        check_id(entry, "task", place),
        check_number(entry["return"], "return", place),
        score,
        check_flag(entry["success"], "success", place),
        check_count(entry["length"], "length", place),
    )
