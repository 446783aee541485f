"""The rule of :func:`lifelong_rl.envs.check_task_env` on pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.check_case import Case, NotCheckedError, TaskEnvError
from lifelong_rl.envs.task_env import NoPicturesHereError, TaskEnv
from lifelong_rl.envs.trajectory import play, play_on

_N_STEPS_BETWEEN = 30  # pictures of MuJoCo without a graphics card take about 0.1 s each


def check_pictures(case: Case) -> None:
    """Pictures: a family that takes ``render_mode`` shows its state in them, and drawing changes nothing."""
    if not case.takes("render_mode") or case.cls.draw is TaskEnv.draw:
        return
    mute = case.make(render_mode=None)
    mute.reset(seed=case.seed)
    if mute.render() is not None:
        raise TaskEnvError("without render_mode, render must give None.")
    env = case.make(render_mode="rgb_array")
    _require_nothing_to_show(env)
    try:
        pictures = [picture for task in case.shown_tasks[-2:] for picture in _pictures(case, env, task)]
    except NoPicturesHereError as error:
        raise NotCheckedError(f"the pictures of {case.cls.__name__}, as {error}") from error
    finally:
        env.close()
    if all(np.array_equal(picture, pictures[0]) for picture in pictures):
        raise TaskEnvError("pictures must show something of task or state; all are the same.")


def _require_nothing_to_show(env: TaskEnv) -> None:
    try:
        env.render()
    except RuntimeError as error:
        if isinstance(error, NoPicturesHereError | NotImplementedError):
            raise TaskEnvError(f"render before the first reset must say so, found: {error}") from error
        return
    raise TaskEnvError("render before the first reset must raise RuntimeError, but gave something.")


def _pictures(case: Case, env: TaskEnv, task: Any) -> list[NDArray[np.uint8]]:
    """Play a task with some pictures in between, and give them, after comparing with the same without pictures."""
    actions = case.actions(env, case.n_steps)
    undrawn = play(case.make(), actions, seed=case.seed, task=task)
    drawn = play(env, [], seed=case.seed, task=task)
    pictures = [_picture(env)]
    kept = pictures[0].copy()
    if not np.array_equal(_picture(env), kept):
        raise TaskEnvError("two pictures of one state must be the same; they differ.")
    for first in range(0, len(actions), _N_STEPS_BETWEEN):
        drawn += play_on(env, actions[first : first + _N_STEPS_BETWEEN])
        pictures.append(_picture(env))
    if drawn != undrawn:
        raise TaskEnvError("drawing must change nothing, but with pictures the same actions play something else.")
    if not np.array_equal(pictures[0], kept):
        raise TaskEnvError("a picture must stay as it was given; a later one was drawn over it.")
    return pictures


def _picture(env: TaskEnv) -> NDArray[np.uint8]:
    picture = env.render()
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        found = getattr(picture, "dtype", type(picture).__name__)
        raise TaskEnvError(f"a picture must be an array of uint8, found {found}.")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise TaskEnvError(f"a picture must have the shape (height, width, 3), found {picture.shape}.")
    return picture
