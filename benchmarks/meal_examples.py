"""Our values for the worked examples of MEAL, whose input is curves (see ``curve_examples.py``).

Further inputs: ``e`` or ``training_end_idx``, the end of a task's block, and ``k`` or ``end_window_evals``, the
window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from curve_examples import Stream, by_method
from example_inputs import Either, Example, Examples, attempt, first, mean, settings, table

from lifelong_rl.evaluation import Undefined, cw, meal


def compare_meal(example: Example, examples: Examples) -> Any:
    given = settings(example, examples)
    window = first(given, "k", "end_window_evals", "window")
    end = first(given, "e", "training_end_idx", "end_of_training", "training_end")
    return by_method(
        example,
        examples,
        lambda stream: meal_values(replace(stream, active=np.maximum(stream.active, 0)), end, window),
    )


def meal_values(stream: Stream, end: Any, window: int | None) -> Mapping[str, Callable[[], Any]]:
    curves = [run[:, k] for run in stream.runs for k in stream.trained]
    ends = np.resize(np.cumsum(np.bincount(stream.active)) - 1 if end is None else end, len(curves))

    def over(values: Sequence[Any], undefined_as: float | None) -> Any:
        """Give the numbers a task and their mean; what is undefined there is 0 in their code, or left out (None)."""
        kept = [undefined_as if isinstance(v, Undefined) else v for v in values]
        kept = [v for v in kept if v is not None]
        ours = np.array(values, dtype=object).reshape(len(stream.runs), -1).tolist()
        by_formula = table(
            np.array([0.0 if isinstance(v, Undefined) else v for v in values]).reshape(len(stream.runs), -1).tolist(),
            stream.names,
        )
        whole = mean(kept) if kept else Undefined("no task has a number")
        return Either(
            table(ours, stream.names),
            Either(by_formula, whole, "the mean over tasks"),
            "undefined is 0 or left out in their code",
        )

    def weighted() -> Any:
        found = [
            attempt(lambda c=c, e=e: meal.weighted_forgetting(c, int(e), minimum=1e-8))
            for c, e in zip(curves, ends, strict=True)
        ]
        return over(found, 0.0)

    def peak() -> Any:
        n = min(len(curves[0]), window or meal.WINDOW)
        return over([meal.peak_forgetting(curve, n) for curve in curves], 0.0)

    def transfer() -> Any:
        if not stream.has_baselines:
            return Undefined("there are no reference runs to compare with")
        found = []
        for run in stream.runs:
            # curves as long as their baselines are those of the training alone
            is_whole = all(len(curve) == len(run) for runs in stream.baselines for curve in runs)
            own = list(run.T) if is_whole else cw.training_curves(run, stream.active, stream.trained)
            for curve, base in zip(own, stream.baselines, strict=True):
                reference = mean([meal.area(c) for c in base])
                found.append(attempt(lambda c=curve, r=reference: meal.relative_gain(meal.area(c), r, minimum=1e-8)))
        return over(found, None)

    return {
        "weighted_forgetting": weighted,
        "weighted": weighted,
        "peak_final": peak,
        "peak_final_forgetting": peak,
        "forward_transfer": transfer,
    }
