from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from lifelong_rl.evaluation.resampling import METHODS, Bootstrap, acceleration, bca_tails, bias, draws_of, strata_of
from lifelong_rl.evaluation.statistics import bootstrap_interval, picked

SKEWED = np.random.default_rng(0).lognormal(size=14)
OTHER = np.random.default_rng(1).lognormal(size=9) + 1


def outcomes_of(scores, statistic):
    strata = strata_of(scores)
    return Bootstrap().outcomes(picked(strata, statistic), draws_of(strata, False))


def scipys_interval(samples, function, outcomes, method):
    """The interval that scipy reads off our own resamples."""
    name = {"percentile": "percentile", "bca": "BCa"}[method]
    ours = SimpleNamespace(bootstrap_distribution=outcomes)
    found = stats.bootstrap(samples, function, n_resamples=0, bootstrap_result=ours, method=name)
    return found.confidence_interval.low, found.confidence_interval.high


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("statistic", "function"),
    [("mean", np.mean), ("median", np.median), ("iqm", lambda x, axis: stats.trim_mean(x, 0.25, axis))],
)
def test_scipy_reads_the_same_interval_off_the_same_resamples(statistic, function, method):
    interval = bootstrap_interval(SKEWED, statistic=statistic, method=method)
    theirs = scipys_interval((SKEWED,), function, outcomes_of(SKEWED, statistic), method)
    assert (interval.low, interval.high) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_scipy_reads_the_same_interval_off_the_same_stratified_resamples(method):
    scores = {"a": SKEWED, "b": OTHER}
    interval = bootstrap_interval(scores, method=method)

    def mean_of_means(a, b, axis):
        return (a.mean(axis) + b.mean(axis)) / 2

    theirs = scipys_interval((SKEWED, OTHER), mean_of_means, outcomes_of(scores, "mean"), method)
    assert (interval.low, interval.high) == pytest.approx(theirs, rel=1e-9)


def test_the_acceleration_of_a_mean_is_a_sixth_of_the_skewness_over_the_root_of_n():
    strata = strata_of([1.0, 2.0, 3.0, 10.0])
    # deviations -3, -2, -1, 6: cubes sum to 180, squares to 50
    assert acceleration(picked(strata, "mean"), draws_of(strata, False)) == pytest.approx(180 / (6 * 50**1.5))


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_the_acceleration_does_not_depend_on_the_unit(scale):
    strata = strata_of(scale * np.array([1.0, 2.0, 3.0, 10.0]))
    assert acceleration(picked(strata, "mean"), draws_of(strata, False)) == pytest.approx(180 / (6 * 50**1.5))


def test_the_bias_counts_ties_half():
    outcomes = np.array([0.0, 1.0, 1.0, 2.0, 3.0])  # 1 below and 2 equal: a share of 0.4
    assert bias(outcomes, 1.0) == pytest.approx(NormalDist().inv_cdf(0.4))


def test_the_order_of_a_sum_does_not_break_a_tie():
    assert bias(np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]), 0.6) == 0.0


def test_without_bias_and_acceleration_the_tails_stay():
    assert bca_tails((0.025, 0.975), 0.0, 0.0) == pytest.approx((0.025, 0.975))


def test_the_tails_follow_the_formula():
    # 0.2 - 1.759964 / 1.1759964 = -1.296573 and 0.2 + 2.159964 / 0.7840036 = 2.955041
    low, high = NormalDist().cdf(-1.296573), NormalDist().cdf(2.955041)
    assert bca_tails((0.025, 0.975), 0.2, 0.1) == pytest.approx((low, high), abs=1e-6)


def test_equal_values_give_a_bca_interval_of_no_width():
    interval = bootstrap_interval([0.1] * 7, method="bca")
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), abs=1e-15)
    assert interval.low == interval.high


def test_a_statistic_that_no_seed_moves_alone_has_no_acceleration():
    strata = strata_of([0.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    assert acceleration(picked(strata, "median"), draws_of(strata, False)) == 0.0
    interval = bootstrap_interval([0.0, 1.0, 1.0, 1.0, 1.0, 2.0], statistic="median", method="bca")
    assert interval.low <= 1.0 <= interval.high


def test_an_estimate_outside_all_resamples_is_refused():
    values = np.arange(12.0)  # a resample that holds every value once is one in 19,000
    with pytest.raises(ValueError, match="all resamples lie below the estimate; use method='percentile'"):
        bootstrap_interval(values, statistic=lambda sample: len(set(sample)), method="bca", n_resamples=100)


def test_a_correction_too_large_for_the_level_is_refused():
    with pytest.raises(ValueError, match="too large for this level; use method='percentile'"):
        bca_tails((1e-12, 1 - 1e-12), 0.5, 0.16)


def test_bca_moves_the_interval_of_skewed_scores_towards_the_long_tail():
    percentile, bca = (bootstrap_interval(SKEWED, method=method) for method in METHODS)
    assert bca.low > percentile.low and bca.high > percentile.high
    assert bca.estimate == percentile.estimate
    assert (percentile.method, bca.method) == METHODS


DRAWS = {
    "normal": (lambda rng: rng.normal(size=20), 0.0),
    "exponential": (lambda rng: rng.exponential(size=20), 1.0),
    "three tasks": (lambda rng: np.add(rng.exponential(size=(20, 3)), [0.0, 1.0, 2.0]), 2.0),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", DRAWS)
def test_nominal_95_percent_of_20_seeds_hold_the_true_mean_in_about_that_share(kind, method):
    draw, truth = DRAWS[kind]
    rng = np.random.default_rng(7)
    intervals = [bootstrap_interval(draw(rng), method=method, n_resamples=500, seed=i) for i in range(400)]
    share = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.89 <= share <= 0.97  # 0.93 for a normal mean in the limit of many resamples: the t quantile is wider
