"""Maxima and recoveries that rounding decides: our report with the choices that an expected one made.

A moving average over an even window begins with two equal numbers, and one over successes is as high in many places.
Which of them is the largest, or reaches a threshold first, is up to rounding, which differs with the version of numpy
and the processor: l2metrics itself gives other numbers on another machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lifelong_rl.evaluation import Undefined
from lifelong_rl.evaluation.l2m.comparison import Efficiency, Saturation, averaged, efficiency_of, slope_sign
from lifelong_rl.evaluation.l2m.results import Results
from lifelong_rl.evaluation.l2m.segments import Floats, smooth

TIE = 1e-12
"""What two equal sums may differ by, as a part of the largest number in them."""

ROW_SATURATION, ROW_RECOVERY = 5, 6
"""Where a row of an expected report's regimes holds its positions."""


@dataclass(frozen=True)
class TiedResults(Results):
    """Results in which a tie is broken as the expected report broke it; what is no tie is as it was."""

    expected: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def saturation(self) -> tuple[Floats, Floats]:
        """Saturation of each regime, at the position of the expected row where that is as high."""
        best, at = super().saturation
        at = at.copy()
        for i, wanted in enumerate(self._wanted(ROW_SATURATION)[: len(at)]):
            at[i] = picked(smoothed(self._curve(i)), wanted, at[i])
        return best, at

    @cached_property
    def recovery_times(self) -> Floats:
        """Recovery time of each learning block, that of the expected row where rounding could give either."""
        found = super().recovery_times.copy()
        wanted = self._wanted(ROW_RECOVERY)
        for rows in self.regimes.trained_rows.values():
            for before, i in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
                is_given = i < len(wanted) and wanted[i] is not None and not np.isnan(found[i])
                if is_given and could_recover(self._curve(i), self.terminal[before], int(wanted[i])):
                    found[i] = wanted[i]
        return found

    @cached_property
    def efficiency(self) -> dict[int, Efficiency]:
        """Task -> its sample efficiency, with the positions of the expected task where those are as high."""
        found, tables = {}, self.expected.get("tasks") or {}
        for task in self._compared:
            name = self.regimes.tasks[task]
            table = tables.get(name) or {}
            scores, experiences = self.regimes.averaged.learned(task)
            own = chosen(scores, table.get("se_task_exp_to_sat", 0))
            left = list(
                zip(*(table.get(name) or [] for name in ("ste_saturation_vals", "ste_exp_to_sat_vals")), strict=False)
            )
            of_experts: list[Saturation] = []
            for curve in averaged(self.prepared.experts[name], self.options.ste_averaging_method)[::-1]:
                pair = next((pair for pair in left if np.allclose(chosen(curve, pair[1]), pair, rtol=1e-5)), None)
                of_experts.append(chosen(curve, pair and pair[1]))
                left = [other for other in left if other is not pair]
            try:
                is_falling = slope_sign(experiences, scores) < 0
                found[task] = efficiency_of(own, of_experts[::-1], is_falling=is_falling)
            except Undefined:
                continue
        return found

    def _wanted(self, column: int) -> list[Any]:
        rows: Sequence[Any] = self.expected.get("regimes") or []
        return [row[column] if isinstance(row, list) and len(row) > column else None for row in rows]

    def _curve(self, regime: int) -> Floats:
        data = self.regimes.averaged
        start = data.starts[regime]
        return data.values[start : start + data.lengths[regime]]


def smoothed(values: Floats) -> Floats:
    return smooth(values, np.zeros(1, dtype=np.int64), np.array([len(values)]))


def chosen(scores: Floats, wanted: Any) -> Saturation:
    """Give where a curve saturates: at the wanted position, or at the start for None, where that is as high."""
    averages = smoothed(scores)
    first = float(np.argmax(averages))
    return float(averages.max()), picked(averages, 0 if wanted is None else wanted, first)


def picked(averages: Floats, wanted: Any, found: float) -> float:
    """Give the wanted position where it is as high as the maximum, else the one that was found."""
    if wanted is None or not len(averages) or not 0 <= wanted < len(averages):
        return found
    least = averages.max() - TIE * np.abs(averages).max()
    return float(wanted) if averages[int(wanted)] >= least else found


def could_recover(values: Floats, threshold: float, at: int) -> bool:
    """Whether rounding could find the first value of at least the threshold at a position, one past the last + 1."""
    slack = TIE * max(abs(threshold), float(np.abs(values).max(initial=0.0)))
    is_reached = at == len(values) + 1 or (at < len(values) and values[at] >= threshold - slack)
    return bool(is_reached and (values[:at] < threshold + slack).all())
