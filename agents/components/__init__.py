"""Components: one lifelong-learning mechanism each, hung on an agent's bus."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lifelong_rl.agents.components.distillation import Distillation
    from lifelong_rl.agents.components.replay import ReservoirReplay

COMPONENTS = {
    "reservoir-replay": "lifelong_rl.agents.components.replay:ReservoirReplay",
    "distillation": "lifelong_rl.agents.components.distillation:Distillation",
}
"""The built-in components by name; each is imported when it is first asked for."""

__all__ = ["COMPONENTS", "Distillation", "ReservoirReplay"]


def __getattr__(name: str) -> Any:
    for path in COMPONENTS.values():
        module, _, attribute = path.partition(":")
        if attribute == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
