"""Sequences of fixed tasks in every usual order, a single task, and a curriculum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, Unpack

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.test_set_files import find_test_set
from lifelong_rl.scenarios.block import Block, teacher_arguments
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.stream import (
    StreamOptions,
    check_count,
    chosen_tasks,
    equal_share,
    given_tasks,
    order_rng,
    standard_tasks,
    stream,
)
from lifelong_rl.teachers import DEFAULT_TEACHER, Teacher


def condensed(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give a sequence of tasks, each trained once for an equal share of the steps (New et al. 2022, "condensed").

    tasks: the tasks in order; by default ``n_tasks`` standard tasks of the family. A task may come again.
    """
    chosen = standard_tasks(family, n_tasks) if tasks is None else given_tasks("condensed", tasks)
    return _in_order("condensed", family, chosen, steps, options, of="tasks")


def permuted(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give the tasks of "condensed" in one random order, drawn from ``order_seed`` (New et al. 2022, "permuted")."""
    chosen = chosen_tasks("permuted", family, tasks, n_tasks)
    order = order_rng("permuted", order_seed).permutation(len(chosen)).tolist()
    return _in_order("permuted", family, [chosen[i] for i in order], steps, options)


def dispersed(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    cycles: int = 4,
    order_seed: int = 0,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give the steps of "condensed" in shorter, repeated exposures (New et al. 2022, "dispersed").

    Each of the ``cycles`` rounds trains every task once, in a random order drawn from ``order_seed`` that differs
    from the round before.
    """
    check_count("dispersed", "cycles", cycles, 1)
    chosen = chosen_tasks("dispersed", family, tasks, n_tasks)
    rng = order_rng("dispersed", order_seed)
    rounds: list[list[int]] = []
    while len(rounds) < cycles:
        order = rng.permutation(len(chosen)).tolist()
        if len(chosen) == 1 or not rounds or order != rounds[-1]:
            rounds.append(order)
    return _in_order("dispersed", family, [chosen[i] for order in rounds for i in order], steps, options)


def cycles(
    family: str,
    *,
    n_tasks: int = 4,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    cycles: int = 4,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give the same sequence of tasks again and again, ``cycles`` times (A, B, C, A, B, C, ...)."""
    check_count("cycles", "cycles", cycles, 1)
    chosen = chosen_tasks("cycles", family, tasks, n_tasks)
    return _in_order("cycles", family, chosen * cycles, steps, options)


def alternating(
    family: str,
    *,
    n_tasks: int = 2,
    tasks: Sequence[Task] | None = None,
    steps: int = 16_000,
    cycles: int = 4,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give two tasks in turn, ``cycles`` times each: A, B, A, B, ... (New et al. 2022, "alternating")."""
    check_count("alternating", "cycles", cycles, 1)
    chosen = chosen_tasks("alternating", family, tasks, n_tasks, least=2)
    if len(chosen) > 2:
        raise ValueError(f"alternating needs two tasks, found {len(chosen)}; use cycles for more.")
    return _in_order("alternating", family, chosen * cycles, steps, options)


def pairs(
    family: str,
    *,
    n_tasks: int = 3,
    tasks: Sequence[Task] | None = None,
    steps: int = 24_000,
    repeats: int = 2,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give every ordered pair of different tasks, ``repeats`` times each: A, B, A, B, then A, C, A, C, ... B, A, ...

    n tasks make n (n - 1) pairs, and twice as many blocks a repeat, of equal steps.
    """
    check_count("pairs", "repeats", repeats, 1)
    chosen = chosen_tasks("pairs", family, tasks, n_tasks, least=2)
    order = [task for pair in permutations(chosen, 2) for task in pair * repeats]
    return _in_order("pairs", family, order, steps, options)


def curriculum(
    family: str,
    *,
    teacher: str | Mapping[str, Any] | Teacher = DEFAULT_TEACHER,
    steps: int = 16_000,
    n_test_tasks: int | None = None,
    test_set: str | None = None,
    bounds: Mapping[str, Any] | None = None,
    **options: Unpack[StreamOptions],
) -> Scenario:
    """Give one block whose tasks a teacher draws, evaluated on a fixed test set.

    teacher: a name, ``{"name": name, hyper-parameter: value, ...}``, or a teacher, whose hyper-parameters count.
    bounds: the part of the task space that it draws from.
    n_test_tasks: how many standard tasks of the family are evaluated, where there is no test set: 16.
    test_set: what is evaluated in their place: a JSON file, or a built-in one such as "stump-tracks/uniform-50".
    """
    if test_set is not None and n_test_tasks is not None:
        raise ValueError("the scenario 'curriculum' takes n_test_tasks or test_set, found both; leave one out.")
    if test_set is None:
        tested = standard_tasks(family, 16 if n_test_tasks is None else n_test_tasks)
    else:
        tested = list(find_test_set(test_set, find_family(family).task_space).tasks)
    visibility = options.get("visibility", "task_id")
    return Scenario(
        "curriculum",
        family,
        (Block(steps, bounds=bounds or {}, visibility=visibility, **teacher_arguments(teacher)),),
        tuple(tested),
        options.get("observe_task") or "none",
        options.get("env_options") or {},
        evaluation_visibility=options.get("evaluation_visibility", "auto"),
    )


def single(
    family: str, *, task: Task | None = None, steps: int = 16_000, **options: Unpack[StreamOptions]
) -> Scenario:
    """Give one block of one task (by default the family's default): the reference of a task learned alone."""
    chosen = task or find_family(family).task_space.task(name="default")
    options["observe_task"] = options.get("observe_task") or "none"
    return stream("single", family, [(steps, chosen)], [chosen], options)


def _in_order(
    kind: str, family: str, order: Sequence[Task], steps: int, options: StreamOptions, *, of: str = "blocks"
) -> Scenario:
    share = equal_share(kind, steps, len(order), of)
    return stream(kind, family, [(share, task) for task in order], order, options)
