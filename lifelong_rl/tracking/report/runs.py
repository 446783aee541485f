"""Reading runs for a report: each folder once, and what cannot be read with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.metrics import MetricValue, References, score
from lifelong_rl.tracking.costs import Costs
from lifelong_rl.tracking.report.document import Warned
from lifelong_rl.tracking.run_folder import RunFolder

ReferencesOf = Callable[[RunFolder], References]
"""Gives the reference runs of a run, as far as they are there."""

DAMAGED = (ValueError, TypeError, KeyError, AttributeError, IndexError, OSError)
"""What reading a damaged file may raise."""


@dataclass(frozen=True, eq=False)
class Run:
    """Everything a report says of one run, read once from its folder."""

    folder: RunFolder
    config: Mapping[str, Any]
    log: EvaluationLog
    metrics: tuple[MetricValue, ...]
    references: Mapping[str, int]
    """Task -> number of reference runs it is compared with."""
    is_finished: bool
    costs: Costs | None = None
    """What the run cost, as ``costs.json`` holds it; None where it was not recorded."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def n_steps(self) -> int:
        """Environment steps of the whole scenario."""
        return sum(int(block["steps"]) for block in self.config["scenario"]["blocks"])

    @property
    def started(self) -> str:
        """The day the run was started (UTC), from the name of its first event file; empty where it has none."""
        names = sorted(path.name for path in self.folder.path.glob("events.out.tfevents.*"))
        found = re.match(r"events\.out\.tfevents\.(\d{9,11})\.", names[0]) if names else None
        return datetime.fromtimestamp(int(found.group(1)), UTC).date().isoformat() if found else ""

    def values(self) -> dict[str, MetricValue]:
        """Give the metrics by "family/metric"."""
        return {f"{metric.family}/{metric.name}": metric for metric in self.metrics}


def read_run(folder: RunFolder, references_of: ReferencesOf) -> tuple[Run, list[Warned]]:
    """Read and score a run; gives with it what to warn of. ValueError where it cannot be read."""
    warnings = []
    config = RunFolder.open(folder.path).config
    if not folder.evaluations_path.is_file():
        raise ValueError("it holds no evaluation yet.")
    log = folder.log()
    references: References = {}
    costs = None
    try:
        references = references_of(folder)
    except DAMAGED as error:
        warnings.append(Warned(str(folder.path), f"its reference runs cannot be read, so none is used: {error}"))
    try:
        costs = folder.costs
    except DAMAGED as error:
        warnings.append(Warned(str(folder.path), f"its costs cannot be read: {error}"))
    run = Run(
        folder,
        config,
        log,
        tuple(score(log, references=references)),
        {task: len(found) for task, found in references.items()},
        is_finished=log.is_at_block_end and log.points[-1].block == len(config["scenario"]["blocks"]) - 1,
        costs=costs,
    )
    if not run.is_finished:
        text = f"unfinished: evaluated up to step {log.points[-1].step:,} of {run.n_steps:,}."
        warnings.append(Warned(str(folder.path), text))
    return run, warnings


def read_runs(
    folders: Sequence[RunFolder], references_of: ReferencesOf, note: Callable[[Iterable[RunFolder]], Any] = iter
) -> tuple[list[Run], list[Warned]]:
    """Read and score runs, and say which are left out or unfinished, and why.

    note: wraps the folders, to show how far the reading is. ValueError where no run can be read.
    """
    runs: list[Run] = []
    warnings: list[Warned] = []
    for folder in note(folders):
        try:
            run, found = read_run(folder, references_of)
        except DAMAGED as error:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            warnings.append(Warned(str(folder.path), f"left out: {kind}{error}"))
        else:
            runs.append(run)
            warnings += found
    if not runs:
        reasons = "; ".join(f"{warning.subject}: {warning.text}" for warning in warnings[:3])
        raise ValueError(f"none of the runs can be reported. {reasons}")
    return runs, warnings


def write_metrics(folder: RunFolder, metrics: Sequence[MetricValue]) -> None:
    """Write a run's ``metrics.json``."""
    text = json.dumps([metric.to_json() for metric in metrics], indent=2, allow_nan=False)
    (folder.path / "metrics.json").write_text(text + "\n", encoding="utf-8")
