"""What each planner costs and returns on five pendulums whose true dynamics it plans with.

Nothing is learned: the model is Gymnasium's pendulum (Pendulum-v1), batched, and it is the environment as well. All
episodes of all variants run side by side, so a plan covers them all. Every planner meets the same starts; a seed has
starts and noise of its own.

    python benchmarks/planner_comparison.py --output benchmarks/results/planner_comparison.md
"""

from __future__ import annotations

import math
import platform
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from lifelong_rl.agents.hypernet.planners import CEM, MPPI, PDDM, Planner, RandomShooting
from lifelong_rl.agents.hypernet.rollout import Rollout

VARIANTS = ((10.0, 1.0, 1.0), (2.0, 1.0, 1.0), (10.0, 2.0, 1.0), (10.0, 1.0, 0.6), (16.0, 0.7, 1.3))
"""Gravity (m/s^2), mass (kg) and length (m) of each pendulum."""
N_STEPS = 200
"""Length of an episode."""
PUBLISHED_STYLE: dict[str, Any] = {"horizon": 20, "n_candidates": 500, "elite_fraction": 0.1}

PLANNERS: dict[str, Planner] = {
    "CEM 5x500 restarted, as published": CEM.published("pusher", **PUBLISHED_STYLE),
    "CEM 3x200 restarted": CEM(warm_start=False),
    "CEM 3x200 warm (default)": CEM(),
    "CEM 2x200 warm": CEM(n_iterations=2),
    "CEM 1x200 warm": CEM(n_iterations=1),
    "CEM 3x200 warm, initial std of 1": CEM(initial_std=1.0),
    "CEM 3x200 warm, best executed": CEM(execute="best"),
    "MPPI 3x200 (default)": MPPI(),
    "MPPI 10x100, horizon 15, as published": MPPI.published(),
    "PDDM 3x200 (default)": PDDM(),
    "PDDM 1x200": PDDM(n_iterations=1),
    "random shooting 1x600 (default)": RandomShooting(),
}


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_episodes: int = 5
    """Episodes of each variant and seed."""
    n_seeds: int = 2
    """Seeds, each with starts and noise of its own."""
    only: str = ""
    """Run only planners whose name contains this."""
    note: str = "Nothing else was running."
    """A sentence on the circumstances, for the end of the report."""
    output: Path | None = None
    """Markdown file to write the table to."""


class Pendulums:
    """Gymnasium's pendulum for a batch of environments with a gravity, mass and length each."""

    low = torch.tensor([-2.0])
    high = torch.tensor([2.0])

    def __init__(self, parameters: torch.Tensor):
        """parameters: gravity, mass and length, shape (n_envs, 3)."""
        gravity, mass, length = parameters.T[..., None]
        self.pull = 1.5 * gravity / length
        self.push = 3 / (mass * length**2)

    def step(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the next cos, sin and speed of (n_envs, n_candidates, 3) under torques (n_envs, n_candidates, 1)."""
        cos, sin, speed = observations.unbind(-1)
        torque = actions[..., 0].clamp(-2, 2)
        speed = (speed + 0.05 * (self.pull * sin + self.push * torque)).clamp(-8, 8)
        angle = torch.atan2(sin, cos) + 0.05 * speed
        return torch.stack([angle.cos(), angle.sin(), speed], dim=-1)

    def reward(
        self, observations: torch.Tensor, actions: torch.Tensor, following: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the reward of a step and that no episode ends."""
        cos, sin, speed = observations.unbind(-1)
        torque = actions[..., 0].clamp(-2, 2)
        reward = -(torch.atan2(sin, cos) ** 2 + 0.1 * speed**2 + 0.001 * torque**2)
        return reward, torch.zeros_like(reward, dtype=torch.bool)


def starts(n_envs: int, is_hanging: bool, rng: np.random.Generator) -> torch.Tensor:
    """Draw an episode's start for each environment, shape (n_envs, 3).

    is_hanging: within 0.5 rad and 0.5 rad/s of hanging still, from where every variant must be swung up; or anywhere,
    as Gymnasium draws.
    """
    middle, angle, speed = (math.pi, 0.5, 0.5) if is_hanging else (0.0, math.pi, 1.0)
    angles, speeds = rng.uniform((middle - angle, -speed), (middle + angle, speed), (n_envs, 2)).T
    return torch.tensor(np.stack([np.cos(angles), np.sin(angles), speeds], axis=-1), dtype=torch.float32)


def play(
    planner: Planner, parameters: torch.Tensor, observations: torch.Tensor, seed: int, n_steps: int = N_STEPS
) -> tuple[torch.Tensor, float]:
    """Play an episode in each environment, and give returns (n_envs,) and the processor time of all plans in s.

    parameters: gravity, mass, length, shape (n_envs, 3). observations: where episodes start, shape (n_envs, 3).
    """
    world = Pendulums(parameters)
    rollout = Rollout(world.step, world.reward)
    generator = torch.Generator().manual_seed(seed)
    plans = planner.fresh(len(parameters), world.low, world.high)
    total, seconds = torch.zeros(len(parameters)), 0.0
    for _ in range(n_steps):
        begun = time.process_time()
        evaluate = partial(rollout.returns, observations)
        plan = planner.plan(evaluate, plans, world.low, world.high, generator)
        plans = planner.shifted(plan.plans)
        seconds += time.process_time() - begun
        now, action = observations[:, None], plan.actions[:, None]
        following = world.step(now, action)
        total += world.reward(now, action, following)[0][:, 0]
        observations = following[:, 0]
    return total, seconds


@dataclass(frozen=True)
class Played:
    """What a planner returned and cost."""

    hanging: torch.Tensor
    """Returns from hanging starts, shape (n_seeds, n_variants)."""
    anywhere: torch.Tensor
    """Returns from Gymnasium's starts, shape (n_seeds, n_variants)."""
    together_ms: float
    """Processor time of the plans for all environments at once, by their number."""
    alone_ms: float
    """Processor time of a plan for one environment."""


def measure(planner: Planner, config: BenchmarkConfig) -> Played:
    """Play all variants from both kinds of starts."""
    parameters = torch.tensor(VARIANTS).repeat_interleave(config.n_episodes, dim=0)
    returns: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    times = []
    for seed in range(config.n_seeds):
        for is_hanging in returns:
            begin = starts(len(parameters), is_hanging, np.random.default_rng(seed))
            total, seconds = play(planner, parameters, begin, seed)
            returns[is_hanging].append(total.view(len(VARIANTS), -1).mean(dim=1))
            times.append(1e3 * seconds / (N_STEPS * len(parameters)))
    alone = [play(planner, parameters[:1], begin[:1], seed, n_steps=20)[1] / 20 for seed in range(5)]
    hanging, anywhere = (torch.stack(returns[kind]) for kind in (True, False))
    return Played(hanging, anywhere, float(np.median(times)), 1e3 * float(np.median(alone)))


def interval(returns: torch.Tensor) -> str:
    """Give the mean return and the least and the most of the seeds' means."""
    seeds = returns.mean(dim=1)
    return f"{seeds.mean():.0f} ({seeds.min():.0f} to {seeds.max():.0f})"


def row(name: str, planner: Planner, config: BenchmarkConfig) -> str:
    """Give a planner's row of the table."""
    played = measure(planner, config)
    variants = " | ".join(f"{value:.0f}" for value in played.hanging.mean(dim=0))
    return (
        f"| {name} | {played.together_ms:.2f} | {played.alone_ms:.2f} | {interval(played.hanging)} | {variants} | "
        f"{interval(played.anywhere)} |"
    )


def table(config: BenchmarkConfig) -> str:
    """Play with every planner and give a Markdown table."""
    heads = " | ".join(f"g {g:g}, m {m:g}, l {length:g}" for g, m, length in VARIANTS)
    rows = [
        f"| planner | CPU ms a plan, {len(VARIANTS) * config.n_episodes} environments at once | CPU ms, one alone "
        f"| mean return, hanging starts (seeds' range) | {heads} | mean return, Gymnasium's starts |",
        "|---" * (5 + len(VARIANTS)) + "|",
    ]
    for name, planner in PLANNERS.items():
        if config.only in name:
            rows.append(row(name, planner, config))
            print(rows[-1], flush=True)
    return "\n".join(rows)


def report(config: BenchmarkConfig) -> str:
    """Give the table with what it takes to measure it again."""
    return (
        f"# Planners on the true dynamics of five pendulums\n\n"
        f"    python benchmarks/planner_comparison.py --n-episodes {config.n_episodes} --n-seeds {config.n_seeds}\n\n"
        f"{table(config)}\n\n"
        f"{config.n_seeds} seeds, {config.n_episodes} episodes of {N_STEPS} steps a variant, seed and kind of start; "
        "the single variants' returns are those from hanging starts. Horizon 20 unless said. Times are the "
        "processor's on one thread, medians; the first column is the time of a plan for all environments by their "
        f"number. Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}.\n\n"
        f"{config.note}\n"
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write where asked to."""
    torch.set_num_threads(1)
    text = report(config)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
