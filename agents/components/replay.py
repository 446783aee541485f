"""Replay of earlier tasks: per-task reservoirs mixed into the minibatches of off-policy learners."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import Component, Cost, TaskData, Transitions

Columns = dict[str, NDArray[Any]]


class ReservoirReplay(Component):
    """Keeps a uniform sample of each task's transitions, and adds as many of earlier tasks to each minibatch.

    Reservoir sampling is algorithm R (Vitter 1985); replay with a reservoir a task is experience replay as in
    Chaudhry et al. 2019 and Continual World (Wolczyk et al. 2021). Needs a Box or discrete observation.

    n_per_task: transitions kept of each task.
    share: replayed transitions in a minibatch, as a multiple of its own size.
    """

    requires = frozenset({"off_policy", "boundary"})

    def __init__(self, n_per_task: int = 1000, share: float = 1.0):
        self.n_per_task = n_per_task
        self.share = share

    def build(self, agent: Any) -> None:
        """Check the hyper-parameters and start without memory."""
        if self.n_per_task < 1 or self.share <= 0:
            raise ValueError(
                f"ReservoirReplay needs n_per_task >= 1 and share > 0, found {self.n_per_task} and {self.share}."
            )
        if isinstance(agent.observation_space.sample(), dict):
            raise ValueError("ReservoirReplay needs an array observation, found a dictionary.")
        self._memory: list[Columns] = []  # one entry an earlier task
        self._current: Columns | None = None
        self._n_seen = 0

    def begin_task(self, agent: Any, task: TaskInfo) -> None:
        """Start a new reservoir."""
        self._current = None
        self._n_seen = 0

    def observe(self, agent: Any, transitions: Transitions) -> None:
        """Offer the step's transitions to the current task's reservoir."""
        terminals = transitions.dones & ~transitions.timeouts
        n, shape = len(terminals), agent.replay_buffer.obs_shape  # a discrete observation: (n,) seen, (n, 1) stored
        rows: Columns = {
            "observations": np.asarray(transitions.observations).reshape(n, *shape),
            "actions": np.asarray(transitions.actions).reshape(n, -1),
            "rewards": transitions.rewards,
            "next_observations": np.asarray(transitions.next_observations).reshape(n, *shape),
            "terminals": terminals,
        }
        if self._current is None:
            self._current = {k: np.zeros((self.n_per_task, *v.shape[1:]), v.dtype) for k, v in rows.items()}
        for i in range(n):
            if transitions.untrained is not None and transitions.untrained[i]:
                continue
            slot = self._n_seen
            self._n_seen += 1
            if slot >= self.n_per_task:
                slot = int(self.rng.integers(self._n_seen))
            if slot < self.n_per_task:
                for name, column in self._current.items():
                    column[slot] = rows[name][i]

    def end_task(self, agent: Any, data: TaskData) -> None:
        """Close the reservoir: from now on it is replayed."""
        if self._current is not None:
            n = min(self._n_seen, self.n_per_task)
            self._memory.append({name: column[:n].copy() for name, column in self._current.items()})
        self._current = None
        self._n_seen = 0

    def sample(self, agent: Any, batch: Any) -> Any:
        """Append transitions of earlier tasks, drawn evenly over the tasks, to a minibatch."""
        if not self._memory:
            return batch
        drawn = self._draw(max(1, round(self.share * len(batch.rewards))))
        device = batch.rewards.device
        old = {name: torch.as_tensor(column, device=device) for name, column in drawn.items()}
        fields = {
            "observations": old["observations"],
            "actions": old["actions"],
            "next_observations": old["next_observations"],
            "dones": old["terminals"].to(batch.dones.dtype).reshape(-1, 1),
            "rewards": old["rewards"].reshape(-1, 1),
        }
        joined = {k: torch.cat((getattr(batch, k), v.to(getattr(batch, k).dtype))) for k, v in fields.items()}
        if batch.discounts is not None:  # n-step minibatches: what is replayed are single steps
            single = torch.full_like(joined["rewards"][len(batch.rewards) :], agent.gamma)
            joined["discounts"] = torch.cat((batch.discounts, single))
        return batch._replace(**joined)

    def _draw(self, n: int) -> Columns:
        tasks = self.rng.integers(len(self._memory), size=n)
        sizes = np.array([len(memory["rewards"]) for memory in self._memory])
        rows = (self.rng.random(n) * sizes[tasks]).astype(np.int64)
        order = np.argsort(tasks, kind="stable")
        tasks, rows = tasks[order], rows[order]
        parts = [(memory, rows[tasks == i]) for i, memory in enumerate(self._memory)]
        return {name: np.concatenate([m[name][chosen] for m, chosen in parts]) for name in self._memory[0]}

    def state_dict(self) -> dict[str, Any]:
        """Give all reservoirs."""
        return copy.deepcopy({"memory": self._memory, "current": self._current, "n_seen": self._n_seen})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over all reservoirs."""
        self._memory = copy.deepcopy(state["memory"])
        self._current = copy.deepcopy(state["current"])
        self._n_seen = state["n_seen"]

    def cost(self) -> Cost:
        """Give the reservoirs' bytes; minibatches grow by ``share`` once there is an earlier task."""
        reservoirs = self._memory + ([self._current] if self._current else [])
        growth = 1.0 + (self.share if self._memory else 0.0)
        return Cost(sum(column.nbytes for r in reservoirs for column in r.values()), growth, growth)

    def planned_bytes(self, agent: Any, n_tasks: int) -> int:
        """Give the bytes of ``n_tasks`` full reservoirs, with rows as the agent's own buffer stores them."""
        buffer = agent.replay_buffer
        observation = np.dtype(agent.observation_space.dtype).itemsize * int(np.prod(buffer.obs_shape))
        action = np.dtype(buffer.actions.dtype).itemsize * int(buffer.action_dim)
        reward = np.dtype(buffer.rewards.dtype).itemsize
        row = 2 * observation + action + reward + 1  # 1: whether the state is terminal
        return int(n_tasks * self.n_per_task * row)
