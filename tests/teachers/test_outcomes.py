"""Outcomes refuse what no teacher could learn from."""

import numpy as np
import pytest

from lifelong_rl.teachers import Outcomes


def test_outcomes_take_lists_and_give_arrays():
    outcomes = Outcomes([-3.0, 7.0], [0.0, 1.0], [False, True], [10, 20], {"value": [1, 2]})

    assert outcomes.returns.dtype == np.float64
    assert outcomes.successes.dtype == np.bool_
    assert outcomes.lengths.dtype == np.int64
    assert outcomes.extra["value"].tolist() == [1.0, 2.0]
    assert len(outcomes) == 2


def test_from_scores_calls_a_score_of_one_a_success():
    outcomes = Outcomes.from_scores([0.5, 1.0])

    assert outcomes.successes.tolist() == [False, True]
    assert outcomes.returns.tolist() == [0.5, 1.0]


def test_a_slice_gives_the_outcomes_of_those_episodes():
    outcomes = Outcomes([1, 2, 3], [0.1, 0.2, 0.3], [0, 1, 0], [4, 5, 6], {"value": [7, 8, 9]})[1:]

    assert outcomes.returns.tolist() == [2, 3]
    assert outcomes.lengths.tolist() == [5, 6]
    assert outcomes.extra["value"].tolist() == [8, 9]


@pytest.mark.parametrize("score", [np.nan, np.inf, -0.01, 1.01])
def test_a_score_that_is_not_in_the_unit_interval_is_refused(score):
    with pytest.raises(ValueError, match="scores of outcomes must"):
        Outcomes.from_scores([0.5, score])


def test_an_unknown_return_is_refused():
    with pytest.raises(ValueError, match=r"returns of outcomes must be finite, found nan"):
        Outcomes([np.nan], [0.5], [True], [1])


@pytest.mark.parametrize("column", ["returns", "successes", "lengths", "extra"])
def test_columns_of_unequal_lengths_are_refused_by_name(column):
    columns = {"returns": [1.0], "scores": [0.5], "successes": [True], "lengths": [1], "extra": {"value": [1.0]}}
    columns[column] = {"value": [1.0, 2.0]} if column == "extra" else [1, 0]

    with pytest.raises(ValueError, match=rf"{column}.* shape \(1,\), found \(2,\)"):
        Outcomes(**columns)


def test_scores_with_two_axes_are_refused():
    with pytest.raises(ValueError, match=r"found \(2, 1\)"):
        Outcomes.from_scores([[0.5], [0.5]])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("successes", 0.3, "successes of outcomes must be true or false, found 0.3"),
        ("successes", 2, "successes of outcomes must be true or false, found 2"),
        ("lengths", -5, "lengths of outcomes must be whole numbers >= 0, found -5"),
        ("lengths", 1.7, "lengths of outcomes must be whole numbers >= 0, found 1.7"),
        ("returns", "a", "returns of outcomes must be numbers, found"),
        ("returns", 1j, "returns of outcomes must be numbers, found"),
        ("returns", None, "returns of outcomes must be finite, found nan"),
    ],
)
def test_numbers_that_a_column_cannot_hold_are_refused(column, value, words):
    columns = {"returns": [1.0], "scores": [0.5], "successes": [True], "lengths": [1]} | {column: [value]}
    with pytest.raises(ValueError, match=words):
        Outcomes(**columns)


@pytest.mark.parametrize("scores", ["abc", [1j], [[0.1], [0.1, 0.2]]])
def test_scores_that_are_no_numbers_are_refused(scores):
    with pytest.raises(ValueError, match="scores of outcomes must be numbers, found"):
        Outcomes.from_scores(scores)


def test_whole_and_true_numbers_of_any_type_are_taken():
    outcomes = Outcomes([1], [0.5], [1.0], [3.0])
    assert outcomes.successes.dtype == np.bool_ and outcomes.lengths.tolist() == [3]
