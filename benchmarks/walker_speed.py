"""How fast the walkers step and reset, in turn with Gymnasium's BipedalWalker-v3: CPU time with random actions.

Each segment of one of our environments is followed by one of Gymnasium's in the same process, so that other load hits
both alike. Reported: medians over the segments, the median ratio, the mean time of a reset with a new task each
(uniform over the space), and with the task whose track has the most pieces.

    python benchmarks/walker_speed.py --output benchmarks/results/walker_speed.md
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tyro
from family_speed import steps_a_second

from lifelong_rl.envs import TaskEnv, make

ROWS: tuple[tuple[str, str], ...] = (
    ("stump-tracks", "default"),
    ("stump-tracks", "short"),
    ("stump-tracks", "quadrupedal"),
    ("hexagon-tracks", "default"),
    ("hexagon-tracks", "quadrupedal"),
    ("walker-tracks", "default"),
)
DENSEST: dict[str, Mapping[str, float]] = {
    "stump-tracks": {"stump_height": 1.0, "obstacle_spacing": 0.0},
    "hexagon-tracks": {},
    "walker-tracks": {"roughness": 5.0, "stair_height_high": 1.0, "stump_height_high": 1.0},
}
"""The task of each family whose track has the most pieces."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_segments: int = 9
    """Timed segments of each environment."""
    steps_per_segment: int = 1000
    """Environment steps of a segment, resets at the ends of episodes included."""
    n_resets: int = 200
    """Timed resets."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def ms_of(call: Callable[[], Any], n: int) -> float:
    """Give the milliseconds of CPU time of one of n calls."""
    start = time.process_time()
    for _ in range(n):
        call()
    return 1e3 * (time.process_time() - start) / n


def measure(config: BenchmarkConfig, family: str, walker: str, theirs: gymnasium.Env[Any, Any]) -> str:
    """Give the row of one walker."""
    ours: TaskEnv = make(family, walker=walker)
    ours.action_space.seed(0)
    ours.reset(seed=0)
    steps_a_second(ours, config.steps_per_segment)
    speeds = np.array(
        [
            (steps_a_second(ours, config.steps_per_segment), steps_a_second(theirs, config.steps_per_segment))
            for _ in range(config.n_segments)
        ]
    )
    mine, other = np.median(speeds, axis=0)
    ratio = np.median(speeds[:, 0] / speeds[:, 1])
    units = iter(ours.task_space.sample(config.n_resets, np.random.default_rng(0)))
    new = ms_of(lambda: ours.reset(options={"task": next(units)}), config.n_resets)
    ours.reset(options={"task": DENSEST[family]})
    dense = ms_of(ours.reset, config.n_resets)
    return f"| `{family}` | {walker} | {mine:,.0f} | {other:,.0f} | {ratio:.2f} | {new:.2f} | {dense:.2f} |"


def shares(n_steps: int) -> str:
    """Say where the time of a step of the default walker goes."""
    ours: Any = make("stump-tracks")
    spent = {"_move": 0.0, "_observe": 0.0}

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            start = time.process_time()
            result = method(*arguments)
            spent[name] += time.process_time() - start
            return result

        return run

    for name in spent:
        setattr(ours, name, timed(name, getattr(ours, name)))
    ours.reset(seed=0)
    spent.update(dict.fromkeys(spent, 0.0))
    whole = 1e6 / steps_a_second(ours, n_steps)
    move, observe = (1e6 * seconds / n_steps for seconds in spent.values())
    return (
        f"A step of the default walker, resets included: {whole:.0f} us, of which motors and Box2D's step "
        f"{move:.0f}, observation with its 10 rays {observe:.0f}."
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write the tables."""
    theirs = gymnasium.make("BipedalWalker-v3")
    theirs.action_space.seed(1)
    theirs.reset(seed=1)
    steps_a_second(theirs, config.steps_per_segment)
    lines = [
        "# Speed of the walkers",
        "",
        "`python benchmarks/walker_speed.py`: one instance, one thread, random actions, CPU time, medians of "
        f"{config.n_segments} segments of {config.steps_per_segment} steps of the default task,",
        "each in turn with one of Gymnasium's BipedalWalker-v3, and the median of the ratios. Resets: with a new "
        "uniform task each, and with the task",
        "whose track has the most pieces.",
        "",
        f"Python {platform.python_version()}, gymnasium {gymnasium.__version__}, Box2D {version('box2d')}, "
        f"numpy {np.__version__}, {os.cpu_count()} cores.",
        "",
        "| family | walker | steps/s | Gymnasium's, in turn | ratio | reset, new task (ms) | most pieces (ms) |",
        "|---|---|---|---|---|---|---|",
        *(measure(config, family, walker, theirs) for family, walker in ROWS),
        "",
        f"Gymnasium's reset: {ms_of(theirs.reset, 50):.2f} ms. {shares(config.steps_per_segment)}",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
