"""The tables of metrics: the main one, one a family, per task, of ablations, and what each metric means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.tracking.report.comparing import Comparison, ablations, compare_groups
from lifelong_rl.tracking.report.document import UNKNOWN, Cell, Part, Section, Table, Words
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import (
    FEW_SEEDS,
    ONE_SEED,
    Summary,
    interval_text,
    rounded,
    signed,
    summary_of,
)

MAIN_METRICS = (
    "gem/average_accuracy",
    "cw/average_performance",
    "cw/forgetting",
    "gem/backward_transfer",
    "gem/forward_transfer",
    "cw/forward_transfer",
)
"""What the main table shows, each number with its family's name; all others stand in the tables of their families."""

ARROWS = {"higher is better": "↑", "lower is better": "↓"}

MEAN = "Mean over seeds [95 % bootstrap interval]"

MOST_COLUMNS = 5
"""A family's table has a column a group up to so many groups; with more of them groups are rows."""


def main_table(groups: Sequence[Group]) -> Table:
    """Give the table of the main metrics: a row a group, a column a metric, mean and 95 % interval over seeds."""
    names = main_metrics(groups)
    summaries = [{name: summarised(group, name) for name in names} for group in groups]
    header = (Cell("runs"), Cell("seeds"), *(metric_cell(name, definition(groups, name)) for name in names))
    rows = tuple(
        (Cell(group.label), seeds_cell(group), *(found[name].cell() for name in names))
        for group, found in zip(groups, summaries, strict=True)
    )
    notes = undefined_notes(groups, names)
    return Table("results-table", "Main metrics", header, rows, notes, reading=MEAN)


def main_metrics(groups: Sequence[Group]) -> list[str]:
    """Give the main metrics that the groups have; the first six of any where other families were computed."""
    found = dict.fromkeys(name for group in groups for name in group.metrics)
    return [name for name in MAIN_METRICS if name in found] or list(found)[: len(MAIN_METRICS)]


def seeds_cell(group: Group) -> Cell:
    """Give the number of seeds, and which they are on demand."""
    note = "seeds " + ", ".join(map(str, group.seeds))
    return Cell(str(len(group.runs)), note=f"{ONE_SEED}; {note}" if len(group.runs) == 1 else note)


def summarised(group: Group, name: str) -> Summary:
    """Give a metric over the seeds of a group."""
    found = group.metrics.get(name)
    return summary_of(found, len(group.runs)) if found else Summary((), None, None, "not computed")


def definition(groups: Sequence[Group], name: str) -> MetricValue:
    """Give a metric of the first run that has it, for what it says of its definition."""
    return next(group.metrics[name][0] for group in groups if name in group.metrics)


def metric_cell(name: str, metric: MetricValue) -> Cell:
    """Give a headline: the name, an arrow to where good is, and the definition on demand."""
    note = f"{metric.sign}; measured: {metric.measured}; window: {metric.window}; reference: {metric.reference}"
    return Cell(f"{name} {ARROWS[metric.sign]}", note=f"{note}; source: {metric.source}")


def undefined_notes(groups: Sequence[Group], names: Sequence[str]) -> tuple[str, ...]:
    """Say of each undefined metric why it is, metrics and groups with one reason together."""
    by_reason: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for group in groups:
        for name in names:
            summary = summarised(group, name)
            if summary.estimate is None:
                metrics, labels = by_reason.setdefault(summary.reason, ({}, {}))
                metrics[name] = labels[group.label] = None
    notes = []
    for reason, (metrics, labels) in by_reason.items():
        where = "" if len(labels) == len(groups) else f" in {', '.join(labels)}"
        notes.append(f"{UNKNOWN} {', '.join(metrics)}{where}: {reason}")
    return tuple(notes)


def interval_words(groups: Sequence[Group]) -> str:
    """Say what the intervals are, and how far to trust them."""
    n_least = min(len(group.runs) for group in groups)
    words = "Mean over seeds [95 % bootstrap interval]. ↑ higher is better, ↓ lower is better. Scores lie in [0, 1]."
    if n_least == 1:
        words += " A group with one seed has no interval: nothing is known of how it varies."
    if any(1 < len(group.runs) < FEW_SEEDS for group in groups):
        words += f" With fewer than {FEW_SEEDS} seeds such intervals are usually too narrow."
    return words + f" {UNKNOWN}: undefined, with the reason below the table."


def family_sections(groups: Sequence[Group]) -> Section:
    """Give the tables of every family, with what each task contributes."""
    names = list(dict.fromkeys(name for group in groups for name in group.metrics))
    families = list(dict.fromkeys(definition(groups, name).family for name in names))
    parts: list[Part] = [
        Words(
            "Each family defines its metrics by itself: numbers of one name in two families are not comparable. "
            "What each means stands under Definitions."
        )
    ]
    for family in families:
        own = [name for name in names if definition(groups, name).family == family]
        parts.append(_family_table(family, own, groups))
        if per_task := _per_task_table(family, own, groups):
            parts.append(per_task)
    return Section("transfer", "Transfer, by family", tuple(parts))


def _family_table(family: str, names: Sequence[str], groups: Sequence[Group]) -> Table:
    header = (Cell(f"{family}"), *(Cell(group.label) for group in groups))
    rows = tuple(
        (_inside(name, definition(groups, name)), *(summarised(group, name).cell() for group in groups))
        for name in names
    )
    table = Table(f"family-{_slug(family)}", f"Family {family}", header, rows, undefined_notes(groups, names))
    table = replace(table, reading=MEAN)
    return table if len(groups) <= MOST_COLUMNS else table.turned()


def _inside(name: str, metric: MetricValue) -> Cell:
    """Give a headline inside a family's own table."""
    return Cell(f"{metric.name} {ARROWS[metric.sign]}", note=metric_cell(name, metric).note)


def _per_task_table(family: str, names: Sequence[str], groups: Sequence[Group]) -> Table | None:
    """Give the mean over seeds of what each task contributes; None where no metric of the family says so."""
    tasks = list(dict.fromkeys(task for group in groups for name in names for task in _tasks(group, name)))
    rows = [
        (Cell(definition(groups, name).name), Cell(group.label), *(_task_cell(group, name, task) for task in tasks))
        for name in names
        for group in groups
        if any(value is not None for m in group.metrics.get(name, ()) for value in m.per_task.values())
    ]
    if not rows:
        return None
    header = (Cell("metric"), Cell("runs"), *map(Cell, tasks))
    caption = f"Family {family}, each task (mean over seeds)"
    return Table(f"family-{_slug(family)}-tasks", caption, header, tuple(rows), n_labels=2, is_folded=True)


def _tasks(group: Group, name: str) -> list[str]:
    return [task for metric in group.metrics.get(name, ()) for task in metric.per_task]


def _task_cell(group: Group, name: str, task: str) -> Cell:
    found = [metric.per_task.get(task) for metric in group.metrics[name]]
    values = [value for value in found if value is not None]
    if not values or len(values) < len(group.runs):
        return Cell(UNKNOWN, note="undefined for this task")
    return Cell(rounded(sum(values) / len(values)))


def ablation_section(groups: Sequence[Group]) -> Section | None:
    """Give each component's effect on the main metrics; None where no two groups differ by components only."""
    rows: list[tuple[Cell, ...]] = []
    notes: dict[str, None] = {}
    shown = main_metrics(groups)
    for before, after, added in ablations(groups):
        pairing, compared = compare_groups(before, after)
        pairs = Cell(str(len(pairing.after)) if pairing.is_paired else UNKNOWN, note=pairing.explanation)
        if not pairing.is_paired:
            notes[f"{added}: {pairing.explanation}"] = None
        for found in compared:
            if found.metric not in shown:
                continue
            metric = metric_cell(found.metric, definition(groups, found.metric))
            what = Cell(f"+ {added}", note=f"{after.label} against {before.label}")
            rows.append((what, Cell(before.label), metric, pairs, *effect_cells(found)))
            if found.reason:
                notes[f"{found.metric}: {found.reason}"] = None
    if not rows:
        return None
    titles = ("component", "added to", "metric", "pairs", "difference", "P(improves)", "effect")
    table = Table("ablations-table", "Effects of components", tuple(map(Cell, titles)), tuple(rows), tuple(notes), 3)
    return Section(
        "ablations",
        "What each component does",
        (
            Words(
                "Groups that differ by components only, with against without, paired by seed. Difference of the "
                "means [95 % bootstrap interval over pairs]. P(improves): probability that a run with the component "
                "is better than one without, by the sign of the metric, with its interval; one of no width at 0 or 1 "
                "says that all runs of one side beat all of the other, not that this is certain. An effect is "
                "called unclear where the interval of the difference holds 0. Nothing is corrected for looking at "
                "several metrics."
            ),
            replace(table, reading="Difference of means [95 % bootstrap interval over pairs]"),
        ),
    )


def effect_cells(found: Comparison) -> tuple[Cell, Cell, Cell]:
    """Give difference, probability of improvement and verdict of a comparison."""
    if found.difference is None:
        return Cell(UNKNOWN, note=found.reason), Cell(UNKNOWN, note=found.reason), Cell("not comparable")
    aside = interval_text(found.interval) if found.interval else ""
    difference = Cell(signed(found.difference), aside, note=found.reason)
    if found.probability is None:
        return difference, Cell(UNKNOWN, note=found.reason), Cell(f"{_verdict(found)}, unclear")
    probability = Cell(rounded(found.probability.estimate), interval_text(found.probability))
    return difference, probability, Cell(_verdict(found) + ("" if _is_settled(found) else ", unclear"))


def _verdict(found: Comparison) -> str:
    return {"after": "better", "before": "worse", "equal": "the same", None: ""}[found.better]


def _is_settled(found: Comparison) -> bool:
    return found.is_clear or (found.better == "equal" and found.interval is not None)


def definitions_section(groups: Sequence[Group]) -> Section:
    """Give what every metric means."""
    rows: dict[tuple[str, ...], None] = {}
    defined = {n for group in groups for n, found in group.metrics.items() if any(m.value is not None for m in found)}
    for group in groups:
        for name, metrics in group.metrics.items():
            # a metric without a value is only shown as it would be where it has one nowhere
            known = [m for m in metrics if m.value is not None or name not in defined]
            for m in known:
                rows[(name, m.sign, m.measured, m.window, m.reference, m.source)] = None
    header = tuple(map(Cell, ("metric", "good is", "measured", "window", "reference", "source")))
    names = list(dict.fromkeys(row[0] for row in rows))
    ordered = sorted(rows, key=lambda row: names.index(row[0]))
    cells = tuple(tuple(map(Cell, (name, sign.split()[0], *others))) for name, sign, *others in ordered)
    table = Table("definitions-table", "What the metrics mean", header, cells, n_labels=len(header))
    words = "A metric with two lines was computed in two ways in different runs; such numbers are not compared."
    return Section("definitions", "Definitions", (Words(words), table) if _is_ambiguous(rows) else (table,))


def _is_ambiguous(rows: dict[tuple[str, ...], None]) -> bool:
    return len({row[0] for row in rows}) < len(rows)


def _slug(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
