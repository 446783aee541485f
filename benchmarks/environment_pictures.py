"""Draw the pictures of the pages on environment families: a contact sheet each, or a row of its standard tasks.

MUJOCO_GL=egl python benchmarks/environment_pictures.py docs/environments/figures
MUJOCO_GL=egl python benchmarks/environment_pictures.py docs/environments/figures --only half-cheetah pusher
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from lifelong_rl.envs import FAMILIES, TaskEnv, family
from lifelong_rl.envs.picture_files import write_png
from lifelong_rl.envs.pictures import Moves, Picture, contact_sheet
from lifelong_rl.envs.shown_tasks import Row, rows_of


@dataclass(frozen=True)
class PictureConfig:
    """What to draw and where to."""

    folder: tyro.conf.Positional[Path]
    """Folder for the PNG files, one a family; those that are there already are drawn anew."""
    only: tuple[str, ...] = ()
    """Families to draw; by default all that have pictures."""


@dataclass(frozen=True)
class Shown:
    """How a family is shown on its page; what says nothing else shows each feature's low, middle and high value."""

    tasks: str = "low,middle,high"
    rows: tuple[tuple[dict[str, Any], ...], ...] = ()
    """Features of each task, row by row, in place of the choice of tasks."""
    n_tasks: int = 5
    n_steps: int = 20
    moves: Moves = "random"
    cell_width: int = 160
    crop: Callable[[Picture], Picture] = lambda picture: picture
    options: dict[str, Any] = field(default_factory=dict)


def push_through_the_middle(observation: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([0.3, -10.0 * observation[1]])


def fail_once_at_the_third_stage(observation: np.ndarray[Any, Any]) -> int:
    stage, margin, retries_left = int(observation[:8].argmax()), observation[8], observation[9] * 8
    is_wrong = stage == 2 and margin > 0.0 and retries_left == 2
    return (stage + is_wrong) % 4


def middle_of_mujoco_s(picture: Picture) -> Picture:
    return picture[140:460, 80:600]


def middle_at_full_width(picture: Picture) -> Picture:
    return picture[160:440]


def middle_at_full_height(picture: Picture) -> Picture:
    return picture[:, 80:560]


def push_right(_: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([3.0])


# n alone is asked for above, all numbers up to it below; with n = 2 the two would look the same
MEMORY = Shown(
    rows=tuple(tuple({"n": n, "multi_head": multi_head} for n in (4, 17, 32)) for multi_head in (0, 1)),
    n_steps=40,
    cell_width=300,
)


def rows_shown(name: str, shown: Shown) -> Sequence[Row]:
    if not shown.rows:
        return rows_of(family(name), shown.tasks, n=shown.n_tasks, seed=2)
    space = family(name).task_space
    return [
        [(", ".join(f"{name} {value}" for name, value in task.items()), space.task(task)) for task in row]
        for row in shown.rows
    ]


SHOWN: dict[str, Shown] = {
    "ant": Shown("standard", n_steps=10, moves="zero", crop=middle_at_full_height),
    "half-cheetah": Shown("standard", n_steps=10, moves="zero", crop=middle_of_mujoco_s),
    "half-cheetah-terrain": Shown(
        "standard", n_tasks=8, n_steps=10, moves="zero", cell_width=240, crop=middle_at_full_width
    ),
    "hopper": Shown("standard", n_steps=10, moves="zero", crop=middle_at_full_height),
    "mujoco-pendulum-swing-up": Shown("standard", n_steps=9, moves=push_right, crop=middle_at_full_height),
    "lunar-lander": Shown("standard", n_steps=60, moves="zero", cell_width=180),
    "minigrid": Shown("standard", n_tasks=18, n_steps=0),
    "mountain-car-continuous": Shown(n_steps=0),
    "n-delayed-match": MEMORY,
    "n-parity": MEMORY,
    "pusher": Shown("standard", n_steps=32, moves=push_through_the_middle, crop=middle_of_mujoco_s),
    "reacher": Shown("standard", n_steps=1, moves="zero", crop=middle_at_full_height),
    "staged-task": Shown(n_steps=3, moves=fail_once_at_the_third_stage, cell_width=240),
    "toy-grid": Shown("standard", n_tasks=4, n_steps=1),
    "walker2d": Shown("standard", n_steps=10, moves="zero", crop=middle_at_full_height),
}
"""The families that are shown in a way of their own."""


def is_on_a_page(name: str) -> bool:
    """Say whether the family is shown: the toy grids share one picture, and some families may have none.

    benchmarks/walker_pictures.py draws the walkers: an obstacle is one of many on a track.
    """
    has_its_own_script = ".walkers." in FAMILIES[name]
    return family(name).draw is not TaskEnv.draw and not name.startswith("toy-grid-") and not has_its_own_script


def main(config: PictureConfig) -> None:
    """Draw one picture a family."""
    config.folder.mkdir(parents=True, exist_ok=True)
    for name in config.only or filter(is_on_a_page, FAMILIES):
        shown = SHOWN.get(name, Shown())
        sheet = contact_sheet(
            name,
            rows_shown(name, shown),
            n_steps=shown.n_steps,
            seed=2,
            moves=shown.moves,
            cell_width=shown.cell_width,
            crop=shown.crop,
            show_progress=True,
            options=shown.options,
        )
        path = config.folder / f"{name}.png"
        path.unlink(missing_ok=True)
        write_png(sheet, path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(tyro.cli(PictureConfig))
