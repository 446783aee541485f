"""Stepping n MuJoCo environments at once in threads: the physics runs outside Python's lock.

``mujoco.rollout`` was tried for this and left out. It gives back positions and velocities only: not the
accelerations that the next step's solver starts from, without which a half-cheetah's trajectory is another one within
a few steps, nor contact forces and places, of which rewards are made. What it saves is 4 % of the physics
(benchmarks/mujoco_vector.py measures both).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.task_env import TaskEnv


class PlayedAhead(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose next step may be played before it is asked for."""

    def __init__(self, env: TaskEnv):
        super().__init__(env)
        self.family_env = env
        self._played: Any = None
        self.named_task: Any = None
        """The task of the next reset, where a vector names one for this instance."""

    def play(self, action: Any) -> None:
        """Play the step that :meth:`step` will give."""
        self._played = self.env.step(action)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Give the step that was played ahead, else play one."""
        played, self._played = self._played, None
        result: tuple[Any, Any, bool, bool, dict[str, Any]] = played or self.env.step(action)
        return result

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode, of the task that the vector named where it did."""
        self._played = None
        if self.named_task is not None:
            options = {**(options or {}), "task": self.named_task}
            self.named_task = None
        return self.env.reset(seed=seed, options=options)


def played_ahead(make: Callable[[], TaskEnv]) -> PlayedAhead:
    """Give the environment that ``make`` makes, wrapped."""
    return PlayedAhead(make())


class StepThreads:
    """Plays the next step of many environments, in ``n_threads`` threads that stay alive.

    Each environment has a model, a state and a generator of its own and is stepped by one thread, so the result does
    not depend on the number of threads. With one thread the caller's is used.
    """

    def __init__(self, envs: Sequence[PlayedAhead], n_threads: int):
        if n_threads < 1:
            raise ValueError(f"n_threads must be at least 1, found {n_threads}.")
        self._envs, self._n_threads = envs, n_threads
        self._pool = ThreadPoolExecutor(n_threads, "mujoco-step") if n_threads > 1 else None

    def play(self, actions: Any, who: NDArray[np.intp]) -> None:
        """Play a step of the environments ``who``; ValueError for actions that mean nothing, and then none is."""
        checked = self._check(actions, who)
        if self._pool is None:
            self._play(checked, who)
            return
        shares = [share for share in np.array_split(who, self._n_threads) if len(share)]
        futures = [self._pool.submit(self._play, checked, share) for share in shares]
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        if errors:  # only now, as no thread is at work any more
            raise errors[0]

    def _play(self, actions: NDArray[Any], who: NDArray[np.intp]) -> None:
        for i in who.tolist():
            self._envs[i].play(actions[i])

    def _check(self, actions: Any, who: NDArray[np.intp]) -> NDArray[Any]:
        checked = np.asarray(actions)
        shape = (len(self._envs), *(self._envs[0].action_space.shape or ()))
        if checked.shape != shape:
            raise ValueError(f"actions must have the shape {shape}, found {checked.shape}.")
        is_bad = ~np.isfinite(checked).all(axis=1)
        if is_bad.any() and (bad := [i for i in who.tolist() if is_bad[i]]):
            raise ValueError(f"actions must be finite, found {checked[bad[0]]} for instance {bad[0]}.")
        return checked

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
