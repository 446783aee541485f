"""The interval of Continual World's forward transfer: seeds and reference runs vary, each by themselves.

Wołczyk et al. 2021 (arXiv 2105.10919) give 90 % percentile intervals from 4,000 resamples. The seeds of the agent and
the runs it is compared with are different runs, so they are drawn independently; a seed's blocks stay together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.cw import MINIMUM_HEADROOM
from lifelong_rl.evaluation.measured import Undefined
from lifelong_rl.evaluation.metrics import finite_array
from lifelong_rl.evaluation.resampling import Bootstrap, Picks
from lifelong_rl.evaluation.statistics import Interval


def forward_transfer_interval(
    areas: ArrayLike,
    reference_areas: ArrayLike,
    *,
    level: float = 0.9,
    seed: int = 0,
    n_resamples: int = 4000,
    minimum_headroom: float = MINIMUM_HEADROOM,
) -> Interval:
    """Give mean over blocks of (AUC - AUCb) / (1 - AUCb) with its percentile interval over seeds and reference runs.

    areas: shape (n_seeds, n_blocks), in [0, 1], the mean of each seed's curve (``training_curves``) on each block's
    task while it is trained. reference_areas: shape (n_runs, n_blocks), that of the single-task runs of each block's
    task, as many of each. Means over seeds and runs are taken before the ratio. Raises ValueError for fewer than two
    seeds or reference runs, and Undefined where 1 - AUCb is below ``minimum_headroom``, in a resample too.
    """
    own, references = _areas(areas, "areas"), _areas(reference_areas, "reference_areas")
    if own.shape[1] != references.shape[1]:
        raise ValueError(
            f"areas and reference_areas must have the same blocks, found {own.shape[1]}, {references.shape[1]}."
        )

    def transfer(picks: Picks) -> NDArray[np.float64]:
        base = references[picks[1]].mean(axis=1)
        headroom = 1.0 - base
        if headroom.min() < minimum_headroom:
            raise Undefined(
                f"1 - AUCb is {headroom.min():.3g} in a resample, below the {minimum_headroom:g} that a ratio needs"
            )
        return np.asarray(((own[picks[0]].mean(axis=1) - base) / headroom).mean(axis=1), dtype=np.float64)

    draws = [(len(own), 1), (len(references), 1)]
    estimate, low, high = Bootstrap(level, n_resamples, seed).limits(transfer, draws)
    return Interval(estimate, low, high, level, len(own) + len(references), n_resamples)


def _areas(areas: ArrayLike, name: str) -> NDArray[np.float64]:
    found = finite_array(areas, name, 2)
    if len(found) < 2:
        raise ValueError(
            f"an interval needs at least two seeds and two reference runs, found {len(found)} in {name}: run "
            "more, or report the value without an interval."
        )
    if found.size == 0 or found.min() < 0 or found.max() > 1:
        raise ValueError(f"{name} must lie in [0, 1], with at least one block; measure the score or the success.")
    return found
