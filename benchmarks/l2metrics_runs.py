"""The runs that ``cross_check_l2metrics.py`` writes: random scores of every kind of scenario, seeded."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lifelong_rl.evaluation import EvaluationLog, TrainingLog
from lifelong_rl.evaluation.l2logger import write_l2logger
from lifelong_rl.evaluation.l2m import Regime

Generator = np.random.Generator


@dataclass(frozen=True)
class Run:
    """A written run and the folders of its single-task runs."""

    name: str
    folder: Path
    experts: Mapping[str, Sequence[Path]] = field(default_factory=dict)


def written_runs(folder: Path) -> Iterator[Run]:
    """Write the runs into the folder and give them."""
    rng = np.random.default_rng(0)
    for name, (log, n_experts) in our_logs(rng).items():
        experts = {
            task: [
                write_l2logger(blocks(rng, [task], [task], 80), folder / name / f"{task}-{i}", scenario_type="ste")
                for i in range(n)
            ]
            for task, n in n_experts.items()
        }
        yield Run(name, write_l2logger(log, folder / name / "run"), experts)
    for name, regimes in other_regimes(rng).items():
        yield Run(name, write_regimes(regimes, folder / name))


def our_logs(rng: Generator) -> dict[str, tuple[EvaluationLog, dict[str, int]]]:
    """Give runs as our trainer logs them, with the number of experts of each task."""
    two, three = ["a_1", "b_1"], ["a_1", "b_1", "c_1"]
    variants = ["a_1", "a_2", "b_1"]
    zero = blocks(rng, three, three, 40)
    zero.episodes["score"][: len(three)] = 0.0
    constant = blocks(rng, two, [*two, "a_1"], 30)
    constant.episodes["score"][:] = 0.5
    mixed = blocks(rng, two, [None, None, "a_1"], 60, played=[["a_1", "b_1"], ["b_1", "a_1"], ["a_1"]])
    return {
        "alternating": (blocks(rng, two, two * 4, 50), {"a_1": 1, "b_1": 3}),
        "condensed": (blocks(rng, three, three, 60), {"a_1": 2, "b_1": 2, "c_1": 2}),
        "dispersed": (blocks(rng, three, [*three, "b_1", "c_1", "a_1", *three, *three], 21), {"b_1": 1}),
        "variants": (blocks(rng, variants, [*variants, "a_1", "a_2"], 33), {"a_1": 1, "a_2": 2, "b_1": 1}),
        "not evaluated, not trained": (blocks(rng, ["a_1", "c_1"], ["a_1", "b_1", "a_1", "b_1"], 40), {"b_1": 1}),
        "zero before": (zero, {}),
        "constant evaluations": (constant, {"a_1": 1}),
        "two tasks in a block": (mixed, {"a_1": 1}),
        "short blocks": (blocks(rng, two, two * 3, 3), {"a_1": 1}),
    }


def blocks(
    rng: Generator,
    tasks: Sequence[str],
    trained: Sequence[str | None],
    n: int,
    played: Sequence[Sequence[str]] | None = None,
) -> EvaluationLog:
    """Give a run with an evaluation before, between and after blocks of n episodes each.

    played: the tasks of each block, one after the other; by default its fixed one.
    """
    scores = rng.random((len(trained) + 1, len(tasks)))
    log = EvaluationLog.from_arrays(tasks, scores, blocks=range(-1, len(trained)), trained=trained, measured="score")
    orders = played or [[task] for task in trained if task is not None]
    episodes = [task for order in orders for task in np.repeat(order, n // len(order)).tolist()]
    of_block = np.repeat(np.arange(len(orders)), [n // len(order) * len(order) for order in orders])
    values = np.concatenate([curve(rng, int(count)) for count in np.bincount(of_block)])
    return log.with_training(TrainingLog.from_arrays(episodes, values, blocks=of_block, measured="score"))


def curve(rng: Generator, n: int) -> np.ndarray:
    """Give a noisy learning curve of n episodes, with scores in [0, 1].

    One in four rises for a third and falls then. None falls from its beginning: the moving average of an even window
    has two equal numbers there, and which of them l2metrics finds is up to rounding, so up to its numpy's version.
    """
    x = np.arange(n) / n
    shape = 1 - np.exp(-3 * x) if rng.random() < 0.75 else np.where(x < 1 / 3, 2.4 * x, 0.8 - (x - 1 / 3))
    return np.clip(rng.uniform(0, 0.2) + 0.7 * shape + rng.normal(0, 0.04, n), 0, 1)


def other_regimes(rng: Generator) -> dict[str, list[Regime]]:
    """Give runs that no log of ours holds."""

    def tested(block: int, *tasks: str, subtype: str = "wake") -> list[Regime]:
        return [Regime(block, "test", task, rng.random(4), subtype) for task in tasks]

    def learned(block: int, task: str, n: int = 40) -> Regime:
        return Regime(block, "train", task, curve(rng, n))

    def slept(block: int, *tasks: str) -> list[Regime]:
        return [*tested(block, *tasks), *tested(block, *tasks, subtype="sleep")]

    order = ["a_1", "b_1", "a_1", "b_1", "a_1"]
    sleep = [r for i, task in enumerate(order) for r in [*slept(2 * i, "a_1", "b_1"), learned(2 * i + 1, task)]]
    negative = [
        Regime(r.block, r.type, r.task, 10 * np.asarray(r.values) - 12)
        for i, task in enumerate(order)
        for r in [*tested(2 * i, "a_1", "b_1"), learned(2 * i + 1, task)]
    ]
    both = order[:2]
    return {
        "sleep": [*sleep, *slept(10, "a_1", "b_1")],
        "negative returns": [*negative, *tested(10, "b_1", "a_1")],
        "no evaluations": [learned(i, task) for i, task in enumerate(order)],
        "one block, all kinds": [learned(0, "a_1"), *tested(0, "a_1", "b_1"), learned(0, "b_1"), *tested(1, "a_1")],
        "gaps in the numbering": with_gaps(rng, [*tested(0, *both), learned(1, "a_1"), *tested(2, *both)]),
        "two workers": doubled([*tested(0, *both), learned(1, "a_1"), *tested(2, *both), learned(3, "a_1")]),
    }


def with_gaps(rng: Generator, regimes: Sequence[Regime]) -> list[Regime]:
    """Give the regimes with numbers that leave some out."""
    found, last = [], 0
    for regime in regimes:
        numbers = last + np.cumsum(rng.integers(1, 9, len(np.asarray(regime.values))))
        last = int(numbers[-1]) + 100
        found.append(Regime(regime.block, regime.type, regime.task, regime.values, experiences=numbers))
    return found


def doubled(regimes: Sequence[Regime]) -> list[Regime]:
    """Give the regimes with two values a number, as two workers leave them."""
    found, last = [], 0
    for regime in regimes:
        n = len(np.asarray(regime.values))
        numbers = last + np.arange(n) // 2
        last = int(numbers[-1]) + 1
        found.append(Regime(regime.block, regime.type, regime.task, regime.values, experiences=numbers))
    return found


def write_regimes(regimes: Sequence[Regime], folder: Path) -> Path:
    """Write regimes as l2logger does, with a score as the only metric."""
    folder.mkdir(parents=True)
    (folder / "logger_info.json").write_text(json.dumps({"metrics_columns": ["score"], "log_format_version": "1.1"}))
    (folder / "scenario_info.json").write_text(json.dumps({"scenario_type": "custom"}))
    columns = "block_num exp_num worker_id block_type block_subtype task_name task_params exp_status timestamp score"
    n_before = 0
    for regime in regimes:
        path = folder / "worker-default" / f"{regime.block}-{regime.type}" / "data-log.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        values = np.asarray(regime.values).tolist()
        numbers = range(n_before, n_before + len(values)) if regime.experiences is None else regime.experiences
        with path.open("a", newline="") as file:
            table = csv.writer(file, delimiter="\t", lineterminator="\n")
            if is_new:
                table.writerow(columns.split())
            for number, value in zip(numbers, values, strict=True):
                time = f"19700101T000000.{number:06}"
                kind = [regime.type, regime.subtype, regime.task, "{}", "complete", time]
                table.writerow([regime.block, number, "worker-default", *kind, value])
        n_before += len(values)
    return folder
