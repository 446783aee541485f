"""What HyperCRL was compared with: the same dynamics model under other continual mechanisms (Huang et al. 2021).

All share one trunk and give each task a head of its own, as the paper's baselines do; only the hypernetwork has none.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lifelong_rl.agents.base import Held
from lifelong_rl.agents.hypernet.adam import ThinAdam
from lifelong_rl.agents.hypernet.learner import Batch, DynamicsLearner, TaskLoss, Update, arrays_of, fill, n_bytes
from lifelong_rl.agents.hypernet.target import TargetNetwork


class TrunkLearner(DynamicsLearner):
    """A trunk that all tasks share, and a head (the output layer) for each task. Alone it is fine-tuning."""

    def __init__(
        self,
        target: TargetNetwork,
        loss: TaskLoss,
        generator: torch.Generator,
        *,
        rng: np.random.Generator | None = None,
        lr: float = 1e-3,
        longest_gradient: float = 5.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(target, loss, generator)
        for name, value in (("lr", lr), ("longest_gradient", longest_gradient)):
            if not value > 0:
                raise ValueError(f"{name} must be greater than 0, found {value}.")
        self.rng = np.random.default_rng(0) if rng is None else rng
        self.lr, self.longest_gradient = lr, longest_gradient
        self._like = torch.empty(0, device=device, dtype=dtype)
        trunk, _ = self._drawn()
        self.trunk = torch.nn.Parameter(trunk)
        self.heads: list[torch.nn.Parameter] = []
        self._optimiser: ThinAdam | None = None

    def _drawn(self) -> tuple[torch.Tensor, torch.Tensor]:
        weights = self.target.initial(self.generator).to(self._like)
        n_trunk = self.target.n_trunk_weights
        return weights[:n_trunk], weights[n_trunk:]

    def begin_task(self, task: int | None = None) -> int:
        """Add a head for a new task, and start Adam afresh."""
        if task is None:
            task = self.n_tasks
            self.heads.append(torch.nn.Parameter(self._drawn()[1]))
            self.n_tasks += 1
        self.check_task(task)
        self.current = task
        self._optimiser = ThinAdam(self._trained(), lr=self.lr)
        return task

    def _trained(self) -> list[torch.nn.Parameter]:
        """Give the parameters that are trained: the trunk and the current head."""
        assert self.current is not None
        return [self.trunk, self.heads[self.current]]

    def _emitted(self, task: int) -> torch.Tensor:
        return torch.cat([self.trunk, self.heads[task]])

    def update(self, task: int, batch: Batch) -> Update:
        """Make one step on a batch of a task, with the mechanism's own term."""
        self.check_current(task)
        assert self._optimiser is not None
        self.clear(self._optimiser, "dynamics")
        loss = self.loss(self._emitted(task), batch)
        term = self.term(task, batch.inputs.shape[-2])
        total = loss if term is None else loss + term
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        before = self.trunk.detach().clone() if self.follows_steps else None
        gradient = self.loss_gradient(loss, term) if self.follows_steps else None
        norm = self.step(self._optimiser, "dynamics", self.longest_gradient)
        if before is not None and gradient is not None:
            self.after_step(self.trunk.detach() - before, gradient)
        return Update(float(loss.detach()), 0.0 if term is None else float(term.detach()), norm)

    follows_steps = False
    """Whether :meth:`after_step` is to be called."""

    def term(self, task: int, n_rows: int) -> torch.Tensor | None:
        """Give the mechanism's term of the loss, a scalar with gradients, or None."""
        return None

    def loss_gradient(self, loss: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Give the trunk's gradient of the task's own loss."""
        assert self.trunk.grad is not None
        return self.trunk.grad.clone()

    def after_step(self, step: torch.Tensor, gradient: torch.Tensor) -> None:
        """Hear the step that the trunk made, and the gradient of the task's own loss before it."""

    @torch.no_grad()
    def weights(self, task: int) -> torch.Tensor:
        """Give trunk and head of a task, shape (n_weights,), without gradients."""
        self.check_task(task)
        return self._emitted(task)

    def roles(self) -> dict[str, list[torch.nn.Parameter]]:
        """Give all trained parameters as "dynamics"."""
        return {"dynamics": self._trained() if self.heads else [self.trunk]}

    def kept(self) -> dict[str, torch.Tensor]:
        """Give what the mechanism keeps beyond the networks, by name."""
        return {}

    def keep(self, kept: Mapping[str, torch.Tensor]) -> None:
        """Take over what :meth:`kept` gave."""

    def memory(self) -> list[Held]:
        """Say what is held: networks, moments, and what the mechanism keeps."""
        held = [
            Held("dynamics model", "weights", n_bytes([self.trunk, *self.heads])),
            Held("optimiser", "statistics", 2 * n_bytes(self.roles()["dynamics"])),
        ]
        if self.kept():
            held.append(Held(type(self).__name__, self.kept_kind, n_bytes(list(self.kept().values()))))
        return held

    kept_kind = "snapshot"
    """What kind of memory :meth:`kept` is."""

    def state_dict(self) -> dict[str, Any]:
        """Give parameters, moments, generators and what the mechanism keeps."""
        return {
            "current": self.current,
            "trunk": arrays_of([self.trunk]),
            "heads": arrays_of(self.heads),
            "optimiser": None if self._optimiser is None else self._optimiser.state_dict(),
            "kept": {name: tensor.detach().cpu().numpy() for name, tensor in self.kept().items()},
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state().numpy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state of a learner of the same settings."""
        fill([self.trunk], state["trunk"])
        self.heads = [torch.nn.Parameter(torch.from_numpy(array.copy()).to(self._like)) for array in state["heads"]]
        self.n_tasks, self.current = len(self.heads), state["current"]
        self._optimiser = None
        if state["optimiser"] is not None:
            self._optimiser = ThinAdam(self._trained(), lr=self.lr)
            self._optimiser.load_state_dict(state["optimiser"])
        self.keep({name: torch.from_numpy(array.copy()).to(self._like) for name, array in state["kept"].items()})
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))


class FineTuningLearner(TrunkLearner):
    """Trains on, with nothing against forgetting: the lower bound."""


class SingleTaskLearner(TrunkLearner):
    """A network of its own for each task: no forgetting, no transfer, memory that grows by a network a task."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._trunks: dict[int, torch.Tensor] = {}

    def begin_task(self, task: int | None = None) -> int:
        """Put the last task's trunk away, and draw a new one, or take up the one of a known task."""
        if task is not None:
            self.check_task(task)
        if self.current is not None:
            self._trunks[self.current] = self.trunk.detach().clone()
            trunk = self._drawn()[0] if task is None else self._trunks[task].clone()
            self.trunk = torch.nn.Parameter(trunk)
        return super().begin_task(task)

    def _emitted(self, task: int) -> torch.Tensor:
        trunk = self.trunk if task == self.current else self._trunks[task]
        return torch.cat([trunk, self.heads[task]])

    kept_kind = "weights"

    def kept(self) -> dict[str, torch.Tensor]:
        """Give the trunks of other tasks."""
        return {str(task): trunk for task, trunk in self._trunks.items()}

    def keep(self, kept: Mapping[str, torch.Tensor]) -> None:
        """Take the trunks of other tasks over."""
        self._trunks = {int(task): trunk for task, trunk in kept.items()}


class DataLearner(TrunkLearner):
    """Keeps transitions of earlier tasks and trains on a batch of each at every update, their heads included."""

    def __init__(self, *args: Any, n_kept: int | None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if n_kept is not None and n_kept < 1:
            raise ValueError(f"n_kept must be at least 1, found {n_kept}.")
        self.n_kept = n_kept
        self._data: dict[int, Batch] = {}

    def _trained(self) -> list[torch.nn.Parameter]:
        return [self.trunk, *self.heads]

    def end_task(self, task: int, data: Batch) -> None:
        """Keep ``n_kept`` rows of the task's data, drawn without replacement, or all of them."""
        n_rows = len(data.inputs)
        rows = torch.from_numpy(self.rng.permutation(n_rows)[: self.n_kept])
        self._data[task] = Batch(data.inputs[rows].clone(), data.targets[rows].clone())

    def term(self, task: int, n_rows: int) -> torch.Tensor | None:
        """Give the sum of the mean losses of one batch of each other task."""
        losses = []
        for earlier, data in self._data.items():
            if earlier == task:
                continue
            rows = torch.from_numpy(self.rng.integers(0, len(data.inputs), n_rows))
            losses.append(self.loss(self._emitted(earlier), Batch(data.inputs[rows], data.targets[rows])))
        return torch.stack(losses).sum() if losses else None

    kept_kind = "buffer"

    def kept(self) -> dict[str, torch.Tensor]:
        """Give the stored data, task by task."""
        return {f"{part}{i}": getattr(d, part) for i, d in self._data.items() for part in ("inputs", "targets")}

    def keep(self, kept: Mapping[str, torch.Tensor]) -> None:
        """Take stored data over."""
        tasks = [int(name.removeprefix("inputs")) for name in kept if name.startswith("inputs")]
        self._data = {task: Batch(kept[f"inputs{task}"], kept[f"targets{task}"]) for task in tasks}


class CoresetLearner(DataLearner):
    """Replays a small random coreset of each earlier task (the paper's strongest baseline)."""

    def __init__(self, *args: Any, n_kept: int = 100, **kwargs: Any):
        super().__init__(*args, n_kept=n_kept, **kwargs)


class MultiTaskLearner(DataLearner):
    """Keeps all data of all tasks and trains on all: the oracle."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, n_kept=None, **kwargs)


class _PenalisedLearner(TrunkLearner):
    """Pulls the trunk back to where it was, each weight as strongly as it mattered for earlier tasks."""

    def __init__(self, *args: Any, strength: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if strength < 0:
            raise ValueError(f"strength must be at least 0, found {strength}.")
        self.strength = strength
        self.importance = torch.zeros_like(self.trunk.detach())
        self.anchor = self.trunk.detach().clone()
        self._is_anchored = False

    def term(self, task: int, n_rows: int) -> torch.Tensor | None:
        """Give strength times the weighted squared distance from the anchor."""
        if not self._is_anchored:
            return None
        return self.strength * (self.importance * (self.trunk - self.anchor).square()).sum()

    def end_task(self, task: int, data: Batch) -> None:
        """Add the task's importance, and move the anchor here."""
        self.importance = self.importance + self.measured_importance(task, data)
        self.anchor = self.trunk.detach().clone()
        self._is_anchored = True

    @abstractmethod
    def measured_importance(self, task: int, data: Batch) -> torch.Tensor:
        """Give the importance of each trunk weight for the task that ends, shape (n_trunk_weights,)."""

    def kept(self) -> dict[str, torch.Tensor]:
        """Give importance and anchor."""
        return {"importance": self.importance, "anchor": self.anchor}

    def keep(self, kept: Mapping[str, torch.Tensor]) -> None:
        """Take importance and anchor over."""
        self.importance, self.anchor = kept["importance"], kept["anchor"]
        self._is_anchored = bool(self.importance.any())


class EWCLearner(_PenalisedLearner):
    """Elastic weight consolidation (Kirkpatrick et al. 2017): importance is the diagonal Fisher, row by row."""

    def __init__(self, *args: Any, strength: float = 1e4, n_fisher: int = 500, **kwargs: Any):
        super().__init__(*args, strength=strength, **kwargs)
        if n_fisher < 1:
            raise ValueError(f"n_fisher must be at least 1, found {n_fisher}.")
        self.n_fisher = n_fisher

    def measured_importance(self, task: int, data: Batch) -> torch.Tensor:
        """Give the mean squared gradient of the losses of ``n_fisher`` rows, each alone."""
        rows = self.rng.permutation(len(data.inputs))[: self.n_fisher].tolist()
        head = self.heads[task].detach()
        fisher = torch.zeros_like(self.importance)
        for row in rows:
            loss = self.loss(
                torch.cat([self.trunk, head]), Batch(data.inputs[row : row + 1], data.targets[row : row + 1])
            )
            fisher += torch.autograd.grad(loss, self.trunk)[0].square()
        return fisher / len(rows)


class SILearner(_PenalisedLearner):
    """Synaptic intelligence (Zenke et al. 2017, eq. 5): importance is how much a weight's path lowered the loss."""

    follows_steps = True
    damping = 1e-3

    def __init__(self, *args: Any, strength: float = 0.1, **kwargs: Any):
        super().__init__(*args, strength=strength, **kwargs)
        self.path = torch.zeros_like(self.importance)

    def loss_gradient(self, loss: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Give the trunk's gradient without the penalty's part, which is known in closed form."""
        gradient = super().loss_gradient(loss, term)
        if term is None:
            return gradient
        return gradient - 2 * self.strength * self.importance * (self.trunk.detach() - self.anchor)

    def after_step(self, step: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add to the path integral of the loss."""
        self.path = self.path - gradient * step  # not in place: a saved state may still hold the old one

    def measured_importance(self, task: int, data: Batch) -> torch.Tensor:
        """Give the path integral over the squared distance that was covered."""
        importance = (self.path / ((self.trunk.detach() - self.anchor).square() + self.damping)).clamp_min(0)
        self.path = torch.zeros_like(self.path)
        return importance

    def kept(self) -> dict[str, torch.Tensor]:
        """Give importance, anchor and the path so far."""
        return super().kept() | {"path": self.path}

    def keep(self, kept: Mapping[str, torch.Tensor]) -> None:
        """Take them over."""
        super().keep(kept)
        self.path = kept["path"]


BASELINES: dict[str, type[TrunkLearner]] = {
    "fine-tuning": FineTuningLearner,
    "single-task": SingleTaskLearner,
    "coreset": CoresetLearner,
    "multi-task": MultiTaskLearner,
    "ewc": EWCLearner,
    "si": SILearner,
}
"""The baselines by name."""
