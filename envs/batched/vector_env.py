"""n instances of a batched family as one vector environment of Gymnasium."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.batched.instances import Instances
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskLike
from lifelong_rl.envs.vector_tasks import checked_reset, queued_seeds, refuse_ended


class BatchedVectorEnv(VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """n instances of a family over arrays, each with a task of its own: ``SyncVectorEnv``'s steps and infos.

    ``reset(options={"tasks": [...]})`` names one task for each instance (None: as if none were named), and
    ``options={"task": ...}`` one for all; ``queue_task`` holds one for the next reset that names none, the automatic
    ones included. ``options={"reset_mask": mask}``, shape (n,) of bools, resets these instances only.
    """

    def __init__(
        self, family: BatchedTaskEnv, n: int, *, autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP
    ):
        """family: an instance of the family, which gives spaces, options and functions; it is never played."""
        self.instances = Instances(family, n)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.num_envs = n
        self.render_mode = family.render_mode
        self.metadata = {**family.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = family.observation_space, family.action_space
        self.observation_space = batch_space(family.observation_space, n)
        self.action_space = batch_space(family.action_space, n)
        self._ended = np.zeros(n, dtype=np.bool_)

    # Tasks

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The task of each instance's present episode."""
        return tuple(self.instances.tasks)

    def queue_task(self, task: TaskLike, seed: int | None = None, index: int | None = None) -> None:
        """Hold a task for the next reset of instance ``index`` that names none; without index, of every instance.

        seed: of that reset; without index, instance i gets ``seed + i``.
        """
        seeds, checked = queued_seeds(seed, index, self.num_envs), self.instances.family.as_playable_task(task)
        for i, own_seed in seeds.items():
            self.instances.queue_task(i, checked, own_seed)

    # Episodes

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start episodes of all instances, or of those in ``options["reset_mask"]``.

        seed: instance i gets ``seed + i``, or its own of a list.
        """
        who, tasks, seeds = checked_reset(seed, options, self.num_envs, self.instances.family.as_playable_task)
        self.instances.start(who, tasks, seeds)
        started = np.zeros(self.num_envs, dtype=np.bool_)
        started[who] = True
        self._ended = self._ended & ~started
        return self.instances.observations(), self._task_info(who, started)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one step of every instance; the mode says when those whose episode ended are reset."""
        (pending,) = self._ended.nonzero()
        if self.autoreset_mode is AutoresetMode.DISABLED:
            refuse_ended(pending)
        instances = self.instances
        rewards, terminated, truncated = instances.advance(actions, self._ended if pending.size else None)
        if pending.size:
            instances.start(pending)
            rewards[pending], terminated[pending], truncated[pending] = 0.0, False, False
        has_ended = terminated | truncated
        observations = instances.observations()
        infos: dict[str, Any] = {}
        (who,) = has_ended.nonzero()
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            if who.size:
                infos = self._final_infos(observations, who, has_ended)
                observations[who] = instances.start(who)
                infos |= self._task_info(who, has_ended)
            return observations, rewards, terminated, truncated, infos
        if who.size:
            infos = self._last_info(who, has_ended)
        if pending.size:
            both = has_ended | self._ended
            infos |= self._task_info(both.nonzero()[0], both)
        self._ended = has_ended
        return observations, rewards, terminated, truncated, infos

    # Infos, as SyncVectorEnv makes them: an array a key, and a mask "_key" of the instances that have it

    def _task_info(self, who: NDArray[np.intp], mask: NDArray[np.bool_]) -> dict[str, Any]:
        tasks = np.empty(self.num_envs, dtype=object)  # of None
        tasks[who] = self.instances.tasks[who]
        return {"task": tasks, "_task": mask.copy()}

    def _last_info(self, who: NDArray[np.intp], mask: NDArray[np.bool_]) -> dict[str, Any]:
        shown = self.instances.scores()
        for numbers in shown:
            numbers *= mask  # SyncVectorEnv has zeros where the mask is False
        episode = {"r": shown.episode_return, "_r": mask.copy(), "l": shown.length, "_l": mask.copy()}
        return {
            **self._task_info(who, mask),
            "score": shown.score,
            "_score": mask.copy(),
            "success": shown.success,
            "_success": mask.copy(),
            "episode": episode,
            "_episode": mask.copy(),
        }

    def _final_infos(
        self, observations: NDArray[np.float32], who: NDArray[np.intp], mask: NDArray[np.bool_]
    ) -> dict[str, Any]:
        last = np.empty(self.num_envs, dtype=object)  # of None
        for i, row in zip(who.tolist(), observations[who], strict=True):
            last[i] = row
        info = self._last_info(who, mask)
        return {"final_obs": last, "_final_obs": mask.copy(), "final_info": info, "_final_info": mask.copy()}

    # One by one

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Give the attribute ``name`` of each instance, or what its method of that name gives."""
        found = [getattr(self.instances.member(i), name) for i in range(self.num_envs)]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Give the attribute ``name`` of each instance."""
        return self.call(name)

    @property  # type: ignore[misc]  # as SyncVectorEnv, whose generators are those of its instances
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # the same
        """The generator of each instance."""
        return tuple(self.instances.rng(i) for i in range(self.num_envs))

    def render(self) -> tuple[Any, ...]:
        """Give a picture of each instance, or None for each without ``render_mode``."""
        return tuple(self.instances.picture(i) for i in range(self.num_envs))
