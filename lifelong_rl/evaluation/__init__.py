"""Evaluation: the log of a run's scores, the metric families computed from it, and statistics over seeds."""

from lifelong_rl.evaluation.log import EvaluationLog, EvaluationPoint, EvaluationRecord, to_line
from lifelong_rl.evaluation.metrics import FAMILIES, MetricValue, Undefined, score
from lifelong_rl.evaluation.statistics import Interval, bootstrap_interval, iqm

__all__ = [
    "FAMILIES",
    "EvaluationLog",
    "EvaluationPoint",
    "EvaluationRecord",
    "Interval",
    "MetricValue",
    "Undefined",
    "bootstrap_interval",
    "iqm",
    "score",
    "to_line",
]
