"""The training episodes of a run, as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.columns import check_tasks, indices_of, integer_column
from lifelong_rl.evaluation.lines import (
    LARGEST,
    MOST_BLOCKS,
    Block,
    Count,
    Id,
    check_count,
    check_fields,
    check_flag,
    check_id,
    check_number,
    decoded,
    json_parts,
    refuse,
    split,
)
from lifelong_rl.evaluation.measured import Measured, check_measured, known

FIELDS = ("step", "block", "task", "return", "score", "success", "length")
"""The fields every line of ``episodes.jsonl`` has; ``env`` is looked at where it is there, others are ignored."""


class _Line(msgspec.Struct, gc=False):
    step: Annotated[int, Count]
    block: Annotated[int, Block]
    task: Annotated[str, Id]
    episode_return: float = msgspec.field(name="return")
    score: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    success: bool
    length: Annotated[int, Count]
    env: Annotated[int, msgspec.Meta(ge=-1, le=LARGEST)] = -1
    """Which of the parallel environments played it; -1 where that is not known."""


_DECODER = msgspec.json.Decoder(_Line)

_KINDS: dict[str, type[np.generic]] = {
    "step": np.int64,
    "block": np.int64,
    "episode_return": np.float64,
    "score": np.float64,
    "success": np.float64,
    "length": np.int64,
    "env": np.int64,
}


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
        Where the lines say in which of the parallel environments an episode was played (``env``), a line that
        stands twice is refused; without that, two equal lines are two equal episodes.
        """
        path = Path(path)
        columns = _Columns(lambda i: f"{path}, line {i + 1}")
        for first, part in json_parts(path):
            lines = decoded(part, _DECODER)
            if lines is None:
                lines = [_checked(entry, place) for entry, place in split(part, path, first)]
            columns.add(lines)
        return columns.to_log()

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> TrainingLog:
        """Make a log from dicts with the fields of ``episodes.jsonl``; ValueError names a bad record."""
        columns = _Columns(lambda i: f"record {i}")
        columns.add([_checked(record, f"record {i}") for i, record in enumerate(records)])
        return columns.to_log()

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
        Raises ValueError for shapes that do not fit, numbers that are not finite (a score or success: in [0, 1]), and
        blocks or steps that fall or are negative.
        """
        check_measured(measured)
        check_tasks(tasks, "tasks")
        column = np.asarray(values, dtype=np.float64)
        n = len(tasks)
        if column.shape != (n,) or not np.isfinite(column).all():
            raise ValueError(f"values must be one finite number a task, shape ({n},), found {column.shape}.")
        if measured != "return" and ((column < 0) | (column > 1)).any():
            raise ValueError(f"a {measured} lies in [0, 1], found {column.min():g} to {column.max():g}.")
        known_tasks: dict[str, int] = {}
        index = indices_of(tasks, known_tasks)
        if blocks is None:
            blocks = np.cumsum(np.diff(index, prepend=index[:1]) != 0)
        ends = integer_column(np.arange(1, n + 1) if steps is None else steps, "steps", n)
        log = cls(tuple(known_tasks), index, ends, integer_column(blocks, "blocks", n), {measured: column})
        for name, values_of in (("steps", log.steps), ("blocks", log.blocks)):
            if (np.diff(values_of) < 0).any() or (values_of[:1] < 0).any():
                raise ValueError(f"{name} must never fall and be at least 0, found {values_of}.")
        return log

    def measured(self, value: Measured) -> NDArray[np.float64]:
        """Give the column of what is measured, shape (n,); Undefined where the log does not hold it."""
        return known(self.values, value)


class _Columns:
    """The columns of a training log while its lines come in."""

    def __init__(self, place_of: Callable[[int], str]) -> None:
        self.place_of = place_of
        self.tasks: dict[str, int] = {}
        self.task_index: list[NDArray[np.int64]] = []
        self.numbers: dict[str, list[NDArray[Any]]] = {name: [] for name in _KINDS}
        self.n_lines = 0

    def add(self, lines: Sequence[_Line]) -> None:
        """Take over lines; ValueError for a return that is not finite."""
        for name, kind in _KINDS.items():
            self.numbers[name].append(np.fromiter(map(attrgetter(name), lines), kind, len(lines)))
        is_finite = np.isfinite(self.numbers["episode_return"][-1])  # 1e999 is JSON
        if not is_finite.all():
            i = int(np.flatnonzero(~is_finite)[0])
            refuse(self.place_of(self.n_lines + i), f"return must be finite, found {lines[i].episode_return}")
        self.task_index.append(indices_of([line.task for line in lines], self.tasks))
        self.n_lines += len(lines)

    def to_log(self) -> TrainingLog:
        """Give the log; ValueError where the lines cannot be those of one run."""
        index = np.concatenate([*self.task_index, np.empty(0, np.int64)])
        numbers = {
            name: np.concatenate([*self.numbers.pop(name), np.empty(0, kind)]) for name, kind in _KINDS.items()
        }
        for name in ("step", "block"):
            check_never_falls(numbers[name], name, self.place_of)
        self._check_no_line_stands_twice(numbers["step"], numbers["env"])
        values: dict[Measured, NDArray[np.float64]] = {
            "return": numbers["episode_return"],
            "score": numbers["score"],
            "success": numbers["success"],
        }
        return TrainingLog(tuple(self.tasks), index, numbers["step"], numbers["block"], values, numbers["length"])

    def _check_no_line_stands_twice(self, steps: NDArray[np.int64], envs: NDArray[np.int64]) -> None:
        """Refuse two episodes of one environment that end at the same step."""
        is_equal = np.diff(steps) == 0
        rows = np.flatnonzero(np.append(is_equal, False) | np.insert(is_equal, 0, False)) if len(steps) else steps
        order = rows[np.lexsort((envs[rows], steps[rows]))]  # stable: of equal lines the later one comes later
        first, second = order[:-1], order[1:]
        again = second[(steps[first] == steps[second]) & (envs[first] == envs[second]) & (envs[second] >= 0)]
        if len(again):
            row = int(again.min())
            refuse(
                self.place_of(row),
                f"a second episode of environment {envs[row]} ends at step {steps[row]}; remove this line where it "
                "only repeats the other",
            )


def check_never_falls(column: NDArray[np.int64], name: str, place_of: Callable[[int], str]) -> None:
    """Raise ValueError, with its place, for the first number that is smaller than the one before."""
    falls = np.flatnonzero(np.diff(column) < 0)
    if len(falls):
        row = int(falls[0]) + 1
        refuse(
            place_of(row),
            f"the {name}s go back from {column[row - 1]} to {column[row]}; are two runs in one file? Keep the lines "
            "of one",
        )


def _checked(entry: Any, place: str) -> _Line:
    check_fields(entry, FIELDS, "an episode", place)
    score = check_number(entry["score"], "score", place)
    if not 0 <= score <= 1:
        refuse(place, f"score must lie in [0, 1], found {score}")
    return _Line(
        check_count(entry["step"], "step", place),
        check_count(entry["block"], "block", place, MOST_BLOCKS),
        check_id(entry, "task", place),
        check_number(entry["return"], "return", place),
        score,
        check_flag(entry["success"], "success", place),
        check_count(entry["length"], "length", place),
        env if type(env := entry.get("env")) is int and -1 <= env <= LARGEST else -1,  # a foreign field of that name
    )
