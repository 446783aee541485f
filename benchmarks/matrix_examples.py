"""Our values for the worked examples whose input is a matrix: GEM, Díaz-Rodríguez, Chaudhry, Avalanche, LIBERO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from example_inputs import (
    Either,
    Example,
    Examples,
    attempt,
    curves_of,
    depth_of,
    first,
    mean,
    resolved,
    settings,
    table,
)
from example_names import found_under

from lifelong_rl.evaluation import Undefined, avalanche, chaudhry, cw, diaz, gem, libero

ONE_TASK = "the formula's 0 of a single task, which we leave undefined"


MATRICES = ("R", "R_seed", "R_seeds", "accuracy_matrix", "score_matrix", "matrix")
BEFORE = ("R_before_training", "R_before_training_seed", "R_before", "untrained", "initial", "b", "baseline")
"""The inputs' names, the first that is there."""

FAMILIES = {
    "gem": ("gem", "lopez"),
    "chaudhry": ("chaudhry",),
    "diaz_rodriguez": ("diaz", "díaz"),
    "avalanche": ("avalanche",),
    "cw_style": ("cw", "continual_world", "continual world"),
}
"""Family -> the words for it in an example's system, for examples with one family and no level for it."""


def compare_matrix(example: Example, examples: Examples) -> Any:
    """Inputs: ``R`` (T, T), ``R_before_training`` (T,) or none; null where nothing was evaluated.

    A row too many is the one before training. Several matrices, one a seed, give a list of values.
    """
    inputs = resolved(example, examples)
    after, before = first(inputs, *MATRICES), first(inputs, *BEFORE)
    if after is None:
        raise ValueError(f"there is no matrix among the inputs {', '.join(inputs)}: expected {' or '.join(MATRICES)}")
    if depth_of(after) == 3:
        after = list(after.values()) if isinstance(after, dict) else after
        befores = list(before.values()) if isinstance(before, dict) else before
        befores = befores if befores is not None and depth_of(befores) == 2 else [before] * len(after)
        ours = of_seeds([values_of_matrix(*pair) for pair in zip(after, befores, strict=True)])
    else:
        ours = values_of_matrix(after, before)
    return ours if any(found_under(key, ours)[0] for key in example["expected"]) else of_named(example, ours)


def of_named(example: Example, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the values of the families that the system names, without the level of families; the first one counts."""
    system = str(example.get("system", "")).lower()
    places = {
        family: min([system.find(w) for w in words if w in system], default=-1) for family, words in FAMILIES.items()
    }
    named = sorted((place, family) for family, place in places.items() if place >= 0)
    found: dict[str, Any] = {}
    for _, family in named:
        found |= {name: value for name, value in ours[family].items() if not found_under(name, found)[0]}
    return found


def of_seeds(ours: Sequence[Any]) -> Any:
    """Give a tree whose leaves are the values of all seeds, in a list."""
    if isinstance(ours[0], Mapping):
        return {key: of_seeds([tree[key] for tree in ours]) for key in ours[0]}
    return lambda: table([leaf() if callable(leaf) else leaf for leaf in ours])


def values_of_matrix(matrix: Any, before: Any) -> Mapping[str, Any]:
    after = np.array(matrix, dtype=np.float64)
    if before is None and len(after) == after.shape[1] + 1:
        before, after = after[0], after[1:]
    if after.ndim != 2 or after.shape[0] != after.shape[1]:
        raise ValueError(f"a matrix must have a row and a column a task, found shape {after.shape}")
    is_whole = bool(np.isfinite(after).all())
    # What was never evaluated above the diagonal is not read by what looks at trained tasks alone
    known = after if is_whole else np.where(np.triu(np.ones_like(after), 1) > 0, 0.0, after)

    def whole() -> Any:
        if not is_whole:
            raise Undefined("a task was not evaluated before it was trained")
        return after

    def backward(take: Callable[[float], float] = float) -> Any:
        return attempt(lambda: take(diaz.backward_transfers(known).mean()))

    def forgotten(take: Callable[[Any], Any], *, from_own: bool) -> Any:
        return attempt(lambda: take(chaudhry.forgetting(known, from_own_training=from_own or not is_whole)))

    def gem_forward(take: Callable[[Any], Any]) -> Any:
        return attempt(lambda: take(forward_transfer(whole(), before)))

    return {
        "gem": {
            "ACC": lambda: gem.average_accuracy(after[-1]),
            "BWT": lambda: attempt(lambda: gem.backward_transfer(known).mean()),
            "FWT": lambda: gem_forward(mean),
            "BWT_per_task": lambda: attempt(lambda: table(gem.backward_transfer(known).tolist())),
            "FWT_per_task": lambda: gem_forward(lambda found: table(found.tolist())),
        },
        "diaz_rodriguez": {
            "A": lambda: diaz.accuracy(known),
            "BWT": backward,
            "FWT": lambda: attempt(lambda: float(diaz.forward_transfers(whole()).mean())),
            "REM": lambda: backward(diaz.remembering),
            "BWT_plus": lambda: backward(diaz.positive_backward_transfer),
        },
        "chaudhry": {
            "forgetting_final": lambda: forgotten(mean, from_own=False),
            "forgetting_final_max_from_own_training": lambda: forgotten(mean, from_own=True),
            "forgetting_per_task": lambda: forgotten(lambda found: table(found.tolist()), from_own=False),
        },
        "cw_style": {
            "average_performance": lambda: gem.average_accuracy(after[-1]),
            "forgetting_incl_last": lambda: one_task_is_zero(known, lambda: cw_forgetting(known).mean()),
            "forgetting_excl_last": lambda: attempt(lambda: cw_forgetting(known)[:-1].mean()),
            "average_incremental": lambda: diaz.average_incremental_accuracy(known),
        },
        "avalanche": avalanche_values(known, lambda: forward_transfer(whole(), before)),
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


def avalanche_values(after: Any, forward: Callable[[], Any]) -> Mapping[str, Callable[[], Any]]:
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
        "forward_transfer_per_exp": lambda: attempt(lambda: table([None, *forward().tolist()])),
        "stream_forward_transfer": lambda: attempt(lambda: forward().mean()),
    }


def lower(after: Any) -> Any:
    """Give a matrix whose upper triangle, which nothing reads, may have been null."""
    scores = np.array(after, dtype=np.float64)
    return np.where(np.triu(np.ones_like(scores), 1) > 0, 0.0, scores)


def compare_libero(example: Example, examples: Examples) -> Any:
    """Inputs: ``success_curves_task_eval_seed`` and ``S_conf_mat_seed`` (seed -> (K, K)), or both of one seed."""
    inputs = resolved(example, examples)
    name = next((name for name in inputs if "curve" in name), None)
    stored = next((value for name, value in inputs.items() if name.startswith("S") or "mat" in name), None)
    if name is None or stored is None:
        raise ValueError(
            f"expected curves and a matrix, such as success_curves_task_eval_seed and S_conf_mat_seed, found "
            f"{', '.join(inputs) or 'nothing'}"
        )
    curves = curves_of(name, inputs[name])
    if isinstance(stored, dict):
        stored = list(stored.values())
    matrices = [lower(after) for after in (stored if depth_of(stored) == 3 else [stored])]
    mode: Any = str(first(settings(example, examples), "mode", default="best"))
    runs = [list(run.values()) for run in curves.runs(curves.keys(0)[0])]

    def each(compute: Callable[[Any, Any], Any]) -> Any:
        return table([compute(run, after) for run, after in zip(runs, matrices, strict=True)])

    def forgotten(after: Any) -> Any:
        return attempt(lambda: libero.negative_backward_transfer(after))

    def areas(run: Any, after: Any) -> Any:
        return libero.area_under_curve(libero.forward_transfer(run, mode), after)

    def mean_forgotten(_: Any, after: Any) -> Any:
        return one_task_is_zero(after, lambda: mean(libero.negative_backward_transfer(after)))

    return {
        "FWT": lambda: each(lambda run, _: mean(libero.forward_transfer(run, mode))),
        "NBT": lambda: each(mean_forgotten),
        "AUC": lambda: each(lambda run, after: mean(areas(run, after))),
        "FWT_per_task": lambda: each(lambda run, _: libero.forward_transfer(run, mode)),
        "NBT_per_task": lambda: each(lambda _, after: forgotten(after)),
        "AUC_per_task": lambda: each(areas),
    }
