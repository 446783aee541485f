"""What can be solved at all: episodes of MiniGrid's fetch rooms, and tasks of the mountain car.

MiniGrid draws the things of a room at random, so that they may close the way to the one to fetch; taking another
ends the episode. Whether a way is left is searched cell by cell. A box may be opened, which removes it: the action
"toggle" is the sixth. The mountain car is pushed the way it rolls, which adds the most energy.

    python benchmarks/solvable.py --output benchmarks/results/solvable.md
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from lifelong_rl.envs import family, make, make_vector
from lifelong_rl.envs.minigrid.rooms import MiniGrid

FETCH = tuple(name for name in MiniGrid.named_tasks if name.startswith("CustomFetch"))
ROOMS = (
    *({"room": "fetch-key", "size": 5, "n_targets": n, "n_distractors": 4} for n in (1, 2, 3)),
    *({"room": "fetch", "size": 5, "n_distractors": n} for n in (2, 4)),
    *({"room": room, "size": 8, "n_distractors": 4} for room in ("fetch-key", "fetch")),
)


@dataclass(frozen=True)
class SolvableConfig:
    """Settings of the measurement."""

    n_episodes: int = 20_000
    """Episodes of each room, of one generator."""
    n_tasks: int = 2_000
    """Tasks of the mountain car, drawn uniformly."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def can_fetch(world: Any, opens_boxes: bool) -> bool:
    """Say whether a cell beside a thing to fetch can be reached without taking another thing away."""
    start = tuple(int(x) for x in world.agent_pos)
    reached, waiting = {start}, deque([start])
    while waiting:
        x, y = waiting.popleft()
        for cell in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            thing = world.grid.get(*cell)
            if thing is not None and (thing.type, thing.color) == world.target:
                return True
            is_free = thing is None or (opens_boxes and thing.type == "box")
            if is_free and cell not in reached:
                reached.add(cell)
                waiting.append(cell)
    return False


def closed(task: Any, n_episodes: int) -> tuple[float, float]:
    """Give the shares of episodes that cannot be solved, with boxes opened and without."""
    env: Any = make("minigrid")
    env.reset(seed=0, options={"task": task})
    found = []
    for _ in range(n_episodes):
        env.reset()
        found.append([not can_fetch(env.world, opens_boxes) for opens_boxes in (True, False)])
    with_boxes_opened, without = np.mean(found, axis=0)
    return float(with_boxes_opened), float(without)


def fetch_table(n_episodes: int) -> list[str]:
    named = {name: {} | MiniGrid.named_tasks[name] for name in FETCH}
    lines = [
        "| task | room | size | targets | distractors | cannot be solved | without opening boxes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, features in [*named.items(), *(("", features) for features in ROOMS)]:
        task = MiniGrid.task_space.task(features)
        shares = " | ".join(f"{100 * share:.2f} %" for share in closed(task, n_episodes))
        targets = task.params["n_targets"] if task.params["room"] == "fetch-key" else "1 named"
        room = f"{task.params['room']} | {task.params['size']} | {targets} | {task.params['n_distractors']}"
        lines.append(f"| {f'`{name}`' if name else ''} | {room} | {shares} |")
    return lines


def share_reached(n_tasks: int) -> float:
    """Give the share of the mountain car's tasks whose flag is reached by pushing the way the car rolls."""
    vector: Any = make_vector("mountain-car-continuous", n_tasks)
    space = family("mountain-car-continuous").task_space
    tasks = space.decode_many(space.sample(n_tasks, np.random.default_rng(0)))
    observations, _ = vector.reset(seed=0, options={"tasks": tasks})
    reached = np.zeros(n_tasks, dtype=bool)
    over = np.zeros(n_tasks, dtype=bool)
    while not over.all():
        push = np.where(observations[:, 1:] >= 0.0, 1.0, -1.0).astype(np.float32)
        observations, _, terminated, truncated, _ = vector.step(push)
        reached |= terminated & ~over  # later episodes of an instance do not count
        over |= terminated | truncated
    return float(reached.mean())


def main(config: SolvableConfig) -> None:
    """Measure, print, and write the tables."""
    lines = [
        "# What can be solved at all",
        "",
        f"`python benchmarks/solvable.py`; minigrid {version('minigrid')}, numpy {np.__version__}.",
        "",
        f"MiniGrid's fetch rooms: share of {config.n_episodes:,} episodes in which other things close the way to",
        "what is to be fetched. Boxes, which only `fetch-key` has, can be opened with the sixth action; the last",
        "column is for fewer actions.",
        "",
        *fetch_table(config.n_episodes),
        "",
        f"`mountain-car-continuous`, {config.n_tasks:,} uniform tasks: pushing the way the car rolls reaches the",
        f"flag in {100 * share_reached(config.n_tasks):.1f} % of them.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(SolvableConfig))
