"""Figures of a run, as matplotlib figures that belong to no window and no global state.

Every function gives a :class:`matplotlib.figure.Figure`; save it with ``figure.savefig(path)``. Colours are told
apart with any colour vision (Okabe and Ito's set for lines, viridis for scores).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured

if TYPE_CHECKING:  # matplotlib takes half a second to import and many runs draw nothing
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lifelong_rl.envs.space import Feature, TaskSpace

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
SCORE_COLOURS = "viridis"
DPI = 110

MOST_COLUMNS = 8
"""Tasks that are columns of a matrix; with more tasks than that, and fewer blocks, they are rows."""

N_SIGMA = 2.0
"""A Gaussian is drawn as the ellipse at this many standard deviations."""


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
) -> Figure:
    """Draw the score on every task after every block as an annotated heat map.

    matrix: shape (n_rows, n_tasks), masked or NaN where there was no evaluation (drawn as "n/a").
    trained: the task trained before each row's evaluation, whose cell gets a frame; None for no frame.
    The colour scale is [0, 1] for scores and successes, the range of the values for returns. Many tasks after few
    blocks are drawn one below the other.
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
    figure = new_figure(max(2.6 + 0.85 * len(columns), 4.6), 1.7 + (0.3 if is_turned else 0.45) * len(rows))
    axes = figure.add_subplot()
    low, high = (0.0, 1.0) if measured != "return" else _range(table)
    image = axes.imshow(table, cmap=SCORE_COLOURS, vmin=low, vmax=high, aspect="auto")
    axes.set_facecolor("0.92")
    _label_cells(axes, rows, columns)
    axes.set_title(f"{measured.capitalize()} on every task after every block", fontsize=11)
    axes.set(**{"ylabel" if is_turned else "xlabel": "evaluated task"})
    for (row, column), number in np.ndenumerate(table.filled(np.nan)):
        _annotate(axes, row, column, number, (low, high))
    for row, column in frames:
        _frame(axes, row, column)
    if measured != "return":
        figure.set_label(repr((rows, columns, measured)))
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
    is_known = bool(np.isfinite(number))
    is_bright = not is_known or number > scale[0] + 0.6 * (scale[1] - scale[0])
    text = "n/a" if not is_known else f"{number:.{2 if abs(number) < 10 else 1}f}"
    axes.text(column, row, text, ha="center", va="center", fontsize=9, color="black" if is_bright else "white")


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
) -> Figure:
    """Draw one line a task over environment steps, with the blocks shaded in the colour of their task.

    steps: shape (n_points,). scores: shape (n_points, n_tasks), masked or NaN where there was no evaluation.
    A line is thick while its task is trained. band: lower and upper limits around the lines, each of the shape of
    scores, masked or NaN where there is none. legend: what the lines are.
    """
    x = np.asarray(steps, dtype=np.float64)
    table = _masked_table(scores, len(x), len(task_names))
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
            inside = (x >= block.first_step) & (x <= block.last_step)
            column = list(task_names).index(block.trained)
            axes.plot(x[inside], table[inside, column], lw=2.8, solid_capstyle="round", **styles[block.trained])
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
    if measured != "return":
        figure.set_label(repr((list(task_names), list(blocks), axes.get_xlim(), measured, legend)))
    return figure


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


def task_distribution(
    points: ArrayLike,
    scores: ArrayLike | None,
    space: TaskSpace,
    *,
    gaussians: Sequence[tuple[ArrayLike, ArrayLike]] = (),
    density: Callable[[NDArray[np.float64]], ArrayLike] | None = None,
    features: tuple[str, str] | None = None,
    n_last: int = 500,
    score_label: str = "score",
) -> Figure:
    """Draw the tasks that a teacher sampled, coloured by score, on axes in the units of the features.

    points: shape (n, d) in the unit cube, oldest first; the last ``n_last`` are drawn. scores: shape (n,) or None.
    gaussians: (mean (d,), covariance (d, d)) in the unit cube, drawn as ellipses at two standard deviations.
    density: function from (m, d) unit points to (m,), drawn as shades; features off the chart stand at the points'
    medians. features: the two to draw, by default the space's first two. A space with one feature gives a histogram.
    """
    if space.dimension == 0:
        raise ValueError(f"the task space of {space.family!r} has no free feature to draw.")
    units = space.check_points(np.asarray(points, dtype=np.float64).reshape(-1, space.dimension))[-n_last:]
    values = None if scores is None else _scores_of(scores, len(np.asarray(points)))[-n_last:]
    mixture = [_gaussian(mean, covariance, space.dimension) for mean, covariance in gaussians]
    figure = new_figure(6.4, 4.8 if space.dimension > 1 else 4.0)
    axes = figure.add_subplot()
    if space.dimension == 1:
        _draw_histogram(figure, axes, units[:, 0], values, mixture, density, score_label)
        set_feature_axis(axes.xaxis, space.features[0])
        shown: tuple[int, ...] = (0,)
    else:
        shown = _chosen_axes(space, features)
        _draw_scatter(figure, axes, units, values, mixture, density, shown, score_label)
        set_feature_axis(axes.xaxis, space.features[shown[0]])
        set_feature_axis(axes.yaxis, space.features[shown[1]])
    hidden = f", {len(shown)} of {space.dimension} features" if len(shown) < space.dimension else ""
    axes.set_title(f"{space.family}: the last {len(units)} tasks{hidden}", fontsize=11)
    clean(axes)
    return figure


def _draw_scatter(
    figure: Figure,
    axes: Axes,
    units: NDArray[np.float64],
    values: NDArray[np.float64] | None,
    mixture: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    density: Callable[[NDArray[np.float64]], ArrayLike] | None,
    shown: tuple[int, ...],
    score_label: str,
) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if density is not None:
        ticks = (np.arange(60) + 0.5) / 60
        grid = np.tile(np.median(units, axis=0) if len(units) else np.full(units.shape[1], 0.5), (3600, 1))
        grid[:, list(shown)] = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        shades = np.asarray(density(grid), dtype=np.float64).reshape(60, 60)
        axes.imshow(shades, origin="lower", extent=(0, 1, 0, 1), cmap="Greys", alpha=0.45, aspect="auto", zorder=0)
    x, y = units[:, shown[0]], units[:, shown[1]]
    if values is None:
        axes.scatter(x, y, s=16, color=LINE_COLOURS[0], alpha=0.7, lw=0)
    else:
        low, high = _score_scale(values)
        marks = axes.scatter(x, y, s=18, c=values, cmap=SCORE_COLOURS, vmin=low, vmax=high, lw=0.3, edgecolor="0.3")
        figure.colorbar(marks, ax=axes, label=score_label, pad=0.02)
    for mean, covariance in mixture:
        _draw_ellipse(axes, mean[list(shown)], covariance[np.ix_(shown, shown)])


def _draw_ellipse(axes: Axes, mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> None:
    from matplotlib.patches import Ellipse

    lengths, directions = np.linalg.eigh(covariance)
    width, height = 2 * N_SIGMA * np.sqrt(np.maximum(lengths, 0))  # rounding may leave -1e-18
    angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
    centre = (float(mean[0]), float(mean[1]))
    axes.add_patch(Ellipse(centre, width, height, angle=angle, fill=False, edgecolor="#D55E00", lw=1.8))
    axes.plot(*centre, marker="+", color="#D55E00", ms=8, mew=1.8)


def _draw_histogram(
    figure: Figure,
    axes: Axes,
    units: NDArray[np.float64],
    values: NDArray[np.float64] | None,
    mixture: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    density: Callable[[NDArray[np.float64]], ArrayLike] | None,
    score_label: str,
) -> None:
    """Draw counts in 20 bins, coloured by the bin's mean score; curves are scaled to the expected counts."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    n_bins = 20
    bins = np.minimum((units * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    colours: Any = LINE_COLOURS[0]
    if values is not None:
        sums = np.bincount(bins, weights=values, minlength=n_bins)
        shades = ScalarMappable(Normalize(*_score_scale(values)), colormaps[SCORE_COLOURS])
        colours = shades.to_rgba(sums / np.maximum(counts, 1))
        figure.colorbar(shades, ax=axes, label=f"mean {score_label}", pad=0.02)
    axes.bar((np.arange(n_bins) + 0.5) / n_bins, counts, width=0.9 / n_bins, color=colours)
    x = (np.arange(400) + 0.5) / 400
    for mean, covariance in mixture:
        deviation = np.sqrt(max(float(covariance[0, 0]), 1e-12))  # 1e-12: a collapsed Gaussian is a spike, not 1/0
        bell = np.exp(-0.5 * ((x - mean[0]) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
        axes.plot(x, bell * len(units) / n_bins / len(mixture), color="#D55E00", lw=1.8)
    if density is not None:
        heights = np.asarray(density(x[:, None]), dtype=np.float64)
        scale = len(units) / n_bins / max(float(heights.mean()), 1e-12)  # 1e-12: a density of zero everywhere
        axes.plot(x, heights * scale, color="0.3", lw=1.4, ls="--")
    axes.set(xlim=(-0.02, 1.02), ylabel="number of tasks")


def set_feature_axis(axis: Any, feature: Feature) -> None:
    """Label an axis over [0, 1] with the feature's name and its values in its own unit."""
    ticks = _feature_ticks(feature)
    axis.set_ticks([feature.to_unit(tick) for tick in ticks], [_tick_text(tick) for tick in ticks])
    unit = f" [{feature.unit}]" if feature.unit else ""
    axis.set_label_text(f"{feature.name}{unit}{' (log scale)' if feature.log else ''}")


def _feature_ticks(feature: Feature) -> list[Any]:
    from matplotlib.ticker import LogLocator, MaxNLocator

    if feature.kind == "category":
        return list(feature.choices)
    locate = (
        LogLocator(subs=(1.0, 2.0, 5.0))
        if feature.log
        else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=feature.kind == "integer")
    )
    inside = [float(t) for t in locate.tick_values(feature.low, feature.high) if feature.low <= t <= feature.high]
    return inside if len(inside) >= 2 else [feature.low, feature.high]


def _tick_text(tick: Any) -> str:
    return f"{tick:.4g}" if isinstance(tick, float) else str(tick)


def _chosen_axes(space: TaskSpace, features: tuple[str, str] | None) -> tuple[int, ...]:
    if features is None:
        return (0, 1)
    names = [feature.name for feature in space.features]
    for name in features:
        if name not in names:
            raise ValueError(f"features must be two of {', '.join(names)}, found {name!r}.")
    return tuple(names.index(name) for name in features)


def _gaussian(
    mean: ArrayLike, covariance: ArrayLike, dimension: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre, spread = np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if centre.shape != (dimension,) or spread.shape != (dimension, dimension):
        raise ValueError(
            f"a Gaussian has a mean of shape ({dimension},) and a covariance of shape ({dimension}, {dimension}), "
            f"found {centre.shape} and {spread.shape}."
        )
    return centre, spread


def _scores_of(scores: ArrayLike, n: int) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise ValueError(f"scores must be {n} finite numbers, one a point, found shape {values.shape}.")
    return values


def _score_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Give [0, 1] for scores, the range of the values for anything else."""
    if not len(values) or (values.min() >= 0 and values.max() <= 1):
        return 0.0, 1.0
    return _range(np.ma.asarray(values))


def _range(table: Any) -> tuple[float, float]:
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
    """Give an empty figure of this size in inches.

    Whoever draws into it may give it a label that says all that its margins depend on, which is never shown: figures
    of one size and label are laid out once for all (:func:`lifelong_rl.tracking.report.pictures.png`).
    """
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
