"""What each metric of the family means: sign, window, reference and source."""

from __future__ import annotations

from dataclasses import replace

from lifelong_rl.evaluation.l2m.options import L2MOptions
from lifelong_rl.evaluation.l2m.transfer import Direction, Form
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.metrics import Definition

SOURCE = "New et al. 2022, Lifelong Learning Metrics, arXiv 2201.08278; l2metrics 3.1.0"
OURS = "New et al. 2022, arXiv 2201.08278, before it is divided; l2metrics has no such form"

LEARNING = "every learning block, a stretch of training episodes on one task in one block"
EVALUATIONS = "the episodes of the evaluation before training and of those at the ends of blocks"


def definition(name: str, options: L2MOptions, value: Measured) -> Definition:
    """Give the definition of a metric with one value a task, with how the scores were prepared in its window."""
    window, reference, formula = _TEXTS[name]
    return _prepared(
        Definition("l2m", name, "higher is better", window, reference, f"{SOURCE}; {formula}", value), options
    )


def transfer_definition(direction: Direction, form: Form, options: L2MOptions, value: Measured) -> Definition:
    """Give the definition of a form of transfer."""
    formula, neutral = _FORMS[form]
    when = "before" if direction == "forward" else "after"
    found = Definition(
        family="l2m",
        name=f"{direction}_transfer_{form}",
        sign="higher is better",
        window=f"{EVALUATIONS}: the two next to each other around another task's learning block, {when} the "
        "evaluated task's first one",
        reference="the agent's own evaluation before the other task's learning block",
        source=f"{OURS if form == 'difference' else SOURCE}; {formula}, neutral is {neutral}; "
        f"{options.aggregation_method} over the first occurrence of each pair of tasks",
        measured=value,
    )
    return _prepared(found, options)


def _prepared(found: Definition, options: L2MOptions) -> Definition:
    """Add to the window how the scores were prepared, since no number means anything without it."""
    smoothing = "no smoothing"
    if options.smoothing_method != "none":
        length = f"{options.window_length} episodes" if options.window_length else "a fifth of the block, at most 100"
        smoothing = f"learning blocks smoothed ({options.smoothing_method} window, {length})"
    clamping = ""
    if options.clamp_outliers:
        clamping = ", clipped to data_range" if options.data_range else ", clipped to the 10 % and 90 % quantiles"
    if options.normalization_method == "none":
        scale = "raw scores"
    elif options.data_range is not None:
        scale = "scores mapped to 1 to 101 by data_range"
    else:
        whose = "each task's" if options.normalization_method == "task" else "all tasks'"
        scale = f"scores mapped to 1 to 101 by {whose} extremes in this run, so that runs share no scale"
    return replace(found, window=f"{found.window}; {smoothing}{clamping}; {scale}")


_TEXTS: dict[str, tuple[str, str, str]] = {
    "perf_recovery": (
        f"{LEARNING}, from a task's second on",
        "the last tenth of the task's learning block before",
        "minus the Theil-Sen slope of the episodes (not steps) to recover, for tasks with three learning blocks",
    ),
    "avg_train_perf": (LEARNING, "none", "mean over a task's blocks of the block's mean, trained tasks that are not "
                       "evaluated included"),
    "avg_eval_perf": (EVALUATIONS, "none", "mean over a task's evaluations of the evaluation's mean"),
    "perf_maintenance_mrlep": (
        EVALUATIONS,
        "the first evaluation after the task's latest learning block",
        "mean difference over later evaluations, in points of the scale (not a fraction); negative is forgetting",
    ),
    "perf_maintenance_mrtlp": (
        EVALUATIONS,
        "the last tenth of the task's latest learning block",
        "mean difference over later evaluations, in points of the scale (not a fraction); negative is forgetting",
    ),
    "ste_rel_perf": (
        "the first episodes of all of a task's learning blocks, as many as the single-task run has",
        "single-task runs",
        "ratio of the summed scores, neutral is 1",
    ),
    "sample_efficiency": (
        "the moving average over all of a task's learning blocks",
        "single-task runs",
        "ratio of saturation times ratio of episodes (not steps) to it, neutral is 1; 0 where the score falls or "
        "stays below a fifth of the single-task run's",
    ),
}  # fmt: skip

_FORMS: dict[Form, tuple[str, int]] = {
    "ratio": ("after / before", 1),
    "contrast": ("(after - before) / (after + before)", 0),
    "difference": ("after - before", 0),
}
