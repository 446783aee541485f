"""How fast environment families step, one instance on one thread: CPU time with random actions.

Gymnasium's own environments, where a family is one of them by default, run in the same process, in turn, so that
other load hits both alike. Reported: the median over segments, and the time of a reset with the same task and with
a new one.

    python benchmarks/family_speed.py --output benchmarks/results/family_speed.md
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro

from lifelong_rl.envs import make

THEIRS = {
    "ant": "Ant-v5",
    "cartpole-physics": "CartPole-v1",
    "half-cheetah": "HalfCheetah-v5",
    "half-cheetah-terrain": "HalfCheetah-v5",
    "hopper": "Hopper-v5",
    "mujoco-pendulum-swing-up": "InvertedPendulum-v5",
    "lunar-lander": "LunarLander-v3",
    "pendulum-physics": "Pendulum-v1",
    "reacher": "Reacher-v5",
    "walker2d": "Walker2d-v5",
}
"""Gymnasium's environment that a family equals by default, or comes from."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    families: tuple[str, ...] = (
        "cartpole-physics",
        "cartpole-swing-up",
        "pendulum-physics",
        "point-goal",
        "far-goal",
        "half-cheetah",
        "half-cheetah-terrain",
        "hopper",
        "walker2d",
        "ant",
        "reacher",
        "mujoco-pendulum-swing-up",
        "lunar-lander",
        "pusher",
    )
    """Families to time."""
    n_segments: int = 15
    """Timed segments of each environment."""
    steps_per_segment: int = 600
    """Environment steps of a segment, resets at the ends of episodes included."""
    output: Path | None = None
    """Markdown file to write the table to."""


def steps_a_second(env: gymnasium.Env[Any, Any], n_steps: int) -> float:
    """Give steps per second of CPU time over one segment of random actions."""
    actions = [env.action_space.sample() for _ in range(n_steps)]
    env.reset()
    start = time.process_time()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return n_steps / (time.process_time() - start)


def reset_ms(name: str, n_resets: int, *, new_task: bool) -> float:
    """Give the milliseconds of CPU time of a reset, with a task of its own each or the same."""
    env = make(name)
    tasks = env.task_space.decode_many(env.task_space.sample(n_resets, np.random.default_rng(0)))
    env.reset(seed=0, options={"task": tasks[0]})
    start = time.process_time()
    for task in tasks:
        env.reset(options={"task": task if new_task else tasks[0]})
    return 1e3 * (time.process_time() - start) / n_resets


def measure(config: BenchmarkConfig, name: str) -> str:
    """Give the row of one family."""
    ours = make(name)
    theirs = gymnasium.make(THEIRS[name]) if name in THEIRS else None
    for seed, env in enumerate((ours, theirs)):
        if env is not None:
            env.action_space.seed(seed)
            env.reset(seed=seed)
            steps_a_second(env, config.steps_per_segment)
    speeds: list[tuple[float, float]] = []
    for _ in range(config.n_segments):
        ours_speed = steps_a_second(ours, config.steps_per_segment)
        speeds.append((ours_speed, steps_a_second(theirs, config.steps_per_segment) if theirs else np.nan))
    our_median, their_median = np.median(speeds, axis=0)
    paired = f"{their_median:,.0f} ({THEIRS[name]})" if theirs else "-"
    same, new = reset_ms(name, 50, new_task=False), reset_ms(name, 50, new_task=True)
    return f"| `{name}` | {our_median:,.0f} | {paired} | {same:.3f} | {new:.3f} |"


def main() -> None:
    """Measure, print, and write the table."""
    config = tyro.cli(BenchmarkConfig)
    lines = [
        "# Speed of the environment families",
        "",
        "`python benchmarks/family_speed.py`: one instance, one thread, random actions, median of "
        f"{config.n_segments} segments of {config.steps_per_segment} steps, CPU time.",
        f"Python {platform.python_version()}, gymnasium {gymnasium.__version__}, mujoco {version('mujoco')}, "
        f"numpy {np.__version__}, {os.cpu_count()} cores.",
        "",
        "| family | steps/s | Gymnasium's, in turn | reset, same task (ms) | reset, new task (ms) |",
        "|---|---|---|---|---|",
        *(measure(config, name) for name in config.families),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main()
