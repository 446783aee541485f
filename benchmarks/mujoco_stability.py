"""Whether the simulations on MuJoCo stay stable over their whole task spaces: random corners, and tasks inside.

python benchmarks/mujoco_stability.py --output benchmarks/results/mujoco_stability.md
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from mujoco_scores import FAMILIES

from lifelong_rl.envs import make


@dataclass(frozen=True)
class StabilityConfig:
    """Settings of the measurement."""

    n_tasks: int = 150
    """Random corners of each task space, and as many tasks inside of it."""
    n_steps: int = 300
    """Random actions in each task; an episode that ends is followed by another."""
    output: Path | None = None
    """Markdown file to write the table to."""


def row(name: str, n_tasks: int, n_steps: int) -> str:
    """Give the table's row of a family."""
    env: Any = make(name)
    rng = np.random.default_rng(0)
    env.action_space.seed(0)
    points = rng.random((2 * n_tasks, env.task_space.dimension))
    points[:n_tasks] = np.round(points[:n_tasks])
    n_exploded, fastest = 0, 0.0
    for seed, point in enumerate(points):
        env.reset(seed=seed, options={"task": point})
        try:
            for _ in range(n_steps):
                *_, terminated, truncated, _ = env.step(env.action_space.sample())
                fastest = max(fastest, float(np.abs(env.data.qvel).max()))
                if terminated or truncated:
                    env.reset()
        except FloatingPointError:
            n_exploded += 1
    return f"| `{name}` | {2 * n_tasks} | {n_exploded} | {fastest:.0f} |"


def main(config: StabilityConfig) -> None:
    """Play, print, and write the table."""
    lines = [
        "# Stability of the simulations on MuJoCo",
        "",
        f"`python benchmarks/mujoco_stability.py`: {config.n_tasks} random corners of each task space and as many "
        f"tasks inside of it, {config.n_steps} random actions each.",
        f"mujoco {version('mujoco')}, numpy {np.__version__}.",
        "",
        "| family | tasks | exploded | largest velocity of a joint (m/s or rad/s) |",
        "|---|---|---|---|",
        *(row(name, config.n_tasks, config.n_steps) for name in FAMILIES),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(StabilityConfig))
