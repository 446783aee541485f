"""The numbers of a report as CSV files in long form: one number a line, in full precision."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.tracking.report.comparing import ablations, compare_groups
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.provenance import relative
from lifelong_rl.tracking.report.results import summarised
from lifelong_rl.tracking.report.runs import Run

DEFINITION = ("measured", "sign", "window", "reference", "source")

METRICS = ("run", "seed", "group", "family", "metric", "scope", "task", "trained", "occurrence", "value", "reason")
SUMMARY = ("group", "seeds", "metric", "mean", "low", "high", "level", "reason")
CURVES = ("run", "seed", "group", "step", "block", "at", "task", "score")
EFFECTS = (
    *("component", "before", "after", "metric", "sign", "pairs", "mean_before", "mean_after", "difference"),
    *("low", "high", "probability", "probability_low", "probability_high", "reason"),
)


def csv_files(groups: Sequence[Group], others: Sequence[Run], place: Path) -> dict[str, str]:
    """Give the CSV files by name. ``others`` are runs in no group; ``place`` is the report's folder."""
    runs = [(group.label, run) for group in groups for run in group.runs] + [("", run) for run in others]
    named = [(label, run, relative(run.folder.path, place)) for label, run in runs]
    return {
        "metrics.csv": _text((*METRICS, *DEFINITION), _metrics(named)),
        "summary.csv": _text(SUMMARY, _summaries(groups)),
        "ablations.csv": _text(EFFECTS, _effects(groups)),
        "curves.csv": _text(CURVES, _curves(named)),
    }


def _text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return file.getvalue()


def _metrics(runs: Sequence[tuple[str, Run, str]]) -> Iterator[tuple[Any, ...]]:
    for label, run, where in runs:
        for metric in run.metrics:
            definition = tuple(getattr(metric, name) for name in DEFINITION)
            for scope, task, trained, occurrence, value in _numbers(metric):
                reason = metric.reason if scope == "all" else "" if value is not None else "undefined here"
                row = (where, run.seed, label, metric.family, metric.name, scope, task, trained, occurrence)
                yield (*row, value, reason, *definition)


def _numbers(metric: MetricValue) -> Iterator[tuple[str, str, str, int | None, float | None]]:
    """Give the scope, evaluated task, trained task, index and value of every number that a metric holds."""
    yield ("all", "", "", None, metric.value)
    for task, value in metric.per_task.items():
        yield ("task", task, "", None, value)
    for index, value in enumerate(metric.per_block):
        yield ("block", "", "", index, value)
    for trained, row in metric.per_pair.items():
        for task, values in row.items():
            for index, value in enumerate(values):
                yield ("pair", task, trained, index, value)


def _summaries(groups: Sequence[Group]) -> Iterator[tuple[Any, ...]]:
    for group in groups:
        for name in group.metrics:
            found = summarised(group, name)
            interval = found.interval
            limits = (interval.low, interval.high, interval.level) if interval else (None, None, None)
            yield (group.label, len(group.runs), name, found.estimate, *limits, found.reason)


def _effects(groups: Sequence[Group]) -> Iterator[tuple[Any, ...]]:
    for before, after, added in ablations(groups):
        for found in compare_groups(before, after)[1]:
            limits = [(i.low, i.high) if i else (None, None) for i in (found.interval, found.probability)]
            probability = found.probability.estimate if found.probability else None
            means = (found.n_pairs, found.mean_before, found.mean_after, found.difference)
            row = (added, before.label, after.label, found.metric, found.sign, *means)
            yield (*row, *limits[0], probability, *limits[1], found.reason)


def _curves(runs: Sequence[tuple[str, Run, str]]) -> Iterator[tuple[Any, ...]]:
    for label, run, where in runs:
        table = run.log.scores()
        for point, scores in zip(run.log.points, table.filled(np.nan).tolist(), strict=True):
            for task, score in zip(run.log.tasks, scores, strict=True):
                value = None if np.isnan(score) else score
                yield (where, run.seed, label, point.step, point.block, point.at, task, value)
