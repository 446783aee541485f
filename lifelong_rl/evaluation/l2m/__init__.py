"""The metrics of l2metrics 3.1.0 (New et al. 2022): recovery, maintenance, transfer, and comparison with experts."""

from lifelong_rl.evaluation.l2m.comparison import area_between_curves
from lifelong_rl.evaluation.l2m.family import l2m_metrics
from lifelong_rl.evaluation.l2m.from_log import experts_of, regimes_of
from lifelong_rl.evaluation.l2m.options import L2MOptions
from lifelong_rl.evaluation.l2m.preparation import Experts
from lifelong_rl.evaluation.l2m.regimes import Regime, Regimes
from lifelong_rl.evaluation.l2m.report import l2metrics_report

__all__ = [
    "Experts",
    "L2MOptions",
    "Regime",
    "Regimes",
    "area_between_curves",
    "experts_of",
    "l2m_metrics",
    "l2metrics_report",
    "regimes_of",
]
