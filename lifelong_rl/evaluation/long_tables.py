"""Logs from tables with one row an episode: evaluations of (step, block, task, score), and training episodes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.columns import check_tasks, indices_of
from lifelong_rl.evaluation.lines import MOST_BLOCKS, refuse
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.points import EvaluationPoint, Moment, check_succession, make_points, moments_of
from lifelong_rl.evaluation.tables import Cells, Table, check_unit, counts, numbers
from lifelong_rl.evaluation.training_log import TrainingLog, check_never_falls

logger = logging.getLogger(__name__)

Trained: TypeAlias = Sequence[str | None] | Callable[[int], str | None] | None
"""The fixed task of each block: one entry a block, or a function of the block's index; None where it is not known."""

MEASURED: tuple[Measured, ...] = get_args(Measured)

ROLES = ("step", "block", "task", *MEASURED, "length", "at", "trained", "episode")
"""What a column can be; by default a column has the name of what it is. Others are ignored."""

TRAINING_ROLES = ("step", "block", "task", *MEASURED, "length")

_FLAGS = {"true": "1", "false": "0", "True": "1", "False": "0", "TRUE": "1", "FALSE": "0"}


def read_csv(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    trained: Trained = None,
    steps_per_task: int | None = None,
) -> EvaluationLog:
    """Read evaluations from a table with a row an episode, comma, tab or semicolon separated, columns in any order.

    Columns: ``step`` (environment steps), ``block`` (from 0; -1 or empty before training, as is step 0), ``task``,
    and at least one of ``score``, ``success`` (both in [0, 1]) and ``return``. Where they are there, also ``at``
    (start, during, end), ``trained`` (the block's fixed task), ``length`` and ``episode``. columns: other names, as
    ``{"return": "reward"}``.

    Several rows of one step and task are its episodes: one below the other and as many for each, or told apart by
    ``episode``. Without ``at``, the last evaluation of a block is the one at its end. trained: where the table does
    not say it; without it no block has a fixed task, and the metrics that need one are undefined. steps_per_task:
    the steps of every block: it then ends there alone, and the table needs no column ``block``.
    Raises ValueError with file and line for a damaged table; docs/import.md has every case.
    """
    table = Table(path)
    names = _names(table, columns, ROLES, steps_per_task)
    if trained is not None and "trained" in names:
        raise ValueError(f"{path} has a column of the trained tasks already: leave out the argument trained.")
    rows = _Rows(table, names)
    rows.set_blocks(steps_per_task)
    rows.leave_out_unfinished_entries()
    rows.check_entries()
    return _log_of(rows, trained, steps_per_task)


def read_training_csv(
    path: str | Path, *, columns: Mapping[str, str] | None = None, steps_per_task: int | None = None
) -> TrainingLog:
    """Read training episodes from a table with a row an episode, in the order they ended.

    Columns as for :func:`read_csv`, without ``at``, ``trained`` and ``episode``: ``step`` (at the end of the
    episode), ``block`` (from 0), ``task``, at least one of ``return``, ``score`` and ``success``, and ``length``
    where it is there.
    Raises ValueError with file and line for a damaged table. Two equal lines are two equal episodes.
    """
    table = Table(path)
    rows = _Rows(table, _names(table, columns, TRAINING_ROLES, steps_per_task), least_block=0)
    rows.set_blocks(steps_per_task)
    for name in ("step", "block"):
        check_never_falls(rows.numbers[name], name, table.place)
    values = {name: rows.numbers[name] for name in MEASURED if name in rows.numbers}
    lengths = rows.numbers.get("length", np.empty(0, dtype=np.int64))
    index, steps, blocks = (rows.numbers[name] for name in ("task", "step", "block"))
    return TrainingLog(tuple(rows.texts["task"]), index, steps, blocks, values, lengths)


def trained_tasks(trained: Trained, n_blocks: int, tasks: Sequence[str]) -> list[str | None]:
    """Give the fixed task of each block; ValueError where there are too few, or one that is not evaluated."""
    if trained is None:
        return [None] * n_blocks
    if isinstance(trained, str):
        raise ValueError(f"trained must have one entry a block, found the text {trained!r}.")
    if not callable(trained) and len(trained) < n_blocks:
        raise ValueError(f"trained must have an entry for each of the {n_blocks} blocks, found {len(trained)}.")
    found = [trained(block) if callable(trained) else trained[block] for block in range(n_blocks)]
    check_tasks((task for task in found if task is not None), "trained")
    if unknown := [task for task in found if task is not None and task not in tasks]:
        raise ValueError(f"trained names {unknown[0]!r}, which is not evaluated; evaluated are {', '.join(tasks)}.")
    return found


def blocks_of(steps: NDArray[np.int64], steps_per_task: int) -> NDArray[np.int64]:
    """Give the block each step lies in, its last step included; -1 for step 0."""
    if steps_per_task < 1:
        raise ValueError(f"steps_per_task must be at least 1, found {steps_per_task}.")
    return -(-steps // steps_per_task) - 1


def _names(
    table: Table, columns: Mapping[str, str] | None, roles: Sequence[str], steps_per_task: int | None
) -> dict[str, str]:
    """Give the name of the column of each role that there is; ValueError for what is missing."""
    named = dict(columns or {})
    if unknown := [role for role in named if role not in roles]:
        raise ValueError(f"columns must name columns for {', '.join(roles)}, found {unknown[0]!r}.")
    defaults = {role: role for role in roles if role in table.header and role not in named.values()}
    names = defaults | named
    needed = ["step", "task"] if steps_per_task else ["step", "block", "task"]
    missing = [
        named.get(role, role) for role in {**dict.fromkeys(needed), **named} if names.get(role) not in table.header
    ]
    if not any(role in names for role in MEASURED):
        missing.append(f"one of {', '.join(MEASURED)}")
    if missing:
        raise ValueError(
            f"{table.path} lacks the column(s) {', '.join(missing)}; {table.found()}. "
            'Give other names as columns={"step": "name in the file"}.'
        )
    return names


class _Rows:
    """The columns of a table: numbers by role, and texts as indices into what was found, in order of appearance."""

    def __init__(self, table: Table, names: Mapping[str, str], *, least_block: int = -1) -> None:
        self.table = table
        self.texts: dict[str, dict[str, int]] = {role: {} for role in ("task", "trained", "at", "episode")}
        parts: dict[str, list[NDArray[Any]]] = {role: [] for role in names}
        for first, columns in table.parts(list(names.values())):
            for role, cells in zip(names, columns, strict=True):
                parts[role].append(self._column(role, names[role], cells, first, least_block))
        if not parts["step"]:
            raise ValueError(f"{table.path} holds no row below its header.")
        self.numbers: dict[str, NDArray[Any]] = {role: np.concatenate(parts[role]) for role in names}
        self.numbers["row"] = np.arange(len(self.numbers["step"]))
        self.is_cut = table.is_cut

    def _column(self, role: str, name: str, cells: Cells, first: int, least_block: int) -> NDArray[Any]:
        def place_of(row: int) -> str:
            return self.table.place(first + row)

        if role in self.texts:
            return self._texts(role, name, [cell.strip() for cell in cells], place_of)
        if role in ("step", "block", "length"):
            return counts(cells, name, place_of, least=least_block if role == "block" else 0)
        if role == "success":
            cells = [_FLAGS.get(cell, cell) for cell in cells]
        values = numbers(cells, name, place_of)
        if role != "return":
            check_unit(values, name, place_of)
        return values

    def _texts(self, role: str, name: str, cells: Cells, place_of: Callable[[int], str]) -> NDArray[np.int64]:
        if role != "trained" and "" in cells:
            refuse(place_of(cells.index("")), f"{name} must not be empty")
        if role == "at" and (wrong := set(cells) - set(get_args(Moment))):
            row = min(cells.index(cell) for cell in wrong)
            refuse(place_of(row), f"{name} must be one of {', '.join(get_args(Moment))}, found {cells[row]!r}")
        return indices_of(cells, self.texts[role])

    def place(self, row: int) -> str:
        """Name the place of a row, counted from 0 among those that were not left out, in an error."""
        return self.table.place(int(self.numbers["row"][row]))

    def set_blocks(self, steps_per_task: int | None) -> None:
        """Set the blocks of tables that have none; ValueError where theirs are not those of ``steps_per_task``."""
        if steps_per_task is not None:
            blocks = blocks_of(self.numbers["step"], steps_per_task)
            told = self.numbers.setdefault("block", blocks)
            wrong = np.flatnonzero((told != blocks) & (self.numbers["step"] > 0))
            if len(wrong):
                row = int(wrong[0])
                refuse(
                    self.place(row),
                    f"with {steps_per_task} steps per task step {self.numbers['step'][row]} lies in block "
                    f"{blocks[row]}, found {told[row]}",
                )
        too_large = np.flatnonzero(self.numbers["block"] > MOST_BLOCKS)
        if len(too_large):
            row = int(too_large[0])
            refuse(self.place(row), f"a block is at most {MOST_BLOCKS}, found {self.numbers['block'][row]}")

    def keys(self) -> NDArray[np.int64]:
        """Give one number for each step and task, rising with the step, shape (n,)."""
        rank = np.unique(self.numbers["step"], return_inverse=True)[1]
        return np.asarray(rank * len(self.texts["task"]) + self.numbers["task"])

    def leave_out_unfinished_entries(self) -> None:
        """Leave out what has fewer episodes at the step of the last row than is usual: there the file is cut."""
        inverse, n_rows = np.unique(self.keys(), return_inverse=True, return_counts=True)[1:]
        n_episodes = n_rows[inverse]
        is_last = self.numbers["step"] == self.numbers["step"][-1]
        usual = n_episodes[is_last].max() if is_last.all() else n_episodes[~is_last].min()
        is_short = is_last & (n_episodes < usual)
        if not is_short.any():
            return
        logger.warning(
            "%s ends in the middle of the evaluation at step %d: what has fewer than %d episodes there is left out.",
            self.table.path,
            self.numbers["step"][-1],
            usual,
        )
        self.numbers = {role: column[~is_short] for role, column in self.numbers.items()}
        self.is_cut = True

    def check_entries(self) -> None:
        """Refuse episodes of one step and task that do not belong together."""
        keys = self.keys()
        if "episode" in self.numbers:
            episodes = keys * len(self.texts["episode"]) + self.numbers["episode"]
            first, inverse = np.unique(episodes, return_index=True, return_inverse=True)[1:]
            again = np.flatnonzero(first[inverse] != np.arange(len(keys)))
            self._refuse(again, "has this episode twice; remove this line where it only repeats the other")
            return
        first, inverse, n_rows = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)[1:]
        is_first = np.insert(np.diff(keys) != 0, 0, True)  # of rows one below the other
        apart = np.flatnonzero(is_first & (first[inverse] != np.arange(len(keys))))
        hint = "are two runs in one file, or does a line stand twice? A column episode tells episodes apart"
        self._refuse(apart, f"stands in two places; {hint}")
        usual = np.bincount(n_rows).argmax()
        uneven = np.sort(first[n_rows != usual])
        self._refuse(uneven, f"does not have {usual} row(s) as most have; {hint}")

    def _refuse(self, rows: NDArray[np.int64], problem: str) -> None:
        if len(rows):
            row = int(rows[0])
            task = list(self.texts["task"])[self.numbers["task"][row]]
            refuse(self.place(row), f"task {task!r} at step {self.numbers['step'][row]} {problem}")

    def of_steps(self, role: str, rows: NDArray[np.int64], of_row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give a column's number for each step (``rows``: the first row of each); ValueError where a step has two."""
        column = self.numbers[role]
        wrong = np.flatnonzero(column[rows][of_row] != column)
        if len(wrong):
            names = list(self.texts.get(role, ()))
            found = (int(column[rows][of_row][wrong[0]]), int(column[wrong[0]]))
            two = [names[i] if names else i for i in found]
            step = self.numbers["step"][wrong[0]]
            refuse(self.place(int(wrong[0])), f"step {step} has both the {role} {two[0]!r} and {two[1]!r}")
        return np.asarray(column[rows])


def _log_of(rows: _Rows, trained: Trained, steps_per_task: int | None) -> EvaluationLog:
    steps, first, of_row = np.unique(rows.numbers["step"], return_index=True, return_inverse=True)
    points = _points(rows, steps, first, of_row, trained, steps_per_task)
    for before, point, row in zip(points, points[1:], first[1:], strict=False):
        check_succession(before, point, rows.place(int(row)))
    first_of_entry, entry = np.unique(rows.keys(), return_index=True, return_inverse=True)[1:]
    order = np.lexsort((np.arange(len(entry)), first_of_entry[entry], rows.numbers["step"]))
    begins = np.flatnonzero(np.insert(np.diff(entry[order]) != 0, 0, True))
    return EvaluationLog(
        points,
        tuple(rows.texts["task"]),
        of_row[order][begins],
        rows.numbers["task"][order][begins],
        np.diff(begins, append=len(order)),
        {name: rows.numbers[name][order] for name in MEASURED if name in rows.numbers},
        rows.numbers["length"][order] if "length" in rows.numbers else np.empty(0, dtype=np.int64),
    )


def _points(
    rows: _Rows,
    steps: NDArray[np.int64],
    first: NDArray[np.int64],
    of_row: NDArray[np.int64],
    trained: Trained,
    steps_per_task: int | None,
) -> tuple[EvaluationPoint, ...]:
    """Give the points of a table, one a step; ``first`` holds the first row of each step."""
    blocks = rows.of_steps("block", first, of_row)
    tasks = tuple(rows.texts["task"])
    if "at" in rows.numbers:
        names: list[Any] = list(rows.texts["at"])
        moments = [names[i] for i in rows.of_steps("at", first, of_row)]
        for at, block, row in zip(moments, blocks, first, strict=True):
            if (at == "start" and block > 0) or (at != "start" and block < 0):
                refuse(rows.place(int(row)), f"an evaluation of block {block} cannot be one at {at!r}")
    else:
        _check_blocks(rows, blocks, steps, first)
        blocks = np.where(steps == 0, -1, blocks)
        moments = list(moments_of(blocks, steps, steps_per_task=steps_per_task, is_cut=rows.is_cut))
    if "trained" not in rows.numbers:
        return make_points(steps, blocks, moments, trained_tasks(trained, int(blocks.max()) + 1, tasks))
    texts = list(rows.texts["trained"])
    of_points = [texts[i] or None for i in rows.of_steps("trained", first, of_row)]
    return tuple(
        EvaluationPoint(int(step), max(int(block), 0), at, task)
        for step, block, at, task in zip(steps, blocks, moments, of_points, strict=True)
    )


def _check_blocks(rows: _Rows, blocks: NDArray[np.int64], steps: NDArray[np.int64], first: NDArray[np.int64]) -> None:
    """Refuse blocks that do not count from 0, and a step 0 in a later block."""
    wrong = np.flatnonzero((steps == 0) & (blocks > 0))
    if len(wrong):
        refuse(rows.place(int(first[wrong[0]])), f"step 0 is before training, found block {blocks[wrong[0]]}")
    found = np.unique(blocks[(blocks >= 0) & (steps > 0)])
    if len(found) and found[-1] != len(found) - 1:
        i = int(np.flatnonzero(found != np.arange(len(found)))[0])
        row = int(first[np.flatnonzero(blocks == found[i])[0]])
        refuse(rows.place(row), f"blocks count 0, 1, 2, ...; block {i} has no evaluation, found {found[i]}")
