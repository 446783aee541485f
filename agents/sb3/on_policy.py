"""Learners with a rollout buffer on the bus."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from lifelong_rl.agents.base import TaskInfo, untrained_rows
from lifelong_rl.agents.component import TaskData
from lifelong_rl.agents.sb3.buffers import HookedRollout, LifelongDictRolloutBuffer, LifelongRolloutBuffer
from lifelong_rl.agents.sb3.lifelong import LifelongMixin


class LifelongOnPolicy(LifelongMixin, OnPolicyAlgorithm):
    """A learner with a rollout buffer on the bus."""

    facts = frozenset({"on_policy"})
    _last_rollout: dict[str, NDArray[Any]] | None = None
    """What was trained on last in this task: "observations" and "actions", a row a transition."""

    def _setup_model(self) -> None:
        if self.rollout_buffer_class is None:
            is_dict = isinstance(self.observation_space, spaces.Dict)
            self.rollout_buffer_class = LifelongDictRolloutBuffer if is_dict else LifelongRolloutBuffer
        elif not issubclass(self.rollout_buffer_class, HookedRollout) and self.components:
            raise ValueError(
                f"the rollout buffer {self.rollout_buffer_class.__name__} is not on the bus; derive it as "
                "'class MyBuffer(HookedRollout, ...)' in an importable module."
            )
        super()._setup_model()

    def _attach_bus(self) -> None:
        super()._attach_bus()
        if isinstance(self.rollout_buffer, HookedRollout):
            self.rollout_buffer.bus = self.bus

    @property
    def stride(self) -> int:
        """Environment steps of one rollout."""
        return self.n_steps * self.n_envs

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; what is held of the previous one is let go."""
        super().begin_task(task)
        self._last_rollout = None

    @property
    def leaves_out(self) -> bool:
        """Whether the rollout buffer can be shortened: it can if it is on the bus."""
        return isinstance(self.rollout_buffer, HookedRollout)

    def _update_info_buffer(self, infos: Any, dones: Any = None) -> None:
        super()._update_info_buffer(infos, dones)  # called at every step, just before the rollout buffer's `add`
        rows = untrained_rows(infos)
        if rows is not None and isinstance(self.rollout_buffer, HookedRollout):
            self.rollout_buffer.leave_out(rows)

    def train(self, *args: Any, **kwargs: Any) -> None:
        """Make SB3's training phase on the rollout, less the episodes that are not to be trained on.

        Their steps are in no minibatch, and in no mean that SB3 logs; a rollout of nothing else trains nothing.
        """
        whole = self.rollout_buffer
        if isinstance(whole, HookedRollout) and whole.untrained is not None:
            self.rollout_buffer = whole.trained_part()
        try:
            if self.rollout_buffer.buffer_size:
                self._train_on_rollout(*args, **kwargs)
        finally:
            self.rollout_buffer = whole

    def _train_on_rollout(self, *args: Any, **kwargs: Any) -> None:
        """Train, and keep what that was made on for :meth:`task_data`."""
        super().train(*args, **kwargs)
        if not isinstance(self.observation_space, spaces.Dict):
            self._last_rollout = self._with_rollout(self._last_rollout)

    def _with_rollout(self, held: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        # A shortened rollout takes the place of only as many rows of a longer one.
        n_new = self.rollout_buffer.buffer_size * self.rollout_buffer.n_envs
        rows = _rollout_rows(self.rollout_buffer)
        return rows if held is None else {k: np.concatenate((held[k][n_new:], new)) for k, new in rows.items()}

    def task_data(self) -> TaskData:
        """Give the observations and actions of the last rollout of the current task."""
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError("the data of a task with dictionary observations cannot be handed out yet.")
        if self._last_rollout is None:
            return TaskData(**{name: rows[:0] for name, rows in _rollout_rows(self.rollout_buffer).items()})
        return TaskData(**self._last_rollout)

    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        usual_steps, usual_buffer = self.n_steps, self.rollout_buffer
        assert self.rollout_buffer_class is not None
        self.n_steps = n_vector_steps
        self.rollout_buffer = self.rollout_buffer_class(
            n_vector_steps,
            self.observation_space,
            self.action_space,
            device=self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            **self.rollout_buffer_kwargs,
        )
        self._attach_bus()
        try:
            self._learn_on(n_vector_steps * self.n_envs, callback)
        finally:
            self.n_steps, self.rollout_buffer = usual_steps, usual_buffer


def _rollout_rows(buffer: RolloutBuffer) -> dict[str, NDArray[Any]]:
    # SB3 flattens a rollout's arrays, from (steps, envs, ...), once it has been trained on.
    n_dims = len(buffer.obs_shape)
    return {
        "observations": buffer.observations.reshape(-1, *buffer.observations.shape[-n_dims:]),
        "actions": buffer.actions.reshape(-1, buffer.action_dim),
    }
