"""The document of a report: which sections it has, from the groups of runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lifelong_rl.tracking.figures import MOST_COLUMNS, Stock
from lifelong_rl.tracking.report import dynamics, pictures, provenance, results
from lifelong_rl.tracking.report.document import UNKNOWN, Cell, Document, Picture, Section, Table, Warned, Words
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import FEW_SEEDS, rounded
from lifelong_rl.tracking.report.runs import Run

MOST_LINES = 7
"""Groups in one overview chart: as many as there are colours."""


def build(groups: Sequence[Group], others: Sequence[Run], warnings: Sequence[Warned], place: Path) -> Document:
    """Give the report of groups of runs.

    others: runs that are no part of a group's means. warnings: what reading and grouping had to say. place: the
    folder where the report will lie, which links start from.
    """
    stock: Stock = {}
    sections = [
        Section("results", "Results", (Words(results.interval_words(groups)), results.main_table(groups))),
        results.ablation_section(groups),
        _curves_section(groups, stock),
        _matrix_section(groups, stock),
        results.family_sections(groups),
        dynamics.dynamics_section(groups),
        _teacher_section(groups),
        provenance.costs_section(groups),
        provenance.settings_section(groups),
        provenance.runs_section(groups, others, place),
        results.definitions_section(groups),
    ]
    return Document(
        _title(groups),
        _summary(groups),
        provenance.facts(groups),
        tuple(Warned(_short(warning.subject, place), warning.text) for warning in warnings),
        tuple(section for section in sections if section is not None),
    )


def in_order(groups: Sequence[Group]) -> list[Group]:
    """Give groups so that those to be compared stand together, the ones with fewer components first."""

    def key(group: Group) -> tuple[str, str, str, int]:
        scenario, agent = group.config["scenario"], group.config["agent"]
        return scenario["family"], scenario["name"], agent["name"], len(agent["components"])

    return sorted(groups, key=key)


def _title(groups: Sequence[Group]) -> str:
    if len(groups) == 1:
        return groups[0].label
    families = list(dict.fromkeys(group.config["scenario"]["family"] for group in groups))
    return f"{len(groups)} groups of runs on {', '.join(families)}"


def _summary(groups: Sequence[Group]) -> str:
    n_runs = sum(len(group.runs) for group in groups)
    if n_runs == 1:
        return "One run. Nothing here says how much another seed would differ."
    counts = sorted({len(group.runs) for group in groups})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{n_runs} runs, {seeds} seed{'s' if counts[-1] > 1 else ''} a group."


def _short(subject: str, place: Path) -> str:
    """Give a run's folder as seen from the report's."""
    path = Path(subject)
    return provenance.relative(path, place) if path.is_absolute() or path.exists() else subject


def _curves_section(groups: Sequence[Group], stock: Stock) -> Section:
    parts: list[Words | Picture] = []
    is_banded = any(len(group.runs) > 1 for group in groups)
    words = "Mean score over evaluation episodes on every task, evaluated all along; blocks are shaded and named."
    if is_banded:
        words += " Bands: pointwise 95 % bootstrap intervals of the mean over seeds"
        few = any(1 < len(group.runs) < FEW_SEEDS for group in groups)
        words += f", too narrow with fewer than {FEW_SEEDS} seeds" if few else ""
        words += f"; left out where more than {pictures.MOST_BANDS} tasks share a chart."
    parts.append(Words(words))
    for number, alike in enumerate(_evaluated_alike(groups), 1):
        draw = partial(pictures.overview_figure, alike)
        family = alike[0].config["scenario"]["family"]
        parts.append(Picture(f"overview-{number}", f"Mean over all tasks of {family}", draw))
    for number, group in enumerate(groups, 1):
        caption = f"{group.label}, {_seeds(group)}"
        parts.append(Picture(f"curves-{number}", caption, partial(pictures.curves_figure, group, stock)))
    return Section("curves", "Curves of all tasks", tuple(parts))


def _seeds(group: Group) -> str:
    return f"{len(group.runs)} seeds" if len(group.runs) > 1 else f"seed {group.seeds[0]}"


def _evaluated_alike(groups: Sequence[Group]) -> list[list[Group]]:
    """Give groups of one environment and the same tasks, evaluated at the same steps, two to seven together."""
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        steps = tuple(point.step for point in pictures.common_points(group))
        log = group.runs[0].log
        found.setdefault((group.config["scenario"]["family"], steps, frozenset(log.tasks)), []).append(group)
    parts = [alike[i : i + MOST_LINES] for alike in found.values() for i in range(0, len(alike), MOST_LINES)]
    return [part for part in parts if len(part) > 1]


def _matrix_section(groups: Sequence[Group], stock: Stock) -> Section:
    parts: list[Words | Table | Picture] = [
        Words(
            "Mean score over seeds on every task before training and after each block. "
            "A frame marks the task that the block trained."
        )
    ]
    for number, group in enumerate(groups, 1):
        draw = partial(pictures.group_matrix_figure, group, stock)
        parts += [_matrix(group, number), Picture(f"matrix-{number}", group.label, draw, is_on_page=False)]
    return Section("matrix", "Transfer matrix", tuple(parts))


def _matrix(group: Group, number: int) -> Table:
    matrix, log = pictures.group_matrix(group)
    trained = [None, *log.block_tasks]
    rows = []
    names = pictures.row_names(log, pictures.kinds_in(group))
    for name, own, values in zip(names, trained, matrix.filled(np.nan), strict=True):
        cells = [
            Cell(UNKNOWN, note="not evaluated by every run")
            if np.isnan(value)
            else Cell(rounded(float(value)), shade=float(value), is_framed=task == own)
            for task, value in zip(log.tasks, values, strict=True)
        ]
        rows.append((Cell(name), *cells))
    header = (Cell("evaluated task"), *map(Cell, log.tasks))
    table = Table(f"matrix-{number}", f"{group.label}, {_seeds(group)}", header, tuple(rows))
    return table.turned() if len(log.tasks) > MOST_COLUMNS > len(rows) else table


def _teacher_section(groups: Sequence[Group]) -> Section | None:
    """Give strips of what each group's teachers drew; None where none drew anything."""
    parts: list[Words | Picture] = []
    for number, group in enumerate(groups, 1):
        blocks = group.config["scenario"]["blocks"]
        run = group.runs[0]
        for index, block in enumerate(blocks):
            training = run.log.training
            if not block.get("teacher") or training is None or not (training.blocks == index).any():
                continue
            where = f", block {index + 1}" if len(blocks) > 1 else ""
            caption = f"{group.label}{where}, seed {run.seed}"
            parts.append(
                Picture(f"tasks-{number}-{index + 1}", caption, partial(pictures.moments_figure, run, index))
            )
    if not parts:
        return None
    words = (
        "Tasks that the teacher drew in equal stretches of training, the last 250 of each, coloured by the score of "
        "the episode. One seed of each group; another seed draws other tasks."
    )
    return Section("teacher", "What the teacher drew", (Words(words), *parts))
