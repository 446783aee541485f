"""A strip of moments: which tasks a teacher drew early, later, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.tracking.figures import SCORE_COLOURS, new_figure
from lifelong_rl.tracking.task_distributions import set_feature_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lifelong_rl.envs.space import TaskSpace

N_BINS = 20


def task_moments(
    points: ArrayLike,
    scores: ArrayLike,
    steps: ArrayLike,
    space: TaskSpace,
    *,
    n_moments: int = 5,
    n_most: int = 250,
    span: tuple[int, int] | None = None,
) -> Figure:
    """Draw the tasks drawn in equal stretches of training side by side, coloured by their score.

    points: shape (n, d) in the unit cube, oldest first; scores: shape (n,), in [0, 1]; steps: shape (n,), environment
    steps at the end of each episode, never falling. Each panel shows the last ``n_most`` tasks of its stretch; of a
    space with more than two features the first two, of one with a single feature a histogram. span: the steps at
    which the first stretch begins and the last one ends; by default 0 and the last step.
    Raises ValueError where there is no task, or where the space has no free feature.
    """
    units = np.asarray(points, dtype=np.float64)
    values, ends = np.asarray(scores, dtype=np.float64), np.asarray(steps, dtype=np.int64)
    if not len(units) or space.dimension == 0:
        raise ValueError(f"moments need at least one task of a space with a free feature, found shape {units.shape}.")
    first, last = span or (0, int(ends[-1]))
    edges = np.linspace(first, last, n_moments + 1)
    figure = new_figure(2.05 * n_moments + 0.9, 2.75)
    panels = list(figure.subplots(1, n_moments, sharex=True, sharey=True, squeeze=False)[0])
    for index, axes in enumerate(panels):
        inside = np.flatnonzero((ends > edges[index]) & (ends <= edges[index + 1]))
        shown = inside[-n_most:]
        _draw(axes, units[shown], values[shown])
        mean = f"mean score {values[inside].mean():.2f}" if len(inside) else "no episode"
        when = f"steps {_steps(edges[index])} to {_steps(edges[index + 1])}"
        axes.set_title(f"{when}\n{len(inside):,} tasks, {mean}", fontsize=8)
        set_feature_axis(axes.xaxis, space.features[0])
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_fontsize(8)
    _finish(figure, panels, space)
    return figure


def _draw(axes: Axes, units: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    axes.set(xlim=(-0.03, 1.03))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="0.9", lw=0.6)
    if units.shape[1] == 1:
        _draw_histogram(axes, units[:, 0], values)
        return
    axes.set(ylim=(-0.03, 1.03))
    axes.scatter(
        units[:, 0], units[:, 1], s=9, c=values, cmap=SCORE_COLOURS, vmin=0, vmax=1, lw=0.2, edgecolor="0.55"
    )


def _draw_histogram(axes: Axes, units: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    from matplotlib import colormaps

    bins = np.minimum((units * N_BINS).astype(np.int64), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    means = np.bincount(bins, weights=values, minlength=N_BINS) / np.maximum(counts, 1)
    colours: Any = colormaps[SCORE_COLOURS](means)
    axes.bar((np.arange(N_BINS) + 0.5) / N_BINS, counts, width=0.9 / N_BINS, color=colours)


def _finish(figure: Figure, panels: list[Axes], space: TaskSpace) -> None:
    """Label the common axis of tasks and the colours."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if space.dimension == 1:
        panels[0].set_ylabel("number of tasks", fontsize=8)
    else:
        set_feature_axis(panels[0].yaxis, space.features[1])
        panels[0].yaxis.label.set_fontsize(8)
    shades = ScalarMappable(Normalize(0, 1), colormaps[SCORE_COLOURS])
    bar = figure.colorbar(shades, ax=panels, pad=0.01, fraction=0.03, aspect=25)
    bar.set_label("score of the episode" if space.dimension > 1 else "mean score", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _steps(step: float) -> str:
    if step < 1000:
        return f"{step:.0f}"
    scale, unit = (1e6, "M") if step >= 1e6 else (1e3, "k")
    return f"{step / scale:.3g}{unit}"
