"""Knowledge tracing: what a learner masters, forgets and transfers, estimated from the outcomes of K skills."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log, pi, sqrt
from typing import Any

import numpy as np

from lifelong_rl.teachers.base import Floats
from lifelong_rl.teachers.states import check_shapes

FORGETTING, VOLATILITY = 1, 2  # columns of derivatives; column 0 is the quantity itself

FIRST_FORGETTING = 0.02  # an episode: half of what was learned is gone after 35 of them
FIRST_SPREAD = 1.0  # standard deviation of mastery at rest, logits
FIRST_GAIN = 0.1  # logits an episode of practice adds
TRAIT_PRECISION = 25.0  # of the log of forgetting rate and spread: a standard deviation of 0.2
WEIGHT_PRECISION, BASE_PRECISION, GAIN_PRECISION = 0.01, 0.25, 4.0  # of the Gaussian priors


class MasteryTracer:
    """Traces K masteries online (after PSI-KT, Zhou et al. 2024), time in episodes, all skills at every episode.

    The mastery z of each skill, in logits, is an Ornstein-Uhlenbeck process that rests at a base level plus what
    the other skills transfer to it, and practice adds to it:

        z_k <- e^-a z_k + (1 - e^-a) (mu_k + sum_i W_ik z_i) + noise,   then z_k <- z_k + b_k if k is practised;
        success ~ Bernoulli(sigmoid(z_k)),   noise variance s^2 (1 - e^-2a) / (2a).

    W_ik = (g / K) A_ik >= 0, with A the prerequisite graph scaled to a largest entry of 1. b is ours: the paper's
    process knows no effect of practice, and a teacher has nothing else to act by.

    Each report moves the Gaussian (mean, variance) of every mastery one episode on and corrects that of its skill
    by one Newton step (a diagonal Laplace filter). Parameters follow by recursive prediction error: the derivatives
    of the filtered means are filtered too; a and s take a Gauss-Newton step in their logarithms; row k of W, mu and
    b is the maximum a posteriori of a running quadratic model (L1 and >= 0 on W), improved by one sweep of
    coordinate descent over all skills every K reports.

    A report costs O(K^2), counting what is done every K reports; O(K^3) numbers are kept, whatever their number.
    """

    def __init__(self, n_skills: int, sparsity: float, memory: float) -> None:
        """Start with no report. sparsity: L1 penalty on W_ik, in nats; memory: episodes that estimates look back."""
        n = n_skills
        self.n_skills = n
        self._sparsity, self._keep = sparsity, exp(-n / memory)
        self._n_reports = 0
        self._log_forgetting, self._log_spread = log(FIRST_FORGETTING), log(FIRST_SPREAD)
        self._trait_information = np.full(3, TRAIT_PRECISION)
        self._mean = np.zeros((n, 3))
        self._variance = np.outer(np.ones(n), [1.0, 0.0, 2.0]) * FIRST_SPREAD**2
        # The last axis of the following: the transfer from each skill, the base level, the gain of practice.
        self._weights = np.zeros((n, n + 2))
        self._weights[:, -1] = FIRST_GAIN
        self._sensitivity = np.zeros((n, n + 2))
        self._information = np.zeros((n, n + 2, n + 2))
        self._evidence = np.zeros((n, n + 2))
        self._prior_precision = np.array([WEIGHT_PRECISION] * n + [BASE_PRECISION, GAIN_PRECISION])
        self._prior_evidence = np.array([-sparsity] * n + [0.0, GAIN_PRECISION * FIRST_GAIN])
        self._lowest = np.array([0.0] * n + [-np.inf, 0.0])

    def report(self, skill: int, score: float) -> float:
        """Take in the outcome of one episode, a score in [0, 1]; give the probability of success expected before."""
        self._advance()
        mean, variance = float(self._mean[skill, 0]), float(self._variance[skill, 0])
        shrink = 1.0 / sqrt(1.0 + pi / 8.0 * variance)  # E sigmoid(z), MacKay 1992
        expected = sigmoid(shrink * mean)
        self._learn_weights(skill, score - expected, expected * (1.0 - expected), shrink)
        self._learn_traits(skill, score - expected, expected * (1.0 - expected), shrink)
        self._correct(skill, score, mean, variance)
        self._mean[skill, 0] += self._weights[skill, -1]
        self._sensitivity[skill, -1] += 1.0
        self._n_reports += 1
        if self._n_reports % self.n_skills == 0:
            self._fit()
        return expected

    def _advance(self) -> None:
        """Move every mastery, and the derivatives of its mean and variance, one episode on."""
        n, forgetting = self.n_skills, exp(self._log_forgetting)
        stays, rest_variance = exp(-forgetting), exp(2.0 * self._log_spread)
        slope = -forgetting * stays  # of e^-a by log a
        mean, variance = self._mean, self._variance
        target = self._weights[:, :n] @ mean
        target[:, 0] += self._weights[:, n]
        pulled = slope * (mean[:, 0] - target[:, 0])
        self._sensitivity *= stays
        self._sensitivity[:, :n] += (1.0 - stays) * mean[:, 0]
        self._sensitivity[:, n] += 1.0 - stays
        mean *= stays
        mean += (1.0 - stays) * target
        mean[:, FORGETTING] += pulled
        released = 2.0 * stays * slope * (variance[:, 0] - rest_variance)
        variance *= stays**2
        variance[:, 0] += (1.0 - stays**2) * rest_variance
        variance[:, FORGETTING] += released
        variance[:, VOLATILITY] += (1.0 - stays**2) * 2.0 * rest_variance

    def _learn_weights(self, skill: int, surprise: float, spread: float, shrink: float) -> None:
        slope = self._sensitivity[skill].copy()
        slope[skill] = 0.0  # a skill is no prerequisite of itself
        weight = spread * shrink**2
        self._information[skill] += weight * slope[:, None] * slope
        self._evidence[skill] += slope * (shrink * surprise + weight * float(slope @ self._weights[skill]))

    def _learn_traits(self, skill: int, surprise: float, spread: float, shrink: float) -> None:
        slope = shrink * self._mean[skill]
        self._trait_information += spread * slope**2
        step = slope * surprise / self._trait_information
        # bounds: an hour and a million episodes; noise that would be no mastery any more
        self._log_forgetting = min(0.0, max(log(1e-6), self._log_forgetting + float(step[FORGETTING])))
        self._log_spread = min(log(5.0), max(log(0.05), self._log_spread + float(step[VOLATILITY])))

    def _correct(self, skill: int, score: float, mean: float, variance: float) -> None:
        expected = sigmoid(mean)
        # 0.02: a surprise where success seemed certain must not throw the mean far off
        factor = 1.0 / (1.0 + variance * max(expected * (1.0 - expected), 0.02))
        surprise = score - expected
        self._variance[skill] *= factor
        self._variance[skill, 1:] *= factor
        self._mean[skill, 1:] *= factor
        self._mean[skill] += self._variance[skill] * surprise
        self._sensitivity[skill] *= factor

    def _fit(self) -> None:
        """Improve the rows of all skills by one sweep of coordinate descent over their quadratic models."""
        self._information *= self._keep
        self._evidence *= self._keep
        self._trait_information = np.maximum(TRAIT_PRECISION, self._trait_information * self._keep)
        weights, n = self._weights, self.n_skills
        # Skills learn alike until they show otherwise: their gains shrink towards the mean of all that is known.
        known = self._information[:, -1, -1]
        gain = (known @ weights[:, -1] + GAIN_PRECISION * FIRST_GAIN) / (known.sum() + GAIN_PRECISION)
        self._prior_evidence[-1] = GAIN_PRECISION * gain
        gradient = self._evidence + self._prior_evidence - self._prior_precision * weights
        gradient -= np.einsum("kij,kj->ki", self._information, weights)
        for j in range(n + 2):
            curvature = self._information[:, j, j] + self._prior_precision[j]
            change = np.maximum(weights[:, j] + gradient[:, j] / curvature, self._lowest[j]) - weights[:, j]
            if j < n:
                change[j] = 0.0
            weights[:, j] += change
            gradient -= self._information[:, :, j] * change[:, None]
            gradient[:, j] -= self._prior_precision[j] * change

    @property
    def means(self) -> Floats:
        """The mean mastery of each skill now, in logits, shape (K,)."""
        return self._mean[:, 0]

    @property
    def transfer(self) -> Floats:
        """W, shape (K, K): row i, column k is how far mastery of i lifts the resting level of k, per logit."""
        return self._weights[:, : self.n_skills].T

    @property
    def gains(self) -> Floats:
        """What an episode of practice adds to each skill, in logits, shape (K,) >= 0."""
        return self._weights[:, -1]

    def transition(self, n_episodes: int, rates: Floats) -> tuple[Floats, Floats]:
        """Give (F, c), shapes (K, K) and (K,): the means after n episodes are F @ means + c.

        rates: how often each skill is practised in that time, shape (K,), times an episode.
        """
        n, stays = self.n_skills, exp(-exp(self._log_forgetting))
        step = np.zeros((n + 1, n + 1))
        step[:n, :n] = (1.0 - stays) * self._weights[:, :n]
        step[np.arange(n), np.arange(n)] += stays
        step[:n, n] = (1.0 - stays) * self._weights[:, n] + rates * self.gains
        step[n, n] = 1.0
        if (largest := float(step[:n, :n].sum(axis=1).max())) > 1.0:
            step[:n, :n] /= largest  # a circle of estimated prerequisites must not blow the forecast up
        power = np.linalg.matrix_power(step, n_episodes)
        return power[:n, :n], power[:n, n]

    def traits(self) -> dict[str, float]:
        """Give forgetting rate a and volatility s (per episode), transfer strength g, mean base level and gain."""
        forgetting = exp(self._log_forgetting)
        return {
            "forgetting_rate": forgetting,
            "volatility": exp(self._log_spread) * sqrt(2.0 * forgetting),
            "base_level": float(self._weights[:, self.n_skills].mean()),
            "practice_gain": float(self.gains.mean()),
            "transfer_strength": float(self.n_skills * self.transfer.max()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Give copies of all estimates."""
        return {name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in self._state()}

    def _state(self) -> list[tuple[str, Any]]:
        names = (
            "n_reports", "log_forgetting", "log_spread", "trait_information", "mean", "variance", "weights",
            "sensitivity", "information", "evidence",
        )  # fmt: skip
        return [(name, getattr(self, f"_{name}")) for name in names]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` of a tracer of the same arguments gave."""
        shapes = {name: value.shape for name, value in self._state() if isinstance(value, np.ndarray)}
        check_shapes("what is known of the skills", state, **shapes)
        for name, value in self._state():
            setattr(self, f"_{name}", state[name].copy() if isinstance(value, np.ndarray) else state[name])


def sigmoid(x: float) -> float:
    """Give 1 / (1 + e^-x), with x kept in [-30, 30]: further out it is 0 or 1 in every way that matters."""
    return 1.0 / (1.0 + exp(-min(30.0, max(-30.0, x))))
