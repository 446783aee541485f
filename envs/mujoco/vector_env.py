"""n instances of a MuJoCo family as one vector environment of Gymnasium, stepped in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from lifelong_rl.envs.mujoco.threads import StepThreads, played_ahead
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.task_vector import TaskVectorEnv


class MujocoVectorEnv(TaskVectorEnv):
    """``TaskVectorEnv`` whose instances, each with a model of its own, are stepped in threads."""

    def __init__(
        self,
        makers: Sequence[Callable[[], TaskEnv]],
        *,
        n_threads: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ):
        """makers: one for each instance. n_threads: how many of them are stepped at once."""
        super().__init__([partial(played_ahead, make) for make in makers], autoreset_mode=autoreset_mode)
        instances: Any = self.envs
        self._threads = StepThreads(instances, n_threads)

    def play_ahead(self, actions: NDArray[Any], who: NDArray[np.intp]) -> None:
        """Play the next step of the instances ``who`` in the threads."""
        self._threads.play(actions, who)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and close the instances."""
        self._threads.close()
        super().close_extras(**kwargs)
