"""Streams in which tasks come again at random: short blocks of a few tasks, and power-law recurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Task
from lifelong_rl.scenarios.block import Distribution
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import StreamOptions, check_count, chosen_tasks, equal_share, order_rng, stream

Recurrence: TypeAlias = Literal["power", "exponential", "uniform", "none"]


def recurring(
    family: str,
    *,
    n_tasks: int = 10,
    tasks: Sequence[Task] | None = None,
    steps: int = 20_000,
    n_active: int = 2,
    n_blocks: int = 50,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give many short blocks, each over a random subset of the tasks (SCoLe, Lesort et al. 2023).

    Each block draws ``n_active`` of the tasks without replacement, whatever the blocks before had, and its episodes
    draw among those alike.
    """
    chosen = chosen_tasks("recurring", family, tasks, n_tasks)
    check_count("recurring", "n_active", n_active, 1, len(chosen))
    check_count("recurring", "n_blocks", n_blocks, 1)
    rng = order_rng("recurring", order_seed)
    subsets = [sorted(rng.choice(len(chosen), size=n_active, replace=False).tolist()) for _ in range(n_blocks)]
    share = equal_share("recurring", steps, n_blocks)
    blocks = [(share, Distribution(tuple(chosen[i] for i in subset))) for subset in subsets]
    return stream("recurring", family, blocks, chosen, options)


def power_law(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    n_blocks: int = 40,
    recurrence: Recurrence = "power",
    decay: float = 1.0,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give new tasks one by one, and old ones again with a chance that falls as a power of the time since.

    The ``n_blocks`` blocks are equally long. New tasks enter at equal distances. Every other block t trains a task j
    that was met before with a chance proportional to (t - last_j) ** -decay, where last_j is its last block
    (the law of human environments of Anderson & Schooler 1991).

    recurrence: "power", or a control: "exponential", exp(-decay (t - last_j)); "uniform", the same for all that were
        met; "none", the newest task goes on (so each task is one stretch, as in "condensed").
    """
    chosen = chosen_tasks("power-law", family, tasks, n_tasks)
    check_count("power-law", "n_blocks", n_blocks, len(chosen))
    order = recurrence_order(len(chosen), n_blocks, recurrence, decay, order_rng("power-law", order_seed))
    share = equal_share("power-law", steps, n_blocks)
    return stream("power-law", family, [(share, chosen[i]) for i in order], chosen, options)


def recurrence_order(
    n_tasks: int, n_blocks: int, recurrence: Recurrence, decay: float, rng: np.random.Generator
) -> list[int]:
    """Give which task each block of :func:`power_law` trains, by number: n_blocks of them, in order."""
    if recurrence not in get_args(Recurrence):
        raise ValueError(f"recurrence of power-law must be one of {get_args(Recurrence)}, found {recurrence!r}.")
    if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0.0 <= decay < np.inf:
        raise ValueError(f"decay of power-law must be a number of at least 0, found {decay!r}.")
    enters = {k * n_blocks // n_tasks: k for k in range(n_tasks)}
    last: NDArray[np.float64] = np.zeros(0)  # of each task met so far, the block that trained it last
    order: list[int] = []
    for t in range(n_blocks):
        if t in enters:
            last = np.append(last, t)
            order.append(enters[t])
            continue
        chances = _chances(t - last, recurrence, decay)
        order.append(int(rng.choice(len(last), p=chances / chances.sum())))
        last[order[-1]] = t
    return order


def _chances(since: NDArray[np.float64], recurrence: Recurrence, decay: float) -> NDArray[np.float64]:
    """Give numbers proportional to the chance of each task; since: blocks since each one's last, 1 or more."""
    chances = np.ones(len(since))
    latest = since.min()  # relative to it, so that not all chances round to 0
    if recurrence == "power":
        chances = np.exp(-decay * np.log(since / latest))
    elif recurrence == "exponential":
        chances = np.exp(-decay * (since - latest))
    elif recurrence == "none":
        chances[:-1] = 0.0
    return chances
