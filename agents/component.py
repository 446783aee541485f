"""The Component base class, and the Bus that calls an agent's components in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch

from lifelong_rl.agents.base import TaskInfo

Parameters: TypeAlias = Sequence[torch.nn.Parameter]


@dataclass(frozen=True)
class RouteContext:
    """Where the agent is about to be used, for components that choose an expert, a mask or a modulation."""

    mode: Literal["act", "train", "eval"]
    """Acting in the training environments, computing on a minibatch, or acting for an evaluation."""
    task: TaskInfo | None
    """What the agent is told of the task in question; None where nothing is told."""
    observations: Any
    """The observations in question, shape (n, ...): arrays when acting, tensors in a minibatch."""


@dataclass
class Transitions:
    """One step of all n training environments. ``rewards`` may be rewritten in place; all else is to be read."""

    observations: Any
    """Shape (n, ...)."""
    actions: np.ndarray[Any, Any]
    """As a buffer stores them (off-policy: scaled to [-1, 1] for a Box), shape (n, ...)."""
    rewards: np.ndarray[Any, Any]
    """Shape (n,); what the learner will see."""
    next_observations: Any
    """Shape (n, ...): the last observation of its own episode where ``dones`` holds."""
    dones: np.ndarray[Any, Any]
    """Whether the episode ended, shape (n,)."""
    timeouts: np.ndarray[Any, Any]
    """Whether it ended by a time limit and not in a terminal state, shape (n,)."""
    untrained: np.ndarray[Any, Any] | None = None
    """Whether the agent must not learn from it, shape (n,); None (the usual case) where it may from all."""


@dataclass(frozen=True)
class TaskData:
    """What an agent still holds of the task that ends, oldest first: off-policy the transitions of its buffer.

    An on-policy agent holds its last rollout: the fields after ``actions`` are then None.
    """

    observations: np.ndarray[Any, Any]
    """Shape (m, ...)."""
    actions: np.ndarray[Any, Any]
    """Shape (m, action size)."""
    rewards: np.ndarray[Any, Any] | None = None
    """Shape (m,)."""
    next_observations: np.ndarray[Any, Any] | None = None
    """Shape (m, ...)."""
    terminals: np.ndarray[Any, Any] | None = None
    """Whether a terminal state was reached (a time limit is none), shape (m,)."""


@dataclass(frozen=True)
class Cost:
    """What a component costs."""

    n_bytes: int = 0
    """Memory held now, in bytes, beyond what the component put into the agent's networks."""
    forward: float = 1.0
    """Forward passes of an update, as a multiple of the bare learner's."""
    backward: float = 1.0
    """Backward passes of an update, as a multiple of the bare learner's."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Bytes by kind, of "weights", "snapshot" (of earlier networks) and "statistics"; the rest is "buffer"."""

    def by_kind(self) -> dict[str, int]:
        """Give the bytes of each kind of memory that there is any of."""
        kinds = dict(self.kinds) | {"buffer": self.n_bytes - sum(self.kinds.values())}
        return {kind: n_bytes for kind, n_bytes in kinds.items() if n_bytes}


class Component:
    """One lifelong-learning mechanism. Every hook is optional; ``__init__`` only stores hyper-parameters.

    ``agent`` is the learner itself (see :class:`lifelong_rl.agents.sb3.lifelong.LifelongMixin`). ``role`` names
    the parameters an optimiser owns: "actor" and "critic" (SAC, TD3), "q" (DQN), "policy" (PPO).
    """

    order: ClassVar[int] = 0
    """Lower comes first in every hook; masks must be last, or a projection would leak into frozen weights."""
    requires: ClassVar[frozenset[str]] = frozenset()
    """What must be there: agent facts ("off_policy", "on_policy") and scenario facts ("boundary", "task_id")."""
    claims: ClassVar[frozenset[str]] = frozenset()
    """What only one component may own: for example "weight-mask:actor"."""

    rng: np.random.Generator
    """The component's own generator, given by the bus before :meth:`build`."""

    def build(self, agent: Any) -> None:
        """Change the networks: they exist, the optimisers do not yet. Online and target networks alike."""

    def begin_task(self, agent: Any, task: TaskInfo) -> None:
        """Hear that a task begins."""

    def end_task(self, agent: Any, data: TaskData) -> None:
        """Hear that the task ends; the place for consolidation."""

    def route(self, agent: Any, context: RouteContext) -> None:
        """Choose the expert, mask or modulation to compute with."""

    def observe(self, agent: Any, transitions: Transitions) -> None:
        """See one vectorised step of training; may rewrite the rewards in place."""

    def sample(self, agent: Any, batch: Any) -> Any:
        """Give the minibatch to train on, just before its forward pass."""
        return batch

    def loss(self, agent: Any, role: str, batch: Any) -> torch.Tensor | None:
        """Give a scalar to add to the role's task loss, before backward and so before any gradient clip."""

    def grad(self, agent: Any, role: str, params: Parameters) -> None:
        """Edit ``.grad`` in place: after the learner's clip, before the optimiser's moments."""

    def update(self, agent: Any, role: str, params: Parameters, old: Sequence[torch.Tensor]) -> None:
        """Edit the parameters in place, knowing the step just made: ``params`` minus ``old``."""

    def tick(self, agent: Any, stats: Mapping[str, Any]) -> None:
        """Act after a training phase, with what the learner logged; nested training is allowed."""

    def evaluate(self, agent: Any, record: Mapping[str, Any]) -> dict[str, float] | None:
        """Give numbers that belong to an evaluation, by name."""

    def state_dict(self) -> dict[str, Any]:
        """Give what :meth:`load_state_dict` needs to continue bit for bit: arrays and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state, after :meth:`build`."""

    def cost(self) -> Cost:
        """Give what the component costs now."""
        return Cost()

    def planned_bytes(self, agent: Any, n_tasks: int) -> int | None:
        """Give the ``n_bytes`` that :meth:`cost` will say once ``n_tasks`` tasks have filled the component and ended.

        It follows from the hyper-parameters and the built agent, without training; the component itself need not be
        built. None (the default) where it cannot be said before.
        """
        return None


HOOKS = (
    "build",
    "begin_task",
    "end_task",
    "route",
    "observe",
    "sample",
    "loss",
    "grad",
    "update",
    "tick",
    "evaluate",
)


class Bus:
    """Calls the components of one agent in their order. A hook that no component writes costs nothing."""

    def __init__(self, components: Sequence[Component], agent: Any, seed: int | None):
        for component in components:
            if not isinstance(component, Component):
                raise TypeError(f"a component must be a Component, found {component!r}.")
        self.components = tuple(sorted(components, key=lambda component: component.order))
        self.agent = agent
        self.batch: Any = None
        """The minibatch in work."""
        _check_claims(self.components)
        _check_requirements(self.components, agent.facts)
        self._listeners = {
            hook: [c for c in self.components if getattr(type(c), hook) is not getattr(Component, hook)]
            for hook in HOOKS
        }
        for i, component in enumerate(self.components):
            component.rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,)))

    def listens(self, hook: str) -> bool:
        """Tell whether any component writes this hook."""
        return bool(self._listeners[hook])

    def build(self) -> bool:
        """Let components change the networks; True if there was one that may have."""
        for component in self._listeners["build"]:
            component.build(self.agent)
        return self.listens("build")

    def begin_task(self, task: TaskInfo) -> None:
        """Announce a task; ValueError where a component needs what the agent is not told."""
        if task.id is None:
            needy = [type(c).__name__ for c in self.components if "task_id" in c.requires]
            if needy:
                raise ValueError(
                    f"{', '.join(needy)} requires the task's id, and the task that begins has none; use a "
                    "scenario of fixed tasks with visibility 'task_id'."
                )
        for component in self._listeners["begin_task"]:
            component.begin_task(self.agent, task)

    def end_task(self, data: TaskData) -> None:
        """Announce the end of the task."""
        for component in self._listeners["end_task"]:
            component.end_task(self.agent, data)

    def route(self, context: RouteContext) -> None:
        """Let components choose what to compute with."""
        for component in self._listeners["route"]:
            component.route(self.agent, context)

    def observe(self, transitions: Transitions) -> None:
        """Show one vectorised step."""
        for component in self._listeners["observe"]:
            component.observe(self.agent, transitions)

    def sample(self, batch: Any) -> Any:
        """Give the minibatch as the components want it, and remember it for :meth:`losses`."""
        for component in self._listeners["sample"]:
            batch = component.sample(self.agent, batch)
        if self.listens("route"):  # after `sample`, which may have added rows
            self.route(RouteContext("train", self.agent.task, batch.observations))
        self.batch = batch
        return batch

    def add_losses(self, role: str) -> None:
        """Add the gradients of the components' losses to those of the role's parameters."""
        losses = [component.loss(self.agent, role, self.batch) for component in self._listeners["loss"]]
        given = [loss for loss in losses if loss is not None]
        if given:
            torch.stack(given).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def grad(self, role: str, params: Parameters) -> None:
        """Let components edit the gradients."""
        for component in self._listeners["grad"]:
            component.grad(self.agent, role, params)

    def update(self, role: str, params: Parameters, old: Sequence[torch.Tensor]) -> None:
        """Let components edit the step that was just made."""
        with torch.no_grad():
            for component in self._listeners["update"]:
                component.update(self.agent, role, params, old)

    def tick(self, stats: Mapping[str, Any]) -> None:
        """Announce the end of a training phase."""
        for component in self._listeners["tick"]:
            component.tick(self.agent, stats)

    def evaluate(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Collect the components' numbers for an evaluation."""
        numbers: dict[str, float] = {}
        for component in self._listeners["evaluate"]:
            numbers |= component.evaluate(self.agent, record) or {}
        return numbers

    def cost(self) -> Cost:
        """Give what all components cost together: bytes add up, and so does what passes exceed the learner's."""
        costs = [component.cost() for component in self.components]
        return Cost(
            sum(cost.n_bytes for cost in costs),
            1.0 + sum(cost.forward - 1.0 for cost in costs),
            1.0 + sum(cost.backward - 1.0 for cost in costs),
            {kind: sum(cost.kinds.get(kind, 0) for cost in costs) for cost in costs for kind in cost.kinds},
        )

    def state_dict(self) -> dict[str, Any]:
        """Give every component's state and generator."""
        states = [
            {"class": type(c).__name__, "rng": c.rng.bit_generator.state, "state": c.state_dict()}
            for c in self.components
        ]
        return {"components": states}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise ValueError where a state is one of other components."""
        saved = [entry["class"] for entry in state["components"]]
        present = [type(component).__name__ for component in self.components]
        if saved != present:
            raise ValueError(
                f"the saved agent has the components {saved or 'none'}, this one {present or 'none'}; "
                "build the agent with the saved ones."
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the states of the same components in the same order."""
        self.check_state(state)
        for component, entry in zip(self.components, state["components"], strict=True):
            component.rng.bit_generator.state = entry["rng"]
            component.load_state_dict(entry["state"])


def _check_claims(components: Sequence[Component]) -> None:
    owners: dict[str, str] = {}
    for component in components:
        name = type(component).__name__
        for claim in sorted(component.claims):
            if claim in owners:
                raise ValueError(f"{owners[claim]} and {name} both claim {claim!r}; use one of them.")
            owners[claim] = name


# Facts of a scenario: the trainer checks them, since an agent alone cannot know them.
SCENARIO_FACTS = frozenset({"boundary", "task_id"})


def _check_requirements(components: Sequence[Component], facts: frozenset[str]) -> None:
    for component in components:
        missing = sorted(component.requires - facts - SCENARIO_FACTS)
        if missing:
            raise ValueError(
                f"{type(component).__name__} requires {', '.join(missing)}, and this agent has only "
                f"{', '.join(sorted(facts))}; choose another agent or leave the component out."
            )
