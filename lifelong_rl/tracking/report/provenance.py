"""What ran: settings, versions, costs, and the runs with the commands that repeat them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_rl.tracking.report.document import UNKNOWN, Cell, Section, Table, Words
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import rounded
from lifelong_rl.tracking.report.pictures import block_kinds
from lifelong_rl.tracking.report.repeating import repeated
from lifelong_rl.tracking.report.runs import Run

NOT_RECORDED = "not recorded"


def facts(groups: Sequence[Group]) -> tuple[tuple[str, str], ...]:
    """Give what stands at the head of a report: families, sizes, dates, versions."""
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.seed for run in runs})
    dates = sorted({run.started for run in runs} - {""})
    found = [run.config.get("provenance") or {} for run in runs]
    packages = [package for provenance in found for package in (provenance.get("packages") or {}).items()]
    python = [("python", provenance.get("python")) for provenance in found if provenance.get("python")]
    commits = _distinct([str(provenance.get("commit") or NOT_RECORDED) for provenance in found])
    return (
        ("runs", f"{len(runs)} in {len(groups)} group{'s' if len(groups) > 1 else ''}"),
        ("environment", ", ".join(_distinct([run.config["scenario"]["family"] for run in runs]))),
        ("seeds", ", ".join(map(str, seeds)) if len(seeds) <= 12 else f"{len(seeds)}, {seeds[0]} to {seeds[-1]}"),
        ("started", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else NOT_RECORDED),
        ("commit", ", ".join(commits)),
        ("versions", ", ".join(_distinct([f"{name} {v}" for name, v in python + packages])) or NOT_RECORDED),
    )


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def settings_section(groups: Sequence[Group]) -> Section:
    """Give the settings of each group."""
    header = ("runs", "scenario", "agent", "components", "blocks", "steps", "envs", "evaluation", "seeds")
    rows = tuple((Cell(group.label, note=group.difference), *_settings(group)) for group in groups)
    notes = tuple(f"{group.label} differs by {group.difference}" for group in groups if group.difference)
    cells = tuple(map(Cell, header))
    table = Table("settings-table", "Settings of each group", cells, rows, notes, n_labels=len(header))
    return Section("settings", "What ran", (table,))


def _settings(group: Group) -> list[Cell]:
    config, scenario, agent = group.config, group.config["scenario"], group.config["agent"]
    components = ", ".join(f"{name}{_options(options)}" for name, options in agent["components"])
    kinds = block_kinds(scenario["blocks"])
    tasks = [
        block.get("name") or block.get("teacher") or kind
        for block, kind in zip(scenario["blocks"], kinds, strict=True)
    ]
    every = config.get("eval_every") or "a tenth of each block"
    evaluation = f"{config['eval_episodes']} episodes a task every {every} steps, seed {config['eval_seed']}"
    texts = (
        f"{scenario['name']} on {scenario['family']}{_options(scenario['env_options'])}",
        f"{agent['name']}{_options(agent['options'])}",
        components or "none",
        " → ".join(tasks) if len(tasks) <= 12 else f"{len(tasks)} blocks",
        f"{group.runs[0].n_steps:,}",
        str(config["n_envs"]),
        evaluation.replace("a tenth of each block steps", "tenth of a block"),
        ", ".join(map(str, group.seeds)),
    )
    return [Cell(text) for text in texts]


def _options(options: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in options.items())
    return f"({shown})" if shown else ""


# Costs


def costs_section(groups: Sequence[Group]) -> Section:
    """Give what the runs of each group cost: steps, updates, time, the share of evaluation, memory."""
    if all(run.costs is None for group in groups for run in group.runs):
        return Section("costs", "What it cost", (Words(f"Costs: {NOT_RECORDED} by these runs."),))
    header = ("runs", "steps", "updates", "wall time", "evaluation", "CPU time", "peak memory", "agent memory")
    rows = tuple((Cell(group.label), *_costs(group)) for group in groups)
    n_unknown = sum(run.costs is None for group in groups for run in group.runs)
    notes = (f"{UNKNOWN} {NOT_RECORDED} by {n_unknown} run(s).",) if n_unknown else ()
    table = Table(
        "costs-table",
        "Cost of a run",
        tuple(map(Cell, header)),
        rows,
        notes,
        reading="Mean over runs, and the smallest and largest",
    )
    words = (
        "Means over the runs of a group, with the smallest and largest. Evaluation: its share of the wall time. "
        "Times are of the machine that ran it, whatever else ran there; memory is what the agent held at the end."
    )
    return Section("costs", "What it cost", (Words(words), table))


def _costs(group: Group) -> list[Cell]:
    found = [run.costs for run in group.runs if run.costs is not None]
    if len(found) < len(group.runs):
        steps = [float(run.log.steps[-1]) for run in group.runs]
        return [_spread(steps, _count), *(Cell(UNKNOWN, note=NOT_RECORDED) for _ in range(6))]
    walls = [costs.total_wall_seconds for costs in found]
    shares = [costs.wall_seconds["evaluation"] / wall for costs, wall in zip(found, walls, strict=True) if wall > 0]
    return [
        _spread([costs.steps for costs in found], _count),
        _spread([costs.updates for costs in found], _count),
        _spread(walls, _time),
        _spread(shares, lambda share: f"{share:.0%}"),
        _spread([costs.total_cpu_seconds for costs in found], _time),
        _spread([costs.peak_bytes for costs in found], _size),
        _spread([sum(held.n_bytes for held in costs.memory) for costs in found], _size),
    ]


def _spread(numbers: Sequence[float | None], text_of: Any) -> Cell:
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        return Cell(UNKNOWN, note=NOT_RECORDED)
    low, high = text_of(min(known)), text_of(max(known))
    return Cell(text_of(sum(known) / len(known)), "" if low == high else f"{low} to {high}")


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _size(n_bytes: float) -> str:
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.2f} GB"


# The runs and how to repeat them


def runs_section(groups: Sequence[Group], others: Sequence[Run], place: Path) -> Section:
    """Give each run with links to its folder, and the commands that repeat them.

    others: runs that are no part of a group's means. place: the report's folder, which links start from.
    """
    counted = [(group.label, run) for group in groups for run in group.runs]
    header = tuple(map(Cell, ("run", "group", "seed", "state", "steps", "mean final score", "settings", "own page")))
    rows = [_run_row(label, run, place) for label, run in counted]
    rows += [_run_row("in no group", run, place) for run in others]
    table = Table("runs-table", "Every run", header, tuple(rows), n_labels=len(header))
    again = []
    for number, group in enumerate(groups, 1):
        path = relative(group.runs[0].folder.path / "config.json", place)
        again.append(repeated(group, number, path))
    words = Words("To repeat a group, with its seeds:")
    return Section("runs", "Runs, and how to repeat them", (table, words, *again))


def _run_row(label: str, run: Run, place: Path) -> tuple[Cell, ...]:
    where = relative(run.folder.path, place)
    final = run.log.scores()[-1].mean()
    return (
        Cell(run.folder.path.name, link=where),
        Cell(label),
        Cell(str(run.seed)),
        Cell("finished" if run.is_finished else "unfinished"),
        Cell(f"{run.log.points[-1].step:,}"),
        Cell(rounded(float(final))),
        *_files(run, where),
    )


def _files(run: Run, where: str) -> tuple[Cell, Cell]:
    page = run.folder.report_path / "index.html"
    is_there = page.is_file() and where != ".."  # the page of the run's own report leads to itself
    own = Cell("report", link=f"{where}/report/index.html") if is_there else Cell("")
    return Cell("config.json", link=f"{where}/config.json"), own


def relative(path: Path, place: Path) -> str:
    """Give the way from a folder to another, with slashes."""
    return Path(os.path.relpath(path, place)).as_posix()
