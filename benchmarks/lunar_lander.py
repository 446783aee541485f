"""What random actions and Gymnasium's own hand-written controller reach on the lunar lander's standard tasks.

python benchmarks/lunar_lander.py --output benchmarks/results/lunar_lander.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tyro
from gymnasium.envs.box2d.lunar_lander import heuristic

from lifelong_rl.envs import TaskEnv, make

DISCRETE = SimpleNamespace(unwrapped=SimpleNamespace(continuous=False))
"""All that Gymnasium's controller asks of an environment."""


@dataclass(frozen=True)
class ScoreConfig:
    """How much to play and where to write it."""

    episodes: int = 100
    """Episodes of each task and policy, seeds 0, 1, ..."""
    output: Path | None = None
    """Markdown file to write the table to."""


def land_by_hand(_: TaskEnv, observation: np.ndarray[Any, Any]) -> int:
    return int(heuristic(DISCRETE, observation))


def act_at_random(env: TaskEnv, _: np.ndarray[Any, Any]) -> int:
    return int(env.action_space.sample())


POLICIES: dict[str, Callable[[TaskEnv, np.ndarray[Any, Any]], int]] = {
    "random actions": act_at_random,
    "Gymnasium's controller": land_by_hand,
}


def row_of(task: Any, name: str, n_episodes: int) -> str:
    """Give the row of one task and policy."""
    env = make("lunar-lander")
    env.action_space.seed(0)
    last: list[dict[str, Any]] = []
    for seed in range(n_episodes):
        observation, info = env.reset(seed=seed, options={"task": task})
        while "episode" not in info:
            observation, _, _, _, info = env.step(POLICIES[name](env, observation))
        last.append(info)
    returns = np.array([info["episode"]["r"] for info in last])
    score, success = (np.mean([info[key] for info in last]) for key in ("score", "success"))
    return f"| {task.name} | {name} | {returns.mean():.0f} | {returns.std():.0f} | {score:.2f} | {success:.2f} |"


def main(config: ScoreConfig) -> None:
    """Play, print, and write the table."""
    lines = [
        "# Known scores of the lunar lander",
        "",
        f"`python benchmarks/lunar_lander.py`: {config.episodes} episodes each, discrete actions.",
        "",
        "| task | policy | mean return | standard deviation | mean score | success rate |",
        "|---|---|---|---|---|---|",
    ]
    tasks = make("lunar-lander").standard_tasks(5)
    lines += [row_of(task, name, config.episodes) for task in tasks for name in POLICIES]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(ScoreConfig))
