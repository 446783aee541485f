"""All numbers of a run in one place, and the report that l2metrics gives of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lifelong_rl.evaluation.l2m import measures
from lifelong_rl.evaluation.l2m.comparison import (
    Efficiency,
    compared_tasks,
    relative_performance,
    sample_efficiency,
)
from lifelong_rl.evaluation.l2m.options import L2MOptions
from lifelong_rl.evaluation.l2m.preparation import Experts, Prepared, prepare
from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import Floats
from lifelong_rl.evaluation.l2m.transfer import Direction, Form, Transfers, transfers
from lifelong_rl.evaluation.measured import Undefined


@dataclass(frozen=True)
class Results:
    """What is measured of a prepared run, each computed when it is first asked for; NaN where there is no value."""

    prepared: Prepared
    options: L2MOptions
    tie: float = 0.0
    """What is this close to a maximum or a terminal performance, as a part of it, is taken for it."""

    @property
    def regimes(self) -> Regimes:
        """The prepared regimes."""
        return self.prepared.regimes

    @cached_property
    def terminal(self) -> Floats:
        """Terminal performance of each regime, shape (n_regimes,)."""
        return measures.terminal_performance(self.regimes)

    @cached_property
    def means(self) -> Floats:
        """Mean performance of each counted regime, shape (n_regimes,)."""
        return measures.mean_performance(self.regimes)

    @cached_property
    def saturation(self) -> tuple[Floats, Floats]:
        """Saturation of each regime and the experience at which it is first reached, shape (n_regimes,) each."""
        return measures.saturation(self.regimes)

    @cached_property
    def recovery_times(self) -> Floats:
        """Recovery time of each learning block but a task's first, shape (n_regimes,)."""
        return measures.recovery_times(self.regimes, self.terminal, self.tie)

    @cached_property
    def maintenance(self) -> measures.Maintenance:
        """Maintenance at each evaluation that is compared with an earlier performance."""
        return measures.maintenance(self.regimes, self.terminal)

    @cached_property
    def transfers(self) -> dict[Direction, Transfers]:
        """The cells of forward and backward transfer."""
        return transfers(self.regimes, self.terminal)

    @cached_property
    def relative_performance(self) -> dict[int, list[float]]:
        """Task -> its relative performance against each expert."""
        return {
            task: relative_performance(
                self.regimes.learned(task)[0],
                self.prepared.experts[self.regimes.tasks[task]],
                self.options.ste_averaging_method,
            )
            for task in self._compared
        }

    @cached_property
    def efficiency(self) -> dict[int, Efficiency]:
        """Task -> its sample efficiency; tasks that saturate at their first episode are left out."""
        data, found = self.regimes.averaged, {}
        for task in self._compared:
            experts = self.prepared.experts[self.regimes.tasks[task]]
            try:
                found[task] = sample_efficiency(
                    *data.learned(task), experts, self.options.ste_averaging_method, self.tie
                )
            except Undefined:
                continue
        return found

    @cached_property
    def _compared(self) -> list[int]:
        return compared_tasks(self.regimes, tuple(self.prepared.experts))

    def of_tasks(self, name: str) -> Floats:
        """Give a metric of each task, shape (n_tasks,)."""
        if name == "perf_recovery":
            return measures.task_recoveries(self.regimes, self.recovery_times)
        if name in ("avg_train_perf", "avg_eval_perf"):
            is_chosen = self.regimes.is_test == (name == "avg_eval_perf")
            return measures.task_means(self.regimes, np.where(is_chosen, self.means, np.nan))
        if name == "perf_maintenance_mrlep":
            return measures.task_means(self.regimes, self.maintenance.after_evaluation)
        if name == "perf_maintenance_mrtlp":
            return measures.task_means(self.regimes, self.maintenance.after_learning)
        found = np.full(len(self.regimes.tasks), np.nan)
        lists: Mapping[int, Iterable[float]] = self.relative_performance
        if name == "sample_efficiency":
            lists = {task: efficiency.values for task, efficiency in self.efficiency.items()}
        for task, values in lists.items():
            found[task] = _mean_of_known(np.array([*values]))
        return found

    def aggregated(self, values: Floats) -> float:
        """Give the mean or median of what is not NaN, NaN where nothing is left, infinity where that decides it."""
        if self.options.aggregation_method == "mean":
            return _mean_of_known(values)
        known = values[~np.isnan(values)]
        return float(np.median(known)) if known.size else np.nan


def _mean_of_known(values: Floats) -> float:
    known = values[~np.isnan(values)]
    with np.errstate(over="ignore", invalid="ignore"):  # infinities of both signs have no mean
        return float(np.mean(known)) if known.size else np.nan


def measure(regimes: Regimes, experts: Experts | None, options: L2MOptions, tie: float = 0.0) -> Results:
    """Prepare a run and give what can be measured; raises Undefined where nothing can."""
    return Results(prepare(regimes, experts, options), options, tie)


def task_metrics(options: L2MOptions) -> list[str]:
    """Give the names of the metrics with one value a task."""
    maintained = {"both": ["mrlep", "mrtlp"]}.get(options.maintenance_method, [options.maintenance_method])
    names = ["perf_recovery", "avg_train_perf", "avg_eval_perf"]
    return [*names, *(f"perf_maintenance_{name}" for name in maintained), "ste_rel_perf", "sample_efficiency"]


def transfer_forms(options: L2MOptions) -> list[Form]:
    """Give the forms of transfer that l2metrics gives with these options."""
    both: list[Form] = ["ratio", "contrast"]
    return [form for form in both if options.transfer_method in (form, "both")]


def or_none(value: Any) -> float | None:
    """Give a plain number, None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None
