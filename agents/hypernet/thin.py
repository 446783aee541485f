"""A wide linear layer whose gradient is kept as two thin factors.

The head of a hypernetwork maps a few hidden units to all weights of the target network: tens of millions of numbers.
From a batch of k tasks its gradient is a product of an (outputs, k) and a (k, inputs) matrix, so writing it down
costs more than all else in an update. Here the factors are kept, and the optimiser multiplies them block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

IN_CACHE = 2**20
"""Numbers in a weight that the caches hold: there the usual order of the factors is as fast, and gives rows."""


def _product(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    if weight.numel() <= IN_CACHE:
        return torch.addmm(bias, hidden, weight.t())
    # This order of the factors is twice as fast as the usual one where the weight exceeds the caches.
    return torch.addmm(bias.unsqueeze(1), weight, hidden.t()).t()


class _ThinProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, layer: Any) -> torch.Tensor:
        ctx.save_for_backward(hidden, weight)
        ctx.layer = layer
        return _product(hidden, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        (gradient,) = gradients
        ctx.layer.add_factors(gradient.t(), hidden)
        return torch.mm(gradient, weight), None, gradient.sum(0), None


class ThinLinear(torch.nn.Module):
    """A linear layer that keeps the gradient of its weight as factors; see :meth:`factors`."""

    def __init__(self, n_inputs: int, n_outputs: int):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(n_outputs, n_inputs))
        """Shape (outputs, inputs)."""
        self.bias = torch.nn.Parameter(torch.zeros(n_outputs))
        self._left: list[torch.Tensor] = []
        self._right: list[torch.Tensor] = []
        # A MiB a block: its weight, moments and gradient stay in a core's own caches together. Small weights are one
        # block, since each costs some calls.
        size = n_inputs * n_outputs
        self.block_rows = n_outputs if size <= 2**19 else max(1, 2**18 // n_inputs)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Give the outputs for k inputs, shape (k, inputs) -> (k, outputs)."""
        if not torch.is_grad_enabled():
            return _product(hidden, self.weight, self.bias)
        outputs: torch.Tensor = _ThinProduct.apply(hidden, self.weight, self.bias, self)  # type: ignore[no-untyped-call]
        return outputs

    def add_factors(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add ``left @ right`` to the weight's gradient, shapes (outputs, k) and (k, inputs)."""
        self._left.append(left.detach())
        self._right.append(right.detach())

    def clear_gradient(self) -> None:
        """Forget the weight's gradient."""
        self._left.clear()
        self._right.clear()
        self.weight.grad = None

    def _join(self) -> None:
        if len(self._left) > 1:
            self._left[:] = [torch.cat(self._left, dim=1)]
            self._right[:] = [torch.cat(self._right, dim=0)]

    def factors(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Give the gradient's factors, shapes (outputs, k) and (k, inputs); None where there is no gradient."""
        self._join()
        return (self._left[0], self._right[0]) if self._left else None

    def materialise(self) -> None:
        """Write the whole gradient to ``weight.grad``, added to what stands there, for those who edit it."""
        factors = self.factors()
        if factors is not None:
            if self.weight.grad is None:
                self.weight.grad = torch.mm(*factors)
            else:
                self.weight.grad.addmm_(*factors)
            self._left.clear()
            self._right.clear()

    def scale_gradient(self, factor: float) -> None:
        """Multiply the weight's gradient."""
        if self.weight.grad is not None:
            self.weight.grad.mul_(factor)
        self._left[:] = [left * factor for left in self._left]

    def squared_norm(self) -> torch.Tensor:
        """Give the sum of the squares of the weight's gradient, without writing it: |UV|^2 = <U'U, VV'>."""
        if self.weight.grad is not None:
            self.materialise()
            return self.weight.grad.square().sum()
        factors = self.factors()
        if factors is None:
            return self.weight.new_zeros(())
        left, right = factors
        return torch.dot(torch.mm(left.t(), left).view(-1), torch.mm(right, right.t()).view(-1))

    def blocks(self) -> Iterator[slice]:
        """Give the blocks of rows to work through."""
        for start in range(0, self.weight.shape[0], self.block_rows):
            yield slice(start, min(start + self.block_rows, self.weight.shape[0]))
