"""Gaussian mixtures with several numbers of Gaussians fitted at once, one EM step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.teachers.base import Floats
from lifelong_rl.teachers.gaussians import Criterion, n_parameters_of, price_of, thread_controller
from lifelong_rl.teachers.states import check_rows

RIDGE = 1e-6
"""Added to each variance: a Gaussian on one point would have no density (scikit-learn's ``reg_covar``)."""

TOLERANCE = 1e-3
"""A fit has converged when no mean log-likelihood changes by more in a step (scikit-learn's ``tol``)."""


class MixtureRace:
    """Expectation maximisation of several full-covariance mixtures of the same points, side by side.

    The Gaussians of all mixtures are the rows of one matrix: with features (1, x_i, x_i x_j) of the points, all log
    densities are one matrix product, and all weights, means and covariances come from another. A step for 2 to 10
    Gaussians on 250 points of three axes is thereby two products of 54 x 10 with 10 x 250 numbers, 13,500
    exponentials and 54 inversions of 3 x 3.

    It can be stopped after any step and resumed bit for bit: a state holds points, weights, means, covariances,
    log-likelihoods and the number of steps made, and nothing else matters.
    """

    def __init__(self, points: Floats, numbers: list[int], memberships: Floats) -> None:
        """Start from points, shape (n, c), and each Gaussian's share of each, shape (sum(numbers), n).

        numbers: of Gaussians, one a mixture. The shares of one mixture add up to 1 at each point.
        """
        self.points = points
        self.numbers = np.array(numbers, dtype=np.int64)
        self.log_likelihoods = np.full(len(numbers), -np.inf)  # per point, of each mixture, before the last step
        self.n_steps = 0
        self.has_converged = False
        with thread_controller("numpy").limit(limits=1, user_api="blas"):
            self._maximise(memberships)

    @classmethod
    def afresh(cls, points: Floats, numbers: list[int], uniform: Floats) -> MixtureRace:
        """Start each mixture of k Gaussians from the first k of one list of k-means++ seeds.

        uniform: max(numbers) random numbers in [0, 1). Each point belongs to its nearest seed (Arthur and
        Vassilvitskii 2007).
        """
        return cls(points, numbers, _nearest(points, points[spread_rows(points, uniform)], numbers))

    def successor(self, points: Floats, lowest: int, highest: int, criterion: Criterion) -> MixtureRace:
        """Start on other points, shape (n, c), from the best mixture here and its two neighbours.

        They have one Gaussian less (without that of the fewest points) and one more (that of the most points cut in
        two across its longest axis), as far as these numbers lie in ``lowest`` to ``highest``.
        """
        rows = self._best_rows(criterion)
        shares = self._shares(points, rows)
        longest = np.linalg.eigh(self.covariances[rows][shares.sum(axis=1).argmax()])[1][:, -1]
        mixtures = [_without_lightest(shares), shares, _with_heaviest_cut(shares, points, longest)]
        while len(mixtures[0]) > highest:  # fewer distinct points than Gaussians
            mixtures = [_without_lightest(mixtures[0])]
        mixtures = [each for each in mixtures if lowest <= len(each) <= highest]
        return MixtureRace(points, [len(each) for each in mixtures], np.concatenate(mixtures))

    def _shares(self, points: Floats, rows: slice) -> Floats:
        """Give the shares that one mixture's Gaussians have of other points, shape (k, n)."""
        alone = object.__new__(MixtureRace)
        alone.points, alone.numbers = points, np.array([rows.stop - rows.start])
        alone.weights, alone.means = self.weights[rows], self.means[rows]
        alone.covariances = self.covariances[rows]
        with thread_controller("numpy").limit(limits=1, user_api="blas"):
            return alone._expect()[0]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first row of each mixture."""
        return np.cumsum(self.numbers) - self.numbers

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The axes (i, j), i <= j, of the products among the features."""
        return np.triu_indices(self.points.shape[1])

    @cached_property
    def _features(self) -> Floats:
        """The features (1, x_i, x_i x_j) of the points, one a row, shape (m, n)."""
        columns = self.points.T
        i, j = self._pairs
        return np.concatenate([np.ones((1, len(self.points))), columns, columns[i] * columns[j]])

    def step(self) -> None:
        """Make one step of expectation maximisation in all mixtures."""
        with thread_controller("numpy").limit(limits=1, user_api="blas"):
            memberships, log_likelihoods = self._expect()
            self._maximise(memberships)
        self.has_converged = bool((np.abs(log_likelihoods - self.log_likelihoods) < TOLERANCE).all())
        self.log_likelihoods = log_likelihoods
        self.n_steps += 1

    def _expect(self) -> tuple[Floats, Floats]:
        """Give each Gaussian's share of each point, shape (k, n), and each mixture's log-likelihood per point."""
        values = self._log_density_weights() @ self._features
        highest = np.maximum.reduceat(values, self._starts, axis=0)
        values -= np.repeat(highest, self.numbers, axis=0)
        np.exp(values, out=values)
        totals = np.add.reduceat(values, self._starts, axis=0)
        values /= np.repeat(totals, self.numbers, axis=0)
        return values, (np.log(totals) + highest).mean(axis=1)

    def _log_density_weights(self) -> Floats:
        """Give what the features are multiplied with for log(weight * density), shape (k, m)."""
        precisions = np.linalg.inv(self.covariances)
        pulls = np.einsum("kij,kj->ki", precisions, self.means)
        _, log_volumes = np.linalg.slogdet(self.covariances)
        n_axes = self.points.shape[1]
        constants = log_volumes + np.einsum("ki,ki->k", pulls, self.means) + n_axes * np.log(2.0 * np.pi)
        i, j = self._pairs
        products = precisions[:, i, j] * np.where(i == j, -0.5, -1.0)
        return np.concatenate([(np.log(self.weights) - 0.5 * constants)[:, None], pulls, products], axis=1)

    def _maximise(self, memberships: Floats) -> None:
        """Set weights, means and covariances from each Gaussian's share of each point, shape (k, n)."""
        moments = memberships @ self._features.T
        n_points, n_axes = self.points.shape
        counts = moments[:, :1] + 10.0 * np.finfo(np.float64).eps  # a Gaussian may have lost all its points
        moments /= counts
        i, j = self._pairs
        self.weights = counts[:, 0] / n_points
        self.means = moments[:, 1 : 1 + n_axes]
        spreads = moments[:, 1 + n_axes :] - self.means[:, i] * self.means[:, j]
        # rounding may leave a variance of nothing a little below zero
        spreads[:, i == j] = np.maximum(spreads[:, i == j], 0.0) + RIDGE
        self.covariances = np.empty((len(counts), n_axes, n_axes))
        self.covariances[:, i, j] = self.covariances[:, j, i] = spreads

    def best(self, criterion: Criterion) -> tuple[Floats, Floats]:
        """Give means (k, c) and covariances (k, c, c) of the mixture with the lowest information criterion."""
        rows = self._best_rows(criterion)
        return self.means[rows].copy(), self.covariances[rows].copy()

    def _best_rows(self, criterion: Criterion) -> slice:
        n_points, n_axes = self.points.shape
        n_parameters = n_parameters_of(self.numbers, n_axes)
        price = price_of(n_parameters, n_points, criterion)
        index = int((price - 2.0 * n_points * self.log_likelihoods).argmin())
        return slice(int(self._starts[index]), int(self._starts[index] + self.numbers[index]))

    def state_dict(self) -> dict[str, Any]:
        """Give copies of all that :meth:`from_state` needs to go on bit for bit."""
        return {
            **{name: getattr(self, name).copy() for name in _ARRAYS},
            "n_steps": self.n_steps,
            "has_converged": self.has_converged,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MixtureRace:
        """Give the race that :meth:`state_dict` was taken from."""
        check_rows("mixtures that are fitted", state, "numbers", "log_likelihoods")
        check_rows("mixtures that are fitted", state, "weights", "means", "covariances")
        race = object.__new__(cls)
        vars(race).update({name: state[name].copy() for name in _ARRAYS})
        race.n_steps, race.has_converged = state["n_steps"], state["has_converged"]
        return race


_ARRAYS = ("points", "numbers", "log_likelihoods", "weights", "means", "covariances")


def no_race(n_axes: int) -> MixtureRace:
    """Give the race that no mixture takes part in."""
    return MixtureRace(np.empty((0, n_axes)), [], np.empty((0, 0)))


def spread_rows(points: Floats, uniform: Floats) -> NDArray[np.intp]:
    """Draw rows of points, shape (n, c), each in proportion to its squared distance to the nearest drawn before.

    uniform: k random numbers in [0, 1). Gives k indices: the seeds of k-means++.
    """
    rows = np.empty(len(uniform), dtype=np.intp)
    distances = np.ones(len(points))
    for step, share in enumerate(uniform):
        cumulative = np.cumsum(distances)
        row = cumulative.searchsorted(share * cumulative[-1], side="right")
        rows[step] = min(int(row), len(points) - 1)
        own = ((points - points[rows[step]]) ** 2).sum(axis=1)
        distances = own if step == 0 else np.minimum(distances, own)
    return rows


def _nearest(points: Floats, seeds: Floats, numbers: list[int]) -> Floats:
    """Give 1 where a seed is a point's nearest of the first k seeds, else 0; for all k, shape (sum(numbers), n)."""
    distances = ((points - seeds[:, None]) ** 2).sum(axis=2)
    owners = np.array([distances[:k].argmin(axis=0) for k in numbers]).repeat(numbers, axis=0)
    ranks = np.concatenate([np.arange(k) for k in numbers])
    shares: Floats = (owners == ranks[:, None]).astype(np.float64)
    return shares


def _without_lightest(shares: Floats) -> Floats:
    """Leave out the Gaussian of the fewest points; the others divide its points in proportion to what they have."""
    others = np.delete(shares, shares.sum(axis=1).argmin(), axis=0)
    totals = others.sum(axis=0)
    # a point that belonged to the lightest alone belongs to all others alike
    return np.where(totals > 1e-200, others / np.maximum(totals, 1e-200), 1.0 / max(len(others), 1))


def _with_heaviest_cut(shares: Floats, points: Floats, direction: Floats) -> Floats:
    """Cut the Gaussian of the most points in two at its middle, across ``direction``, shape (c,)."""
    heaviest = shares.sum(axis=1).argmax()
    own = shares[heaviest]
    along = np.einsum("nc,c->n", points, direction)
    is_upper = along > (own @ along) / own.sum()
    return np.concatenate([np.delete(shares, heaviest, axis=0), [own * is_upper, own * ~is_upper]])
