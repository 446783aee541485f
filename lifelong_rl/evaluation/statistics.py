"""Statistics over seeds and tasks, with bootstrap intervals that do not assume a shape of the scores.

Everything here takes :data:`~lifelong_rl.evaluation.resampling.Scores`: shape (n_seeds,), or (n_seeds, n_tasks), or a
mapping from task to shape (n_seeds,) where the numbers of seeds differ. Statistics over tasks follow Agarwal et al.
2021 (Deep RL at the Edge of the Statistical Precipice, arXiv 2108.13264). docs/statistics.md says what to use when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.resampling import Bootstrap, Picks, Scores, Strata, draws_of, strata_of


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval over seeds."""

    estimate: float
    """The statistic of the values themselves."""
    low: float
    high: float
    level: float
    """Nominal share of such intervals that hold the true value."""
    n_values: int
    """Number of values: seeds, summed over the tasks (and over both sides of a comparison)."""
    n_resamples: int
    method: str = "percentile"
    """"percentile" or "bca"."""


def mean(scores: Scores) -> float:
    """Give the mean over tasks of the mean over seeds."""
    return float(_mean(strata_of(scores)))


def median(scores: Scores) -> float:
    """Give the median over tasks of the mean over seeds; for one task the median over its seeds."""
    return float(_median(strata_of(scores)))


def iqm(scores: Scores) -> float:
    """Give the interquartile mean: the mean of what is left after dropping a quarter at either end.

    The n scores of all tasks stand in one row. ``int(n / 4)`` of them are dropped at either end, so up to 3 give the
    plain mean (Agarwal et al. 2021, section 4.3). A task with more seeds than the others weighs more.
    """
    return float(_iqm(strata_of(scores)))


def optimality_gap(scores: Scores) -> float:
    """Give by how much the scores fall short of 1 on average; a score above 1 counts as 1 (Agarwal et al. 2021).

    Lower is better. For scores where 1 means solved; scale others first.
    """
    return float(_optimality_gap(strata_of(scores)))


STATISTICS: dict[str, Callable[[Any], float]] = {
    "mean": mean,
    "median": median,
    "iqm": iqm,
    "optimality_gap": optimality_gap,
}
"""The statistics that :func:`bootstrap_interval` knows by name: functions from scores to a number."""


class BootstrapOptions(TypedDict, total=False):
    """The arguments of :func:`bootstrap_interval` that say how it draws, for functions that hand them on."""

    level: float
    n_resamples: int
    seed: int
    method: str
    whole_runs: bool


def bootstrap_interval(
    values: Scores,
    *,
    level: float = 0.95,
    n_resamples: int = 4000,
    seed: int = 0,
    statistic: str | Callable[[Any], float] = "mean",
    method: str = "percentile",
    whole_runs: bool = False,
) -> Interval:
    """Give the bootstrap interval of a statistic over seeds (percentile: Efron 1979; BCa: Efron 1987).

    values: shape (n_seeds,), or (n_seeds, n_tasks), or a mapping from task to shape (n_seeds,). The seeds of each
    task are drawn independently of the other tasks' (Agarwal et al. 2021), or with ``whole_runs`` together: right
    where a row is one run that was scored on all tasks. level: nominal coverage, in (0, 1).
    statistic: a name in :data:`STATISTICS`, or a function to a number from shape (n_seeds,), for several tasks from
    a list with one such array a task. method: "percentile" or "bca".
    The draw has its own generator: the same arguments give the same interval. Equal values give one of no width.
    Raises ValueError for fewer than two seeds of a task, for NaN, and where the BCa interval does not exist.
    """
    strata = strata_of(values, 2)
    bootstrap = Bootstrap(level, n_resamples, seed, method)
    of_picks = picked(strata, statistic)
    estimate, low, high = bootstrap.limits(of_picks, draws_of(strata, whole_runs))
    return Interval(estimate, low, high, level, sum(map(len, strata)), n_resamples, method)


def picked(strata: Strata, statistic: str | Callable[[Any], float]) -> Callable[[Picks], NDArray[np.float64]]:
    """Give the function from picks, shape (n_draws, n_picked) a task, to the statistic of each draw, (n_draws,)."""
    if callable(statistic):
        own = statistic

        def each(picks: Picks) -> NDArray[np.float64]:
            tables = [values[chosen] for values, chosen in zip(strata, picks, strict=True)]
            rows = tables[0] if len(tables) == 1 else map(list, zip(*tables, strict=True))
            return np.array([own(row) for row in rows], dtype=np.float64)

        return each
    if statistic not in _OF_STRATA:
        raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}, found {statistic!r}.")
    named = _OF_STRATA[statistic]
    return lambda picks: named([values[chosen] for values, chosen in zip(strata, picks, strict=True)])


# Each of these goes from one array a task, shape (..., n_seeds), to shape (...): all resamples at once.


def _means(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack([values.mean(axis=-1) for values in strata], axis=-1)


def _mean(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(_means(strata).mean(axis=-1))


def _median(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(np.median(strata[0] if len(strata) == 1 else _means(strata), axis=-1))


def _iqm(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    ordered = np.sort(np.concatenate(strata, axis=-1), axis=-1)
    n_dropped = ordered.shape[-1] // 4
    return np.asarray(ordered[..., n_dropped : ordered.shape[-1] - n_dropped].mean(axis=-1))


def _optimality_gap(strata: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return 1 - _mean([np.minimum(values, 1) for values in strata])


_OF_STRATA: dict[str, Callable[[Sequence[NDArray[np.float64]]], NDArray[np.float64]]] = {
    "mean": _mean,
    "median": _median,
    "iqm": _iqm,
    "optimality_gap": _optimality_gap,
}
