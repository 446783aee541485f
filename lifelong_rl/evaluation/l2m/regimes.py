"""Regimes: the stretches of one task in one block that l2metrics computes everything from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.l2m.options import label
from lifelong_rl.evaluation.l2m.segments import Floats, Indices, means, positions, stable_order
from lifelong_rl.evaluation.metrics import finite_array


@dataclass(frozen=True)
class Regime:
    """One stretch of experiences (episodes) of one task in one learning or evaluation block."""

    block: int
    """Number of the block in the run, learning and evaluation blocks counted together."""
    type: Literal["train", "test"]
    """Whether the agent learned in it or was evaluated."""
    task: str
    """The task's name; ``label_variant`` where the task has variants."""
    values: ArrayLike
    """The score of each experience, shape (n,), higher is better."""
    subtype: Literal["wake", "sleep"] = "wake"
    """Where a run has sleep regimes, its evaluations count only when they are sleep ones."""
    experiences: ArrayLike | None = None
    """The run's number of each experience, shape (n,), never falling; None: counted on from the regime before."""


@dataclass(frozen=True)
class Regimes:
    """The regimes of a run in order, as columns of shape (n_regimes,) over shared values of shape (n,)."""

    tasks: tuple[str, ...]
    """The names of the tasks, in order of first appearance."""
    task: Indices
    """Index into :attr:`tasks` of each regime."""
    block: Indices
    """Number of each regime's block."""
    is_test: NDArray[np.bool_]
    """Whether the regime is an evaluation."""
    is_sleep: NDArray[np.bool_]
    """Whether the regime's subtype is sleep."""
    lengths: Indices
    """Experiences of each regime; 0 for learning of which no episode is known."""
    values: Floats
    """The score of each experience, regime after regime."""
    experiences: Indices
    """The run's number of each experience, never falling inside a regime."""

    @classmethod
    def of(cls, regimes: Sequence[Regime]) -> Regimes:
        """Make columns of records; neighbours that share block, type, subtype and task become one regime.

        Raises ValueError for another type or subtype, values that are not finite, and numbers that do not fit.
        """
        values, experiences, n_before = [], [], 0
        for i, regime in enumerate(regimes):
            if regime.type not in ("train", "test") or regime.subtype not in ("wake", "sleep"):
                raise ValueError(
                    f"regime {i} must be train or test, wake or sleep, found {regime.type!r}, {regime.subtype!r}."
                )
            values.append(finite_array(regime.values, f"values of regime {i}", 1))
            numbers = np.arange(n_before, n_before + len(values[-1]))
            if regime.experiences is not None:
                numbers = np.asarray(regime.experiences, dtype=np.int64)
            if numbers.shape != values[-1].shape or (np.diff(numbers) < 0).any():
                raise ValueError(f"experiences of regime {i} must be a number a value that never falls.")
            experiences.append(numbers)
            n_before = int(numbers[-1]) + 1 if len(numbers) else n_before
        position: dict[str, int] = {}
        of_task = [position.setdefault(regime.task, len(position)) for regime in regimes]
        return cls(
            tuple(position),
            np.array(of_task, dtype=np.int64),
            np.array([regime.block for regime in regimes], dtype=np.int64),
            np.array([regime.type == "test" for regime in regimes], dtype=bool),
            np.array([regime.subtype == "sleep" for regime in regimes], dtype=bool),
            np.array([len(numbers) for numbers in values], dtype=np.int64),
            np.concatenate([*values, np.empty(0)]),
            np.concatenate([*experiences, np.empty(0, dtype=np.int64)]),
        ).merged()

    def __len__(self) -> int:
        return len(self.task)

    @cached_property
    def starts(self) -> Indices:
        """Index into :attr:`values` of each regime's first experience."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def is_counted(self) -> NDArray[np.bool_]:
        """Whether the regime is looked at as an evaluation: once anything is sleep, wake evaluations are not."""
        counted: NDArray[np.bool_] = ~self.is_test | self.is_sleep | (not self.is_sleep.any())
        return counted

    @cached_property
    def is_learning(self) -> NDArray[np.bool_]:
        """Whether the regime is a wake learning block: those that recovery and the comparisons with experts read."""
        return ~self.is_test & ~self.is_sleep

    @cached_property
    def averaged(self) -> Regimes:
        """The regimes with one value an experience number: the mean where several workers share a number."""
        numbers = self.experiences
        is_first = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
        is_first[self.starts[self.lengths > 0]] = True
        if is_first.all():
            return self
        (first,) = np.nonzero(is_first)
        averages = means(self.values, first, np.diff(np.append(first, len(numbers))))
        counts = np.append(0, np.cumsum(is_first))
        lengths = counts[self.starts + self.lengths] - counts[self.starts]
        return replace(self, lengths=lengths, values=averages, experiences=numbers[first])

    @cached_property
    def tested_rows(self) -> dict[int, Indices]:
        """The indices of each task's counted evaluations, in order; only tasks that have one."""
        return self.rows_by_task(self.is_test & self.is_counted)

    @cached_property
    def trained_rows(self) -> dict[int, Indices]:
        """The indices of each task's learning blocks, sleep ones included, in order; only tasks that have one."""
        return self.rows_by_task(~self.is_test)

    def rows_by_task(self, is_chosen: NDArray[np.bool_]) -> dict[int, Indices]:
        """Give the indices of the chosen regimes by task, in order; only tasks that have one."""
        (chosen,) = np.nonzero(is_chosen)
        order = chosen[stable_order(self.task[chosen])]
        tasks, first = np.unique(self.task[order], return_index=True)
        ends = np.append(first, len(order))[1:]
        return {int(task): order[a:b] for task, a, b in zip(tasks, first, ends, strict=True)}

    def with_values(self, values: Floats) -> Regimes:
        """Give the same regimes with other scores."""
        return replace(self, values=values)

    def learned(self, task: int) -> tuple[Floats, Indices]:
        """Give scores and numbers of every experience in the learning blocks of a task, one after the other."""
        chosen = self.trained_rows.get(task, np.empty(0, dtype=np.int64))
        chosen = chosen[~self.is_sleep[chosen]]
        index = positions(self.starts[chosen], self.lengths[chosen])
        return self.values[index], self.experiences[index]

    def without_variants(self) -> Regimes:
        """Give the regimes with the tasks' names cut at the first ``_``; neighbours that become alike are merged."""
        labels = [label(task) for task in self.tasks]
        names = tuple(dict.fromkeys(labels))
        position = {name: i for i, name in enumerate(names)}
        of_task = np.array([position[name] for name in labels], dtype=np.int64)
        return replace(self, tasks=names, task=of_task[self.task]).merged()

    def merged(self) -> Regimes:
        """Give the regimes with neighbours of equal block, type, subtype and task as one."""
        columns = (self.task, self.block, self.is_test, self.is_sleep)
        is_new = np.append(True, np.any([column[1:] != column[:-1] for column in columns], axis=0))[: len(self)]
        if is_new.all():
            return self
        (first,) = np.nonzero(is_new)
        lengths = np.add.reduceat(self.lengths, first)
        return replace(
            self,
            task=self.task[first],
            block=self.block[first],
            is_test=self.is_test[first],
            is_sleep=self.is_sleep[first],
            lengths=lengths,
        )
