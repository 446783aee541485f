"""How well tasks are told apart, and unknown ones noticed, by the errors of a hypernetwork's dynamics models.

Learns pendulum variants one after another (2,250 training transitions of random torques a task, and about 750 held
out; 2,000 updates of batch 100; target network 4-32-32-3) and reads windows of new rollouts:

- which of five tasks: all five variants learned, 200 windows of each;
- clear changes: each variant in turn is left out of training, and its windows must stand out;
- subtle changes: all five learned, and gravity 10 becomes 9 or 11, or the mass 1 becomes 1.1;
- false alarms: windows and streams of known tasks that are taken for unknown, at a nominal rate.

    python benchmarks/hypercrl_inference.py --seeds 5 --output benchmarks/results/hypercrl_inference.md
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import tyro
from pendulum_variants import ACTION_SIZE, OBSERVATION_SIZE, VARIANTS, Array, Columns, Variant, rollouts
from scipy.stats import rankdata

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.inference import FilterSettings, Inference, TaskFilter, calibrate, infer
from lifelong_rl.agents.hypernet.task_models import TaskModels
from lifelong_rl.agents.hypernet.transitions import Transitions
from lifelong_rl.evaluation import bootstrap_interval

Figures: TypeAlias = dict[str, dict[int, float]]
"""A figure of one seed by its name and window length."""

N_ROLLOUTS = 60
N_STEPS = 50
HELD_OUT = 0.25
SUBTLE = {
    "gravity 10 to 9": Variant(9.0, 1.0, 1.0),
    "gravity 10 to 11": Variant(11.0, 1.0, 1.0),
    "mass 1 to 1.1": Variant(10.0, 1.1, 1.0),
}
CLEAR = "a variant left out"
FALSE_ALARM_RATE = 0.05


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    seeds: int = 5
    """Runs; each trains six models, about 50 CPU seconds."""
    n_windows: int = 200
    """Windows of each task and length."""
    lengths: tuple[int, ...] = (1, 3, 5, 10, 30, 50)
    """Transitions in a window."""
    n_updates: int = 2000
    """Updates a task."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def trained(variants: Sequence[Variant], seed: int, n_updates: int) -> DynamicsModel:
    """Learn the variants one after another, calibrating each at its end."""
    rng = np.random.default_rng(seed)
    model = DynamicsModel(
        OBSERVATION_SIZE,
        ACTION_SIZE,
        lambda target, loss: HypernetLearner(
            target,
            loss,
            torch.Generator().manual_seed(seed),
            settings=HypernetSettings(),
            rng=np.random.default_rng(seed + 1),
        ),
        settings=DynamicsSettings(hidden=(32, 32)),
        rng=np.random.default_rng(seed + 2),
    )
    for variant in variants:
        task = model.begin_task()
        data = Transitions(OBSERVATION_SIZE, ACTION_SIZE, held_out=HELD_OUT, rng=rng, stretch=N_STEPS)
        for step in zip(*rollouts(variant, N_ROLLOUTS, rng, N_STEPS), strict=True):
            data.add(*step)
            model.observe(task, *step)
        model.fit(task, data, n_updates, 100, lambda update: None)
        model.end_task(task, data)
        calibrate(model, task, data, n_streams=N_ROLLOUTS)
    return model


def windows(columns: Columns, length: int, rng: np.random.Generator) -> Columns:
    """Cut one window out of each rollout, at a random step: shapes (n_rollouts, length, ...)."""
    n_steps, n_rollouts = columns.rewards.shape
    starts = rng.integers(0, n_steps - length + 1, n_rollouts)
    steps = starts[:, None] + np.arange(length)
    return Columns(*(column[steps, np.arange(n_rollouts)[:, None]] for column in columns))


def read(models: TaskModels, columns: Columns) -> Inference:
    return infer(models, columns.observations, columns.actions, columns.following, false_alarm_rate=FALSE_ALARM_RATE)


def raw_errors(model: DynamicsModel, columns: Columns) -> Array:
    """Give each window's mean squared error under each task, scaled by the task's targets, shape (n, k)."""
    seen, taken = torch.from_numpy(columns.observations), torch.from_numpy(columns.actions)
    errors = []
    for task, scales in enumerate(model.scales):
        missed = model.predictor(task).step(seen, taken).numpy() - columns.following
        errors.append(np.square(missed / scales.targets.std).mean(axis=(1, 2)))
    return np.stack(errors, axis=1)


def area(known: Array, novel: Array) -> float:
    """Give the area under the ROC curve of a score that should be higher on novel windows (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([known, novel]))[len(known) :]
    return float((ranks.mean() - (len(novel) + 1) / 2) / len(known))


def measure(
    model: DynamicsModel, known: Sequence[Variant], novel: dict[str, Variant], config: BenchmarkConfig, seed: int
) -> Figures:
    """Give accuracy, false alarms and areas of one trained model by window length."""
    models = TaskModels(model)
    rng = np.random.default_rng(10_000 + seed)
    tests = [rollouts(variant, config.n_windows, rng, N_STEPS) for variant in (*known, *novel.values())]
    figures: Figures = {}
    for length in config.lengths:
        cut = [windows(columns, length, rng) for columns in tests]
        found = [read(models, columns) for columns in cut]
        raw = [raw_errors(model, columns) for columns in cut]
        k = len(known)
        values = {
            "accuracy": np.mean([f.most_likely == i for i, f in enumerate(found[:k])]),
            "accuracy, smallest raw error": np.mean([r.argmin(axis=1) == i for i, r in enumerate(raw[:k])]),
            "probability of the task named": np.mean([f.belief.max(axis=1) for f in found[:k]]),
            "false alarms": np.mean([f.is_unknown for f in found[:k]]),
        }
        usual = np.concatenate([f.novelty for f in found[:k]])
        usual_raw = np.concatenate([r.min(axis=1) for r in raw[:k]])
        for i, name in enumerate(novel, start=k):
            values[f"area, {name}"] = area(usual, found[i].novelty)
            values[f"area of the raw error, {name}"] = area(usual_raw, raw[i].min(axis=1))
            values[f"noticed, {name}"] = found[i].is_unknown.mean()
        for name, value in values.items():
            figures.setdefault(name, {})[length] = float(value)
    return figures


def alarms(models: TaskModels, columns: Columns, rate: float) -> tuple[float, float | None]:
    """Give the share of streams with an alarm, and the median transition at which it comes; None if there is none."""
    running = TaskFilter(
        models, columns.rewards.shape[1], settings=FilterSettings(false_alarm_rate=rate, horizon=N_STEPS)
    )
    first = np.full(running.n_envs, np.inf)
    for step, (seen, taken, _, then) in enumerate(zip(*columns, strict=True), start=1):
        running.update(seen, taken, then)
        first[running.is_unknown & np.isinf(first)] = step
    raised = np.isfinite(first)
    return float(raised.mean()), float(np.median(first[raised])) if raised.any() else None


def streams(model: DynamicsModel, known: Sequence[Variant], novel: dict[str, Variant], seed: int) -> dict[str, Any]:
    """Give alarms of Page's sums on streams of 50 transitions, by nominal rate and what the streams are of."""
    models, rng = TaskModels(model), np.random.default_rng(20_000 + seed)
    tests = {f"task {i}": rollouts(v, 400, rng, N_STEPS) for i, v in enumerate(known)}
    tests |= {name: rollouts(v, 400, rng, N_STEPS) for name, v in novel.items()}
    return {
        str(rate): {name: alarms(models, columns, rate) for name, columns in tests.items()} for rate in (0.01, 0.05)
    }


def run(seed: int, config: BenchmarkConfig) -> dict[str, Any]:
    """Train and measure one seed: all five variants, and each left out in turn."""
    torch.set_num_threads(1)
    start = time.process_time()
    model = trained(VARIANTS, seed, config.n_updates)
    seconds = time.process_time() - start
    figures = measure(model, VARIANTS, SUBTLE, config, seed)
    by_stream = streams(model, VARIANTS, SUBTLE, seed)
    left_out: list[Figures] = []
    for i, variant in enumerate(VARIANTS):
        rest = [*VARIANTS[:i], *VARIANTS[i + 1 :]]
        model = trained(rest, seed, config.n_updates)
        left_out.append(measure(model, rest, {CLEAR: variant}, config, seed))
        for rate, found in streams(model, rest, {CLEAR: variant}, seed).items():
            by_stream[rate][f"variant {i} left out"] = found[CLEAR]
    for name in left_out[0]:
        if CLEAR in name:
            each = [[out[name][length] for length in config.lengths] for out in left_out]
            figures[name] = dict(zip(config.lengths, np.mean(each, axis=0).tolist(), strict=True))
            figures[f"{name}, worst of five"] = dict(zip(config.lengths, np.min(each, axis=0).tolist(), strict=True))
            figures[f"{name}, the fifth"] = left_out[-1][name]
    return {"figures": figures, "streams": by_stream, "training_s": seconds}


def interval(values: Sequence[float]) -> str:
    found = bootstrap_interval(values)
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


def table(runs: Sequence[dict[str, Any]], names: Sequence[str], lengths: Sequence[int]) -> list[str]:
    lines = [f"| transitions | {' | '.join(map(str, lengths))} |", f"|---|{'---|' * len(lengths)}"]
    for name in names:
        cells = [interval([r["figures"][name][length] for r in runs]) for length in lengths]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def stream_table(runs: Sequence[dict[str, Any]], rate: str) -> list[str]:
    lines = ["| streams of | with an alarm | median transition of the alarm |", "|---|---|---|"]
    for name in runs[0]["streams"][rate]:
        found = [r["streams"][rate][name] for r in runs]
        when = [at for _, at in found if at is not None]
        lines.append(
            f"| {name} | {interval([share for share, _ in found])} | {f'{np.mean(when):.1f}' if when else '-'} |"
        )
    known = [[r["streams"][rate][f"task {i}"][0] for i in range(len(VARIANTS))] for r in runs]
    lines.append(f"| all known tasks | {interval(np.mean(known, axis=1).tolist())} | |")
    return lines


def report(runs: Sequence[dict[str, Any]], config: BenchmarkConfig) -> str:
    """Give the tables as Markdown."""
    names = list(runs[0]["figures"])
    parts = [n for n in names if n.startswith("accuracy") or n.startswith("probability")]
    areas = [n for n in names if n.startswith("area, ")]
    lines = [
        "# Which task is it, and is it none of them?",
        "",
        "    python benchmarks/hypercrl_inference.py",
        "",
        f"Mean and 95 % bootstrap interval over {len(runs)} seeds; {config.n_windows} windows of each task and "
        "length, from new rollouts. Training five tasks takes "
        f"{np.mean([r['training_s'] for r in runs]):.0f} CPU seconds. "
        f"Python {platform.python_version()}, torch {torch.__version__}.",
        "",
        "## Accuracy (chance 0.2)",
        "",
        *table(runs, parts, config.lengths),
        "",
        "## Novelty: area under the ROC curve, windows of the unknown task against windows of all known ones",
        "",
        *table(runs, areas, config.lengths),
        "",
        "The smallest raw error as the score, for comparison:",
        "",
        *table(runs, [n for n in names if n.startswith("area of the raw error")], config.lengths),
        "",
        f"## Windows taken for unknown at a nominal rate of {FALSE_ALARM_RATE}",
        "",
        *table(runs, ["false alarms", *(n for n in names if n.startswith("noticed"))], config.lengths),
    ]
    for rate in runs[0]["streams"]:
        title = f"## Alarms of Page's sums within {N_STEPS} transitions, at a nominal rate of {rate}"
        lines += ["", title, "", *stream_table(runs, rate)]
    return "\n".join(lines) + "\n"


def main(config: BenchmarkConfig) -> None:
    runs = []
    for seed in range(config.seeds):
        runs.append(run(seed, config))
        print(
            json.dumps({"seed": seed, **{n: v for n, v in runs[-1]["figures"].items() if n[0] in "af"}}), flush=True
        )
    text = report(runs, config)
    print(text)
    if config.output is not None:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
