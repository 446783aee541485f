"""Two claims about recurrence, with a fine-tuned DQN on PointGoal: streams that recur forget less, and accumulate.

Power-law: at an equal budget and equally many blocks, tasks that come again with a power-law chance are forgotten
less than tasks that each come in one stretch (claim of the specification: at most half). SCoLe: in short blocks over
random pairs of tasks the score over all tasks rises, although each block trains two of them. Forgetting of a task:
its best score at the end of a block minus its last one (Chaudhry et al. 2018, on scores), mean over tasks.

    python benchmarks/scenario_claims.py
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

from lifelong_rl import AgentConfig, RunConfig, Scenario, ensure_trained
from lifelong_rl.evaluation import EvaluationLog, bootstrap_interval
from lifelong_rl.scenarios import power_law, recurring

DQN_OPTIONS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "gamma": 0.9,
    "target_update_interval": 200,
    "exploration_fraction": 0.5,
    "learning_starts": 50,  # a lifelong agent waits so long in each block
    "buffer_size": 1_000,  # two and a half blocks
    "clear_buffer": False,  # else it learns in each block from that block alone, as if it were the first
    "clear_optimizer": False,
}
COLUMNS = ("best", "forgetting", "final", "first third", "second third", "last third")


@dataclass(frozen=True)
class Benchmark:
    """Train and print the table."""

    seeds: int = 2
    """Seeds of each stream."""
    steps: int = 16_000
    """Environment steps of a run, in 40 blocks."""
    workers: int = 2
    """Runs at a time."""


def streams(steps: int) -> dict[str, Scenario]:
    """Give the streams by name."""
    return {
        "power-law": power_law("point-goal", steps=steps, n_blocks=40),
        "power-law, recurrence none": power_law("point-goal", steps=steps, n_blocks=40, recurrence="none"),
        "recurring, 2 of 6": recurring("point-goal", n_tasks=6, n_active=2, steps=steps, n_blocks=40),
    }


def outcome(log: EvaluationLog) -> list[float]:
    """Give what the table shows of a run."""
    scores = log.matrix().filled(np.nan)[1:]
    best, last, means = scores.max(axis=0), scores[-1], scores.mean(axis=1)
    thirds = [float(part.mean()) for part in np.array_split(means, 3)]
    return [float(best.mean()), float((best - last).mean()), float(last.mean()), *thirds]


def row(name: str, runs: Sequence[Sequence[float]]) -> str:
    cells = []
    for column in zip(*runs, strict=True):
        interval = bootstrap_interval(column)
        cells.append(f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
    return f"| {name} | {len(runs)} | {' | '.join(cells)} |"


def main(benchmark: Benchmark) -> None:
    scenarios = streams(benchmark.steps)
    agent = AgentConfig("dqn", options=DQN_OPTIONS)
    jobs = [(name, seed) for seed in range(benchmark.seeds) for name in scenarios]
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(benchmark.workers, mp_context=get_context("spawn")) as pool,
    ):
        futures = [
            pool.submit(
                ensure_trained,
                RunConfig(scenarios[name], agent, seed=seed, eval_every=benchmark.steps, eval_episodes=2),
                Path(folder) / name / str(seed),
                show_progress=False,
            )
            for name, seed in jobs
        ]
        outcomes = [outcome(future.result().evaluation_log()) for future in futures]
    print(f"| stream | seeds | {' | '.join(COLUMNS)} |")
    print("|" + "---|" * (len(COLUMNS) + 2))
    for name in scenarios:
        print(row(name, [found for (other, _), found in zip(jobs, outcomes, strict=True) if other == name]))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
