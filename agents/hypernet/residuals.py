"""How far a task's predictions are usually off: the law of a dynamics model's errors, and scores calibrated by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri

from lifelong_rl.agents.hypernet.transitions import Array

FEWEST_ROWS = 30
"""Rows below which no law is fitted."""
N_KNOTS = 257
"""Quantiles kept of a task's distances, at most."""
N_SCORES = 8192
"""Scores kept in the order of time, at most; they say how much neighbouring errors resemble each other."""
WIDEST_INPUT = 4.0
"""Deviations from the mean at which an input is cut off before the scale is read from it: no extrapolation."""
WIDEST_LOG_SCALE = 3.0
"""The scale of the errors may differ by e^3 from state to state, either way."""
LEAST_VARIANCE = 1e-8
"""Added to the errors' variances, in units of the targets': no target that is predicted exactly decides all."""
STRETCH = 50
"""Steps of a stream whose errors are taken to resemble each other."""
N_REFERENCE = 256
"""Made-up inputs on which it is measured how much a model has changed since its errors were."""
_DEGREES = np.geomspace(2.1, 100, 40)


def scale_features(inputs: Array) -> Array:
    """Give what the scale of the errors is read from: scaled inputs, cut off, and their squares.

    Shape (..., inputs) -> (..., 2 inputs).
    """
    cut = np.clip(inputs, -WIDEST_INPUT, WIDEST_INPUT)
    return np.concatenate([cut, np.square(cut)], axis=-1)


@dataclass(frozen=True)
class ResidualLaw:
    """A multivariate Student-t law of one task's errors whose scale depends on the input.

    With the error e in units of the targets' deviation, z = W e / s(x) has density t_nu(z) (location 0, unit scale),
    and log s(x) = c + a.x + b.x^2 for scaled inputs x. Heavy tails: models are off more where speeds are cut off.
    """

    coefficients: Array
    """c, a and b one after another, shape (1 + 2 inputs,)."""
    whitening: Array
    """W, lower triangular, shape (outputs, outputs)."""
    degrees: float
    """nu, the degrees of freedom; 100 is all but Gaussian."""
    knots: Array
    """Increasing quantiles of log |z|^2 on held-out rows, shape (at most 257,)."""
    scores: Array
    """Calibrated scores in the order of time, shape (streams, length), of training rows, too."""
    doubt: float
    """Standard error of the scores' mean: held-out rows are few, and neighbours resemble each other."""
    input_root: Array
    """Lower triangular root of the scaled inputs' covariance, shape (inputs, inputs)."""
    input_range: Array
    """Lowest and highest of each scaled input, shape (2, inputs)."""
    reference: Array | None = None
    """What the model said of :meth:`reference_inputs` when its errors were measured, shape (256, outputs)."""

    @classmethod
    def fit(cls, inputs: Array, errors: Array, is_held_out: NDArray[np.bool_], n_streams: int = 1) -> ResidualLaw:
        """Fit scale, shape and scores to n rows in the order of time.

        inputs: scaled, (n, inputs). errors: in units of the targets' deviation, (n, outputs). is_held_out: (n,) bool;
        scatter, tails and quantiles come from these rows alone, if there are at least 30 (else from all), because
        errors on trained rows are too small. n_streams: row i is of stream i modulo n_streams, as a vector
        environment's rows are. ValueError for fewer than 30 rows.
        """
        if len(errors) < FEWEST_ROWS:
            raise ValueError(
                f"a law of the errors needs at least {FEWEST_ROWS} transitions, found {len(errors)}; gather more."
            )
        errors = errors.astype(np.float64)
        measured = is_held_out if is_held_out.sum() >= FEWEST_ROWS else np.ones(len(errors), dtype=bool)
        whitening, _ = _student(errors)
        coefficients = _scale_coefficients(inputs, np.log(_squares(errors, whitening) + 1e-3))
        errors = errors / np.exp(_log_scale(coefficients, inputs))[:, None]
        whitening, degrees = _student(errors[measured])
        logs = np.log(_squares(errors, whitening) + 1e-12)
        n_knots = min(N_KNOTS, int(measured.sum()))
        knots = np.quantile(logs[measured], np.linspace(0, 1, n_knots))
        logs = _matched(logs, measured)
        scores = np.interp(logs, knots, normal_scores(n_knots))
        covariance = np.atleast_2d(np.cov(inputs.T.astype(np.float64), bias=True)) + 1e-6 * np.eye(inputs.shape[1])
        return cls(
            coefficients,
            whitening,
            degrees,
            knots,
            _streams(scores, n_streams),
            _standard_error(scores, measured, n_streams),
            np.linalg.cholesky(covariance),
            np.stack([inputs.min(axis=0), inputs.max(axis=0)]),
        )

    def reference_inputs(self) -> Array:
        """Give made-up scaled inputs like the task's, always the same, shape (256, inputs).

        Gaussian of the inputs' covariance, cut off at their range: no observation is kept.
        """
        drawn = np.random.default_rng(0).standard_normal((N_REFERENCE, len(self.input_root))) @ self.input_root.T
        return np.clip(drawn, *self.input_range)

    def widened(self, outputs: Array) -> ResidualLaw:
        """Give the law after the model has changed: ``outputs`` is what it says of the reference inputs now.

        Learning later tasks moves a model's predictions by d(x). Errors that are independent of it have then the
        scatter W^-1 W^-T + E[d d^T / s(x)^2]. What this takes off the scores is added to the doubt about their mean.
        """
        if self.reference is None:
            return self
        moved = (outputs - self.reference) / np.exp(_log_scale(self.coefficients, self.reference_inputs()))[:, None]
        root = np.linalg.inv(self.whitening)
        scatter = root @ root.T + moved.T @ moved / len(moved)
        whitening = _inverse_root(scatter)
        growth = 2 * np.log(np.diag(self.whitening) / np.diag(whitening)).mean()
        shift = growth / max(self.knots.std(), 0.1)  # what the scores' mean would have risen by
        return dataclasses.replace(self, whitening=whitening, doubt=float(np.hypot(self.doubt, shift)))

    @property
    def log_constant(self) -> float:
        """The logarithm of the density of e at 0, where log s(x) is 0."""
        n, nu = len(self.whitening), self.degrees
        peak = gammaln((nu + n) / 2) - gammaln(nu / 2) - n / 2 * np.log(nu * np.pi)
        return float(peak + np.log(np.diag(self.whitening)).sum())

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))

    def state_dict(self) -> dict[str, Any]:
        """Give all fields."""
        return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ResidualLaw:
        """Give the law of such a state."""
        fields: dict[str, Any] = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in state.items()}
        return cls(**fields)


def normal_scores(n_knots: int) -> Array:
    """Give the standard normal quantiles of n_knots evenly spaced ranks, the outermost half a rank inside."""
    ranks = np.linspace(0, 1, n_knots)
    return np.asarray(ndtri(np.clip(ranks, 0.5 / n_knots, 1 - 0.5 / n_knots)))


def _student(errors: Array) -> tuple[Array, float]:
    """Give W and nu of a centred multivariate t law by ECME (Liu and Rubin 1995), nu from a grid of 2.1 to 100.

    Centred at 0: a bias of the model is an error like any other.
    """
    n, size = errors.shape
    ridge = LEAST_VARIANCE * np.eye(size)
    scatter, degrees = errors.T @ errors / n + ridge, 8.0
    for _ in range(20):
        for _ in range(3):
            squares = _squares(errors, _inverse_root(scatter))
            shares = (degrees + size) / (degrees + squares)
            scatter = (errors * shares[:, None]).T @ errors / n + ridge
        squares = _squares(errors, _inverse_root(scatter))
        found = float(_DEGREES[np.argmax(_t_likelihood(squares, size))])
        if found == degrees:
            break
        degrees = found
    return _inverse_root(scatter), degrees


def _t_likelihood(squares: Array, size: int) -> Array:
    """Give the mean log-likelihood of each number of degrees of freedom, up to what they share."""
    nu = _DEGREES
    peak = gammaln((nu + size) / 2) - gammaln(nu / 2) - size / 2 * np.log(nu)
    tails = np.log1p(squares[:, None] / nu).mean(axis=0)
    return np.asarray(peak - (nu + size) / 2 * tails)


def _inverse_root(scatter: Array) -> Array:
    """Give the lower triangular W with W scatter W^T = 1."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(scatter)))


def _squares(errors: Array, whitening: Array) -> Array:
    return np.asarray(np.square(errors @ whitening.T).sum(axis=1))


def _scale_coefficients(inputs: Array, log_squares: Array) -> Array:
    """Give c, a and b by ridge regression of half the log squared distance; the mean is 0 over these rows."""
    features = scale_features(inputs)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    standard = (features - mean) / spread
    target = (log_squares - log_squares.mean()) / 2
    # 0.02 a row, and a constant for short samples: the slopes shrink to nothing where there are few rows
    penalty = (0.02 * len(inputs) + features.shape[1]) * np.eye(features.shape[1])
    slopes = np.linalg.solve(standard.T @ standard + penalty, standard.T @ target) / spread
    return np.concatenate([[-(mean @ slopes)], slopes])


def _log_scale(coefficients: Array, inputs: Array) -> Array:
    raw = coefficients[0] + scale_features(inputs) @ coefficients[1:]
    return np.asarray(np.clip(raw, -WIDEST_LOG_SCALE, WIDEST_LOG_SCALE))


def _matched(logs: Array, measured: NDArray[np.bool_]) -> Array:
    """Give the logs with those of trained rows moved to the held-out rows' distribution, rank by rank.

    Trained rows keep the order of time but not their errors, which are too small.
    """
    matched, trained = logs.copy(), ~measured
    if trained.any():
        ranks = (np.argsort(np.argsort(logs[trained])) + 0.5) / trained.sum()
        matched[trained] = np.quantile(logs[measured], ranks)
    return matched


def _standard_error(scores: Array, measured: NDArray[np.bool_], n_streams: int) -> float:
    """Give the standard error of the mean over measured rows, from means of stretches of a stream."""
    stretches = (np.arange(len(scores)) // n_streams // STRETCH) * n_streams + np.arange(len(scores)) % n_streams
    _, group = np.unique(stretches[measured], return_inverse=True)
    counts = np.bincount(group)
    if len(counts) < 2:
        return float(1 / np.sqrt(min(counts.sum(), FEWEST_ROWS)))
    means = np.bincount(group, scores[measured]) / counts
    shares = counts / counts.sum()
    spread = np.sum(shares**2 * np.square(means - shares @ means)) * len(counts) / (len(counts) - 1)
    return float(np.sqrt(spread))


def _streams(scores: Array, n_streams: int) -> Array:
    """Give rows of one stream each, as many whole ones as may be kept, spread evenly; a long one is cut."""
    length = len(scores) // n_streams
    if length < 2:
        n_streams, length = 1, len(scores)
    table = scores[: length * n_streams].reshape(length, n_streams).T[:, :N_SCORES]
    n_kept = min(n_streams, max(1, N_SCORES // table.shape[1]))
    chosen = np.linspace(0, n_streams - 1, n_kept).round().astype(int)
    return np.ascontiguousarray(table[chosen], dtype=np.float16)  # 16 KB at most
