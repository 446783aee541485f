"""Covar-GMM: draw tasks where scores rise with time, from Gaussians fitted to tasks, time and score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, check_ranges, stretches
from lifelong_rl.teachers.gaussians import Criterion, GaussianTeacher, best_mixture, numbers_to_try
from lifelong_rl.teachers.states import check_rows


class CovarGMM(GaussianTeacher):
    """Covar-GMM, covariance of time and score in Gaussian mixtures (Moulin-Frier et al. 2014; Portelas et al. 2019).

    Every ``fit_every`` episodes one mixture of full-covariance Gaussians for each number of Gaussians is fitted to
    the points (task, t, score) of these episodes, where t in [0, 1) is the position among them, and the one with the
    lowest criterion stays. A task is uniform with probability ``random_fraction``; else a Gaussian is chosen with
    probability proportional to max(0, cov(t, score)), where scores rise, or with ``absolute`` to |cov(t, score)|,
    where they change (all zero: uniformly). A point is drawn from its task axes and clipped to the cube. Before the
    first fit all tasks are uniform. Mixtures are scikit-learn's; an update that fits takes some 100 ms.
    It keeps the episodes since the last fit and one mixture.
    """

    n_measured = 2

    def __init__(
        self,
        fit_every: int = 250,
        min_gaussians: int = 2,
        max_gaussians: int = 10,
        random_fraction: float = 0.2,
        absolute: bool = False,
        criterion: Criterion = "aic",
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        fit_every: episodes between fits, and of each fit. min_gaussians, max_gaussians: the numbers of Gaussians
        tried, both ends included. random_fraction: share of uniform tasks, in [0, 1]. absolute: whether falling
        scores attract as rising ones do. criterion: what chooses among the fits, the
        Akaike information criterion, its form for small samples ("aicc") or the Bayesian one.
        """
        self.fit_every = fit_every
        self.min_gaussians = min_gaussians
        self.max_gaussians = max_gaussians
        self.random_fraction = random_fraction
        self.absolute = absolute
        self.criterion = criterion

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        rules = [
            ("fit_every", self.fit_every >= 2, "at least 2"),
            ("min_gaussians", self.min_gaussians >= 1, "at least 1"),
            ("max_gaussians", self.max_gaussians >= self.min_gaussians, "at least min_gaussians"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("criterion", self.criterion in get_args(Criterion), "'aic', 'aicc' or 'bic'"),
        ]
        check_ranges(self, rules)
        super().reset(space, rng)
        self._batch = np.empty((self.fit_every, space.dimension + 2))  # task, t, score: rows filled one after another
        self._batch[:, -2] = np.arange(self.fit_every) / self.fit_every

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and fit at every ``fit_every``-th of all episodes."""
        tasks = self.checked(tasks, outcomes)
        for part in stretches(len(tasks), self._n_episodes, self.fit_every):
            row, n = self._n_episodes % self.fit_every, part.stop - part.start
            self._batch[row : row + n, :-2] = tasks[part]
            self._batch[row : row + n, -1] = outcomes.scores[part]
            self._n_episodes += n
            if row + n == self.fit_every:
                self._fit()

    def _fit(self) -> None:
        numbers = numbers_to_try(self._batch, self.min_gaussians, self.max_gaussians)
        seeds = self.rng.integers(2**31, size=len(numbers)).tolist()
        mixture = best_mixture(self._batch, numbers, seeds, self.criterion)
        self._take_mixture(mixture.means_, mixture.covariances_)

    def _merits(self, means: Floats, covariances: Floats) -> Floats:
        trend = covariances[:, -2, -1]
        return np.abs(trend) if self.absolute else trend

    def state_dict(self) -> dict[str, Any]:
        """Give the episodes since the last fit, mixture, counters and generator."""
        row = self._n_episodes % self.fit_every
        tasks, scores = self._batch[:row, :-2].copy(), self._batch[:row, -1].copy()
        return {**super().state_dict(), "tasks": tasks, "scores": scores}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_rows("the teacher 'CovarGMM'", state, "tasks", "scores")
        row = len(state["scores"])
        self._batch[:row, :-2], self._batch[:row, -1] = state["tasks"], state["scores"]
