"""Our values for the worked examples whose input is curves: Continual World, CORA and COOM; MEAL reads them too.

The inputs of curves say their axes in their names (``curves_method_seed_task_eval``; model is method, run is seed,
env is task); curves of single-task runs have "baseline", "single" or "reference" in theirs. Further inputs:

* ``task_sequence``: the trained tasks in order, with repeats; else the tasks in order of the curves. Where it repeats
  tasks, there may be a curve for each task or for each block. ``n_cycles`` (CORA) repeats the tasks so often.
* ``evals_per_task``: evaluations of each block; else the evaluations are divided evenly. One more than that is the
  evaluation before training.
* ``evaluation_steps`` and ``steps_per_task`` (CORA): where the evaluations lie; those exactly on a boundary are then
  in no region, as in CORA's code. ``rolling_mean`` (CORA): evaluations of the moving average.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from example_inputs import (
    Draw,
    Either,
    Example,
    Examples,
    Table,
    attempt,
    find_curves,
    first,
    index_path,
    mean,
    resolved,
    settings,
    table,
)

from lifelong_rl.evaluation import Undefined, coom, cora, cw

N_RESAMPLES = 4000

CYCLES = ("n_cycles", "num_cycles", "cycles")
PER_BLOCK = ("evals_per_task", "evaluations_per_task", "evals_per_env", "evals_per_block", "task_length", "chunk")
STEPS = ("evaluation_steps", "eval_steps", "steps")
STEPS_PER_TASK = ("steps_per_task", "num_task_steps", "task_steps")
"""Names of inputs and of what a protocol sets; the first that is there."""


@dataclass(frozen=True)
class Stream:
    """One method's runs: a curve for each block, and where the blocks are."""

    names: Sequence[str]
    """The task of each block."""
    runs: Sequence[Any]
    """One (n_evaluations, n_blocks) table a seed."""
    active: Any
    """The block at each evaluation, -1 for one before training."""
    baselines: Sequence[Sequence[Any]]
    """The curves of single-task runs of each block's task; empty where there are none."""

    @property
    def in_training(self) -> Stream:
        """The same without an evaluation before training, which only CORA looks at."""
        inside = self.active >= 0
        return replace(self, runs=[run[inside] for run in self.runs], active=self.active[inside])

    @property
    def has_baselines(self) -> bool:
        """Whether every block's task has a single-task run."""
        return bool(self.baselines) and all(map(len, self.baselines))

    @property
    def trained(self) -> range:
        """The column of each block's task."""
        return range(len(self.names))

    def shorter(self, window: int) -> int:
        """Give the window, or the evaluations of the shortest block where that has fewer."""
        return min(window, int(np.bincount(self.active).min()))


def streams(example: Example, examples: Examples) -> dict[str, Stream]:
    """Read the runs of each method."""
    given = settings(example, examples)
    curves, baseline = find_curves(resolved(example, examples))
    keys = curves.keys(2)
    repeats = int(first(given, *CYCLES, default=1))
    listed = first(given, "task_sequence", "tasks", "envs")
    is_listed = isinstance(listed, (list, tuple))
    if not is_listed and len(keys) == 1 and baseline is not None and len(baseline.keys(2)) > 1:
        listed, is_listed = baseline.keys(2), True  # one curve of whatever task is trained, and a baseline of each
    names = list(listed) if is_listed else [str(key) for key in keys]
    if len(set(names)) == len(names):
        names *= repeats
    of_block = keys_of(names, keys)
    n = len(next(iter(curves.values.values())))
    per_block = int(first(given, *PER_BLOCK, default=n // len(names)))
    if per_block < 1 or n < per_block * (len(names) - 1) + 1:
        raise ValueError(f"{n} evaluations are too few for {len(names)} blocks of {per_block}: give {PER_BLOCK[0]}")
    references = baselines_of(baseline, names)
    n_before = int(n == per_block * len(names) + 1)  # one more than the blocks have: before training
    active = np.minimum((np.arange(n) - n_before) // per_block, len(names) - 1)
    return {
        str(method): Stream(
            names, [np.array([run[key] for key in of_block]).T for run in curves.runs(method)], active, references
        )
        for method in curves.keys(0)
    }


def first_seen(names: Sequence[str]) -> list[int]:
    """Give, for each name, its position among the different names."""
    different = list(dict.fromkeys(names))
    return [different.index(name) for name in names]


def baselines_of(baseline: Any, names: Sequence[str]) -> list[list[Any]]:
    return [] if baseline is None else [baseline.of_task(key) for key in keys_of(names, baseline.keys(2))]


def keys_of(names: Sequence[str], keys: Sequence[Any]) -> list[Any]:
    """Give the key of each block's curve: its task's name, else the block's index, else its task's."""
    if set(names) <= set(keys):
        return list(names)
    if len(keys) == 1:
        return [keys[0]] * len(names)
    return list(keys) if len(keys) == len(names) else [keys[i] for i in first_seen(names)]


def by_method(example: Example, examples: Examples, values: Callable[[Stream], Any]) -> Any:
    """Give the values of each method, without the level of methods where the expected values have none."""
    found = {method: values(stream) for method, stream in streams(example, examples).items()}
    return found if set(example["expected"]) <= set(found) else next(iter(found.values()))


# Continual World


def compare_continual_world(example: Example, examples: Examples) -> Any:
    return by_method(example, examples, lambda stream: continual_world(stream.in_training))


def continual_world(stream: Stream) -> Mapping[str, Callable[[], Any]]:
    """Give our values; their code cuts the baseline runs to as many as every task has, so either may be expected."""
    whole, n_common = continual_world_values(stream), min(map(len, stream.baselines), default=0)
    if all(len(runs) == n_common for runs in stream.baselines):
        return whole
    cut = continual_world_values(replace(stream, baselines=[runs[:n_common] for runs in stream.baselines]))
    note = f"with {n_common} baseline run(s) of each task"
    return {name: lambda name=name: Either(attempt(whole[name]), attempt(cut[name]), note) for name in whole}


def continual_world_values(stream: Stream) -> Mapping[str, Callable[[], Any]]:
    runs, active, trained = stream.runs, stream.active, stream.trained
    window = stream.shorter(cw.WINDOW)

    def finals() -> Any:
        return np.array([cw.final_performance(run, min(cw.WINDOW, len(run))) for run in runs])

    def learned() -> Any:
        return np.array([cw.end_of_training(run, active, trained, window) for run in runs])

    def forgotten(take: Callable[[Any], Any]) -> Any:
        """Give what ``take`` makes of forgetting, shape (n_seeds, n_blocks), and of the formula where we refuse."""
        ours = attempt(lambda: take(np.array([cw.forgetting(run, active, trained) for run in runs])))
        if not isinstance(ours, Undefined):
            return ours
        return Either(ours, take(learned() - finals()), "the formula with a shorter window, or of a single task")

    def own_areas(runs: Any) -> list[float]:
        curves = [cw.training_curves(run, active, trained) for run in runs]
        return [mean([run[k] for run in curves]) for k in trained]

    def areas(runs: Any) -> list[cw.AreaTransfer]:
        """Give the areas of each block; baselines of another length are taken whole, as in their code."""
        if not stream.has_baselines:
            raise Undefined("there are no reference runs to compare with")
        own = own_areas(runs)
        return [cw.AreaTransfer(own[k], mean([mean(c) for c in stream.baselines[k]]), 0) for k in trained]

    def ratios(runs: Any, blocks: Sequence[int] | range) -> Any:
        found = [ratio_or_formula(area) for area in np.array(areas(runs), dtype=object)[list(blocks)]]
        undefined = [value for value in found if isinstance(value, Undefined)]
        if undefined:
            return undefined[0]
        refused = [value for value in found if isinstance(value, Either)]
        formula = mean([value.formula if isinstance(value, Either) else value for value in found])
        return Either(refused[0].ours, formula, refused[0].note) if refused else formula

    def by_task(take: Callable[[cw.AreaTransfer], Any]) -> Any:
        return attempt(lambda: table([take(area) for area in areas(runs)], stream.names))

    half = len(trained) // 2
    return {
        "average_performance": lambda: mean(finals()),
        "average_performance_ci90": lambda: resampled(finals().mean(axis=1)),
        "forgetting": lambda: forgotten(mean),
        "forgetting_ci90": lambda: forgotten(lambda drops: resampled(drops.mean(axis=1))),
        "forward_transfer": lambda: attempt(lambda: ratios(runs, trained)),
        "forward_transfer_ci90": lambda: resampled_transfer(stream),
        "forward_transfer_first_half": lambda: attempt(lambda: ratios(runs, trained[:half])),
        "forward_transfer_second_half": lambda: attempt(lambda: ratios(runs, trained[half:])),
        "forward_transfer_difference": lambda: attempt(lambda: mean([area.difference for area in areas(runs)])),
        "per_task_final": lambda: table(finals().mean(axis=0), stream.names),
        "per_task_end_of_training": lambda: table(learned().mean(axis=0), stream.names),
        "per_task_forgetting": lambda: forgotten(lambda drops: table(drops.mean(axis=0), stream.names)),
        "per_task_forward_transfer": lambda: by_task(ratio_or_formula),
        "per_task_auc": lambda: table(own_areas(runs), stream.names),
        "per_task_auc_baseline": lambda: by_task(lambda area: area.reference_area),
        "per_seed_average_performance": lambda: table(finals().mean(axis=1)),
        "per_seed_forgetting": lambda: forgotten(lambda drops: table(drops.mean(axis=1))),
        "per_seed_forward_transfer": lambda: attempt(lambda: table([ratios([run], trained) for run in runs])),
    }


def ratio_or_formula(area: cw.AreaTransfer) -> Any:
    """Give (AUC - AUCb) / (1 - AUCb); where we leave it undefined, the formula's number beside that."""
    headroom = 1.0 - area.reference_area
    if not (0 <= area.reference_area <= 1 and 0 <= area.area <= 1) and headroom:
        undefined = Undefined("areas of returns have no 1 to be taken from")
        return Either(undefined, area.difference / headroom, "of returns, which have no 1 to be taken from")
    ours = attempt(area.ratio)
    if isinstance(ours, Undefined) and headroom:
        return Either(ours, area.difference / headroom, "1 - AUCb is small, and we would not divide by it")
    return ours


def resampled(values: Any) -> Any:
    """Give the 90 % interval of a mean over seeds, with the resamples of Continual World's code."""
    return interval(len(values), 1, lambda seeds, _: values[seeds].mean(axis=1))


def resampled_transfer(stream: Stream) -> Any:
    """Give the 90 % interval of forward transfer: seeds of agent and baseline are drawn independently."""
    if not stream.has_baselines:
        return Undefined("there are no reference runs to compare with")
    curves = [cw.training_curves(run, stream.active, stream.trained) for run in stream.runs]
    own = np.array([[mean(curve) for curve in run] for run in curves])
    n = min(map(len, stream.baselines))
    reference = np.array([[mean(curve) for curve in runs[:n]] for runs in stream.baselines]).T

    def ratios(seeds: Any, runs: Any) -> Any:
        base = reference[runs].mean(axis=1)
        if (base == 1).any():
            raise Undefined("1 - AUCb is 0 in a resample")
        return ((own[seeds].mean(axis=1) - base) / (1 - base)).mean(axis=1)

    return attempt(lambda: interval(len(own), len(reference), ratios))


def interval(n: int, n_reference: int, statistic: Callable[[Any, Any], Any]) -> Any:
    # The protocol of the examples is np.random.seed(0): the legacy generator gives the very same draw.
    legacy = np.random.RandomState(0)
    seeds = legacy.choice(n, (N_RESAMPLES, n))
    references = legacy.choice(n_reference, (N_RESAMPLES, n_reference))
    found = np.quantile(statistic(seeds, references), [0.05, 0.95], method="midpoint").tolist()
    if n == 1:
        return Either(
            Undefined("an interval needs at least two seeds, found 1"), Draw(found), "an interval of one seed"
        )
    return Draw(found)


# CORA


def compare_cora(example: Example, examples: Examples) -> Any:
    given = settings(example, examples)
    n_average = int(first(given, "rolling_mean", "rolling_mean_count", "moving_average", default=1))
    steps, per_task = first(given, *STEPS), first(given, *STEPS_PER_TASK)
    ours = by_method(example, examples, lambda stream: cora_values(stream, n_average, steps, per_task))
    kinds = {"F": "isolated_forgetting", "Z": "zero_shot_forward_transfer"}
    for key in example["expected"]:  # F[i by j, cycle c] and Z[i from j], without a level for the two
        if (letter := re.match(r"([FZ])[^A-Za-z]", key)) and (kind := kinds[letter[1]]) in ours:
            ours = {**ours, key: lambda key=key, of=ours[kind]: cell(of(), key[1:])}
    return ours


def cell(found: Table, key: str) -> Table:
    """Give the one number of a table that a key names."""
    path = index_path([key], found.names)
    in_order = {name: read for name, read in found.readings.items() if "first" not in name}
    return Table({name: lambda _, read=read: read(path) for name, read in in_order.items()})


def cora_values(stream: Stream, n_average: int, steps: Any, steps_per_task: Any) -> Mapping[str, Callable[[], Any]]:
    order = first_seen(stream.names)
    columns = [order.index(i) for i in range(max(order) + 1)]
    names = [stream.names[column] for column in columns]
    runs = [cora.moving_average(run[:, columns], n_average) for run in stream.runs]
    scale = cora.largest(runs)
    regions, kept = stream.active, slice(None)
    if steps is not None and steps_per_task is not None:
        regions, kept = regions_of(np.array(steps), float(steps_per_task), len(order))
    found = [cora.changes(run[kept], regions, from_first_value=True) / scale for run in runs]
    forgetting, transfer = cora.pairs_of(order, len(names))

    def pairs(selected: Any, sign: float) -> Any:
        return [np.ma.MaskedArray(sign * run.filled(0.0), mask=~selected | np.ma.getmaskarray(run)) for run in found]

    return (
        {
            name: lambda selected=selected, sign=sign: pair_table(pairs(selected, sign), len(names), names)
            for name, selected, sign in (
                ("isolated_forgetting", forgetting, -1.0),
                ("forgetting", forgetting, -1.0),
                ("zero_shot_forward_transfer", transfer, 1.0),
                ("zero_shot_transfer", transfer, 1.0),
                ("forward_transfer", transfer, 1.0),
            )
        }
        | {
            f"{name}_sem": lambda selected=selected: standard_error([run.mean() for run in pairs(selected, 1.0)])
            for name, selected in (("isolated_forgetting", forgetting), ("zero_shot_forward_transfer", transfer))
        }
        | {"scaling": lambda: table(scale, names), "scale": lambda: table(scale, names)}
    )


def standard_error(values: Sequence[Any]) -> Any:
    """Give the standard error of the mean over runs; Undefined for one run."""
    if len(values) < 2:
        return Undefined("one run has no standard error")
    return float(np.std(np.array(values, dtype=np.float64), ddof=1)) / len(values) ** 0.5


def regions_of(steps: Any, per_task: float, n_blocks: int) -> tuple[Any, Any]:
    """Give the regions of the evaluations that are in one, and which these are; the run's first one counts."""
    inside = (steps % per_task != 0) | (np.arange(len(steps)) == 0)
    at = np.where(steps[inside] > 0, steps[inside] // per_task, -1)
    return np.minimum(at, n_blocks - 1).astype(np.int64), inside


def pair_table(runs: Any, n_tasks: int, names: Sequence[str]) -> Table:
    """Give the mean over runs by (i, j), (i, j, cycle) or (cycle, i, j); by i over all j; without index over all."""

    def at(i: int, j: int, cycle: int = 0) -> Any:
        found = (
            np.ma.mean([run[cycle * n_tasks + j, i] for run in runs])
            if not runs[0].mask[cycle * n_tasks + j, i]
            else None
        )
        return found

    def read(path: tuple[int, ...], turn: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Any:
        if len(path) == 0:
            return mean([float(run.mean()) for run in runs])
        if len(path) == 1:
            return None if runs[0][:, path[0]].mask.all() else mean([float(run[:, path[0]].mean()) for run in runs])
        return at(*turn(path))

    turns: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
        "i by j, cycle": lambda path: path,
        "cycle first": lambda path: (*path[1:], path[0]),
        "j first": lambda path: (path[1], path[0], *path[2:]),
    }
    readings = {name: lambda path, turn=turn: read(path, turn) for name, turn in turns.items()}
    tenfold = {
        f"{name}, x10": lambda path, of=of: None if of(path) is None else 10 * of(path)
        for name, of in readings.items()
    }
    return Table(readings | tenfold, names)


# COOM


def compare_coom(example: Example, examples: Examples) -> Any:
    return by_method(example, examples, lambda stream: coom_values(stream.in_training))


def half_width(values: Sequence[float]) -> float:
    """Give half of COOM's 95 % interval."""
    return 1.96 * float(np.std(values)) / len(values) ** 0.5


def coom_values(stream: Stream) -> Mapping[str, Callable[[], Any]]:
    pooled = np.mean(stream.runs, axis=0)
    window = stream.shorter(coom.WINDOW)

    def performance() -> Any:
        means = coom.block_means(pooled, stream.active)
        ours = coom.average_performance(means)
        dropped = attempt(lambda: coom.average_performance(means, drop_zeros=True))
        return ours if ours == dropped else Either(ours, dropped, "drop_zeros=True, as in their code")

    def forgotten(take: Callable[[Any], Any]) -> Any:
        ours = attempt(lambda: take(coom.forgetting(pooled, stream.active)))
        if isinstance(ours, Undefined) and window < coom.WINDOW and len(stream.names) > 1:
            formula = take(coom.forgetting(pooled, stream.active, window))
            return Either(ours, formula, f"a window of {window}: a block has no more evaluations")
        return ours

    def by_task(drops: Any) -> Table:
        """Give the numbers of all tasks; an example may leave out the 0 of the last one."""
        found = table([*drops.tolist(), 0.0], stream.names)
        return replace(found, lengths=(*found.lengths, len(drops)))

    def transfer(run: Any) -> Any:
        if not stream.has_baselines:
            raise Undefined("there are no reference runs to compare with")
        curves = cw.training_curves(run, stream.active, stream.trained)
        areas = []
        for curve, base in zip(curves, stream.baselines, strict=True):
            n = min(map(len, [curve, *base]))
            areas.append(cw.AreaTransfer(mean(curve[:n]), mean([run[:n] for run in base]), n))
        return ratio_or_formula(coom.total_transfer(areas))

    def transfers(take: Callable[[list[float]], Any]) -> Any:
        found = [transfer(run) for run in stream.runs]
        refused = [value for value in found if isinstance(value, Either)]
        undefined = [value for value in found if isinstance(value, Undefined)]
        if undefined:
            return undefined[0]
        formula = take([value.formula if isinstance(value, Either) else value for value in found])
        return Either(refused[0].ours, formula, refused[0].note) if refused else formula

    return {
        "average_performance": performance,
        "forgetting": lambda: forgotten(mean),
        "per_task_forgetting": lambda: forgotten(by_task),
        "forgetting_individual": lambda: forgotten(by_task),
        "forward_transfer": lambda: attempt(lambda: transfers(table)),
        "per_seed_forward_transfer": lambda: attempt(lambda: transfers(table)),
        "forward_transfer_ci95": lambda: attempt(lambda: transfers(half_width)),
    }
