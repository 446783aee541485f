"""The current task's transitions, and running means and spreads of what a dynamics model reads and predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Moments:
    """Mean, deviation and range of rows that come in batches, in double precision (Chan et al. 1979, eq. 1.5)."""

    def __init__(self, size: int):
        self.count = 0
        self.mean = np.zeros(size)
        self._squares = np.zeros(size)
        self.low = np.full(size, np.inf)
        """Smallest value of each column, shape (size,); infinity before there are rows."""
        self.high = np.full(size, -np.inf)
        """Largest value of each column."""

    def update(self, rows: Array) -> None:
        """Take more rows in, shape (n, size)."""
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))
        mean = rows.mean(axis=0)
        shift = mean - self.mean
        total = self.count + len(rows)
        self._squares += np.square(rows - mean).sum(axis=0) + shift**2 * (self.count * len(rows) / total)
        self.mean += shift * (len(rows) / total)
        self.count = total

    @property
    def std(self) -> Array:
        """Standard deviation, shape (size,); 1 where the rows do not vary, so that dividing by it changes nothing."""
        spread = np.sqrt(self._squares / max(1, self.count))
        # 1e-6 of the mean's size: what is left of rounding where a column is constant
        return np.where(spread > 1e-6 * np.maximum(1.0, np.abs(self.mean)), spread, 1.0)

    @property
    def is_constant(self) -> NDArray[np.bool_]:
        """Whether a column had one value only, shape (size,)."""
        constant: NDArray[np.bool_] = np.equal(self.low, self.high)
        return constant

    def state_dict(self) -> dict[str, Any]:
        """Give count, mean, sum of squares and range."""
        return {
            "count": self.count,
            "mean": self.mean.copy(),
            "squares": self._squares.copy(),
            "low": self.low.copy(),
            "high": self.high.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take such a state over."""
        self.count, self.mean, self._squares = int(state["count"]), state["mean"].copy(), state["squares"].copy()
        self.low, self.high = state["low"].copy(), state["high"].copy()


class Transitions:
    """Rows of (observation, action, reward, next observation) in the order in which they came, in arrays that grow.

    A share of the rows, drawn from ``rng`` as they come, is held out of training for validation: single rows, or
    stretches of the rows that stand at one place in ``stretch`` calls of :meth:`add` (one environment's, when each
    call brings one step of all environments). Neighbours of a trained row are predicted too well to measure errors.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        held_out: float,
        rng: np.random.Generator,
        stretch: int = 1,
    ):
        if not 0 <= held_out < 1 or stretch < 1:
            raise ValueError(
                "held_out must be at least 0 and less than 1, and stretch at least 1, found "
                f"{held_out} and {stretch}."
            )
        self.held_out, self.rng, self.stretch = held_out, rng, stretch
        self._stretch_rows = np.zeros(0, dtype=bool)
        self._stretch_age = 0
        self._sizes = (observation_size, action_size, 1, observation_size, 1)
        self._rows = np.zeros((0, sum(self._sizes)), dtype=np.float32)
        self._n = self._n_taken = 0

    def __len__(self) -> int:
        return self._n

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        return int(self._rows.nbytes)

    def add(self, observations: Array, actions: Array, rewards: Array, next_observations: Array) -> None:
        """Append n rows, shapes (n, observation), (n, action), (n,) and (n, observation)."""
        n = len(observations)
        if self._n + n > len(self._rows):
            grown = np.zeros((max(1024, 2 * len(self._rows), self._n + n), self._rows.shape[1]), dtype=np.float32)
            grown[: self._n] = self._rows[: self._n]
            self._rows = grown
        if self._stretch_age % self.stretch == 0 or len(self._stretch_rows) != n:
            self._stretch_rows, self._stretch_age = self.rng.random(n) < self.held_out, 0
        self._stretch_age += 1
        is_held_out = self._stretch_rows
        columns = (observations, actions, rewards[:, None], next_observations, is_held_out[:, None])
        self._rows[self._n : self._n + n] = np.concatenate([np.asarray(c, dtype=np.float32) for c in columns], axis=1)
        self._n += n

    @property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Which rows are held out of training, shape (n,)."""
        return np.asarray(self._rows[: self._n, -1] > 0.5)

    def clear(self) -> None:
        """Forget all rows and give the memory back; a new stretch begins."""
        self._stretch_age = 0
        self._rows, self._n, self._n_taken = np.zeros((0, self._rows.shape[1]), dtype=np.float32), 0, 0

    def columns(self, *, held_out: bool | None = None) -> tuple[Array, Array, Array, Array]:
        """Give observations, actions, rewards (n,) and next observations; of one part, or of all rows (None)."""
        rows = self._rows[: self._n]
        if held_out is not None:
            rows = rows[(rows[:, -1] > 0.5) == held_out]
        return self._split(rows)

    def take_new(self) -> tuple[Array, Array, Array, Array]:
        """Give the rows that came since the last call, as :meth:`columns`."""
        rows, self._n_taken = self._rows[self._n_taken : self._n], self._n
        return self._split(rows)

    def _split(self, rows: Array) -> tuple[Array, Array, Array, Array]:
        observations, actions, rewards, following, _ = np.split(rows, np.cumsum(self._sizes)[:-1], axis=1)
        return observations, actions, rewards[:, 0], following

    def state_dict(self) -> dict[str, Any]:
        """Give the rows and the generator's state."""
        return {
            "rows": self._rows[: self._n].copy(),
            "n_taken": self._n_taken,
            "rng": self.rng.bit_generator.state,
            "stretch_rows": self._stretch_rows.copy(),
            "stretch_age": self._stretch_age,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take such a state over; ValueError where the rows have another width."""
        rows = state["rows"]
        if rows.shape[1] != self._rows.shape[1]:
            raise ValueError(
                f"the saved transitions have rows of {rows.shape[1]} numbers, this environment's have "
                f"{self._rows.shape[1]}; load them with the environment that they were saved with."
            )
        self._rows, self._n, self._n_taken = rows.copy(), len(rows), int(state["n_taken"])
        self._stretch_rows, self._stretch_age = state["stretch_rows"].copy(), int(state["stretch_age"])
        self.rng.bit_generator.state = state["rng"]
