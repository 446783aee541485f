"""Hypernetworks: from a task's embedding to a target network's weights (Ha et al. 2017; von Oswald et al. 2020)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch

from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.agents.hypernet.thin import ThinLinear


class Hypernetwork(torch.nn.Module):
    """What all forms share: one learned embedding a task, and the weights that it stands for.

    A subclass writes :meth:`emit`. All parameters but the embeddings are shared by the tasks.
    """

    def __init__(self, target: TargetNetwork, n_embedding: int):
        super().__init__()
        self.target = target
        self.n_embedding = n_embedding
        """Numbers in an embedding."""
        self.embeddings = torch.nn.ParameterList()

    @property
    def n_tasks(self) -> int:
        """Tasks that have an embedding."""
        return len(self.embeddings)

    @property
    def heads(self) -> list[ThinLinear]:
        """Give the layers whose gradient is kept as factors."""
        return [module for module in self.modules() if isinstance(module, ThinLinear)]

    def shared_parameters(self) -> list[torch.nn.Parameter]:
        """Give the parameters of all tasks, without the weights of the heads."""
        apart = {id(p) for p in self.embeddings} | {id(head.weight) for head in self.heads}
        return [p for p in self.parameters() if id(p) not in apart]

    def add_task(self, generator: torch.Generator) -> int:
        """Give a new task an embedding drawn from N(0, 1), as von Oswald et al. (2020); give the task's number."""
        reference = next(p for p in self.parameters())
        drawn = torch.empty(self.n_embedding).normal_(generator=generator)
        self.embeddings.append(torch.nn.Parameter(drawn.to(reference)))
        return self.n_tasks - 1

    def embedding(self, tasks: Sequence[int]) -> torch.Tensor:
        """Give the embeddings of some tasks, shape (k, n_embedding); ValueError for a task that has none."""
        missing = [task for task in tasks if not 0 <= task < self.n_tasks]
        if missing:
            raise ValueError(
                f"the hypernetwork has embeddings of {self.n_tasks} tasks, and none of task {missing[0]}."
            )
        if len(tasks) == 1:
            only: torch.Tensor = self.embeddings[tasks[0]]
            return only.unsqueeze(0)
        return torch.stack([self.embeddings[task] for task in tasks])

    @abstractmethod
    def emit(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the weights of k tasks, shape (k, n_embedding) -> (k, n_weights), in one product for all."""

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give what :meth:`emit` gives, so that ``torch.func.functional_call`` finds it."""
        return self.emit(embeddings)

    def weights(self, task: int) -> torch.Tensor:
        """Give the weights of one task, shape (n_weights,)."""
        return self.emit(self.embedding([task]))[0]


def multi_layer_perceptron(
    sizes: Sequence[int], generator: torch.Generator
) -> tuple[torch.nn.ParameterList, torch.nn.ParameterList]:
    """Give matrices and biases of a perceptron, Xavier uniform and zero (Glorot and Bengio 2010)."""
    matrices, biases = torch.nn.ParameterList(), torch.nn.ParameterList()
    for inputs, outputs in pairwise(sizes):
        matrices.append(torch.nn.Parameter(xavier(outputs, inputs, generator)))
        biases.append(torch.nn.Parameter(torch.zeros(outputs)))
    return matrices, biases


def xavier(outputs: int, inputs: int, generator: torch.Generator) -> torch.Tensor:
    """Draw a matrix (outputs, inputs), uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010)."""
    bound = math.sqrt(6 / (inputs + outputs))
    return (2 * torch.empty(outputs, inputs).uniform_(generator=generator) - 1) * bound
