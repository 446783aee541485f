"""Logs from ``progress.tsv`` as Continual World writes it: a row an evaluation, a column a test environment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.columns import indices_of
from lifelong_rl.evaluation.lines import refuse
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.long_tables import Trained, blocks_of, trained_tasks
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.points import EvaluationPoint, make_points, moments_of
from lifelong_rl.evaluation.tables import Table, check_unit, numbers

STEP = ("total_env_steps", "step")
"""Names of the column of environment steps; the first that is there is taken."""

ACTIVE = ("train/active_env", "active_env", "train/current_task", "current_task")
"""Names of the column of what is trained, an index or a task's name; the first that is there is taken."""

SUCCESS = tuple(
    f"test/{mode}/{{index}}/{{task}}/success{end}"
    for mode in ("stochastic", "deterministic")  # Continual World's own tables take the stochastic ones
    for end in ("", "/mean", "/avg")
)
"""Patterns of the columns of successes; the first that fits a column is taken."""

RETURN = tuple(pattern.replace("/success", "/return") for pattern in SUCCESS)


@dataclass(frozen=True)
class _Test:
    """A column of scores: one test environment."""

    name: str
    task: str
    index: int | None


def read_progress(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    trained: Trained = None,
    steps_per_task: int | None = None,
    repeated: Literal["merged", "apart"] = "merged",
) -> EvaluationLog:
    """Read ``progress.tsv``, or the folder of Continual World that holds it: a row an evaluation, wide.

    columns: the names of the columns where they are others than :data:`STEP`, :data:`ACTIVE` and :data:`SUCCESS`:
    ``step``, ``active``, and ``success``, ``score`` or ``return`` as a pattern with ``{task}`` and, where there is
    one, ``{index}``. A success is the score too; its return is taken where the default columns hold it. An empty
    cell or "nan" is a task that was not evaluated.

    The blocks come from ``steps_per_task`` (by default that of the ``config.json`` in the same folder), else from the
    changes of the active task; with neither, the only task is trained in the only block. Without ``steps_per_task``
    the last evaluation of a block is taken as the one at its end. trained: the task of each block, in place of the
    active one. repeated: environments of one name and different indices (CW20) are one task, whose episodes they
    share ("merged"), or tasks named "index/name" ("apart", for agents with a head for each index, and for
    Continual World's own count).
    Raises ValueError with file and line for a damaged table, and says what was found where columns are missing.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "progress.tsv"
    table = Table(file)
    named = dict(columns or {})
    if unknown := set(named) - {"step", "active", "success", "score", "return"}:
        raise ValueError(f"columns may name step, active, success, score and return, found {min(unknown)!r}.")
    if repeated not in ("merged", "apart"):
        raise ValueError(f"repeated must be 'merged' or 'apart', found {repeated!r}.")
    tests = _tests_of(table, named)
    step = _first(table, named, "step", STEP)
    active = _first(table, named, "active", ACTIVE)
    if step is None:
        raise ValueError(_lacking(table, "a column of environment steps", ", ".join(STEP), '"step": "name"'))
    cells = _Cells(table, step, active, tests)
    ids = {test: test.task for test in next(iter(tests.values()))}
    if repeated == "apart":
        names = [test.task for test in ids]
        ids = {t: f"{t.index}/{t.task}" if names.count(t.task) > 1 else t.task for t in ids}
    spent = steps_per_task if steps_per_task is not None else _configured(file.parent / "config.json")
    blocks = _blocks(cells, ids, spent)
    block_tasks = _block_tasks(cells, ids, blocks, trained)
    blocks = np.where(cells.steps == 0, -1, blocks)
    moments = moments_of(blocks, cells.steps, steps_per_task=spent, is_cut=table.is_cut)
    points = make_points(cells.steps, blocks, moments, block_tasks)
    return _log(points, ids, cells.values, table)


class _Cells:
    """The wanted columns of the table."""

    def __init__(
        self, table: Table, step: str, active: str | None, tests: Mapping[Measured, Sequence[_Test]]
    ) -> None:
        self.table = table
        names = [test.name for of_measured in tests.values() for test in of_measured]
        steps: list[NDArray[np.float64]] = []
        values: list[NDArray[np.float64]] = []
        self.active: list[str] = []
        """What is trained, as it is written, a row each; empty where there is no such column."""
        for first, columns in table.parts([step, *([active] if active else []), *names]):

            def place_of(row: int, first: int = first) -> str:
                return table.place(first + row)

            steps.append(numbers(columns[0], step, place_of))
            self.active += map(_whole, columns[1] if active else ())
            found = columns[len(columns) - len(names) :]
            pairs = zip(names, found, strict=True)
            values.append(np.array([numbers(cells, name, place_of, has_gaps=True) for name, cells in pairs]))
        if not steps:
            raise ValueError(f"{table.path} holds no row below its header.")
        self.steps = self._rising(np.concatenate(steps), step)
        split = np.split(np.concatenate(values, axis=1), np.cumsum([len(of) for of in tests.values()])[:-1])
        self.values: dict[Measured, NDArray[np.float64]] = dict(zip(tests, split, strict=True))
        """The numbers of each test environment, shape (n_environments, n_rows), NaN where there are none."""
        for measured, rows in self.values.items():
            for test, row in zip(tests[measured], rows, strict=True):
                if measured != "return":
                    check_unit(row, test.name, table.place)

    def _rising(self, steps: NDArray[np.float64], name: str) -> NDArray[np.int64]:
        wrong = np.flatnonzero((steps < 0) | (steps > 2**53) | (steps != np.floor(steps)))
        if len(wrong):
            row = int(wrong[0])
            refuse(self.table.place(row), f"{name} must be an integer of at least 0, found {steps[row]:g}")
        falls = np.flatnonzero(np.diff(steps) <= 0)
        if len(falls):
            row = int(falls[0]) + 1
            refuse(
                self.table.place(row),
                f"{name} must rise, found {steps[row]:.0f} after {steps[row - 1]:.0f}; are two runs in one file, or "
                "does a line stand twice?",
            )
        return steps.astype(np.int64)


def _first(table: Table, named: Mapping[str, str], role: str, defaults: Sequence[str]) -> str | None:
    """Give the name of a role's column; None where there is none of the default names."""
    if role not in named:
        return next((name for name in defaults if name in table.header), None)
    if named[role] not in table.header:
        raise ValueError(f"{table.path} has no column {named[role]!r}; {table.found()}.")
    return named[role]


def _tests_of(table: Table, named: Mapping[str, str]) -> dict[Measured, list[_Test]]:
    """Give the columns of scores by what they measure; ValueError where none fits."""
    given: list[Measured] = [measured for measured in ("success", "score", "return") if measured in named]
    if not given:
        patterns = [pattern for pattern in SUCCESS if _matching(table, pattern)]
        if not patterns:
            text = _lacking(table, "columns of successes", SUCCESS[0], '"success": "my/{task}/column"')
            raise ValueError(text)
        successes = _matching(table, patterns[0])
        mode = patterns[0].split("/")[1]
        found: dict[Measured, list[_Test]] = {"success": successes, "score": successes}
        for pattern in (pattern for pattern in RETURN if pattern.split("/")[1] == mode):
            returns = _matching(table, pattern)
            if [(t.index, t.task) for t in returns] == [(t.index, t.task) for t in successes]:
                return found | {"return": returns}
        return found
    tests = {measured: _matching(table, named[measured]) for measured in given}
    for measured, found_tests in tests.items():
        if not found_tests:
            raise ValueError(_lacking(table, f"columns of the {measured}", named[measured], '"score": "my/{task}"'))
        if [(t.index, t.task) for t in found_tests] != [(t.index, t.task) for t in tests[given[0]]]:
            raise ValueError(f"{table.path}: the columns of {given[0]} and {measured} are not of the same tasks.")
    if "success" in tests and "score" not in tests:
        tests["score"] = tests["success"]
    return tests


def _matching(table: Table, pattern: str) -> list[_Test]:
    """Give the columns that fit a pattern with {task} and {index}, in order of the index where there is one."""
    if "{task}" not in pattern or len(re.findall("{task}|{index}", pattern)) != len(re.findall("{", pattern)):
        raise ValueError(f"a pattern of columns has {{task}} and, where there is one, {{index}}, found {pattern!r}.")
    text = re.escape(pattern).replace(r"\{task\}", "(?P<task>.+)", 1).replace(r"\{index\}", r"(?P<index>\d{1,6})", 1)
    fits = [match for match in (re.fullmatch(text, name, re.ASCII) for name in table.header) if match]
    tests = [
        _Test(match.group(), match["task"], int(match["index"]) if "index" in match.groupdict() else None)
        for match in fits
    ]
    tests.sort(key=lambda test: -1 if test.index is None else test.index)  # stable
    indices = [test.index for test in tests if test.index is not None]
    if len(set(indices)) < len(indices):
        raise ValueError(f"{table.path}: two columns that fit {pattern!r} have one index; are two runs in one file?")
    return tests


def _lacking(table: Table, what: str, example: str, mapping: str) -> str:
    return f"{table.path} lacks {what}, as {example}; {table.found()}. Name them with columns={{{mapping}}}."


def _configured(path: Path) -> int | None:
    """Give the steps of a block that Continual World's configuration says; None where there is none."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # it is only looked at
        return None
    if not isinstance(config, dict):
        return None
    found = config.get("steps_per_task") or (
        config.get("steps") if "task" in config else None
    )  # "task": a single one
    whole = int(found) if isinstance(found, int | float) and abs(found) < 2**53 else 0
    return whole if whole >= 1 and whole == found else None


def _blocks(cells: _Cells, ids: Mapping[_Test, str], steps_per_task: int | None) -> NDArray[np.int64]:
    """Give the block of each row, shape (n_rows,)."""
    if steps_per_task is not None:
        blocks = blocks_of(cells.steps, steps_per_task)
        _check_count(cells, blocks, steps_per_task)
        return blocks
    if cells.active:
        is_new = np.array([a != b for a, b in zip(cells.active[1:], cells.active, strict=False)], dtype=bool)
        return np.cumsum(np.insert(is_new & (cells.steps[:-1] > 0), 0, False))  # what stands at step 0 begins nothing
    if len(set(ids.values())) == 1:
        return np.zeros(len(cells.steps), dtype=np.int64)
    raise ValueError(
        f"{cells.table.path} does not say when which task is trained (no column {ACTIVE[0]}); {cells.table.found()}. "
        'Give steps_per_task, or name the column with columns={"active": "name"}.'
    )


def _block_tasks(
    cells: _Cells, ids: Mapping[_Test, str], blocks: NDArray[np.int64], trained: Trained
) -> list[str | None]:
    """Give the task of each block: what is given, else what is written as active, else the tasks in their order."""
    n_blocks = int(blocks.max()) + 1
    in_order = list(ids.values())
    if trained is not None:
        return trained_tasks(trained, n_blocks, in_order)
    if cells.active:
        return _active_tasks(cells, ids, blocks, n_blocks)
    if len(set(in_order)) == 1:
        return [in_order[0] for _ in range(n_blocks)]
    if n_blocks > len(in_order):
        raise ValueError(f"{cells.table.path} has {n_blocks} blocks and {len(in_order)} tasks: give trained.")
    indices = [test.index for test in ids]
    if indices != list(range(len(indices))):
        raise ValueError(f"{cells.table.path} has tests of the indices {indices}, not 0, 1, 2, ...: give trained.")
    return trained_tasks(in_order, n_blocks, in_order)


def _active_tasks(
    cells: _Cells, ids: Mapping[_Test, str], blocks: NDArray[np.int64], n_blocks: int
) -> list[str | None]:
    found: list[str | None] = [None] * n_blocks
    for row in np.flatnonzero(cells.steps > 0).tolist():
        block, place = int(blocks[row]), cells.table.place(row)
        task = _active_task(cells.active[row], ids, place)
        if found[block] not in (None, task):
            refuse(place, f"block {block} trains both {found[block]!r} and {task!r}; is steps_per_task right?")
        found[block] = task
    return found


def _check_count(cells: _Cells, blocks: NDArray[np.int64], steps_per_task: int) -> None:
    """Refuse a block without an evaluation."""
    jumps = np.flatnonzero(np.diff(blocks, prepend=-1) > 1)
    if len(jumps):
        row = int(jumps[0])
        refuse(
            cells.table.place(row),
            f"with {steps_per_task} steps per task step {cells.steps[row]} lies in block {blocks[row]}, and the "
            "block before it has no evaluation",
        )


def _active_task(written: str, ids: Mapping[_Test, str], place: str) -> str:
    """Give the task that is trained, which is written as the index of a test environment or as a name."""
    named = {task for test, task in ids.items() if written in (task, test.task)}
    if len(named) > 1:
        refuse(place, f"the active task {written!r} may be any of {', '.join(sorted(named))}; write its index")
    numbered = {
        task for i, (test, task) in enumerate(ids.items()) if written == str(i if test.index is None else test.index)
    }
    if not named | numbered:
        refuse(place, f"the active task must be one of {', '.join(dict.fromkeys(ids.values()))}, found {written!r}")
    return min(named or numbered)


def _whole(cell: str) -> str:
    """Give what is written, 3.0 as 3."""
    return re.sub(r"\.0+$", "", cell.strip()) if re.fullmatch(r"\s*\d+\.0+\s*", cell) else cell.strip()


def _log(
    points: tuple[EvaluationPoint, ...],
    ids: Mapping[_Test, str],
    values: Mapping[Measured, NDArray[np.float64]],
    table: Table,
) -> EvaluationLog:
    """Give the log: every number is an episode of its task's entry."""
    is_there = ~np.isnan(next(iter(values.values()))).T  # (n_rows, n_environments)
    for of_measured in values.values():
        uneven = np.argwhere(is_there == np.isnan(of_measured).T)
        if len(uneven):
            refuse(table.place(int(uneven[0][0])), "one measure of a task is there and another is not")
    if not is_there.any():
        raise ValueError(f"{table.path} holds no evaluation: every cell is empty.")
    tasks: dict[str, int] = {}
    task_of_test = indices_of(list(ids.values()), tasks)
    row, test = np.nonzero(is_there)
    order = np.lexsort((test, task_of_test[test], row))
    row, test = row[order], test[order]
    keys = row * len(tasks) + task_of_test[test]
    begins = np.flatnonzero(np.insert(np.diff(keys) != 0, 0, True))
    return EvaluationLog(
        points,
        tuple(tasks),
        row[begins],
        task_of_test[test][begins],
        np.diff(begins, append=len(keys)),
        {measured: of_measured[test, row] for measured, of_measured in values.items()},
        np.empty(0, dtype=np.int64),
    )
