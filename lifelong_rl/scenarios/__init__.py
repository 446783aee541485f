"""Scenarios: fixed streams of tasks and curricula, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import ObserveTask
from lifelong_rl.scenarios.scenario import Block, Scenario, Visibility, teacher_arguments
from lifelong_rl.teachers import DEFAULT_TEACHER, Teacher


def condensed(
    family: str,
    *,
    n_tasks: int = 4,
    steps: int = 16_000,
    visibility: Visibility = "task_id",
    observe_task: ObserveTask | None = None,
    env_options: Mapping[str, Any] | None = None,
    tasks: list[Task] | None = None,
) -> Scenario:
    """Give a sequence of tasks, each trained once for an equal share of ``steps`` (New et al. 2022, "condensed").

    tasks: the tasks in order; by default ``n_tasks`` standard tasks of the family.
    observe_task: by default one-hot where the visibility allows it.
    """
    chosen = _standard_tasks(family, n_tasks) if tasks is None else tasks
    if not chosen:
        raise ValueError("condensed needs at least one task, found an empty list.")
    budget, rest = divmod(steps, len(chosen))
    if rest:
        raise ValueError(f"condensed needs steps that {len(chosen)} tasks can share evenly, found {steps}.")
    return Scenario(
        "condensed",
        family,
        tuple(Block(budget, task, visibility=visibility) for task in chosen),
        tuple(chosen),
        observe_task or ("one-hot" if visibility == "task_id" else "none"),
        env_options or {},
    )


def curriculum(
    family: str,
    *,
    teacher: str | Teacher = DEFAULT_TEACHER,
    steps: int = 50_000,
    n_test_tasks: int = 16,
    bounds: Mapping[str, Any] | None = None,
    observe_task: ObserveTask = "none",
    env_options: Mapping[str, Any] | None = None,
) -> Scenario:
    """Give one block whose tasks a teacher draws, evaluated on a fixed test set of the family's standard tasks."""
    block = Block(steps, bounds=bounds or {}, **teacher_arguments(teacher))
    tests = tuple(_standard_tasks(family, n_test_tasks))
    return Scenario("curriculum", family, (block,), tests, observe_task, env_options or {})


def single(
    family: str,
    *,
    task: Task | None = None,
    steps: int = 50_000,
    observe_task: ObserveTask = "none",
    env_options: Mapping[str, Any] | None = None,
) -> Scenario:
    """Give one block of one task (by default the family's default): a reference run."""
    chosen = task or find_family(family).task_space.task(name="default")
    return Scenario("single", family, (Block(steps, chosen),), (chosen,), observe_task, env_options or {})


def _standard_tasks(family: str, n: int) -> list[Task]:
    if n < 1:
        raise ValueError(f"a scenario needs at least one task, found {n}.")
    return find_family(family).standard_tasks(n)


SCENARIOS: dict[str, Callable[..., Scenario]] = {
    "condensed": condensed,
    "curriculum": curriculum,
    "single": single,
}
"""The built-in scenarios by name: functions of an environment family and options."""

__all__ = ["SCENARIOS", "Block", "Scenario", "Visibility", "condensed", "curriculum", "single"]
