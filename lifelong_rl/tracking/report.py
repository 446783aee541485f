"""Reports: everything said of a run, computed from its folder alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lifelong_rl.agents import agent_label
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.metrics import MetricValue, References, score
from lifelong_rl.evaluation.statistics import bootstrap_interval
from lifelong_rl.tracking import figures
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.tracking.teaching import teacher_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


logger = logging.getLogger(__name__)

MAIN_METRICS = (
    "gem/average_accuracy",
    "cw/average_performance",
    "cw/forgetting",
    "gem/backward_transfer",
    "gem/forward_transfer",
    "cw/forward_transfer",
)
"""What a table over runs shows, each number with its family's name."""


def score_run(folder: RunFolder, references: References | None = None) -> list[MetricValue]:
    """Give the metrics of every family for a run."""
    return score(folder.log(), references=references)


def report_run(folder: RunFolder, references: References | None = None) -> dict[str, float]:
    """Write a run's ``metrics.json`` and its figures as PNG under ``report/``.

    Gives the values that are defined, by "family/metric".
    """
    log = folder.evaluation_log()
    metrics = score_run(folder, references)
    text = json.dumps([metric.to_json() for metric in metrics], indent=2, allow_nan=False)
    (folder.path / "metrics.json").write_text(text + "\n", encoding="utf-8")
    folder.report_path.mkdir(exist_ok=True)
    pictures = {"task_curves": figures.task_curves(log), "transfer_matrix": matrix_figure(log)}
    pictures |= teacher_figures(folder)
    for name, figure in pictures.items():
        figure.savefig(folder.report_path / f"{name}.png", dpi=120)
    return {f"{m.family}/{m.name}": m.value for m in metrics if m.value is not None}


def matrix_figure(log: EvaluationLog) -> Figure:
    """Draw the scores on all tasks before training and after each block."""
    trained = log.block_tasks
    rows = ["before", *(f"after {i + 1}: {task or 'curriculum'}" for i, task in enumerate(trained))]
    return figures.transfer_matrix(log.matrix(), log.tasks, rows, trained=[None, *trained])


def report_runs(folders: Sequence[RunFolder], references_of: Callable[[RunFolder], References]) -> str:
    """Write the metrics and figures of runs, and give the table that compares them, seeds of one run in a row.

    references_of: gives a run's reference curves. A run without an evaluation is left out with a warning.
    """
    groups: dict[str, list[list[MetricValue]]] = {}
    for label, members in group_runs(folders).items():
        for folder in members:
            references = references_of(folder)
            report_run(folder, references)
            groups.setdefault(label, []).append(score_run(folder, references))
    return compare_table(groups, MAIN_METRICS)


def group_runs(folders: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    """Give runs that differ only by their seed together, under what they have in common: agent, family and tasks.

    Groups that would be called alike are numbered. ValueError where no run has an evaluation yet.
    """
    groups: dict[str, list[RunFolder]] = {}
    labels: dict[str, str] = {}
    for folder in folders:
        if not folder.evaluations_path.is_file():
            logger.warning("the run %s holds no evaluation yet: left out.", folder.path)
            continue
        config = {k: v for k, v in folder.config.items() if k not in ("seed", "provenance")}
        key = json.dumps(config, sort_keys=True)
        if key not in labels:
            try:
                label = group_label(config)
            except (TypeError, KeyError, AttributeError, ValueError) as error:
                raise ValueError(
                    f"{folder.path / 'config.json'} is damaged or no run's ({type(error).__name__}: {error}); "
                    "bring it back from a copy, or leave the folder out."
                ) from error
            n_alike = sum(other == label or other.startswith(f"{label} #") for other in labels.values())
            labels[key] = f"{label} #{n_alike + 1}" if n_alike else label
        groups.setdefault(labels[key], []).append(folder)
    if not groups:
        raise ValueError("none of the runs holds an evaluation yet; wait for the first, then report again.")
    return groups


def compare_table(runs: Mapping[str, Sequence[Sequence[MetricValue]]], names: Sequence[str]) -> str:
    """Give a Markdown table: a row a group of runs, a column a metric ("family/metric"), mean and 95 % interval.

    runs: group -> the metrics of each of its runs (seeds). Undefined values are shown as "-".
    """
    header = ["runs", "seeds", *names]
    rows = [[group, str(len(seeds)), *(_cell(seeds, name) for name in names)] for group, seeds in runs.items()]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def reasons(metrics: Sequence[MetricValue]) -> list[str]:
    """Give a line for each metric without a value: why it has none."""
    return [f"{m.family}/{m.name}: {m.reason}" for m in metrics if m.value is None]


def _cell(seeds: Sequence[Sequence[MetricValue]], name: str) -> str:
    found = [m.value for metrics in seeds for m in metrics if f"{m.family}/{m.name}" == name]
    values = [value for value in found if value is not None]
    if not values or len(values) < len(seeds):
        return "-"
    if len(values) == 1:
        return _rounded(values[0])
    interval = bootstrap_interval(values)
    return f"{_rounded(interval.estimate)} [{_rounded(interval.low)}, {_rounded(interval.high)}]"


def _rounded(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}"  # adding 0 makes a rounded -0 a plain one


def group_label(config: Mapping[str, Any]) -> str:
    """Give what runs that differ only by their seed have in common: agent, family, and teacher or scenario."""
    scenario, agent = config["scenario"], config["agent"]
    teachers = [block["teacher"] for block in scenario["blocks"] if block.get("teacher")]
    name = agent_label(agent["name"], [name for name, _ in agent["components"]])
    return f"{name} on {scenario['family']} ({teachers[0] if teachers else scenario['name']})"
