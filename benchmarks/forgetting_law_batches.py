"""Does a larger batch forget more slowly? The forgetting law fitted to fine-tuning with batches of several sizes.

The claim is of Chang et al. 2024 (How Do Large Language Models Acquire Factual Knowledge During Pretraining?), for
language models: small batches and duplicated data forget faster, by a power law. Here it is tried on a regression
stream that takes minutes: five tasks in a row, each a random network of its own over shared features, a trunk of two
layers with a linear head a task, and Adam. While the tasks after it are trained, the first task's R2 is measured at
growing distances, and A t^-a is fitted to what is retained. Whether t counts updates or samples, a is the same.

    python benchmarks/forgetting_law_batches.py --output benchmarks/results/forgetting_law_batches.md
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from lifelong_rl.evaluation.diagnostics import fit_forgetting_law
from lifelong_rl.evaluation.measured import Undefined
from lifelong_rl.evaluation.statistics import bootstrap_interval

N_INPUTS, N_OUTPUTS, N_TASKS = 6, 4, 5
BATCHES = (16, 64, 256)
LOOKS = (10, 20, 40, 70, 110, 160, 240, 350, 500, 700, 800, 1200, 1600, 2400, 3200)
"""Updates after the end of a task at which it is evaluated, of 800 a task."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    seeds: int = 10
    """Streams and networks; every batch size meets the same ones."""
    updates: int = 800
    """Updates of each task."""
    duplicates: int = 64
    """Samples of the small data set, each of which comes again and again, in the second measurement."""
    output: Path | None = None
    """Markdown file to write the table to."""


class Streams:
    """A stream of tasks for each of ``n`` seeds at once: what the networks are to learn, from inputs of its own."""

    def __init__(self, n: int):
        self.rng = torch.Generator().manual_seed(0)
        self.shared, *self.own = (self._network(n) for _ in range(N_TASKS + 1))
        self.shifts = 0.5 * torch.randn(N_TASKS, n, 1, N_INPUTS, generator=self.rng)

    def _network(self, n: int) -> tuple[Tensor, Tensor]:
        first = torch.randn(n, N_INPUTS, 16, generator=self.rng) / N_INPUTS**0.5
        return first, torch.randn(n, 16, N_OUTPUTS, generator=self.rng) / 4.0

    def inputs(self, task: int, n_inputs: int) -> Tensor:
        """Give inputs of a task, shape (n, n_inputs, N_INPUTS)."""
        shifts = self.shifts[task]
        return torch.randn(len(shifts), n_inputs, N_INPUTS, generator=self.rng) + shifts

    def outputs(self, task: int, x: Tensor) -> Tensor:
        """Give what is to be learned, shape (n, n_inputs, N_OUTPUTS)."""
        parts = [torch.tanh(x @ first) @ second for first, second in (self.shared, self.own[task])]
        return 0.7 * parts[0] + 0.7 * parts[1]

    def layer(self, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
        """Give weights and biases of a layer for each seed, drawn as torch draws them."""
        n, reach = len(self.shifts[0]), n_in**-0.5
        shapes = ((n, n_in, n_out), (n, 1, n_out))
        drawn = [reach * (2 * torch.rand(shape, generator=self.rng) - 1) for shape in shapes]
        return drawn[0].requires_grad_(), drawn[1].requires_grad_()


def retained(batch: int, settings: BenchmarkConfig, n_samples: int | None) -> tuple[Tensor, Tensor]:
    """Give the first task's R2 after its own training, shape (n_seeds,), and at ``LOOKS``, shape (n_looks, n_seeds).

    n_samples: size of each task's data set; None for new samples in every batch.
    """
    streams = Streams(settings.seeds)
    trunk = [streams.layer(N_INPUTS, 64), streams.layer(64, 64)]
    heads = [streams.layer(64, N_OUTPUTS) for _ in range(N_TASKS)]
    optimiser = torch.optim.Adam([p for layer in (*trunk, *heads) for p in layer], lr=1e-3)
    test = streams.inputs(0, 500)
    wanted = streams.outputs(0, test)

    def answers(task: int, x: Tensor) -> Tensor:
        for weights, biases in trunk:
            x = torch.relu(torch.baddbmm(biases, x, weights))
        return torch.baddbmm(heads[task][1], x, heads[task][0])

    def r2() -> Tensor:
        with torch.no_grad():
            errors = (answers(0, test) - wanted).square().sum(dim=(1, 2))
        return 1 - errors / (wanted - wanted.mean(dim=1, keepdim=True)).square().sum(dim=(1, 2))

    learned, seen = torch.zeros(0), []
    for task in range(N_TASKS):
        data = None if n_samples is None else streams.inputs(task, n_samples)
        for update in range(1, settings.updates + 1):
            if data is None:
                x = streams.inputs(task, batch)
            else:
                x = data[:, torch.randint(n_samples, (batch,), generator=streams.rng)]
            # a sum over seeds: each network is trained on its own part
            loss = (answers(task, x) - streams.outputs(task, x)).square().mean(dim=(1, 2)).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if task > 0 and (task - 1) * settings.updates + update in LOOKS:
                seen.append(r2())
        learned = r2() if task == 0 else learned
    return learned, torch.stack(seen)


def exponents(batch: int, settings: BenchmarkConfig, n_samples: int | None) -> dict[str, Any]:
    """Give what the fits of all seeds say for one batch size."""
    learned, seen = retained(batch, settings, n_samples)
    found, why = [], []
    for own in seen.T.double().numpy():
        try:
            found.append(fit_forgetting_law(LOOKS, own).exponent)
        except Undefined as undefined:
            why.append(str(undefined))
    kept = seen[LOOKS.index(350)].tolist()
    return {"batch": batch, "exponents": found, "learned": learned.tolist(), "kept": kept, "undefined": why}


def table(rows: list[dict[str, Any]]) -> str:
    """Give the measurement as Markdown."""
    lines = [
        "| data | batch | a, mean over seeds [95 %] | fits | R2 learned | R2 after 350 updates |",
        "|:-----|------:|:-------------------------|-----:|-----------:|---------------------:|",
    ]
    for row in rows:
        found = row["exponents"]
        shown = "undefined"
        if len(found) > 1:
            interval = bootstrap_interval(found)
            shown = f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        counts = f"{len(found)} of {len(row['learned'])}"
        levels = f"{np.mean(row['learned']):.3f} | {np.mean(row['kept']):.3f}"
        lines.append(f"| {row['data']} | {row['batch']} | {shown} | {counts} | {levels} |")
    return "\n".join(lines)


def main(settings: BenchmarkConfig) -> None:
    torch.set_num_threads(1)
    rows = []
    for data, n_samples in (("new", None), ("duplicated", settings.duplicates)):
        for batch in BATCHES:
            rows.append(exponents(batch, settings, n_samples) | {"data": data})
    found = table(rows)
    print(found)
    reasons = sorted({reason.split(":")[0] for row in rows for reason in row["undefined"]})
    print(json.dumps(reasons))
    if settings.output is not None:
        versions = f"- Python {platform.python_version()}, torch {torch.__version__}, {settings.seeds} seeds"
        command = "`python benchmarks/forgetting_law_batches.py`"
        settings.output.write_text(f"# Forgetting law and batch size\n\n{command}\n\n{versions}\n\n{found}\n")


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
