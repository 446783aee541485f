"""n instances of any family as one vector environment of Gymnasium, each with a task of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate
from numpy.typing import NDArray

from lifelong_rl.envs.action_rows import ActionRows
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskEnv, TaskLike
from lifelong_rl.envs.vector_tasks import checked_reset, queued_seeds, refuse_ended, refuse_some_first


class TaskVectorEnv(SyncVectorEnv):
    """n instances of a family, stepped one by one: ``SyncVectorEnv``'s steps and infos, and tasks.

    Instance i plays bit for bit as the single environment with its seed. ``reset(options={"tasks": [...]})`` names
    one task for each instance (None: as if none were named), ``options={"task": ...}`` one for all, and
    :meth:`queue_task` holds one for the next reset that names none, the automatic ones included.
    ``options={"reset_mask": mask}``, shape (n,) of bools, resets these instances only. What a reset or a step asks
    is checked for all instances before any of them changes.
    """

    def __init__(
        self,
        makers: Sequence[Callable[[], Any]],
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ):
        """makers: one for each instance; each makes a TaskEnv, or a wrapper of one."""
        super().__init__(list(makers), autoreset_mode=autoreset_mode)
        self._families: list[TaskEnv] = [env.unwrapped for env in self.envs]  # type: ignore[misc]  # see makers
        self._rows = ActionRows(self.single_action_space, self.num_envs)
        self._is_under_way = False

    # Tasks

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The task of each instance's present episode."""
        return tuple(family.task for family in self._families)

    def queue_task(self, task: TaskLike, seed: int | None = None, index: int | None = None) -> None:
        """Hold a task for the next reset of instance ``index`` that names none; without index, of every instance.

        seed: of that reset; without index, instance i gets ``seed + i``.
        """
        seeds, checked = queued_seeds(seed, index, self.num_envs), self._families[0].as_playable_task(task)
        for i, own_seed in seeds.items():
            self._families[i].queue_task(checked, own_seed)

    # Episodes

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes of all instances, or of those in ``options["reset_mask"]``.

        seed: instance i gets ``seed + i``, or its own of a list.
        """
        asked = checked_reset(seed, options, self.num_envs, self._families[0].as_playable_task)
        if not self._is_under_way and len(asked.who) < self.num_envs:
            refuse_some_first()
        for has_ended in (self._terminations, self._truncations, self._autoreset_envs):
            has_ended[asked.who] = False
        infos: dict[str, Any] = {}
        for i, task, own_seed in zip(asked.who.tolist(), asked.tasks, asked.seeds, strict=True):
            named = None if task is None else {"task": task}
            self._env_obs[i], info = self.envs[i].reset(seed=own_seed, options=named)
            infos = self._add_info(infos, info, i)
        self._is_under_way = True
        self._observations = concatenate(self.single_observation_space, self._env_obs, self._observations)
        return np.copy(self._observations), infos

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one step of every instance; the mode says when those whose episode ended are reset."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            refuse_ended(np.flatnonzero(self._autoreset_envs))
        is_reset_now = self._autoreset_envs if self.autoreset_mode is AutoresetMode.NEXT_STEP else None
        checked = self._rows.check(actions, is_reset_now)
        self.play_ahead(checked, np.arange(self.num_envs) if is_reset_now is None else np.flatnonzero(~is_reset_now))
        return super().step(checked)

    def play_ahead(self, actions: NDArray[Any], who: NDArray[np.intp]) -> None:
        """Do what may be done together before the instances ``who`` are stepped one by one: here nothing."""
