"""What a Stable-Baselines3 learner holds in memory, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from stable_baselines3.common.save_util import recursive_getattr

from lifelong_rl.agents.base import Held
from lifelong_rl.agents.sb3.buffers import REPLAY_ARRAYS, ROLLOUT_ARRAYS

if TYPE_CHECKING:
    from lifelong_rl.agents.sb3.lifelong import LifelongMixin


def held_by(agent: LifelongMixin) -> list[Held]:
    """Give what a learner holds: what its zip holds of it, and its buffers with the room for what is to come.

    Networks are online and target networks with everything that components put into them.
    """
    names, variables = agent._get_torch_save_params()
    things = [recursive_getattr(agent, name) for name in (*names, *variables)]
    optimizers = [thing for thing in things if isinstance(thing, torch.optim.Optimizer)]
    networks = [thing for thing in things if not isinstance(thing, torch.optim.Optimizer)]
    replay, rollout = getattr(agent, "replay_buffer", None), getattr(agent, "rollout_buffer", None)
    parts = [
        Held("networks", "weights", _bytes_of(networks)),
        Held("optimisers", "statistics", _bytes_of(dict(optimizer.state) for optimizer in optimizers)),
        Held("replay buffer", "buffer", _bytes_of(getattr(replay, n, None) for n in (*REPLAY_ARRAYS, "untrained"))),
        Held(
            "rollout buffer", "buffer", _bytes_of(getattr(rollout, n, None) for n in (*ROLLOUT_ARRAYS, "untrained"))
        ),
        Held("last rollout", "buffer", _bytes_of(getattr(agent, "_last_rollout", None))),
    ]
    for component in agent.bus.components:
        name = type(component).__name__
        parts += [Held(name, kind, n_bytes) for kind, n_bytes in component.cost().by_kind().items()]
    return [part for part in parts if part.n_bytes]


def _bytes_of(thing: Any) -> int:
    """Give the bytes of the arrays and tensors in a tree, each counted once."""
    found: dict[int, int] = {}
    _collect(thing, found)
    return sum(found.values())


def _collect(thing: Any, found: dict[int, int]) -> None:
    if isinstance(thing, torch.nn.Module):
        _collect([*thing.parameters(), *thing.buffers()], found)
    elif isinstance(thing, torch.Tensor):
        found[thing.data_ptr() or id(thing)] = thing.nbytes
    elif isinstance(thing, np.ndarray):
        found[id(thing)] = thing.nbytes
    elif isinstance(thing, Mapping):
        _collect(thing.values(), found)
    elif isinstance(thing, Iterable) and not isinstance(thing, str):
        for entry in thing:
            _collect(entry, found)
