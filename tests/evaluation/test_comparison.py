import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lifelong_rl.evaluation.comparison import (
    paired_difference,
    performance_profile,
    probability_of_improvement,
    sign_flip_p_value,
)
from lifelong_rl.evaluation.resampling import METHODS
from lifelong_rl.evaluation.statistics import bootstrap_interval

eighths = st.integers(-80, 80).map(lambda number: number / 8)  # sums are exact, so orders do not matter
samples = st.lists(eighths, min_size=2, max_size=6)
QUICK = {"n_resamples": 200}

# --- probability of improvement


def test_the_probability_of_improvement_counts_the_pairs_won_and_half_of_the_ties():
    # 1 beats 0; 2 beats 0 and ties with 2; 3 beats both: 1 + 1.5 + 2 of 6
    assert probability_of_improvement([1.0, 2.0, 3.0], [0.0, 2.0]).estimate == pytest.approx(4.5 / 6)


def test_the_probability_of_improvement_is_averaged_over_the_tasks():
    x, y = [[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    interval = probability_of_improvement(x, y)
    assert interval.estimate == pytest.approx(0.75)
    assert interval.n_values == 10


def test_the_probability_of_improvement_is_mann_and_whitneys_u():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, size=12), rng.integers(0, 9, size=7)
    expected = stats.mannwhitneyu(x, y).statistic / (12 * 7)
    assert probability_of_improvement(x, y).estimate == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_equal_scores_are_neutral(method):
    x = [0.1, 0.4, 0.7, 0.9]
    interval = probability_of_improvement(x, x, method=method)
    assert interval.estimate == 0.5
    assert interval.low < 0.5 < interval.high


@pytest.mark.parametrize("method", METHODS)
def test_complete_separation_has_no_width(method):
    interval = probability_of_improvement([2.0, 3.0], [0.0, 1.0, 1.5], method=method)
    assert (interval.low, interval.estimate, interval.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_scipy_reads_the_same_interval_of_the_probability_off_its_own_resamples(method):
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.4, size=20), rng.normal(size=15)

    def probability(a, b, axis=-1):
        return (a[..., :, None] > b[..., None, :]).mean(axis=(-2, -1))

    name = {"percentile": "percentile", "bca": "BCa"}[method]
    theirs = stats.bootstrap((x, y), probability, n_resamples=4000, method=name, rng=np.random.default_rng(0))
    ours = probability_of_improvement(x, y, method=method)
    found = theirs.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((found.low, found.high), abs=0.015)


def test_the_two_sides_are_drawn_independently():
    # with shared draws x and y would move together and every resample would say 1/2 + 1/4
    interval = probability_of_improvement([0.0, 1.0], [-0.5, 0.5])
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((0.0, 0.75, 1.0))


def test_whole_runs_draw_all_tasks_of_a_run_together():
    x, y = [[0.0, 0.0], [2.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]
    stratified = probability_of_improvement(x, y, level=0.8)
    whole = probability_of_improvement(x, y, level=0.8, whole_runs=True)
    assert (stratified.low, stratified.high) == pytest.approx((0.25, 0.75))
    assert (whole.low, whole.high) == pytest.approx((0.0, 1.0))


def test_tasks_of_mappings_are_matched_by_name():
    x, y = {"a": [1.0, 2.0], "b": [0.0, 0.0]}, {"b": [5.0, 6.0, 7.0], "a": [0.0, 0.5]}
    assert probability_of_improvement(x, y).estimate == pytest.approx(0.5)


@settings(deadline=None)
@given(samples, samples, st.sampled_from(METHODS))
def test_swapping_the_sides_gives_one_minus_the_probability(x, y, method):
    there = probability_of_improvement(x, y, method=method, **QUICK)
    back = probability_of_improvement(y, x, method=method, **QUICK)
    assert there.estimate + back.estimate == pytest.approx(1)
    assert 0 <= there.low <= there.high <= 1


@settings(deadline=None)
@given(samples, samples)
def test_a_rising_change_of_the_scores_leaves_the_probability_alone(x, y):
    before = probability_of_improvement(x, y, **QUICK)
    assert probability_of_improvement(np.exp(x), np.exp(y), **QUICK) == before


# --- paired differences


def test_the_paired_difference_is_the_mean_of_the_differences():
    interval = paired_difference([3.0, 5.0, 1.0], [1.0, 5.0, 0.0])
    assert interval.estimate == 1.0
    assert interval.n_values == 3
    assert paired_difference([3.0, 5.0, 1.0], [1.0, 5.0, 0.0], statistic="median").estimate == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("statistic", ["mean", "iqm", np.median])
def test_the_interval_is_that_of_the_differences(method, statistic):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=9), rng.normal(size=9)
    options = {"method": method, "statistic": statistic, "seed": 5, "level": 0.9, "n_resamples": 500}
    assert paired_difference(x, y, **options) == bootstrap_interval(x - y, **options)


@pytest.mark.parametrize("whole_runs", [False, True])
def test_pairs_stand_within_a_task(whole_runs):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 3))
    found = paired_difference(x, y, whole_runs=whole_runs)
    assert found == bootstrap_interval(x - y, whole_runs=whole_runs)


def test_pairs_remove_what_the_seeds_share():
    luck = np.random.default_rng(0).normal(scale=10, size=10)
    paired = paired_difference(luck + 1, luck)
    assert (paired.low, paired.high) == pytest.approx((1.0, 1.0))


# --- sign-flip test


def test_the_p_value_is_the_share_of_sign_patterns_as_far_from_zero():
    # sums of +-1 +-2 +-3 as far from 0 as 1 + 2 + 3: 2 of 8; as 1 - 2 + 3 = 2: +-2, +-4, +-6, so 6 of 8
    assert sign_flip_p_value([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]) == 0.25
    assert sign_flip_p_value([1.0, 0.0, 3.0], [0.0, 2.0, 0.0]) == 0.75


def test_equal_scores_have_a_p_value_of_one():
    assert sign_flip_p_value([0.3, 0.4], [0.3, 0.4]) == 1.0


def test_the_most_pairs_are_visited_in_full():
    x = np.random.default_rng(0).random(20) + 0.1
    assert sign_flip_p_value(x, np.zeros(20)) == 2 / 2**20


@settings(deadline=None)
@given(st.lists(eighths, min_size=2, max_size=8))
def test_the_p_value_is_that_of_every_pattern_written_out(differences):
    observed = abs(sum(differences))
    patterns = itertools.product([1, -1], repeat=len(differences))
    sums = [abs(sum(sign * value for sign, value in zip(signs, differences, strict=True))) for signs in patterns]
    expected = sum(value >= observed for value in sums) / len(sums)
    zeros = [0.0] * len(differences)
    assert sign_flip_p_value(differences, zeros) == expected == sign_flip_p_value(zeros, differences)


# --- performance profiles


def test_the_profile_is_the_share_of_scores_strictly_above_each_threshold():
    profile = performance_profile([[0.0, 1.0], [0.5, 1.0]], [-1.0, 0.0, 0.5, 1.0])
    assert profile.shares == (1.0, 0.75, 0.5, 0.0)
    assert profile.thresholds == (-1.0, 0.0, 0.5, 1.0)
    assert profile.n_values == 4
    assert (profile.lows[0], profile.highs[0], profile.lows[3], profile.highs[3]) == (1.0, 1.0, 0.0, 0.0)


def test_the_band_at_a_threshold_is_the_interval_of_the_share_above_it():
    table = np.random.default_rng(0).random((7, 3))
    profile = performance_profile(table, [0.3, 0.6], level=0.9, seed=4)
    for index, threshold in enumerate(profile.thresholds):
        interval = bootstrap_interval((table > threshold).astype(float), level=0.9, seed=4)
        band = (profile.lows[index], profile.shares[index], profile.highs[index])
        assert band == pytest.approx((interval.low, interval.estimate, interval.high), abs=1e-12)


def test_the_band_with_whole_runs_is_wider_where_tasks_rise_and_fall_together():
    table = np.repeat(np.random.default_rng(0).random((8, 1)), 5, axis=1)
    stratified = performance_profile(table, [0.5])
    whole = performance_profile(table, [0.5], whole_runs=True)
    assert whole.highs[0] - whole.lows[0] > 1.5 * (stratified.highs[0] - stratified.lows[0])


def test_a_task_with_few_seeds_weighs_as_much_as_one_with_many():
    profile = performance_profile({"a": [0.0] * 8, "b": [1.0] * 2}, [0.5])
    assert profile.shares == (0.5,)


@settings(deadline=None)
@given(samples, st.integers(0, 5))
def test_a_profile_falls_stays_in_its_band_of_shares_and_comes_again_with_its_seed(scores, seed):
    thresholds = np.linspace(-10, 10, 9)
    profile = performance_profile(scores, thresholds, seed=seed, **QUICK)
    for curve in (profile.lows, profile.shares, profile.highs):
        assert all(0 <= right <= left <= 1 for left, right in itertools.pairwise(curve))
    assert all(low <= high for low, high in zip(profile.lows, profile.highs, strict=True))
    assert performance_profile(scores, thresholds, seed=seed, **QUICK) == profile


# --- refusals


@pytest.mark.parametrize("compare", [probability_of_improvement, paired_difference])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([0.1], [0.2], "at least two seeds"),
        ([0.1, 0.2], [0.2, float("nan")], "y must be finite"),
        ([[0.1, 0.2], [0.1, 0.2]], [0.1, 0.2], "same tasks, found 2 and 1 tasks"),
        ({"a": [0.1, 0.2]}, {"b": [0.1, 0.2]}, r"same tasks, found \['a'\] and \['b'\]"),
        ({"a": [0.1, 0.2]}, [0.1, 0.2], "both arrays or both mappings"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(compare, x, y, message):
    with pytest.raises(ValueError, match=message):
        compare(x, y)


@pytest.mark.parametrize("compare", [probability_of_improvement, paired_difference])
def test_options_are_checked_as_for_an_interval(compare):
    for options in ({"level": 95}, {"n_resamples": 0}, {"method": "normal"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            compare([0.1, 0.2], [0.3, 0.4], **options)


@pytest.mark.parametrize("compare", [paired_difference, sign_flip_p_value])
def test_unequal_numbers_make_no_pairs(compare):
    with pytest.raises(ValueError, match=r"same seeds in x and y, found \[3\] and \[2\]"):
        compare([0.1, 0.2, 0.3], [0.1, 0.2])


@pytest.mark.parametrize(
    ("x", "message"),
    [(np.zeros(21), "at most 20 pairs, found 21"), (np.zeros((4, 2)), "found 2 tasks"), ([0.1], "two seeds")],
)
def test_a_sign_flip_test_that_is_not_exact_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        sign_flip_p_value(x, x)


@pytest.mark.parametrize("thresholds", [[], 0.5, [[0.5]], [0.5, float("nan")]])
def test_thresholds_of_another_kind_are_refused(thresholds):
    with pytest.raises(ValueError, match="thresholds must be finite numbers"):
        performance_profile([0.1, 0.2], thresholds)


def test_a_profile_of_one_seed_is_refused():
    with pytest.raises(ValueError, match="at least two seeds of each task"):
        performance_profile([[0.1, 0.2]], [0.5])
