"""The learning-curve model: where a curve is going, from its beginning; and silence where it slows down nowhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation.diagnostics import fit_learning_curve, saturation
from lifelong_rl.evaluation.measured import Undefined

X = np.arange(1, 41.0)


def curve(x=X, c=0.9, a=0.8, b=1.0):
    return c - a * x**-b


def noisy(values, seed=0, sd=0.01):
    return values + np.random.default_rng(seed).normal(0, sd, len(values))


def test_an_exact_curve_gives_its_own_numbers():
    fitted = fit_learning_curve(X, curve(b=0.7))
    assert (fitted.asymptote, fitted.scale, fitted.exponent) == pytest.approx((0.9, 0.8, 0.7), abs=1e-5)
    assert fitted.error == pytest.approx(0, abs=1e-6)
    assert fitted.n_points == 40
    assert fitted.predict(100) == pytest.approx(curve(100.0, b=0.7), abs=1e-5)
    assert fitted.steps_to(0.85) == pytest.approx((0.8 / 0.05) ** (1 / 0.7), rel=1e-3)


@given(st.floats(0.3, 1.0), st.floats(0.3, 1.0), st.floats(0.2, 3.0))
@settings(max_examples=40, deadline=None)
def test_an_exact_curve_is_foreseen_and_reaches_its_targets(c, a, b):
    fitted = fit_learning_curve(X, curve(c=c, a=a, b=b))
    assert fitted.predict(100) == pytest.approx(curve(100.0, c, a, b), abs=1e-4)
    assert fitted.predict(fitted.steps_to(c - a / 2)) == pytest.approx(c - a / 2, abs=1e-4)


@pytest.mark.parametrize(("n_points", "allowed"), [(20, 0.005), (40, 0.002)])
def test_the_score_at_100_is_foreseen_from_noisy_beginnings(n_points, allowed):
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        c, a, b = rng.uniform([0.7, 0.3, 0.5], [0.95, 0.7, 1.5])
        points = curve(X[:n_points], c, a, b) + rng.normal(0, 0.01, n_points)
        errors.append(abs(fit_learning_curve(X[:n_points], points).predict(100) - curve(100.0, c, a, b)))
    assert np.median(errors) <= allowed


def least_error(x, a, b, at, sd=0.01):
    """Median error of the best unbiased prediction of c - a x^-b at a point: 0.6745 sd of the Cramer-Rao bound."""

    def slopes(x):
        return np.stack([np.ones_like(x), -(x**-b), a * np.log(x) * x**-b], axis=-1)

    information = slopes(x).T @ slopes(x) / sd**2
    there = slopes(np.array(at))
    return 0.6745 * np.sqrt(there @ np.linalg.inv(information) @ there)


@pytest.mark.parametrize("n_points", [20, 40])
def test_slow_curves_are_foreseen_as_well_as_an_unbiased_fit_can_which_is_beyond_the_usual_limits(n_points):
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        points = curve(X[:n_points], b=0.5) + rng.normal(0, 0.01, n_points)
        errors.append(abs(fit_learning_curve(X[:n_points], points).predict(100) - curve(100.0, b=0.5)))
    least = least_error(X[:n_points], 0.8, 0.5, 100.0)
    assert least > {20: 0.005, 40: 0.002}[n_points]
    assert np.median(errors) <= 1.15 * least  # 200 errors: their median is within a tenth of its own


def test_the_asymptote_stays_within_its_bounds():
    rising = curve(X[:12], c=1.3, a=1.2, b=0.5)
    assert fit_learning_curve(X[:12], rising).asymptote == 1.0
    assert fit_learning_curve(X[:12], rising, bounds=None).asymptote == pytest.approx(1.3, abs=1e-4)
    returns = -200 + 100 * curve(X, c=1.3)
    assert fit_learning_curve(X, returns, bounds=None).asymptote == pytest.approx(-70, abs=0.01)


def test_the_unit_of_training_changes_nothing_but_the_scale():
    in_steps, in_thousands = fit_learning_curve(1000 * X, curve(b=0.6)), fit_learning_curve(X, curve(b=0.6))
    assert in_steps.predict(100_000) == pytest.approx(in_thousands.predict(100), abs=1e-9)
    assert in_steps.steps_to(0.8) == pytest.approx(1000 * in_thousands.steps_to(0.8), rel=1e-6)


def test_the_envelope_forgives_a_fall_that_was_made_up_for():
    fallen = curve()
    fallen[[10, 20, 30]] -= 0.1
    with_envelope = fit_learning_curve(X, fallen, use_envelope=True)
    assert with_envelope.predict(100) == pytest.approx(curve(100.0), abs=0.005)
    assert abs(fit_learning_curve(X, fallen).predict(100) - curve(100.0)) > 0.008


def test_points_without_an_evaluation_are_left_out():
    gaps = np.ma.masked_array(curve(), mask=X % 3 == 0)
    assert fit_learning_curve(X, gaps) == fit_learning_curve(X[X % 3 != 0], curve()[X % 3 != 0])


# What is refused


def flat_then_rising(n, start=15, height=0.8):
    return 0.1 + np.clip((np.arange(1, n + 1.0) - start) / 10, 0, 1) * height


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (curve(X[:7]), "a fit needs 8 points, found 7"),
        (np.full(20, 0.9), "the scores do not rise: 0.9 on average at first, 0.9 at last"),
        (noisy(np.full(20, 0.9)), "the scores do not rise"),
        (np.linspace(0.9, 0.1, 20), "the scores do not rise"),
        (flat_then_rising(22), "flat first and rises later"),
        (flat_then_rising(35), "flat first and rises later"),
        (noisy(flat_then_rising(22)), "flat first and rises later"),
        ((X / 40) ** 2, "flat first and rises later"),
    ],
)
def test_curves_of_another_shape_are_refused_with_the_reason(scores, reason):
    with pytest.raises(Undefined, match=reason):
        fit_learning_curve(np.arange(1, len(scores) + 1), scores)


def test_a_target_beyond_the_asymptote_is_never_reached():
    fitted = fit_learning_curve(X, curve())
    with pytest.raises(Undefined, match=r"approaches 0.9 and never reaches 0.95"):
        fitted.steps_to(0.95)
    with pytest.raises(ValueError, match="ask for a positive one"):
        fitted.predict(0)


# Saturation


def test_a_curve_is_saturated_once_it_is_within_tau_of_a_settled_asymptote():
    early, late = saturation(X[:10], curve(X[:10])), saturation(X, curve(b=2.0))
    assert not early.is_saturated
    assert early.remaining == pytest.approx(0.08, abs=1e-4)  # 0.8 / 10
    assert "still has 0.08 to rise" in early.reason
    assert late.is_saturated
    assert late.remaining == pytest.approx(0.8 / 40**2, abs=1e-5)
    assert not saturation(X, curve(b=2.0), tau=1e-4).is_saturated


def test_asymptotes_that_still_fall_are_not_settled():
    # A curve that slows down faster and faster: each fit expects less than the one before.
    slowing = 0.9 * (1 - np.exp(-X[:20] / 2))
    falling = saturation(X[:20], slowing, tau=0.2, bounds=None)
    assert not falling.is_saturated
    assert "still fall" in falling.reason
    assert saturation(X[:20], slowing, tau=0.2, bounds=None, nu=0.01).is_saturated


@pytest.mark.parametrize("seed", range(5))
def test_training_never_stops_on_a_curve_that_is_flat_first_and_rises_later(seed):
    scores = noisy(flat_then_rising(40, start=20), seed)
    for n in range(1, 31):  # up to where the rise ends
        answer = saturation(X[:n], scores[:n])
        assert not answer.is_saturated, (n, answer)
        assert answer.reason
    assert answer.curve is None and answer.remaining is None
    assert "flat first and rises later" in answer.reason
