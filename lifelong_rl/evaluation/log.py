"""The log of a run: what the agent scored on every task at every evaluation, and the episodes it trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.lines import (
    check_count,
    check_fields,
    check_flag,
    check_id,
    check_list,
    check_number,
    decoded,
    parts_of,
    refuse,
    split,
)
from lifelong_rl.evaluation.measured import Measured, check_measured, known
from lifelong_rl.evaluation.training_log import TrainingLog

Moment: TypeAlias = Literal["start", "during", "end"]

MaskedTable: TypeAlias = np.ma.MaskedArray[Any, np.dtype[np.float64]]

FIELDS = ("step", "block", "at", "trained", "task", "returns", "scores", "successes", "lengths")
"""The fields every line of ``evaluations.jsonl`` has; further fields are ignored."""

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Id = Annotated[str, msgspec.Meta(min_length=1)]


class EvaluationPoint(msgspec.Struct, frozen=True, gc=False):
    """One moment at which the agent was evaluated on the tasks of the scenario."""

    step: _Count
    """Environment steps of training so far, over the whole run."""
    block: _Count
    """Index of the block being trained; 0 for the evaluation before training."""
    at: Moment
    """"start": before any training; "during": inside the block; "end": at the end of the block."""
    trained: _Id | None
    """Id of the block's fixed task; None where a teacher or a distribution draws the tasks."""


class _Line(msgspec.Struct, gc=False):
    step: _Count
    block: _Count
    at: Moment
    trained: _Id | None
    task: _Id
    returns: Annotated[list[float], msgspec.Meta(min_length=1)]
    scores: list[Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]]
    successes: list[bool]
    lengths: list[_Count]


_DECODER = msgspec.json.Decoder(_Line)

_LISTS: dict[Measured, str] = {"return": "returns", "score": "scores", "success": "successes"}


@dataclass(frozen=True, eq=False)
class EvaluationLog:
    """A run's evaluations in the order they were made, as columns; one entry an evaluated task.

    Make it with :meth:`read`, :meth:`from_records` or :meth:`from_arrays`.
    """

    points: tuple[EvaluationPoint, ...]
    """The evaluation points, in order of steps."""
    tasks: tuple[str, ...]
    """The ids of the evaluated tasks, in order of first appearance."""
    point_index: NDArray[np.int64]
    """Index into :attr:`points` of each entry, shape (n,)."""
    task_index: NDArray[np.int64]
    """Index into :attr:`tasks` of each entry, shape (n,)."""
    n_episodes: NDArray[np.int64]
    """Episodes of each entry, shape (n,), at least 1."""
    episodes: Mapping[Measured, NDArray[np.float64]]
    """What every episode showed, entry after entry, each of shape (n_episodes.sum(),); only what is known."""
    lengths: NDArray[np.int64]
    """Steps of every episode, in the same order; empty where they are not known."""
    training: TrainingLog | None = None
    """The episodes the agent trained on, for the metrics that look at them."""

    @classmethod
    def read(cls, path: str | Path) -> EvaluationLog:
        """Read ``evaluations.jsonl``, or a run folder: then the training episodes too.

        A last line that a kill cut short (no newline, no whole JSON object) is left out with a logged
        warning: its task then counts as not evaluated there, and a metric that needs it is undefined.
        Anything else that is damaged raises ValueError with file and line.
        """
        path = Path(path)
        if path.is_dir():
            log = cls.read(path / "evaluations.jsonl")
            episodes = path / "episodes.jsonl"
            return log.with_training(TrainingLog.read(episodes)) if episodes.is_file() else log
        if not path.is_file():
            raise ValueError(f"{path} does not exist. Has the run begun?")
        lines: list[_Line] = []
        for first, part in parts_of(path):
            found = decoded(part, _DECODER)
            if found is None or not all(map(_is_even, found)):
                found = [_checked(entry, place) for entry, place in split(part, path, first)]
            lines += found
        if not lines:
            raise ValueError(f"{path} holds no evaluation. Has the run begun?")
        return cls._from_lines(lines, lambda i: f"{path}, line {i + 1}")

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> EvaluationLog:
        """Make a log from dicts with the fields of ``evaluations.jsonl``; ValueError names a bad record."""
        lines = [_checked(record, f"record {i}") for i, record in enumerate(records)]
        if not lines:
            raise ValueError("an evaluation log needs at least one record, found none.")
        return cls._from_lines(lines, lambda i: f"record {i}")

    @classmethod
    def from_arrays(
        cls,
        tasks: Sequence[str],
        scores: ArrayLike,
        *,
        blocks: ArrayLike,
        trained: Sequence[str | None],
        steps: ArrayLike | None = None,
        measured: Measured | None = None,
    ) -> EvaluationLog:
        """Make a log from curves: one number for each task at each evaluation.

        tasks: ids of the columns. scores: shape (n_points, n_tasks), NaN or masked where a task was not evaluated.
        blocks: shape (n_points,), the index of the block being trained at each evaluation, never falling; -1 for the
        evaluation before any training. The last evaluation of a block is the one at its end. trained: for each block
        its fixed task, or None. steps: shape (n_points,), environment steps; None for the count of evaluations.
        measured: what the numbers are; None: the score (and the return) where all lie in [0, 1], else the return.
        Raises ValueError for shapes that do not fit, an infinite number, and blocks or steps that fall.
        """
        table = np.ma.filled(np.ma.asarray(scores, dtype=np.float64), np.nan)
        of_blocks = np.asarray(blocks, dtype=np.int64)
        if table.ndim != 2 or table.shape[1] != len(tasks) or of_blocks.shape != (len(table),) or not len(table):
            raise ValueError(
                f"scores of shape (n_points, {len(tasks)}) and as many blocks are expected, with at least one point, "
                f"found shapes {table.shape} and {of_blocks.shape}."
            )
        if len(set(tasks)) < len(tasks):
            raise ValueError(f"the tasks must have different ids, found {list(tasks)}.")
        if np.isinf(table).any():
            raise ValueError("scores must be finite, or NaN where a task was not evaluated; found infinity.")
        points = _points_of(of_blocks, trained, steps)
        at, column = np.nonzero(~np.isnan(table))
        numbers = table[at, column]
        is_unit = bool(((numbers >= 0) & (numbers <= 1)).all())
        if measured is None:
            names: tuple[Measured, ...] = ("score", "return") if is_unit else ("return",)
        else:
            check_measured(measured)
            names = (measured,)
            if measured != "return" and not is_unit:
                raise ValueError(f"a {measured} lies in [0, 1], found {numbers.min():g} to {numbers.max():g}.")
        return cls(
            points,
            tuple(tasks),
            at,
            column,
            np.ones(len(numbers), dtype=np.int64),
            dict.fromkeys(names, numbers),
            np.empty(0, dtype=np.int64),
        )

    @classmethod
    def _from_lines(cls, lines: Sequence[_Line], place_of: Callable[[int], str]) -> EvaluationLog:
        points: dict[EvaluationPoint, int] = {}
        tasks: dict[str, int] = {}
        point_index = np.empty(len(lines), dtype=np.int64)
        task_index = np.empty(len(lines), dtype=np.int64)
        last = None
        for i, line in enumerate(lines):
            point = EvaluationPoint(line.step, line.block, line.at, line.trained)
            if last is None:
                last = point
            elif point != last:
                _check_succession(last, point, place_of(i))
                last = point
            point_index[i] = points.setdefault(point, len(points))
            task_index[i] = tasks.setdefault(line.task, len(tasks))
        _check_once(point_index * len(tasks) + task_index, lines, place_of)
        episodes: dict[Measured, NDArray[np.float64]] = {}
        for name, listed in _LISTS.items():
            episodes[name] = np.array([v for line in lines for v in getattr(line, listed)], dtype=np.float64)
        n_episodes = np.array([len(line.returns) for line in lines], dtype=np.int64)
        if not np.isfinite(episodes["return"]).all():  # 1e999 is JSON
            i = int(np.repeat(np.arange(len(lines)), n_episodes)[~np.isfinite(episodes["return"])][0])
            refuse(place_of(i), f"returns must be finite numbers, found {lines[i].returns}")
        lengths = np.array([length for line in lines for length in line.lengths], dtype=np.int64)
        return cls(tuple(points), tuple(tasks), point_index, task_index, n_episodes, episodes, lengths)

    def with_training(self, training: TrainingLog | None) -> EvaluationLog:
        """Give this log with the training episodes of its run."""
        return replace(self, training=training)

    def upto(self, n_points: int) -> EvaluationLog:
        """Give this log as it was after its first ``n_points`` evaluations (1 or more), without training episodes."""
        if not 1 <= n_points <= len(self.points):
            raise ValueError(f"n_points must lie in 1 to {len(self.points)}, found {n_points}.")
        return self.where(self.point_index < n_points)

    def where(self, kept: NDArray[np.bool_]) -> EvaluationLog:
        """Give the log of some entries alone: ``kept`` has shape (n,). Points and tasks without an entry go too."""
        points, point_index = np.unique(self.point_index[kept], return_inverse=True)
        found, first, task_index = np.unique(self.task_index[kept], return_index=True, return_inverse=True)
        order = np.argsort(first)  # of first appearance
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        is_kept = np.repeat(kept, self.n_episodes)
        return replace(
            self,
            points=tuple(self.points[i] for i in points),
            tasks=tuple(self.tasks[i] for i in found[order]),
            point_index=point_index,
            task_index=rank[task_index],
            n_episodes=self.n_episodes[kept],
            episodes={name: numbers[is_kept] for name, numbers in self.episodes.items()},
            lengths=self.lengths[is_kept] if len(self.lengths) else self.lengths,
            training=None,
        )

    def __len__(self) -> int:
        return len(self.point_index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EvaluationLog):
            return NotImplemented
        return (self.points, self.tasks) == (other.points, other.tasks) and all(
            np.array_equal(mine, others) for mine, others in zip(self._columns(), other._columns(), strict=True)
        )

    __hash__ = object.__hash__

    def _columns(self) -> list[NDArray[Any]]:
        nothing = np.empty(0)
        values = [self.episodes.get(name, nothing) for name in get_args(Measured)]
        return [self.point_index, self.task_index, self.n_episodes, self.lengths, *values]

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """Environment steps of each evaluation point, shape (n_points,)."""
        return np.array([point.step for point in self.points], dtype=np.int64)

    @cached_property
    def blocks(self) -> NDArray[np.int64]:
        """Block of each evaluation point, shape (n_points,); the evaluation before training is in block 0."""
        return np.array([point.block for point in self.points], dtype=np.int64)

    @cached_property
    def at(self) -> tuple[Moment, ...]:
        """The moment of each evaluation point: "start", "during" or "end"."""
        return tuple(point.at for point in self.points)

    @cached_property
    def is_at_block_end(self) -> bool:
        """Whether the last evaluation is at the end of a block and covers every task."""
        n_evaluated = np.count_nonzero(self.point_index == len(self.points) - 1)
        return bool(self.points) and self.points[-1].at == "end" and n_evaluated == len(self.tasks)

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

    @property
    def measured(self) -> tuple[Measured, ...]:
        """What is known of every episode."""
        return tuple(self.episodes)

    def scores(self, value: Measured = "score") -> MaskedTable:
        """Give the mean over episodes of each task at each point.

        Shape (n_points, n_tasks), masked where a task was not evaluated; higher is better. Undefined where the log
        does not hold what is to be measured.
        """
        return self._table(value).copy()

    def _table(self, value: Measured) -> MaskedTable:
        tables: dict[Measured, MaskedTable] = self.__dict__.setdefault("_tables", {})
        if value not in tables:
            table = np.ma.MaskedArray(np.zeros((len(self.points), len(self.tasks))), mask=True)
            table[self.point_index, self.task_index] = self.means(value)
            tables[value] = table
        return tables[value]

    def means(self, value: Measured) -> NDArray[np.float64]:
        """Give each entry's mean over its episodes, shape (n,)."""
        numbers = known(self.episodes, value)
        if not len(self):
            return np.empty(0)
        sums = np.add.reduceat(numbers, np.cumsum(self.n_episodes) - self.n_episodes)
        means: NDArray[np.float64] = sums / self.n_episodes
        return means

    def matrix(self, value: Measured = "score") -> MaskedTable:
        """Give the score on every task before training and after each block.

        Shape (n_blocks + 1, n_tasks): row 0 is the evaluation before training, row k the end of block k - 1;
        columns as :attr:`tasks`. Masked where there is no such evaluation.
        """
        table = self._table(value)
        matrix = np.ma.MaskedArray(np.zeros((len(self.block_tasks) + 1, len(self.tasks))), mask=True)
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
        if task not in self.tasks:
            return np.empty(0, dtype=np.int64), np.empty(0)
        curve = self._table(value)[:, self.tasks.index(task)]
        inside = (self.blocks == block) & (np.array(self.at) != "start") & ~np.ma.getmaskarray(curve)
        return self.steps[inside] - before, np.asarray(curve[inside], dtype=np.float64)


def _points_of(
    blocks: NDArray[np.int64], trained: Sequence[str | None], steps: ArrayLike | None
) -> tuple[EvaluationPoint, ...]:
    """Give the points of curves; ValueError where blocks or steps cannot be those of a run."""
    n_first = int(np.count_nonzero(blocks == -1))
    at_steps = np.arange(len(blocks)) + (0 if n_first else 1) if steps is None else np.asarray(steps, dtype=np.int64)
    if at_steps.shape != blocks.shape or (np.diff(at_steps) <= 0).any() or (at_steps < 0).any():
        raise ValueError(f"steps must be one rising count a point, at least 0, found {at_steps}.")
    if n_first > 1 or (np.diff(blocks) < 0).any() or blocks.min() < -1 or blocks.max() >= len(trained):
        raise ValueError(
            f"blocks must be rising indices of the {len(trained)} trained blocks, after at most one -1, "
            f"found {blocks}."
        )
    is_last = np.append(np.diff(blocks) > 0, True)
    pairs = zip(blocks, is_last, strict=True)
    moments: list[Moment] = ["start" if block < 0 else "end" if last else "during" for block, last in pairs]
    return tuple(
        EvaluationPoint(int(step), max(int(block), 0), at, trained[max(block, 0)] if trained else None)
        for step, block, at in zip(at_steps, blocks, moments, strict=True)
    )


def _is_even(line: _Line) -> bool:
    return len(line.returns) == len(line.scores) == len(line.successes) == len(line.lengths)


def _checked(entry: Any, place: str) -> _Line:
    check_fields(entry, FIELDS, "an evaluation", place)
    if entry["at"] not in get_args(Moment):
        refuse(place, f"at must be one of {', '.join(get_args(Moment))}, found {entry['at']!r}")
    trained = None if entry["trained"] is None else check_id(entry, "trained", place)
    step, block = check_count(entry["step"], "step", place), check_count(entry["block"], "block", place)
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
    return _Line(step, block, entry["at"], trained, task, returns, scores, successes, lengths)


def _check_once(keys: NDArray[np.int64], lines: Sequence[_Line], place_of: Callable[[int], str]) -> None:
    """Refuse a task that is evaluated twice at one point."""
    order = np.argsort(keys, kind="stable")
    again = order[1:][keys[order[1:]] == keys[order[:-1]]]
    if len(again):
        i = int(again.min())
        refuse(place_of(i), f"task {lines[i].task!r} is evaluated twice at step {lines[i].step}")


def _check_succession(before: EvaluationPoint, point: EvaluationPoint, place: str) -> None:
    """Refuse a point that cannot follow another one before it in a run."""
    if point.step < before.step:
        refuse(
            place,
            f"the steps go back from {before.step} to {point.step}; "
            "a resumed run drops the lines after its checkpoint before it appends",
        )
    if point.step == before.step:
        refuse(place, f"two different evaluation points at step {point.step}: {before} and {point}")
    if point.at == "start":
        refuse(place, f"the evaluation before training must come first, found it at step {point.step}")
    if point.block < before.block or (point.block == before.block and before.at == "end"):
        refuse(place, f"block {point.block} is evaluated after the end of block {before.block}")
    if point.block == before.block and before.at != "start" and point.trained != before.trained:
        refuse(place, f"block {point.block} trains both {before.trained!r} and {point.trained!r}")
