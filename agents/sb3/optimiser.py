"""Optimisers that call the bus: extra losses before the task's backward, edits around the step.

All four learners call ``zero_grad -> backward -> [clip] -> step``. Gradients that ``zero_grad`` leaves behind are
therefore part of what the learner clips; a hook before ``step`` would come after the clip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lifelong_rl.agents.component import Bus


class HookedOptimizer(torch.optim.Optimizer):
    """Mixin that puts an optimiser on a bus; without :meth:`attach` it is the bare optimiser.

    A subclass must live in an importable module: one made in a function is pickled by value with a saved agent,
    and its methods then see a detached copy of their globals.
    """

    bus: Bus | None = None
    role: str = ""

    def attach(self, bus: Bus, role: str) -> None:
        """Call ``bus`` from now on, for the parameters named ``role``."""
        self.bus = bus
        self.role = role

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients, then add those of the components' losses."""
        super().zero_grad(set_to_none)
        if self.bus is not None and self.bus.listens("loss"):
            self.bus.add_losses(self.role)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Make the step between the components' ``grad`` and ``update``."""
        if self.bus is None or not (self.bus.listens("grad") or self.bus.listens("update")):
            return super().step(closure)
        params = [param for group in self.param_groups for param in group["params"]]
        self.bus.grad(self.role, params)
        old = [param.detach().clone() for param in params] if self.bus.listens("update") else []
        loss = super().step(closure)
        if old:
            self.bus.update(self.role, params, old)
        return loss


class LifelongAdam(HookedOptimizer, torch.optim.Adam):
    """Adam on the bus: the default of every lifelong agent."""


class LifelongAdamW(HookedOptimizer, torch.optim.AdamW):
    """AdamW on the bus."""


class LifelongRMSprop(HookedOptimizer, torch.optim.RMSprop):
    """RMSprop on the bus."""


class LifelongSGD(HookedOptimizer, torch.optim.SGD):
    """SGD on the bus."""


HOOKED: dict[type[torch.optim.Optimizer], type[HookedOptimizer]] = {
    torch.optim.Adam: LifelongAdam,
    torch.optim.AdamW: LifelongAdamW,
    torch.optim.RMSprop: LifelongRMSprop,
    torch.optim.SGD: LifelongSGD,
}


def hooked(optimizer_class: type[torch.optim.Optimizer]) -> type[HookedOptimizer]:
    """Give the version of an optimiser class that calls the bus; ValueError where there is none."""
    if issubclass(optimizer_class, HookedOptimizer):
        return optimizer_class
    if optimizer_class not in HOOKED:
        known = ", ".join(sorted(known.__name__ for known in HOOKED))
        raise ValueError(
            f"the optimiser {optimizer_class.__name__} is not on the bus; use one of {known}, or a class "
            "'class MyOptimizer(HookedOptimizer, ...)' of your own in an importable module."
        )
    return HOOKED[optimizer_class]
