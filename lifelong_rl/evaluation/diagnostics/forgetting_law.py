"""The forgetting law: how fast the score on a task decays once its training has ended.

What is retained a time t after the training of a task follows A t^-a in people (Wickelgren 1974; Wixted and Ebbesen
1991, On the form of forgetting); the exponent a says how fast it goes, whatever the unit of t. An exponential
A e^-rt, which forgets at one rate for good, is fitted beside it, and Akaike's criterion (1974) compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.diagnostics.fitting import least_squares_over, paired_points
from lifelong_rl.evaluation.measured import Undefined

MIN_POINTS = 5
"""Points below which nothing is fitted: two numbers and the noise are estimated from them."""

EXPONENTS = np.concatenate(([0.0], np.geomspace(1e-3, 20.0, 60)))
"""Exponents, and rates over the mean time, that are tried first."""

CLEAR = 2.0
"""Difference of two fits in Akaike's criterion that says something (Burnham and Anderson 2002)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ForgettingLaw:
    """What is retained at the time t after training: A t^-a."""

    exponent: float
    """a > 0: how fast the task is forgotten; twice the time leaves 2^-a of what was retained."""
    scale: float
    """A, what is retained at t = 1 in the unit of the times."""
    error: float
    """Root of the mean squared residual, in the unit of what is retained."""
    n_points: int
    """Points that it was fitted to."""
    rate: float
    """r > 0 of the exponential A e^-rt that fits best, for one unit of the times."""
    exponential_error: float
    """Root of the mean squared residual of that exponential."""
    aic_difference: float
    """Akaike's criterion of the exponential minus the power law's: positive where the power law fits better."""

    @property
    def better(self) -> Literal["power law", "exponential"]:
        """The law that fits better; aic_differences of less than ``CLEAR`` say little."""
        return "power law" if self.aic_difference >= 0 else "exponential"

    def retained(self, time: float) -> float:
        """Give what the law says is retained at ``time`` > 0 after training."""
        if not time > 0:
            raise ValueError(f"the forgetting law begins after t = 0, found {time}; ask for a positive time.")
        return float(self.scale * time**-self.exponent)


def retained_share(scores: ArrayLike, learned: float, untrained: float = 0.0) -> np.ma.MaskedArray:
    """Give the share of what was learned that is still there: (score - untrained) / (learned - untrained).

    scores: shape (n,), after the task's training; masked or NaN where there was no evaluation. learned: the score at
    the end of the task's training. untrained: that of the untrained agent. 1 is all of it, 0 none.
    Raises Undefined where nothing was learned.
    """
    if not learned > untrained:
        raise Undefined(f"nothing was learned: {learned:.4g} after training, {untrained:.4g} before")
    values = np.ma.masked_invalid(np.ma.masked_array(scores, dtype=np.float64))
    return (values - untrained) / (learned - untrained)


def fit_forgetting_law(times: ArrayLike, retained: ArrayLike) -> ForgettingLaw:
    """Fit A t^-a to what is retained at times after the end of a task's training, by least squares.

    times: shape (n,), positive and increasing, in any unit. retained: shape (n,), a score or the share of
    :func:`retained_share`; masked or NaN where there was no evaluation.

    The squares are those of the scores and not of their logarithms: an evaluation's noise adds to the score, and a
    score of 0 has no logarithm. A is exact for each a, and a is searched for.

    Raises Undefined with the reason for fewer than 5 points, where nothing was retained at any or at all after the
    first, and where the task was not forgotten: a constant then describes the points about as well (to within 2 of
    Akaike's criterion).
    """
    when, kept = paired_points(times, retained, "times", "retained", MIN_POINTS)
    if kept.max() <= 0:
        raise Undefined("nothing was retained at any point, so that there is no law to see")
    n = len(when)
    first, mean = float(when[0]), float(when.mean())
    exponent, (squares, scale) = least_squares_over(lambda a: _scaled((when / first) ** -a, kept), EXPONENTS)
    rate, (squares_exponential, _) = least_squares_over(lambda r: _scaled(np.exp(-r * when / mean), kept), EXPONENTS)
    constant = float(np.square(kept - kept.mean()).sum())
    best = min(squares, squares_exponential)
    if exponent <= 0 or _aic(constant, kept, 1) - _aic(best, kept, 2) < CLEAR:
        raise Undefined(
            f"the task was not forgotten: a constant of {kept.mean():.4g} describes the {n} points as well"
        )
    if exponent >= EXPONENTS[-1]:
        raise Undefined("all was forgotten after the first point, too fast for a rate to be seen")
    return ForgettingLaw(
        exponent=exponent,
        scale=scale * first**exponent,
        error=math.sqrt(squares / n),
        n_points=n,
        rate=rate / mean,
        exponential_error=math.sqrt(squares_exponential / n),
        aic_difference=_aic(squares_exponential, kept, 2) - _aic(squares, kept, 2),
    )


def _scaled(decay: Floats, kept: Floats) -> tuple[float, float]:
    """Give the squared error and the factor A of the best A times ``decay``; A is at least 0."""
    scale = max(0.0, float(decay @ kept) / float(decay @ decay))
    return float(np.square(kept - scale * decay).sum()), scale


def _aic(squares: float, kept: Floats, n_numbers: int) -> float:
    """Give Akaike's criterion of a fit with Gaussian noise of unknown variance."""
    # A variance below rounding is none: an exact fit would be infinitely good.
    variance = max(squares / len(kept), (1e-9 * float(np.abs(kept).max())) ** 2)
    return len(kept) * math.log(variance) + 2 * (n_numbers + 1)
