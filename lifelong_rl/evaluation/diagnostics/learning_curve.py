"""The learning-curve model: a power law on its way to an asymptote, and whether it is as good as there.

Vilares Ferro, Darriba Bilbao and Ribadas Pena 2017, Modeling of learning curves with applications to POS tagging
(Computer Speech and Language 41, arXiv 2402.02515): the score after x of training is y(x) = c - a x^-b with a, b > 0.
The curve is fitted again at every evaluation. Once the sequence of asymptotes has settled, a learner within ``tau``
of its asymptote is saturated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.diagnostics.fitting import Fit, least_squares_over, paired_points
from lifelong_rl.evaluation.measured import Undefined

MIN_POINTS = 8
"""Points below which nothing is fitted: three numbers and the noise are estimated from them."""

TAU = 0.02
"""Distance to the asymptote, in the unit of the score, below which a learner is saturated."""

NU = 4e-5
"""Fall of the asymptote from one fit to the next, in the unit of the score, below which the fits have settled."""

EXPONENTS = np.geomspace(0.05, 20.0, 60)
"""Exponents tried first. Below 0.05 a curve is as good as logarithmic, and its asymptote anybody's guess."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """A fitted curve y(x) = c - a x^-b."""

    asymptote: float
    """c, the score that the curve approaches, in the unit of the score."""
    scale: float
    """a > 0: the distance to the asymptote at x = 1, in the unit of the score."""
    exponent: float
    """b > 0: how fast the distance shrinks; twice the training leaves 2^-b of it."""
    error: float
    """Root of the mean squared residual, in the unit of the score."""
    n_points: int
    """Points that it was fitted to."""

    def predict(self, x: float) -> float:
        """Give the score after ``x`` of training, in the unit that the points had; ValueError unless x > 0."""
        if not x > 0:
            raise ValueError(f"a learning curve begins after x = 0, found {x}; ask for a positive one.")
        return float(self.asymptote - self.scale * x**-self.exponent)

    def steps_to(self, target: float) -> float:
        """Give the x at which the curve reaches the score ``target``; Undefined for one it never reaches."""
        if target >= self.asymptote:
            raise Undefined(f"the curve approaches {self.asymptote:.4g} and never reaches {target:.4g}")
        return math.exp(math.log(self.scale / (self.asymptote - target)) / self.exponent)


@dataclass(frozen=True)
class Saturation:
    """Whether a learner is as good as it will get, and why that is said."""

    is_saturated: bool
    remaining: float | None
    """What the curve still has to rise, c - y(x) at the last point; None where no curve could be fitted."""
    curve: LearningCurve | None
    """The curve of all points; None where none could be fitted."""
    reason: str
    """What decided, in one sentence."""


def fit_learning_curve(
    x: ArrayLike,
    scores: ArrayLike,
    *,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    use_envelope: bool = False,
) -> LearningCurve:
    """Fit y(x) = c - a x^-b by least squares: exactly in c and a for each b, and over b by search.

    x: shape (n,), training so far in any unit, positive and increasing. scores: shape (n,), masked or NaN where there
    was no evaluation. bounds: what c must lie in; None for scores without a range. use_envelope: fit the best score
    so far in place of the score, for curves that fall now and then; where scores are noisy that lies too high.

    Raises Undefined with the reason for fewer than 8 points, a curve that does not rise (learned before, or not
    begun), and one that is flat first and rises later: the model slows down from its beginning and would foresee
    nothing.
    """
    times, values = paired_points(x, scores, "x", "scores", MIN_POINTS)
    if use_envelope:
        values = np.maximum.accumulate(values)
    _refuse_other_shapes(times, values, 0.0 if bounds is None else TAU * (bounds[1] - bounds[0]))

    def best_at(exponent: float) -> Fit:
        return _fit_at(exponent, times / times[0], values, bounds)

    exponent, (squares, asymptote, scale) = least_squares_over(best_at, EXPONENTS)
    if scale <= 0:
        raise Undefined("the fitted curve does not rise")
    return LearningCurve(
        asymptote, float(scale * times[0] ** exponent), exponent, math.sqrt(squares / len(times)), len(times)
    )


def saturation(
    x: ArrayLike,
    scores: ArrayLike,
    *,
    tau: float = TAU,
    nu: float = NU,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    use_envelope: bool = False,
) -> Saturation:
    """Say whether training on is worth it: the fits have settled, and less than ``tau`` of the rise is left.

    The curve is fitted to the first 8 points, the first 9, and so on. The fits have settled from the first one whose
    asymptote lies no more than ``nu`` below the one before. Arguments as for :func:`fit_learning_curve`. Where no
    curve can be fitted the answer is no, with the reason. Costs n fits.
    """
    try:
        times, values = paired_points(x, scores, "x", "scores", MIN_POINTS)
        curve = fit_learning_curve(times, values, bounds=bounds, use_envelope=use_envelope)
    except Undefined as undefined:
        return Saturation(False, None, None, str(undefined))
    remaining = curve.asymptote - curve.predict(times[-1])
    if remaining >= tau:
        return Saturation(False, remaining, curve, f"the curve still has {remaining:.3g} to rise, {tau:.3g} or more")
    asymptotes = [_asymptote(times[:n], values[:n], bounds, use_envelope) for n in range(MIN_POINTS, len(times) + 1)]
    if any(then is not None and now is not None and then - now <= nu for then, now in pairwise(asymptotes)):
        reason = f"the curve has {remaining:.3g} to rise, less than {tau:.3g}, and its asymptote has settled"
        return Saturation(True, remaining, curve, reason)
    return Saturation(False, remaining, curve, f"the asymptotes of the fits still fall by more than {nu:.3g} each")


def _asymptote(times: Floats, values: Floats, bounds: tuple[float, float] | None, use_envelope: bool) -> float | None:
    try:
        return fit_learning_curve(times, values, bounds=bounds, use_envelope=use_envelope).asymptote
    except Undefined:
        return None


def _fit_at(exponent: float, times: Floats, values: Floats, bounds: tuple[float, float] | None) -> Fit:
    """Give the squared error, c and a of the best curve with this exponent; a is at least 0, and c within bounds."""
    decay = times**-exponent
    spread = decay - decay.mean()
    scale = max(0.0, -float(spread @ values) / float(spread @ spread))
    asymptote = float(values.mean() + scale * decay.mean())
    if bounds is not None and not bounds[0] <= asymptote <= bounds[1]:  # the best is then on the border
        asymptote = min(max(asymptote, bounds[0]), bounds[1])
        scale = max(0.0, float(decay @ (asymptote - values)) / float(decay @ decay))
    residuals = values - asymptote + scale * decay
    return float(residuals @ residuals), asymptote, scale


def _refuse_other_shapes(times: Floats, values: Floats, least: float) -> None:
    """Raise Undefined for a curve that does not rise beyond its noise, or that rises late, by ``least`` or more."""
    n_ends = max(2, len(values) // 5)
    rounding = 1e-9 * float(np.abs(values).max())
    # Three standard errors of a mean over n_ends points, and not less than what makes a difference to anybody.
    visible = max(least, rounding, 3 * _noise(values) / math.sqrt(n_ends))
    first, last = values[:n_ends].mean(), values[-n_ends:].mean()
    if last - first <= visible:
        raise Undefined(f"the scores do not rise: {first:.3g} on average at first, {last:.3g} at last")
    start, end = times[:n_ends].mean(), times[-n_ends:].mean()
    chord = first + (last - first) * (times - start) / (end - start)
    sag = np.convolve(chord - values, np.full(n_ends, 1 / n_ends), mode="valid").max()
    if sag > visible:
        raise Undefined(
            f"the curve is flat first and rises later: it lies {sag:.3g} below the line from its first to its last "
            "points, and the model slows down from its beginning"
        )


def _noise(values: Floats) -> float:
    """Give the standard deviation of the noise around a smooth curve, from its second differences."""
    # Their variance is 1 + 4 + 1 = 6 times the noise's; the median leaves the steep beginning out.
    return float(np.median(np.abs(np.diff(values, 2)))) / (0.6745 * math.sqrt(6))
