"""Figures of the teacher benchmark: how mastery grew, and where each teacher drew its tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.bench.summary import Summary
from lifelong_rl.bench.trace import Trace
from lifelong_rl.evaluation.statistics import bootstrap_interval
from lifelong_rl.tracking.figures import DPI, LINE_COLOURS, LINE_STYLES, SCORE_COLOURS

if TYPE_CHECKING:  # matplotlib takes half a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_SHOWN = 250
"""Latest tasks that a picture of the task distribution shows."""

N_PANELS = 6
FRAMES_PER_S = 8
ANIMATION_DPI = 80


def write_figures(found: Sequence[Summary], folder: Path, note: Callable[[], None] = lambda: None) -> None:
    """Write the figures of all results as PNG, and of each trace also an animation (GIF).

    note: told of every figure that is done; they are as many as :func:`n_figures` says.
    """
    mastery_curves(found).savefig(folder / "mastery_curves.png")
    note()
    for summary, trace in _traces(found):
        name = f"tasks-{summary.slug}"
        title = f"{summary.label} on {summary.setting}"
        task_distributions(trace, title).savefig(folder / f"{name}.png")
        note()
        write_animation(trace, title, folder / f"{name}.gif")
        note()


def n_figures(found: Sequence[Summary]) -> int:
    """Give how many figures :func:`write_figures` writes."""
    return 1 + 2 * len(_traces(found))


def _traces(found: Sequence[Summary]) -> list[tuple[Summary, Trace]]:
    return [(summary, result.trace) for summary in found for result in summary.results if result.trace is not None]


# Mastery


def mastery_curves(found: Sequence[Summary]) -> Figure:
    """Draw a panel a setting and a line a teacher: mean mastery over seeds, with its 95 % bootstrap interval."""
    settings = list(dict.fromkeys(summary.setting for summary in found))
    teachers = list(dict.fromkeys(summary.label for summary in found))
    n_columns = min(len(settings), 3)
    n_rows = ceil(len(settings) / n_columns)
    figure = _figure(4.2 * n_columns + 1.8, 3.2 * n_rows + 0.3)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, setting in zip(panels, settings, strict=False):
        for summary in found:
            if summary.setting == setting:
                _draw_curve(axes, summary, teachers.index(summary.label))
        _label_curves(axes, setting)
    for axes in panels[len(settings) :]:
        axes.set_visible(False)
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", frameon=False)
    return figure


def _draw_curve(axes: Axes, summary: Summary, index: int) -> None:
    episodes = [moment for moment, _ in summary.results[0].curve]
    table = np.array([[mastery for _, mastery in seed.curve] for seed in summary.results])
    style: dict[str, Any] = {"color": LINE_COLOURS[index % len(LINE_COLOURS)]}
    if len(table) > 1:
        intervals = [bootstrap_interval(column, n_resamples=1000) for column in table.T]
        axes.fill_between(episodes, [i.low for i in intervals], [i.high for i in intervals], alpha=0.2, lw=0, **style)
    style["linestyle"] = LINE_STYLES[index // len(LINE_COLOURS) % len(LINE_STYLES)]
    axes.plot(episodes, table.mean(axis=0), label=summary.label, lw=1.6, **style)


def _label_curves(axes: Axes, setting: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.set(title=setting, xlabel="episodes", ylabel="cells mastered [%]", ylim=(-2, 102))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9", lw=0.7)
    axes.set_axisbelow(True)


# The distribution of the tasks over time


def task_distributions(trace: Trace, title: str) -> Figure:
    """Draw the latest tasks at six even moments, over the competence that the learner had there."""
    figure = _figure(9.4, 6.4)
    panels = figure.subplots(2, N_PANELS // 2, sharex=True, sharey=True).ravel()
    last = len(trace.moments) - 1
    for axes, share in zip(panels, np.linspace(0, 1, N_PANELS + 1)[1:], strict=True):
        _Panel(axes, trace).show(round(share * last))
    _add_scale(figure, panels)
    figure.suptitle(f"{title}: the latest {min(N_SHOWN, len(trace.points))} tasks over the learner's competence")
    return figure


def write_animation(trace: Trace, title: str, path: Path) -> None:
    """Write the same as a GIF, a frame a moment."""
    from PIL import Image  # matplotlib depends on it, and writes GIFs by it too

    frames = [
        Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE) for pixels in _frames(trace, title)
    ]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000 // FRAMES_PER_S, loop=0)


def _frames(trace: Trace, title: str) -> Iterator[NDArray[np.uint8]]:
    """Yield a picture a moment, shape (height, width, 3); what stays the same is drawn once, as it is slow."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure(5.0, 4.4)
    figure.set_dpi(ANIMATION_DPI)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib leaves its methods untyped
    axes = figure.subplots()
    panel = _Panel(axes, trace)
    _add_scale(figure, [axes])
    figure.suptitle(title)
    moving = [panel.image, panel.marks, axes.title]
    panel.show(1)
    canvas.draw()  # lays out with the title
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for frame in range(1, len(trace.moments)):
        panel.show(frame)
        canvas.restore_region(still)
        for artist in moving:
            axes.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


class _Panel:
    """One picture of the first two axes, which can show any moment of a trace."""

    def __init__(self, axes: Axes, trace: Trace) -> None:
        self.axes = axes
        self.trace = trace
        self.image = axes.imshow(
            _table(trace.competence[0]),
            origin="lower",
            extent=(0, 1, 0, 1),
            cmap=SCORE_COLOURS,
            vmin=0,
            vmax=1,
            aspect="equal",
        )
        self.marks = axes.scatter([], [], s=9, c="white", edgecolor="black", lw=0.4)
        is_flat = trace.points.shape[1] == 1
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="x0", ylabel="older to newer" if is_flat else "x1")
        axes.label_outer()

    def show(self, frame: int) -> None:
        """Show the competence at a moment and the tasks that led to it."""
        n_episodes = int(self.trace.moments[frame])
        points = self.trace.points[max(0, n_episodes - N_SHOWN) : n_episodes]
        if points.shape[1] == 1:
            points = np.column_stack([points[:, 0], np.linspace(0, 1, len(points))])
        self.image.set_data(_table(self.trace.competence[frame]))
        self.marks.set_offsets(points)
        self.axes.set_title(f"after {n_episodes:,} episodes", fontsize=9)


def _table(competence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a competence, indexed by x0 first, as rows of an image."""
    return competence[None, :] if competence.ndim == 1 else competence.T


def _add_scale(figure: Figure, panels: Any) -> None:
    figure.colorbar(panels[0].images[0], ax=panels, label="competence", fraction=0.05, pad=0.03)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")
