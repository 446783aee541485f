"""Evaluation: the log of a run's scores, the metric families computed from it, and statistics over seeds."""

from lifelong_rl.evaluation.comparison import (
    PerformanceProfile,
    paired_difference,
    performance_profile,
    probability_of_improvement,
    sign_flip_p_value,
)
from lifelong_rl.evaluation.imports import (
    read_csv,
    read_log,
    read_progress,
    read_references,
    read_training_csv,
    write_csv,
)
from lifelong_rl.evaluation.lines import to_line
from lifelong_rl.evaluation.log import EvaluationLog, EvaluationPoint
from lifelong_rl.evaluation.measured import Undefined
from lifelong_rl.evaluation.metrics import FAMILIES, MetricValue, references_by_task, score, score_arrays
from lifelong_rl.evaluation.statistics import Interval, bootstrap_interval, iqm, mean, median, optimality_gap
from lifelong_rl.evaluation.training_log import TrainingLog

__all__ = [
    "FAMILIES",
    "EvaluationLog",
    "EvaluationPoint",
    "Interval",
    "MetricValue",
    "PerformanceProfile",
    "TrainingLog",
    "Undefined",
    "bootstrap_interval",
    "iqm",
    "mean",
    "median",
    "optimality_gap",
    "paired_difference",
    "performance_profile",
    "probability_of_improvement",
    "read_csv",
    "read_log",
    "read_progress",
    "read_references",
    "read_training_csv",
    "references_by_task",
    "score",
    "score_arrays",
    "sign_flip_p_value",
    "to_line",
    "write_csv",
]
