"""Figures of a run, as matplotlib figures that belong to no window and no global state.

Every function gives a :class:`matplotlib.figure.Figure`; save it with ``figure.savefig(path)``. Colours are told
apart with any colour vision (Okabe and Ito's set for lines, viridis for scores).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured

if TYPE_CHECKING:  # matplotlib takes half a second to import and many runs draw nothing
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
SCORE_COLOURS = "viridis"
DPI = 110

MOST_COLUMNS = 8
"""Tasks that are columns of a matrix; with more tasks than that, and fewer blocks, they are rows."""


Stock: TypeAlias = "dict[str, Figure]"
"""Figures that only differ by their numbers, to be drawn over in place of new ones: most of a figure's time is spent
on its making and its layout. A figure from a stock is good until the next one is drawn with that stock."""

UNKNOWN_KIND = "changing tasks"
"""What a block without a fixed task is called where only the evaluation log is known."""


class Stretch(NamedTuple):
    """A block on the step axis."""

    first_step: int
    last_step: int
    trained: str | None
    """The block's fixed task; None where its task changes."""
    kind: str = UNKNOWN_KIND
    """What stands in the task's place where there is none: "curriculum", "distribution" or "drift"."""


def transfer_matrix(
    matrix: ArrayLike,
    task_names: Sequence[str],
    row_names: Sequence[str],
    *,
    trained: Sequence[str | None] | None = None,
    measured: Measured = "score",
    stock: Stock | None = None,
) -> Figure:
    """Draw the score on every task after every block as an annotated heat map.

    matrix: shape (n_rows, n_tasks), masked or NaN where there was no evaluation (drawn as "n/a").
    trained: the task trained before each row's evaluation, whose cell gets a frame; None for no frame.
    The colour scale is [0, 1] for scores and successes, the range of the values for returns. Many tasks after few
    blocks are drawn one below the other. stock: see :data:`Stock`.
    """
    table = _masked_table(matrix, len(row_names), len(task_names))
    frames = [
        (row, list(task_names).index(task))
        for row, task in enumerate(trained or ())
        if task is not None and task in task_names
    ]
    is_turned = len(task_names) > MOST_COLUMNS > len(row_names)
    columns, rows = (row_names, task_names) if is_turned else (task_names, row_names)
    if is_turned:
        table, frames = table.T, [(column, row) for row, column in frames]
    key = repr(("matrix", list(columns), list(rows), frames, measured))
    if stock is not None and key in stock:
        _refill_cells(stock[key].axes[0], table)
        return stock[key]
    figure = new_figure(max(2.6 + 0.85 * len(columns), 4.6), 1.7 + (0.3 if is_turned else 0.45) * len(rows))
    axes = figure.add_subplot()
    low, high = (0.0, 1.0) if measured != "return" else value_range(table)
    image = axes.imshow(table, cmap=SCORE_COLOURS, vmin=low, vmax=high, aspect="auto")
    axes.set_facecolor("0.92")
    _label_cells(axes, rows, columns)
    axes.set_title(f"{measured.capitalize()} on every task after every block", fontsize=11)
    axes.set(**{"ylabel" if is_turned else "xlabel": "evaluated task"})
    for (row, column), number in np.ndenumerate(table.filled(np.nan)):
        _annotate(axes, row, column, number, (low, high))
    for row, column in frames:
        _frame(axes, row, column)
    if stock is not None and measured != "return":
        stock[key] = figure
    figure.colorbar(image, ax=axes, label=f"mean {measured}", fraction=0.05, pad=0.03)
    return figure


def _label_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name rows and columns, and part the cells."""
    axes.set_xticks(range(len(columns)), list(map(plain, columns)), **_slant(columns, 8))
    axes.set_yticks(range(len(rows)), list(map(plain, rows)))
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _annotate(axes: Axes, row: int, column: int, number: float, scale: tuple[float, float]) -> None:
    text, colour = _cell_text(number, scale)
    axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)


def _cell_text(number: float, scale: tuple[float, float]) -> tuple[str, str]:
    is_known = bool(np.isfinite(number))
    is_bright = not is_known or number > scale[0] + 0.6 * (scale[1] - scale[0])
    text = "n/a" if not is_known else f"{number:.{2 if abs(number) < 10 else 1}f}"
    return text, "black" if is_bright else "white"


def _refill_cells(axes: Axes, table: Any) -> None:
    """Put other numbers of the scale [0, 1] into the cells of a matrix."""
    axes.images[0].set_data(table)
    for cell, number in zip(axes.texts, table.filled(np.nan).ravel(), strict=True):
        text, colour = _cell_text(number, (0.0, 1.0))
        cell.set(text=text, color=colour)


def _frame(axes: Axes, row: int, column: int) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor="#D55E00", lw=2.0))


def task_curves(log: EvaluationLog, *, value: Measured = "score", kinds: Sequence[str] = ()) -> Figure:
    """Draw the run's score on every task over training, with its blocks shaded and named.

    kinds: what each block is where it has no fixed task, as :class:`Stretch` says it.
    """
    return score_curves(log.steps, log.scores(value), log.tasks, blocks=stretches(log, kinds), measured=value)


def stretches(log: EvaluationLog, kinds: Sequence[str] = ()) -> list[Stretch]:
    """Give the blocks of a log on the step axis; the one that is not over yet ends at the last evaluation."""
    firsts = [0, *(end or 0 for end in log.block_ends)]
    lasts = [int(log.steps[-1]) if end is None else end for end in log.block_ends]
    names = kinds_of(log, kinds)
    return [Stretch(*block) for block in zip(firsts[:-1], lasts, log.block_tasks, names, strict=True)]


def kinds_of(log: EvaluationLog, kinds: Sequence[str]) -> list[str]:
    """Give what each block of a log is called where it has no fixed task: its kind, as far as kinds are known."""
    return [kinds[i] if i < len(kinds) else UNKNOWN_KIND for i in range(len(log.block_tasks))]


def score_curves(
    steps: ArrayLike,
    scores: ArrayLike,
    task_names: Sequence[str],
    *,
    blocks: Sequence[Stretch] = (),
    measured: Measured = "score",
    band: tuple[ArrayLike, ArrayLike] | None = None,
    legend: str = "evaluated task",
    stock: Stock | None = None,
) -> Figure:
    """Draw one line a task over environment steps, with the blocks shaded in the colour of their task.

    steps: shape (n_points,). scores: shape (n_points, n_tasks), masked or NaN where there was no evaluation.
    A line is thick while its task is trained. band: lower and upper limits around the lines, each of the shape of
    scores, masked or NaN where there is none. legend: what the lines are. stock: see :data:`Stock`.
    """
    x = np.asarray(steps, dtype=np.float64)
    table = _masked_table(scores, len(x), len(task_names))
    key = repr(("curves", x.tolist(), list(task_names), list(blocks), measured, legend))
    if stock is not None and band is None and key in stock:
        _refill_lines(stock[key].axes[0], x, table, task_names, blocks)
        return stock[key]
    figure = new_figure(9.0, max(3.8, 1.2 + 0.24 * len(task_names)))
    axes = figure.add_subplot()
    styles = {task: _line_style(i) for i, task in enumerate(task_names)}
    limits = [] if band is None else [tuple(_masked_table(limit, *table.shape) for limit in band)]
    lines: list[Any] = []
    for column, (task, style) in enumerate(styles.items()):
        marker = "o" if len(x) <= 40 else None
        lines += axes.plot(x, table[:, column], label=task, lw=1.4, marker=marker, ms=3, **style)
        for low, high in limits:
            axes.fill_between(x, low[:, column], high[:, column], color=style["color"], alpha=0.16, lw=0)
    for block in blocks:
        colour = styles[block.trained]["color"] if block.trained in styles else "0.5"
        axes.axvspan(block.first_step, block.last_step, color=colour, alpha=0.10, lw=0)
        if block.trained in styles:
            where = _part(x, task_names, block)
            axes.plot(x[where[0]], table[where], lw=2.8, solid_capstyle="round", **styles[block.trained])
    _name_blocks(axes, blocks)
    axes.set(xlabel="environment steps", ylabel=f"mean {measured}")
    if measured != "return":
        axes.set_ylim(-0.03, 1.03)
    axes.margins(x=0.01)
    axes.xaxis.set_major_formatter(_steps_formatter())
    clean(axes)
    # long names beside the chart would leave it no room
    place: Any = "outside right upper" if max(map(len, task_names), default=0) <= 24 else "outside lower left"
    figure.legend(lines, list(map(plain, task_names)), loc=place, title=legend, frameon=False, alignment="left")
    if stock is not None and blocks and band is None and measured != "return":
        stock[key] = figure
    return figure


def _part(x: NDArray[np.float64], task_names: Sequence[str], block: Stretch) -> tuple[NDArray[np.bool_], int]:
    """Give the rows and the column of the scores of a block's own task while it was trained."""
    return (x >= block.first_step) & (x <= block.last_step), list(task_names).index(str(block.trained))


def _refill_lines(
    axes: Axes, x: NDArray[np.float64], table: Any, task_names: Sequence[str], blocks: Sequence[Stretch]
) -> None:
    """Put other scores into the lines of a chart: a line a task, then a thick one a block."""
    parts = [table[_part(x, task_names, block)] for block in blocks if block.trained in task_names]
    for line, values in zip(axes.lines, [*table.T, *parts], strict=False):  # then the lines that part the blocks
        line.set_ydata(values)


def _line_style(index: int) -> dict[str, Any]:
    style = LINE_STYLES[index // len(LINE_COLOURS) % len(LINE_STYLES)]
    return {"color": LINE_COLOURS[index % len(LINE_COLOURS)], "linestyle": style}


def _name_blocks(axes: Axes, blocks: Sequence[Stretch]) -> None:
    """Write each block's task above its band, upright where the bands are too narrow for the words."""
    if not blocks:
        return
    names = [block.trained or block.kind for block in blocks]
    total = max(block.last_step for block in blocks) - blocks[0].first_step
    # about 95 characters of this size fit over the axes
    is_tight = any(
        len(name) > 95 * (block.last_step - block.first_step) / max(total, 1)
        for name, block in zip(names, blocks, strict=True)
    )
    for name, block in zip(names, blocks, strict=True):
        axes.annotate(
            plain(name),
            ((block.first_step + block.last_step) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if is_tight else 0,
            fontsize=8,
            color="0.25",
        )
    for before, after in pairwise(blocks):
        axes.axvline((before.last_step + after.first_step) / 2, color="0.55", lw=0.8)


def value_range(table: Any) -> tuple[float, float]:
    """Give the smallest and the largest known number of a masked table, set apart where they are one number."""
    if np.ma.count(table) == 0:
        return 0.0, 1.0
    low, high = float(table.min()), float(table.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _masked_table(values: ArrayLike, n_rows: int, n_columns: int) -> Any:
    """Give a float table with NaN masked; ValueError for another shape."""
    table = np.ma.masked_invalid(np.ma.asarray(values, dtype=np.float64))
    if table.shape != (n_rows, n_columns):
        raise ValueError(f"expected a table of shape ({n_rows}, {n_columns}), found {table.shape}.")
    return table


def new_figure(width: float, height: float) -> Figure:
    """Give an empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def plain(text: str) -> str:
    """Give text so that matplotlib takes no dollar sign in it for the start of a formula."""
    return text.replace("$", r"\$")


def _slant(names: Sequence[str], n_fitting: int) -> dict[str, Any]:
    if all(len(name) <= n_fitting for name in names):
        return {}
    return {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}


def _steps_formatter() -> Any:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")


def clean(axes: Axes) -> None:
    """Leave the axes a frame at the left and at the bottom, and faint lines to read heights by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9", lw=0.7)
    axes.set_axisbelow(True)
