"""A vector environment of task environments in one process, without Stable-Baselines3's copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from lifelong_rl.envs.action_rows import ActionRows
from lifelong_rl.envs.vector_tasks import checked_tasks_of_each


class TaskVecEnv(DummyVecEnv):
    """``DummyVecEnv`` for :class:`TaskEnv` instances: the same steps, and no deep copies.

    SB3 deep-copies every info, since an environment might go on writing into the one it gave. A TaskEnv makes a new
    info at each step, and the copies are half of the time that a cheap environment's step takes.

    The tasks of a reset (``set_options([{"task": task}, ...])``) and the actions of a step are checked for all
    instances before any of them changes.
    """

    def __init__(self, makers: Sequence[Callable[[], Any]]):
        """makers: one for each instance; each makes a TaskEnv, or a wrapper of one."""
        super().__init__(list(makers))
        self._rows = ActionRows(self.action_space, self.num_envs)

    def reset(self) -> NDArray[Any]:
        """Start episodes of all instances, with the seeds and options that were set."""
        family: Any = self.envs[0].unwrapped
        checked_tasks_of_each(self._options, family.as_playable_task)
        observations = super().reset()
        assert isinstance(observations, np.ndarray)  # a TaskEnv's observation is one array
        return observations

    def step_async(self, actions: Any) -> None:
        """Hold the actions for :meth:`step_wait`, where they mean something."""
        self.actions = self._rows.check(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Step every environment, and reset those whose episode ended."""
        observations = self._observations
        infos: list[dict[str, Any]] = []
        for i, env in enumerate(self.envs):
            observation, self.buf_rews[i], terminated, truncated, info = env.step(self.actions[i])
            info["TimeLimit.truncated"] = truncated and not terminated
            if terminated or truncated:
                info["terminal_observation"] = observation
                observation, self.reset_infos[i] = env.reset()
            self.buf_dones[i] = terminated or truncated
            observations[i] = observation
            infos.append(info)
        return observations.copy(), np.copy(self.buf_rews), np.copy(self.buf_dones), infos

    def _obs_from_buf(self) -> NDArray[Any]:
        return self._observations.copy()

    @property
    def _observations(self) -> NDArray[Any]:
        observations: NDArray[Any] = self.buf_obs[None]  # type: ignore[index]  # SB3's key of a plain array
        return observations
