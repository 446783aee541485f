"""Performance, recovery and maintenance of a run, from its prepared regimes (New et al. 2022, l2metrics 3.1.0).

Arrays of shape (n_regimes,) or (n_tasks,) hold NaN where there is no value; nothing here reports them to a user.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import (
    Floats,
    Indices,
    first_position,
    maxima,
    means,
    positions,
    smooth,
    stable_order,
)

TERMINAL = 0.9
"""A learning block ends, as far as its terminal performance goes, after this part of its episodes."""

MOST_RECOVERIES = 1000
"""Recovery times of one task that a slope is fitted through: it looks at every two of them, half a million here."""


def terminal_performance(regimes: Regimes) -> Floats:
    """Give the mean of each evaluation, and of the last tenth of each learning block, shape (n_regimes,)."""
    data = regimes.averaged
    skipped = np.where(data.is_test, 0, (TERMINAL * data.lengths).astype(np.int64))
    return means(data.values, data.starts + skipped, data.lengths - skipped)


def mean_performance(regimes: Regimes) -> Floats:
    """Give the mean of each regime over all its experiences, shape (n_regimes,); NaN for what is not counted."""
    found = means(regimes.values, regimes.starts, regimes.lengths)
    return np.where(regimes.is_counted, found, np.nan)


def saturation(regimes: Regimes) -> tuple[Floats, Floats]:
    """Give the maximum of each smoothed regime and the experience at which it is first reached, (n_regimes,) each.

    The moving average is taken here even of scores that were smoothed before.
    """
    data = regimes.averaged
    return maxima(smooth(data.values, data.starts, data.lengths), data.starts, data.lengths)


def recovery_times(regimes: Regimes, terminal: Floats, tie: float = 0.0) -> Floats:
    """Give for each learning block but a task's first the episodes until it is as good as the end of the one before.

    Counts episodes, not environment steps: 0 where the first one is already as good, one more than there are where
    none is. tie: part of the terminal performance by which a score may miss it; 0 as in l2metrics, where averages of
    nothing but successes are 1 or a bit less by rounding. Shape (n_regimes,), NaN for other regimes.
    """
    found = np.full(len(regimes), np.nan)
    (learning,) = np.nonzero(regimes.is_learning)
    order = learning[stable_order(regimes.task[learning])]
    is_next = regimes.task[order[1:]] == regimes.task[order[:-1]]
    before, after = order[:-1][is_next], order[1:][is_next]
    is_known = ~np.isnan(terminal[before]) & (regimes.lengths[after] > 0)
    before, after = before[is_known], after[is_known]
    data = regimes.averaged
    lengths = data.lengths[after]
    least = terminal[before] - tie * np.abs(terminal[before])
    is_met = data.values[positions(data.starts[after], lengths)] >= np.repeat(least, lengths)
    first = first_position(is_met, lengths)
    found[after] = np.where(np.isnan(first), regimes.lengths[after] + 1.0, first)
    return found


def performance_recovery(times: Floats) -> float:
    """Give minus the Theil-Sen slope of a task's recovery times over their index; greater is better.

    times: shape (n,), n at least 2 and at most :data:`MOST_RECOVERIES`.
    """
    earlier, later = _pairs(len(times))
    return -float(np.median((times[later] - times[earlier]) / (later - earlier)))


@lru_cache(maxsize=4)
def _pairs(n: int) -> tuple[Indices, Indices]:
    earlier, later = np.triu_indices(n, 1)
    return earlier, later


@dataclass(frozen=True)
class Maintenance:
    """What an evaluation kept of an earlier performance, each of shape (n_regimes,), NaN where none is compared."""

    after_evaluation: Floats
    """Minus the evaluation that followed the task's last learning block (MRLEP); negative is forgetting."""
    after_learning: Floats
    """Minus the terminal performance of the task's last learning block (MRTLP); negative is forgetting."""


def maintenance(regimes: Regimes, terminal: Floats) -> Maintenance:
    """Compare every evaluation of a learned task but the first after each learning block, which is the reference."""
    from_evaluation, from_learning = np.full(len(regimes), np.nan), np.full(len(regimes), np.nan)
    for task, tested in regimes.tested_rows.items():
        learning = regimes.trained_rows.get(task, tested[:0])
        following = np.searchsorted(tested, learning, side="right")
        references = np.unique(tested[following[following < len(tested)]])
        compared = tested[~np.isin(tested, references) & (tested > references.min(initial=len(regimes)))]
        last = references[np.searchsorted(references, compared) - 1]
        from_evaluation[compared] = terminal[compared] - terminal[last]
        from_learning[compared] = terminal[compared] - terminal[learning[np.searchsorted(learning, compared) - 1]]
    return Maintenance(from_evaluation, from_learning)


def task_means(regimes: Regimes, of_regimes: Floats) -> Floats:
    """Give each task's mean over its regimes that have a value, shape (n_tasks,), NaN where none has."""
    is_known = ~np.isnan(of_regimes)
    task = regimes.task[is_known]
    order = stable_order(task)
    counts = np.bincount(task, minlength=len(regimes.tasks))
    return means(of_regimes[is_known][order], np.cumsum(counts) - counts, counts)


def task_recoveries(regimes: Regimes, times: Floats) -> Floats:
    """Give each task's performance recovery, shape (n_tasks,), NaN with fewer than 2 or too many recovery times."""
    found = np.full(len(regimes.tasks), np.nan)
    for task, chosen in regimes.rows_by_task(~np.isnan(times)).items():
        if 2 <= len(chosen) <= MOST_RECOVERIES:
            found[task] = performance_recovery(times[chosen])
    return found
