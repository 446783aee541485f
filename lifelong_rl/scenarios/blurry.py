"""Blocks with blurry boundaries: some tasks leak episodes into the blocks of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Task
from lifelong_rl.scenarios.block import Distribution
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import (
    StreamOptions,
    check_count,
    check_fraction,
    chosen_tasks,
    order_rng,
    stream,
)

LEAST_VARIATION = 0.2
"""Coefficient of variation (standard deviation over mean) that the blocks' sizes exceed."""

N_DRAWS = 1000
"""Slicings that are drawn before none is said to vary enough."""


def blurry(
    family: str,
    *,
    n_tasks: int = 10,
    tasks: Sequence[Task] | None = None,
    steps: int = 20_000,
    n_blocks: int = 5,
    disjoint: float = 0.5,
    leak: float = 0.1,
    round_to: int = 40,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give blocks of several tasks, some of which leak into other blocks (Si-Blurry, Moon et al. 2023).

    Every task has an equal share of the steps and a home block. The tasks are sliced into homes at random, so block
    sizes differ (their coefficient of variation is above 0.2). A share ``disjoint`` of the tasks is played at home
    only; of the others, a share ``leak`` of the episodes is spread evenly over the other blocks.

    round_to: block sizes are multiples of it, so that parallel environments can share them.
    By default the agent is told nothing (visibility "none").
    """
    chosen = chosen_tasks("blurry", family, tasks, n_tasks, least=3)
    check_count("blurry", "n_blocks", n_blocks, 2, len(chosen) - 1)
    check_fraction("blurry", "disjoint", disjoint)
    check_fraction("blurry", "leak", leak)
    check_count("blurry", "round_to", round_to, 1)
    check_count("blurry", "steps", steps, n_blocks * round_to)
    if steps % round_to:
        raise ValueError(f"steps of blurry must be a multiple of round_to={round_to}, found {steps}.")
    rng = order_rng("blurry", order_seed)
    order = rng.permutation(len(chosen))
    leaks = np.zeros(len(chosen))
    leaks[rng.permutation(len(chosen))[round(disjoint * len(chosen)) :]] = leak
    for _ in range(N_DRAWS):
        shares = _shares(_homes(len(chosen), n_blocks, rng), leaks[order])
        sizes = _rounded(shares.sum(axis=1), steps // round_to) * round_to
        if sizes.std() > LEAST_VARIATION * sizes.mean():
            break
    else:
        raise ValueError(
            f"blurry finds no slicing of {len(chosen)} tasks into {n_blocks} blocks whose sizes differ enough; "
            "take fewer blocks, more tasks, or a smaller leak."
        )
    named = [chosen[i] for i in order]
    blocks = [(int(size), _drawn(named, row)) for size, row in zip(sizes, shares, strict=True)]
    return stream("blurry", family, blocks, chosen, StreamOptions({"visibility": "none", **options}))


def _homes(n_tasks: int, n_blocks: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give the home block of each task, shape (n_tasks,): random slices of at least one task each."""
    cuts = np.sort(rng.choice(np.arange(1, n_tasks), size=n_blocks - 1, replace=False))
    return np.searchsorted(cuts, np.arange(n_tasks), side="right")


def _shares(homes: NDArray[np.int64], leaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the part of the stream that each block spends on each task, shape (n_blocks, n_tasks); sums to 1."""
    n_blocks = homes.max() + 1
    is_home = homes == np.arange(n_blocks)[:, None]
    shares: NDArray[np.float64] = np.where(is_home, 1.0 - leaks, leaks / (n_blocks - 1)) / len(homes)
    return shares


def _rounded(shares: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Give whole numbers of at least 1 that sum to ``n``, in proportion to ``shares`` (largest remainders first)."""
    wanted = shares / shares.sum() * (n - len(shares))
    counts: NDArray[np.int64] = np.floor(wanted).astype(np.int64)
    missing = n - len(shares) - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    return counts + 1


def _drawn(tasks: Sequence[Task], shares: NDArray[np.float64]) -> Distribution:
    drawn = [i for i in range(len(tasks)) if shares[i] > 0.0]
    return Distribution(tuple(tasks[i] for i in drawn), tuple((shares[drawn] / shares.sum()).tolist()))
