"""Distillation: stay close to what the networks said on stored states of earlier tasks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lifelong_rl.agents.component import Component, Cost, TaskData

Arrays = dict[str, NDArray[Any]]


class Distillation(Component):
    """Keeps states of each task with the networks' outputs at its end, and penalises moving away from them.

    Policies are held by the Kullback-Leibler divergence from the stored to the present distribution, Q values and
    state values by half the mean squared error: policy distillation (Rusu et al. 2016) as behavioural cloning of
    earlier tasks (ClonEx-SAC, Wolczyk et al. 2022), and dark experience replay on values (Buzzega et al. 2020).

    n_states: states kept of each task, drawn evenly from the data at its end.
    weight: of the penalty beside the task loss; divergences and squared errors are averaged over the states.
    batch_size: stored states in a penalty.
    """

    requires = frozenset({"boundary"})

    def __init__(self, n_states: int = 240, weight: float = 1.0, batch_size: int = 64):
        self.n_states = n_states
        self.weight = weight
        self.batch_size = batch_size

    def build(self, agent: Any) -> None:
        """Check the hyper-parameters and start without memory."""
        if self.n_states < 1 or self.weight <= 0 or self.batch_size < 1:
            raise ValueError(
                "Distillation needs n_states >= 1, weight > 0 and batch_size >= 1, found "
                f"{self.n_states}, {self.weight} and {self.batch_size}."
            )
        if "model_based" in getattr(agent, "facts", ()):
            raise ValueError(
                "Distillation keeps what a policy or a value function says of states, and a model-based agent has "
                "neither; choose another agent or leave the component out."
            )
        self._observations: NDArray[Any] | None = None
        self._actions: NDArray[Any] | None = None
        self._targets: dict[str, Arrays] = {}  # by role, then by output
        self._last_penalty: dict[str, float] = {}

    def end_task(self, agent: Any, data: TaskData) -> None:
        """Store states of the task that ends, and renew no earlier target."""
        if not len(data.observations):
            raise ValueError("Distillation found no data of the task that ends; train before end_task().")
        chosen = self.rng.permutation(len(data.observations))[: self.n_states]
        observations, actions = data.observations[chosen], data.actions[chosen]
        self._observations = _joined(self._observations, observations)
        self._actions = _joined(self._actions, actions)
        for role in agent.roles():
            with torch.no_grad():
                outputs = agent.outputs(role, _tensor(observations, agent), _tensor(actions, agent))
            stored = self._targets.setdefault(role, {})
            for name, output in outputs.items():
                stored[name] = _joined(stored.get(name), output.cpu().numpy())

    def loss(self, agent: Any, role: str, batch: Any) -> torch.Tensor | None:
        """Give the weighted penalty of a role on a draw of stored states."""
        if self._observations is None or self._actions is None:
            return None
        rows = self.rng.integers(len(self._observations), size=self.batch_size)
        present = agent.outputs(role, _tensor(self._observations[rows], agent), _tensor(self._actions[rows], agent))
        stored = {name: _tensor(target[rows], agent) for name, target in self._targets[role].items()}
        penalty = distance(stored, present)
        self._last_penalty[role] = penalty.item()
        return self.weight * penalty

    def evaluate(self, agent: Any, record: Mapping[str, Any]) -> dict[str, float]:
        """Give the last penalty of each role."""
        return {f"distillation/{role}": penalty for role, penalty in self._last_penalty.items()}

    def state_dict(self) -> dict[str, Any]:
        """Give the stored states and targets."""
        held = {
            "observations": self._observations,
            "actions": self._actions,
            "targets": self._targets,
            "last_penalty": self._last_penalty,
        }
        return copy.deepcopy(held)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the stored states and targets."""
        held = copy.deepcopy(dict(state))
        self._observations = held["observations"]
        self._actions = held["actions"]
        self._targets = held["targets"]
        self._last_penalty = held["last_penalty"]

    def cost(self) -> Cost:
        """Give the bytes of what is stored; each update computes one more batch."""
        arrays = [a for a in (self._observations, self._actions) if a is not None]
        arrays += [target for outputs in self._targets.values() for target in outputs.values()]
        passes = 2.0 if arrays else 1.0
        return Cost(sum(array.nbytes for array in arrays), passes, passes)

    def planned_bytes(self, agent: Any, n_tasks: int) -> int:
        """Give the bytes of the states and targets of ``n_tasks`` tasks with ``n_states`` or more states each."""
        data = agent.task_data()
        rows = [np.zeros((1, *array.shape[1:]), array.dtype) for array in (data.observations, data.actions)]
        n_bytes = sum(row.nbytes for row in rows)
        for role in agent.roles():
            with torch.no_grad():
                outputs = agent.outputs(role, *(_tensor(row, agent) for row in rows))
            n_bytes += sum(output.nbytes for output in outputs.values())
        return n_tasks * self.n_states * n_bytes


def distance(stored: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Give how far ``present`` outputs are from ``stored`` ones, as one number >= 0.

    Both by the names of the agents' ``outputs``, each of shape (n, ...). Distributions: KL(stored || present),
    averaged over the n states; other numbers: half the squared error, averaged over states and entries.
    """
    terms = []
    if "logits" in stored:
        old, new = functional.log_softmax(stored["logits"], -1), functional.log_softmax(present["logits"], -1)
        terms.append((old.exp() * (old - new)).sum(-1).mean())
    if "mean" in stored:
        terms.append(_gaussian_divergence(stored, present).sum(-1).mean())
    numbers = stored.keys() - {"logits", "mean", "log_std"}
    terms += [0.5 * functional.mse_loss(present[name], stored[name]) for name in sorted(numbers)]
    return torch.stack(terms).sum()


def _gaussian_divergence(stored: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]) -> torch.Tensor:
    old_variance = (2 * stored["log_std"]).exp()
    new_variance = (2 * present["log_std"]).exp()
    squared_error = (stored["mean"] - present["mean"]) ** 2
    return present["log_std"] - stored["log_std"] + (old_variance + squared_error) / (2 * new_variance) - 0.5


def _joined(first: NDArray[Any] | None, second: NDArray[Any]) -> NDArray[Any]:
    return second.copy() if first is None else np.concatenate((first, second))


def _tensor(array: NDArray[Any], agent: Any) -> torch.Tensor:
    return torch.as_tensor(array, device=agent.device)
