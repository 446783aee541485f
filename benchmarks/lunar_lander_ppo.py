"""PPO learns the stock lunar lander: its curve, against the return of 200 with which Gymnasium calls it solved.

The settings are rl-zoo's for LunarLander. The policy is evaluated without exploration, on fixed seeds.

    python benchmarks/lunar_lander_ppo.py --output benchmarks/results/lunar_lander_ppo.md
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from stable_baselines3 import PPO

from lifelong_rl.envs import make, make_vec

SETTINGS: dict[str, Any] = {
    "n_steps": 1024,
    "batch_size": 64,
    "gae_lambda": 0.98,
    "gamma": 0.999,
    "n_epochs": 4,
    "ent_coef": 0.01,
}
N_ENVS = 16


@dataclass(frozen=True)
class LearningConfig:
    """What to train and where to write it."""

    steps: int = 1_000_000
    """Environment steps of the training."""
    eval_every: int = 114_688
    """Steps between evaluations: a multiple of the 16,384 steps of an update."""
    eval_episodes: int = 50
    """Episodes of an evaluation, with the same seeds each time."""
    seed: int = 0
    """Of the training."""
    minutes: float = 20.0
    """No update starts after this time."""
    output: Path | None = None
    """Markdown file to write the table to."""


def returns_of(model: PPO, n_episodes: int) -> np.ndarray[Any, Any]:
    """Give the returns of the stock task without exploration."""
    env = make("lunar-lander")
    returns = []
    for seed in range(n_episodes):
        observation, _ = env.reset(seed=seed, options={"task": env.task_space.default})
        info: dict[str, Any] = {}
        while "episode" not in info:
            observation, _, _, _, info = env.step(model.predict(observation, deterministic=True)[0])
        returns.append(info["episode"]["r"])
    return np.array(returns)


def row_of(model: PPO, config: LearningConfig, minutes: float) -> str:
    """Evaluate, and give the row of the table."""
    returns = returns_of(model, config.eval_episodes)
    return (
        f"| {model.num_timesteps:,} | {returns.mean():.1f} | {returns.std():.1f} | {np.mean(returns >= 200.0):.2f} "
        f"| {minutes:.1f} |"
    )


def main(config: LearningConfig) -> None:
    """Train, evaluate in between, and write the table."""
    torch.set_num_threads(1)
    started = time.monotonic()
    model = PPO(
        "MlpPolicy", make_vec("lunar-lander", N_ENVS, config.seed), seed=config.seed, device="cpu", **SETTINGS
    )
    lines = [
        "# PPO on the stock lunar lander",
        "",
        f"`python benchmarks/lunar_lander_ppo.py --seed {config.seed} --minutes {config.minutes:g}`:",
        f"{N_ENVS} environments, one thread, {', '.join(f'{name} {value}' for name, value in SETTINGS.items())}.",
        f"Each row: {config.eval_episodes} episodes without exploration, seeds 0 to {config.eval_episodes - 1}.",
        "",
        "| steps | mean return | standard deviation | success rate | minutes, other jobs running |",
        "|---|---|---|---|---|",
    ]
    lines.append(row_of(model, config, 0.0))
    while model.num_timesteps < config.steps and time.monotonic() - started < 60.0 * config.minutes:
        budget = min(config.eval_every, config.steps - model.num_timesteps)
        model.learn(budget, reset_num_timesteps=False)
        lines.append(row_of(model, config, (time.monotonic() - started) / 60.0))
        print(lines[-1], flush=True)
        if config.output:
            config.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(tyro.cli(LearningConfig))
