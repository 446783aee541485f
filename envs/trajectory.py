"""Playing an environment and comparing what it showed, bit for bit."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lifelong_rl.envs.task_env import TaskEnv, TaskLike


def play(
    env: TaskEnv, actions: Sequence[Any], *, seed: int | None = None, task: TaskLike | None = None
) -> list[bytes]:
    """Give the whole of :func:`trajectory`."""
    return list(trajectory(env, actions, seed, task))


def trajectory(env: TaskEnv, actions: Sequence[Any], seed: int | None, task: TaskLike | None) -> Iterator[bytes]:
    """Yield the bits of the first observation and then of each step; later episodes start without naming a task."""
    observation, _ = env.reset(seed=seed, options=None if task is None else {"task": task})
    yield observation.tobytes()
    yield from _steps(env, actions)


def play_on(env: TaskEnv, actions: Sequence[Any]) -> list[bytes]:
    """Give the bits of each step from where the environment is."""
    return list(_steps(env, actions))


def first_difference(one: Sequence[bytes], other: Sequence[bytes]) -> str:
    """Say where two trajectories of one length that differ begin to differ."""
    return place(next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b))


def place(index: int) -> str:
    """Say what stands at ``index`` of a trajectory."""
    return f"step {index}" if index else "the first observation"


def global_random_states() -> tuple[str, str]:
    """Give the states of the global generators of numpy and Python, to see that nobody drew from them."""
    return str(np.random.get_state()), str(random.getstate())


def _steps(env: TaskEnv, actions: Sequence[Any]) -> Iterator[bytes]:
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        bits = observation.tobytes() + struct.pack("d??", reward, terminated, truncated)
        if terminated or truncated:
            bits += env.reset()[0].tobytes()
        yield bits
