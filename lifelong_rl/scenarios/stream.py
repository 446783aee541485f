"""What the kinds of scenarios have in common: choosing tasks, sharing steps, and putting blocks together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import numpy as np

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task, Value
from lifelong_rl.envs.task_env import ObserveTask
from lifelong_rl.scenarios.block import Block, Distribution, Drift, Visibility
from lifelong_rl.scenarios.scenario import EvaluationVisibility, Scenario

Source: TypeAlias = Task | Distribution | Drift


class StreamOptions(TypedDict, total=False):
    """What every kind of scenario takes besides its own arguments."""

    visibility: Visibility
    """What the agent is told in training: "task_id", "boundary" or "none"."""
    evaluation_visibility: EvaluationVisibility
    """Whether it is told each task's id in evaluations: "task_id" or "none"; "auto" where every block shows it."""
    observe_task: ObserveTask | None
    """How the task is part of the observation; by default one-hot where the tasks are fixed and shown."""
    env_options: Mapping[str, Any] | None
    """Arguments of the environment family's constructor."""


def stream(
    name: str,
    family: str,
    blocks: Iterable[tuple[int, Source]],
    evaluation_tasks: Iterable[Task],
    options: StreamOptions,
) -> Scenario:
    """Give the scenario of such blocks (steps and source of tasks), evaluated on the distinct evaluation tasks."""
    visibility = options.get("visibility", "task_id")
    made = tuple(_block(steps, source, visibility) for steps, source in blocks)
    has_known_tasks = visibility == "task_id" and all(block.tasks and not block.drift for block in made)
    return Scenario(
        name,
        family,
        made,
        tuple(dict.fromkeys(evaluation_tasks)),
        options.get("observe_task") or ("one-hot" if has_known_tasks else "none"),
        options.get("env_options") or {},
        evaluation_visibility=options.get("evaluation_visibility", "auto"),
    )


def _block(steps: int, source: Source, visibility: Visibility) -> Block:
    if isinstance(source, Drift):
        return Block(steps, drift=source, visibility=visibility)
    if isinstance(source, Task):
        return Block(steps, source, visibility=visibility)
    if len(source.tasks) == 1:
        return Block(steps, source.tasks[0], visibility=visibility)
    return Block(steps, distribution=source, visibility=visibility)


def standard_tasks(family: str, n: int) -> list[Task]:
    """Give ``n`` standard tasks of a family; ValueError for less than one."""
    if not is_count(n) or n < 1:
        raise ValueError(f"a scenario needs at least one task, found {n!r}.")
    return find_family(family).standard_tasks(n)


def chosen_tasks(kind: str, family: str, tasks: Sequence[Task] | None, n: int, *, least: int = 1) -> list[Task]:
    """Give the tasks, or ``n`` standard ones where there are none; ValueError where they are too few or not distinct.

    kind: of the scenario, for the message. least: how many it needs.
    """
    chosen = standard_tasks(family, n) if tasks is None else given_tasks(kind, tasks)
    if len(chosen) < least:
        raise ValueError(f"{kind} needs at least {least} tasks, found {len(chosen)}.")
    for i, task in enumerate(chosen):
        if task.params in [other.params for other in chosen[:i]]:
            raise ValueError(f"{kind} needs different tasks, found {task.id!r} twice.")
    return chosen


def given_tasks(kind: str, tasks: Sequence[Task]) -> list[Task]:
    """Give a list of tasks that somebody named; ValueError where it is none."""
    if isinstance(tasks, str | Mapping | Task) or not all(isinstance(task, Task) for task in tasks):
        raise ValueError(f"the tasks of {kind} are given as a list of tasks, found {tasks!r}.")
    if not tasks:
        raise ValueError(f"{kind} needs at least one task, found an empty list.")
    return list(tasks)


def check_replaced(kind: str, tasks: Sequence[Task] | None, **arguments: Any) -> None:
    """Raise ValueError where tasks are given beside an argument that only says which tasks to make (None: not given).

    kind: of the scenario, for the message.
    """
    for name, value in arguments.items():
        if tasks is not None and value is not None:
            raise ValueError(f"the scenario {kind!r} takes tasks or {name}, found both; leave one out.")


def first_of_each_point(tasks: Iterable[Task]) -> dict[tuple[Value, ...], Task]:
    """Give the first of the tasks at each point, by the point, in order of appearance."""
    first: dict[tuple[Value, ...], Task] = {}
    for task in tasks:
        first.setdefault(task.values, task)
    return first


def equal_share(kind: str, steps: int, n: int, of: str = "blocks") -> int:
    """Give the steps of each of ``n`` equal parts; ValueError where they cannot share evenly."""
    check_count(kind, "steps", steps, 1)
    share, rest = divmod(steps, n)
    if rest:
        near = " or ".join(str(k * n) for k in (share, share + 1) if k > 0)
        raise ValueError(f"{kind} needs steps that {n} {of} can share evenly, found {steps}; {near} would do.")
    return share


def is_count(value: Any) -> bool:
    """Say whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_count(kind: str, name: str, value: Any, low: int | None = None, high: int | None = None) -> None:
    """Raise ValueError where an argument is no whole number in its range, ends included."""
    limits = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    is_in_range = is_count(value) and (low is None or value >= low) and (high is None or value <= high)
    if not is_in_range:
        raise ValueError(f"{name} of {kind} must be {' and '.join(['a whole number', *limits])}, found {value!r}.")


def check_fraction(kind: str, name: str, value: Any) -> None:
    """Raise ValueError where an argument is no number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} of {kind} must be a number in [0, 1], found {value!r}.")


def order_rng(kind: str, order_seed: int) -> np.random.Generator:
    """Give the generator that decides a stream. It is no part of a run: every run meets the same stream."""
    check_count(kind, "order_seed", order_seed, 0)
    return np.random.default_rng(order_seed)
