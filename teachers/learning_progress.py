"""Learning progress on discrete tasks: fast against slow averages of the score of each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.cells import Cells
from lifelong_rl.teachers.density import evenness
from lifelong_rl.teachers.states import check_shapes

NORMAL_QUANTILE_90 = 1.2815515655446004


class LearningProgress(Teacher):
    """Bidirectional learning progress on discrete tasks (Kanitscheider et al. 2021), from training episodes only.

    The task space is cut into cells (:class:`~lifelong_rl.teachers.cells.Cells`), each a task; within a cell the
    draw is uniform. Each cell has a fast average of its scores and a slow average of the fast one, both exponential
    over its own visits, and both starting at its first score. With f(p) = (1 - theta) p / (p + theta (1 - 2p)),
    which magnifies progress at low scores,

        progress = gain_weight * max(f(fast) - f(slow), 0) + loss_weight * max(f(slow) - f(fast), 0),

    whose z-score over the cells, less the normal distribution's 90 % quantile and through a sigmoid, is the weight
    of a draw; a share of ``random_fraction`` is uniform over the cells. Kept: six numbers a cell.
    """

    def __init__(
        self,
        n_cells: int = 256,
        per_axis: int | None = None,
        rate: float = 0.1,
        theta: float = 0.1,
        gain_weight: float = 1.0,
        loss_weight: float = 1.0,
        sharpness: float = 4.0,
        random_fraction: float = 0.1,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        n_cells: the most cells that are cut. per_axis: parts of each real axis instead; integers and categories
        then count by their values. rate: of both averages, a visit, in (0, 1]. theta: reweighting, in (0, 0.5];
        0.5 leaves scores as they are. gain_weight, loss_weight: of learning and of forgetting, at least 0.
        sharpness: of the sigmoid, above 0; 1 is the paper's. random_fraction: share of uniform draws, in [0, 1].
        """
        self.n_cells = n_cells
        self.per_axis = per_axis
        self.rate = rate
        self.theta = theta
        self.gain_weight = gain_weight
        self.loss_weight = loss_weight
        self.sharpness = sharpness
        self.random_fraction = random_fraction

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._cells = Cells(space, self.n_cells, self.per_axis)
        n = self._cells.n
        self._fast, self._slow = [0.0] * n, [0.0] * n  # lists: quicker one number at a time
        self._visits = [0] * n
        self._signed = np.zeros(n)
        self._cumulative: Floats | None = None
        self._n_random = self._n_guided = 0

    def _check_hyperparameters(self) -> None:
        rules = [
            ("n_cells", 1 <= self.n_cells <= 10_000, "in 1, ..., 10000"),
            ("per_axis", self.per_axis is None or self.per_axis >= 1, "None or at least 1"),
            ("rate", 0.0 < self.rate <= 1.0, "in (0, 1]"),
            ("theta", 0.0 < self.theta <= 0.5, "in (0, 0.5]"),
            ("gain_weight", self.gain_weight >= 0.0, "at least 0"),
            ("loss_weight", self.loss_weight >= 0.0, "at least 0"),
            ("sharpness", self.sharpness > 0.0, "above 0"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + self.space.dimension))
        is_random = uniform[:, 0] < self.random_fraction
        if self._cumulative is None:
            self._cumulative = np.cumsum(self._weights())
        guided = self._cumulative.searchsorted(uniform[:, 1] * self._cumulative[-1], side="right")
        cells = np.where(is_random, (uniform[:, 1] * self._cells.n).astype(np.int64), guided)
        n_random = int(np.count_nonzero(is_random))
        self._n_random += n_random
        self._n_guided += n - n_random
        return self._cells.tasks(np.minimum(cells, self._cells.n - 1), uniform[:, 2:])

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Average the scores of n finished episodes, tasks of shape (n, d), into their cells."""
        tasks = self.checked(tasks, outcomes)
        rate, fast, slow = self.rate, self._fast, self._slow
        for cell, score in zip(self._cells.indices(tasks).tolist(), outcomes.scores.tolist(), strict=True):
            if self._visits[cell]:
                fast[cell] += rate * (score - fast[cell])
                slow[cell] += rate * (fast[cell] - slow[cell])
                self._signed[cell] = self._reweighted(fast[cell]) - self._reweighted(slow[cell])
            else:
                fast[cell] = slow[cell] = score
            self._visits[cell] += 1
        if len(tasks):
            self._cumulative = None

    def _reweighted(self, score: float) -> float:
        return (1.0 - self.theta) * score / (score + self.theta * (1.0 - 2.0 * score))

    def signed_progress(self) -> Floats:
        """Give the reweighted progress of each cell, shape (n_cells,) in [-1, 1]: below 0 the agent is forgetting."""
        return self._signed.copy()

    def _weights(self) -> Floats:
        """Give the weight of each cell in a guided draw, shape (n_cells,), above 0."""
        signed = self._signed
        progress = np.where(signed > 0.0, self.gain_weight, -self.loss_weight) * signed
        # np.dot: mean and std would take three times as long for so few numbers
        centred = progress - progress.sum() / len(progress)
        spread = float(np.dot(centred, centred) / len(progress)) ** 0.5
        if not spread > 1e-12:  # no cell stands out
            return np.ones(len(progress))
        exponent = self.sharpness * (NORMAL_QUANTILE_90 - centred / spread)
        weights: Floats = 1.0 / (1.0 + np.exp(np.minimum(exponent, 700.0)))
        return weights

    def _probabilities(self) -> Floats:
        weights = self._weights()
        guided = (1.0 - self.random_fraction) * weights / weights.sum()
        probabilities: Floats = self.random_fraction / len(weights) + guided
        return probabilities

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` at points, shape (n, d); shape (n,)."""
        return self._cells.density(self.space.check_points(points), self._probabilities())

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, all in [0, 1] but the number of cells.

        mean_alp: absolute progress over the cells. learning_cells, forgetting_cells: shares of cells with progress
        above 0.01 and below -0.01. entropy: of a draw over the cells. coverage: share of cells visited.
        random_share, progress_share: sources of all tasks drawn so far.
        """
        numbers = {
            "n_cells": float(self._cells.n),
            "mean_alp": float(np.abs(self._signed).mean()),
            "learning_cells": float((self._signed > 0.01).mean()),
            "forgetting_cells": float((self._signed < -0.01).mean()),
            "entropy": evenness(self._probabilities()),
            "coverage": float(np.count_nonzero(self._visits) / self._cells.n),
        }
        if n_drawn := self._n_random + self._n_guided:
            numbers["random_share"] = self._n_random / n_drawn
            numbers["progress_share"] = self._n_guided / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give averages, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "fast": np.array(self._fast),
            "slow": np.array(self._slow),
            "visits": np.array(self._visits, dtype=np.int64),
            "signed": self._signed.copy(),
            "n_random": self._n_random,
            "n_guided": self._n_guided,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        shapes = {name: np.shape(getattr(self, f"_{name}")) for name in ("fast", "slow", "visits", "signed")}
        check_shapes("the teacher 'LearningProgress'", state, **shapes)
        self._fast, self._slow = state["fast"].tolist(), state["slow"].tolist()
        self._visits, self._signed = state["visits"].tolist(), state["signed"].copy()
        self._n_random, self._n_guided = state["n_random"], state["n_guided"]
        self._cumulative = None
