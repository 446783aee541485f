"""A simulated learner: a grid of skills that grow where tasks are neither too easy nor out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLOCKED = 75
"""A neighbour unlocks a cell at this competence; mastery is strictly above it."""

MOST = 100
"""The highest competence."""

MOST_CELLS = 10**7
"""The largest grid: a learner keeps three numbers a cell."""

N_RUGGED_PARTS = 4
"""A rugged learner cuts each axis into this many parts and shuffles them (Romac et al. 2021, section 5)."""

VALUE_RATE = 0.1
"""Share of each new score in the learner's expectation of its cell: like a critic, it lags behind."""


class CompetenceGrid:
    """The toy environment of Portelas et al. 2019 (appendix), with the stress tests of Romac et al. 2021.

    Each of the first ``n_dims`` axes of the unit cube is cut into ``n_cells`` cells; other axes mean nothing. Each
    cell has a competence from 0 to 100. A visit adds 1 if the cell is the origin cell, or if a previous neighbour
    (every index equal or one lower, not all equal) has a competence of 75 or more; else nothing. The score of a visit
    is the competence after it, over 100. A perfect teacher needs 76 visits a cell.

    A visit takes a few microseconds: each cell knows how many of its previous neighbours unlock it.
    """

    def __init__(
        self,
        n_dims: int = 2,
        n_cells: int = 10,
        *,
        noise: float = 0.0,
        decay: float = 0.0,
        drift: float = 0.0,
        infeasible: float = 0.0,
        trivial: float = 0.0,
        resets: tuple[int, ...] = (),
        mirrored_after: int | None = None,
        rugged: bool = False,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Start with no competence.

        noise: standard deviation of a Gaussian added to each score, which is then clipped to [0, 1].
        decay: probability, an episode, that one cell drawn uniformly loses 1. drift: what an episode adds to every
        coordinate, modulo 1, before its cell is found: the same task moves on to other skills. infeasible: share of
        the cells, those highest on the first axis, that never learn. trivial: share of the cells, those lowest on
        the first axis, that are mastered from the start. resets: episodes before which all competence is lost.
        mirrored_after: episodes after which another learner without competence goes on, whose easiest cell is that
        of the opposite corner. rugged: whether the axes are cut and shuffled. rng: source of noise, decay and the
        shuffle; only these need it.
        """
        _check_size(n_dims, n_cells)
        _check_numbers(n_cells, noise, decay, infeasible, trivial)
        if rng is None and (noise or decay or rugged):
            raise ValueError("noise, decay and a rugged grid are random: pass rng.")
        self.n_dims, self.n_cells = n_dims, n_cells
        self.noise, self.decay, self.drift = noise, decay, drift
        self.resets, self.mirrored_after = tuple(resets), mirrored_after
        self.n_episodes = 0
        self._rng = rng
        self._n_trivial = round(trivial * n_cells)
        self._n_feasible = n_cells - round(infeasible * n_cells)
        self._order: list[list[int]] | None = None
        if rugged:
            assert rng is not None
            self._order = [rng.permutation(N_RUGGED_PARTS).tolist() for _ in range(n_dims)]
        self._is_plain = not (drift or rugged or mirrored_after is not None)
        self._has_events = bool(resets) or mirrored_after is not None
        self._is_random = bool(noise or decay)
        self._n_learnable = self._n_feasible * n_cells ** (n_dims - 1)  # the first cells, in C order
        self._expectations = [0.0] * n_cells**n_dims
        self._forget_all()

    def _forget_all(self) -> None:
        competence = np.zeros((self.n_cells,) * self.n_dims, dtype=np.int64)
        competence[: self._n_trivial] = MOST
        self._take_over(competence)

    def _take_over(self, competence: NDArray[np.int64]) -> None:
        """Start from a competence, shape (n_cells,) * n_dims: count for each cell how many neighbours unlock it."""
        unlocking = np.pad((competence >= UNLOCKED).astype(np.int64), [(1, 0)] * self.n_dims)
        n_keys = np.zeros_like(competence)
        for back in product((0, 1), repeat=self.n_dims):
            if any(back):
                n_keys += unlocking[tuple(slice(1 - b, unlocking.shape[0] - b) for b in back)]
        n_keys[(0,) * self.n_dims] = 1  # the origin needs no neighbour
        # lists: reading one number of an array takes as long as the rest of a visit
        self._levels: list[int] = competence.ravel().tolist()
        self._n_keys: list[int] = n_keys.ravel().tolist()

    @property
    def competence(self) -> NDArray[np.int64]:
        """The competence of each cell, 0 to 100, shape (n_cells,) * n_dims; a copy."""
        return np.array(self._levels, dtype=np.int64).reshape((self.n_cells,) * self.n_dims)

    def play(self, task: NDArray[np.float64], *, is_trained: bool = True) -> float:
        """Visit the cell of one task, shape (at least n_dims,) in [0, 1]; give the score in [0, 1].

        is_trained: False for an episode that is only looked at, and teaches nothing.
        """
        if self._has_events:
            self._let_happen()
        cell = self._cell(task)
        self.n_episodes += 1
        level = self._levels[cell]
        if is_trained and level < MOST and self._n_keys[cell] and cell < self._n_learnable:
            level += 1
            self._levels[cell] = level
            if level == UNLOCKED:
                self._hand_out_keys(cell, 1)
        score = self._with_noise(level / MOST) if self._is_random else level / MOST
        self._expectations[cell] += VALUE_RATE * (score - self._expectations[cell])
        return score

    def foresee(self, task: NDArray[np.float64]) -> float:
        """Give the score, without noise, that a visit of a task would have now."""
        if self._has_events:
            self._let_happen()
        cell = self._cell(task)
        level = self._levels[cell]
        is_learnable = level < MOST and self._n_keys[cell] and cell < self._n_learnable
        return (level + bool(is_learnable)) / MOST

    def score(self, task: NDArray[np.float64]) -> float:
        """Give the competence at one task, in [0, 1], without a visit or noise."""
        return self._levels[self._cell(task)] / MOST

    def value(self, task: NDArray[np.float64]) -> float:
        """Give the score that the learner expects at one task, in [0, 1]: a running mean of the cell's scores."""
        return self._expectations[self._cell(task)]

    def _let_happen(self) -> None:
        """Lose all competence if this is the moment."""
        if self.n_episodes in self.resets or self.n_episodes == self.mirrored_after:
            self._forget_all()

    def _cell(self, task: NDArray[np.float64]) -> int:
        """Give the index, in C order, of the cell in which a task lies."""
        point = task.tolist()[: self.n_dims]
        n = self.n_cells
        if not self._is_plain:
            return self._moved_cell(point)
        cell = 0
        for x in point:
            i = int(x * n)
            cell = cell * n + (i if i < n else n - 1)
        return cell

    def _moved_cell(self, point: list[float]) -> int:
        if self.drift:
            point = [(x + self.drift * self.n_episodes) % 1.0 for x in point]
        if self._order is not None:
            point = [_moved(x, order) for x, order in zip(point, self._order, strict=True)]
        n = self.n_cells
        indices = [min(int(x * n), n - 1) for x in point]
        if self.mirrored_after is not None and self.n_episodes >= self.mirrored_after:
            indices = [n - 1 - i for i in indices]
        cell = 0
        for i in indices:
            cell = cell * n + i
        return cell

    def _hand_out_keys(self, cell: int, n_keys: int) -> None:
        """Add to the keys of all next neighbours of a cell (every index equal or one higher, not all equal)."""
        n = self.n_cells
        indices = [cell // n**axis % n for axis in reversed(range(self.n_dims))]
        for step in product((0, 1), repeat=self.n_dims):
            neighbour = [i + s for i, s in zip(indices, step, strict=True)]
            if any(step) and max(neighbour) < n:
                flat = 0
                for i in neighbour:
                    flat = flat * n + i
                self._n_keys[flat] += n_keys

    def _with_noise(self, score: float) -> float:
        assert self._rng is not None
        if self.decay and self._rng.random() < self.decay:
            self._lose(int(self._rng.integers(len(self._levels))))
        if self.noise:
            score = min(1.0, max(0.0, score + self.noise * self._rng.standard_normal()))
        return score

    def _lose(self, cell: int) -> None:
        level = self._levels[cell]
        self._levels[cell] = max(level - 1, 0)
        if level == UNLOCKED:
            self._hand_out_keys(cell, -1)

    @property
    def mastered(self) -> NDArray[np.bool_]:
        """Whether each cell has a competence above 75, shape (n_cells,) * n_dims."""
        return self.competence > UNLOCKED

    @property
    def mastery(self) -> float:
        """Percent of the cells, those that can learn and were not mastered from the start, above 75."""
        learned = self.mastered[self._n_trivial : self._n_feasible]
        return 100.0 * int(learned.sum()) / learned.size  # 28.0, where a mean times 100 is 28.000000000000004

    def state_dict(self) -> dict[str, Any]:
        """Give competence, expectations, clock and generator."""
        return {
            "competence": self.competence,
            "expectations": np.array(self._expectations),
            "n_episodes": self.n_episodes,
            "order": self._order,
            "rng": None if self._rng is None else self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` of a grid of the same arguments gave."""
        shape = (self.n_cells,) * self.n_dims
        if state["competence"].shape != shape:
            raise ValueError(f"a competence of shape {shape} is expected, found {state['competence'].shape}.")
        self._take_over(state["competence"])
        self._expectations = state["expectations"].tolist()
        self.n_episodes, self._order = state["n_episodes"], state["order"]
        if self._rng is not None:
            self._rng.bit_generator.state = state["rng"]


def appraisal(value: float, score: float) -> dict[str, float]:
    """Say what a value estimate tells of an episode of one step, by the names that teachers know.

    They are those of ``lifelong_rl.teachers.base.EXTRAS``.
    """
    return {"value": value, "mean_value": value, "positive_value_loss": max(score - value, 0.0)}


def _check_size(n_dims: int, n_cells: int) -> None:
    for name, number in {"n_dims": n_dims, "n_cells": n_cells}.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, found {number!r}.")
    if n_cells**n_dims > MOST_CELLS:
        raise ValueError(f"a grid has at most {MOST_CELLS:,} cells, found {n_cells}^{n_dims}.")


def _check_numbers(n_cells: int, noise: float, decay: float, infeasible: float, trivial: float) -> None:
    for name, share in {"decay": decay, "infeasible": infeasible, "trivial": trivial}.items():
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} is a share and must lie in [0, 1], found {share}.")
    if not 0.0 <= noise < np.inf:
        raise ValueError(f"noise is a standard deviation and must be at least 0, found {noise}.")
    if round(trivial * n_cells) + round(infeasible * n_cells) >= n_cells:
        raise ValueError(f"trivial={trivial} and infeasible={infeasible} leave none of {n_cells} cells to learn.")


def _moved(x: float, order: list[int]) -> float:
    scaled = x * len(order)
    part = min(int(scaled), len(order) - 1)
    return (order[part] + min(scaled - part, _BELOW_1)) / len(order)


_BELOW_1 = 1.0 - 1e-9  # 1.0, where a clipping teacher puts many tasks, stays in its part
