"""Why a metric of the family has no value, said about the log at hand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from lifelong_rl.evaluation.l2m.measures import MOST_RECOVERIES
from lifelong_rl.evaluation.l2m.results import Results
from lifelong_rl.evaluation.l2m.transfer import Direction, Form
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.metrics import References

TOO_LARGE = "the numbers are too large to be added up"


class Situation:
    """A log, what was measured of it, and what it was compared with."""

    def __init__(self, log: EvaluationLog, results: Results, references: References | None, value: Measured):
        self.log, self.results, self.references, self.value = log, results, references or {}, value
        self.regimes = results.regimes

    @cached_property
    def negative_tasks(self) -> frozenset[str]:
        """Tasks with a negative score in learning or in an expert, where ratios are guarded."""
        regimes = self.regimes
        found = self._negative(np.repeat(~regimes.is_test, regimes.lengths))
        if self.results.options.guard:
            experts = self.results.prepared.experts
            found |= {task for task, curves in experts.items() if any((curve < 0).any() for curve in curves)}
        return frozenset(found)

    @cached_property
    def negative_evaluations(self) -> frozenset[str]:
        """Tasks with a negative score in an evaluation, where ratios are guarded."""
        regimes = self.regimes
        return frozenset(self._negative(np.repeat(regimes.is_test & regimes.is_counted, regimes.lengths)))

    def _negative(self, is_looked_at: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[str]:
        if not self.results.options.guard:
            return set()
        task = np.repeat(self.regimes.task, self.regimes.lengths)
        return {self.regimes.tasks[i] for i in np.unique(task[is_looked_at & (self.regimes.values < 0)])}

    def guarded(self, tasks: Iterable[str]) -> str:
        """Say that ratios of these tasks mean nothing; empty where there are none."""
        if not (names := list(tasks)):
            return ""
        return (
            f"the scores of {_listed(names)} are negative in places, where a ratio turns its meaning round: "
            "normalise them, or look at the difference (guard=False gives the number of l2metrics)"
        )

    def infinite(self, name: str, tasks: list[str]) -> str:
        """Say why a comparison with experts is infinite for these tasks; empty where it is for none."""
        if name not in ("ste_rel_perf", "sample_efficiency") or not tasks:
            return ""
        zero = "whose scores sum to 0" if name == "ste_rel_perf" else "that saturates at a score of 0"
        return f"{_listed(tasks)}: the ratio to a single-task run {zero} is infinite (or the numbers are too large)"

    def reason(self, name: str) -> str:
        """Say why a metric with one value a task has none."""
        if name == "avg_eval_perf":
            nowhere = "there is no evaluation before training or at the end of a block"
            return TOO_LARGE if (self.regimes.is_test & self.regimes.is_counted).any() else nowhere
        if name.startswith("perf_maintenance") and not self._is_compared.any():
            return "no task was evaluated again after the first evaluation that followed its learning block"
        if name != "perf_maintenance_mrlep" and not self._has_episodes:
            return f"the log holds no training episodes with their {self.value}"
        if name == "perf_recovery":
            return self._recovery
        if name == "ste_rel_perf":
            return self._comparison("the scores of every single-task run sum to 0")
        if name == "sample_efficiency":
            return self._comparison("every task, or its single-task run, is best at its very first episode")
        return TOO_LARGE

    def transfer_reason(self, direction: Direction, form: Form) -> str:
        """Say why a form of transfer has no value."""
        if len(cells := self.results.transfers[direction].before):
            if form == "difference" or cells.any():
                return TOO_LARGE
            return "every evaluation before is 0, which a ratio cannot start from: look at the difference"
        where = "ahead of its own" if direction == "forward" else "after its own"
        reason = f"no task was evaluated right before and right after another task's learning block {where}"
        unknown = [str(i) for i, task in enumerate(self.log.block_tasks) if task is None]
        if unknown and not self._has_episodes:
            reason += f" (what block {', '.join(unknown)} trained is not known without its episodes)"
        return reason

    @cached_property
    def _has_episodes(self) -> bool:
        return bool((self.regimes.lengths[~self.regimes.is_test] > 0).any())

    @cached_property
    def _is_compared(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return ~np.isnan(self.results.maintenance.after_evaluation)

    @property
    def _recovery(self) -> str:
        times = self.results.recovery_times
        n_blocks = int(np.bincount(self.regimes.task[~np.isnan(times)], minlength=1).max()) + 1
        if n_blocks < 3:
            return "no task has three learning blocks, so there are no two recovery times to compare"
        return (
            f"a task has {n_blocks} learning blocks; where tasks change with every few episodes there is nothing to "
            f"recover, and a slope is fitted through at most {MOST_RECOVERIES} recovery times"
        )

    def _comparison(self, otherwise: str) -> str:
        if not any(self.references.values()):
            return "there are no single-task runs to compare with"
        experts = self.results.prepared.experts
        if not experts:
            return f"no single-task run of a trained task holds training episodes with their {self.value}"
        learned = {self.regimes.tasks[i] for i in np.unique(self.regimes.task[self.regimes.is_learning])}
        if not learned & set(experts):
            return f"no single-task run trained a task of this run: they trained {_listed(sorted(experts))}"
        return otherwise


def _listed(tasks: list[str]) -> str:
    """Give the first few names."""
    return ", ".join(map(repr, tasks[:3])) + (f" and {len(tasks) - 3} more" if len(tasks) > 3 else "")
