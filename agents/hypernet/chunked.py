"""Chunked and recurrent hypernetworks: the weights of the target network in pieces from one small generator."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch

from lifelong_rl.agents.hypernet.hypernetwork import Hypernetwork, multi_layer_perceptron, xavier
from lifelong_rl.agents.hypernet.target import TargetNetwork, activation_named


def usual_chunk_size(n_weights: int) -> int:
    """Give a chunk's length that keeps generator and number of chunks small alike: four times the square root."""
    return max(1, min(n_weights, round(4 * math.sqrt(n_weights))))


class _InChunks(Hypernetwork):
    def __init__(
        self,
        target: TargetNetwork,
        generator: torch.Generator,
        n_embedding: int,
        n_chunk_embedding: int,
        chunk_size: int | None,
        has_base: bool,
    ):
        super().__init__(target, n_embedding)
        self.chunk_size = usual_chunk_size(target.n_weights) if chunk_size is None else chunk_size
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, found {chunk_size}.")
        self.n_chunks = math.ceil(target.n_weights / self.chunk_size)
        drawn = torch.empty(self.n_chunks, n_chunk_embedding).normal_(generator=generator)
        self.chunk_embeddings = torch.nn.Parameter(drawn)
        self.base = torch.nn.Parameter(target.initial(generator)) if has_base else None

    @abstractmethod
    def chunks(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the pieces of k tasks, shape (k, n_chunks, chunk_size)."""

    def emit(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the weights of k tasks, shape (k, n_embedding) -> (k, n_weights): the last piece's tail is cut off."""
        pieces = self.chunks(embeddings)
        weights = pieces.reshape(len(embeddings), -1)[:, : self.target.n_weights]
        return weights if self.base is None else weights + self.base


class ChunkedHypernetwork(_InChunks):
    """One perceptron for all pieces, told by an embedding which piece to emit (von Oswald et al. 2020, section 2.3).

    All pieces of all tasks come from one batch. has_base: whether trained weights common to all tasks are added to
    what is emitted (our default; the published form has none).
    """

    def __init__(
        self,
        target: TargetNetwork,
        generator: torch.Generator,
        *,
        n_embedding: int = 10,
        n_chunk_embedding: int = 10,
        hidden: Sequence[int] = (32, 32),
        activation: str = "relu",
        chunk_size: int | None = None,
        has_base: bool = True,
    ):
        super().__init__(target, generator, n_embedding, n_chunk_embedding, chunk_size, has_base)
        self.activation = activation_named(activation)
        sizes = (n_embedding + n_chunk_embedding, *hidden)
        self.matrices, self.biases = multi_layer_perceptron(sizes, generator)
        self.head = torch.nn.Parameter(xavier(self.chunk_size, sizes[-1], generator) * (0.1 if has_base else 1.0))
        self.head_bias = torch.nn.Parameter(torch.zeros(self.chunk_size))

    def chunks(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the pieces of k tasks, shape (k, n_chunks, chunk_size)."""
        # The first layer is linear in (task, chunk), so its two halves are computed once each and added.
        matrix, split = self.matrices[0], self.n_embedding
        of_tasks = embeddings @ matrix[:, :split].t()
        of_chunks = torch.nn.functional.linear(self.chunk_embeddings, matrix[:, split:], self.biases[0])
        values = self.activation(of_tasks.unsqueeze(1) + of_chunks)
        for matrix, bias in zip(list(self.matrices)[1:], list(self.biases)[1:], strict=True):
            values = self.activation(torch.nn.functional.linear(values, matrix, bias))
        return torch.nn.functional.linear(values, self.head, self.head_bias)


class RecurrentHypernetwork(_InChunks):
    """A GRU that emits the pieces one after another, so that a layer's weights may depend on those before.

    The idea is that of dependency-preserving hypernetworks (Chandra et al. 2023, WACV; its abstract was all that
    could be read): the task's embedding starts the state, the pieces' embeddings are the inputs in order.
    """

    def __init__(
        self,
        target: TargetNetwork,
        generator: torch.Generator,
        *,
        n_embedding: int = 10,
        n_chunk_embedding: int = 10,
        n_hidden: int = 32,
        chunk_size: int | None = None,
        has_base: bool = True,
    ):
        super().__init__(target, generator, n_embedding, n_chunk_embedding, chunk_size, has_base)
        self.start = torch.nn.Parameter(xavier(n_hidden, n_embedding, generator))
        self.input_matrix = torch.nn.Parameter(xavier(3 * n_hidden, n_chunk_embedding, generator))
        self.state_matrix = torch.nn.Parameter(xavier(3 * n_hidden, n_hidden, generator))
        self.gate_bias = torch.nn.Parameter(torch.zeros(3 * n_hidden))
        self.head = torch.nn.Parameter(xavier(self.chunk_size, n_hidden, generator) * (0.1 if has_base else 1.0))
        self.head_bias = torch.nn.Parameter(torch.zeros(self.chunk_size))

    def chunks(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Give the pieces of k tasks, shape (k, n_chunks, chunk_size); the GRU of Cho et al. (2014)."""
        state = torch.tanh(embeddings @ self.start.t())
        inputs = torch.nn.functional.linear(self.chunk_embeddings, self.input_matrix, self.gate_bias)
        states = []
        for of_input in inputs.unbind():
            reset, update, candidate = of_input.chunk(3)
            state_reset, state_update, state_candidate = (state @ self.state_matrix.t()).chunk(3, dim=1)
            kept = torch.sigmoid(update + state_update)
            proposed = torch.tanh(candidate + torch.sigmoid(reset + state_reset) * state_candidate)
            state = kept * state + (1 - kept) * proposed
            states.append(state)
        return torch.nn.functional.linear(torch.stack(states, dim=1), self.head, self.head_bias)
