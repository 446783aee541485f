"""Comparisons of two agents over seeds, and the distribution of one agent's scores.

All of it takes scores as :mod:`lifelong_rl.evaluation.statistics` does. docs/statistics.md says what to use when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.resampling import Bootstrap, Picks, Scores, Strata, draws_of, strata_of
from lifelong_rl.evaluation.statistics import BootstrapOptions, Interval, bootstrap_interval

MOST_PAIRS = 20
"""Pairs for which the sign-flip test still visits every pattern of signs: a million."""


def probability_of_improvement(
    x: Scores,
    y: Scores,
    *,
    level: float = 0.95,
    n_resamples: int = 4000,
    seed: int = 0,
    method: str = "percentile",
    whole_runs: bool = False,
) -> Interval:
    """Give the probability that a run of x beats a run of y, P(X > Y) + P(X = Y) / 2, averaged over the tasks.

    This is U / (n m) with U of Mann and Whitney (1947); 0.5 is neutral (Agarwal et al. 2021). x, y: the same tasks;
    the numbers of seeds may differ. The seeds of x and those of y are drawn independently. It says nothing of how
    large an improvement is. Complete separation gives an interval of no width at 0 or 1: no resample disagrees.
    Raises ValueError as :func:`~lifelong_rl.evaluation.statistics.bootstrap_interval` does, and for different tasks.
    """
    ours, theirs = same_tasks(x, y, 2)
    wins = [(a[:, None] > b) + 0.5 * (a[:, None] == b) for a, b in zip(ours, theirs, strict=True)]

    def of_picks(picks: Picks) -> NDArray[np.float64]:
        each = []
        for won, a, b in zip(wins, picks[: len(ours)], picks[len(ours) :], strict=True):
            n_won = ((counts(a, len(won)) @ won) * counts(b, won.shape[1])).sum(axis=1)
            each.append(n_won / (a.shape[1] * b.shape[1]))
        return np.asarray(np.mean(each, axis=0))

    draws = draws_of(ours, whole_runs) + draws_of(theirs, whole_runs)
    estimate, low, high = Bootstrap(level, n_resamples, seed, method).limits(of_picks, draws)
    n_values = sum(map(len, ours)) + sum(map(len, theirs))
    return Interval(estimate, low, high, level, n_values, n_resamples, method)


def paired_difference(
    x: Scores,
    y: Scores,
    *,
    statistic: str | Callable[[Any], float] = "mean",
    **options: Unpack[BootstrapOptions],
) -> Interval:
    """Give a statistic of x - y and its interval, from a bootstrap over the pairs.

    x, y: the same seeds in the same order, in the same shape or mapping; position i of both is one pair. Positive:
    x is higher. The statistic is that of the differences, so the median and the IQM are not differences of medians
    or IQMs. The other arguments are those of :func:`~lifelong_rl.evaluation.statistics.bootstrap_interval`.
    Raises ValueError as that does, and where x and y differ in tasks or in the number of seeds.
    """
    differences = [a - b for a, b in zip(*paired(x, y, 2), strict=True)]
    return bootstrap_interval(
        differences[0] if len(differences) == 1 else {str(task): pairs for task, pairs in enumerate(differences)},
        statistic=statistic,
        **options,
    )


def sign_flip_p_value(x: ArrayLike, y: ArrayLike) -> float:
    """Give the exact two-sided p-value of the mean paired difference (sign-flip test, Fisher 1935).

    x, y: shape (n_seeds,), the same seeds in the same order, 2 to 20 of them. Under the hypothesis that x and y are
    exchangeable in each pair every pattern of signs of the differences is equally likely; the p-value is the share of
    the 2^n patterns whose mean is at least as far from 0. So it is at least 2 / 2^n (1 where all differences are 0):
    with fewer than 6 pairs it cannot fall below 0.05.
    Raises ValueError for other shapes, unequal numbers, NaN, fewer than 2 pairs and more than 20.
    """
    ours, theirs = paired(x, y, 2)
    if len(ours) != 1:
        raise ValueError(f"the sign-flip test needs one number a seed, found {len(ours)} tasks: average them first.")
    differences = ours[0] - theirs[0]
    if len(differences) > MOST_PAIRS:
        raise ValueError(f"the sign-flip test takes at most {MOST_PAIRS} pairs, found {len(differences)}.")
    sums = differences[:1]  # the first sign stays: turning all signs round leaves the distance from 0
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    slack = 1e-12 * np.abs(differences).sum()  # equal sums may differ in their last bits
    return float((np.abs(sums) >= abs(differences.sum()) - slack).mean())


@dataclass(frozen=True)
class PerformanceProfile:
    """The share of scores above each threshold, with a pointwise bootstrap band."""

    thresholds: tuple[float, ...]
    shares: tuple[float, ...]
    """Share of the scores above each threshold, in [0, 1]."""
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    level: float
    """Nominal coverage at each threshold alone, not of the whole curve at once."""
    n_values: int
    """Number of values: seeds, summed over the tasks."""
    n_resamples: int


def performance_profile(
    scores: Scores,
    thresholds: ArrayLike,
    *,
    level: float = 0.95,
    n_resamples: int = 4000,
    seed: int = 0,
    whole_runs: bool = False,
) -> PerformanceProfile:
    """Give the share of runs with a score above each threshold, averaged over the tasks (Agarwal et al. 2021, 4.2).

    thresholds: shape (n_thresholds,), finite, in any order. The band is the percentile interval at each threshold;
    where all scores lie on one side it has no width. An agent whose profile lies above another's everywhere is
    stochastically better. Raises ValueError as
    :func:`~lifelong_rl.evaluation.statistics.bootstrap_interval` does, and for other thresholds.
    """
    strata = strata_of(scores, 2)
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or not len(levels) or not np.isfinite(levels).all():
        raise ValueError(f"thresholds must be finite numbers, shape (n_thresholds,), found {thresholds!r}.")
    above = [(values[:, None] > levels).astype(np.float64) for values in strata]

    def of_picks(picks: Picks) -> NDArray[np.float64]:
        pairs = zip(above, picks, strict=True)
        each = [counts(chosen, len(passed)) @ passed / chosen.shape[1] for passed, chosen in pairs]
        return np.asarray(np.mean(each, axis=0))

    bootstrap = Bootstrap(level, n_resamples, seed)
    outcomes = bootstrap.outcomes(of_picks, draws_of(strata, whole_runs))
    shares = np.mean([passed.mean(axis=0) for passed in above], axis=0)
    lows, highs = np.quantile(outcomes, bootstrap.tails, axis=0)
    return PerformanceProfile(
        thresholds=tuple(levels.tolist()),
        shares=tuple(shares.tolist()),
        lows=tuple(lows.tolist()),
        highs=tuple(highs.tolist()),
        level=level,
        n_values=sum(map(len, strata)),
        n_resamples=n_resamples,
    )


def counts(picks: NDArray[np.intp], n_seeds: int) -> NDArray[np.float64]:
    """Give how often each draw has each seed, shape (n_draws, n_seeds), from picks of shape (n_draws, n_picked)."""
    n_draws = len(picks)
    flat = picks + n_seeds * np.arange(n_draws)[:, None]
    numbers = np.bincount(flat.ravel(), minlength=n_draws * n_seeds)
    return numbers.reshape(n_draws, n_seeds).astype(np.float64)


def same_tasks(x: Scores, y: Scores, n_least: int) -> tuple[Strata, Strata]:
    """Give the scores of x and y a task, tasks in the order of x. Raises ValueError where they have other tasks."""
    if isinstance(x, Mapping) != isinstance(y, Mapping):
        raise ValueError("x and y must be both arrays or both mappings from task to scores, found one of each.")
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        if x.keys() != y.keys():
            raise ValueError(f"x and y must have the same tasks, found {sorted(x)} and {sorted(y)}.")
        y = {task: y[task] for task in x}
    ours, theirs = strata_of(x, n_least, "x"), strata_of(y, n_least, "y")
    if len(ours) != len(theirs):
        raise ValueError(f"x and y must have the same tasks, found {len(ours)} and {len(theirs)} tasks.")
    return ours, theirs


def paired(x: Scores, y: Scores, n_least: int) -> tuple[Strata, Strata]:
    """Give the scores of x and y a task. Raises ValueError where they have other tasks or numbers of seeds."""
    ours, theirs = same_tasks(x, y, n_least)
    sizes = [len(values) for values in ours], [len(values) for values in theirs]
    if sizes[0] != sizes[1]:
        raise ValueError(f"pairs need the same seeds in x and y, found {sizes[0]} and {sizes[1]} seeds a task.")
    return ours, theirs
