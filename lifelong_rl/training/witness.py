"""The witness: what happened in the episodes under way, for an agent to appraise them when they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Witness:
    """Holds observations and rewards of each environment's present episode; one observation a step of memory."""

    def __init__(self, n_envs: int):
        self._observations: list[list[NDArray[Any]]] = [[] for _ in range(n_envs)]
        self._rewards: list[list[float]] = [[] for _ in range(n_envs)]

    def note(self, observations: NDArray[Any], rewards: NDArray[Any]) -> None:
        """Take a step of all environments: what the agent saw, shape (n_envs, ...), and got for its action."""
        for i, reward in enumerate(rewards.tolist()):  # numbers: components may rewrite the array later
            self._observations[i].append(observations[i])
            self._rewards[i].append(reward)

    def take(self, i: int, last: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Give the T + 1 observations (``last`` included) and T rewards of environment ``i``, and start anew."""
        observations, rewards = np.array([*self._observations[i], last]), np.array(self._rewards[i])
        self._observations[i], self._rewards[i] = [], []
        return observations, rewards

    def state_dict(self) -> dict[str, Any]:
        """Give copies of everything held."""
        return {
            "observations": [np.array(rows) for rows in self._observations],
            "rewards": [np.array(rows, np.float64) for rows in self._rewards],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._observations = [list(rows) for rows in state["observations"]]
        self._rewards = [rows.tolist() for rows in state["rewards"]]
