"""What value estimates tell of a finished episode: numbers that teachers choose tasks by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

APPRAISALS = frozenset({"value", "mean_value", "positive_value_loss"})
"""The names of what :func:`appraisal` gives."""


def appraisal(
    values: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool, gamma: float, gae_lambda: float
) -> dict[str, float]:
    """Give value of the first state, mean value, and mean positive advantage of an episode of T steps.

    values: the estimates of its T + 1 states, the last one included; rewards: shape (T,).
    "positive_value_loss" is the mean over the steps of max(advantage, 0) (Jiang et al. 2021, "positive value loss").
    """
    states = np.asarray(values[:-1], dtype=np.float64)
    gains = advantages(values, rewards, is_terminal=is_terminal, gamma=gamma, gae_lambda=gae_lambda)
    return {
        "value": float(states[0]),
        "mean_value": float(states.mean()),
        "positive_value_loss": float(np.maximum(gains, 0.0).mean()),
    }


def advantages(
    values: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool, gamma: float, gae_lambda: float
) -> Floats:
    """Give the generalised advantage estimates of an episode's T steps (Schulman et al. 2016, equation 16).

    values: shape (T + 1,); the last one counts where the episode was cut short by a time limit, and is 0 where it
    reached a terminal state. rewards: shape (T,). Gives shape (T,).
    """
    following = np.array(values[1:], dtype=np.float64)
    if is_terminal:
        following[-1] = 0.0
    errors = np.asarray(rewards, dtype=np.float64) + gamma * following - np.asarray(values[:-1], dtype=np.float64)
    decay, sum_ahead, reversed_sums = gamma * gae_lambda, 0.0, []
    for error in errors[::-1].tolist():
        sum_ahead = error + decay * sum_ahead
        reversed_sums.append(sum_ahead)
    return np.array(reversed_sums[::-1])
