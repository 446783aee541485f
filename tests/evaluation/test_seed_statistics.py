import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import bootstrap_interval, iqm

seeds = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8)


def test_equal_values_give_an_interval_of_no_width():
    interval = bootstrap_interval([0.5, 0.5, 0.5])
    assert (interval.low, interval.estimate, interval.high) == (0.5, 0.5, 0.5)


def test_two_values_reach_from_one_to_the_other():
    # of 4 equally likely resamples one is (0, 0) and one (1, 1): both tails hold more than 2.5 %
    interval = bootstrap_interval([0.0, 1.0])
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.5, 1.0)


def test_the_interval_of_many_normal_values_is_near_the_textbooks():
    values = np.random.default_rng(1).normal(size=400)
    interval = bootstrap_interval(values)
    half_width = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.01)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.01)


def test_the_same_seed_gives_the_same_interval_and_leaves_the_global_state_alone():
    before = np.random.get_state()[1].copy()
    values = np.random.default_rng(0).random(7)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    assert np.array_equal(before, np.random.get_state()[1])


def test_a_statistic_of_ones_own_is_used():
    assert bootstrap_interval([1.0, 2.0, 9.0], statistic=np.median).estimate == 2.0


def test_the_interquartile_mean_drops_a_quarter_at_either_end():
    assert iqm([100.0, 1.0, 2.0, -50.0]) == 1.5
    assert bootstrap_interval([100.0, 1.0, 2.0, -50.0], statistic="iqm").estimate == 1.5


def test_the_interquartile_mean_of_three_is_the_mean():
    assert iqm([0.0, 1.0, 5.0]) == 2.0


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_seeds_are_refused(values):
    with pytest.raises(ValueError, match="at least two seeds"):
        bootstrap_interval(values)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([0.1, float("nan")], {}, "finite"),
        ([[[0.1, 0.2]]], {}, "one number a seed"),
        ([[0.1, 0.2], [0.3]], {}, "one number a seed.*mapping"),
        (["good", "bad"], {}, "one number a seed"),
        (0.1, {}, "one number a seed"),
        (np.ma.masked_invalid([0.1, np.nan, 0.2]), {}, "masked"),
        ([0.1, float("inf")], {}, "finite"),
        ([[0.1, 0.2]], {}, "at least two seeds of each task, found 1: run more seeds"),
        ({"a": [0.1, 0.2], "b": [0.3]}, {}, "at least two seeds of each task, found 1"),
        ({"a": [0.1, 0.2], "b": [0.3, None]}, {}, "task 'b' must be finite"),
        ({"a": [[0.1, 0.2]]}, {}, "task 'a' must have one number a seed"),
        ({}, {}, "at least one task"),
        (np.zeros((3, 0)), {}, "at least one task"),
        ([0.1, 0.2], {"level": 1.0}, "level must lie"),
        ([0.1, 0.2], {"n_resamples": 0}, "n_resamples"),
        ([0.1, 0.2], {"level": float("nan")}, "level must lie"),
        ([0.1, 0.2], {"statistic": "mode"}, "mean, median, iqm, optimality_gap, found 'mode'"),
        ([0.1, 0.2], {"method": "basic"}, "percentile, bca, found 'basic'"),
        ([0.1, 0.2], {"statistic": lambda _: float("nan")}, "finite number for every resample"),
        ({"a": [0.1, 0.2], "b": [0.3, 0.4, 0.5]}, {"whole_runs": True}, r"same seeds for every task, found \[2, 3\]"),
    ],
)
def test_a_wrong_argument_is_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **options)


@settings(deadline=None)  # the machine may be busy
@given(seeds)
def test_the_interval_lies_within_the_values(values):
    interval = bootstrap_interval(values, n_resamples=100)
    slack = 1e-9 * max(abs(value) for value in values)
    assert min(values) - slack <= interval.low <= interval.high <= max(values) + slack
