"""Train lifelong reinforcement-learning agents over task curricula and score their transfer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lifelong_rl.evaluation import EvaluationLog, score
    from lifelong_rl.scenarios import Block, Scenario, condensed, curriculum, single
    from lifelong_rl.tracking.report import report_run
    from lifelong_rl.tracking.run_folder import RunFolder
    from lifelong_rl.training.config import AgentConfig, RunConfig
    from lifelong_rl.training.references import train_references
    from lifelong_rl.training.trainer import RunInterrupted, Trainer, ensure_trained, resume, train

_HOMES = {
    "AgentConfig": "lifelong_rl.training.config",
    "Block": "lifelong_rl.scenarios",
    "EvaluationLog": "lifelong_rl.evaluation",
    "RunConfig": "lifelong_rl.training.config",
    "RunFolder": "lifelong_rl.tracking.run_folder",
    "RunInterrupted": "lifelong_rl.training.trainer",
    "Scenario": "lifelong_rl.scenarios",
    "Trainer": "lifelong_rl.training.trainer",
    "condensed": "lifelong_rl.scenarios",
    "curriculum": "lifelong_rl.scenarios",
    "ensure_trained": "lifelong_rl.training.trainer",
    "report_run": "lifelong_rl.tracking.report",
    "resume": "lifelong_rl.training.trainer",
    "score": "lifelong_rl.evaluation",
    "single": "lifelong_rl.scenarios",
    "train": "lifelong_rl.training.trainer",
    "train_references": "lifelong_rl.training.references",
}

__all__ = [
    "AgentConfig",
    "Block",
    "EvaluationLog",
    "RunConfig",
    "RunFolder",
    "RunInterrupted",
    "Scenario",
    "Trainer",
    "condensed",
    "curriculum",
    "ensure_trained",
    "report_run",
    "resume",
    "score",
    "single",
    "train",
    "train_references",
]


def __getattr__(name: str) -> Any:
    # On first use: importing lifelong_rl must not wait for torch.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lifelong_rl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
