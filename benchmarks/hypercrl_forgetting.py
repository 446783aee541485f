"""Where forgetting sits: the HyperCRL agent's dynamics error against its return, task by task, on five pendulums.

The agent learns the tasks of examples/scenarios/pendulum-5.toml one after another, planning included, under each
continual mechanism. Just after a task and at the end its one-step error is measured on fixed transitions of random
torques (as a share of the targets' variance) and on the path that the planner takes, and the planner's return from
fixed starts. A return's place is 0 for random actions and 1 for the same planner with the true dynamics.

    python benchmarks/hypercrl_forgetting.py --output benchmarks/results/hypercrl_forgetting

With --records runs.jsonl a benchmark that was cut short goes on where it was.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from hypercrl_agents import Course, random_transitions, tasks_of
from hypercrl_sequences import geometric_mean, shown
from planner_comparison import Pendulums
from scipy.stats import spearmanr

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.envs.space import Task
from lifelong_rl.tracking import figures

METHODS: dict[str, dict[str, Any]] = {
    "hypernetwork, no sleep": {"mechanism_options": {"n_sleep_updates": 0}},
    "hypernetwork, sleep": {"mechanism_options": {"n_sleep_updates": 500}},
    "hypernetwork, sleep without replay": {"mechanism_options": {"n_sleep_updates": 500, "n_sleep_rows": 0}},
    "no regulariser": {"mechanism_options": {"beta": 0.0}},
    "no regulariser, sleep": {"mechanism_options": {"beta": 0.0, "n_sleep_updates": 500}},
    "fine-tuning": {"mechanism": "fine-tuning"},
    "coreset 100": {"mechanism": "coreset", "mechanism_options": {"n_kept": 100}},
    "multi-task (all data kept)": {"mechanism": "multi-task"},
}
"""What is compared: options of the agent by name."""

EDGES = (0.0, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, np.inf)
"""Limits of the errors that are counted together."""
ROBUST = 0.95
"""Mean place of the return from which on errors are said to do no harm."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_seeds: int = 3
    """Runs of each method."""
    n_steps: int = 1600
    """Environment steps of each task, 400 of them random."""
    n_episodes: int = 5
    """Episodes of an evaluation."""
    episode_steps: int = 200
    """Steps of an episode."""
    n_envs: int = 4
    """Training environments, planned for at once."""
    only: str = ""
    """Run only methods whose name contains this."""
    records: Path | None = None
    """File of JSON lines to keep runs in, and to continue from."""
    output: Path | None = None
    """Files to write, without suffix: .md and .png."""


@dataclass(frozen=True)
class Measured:
    """One task at one moment."""

    method: str
    seed: int
    task: str
    moment: str
    """"just after" the task, or "at the end" of all."""
    error: float
    """One step, on random transitions."""
    path_error: float
    """One step, on the planner's own path."""
    planned: float
    """The planner's mean return."""
    cpu_s: float
    """Processor time of training the task, sleep included."""


OPTIONS: dict[str, Any] = {
    "dynamics": {"hidden": (32, 32)},
    "planner_options": {"horizon": 20, "n_candidates": 120, "n_iterations": 2},
    "n_random_steps": 400,
    "train_every": 200,
    "n_updates": 300,
}


def run(config: BenchmarkConfig, method: str, seed: int) -> list[Measured]:
    """Learn all tasks by one method; give each task twice."""
    family, tasks = tasks_of("pendulum-5")
    tests = {task.id: random_transitions(family, task, 20, 50, 500 + seed)[0] for task in tasks}
    course = Course(family, config.n_envs, config.episode_steps, seed, OPTIONS | METHODS[method])
    cpu_s: dict[str, float] = {}

    def measured(task: Task, moment: str) -> Measured:
        value, path_error = course.evaluate(task, config.n_episodes)
        error = course.agent.dynamics.error(course.agent.numbers[task.id], tests[task.id])
        assert error is not None
        return Measured(method, seed, task.id, moment, error, path_error, value, cpu_s[task.id])

    found = []
    for task in tasks:
        begun = time.process_time()
        course.train(task, config.n_steps)
        cpu_s[task.id] = time.process_time() - begun
        found.append(measured(task, "just after"))
    return found + [measured(task, "at the end") for task in tasks]


def all_runs(config: BenchmarkConfig) -> list[Measured]:
    """Give all runs, those from the records without running them again."""
    rows: list[Measured] = []
    if config.records is not None and config.records.exists():
        rows = [Measured(**json.loads(line)) for line in config.records.read_text().splitlines()]
    for seed in range(config.n_seeds):
        for method in METHODS:
            if config.only in method and not any((r.method, r.seed) == (method, seed) for r in rows):
                new = run(config, method, seed)
                rows += new
                if config.records is not None:
                    with config.records.open("a") as file:
                        file.writelines(json.dumps(asdict(row)) + "\n" for row in new)
                print(method, seed, [f"{r.error:.2g}/{r.planned:.0f}" for r in new], flush=True)
    return rows


# What it says


class TrueModel:
    """Stands where a task's learned model would: the pendulum's true dynamics."""

    def __init__(self, task: Task):
        self._world = Pendulums(torch.tensor([[float(task.params[name]) for name in ("g", "m", "l")]]))

    def step(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the next observations, (..., 3) and (..., 1) -> (..., 3)."""
        return self._world.step(observations.reshape(1, -1, 3), actions.reshape(1, -1, 1)).view(observations.shape)


class Places:
    """Places returns of a task between random actions (0) and the same planner with the true dynamics (1)."""

    def __init__(self, seeds: Sequence[int], config: BenchmarkConfig):
        family, tasks = tasks_of("pendulum-5")
        self.ends: dict[tuple[str, int], tuple[float, float]] = {}
        for seed in seeds:
            course = Course(family, config.n_envs, config.episode_steps, seed, OPTIONS)
            models = [TrueModel(task) for task in tasks]
            course.agent.dynamics.predictor = models.__getitem__  # type: ignore[assignment,method-assign]
            for task in tasks:
                least = random_transitions(family, task, 50, config.episode_steps, 7 + seed)[1]
                course.agent.begin_task(TaskInfo(task.id))
                self.ends[task.id, seed] = least, course.evaluate(task, config.n_episodes)[0]

    def of(self, row: Measured) -> float:
        """Give a return's place."""
        least, most = self.ends[row.task, row.seed]
        return (row.planned - least) / (most - least)


def method_table(rows: Sequence[Measured], places: Places) -> str:
    """Give a row a method: geometric mean error and mean place over tasks, with intervals over seeds."""
    lines = [
        "| method | seeds | error just after | at the end | ratio | worst task | on the planned path, at the end "
        "| place just after | at the end | worst task | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(row.method for row in rows):
        cells: list[list[float]] = [[] for _ in range(9)]
        for seed in sorted({row.seed for row in rows if row.method == method}):
            own = [row for row in rows if (row.method, row.seed) == (method, seed)]
            just, end = ([r for r in own if r.moment == moment] for moment in ("just after", "at the end"))
            errors = [geometric_mean(r.error for r in part) for part in (just, end)]
            values = (
                *errors,
                errors[1] / errors[0],
                max(r.error for r in end),
                geometric_mean(r.path_error for r in end),
                float(np.mean([places.of(r) for r in just])),
                float(np.mean([places.of(r) for r in end])),
                min(places.of(r) for r in end),
                sum(r.cpu_s for r in just),
            )
            for cell, value in zip(cells, values, strict=True):
                cell.append(value)
        texts = [shown(cell, ".3g" if i == 2 else ".2g") for i, cell in enumerate(cells[:5])]
        texts += [shown(cell, ".2f") for cell in cells[5:8]]
        lines.append(f"| {method} | {len(cells[0])} | {' | '.join(texts)} | {np.mean(cells[8]):.0f} |")
    return "\n".join(lines)


def reading(rows: Sequence[Measured], places: Places) -> str:
    """Say in a sentence a method how far error and return changed between the two moments."""
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        just, end = (
            [r for r in rows if (r.method, r.moment) == (method, moment)] for moment in ("just after", "at the end")
        )
        times = geometric_mean(r.error for r in end) / geometric_mean(r.error for r in just)
        before, after = (float(np.mean([places.of(r) for r in part])) for part in (just, end))
        lines.append(f"- {method}: errors times {times:.3g}, place of the return {before:.2f} to {after:.2f}")
    return "\n".join(lines)


def task_table(rows: Sequence[Measured]) -> str:
    """Give a row a method and task: mean error and return just after and at the end, and what changed."""
    lines = [
        "| method | task | error just after | at the end | times | return just after | at the end | change |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(row.method for row in rows):
        for task in dict.fromkeys(row.task for row in rows):
            just, end = (
                [r for r in rows if (r.method, r.task, r.moment) == (method, task, moment)]
                for moment in ("just after", "at the end")
            )
            errors = [geometric_mean(r.error for r in part) for part in (just, end)]
            returns = [float(np.mean([r.planned for r in part])) for part in (just, end)]
            lines.append(
                f"| {method} | {task} | {errors[0]:.2g} | {errors[1]:.2g} | {errors[1] / errors[0]:.2g} | "
                f"{returns[0]:.0f} | {returns[1]:.0f} | {returns[1] - returns[0]:+.0f} |"
            )
    return "\n".join(lines)


def harm_table(rows: Sequence[Measured], places: Places) -> tuple[str, float | None]:
    """Give returns by size of the error, and the error up to which their mean place stays at ``ROBUST``."""
    lines = ["| error | measurements | place of the return: mean | least |", "|---|---|---|---|"]
    robust, is_robust = None, True
    for low, high in pairwise(EDGES):
        own = [places.of(row) for row in rows if low <= row.error < high]
        if not own:
            continue
        is_robust = is_robust and float(np.mean(own)) >= ROBUST
        robust = high if is_robust else robust
        label = f"from {low:g}" if high == np.inf else f"{low:g} to {high:g}"
        lines.append(f"| {label} | {len(own)} | {np.mean(own):.2f} | {min(own):.2f} |")
    return "\n".join(lines), robust


def correlations(rows: Sequence[Measured], places: Places) -> dict[str, float]:
    """Give rank correlations of error and place of the return (Spearman 1904)."""
    at = np.array([places.of(row) for row in rows])
    found = {
        "over all measurements": spearmanr([row.error for row in rows], at).statistic,
        "with the error on the planned path": spearmanr([row.path_error for row in rows], at).statistic,
    }
    small = [i for i, row in enumerate(rows) if row.error < 1e-2]
    if len(small) > 2:
        found["where the error is below 0.01"] = spearmanr([rows[i].error for i in small], at[small]).statistic
    return {name: float(value) for name, value in found.items()}


def figure(rows: Sequence[Measured], places: Places) -> Any:
    """Draw each measurement: error, on a log scale, against the place of the return."""
    drawn = figures.new_figure(8.0, 4.2)
    axes = drawn.add_subplot()
    for i, method in enumerate(dict.fromkeys(row.method for row in rows)):
        for moment, mark in (("just after", "o"), ("at the end", "x")):
            own = [row for row in rows if (row.method, row.moment) == (method, moment)]
            axes.scatter(
                [row.error for row in own],
                [places.of(row) for row in own],
                s=18,
                marker=mark,
                color=(*figures.LINE_COLOURS, "#8c8c8c")[i],
                facecolors="none" if mark == "o" else None,
                linewidths=1.0,
                label=method if mark == "x" else None,
            )
    axes.set_xscale("log")
    axes.set(xlabel="one-step error, share of the targets' variance", ylabel="place of the return")
    axes.axhline(1.0, color="0.8", linewidth=0.8, zorder=0)
    axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
    axes.legend(title="o just after the task, x at the end", fontsize=7, title_fontsize=7, loc="lower left")
    figures.clean(axes)
    return drawn


def report(config: BenchmarkConfig, rows: Sequence[Measured], places: Places) -> str:
    """Give all tables."""
    harm, robust = harm_table(rows, places)
    ranks = "; ".join(f"{value:.2f} {name}" for name, value in correlations(rows, places).items())
    words = f"up to errors of {robust:g}" if robust is not None else "at none of these errors"
    tasks = dict.fromkeys(task for task, _ in places.ends)
    means = {t: np.mean([ends for (task, _), ends in places.ends.items() if task == t], axis=0) for t in tasks}
    ends = "; ".join(f"{name} {low:.0f} to {high:.0f}" for name, (low, high) in means.items())
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}"
    return "\n".join(
        [
            "# Where forgetting sits: dynamics error against return\n",
            "    python benchmarks/hypercrl_forgetting.py --output benchmarks/results/hypercrl_forgetting\n",
            method_table(rows, places),
            "",
            f"Errors: geometric mean over tasks; places of returns (0 random actions, 1 the same planner with the "
            f"true dynamics): mean over tasks; in brackets bootstrap intervals of 95 % over seeds. "
            f"{config.n_steps:,} steps a task, 400 of them random, 300 updates every 200 steps; dynamics of (32, 32) "
            "units; CEM 20 steps ahead, 2 x 120; CPU s: processor time of training all tasks, planning and sleep "
            f"(500 updates, 100 made-up rows a task) included, on one thread of a shared processor. "
            f"Returns from 0 to 1: {ends}. {versions}.\n",
            "## Where it sits\n",
            "From just after the tasks to the end, over all tasks and seeds:\n",
            reading(rows, places),
            "",
            "Sleep refits the weights that were kept of each task. Beside the regulariser the kept weights alone do "
            "it here, and replaying what the models say of made-up inputs changes nothing more. Without the "
            "regulariser that replay is all that keeps the earlier tasks, and nearly enough.\n",
            "## How much error a return bears\n",
            harm,
            "",
            f"The mean place of the return stays at {ROBUST} or more {words}. Rank correlation of error and return: "
            f"{ranks}.\n",
            "![Each measurement: error against the place of the return](hypercrl_forgetting.png)\n",
            "## Task by task\n",
            task_table(rows),
            "",
        ]
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write where asked to."""
    torch.set_num_threads(1)
    rows = all_runs(config)
    places = Places(sorted({row.seed for row in rows}), config)
    text = report(config, rows, places)
    print(text)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.with_suffix(".md").write_text(text)
        figure(rows, places).savefig(config.output.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
