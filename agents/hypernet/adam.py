"""Adam over ordinary parameters and thin heads, with a look at the step that it would take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim.adam import adam

from lifelong_rl.agents.hypernet.thin import ThinLinear

SMALL = 2**17
"""Numbers below which plain operations are faster than torch's fused kernel."""

FLUSH_EVERY, TINY = 256, 1e-30
"""Steps after which first moments below this become 0: those of dead units would decay to denormal numbers, which
slow a processor down many times."""


class ThinAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) whose step over a thin head multiplies the gradient block by block.

    parameters: those with ordinary gradients, the heads' biases among them. heads: the layers whose weights are
    updated from the factors of their gradient. Both must stay where they are from then on: the parameters become
    views of one vector.
    """

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        heads: Sequence[ThinLinear] = (),
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        self.parameters = list(parameters)
        self.heads = list(heads)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.n_steps = 0
        self._sizes = [p.numel() for p in self.parameters]
        # One piece of memory for all: a step over many small tensors costs more in calls than in arithmetic.
        self._flat = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        self._gradient = torch.zeros_like(self._flat)
        self._moments = [(torch.zeros_like(self._flat), torch.zeros_like(self._flat))]
        self._moments += [(torch.zeros_like(h.weight), torch.zeros_like(h.weight)) for h in self.heads]
        self._scratch: dict[tuple[str, int], torch.Tensor] = {}
        for parameter, values, gradient in zip(
            self.parameters, self._views(self._flat), self._views(self._gradient), strict=True
        ):
            parameter.data = values
            parameter.grad = gradient

    def _views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Give the parts of a flat vector in the parameters' shapes."""
        return [
            part.view(p.shape) for part, p in zip(flat.split_with_sizes(self._sizes), self.parameters, strict=True)
        ]

    def restart(self) -> None:
        """Forget the moments, as a new optimiser."""
        self.n_steps = 0
        for first, second in self._moments:
            first.zero_()
            second.zero_()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._gradient.zero_()
        for head in self.heads:
            head.clear_gradient()

    # The gradient's length

    def norm(self) -> float:
        """Give the norm of the whole gradient."""
        square = torch.dot(self._gradient, self._gradient)
        for head in self.heads:
            square = square + head.squared_norm()
        return math.sqrt(max(0.0, float(square)))  # rounding of the heads' parts can leave it a little below 0

    def clip(self, longest: float) -> float:
        """Shorten the gradient to a norm of ``longest`` where it is longer; give the norm that it had."""
        norm = self.norm()
        if norm > longest:
            factor = longest / (norm + 1e-6)  # 1e-6: as torch.nn.utils.clip_grad_norm_
            self._gradient.mul_(factor)
            for head in self.heads:
                head.scale_gradient(factor)
        return norm

    # The step

    def step(self) -> None:
        """Make the step."""
        self._adam(self._flat, self._gradient, *self._moments[0])
        for head, moments in zip(self.heads, self._moments[1:], strict=True):
            self._step_head(head, *moments)
        self.n_steps += 1
        if self.n_steps % FLUSH_EVERY == 0:
            for first, _ in self._moments:
                first.masked_fill_(first.abs() < TINY, 0.0)

    def _adam(self, values: torch.Tensor, gradient: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> None:
        beta1, beta2 = self.betas
        if values.numel() < SMALL:  # the fused kernel is called through 50 us of Python
            factor, epsilon = self._corrections()
            first.lerp_(gradient, 1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            values.addcdiv_(first, second.sqrt().add_(epsilon), value=factor)
            return
        adam(
            [values],
            [gradient],
            [first],
            [second],
            [],
            [torch.tensor(float(self.n_steps))],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self.lr,
            weight_decay=0.0,
            eps=self.eps,
            maximize=False,
        )

    def _step_head(self, head: ThinLinear, first: torch.Tensor, second: torch.Tensor) -> None:
        weight = head.weight.detach()
        for rows, gradient in self._gradient_blocks(head):
            self._adam(weight[rows], gradient, first[rows], second[rows])

    def _gradient_blocks(self, head: ThinLinear) -> Iterator[tuple[slice, torch.Tensor]]:
        """Give the gradient of the head's weight block by block, in memory that the next block overwrites."""
        if head.weight.grad is not None:  # a component wrote to it
            head.materialise()
            for rows in head.blocks():
                yield rows, self._block(head, "gradient", rows).copy_(head.weight.grad[rows])
            return
        factors = head.factors()
        if factors is not None:
            left, right = factors
            for rows in head.blocks():
                yield rows, torch.mm(left[rows], right, out=self._block(head, "gradient", rows))

    def _block(self, head: ThinLinear, name: str, rows: slice) -> torch.Tensor:
        """Give memory for some rows of the head's weight, kept from call to call."""
        kept = self._scratch.get((name, id(head)))
        if kept is None:
            shape = (min(head.block_rows, head.weight.shape[0]), head.weight.shape[1])
            kept = self._scratch[name, id(head)] = head.weight.detach().new_empty(shape)
        return kept[: rows.stop - rows.start]

    # The step that it would take

    def _corrections(self) -> tuple[float, float]:
        """Give the factor and the epsilon with which first / (sqrt(second) + epsilon) becomes the next step."""
        beta1, beta2 = self.betas
        n = self.n_steps + 1
        root = (1 - beta2**n) ** 0.5
        return -self.lr * root / (1 - beta1**n), self.eps * root

    def previewed(self) -> list[torch.Tensor]:
        """Give what the ordinary parameters would be after a step from the present gradients, in their order.

        Neither parameters nor moments change.
        """
        beta1, beta2 = self.betas
        factor, epsilon = self._corrections()
        first, second = self._moments[0]
        step = torch.lerp(self._gradient, first, beta1)
        spread = (second * beta2).addcmul_(self._gradient, self._gradient, value=1 - beta2)
        return self._views(torch.addcdiv(self._flat, step, spread.sqrt_().add_(epsilon), value=factor))

    def previewed_blocks(self, head: ThinLinear) -> Iterator[tuple[slice, torch.Tensor]]:
        """Give the head's weight after such a step, block by block, in memory that the next block overwrites."""
        factor, epsilon = self._corrections()
        first, second = self._moments[1 + self.heads.index(head)]
        weight = head.weight.detach()
        beta1, beta2 = self.betas
        for rows, gradient in self._gradient_blocks(head):
            spread = torch.mul(second[rows], beta2, out=self._block(head, "spread", rows))
            spread.addcmul_(gradient, gradient, value=1 - beta2).sqrt_().add_(epsilon)
            step = gradient.lerp_(first[rows], beta1)
            yield rows, torch.addcdiv(weight[rows], step, spread, value=factor, out=step)

    # State

    def state_dict(self) -> dict[str, Any]:
        """Give the moments as arrays: those of the ordinary parameters, then those of each head."""
        moments = [[moment.cpu().numpy().copy() for moment in pair] for pair in self._moments]
        return {"n_steps": self.n_steps, "moments": moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over such a state of an optimiser of the same parameters."""
        self.n_steps = int(state["n_steps"])
        for pair, saved in zip(self._moments, state["moments"], strict=True):
            for moment, values in zip(pair, saved, strict=True):
                moment.copy_(torch.from_numpy(values))
