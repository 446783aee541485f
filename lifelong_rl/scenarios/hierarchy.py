"""Hierarchical expansion: first coarse groups of tasks, then ever finer ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.scenarios.block import Distribution
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import (
    StreamOptions,
    check_count,
    check_replaced,
    chosen_tasks,
    equal_share,
    order_rng,
    stream,
)

DEPTH = 2
"""Levels of the tree where nothing says how many."""

MOST_LEVELS = 10
"""Levels of the tree: 1024 leaves."""


def hierarchical(
    family: str,
    *,
    depth: int | None = None,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give ever finer groups of tasks: every half of the task space, then every quarter, ... (HLE, Lee et al. 2023).

    A tree whose leaves are ``2 ** depth`` tasks (4 by default). Level l cuts each group of level l - 1 in two halves
    along feature l (the first feature again after the last one), sorted by it. Stage l plays each group of level l
    once, in random order: a block that draws among the group's leaves alike. So groups come before their parts, every
    level has all leaves, and the last level plays one leaf a block. Each level has an equal share of the steps.

    tasks: the leaves, 2, 4, 8, ... of them, in place of a depth; by default the centres of the cells that the cuts
        make, with the other features at their defaults.
    """
    space = find_family(family).task_space
    check_replaced("hierarchical", tasks, depth=depth)
    if tasks is None:
        depth = DEPTH if depth is None else depth
        check_count("hierarchical", "depth", depth, 1, MOST_LEVELS)
        tasks = _cells(space, depth)
    leaves = chosen_tasks("hierarchical", family, tasks, 0, least=2)
    n_levels = len(leaves).bit_length() - 1
    if 2**n_levels != len(leaves):
        raise ValueError(f"hierarchical needs 2, 4, 8, ... tasks as leaves, found {len(leaves)}.")
    rng = order_rng("hierarchical", order_seed)
    of = f"parts ({n_levels} levels of {len(leaves)} leaves)"
    per_leaf = equal_share("hierarchical", steps, n_levels * len(leaves), of)
    blocks = []
    for groups in _levels(space, leaves, n_levels):
        share = per_leaf * (len(leaves) // len(groups))
        blocks += [(share, Distribution(tuple(groups[i]))) for i in rng.permutation(len(groups)).tolist()]
    return stream("hierarchical", family, blocks, leaves, options)


def _levels(space: TaskSpace, leaves: Sequence[Task], n_levels: int) -> list[list[list[Task]]]:
    """Give the groups of each level, the coarsest first."""
    groups = [list(leaves)]
    levels = []
    for level in range(n_levels):
        axis = level % space.dimension
        halves = []
        for group in groups:
            ordered = sorted(group, key=lambda task: float(space.coordinates(task)[axis]))
            halves += [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]
        groups = halves
        levels.append(groups)
    return levels


def _cells(space: TaskSpace, depth: int) -> list[Task]:
    """Give the centres of the 2 ** depth cells that halving one feature after the other makes."""
    n_cuts = [len(range(axis, depth, space.dimension)) for axis in range(space.dimension)]
    for feature, n in zip(space.features, n_cuts, strict=True):
        if feature.n_values is not None and feature.n_values < 2**n:
            raise ValueError(
                f"hierarchical cannot cut the feature {feature.name!r} into {2**n} parts: it has "
                f"{feature.n_values} values; take a smaller depth, or give tasks."
            )
    cells = []
    for index in np.ndindex(*(2**n for n in n_cuts)):
        params, names = space.default.params, []
        for feature, i, n in zip(space.features, index, n_cuts, strict=True):
            if n:
                params[feature.name] = feature.from_unit(np.array([(i + 0.5) / 2**n]))[0]
                names.append(f"{feature.name}={i + 1}of{2**n}")
        cells.append(space.task(params, name=",".join(names)))
    return cells
