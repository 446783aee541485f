"""The rule of :func:`lifelong_rl.envs.check_task_env` on vector environments: instances play as they do alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lifelong_rl.envs.check_case import Case, TaskEnvError
from lifelong_rl.envs.check_vector_kinds import (
    Event,
    GymnasiumVector,
    SB3Vector,
    TaskedVector,
    Vector,
    last_info,
    reset_event,
    step_event,
)
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.task_vector import TaskVectorEnv

_LONGEST_EPISODE = 30  # where the constructor can shorten episodes: the rule plays past two ends in each kind
_N_LAST_STEPS = 3  # that are played after the second end


@dataclass(frozen=True)
class Part:
    """What one instance plays: a task and seed, and what is queued for its second episode."""

    task: Task
    seed: int
    actions: list[Any]
    queued: tuple[Task, int | None] | None


def check_vectorised(case: Case) -> None:
    """Vectorised: in each kind of vector environment, every instance shows what it shows alone."""
    short = _short_episodes(case)
    make = partial(case.make, **short)
    parts = _parts(case, make())
    alone = [_play_alone(make(), part) for part in parts]
    for kind, make_vector in _kinds(case, short, len(parts)):
        vector = make_vector()
        try:
            shown = _play_together(vector, parts, [_n_steps(events) for events in alone])
        finally:
            vector.close()
        for i, (expected, found) in enumerate(zip(alone, shown, strict=True)):
            _compare(f"instance {i} of {len(parts)} in {kind}", vector, expected, found)


def _short_episodes(case: Case) -> dict[str, int]:
    """Give the options that make episodes short, where the constructor offers it."""
    short = {"max_episode_steps": _LONGEST_EPISODE}
    if case.make().max_episode_steps <= _LONGEST_EPISODE or not case.takes("max_episode_steps"):
        return {}
    try:
        case.make(**short).close()
    except ValueError:  # too short for this family
        return {}
    return short


def _parts(case: Case, env: TaskEnv) -> list[Part]:
    """Give three instances' parts: one keeps its task, one is queued another, and one another with a seed."""
    tasks = [case.shown_tasks[i % len(case.shown_tasks)] for i in range(3)]
    queued = [None, (tasks[0], None), (tasks[1], case.seed + 10)]
    n = 2 * (env.max_episode_steps + 1) + _N_LAST_STEPS
    space = env.action_space
    space.seed(case.seed)
    return [
        Part(task, case.seed + i, [space.sample() for _ in range(n)], queue)
        for i, (task, queue) in enumerate(zip((tasks[1], tasks[2], tasks[0]), queued, strict=True))
    ]


def _kinds(case: Case, short: dict[str, int], n: int) -> Iterator[tuple[str, Callable[[], Vector]]]:
    from stable_baselines3.common.vec_env import DummyVecEnv

    from lifelong_rl.envs.vector import TaskVecEnv

    makers: list[Callable[[], TaskEnv]] = [partial(case.make, **short)] * n
    for mode in AutoresetMode:
        yield f"Gymnasium's SyncVectorEnv, autoreset mode {mode.name}", partial(_in_gymnasium, makers, mode)
    yield "Stable-Baselines3's DummyVecEnv", lambda: SB3Vector(DummyVecEnv(list(makers)))
    yield "TaskVecEnv", lambda: SB3Vector(TaskVecEnv(list(makers)))
    options = case.options | short
    make_vector = getattr(case.cls, "make_vector", None)
    for mode in AutoresetMode:
        if make_vector:
            make_own = partial(make_vector, n, autoreset_mode=mode, **options)
            yield f"its own vector, autoreset mode {mode.name}", partial(_taking_tasks, make_own, mode)
        else:
            make_ours = partial(TaskVectorEnv, makers, autoreset_mode=mode)
            yield f"TaskVectorEnv, autoreset mode {mode.name}", partial(_taking_tasks, make_ours, mode)
    if make_sb3 := getattr(case.cls, "make_sb3", None):
        yield "its own vector for Stable-Baselines3", lambda: SB3Vector(make_sb3(n, **options))


def _in_gymnasium(makers: list[Callable[[], TaskEnv]], mode: AutoresetMode) -> Vector:
    vector = SyncVectorEnv(makers, autoreset_mode=mode)
    return GymnasiumVector(vector, mode, [env.get_wrapper_attr("queue_task") for env in vector.envs])


def _taking_tasks(make_vector: Callable[[], Any], mode: AutoresetMode) -> Vector:
    return TaskedVector(make_vector(), mode)


def _play_alone(env: TaskEnv, part: Part) -> list[Event]:
    """Give what an instance shows over two whole episodes and the start of a third, each of whose tasks is named."""
    task: Task = part.task
    events = [reset_event(*env.reset(seed=part.seed, options={"task": task}))]
    n_ends, n_left = 0, _N_LAST_STEPS
    for action in part.actions:
        n_left -= n_ends >= 2
        observation, reward, terminated, truncated, info = env.step(action)
        events.append(step_event(observation, reward, terminated, truncated))
        is_last = terminated or truncated
        if is_last:
            events.append(last_info(info))
            n_ends += 1
        if n_left == 0:
            break
        if is_last:
            task, seed = part.queued if part.queued and n_ends == 1 else (task, None)
            events.append(reset_event(*env.reset(seed=seed, options={"task": task})))
    return events


def _n_steps(events: list[Event]) -> int:
    return sum(event.what == "step" for event in events)


def _play_together(vector: Vector, parts: list[Part], n_steps: list[int]) -> list[list[Event]]:
    """Give what each instance shows while all play, until each has shown its number of steps."""
    started = vector.reset([part.seed for part in parts], [part.task for part in parts])
    shown = [[event] for event in started]
    for i, part in enumerate(parts):
        if part.queued is not None:
            vector.queue(i, *part.queued)
    for _ in range(2 * max(n_steps)):  # a vector environment may spend a step on a reset
        n_shown = [_n_steps(events) for events in shown]
        if all(n >= wanted for n, wanted in zip(n_shown, n_steps, strict=True)):
            break
        actions = [part.actions[n % len(part.actions)] for part, n in zip(parts, n_shown, strict=True)]
        for events, new in zip(shown, vector.step(np.stack(actions)), strict=True):
            events += new
    return shown


def _compare(who: str, vector: Vector, expected: list[Event], found: list[Event]) -> None:
    step = 0
    for i, (one, other) in enumerate(zip(map(vector.rounded, expected), found, strict=False)):
        step += one.what == "step"
        if one != other:
            raise TaskEnvError(
                f"{who} must show what it shows alone, but {one.difference(other)} (step {step} of it, "
                f"event {i}). Keep state on the instance, take tasks from reset and queue_task only, and give infos "
                "as TaskEnv does."
            )
    if len(found) < len(expected):
        raise TaskEnvError(
            f"{who} must show what it shows alone, but stops {len(expected) - len(found)} events early."
        )
