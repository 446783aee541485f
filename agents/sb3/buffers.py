"""Buffers that hand every minibatch to the bus just before its forward pass, and keep out what is not to train on."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import (
    DictReplayBuffer,
    DictRolloutBuffer,
    NStepReplayBuffer,
    ReplayBuffer,
    RolloutBuffer,
)

from lifelong_rl.agents.base import untrained_rows
from lifelong_rl.agents.component import Bus

Rows = NDArray[np.bool_]


class HookedReplay:
    """Mixin for a replay buffer: minibatches go over the bus once one is attached.

    A step whose infos all say that it is not to be trained on is not stored. Where only some of the parallel
    environments play such an episode the step's row is stored, and their part of it is never sampled.
    """

    buffer_size: int
    n_envs: int
    pos: int
    bus: Bus | None = None
    untrained: Rows | None = None
    """Which stored transitions are never sampled, shape (rows, environments); None where there is none."""
    n_left_out: int = 0
    """Steps that were not stored since it was last set to 0."""

    def add(
        self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store one step of all environments, unless none of them is to be trained on."""
        rows = untrained_rows(infos)
        if rows is not None and rows.all():
            self.n_left_out += 1
            return
        if rows is not None and self.untrained is None:
            self.untrained = np.zeros((self.buffer_size, self.n_envs), np.bool_)
        if self.untrained is not None:
            self.untrained[self.pos] = False if rows is None else rows
        super().add(obs, next_obs, action, reward, done, infos)  # type: ignore[misc]

    def reset(self) -> None:
        """Start empty."""
        super().reset()  # type: ignore[misc]
        self.untrained = None

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        """Give a minibatch, as the components want it."""
        draw = super().sample if self.untrained is None else self._sample_trained  # type: ignore[misc]
        batch = draw(*args, **kwargs)
        return batch if self.bus is None else self.bus.sample(batch)

    def _sample_trained(self, batch_size: int, env: Any = None) -> Any:
        """Draw evenly from the transitions that may be trained on: by rejection, as each row holds one at least."""
        buffer: Any = self
        assert self.untrained is not None
        rng = buffer.action_space.np_random  # the run seeds it and checkpoints carry it
        rows, columns = np.empty((2, 0), np.int64)
        while len(rows) < batch_size:
            draws = rng.integers(buffer.size(), size=batch_size), rng.integers(buffer.n_envs, size=batch_size)
            is_trained = ~self.untrained[draws]
            rows, columns = (np.append(old, new[is_trained]) for old, new in zip((rows, columns), draws, strict=True))
        chosen = _as_one_environment(buffer, (rows[:batch_size], columns[:batch_size]), REPLAY_ARRAYS)
        return chosen._get_samples(np.arange(batch_size), env)


class HookedRollout:
    """Mixin for a rollout buffer: minibatches go over the bus once one is attached."""

    buffer_size: int
    n_envs: int
    pos: int
    bus: Bus | None = None
    untrained: Rows | None = None
    """Which transitions of this rollout are not to be trained on, shape (steps, environments); None for none."""

    def reset(self) -> None:
        """Start an empty rollout."""
        super().reset()  # type: ignore[misc]
        self.untrained = None

    def leave_out(self, rows: Rows) -> None:
        """Mark those environments, shape (n_envs,), in the step that is about to be added."""
        if self.untrained is None:
            self.untrained = np.zeros((self.buffer_size, self.n_envs), np.bool_)
        self.untrained[self.pos] = rows

    def trained_part(self) -> Self:
        """Give a full rollout as of one environment, of the transitions that may be trained on."""
        assert self.untrained is not None
        part: Self = _as_one_environment(self, np.nonzero(~self.untrained), ROLLOUT_ARRAYS)
        part.untrained = None
        return part

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        """Give the minibatches of a rollout, as the components want them."""
        for batch in super().get(batch_size):  # type: ignore[misc]
            yield batch if self.bus is None else self.bus.sample(batch)


REPLAY_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
ROLLOUT_ARRAYS = (
    "observations",
    "actions",
    "rewards",
    "returns",
    "episode_starts",
    "values",
    "log_probs",
    "advantages",
)


def _as_one_environment(buffer: Any, places: tuple[NDArray[Any], ...], names: Sequence[str]) -> Any:
    """Give a buffer of one environment that holds m transitions of another: ``places`` are their (rows, columns)."""
    chosen = copy.copy(buffer)
    chosen.n_envs, chosen.buffer_size = 1, len(places[0])
    chosen.pos, chosen.full = 0, True
    for name in names:
        array = getattr(buffer, name)
        picked = (
            {key: values[places][:, None] for key, values in array.items()}
            if isinstance(array, dict)
            else array[places][:, None]
        )
        setattr(chosen, name, picked)
    return chosen


class LifelongReplayBuffer(HookedReplay, ReplayBuffer):
    """Replay buffer on the bus."""


class LifelongDictReplayBuffer(HookedReplay, DictReplayBuffer):
    """Replay buffer for dictionary observations on the bus."""


class LifelongNStepReplayBuffer(HookedReplay, NStepReplayBuffer):
    """Replay buffer with n-step returns on the bus."""


class LifelongRolloutBuffer(HookedRollout, RolloutBuffer):
    """Rollout buffer on the bus."""


class LifelongDictRolloutBuffer(HookedRollout, DictRolloutBuffer):
    """Rollout buffer for dictionary observations on the bus."""
