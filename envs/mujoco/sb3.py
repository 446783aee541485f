"""n instances of a MuJoCo family as one vector environment of Stable-Baselines3, stepped in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from lifelong_rl.envs.mujoco.threads import StepThreads, played_ahead
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.vector import TaskVecEnv


class MujocoVecEnv(TaskVecEnv):
    """``TaskVecEnv`` whose instances are stepped in threads, each bit for bit as the single environment."""

    def __init__(self, makers: Sequence[Callable[[], TaskEnv]], *, n_threads: int = 1):
        """makers: one for each instance. n_threads: how many of them are stepped at once."""
        super().__init__([partial(played_ahead, make) for make in makers])
        instances: Any = self.envs
        self._threads = StepThreads(instances, n_threads)

    def step_wait(self) -> VecEnvStepReturn:
        """Step every environment, and reset those whose episode ended."""
        self._threads.play(self.actions, np.arange(self.num_envs))
        return super().step_wait()

    def close(self) -> None:
        """End the threads and close the instances."""
        self._threads.close()
        super().close()
