"""The options of l2metrics 3.1.0, under their names there, with its defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args, get_type_hints

Range: TypeAlias = tuple[float, float]
"""The smallest and the largest score of a task."""


@dataclass(frozen=True)
class L2MOptions:
    """How scores are prepared and aggregated; the defaults are those of l2metrics, with both variants of each metric.

    Raises ValueError for a value that is not offered.
    """

    normalization_method: Literal["task", "run", "none"] = "task"
    """Scores are mapped to 1 to 101 by the extremes of each task, by those of the whole run, or left as they are."""
    smoothing_method: Literal["flat", "hanning", "hamming", "bartlett", "blackman", "none"] = "flat"
    """The window of the moving average over each learning block and each reference run."""
    window_length: int | None = None
    """Episodes in that window; None (and for shorter blocks): a fifth of the block, at most 100."""
    smooth_evaluations: bool = False
    """Whether evaluation blocks are smoothed as well (``do_smooth_eval_data`` in l2metrics)."""
    clamp_outliers: bool = False
    """Whether scores are clipped to the task's 10 % and 90 % quantiles, or to ``data_range`` where it is given."""
    data_range: Mapping[str, Range] | Range | None = None
    """The range for clipping and normalising, one for all tasks or by task; None: the extremes of the run itself."""
    ste_averaging_method: Literal["metrics", "time"] = "metrics"
    """Several reference runs of a task: the mean of the metric over them, or the metric with their mean curve."""
    aggregation_method: Literal["mean", "median"] = "mean"
    """How a value for the whole run comes from those of tasks or pairs."""
    variant_mode: Literal["aware", "agnostic"] = "aware"
    """Whether ``label_1`` and ``label_2`` are two tasks or, cut at the first ``_``, one."""
    maintenance_method: Literal["both", "mrlep", "mrtlp"] = "both"
    """What maintenance is measured from: the evaluation after learning (mrlep), the end of learning (mrtlp)."""
    transfer_method: Literal["both", "ratio", "contrast"] = "both"
    """Which form of transfer is given; the difference always is."""
    guard: bool = True
    """Whether ratios over scores that can be negative are undefined; l2metrics gives a number without a meaning."""

    def __post_init__(self) -> None:
        hints = get_type_hints(L2MOptions)
        for field in fields(self):
            allowed, found = get_args(hints[field.name]), getattr(self, field.name)
            if allowed and all(isinstance(word, str) for word in allowed) and found not in allowed:
                raise ValueError(f"{field.name} must be one of {', '.join(allowed)}, found {found!r}.")
        if self.window_length is not None and self.window_length < 1:
            raise ValueError(f"window_length must be at least 1 episode or None, found {self.window_length}.")
        for name, (low, high) in self._ranges():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"data_range of {name} must be two finite rising numbers, found {low}, {high}.")

    def range_of(self, task: str) -> Range | None:
        """Give the range of a task; None where no range is given, ValueError where only this task has none.

        In the mode without variants, the range of a label holds the ranges of all its variants.
        """
        if self.data_range is None or not isinstance(self.data_range, Mapping):
            return self.data_range
        is_agnostic = self.variant_mode == "agnostic"
        found = [r for name, r in self.data_range.items() if (label(name) if is_agnostic else name) == task]
        if not found:
            raise ValueError(
                f"data_range must hold every task of the run, found none for {task!r} in {list(self.data_range)}."
            )
        return min(low for low, _ in found), max(high for _, high in found)

    def _ranges(self) -> list[tuple[str, Range]]:
        if self.data_range is None:
            return []
        if isinstance(self.data_range, Mapping):
            return [(f"task {task!r}", bounds) for task, bounds in self.data_range.items()]
        return [("all tasks", self.data_range)]


def label(task: str) -> str:
    """Give the name of a task without its variant: what stands before the first ``_``."""
    return task.split("_", 1)[0]
