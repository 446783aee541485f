"""Draw the pictures of the pages on the walkers: the walkers on their tracks, and tracks from the start to the end.

python benchmarks/walker_pictures.py docs/environments/figures
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tyro
from numpy.typing import NDArray

from lifelong_rl.envs import Task, make
from lifelong_rl.envs.drawing import Canvas
from lifelong_rl.envs.walkers.gait import Gait
from lifelong_rl.envs.walkers.pictures import draw_track
from lifelong_rl.envs.walkers.track import GROUND

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@dataclass(frozen=True)
class PictureConfig:
    """Where to draw to."""

    folder: tyro.conf.Positional[Path]
    """Folder for the PNG files, one a family."""


CLOSE = (
    ("default", {"stump_height": 0.0, "obstacle_spacing": 6.0}, 120),
    ("short", {"stump_height": 0.5, "obstacle_spacing": 3.0}, 0),
    ("quadrupedal", {"stump_height": 2.0, "obstacle_spacing": 2.0}, 0),
)
"""The pictures of the walkers: walker, task, and steps of the gait before it is taken."""
TALL = {
    "left_side_y": 0.5,
    "left_top_y": 2.0,
    "right_top_x": 1.0,
    "right_top_y": 1.0,
    "right_foot_x": 3.0,
    "right_side_x": 2.0,
}
STRIPS: dict[str, tuple[dict[str, float], ...]] = {
    "stump-tracks": (
        {"stump_height": 0.0, "obstacle_spacing": 3.0},
        {"stump_height": 1.0, "obstacle_spacing": 6.0},
        {"stump_height": 2.0, "obstacle_spacing": 1.0},
        {"stump_height": 3.0, "obstacle_spacing": 3.0},
    ),
    "hexagon-tracks": ({}, {"right_foot_x": 3.0}, {"left_top_y": 3.0, "right_top_y": 1.0}, TALL),
}
"""The tracks that are shown whole."""


def close_up(walker: str, params: dict[str, float], n_steps: int) -> NDArray[np.uint8]:
    """Give the picture of a walker on its track."""
    env: Any = make("stump-tracks", walker=walker, pad_steps=8 if not n_steps else 20, render_mode="rgb_array")
    observation, _ = env.reset(seed=0, options={"task": params})
    gait = Gait()
    for _ in range(n_steps):
        observation, *_ = env.step(gait.act(observation))
    picture: NDArray[np.uint8] = env.render()
    return picture


def strip(family: str, task: Task) -> NDArray[np.uint8]:
    """Give the picture of the first 56 m of a track."""
    env: Any = make(family)
    env.reset(seed=0, options={"task": task})
    canvas = Canvas(x_low=0.0, x_high=56.0, y_low=GROUND - 2.6, width=1120, height=110)
    draw_track(canvas, env.track)
    return canvas.picture()


def title(task: Task) -> str:
    """Give a task's name, or what differs from the default one."""
    if task.name:
        return task.name
    return ", ".join(f"{name} {value:g}" for name, value in task.params.items() if value) or "default"


def main(config: PictureConfig) -> None:
    """Draw one figure a family."""
    config.folder.mkdir(parents=True, exist_ok=True)
    for family in ("stump-tracks", "hexagon-tracks", "walker-tracks"):
        env = make(family)
        tasks = [env.as_task(params) for params in STRIPS.get(family, ())] or env.standard_tasks(6)
        pictures = [(title(task), strip(family, task)) for task in tasks]
        is_first = family == "stump-tracks"
        figure = plt.figure(figsize=(9.0, 0.95 * len(pictures) + 2.0 * is_first), layout="constrained")
        grid = figure.add_gridspec(
            len(pictures) + is_first, 3, height_ratios=[1.9] * is_first + [1.0] * len(pictures)
        )
        if is_first:
            for column, close in enumerate(CLOSE):
                _show(figure.add_subplot(grid[0, column]), close_up(*close), f'walker="{close[0]}"')
        for row, (words, picture) in enumerate(pictures, start=int(is_first)):
            _show(figure.add_subplot(grid[row, :]), picture, words)
        figure.savefig(config.folder / f"{family}.png", dpi=100)
        plt.close(figure)


def _show(axis: Any, picture: NDArray[np.uint8], words: str) -> None:
    axis.imshow(picture, interpolation="antialiased")
    axis.set_title(words, fontsize=8)
    axis.axis("off")


if __name__ == "__main__":
    main(tyro.cli(PictureConfig))
