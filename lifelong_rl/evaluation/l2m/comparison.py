"""Relative performance and sample efficiency: the run beside single-task runs of the same agent (l2metrics 3.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lifelong_rl.evaluation.l2m.regimes import Regimes
from lifelong_rl.evaluation.l2m.segments import Floats, Indices, maxima, smooth
from lifelong_rl.evaluation.measured import Undefined
from lifelong_rl.evaluation.metrics import finite_array

LEAST_SATURATION = 0.2
"""A run that saturates below this part of its expert's saturation has a sample efficiency of 0."""


Saturation: TypeAlias = tuple[float, float]
"""The largest score of a moving average, and the episodes until it is first reached."""


@dataclass(frozen=True)
class Efficiency:
    """Where learning saturates, in the run and in its experts; one entry an expert that has a saturation."""

    saturation: float
    """The largest score of the moving average over all learning blocks of the task."""
    experiences: float
    """Episodes until it is first reached."""
    expert_saturations: tuple[float, ...]
    """The same of each expert, or of their mean curve."""
    expert_experiences: tuple[float, ...]
    """The same of each expert, or of their mean curve."""
    values: tuple[float, ...]
    """Sample efficiency against each; 0 where the run stays far below or falls."""


def relative_performance(
    scores: Floats, experts: Sequence[Floats], averaging: Literal["metrics", "time"] = "metrics"
) -> list[float]:
    """Give the sum of the run's scores on a task over the sum of an expert's, over as many episodes as both have.

    scores: all learning blocks of the task, one after the other. Neutral is 1, higher is better. Where the expert's
    sum is 0 it is infinite, as in l2metrics, so that no mean hides it, and NaN where the run's is 0 too.
    averaging: one value an expert, or one against their mean curve.
    """
    found = []
    for curve in averaged(experts, averaging):
        n = min(len(scores), len(curve))
        found.append(_ratio(float(scores[:n].sum()), float(curve[:n].sum())))
    return found


def _ratio(value: float, reference: float) -> float:
    """Give value / reference, infinite for a reference of 0, and NaN where both are 0."""
    if reference:
        return value / reference
    return np.copysign(np.inf, value) if value else np.nan


def sample_efficiency(
    scores: Floats,
    experiences: Indices,
    experts: Sequence[Floats],
    averaging: Literal["metrics", "time"] = "metrics",
    tie: float = 0.0,
) -> Efficiency:
    """Compare how high and how soon the run and its experts saturate: (sat / sat_STE) * (episodes_STE / episodes).

    scores, experiences: all learning blocks of the task, one after the other, and the run's number of each
    experience; the slope of one over the other, gaps of other blocks included, must not be negative.
    Counts episodes, not environment steps. tie: part of the maximum by which a score may miss it and be taken for it;
    0 as in l2metrics. The first two entries of the moving average of an even window are equal in exact arithmetic, so
    for a curve that falls from its beginning l2metrics finds either, by rounding.
    Raises Undefined where the run is best at its very beginning.
    """
    is_falling = slope_sign(experiences, scores) < 0
    of_experts = [saturation_of(curve, tie) for curve in averaged(experts, averaging)]
    return efficiency_of(saturation_of(scores, tie), of_experts, is_falling=is_falling)


def efficiency_of(own: Saturation, of_experts: Sequence[Saturation], *, is_falling: bool) -> Efficiency:
    """Give the sample efficiency of a run from where it and its experts saturate; Undefined where it does at once."""
    best, at = own
    if at == 0:
        raise Undefined("the task saturates at its first episode, so nothing can be sooner")
    later = [(expert_best, expert_at) for expert_best, expert_at in of_experts if expert_at != 0]
    values = [
        0.0 if best < LEAST_SATURATION * expert_best or is_falling else _ratio(best, expert_best) * (expert_at / at)
        for expert_best, expert_at in later
    ]
    return Efficiency(best, at, tuple(s[0] for s in later), tuple(s[1] for s in later), tuple(values))


def area_between_curves(curve: ArrayLike, baselines: Sequence[ArrayLike]) -> float:
    """Give the area between a task's training curve after another task and its curve when it is learned first.

    The supplemental transfer of l2metrics ("ABC"): by trapezoids, each curve over its own episodes scaled to [0, 1],
    so in the unit of the score. curve: shape (n,). baselines: the curves of the runs in which the task came first,
    whose mean up to the end of the shortest is the baseline. Neutral is 0, higher is better.
    Raises Undefined without a baseline, and for curves of fewer than two episodes.
    """
    others = [finite_array(other, "a baseline", 1) for other in baselines]
    values = finite_array(curve, "curve", 1)
    if not others or min(map(len, [values, *others])) < 2:
        raise Undefined("an area needs a curve and a baseline of at least two episodes each")
    baseline = averaged(others, "time")[0]
    areas = [float(np.trapezoid(found, dx=1 / (len(found) - 1))) for found in (values, baseline)]
    return areas[0] - areas[1]


def averaged(experts: Sequence[Floats], averaging: Literal["metrics", "time"]) -> Sequence[Floats]:
    """Give the curves to compare with: each expert's, or the mean over them up to the end of the shortest."""
    if averaging == "metrics" or not experts:
        return experts
    n = min(map(len, experts))
    return [np.mean([curve[:n] for curve in experts], axis=0)]


def saturation_of(scores: Floats, tie: float = 0.0) -> Saturation:
    """Give the maximum of the moving average of a curve, and where it is first met; see :func:`sample_efficiency`."""
    start, length = np.zeros(1, dtype=np.int64), np.array([len(scores)])
    best, at = maxima(smooth(scores, start, length), start, length, tie)
    return float(best[0]), float(at[0])


def slope_sign(x: Indices, y: Floats) -> float:
    """Give a number with the sign of the least-squares slope of ``y`` over ``x``; 0 where rounding hides the sign."""
    products = (x - x.mean()) * (y - y.mean())
    total = float(products.sum())
    return total if abs(total) > 1e-12 * float(np.abs(products).sum()) else 0.0


def compared_tasks(regimes: Regimes, experts: Sequence[str]) -> list[int]:
    """Give the indices of the tasks that were learned with at least one episode and have an expert."""
    learned = np.unique(regimes.task[regimes.is_learning & (regimes.lengths > 0)])
    return [int(task) for task in learned if regimes.tasks[task] in experts]
