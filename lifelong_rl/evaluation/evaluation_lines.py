"""The lines of ``evaluations.jsonl``: checking them, and bringing them into columns part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.lines import (
    MOST_BLOCKS,
    Block,
    Count,
    Id,
    check_count,
    check_fields,
    check_flag,
    check_id,
    check_list,
    check_number,
    decoded,
    json_parts,
    refuse,
    split,
)
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.points import EvaluationPoint, Moment, check_succession

FIELDS = ("step", "block", "at", "trained", "task", "returns", "scores", "successes", "lengths")
"""The fields every line of ``evaluations.jsonl`` has; further fields are ignored."""


class Line(msgspec.Struct, gc=False):
    """One task's evaluation at one moment; the lists have one entry an episode."""

    step: Annotated[int, Count]
    block: Annotated[int, Block]
    at: Moment
    trained: Annotated[str, Id] | None
    task: Annotated[str, Id]
    returns: Annotated[list[float], msgspec.Meta(min_length=1)]
    scores: list[Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]]
    successes: list[bool]
    lengths: list[Annotated[int, Count]]


_DECODER = msgspec.json.Decoder(Line)

_LISTS: dict[Measured, str] = {"return": "returns", "score": "scores", "success": "successes"}

PlaceOf = Callable[[int], str]
"""Names the place of the i-th line, counted from 0, in an error."""


class Columns:
    """The columns of an evaluation log while its lines come in."""

    def __init__(self, place_of: PlaceOf) -> None:
        self.place_of = place_of
        self.points: dict[EvaluationPoint, int] = {}
        self.tasks: dict[str, int] = {}
        self.point_index: list[NDArray[np.int64]] = []
        self.task_index: list[NDArray[np.int64]] = []
        self.n_episodes: list[NDArray[np.int64]] = []
        self.episodes: dict[Measured, list[NDArray[np.float64]]] = {name: [] for name in _LISTS}
        self.lengths: list[NDArray[np.int64]] = []
        self._n_lines = 0
        self._last: EvaluationPoint | None = None

    def __len__(self) -> int:
        return self._n_lines

    def add(self, lines: Sequence[Line]) -> None:
        """Take over lines; ValueError where they cannot follow those before, or a return is not finite."""
        self._add_points(lines)
        tasks = self.tasks
        index = (tasks.setdefault(line.task, len(tasks)) for line in lines)
        self.task_index.append(np.fromiter(index, np.int64, len(lines)))
        counts = np.fromiter((len(line.returns) for line in lines), np.int64, len(lines))
        self.n_episodes.append(counts)
        n = int(counts.sum())
        for name, field in _LISTS.items():
            values = chain.from_iterable(map(attrgetter(field), lines))
            self.episodes[name].append(np.fromiter(values, np.float64, n))
        self.lengths.append(np.fromiter(chain.from_iterable(map(attrgetter("lengths"), lines)), np.int64, n))
        is_finite = np.isfinite(self.episodes["return"][-1])  # 1e999 is JSON
        if not is_finite.all():
            i = int(np.repeat(np.arange(len(lines)), counts)[~is_finite][0])
            refuse(self.place_of(self._n_lines + i), f"returns must be finite numbers, found {lines[i].returns}")
        self._n_lines += len(lines)

    def _add_points(self, lines: Sequence[Line]) -> None:
        index = np.empty(len(lines), dtype=np.int64)
        last = self._last
        for i, line in enumerate(lines):
            point = EvaluationPoint(line.step, line.block, line.at, line.trained)
            if point != last:
                if last is not None:
                    check_succession(last, point, self.place_of(self._n_lines + i))
                last = point
                self.points[point] = len(self.points)
            index[i] = len(self.points) - 1
        self._last = last
        self.point_index.append(index)

    def check_once(self) -> None:
        """Refuse a task that is evaluated twice at one point."""
        tasks, points = np.concatenate(self.task_index), np.concatenate(self.point_index)
        keys = points * len(self.tasks) + tasks
        order = np.argsort(keys, kind="stable")
        again = order[1:][keys[order[1:]] == keys[order[:-1]]]
        if len(again):
            i = int(again.min())
            task, step = list(self.tasks)[tasks[i]], list(self.points)[points[i]].step
            refuse(
                self.place_of(i),
                f"task {task!r} is evaluated twice at step {step}; remove this line where it only repeats the other",
            )


def columns_of_file(path: Path) -> Columns:
    """Read a file of evaluation lines; ValueError with file and line for a damaged one."""
    columns = Columns(lambda i: f"{path}, line {i + 1}")
    for first, part in json_parts(path):
        lines = decoded(part, _DECODER)
        if lines is None or not all(map(_is_even, lines)):
            lines = list(_checked_lines(split(part, path, first)))
        columns.add(lines)
    if not len(columns):
        raise ValueError(f"{path} holds no evaluation. Has the run begun?")
    columns.check_once()
    return columns


def columns_of_records(records: Iterable[Any]) -> Columns:
    """Take over records with the fields of the lines; ValueError names a bad record."""
    columns = Columns(lambda i: f"record {i}")
    columns.add(list(_checked_lines((record, f"record {i}") for i, record in enumerate(records))))
    if not len(columns):
        raise ValueError("an evaluation log needs at least one record, found none.")
    columns.check_once()
    return columns


def _is_even(line: Line) -> bool:
    return len(line.returns) == len(line.scores) == len(line.successes) == len(line.lengths)


def _checked_lines(entries: Iterable[tuple[Any, str]]) -> Iterator[Line]:
    for entry, place in entries:
        yield _checked(entry, place)


def _checked(entry: Any, place: str) -> Line:
    check_fields(entry, FIELDS, "an evaluation", place)
    if entry["at"] not in get_args(Moment):
        refuse(place, f"at must be one of {', '.join(get_args(Moment))}, found {entry['at']!r}")
    trained = None if entry["trained"] is None else check_id(entry, "trained", place)
    step = check_count(entry["step"], "step", place)
    block = check_count(entry["block"], "block", place, MOST_BLOCKS)
    episodes = {name: check_list(entry, name, place) for name in FIELDS[5:]}
    if len(n_episodes := {len(values) for values in episodes.values()}) != 1 or 0 in n_episodes:
        found = ", ".join(f"{len(values)} {name}" for name, values in episodes.items())
        refuse(place, f"expected the same number of each, at least 1, found {found}")
    successes = [check_flag(success, "successes", place) for success in episodes["successes"]]
    scores = [check_number(score, "scores", place) for score in episodes["scores"]]
    if any(not 0 <= score <= 1 for score in scores):
        refuse(place, f"scores must lie in [0, 1], found {scores}")
    returns = [check_number(value, "returns", place) for value in episodes["returns"]]
    lengths = [check_count(length, "lengths", place) for length in episodes["lengths"]]
    task = check_id(entry, "task", place)
    return Line(step, block, entry["at"], trained, task, returns, scores, successes, lengths)
