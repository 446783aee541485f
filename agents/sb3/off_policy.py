"""Learners with a replay buffer on the bus."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import RouteContext, TaskData
from lifelong_rl.agents.sb3.buffers import (
    HookedReplay,
    LifelongDictReplayBuffer,
    LifelongNStepReplayBuffer,
    LifelongReplayBuffer,
)
from lifelong_rl.agents.sb3.lifelong import LifelongMixin


class LifelongOffPolicy(LifelongMixin, OffPolicyAlgorithm):
    """A learner with a replay buffer on the bus."""

    facts = frozenset({"off_policy"})
    gae_lambda = 0.95  # PPO's default; only appraisals use it

    def _setup_model(self) -> None:
        if self.components and self._vec_normalize_env is not None:
            raise ValueError(
                "components of an off-policy agent cannot work under VecNormalize yet: its buffer holds what the "
                "environment gave and not what the networks see. Normalise in an environment wrapper."
            )
        self._choose_buffer_class()
        super()._setup_model()
        self._warm_up_steps = self.learning_starts

    def _choose_buffer_class(self) -> None:
        if self.replay_buffer_class is None:
            if isinstance(self.observation_space, spaces.Dict):
                if self.n_steps > 1:
                    raise ValueError(
                        f"SB3 has no n-step returns for dictionary observations; use n_steps=1, found {self.n_steps}."
                    )
                self.replay_buffer_class = LifelongDictReplayBuffer
            elif self.n_steps > 1:
                self.replay_buffer_class = LifelongNStepReplayBuffer
                self.replay_buffer_kwargs |= {"n_steps": self.n_steps, "gamma": self.gamma}
                self.n_steps = 1  # the buffer does it, and SB3 would warn about a class of our own
            else:
                self.replay_buffer_class = LifelongReplayBuffer
        elif not issubclass(self.replay_buffer_class, HookedReplay) and self.components:
            raise ValueError(
                f"the replay buffer {self.replay_buffer_class.__name__} is not on the bus; derive it as "
                "'class MyBuffer(HookedReplay, ...)' in an importable module."
            )

    def _attach_bus(self) -> None:
        super()._attach_bus()
        if isinstance(self.replay_buffer, HookedReplay):
            self.replay_buffer.bus = self.bus

    @property
    def stride(self) -> int:
        """Environment steps of one rollout."""
        assert isinstance(self.train_freq, TrainFreq)
        if self.train_freq.unit is not TrainFrequencyUnit.STEP:
            raise ValueError("exact budgets need train_freq in steps, found a number of episodes.")
        return self.train_freq.frequency * self.n_envs

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; random warm-up recurs, and the buffer is emptied if asked for."""
        super().begin_task(task)
        self.learning_starts = self.num_timesteps + self._warm_up_steps
        buffer = self.replay_buffer
        if self.clear_buffer and buffer is not None:
            buffer.reset()
        if isinstance(buffer, HookedReplay):
            buffer.n_left_out = 0

    @property
    def leaves_out(self) -> bool:
        """Whether the replay buffer can leave transitions out: it must be on the bus.

        Returns over n steps, and the memory-saving buffer, need a row's neighbours: there in one environment only.
        """
        buffer = self.replay_buffer
        needs_neighbours = isinstance(buffer, NStepReplayBuffer) or getattr(buffer, "optimize_memory_usage", False)
        return isinstance(buffer, HookedReplay) and not (needs_neighbours and self.n_envs > 1)

    def train(self, *args: Any, **kwargs: Any) -> None:
        """Make SB3's training phase, unless all that was played so far was not to be trained on."""
        if self.replay_buffer is None or self.replay_buffer.size():
            super().train(*args, **kwargs)

    def _move_clock(self, n_steps: int) -> None:
        super()._move_clock(n_steps)
        self.learning_starts += n_steps

    def task_data(self) -> TaskData:
        """Give the current task's transitions that are still in the buffer, oldest first."""
        buffer = self.replay_buffer
        assert buffer is not None
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError("the data of a task with dictionary observations cannot be handed out yet.")
        n_left_out = getattr(buffer, "n_left_out", 0)
        held = min((self.num_timesteps - self._task_start) // self.n_envs - n_left_out, buffer.size())
        rows = np.arange(buffer.pos - held, buffer.pos) % buffer.buffer_size

        untrained = getattr(buffer, "untrained", None)

        def flat(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows].reshape(-1, *array.shape[2:]) if untrained is None else array[rows][~untrained[rows]]

        terminals = buffer.dones * (1 - buffer.timeouts)
        return TaskData(
            flat(buffer.observations),
            flat(buffer.actions),
            flat(buffer.rewards),
            flat(buffer.next_observations),
            flat(terminals).astype(bool),
        )

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations; episodes cut short count as truncated in the buffer."""
        super().continue_from(observations, is_episode_start=is_episode_start)
        buffer = self.replay_buffer
        if is_episode_start and buffer is not None and buffer.size():
            last = (buffer.pos - 1) % buffer.buffer_size
            buffer.timeouts[last] = np.maximum(buffer.timeouts[last], 1 - buffer.dones[last])
            buffer.dones[last] = 1

    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        usual = self.train_freq
        self.train_freq = TrainFreq(n_vector_steps, TrainFrequencyUnit.STEP)  # type: ignore[assignment]  # as in SB3
        try:
            self._learn_on(n_vector_steps * self.n_envs, callback)
        finally:
            self.train_freq = usual

    def _sample_action(self, *args: Any, **kwargs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.bus.listens("route"):
            self.bus.route(RouteContext("act", self.task, self._last_obs))
        self._is_acting = True
        try:
            return super()._sample_action(*args, **kwargs)
        finally:
            self._is_acting = False
