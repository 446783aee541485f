"""What a curriculum is worth to a real learner: PPO on FarGoal, a sparse point mass with most goals out of reach.

Trains every teacher over several seeds and prints a Markdown table: mastery (share of 64 fixed goals within reach
that the deterministic policy reaches) after parts of the budget, and its mean over the whole run; mean and 95 %
bootstrap interval over seeds. Writes the curves (PNG) and the numbers (JSON) where an output folder is given.

    python benchmarks/far_goal_curricula.py --seeds 5 --output benchmarks/results
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lifelong_rl import AgentConfig, RunConfig, curriculum, ensure_trained
from lifelong_rl.evaluation import EvaluationLog, bootstrap_interval
from lifelong_rl.tracking.figures import LINE_COLOURS, LINE_STYLES

PPO_OPTIONS: dict[str, Any] = {
    "n_steps": 256,
    "batch_size": 256,
    "n_epochs": 10,
    "gamma": 0.98,
    "learning_rate": 1e-3,
}
N_TEST_TASKS = 64
N_MOMENTS = 12  # evaluations after the one before training


@dataclass(frozen=True)
class Benchmark:
    """Train and print the table."""

    teachers: tuple[str, ...] = ("random", "alp-gmm", "alp-kde", "riac", "adr", "plr")
    """Names or module:Class."""
    seeds: int = 5
    """Seeds of each teacher."""
    steps: int = 84_000
    """Environment steps of a run."""
    workers: int = 2
    """Runs at a time."""
    output: Path | None = None
    """Folder for far_goal_curricula.png and .json."""


def configuration(teacher: str, seed: int, steps: int) -> RunConfig:
    """Give one run of the benchmark."""
    return RunConfig(
        curriculum("far-goal", teacher=teacher, steps=steps, n_test_tasks=N_TEST_TASKS),
        AgentConfig("ppo", options=PPO_OPTIONS),
        seed=seed,
        n_envs=8,
        eval_every=steps // N_MOMENTS,
        eval_episodes=1,
        checkpoint_every=steps,
    )


def mastery(log: EvaluationLog) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the steps of the evaluations and the share of the test tasks reached at each, shape (n,) both."""
    return log.steps.astype(np.float64), np.asarray(log.scores("success").mean(axis=1), dtype=np.float64)


def run_all(benchmark: Benchmark) -> dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Give each teacher's curves, one a seed."""
    jobs = [(teacher, seed) for seed in range(benchmark.seeds) for teacher in benchmark.teachers]
    curves: dict[str, list[Any]] = {teacher: [] for teacher in benchmark.teachers}
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(benchmark.workers, mp_context=get_context("spawn")) as pool,
    ):
        futures = [
            pool.submit(
                ensure_trained,
                configuration(teacher, seed, benchmark.steps),
                Path(folder) / teacher.replace(":", ".") / str(seed),
                show_progress=False,
            )
            for teacher, seed in jobs
        ]
        for (teacher, seed), future in zip(jobs, futures, strict=True):
            curves[teacher].append(mastery(future.result().evaluation_log()))
            print(f"{teacher}, seed {seed}: {curves[teacher][-1][1].round(2).tolist()}", flush=True)
    return curves


def table(curves: Mapping[str, Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]], steps: int) -> str:
    """Give the Markdown table."""
    moments = (N_MOMENTS // 4, N_MOMENTS // 2, N_MOMENTS)
    heads = [f"at {steps * moment // N_MOMENTS:,} steps" for moment in moments]
    lines = [f"| teacher | seeds | {' | '.join(heads)} | mean over the run |", "|---|---|" + "---|" * 4]
    for teacher, runs in curves.items():
        values = np.array([run for _, run in runs])
        cells = [_interval(values[:, moment]) for moment in moments] + [_interval(values.mean(axis=1))]
        lines.append(f"| {teacher} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(values: NDArray[np.float64]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}"
    interval = bootstrap_interval(values)
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def draw(curves: Mapping[str, Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]]) -> Figure:
    """Draw the mean mastery of each teacher against steps, with its bootstrap interval as a band."""
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for i, (teacher, runs) in enumerate(curves.items()):
        steps, values = runs[0][0], np.array([run for _, run in runs])
        colour, style = LINE_COLOURS[i % len(LINE_COLOURS)], LINE_STYLES[i // len(LINE_COLOURS)]
        axes.plot(steps, values.mean(axis=0), color=colour, linestyle=style, label=teacher)
        if len(values) > 1:
            bands = [bootstrap_interval(column) for column in values.T]
            axes.fill_between(steps, [b.low for b in bands], [b.high for b in bands], color=colour, alpha=0.15)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("share of the test goals reached")
    axes.set_ylim(0.0, 1.02)
    axes.legend(frameon=False)
    return figure


def main(benchmark: Benchmark) -> None:
    curves = run_all(benchmark)
    print(table(curves, benchmark.steps))
    if benchmark.output is None:
        return
    benchmark.output.mkdir(parents=True, exist_ok=True)
    target = benchmark.output / "far_goal_curricula"
    draw(curves).savefig(target.with_suffix(".png"), dpi=110)
    numbers = {
        teacher: [{"steps": s.tolist(), "mastery": m.tolist()} for s, m in runs] for teacher, runs in curves.items()
    }
    target.with_suffix(".json").write_text(json.dumps(numbers))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
