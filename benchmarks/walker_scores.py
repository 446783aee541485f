"""What random actions and the scripted gait get on the walkers' tracks: the known scores of the pages.

python benchmarks/walker_scores.py --output benchmarks/results/walker_scores.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from lifelong_rl.envs import make
from lifelong_rl.envs.walkers.gait import Gait


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_episodes: int = 20
    """Episodes of each row, with the seeds 0, 1, ..."""
    output: Path | None = None
    """Markdown file to write the table to."""


ROWS: tuple[tuple[str, str, str, Mapping[str, float]], ...] = (
    ("random", "stump-tracks", "default", {}),
    ("random", "stump-tracks", "short", {}),
    ("random", "stump-tracks", "quadrupedal", {}),
    ("random", "hexagon-tracks", "default", {}),
    ("random", "walker-tracks", "default", {}),
    ("gait", "stump-tracks", "default", {"obstacle_spacing": 6.0}),
    ("gait", "stump-tracks", "default", {}),
    ("gait", "stump-tracks", "default", {"stump_height": 0.5}),
    ("gait", "hexagon-tracks", "default", {}),
    ("gait", "walker-tracks", "default", {}),
    ("gait", "walker-tracks", "default", {"roughness": 0.6}),
)
"""Controller, family, walker, and what differs from the default task."""


def play(env: Any, seed: int, act: Callable[[Any], Any]) -> dict[str, Any]:
    """Give the last info of one episode."""
    observation, _ = env.reset(seed=seed)
    info: dict[str, Any] = {}
    while "episode" not in info:
        observation, *_, info = env.step(act(observation))
    return info


def measure(config: BenchmarkConfig, controller: str, family: str, walker: str, params: Mapping[str, float]) -> str:
    """Give one row of the table."""
    env: Any = make(family, walker=walker)
    env.reset(options={"task": params})
    env.action_space.seed(0)
    infos = []
    for seed in range(config.n_episodes):
        gait = Gait()
        infos.append(play(env, seed, gait.act if controller == "gait" else lambda _: env.action_space.sample()))
    returns = [info["episode"]["r"] for info in infos]
    task = ", ".join(f"`{name}` {value:g}" for name, value in params.items()) or "default"
    return (
        f"| {controller} | `{family}` | {walker} | {task} | {np.mean(returns):.0f} | {np.std(returns):.0f} "
        f"| {np.mean([info['episode']['l'] for info in infos]):.0f} | {np.mean([i['success'] for i in infos]):.0%} |"
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write the table."""
    lines = [
        "# Known scores of the walkers",
        "",
        f"`python benchmarks/walker_scores.py`: {config.n_episodes} episodes each, seeds 0 on. The gait is "
        "`lifelong_rl.envs.walkers.gait.Gait`.",
        "",
        "| controller | family | walker | task | mean return | std | mean length | above 230 |",
        "|---|---|---|---|---|---|---|---|",
        *(measure(config, *row) for row in ROWS),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
