"""n instances of a MuJoCo family as one vector environment of Gymnasium, stepped in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from lifelong_rl.envs.mujoco.threads import PlayedAhead, StepThreads, played_ahead
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskEnv, TaskLike


class MujocoVectorEnv(SyncVectorEnv):
    """n instances of a family, each with a model of its own: ``SyncVectorEnv``'s steps and infos, in threads.

    Instance i plays bit for bit as the single environment with its seed. ``reset(options={"tasks": [...]})`` names
    one task for each instance (None: as if none were named), ``options={"task": ...}`` one for all, and
    :meth:`queue_task` holds one for the next reset that names none, the automatic ones included.
    """

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
        self._instances: list[PlayedAhead] = instances
        self._threads = StepThreads(self._instances, n_threads)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The task of each instance's present episode."""
        tasks: tuple[Task, ...] = self.get_attr("task")
        return tasks

    def queue_task(self, task: TaskLike, seed: int | None = None, index: int | None = None) -> None:
        """Hold a task for the next reset of instance ``index`` that names none; without index, of every instance.

        seed: of that reset; without index, instance i gets ``seed + i``.
        """
        if index is not None and not 0 <= index < self.num_envs:
            raise ValueError(f"index must be an instance in 0 .. {self.num_envs - 1}, found {index}.")
        checked = self._as_task(task)
        for i in range(self.num_envs) if index is None else (index,):
            own_seed = seed if index is not None or seed is None else seed + i
            self._instances[i].family_env.queue_task(checked, own_seed)

    def _as_task(self, task: TaskLike) -> Task:
        return self._instances[0].family_env.as_task(task)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start episodes of all instances, or of those in ``options["reset_mask"]``.

        seed: instance i gets ``seed + i``, or its own of a list.
        """
        options = dict(options or {})
        named = options.pop("tasks", None)
        if named is not None:
            if options.get("task") is not None:
                raise ValueError("reset takes options['task'], for all instances, or options['tasks'], not both.")
            if len(named) != self.num_envs:
                raise ValueError(f"options['tasks'] must hold {self.num_envs} tasks or None, found {len(named)}.")
            checked = [None if task is None else self._as_task(task) for task in named]
            for env, task in zip(self._instances, checked, strict=True):
                env.named_task = task
        seeds = seed if seed is None or isinstance(seed, int) else list(seed)
        try:
            observations, infos = super().reset(seed=seeds, options=options)
        finally:
            for env in self._instances:  # those outside the mask named none
                env.named_task = None
        return observations, infos

    def step(
        self, actions: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one step of every instance; the mode says when those whose episode ended are reset."""
        ended = np.flatnonzero(self._autoreset_envs)
        if len(ended) and self.autoreset_mode is AutoresetMode.DISABLED:
            raise RuntimeError(
                f"the episodes of instances {ended.tolist()} have ended: reset them with "
                "options={'reset_mask': mask} before the next step."
            )
        is_reset_now = self.autoreset_mode is AutoresetMode.NEXT_STEP
        who = np.flatnonzero(~self._autoreset_envs) if is_reset_now else np.arange(self.num_envs)
        self._threads.play(actions, who)
        return super().step(actions)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and close the instances."""
        self._threads.close()
        super().close_extras(**kwargs)
