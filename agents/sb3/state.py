"""What of an SB3 learner its zip leaves out: buffer, counters, components, and every generator's state."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from lifelong_rl.agents.component import Component
from lifelong_rl.envs.lookup import hyperparameters, import_path, resolve
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes

if TYPE_CHECKING:
    from lifelong_rl.agents.sb3.lifelong import LifelongMixin

COMPONENTS_FILE = "lifelong/components.json"
STATE_FILE = "lifelong/state.npz"


def write(archive: zipfile.ZipFile, agent: LifelongMixin) -> None:
    """Add the agent's components and state to its zip."""
    components = [{"class": import_path(type(c)), "hyperparameters": hyperparameters(c)} for c in agent.components]
    archive.writestr(COMPONENTS_FILE, json.dumps(components))
    archive.writestr(STATE_FILE, state_to_bytes(collect(agent)))


def read(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Give the state in a zip; ValueError where a bare SB3 learner wrote it."""
    if STATE_FILE not in archive.namelist():
        raise ValueError(
            f"{archive.filename} was not saved by a lifelong agent (it lacks {STATE_FILE}); "
            "load it with the SB3 class that saved it."
        )
    return state_from_bytes(archive.read(STATE_FILE))


def read_components(archive: zipfile.ZipFile) -> list[Component]:
    """Make the components that a zip names, anew."""
    if COMPONENTS_FILE not in archive.namelist():
        raise ValueError(f"{archive.filename} was not saved by a lifelong agent (it lacks {COMPONENTS_FILE}).")
    entries = json.loads(archive.read(COMPONENTS_FILE))
    return [resolve("component", entry["class"], {})(**entry["hyperparameters"]) for entry in entries]


def collect(agent: LifelongMixin) -> dict[str, Any]:
    """Give the state of an agent as a tree of arrays and plain values."""
    episodes = [[float(info["r"]), int(info["l"])] for info in agent.ep_info_buffer or ()]
    return {
        "counters": {k: v for k, v in vars(agent).items() if isinstance(v, bool | int | float)},
        "episodes": episodes,
        "successes": [float(success) for success in agent.ep_success_buffer or ()],
        "episode_starts": getattr(agent, "_last_episode_starts", None),
        "bus": agent.bus.state_dict(),
        "buffer": _replay_state(getattr(agent, "replay_buffer", None)),
        "generators": global_generators() | {"action_space": agent.action_space.np_random.bit_generator.state},
    }


def apply(state: Mapping[str, Any], agent: LifelongMixin) -> None:
    """Take over a state that :func:`collect` gave."""
    vars(agent).update(state["counters"])
    if state["episodes"] or agent.ep_info_buffer is not None:
        _prepare_statistics(agent)
        agent.ep_info_buffer.extend({"r": r, "l": n, "t": 0.0} for r, n in state["episodes"])
        agent.ep_success_buffer.extend(state["successes"])
    agent._last_episode_starts = state["episode_starts"]
    agent.bus.load_state_dict(state["bus"])
    if state["buffer"] is not None:
        _restore_replay(agent.replay_buffer, state["buffer"])  # type: ignore[attr-defined]  # off-policy ones
    agent.action_space.np_random.bit_generator.state = state["generators"]["action_space"]
    set_global_generators(state["generators"])


def global_generators() -> dict[str, Any]:
    """Give the states of the global generators that SB3 and torch draw from."""
    version, internal, gauss = random.getstate()
    name, keys, pos, has_gauss, cached = np.random.get_state()  # type: ignore[misc]  # its legacy tuple form
    states: dict[str, Any] = {
        "python": {"version": version, "internal": np.array(internal, dtype=np.uint64), "gauss": gauss},
        "numpy": {"name": name, "keys": keys, "pos": pos, "has_gauss": has_gauss, "cached": cached},
        "torch": torch.get_rng_state().numpy(),
    }
    if torch.cuda.is_available():
        states["cuda"] = [device.numpy() for device in torch.cuda.get_rng_state_all()]
    return states


def set_global_generators(states: Mapping[str, Any]) -> None:
    """Set the global generators as :func:`global_generators` found them."""
    python, legacy = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["internal"].tolist()), python["gauss"]))
    np.random.set_state((legacy["name"], legacy["keys"], legacy["pos"], legacy["has_gauss"], legacy["cached"]))
    torch.set_rng_state(torch.from_numpy(states["torch"].copy()))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.from_numpy(device.copy()) for device in states["cuda"]])


def _prepare_statistics(agent: LifelongMixin) -> None:
    from collections import deque

    agent.ep_info_buffer = deque(maxlen=agent._stats_window_size)
    agent.ep_success_buffer = deque(maxlen=agent._stats_window_size)


_REPLAY_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def _replay_state(buffer: ReplayBuffer | None) -> dict[str, Any] | None:
    if buffer is None:
        return None
    n = buffer.size()
    arrays: dict[str, Any] = {}
    for name in _REPLAY_ARRAYS:
        array = getattr(buffer, name, None)
        if isinstance(array, dict):
            arrays[name] = {key: value[:n] for key, value in array.items()}
        elif array is not None:
            arrays[name] = array[:n]
    return {"pos": buffer.pos, "full": buffer.full, "arrays": arrays}


def _restore_replay(buffer: ReplayBuffer, state: Mapping[str, Any]) -> None:
    for name, saved in state["arrays"].items():
        array = getattr(buffer, name)
        pairs = [(array[key], saved[key]) for key in saved] if isinstance(saved, dict) else [(array, saved)]
        for present, values in pairs:
            if values.shape[1:] != present.shape[1:] or len(values) > len(present):
                raise ValueError(
                    f"the saved replay buffer's {name} have shape {values.shape}, this agent's {present.shape}; "
                    "build the agent with the saved settings."
                )
            present[: len(values)] = values
    buffer.pos, buffer.full = state["pos"], state["full"]
