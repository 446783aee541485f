"""The rule of :func:`lifelong_rl.envs.check_task_env` on actions that mean nothing and actions out of range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs.check_case import Case, TaskEnvError
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.trajectory import play, play_on


def check_actions(case: Case) -> None:
    """Actions: what means nothing is refused with ValueError, and a number out of range is clipped or refused."""
    env = case.make_plain()
    actions = case.actions(env, case.n_steps)
    usual = play(env, actions, seed=case.seed, task=case.tasks[1])[1:]
    env.reset(seed=case.seed, options={"task": case.tasks[1]})
    for what, bad in _meaningless_actions(env.action_space):
        _require_refused_action(env, bad, what)
    if play_on(env, actions) != usual:
        raise TaskEnvError("a refused action must leave the environment as it was; it plays something else now.")
    if isinstance(env.action_space, spaces.Box):
        _check_out_of_range(case, env, env.action_space)


def _meaningless_actions(space: spaces.Space[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(space, spaces.Discrete):
        first, last = int(space.start), int(space.start + space.n) - 1
        yield from (("one beyond the last", np.int64(last + 1)), ("one before the first", np.int64(first - 1)))
        yield from (("a fraction", first + 0.5), ("NaN", float("nan")), ("an array", np.full(2, first)))
    elif isinstance(space, spaces.Box):
        usual = _middle(space)
        for name, number in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
            bad = usual.copy()
            bad.flat[-1] = number
            yield f"{name} among its numbers", bad
        yield "a shape with one number more", np.append(usual.ravel(), usual.flat[0])
        yield "a shape with one number less", usual.ravel()[:-1]
        yield "a shape of one axis more", usual[None]


def _require_refused_action(env: TaskEnv, action: Any, what: str) -> None:
    described = f"an action of {env.action_space} that is wrong ({what}: {action!r})"
    try:
        env.step(action)
    except ValueError as error:
        if "action" not in str(error):
            raise TaskEnvError(f"{described} must be named by the error, found {str(error)!r}.") from error
    except Exception as error:
        raise TaskEnvError(f"{described} must be refused with ValueError, found {type(error).__name__}.") from error
    else:
        raise TaskEnvError(f"{described} must be refused with ValueError, but was played.")


def _check_out_of_range(case: Case, env: TaskEnv, space: spaces.Box) -> None:
    """Require that actions beyond the bounds play like those at the bounds, if they are played at all."""
    wide = [_beyond(space, action) for action in case.actions(env, case.n_steps)]
    clipped = [np.clip(action, space.low, space.high) for action in wide]
    if all(np.array_equal(*pair) for pair in zip(wide, clipped, strict=True)):
        return  # a space without bounds
    expected = play(env, clipped, seed=case.seed, task=case.tasks[1])
    try:
        played = play(env, wide, seed=case.seed, task=case.tasks[1])
    except ValueError:
        return
    if played != expected:
        raise TaskEnvError(
            f"an action beyond the bounds of {space} must be clipped (play as the action at the bounds) or be "
            "refused with ValueError; it plays something else."
        )


def _middle(space: spaces.Box) -> Any:
    bounded = np.isfinite(space.low) & np.isfinite(space.high)
    low, high = np.where(bounded, space.low, 0.0), np.where(bounded, space.high, 0.0)
    return ((low + high) / 2.0).astype(space.dtype)


def _beyond(space: spaces.Box, action: Any) -> Any:
    """Give the action three times as far from the middle: beyond some of the bounds, mostly, and not all."""
    middle = _middle(space)
    return (middle + 3.0 * (action - middle)).astype(space.dtype)
