"""The full hypernetwork: a perceptron with one output for every weight of the target network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch

from lifelong_rl.agents.hypernet.hypernetwork import Hypernetwork, multi_layer_perceptron, xavier
from lifelong_rl.agents.hypernet.target import TargetNetwork, activation_named
from lifelong_rl.agents.hypernet.thin import ThinLinear

Start: TypeAlias = Literal["base", "xavier"]
"""How the emitted weights start: see :class:`FullHypernetwork`."""

HEAD_SCALE = 0.1
"""What the head's first weights are multiplied with under "base": tasks begin close to the base weights."""


class FullHypernetwork(Hypernetwork):
    """Embedding -> hidden layers -> all weights, the form of Huang et al. (2021, HyperCRL).

    start: "xavier" as published (each target tensor's rows drawn as a layer of their own, zero biases), or "base",
        our default: the head's bias is a usual initialisation of the target network, and its weights are small.
    """

    def __init__(
        self,
        target: TargetNetwork,
        generator: torch.Generator,
        *,
        n_embedding: int = 10,
        hidden: Sequence[int] = (16, 16),
        activation: str = "relu",
        start: Start = "base",
    ):
        super().__init__(target, n_embedding)
        if start not in get_args(Start):
            raise ValueError(f"start must be one of {', '.join(get_args(Start))}, found {start!r}.")
        self.activation = activation_named(activation)
        self.matrices, self.biases = multi_layer_perceptron((n_embedding, *hidden), generator)
        # plain lists: looking the parameters up through torch's modules costs as much as a layer
        self._layers = (list(self.matrices), list(self.biases))
        self.head = ThinLinear((n_embedding, *hidden)[-1], target.n_weights)
        with torch.no_grad():
            self._start_head(start, generator)

    def _start_head(self, start: Start, generator: torch.Generator) -> None:
        n_hidden = self.head.weight.shape[1]
        if start == "xavier":
            parts = [xavier(size, n_hidden, generator) for size in self.target.tensor_sizes]
            self.head.weight.copy_(torch.cat(parts))
        else:
            drawn = 2 * torch.empty(self.head.weight.shape).uniform_(generator=generator) - 1
            self.head.weight.copy_(drawn * HEAD_SCALE / n_hidden**0.5)
            self.head.bias.copy_(self.target.initial(generator))

    def hidden(
        self, embeddings: torch.Tensor, matrices: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Give the hidden units that the head reads, shape (k, n_embedding) -> (k, hidden), with given weights."""
        values = embeddings
        for matrix, bias in zip(matrices, biases, strict=True):
            values = self.activation(torch.nn.functional.linear(values, matrix, bias))
        return values

    @property
    def body(self) -> list[torch.nn.Parameter]:
        """Give the hidden layers' matrices, then their biases."""
        return [*self._layers[0], *self._layers[1]]

    def emit(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the weights of k tasks, shape (k, n_embedding) -> (k, n_weights)."""
        return self.head.forward(self.hidden(embeddings, self._layers[0], self._layers[1]))
