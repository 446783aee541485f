"""The hypernetwork as a learner of dynamics: HyperCRL's update (Huang et al. 2021), as published and as we would."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from lifelong_rl.agents.base import Held
from lifelong_rl.agents.hypernet.adam import ThinAdam
from lifelong_rl.agents.hypernet.chunked import ChunkedHypernetwork, RecurrentHypernetwork
from lifelong_rl.agents.hypernet.full import FullHypernetwork, Start
from lifelong_rl.agents.hypernet.hypernetwork import Hypernetwork
from lifelong_rl.agents.hypernet.learner import (
    Batch,
    DynamicsLearner,
    Imagine,
    TaskLoss,
    Update,
    arrays_of,
    fill,
    n_bytes,
)
from lifelong_rl.agents.hypernet.regulariser import Keeps, OutputRegulariser, Scaling
from lifelong_rl.agents.hypernet.sleep import all_kept, sleep_loss
from lifelong_rl.agents.hypernet.target import TargetNetwork

LARGEST_FULL = 10_000
"""Target weights above which the form "auto" is chunked: a full head would be a hundred times the target network."""

SLEEP_UPDATES = 200
"""Updates of a sleep phase where none are asked for: as many undid most of what 20 tasks had forgotten."""


@dataclass(frozen=True)
class HypernetSettings:
    """Form, loss and optimisation of a hypernetwork. The defaults are ours; :data:`PUBLISHED` has the paper's."""

    form: Literal["auto", "full", "chunked", "recurrent"] = "auto"
    """"auto" is full for targets of at most 10,000 weights, else chunked."""
    hidden: tuple[int, ...] = (16, 16)
    """Hidden units of the full form; the chunked and recurrent forms take them as their own."""
    activation: str = "relu"
    """Activation of the hypernetwork."""
    n_embedding: int = 10
    """Numbers in a task's embedding."""
    chunk_size: int | None = None
    """Weights a piece of the chunked and recurrent forms; None for four times the square root of all."""
    start: Start = "base"
    """How emitted weights start: "base" adds trained base weights, "xavier" is as published."""
    lr: float = 1e-3
    """Learning rate of the shared parameters and of the current embedding."""
    beta: float = 0.5
    """Weight of the output regulariser."""
    scaling: Scaling = "sum"
    """Whether the regulariser adds the earlier tasks up, or averages them as published."""
    keeps: Keeps = "first"
    """Whether an earlier task is held to the weights emitted when its own training ended, or, as published, when the
    current task began ("latest")."""
    n_sampled: int | None = 4
    """Earlier tasks that one update regularises, the next of a shuffled deck, weighted without bias; None for all."""
    look_ahead: bool = False
    """Whether the regulariser looks at the parameters after the step that Adam would take, as published."""
    loss_scale: Literal["mean", "sum"] = "mean"
    """Whether loss and regulariser count once, or as often as the batch has rows, as published."""
    longest_gradient: float = 5.0
    """Norm to which the gradients of embedding and shared parameters are clipped, each on its own."""
    weighting: Literal["none", "fisher"] = "none"
    """"fisher" weights the squared differences of emitted weights by their Fisher information."""
    n_sleep_updates: int | None = None
    """Updates of the sleep phase (:mod:`.sleep`) at the end of each task but the first; 0 for none.

    None is 200 with a regulariser, else 0. Of 20 pendulums the errors at the end were 1.4 times those just after the
    task without sleep, and 1.1 times with it (``benchmarks/hypercrl_pendulum.py``).
    """
    n_sleep_rows: int = 100
    """Made-up inputs of each replayed task in an update of the sleep phase; with 0 the regulariser is left alone."""
    n_imagined_steps: int = 0
    """Steps that a task's own model rolls on from drawn inputs; all inputs on the way are replayed."""

    @property
    def sleep_updates(self) -> int:
        """Updates of a sleep phase."""
        if self.n_sleep_updates is None:
            return SLEEP_UPDATES if self.beta else 0
        return self.n_sleep_updates

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name, least in (("lr", 0.0), ("longest_gradient", 0.0)):
            if not getattr(self, name) > least:
                raise ValueError(f"{name} must be greater than {least}, found {getattr(self, name)}.")
        for name in ("n_sleep_updates", "n_sleep_rows", "n_imagined_steps"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must be at least 0, found {getattr(self, name)}.")
        if self.n_sleep_updates and not (self.n_sleep_rows or self.beta):
            raise ValueError("sleep needs n_sleep_rows or beta above 0, found 0 for both.")
        if self.n_embedding < 1 or min(self.hidden, default=1) < 1:
            raise ValueError(
                f"n_embedding and each of hidden must be at least 1, found {self.n_embedding} and {self.hidden}."
            )
        choices = {
            "form": ("auto", "full", "chunked", "recurrent"),
            "loss_scale": ("mean", "sum"),
            "weighting": ("none", "fisher"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, found {getattr(self, name)!r}.")


_AS_PUBLISHED = HypernetSettings(
    form="full",
    start="xavier",
    lr=1e-4,
    beta=0.05,
    scaling="mean",
    keeps="latest",
    n_sampled=None,
    look_ahead=True,
    loss_scale="sum",
    n_sleep_updates=0,
)

PUBLISHED: dict[str, HypernetSettings] = {
    "pendulum": _AS_PUBLISHED,
    "cartpole": dataclasses.replace(_AS_PUBLISHED, hidden=(128, 128)),
    "pusher": dataclasses.replace(_AS_PUBLISHED, hidden=(50, 50), activation="elu"),
    "half_cheetah": dataclasses.replace(_AS_PUBLISHED, hidden=(256, 256)),
}
"""HyperCRL's settings by environment (Huang et al. 2021 and the authors' presets)."""


def make_hypernetwork(target: TargetNetwork, settings: HypernetSettings, generator: torch.Generator) -> Hypernetwork:
    """Make the hypernetwork that the settings ask for; all weights are drawn from ``generator``."""
    form = settings.form
    if form == "auto":
        form = "full" if target.n_weights <= LARGEST_FULL else "chunked"
    if form == "full":
        return FullHypernetwork(
            target,
            generator,
            n_embedding=settings.n_embedding,
            hidden=settings.hidden,
            activation=settings.activation,
            start=settings.start,
        )
    shared: dict[str, Any] = {
        "n_embedding": settings.n_embedding,
        "chunk_size": settings.chunk_size,
        "has_base": settings.start == "base",
    }
    if form == "chunked":
        return ChunkedHypernetwork(
            target, generator, hidden=settings.hidden, activation=settings.activation, **shared
        )
    return RecurrentHypernetwork(target, generator, n_hidden=settings.hidden[-1], **shared)


class HypernetLearner(DynamicsLearner):
    """Emits each task's weights from its embedding, and keeps what it emitted for earlier tasks.

    No data is kept: per task there are an embedding and one snapshot of emitted weights.
    """

    def __init__(
        self,
        target: TargetNetwork,
        loss: TaskLoss,
        generator: torch.Generator,
        *,
        settings: HypernetSettings = HypernetSettings(),
        rng: np.random.Generator | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(target, loss, generator)
        self.settings = settings
        self.rng = np.random.default_rng(0) if rng is None else rng
        self.network = make_hypernetwork(target, settings, generator).to(device=device, dtype=dtype)
        self.regulariser = OutputRegulariser(
            beta=settings.beta, scaling=settings.scaling, n_sampled=settings.n_sampled, keeps=settings.keeps
        )
        self.optimiser = ThinAdam(self.network.shared_parameters(), self.network.heads, lr=settings.lr)
        self._embedding_optimiser: ThinAdam | None = None
        self._fishers: dict[int, torch.Tensor] = {}

    def begin_task(self, task: int | None = None) -> int:
        """Snapshot what is emitted for the other tasks, and start Adam afresh; a new task gets an embedding."""
        if task is not None:
            self.check_task(task)
        others = [other for other in range(self.n_tasks) if other != task]
        is_kept = self.settings.beta > 0 or self.settings.sleep_updates > 0
        self.regulariser.snapshot(self.network, others if is_kept else [], self._importance(others))
        if task is None:
            task = self.network.add_task(self.generator)
            self.n_tasks += 1
        self.current = task
        self.optimiser.restart()
        self._embedding_optimiser = ThinAdam([self.network.embeddings[task]], lr=self.settings.lr)
        return task

    def _importance(self, tasks: list[int]) -> torch.Tensor | None:
        if self.settings.weighting == "none" or not tasks:
            return None
        ones = torch.ones(self.target.n_weights).to(self.like())
        return torch.stack([self._fishers.get(task, ones) for task in tasks], dim=1)

    def update(self, task: int, batch: Batch) -> Update:
        """Make one step on a batch of the current task."""
        self.check_current(task)
        assert self._embedding_optimiser is not None
        embedding = self._embedding_optimiser
        self.clear(embedding, "embedding")
        self.clear(self.optimiser, "hyper")
        scale = batch.inputs.shape[-2] if self.settings.loss_scale == "sum" else 1
        has_term = self.regulariser.n_tasks > 0 and self.settings.beta > 0
        chosen = self.regulariser.choose(self.rng) if has_term else []
        looks_ahead = self.settings.look_ahead and bool(chosen)
        loss, term = self._backward(task, batch, scale, [] if looks_ahead else chosen)
        self.step(embedding, "embedding", self.settings.longest_gradient)
        if looks_ahead:
            term = self.regulariser.add_look_ahead(self.network, self.optimiser, chosen, scale)
        norm = self.step(self.optimiser, "hyper", self.settings.longest_gradient)
        return Update(loss, term, norm)

    def _backward(self, task: int, batch: Batch, scale: float, earlier: list[int]) -> tuple[float, float]:
        """Add the gradients of the loss, and of the regulariser of these earlier tasks, whose embeddings stay."""
        embeddings = self.network.embedding([task])
        if earlier:
            embeddings = torch.cat([embeddings, self.regulariser.embeddings_of(earlier)])
        own, others = self.network.emit(embeddings).split_with_sizes([1, len(earlier)])
        loss = self.loss(own.contiguous().view(-1), batch)  # a wide head emits columns: the loss would read in leaps
        total, term = scale * loss, 0.0
        if earlier:
            value = scale * self.regulariser.value(others, earlier)
            total, term = total + value, float(value.detach())
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return float(loss.detach()), term

    def end_task(self, task: int, data: Batch) -> None:
        """Measure the Fisher information of the emitted weights, where it is asked for."""
        if self.settings.weighting == "fisher":
            self._fishers[task] = self._fisher(task, data)

    def sleep(self, imagine: Imagine, n_updates: int | None = None) -> list[Update]:
        """Replay what the models kept of the earlier tasks, and the current one's, say of made-up inputs.

        The loss is that of :mod:`.sleep`; Adam starts afresh, and its step falls to 0. Nothing happens without an
        earlier task. imagine: makes up inputs. n_updates: None for the settings' own number; where both that and beta
        are 0, no snapshots are kept that could be replayed. Gives what each update saw.
        """
        n_updates = self.settings.sleep_updates if n_updates is None else n_updates
        if not n_updates or not self.regulariser.n_tasks:
            return []
        assert self.current is not None
        current = self.current
        tasks = [*(task for task in range(self.n_tasks) if task != current), current]
        embedding = self.network.embeddings[current]
        kept = all_kept(self.regulariser, self.weights(current), embedding, self._importance(tasks))
        self.optimiser.restart()
        updates = []
        for i in range(n_updates):
            # to 0: with a constant step Adam's noise would cost more than drift did
            self.optimiser.lr = self.settings.lr * (1 - i / n_updates)
            updates.append(self._sleep_update(kept, tasks, imagine))
        self.optimiser.lr = self.settings.lr
        return updates

    def _sleep_update(self, kept: OutputRegulariser, tasks: list[int], imagine: Imagine) -> Update:
        """Make one step; components on the bus may edit its gradient and its step, but add no losses of their own."""
        settings, chosen = self.settings, kept.choose(self.rng)
        inputs = None
        if settings.n_sleep_rows:
            sizes = (settings.n_sleep_rows, settings.n_imagined_steps)
            drawn = [imagine(tasks[i], kept.targets_of([i])[:, 0], *sizes, self.generator) for i in chosen]
            inputs = torch.stack(drawn)
        self.optimiser.zero_grad()
        loss, term = sleep_loss(self.network, kept, chosen, inputs)
        (loss + term).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        norm = self.step(self.optimiser, "hyper", settings.longest_gradient)
        return Update(float(loss.detach()), float(term.detach()), norm)

    def _fisher(self, task: int, data: Batch, n_rows: int = 256) -> torch.Tensor:
        """Give the mean squared gradient of single rows' losses, with mean 1 and clipped to 0.05 to 20."""
        weights = self.weights(task)
        rows = self.rng.permutation(len(data.inputs))[:n_rows].tolist()
        fisher = torch.zeros_like(weights)
        for row in rows:
            leaf = weights.clone().requires_grad_()
            loss = self.loss(leaf, Batch(data.inputs[row : row + 1], data.targets[row : row + 1]))
            fisher += torch.autograd.grad(loss, leaf)[0].square()
        return (fisher / fisher.mean().clamp_min(1e-30)).clamp(0.05, 20)

    @torch.no_grad()
    def weights(self, task: int) -> torch.Tensor:
        """Give the weights emitted for a task, shape (n_weights,), without gradients."""
        self.check_task(task)
        return self.network.weights(task)

    def roles(self) -> dict[str, list[torch.nn.Parameter]]:
        """Give the shared parameters as "hyper", and the current embedding as "embedding"."""
        current = [] if self.current is None else [self.network.embeddings[self.current]]
        return {
            "hyper": [*self.network.shared_parameters(), *(head.weight for head in self.network.heads)],
            "embedding": current,
        }

    def memory(self) -> list[Held]:
        """Say what is held: the networks, the snapshots of emitted weights, and the optimiser's moments."""
        kept = [t for t in (self.regulariser.targets, self.regulariser.importance) if t is not None]
        parameters = list(self.network.parameters())
        return [
            Held("hypernetwork", "weights", n_bytes(parameters)),
            Held("optimiser", "statistics", 2 * n_bytes(self.roles()["hyper"])),
            Held("emitted weights of earlier tasks", "snapshot", n_bytes(kept)),
        ]

    def state_dict(self) -> dict[str, Any]:
        """Give parameters, embeddings, snapshots, moments and generators as arrays and plain values."""
        moments = None if self._embedding_optimiser is None else self._embedding_optimiser.state_dict()
        return {
            "current": self.current,
            "hyper": arrays_of(self.roles()["hyper"]),
            "embeddings": arrays_of(list(self.network.embeddings)),
            "optimiser": self.optimiser.state_dict(),
            "embedding_optimiser": moments,
            "regulariser": self.regulariser.state_dict(),
            "fishers": {str(task): fisher.cpu().numpy() for task, fisher in self._fishers.items()},
            "rng": self.rng.bit_generator.state,
            "generator": self.generator.get_state().numpy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state of a learner of the same settings."""
        fill(self.roles()["hyper"], state["hyper"])
        like = self.roles()["hyper"][0].detach()
        saved = [torch.from_numpy(array).to(like) for array in state["embeddings"]]
        self.network.embeddings = torch.nn.ParameterList(torch.nn.Parameter(e) for e in saved)
        self.n_tasks, self.current = len(saved), state["current"]
        self.optimiser.load_state_dict(state["optimiser"])
        self._embedding_optimiser = None
        if state["embedding_optimiser"] is not None:
            self._embedding_optimiser = ThinAdam([self.network.embeddings[self.current]], lr=self.settings.lr)
            self._embedding_optimiser.load_state_dict(state["embedding_optimiser"])
        self.regulariser.load_state_dict(state["regulariser"], like)
        self._fishers = {int(task): torch.from_numpy(fisher).to(like) for task, fisher in state["fishers"].items()}
        self.rng.bit_generator.state = state["rng"]
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))
