"""How long a report takes: 100 synthetic runs of 4 tasks, 5,000 training episodes and 40 evaluations each.

The runs are written first, all from one seed, and are not part of the time. The report is then written twice, as the
command `lifelong-rl report` does; the first time pays for the imports of matplotlib and torch.

    python benchmarks/report_speed.py --output benchmarks/results/report_speed.md
"""

from __future__ import annotations

import json
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tyro

from lifelong_rl.evaluation import to_line
from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.report import write_report
from lifelong_rl.tracking.run_folder import RunFolder, find_runs
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.references import cached_references

TASKS = ("east", "north", "west", "south")
COMPONENTS: tuple[tuple[str, ...], ...] = ((), ("distillation",), ("reservoir-replay",))


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    runs: int = 100
    """Runs in the report."""
    seeds: int = 5
    """Seeds of a group; the groups differ by components and by the learning rate."""
    episodes: int = 5_000
    """Training episodes of a run."""
    evaluations: int = 40
    """Evaluations of all tasks after the one before training."""
    seed: int = 0
    """Every synthetic number follows from it."""
    json: bool = False
    """Print one JSON document instead of the table."""
    output: Path | None = None
    """Markdown file to write the table to."""


def configs(settings: BenchmarkConfig) -> list[RunConfig]:
    """Give the configurations of the runs: groups of seeds, with and without components."""
    scenario = condensed("point-goal", n_tasks=4, steps=settings.episodes * 8)
    found = []
    for index in range(settings.runs):
        group, seed = divmod(index, settings.seeds)
        variant, which = divmod(group, len(COMPONENTS))
        agent = AgentConfig("dqn", options={"learning_rate": 1e-3 / (variant + 1)}, components=COMPONENTS[which])
        found.append(RunConfig(scenario, agent, seed=seed))
    return found


def write_run(path: Path, config: RunConfig, settings: BenchmarkConfig, rng: np.random.Generator) -> None:
    """Write the folder of a run that was never trained: a task is learnt in its block, and then partly forgotten."""
    folder = RunFolder.create(
        path, config.to_json() | {"provenance": {"python": "3", "packages": {}, "commit": None}}
    )
    keeps = 0.9 if config.agent.components else 0.4
    n_blocks, n_steps = len(TASKS), config.scenario.steps
    lines = []
    for index in range(settings.episodes):
        step = (index + 1) * n_steps // settings.episodes
        block = min((step - 1) * n_blocks // n_steps, n_blocks - 1)
        score = float(rng.random())
        episode = {"step": step, "block": block, "env": 0, "task": TASKS[block], "return": score - 1, "score": score}
        lines.append(to_line(episode | {"length": 8, "success": score > 0.5, "source": TASKS[block]}))
    folder.episodes_path.write_text("".join(lines))
    lines = []
    per_block = settings.evaluations // n_blocks
    for index in range(per_block * n_blocks + 1):
        block = max(index - 1, 0) // per_block
        moment = "start" if index == 0 else "end" if index % per_block == 0 else "during"
        point = {"step": index * n_steps // (per_block * n_blocks), "block": block, "at": moment}
        for column, task in enumerate(TASKS):
            done = min(max(index / per_block - column, 0.0), 1.0)
            level = done if column >= block else keeps
            scores = np.clip(level + 0.1 * rng.standard_normal(5), 0, 1).tolist()
            record = {"task": task, "returns": scores, "scores": scores, "successes": [s > 0.5 for s in scores]}
            lines.append(to_line(point | {"trained": TASKS[block]} | record | {"lengths": [8] * 5}))
    folder.evaluations_path.write_text("".join(lines))


def measure(settings: BenchmarkConfig, place: Path) -> dict[str, Any]:
    """Write the runs, report them twice, and give what it took; the two reports must be the same bytes."""
    rng = np.random.default_rng(settings.seed)
    for index, config in enumerate(configs(settings)):
        write_run(place / "runs" / f"run-{index:03d}", config, settings, rng)
    seconds, cpu_seconds, pages = [], [], []
    for name in ("first", "second"):
        started, cpu_started = time.perf_counter(), time.process_time()
        folders = find_runs([place / "runs"])
        report = write_report(folders, cached_references, place / name)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
        files = sorted(path for path in (place / name).rglob("*") if path.is_file())
        pages.append({path.relative_to(place / name): path.read_bytes() for path in files})
    return {
        "runs": settings.runs,
        "groups": len(report.table.splitlines()) - 2,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "bytes": sum(map(len, pages[0].values())),
        "page_bytes": len(pages[0][Path("index.html")]),
        "figures": sum(path.suffix == ".png" for path in pages[0]),
        "is_same": pages[0] == pages[1],
    }


def table(found: dict[str, Any]) -> str:
    """Give the measurement as Markdown."""
    lines = [
        f"- Python {platform.python_version()}, matplotlib {matplotlib.__version__}, {platform.machine()}",
        "",
        "| runs | groups | figures | first report (CPU) | second report (CPU) | page | all files | same bytes |",
        "|-----:|-------:|--------:|-------------------:|--------------------:|-----:|----------:|:-----------|",
    ]
    pairs = zip(found["seconds"], found["cpu_seconds"], strict=True)
    first, second = (f"{wall:.1f} s ({cpu:.1f} s)" for wall, cpu in pairs)
    sizes = f"{found['page_bytes'] / 1e6:.1f} MB | {found['bytes'] / 1e6:.1f} MB"
    counts = f"{found['runs']} | {found['groups']} | {found['figures']}"
    lines.append(f"| {counts} | {first} | {second} | {sizes} | {'yes' if found['is_same'] else 'NO'} |")
    return "\n".join(lines)


def main(settings: BenchmarkConfig) -> None:
    with tempfile.TemporaryDirectory() as place:
        found = measure(settings, Path(place))
    print(json.dumps(found) if settings.json else table(found))
    if settings.output is not None:
        text = f"# How long a report takes\n\n`python benchmarks/report_speed.py`\n\n{table(found)}\n"
        settings.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
