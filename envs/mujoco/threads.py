"""Stepping n MuJoCo environments at once in threads: the physics runs outside Python's lock.

``mujoco.rollout`` was tried for this and left out. It gives back positions and velocities only: not the
accelerations that the next step's solver starts from, without which a half-cheetah's trajectory is another one within
a few steps, nor contact forces and places, of which rewards are made. What it saves is 1 to 2 % of the physics
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
from lifelong_rl.envs.vector_tasks import check_count


class PlayedAhead(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose next step may be played before it is asked for."""

    def __init__(self, env: TaskEnv):
        super().__init__(env)
        self._played: Any = None

    def play(self, action: Any) -> None:
        """Play the step that :meth:`step` will give."""
        self._played = self.env.step(action)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Give the step that was played ahead, else play one."""
        played, self._played = self._played, None
        result: tuple[Any, Any, bool, bool, dict[str, Any]] = played or self.env.step(action)
        return result

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; a step that was played ahead is none any more."""
        self._played = None
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
        check_count(n_threads, "n_threads")
        self._envs, self._n_threads = envs, n_threads
        self._pool = ThreadPoolExecutor(n_threads, "mujoco-step") if n_threads > 1 else None

    def play(self, actions: NDArray[Any], who: NDArray[np.intp]) -> None:
        """Play a step of the environments ``who``. actions: of all environments, checked."""
        if self._pool is None:
            self._play(actions, who)
            return
        shares = [share for share in np.array_split(who, self._n_threads) if len(share)]
        futures = [self._pool.submit(self._play, actions, share) for share in shares]
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        if errors:  # only now, as no thread is at work any more
            raise errors[0]

    def _play(self, actions: NDArray[Any], who: NDArray[np.intp]) -> None:
        for i in who.tolist():
            self._envs[i].play(actions[i])

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
