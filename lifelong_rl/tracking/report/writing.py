"""Writing reports: of one run as it ends, and of many with everything that compares them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.metrics import MetricValue, References, score
from lifelong_rl.tracking import figures
from lifelong_rl.tracking.report import html, latex, markdown, pictures, spreadsheets
from lifelong_rl.tracking.report.document import Document, Warned
from lifelong_rl.tracking.report.groups import group_runs
from lifelong_rl.tracking.report.repeating import scenario_file, scenario_files
from lifelong_rl.tracking.report.results import main_table
from lifelong_rl.tracking.report.runs import DAMAGED, ReferencesOf, Run, read_runs, write_metrics
from lifelong_rl.tracking.report.sections import build, in_order
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.tracking.teaching import teacher_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

PAGE = "index.html"


@dataclass(frozen=True)
class WrittenReport:
    """What a report says on the command line, and where it lies."""

    page: Path
    """The HTML page; the other files lie beside it."""
    table: str
    """The main table, as Markdown."""
    reasons: tuple[str, ...]
    """A line for each metric of each run without a value: why it has none."""
    warnings: tuple[Warned, ...]
    """What to know before believing the numbers: runs left out or unfinished, and the like."""


def report_run(folder: RunFolder, references: References | None = None) -> dict[str, float]:
    """Write a run's ``metrics.json`` and its figures as PNG under ``report/``.

    Gives the values that are defined, by "family/metric".
    """
    log = folder.log()
    metrics = score(log, references=references)
    write_run(folder, log, metrics)
    return {f"{m.family}/{m.name}": m.value for m in metrics if m.value is not None}


def write_run(folder: RunFolder, log: EvaluationLog, metrics: Sequence[MetricValue]) -> None:
    """Write the figures of a run that was scored, and last its ``metrics.json``: a run with this file is finished."""
    _draw_run(folder, log)
    write_metrics(folder, metrics)


def _draw_run(folder: RunFolder, log: EvaluationLog) -> None:
    folder.report_path.mkdir(exist_ok=True)
    kinds = pictures.block_kinds(folder.config["scenario"]["blocks"])
    curves = figures.task_curves(log, kinds=kinds)
    drawn = {"task_curves": curves, "transfer_matrix": pictures.matrix_figure(log, kinds)}
    for name, figure in (drawn | teacher_figures(folder)).items():
        (folder.report_path / f"{name}.png").write_bytes(pictures.png(figure))


def report_runs(folders: Sequence[RunFolder], references_of: ReferencesOf) -> str:
    """Write the report of runs as :func:`write_report` does, and give its main table as Markdown."""
    return write_report(folders, references_of).table


def write_report(
    folders: Sequence[RunFolder],
    references_of: ReferencesOf,
    output: Path | None = None,
    *,
    show_progress: bool = False,
) -> WrittenReport:
    """Write one report of runs: a page, the same as Markdown, CSV and LaTeX, and every figure as PNG.

    references_of: gives a run's reference runs. output: the report's folder; by default ``report`` in the folder of
    the run, or in the one that all of them share. Each run's ``metrics.json`` is written again too, and the figures
    beside it where there is only one run. The same runs give the same bytes.
    A run that cannot be read is left out and named in the report; ValueError where none can be, and where the folder
    holds something else than a report.
    """
    place = output or _common_place(folders)
    _check_place(place)
    runs, warnings = read_runs(folders, references_of, lambda f: tqdm(f, "reading", disable=not show_progress))
    grouped, found = group_runs(runs)
    groups = in_order(grouped)
    counted = {id(run) for group in groups for run in group.runs}
    others = [run for run in runs if id(run) not in counted]
    for run in runs:
        write_metrics(run.folder, run.metrics)
    warnings += found
    if len(runs) == 1:
        warnings += _drawn_beside(runs[0])
    document = build(groups, others, warnings, place)
    drawn, failures = _write_figures(document, place / "figures", show_progress=show_progress)
    document = document.without_pictures(failures)
    texts = spreadsheets.csv_files(groups, others, place) | scenario_files(groups)
    texts |= {"report.md": markdown.to_markdown(document), "tables.tex": latex.to_latex(document)}
    texts[PAGE] = html.to_html(document, drawn)
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
    for path in place.glob(scenario_file("*")):
        if path.name not in texts:
            path.unlink()  # of an earlier report
    reasons = tuple(line for run in runs for line in _reasons(run))
    return WrittenReport(place / PAGE, markdown.to_table(main_table(groups)), reasons, tuple(warnings))


def write_reports_of_each(
    folders: Sequence[RunFolder], references_of: ReferencesOf, *, show_progress: bool = False
) -> None:
    """Write the report of each run in its own folder; a run that cannot be read is left out with a warning."""
    for folder in tqdm(folders, "each run", disable=not show_progress):
        try:
            write_report([folder], references_of)
        except ValueError as error:
            logger.warning("no report of %s: %s", folder.path, error)


def _common_place(folders: Sequence[RunFolder]) -> Path:
    shared = Path(os.path.commonpath([folder.path.absolute() for folder in folders]))
    if shared == Path(shared.anchor):
        raise ValueError("the runs share no folder to write the report into; choose one with --output.")
    return _as_given(shared) / "report"


def _as_given(path: Path) -> Path:
    """Give a folder below the current one by its way from there, as the user names it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _check_place(place: Path) -> None:
    """Refuse to write among files that are no report's."""
    if place.exists() and not place.is_dir():
        raise ValueError(f"{place} is no folder; choose another one with --output.")
    is_empty = not place.exists() or not any(place.iterdir())
    is_of_run = place.name == "report" and (place.parent / "config.json").is_file()
    page = place / PAGE
    if not is_empty and not is_of_run and not (page.is_file() and html.is_ours(page.read_text("utf-8", "replace"))):
        raise ValueError(f"{place} holds files that are no report's; choose another folder with --output.")


def _drawn_beside(run: Run) -> list[Warned]:
    """Draw a run's own figures in its folder; gives a warning where its parts are not here to draw them with."""
    try:
        _draw_run(run.folder, run.log)
    except (*DAMAGED, ImportError) as error:
        return [Warned(str(run.folder.path), f"its own figures cannot be drawn: {error}")]
    return []


def _write_figures(document: Document, folder: Path, *, show_progress: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Write each picture as PNG, and drop those of an earlier report.

    Gives by name those of the page as SVG, and why others cannot be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    failures: dict[str, str] = {}
    names = set()
    for picture in tqdm(document.pictures(), "drawing", disable=not show_progress):
        try:
            figure: Figure = picture.draw()
        except (*DAMAGED, ImportError) as error:  # a plug-in that is not here, damaged parameters of an episode
            failures[picture.name] = str(error)
            continue
        (folder / f"{picture.name}.png").write_bytes(pictures.png(figure))
        names.add(f"{picture.name}.png")
        if picture.is_on_page:
            drawn[picture.name] = pictures.svg(figure, picture.name)
    for path in folder.glob("*.png"):
        if path.name not in names:
            path.unlink()
    return drawn, failures


def _reasons(run: Run) -> list[str]:
    return [f"{run.folder.path}: {line}" for line in reasons(run.metrics)]


def reasons(metrics: Sequence[MetricValue]) -> list[str]:
    """Give a line for each metric without a value: why it has none."""
    return [f"{m.family}/{m.name}: {m.reason}" for m in metrics if m.value is None]
