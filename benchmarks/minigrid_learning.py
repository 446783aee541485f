"""A learner masters MiniGrid's rooms: PPO alone on each of a few standard tasks, with the flat observation.

Stable-Baselines3's PPO with one set of hyper-parameters, on make_vec's vector environment; then 100 evaluation
episodes of its policy (actions drawn, as in training) with seeds of their own, and as many of random actions.

    python benchmarks/minigrid_learning.py --output benchmarks/results/minigrid_learning.md
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from stable_baselines3 import PPO

from lifelong_rl.envs import Task, make, make_vec


@dataclass(frozen=True)
class LearningConfig:
    """What to learn and for how long."""

    tasks: tuple[str, ...] = ("SimpleCrossing_S9N1", "DistShift_R2", "CustomUnlock_S5", "DoorKey_S5")
    """Standard tasks."""
    steps: int = 200_000
    """Environment steps of each run."""
    n_seeds: int = 2
    """Runs of each task."""
    n_episodes: int = 100
    """Evaluation episodes of each run."""
    output: Path | None = None
    """Markdown file to write the table to."""


def learn(task: Task, steps: int, seed: int) -> PPO:
    """Give PPO after so many steps of the task."""
    envs: Any = make_vec("minigrid", 8, seed=seed)
    for env in envs.envs:
        env.queue_task(task)
    agent = PPO(
        "MlpPolicy",
        envs,
        n_steps=256,
        batch_size=256,
        n_epochs=4,
        learning_rate=7e-4,
        ent_coef=0.01,
        seed=seed,
        device="cpu",
    )
    return agent.learn(steps)


def evaluate(choose: Callable[[Any], int], task: Task, n_episodes: int) -> tuple[float, float]:
    """Give the mean score and the share of successes over episodes with the seeds 10,000, 10,001, ..."""
    env = make("minigrid")
    ends = []
    for episode in range(n_episodes):
        observation, _ = env.reset(seed=10_000 + episode, options={"task": task})
        info: dict[str, Any] = {}
        while not info:
            observation, _, _, _, info = env.step(choose(observation))
        ends.append((info["score"], float(info["success"])))
    score, success = np.mean(ends, axis=0)
    return float(score), float(success)


def row(config: LearningConfig, task: Task) -> str:
    """Give the table's row of a task: random actions, then each seed."""
    rng = np.random.default_rng(0)
    _, lucky = evaluate(lambda _: int(rng.integers(6)), task, config.n_episodes)
    cells = []
    start = time.process_time()
    for seed in range(config.n_seeds):
        agent = learn(task, config.steps, seed)

        def choose(observation: Any, agent: PPO = agent) -> int:
            return int(agent.predict(observation)[0])

        score, success = evaluate(choose, task, config.n_episodes)
        cells.append(f"{success:.2f} ({score:.2f})")
    minutes = (time.process_time() - start) / 60 / config.n_seeds
    return f"| `{task.name}` | {lucky:.2f} | {' | '.join(cells)} | {minutes:.1f} |"


def main() -> None:
    """Learn, print, and write the table."""
    config = tyro.cli(LearningConfig)
    torch.set_num_threads(1)
    named = {task.name: task for task in make("minigrid").standard_tasks(18)}
    seeds = [f"seed {seed}" for seed in range(config.n_seeds)]
    lines = [
        "# PPO in MiniGrid's rooms",
        "",
        f"`python benchmarks/minigrid_learning.py`: {config.steps:,} steps of each task, 8 environments, flat "
        "observation, one thread.",
        f"Share of successes (and mean score) over {config.n_episodes} evaluation episodes; CPU minutes a run.",
        ", ".join(f"{name} {version(name)}" for name in ("stable-baselines3", "minigrid", "torch")) + ".",
        "",
        f"| task | random actions | {' | '.join(seeds)} | CPU min |",
        "|" + "---|" * (len(seeds) + 3),
        *(row(config, named[name]) for name in config.tasks),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main()
