"""The rule of :func:`lifelong_rl.envs.check_task_env` on a family's reward as a function of what is observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.check_case import Case, TaskEnvError
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import KnownReward

_TOLERANCE = 1e-4  # of the largest reward: observations are rounded to float32


@dataclass(frozen=True)
class Transitions:
    """The transitions of one episode: (n, observation size), (n, action size), (n, observation size), (n,), (n,)."""

    observations: NDArray[Any]
    actions: NDArray[Any]
    next_observations: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]


def check_known_reward(case: Case) -> None:
    """Known reward: where the family has one, it is what the environment pays."""
    known = case.cls.known_reward
    unknown = set(case.cls.reward_features) - set(case.space.names)
    if unknown:
        raise TaskEnvError(f"reward_features must be features of the task space, found {sorted(unknown)}.")
    if known is None:
        return
    for task in case.shown_tasks:
        played = play_transitions(case, task)
        _compare(case, known, task, played)


def play_transitions(case: Case, task: Task) -> Transitions:
    """Play one episode of ``task`` with random actions."""
    env = case.make()
    observation, _ = env.reset(seed=case.seed, options={"task": task})
    rows: list[tuple[Any, ...]] = []
    for action in case.actions(env, env.max_episode_steps):
        following, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, np.atleast_1d(action), following, reward, terminated))
        observation = following
        if terminated or truncated:
            break
    return Transitions(*(np.array(column) for column in zip(*rows, strict=True)))


def _compare(case: Case, known: KnownReward, task: Task, played: Transitions) -> None:
    import torch

    params = {name: task.params[name] for name in case.cls.reward_features}
    arrays = (played.observations, played.actions, played.next_observations)
    batches: list[tuple[str, Any, list[Any]]] = [
        ("numpy", np, list(arrays)),
        ("numpy, shape (1, n, ...)", np, [array[None] for array in arrays]),
        ("torch", torch, [torch.as_tensor(array) for array in arrays]),
    ]
    for what, xp, batch in batches:
        try:
            rewards, terminated = known(params, batch[0], batch[1], batch[2], xp)
        except KeyError as error:
            raise TaskEnvError(
                f"known_reward needs the feature {error}, which reward_features do not name."
            ) from error
        for name, given, expected in (
            ("rewards", rewards, played.rewards),
            ("terminated", terminated, played.terminated),
        ):
            _compare_one(
                f"{name} of known_reward with {what} for {task.params}", given, expected, batch[0].shape[:-1]
            )


def _compare_one(what: str, given: Any, expected: NDArray[Any], shape: tuple[int, ...]) -> None:
    found = np.asarray(given)
    if found.shape != tuple(shape):
        raise TaskEnvError(f"{what} must have the shape {tuple(shape)}, found {found.shape}.")
    error = np.abs(found.reshape(-1).astype(np.float64) - expected)
    worst = int(error.argmax())
    if not error[worst] <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise TaskEnvError(
            f"{what} must equal what the environment gave, {expected[worst]!r} at step {worst + 1}, "
            f"found {found.reshape(-1)[worst]!r}."
        )
