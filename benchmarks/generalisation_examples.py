"""Our values for the worked examples of curricula: mastery, mean and worst tail over a fixed test set.

Inputs: ``scores`` (or ``returns``, ``test_scores``), one number a test task, or a list of them an evaluation, of
which the last counts for what stands at the end; ``steps`` of the evaluations for the areas. ``threshold`` of
mastery, and ``worst_share`` (or ``alpha``) of the tail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from example_inputs import Example, Examples, attempt, first, resolved, settings, table

from lifelong_rl.evaluation import generalisation

SCORES = ("scores", "test_scores", "scores_eval_task", "returns", "test_returns", "final_scores", "final_returns")


def compare_test_set(example: Example, examples: Examples) -> Mapping[str, Any]:
    inputs, given = resolved(example, examples), settings(example, examples)
    listed = first(inputs, *SCORES)
    if listed is None:
        raise ValueError(
            f"there are no scores among the inputs {', '.join(inputs)}: expected one of {', '.join(SCORES)}"
        )
    scores = np.atleast_2d(np.array(listed, dtype=np.float64))
    threshold = float(first(given, "threshold", "mastery_threshold", default=generalisation.THRESHOLD))
    share = float(first(given, "worst_share", "alpha", "cvar_alpha", "share", default=generalisation.WORST_SHARE))
    summaries = {
        "mastery_rate": lambda: generalisation.mastery_rate(scores, threshold),
        "mean_performance": lambda: scores.mean(axis=1),
        "worst_tenth": lambda: generalisation.worst_mean(scores, share),
    }
    summaries |= {
        "mean_return": summaries["mean_performance"],
        "mean_score": summaries["mean_performance"],
        "cvar": summaries["worst_tenth"],
    }
    steps = first(inputs, "steps", "evaluation_steps", default=list(range(len(scores))))
    ends = {name: lambda of=of: float(of()[-1]) for name, of in summaries.items()}
    areas = {
        f"{name}_area": lambda of=of: attempt(lambda: float(generalisation.mean_over_steps(of(), steps)))
        for name, of in summaries.items()
    }
    curves = {f"{name}_per_evaluation": lambda of=of: table(of().tolist()) for name, of in summaries.items()}
    return ends | areas | curves
