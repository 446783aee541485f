"""Draw the pictures of the pages on the MuJoCo families: each standard task after the same actions.

MUJOCO_GL=egl python benchmarks/environment_pictures.py docs/environments/figures
"""

from __future__ import annotations

from collections.abc import Callable
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
    """What to draw and where to."""

    folder: tyro.conf.Positional[Path]
    """Folder for the PNG files, one a family."""
    n_tasks: int = 5
    """Standard tasks to show."""


def stand(env: Any, _: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.zeros(env.action_space.shape)


def push(env: Any, _: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(env.action_space.high)


def lie_before_a_wall(env: Any, _: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    env.data.qpos[0] = 1.9
    return np.zeros(env.action_space.shape)


def push_through_the_middle(_: Any, observation: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([0.3, -10.0 * observation[1]])


FAMILIES: dict[str, tuple[Callable[[Any, np.ndarray[Any, Any]], np.ndarray[Any, Any]], int]] = {
    "ant": (stand, 10),
    "half-cheetah": (stand, 10),
    "half-cheetah-terrain": (lie_before_a_wall, 40),
    "hopper": (stand, 10),
    "mujoco-pendulum-swing-up": (push, 9),
    "pusher": (push_through_the_middle, 32),
    "reacher": (stand, 1),
    "walker2d": (stand, 10),
}
"""The controller of each family and the number of steps after which it is shown."""
SHOWN: dict[str, slice] = {"half-cheetah-terrain": slice(3, 8)}
"""Which of the standard tasks are shown, where not the first ones."""
TALL = ("ant", "hopper", "mujoco-pendulum-swing-up", "reacher", "walker2d")
"""The families whose pictures are shown at full height."""


def picture_of(name: str, task: Task) -> np.ndarray[Any, Any]:
    """Give the picture of a task after the family's steps."""
    choose, n_steps = FAMILIES[name]
    env: Any = make(name, render_mode="rgb_array")
    observation, _ = env.reset(seed=2, options={"task": task})
    for _ in range(n_steps):
        observation, *_ = env.step(choose(env, observation))
    picture: np.ndarray[Any, Any] = env.render()
    env.close()
    return picture[:, 80:560] if name in TALL else picture[140:460, 80:600]


def main(config: PictureConfig) -> None:
    """Draw one row of pictures a family."""
    config.folder.mkdir(parents=True, exist_ok=True)
    for name in FAMILIES:
        tasks = make(name).standard_tasks(9)[SHOWN.get(name, slice(config.n_tasks))]
        figure, axes = plt.subplots(
            1, len(tasks), figsize=(2.6 * len(tasks), 2.9 if name in TALL else 1.85), layout="constrained"
        )
        for axis, task in zip(axes, tasks, strict=True):
            axis.imshow(picture_of(name, task), interpolation="antialiased")
            axis.set_title(task.name, fontsize=9)
            axis.axis("off")
        figure.savefig(config.folder / f"{name}.png", dpi=100)
        plt.close(figure)


if __name__ == "__main__":
    main(tyro.cli(PictureConfig))
