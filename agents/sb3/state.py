"""What of an SB3 learner its zip leaves out: buffer, counters, components, and every generator's state."""

from __future__ import annotations

import json
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.generators import global_generators, set_global_generators
from lifelong_rl.agents.saved_components import component_entries, made_components
from lifelong_rl.agents.sb3.buffers import REPLAY_ARRAYS, HookedReplay
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes

if TYPE_CHECKING:
    from lifelong_rl.agents.sb3.lifelong import LifelongMixin

COMPONENTS_FILE = "lifelong/components.json"
STATE_FILE = "lifelong/state.npz"


def pack(agent: LifelongMixin) -> dict[str, bytes]:
    """Give the files to add to an agent's zip, by name: its components and its state."""
    entries = component_entries(agent.components)
    return {COMPONENTS_FILE: json.dumps(entries).encode(), STATE_FILE: state_to_bytes(collect(agent))}


@contextmanager
def opened(path: Any) -> Iterator[zipfile.ZipFile]:
    """Open an agent's zip to read; ValueError where it is damaged, so that nothing of it is taken over."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"its part {damaged} does not have the checksum it was saved with")
            yield archive
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is damaged, or no saved agent: {error}. Use an earlier checkpoint.") from error


def read(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Give the state in a zip; ValueError where a bare SB3 learner wrote it."""
    if STATE_FILE not in archive.namelist():
        raise ValueError(
            f"{archive.filename} was not saved by a lifelong agent, or was cut short (it lacks {STATE_FILE}); load "
            "it with the SB3 class that saved it, or use an earlier checkpoint."
        )
    return state_from_bytes(archive.read(STATE_FILE))


def read_components(archive: zipfile.ZipFile) -> list[Component]:
    """Make the components that a zip names, anew."""
    return made_components(json.loads(archive.read(COMPONENTS_FILE)))


def collect(agent: LifelongMixin) -> dict[str, Any]:
    """Give the state of an agent as a tree of arrays and plain values."""
    episodes = [[float(info["r"]), int(info["l"])] for info in agent.ep_info_buffer or ()]
    return {
        "counters": {k: v for k, v in vars(agent).items() if isinstance(v, bool | int | float)},
        "task": None if agent.task is None else asdict(agent.task),
        "episodes": episodes,
        "successes": [float(success) for success in agent.ep_success_buffer or ()],
        "episode_starts": getattr(agent, "_last_episode_starts", None),
        "bus": agent.bus.state_dict(),
        "buffer": _replay_state(getattr(agent, "replay_buffer", None)),
        "rollout": getattr(agent, "_last_rollout", None),
        "generators": global_generators() | {"action_space": agent.action_space.np_random.bit_generator.state},
    }


def check(state: Mapping[str, Any], agent: LifelongMixin) -> None:
    """Raise ValueError where an agent was built unlike the one whose state this is."""
    for name in ("n_envs", "buffer_size"):
        saved, present = state["counters"].get(name), getattr(agent, name, None)
        if saved != present:
            raise ValueError(
                f"the saved agent has {name} {saved}, this one {present}; build the agent with the saved settings."
            )
    agent.bus.check_state(state["bus"])


def apply(state: Mapping[str, Any], agent: LifelongMixin, keep: frozenset[str] = frozenset()) -> None:
    """Take over a state that :func:`collect` gave, but for the attributes named in ``keep``."""
    vars(agent).update({name: value for name, value in state["counters"].items() if name not in keep})
    agent.task = None if state["task"] is None else TaskInfo(**state["task"])
    episodes = ({"r": r, "l": n, "t": 0.0} for r, n in state["episodes"])
    agent.ep_info_buffer = deque(episodes, maxlen=agent._stats_window_size)
    agent.ep_success_buffer = deque(state["successes"], maxlen=agent._stats_window_size)
    agent._last_episode_starts = state["episode_starts"]
    agent.bus.load_state_dict(state["bus"])
    if hasattr(agent, "_last_rollout"):
        agent._last_rollout = state["rollout"]
    if state["buffer"] is not None:
        _restore_replay(agent.replay_buffer, state["buffer"])  # type: ignore[attr-defined]  # off-policy ones
    agent.action_space.np_random.bit_generator.state = state["generators"]["action_space"]
    set_global_generators(state["generators"])


def _replay_state(buffer: ReplayBuffer | None) -> dict[str, Any] | None:
    if buffer is None:
        return None
    n = buffer.size()
    arrays: dict[str, Any] = {}
    for name in REPLAY_ARRAYS:
        array = getattr(buffer, name, None)
        if isinstance(array, dict):
            arrays[name] = {key: value[:n] for key, value in array.items()}
        elif array is not None:
            arrays[name] = array[:n]
    untrained = getattr(buffer, "untrained", None)
    left_out = {
        "untrained": None if untrained is None else untrained[:n],
        "n_left_out": getattr(buffer, "n_left_out", 0),
    }
    return {"pos": buffer.pos, "full": buffer.full, "arrays": arrays} | left_out


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
    if isinstance(buffer, HookedReplay):
        buffer.n_left_out, buffer.untrained = state.get("n_left_out", 0), None
        if state.get("untrained") is not None:
            buffer.untrained = np.zeros((buffer.buffer_size, buffer.n_envs), np.bool_)
            buffer.untrained[: len(state["untrained"])] = state["untrained"]
