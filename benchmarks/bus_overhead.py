"""What the empty bus costs: training time of each lifelong agent over that of the bare SB3 learner.

Both learners live in one process, train on the same toy environment, and take turns in short segments, in an order
that alternates, so that other load and the clock's drift hit both alike. Reported is the median ratio of paired
segments with a bootstrap interval of 95 %.

    python benchmarks/bus_overhead.py --output benchmarks/results/bus_overhead.md
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
import tyro
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, TD3

from lifelong_rl.agents.component import Component
from lifelong_rl.agents.sb3.learners import LifelongDQN, LifelongPPO, LifelongSAC, LifelongTD3

LEARNERS: dict[str, tuple[Any, Any]] = {
    "sac": (SAC, LifelongSAC),
    "td3": (TD3, LifelongTD3),
    "dqn": (DQN, LifelongDQN),
    "ppo": (PPO, LifelongPPO),
}


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_segments: int = 60
    """Timed segments of each learner."""
    steps_per_segment: int = 256
    """Environment steps of a segment; for PPO a multiple of its rollout of 128."""
    n_warm_up: int = 4
    """Untimed segments before."""
    n_units: int = 64
    """Units in each of the two hidden layers."""
    hooks: bool = False
    """Time a bus with one component that writes every hook and does nothing, and not the empty one."""
    output: Path | None = None
    """Markdown file to write the table to."""


class Corridor(gymnasium.Env[Any, Any]):
    """The cheapest environment there is: what is timed is the learner."""

    def __init__(self, has_choices: bool):
        self.observation_space = spaces.Box(-1, 1, (4,))
        self.action_space = spaces.Discrete(2) if has_choices else spaces.Box(-1, 1, (1,))
        self.n_steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode of 50 steps."""
        super().reset(seed=seed)
        self.n_steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move on."""
        self.n_steps += 1
        return np.full(4, self.n_steps / 50, np.float32), 1.0, False, self.n_steps == 50, {}


class Idle(Component):
    """Writes every hook of training, and does nothing."""

    def route(self, agent: Any, context: Any) -> None:
        """Do nothing."""

    def observe(self, agent: Any, transitions: Any) -> None:
        """Do nothing."""

    def sample(self, agent: Any, batch: Any) -> Any:
        """Do nothing."""
        return batch

    def loss(self, agent: Any, role: str, batch: Any) -> None:
        """Do nothing."""

    def grad(self, agent: Any, role: str, params: Any) -> None:
        """Do nothing."""

    def update(self, agent: Any, role: str, params: Any, old: Any) -> None:
        """Do nothing."""

    def tick(self, agent: Any, stats: Any) -> None:
        """Do nothing."""


def make(name: str, config: BenchmarkConfig) -> tuple[Any, Any]:
    """Give the bare learner and ours, with the same settings."""
    net = [config.n_units, config.n_units]
    usual: dict[str, Any] = {"n_steps": 128, "batch_size": 64, "n_epochs": 4}
    if name != "ppo":
        usual = {"learning_starts": 64, "batch_size": 64, "buffer_size": 20_000, "train_freq": 4}
    bare, ours = LEARNERS[name]
    components = [Idle()] if config.hooks else []
    made = []
    for kind, extra in ((bare, {}), (ours, {"components": components})):
        env = Corridor(has_choices=name == "dqn")
        policy_kwargs = {"net_arch": list(net)}
        made.append(kind("MlpPolicy", env, policy_kwargs=policy_kwargs, seed=0, device="cpu", **usual, **extra))
    return made[0], made[1]


def seconds(train: Callable[[], Any]) -> float:
    """Give the processor time of a call; the process's own, so that neighbours count for little."""
    start = time.process_time()
    train()
    return time.process_time() - start


def measure(name: str, config: BenchmarkConfig) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Give the seconds of each segment, bare and ours, in pairs."""
    learners = make(name, config)
    times = np.zeros((config.n_segments, 2))
    gc.collect()
    gc.disable()
    try:
        for segment in range(-config.n_warm_up, config.n_segments):
            for which in (0, 1) if segment % 2 else (1, 0):
                learner = learners[which]
                taken = seconds(
                    lambda learner=learner: learner.learn(  # type: ignore[misc]
                        config.steps_per_segment, log_interval=None, reset_num_timesteps=False
                    )
                )
                if segment >= 0:
                    times[segment, which] = taken
            gc.collect()
    finally:
        gc.enable()
    return times[:, 0], times[:, 1]


def interval(ratios: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Give the 95 % bootstrap interval of the median (Efron 1979, percentile)."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, size=(2000, len(ratios))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)


def table(config: BenchmarkConfig) -> str:
    """Measure all four learners and give a Markdown table."""
    rows = [
        "| learner | bare, ms a segment | on the bus, ms | ratio (median of pairs) | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for name in LEARNERS:
        bare, ours = measure(name, config)
        low, high = interval(ours / bare)
        middle = np.median(ours / bare)
        times = f"{1e3 * np.median(bare):.1f} | {1e3 * np.median(ours):.1f}"
        rows.append(f"| {name} | {times} | {middle:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(rows)


def report(config: BenchmarkConfig) -> str:
    """Give the table with what it takes to measure it again."""
    bus = "a bus with one idle component on every hook" if config.hooks else "an empty bus"
    versions = f"Python {platform.python_version()}, SB3 {stable_baselines3.__version__}, torch {torch.__version__}"
    return (
        f"# Training time on {bus} over the bare learner\n\n{table(config)}\n\n"
        f"{config.n_segments} segments of {config.steps_per_segment} environment steps each, in turns, after "
        f"{config.n_warm_up} untimed ones; processor time, one thread; {versions}, {platform.machine()}.\n"
    )


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
