"""HyperCRL: hypernetworks that emit dynamics models, planners, and the agent that acts with them."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "BASELINES": "baselines",
    "DynamicsModel": "dynamics",
    "DynamicsSettings": "dynamics",
    "HyperCRL": "agent",
    "HypernetLearner": "hyper_learner",
    "HypernetSettings": "hyper_learner",
    "MECHANISMS": "mechanisms",
    "PUBLISHED": "hyper_learner",
    "PublishedHyperCRL": "published",
    "TaskFilter": "inference",
    "infer": "inference",
}


def __getattr__(name: str) -> Any:
    # On first use: the planners beside are listed without torch.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
