"""The forgetting law: the exponent of a decay, told from an exponential, and silence where nothing decays."""

import numpy as np
import pytest

from lifelong_rl.evaluation.diagnostics import fit_forgetting_law, retained_share
from lifelong_rl.evaluation.measured import Undefined

TIMES = 1000.0 * np.arange(1, 21)


def noisy(values, seed):
    return np.clip(values + np.random.default_rng(seed).normal(0, 0.01, len(values)), 0, 1)


def test_an_exact_power_law_gives_its_own_numbers():
    law = fit_forgetting_law([1, 2, 4, 8, 16], [0.8, 0.4, 0.2, 0.1, 0.05])
    assert (law.exponent, law.scale) == pytest.approx((1.0, 0.8), abs=1e-6)
    assert law.error == pytest.approx(0, abs=1e-6)
    assert law.n_points == 5
    assert law.better == "power law"
    assert law.retained(32) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("exponent", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_the_exponent_of_noisy_curves_comes_back_within_a_twentieth(exponent, scale):
    laws = [fit_forgetting_law(TIMES, noisy(scale * (TIMES / 1000) ** -exponent, seed)) for seed in range(30)]
    assert max(abs(law.exponent - exponent) for law in laws) <= 0.05
    assert all(law.error < 0.02 for law in laws)


@pytest.mark.parametrize("speed", [0.1, 0.3])
def test_the_law_that_made_the_curve_fits_better(speed):
    for seed in range(20):
        power = fit_forgetting_law(TIMES, noisy((TIMES / 1000) ** -speed, seed))
        exponential = fit_forgetting_law(TIMES, noisy(np.exp(-speed * TIMES / 1000), seed))
        assert power.better == "power law" and power.aic_difference > 2
        assert exponential.better == "exponential" and exponential.aic_difference < -2
        assert exponential.rate == pytest.approx(speed / 1000, rel=0.1)


def test_the_unit_of_time_changes_the_scale_and_not_the_exponent():
    kept = noisy(TIMES**-0.4 * 1000**0.4, 0)
    in_steps, in_thousands = fit_forgetting_law(TIMES, kept), fit_forgetting_law(TIMES / 1000, kept)
    assert in_steps.exponent == pytest.approx(in_thousands.exponent, abs=1e-6)
    assert in_steps.retained(7000) == pytest.approx(in_thousands.retained(7), abs=1e-9)
    assert in_steps.rate * 1000 == pytest.approx(in_thousands.rate, rel=1e-6)


def test_scores_of_zero_are_points_like_others():
    law = fit_forgetting_law([1, 2, 3, 4, 5], [0.5, 0.4, 0.0, 0.0, 0.0])
    assert law.exponent == pytest.approx(1.398, abs=1e-3)  # least squares by a fine grid over a
    assert 0 < law.error < 0.15


def test_points_without_an_evaluation_are_left_out():
    kept = np.ma.masked_array([0.8, 0.0, 0.4, 0.2, 0.1, 0.05], mask=[0, 1, 0, 0, 0, 0])
    with_gap = fit_forgetting_law([1, 1.5, 2, 4, 8, 16], kept)
    assert with_gap == fit_forgetting_law([1, 2, 4, 8, 16], [0.8, 0.4, 0.2, 0.1, 0.05])


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ([0.9, 0.6, 0.5, 0.4], "a fit needs 5 points, found 4"),
        ([0.9, 0.6, np.nan, 0.5, 0.4], "a fit needs 5 points, found 4"),
        ([0.0] * 6, "nothing was retained"),
        ([0.7] * 6, "was not forgotten: a constant of 0.7"),
        ([0.5, 0.6, 0.7, 0.8, 0.9], "was not forgotten"),
        ([0.71, 0.69, 0.70, 0.72, 0.70, 0.69], "was not forgotten"),
        ([1.0, 0.0, 0.0, 0.0, 0.0], "forgotten after the first point"),
    ],
)
def test_what_shows_no_law_is_refused_with_the_reason(kept, reason):
    with pytest.raises(Undefined, match=reason):
        fit_forgetting_law(np.arange(1, len(kept) + 1), kept)


def test_noise_around_a_kept_task_is_rarely_taken_for_forgetting():
    def is_refused(seed):
        try:
            fit_forgetting_law(TIMES, noisy(np.full(20, 0.8), seed))
        except Undefined:
            return True
        return False

    assert np.mean([is_refused(seed) for seed in range(200)]) > 0.93


@pytest.mark.parametrize("times", [[0, 1, 2, 3, 4], [1, 2, 2, 3, 4], [1, 3, 2, 4, 5]])
def test_times_that_are_none_after_training_are_an_error(times):
    with pytest.raises(ValueError, match="times must be positive and increasing"):
        fit_forgetting_law(times, [0.9, 0.8, 0.7, 0.6, 0.5])
    with pytest.raises(ValueError, match="rows of one length"):
        fit_forgetting_law([1, 2, 3], [0.9, 0.8])


def test_a_law_speaks_of_times_after_training_only():
    law = fit_forgetting_law([1, 2, 4, 8, 16], [0.8, 0.4, 0.2, 0.1, 0.05])
    with pytest.raises(ValueError, match="ask for a positive time"):
        law.retained(0)


def test_the_retained_share_is_what_is_left_of_the_gain():
    share = retained_share([0.9, 0.5, np.nan, 0.1], learned=0.9, untrained=0.1)
    assert share.filled(-1).tolist() == pytest.approx([1.0, 0.5, -1, 0.0])
    with pytest.raises(Undefined, match=r"nothing was learned: 0.2 after training, 0.3 before"):
        retained_share([0.1], learned=0.2, untrained=0.3)
