"""Buffers that hand every minibatch to the bus just before its forward pass."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from stable_baselines3.common.buffers import (
    DictReplayBuffer,
    DictRolloutBuffer,
    NStepReplayBuffer,
    ReplayBuffer,
    RolloutBuffer,
)

from lifelong_rl.agents.component import Bus


class HookedReplay:
    """Mixin for a replay buffer: minibatches go over the bus once one is attached."""

    bus: Bus | None = None

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        """Give a minibatch, as the components want it."""
        batch = super().sample(*args, **kwargs)  # type: ignore[misc]  # the buffer class comes after the mixin
        return batch if self.bus is None else self.bus.sample(batch)


class HookedRollout:
    """Mixin for a rollout buffer: minibatches go over the bus once one is attached."""

    bus: Bus | None = None

    def get(self, batch_size: int | None = None) -> Generator[Any, None, None]:
        """Give the minibatches of a rollout, as the components want them."""
        for batch in super().get(batch_size):  # type: ignore[misc]
            yield batch if self.bus is None else self.bus.sample(batch)


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
