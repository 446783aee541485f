"""Draw the picture of the page on Continual World: the ten tasks of CW10 at their start.

Needs the environment that `make test-metaworld` makes:

MUJOCO_GL=egl .venv-metaworld/bin/python benchmarks/meta_world_pictures.py docs/environments/figures
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tyro

from lifelong_rl.envs import Task, make

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@dataclass(frozen=True)
class PictureConfig:
    """Where to draw."""

    folder: tyro.conf.Positional[Path]
    """Folder for the PNG file."""


def picture_of(env: Any, task: Task) -> np.ndarray[Any, Any]:
    """Give the picture of a task's first state."""
    env.reset(seed=0, options={"task": task})
    picture: np.ndarray[Any, Any] = env.render()
    return picture[:345, 120:580]


def main(config: PictureConfig) -> None:
    """Draw two rows of five tasks."""
    env: Any = make("continual-world", render_mode="rgb_array")
    figure, axes = plt.subplots(2, 5, figsize=(13.0, 4.3), layout="constrained")
    for axis, task in zip(axes.flat, env.standard_tasks(10), strict=True):
        axis.imshow(picture_of(env, task), interpolation="antialiased")
        axis.set_title(task.name, fontsize=9)
        axis.axis("off")
    env.close()
    config.folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(config.folder / "continual-world.png", dpi=100)


if __name__ == "__main__":
    main(tyro.cli(PictureConfig))
