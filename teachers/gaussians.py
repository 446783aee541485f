"""Teachers that draw tasks from Gaussians: the Gaussians, the draws, their density, and scikit-learn's fits."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from lifelong_rl.envs.space import TaskSpace, is_in_unit_cube
from lifelong_rl.teachers.base import Floats, Teacher
from lifelong_rl.teachers.density import evenness, reference_points
from lifelong_rl.teachers.states import check_rows

Criterion: TypeAlias = Literal["aic", "aicc", "bic"]
"""What chooses among fits: Akaike's information criterion, the same for small samples, or the Bayesian one."""


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


class GaussianTeacher(Teacher):
    """Draws uniform tasks with probability ``random_fraction``, else from Gaussians that a subclass fits.

    A subclass has hyper-parameters ``random_fraction`` and ``fit_every``, sets :attr:`n_measured`, says in
    :meth:`_merits` how much it wants each Gaussian, and hands each new mixture to :meth:`_take_mixture`. A Gaussian
    is chosen with probability proportional to its merit (none above zero: uniformly), a point drawn, what is
    measured dropped, and the task clipped to the cube, so that mass piles up on the faces.
    """

    kinds = frozenset({"real", "integer"})

    n_measured = 1
    """How many axes of the mixtures, the last ones, are no task axes: what is measured of an episode."""

    random_fraction: float
    fit_every: int

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start without Gaussians."""
        super().reset(space, rng)
        self._n_episodes = 0
        self._n_random = 0  # tasks drawn uniformly, and from a Gaussian
        self._n_gaussian = 0
        n_axes = space.dimension + self.n_measured
        self._take_mixture(np.empty((0, n_axes)), np.empty((0, n_axes, n_axes)))

    @abstractmethod
    def _merits(self, means: Floats, covariances: Floats) -> Floats:
        """Give how much each Gaussian is wanted, shape (k,), from means (k, c) and covariances (k, c, c).

        What lies below zero counts as zero.
        """

    def _take_mixture(self, means: Floats, covariances: Floats) -> None:
        dimension = self.space.dimension
        self._means, self._covariances = means, covariances
        merits = np.maximum(self._merits(means, covariances), 0.0)
        if not merits.sum() > 0.0:
            merits = np.ones(len(means))
        self._cumulative = np.cumsum(merits)
        # A joint Gaussian without some axes is the Gaussian of the others.
        self._factors = np.linalg.cholesky(covariances[:, :dimension, :dimension])
        self._centres = means[:, :dimension].copy()

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + self.space.dimension))
        tasks = uniform[:, 2:].copy()
        if not len(self._means) or (n == 1 and uniform[0, 0] < self.random_fraction):
            self._n_random += n
            return tasks
        if n == 1:  # the usual n, without what tells several apart
            self._n_gaussian += 1
            return self._draws(uniform[:, 1], tasks)
        is_gaussian = uniform[:, 0] >= self.random_fraction
        n_gaussian = int(np.count_nonzero(is_gaussian))
        self._n_random += n - n_gaussian
        self._n_gaussian += n_gaussian
        if n_gaussian:
            tasks[is_gaussian] = self._draws(uniform[is_gaussian, 1], tasks[is_gaussian])
        return tasks

    def _draws(self, choice: Floats, uniform: Floats) -> Floats:
        """Turn uniform numbers, (n,) for the choice and (n, d) for the axes, into draws clipped to the cube."""
        # the last entry is left out: rounding may take a choice up to it
        chosen = self._cumulative[:-1].searchsorted(choice * self._cumulative[-1], side="right")
        normal = ndtri(np.maximum(uniform, 1e-16))  # 0 would be at minus infinity
        # one product a row: the last bits of a product of all rows would depend on their number
        draws: Floats = np.matmul(self._factors.take(chosen, axis=0), normal[:, :, None])[:, :, 0]
        draws += self._centres.take(chosen, axis=0)
        if not is_in_unit_cube(draws):
            draws = np.minimum(np.maximum(draws, 0.0), 1.0)  # np.clip is slow on a few numbers
        return draws

    def gaussians(self) -> Gaussians:
        """Give the present Gaussians over the task axes and the probability of drawing from each."""
        shares = np.diff(self._cumulative, prepend=0.0)
        weights = shares / shares.sum() if len(shares) else shares
        d = self.space.dimension
        return Gaussians(self._centres.copy(), self._covariances[:, :d, :d].copy(), weights)

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
        """Give numbers worth a curve; undefined ones are left out.

        n_gaussians. entropy: of the sampling density on about 1,000 points of the cube, in [0, 1] (1 is uniform).
        random_share, gmm_share: sources of all tasks drawn so far.
        """
        numbers = {
            "n_gaussians": float(len(self._means)),
            "entropy": evenness(self.density(reference_points(self.space))),
        }
        if n_drawn := self._n_random + self._n_gaussian:
            numbers["random_share"] = self._n_random / n_drawn
            numbers["gmm_share"] = self._n_gaussian / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give mixture, counters and generator; a subclass adds what its fits need."""
        return {
            **super().state_dict(),
            "n_episodes": self._n_episodes,
            "n_random": self._n_random,
            "n_gaussian": self._n_gaussian,
            "means": self._means.copy(),
            "covariances": self._covariances.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_rows(f"the teacher {type(self).__name__!r}", state, "means", "covariances")
        self._n_episodes = state["n_episodes"]
        self._n_random, self._n_gaussian = state["n_random"], state["n_gaussian"]
        self._take_mixture(state["means"].copy(), state["covariances"].copy())


def numbers_to_try(points: Floats, lowest: int, highest: int) -> list[int]:
    """Give the numbers of Gaussians worth fitting to points of shape (n, c): none above the distinct points."""
    highest = min(highest, len(np.unique(points, axis=0)))  # more Gaussians than that would leave some empty
    return list(range(min(lowest, highest), highest + 1))


def price_of(n_parameters: NDArray[np.int64], n_points: int, criterion: Criterion) -> Floats:
    """Give what an information criterion adds to -2 log-likelihood for parameters, shape (k,), at n points.

    Akaike's own: 2 p. "aicc": 2 p n / (n - p - 1) (Hurvich and Tsai 1989), infinite where n - p - 1 is not above 0.
    "bic": p log n (Schwarz 1978).
    """
    p = n_parameters.astype(np.float64)
    if criterion == "bic":
        return p * float(np.log(n_points))
    if criterion == "aicc":
        spare = n_points - p - 1.0
        return np.asarray(np.where(spare > 0.0, 2.0 * p * n_points / np.where(spare > 0.0, spare, 1.0), np.inf))
    return 2.0 * p


def n_parameters_of(numbers: ArrayLike, n_axes: int) -> NDArray[np.int64]:
    """Give the free numbers of mixtures of so many full-covariance Gaussians each, shape (k,)."""
    return np.asarray(numbers, dtype=np.int64) * (1 + n_axes + n_axes * (n_axes + 1) // 2) - 1


def best_mixture(points: Floats, numbers: list[int], seeds: list[int], criterion: Criterion) -> Any:
    """Fit one full-covariance mixture for each number of Gaussians and give the one with the lowest criterion.

    points: shape (n, c), n >= 2. seeds: one an entry of ``numbers``. Gives scikit-learn's ``GaussianMixture``; the
    same one for the same arguments: one thread, so that sums have one order.
    """
    from sklearn.exceptions import ConvergenceWarning  # here: half a second that importing teachers shall not cost
    from sklearn.mixture import GaussianMixture

    best, lowest = None, np.inf
    with thread_controller("sklearn").limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that EM left early is still a curriculum
        for n_components, seed in zip(numbers, seeds, strict=True):
            mixture = GaussianMixture(n_components, covariance_type="full", random_state=seed).fit(points)
            if criterion == "aicc":
                price = price_of(n_parameters_of([n_components], points.shape[1]), len(points), criterion)
                value = float(price[0]) - 2.0 * len(points) * mixture.score(points)
            else:
                value = getattr(mixture, criterion)(points)
            if best is None or value < lowest:
                best, lowest = mixture, value
    return best


@cache
def thread_controller(library: str) -> Any:
    """Give what limits the threads of the numerical libraries loaded by now; once a ``library``, which is loaded.

    To look them up takes a millisecond, to limit them some microseconds.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
