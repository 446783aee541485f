"""The log of a run: what the agent scored on every task at every evaluation, and the episodes it trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.columns import check_tasks, integer_column
from lifelong_rl.evaluation.evaluation_lines import Columns, columns_of_file, columns_of_records
from lifelong_rl.evaluation.measured import Measured, check_measured, known
from lifelong_rl.evaluation.points import EvaluationPoint, Moment, make_points, moments_of
from lifelong_rl.evaluation.training_log import TrainingLog

__all__ = ["EvaluationLog", "EvaluationPoint", "MaskedTable", "Moment"]

MaskedTable: TypeAlias = np.ma.MaskedArray[Any, np.dtype[np.float64]]


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
        Anything else that is damaged raises ValueError with file and line, as do training episodes that
        cannot be of the run that was evaluated. docs/import.md has every case.
        """
        path = Path(path)
        if not path.is_dir():
            return cls._from_columns(columns_of_file(path))
        log = cls._from_columns(columns_of_file(path / "evaluations.jsonl"))
        if not (path / "episodes.jsonl").is_file():
            return log
        training = TrainingLog.read(path / "episodes.jsonl")
        _check_same_run(log, training, path / "episodes.jsonl")
        return log.with_training(training)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> EvaluationLog:
        """Make a log from dicts with the fields of ``evaluations.jsonl``; ValueError names a bad record."""
        return cls._from_columns(columns_of_records(records))

    @classmethod
    def _from_columns(cls, columns: Columns) -> EvaluationLog:
        return cls(
            tuple(columns.points),
            tuple(columns.tasks),
            np.concatenate(columns.point_index),
            np.concatenate(columns.task_index),
            np.concatenate(columns.n_episodes),
            {name: np.concatenate(parts) for name, parts in columns.episodes.items()},
            np.concatenate(columns.lengths),
        )

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
        Raises ValueError for shapes that do not fit, an infinite number, no number at all, and blocks or steps that
        fall.
        """
        table = np.ma.filled(np.ma.asarray(scores, dtype=np.float64), np.nan)
        if table.ndim != 2 or table.shape[1] != len(tasks) or not table.size:
            raise ValueError(
                f"scores must have shape (n_points, {len(tasks)}), with at least one point and one task, "
                f"found {table.shape}."
            )
        check_tasks(tasks, "tasks")
        if len(set(tasks)) < len(tasks):
            raise ValueError(f"the tasks must have different ids, found {list(tasks)}.")
        if np.isinf(table).any() or np.isnan(table).all():
            raise ValueError(
                "scores must be finite, NaN where a task was not evaluated; found infinity, or NaN alone."
            )
        points = _points_of_curves(integer_column(blocks, "blocks", len(table)), trained, steps)
        at, column = np.nonzero(~np.isnan(table))
        numbers = table[at, column]
        names = _names_of(numbers, measured)
        ones = np.ones(len(numbers), dtype=np.int64)
        nothing = np.empty(0, dtype=np.int64)
        return cls(points, tuple(tasks), at, column, ones, dict.fromkeys(names, numbers), nothing)

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


def _points_of_curves(
    blocks: NDArray[np.int64], trained: Sequence[str | None], steps: ArrayLike | None
) -> tuple[EvaluationPoint, ...]:
    """Give the points of curves; ValueError where blocks or steps cannot be those of a run."""
    n_first = int(np.count_nonzero(blocks == -1))
    if isinstance(trained, str):
        raise ValueError(f"trained must have one entry a block, found the text {trained!r}.")
    check_tasks((task for task in trained if task is not None), "trained")
    counted = np.arange(len(blocks)) + (0 if n_first else 1)
    at_steps = counted if steps is None else integer_column(steps, "steps", len(blocks))
    if (np.diff(at_steps) <= 0).any() or at_steps[0] < 0:
        raise ValueError(f"steps must be one rising count a point, at least 0, found {at_steps}.")
    if n_first > 1 or (np.diff(blocks) < 0).any() or blocks.min() < -1 or blocks.max() >= len(trained):
        raise ValueError(
            f"blocks must be rising indices of the {len(trained)} trained blocks, after at most one -1, "
            f"found {blocks}."
        )
    return make_points(at_steps, blocks, moments_of(blocks, at_steps), trained)


def _names_of(numbers: NDArray[np.float64], measured: Measured | None) -> tuple[Measured, ...]:
    """Give what the numbers of a curve are; ValueError where they cannot be what ``measured`` says."""
    is_unit = bool(((numbers >= 0) & (numbers <= 1)).all())
    if measured is None:
        return ("score", "return") if is_unit else ("return",)
    check_measured(measured)
    if measured != "return" and not is_unit:
        raise ValueError(f"a {measured} lies in [0, 1], found {numbers.min():g} to {numbers.max():g}.")
    return (measured,)


def _check_same_run(log: EvaluationLog, training: TrainingLog, path: Path) -> None:
    """Refuse training episodes that cannot have happened between the evaluations of the run."""
    if not len(training):
        return
    last, n_begun = log.points[-1], len(log.block_tasks)
    newest = last.block if last.at == "during" else n_begun  # after an evaluation at an end, the block that follows
    problem = None
    if training.blocks[-1] > newest:
        problem = f"they reach block {training.blocks[-1]} and the evaluations only block {last.block}"
    elif last.at == "during" and training.steps[-1] > 2 * last.step:  # the next one comes at most as late again
        problem = f"they go on to step {training.steps[-1]} and the evaluations only to {last.step}"
    blocks, starts = np.unique(training.blocks, return_index=True)
    for block, rows in zip(blocks.tolist(), np.split(np.arange(len(training)), starts[1:]), strict=True):
        problem = problem or _problem_in_block(log, training, block, rows)
    if problem:
        raise ValueError(f"{path} does not fit the evaluations beside it: {problem}. Is it from another run?")


def _problem_in_block(log: EvaluationLog, training: TrainingLog, block: int, rows: NDArray[np.int64]) -> str | None:
    """Say why these training episodes cannot be those of the block; None where they can."""
    begin = log.block_ends[block - 1] if block else 0
    is_begun = block < len(log.block_tasks)
    end, fixed = (log.block_ends[block], log.block_tasks[block]) if is_begun else (None, None)
    first, final = training.steps[rows[0]], training.steps[rows[-1]]
    if (begin is not None and first < begin) or (end is not None and final > end):
        return f"those of block {block} end at steps {first} to {final}, and the block goes from {begin} to {end}"
    played = {training.tasks[i] for i in np.unique(training.task_index[rows])}
    if fixed is not None and played != {fixed}:
        return f"block {block} trains {fixed!r}, and they play {', '.join(sorted(played - {fixed}))}"
    return None
