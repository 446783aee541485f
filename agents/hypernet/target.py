"""The network whose weights a hypernetwork emits: its layout as one flat vector, and its forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import torch

Layers: TypeAlias = list[tuple[tuple[int, int], torch.Tensor, torch.Tensor]]

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.nn.functional.relu,
    "elu": torch.nn.functional.elu,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
}
"""The activation functions by name."""


def activation_named(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give an activation function by its name; ValueError where there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"an activation must be one of {', '.join(ACTIVATIONS)}, found {name!r}.")
    return ACTIVATIONS[name]


@dataclass(frozen=True)
class TargetNetwork:
    """A multi-layer perceptron (or an ensemble of them) without weights of its own.

    Its weights come as one flat vector of ``n_weights`` numbers: for each layer the matrices (members, outputs,
    inputs), then the biases (members, outputs); last ``n_extra`` numbers that the loss may use as it likes.
    """

    sizes: tuple[int, ...]
    """Width of the input, of each hidden layer, and of the output."""
    activation: str = "relu"
    """One of :data:`ACTIVATIONS`."""
    n_members: int = 1
    """Networks of the ensemble, each with weights of its own."""
    n_extra: int = 0
    """Further numbers that are learned with the weights."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if len(self.sizes) < 2 or min(self.sizes) < 1 or self.n_members < 1:
            raise ValueError(
                "a target network needs the widths of its input and output at least, each 1 or more, and 1 member or "
                f"more, found {self.sizes} and {self.n_members}."
            )
        activation_named(self.activation)

    @cached_property
    def tensor_sizes(self) -> list[int]:
        """Numbers in each tensor, in the order of the flat vector: matrix and bias of each layer, and the rest."""
        sizes = [
            self.n_members * size for inputs, outputs in pairwise(self.sizes) for size in (inputs * outputs, outputs)
        ]
        return [*sizes, self.n_extra] if self.n_extra else sizes

    @property
    def activate(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """The activation function."""
        return ACTIVATIONS[self.activation]

    @property
    def n_weights(self) -> int:
        """Length of the flat vector."""
        return sum(self.tensor_sizes)

    @property
    def n_trunk_weights(self) -> int:
        """Length of the flat vector without the output layer, which stands at its end."""
        n_layers = len(self.sizes) - 1
        return sum(self.tensor_sizes[: 2 * (n_layers - 1)])

    def initial(self, generator: torch.Generator) -> torch.Tensor:
        """Draw usual weights, shape (n_weights,): uniform within 1 / sqrt(inputs), as ``torch.nn.Linear`` has them.

        The extra numbers start at 0.
        """
        fan_ins = [inputs for inputs in self.sizes[:-1] for _ in range(2)]
        parts = [
            (2 * torch.empty(size).uniform_(generator=generator) - 1) / math.sqrt(fan_in)
            for size, fan_in in zip(self.tensor_sizes, fan_ins, strict=False)
        ]
        return torch.cat([*parts, torch.zeros(self.n_extra)])

    def extra(self, weights: torch.Tensor) -> torch.Tensor:
        """Give the extra numbers of a flat vector, shape (n_extra,)."""
        return weights[len(weights) - self.n_extra :]

    def forward(self, weights: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Give the outputs of n inputs, shape (n, inputs) -> (members, n, outputs).

        weights: shape (n_weights,). inputs: shape (n, inputs) for all members alike, or (members, n, inputs).
        """
        tensors = weights.split_with_sizes(self.tensor_sizes)
        n_layers = len(self.sizes) - 1
        layers = list(zip(pairwise(self.sizes), tensors[::2][:n_layers], tensors[1::2], strict=True))
        return self._single(layers, inputs) if self.n_members == 1 else self._ensemble(layers, inputs)

    def _single(self, layers: Layers, inputs: torch.Tensor) -> torch.Tensor:
        activation = self.activate
        values = inputs if inputs.dim() == 2 else inputs[0]
        for i, ((n_inputs, n_outputs), matrix, bias) in enumerate(layers):
            values = torch.nn.functional.linear(values, matrix.view(n_outputs, n_inputs), bias)
            if i < len(layers) - 1:
                values = activation(values)
        return values.unsqueeze(0)

    def _ensemble(self, layers: Layers, inputs: torch.Tensor) -> torch.Tensor:
        activation = self.activate
        values = inputs if inputs.dim() == 3 else inputs.expand(self.n_members, *inputs.shape)
        for i, ((n_inputs, n_outputs), matrix, bias) in enumerate(layers):
            matrices = matrix.view(self.n_members, n_outputs, n_inputs)
            biases = bias.view(self.n_members, 1, n_outputs)
            values = torch.baddbmm(biases, values, matrices.transpose(1, 2))
            if i < len(layers) - 1:
                values = activation(values)
        return values
