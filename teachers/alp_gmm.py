"""ALP-GMM: draw tasks where the score changes, from Gaussians fitted to tasks and learning progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, check_ranges, stretches
from lifelong_rl.teachers.density import covered_share
from lifelong_rl.teachers.gaussians import Criterion, GaussianTeacher, best_mixture, numbers_to_try
from lifelong_rl.teachers.gaussians import Gaussians as Gaussians
from lifelong_rl.teachers.progress import N_WITHOUT_PROGRESS, ProgressHistory


class ALPGMM(GaussianTeacher):
    """ALP-GMM, absolute learning progress with Gaussian mixtures (Portelas et al. 2019, algorithm 1).

    The ALP of an episode is the distance between its score and that of the nearest earlier task (1-NN in the unit
    cube over the history; 0 while 5 or fewer tasks are stored). Every ``fit_every`` episodes one mixture of
    full-covariance Gaussians for each number of Gaussians is fitted to the last (task, ALP) points, unscaled, and
    the one with the lowest criterion stays. A task is uniform with probability ``random_fraction``; else a Gaussian
    is chosen with probability proportional to the ALP of its mean (all zero: uniformly), a point drawn, its ALP
    dropped, and the task clipped to the cube, so that mass piles up on the faces. Before the first fit all tasks
    are uniform. Mixtures are scikit-learn's, each fit seeded from this teacher's generator, on one thread: an
    update that fits takes some 100 ms. :class:`FastALPGMM` spreads its own fits over the episodes.
    It keeps all episodes, or with ``max_history`` fewer than twice as many.
    """

    def __init__(
        self,
        fit_every: int = 250,
        window: int | None = None,
        min_gaussians: int = 2,
        max_gaussians: int = 10,
        random_fraction: float = 0.2,
        criterion: Criterion = "aic",
        max_history: int | None = None,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        fit_every: episodes between fits. window: episodes that a fit sees, None for ``fit_every`` of them.
        min_gaussians, max_gaussians: the numbers of Gaussians tried, both ends included. random_fraction: share
        of uniform tasks, in [0, 1]. criterion: what chooses among the fits, the
        Akaike information criterion, its form for small samples ("aicc") or the Bayesian one.
        max_history: when twice as many episodes are stored the older half is forgotten; None keeps all.
        """
        self.fit_every = fit_every
        self.window = window
        self.min_gaussians = min_gaussians
        self.max_gaussians = max_gaussians
        self.random_fraction = random_fraction
        self.criterion = criterion
        self.max_history = max_history

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._history = ProgressHistory(space, keep=self.max_history)

    def _check_hyperparameters(self) -> None:
        window = self._window
        rules = [
            ("fit_every", self.fit_every >= 1, "at least 1"),
            ("fit_every", self.window is not None or window >= 2, "at least 2, or window must be given"),
            ("window", window >= 2, "at least 2 (None stands for fit_every)"),
            ("min_gaussians", self.min_gaussians >= 1, "at least 1"),
            ("max_gaussians", self.max_gaussians >= self.min_gaussians, "at least min_gaussians"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("criterion", self.criterion in get_args(Criterion), "'aic', 'aicc' or 'bic'"),
            (
                "max_history",
                self.max_history is None or self.max_history >= max(window, N_WITHOUT_PROGRESS),
                f"None, or at least the window ({window}) and {N_WITHOUT_PROGRESS}",
            ),
        ]
        check_ranges(self, rules)

    @property
    def _window(self) -> int:
        return self.fit_every if self.window is None else self.window

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and fit at every ``fit_every``-th of all episodes."""
        tasks = self.checked(tasks, outcomes)
        for part in stretches(len(tasks), self._n_episodes, self.fit_every):
            self._store(tasks[part], outcomes.scores[part])

    def _store(self, tasks: Floats, scores: Floats) -> None:
        self._history.append(tasks, scores)
        self._n_episodes += len(tasks)
        if self._n_episodes % self.fit_every == 0 and len(self._history) >= 2:
            self._fit()

    def _fit(self) -> None:
        points = self._fit_points()
        numbers = numbers_to_try(points, self.min_gaussians, self.max_gaussians)
        seeds = self.rng.integers(2**31, size=len(numbers)).tolist()
        mixture = best_mixture(points, numbers, seeds, self.criterion)
        self._take_mixture(mixture.means_, mixture.covariances_)

    def _fit_points(self) -> Floats:
        """Give tasks and ALP of the last window, shape (window, d + 1)."""
        progress = np.abs(self._history.recent_progress(self._window))
        return np.column_stack([self._history.tasks[-self._window :], progress])

    def _merits(self, means: Floats, covariances: Floats) -> Floats:
        return means[:, -1]

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, all in [0, 1] but the number of Gaussians; undefined ones are left out.

        mean_alp: over the last window. entropy: of the sampling density on about 1,000 points of the cube (1 is
        uniform). coverage: share of about 1,000 cells of the cube that played tasks lie in. random_share,
        gmm_share: sources of all tasks drawn so far.
        """
        numbers = {**super().diagnostics(), "coverage": covered_share(self._history.tasks, self.space)}
        if len(self._history):
            numbers["mean_alp"] = float(np.abs(self._history.recent_progress(self._window)).mean())
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give history, mixture, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {**super().state_dict(), "history": self._history.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._history.load_state_dict(state["history"])
