"""One file that holds a whole HyperCRL agent: arrays and plain values, without pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.saved_components import component_entries
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes

if TYPE_CHECKING:
    from lifelong_rl.agents.hypernet.agent import HyperCRL


def write(agent: HyperCRL, path: str | Path) -> None:
    """Write an agent's state; what cannot be packed costs no file that is there."""
    Path(path).write_bytes(state_to_bytes(collect(agent)))


def read(path: str | Path) -> dict[str, Any]:
    """Give the state in a file; ValueError where it is damaged, or of another class."""
    state = state_from_bytes(Path(path).read_bytes())
    if state.get("class") != "HyperCRL":
        raise ValueError(f"{path} was not saved by a HyperCRL agent; load it with the class that saved it.")
    return state


def collect(agent: HyperCRL) -> dict[str, Any]:
    """Give an agent's state as a tree of arrays and plain values."""
    agent.actor.count_predictions()
    return {
        "class": "HyperCRL",
        "seed": agent.seed,
        "settings": json.dumps(agent.settings),
        "components": json.dumps(component_entries(agent.components)),
        "sizes": list(agent.sizes),
        "n_envs": agent.stride,
        "num_timesteps": agent.num_timesteps,
        "n_updates": agent._n_updates,
        "predictions": [agent.actor.n_clipped, agent.actor.n_predictions],
        "task": None if agent.task is None else dataclasses.asdict(agent.task),
        "current": agent.current,
        "numbers": agent.numbers,
        "reward_params": agent.reward_params,
        "task_steps": agent.task_steps,
        "steps_since_training": agent.steps_since_training,
        "observations": agent.observations,
        "plans": agent.plans.cpu().numpy(),
        "dynamics": agent.dynamics.state_dict(),
        "data": agent.data.state_dict(),
        "curves": agent.curves.state_dict(),
        "bus": agent.bus.state_dict(),
        "rng": agent.rng.bit_generator.state,
        "generator": agent.generator.get_state().numpy(),
    }


def apply(state: Mapping[str, Any], agent: HyperCRL, path: str | Path) -> None:
    """Take over a state that :func:`collect` gave; ValueError where the agent was built unlike the saved one."""
    check(state, agent, path)
    agent.dynamics.load_state_dict(state["dynamics"])
    agent.data.load_state_dict(state["data"])
    agent.bus.load_state_dict(state["bus"])
    agent.curves.load_state_dict(state["curves"])
    agent.num_timesteps = state["num_timesteps"]
    agent._n_updates = state["n_updates"]
    agent.task = None if state["task"] is None else TaskInfo(**state["task"])
    agent.current, agent.numbers = state["current"], dict(state["numbers"])
    agent.reward_params, agent.task_steps = list(state["reward_params"]), list(state["task_steps"])
    agent.steps_since_training = state["steps_since_training"]
    agent.observations = state["observations"]
    agent.plans = torch.from_numpy(state["plans"].copy()).to(agent.plans)
    agent.rng.bit_generator.state = state["rng"]
    agent.generator.set_state(torch.from_numpy(state["generator"].copy()))
    agent._model_changed()
    agent.actor.n_clipped, agent.actor.n_predictions = state["predictions"]


def check(state: Mapping[str, Any], agent: HyperCRL, path: str | Path) -> None:
    """Raise ValueError where an agent was built unlike the one whose state this is."""
    saved, present = json.loads(state["settings"]), json.loads(json.dumps(agent.settings))
    differing = [name for name in present if name != "device" and saved.get(name) != present[name]]
    if differing:
        name = differing[0]
        raise ValueError(
            f"the agent in {path} has {name} {saved.get(name)}, this one {present[name]}; build it alike."
        )
    for name, found in (("sizes", list(agent.sizes)), ("n_envs", agent.stride)):
        if state[name] != found:
            raise ValueError(
                f"the agent in {path} has {name} {state[name]} (of observation and action), this one {found}; give "
                "it the environments that it was saved with."
            )
    agent.bus.check_state(state["bus"])
