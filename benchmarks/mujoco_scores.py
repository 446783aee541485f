"""What doing nothing and acting at random are worth in the families on MuJoCo: the bottom of each page's scores.

python benchmarks/mujoco_scores.py --output benchmarks/results/mujoco_scores.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro

from lifelong_rl.envs import TaskEnv, make

FAMILIES = (
    *("ant", "half-cheetah", "half-cheetah-terrain", "hopper", "mujoco-pendulum-swing-up", "pusher", "reacher"),
    "walker2d",
)
CONTROLLERS: dict[str, Callable[[TaskEnv], Any]] = {
    "nothing": lambda env: np.zeros(env.action_space.shape or ()),
    "random": lambda env: env.action_space.sample(),
}


@dataclass(frozen=True)
class ScoreConfig:
    """Settings of the measurement."""

    n_episodes: int = 20
    """Episodes of the default task, of seeds 0, 1, ..."""
    output: Path | None = None
    """Markdown file to write the table to."""


def episode(env: TaskEnv, choose: Callable[[TaskEnv], Any], seed: int) -> tuple[float, int, float, bool]:
    """Give return, length, score and success of one episode."""
    env.reset(seed=seed)
    info: dict[str, Any] = {}
    while not info:
        *_, info = env.step(choose(env))
    return info["episode"]["r"], info["episode"]["l"], info["score"], info["success"]


def rows(name: str, n_episodes: int, controllers: Sequence[str] = tuple(CONTROLLERS)) -> list[str]:
    """Give the rows of one family."""
    lines = []
    for what in controllers:
        choose = CONTROLLERS[what]
        env = make(name)
        env.action_space.seed(0)
        played = np.array([episode(env, choose, seed) for seed in range(n_episodes)], dtype=float)
        returns, lengths, scores, successes = played.T
        lines.append(
            f"| `{name}` | {what} | {returns.mean():.1f} | {returns.std(ddof=1):.1f} | {lengths.mean():.1f} | "
            f"{scores.mean():.3f} | {successes.mean():.2f} |"
        )
    return lines


def main(config: ScoreConfig) -> None:
    """Play, print, and write the table."""
    lines = [
        "# Scores of doing nothing and of random actions",
        "",
        f"`python benchmarks/mujoco_scores.py`: the default task, {config.n_episodes} episodes, seeds 0, 1, ...",
        f"gymnasium {gymnasium.__version__}, mujoco {version('mujoco')}, numpy {np.__version__}.",
        "",
        "| family | actions | return | its standard deviation | steps | score | successes |",
        "|---|---|---|---|---|---|---|",
        *(line for name in FAMILIES for line in rows(name, config.n_episodes)),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(ScoreConfig))
