"""What a teacher made a learner play, kept for figures: where the tasks lay, how they went, and what was learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.simulated import MOST, CompetenceGrid
from lifelong_rl.bench.settings import Setting

N_FRAMES = 48
"""Moments at which the learner's competence is kept."""


@dataclass(frozen=True)
class Trace:
    """One run, seen on the first two axes (the first, of a one-dimensional grid)."""

    points: NDArray[np.float32]
    """The tasks, shape (n_episodes, 1 or 2), in the order in which they were played."""
    scores: NDArray[np.float32]
    """Their scores, shape (n_episodes,)."""
    moments: NDArray[np.int64]
    """Episodes before each picture of the competence, shape (n_frames,)."""
    competence: NDArray[np.float32]
    """Mean competence in [0, 1] over the axes not seen, shape (n_frames, n_cells[, n_cells])."""


class TraceRecorder:
    """Writes a :class:`Trace` while a run goes on."""

    def __init__(self, setting: Setting, learner: CompetenceGrid) -> None:
        n = setting.n_episodes
        self._n_axes = min(setting.n_dims, 2)
        self._points = np.empty((n, self._n_axes), dtype=np.float32)
        self._scores = np.empty(n, dtype=np.float32)
        self._moments = sorted({round(n * share / N_FRAMES) for share in range(N_FRAMES + 1)})
        self._learner = learner
        self._n_noted = 0
        self._pictures = [self._picture()]

    def note(self, task: NDArray[np.float64], score: float) -> None:
        """Take the next episode down."""
        self._points[self._n_noted] = task[: self._n_axes]
        self._scores[self._n_noted] = score
        self._n_noted += 1
        if self._n_noted == self._moments[len(self._pictures)]:
            self._pictures.append(self._picture())

    def trace(self) -> Trace:
        """Give what was noted."""
        return Trace(self._points, self._scores, np.array(self._moments), np.stack(self._pictures))

    def _picture(self) -> NDArray[np.float32]:
        competence = self._learner.competence
        unseen = tuple(range(self._n_axes, competence.ndim))
        mean: NDArray[np.float32] = (competence.mean(axis=unseen) / MOST).astype(np.float32)
        return mean
