"""Lifelong agents: learners on a bus of components. Importing this package imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifelong_rl.agents.base import LifelongAgent, TaskInfo
from lifelong_rl.agents.components import COMPONENTS
from lifelong_rl.envs.lookup import construct, resolve, unknown_name


@dataclass(frozen=True)
class AgentEntry:
    """A built-in agent: where its class is, and what it can act on."""

    path: str
    action_kinds: tuple[str, ...]


AGENTS = {
    "sac": AgentEntry("lifelong_rl.agents.sb3.learners:LifelongSAC", ("continuous",)),
    "td3": AgentEntry("lifelong_rl.agents.sb3.learners:LifelongTD3", ("continuous",)),
    "dqn": AgentEntry("lifelong_rl.agents.sb3.learners:LifelongDQN", ("discrete",)),
    "ppo": AgentEntry("lifelong_rl.agents.sb3.learners:LifelongPPO", ("discrete", "continuous")),
    "hypercrl": AgentEntry("lifelong_rl.agents.hypernet.agent:HyperCRL", ("continuous",)),
    "hypercrl-published": AgentEntry("lifelong_rl.agents.hypernet.published:PublishedHyperCRL", ("continuous",)),
    "simulated": AgentEntry("lifelong_rl.agents.simulated_agent:SimulatedLearner", ("continuous",)),
}
"""The built-in agents by name."""


def agent_entry(name: str) -> AgentEntry:
    """Give an agent's entry; a plug-in ("module:Class") says by its ``action_kinds`` what it can act on."""
    if name in AGENTS:
        return AGENTS[name]
    if ":" not in name:
        raise unknown_name("agent", name, AGENTS)
    kinds = getattr(resolve("agent", name, {}), "action_kinds", ("discrete", "continuous"))
    return AgentEntry(name, kinds)


def agent_label(name: str, components: Sequence[str]) -> str:
    """Give what tables and folders call an agent: its name and its components', plug-ins without their module."""
    return "+".join(part.rpartition(":")[2] for part in (name, *components))


def make_component(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Make a component by its name or ``module:Class``, with hyper-parameters by name."""
    from lifelong_rl.agents.component import Component

    component_class = resolve("component", name, COMPONENTS)
    if not (isinstance(component_class, type) and issubclass(component_class, Component)):
        raise ValueError(f"the component {name!r} must be a subclass of Component, found {component_class!r}.")
    return construct("component", component_class, options or {})


__all__ = [
    "AGENTS",
    "COMPONENTS",
    "AgentEntry",
    "LifelongAgent",
    "TaskInfo",
    "agent_entry",
    "agent_label",
    "make_component",
]
