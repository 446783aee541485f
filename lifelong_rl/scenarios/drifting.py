"""Drift: one task that moves through the space while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task
from lifelong_rl.scenarios.block import Drift
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import (
    StreamOptions,
    check_count,
    first_of_each_point,
    given_tasks,
    standard_tasks,
    stream,
)


def drift(
    family: str,
    *,
    n_tasks: int = 2,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    n_stages: int | None = None,
    n_test_tasks: int = 5,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give one block whose task moves in straight lines of the unit cube, slowly or in jumps (``n_stages``).

    tasks: the way points, two or more, with equal shares of the steps between them; by default ``n_tasks`` standard
        tasks. A, B, A drifts there and back.
    n_stages: equal parts of the block in which the task stands still, for abrupt drift; None for slow drift.
    n_test_tasks: points of the path that evaluations play, equally far apart in time, both ends among them.
    By default the agent is told nothing (visibility "none").
    """
    path = standard_tasks(family, n_tasks) if tasks is None else given_tasks("drift", tasks)
    check_count("drift", "n_test_tasks", n_test_tasks, 2)
    source = Drift(tuple(path), n_stages)
    return stream(
        "drift",
        family,
        [(steps, source)],
        _points(family, source, n_test_tasks),
        StreamOptions({"visibility": "none", **options}),
    )


def _points(family: str, drift: Drift, n: int) -> list[Task]:
    """Give ``n`` points of the path, the way points with their names and the others named by how far they lie."""
    space = find_family(family).task_space
    way_points = first_of_each_point(drift.path)
    points = []
    for i in range(n):
        fraction = i / (n - 1)
        point = drift.at(space, fraction)
        # by value: between two integers the drift stands at one of them
        points.append(way_points.get(point.values) or replace(point, name=f"drift-{fraction:.3g}"))
    return list(first_of_each_point(points).values())
