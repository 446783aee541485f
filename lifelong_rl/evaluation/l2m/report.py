"""The report of l2metrics 3.1.0 on a run, key for key: for cross-checks and for reading older results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.evaluation.l2m.options import L2MOptions, label
from lifelong_rl.evaluation.l2m.preparation import Experts, Prepared
from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.results import Results, measure, or_none, task_metrics, transfer_forms
from lifelong_rl.evaluation.l2m.segments import Floats, positions
from lifelong_rl.evaluation.l2m.transfer import Direction
from lifelong_rl.evaluation.measured import Undefined

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")

COLUMNS = ("block_num", "block_type", "task_name", "term_perf", "saturation", "exp_to_sat", "recovery_time")
"""The columns of the report's ``regimes``."""


def l2metrics_report(
    regimes: Regimes, experts: Experts | None = None, options: L2MOptions | None = None
) -> dict[str, Any]:
    """Give l2metrics' numbers of a run as plain values, None where it has NaN or nothing.

    Keys: ``lifetime`` (metric -> value), ``tasks`` (task -> metric -> value, list, or table by evaluated task),
    ``normalisation_range`` (task -> min and max) and ``regimes`` (rows of :data:`COLUMNS`). Nothing is guarded here:
    a ratio over negative scores is given as it is.
    """
    options = options or L2MOptions()
    try:
        results = measure(regimes, experts, options)
    except Undefined:  # l2metrics then computes with NaN
        results = Results(_without_scale(regimes, options), options)
    return report_of(results)


def _without_scale(regimes: Regimes, options: L2MOptions) -> Prepared:
    """Give a run of one single score that should be normalised by its extremes, every score NaN."""
    if options.variant_mode == "agnostic":
        regimes = regimes.without_variants()
    score = float(regimes.values[0])
    ranges = {task: (score, score) for task in regimes.tasks}
    return Prepared(regimes.with_values(np.full(len(regimes.values), np.nan)), {}, ranges)


def report_of(results: Results) -> dict[str, Any]:
    """Give the report of what was measured, see :func:`l2metrics_report`."""
    ranges, options = results.prepared.ranges, results.options
    if ranges and isinstance(options.data_range, Mapping):  # l2metrics names every range that it was given
        names = map(label, options.data_range) if options.variant_mode == "agnostic" else options.data_range
        ranges = {task: options.range_of(task) or (np.nan, np.nan) for task in names}
    return {
        "lifetime": _lifetime(results),
        "normalisation_range": ranges and {task: {"min": low, "max": high} for task, (low, high) in ranges.items()},
        "tasks": _tasks(results),
        "regimes": _rows(results),
    }


def _lifetime(results: Results) -> dict[str, float | None]:
    found = {name: results.aggregated(results.of_tasks(name)) for name in task_metrics(results.options)}
    for direction in DIRECTIONS:
        for form in transfer_forms(results.options):
            found[f"{direction}_transfer_{form}"] = results.aggregated(results.transfers[direction].pairs(form).first)
    return {name: or_none(value) for name, value in found.items()}


def _tasks(results: Results) -> dict[str, dict[str, Any]]:
    regimes, options = results.regimes, results.options
    tables: dict[str, dict[str, Any]] = {task: {} for task in regimes.tasks}
    for name in task_metrics(options):
        for task, value in zip(tables, results.of_tasks(name), strict=True):
            tables[task][name] = or_none(value)
    rows = regimes.rows_by_task(np.ones(len(regimes), dtype=bool))
    for i, table in enumerate(tables.values()):
        table |= _of_regimes(results, rows[i]) | _of_experts(results, i)
    for direction in DIRECTIONS:
        for form in transfer_forms(options):
            pairs = results.transfers[direction].pairs(form).nested()
            for i, table in enumerate(tables.values()):
                of_task = {u: [v for v in values if v is not None] for u, values in pairs.get(i, {}).items()}
                table[f"{direction}_transfer_{form}"] = {regimes.tasks[u]: v for u, v in of_task.items() if v}
    return tables


def _of_regimes(results: Results, rows: Any) -> dict[str, Any]:
    """Give the lists of one task with a value a regime; rows: the indices of its regimes."""
    regimes, means, maintenance = results.regimes, results.means[rows], results.maintenance
    is_test, lengths = regimes.is_test[rows], regimes.lengths[rows]
    scores = regimes.values[positions(regimes.starts[rows], lengths)]
    # l2metrics lists recovery times only where the run has two of them, in whatever tasks
    is_listed = np.count_nonzero(~np.isnan(results.recovery_times)) > 1
    found: dict[str, Any] = {
        "recovery_times": _known(results.recovery_times[rows]) if is_listed else [],
        "avg_train_perf_vals": _known(means[~is_test]),
        "avg_eval_perf_vals": _known(means[is_test]),
        "min": or_none(scores.min()) if len(scores) else None,
        "max": or_none(scores.max()) if len(scores) else None,
        "num_lx": int(lengths[~is_test].sum()),
        "num_ex": int(lengths[is_test].sum()),
    }
    if results.options.maintenance_method in ("both", "mrlep"):
        found["maintenance_val_mrlep"] = _stretches(maintenance.after_evaluation[rows])
    if results.options.maintenance_method in ("both", "mrtlp"):
        found["maintenance_val_mrtlp"] = _stretches(maintenance.after_learning[rows])
    return found


def _of_experts(results: Results, task: int) -> dict[str, Any]:
    """Give the lists of one task with a value an expert; as in l2metrics' store, the last expert comes first."""
    efficiency = results.efficiency.get(task)
    # With the mean curve, an expert that is best at its very beginning leaves nothing to list
    if efficiency and not efficiency.values and results.options.ste_averaging_method == "time":
        efficiency = None
    saturations = efficiency.expert_saturations[::-1] if efficiency else ()
    times = efficiency.expert_experiences[::-1] if efficiency else ()
    return {
        "ste_rel_perf_vals": [or_none(value) for value in results.relative_performance.get(task, [])[::-1]],
        "se_task_saturation": efficiency and efficiency.saturation,
        "se_task_exp_to_sat": efficiency and efficiency.experiences,
        "ste_saturation_vals": list(saturations),
        "ste_exp_to_sat_vals": list(times),
        "se_saturation_vals": [efficiency.saturation / v if efficiency and v else None for v in saturations],
        "se_exp_to_sat_vals": [v / efficiency.experiences if efficiency else None for v in times],
        "sample_efficiency_vals": [or_none(value) for value in efficiency.values[::-1]] if efficiency else [],
    }


def _rows(results: Results) -> list[list[Any]]:
    regimes = results.regimes
    best, at = results.saturation
    numbers = [
        [or_none(value) for value in column] for column in (results.terminal, best, at, results.recovery_times)
    ]
    kinds = np.where(regimes.is_test, "test", "train").tolist()
    names = [regimes.tasks[task] for task in regimes.task]
    return [list(row) for row in zip(regimes.block.tolist(), kinds, names, *numbers, strict=True)]


def _known(values: Floats) -> list[float]:
    return [float(value) for value in values[~np.isnan(values)]]


def _stretches(values: Floats) -> list[list[float]]:
    """Give the stretches of known values, each as a list."""
    (known,) = np.nonzero(~np.isnan(values))
    cuts = np.nonzero(np.diff(known) > 1)[0] + 1
    return [values[part].tolist() for part in np.split(known, cuts) if len(part)]
