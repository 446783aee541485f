"""ALP-GMM: draw tasks where the score changes, from Gaussians fitted to tasks and learning progress."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher
from lifelong_rl.teachers.density import covered_share, evenness, reference_points
from lifelong_rl.teachers.progress import N_WITHOUT_PROGRESS, ProgressHistory


@dataclass(frozen=True)
class Gaussians:
    """k Gaussians over the d axes of the unit cube, as a teacher draws from them."""

    means: Floats
    """Shape (k, d)."""
    covariances: Floats
    """Shape (k, d, d)."""
    weights: Floats
    """Probability of drawing from each, shape (k,); they sum to 1 (k = 0 before the first fit)."""

    def density(self, points: Floats) -> Floats:
        """Give the density of their mixture at points of shape (n, d); shape (n,)."""
        total = np.zeros(len(points))
        for mean, covariance, weight in zip(self.means, self.covariances, self.weights, strict=True):
            factor = np.linalg.cholesky(covariance)
            whitened = np.linalg.solve(factor, (points - mean).T)
            log_scale = np.log(np.diag(factor)).sum() + 0.5 * len(mean) * np.log(2.0 * np.pi)
            total += weight * np.exp(-0.5 * (whitened**2).sum(axis=0) - log_scale)
        return total


class ALPGMM(Teacher):
    """ALP-GMM, absolute learning progress with Gaussian mixtures (Portelas et al. 2019, algorithm 1).

    The ALP of an episode is the distance between its score and that of the nearest earlier task (1-NN in the unit
    cube over the history; 0 while 5 or fewer tasks are stored). Every ``fit_every`` episodes one mixture of
    full-covariance Gaussians for each number of Gaussians is fitted to the last (task, ALP) points, unscaled, and
    the one with the lowest criterion stays. A task is uniform with probability ``random_fraction``; else a Gaussian
    is chosen with probability proportional to the ALP of its mean (all zero: uniformly), a point drawn, its ALP
    dropped, and the task clipped to the cube, so that mass piles up on the faces. Before the first fit all tasks
    are uniform. Mixtures are scikit-learn's, each fit seeded from this teacher's generator, on one thread.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        fit_every: int = 250,
        window: int | None = None,
        min_gaussians: int = 2,
        max_gaussians: int = 10,
        random_fraction: float = 0.2,
        criterion: Literal["aic", "bic"] = "aic",
        max_history: int | None = None,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        fit_every: episodes between fits. window: episodes that a fit sees, None for ``fit_every`` of them.
        min_gaussians, max_gaussians: the numbers of Gaussians tried, both ends included. random_fraction: share
        of uniform tasks, in [0, 1]. criterion: what chooses among the fits, the Akaike or the Bayesian information
        criterion. max_history: when twice as many episodes are stored the older half is forgotten; None keeps all.
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
        self._n_episodes = 0
        self._n_random = 0  # tasks drawn uniformly, and from a Gaussian
        self._n_gaussian = 0
        self._means = np.empty((0, space.dimension + 1))  # the last axis is the ALP
        self._covariances = np.empty((0, space.dimension + 1, space.dimension + 1))
        self._prepare_sampling()

    def _check_hyperparameters(self) -> None:
        window = self._window
        rules = [
            ("fit_every", self.fit_every >= 1, "at least 1"),
            ("window", window >= 2, "at least 2 (None stands for fit_every)"),
            ("min_gaussians", self.min_gaussians >= 1, "at least 1"),
            ("max_gaussians", self.max_gaussians >= self.min_gaussians, "at least min_gaussians"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("criterion", self.criterion in ("aic", "bic"), "'aic' or 'bic'"),
            (
                "max_history",
                self.max_history is None or self.max_history >= max(window, N_WITHOUT_PROGRESS),
                f"None, or at least the window ({window}) and {N_WITHOUT_PROGRESS}",
            ),
        ]
        for name, is_valid, allowed in rules:
            if not is_valid:
                raise ValueError(f"{name} of ALPGMM must be {allowed}, found {getattr(self, name)!r}.")

    @property
    def _window(self) -> int:
        return self.fit_every if self.window is None else self.window

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        dimension = self.space.dimension
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + dimension))
        is_random = uniform[:, 0] < self.random_fraction
        if not len(self._means):
            is_random[:] = True
        n_random = int(is_random.sum())
        self._n_random += n_random
        self._n_gaussian += n - n_random
        tasks = uniform[:, 2:]
        if n_random < n:
            tasks[~is_random] = self._sample_gaussians(uniform[~is_random])
        return tasks.copy()

    def _sample_gaussians(self, uniform: Floats) -> Floats:
        """Turn rows of uniform numbers (unused, choice, one an axis) into draws, clipped to the cube."""
        choice = np.searchsorted(self._cumulative, uniform[:, 1] * self._cumulative[-1], side="right")
        choice = np.minimum(choice, len(self._cumulative) - 1)
        normal = ndtri(np.maximum(uniform[:, 2:], 1e-16))  # 0 would be at minus infinity
        # einsum: a matrix product's last bits depend on the number of rows
        draws = self._means[choice, :-1] + np.einsum("nij,nj->ni", self._factors[choice], normal)
        clipped: Floats = np.clip(draws, 0.0, 1.0)
        return clipped

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and fit at every ``fit_every``-th of all episodes."""
        tasks = self.checked(tasks, outcomes)
        start = 0
        while start < len(tasks):
            stop = min(len(tasks), start + self.fit_every - self._n_episodes % self.fit_every)
            self._history.append(tasks[start:stop], outcomes.scores[start:stop])
            self._n_episodes += stop - start
            if self._n_episodes % self.fit_every == 0 and len(self._history) >= 2:
                self._fit()
            start = stop

    def _fit(self) -> None:
        recent = slice(-self._window, None)
        points = np.column_stack([self._history.tasks[recent], np.abs(self._history.recent_progress(self._window))])
        n_distinct = len(np.unique(points, axis=0))  # more Gaussians than that would leave some empty
        highest = min(self.max_gaussians, n_distinct)
        numbers = range(min(self.min_gaussians, highest), highest + 1)
        seeds = self.rng.integers(2**31, size=len(numbers)).tolist()
        mixture = best_mixture(points, list(numbers), seeds, self.criterion)
        self._means, self._covariances = mixture.means_, mixture.covariances_
        self._prepare_sampling()

    def _prepare_sampling(self) -> None:
        progress = np.maximum(self._means[:, -1], 0.0)  # rounding may give a mean just below 0
        if not progress.sum() > 0.0:
            progress = np.ones(len(progress))
        self._cumulative = np.cumsum(progress)
        # A joint Gaussian without its ALP is the Gaussian of the other axes.
        self._factors = np.linalg.cholesky(self._covariances[:, :-1, :-1])

    def gaussians(self) -> Gaussians:
        """Give the present Gaussians over the task axes and the probability of drawing from each."""
        shares = np.diff(self._cumulative, prepend=0.0)
        weights = shares / shares.sum() if len(shares) else shares
        return Gaussians(self._means[:, :-1].copy(), self._covariances[:, :-1, :-1].copy(), weights)

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` before clipping, at points of shape (n, d); shape (n,).

        Points outside the unit cube are welcome: the density there is the mass that clipping puts on the faces.
        """
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.space.dimension or not np.isfinite(points).all():
            raise ValueError(
                f"finite points of shape (n, {self.space.dimension}) are expected, found {points.shape}."
            )
        is_inside = np.all((points >= 0.0) & (points <= 1.0), axis=1)
        uniform = np.asarray(is_inside, dtype=np.float64)
        if not len(self._means):
            return uniform
        mixture = self.gaussians().density(points)
        return self.random_fraction * uniform + (1.0 - self.random_fraction) * mixture

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, all in [0, 1] but the number of Gaussians; undefined ones are left out.

        mean_alp: over the last window. entropy: of the sampling density on about 1,000 points of the cube (1 is
        uniform). coverage: share of about 1,000 cells of the cube that played tasks lie in. random_share,
        gmm_share: sources of all tasks drawn so far.
        """
        numbers = {
            "n_gaussians": float(len(self._means)),
            "entropy": evenness(self.density(reference_points(self.space))),
            "coverage": covered_share(self._history.tasks),
        }
        if len(self._history):
            numbers["mean_alp"] = float(np.abs(self._history.recent_progress(self._window)).mean())
        if n_drawn := self._n_random + self._n_gaussian:
            numbers["random_share"] = self._n_random / n_drawn
            numbers["gmm_share"] = self._n_gaussian / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give history, mixture, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "n_episodes": self._n_episodes,
            "n_random": self._n_random,
            "n_gaussian": self._n_gaussian,
            "means": self._means.copy(),
            "covariances": self._covariances.copy(),
            "history": self._history.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._n_episodes = state["n_episodes"]
        self._n_random, self._n_gaussian = state["n_random"], state["n_gaussian"]
        self._means, self._covariances = state["means"].copy(), state["covariances"].copy()
        self._history.load_state_dict(state["history"])
        self._prepare_sampling()


def best_mixture(points: Floats, numbers: list[int], seeds: list[int], criterion: str) -> Any:
    """Fit one full-covariance mixture for each number of Gaussians and give the one with the lowest criterion.

    points: shape (n, c), n >= 2. seeds: one an entry of ``numbers``. criterion: "aic" or "bic". Gives scikit-learn's
    ``GaussianMixture``; the same one for the same arguments: one thread, so that sums have one order.
    """
    from sklearn.exceptions import ConvergenceWarning  # here: half a second that importing teachers shall not cost
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    best, lowest = None, np.inf
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that EM left early is still a curriculum
        for n_components, seed in zip(numbers, seeds, strict=True):
            mixture = GaussianMixture(n_components, covariance_type="full", random_state=seed).fit(points)
            value = getattr(mixture, criterion)(points)
            if best is None or value < lowest:
                best, lowest = mixture, value
    return best
