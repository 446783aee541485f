"""HyperCRL's update step by step as Huang et al. (2021) describe it, with a Python loop over tasks and over tensors.

It is what `hypercrl_speed.py` compares our update with, and what the tests hold our update to. Nothing here is fast.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor


class LoopedHypernetwork:
    """A perceptron from a task embedding to all tensors of a target network, one linear head a tensor."""

    def __init__(self, sizes, hidden, activation, n_tasks, *, n_embedding=10, dtype=torch.float32, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.activation = activation

        def matrix(outputs, inputs):
            bound = (6 / (inputs + outputs)) ** 0.5
            drawn = (2 * torch.rand(outputs, inputs, generator=generator, dtype=dtype) - 1) * bound
            return drawn.requires_grad_()

        widths = [n_embedding, *hidden]
        self.shapes = [shape for i, o in pairwise(sizes) for shape in ((o, i), (o,))]
        self.theta: list[Tensor] = []
        for inputs, outputs in pairwise(widths):
            self.theta += [matrix(outputs, inputs), torch.zeros(outputs, dtype=dtype, requires_grad=True)]
        for shape in self.shapes:
            size = torch.Size(shape).numel()
            self.theta += [matrix(size, widths[-1]), torch.zeros(size, dtype=dtype, requires_grad=True)]
        self.n_body = 2 * len(hidden)
        self.embeddings = [
            torch.randn(n_embedding, generator=generator, dtype=dtype).requires_grad_() for _ in range(n_tasks)
        ]

    def emit(self, embedding: Tensor, theta: list[Tensor]) -> list[Tensor]:
        """Give the target network's tensors."""
        values = embedding
        for matrix, bias in zip(theta[0 : self.n_body : 2], theta[1 : self.n_body : 2], strict=True):
            values = self.activation(torch.nn.functional.linear(values, matrix, bias))
        heads = theta[self.n_body :]
        return [
            torch.nn.functional.linear(values, matrix, bias).view(shape)
            for matrix, bias, shape in zip(heads[::2], heads[1::2], self.shapes, strict=True)
        ]


def predict(tensors: list[Tensor], inputs: Tensor) -> Tensor:
    """Run a ReLU perceptron with these matrices and biases."""
    values = inputs
    for i, (matrix, bias) in enumerate(zip(tensors[::2], tensors[1::2], strict=True)):
        values = torch.nn.functional.linear(values, matrix, bias)
        if 2 * i + 2 < len(tensors):
            values = torch.relu(values)
    return values


class LoopedUpdate:
    """The update of the newest task: own loss, embedding's step, look-ahead, regulariser, shared parameters' step."""

    def __init__(self, network: LoopedHypernetwork, *, beta=0.05, lr=1e-4, longest=5.0):
        self.network, self.beta, self.longest = network, beta, longest
        self.task = len(network.embeddings) - 1
        self.theta = torch.optim.Adam(network.theta, lr=lr)
        self.embedding = torch.optim.Adam([network.embeddings[-1]], lr=lr)
        with torch.no_grad():
            self.targets = [
                [tensor.clone() for tensor in network.emit(e, network.theta)] for e in network.embeddings[:-1]
            ]

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        """Make one update on a batch."""
        network = self.network
        self.theta.zero_grad()
        self.embedding.zero_grad()
        predictions = predict(network.emit(network.embeddings[-1], network.theta), inputs)
        loss = (predictions - targets).square().sum() / targets.shape[1]
        loss.backward()
        torch.nn.utils.clip_grad_norm_([network.embeddings[-1]], self.longest)
        self.embedding.step()
        if self.task:
            (len(inputs) * self.beta / self.task * self._drift()).backward()
        torch.nn.utils.clip_grad_norm_(network.theta, self.longest)
        self.theta.step()

    def _drift(self) -> Tensor:
        network, steps = self.network, self._would_be_steps()
        drift = torch.zeros((), dtype=network.theta[0].dtype)
        for embedding, targets in zip(network.embeddings[:-1], self.targets, strict=True):
            ahead = [parameter + step for parameter, step in zip(network.theta, steps, strict=True)]
            for emitted, target in zip(network.emit(embedding.detach(), ahead), targets, strict=True):
                drift = drift + (emitted - target).square().sum()
        return drift

    @torch.no_grad()
    def _would_be_steps(self) -> list[Tensor]:
        """Give the step that Adam would make from the present gradients, on copies of its moments."""
        group = self.theta.param_groups[0]
        beta1, beta2 = group["betas"]
        steps = []
        for parameter in self.network.theta:
            state = self.theta.state.get(parameter, {})
            first = state["exp_avg"].clone() if state else torch.zeros_like(parameter)
            second = state["exp_avg_sq"].clone() if state else torch.zeros_like(parameter)
            n = float(state["step"]) + 1 if state else 1.0
            first.mul_(beta1).add_(parameter.grad, alpha=1 - beta1)
            second.mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)
            spread = (second.sqrt() / (1 - beta2**n) ** 0.5).add_(group["eps"])
            steps.append(-group["lr"] / (1 - beta1**n) * first / spread)
        return steps
