"""Our values for the worked examples whose input is a matrix: GEM, Díaz-Rodríguez, Chaudhry, Avalanche, LIBERO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from example_inputs import Either, Example, Examples, attempt, curves_of, depth_of, first, mean, resolved, table

from lifelong_rl.evaluation import Undefined, avalanche, chaudhry, cw, diaz, gem, libero

ONE_TASK = "the formula's 0 of a single task, which we leave undefined"


def compare_matrix(example: Example, examples: Examples) -> Any:
    """Inputs: ``R`` (T, T), ``R_before_training`` (T,) or none."""
    inputs = resolved(example, examples)
    after = np.array(inputs["R"], dtype=np.float64)
    before = first(inputs, "R_before_training", "R_before", "b", "baseline")

    def backward(take: Callable[[float], float] = float) -> Any:
        return attempt(lambda: take(diaz.backward_transfers(after).mean()))

    return {
        "gem": {
            "ACC": lambda: gem.average_accuracy(after[-1]),
            "BWT": lambda: attempt(lambda: gem.backward_transfer(after).mean()),
            "FWT": lambda: attempt(lambda: forward_transfer(after, before).mean()),
        },
        "diaz_rodriguez": {
            "A": lambda: diaz.accuracy(after),
            "BWT": backward,
            "FWT": lambda: attempt(lambda: float(diaz.forward_transfers(after).mean())),
            "REM": lambda: backward(diaz.remembering),
            "BWT_plus": lambda: backward(diaz.positive_backward_transfer),
        },
        "chaudhry": {
            "forgetting_final": lambda: attempt(lambda: chaudhry.forgetting(after).mean()),
            "forgetting_final_max_from_own_training": lambda: attempt(
                lambda: chaudhry.forgetting(after, from_own_training=True).mean()
            ),
        },
        "cw_style": {
            "average_performance": lambda: gem.average_accuracy(after[-1]),
            "forgetting_incl_last": lambda: one_task_is_zero(after, lambda: cw_forgetting(after).mean()),
            "forgetting_excl_last": lambda: attempt(lambda: cw_forgetting(after)[:-1].mean()),
            "average_incremental": lambda: diaz.average_incremental_accuracy(after),
        },
        "avalanche": avalanche_values(after, before),
    }


def forward_transfer(after: Any, before: Any) -> Any:
    if len(after) > 1 and before is None:
        raise Undefined("there is no evaluation before training to compare with")
    return gem.forward_transfer(after, np.zeros(len(after)) if before is None else before)


def cw_forgetting(after: Any) -> Any:
    """Give Continual World's forgetting of a matrix: one evaluation a block, and a window of one."""
    tasks = range(len(after))
    return cw.forgetting(after, np.array(tasks), tasks, window=1)


def one_task_is_zero(after: Any, compute: Callable[[], Any]) -> Any:
    found = attempt(compute)
    return Either(found, 0.0, ONE_TASK) if isinstance(found, Undefined) and len(after) == 1 else found


def avalanche_values(after: Any, before: Any) -> Mapping[str, Callable[[], Any]]:
    def each(sign: float) -> Any:
        found = table((sign * avalanche.forgetting(after)).tolist())
        return Either(Undefined("there is one experience"), found, ONE_TASK) if len(after) == 1 else found

    def stream(sign: float) -> Any:
        return one_task_is_zero(after, lambda: sign * avalanche.stream_forgetting(after))

    return {
        "forgetting_per_exp": lambda: each(1.0),
        "stream_forgetting": lambda: stream(1.0),
        "bwt_per_exp": lambda: each(-1.0),
        "stream_bwt": lambda: stream(-1.0),
        "forward_transfer_per_exp": lambda: attempt(lambda: table([None, *forward_transfer(after, before).tolist()])),
        "stream_forward_transfer": lambda: attempt(lambda: forward_transfer(after, before).mean()),
    }


def compare_libero(example: Example, examples: Examples) -> Any:
    """Inputs: ``success_curves_task_eval_seed`` and ``S_conf_mat_seed`` (seed -> (K, K)), or both of one seed."""
    inputs = resolved(example, examples)
    name = next(name for name in inputs if "curve" in name)
    curves = curves_of(name, inputs[name])
    stored = next(value for name, value in inputs.items() if name.startswith("S") or "mat" in name)
    if isinstance(stored, dict):
        stored = list(stored.values())
    matrices = [np.array(after) for after in (stored if depth_of(stored) == 3 else [stored])]
    runs = [list(run.values()) for run in curves.runs(curves.keys(0)[0])]

    def each(compute: Callable[[Any, Any], Any]) -> Any:
        return table([compute(run, after) for run, after in zip(runs, matrices, strict=True)])

    def forgotten(after: Any) -> Any:
        return attempt(lambda: libero.negative_backward_transfer(after))

    def areas(run: Any, after: Any) -> Any:
        return libero.area_under_curve(libero.forward_transfer(run), after)

    def mean_forgotten(_: Any, after: Any) -> Any:
        return one_task_is_zero(after, lambda: mean(libero.negative_backward_transfer(after)))

    return {
        "FWT": lambda: each(lambda run, _: mean(libero.forward_transfer(run))),
        "NBT": lambda: each(mean_forgotten),
        "AUC": lambda: each(lambda run, after: mean(areas(run, after))),
        "FWT_per_task": lambda: each(lambda run, _: libero.forward_transfer(run)),
        "NBT_per_task": lambda: each(lambda _, after: forgotten(after)),
        "AUC_per_task": lambda: each(areas),
    }
