"""A simulated learner: a grid of skills that grow where tasks are neither too easy nor out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLOCKED = 75
"""A neighbour unlocks a cell at this competence; mastery is strictly above it."""

MOST = 100
"""The highest competence."""

N_RUGGED_PARTS = 4
"""A rugged learner cuts each axis into this many parts and shuffles them (Romac et al. 2021, section 5)."""


class CompetenceGrid:
    """The toy environment of Portelas et al. 2019 (appendix), with the stress tests of Romac et al. 2021.

    Each of the first ``n_dims`` axes of the unit cube is cut into ``n_cells`` cells; other axes mean nothing. Each
    cell has a competence from 0 to 100. A visit adds 1 if the cell is the origin cell, or if a previous neighbour
    (every index equal or one lower) has a competence of 75 or more; else nothing. The score of a visit is the
    competence after it, over 100. A perfect teacher needs 76 visits a cell.
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
        if not n_cells >= 1 or not n_dims >= 1:
            raise ValueError(f"n_dims and n_cells must be at least 1, found {n_dims} and {n_cells}.")
        if rng is None and (noise or decay or rugged):
            raise ValueError("noise, decay and a rugged grid are random: pass rng.")
        self.n_cells = n_cells
        self.noise, self.decay, self.drift = noise, decay, drift
        self.resets, self.mirrored_after = resets, mirrored_after
        self.n_episodes = 0
        self._rng = rng
        self._n_trivial = round(trivial * n_cells)
        self._n_feasible = n_cells - round(infeasible * n_cells)
        self._order = None
        if rugged:
            assert rng is not None
            self._order = [rng.permutation(N_RUGGED_PARTS).tolist() for _ in range(n_dims)]
        self._has_events = bool(resets) or mirrored_after is not None
        self.competence: NDArray[np.int64] = np.zeros((n_cells,) * n_dims, dtype=np.int64)
        self._forget_all()

    def _forget_all(self) -> None:
        self.competence[:] = 0
        self.competence[: self._n_trivial] = MOST

    def play(self, task: NDArray[np.float64]) -> float:
        """Visit the cell of one task, shape (at least n_dims,) in [0, 1]; give the score in [0, 1]."""
        if self._has_events and (self.n_episodes in self.resets or self.n_episodes == self.mirrored_after):
            self._forget_all()
        competence = self.competence
        cell = self._cell(task)
        self.n_episodes += 1
        # the cell itself may stand among its neighbours: it only ever passed 75 after one of them did
        neighbours = competence[tuple([slice(i - 1 if i else 0, i + 1) for i in cell])]
        if (not any(cell) or neighbours.max() >= UNLOCKED) and cell[0] < self._n_feasible:
            competence[cell] = min(competence[cell] + 1, MOST)
        score = float(competence[cell]) / MOST
        if self._rng is not None:
            score = self._with_noise(score)
        return score

    def score(self, task: NDArray[np.float64]) -> float:
        """Give the competence at one task, in [0, 1], without a visit or noise."""
        return float(self.competence[self._cell(task)]) / MOST

    def _cell(self, task: NDArray[np.float64]) -> tuple[int, ...]:
        point = task[: self.competence.ndim].tolist()
        if self.drift:
            point = [(x + self.drift * self.n_episodes) % 1.0 for x in point]
        if self._order is not None:
            point = [_moved(x, order) for x, order in zip(point, self._order, strict=True)]
        if self.mirrored_after is not None and self.n_episodes >= self.mirrored_after:
            point = [1.0 - x for x in point]
        n = self.n_cells
        return tuple([min(int(x * n), n - 1) for x in point])

    def _with_noise(self, score: float) -> float:
        assert self._rng is not None
        if self.decay and self._rng.random() < self.decay:
            flat = self.competence.reshape(-1)
            i = int(self._rng.integers(flat.size))
            flat[i] = max(flat[i] - 1, 0)
        if self.noise:
            score = min(1.0, max(0.0, score + self.noise * self._rng.standard_normal()))
        return score

    @property
    def mastered(self) -> NDArray[np.bool_]:
        """Whether each cell has a competence above 75, shape (n_cells,) * n_dims."""
        return self.competence > UNLOCKED

    @property
    def mastery(self) -> float:
        """Percent of the cells, those that can learn and were not mastered from the start, above 75."""
        return float(100.0 * self.mastered[self._n_trivial : self._n_feasible].mean())

    def state_dict(self) -> dict[str, Any]:
        """Give competence, clock and generator."""
        rng = None if self._rng is None else self._rng.bit_generator.state
        return {
            "competence": self.competence.copy(),
            "n_episodes": self.n_episodes,
            "order": self._order,
            "rng": rng,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state_dict` of a grid of the same arguments gave."""
        self.competence[:] = state["competence"]
        self.n_episodes, self._order = state["n_episodes"], state["order"]
        if self._rng is not None:
            self._rng.bit_generator.state = state["rng"]


def _moved(x: float, order: list[int]) -> float:
    part = min(int(x * len(order)), len(order) - 1)
    return (order[part] + x * len(order) - part) / len(order)
