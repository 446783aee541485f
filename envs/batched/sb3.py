"""n instances of a batched family as one vector environment of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.batched.instances import Instances, Member
from lifelong_rl.envs.vector_tasks import checked_tasks_of_each


class BatchedVecEnv(VecEnv):
    """n instances of a family over arrays, each with a task of its own: ``DummyVecEnv``'s steps and infos.

    ``env_method("queue_task", task, seed, indices=[i])`` holds a task for the next reset of instance i, and
    ``set_options([{"task": task}, ...])`` names those of the next ``reset()``.
    """

    def __init__(self, family: BatchedTaskEnv, n: int, seeds: Sequence[int | None] | None = None):
        """family: an instance of the family, which gives spaces, options and functions; it is never played.

        seeds: one for each instance, whose later resets go on from there.
        """
        self.instances = Instances(family, n)
        self._actions: NDArray[Any] | None = None
        super().__init__(n, family.observation_space, family.action_space)
        self.metadata = family.metadata
        if seeds is not None:
            self.instances.start(np.arange(n), None, seeds)

    def reset(self) -> NDArray[np.float32]:
        """Start episodes of all instances, with the seeds and options that were set."""
        tasks = checked_tasks_of_each(self._options, self.instances.family.as_playable_task)
        self.instances.start(np.arange(self.num_envs), tasks, self._seeds)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{"task": task} for task in self.instances.tasks]
        return self.instances.observations()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Hold the actions for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Play one step of every instance, and reset those whose episode ended."""
        instances = self.instances
        rewards, terminated, truncated = instances.advance(self._actions)
        dones = terminated | truncated
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        observations = instances.observations()
        if ended := dones.nonzero()[0].tolist():
            self._fill_last_infos(infos, ended, truncated, observations)
            who = np.array(ended)
            observations[who] = instances.start(who)
            for i in ended:
                self.reset_infos[i] = {"task": instances.tasks[i]}
        return observations, rewards.astype(np.float32), dones, infos

    def _fill_last_infos(
        self,
        infos: list[dict[str, Any]],
        ended: Sequence[int],
        truncated: NDArray[np.bool_],
        observations: NDArray[np.float32],
    ) -> None:
        columns = [column[ended].tolist() for column in self.instances.scores()]
        for i, score, success, episode_return, length in zip(ended, *columns, strict=True):
            infos[i] = {
                "task": self.instances.tasks[i],
                "score": score,
                "success": success,
                "episode": {"r": episode_return, "l": length},
                "TimeLimit.truncated": bool(truncated[i]),
                "terminal_observation": observations[i].copy(),
            }

    # One by one

    def _members(self, indices: VecEnvIndices) -> list[Member]:
        return [self.instances.member(i) for i in self._get_indices(indices)]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Give an attribute of the instances."""
        return [getattr(member, attr_name) for member in self._members(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> NoReturn:
        """Refuse: what differs between instances is their tasks."""
        raise AttributeError(
            f"{attr_name!r} cannot be set on instances that share one family: pass it to the constructor, or make a "
            "feature of the task of it."
        )

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the instances."""
        return [getattr(member, method_name)(*method_args, **method_kwargs) for member in self._members(indices)]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Say that no instance is wrapped."""
        return [False for _ in self._members(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Give a picture of each instance."""
        return [member.render() for member in self._members(None)]

    def close(self) -> None:
        """Do nothing: there is nothing open."""
