"""Diagnostic streams over any family: forgetting, transfer, distraction, composability.

After the streams of Gaya et al. 2022 ("Building a Subspace of Policies for Scalable Continual Learning"), which
change the physics of a robot by hand. Here the tasks are made from the family's features: the first task is the
default, and a feature is *moved* towards an end of its axis of the unit cube. The *far* end is the one farther from
the default (the upper one where both are as far), and a move of ``strength`` s goes s of the way from the default to
that end. Integers and categories take the value whose share the moved coordinate lies in, and that of the end itself
where this would still be the default. A task with one feature moved is named after it: "goal_x-" has goal_x moved
down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import (
    StreamOptions,
    check_count,
    check_replaced,
    chosen_tasks,
    equal_share,
    first_of_each_point,
    given_tasks,
    stream,
)

STRENGTH, DISTANCE, N_DISTRACTORS, N_PARTS = 0.8, 0.2, 2, 2
"""What counts where neither a number nor tasks are given."""

ROOM = 0.1
"""Part of its axis that a feature needs between the default and its nearer end to be moved there."""

LONGEST_NAME = 80
"""Letters of a name that is made of others; it becomes part of a folder's name."""


def forgetting(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    strength: float | None = None,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give the default task, then tasks that differ from it in another feature each, which make it forgotten.

    The second task has the first feature moved to its far end, the third task the second feature, and so on; once all
    were, they are moved to their near ends, where there is room. (Gaya et al. 2022, "forgetting".)
    tasks: all of them in order, in place of a strength (0.8 by default).
    """
    check_replaced("forgetting", tasks, strength=strength)
    if tasks is None:
        check_count("forgetting", "n_tasks", n_tasks, 2)
        space, share = find_family(family).task_space, _checked_strength("forgetting", strength)
        moves = [{feature.name: end} for end in ("far", "near") for feature in space.features]
        made = [_moved(space, move, share) for move in ({}, *moves)]
        tasks = list(first_of_each_point(made).values())[:n_tasks]
        if len(tasks) < n_tasks:
            raise ValueError(
                f"forgetting finds {len(tasks)} such tasks of the family {family!r}, found n_tasks={n_tasks}; "
                "ask for fewer, or give tasks."
            )
    chosen = chosen_tasks("forgetting", family, tasks, n_tasks, least=2)
    return _sequence("forgetting", family, chosen, steps, options)


def transfer(
    family: str,
    *,
    tasks: Sequence[Task] | None = None,
    steps: int = 8_000,
    distance: float | None = None,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give the default task, then at once one close to it, which the first may help (Gaya et al. 2022, "transfer").

    The second task, "close", has the first feature moved ``distance`` (0.2 by default) of the way to its far end.
    tasks: both of them, in place of a distance.
    """
    check_replaced("transfer", tasks, distance=distance)
    if tasks is None:
        tasks = _with_close_task("transfer", family, distance)
    return _sequence("transfer", family, chosen_tasks("transfer", family, tasks, 2, least=2), steps, options)


def distraction(
    family: str,
    *,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    n_distractors: int | None = None,
    strength: float | None = None,
    distance: float | None = None,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give a task, distractors, then a task close to the first (Gaya et al. 2022, "distraction" or "robustness").

    Distractors (2 by default) have every feature moved by ``strength`` (0.8): the first, third, ... ("all-far") to
    their far ends, the others ("all-near") to their near ends where there is room. The last task, "close", is the
    default with the first feature moved by ``distance`` (0.2).
    tasks: all of them in order, in place of those numbers; the last is the close one.
    """
    check_replaced("distraction", tasks, n_distractors=n_distractors, strength=strength, distance=distance)
    if tasks is None:
        n_distractors = N_DISTRACTORS if n_distractors is None else n_distractors
        check_count("distraction", "n_distractors", n_distractors, 1)
        first, close = _with_close_task("distraction", family, distance)
        space, share = find_family(family).task_space, _checked_strength("distraction", strength)
        ends = ["near" if i % 2 else "far" for i in range(n_distractors)]
        distractors = [_all_moved(space, end, share) for end in ends]
        named = first_of_each_point(distractors)  # where no feature has room at its near end, both are one task
        chosen = [first, *(named[task.values] for task in distractors), close]
    else:
        chosen = given_tasks("distraction", tasks)
        if len(chosen) < 3:
            raise ValueError(f"distraction needs a task, distractors and a last task, found {len(chosen)} tasks.")
    return _sequence("distraction", family, chosen, steps, options)


def composability(
    family: str,
    *,
    n_parts: int | None = None,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    n_distractors: int = 1,
    strength: float = 0.8,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give tasks that change one feature each, a distractor, then one that changes all (Gaya et al. 2022).

    Part i (of 2 by default) has feature i moved to its far end by ``strength``. The last task takes from each part
    the features that differ from the default. Each distractor before it ("all-near") has all features moved to their
    near ends, where there is room, else to their far ends.
    tasks: the parts, in place of n_parts; ValueError where two of them change one feature to different values.
    """
    check_count("composability", "n_distractors", n_distractors, 0)
    space, share = find_family(family).task_space, _checked_strength("composability", strength)
    check_replaced("composability", tasks, n_parts=n_parts)
    if tasks is None:
        n_parts = N_PARTS if n_parts is None else n_parts
        check_count("composability", "n_parts", n_parts, 2, space.dimension)
        tasks = [_moved(space, {feature.name: "far"}, share) for feature in space.features[:n_parts]]
    parts = chosen_tasks("composability", family, tasks, 0, least=2)
    whole = _combined(space, parts)
    distractor = _all_moved(space, "near", share)
    order = [*parts, *[distractor] * n_distractors, whole]
    if whole.params in [task.params for task in order[:-1]]:
        raise ValueError(
            "composability needs parts whose combination is another task than each of them and than the distractor; "
            "give other tasks, or n_distractors=0."
        )
    return _sequence("composability", family, order, steps, options)


def _sequence(kind: str, family: str, order: Sequence[Task], steps: int, options: StreamOptions) -> Scenario:
    share = equal_share(kind, steps, len(order))
    return stream(kind, family, [(share, task) for task in order], order, options)


def _with_close_task(kind: str, family: str, distance: float | None) -> list[Task]:
    """Give the default task and one near it."""
    space = find_family(family).task_space
    share = _checked_strength(kind, DISTANCE if distance is None else distance, "distance")
    return [_moved(space, {}, share), _moved(space, {space.features[0].name: "far"}, share, "close")]


def _all_moved(space: TaskSpace, end: str, strength: float) -> Task:
    return _moved(space, {feature.name: end for feature in space.features}, strength, f"all-{end}")


def _moved(space: TaskSpace, moves: Mapping[str, str], strength: float, name: str = "") -> Task:
    """Give the default task with features moved towards their "far" or "near" ends, by default named after them."""
    unit = space.encode({})
    params = space.default.params
    names = []
    for axis, feature in enumerate(space.features):
        if feature.name not in moves:
            continue
        at = float(unit[axis])
        is_near = moves[feature.name] == "near" and _has_room(feature, at)
        end = float((at <= 0.5) != is_near)
        value, last = feature.from_unit(np.array([at + strength * (end - at), end]))
        params[feature.name] = last if value == feature.default else value
        names.append(f"{feature.name}{'+' if end else '-'}")
    return space.task(params, name=name or ",".join(names) or "default")


def _has_room(feature: Feature, at: float) -> bool:
    """Say whether there is another value between the default, at ``at`` of the unit interval, and its nearer end."""
    (nearest,) = feature.from_unit(np.array([float(at > 0.5)]))  # of few integers or choices the default itself
    return min(at, 1.0 - at) >= ROOM and nearest != feature.default


def _combined(space: TaskSpace, parts: Sequence[Task]) -> Task:
    """Give the task that differs from the default wherever a part does, in the part's value."""
    default = space.default.params
    changes: dict[str, Value] = {}
    for part in parts:
        for name, value in part.params.items():
            if value != default[name] and changes.setdefault(name, value) != value:
                raise ValueError(
                    f"the parts of composability must change different features; {name!r} is both {changes[name]!r} "
                    f"and {value!r}."
                )
    names = [part.name for part in parts]
    joined = ",".join(names)
    is_short = all(names) and len(joined) <= LONGEST_NAME
    return space.task(changes, name=joined if is_short else "combined")


def _checked_strength(kind: str, value: float | None, name: str = "strength") -> float:
    value = STRENGTH if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1.0:
        raise ValueError(f"{name} of {kind} must be a number above 0 and at most 1, found {value!r}.")
    return float(value)
