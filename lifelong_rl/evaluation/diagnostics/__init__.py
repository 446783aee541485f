"""Diagnostics: what a run's scores and costs say beyond the metrics (docs/diagnostics.md has the formulas)."""

from lifelong_rl.evaluation.diagnostics.forgetting_law import ForgettingLaw, fit_forgetting_law, retained_share
from lifelong_rl.evaluation.diagnostics.freeze_gap import StoppingRegret, freeze_gap, regret_of_stopping
from lifelong_rl.evaluation.diagnostics.learning_curve import (
    LearningCurve,
    Saturation,
    fit_learning_curve,
    saturation,
)
from lifelong_rl.evaluation.diagnostics.memory import (
    MemoryEntry,
    MemoryLedger,
    RankedMethod,
    aligned_ranking,
    area_over_budgets,
    setting_for,
)

__all__ = [
    "ForgettingLaw",
    "LearningCurve",
    "MemoryEntry",
    "MemoryLedger",
    "RankedMethod",
    "Saturation",
    "StoppingRegret",
    "aligned_ranking",
    "area_over_budgets",
    "fit_forgetting_law",
    "fit_learning_curve",
    "freeze_gap",
    "regret_of_stopping",
    "retained_share",
    "saturation",
    "setting_for",
]
