"""Forward and backward transfer between pairs of tasks, as ratio, contrast and difference (l2metrics 3.1.0)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import Floats, Indices, first_position, stable_order

Direction: TypeAlias = Literal["forward", "backward"]
Form: TypeAlias = Literal["ratio", "contrast", "difference"]

NEUTRAL: dict[Form, float] = {"ratio": 1.0, "contrast": 0.0, "difference": 0.0}
"""The value of each form where nothing was transferred."""


@dataclass(frozen=True)
class Transfers:
    """The cells in which a task was evaluated before and after another one was trained; columns of shape (n,).

    In order of the later evaluation. An evaluation has one cell in a direction: where several tasks were trained
    since the one before, the task that appeared last in the run stands for all of them.
    """

    trained: Indices
    """Index of the trained task."""
    tested: Indices
    """Index of the evaluated task."""
    before: Floats
    """Terminal performance of the evaluation before."""
    after: Floats
    """Terminal performance of the evaluation after."""

    def values(self, form: Form) -> Floats:
        """Give the transfer of each cell, NaN where the form divides by 0: ``l2metrics`` then drops the cell."""
        gain = self.after - self.before
        if form == "difference":
            return gain
        with np.errstate(all="ignore"):  # what is not finite is none
            found = self.after / self.before if form == "ratio" else gain / (self.before + self.after)
        divisor = self.before if form == "ratio" else self.before + self.after
        return np.where(divisor == 0, np.nan, found)

    def pairs(self, form: Form) -> Pairs:
        """Give the transfer of every pair of tasks that has a cell."""
        n_tasks = 1 + int(self.tested.max(initial=0))
        pair = self.trained * n_tasks + self.tested
        order = stable_order(pair)
        found, first = np.unique(pair[order], return_index=True)
        lengths = np.diff(np.append(first, len(order)))
        return Pairs(found // n_tasks, found % n_tasks, lengths, self.values(form)[order])


@dataclass(frozen=True)
class Pairs:
    """Transfer by pair of tasks; columns of shape (n_pairs,) over shared values of shape (n,)."""

    trained: Indices
    """Index of the trained task."""
    tested: Indices
    """Index of the evaluated task."""
    lengths: Indices
    """Cells of the pair, 1 or more."""
    values: Floats
    """The transfer of each cell, pair after pair, in order; NaN where the form divides by 0."""

    @cached_property
    def first(self) -> Floats:
        """The first value of each pair that is not NaN, shape (n_pairs,): all that counts for the whole run."""
        at = first_position(~np.isnan(self.values), self.lengths)
        found = np.full(len(at), np.nan)
        (known,) = np.nonzero(~np.isnan(at))
        starts = np.cumsum(self.lengths) - self.lengths
        found[known] = self.values[starts[known] + at[known].astype(np.int64)]
        return found

    def without(self, tested: Collection[int]) -> Pairs:
        """Give the pairs with NaN in place of every value of these evaluated tasks."""
        is_out = np.repeat(np.isin(self.tested, list(tested)), self.lengths)
        return replace(self, values=np.where(is_out, np.nan, self.values))

    def nested(self) -> dict[int, dict[int, tuple[float | None, ...]]]:
        """Give trained task -> evaluated task -> one number a cell, None where it is not finite."""
        numbers: list[float | None] = self.values.tolist()
        for i in np.nonzero(~np.isfinite(self.values))[0]:
            numbers[i] = None
        found: dict[int, dict[int, tuple[float | None, ...]]] = {}
        ends = np.cumsum(self.lengths)
        columns = (column.tolist() for column in (self.trained, self.tested, ends - self.lengths, ends))
        for trained, tested, start, end in zip(*columns, strict=True):
            found.setdefault(trained, {})[tested] = tuple(numbers[start:end])
        return found


def transfers(regimes: Regimes, terminal: Floats) -> dict[Direction, Transfers]:
    """Give the cells of both directions.

    Forward: the other task was trained before the evaluated one was ever, or that never is. Backward: after its
    first learning block.
    """
    rank = _ranks(regimes)
    trained = _Trained(regimes, rank)
    cells: dict[Direction, list[Indices]] = {"forward": [], "backward": []}
    for task, tested in regimes.tested_rows.items():
        first = regimes.trained_rows[task][0] if task in regimes.trained_rows else len(regimes)
        for direction, found in trained.between(task, tested, int(first)).items():
            cells[direction].append(found)
    return {direction: _as_columns(found, regimes, terminal) for direction, found in cells.items()}


def _ranks(regimes: Regimes) -> Indices:
    """Give each task's place in the order of first appearance among the counted regimes, shape (n_tasks,)."""
    tasks, first = np.unique(regimes.task[regimes.is_counted], return_index=True)
    rank = np.full(len(regimes.tasks), -1)
    rank[tasks[np.argsort(first)]] = np.arange(len(tasks))
    return rank


class _Trained:
    """Which tasks were trained between two evaluations: the learning blocks, thinned to what can stand in a cell.

    An interval lies between neighbouring evaluations of any task, so it is inside one gap of each task's evaluations.
    """

    def __init__(self, regimes: Regimes, rank: Indices):
        (at,) = np.nonzero(~regimes.is_test)
        interval = np.cumsum(regimes.is_test & regimes.is_counted)[at]
        n_tasks = len(regimes.tasks)
        pair = interval * n_tasks + rank[regimes.task[at]]
        order = np.argsort(pair, kind="stable")
        found, start = np.unique(pair[order], return_index=True)
        # One entry for each task trained in an interval, the latest-appearing task last
        self.interval, self.rank = found // max(n_tasks, 1), found % max(n_tasks, 1)
        self.first_at = at[order[start]]
        self.last_at = at[order[np.append(start[1:], len(order)) - 1]] if len(found) else self.first_at
        self.task = regimes.task[self.first_at]
        is_last = np.append(self.interval[1:] != self.interval[:-1], True)[: len(found)]
        self.leader = np.nonzero(is_last)[0]
        has_second = np.append(False, ~is_last[:-1])[: len(found)][self.leader]
        self.second = np.where(has_second, self.leader - 1, -1)

    def between(self, task: int, tested: Indices, first: int) -> dict[Direction, Indices]:
        """Give the cells of one evaluated task by direction: rows of (after, before, trained), shape (n, 3).

        tested: its evaluations. first: its first learning block.
        """
        # In the interval that holds the task's first learning block both directions can occur: all its entries count
        (own,) = np.nonzero((self.first_at <= first) & (self.last_at >= first) & (self.task == task))
        a, b = np.searchsorted(self.interval, self.interval[own[0]] + np.arange(2)) if len(own) else (0, 0)
        inside = a + np.nonzero(self.task[a:b] != task)[0]
        # Elsewhere only the leader does, or the second where the task itself leads
        leading = np.where(self.task[self.leader] == task, self.second, self.leader)
        leading = leading[(leading >= 0) & ((self.leader < a) | (self.leader >= b))]
        chosen = np.append(leading, inside)
        forward, backward = chosen[self.first_at[chosen] < first], chosen[self.last_at[chosen] > first]
        return {
            "forward": _latest(tested, self.first_at[forward], self.rank[forward], self.task[forward]),
            "backward": _latest(tested, self.last_at[backward], self.rank[backward], self.task[backward]),
        }


def _latest(tested: Indices, at: Indices, rank: Indices, trained: Indices) -> Indices:
    """Give the trained task of the highest rank in each gap between evaluations: rows (after, before, trained)."""
    gap = np.searchsorted(tested, at) - 1
    (inside,) = np.nonzero((gap >= 0) & (gap < len(tested) - 1))
    order = inside[np.lexsort((rank[inside], gap[inside]))]
    gap = gap[order]
    is_last = np.append(gap[1:] != gap[:-1], True)[: len(gap)]
    gap = gap[is_last]
    return np.column_stack([tested[gap + 1], tested[gap], trained[order][is_last]])


def _as_columns(found: list[Indices], regimes: Regimes, terminal: Floats) -> Transfers:
    rows = np.concatenate([*found, np.empty((0, 3), dtype=np.int64)])
    after, before, trained = rows[stable_order(rows[:, 0])].T
    return Transfers(trained, regimes.task[after], terminal[before], terminal[after])
