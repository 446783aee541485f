"""The figures of a group of runs, and how figures become files: the same bytes for the same figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from lifelong_rl.evaluation.log import EvaluationLog, EvaluationPoint
from lifelong_rl.scenarios import Scenario
from lifelong_rl.tracking import figures
from lifelong_rl.tracking.figures import Stock
from lifelong_rl.tracking.moments import task_moments
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import mean_and_band
from lifelong_rl.tracking.report.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THEME = {
    "#000000": "var(--ink)",
    "#404040": "var(--soft)",
    "#8c8c8c": "var(--soft)",
    "#e6e6e6": "var(--rule)",
}
"""matplotlib's colours of text, frames and grids -> the page's, so that figures follow light and dark."""


MOST_BANDS = 8
"""Tasks whose bands can be told apart in one chart; with more of them the curves stand alone."""


def block_kinds(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what each block of a scenario is: a fixed "task", a "curriculum", a "distribution" or a "drift".

    blocks: as ``config.json`` holds them.
    """
    names = {"teacher": "curriculum", "distribution": "distribution", "drift": "drift"}
    return [next((kind for key, kind in names.items() if block.get(key)), "task") for block in blocks]


def matrix_figure(log: EvaluationLog, kinds: Sequence[str] = ()) -> Figure:
    """Draw the scores on all tasks before training and after each block. kinds: as :func:`block_kinds` gives them."""
    rows = row_names(log, kinds)
    return figures.transfer_matrix(log.matrix(), log.tasks, rows, trained=[None, *log.block_tasks])


def row_names(log: EvaluationLog, kinds: Sequence[str]) -> list[str]:
    """Name the rows of the matrix: by the task that a block trained, else by the block's kind."""
    pairs = zip(log.block_tasks, figures.kinds_of(log, kinds), strict=True)
    return ["before", *(f"after {number}: {task or kind}" for number, (task, kind) in enumerate(pairs, 1))]


def kinds_in(group: Group) -> list[str]:
    """Say what each block of a group's scenario is."""
    return block_kinds(group.config["scenario"]["blocks"])


def common_points(group: Group) -> tuple[EvaluationPoint, ...]:
    """Give the evaluation points that all runs of a group have."""
    shared = set(group.runs[0].log.points).intersection(*(run.log.points for run in group.runs[1:]))
    return tuple(point for point in group.runs[0].log.points if point in shared)


def curves(group: Group) -> list[Any]:
    """Give each run's scores at the points that all runs have, shape (n_points, n_tasks), in one order of tasks."""
    points = common_points(group)
    tasks = group.runs[0].log.tasks
    return [_rows(run.log, points)[:, [run.log.tasks.index(task) for task in tasks]] for run in group.runs]


def _rows(log: EvaluationLog, points: tuple[EvaluationPoint, ...]) -> Any:
    position = {point: row for row, point in enumerate(log.points)}
    return log.scores()[[position[point] for point in points]]


def curves_figure(group: Group, stock: Stock | None = None) -> Figure:
    """Draw the mean score over seeds on every task over training, with its band, and the blocks shaded and named."""
    log = group.runs[0].log.upto(len(common_points(group))) if len(group.runs) > 1 else group.runs[0].log
    steps = [point.step for point in common_points(group)]
    mean, low, high = mean_and_band(curves(group))
    blocks = figures.stretches(log, kinds_in(group))
    band = (low, high) if len(group.runs) > 1 and len(log.tasks) <= MOST_BANDS else None
    return figures.score_curves(steps, mean, log.tasks, blocks=blocks, band=band, stock=stock)


def overview_figure(groups: list[Group]) -> Figure:
    """Draw the mean over all tasks of several groups, evaluated at the same steps, as one line a group."""
    steps = [point.step for point in common_points(groups[0])]
    columns = [mean_and_band([table.mean(axis=1)[:, None] for table in curves(group)]) for group in groups]
    mean, low, high = (np.ma.stack([part[:, 0] for part in parts], axis=1) for parts in zip(*columns, strict=True))
    labels = [group.label for group in groups]
    return figures.score_curves(steps, mean, labels, band=(low, high), legend="mean over all tasks")


def group_matrix(group: Group) -> tuple[Any, EvaluationLog]:
    """Give the mean over seeds of the matrix, with the log whose rows and columns it has."""
    log = min((run.log for run in group.runs), key=lambda log: len(log.block_tasks))
    n_rows = len(log.block_tasks) + 1
    tables = [run.log.matrix()[:n_rows][:, [run.log.tasks.index(task) for task in log.tasks]] for run in group.runs]
    return mean_and_band(tables)[0], log


def group_matrix_figure(group: Group, stock: Stock | None = None) -> Figure:
    """Draw the matrix, averaged over seeds."""
    matrix, log = group_matrix(group)
    rows = row_names(log, kinds_in(group))
    return figures.transfer_matrix(matrix, log.tasks, rows, trained=[None, *log.block_tasks], stock=stock)


def moments_figure(run: Run, block: int) -> Figure:
    """Draw the tasks that the teacher of a block drew over time; ValueError where it drew none."""
    scenario = Scenario.from_json(run.config["scenario"])
    space = scenario.blocks[block].space(scenario.env_class.task_space)
    own = [e for e in run.folder.episodes() if e["block"] == block and "params" in e]
    points = np.array([space.encode(episode["params"]) for episode in own]).reshape(-1, space.dimension)
    first = sum(b.steps for b in scenario.blocks[:block])
    last = max([first + scenario.blocks[block].steps if run.is_finished else 0, *(e["step"] for e in own[-1:])])
    return task_moments(points, [e["score"] for e in own], [e["step"] for e in own], space, span=(first, last))


def png(figure: Figure) -> bytes:
    """Give a figure as PNG; its layout stays as it is from then on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = BytesIO()
    figure.set_dpi(160)
    # the canvas itself: savefig would lay out and draw once more than it needs to
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(file, metadata={"Software": None})
    figure.set_layout_engine("none")
    return file.getvalue()


def svg(figure: Figure, name: str) -> str:
    """Give a figure as an SVG element for a page: its text is text, its ids begin with ``name``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = StringIO()
    patches = (figure.patch, *(axes.patch for axes in figure.axes))
    colours = [patch.get_facecolor() for patch in patches]
    for patch in patches:
        patch.set_facecolor("none")
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(file, metadata=nothing)
    for patch, colour in zip(patches, colours, strict=True):
        patch.set_facecolor(colour)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    ids = {one or other for one, other in used}
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in ids else "", text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'(xlink:href|href)="#', f'href="#{name}-', text)
    text = re.sub(r"font: (?:[\w-]+ )*?([\d.]+px) [^;\"]+", r"font-size: \1", text)
    for colour, ours in THEME.items():
        text = text.replace(colour, ours)
    return re.sub(r"\n\s*", "\n", text)
