"""The family "l2m": the metrics of l2metrics for our logs, the undefined ones with their reason."""

from __future__ import annotations

import numpy as np

from lifelong_rl.evaluation.l2m import reasons
from lifelong_rl.evaluation.l2m.definitions import definition, transfer_definition
from lifelong_rl.evaluation.l2m.from_log import experts_of, regimes_of
from lifelong_rl.evaluation.l2m.options import L2MOptions, label
from lifelong_rl.evaluation.l2m.results import Results, measure, or_none, task_metrics, transfer_forms
from lifelong_rl.evaluation.l2m.transfer import Direction, Form, Pairs
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined
from lifelong_rl.evaluation.metrics import Definition, MetricValue, PerPair, References

TIE = 1e-12
"""Part of a maximum or a threshold that rounding may take from it; l2metrics takes no account of it."""

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")


def l2m_metrics(
    log: EvaluationLog,
    *,
    references: References | None = None,
    value: Measured = "score",
    options: L2MOptions | None = None,
) -> list[MetricValue]:
    """Give recovery, mean performance, maintenance, transfer, relative performance and sample efficiency of one run.

    references: of each task the logs of its single-task runs with their training episodes, or bare training curves
    (one number an episode). What the log's blocks become is said in :func:`regimes_of`. A value for the whole run is
    taken over every task of the run; the tables hold the evaluated ones. What cannot be computed is None with the
    reason. Without ``options.guard`` a ratio over scores that can be negative is the number l2metrics gives.
    Raises ValueError for a ``data_range`` without a task of the run, and references that are no single-task runs.
    """
    options = options or L2MOptions()
    experts = experts_of(references, value)
    names = task_metrics(options)
    forms: list[Form] = [*transfer_forms(options), "difference"]
    definitions = {name: definition(name, options, value) for name in names}
    transfers = {(d, form): transfer_definition(d, form, options, value) for d in DIRECTIONS for form in forms}
    try:
        results = measure(regimes_of(log, value), experts, options, TIE)
    except Undefined as undefined:
        nothing: dict[str, float | None] = dict.fromkeys(log.tasks)
        return [d.undefined(str(undefined), nothing) for d in (*definitions.values(), *transfers.values())]
    given = _Given(log, results, reasons.Situation(log, results, references, value))
    with np.errstate(all="ignore"):  # returns near the largest float overflow: what is not finite is undefined
        found = [given.of_tasks(name, definitions[name]) for name in names]
        return found + [given.of_pairs(*key, transfers[key]) for key in transfers]


class _Given:
    """Turns results into metric values of a log."""

    def __init__(self, log: EvaluationLog, results: Results, situation: reasons.Situation):
        self.log, self.results, self.situation = log, results, situation
        self.names = results.regimes.tasks

    def of_tasks(self, name: str, definition: Definition) -> MetricValue:
        """Give a metric with one value a task."""
        values = self.results.of_tasks(name)
        guarded = self.situation.negative_tasks if name in ("ste_rel_perf", "sample_efficiency") else frozenset()
        is_guarded = [i for i, task in enumerate(self.names) if task in guarded and not np.isnan(values[i])]
        reason = self.situation.guarded(self.names[i] for i in is_guarded)
        values[is_guarded] = np.nan
        reason = reason or self.situation.infinite(name, [self.names[i] for i in np.flatnonzero(np.isinf(values))])
        table = self._table(values)
        number = or_none(self.results.aggregated(values))
        if number is None or reason:
            return definition.undefined(reason or self.situation.reason(name), table)
        return definition.defined(number, table)

    def of_pairs(self, direction: Direction, form: Form, definition: Definition) -> MetricValue:
        """Give a form of transfer; a task's own value is the aggregate over the tasks that were trained before it."""
        pairs = self.results.transfers[direction].pairs(form)
        guarded = self.situation.negative_evaluations if form != "difference" else frozenset()
        is_guarded = [u for u in np.unique(pairs.tested).tolist() if self.names[u] in guarded]
        pairs = pairs.without(is_guarded)
        values = np.full(len(self.names), np.nan)
        for u in np.unique(pairs.tested):
            values[u] = self.results.aggregated(pairs.first[pairs.tested == u])
        reason = self.situation.guarded(self.names[u] for u in is_guarded)
        number = or_none(self.results.aggregated(pairs.first))
        tables = (self._table(values), (), self._pairs(pairs))
        if number is None or reason:
            return definition.undefined(reason or self.situation.transfer_reason(direction, form), *tables)
        return definition.defined(number, *tables)

    def _table(self, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float | None]:
        """Give the values of the evaluated tasks; variants that are taken as one task share its value."""
        position = {name: i for i, name in enumerate(self.names)}
        is_agnostic = self.results.options.variant_mode == "agnostic"
        named = {task: label(task) if is_agnostic else task for task in self.log.tasks}
        return {task: or_none(values[position[name]]) if name in position else None for task, name in named.items()}

    def _pairs(self, pairs: Pairs) -> PerPair:
        return {
            self.names[trained]: {self.names[u]: values for u, values in row.items()}
            for trained, row in pairs.nested().items()
        }
