"""How fast the family minigrid steps, paired in turn with MiniGrid's own environments: CPU time, random actions.

Ours gives the flat observation, MiniGrid's the image of its ImgObsWrapper. Median over segments, on one thread.

    python benchmarks/minigrid_speed.py --output benchmarks/results/minigrid_speed.md
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro
from minigrid.wrappers import ImgObsWrapper

from lifelong_rl.envs import make

PAIRS: dict[str, dict[str, Any]] = {
    "MiniGrid-Empty-Random-6x6-v0": {"room": "empty", "size": 6},
    "MiniGrid-SimpleCrossingS9N1-v0": {"room": "crossing"},
    "MiniGrid-LavaCrossingS9N1-v0": {"room": "lava-crossing"},
    "MiniGrid-DistShift1-v0": {"room": "dist-shift"},
    "MiniGrid-Dynamic-Obstacles-8x8-v0": {"room": "dynamic-obstacles", "size": 8, "n_obstacles": 4},
    "MiniGrid-DoorKey-8x8-v0": {"room": "door-key", "size": 8},
    "MiniGrid-Unlock-v0": {"room": "unlock", "size": 6},
    "MiniGrid-Fetch-8x8-N3-v0": {"room": "fetch", "size": 8},
    "MiniGrid-FourRooms-v0": {"room": "four-rooms", "size": 19},
}
"""MiniGrid's environments and the tasks that are the same rooms."""


@dataclass(frozen=True)
class SpeedConfig:
    """Settings of the measurement."""

    n_segments: int = 9
    """Timed segments of each environment."""
    steps_per_segment: int = 2000
    """Environment steps of a segment, resets at the ends of episodes included."""
    output: Path | None = None
    """Markdown file to write the table to."""


def steps_a_second(env: gymnasium.Env[Any, Any], n_steps: int) -> float:
    """Give steps per second of CPU time over one segment of random actions."""
    actions = [env.action_space.sample() for _ in range(n_steps)]
    start = time.process_time()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return n_steps / (time.process_time() - start)


def measure(config: SpeedConfig, name: str) -> str:
    """Give the row of one room."""
    ours, theirs = make("minigrid"), ImgObsWrapper(gymnasium.make(name, disable_env_checker=True))
    ours.reset(seed=0, options={"task": PAIRS[name]})
    theirs.reset(seed=0)
    for env in (ours, theirs):
        env.action_space.seed(0)
    speeds = [
        [steps_a_second(env, config.steps_per_segment) for env in (ours, theirs)] for _ in range(config.n_segments)
    ]
    our_median, their_median = np.median(speeds, axis=0)
    task = ", ".join(f"{key} {value}" for key, value in PAIRS[name].items())
    return f"| {task} | {our_median:,.0f} | {their_median:,.0f} (`{name}`) | {our_median / their_median:.1f} |"


def main() -> None:
    """Measure, print, and write the table."""
    config = tyro.cli(SpeedConfig)
    lines = [
        "# Speed of MiniGrid's rooms",
        "",
        "`python benchmarks/minigrid_speed.py`: steps/s of CPU time, one instance, one thread, random actions, "
        f"median of {config.n_segments} segments of {config.steps_per_segment} steps, resets included.",
        ", ".join(f"{name} {version(name)}" for name in ("minigrid", "gymnasium", "numpy"))
        + f", {os.cpu_count()} cores.",
        "",
        "| task | steps/s | MiniGrid's own, in turn | ratio |",
        "|---|---|---|---|",
        *(measure(config, name) for name in PAIRS),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main()
