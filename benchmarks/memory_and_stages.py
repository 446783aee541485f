"""Measure what guessing, knowing and learning reach on the memory tasks and on the staged task.

OMP_NUM_THREADS=1 python benchmarks/memory_and_stages.py --output benchmarks/results/memory_and_stages.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from stable_baselines3 import PPO

from lifelong_rl.envs import TaskEnv, make
from lifelong_rl.envs.staged_task import full_success_chance

Choose = Callable[[TaskEnv, Any], Any]
HISTORY = 3
LEARNER = {"learning_rate": 1e-3, "n_steps": 512, "batch_size": 128, "policy_kwargs": {"net_arch": [64, 64]}}


@dataclass(frozen=True)
class MeasureConfig:
    """What to measure, and where to write it."""

    output: Path | None = None
    """Markdown file of the tables, which are printed in any case."""
    seeds: int = 1
    """Seeds of each learner."""
    steps: int = 10_000
    """Steps of each learner on each task."""


def episodes(env: TaskEnv, task: dict[str, Any], choose: Choose, n: int) -> list[dict[str, Any]]:
    """Give the last infos of ``n`` episodes."""
    env.reset(seed=1, options={"task": task})
    infos = []
    for _ in range(n):
        observation, _ = env.reset()
        is_over = False
        while not is_over:
            observation, _, terminated, truncated, info = env.step(choose(env, observation))
            is_over = terminated or truncated
        infos.append(info)
    return infos


def mean(infos: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([info[key] for info in infos]))


def guess(env: TaskEnv, _: Any) -> Any:
    return env.action_space.sample()


def learned(env: TaskEnv, tasks: list[dict[str, Any]], steps: int, seed: int, **options: Any) -> Iterator[Choose]:
    """Train PPO on the tasks, one after the other; yields its policy after each."""
    learner = PPO("MlpPolicy", env, seed=seed, device="cpu", **LEARNER, **options)
    for task in tasks:
        env.queue_task(task)
        learner.learn(steps, reset_num_timesteps=False)
        yield lambda _, observation: learner.predict(observation, deterministic=True)[0]


def guesses() -> list[str]:
    lines = ["| guessing, 2,000 episodes | accuracy | score |", "|---|---|---|"]
    for name in ("n-parity", "n-delayed-match"):
        for n in (2, 32):
            env = make(name)
            env.action_space.seed(0)
            infos = episodes(env, {"n": n}, guess, 2000)
            lines.append(f"| {name}, n = {n} | {mean(infos, 'accuracy'):.3f} | {mean(infos, 'score'):.3f} |")
    return lines


def heads(config: MeasureConfig) -> list[str]:
    """Compare a single-head with a multi-head curriculum of n = 2, 3, 4, both evaluated on each n alone."""
    lines = [
        f"| n-parity: PPO after n = 2, 3, 4, {config.steps:,} steps each, history={HISTORY}, {config.seeds} seed(s) "
        "| accuracy at n = 2 | n = 3 | n = 4 |",
        "|---|---|---|---|",
    ]
    for multi_head, kind in enumerate(("single-head", "multi-head")):
        rows = []
        for seed in range(config.seeds):
            env = make("n-parity", history=HISTORY)
            stages = [{"n": n, "multi_head": multi_head} for n in (2, 3, 4)]
            *_, choose = learned(env, stages, config.steps, seed, gamma=0.0)
            rows.append([mean(episodes(env, {"n": n}, choose, 20), "accuracy") for n in (2, 3, 4)])
        lines.append(f"| {kind} | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)) + " |")
    return lines


def without_history(config: MeasureConfig) -> list[str]:
    lines = [f"| PPO on n = 2, {config.steps:,} steps | accuracy of each seed |", "|---|---|"]
    for name in ("n-parity", "n-delayed-match"):
        for history in (0, 1):
            found = []
            for seed in range(config.seeds):
                env = make(name, history=history)
                *_, choose = learned(env, [{"n": 2}], config.steps, seed, gamma=0.0)
                found.append(f"{mean(episodes(env, {'n': 2}, choose, 20), 'accuracy'):.2f}")
            lines.append(f"| {name}, history={history} | {', '.join(found)} |")
    return lines


def stages(config: MeasureConfig) -> list[str]:
    lines = [
        "| staged-task | random: score | random: success | oracle: success | computed | oracle: recoveries |",
        "|---|---|---|---|---|---|",
    ]
    for n_stages in (2, 4, 8):
        for retries in (0, 2, 8):
            task = {"n_stages": n_stages, "retries": retries}
            env = make("staged-task")
            env.action_space.seed(0)
            random = episodes(env, task, guess, 2000)
            oracle = episodes(env, task, lambda env, _: env.right_action, 4000)
            computed = full_success_chance(env.task.params)
            reached = f"{mean(random, 'score'):.2f} | {mean(random, 'success'):.3f} | {mean(oracle, 'success'):.3f}"
            recoveries = mean(oracle, "recoveries")
            lines.append(f"| {n_stages} stages, {retries} retries | {reached} | {computed:.3f} | {recoveries:.2f} |")
    return lines


def staged_learner(config: MeasureConfig) -> list[str]:
    lines = [
        f"| PPO on the default staged task, {config.steps:,} steps | success of each seed, 500 episodes |",
        "|---|---|",
    ]
    for kind in ("discrete", "continuous"):
        found = []
        for seed in range(config.seeds):
            env = make("staged-task", actions=kind)
            *_, choose = learned(env, [{}], config.steps, seed)
            found.append(f"{mean(episodes(env, {}, choose, 500), 'success'):.3f}")
        lines.append(f"| {kind} | {', '.join(found)} |")
    return lines


def main(config: MeasureConfig) -> None:
    """Measure, print, and write."""
    torch.set_num_threads(1)
    tables = [guesses(), without_history(config), heads(config), stages(config), staged_learner(config)]
    text = "# Memory tasks and staged tasks: what guessing, knowing and learning reach\n\n"
    command = "python benchmarks/memory_and_stages.py --output benchmarks/results/memory_and_stages.md"
    text += f"`OMP_NUM_THREADS=1 {command}`\n\n"
    text += "\n\n".join("\n".join(table) for table in tables) + "\n"
    print(text)
    if config.output is not None:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(MeasureConfig))
