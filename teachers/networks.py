"""Small networks for teachers: perceptrons that live in NumPy arrays and are differentiated by torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.teachers.states import check_shapes

if TYPE_CHECKING:
    from torch import Tensor

Layers: TypeAlias = "list[tuple[Tensor, Tensor]]"


class Networks:
    """Multilayer perceptrons (rectified linear units, linear output) that one optimiser trains together.

    All parameters are one vector, as are the optimiser's moments, and live in NumPy arrays: copies and states are
    plain, and the random numbers of the initialisation come from the generator given. One training step::

        layers = networks.layers()
        networks.step(loss_of(perceptron(layers[0], inputs)))
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[int]],
        rng: np.random.Generator,
        optimiser: Literal["adam", "rmsprop"],
        learning_rate: float,
        last_scale: float = 1.0,
    ) -> None:
        """Draw all weights and biases uniformly in +-1 / sqrt(inputs), torch's own default.

        sizes: for each network the units of its layers, inputs first. last_scale: factor on the last layers, where
        outputs shall begin near 0.
        """
        self._shapes = [list(pairwise(network)) for network in sizes]
        parts = []
        for network in self._shapes:
            scales = [1.0] * (len(network) - 1) + [last_scale]
            for (n_inputs, n_outputs), scale in zip(network, scales, strict=True):
                bound = scale / np.sqrt(n_inputs)
                parts.append(rng.uniform(-bound, bound, (n_inputs + 1) * n_outputs))
        self.parameters: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
        self._optimiser, self._learning_rate = optimiser, np.float32(learning_rate)
        self._mean = np.zeros_like(self.parameters)  # of the gradients and of their squares
        self._square = np.zeros_like(self.parameters)
        self._n_steps = 0
        self._leaf: Any = None

    def layers(self) -> list[Layers]:
        """Give the weights and biases of each network as tensors that :meth:`step` can differentiate by."""
        import torch

        self._leaf = torch.from_numpy(self.parameters).requires_grad_()
        lengths = [length for network in self._shapes for i, o in network for length in (i * o, o)]
        parts = iter(self._leaf.split(lengths))
        return [[(next(parts).view(o, i), next(parts)) for i, o in network] for network in self._shapes]

    def step(self, loss: Tensor) -> None:
        """Make one step down the gradient of a loss of the last :meth:`layers`."""
        import torch

        (gradient,) = torch.autograd.grad(loss, [self._leaf])
        self._leaf = None
        slope = gradient.numpy()
        self._n_steps += 1
        if self._optimiser == "rmsprop":  # Tieleman and Hinton 2012, with their 0.9
            self._square += np.float32(0.1) * (slope**2 - self._square)
            self.parameters -= self._learning_rate * slope / (np.sqrt(self._square) + np.float32(1e-7))
            return
        self._mean += np.float32(0.1) * (slope - self._mean)  # Kingma and Ba 2015, with their 0.9 and 0.999
        self._square += np.float32(0.001) * (slope**2 - self._square)
        mean = self._mean / np.float32(1.0 - 0.9**self._n_steps)
        square = self._square / np.float32(1.0 - 0.999**self._n_steps)
        self.parameters -= self._learning_rate * mean / (np.sqrt(square) + np.float32(1e-8))

    def state_dict(self) -> dict[str, Any]:
        """Give parameters, moments and the number of steps."""
        return {
            "parameters": self.parameters.copy(),
            "mean": self._mean.copy(),
            "square": self._square.copy(),
            "n_steps": self._n_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` of networks of the same sizes gave."""
        check_shapes("networks", state, **dict.fromkeys(("parameters", "mean", "square"), self.parameters.shape))
        self.parameters = state["parameters"].copy()
        self._mean, self._square = state["mean"].copy(), state["square"].copy()
        self._n_steps = state["n_steps"]


def perceptron(layers: Layers, inputs: Tensor) -> Tensor:
    """Give the outputs, shape (n, outputs), of one network at inputs of shape (n, inputs)."""
    from torch.nn.functional import linear

    for weight, bias in layers[:-1]:
        inputs = linear(inputs, weight, bias).relu()
    return linear(inputs, *layers[-1])


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread inside: quicker for small networks, and sums have one order."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
