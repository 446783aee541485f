"""The figure of the tasks that a teacher drew, on axes in the units of the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.tracking.figures import LINE_COLOURS, SCORE_COLOURS, clean, new_figure, value_range

if TYPE_CHECKING:  # matplotlib takes half a second to import and many runs draw nothing
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lifelong_rl.envs.space import Feature, TaskSpace

N_SIGMA = 2.0
"""A Gaussian is drawn as the ellipse at this many standard deviations."""


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
    return value_range(np.ma.asarray(values))
