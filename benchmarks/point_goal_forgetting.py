"""What four PointGoal tasks in sequence cost a DQN: fine-tuned, with Distillation, with ReservoirReplay.

Trains each over several seeds and prints a Markdown table: mean and 95 % bootstrap interval over seeds. Forgetting is
minus GEM's backward transfer, "learned" the mean score on each task at the end of its own block.

    python benchmarks/point_goal_forgetting.py --seeds 5
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from lifelong_rl import AgentConfig, RunConfig, condensed, ensure_trained
from lifelong_rl.evaluation import EvaluationLog, bootstrap_interval, score

DQN_OPTIONS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "gamma": 0.9,
    "buffer_size": 20_000,
    "learning_starts": 300,
    "target_update_interval": 200,
    "exploration_fraction": 0.5,
}
COMPONENTS = ("none", "distillation", "reservoir-replay")


@dataclass(frozen=True)
class Benchmark:
    """Train and print the table."""

    seeds: int = 5
    """Seeds of each agent."""
    steps_per_task: int = 4_000
    """Environment steps on each of the four tasks."""
    workers: int = 2
    """Runs at a time."""


def configuration(components: str, seed: int, steps_per_task: int) -> RunConfig:
    """Give one run of the benchmark."""
    listed = () if components == "none" else ((components, {}),)
    return RunConfig(
        condensed("point-goal", n_tasks=4, steps=4 * steps_per_task),
        AgentConfig("dqn", options=DQN_OPTIONS, components=listed),
        seed=seed,
    )


def outcome(log: EvaluationLog) -> dict[str, float]:
    """Give what the table shows of a run: learned, forgotten and final score."""
    values = {f"{metric.family}/{metric.name}": metric.value for metric in score(log)}
    matrix = log.matrix()
    backward, final = values["gem/backward_transfer"], values["gem/average_accuracy"]
    assert backward is not None and final is not None
    learned = [float(matrix[i + 1, log.tasks.index(task)]) for i, task in enumerate(log.block_tasks) if task]
    return {"learned": float(np.mean(learned)), "forgetting": -backward, "final": final}


def row(name: str, runs: Sequence[dict[str, float]]) -> str:
    cells = []
    for column in ("learned", "forgetting", "final"):
        interval = bootstrap_interval([run[column] for run in runs])
        cells.append(f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
    return f"| {name} | {len(runs)} | {' | '.join(cells)} |"


def main(benchmark: Benchmark) -> None:
    jobs = [(name, seed) for name in COMPONENTS for seed in range(benchmark.seeds)]
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(benchmark.workers, mp_context=get_context("spawn")) as pool,
    ):
        configs = [configuration(name, seed, benchmark.steps_per_task) for name, seed in jobs]
        paths = [Path(folder) / name / str(seed) for name, seed in jobs]
        futures = [
            pool.submit(ensure_trained, c, path, show_progress=False) for c, path in zip(configs, paths, strict=True)
        ]
        outcomes = [outcome(future.result().evaluation_log()) for future in futures]
    print("| components | seeds | learned | forgetting (minus GEM's BWT) | final |")
    print("|---|---|---|---|---|")
    for name in COMPONENTS:
        print(row(name, [found for (other, _), found in zip(jobs, outcomes, strict=True) if other == name]))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
