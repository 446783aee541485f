import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lifelong_rl.evaluation.resampling import METHODS
from lifelong_rl.evaluation.statistics import STATISTICS, bootstrap_interval, iqm, mean, median, optimality_gap

TABLE = np.array([[0.0, 0.5, 1.0], [0.2, 0.9, 1.0]])  # two seeds, three tasks; the means of the tasks: 0.1, 0.7, 1

eighths = st.integers(-80, 80).map(lambda number: number / 8)  # sums are exact, so orders and shifts do not matter


@st.composite
def tables(draw, least_seeds=2):
    n_tasks = draw(st.integers(1, 3))
    row = st.lists(eighths, min_size=n_tasks, max_size=n_tasks)
    return np.array(draw(st.lists(row, min_size=least_seeds, max_size=6)))


def test_the_mean_is_that_of_all_scores_and_the_median_that_of_the_tasks_means():
    assert mean(TABLE) == pytest.approx(0.6)
    assert median(TABLE) == pytest.approx(0.7)


def test_the_median_of_one_task_is_that_of_its_seeds():
    assert median([1.0, 2.0, 9.0]) == median([[1.0], [2.0], [9.0]]) == median({"a": [9.0, 1.0, 2.0]}) == 2.0


def test_the_interquartile_mean_takes_the_scores_of_all_tasks_in_one_row():
    # sorted: 0, .2, .5, .9, 1, 1; one goes at either end
    assert iqm(TABLE) == pytest.approx(2.6 / 4)


@pytest.mark.parametrize("shape", [(4,), (5,), (3, 5), (7, 2)])
def test_the_interquartile_mean_is_scipys_trimmed_mean(shape):
    scores = np.random.default_rng(0).random(shape)
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None), rel=1e-12)


def test_the_optimality_gap_counts_a_score_above_one_as_one():
    assert optimality_gap([0.5, 3.0]) == 0.25
    assert optimality_gap(TABLE) == pytest.approx(0.4)


def test_tasks_weigh_the_same_in_the_mean_whatever_their_number_of_seeds():
    scores = {"a": [0.0, 0.0, 0.0, 0.0], "b": [1.0, 1.0]}
    assert mean(scores) == 0.5
    assert optimality_gap(scores) == 0.5
    assert iqm(scores) == 0.25  # of 0, 0, 0, 0, 1, 1 the middle four


def test_a_mapping_and_a_table_with_the_same_scores_give_the_same_interval():
    mapping = {"a": TABLE[:, 0], "b": TABLE[:, 1], "c": TABLE[:, 2]}
    for name in STATISTICS:
        assert bootstrap_interval(mapping, statistic=name) == bootstrap_interval(TABLE, statistic=name)
    assert bootstrap_interval(mapping).n_values == 6


def test_each_tasks_seeds_are_drawn_independently():
    # two seeds, two tasks, mean 0.5: all four picks hit zeros in 1 of 16 draws, in 1 of 4 with whole runs
    scores = [[0.0, 0.0], [1.0, 1.0]]
    stratified = bootstrap_interval(scores, level=0.8)
    assert (stratified.low, stratified.high) == (0.25, 0.75)
    whole = bootstrap_interval(scores, level=0.8, whole_runs=True)
    assert (whole.low, whole.high) == (0.0, 1.0)


def test_a_task_never_lends_its_scores_to_another():
    # each task is constant, so no draw within tasks moves the mean
    interval = bootstrap_interval([[0.0, 8.0], [0.0, 8.0], [0.0, 8.0]])
    assert (interval.low, interval.estimate, interval.high) == (4.0, 4.0, 4.0)


def test_whole_runs_give_the_interval_of_the_runs_own_means():
    table = np.random.default_rng(2).random((8, 4))
    for method in METHODS:
        whole = bootstrap_interval(table, whole_runs=True, method=method)
        own = bootstrap_interval(table.mean(axis=1), method=method)
        assert (whole.low, whole.high) == pytest.approx((own.low, own.high), abs=1e-12)
        assert whole.n_values == 32


@pytest.mark.parametrize("method", METHODS)
def test_a_function_of_ones_own_gets_one_array_a_task(method):
    own = bootstrap_interval(TABLE, statistic=lambda tasks: np.mean([task.mean() for task in tasks]), method=method)
    named = bootstrap_interval(TABLE, method=method)
    assert (own.low, own.estimate, own.high) == pytest.approx((named.low, named.estimate, named.high), abs=1e-12)


def test_draws_made_in_several_parts_are_all_used(monkeypatch):
    monkeypatch.setattr("lifelong_rl.evaluation.resampling.MOST_VALUES_AT_ONCE", 300)
    values = np.random.default_rng(1).normal(size=100)
    interval = bootstrap_interval(values, n_resamples=1000)
    half_width = 1.96 * values.std() / 10
    assert (interval.low, interval.high) == pytest.approx(
        (values.mean() - half_width, values.mean() + half_width), abs=0.05
    )
    monkeypatch.undo()
    assert bootstrap_interval(values, n_resamples=1000) == interval  # the same stream of draws


@settings(deadline=None)
@given(tables(least_seeds=1), st.permutations(range(6)), st.sampled_from(sorted(STATISTICS)))
def test_the_order_of_the_seeds_does_not_move_a_statistic(table, order, name):
    shuffled = table[[index for index in order if index < len(table)]]
    assert STATISTICS[name](shuffled) == STATISTICS[name](table)


@settings(deadline=None)
@given(
    tables(),
    st.integers(-100, 100),
    st.sampled_from(["mean", "median", "iqm"]),
    st.sampled_from(METHODS),
    st.booleans(),
)
def test_adding_a_constant_shifts_the_interval(table, constant, name, method, whole_runs):
    options = {"statistic": name, "method": method, "n_resamples": 200, "whole_runs": whole_runs}
    before, after = bootstrap_interval(table, **options), bootstrap_interval(table + constant, **options)
    shifted = [value + constant for value in (before.low, before.estimate, before.high)]
    assert [after.low, after.estimate, after.high] == pytest.approx(shifted, abs=1e-9)


@settings(deadline=None)
@given(tables(), st.integers(0, 9), st.sampled_from(sorted(STATISTICS)), st.sampled_from(METHODS))
def test_an_interval_is_ordered_lies_within_what_is_possible_and_comes_again_with_its_seed(table, seed, name, method):
    interval = bootstrap_interval(table, seed=seed, statistic=name, method=method, n_resamples=200)
    assert interval.low <= interval.high
    possible = 1 - np.minimum(table, 1) if name == "optimality_gap" else table
    assert possible.min() - 1e-9 <= interval.low and interval.high <= possible.max() + 1e-9
    assert bootstrap_interval(table, seed=seed, statistic=name, method=method, n_resamples=200) == interval
