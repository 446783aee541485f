"""Pictures of a family's tasks: contact sheets, and clips of a few tasks side by side."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tqdm import tqdm

from lifelong_rl.envs.factory import family
from lifelong_rl.envs.lookup import construct
from lifelong_rl.envs.shown_tasks import Row
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskEnv

Picture: TypeAlias = NDArray[np.uint8]
Moves: TypeAlias = Literal["random", "zero"] | Callable[[Any], Any]
"""What is played: random or zero actions, the same for every task, or a policy from observation to action."""

_LABEL_HEIGHT = 18  # pixels
_GAP = 6  # pixels between cells


def contact_sheet(
    family_or_name: type[TaskEnv] | str,
    rows: Sequence[Row],
    *,
    n_steps: int = 20,
    seed: int = 0,
    moves: Moves = "random",
    cell_width: int = 180,
    crop: Callable[[Picture], Picture] = lambda picture: picture,
    show_progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Picture:
    """Give one picture a task, in rows, each with its label; shape (height, width, 3).

    rows: see :func:`~lifelong_rl.envs.shown_tasks.rows_of`. n_steps: played before a picture is taken, fewer where
    the episode ends first. seed: of the episodes and the random moves. cell_width: of one task's picture, in pixels.
    crop: cuts out what is to be seen of a picture. options: go to the family's constructor.
    Raises ValueError for a family without pictures.
    """
    if n_steps < 0:
        raise ValueError(f"n_steps, the steps before a picture, must be at least 0, found {n_steps}.")
    env = _make_visible(family_or_name, options)
    try:
        bar = tqdm(total=sum(map(len, rows)), desc="drawing", unit="task", disable=not show_progress, leave=False)
        lines = []
        for row in rows:
            cells = []
            for label, task in row:
                for _ in _play(env, task, n_steps, seed, moves):
                    pass
                cells.append(_cell(crop(_drawn(env)), label, cell_width))
                bar.update()
            lines.append(_beside(cells))
        bar.close()
    finally:
        env.close()
    return _stacked(lines)


def clip(
    family_or_name: type[TaskEnv] | str,
    row: Row,
    *,
    n_steps: int = 100,
    seed: int = 0,
    moves: Moves = "random",
    cell_width: int = 240,
    show_progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> list[Picture]:
    """Give the frames of one episode of each task, side by side; an episode that has ended stays on its last frame.

    The arguments are those of :func:`contact_sheet`.
    """
    if n_steps < 1:
        raise ValueError(f"the number of steps of a clip must be at least 1, found {n_steps}.")
    strips = []
    for label, task in tqdm(row, "filming", unit="task", disable=not show_progress, leave=False):
        env = _make_visible(family_or_name, options)
        try:
            played = _play(env, task, n_steps, seed, moves)
            strips.append([_cell(_drawn(env), label, cell_width) for _ in played])
        finally:
            env.close()
    n_frames = max(map(len, strips))
    return [_beside([strip[min(i, len(strip) - 1)] for strip in strips]) for i in range(n_frames)]


def _make_visible(family_or_name: type[TaskEnv] | str, options: Mapping[str, Any] | None) -> TaskEnv:
    cls = family(family_or_name) if isinstance(family_or_name, str) else family_or_name
    if cls.draw is TaskEnv.draw:
        raise ValueError(
            f"the environment family {cls.task_space.family!r} has no pictures: it does not write draw()."
        )
    env: TaskEnv = construct("environment family", cls, {**(options or {}), "render_mode": "rgb_array"})
    return env


def _play(env: TaskEnv, task: Task, n_steps: int, seed: int, moves: Moves) -> Iterator[None]:
    """Yield after the reset and after each step, up to the end of the episode."""
    observation, _ = env.reset(seed=seed, options={"task": task})
    choose = _policy(env, moves, seed)
    yield
    for _ in range(n_steps):
        observation, _, terminated, truncated, _ = env.step(choose(observation))
        yield
        if terminated or truncated:
            return


def _policy(env: TaskEnv, moves: Moves, seed: int) -> Callable[[Any], Any]:
    if callable(moves):
        return moves
    space = copy.deepcopy(env.action_space)
    if moves == "zero":
        still = np.zeros_like(space.sample())
        return lambda _: still
    if moves != "random":
        raise ValueError(f"moves must be 'random', 'zero' or a policy, found {moves!r}.")
    space.seed(seed)
    return lambda _: space.sample()


def _drawn(env: TaskEnv) -> Picture:
    picture = env.render()
    assert picture is not None  # it was made with render_mode="rgb_array"
    return picture


# Putting them together


def _cell(picture: Picture, label: str, width: int) -> Picture:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    image = Image.new("RGB", (width, height + _LABEL_HEIGHT), "white")
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    image.paste(small, (0, _LABEL_HEIGHT))
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((0, _LABEL_HEIGHT, width - 1, image.height - 1), outline="lightgrey")
    drawing.text((width / 2, _LABEL_HEIGHT - 5), label, fill="black", font_size=11, anchor="ms")
    return np.asarray(image)


def _beside(cells: Sequence[Picture]) -> Picture:
    return _joined(cells, axis=1)


def _stacked(lines: Sequence[Picture]) -> Picture:
    return _joined(lines, axis=0)


def _joined(pictures: Sequence[Picture], axis: int) -> Picture:
    """Join along one axis with gaps between, and white where a picture is smaller along the other."""
    other = 1 - axis
    size = max(picture.shape[other] for picture in pictures)
    parts = []
    for picture in pictures:
        margins = [(0, 0), (0, 0), (0, 0)]
        margins[axis], margins[other] = (_GAP, 0), (0, size - picture.shape[other])
        parts.append(np.pad(picture, margins, constant_values=255))
    joined = np.concatenate(parts, axis=axis)
    return joined[_GAP:] if axis == 0 else joined[:, _GAP:]
