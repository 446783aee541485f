"""The freeze gap: nothing to lose by stopping on a stream that stays, much on one that drifts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation.diagnostics import freeze_gap, regret_of_stopping
from lifelong_rl.evaluation.measured import Undefined

# Two tasks, one after the other: untrained, half-way, end of the first, half-way, end of the second.
SCORES = [[0.0, 0.1], [0.6, 0.1], [0.8, 0.2], [0.4, 0.6], [0.2, 0.9]]
ACTIVE = [0, 0, 1, 1, -1]


def test_the_gap_is_the_mean_lead_over_the_frozen_copy_on_what_is_trained():
    learner = [0.3, 0.7, 0.4, 0.75]  # the task in training, between two evaluations
    frozen = [[0, 0, 0.1, 0.1], [0.6, 0.1, 0.1], [0.2, 0.2], [0.6]]
    expected = [np.mean(np.array(learner[t:]) - copy) for t, copy in enumerate(frozen)]
    gaps = freeze_gap(SCORES, ACTIVE)
    assert gaps.compressed().tolist() == pytest.approx(expected)
    assert gaps.mask.tolist() == [False] * 4 + [True]


def test_the_most_that_stopping_costs_is_the_largest_gap():
    regret = regret_of_stopping(SCORES, ACTIVE)
    assert (regret.point, regret.value) == (0, pytest.approx((0.3 + 0.7 + 0.3 + 0.65) / 4))
    later = regret_of_stopping(SCORES, ACTIVE, since=1)
    assert (later.point, later.value) == (2, pytest.approx((0.2 + 0.55) / 2))


def test_intervals_count_by_their_steps():
    gaps = freeze_gap(SCORES, ACTIVE, steps=[0, 100, 200, 200, 500])
    assert gaps[2] == pytest.approx(0.55)  # the interval of no steps counts nothing
    assert gaps[1] == pytest.approx((100 * 0.1 + 300 * 0.65) / 400)
    alike = freeze_gap(SCORES, ACTIVE, steps=[0, 7, 14, 21, 28])
    assert alike.compressed().tolist() == pytest.approx(freeze_gap(SCORES, ACTIVE).compressed().tolist())


def test_masked_scores_and_intervals_without_a_column_are_left_out():
    scores = np.ma.masked_array(SCORES, mask=False)
    scores[3, 1] = np.ma.masked
    assert freeze_gap(scores, ACTIVE).mask.tolist() == [False, False, True, True, True]
    assert freeze_gap(scores, ACTIVE)[1] == pytest.approx(0.1)
    assert freeze_gap(SCORES, [0, 0, -1, 1, -1])[2] == pytest.approx(0.75 - 0.2)
    scores = np.array(SCORES)
    scores[0, 0] = np.nan
    gaps = freeze_gap(scores, ACTIVE)
    assert gaps[0] == pytest.approx((0.3 + 0.65) / 2)  # what the copy scored on the first task is not known


def test_stopping_after_convergence_costs_nothing_on_a_stream_that_stays():
    rng = np.random.default_rng(0)
    x = np.arange(60.0)
    scores = (0.9 * (1 - np.exp(-x / 5)) + rng.normal(0, 0.005, 60)).reshape(-1, 1)
    active = np.zeros(60, int)
    assert abs(regret_of_stopping(scores, active, since=30).value) < 0.02
    assert regret_of_stopping(scores, active).value > 0.5  # an untrained agent had all to learn


def test_stopping_costs_on_a_stream_that_drifts():
    n_tasks, n_points = 12, 49
    active = np.minimum(np.arange(n_points) // 4, n_tasks - 1)
    # Each task is learned in its block of four evaluations; what is near it is known in part, the rest is not.
    nearness = np.exp(-np.abs(np.arange(n_tasks) - np.append(-2, active[:-1])[:, None]) / 2)
    since_start = (np.arange(n_points) % 4)[:, None]
    scores = nearness * (0.6 + 0.1 * since_start)
    gaps = freeze_gap(scores, active)
    assert regret_of_stopping(scores, active, since=30).value > 0.1
    assert np.all(gaps[8:40] > 0.1)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_constant_agent_has_no_gap_and_a_shift_of_all_scores_changes_none(n_points, n_tasks, seed):
    rng = np.random.default_rng(seed)
    active = rng.integers(n_tasks, size=n_points)
    same = np.tile(rng.random(n_tasks), (n_points, 1))
    assert np.allclose(freeze_gap(same, active).compressed(), 0)
    scores = rng.random((n_points, n_tasks))
    gaps, shifted = freeze_gap(scores, active), freeze_gap(scores + 5, active)
    assert np.allclose(gaps.compressed(), shifted.compressed())
    assert gaps.count() == n_points - 1


def test_what_has_no_gap_is_refused_with_the_reason():
    with pytest.raises(Undefined, match="no task in training was evaluated on from evaluation 0"):
        regret_of_stopping(SCORES, [-1] * 5)
    with pytest.raises(Undefined, match="from evaluation 4 to the end"):
        regret_of_stopping(SCORES, ACTIVE, since=4)
    with pytest.raises(ValueError, match="one of the 5 evaluations"):
        regret_of_stopping(SCORES, ACTIVE, since=5)


@pytest.mark.parametrize(
    ("scores", "active", "steps", "message"),
    [
        ([0.1, 0.2], [0, 0], None, "one row an evaluation"),
        (SCORES, [0, 0], None, "a column of scores"),
        (SCORES, [0, 0, 1, 2, -1], None, "a column of scores"),
        (SCORES, ACTIVE, [0, 1, 2, 3], "hold 5 numbers"),
        (SCORES, ACTIVE, [0, 2, 1, 3, 4], "never fall"),
    ],
)
def test_tables_that_do_not_fit_together_are_an_error(scores, active, steps, message):
    with pytest.raises(ValueError, match=message):
        freeze_gap(scores, active, steps)
