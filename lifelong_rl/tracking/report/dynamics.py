"""Where forgetting sits in agents that learn dynamics: each task's model error against the return."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lifelong_rl.tracking import figures
from lifelong_rl.tracking.report.document import UNKNOWN, Cell, Part, Picture, Section, Table, Words
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import rounded, signed
from lifelong_rl.tracking.report.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = "dynamics_error/"
"""What the names of these numbers begin with in the ``extra`` of an evaluation; the task's id follows."""

FEWEST = 3
"""Evaluations below which there is no rank correlation."""


@dataclass(frozen=True)
class Measured:
    """One evaluation of a task whose dynamics were known."""

    task: str
    at: str
    trained: str | None
    error: float
    """Mean squared error of one step, as the agent gave it; above 0."""
    mean_return: float


def measured(run: Run) -> list[Measured]:
    """Give a run's evaluations that carry an error of the evaluated task's dynamics, in their order."""
    text = run.folder.evaluations_path.read_bytes()
    if PREFIX.encode() not in text:
        return []
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:  # the last line, cut short by a kill: the log was read before, and refuses all others
            break
        error = (record.get("extra") or {}).get(PREFIX + record["task"])
        if isinstance(error, float) and math.isfinite(error) and error > 0:
            value = float(np.mean(record["returns"]))
            found.append(Measured(record["task"], record["at"], record["trained"], error, value))
    return found


def dynamics_section(groups: Sequence[Group]) -> Section | None:
    """Give the section; None where no run learned dynamics."""
    parts: list[Part] = []
    for number, group in enumerate(groups, 1):
        runs = [measured(run) for run in group.runs]
        if any(runs):
            parts.append(_table(group, runs, number))
            parts.append(Picture(f"dynamics-{number}", group.label, partial(scatter, runs)))
    if not parts:
        return None
    words = (
        "One-step prediction error of each task's model in the evaluation episodes, as the agent measured it, "
        "against the mean return of the same episodes: just after the last block that trained the task, and at the "
        "end. Means over seeds, geometric ones of errors. Rank correlation (Spearman 1904) over all evaluations of "
        "the task, seeds together: near -1, returns fall where errors rise; near 0, planning bears these errors."
    )
    return Section("dynamics", "Dynamics error against return", (Words(words), *parts))


def _table(group: Group, runs: Sequence[Sequence[Measured]], number: int) -> Table:
    titles = ("task", "error just after", "at the end", "times", "return just after", "at the end", "change")
    header = (*map(Cell, titles), Cell("rank correlation"), Cell("evaluations"))
    tasks = dict.fromkeys(point.task for run in runs for point in run)
    rows = tuple((Cell(task), *_cells(task, runs)) for task in tasks)
    return Table(f"dynamics-{number}", group.label, header, rows)


def _cells(task: str, runs: Sequence[Sequence[Measured]]) -> list[Cell]:
    own = [[point for point in run if point.task == task] for run in runs]
    just = [[p for p in points if p.at == "end" and p.trained == task] for points in own]
    together = [point for points in own for point in points]
    ranks = rank_correlation([p.error for p in together], [p.mean_return for p in together])
    if all(just):
        ends = [points[-1] for points in just], [points[-1] for points in own]
        errors = [float(np.exp(np.mean([math.log(p.error) for p in end]))) for end in ends]
        returns = [float(np.mean([p.mean_return for p in end])) for end in ends]
        cells = [Cell(f"{error:.2g}") for error in (*errors, errors[1] / errors[0])]
        cells += [Cell(rounded(returns[0])), Cell(rounded(returns[1])), Cell(signed(returns[1] - returns[0]))]
    else:
        cells = [Cell(UNKNOWN, note="not evaluated at the end of a block that trained it, by every run")] * 6
    reason = f"needs {FEWEST} evaluations with different errors and returns"
    cells.append(Cell(UNKNOWN, note=reason) if ranks is None else Cell(rounded(ranks)))
    return [*cells, Cell(str(len(together)))]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Give Spearman's rank correlation in [-1, 1]; None for fewer than three pairs, or where one side is constant."""
    if len(first) < FEWEST or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def scatter(runs: Sequence[Sequence[Measured]]) -> Figure:
    """Draw every evaluation: error, on a log scale, against return, a colour a task."""
    figure = figures.new_figure(7.0, 3.8)
    axes = figure.add_subplot()
    points = [point for run in runs for point in run]
    for i, task in enumerate(dict.fromkeys(point.task for point in points)):
        own = [point for point in points if point.task == task]
        colour = figures.LINE_COLOURS[i % len(figures.LINE_COLOURS)]
        marker = "oxs^"[i // len(figures.LINE_COLOURS) % 4]
        errors, returns = [p.error for p in own], [p.mean_return for p in own]
        axes.scatter(errors, returns, s=16, color=colour, marker=marker, label=figures.plain(task))
    axes.set_xscale("log")
    axes.set(xlabel="one-step dynamics error", ylabel="mean return")
    figures.clean(axes)
    figure.legend(loc="outside right upper", title="evaluated task", frameon=False, alignment="left")
    return figure
