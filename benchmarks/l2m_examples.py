"""Compares the l2m family with the worked examples of l2metrics; ``metric_examples.py`` calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from example_inputs import Either
from l2m_ties import TiedResults

from lifelong_rl.evaluation import Undefined
from lifelong_rl.evaluation.l2m import L2MOptions, Regime, Regimes, l2metrics_report
from lifelong_rl.evaluation.l2m.preparation import prepare
from lifelong_rl.evaluation.l2m.report import report_of

ROUNDED = "where rounding decides, as l2metrics had it: two equal maxima, or the range of a constant"

Row = tuple[str, Any, Any]
"""What is compared, the expected value and ours."""


def compare_l2m(example: dict[str, Any], examples_by_id: Mapping[str, dict[str, Any]]) -> Iterator[Row]:
    """Give a row for every number that the example expects."""
    regimes, experts = inputs_of(example, examples_by_id)
    options = options_of(example)
    ours = list(rows_of(example["expected"], l2metrics_report(regimes, experts, options), options))
    try:
        prepared = prepare(regimes, experts, options, rounding=0.0)
    except Undefined:
        yield from ours
        return
    tied = report_of(TiedResults(prepared, options, expected=example["expected"]))
    for (name, expected, found), (_, _, other) in zip(ours, rows_of(example["expected"], tied, options), strict=True):
        is_same = found == other
        yield name, expected, found if is_same else Either(found, other, ROUNDED)


def rows_of(expected: Mapping[str, Any], ours: Mapping[str, Any], options: L2MOptions) -> Iterator[Row]:
    """Give a row for every number of an expected report; what it leaves out is not asked for."""
    for part, wanted in expected.items():
        if part == "regimes":
            yield from compare_regimes(wanted, ours["regimes"])
        elif part == "tasks":
            for task, of_task in wanted.items():
                found = ours["tasks"].get(task.lower(), {})
                rows = compare(f"tasks.{task}", of_task, {key: found.get(key) for key in of_task})
                yield from (in_any_order(*row) if options.variant_mode == "agnostic" else row for row in rows)
        elif part == "lifetime":
            yield from compare(part, wanted, {key: ours[part].get(key) for key in wanted})
        else:
            yield from compare(part, wanted, ours[part] if part in ours else ours["lifetime"].get(part))


def in_any_order(name: str, expected: Any, ours: Any) -> Row:
    """Sort the lists with a value an expert: the store of l2metrics gives those of several variants in any order."""
    if not (name.endswith("_vals") and isinstance(expected, list) and isinstance(ours, list)):
        return name, expected, ours
    return name, *(sorted(values, key=lambda v: (v is None, v or 0.0)) for values in (expected, ours))


def inputs_of(
    example: dict[str, Any], examples_by_id: Mapping[str, dict[str, Any]]
) -> tuple[Regimes, dict[str, list[list[float]]]]:
    """Give regimes and experts, those of another example where this one says so; l2logger lower-cases all names."""
    inputs = example["inputs"]
    seen = set()
    while "regimes" not in inputs:
        if (named := inputs.get("same_as")) not in examples_by_id or named in seen:
            raise ValueError(f"example {example['id']} has no regimes, and same_as names no example: {named!r}.")
        seen.add(named)
        inputs = inputs | examples_by_id[named]["inputs"]
    regimes, n_before = [], 0
    for given in inputs["regimes"]:
        values = listed(given["values"])
        numbers = given.get("exp_num") or range(n_before, n_before + len(values))
        n_before = max(numbers, default=n_before - 1) + 1
        kept = [i for i, value in enumerate(values) if value is not None]  # l2metrics drops rows without a number
        columns = [values[i] for i in kept], given.get("subtype", "wake"), [numbers[i] for i in kept]
        regimes.append(Regime(given["block"], given["type"], given["task"].lower(), *columns))
    experts = inputs.get("single_task_experts") or {}
    return Regimes.of(regimes), {task.lower(): runs_of(runs) for task, runs in experts.items()}


def runs_of(runs: Any) -> list[list[float]]:
    """Give the curves of a task's experts, which may be one curve alone, or named ones."""
    if isinstance(runs, dict):
        runs = [runs] if "value" in runs else list(runs.values())
    curves = [listed(run) for run in ([runs] if runs and isinstance(runs[0], int | float) else runs)]
    return [[value for value in curve if value is not None] for curve in curves]


def listed(values: Any) -> list[float]:
    """Give the values of a regime, in which ``{value, n}`` stands for n equal ones."""
    if isinstance(values, dict):
        return [values["value"]] * values["n"]
    return [v for value in values for v in (listed(value) if isinstance(value, dict) else [value])]


def options_of(example: dict[str, Any]) -> L2MOptions:
    """Give the example's options; ranges are ``{task: {min, max}}`` there."""
    protocol = example.get("protocol") or {}
    options = {**protocol, **(protocol.get("options") or {})}
    ranges = options.get("data_range")
    if isinstance(ranges, list):
        options["data_range"] = tuple(ranges)
    elif ranges:
        options["data_range"] = {task.lower(): (range_["min"], range_["max"]) for task, range_ in ranges.items()}
    options["smooth_evaluations"] = options.get("do_smooth_eval_data", False)
    known = {field.name for field in fields(L2MOptions)}  # l2metrics has others, which change no number
    return L2MOptions(**{name: value for name, value in options.items() if name in known})


def compare(name: str, expected: Any, ours: Any) -> Iterator[Row]:
    """Give a row a number or list, with the keys of tables in its name."""
    if isinstance(expected, dict) or isinstance(ours, dict):
        for key in {**(expected or {}), **(ours or {})}:
            yield from compare(f"{name}.{key}", (expected or {}).get(key), (ours or {}).get(key))
    else:
        yield name, expected, ours


def compare_regimes(expected: list[list[Any]], ours: list[list[Any]]) -> Iterator[Row]:
    """Give a row a regime; ours is None where it is another regime."""
    yield "regimes", len(expected), len(ours)
    for i, (wanted, found) in enumerate(zip(expected, ours, strict=False)):
        label = wanted[:3] if isinstance(wanted, list) else wanted
        yield f"regimes[{i}] {label}", wanted[3:], found[3:] if found[:3] == label else None
