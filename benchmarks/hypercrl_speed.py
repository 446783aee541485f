"""What an update of the hypernetwork and a plan cost, beside the published update written with plain loops.

    python benchmarks/hypercrl_speed.py --size half_cheetah --earlier-tasks 9 --json
    python benchmarks/hypercrl_speed.py --output benchmarks/results/hypercrl_speed.md

Times are processor time in ms on one thread; all variants take turns, and each number is the median of its turns.
update_ms: the published settings with our update, equal to the looped one to 1e-10 in double precision
(`tests/agents/hypernet/test_looped_equality.py`). default_update_ms: our default settings (above 10,000 weights
chunked; a sample of 4 earlier tasks). chunked_update_ms: the published loss on the chunked form. looped_update_ms: it
as published with a Python loop over tasks and tensors (`hypercrl_looped.py`). plan_ms: the default CEM, and
published_plan_ms the planner as published, with a model of this size.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
import tyro
from hypercrl_looped import LoopedHypernetwork, LoopedUpdate

from lifelong_rl.agents.hypernet.baselines import FineTuningLearner
from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED, HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.learner import Batch
from lifelong_rl.agents.hypernet.planners import CEM, MPPI, Planner
from lifelong_rl.agents.hypernet.rollout import Rollout
from lifelong_rl.agents.hypernet.target import ACTIVATIONS, TargetNetwork

Call: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Size:
    """One of the sizes of Huang et al. (2021), from the authors' settings."""

    network: tuple[int, ...]
    """Widths of the dynamics model, as its hypernetwork emits it."""
    batch: int
    """Rows of a batch."""
    observation: int
    """Observation size of the model that is planned with."""
    action: int
    """Action size of it."""
    is_probabilistic: bool
    """Whether it predicts variances, too."""
    planner: Planner
    """The published planner."""
    n_calls: int
    """Updates in a turn of the measurement."""


SIZES = {
    "pendulum": Size((4, 32, 32, 3), 20, 3, 1, False, MPPI.published(), 50),
    "cartpole": Size((6, 256, 256, 4), 32, 5, 1, False, CEM.published("cartpole"), 2),
    "pusher": Size((12, 200, 200, 10), 100, 10, 2, False, CEM.published("pusher"), 4),
    "half_cheetah": Size((24, 200, 200, 200, 200, 36), 100, 18, 6, True, CEM.published("half_cheetah"), 1),
}
EARLIER_TASKS = (0, 1, 4, 9, 49)
MOST_LOOPED = 9
"""Earlier tasks above which the tables leave the looped reference out: it takes ten seconds an update at 49."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    size: Literal["pendulum", "cartpole", "pusher", "half_cheetah"] | None = None
    """Measure this size only; all sizes with 0, 1, 4, 9 and 49 earlier tasks where it is left out."""
    earlier_tasks: int = 9
    """Tasks learned before, where a size is named."""
    json: bool = False
    """Print the numbers of the size as JSON."""
    looped: bool = True
    """Whether the looped reference takes its turns."""
    n_turns: int = 7
    """Turns of each variant."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def our_update(size: Size, n_earlier: int, settings: HypernetSettings) -> Call:
    """Give the update of a task after ``n_earlier`` others, on a random batch."""
    target = TargetNetwork(size.network)

    def loss(weights: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (target.forward(weights, batch.inputs)[0] - batch.targets).square().mean()

    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    learner = HypernetLearner(target, loss, generator, settings=settings, rng=rng)
    for _ in range(n_earlier + 1):
        learner.begin_task()
    batch = Batch(*random_batch(size))
    return lambda: learner.update(n_earlier, batch)


def looped_update(size: Size, n_earlier: int, settings: HypernetSettings) -> Call:
    """Give the published update in loops."""
    activation = ACTIVATIONS[settings.activation]
    update = LoopedUpdate(LoopedHypernetwork(size.network, settings.hidden, activation, n_earlier + 1))
    inputs, targets = random_batch(size)
    return lambda: update(inputs, targets)


def random_batch(size: Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw inputs and targets."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(size.batch, size.network[0], generator=generator)
    return inputs, torch.randn(size.batch, size.network[-1], generator=generator)


def plan(size: Size, planner: Planner) -> Call:
    """Give a plan for one environment, with a model of this size and a reward that costs next to nothing."""
    settings = DynamicsSettings(hidden=size.network[1:-1], is_probabilistic=size.is_probabilistic)
    model = DynamicsModel(
        size.observation,
        size.action,
        lambda target, loss: FineTuningLearner(target, loss, torch.Generator().manual_seed(0)),
        settings=settings,
        rng=np.random.default_rng(0),
    )
    predictor = model.predictor(model.begin_task())

    def reward(
        observations: torch.Tensor, actions: torch.Tensor, following: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rewards = following[..., 0] - 0.1 * actions.square().sum(dim=-1)
        return rewards, rewards != rewards

    rollout = Rollout(predictor.step, reward)
    low, high = -torch.ones(size.action), torch.ones(size.action)
    plans, now = planner.fresh(1, low, high), torch.zeros(1, size.observation)
    generator = torch.Generator().manual_seed(0)
    return lambda: planner.plan(lambda actions: rollout.returns(now, actions), plans, low, high, generator)


def medians_ms(calls: dict[str, tuple[Call, int]], n_turns: int) -> dict[str, float]:
    """Give the median time of each call, in turns of some calls each, after a turn of warming up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(n_turns + 1):
        for name, (call, n_calls) in calls.items():
            begun = time.process_time()
            for _ in range(n_calls):
                call()
            if turn:
                times[name].append(1e3 * (time.process_time() - begun) / n_calls)
    return {name: float(np.median(taken)) for name, taken in times.items()}


def updates(name: str, n_earlier: int, n_turns: int, is_looped: bool) -> dict[str, float]:
    """Measure the updates of a size, the looped reference among them or not."""
    size, published = SIZES[name], PUBLISHED[name]
    chunked = dataclasses.replace(published, form="chunked", hidden=(32, 32))
    few, many = size.n_calls, max(10, size.n_calls)
    calls = {
        "update_ms": (our_update(size, n_earlier, published), few),
        "default_update_ms": (our_update(size, n_earlier, HypernetSettings()), many),
        "chunked_update_ms": (our_update(size, n_earlier, chunked), many),
    }
    if is_looped:
        calls["looped_update_ms"] = (looped_update(size, n_earlier, published), max(1, few // 4))
    return medians_ms(calls, n_turns)


def plans(name: str, n_turns: int) -> dict[str, float]:
    """Measure the plans of a size."""
    size = SIZES[name]
    calls = {"plan_ms": (plan(size, CEM()), 1), "published_plan_ms": (plan(size, size.planner), 1)}
    return medians_ms(calls, n_turns)


def table(config: BenchmarkConfig) -> str:
    """Measure all and give the tables."""
    rows = [
        "| size | earlier tasks | looped | published settings | times faster | defaults | times faster | chunked |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in SIZES:
        for n_earlier in EARLIER_TASKS:
            is_looped = config.looped and n_earlier <= MOST_LOOPED
            rows.append(row(name, n_earlier, updates(name, n_earlier, config.n_turns, is_looped)))
            print(rows[-1], flush=True)
    rows += ["", "| size | plan, default CEM | plan as published | times faster |", "|---|---|---|---|"]
    for name in SIZES:
        ms = plans(name, config.n_turns)
        ours, theirs = ms["plan_ms"], ms["published_plan_ms"]
        rows.append(f"| {name} | {ours:.2f} | {theirs:.1f} | {theirs / ours:.1f} |")
        print(rows[-1], flush=True)
    return "\n".join(rows)


def row(name: str, n_earlier: int, ms: dict[str, float]) -> str:
    """Give a row of the table of updates."""
    looped = ms.get("looped_update_ms")
    cells = [name, str(n_earlier), "-" if looped is None else f"{looped:.2f}"]
    for variant in ("update_ms", "default_update_ms"):
        cells += [f"{ms[variant]:.2f}", "-" if looped is None else f"{looped / ms[variant]:.1f}"]
    cells.append(f"{ms['chunked_update_ms']:.2f}")
    return f"| {' | '.join(cells)} |"


def report(config: BenchmarkConfig) -> str:
    """Give the tables with what it takes to measure them again."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}"
    return (
        "# What an update of the hypernetwork and a plan cost\n\n"
        "    python benchmarks/hypercrl_speed.py --output benchmarks/results/hypercrl_speed.md\n\n"
        f"{table(config)}\n\n"
        f"Processor time in ms on one thread, medians of {config.n_turns} turns; the variants of a row took turns, "
        f'and "times faster" is over the looped reference of the same row. {versions}.\n'
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write where asked to."""
    torch.set_num_threads(1)
    if config.size is not None:
        ms = updates(config.size, config.earlier_tasks, config.n_turns, config.looped)
        ms |= plans(config.size, config.n_turns)
        found = {"size": config.size, "earlier_tasks": config.earlier_tasks} | ms
        print(json.dumps(found) if config.json else "\n".join(f"{name}: {value}" for name, value in found.items()))
        return
    text = report(config)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
