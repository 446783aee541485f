"""Compares our metric families with worked examples: `python benchmarks/metric_examples.py metric_examples.json`.

For every example of a family that is built, prints the expected value beside ours; the exit status is 1 where one
differs by more than 1e-5 relative (the examples are given to 6 significant digits).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lifelong_rl.evaluation import Undefined, bootstrap_interval, chaudhry, cw, gem

RELATIVE, ABSOLUTE = 1e-5, 1e-9  # absolute: an expected 0 is 1e-17 in floats

Row = tuple[str, Any, Any]
"""What is compared, the expected value and ours; ours is a string where there is nothing to compare."""

NOT_BUILT = "not built yet"


def compare_matrix(example: dict[str, Any]) -> Iterator[Row]:
    after, before = example["inputs"]["R"], example["inputs"].get("R_before_training")
    ours: dict[str, dict[str, Callable[[], Any]]] = {
        "gem": {
            "ACC": lambda: gem.average_accuracy(after[-1]),
            "BWT": lambda: gem.backward_transfer(after).mean(),
            "FWT": lambda: None if before is None else gem.forward_transfer(after, before).mean(),
        },
        "chaudhry": {
            "forgetting_final": lambda: chaudhry.forgetting(after).mean(),
            "forgetting_final_max_from_own_training": lambda: chaudhry.forgetting(
                after, from_own_training=True
            ).mean(),
        },
    }
    for family, expected in example["expected"].items():
        if family not in ours:
            yield family, expected, NOT_BUILT
            continue
        for name, value in expected.items():
            yield f"{family}.{name}", value, value_or_none(ours[family].get(name, lambda: NOT_BUILT))


def value_or_none(compute: Callable[[], Any]) -> Any:
    """Give what ``compute`` gives, None where the metric is undefined (null in the examples)."""
    try:
        return compute()
    except Undefined:
        return None


def compare_continual_world(example: dict[str, Any]) -> Iterator[Row]:
    inputs = example["inputs"]
    for method, seeds in inputs["curves_method_seed_task_eval"].items():
        ours = continual_world(
            [np.array(curves).T for curves in seeds],
            [inputs["single_task_curves_task_run_eval"][task] for task in inputs["task_sequence"]],
            inputs["evals_per_task"],
        )
        for name, value in example["expected"][method].items():
            yield f"{method}.{name}", value, value_or_none(ours.get(name, lambda: NOT_BUILT))


def continual_world(
    seeds: list[Any], references: list[Any], evaluations_per_task: int
) -> dict[str, Callable[[], Any]]:
    """Give the values of the example, each computed when called, from one (n_evaluations, n_tasks) table a seed."""
    n_tasks = len(references)
    active, trained = np.repeat(np.arange(n_tasks), evaluations_per_task), range(n_tasks)

    def final() -> Any:
        return np.array([cw.final_performance(table) for table in seeds])

    def learned() -> Any:
        return np.array([cw.end_of_training(table, active, trained) for table in seeds])

    def drops() -> Any:
        return np.array([cw.forgetting(table, active, trained) for table in seeds])

    def areas() -> list[cw.AreaTransfer]:
        curves = [cw.training_curves(table, active, trained) for table in seeds]
        return [cw.area_transfer([run[i] for run in curves], references[i]) for i in trained]

    return {
        "average_performance": lambda: final().mean(),
        "average_performance_ci90": lambda: interval(final().mean(axis=1)),
        "forgetting": lambda: drops().mean(),
        "forgetting_ci90": lambda: interval(drops().mean(axis=1)),
        "forward_transfer": lambda: np.mean([area.ratio() for area in areas()]),
        "forward_transfer_ci90": lambda: "not compared: a random draw of seeds and references",
        "per_task_final": lambda: final().mean(axis=0).tolist(),
        "per_task_end_of_training": lambda: learned().mean(axis=0).tolist(),
        "per_task_forgetting": lambda: drops().mean(axis=0).tolist(),
        "per_task_forward_transfer": lambda: [area.ratio() for area in areas()],
        "per_task_auc": lambda: [area.area for area in areas()],
        "per_task_auc_baseline": lambda: [area.reference_area for area in areas()],
        "per_seed_average_performance": lambda: final().mean(axis=1).tolist(),
        "per_seed_forgetting": lambda: drops().mean(axis=1).tolist(),
    }


def interval(values: Any) -> list[float]:
    found = bootstrap_interval(values, level=0.9)
    return [found.low, found.high]


COMPARISONS: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    "R": compare_matrix,
    "curves_method_seed_task_eval": compare_continual_world,
}
"""The input that tells the kind of an example -> its comparison."""


def is_close(expected: Any, ours: Any) -> bool:
    if expected is None or ours is None:
        return expected is ours
    if isinstance(expected, list):
        return len(expected) == len(ours) and all(map(is_close, expected, ours))
    return math.isclose(expected, ours, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def rounded(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(rounded(entry) for entry in value)}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main(path: str) -> int:
    n_equal = n_different = n_open = 0
    for example in json.loads(Path(path).read_text())["examples"]:
        print(f"{example['id']} ({example['system']})")
        compare = next((COMPARISONS[key] for key in COMPARISONS if key in example["inputs"]), None)
        if compare is None:
            print(f"    {NOT_BUILT}")
            n_open += 1
            continue
        for name, expected, ours in compare(example):
            if isinstance(ours, str):
                verdict, n_open = "-", n_open + 1
            elif is_close(expected, ours):
                verdict, n_equal = "equal", n_equal + 1
            else:
                verdict, n_different = "DIFFERENT", n_different + 1
            print(f"    {verdict:9} {name}: expected {rounded(expected)}, ours {rounded(ours)}")
    print(f"{n_equal} equal, {n_different} different, {n_open} not compared")
    return 1 if n_different else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} metric_examples.json")
    sys.exit(main(sys.argv[1]))
