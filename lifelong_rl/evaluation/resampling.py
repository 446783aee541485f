"""The stratified bootstrap: seeds drawn with replacement within each task, and the limits read off the draws.

A statistic sees a draw as *picks*: one integer array a stratum, shape (n_draws, n_picked), the positions of the seeds
drawn. The resamples of the bootstrap and the leave-one-out samples of the jackknife are both picks, so one function
of picks serves the percentile and the BCa interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores: TypeAlias = ArrayLike | Mapping[str, ArrayLike]
"""Shape (n_seeds,), or (n_seeds, n_tasks), or task -> shape (n_seeds,) where the numbers of seeds differ."""

Strata: TypeAlias = tuple[NDArray[np.float64], ...]
"""The scores of each task, shape (n_seeds,) each."""

Picks: TypeAlias = Sequence[NDArray[np.intp]]
"""Positions of the seeds drawn, for each stratum an array of shape (n_draws, n_picked)."""

METHODS = ("percentile", "bca")
"""The kinds of interval: Efron's percentile interval (1979) and his bias-corrected, accelerated one (1987)."""

MOST_VALUES_AT_ONCE = 2**22
"""Values drawn at once, which bounds the memory: 32 MiB of doubles."""

_NORMAL = NormalDist()


def strata_of(scores: Scores, n_least: int = 1, name: str = "values") -> Strata:
    """Give the scores of each task, each at least ``n_least`` finite numbers.

    Raises ValueError for another shape, a ragged list, NaN, infinity, a masked entry and too few seeds.
    """
    if isinstance(scores, Mapping):
        strata = tuple(_array(values, f"{name} of task {task!r}", 1) for task, values in scores.items())
    else:
        table = _array(scores, name, 2)
        strata = (table,) if table.ndim == 1 else tuple(np.ascontiguousarray(table.T))
    if not strata:
        raise ValueError(f"{name} must have at least one task, found none.")
    n_seeds = min(map(len, strata))
    if n_seeds < n_least and n_least == 2:
        where = "" if len(strata) == 1 else " of each task"
        advice = "run more seeds, or report the values without an interval"
        raise ValueError(f"an interval needs at least two seeds{where}, found {n_seeds}: {advice}.")
    if n_seeds < n_least:
        raise ValueError("a mean needs at least one value, found none.")
    return strata


def _array(values: ArrayLike, name: str, n_axes: int) -> NDArray[np.float64]:
    shapes = "shape (n,)" if n_axes == 1 else "shape (n,), or (n_seeds, n_tasks), or be a mapping task -> (n_seeds,)"
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must be finite, found masked entries: leave undefined runs out and say so.")
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must have one number a seed, {shapes}: {error}") from error
    if not 1 <= array.ndim <= n_axes:
        raise ValueError(f"{name} must have one number a seed, {shapes}, found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, found NaN or infinity: leave undefined runs out and say so.")
    return array


def draws_of(strata: Strata, whole_runs: bool) -> list[tuple[int, int]]:
    """Give (n_seeds, n_strata) of each independent draw: one a task, or one for all tasks with whole runs."""
    sizes = [len(stratum) for stratum in strata]
    if not whole_runs:
        return [(n_seeds, 1) for n_seeds in sizes]
    if len(set(sizes)) > 1:
        raise ValueError(f"whole runs need the same seeds for every task, found {sizes} seeds.")
    return [(sizes[0], len(sizes))]


@dataclass(frozen=True)
class Bootstrap:
    """How an interval is drawn; the same fields and the same scores give the same interval."""

    level: float = 0.95
    """Nominal share of intervals that hold the true value, in (0, 1)."""
    n_resamples: int = 4000
    """Resamples drawn, at least 1."""
    seed: int = 0
    """Seed of the draw's own generator."""
    method: str = "percentile"
    """A name in METHODS."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie in (0, 1), found {self.level}.")
        if self.n_resamples < 1:
            raise ValueError(f"n_resamples must be at least 1, found {self.n_resamples}.")
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, found {self.method!r}.")

    def outcomes(
        self, statistic: Callable[[Picks], NDArray[np.float64]], draws: Sequence[tuple[int, int]]
    ) -> NDArray[np.float64]:
        """Give the statistic of each resample, shape (n_resamples, ...).

        statistic: from picks to shape (n_draws, ...). draws: as :func:`draws_of` gives them.
        """
        rng = np.random.default_rng(self.seed)
        n_at_once = max(1, MOST_VALUES_AT_ONCE // sum(n_seeds * n_strata for n_seeds, n_strata in draws))
        parts = []
        for start in range(0, self.n_resamples, n_at_once):
            n_now = min(n_at_once, self.n_resamples - start)
            picks: list[NDArray[np.intp]] = []
            for n_seeds, n_strata in draws:
                picks += [rng.integers(n_seeds, size=(n_now, n_seeds))] * n_strata
            parts.append(statistic(picks))
        return _finite(np.concatenate(parts))

    def limits(
        self, statistic: Callable[[Picks], NDArray[np.float64]], draws: Sequence[tuple[int, int]]
    ) -> tuple[float, float, float]:
        """Give the statistic of the scores themselves and the lower and upper limit of its interval.

        statistic: from picks to shape (n_draws,). Raises ValueError where the BCa interval does not exist.
        """
        estimate = float(_finite(statistic(everything(draws)))[0])
        outcomes = self.outcomes(statistic, draws)
        tails = self.tails
        if self.method == "bca":
            tails = bca_tails(tails, bias(outcomes, estimate), acceleration(statistic, draws))
        low, high = np.quantile(outcomes, tails)
        return estimate, float(low), float(high)

    @property
    def tails(self) -> tuple[float, float]:
        """The two quantiles between which the level lies."""
        return (1 - self.level) / 2, (1 + self.level) / 2


def everything(draws: Sequence[tuple[int, int]]) -> Picks:
    """Give the picks of one draw that takes every seed once."""
    return [np.arange(n_seeds)[None] for n_seeds, n_strata in draws for _ in range(n_strata)]


def leave_one_out(draws: Sequence[tuple[int, int]]) -> Iterator[Picks]:
    """Give, for each independent draw, the picks that leave each of its seeds out and take all the others'."""
    for left, (n_left, _) in enumerate(draws):
        picks: list[NDArray[np.intp]] = []
        for index, (n_seeds, n_strata) in enumerate(draws):
            all_seeds = np.broadcast_to(np.arange(n_seeds), (n_left, n_seeds))
            kept = all_seeds[~np.eye(n_left, dtype=bool)].reshape(n_left, -1) if index == left else all_seeds
            picks += [kept] * n_strata
        yield picks


def bias(outcomes: NDArray[np.float64], estimate: float) -> float:
    """Give z0, the normal quantile of the share of outcomes below the estimate (Efron and Tibshirani 1993, 14.14).

    Outcomes equal to the estimate count half, so a statistic with ties stays unbiased. Raises ValueError where all
    outcomes lie on one side of the estimate.
    """
    slack = 8 * np.spacing(max(np.abs(outcomes).max(), abs(estimate)))  # the order of a sum moves its last bits
    share = ((outcomes < estimate - slack).mean() + (outcomes <= estimate + slack).mean()) / 2
    if not 0 < share < 1:
        side = "below" if share == 1 else "above"
        raise ValueError(f"no BCa interval: all resamples lie {side} the estimate; use method='percentile'.")
    return _NORMAL.inv_cdf(float(share))


def acceleration(statistic: Callable[[Picks], NDArray[np.float64]], draws: Sequence[tuple[int, int]]) -> float:
    """Give the acceleration, by a jackknife over the seeds of each draw.

    Efron and Tibshirani 1993, equation 14.15; the sums over strata are those of Davison and Hinkley 1997, 5.3.

    With influence l[i] = (n - 1) (mean of the left-out statistics - the one without seed i) / n it is
    sum l^3 / (6 (sum l^2)^1.5), summed over the seeds of all draws. 0 where leaving a seed out changes nothing.
    """
    influences, size = [], 0.0
    for picks in leave_one_out(draws):
        left_out = _finite(statistic(picks))
        influences.append((left_out.mean() - left_out) * (1 - 1 / len(left_out)))
        size = max(size, float(np.abs(left_out).max()))
    influence = np.concatenate(influences)
    largest = float(np.abs(influence).max())
    if largest <= 8 * np.spacing(size):
        return 0.0
    influence /= largest  # the ratio has no unit; small scores would underflow in the cube
    return float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))


def bca_tails(tails: tuple[float, float], z0: float, acceleration: float) -> tuple[float, float]:
    """Give the quantiles that the BCa interval reads instead of the nominal tails (Efron 1987)."""
    corrected = []
    for tail in tails:
        z = z0 + _NORMAL.inv_cdf(tail)
        if acceleration * z >= 1:
            raise ValueError(
                f"no BCa interval: bias {z0:.3g} and acceleration {acceleration:.3g} are too large for this level; "
                "use method='percentile'."
            )
        corrected.append(_NORMAL.cdf(z0 + z / (1 - acceleration * z)))
    return corrected[0], corrected[1]


def _finite(outcomes: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(outcomes).all():
        raise ValueError("the statistic must give a finite number for every resample, found NaN or infinity.")
    return outcomes
