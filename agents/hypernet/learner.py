"""What learns the weights of a dynamics model, one task after another; its subclasses are the mechanisms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch

from lifelong_rl.agents.base import Held
from lifelong_rl.agents.component import Bus
from lifelong_rl.agents.hypernet.adam import ThinAdam
from lifelong_rl.agents.hypernet.target import TargetNetwork


class Batch(NamedTuple):
    """Transitions of one task as the dynamics model reads them."""

    inputs: torch.Tensor
    """Normalised observations and actions, shape (n, inputs)."""
    targets: torch.Tensor
    """What is to be predicted, shape (n, outputs)."""

    @property
    def observations(self) -> torch.Tensor:
        """The inputs, under the name that components' routing looks for."""
        return self.inputs


TaskLoss: TypeAlias = Callable[[torch.Tensor, Batch], torch.Tensor]
"""Gives the mean loss of a batch, a scalar, under weights of shape (n_weights,)."""


class Imagine(Protocol):
    """Makes up scaled inputs of a task."""

    def __call__(
        self, task: int, weights: torch.Tensor, n_rows: int, n_steps: int, generator: torch.Generator
    ) -> torch.Tensor:
        """Give inputs, shape (n_rows, inputs).

        weights: the task's kept weights, shape (n_weights,), whose model rolls ``n_steps`` on from drawn inputs.
        """


@dataclass(frozen=True)
class Update:
    """What one update saw."""

    loss: float
    """Mean loss of the batch, before the step."""
    regulariser: float
    """The mechanism's own term, as it was added to the loss."""
    gradient_norm: float
    """Norm of the gradient of the shared parameters, before it was clipped."""


class DynamicsLearner(ABC):
    """Learns a target network's weights, one task after another, from batches of the current task.

    Task numbers count from 0 in the order in which they begin. ``bus`` may be set: its components then see every
    update under the roles of :meth:`roles`.
    """

    bus: Bus | None = None

    def __init__(self, target: TargetNetwork, loss: TaskLoss, generator: torch.Generator):
        self.target = target
        self.loss = loss
        self.generator = generator
        self.n_tasks = 0
        """Tasks that have begun."""
        self.current: int | None = None
        """The task that is being trained."""

    @abstractmethod
    def begin_task(self, task: int | None = None) -> int:
        """Start to train a task: make room for a new one (None), or go back to a known one; give its number."""

    @abstractmethod
    def update(self, task: int, batch: Batch) -> Update:
        """Make one step on a batch of a task."""

    def end_task(self, task: int, data: Batch) -> None:  # noqa: B027  # most mechanisms have nothing to do here
        """Hear that a task ends, with all its training data: the place for consolidation."""

    def sleep(self, imagine: Imagine) -> list[Update]:
        """Consolidate between two tasks without data, after :meth:`end_task`; give what the updates saw.

        imagine: makes up inputs of the tasks. Most mechanisms do not sleep.
        """
        return []

    @abstractmethod
    def weights(self, task: int) -> torch.Tensor:
        """Give the weights of a task's model, shape (n_weights,), without gradients; ValueError if there is none."""

    @abstractmethod
    def roles(self) -> dict[str, list[torch.nn.Parameter]]:
        """Give the parameters that each optimiser owns, by the role's name."""

    @abstractmethod
    def memory(self) -> list[Held]:
        """Say what is held in memory now."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Give what :meth:`load_state_dict` needs to continue bit for bit: arrays and plain values."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state of a learner of the same settings."""

    def like(self) -> torch.Tensor:
        """Give a tensor on the device and of the type of the parameters."""
        return next(iter(self.roles().values()))[0].detach()

    def check_task(self, task: int) -> None:
        """Raise ValueError where a task has not begun."""
        if not 0 <= task < self.n_tasks:
            raise ValueError(f"the dynamics model knows {self.n_tasks} tasks, and task {task} is none of them.")

    def check_current(self, task: int) -> None:
        """Raise ValueError where another task is the one being trained."""
        if task != self.current:
            raise ValueError(f"only task {self.current}, which began last, can be trained on, found {task}.")

    # What subclasses share: one optimiser's step between the components' hooks

    def clear(self, optimiser: ThinAdam, role: str) -> None:
        """Clear an optimiser's gradients, and add those of the components' losses."""
        optimiser.zero_grad()
        if self.bus is not None and self.bus.listens("loss"):
            self.bus.add_losses(role)

    def step(self, optimiser: ThinAdam, role: str, longest: float) -> float:
        """Clip the gradient, let components edit it, make the step, let them edit that; give the norm before."""
        norm = optimiser.clip(longest)
        if self.bus is None or not (self.bus.listens("grad") or self.bus.listens("update")):
            optimiser.step()
            return norm
        for head in optimiser.heads:
            head.materialise()
        params = self.roles()[role]
        self.bus.grad(role, params)
        old = [p.detach().clone() for p in params] if self.bus.listens("update") else []
        optimiser.step()
        if old:
            self.bus.update(role, params, old)
        return norm


def arrays_of(parameters: list[torch.nn.Parameter]) -> list[Any]:
    """Give parameters as NumPy arrays of their own."""
    return [p.detach().cpu().numpy().copy() for p in parameters]


@torch.no_grad()
def fill(parameters: list[torch.nn.Parameter], arrays: list[Any]) -> None:
    """Write saved arrays back; ValueError where their number or shapes differ."""
    found = [tuple(array.shape) for array in arrays]
    expected = [tuple(p.shape) for p in parameters]
    if found != expected:
        raise ValueError(
            f"the saved dynamics model has parameters of the shapes {found}, this one of {expected}; build it with "
            "the saved settings."
        )
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.copy_(torch.from_numpy(array))


def n_bytes(tensors: list[torch.Tensor] | list[torch.nn.Parameter]) -> int:
    """Give the bytes of some tensors together."""
    return sum(t.numel() * t.element_size() for t in tensors)
