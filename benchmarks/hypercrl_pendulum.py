"""What each continual mechanism keeps of five pendulums whose dynamics are learned in sequence.

The sequence is that of `pendulum_variants.py`: 45 rollouts of 50 random torques a task (2,250 transitions), a model
of two layers of 32, 2,000 updates of 100 rows. An error is the mean squared error of one step as a share of the
targets' variance on 40 fresh rollouts, and over tasks the geometric mean. EWC and SI get the strength, of decades,
with the best mean. A return is that of CEM with the learned models: 0 as random actions, 1 as with the true dynamics.

    python benchmarks/hypercrl_pendulum.py --output benchmarks/results/hypercrl_pendulum.md

With --records runs.jsonl a benchmark that was cut short goes on where it was.
"""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from hypercrl_sequences import (
    METHODS,
    Method,
    Outcome,
    Records,
    Task,
    baseline,
    best_strength,
    geometric_mean,
    hypernet,
    run,
    shown,
)
from pendulum_variants import VARIANTS, Variant, transitions
from planner_comparison import Pendulums, starts

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.planners import CEM
from lifelong_rl.agents.hypernet.rollout import Rollout, Step

TARGET = DynamicsSettings(hidden=(32, 32))
UNSCALED = dataclasses.replace(TARGET, scales_targets=False)
EWC_STRENGTHS = tuple(10.0**power for power in range(2, 10))
SI_STRENGTHS = tuple(10.0**power for power in range(-1, 7))
N_TUNING_SEEDS = 3
N_EPISODES, N_STEPS = 3, 200


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_seeds: int = 5
    """Runs of each method."""
    n_updates: int = 2000
    """Updates of each task."""
    five: bool = True
    """Whether the five variants are measured."""
    n_many: int = 20
    """Tasks of the long sequence; 0 for none."""
    n_many_seeds: int = 3
    """Runs of each method in the long sequence."""
    n_planned: int = 3
    """Runs of each method whose models are planned with, at most ``n_seeds``."""
    only: str = ""
    """Run only methods whose name contains this."""
    records: Path | None = None
    """File of JSON lines to keep runs in, and to continue from."""
    tables_only: bool = False
    """Run nothing, and make the tables of the runs in the records."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def tasks_of(variants: tuple[Variant, ...], seed: int) -> list[Task]:
    """Draw training and test transitions of each variant."""
    rng = np.random.default_rng(seed)
    test_rng = np.random.default_rng(1000 + seed)
    return [Task(transitions(v, 45, rng), transitions(v, 40, test_rng)) for v in variants]


def random_variants(n: int, seed: int = 0) -> tuple[Variant, ...]:
    """Draw pendulums: gravity 2 to 16 m/s^2, mass 0.7 to 2 kg, length 0.6 to 1.3 m, all uniform."""
    drawn = np.random.default_rng(seed).uniform((2.0, 0.7, 0.6), (16.0, 2.0, 1.3), (n, 3))
    return tuple(Variant(*map(float, row)) for row in drawn)


# Planning


def mean_return(step: Step | None, seed: int) -> float:
    """Give the mean return of CEM (20 steps ahead, 3 x 200, warm) over all variants; None acts at random.

    The same starts for all; the environments stand variant by variant, ``N_EPISODES`` each.
    """
    world = Pendulums(torch.tensor(VARIANTS).repeat_interleave(N_EPISODES, dim=0))
    observations = starts(len(VARIANTS) * N_EPISODES, False, np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    planner = CEM()
    plans = planner.fresh(len(observations), world.low, world.high)
    rollout = None if step is None else Rollout(step, world.reward)
    total = torch.zeros(len(observations))
    for _ in range(N_STEPS):
        if rollout is None:
            action = 4 * torch.rand(len(observations), 1, generator=generator) - 2
        else:
            evaluate = lambda a, now=observations, r=rollout: r.returns(now, a)  # noqa: E731
            plan = planner.plan(evaluate, plans, world.low, world.high, generator)
            plans, action = planner.shifted(plan.plans), plan.actions
        total += world.reward(observations[:, None], action[:, None], observations[:, None])[0][:, 0]
        observations = world.step(observations[:, None], action[:, None])[:, 0]
    return float(total.mean())


def true_step(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Step all environments by their true dynamics."""
    return Pendulums(torch.tensor(VARIANTS).repeat_interleave(N_EPISODES, dim=0)).step(observations, actions)


def learned_step(model: DynamicsModel) -> Step:
    """Give the step of all environments, each by its variant's model; the models' layers are stacked."""
    of_variants = [model.predictor(i).layers for i in range(len(VARIANTS))]
    layers = [
        (torch.cat([matrix for matrix, _ in same]).transpose(1, 2), torch.cat([bias for _, bias in same]))
        for same in zip(*of_variants, strict=True)
    ]

    def step(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        values = torch.cat([observations, actions], dim=-1).view(len(VARIANTS), -1, 4)
        for i, (matrix, bias) in enumerate(layers):
            values = torch.baddbmm(bias, values.relu_() if i else values, matrix)
        return observations + values.view(observations.shape)

    return step


class Planning:
    """Places a model's return between that of random actions (0) and that of planning with the true dynamics (1)."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[float, float]] = {}

    def share(self, model: DynamicsModel, seed: int) -> float:
        """Give the place of a model, with the same starts for all."""
        if seed not in self._ends:
            self._ends[seed] = mean_return(None, seed), mean_return(true_step, seed)
        least, most = self._ends[seed]
        return (mean_return(learned_step(model), seed) - least) / (most - least)


# The five variants


class Benchmark:
    """Runs what the configuration asks for, each run once."""

    def __init__(self, config: BenchmarkConfig):
        self.config = config
        self.records = Records(config.records)
        self.planning = Planning()

    def outcomes(
        self,
        name: str,
        method: Method,
        n_seeds: int,
        *,
        variants: tuple[Variant, ...] = VARIANTS,
        settings: DynamicsSettings = TARGET,
        n_planned: int = 0,
    ) -> list[Outcome]:
        """Give the runs of a method, from the records where they are there; the first ``n_planned`` with a return."""
        found = [self.records.find(name, seed) for seed in range(n_seeds)]
        if not self.config.tables_only:
            for seed in range(n_seeds):
                if found[seed] is None:
                    found[seed] = self._run(name, method, seed, variants, settings, seed < n_planned)
        return [outcome for outcome in found if outcome is not None]

    def _run(
        self,
        name: str,
        method: Method,
        seed: int,
        variants: tuple[Variant, ...],
        settings: DynamicsSettings,
        plans: bool,
    ) -> Outcome:
        tasks = tasks_of(variants, seed)
        outcome, model = run(name, method, seed, tasks, settings, n_updates=self.config.n_updates)
        if plans:
            outcome = dataclasses.replace(outcome, planned=self.planning.share(model, seed))
        print(line([outcome]), flush=True)
        return self.records.add(outcome)

    def tuned(self, kind: str, strengths: tuple[float, ...]) -> tuple[float, dict[float, list[float]]]:
        """Give the best strength of EWC or SI, and all final errors by strength."""
        errors = {
            strength: [
                geometric_mean(outcome.final)
                for outcome in self.outcomes(
                    f"{kind} {strength:g}", baseline(kind, strength=strength), N_TUNING_SEEDS
                )
            ]
            for strength in strengths
        }
        return best_strength(errors), errors

    def table(self) -> str:
        """Give the table of the five variants."""
        methods: dict[str, tuple[Method, DynamicsSettings]] = {n: (m, TARGET) for n, m in METHODS.items()}
        methods["fine-tuning, targets not scaled"] = (METHODS["fine-tuning"], UNSCALED)
        methods["hypernetwork, targets not scaled"] = (METHODS["hypernetwork"], UNSCALED)
        methods["multi-task, targets not scaled"] = (METHODS["multi-task (all data kept)"], UNSCALED)
        methods["no sleep, targets not scaled"] = (METHODS["hypernetwork, no sleep"], UNSCALED)
        notes = []
        for kind, strengths in (("ewc", EWC_STRENGTHS), ("si", SI_STRENGTHS)):
            if self.config.only in kind:
                best, errors = self.tuned(kind, strengths)
                methods[f"{kind.upper()}, strength {best:g}"] = (baseline(kind, strength=best), TARGET)
                notes.append(grid(kind, errors))
        rows, costs = [HEAD], [COST_HEAD]
        for name, (method, settings) in methods.items():
            if self.config.only in name or (self.config.only in ("ewc", "si") and name.startswith(("EWC", "SI"))):
                n_seeds, n_planned = self.config.n_seeds, self.config.n_planned
                outcomes = self.outcomes(name, method, n_seeds, settings=settings, n_planned=n_planned)
                if outcomes:
                    rows.append(line(outcomes))
                    costs.append(cost_line(outcomes))
        return "\n".join([*rows, "", *notes, "## What they cost\n", *costs, ""])

    def many(self) -> str:
        """Give the table of the long sequence."""
        variants = random_variants(self.config.n_many)
        methods = {
            "hypernetwork": hypernet(),
            "hypernetwork, no sleep": hypernet(n_sleep_updates=0),
            "no sleep, all earlier tasks in every update": hypernet(n_sleep_updates=0, n_sampled=None),
            "fine-tuning": METHODS["fine-tuning"],
        }
        rows = [MANY_HEAD]
        for name, method in methods.items():
            if self.config.only in name:
                label = f"{name}, {self.config.n_many} tasks"
                outcomes = self.outcomes(label, method, self.config.n_many_seeds, variants=variants)
                if outcomes:
                    rows.append(many_line(name, outcomes))
        return "\n".join(rows)


HEAD = (
    "| method | seeds | just after | after all | worst task | ratio | return | CPU s |\n"
    "|---|---|---|---|---|---|---|---|"
)
MANY_HEAD = (
    "| method | seeds | just after | after all | ratio | update of task 5, ms | of the last, ms | bytes after task 5 "
    "| after the last | CPU s |\n|---|---|---|---|---|---|---|---|---|---|"
)
COST_HEAD = (
    "| method | update of the first task, ms | of the fifth | bytes after the fifth | bytes a further task |\n"
    "|---|---|---|---|---|"
)


def cost_line(outcomes: list[Outcome]) -> str:
    """Give a method's time and memory: medians over seeds; memory is the same for all."""
    memory = outcomes[0].memory
    times = [f"{np.median([o.update_ms[i] for o in outcomes]):.2f}" for i in (0, -1)]
    cells = [outcomes[0].method, *times, f"{memory[-1]:,}", f"{memory[-1] - memory[-2]:,}"]
    return f"| {' | '.join(cells)} |"


def line(outcomes: list[Outcome]) -> str:
    """Give a method's row over its seeds."""
    just = [geometric_mean(o.just_after) for o in outcomes]
    final = [geometric_mean(o.final) for o in outcomes]
    worst = [max(o.final) for o in outcomes]
    ratio = [a / b for a, b in zip(final, just, strict=True)]
    planned = [o.planned for o in outcomes if o.planned is not None]
    cells = [
        outcomes[0].method,
        str(len(outcomes)),
        *(shown(values) for values in (just, final, worst)),
        shown(ratio, ".3g"),
        shown(planned, ".3f") if planned else "-",
        f"{np.mean([o.cpu_s for o in outcomes]):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def many_line(name: str, outcomes: list[Outcome]) -> str:
    """Give a method's row of the long sequence."""
    just = [geometric_mean(o.just_after) for o in outcomes]
    final = [geometric_mean(o.final) for o in outcomes]
    early = min(4, len(outcomes[0].update_ms) - 1)
    cells = [
        name,
        str(len(outcomes)),
        shown(just),
        shown(final),
        shown([a / b for a, b in zip(final, just, strict=True)], ".3g"),
        *(f"{np.median([o.update_ms[i] for o in outcomes]):.2f}" for i in (early, -1)),
        *(f"{outcomes[0].memory[i]:,}" for i in (early, -1)),
        f"{np.mean([o.cpu_s for o in outcomes]):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def grid(kind: str, errors: dict[float, list[float]]) -> str:
    """Give the final errors of each strength in a line."""
    parts = [
        f"{strength:g}: {np.mean(values):.2g} ({', '.join(f'{v:.2g}' for v in values)})"
        for strength, values in errors.items()
    ]
    return f"{kind.upper()} by strength, mean (each of {N_TUNING_SEEDS} seeds): {'; '.join(parts)}.\n"


def report(config: BenchmarkConfig) -> str:
    """Give both tables with what it takes to measure them again."""
    benchmark = Benchmark(config)
    parts = [
        "# Five pendulums in sequence: what each mechanism keeps of their dynamics\n",
        "    python benchmarks/hypercrl_pendulum.py --output benchmarks/results/hypercrl_pendulum.md\n",
        *([benchmark.table()] if config.five else []),
    ]
    if config.n_many:
        parts += [f"## {config.n_many} pendulums\n", benchmark.many() + "\n"]
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}"
    parts.append(
        f"In brackets bootstrap intervals of 95 % over seeds; returns of the first {config.n_planned} seeds; "
        f"{config.n_updates} updates a task; processor time of training on one thread; {versions}.\n"
    )
    return "\n".join(parts)


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write where asked to."""
    torch.set_num_threads(1)
    text = report(config)
    print(text)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
