from functools import partial

import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, Undefined, coom, meal, score

# Two blocks of two evaluations, without the one before training
SCORES = [[0.2, 0.0], [0.6, 0.0], [0.4, 0.3], [0.1, 0.9]]
REFERENCES = {"a": [[0.2, 0.4]], "b": [[0.2, 0.4], [0.4, 0.4]]}


def log_of(scores=SCORES, trained="ab", **options):
    blocks = np.arange(len(scores)) // (len(scores) // len(trained))
    return EvaluationLog.from_arrays(
        list("abc"[: len(scores[0])]), scores, blocks=blocks, trained=list(trained), **options
    )


def metrics_of(family, log, **options):
    return {metric.name: metric for metric in score(log, [family], **options)}


def coom_of(log, *, references=None, window=2, **options):
    family = partial(coom.coom_metrics, window=window, **options)
    return {metric.name: metric for metric in score(log, [family], references)}


def meal_of(log, *, references=None, window=2, value="score"):
    return {m.name: m for m in meal.meal_metrics(log, references=references, window=window, value=value)}


def close(value):
    return pytest.approx(value, abs=1e-12)


# COOM


def test_coom_by_hand():
    metrics = coom_of(log_of(), references=REFERENCES)
    assert metrics["average_performance"].value == close((0.4 + 0.25 + 0.6) / 3)
    assert metrics["average_performance"].per_block == (close(0.325), close(0.6))
    assert metrics["forgetting"].value == close(0.4 - 0.25)
    assert metrics["forgetting"].per_block == (close(0.15), None)
    assert metrics["forward_transfer_difference"].value == close(0.5 - 0.325)
    assert metrics["forward_transfer_difference"].per_block == (close(0.1), close(0.25))
    assert metrics["forward_transfer"].value == close((0.5 - 0.325) / (1 - 0.325))


def test_coom_takes_one_ratio_of_totals_and_continual_world_the_mean_of_ratios():
    log = log_of([[0.5, 0.0], [0.5, 0.0], [0.5, 0.95], [0.5, 0.95]])
    references = {"a": [[0.0, 0.0]], "b": [[0.9, 0.9]]}
    one = coom_of(log, references=references)["forward_transfer"]
    mean = {m.name: m for m in score(log, ["cw"], references)}["forward_transfer"]
    assert one.value == close((0.725 - 0.45) / 0.55)
    assert mean.value == close((0.5 + 0.5) / 2)
    assert set(one.per_task.values()) == {None} and one.per_block == ()


def test_exact_zeros_count_unless_they_are_dropped_as_in_the_code_of_coom():
    log = log_of([[0.5, 0.0], [0.5, 0.0], [0.0, 0.8], [0.0, 0.6]])
    assert coom_of(log)["average_performance"].value == close((0.5 + 0.0 + 0.7) / 3)
    dropped = coom_of(log, drop_zeros=True)["average_performance"]
    assert dropped.value == close((0.5 + 0.7) / 2)
    assert dropped.per_task == {"a": close(0.5), "b": close(0.7)}
    assert "exactly 0 are left out" in dropped.source


def test_an_agent_that_never_scores_has_zero_and_no_value_when_zeros_are_dropped():
    log = log_of(np.zeros((4, 2)))
    assert coom_of(log)["average_performance"].value == 0
    assert coom_of(log, drop_zeros=True)["average_performance"].reason.startswith("every score is exactly 0")


def test_a_block_with_fewer_evaluations_than_the_window_is_undefined_where_coom_takes_what_there_is():
    reason = metrics_of("coom", log_of())["forgetting"].reason
    assert "block 0 has 2 evaluation(s), fewer than the window of 10" in reason


def test_coom_counts_each_occurrence_of_a_repeated_task():
    metrics = coom_of(log_of([[0.4, 0.0], [0.1, 0.8], [0.9, 0.2]], "aba"), window=1)
    assert metrics["forgetting"].per_block == (close(-0.5), close(0.6), None)
    assert metrics["forgetting"].per_task == {"a": close(-0.5), "b": close(0.6)}
    assert metrics["average_performance"].value == close((0.4 + 0.1 + 0.9 + 0.8 + 0.2 + 0.9) / 6)


def test_coom_needs_references_bounded_scores_and_headroom():
    log = log_of()
    assert "no reference runs" in coom_of(log)["forward_transfer"].reason
    assert coom_of(log, references={"a": [[0.1]]})["forward_transfer"].reason == "task 'b': there is no reference run"
    near_one = coom_of(log, references={"a": [[0.999] * 2], "b": [[1.0] * 2]})
    assert "1 - AUCb is" in near_one["forward_transfer"].reason
    assert near_one["forward_transfer_difference"].value == close(0.5 - 0.9995)
    returns = metrics_of("coom", log, references=REFERENCES, value="return")
    assert "no upper bound of 1" in returns["forward_transfer"].reason


def test_a_single_block_has_a_performance_and_no_forgetting():
    metrics = coom_of(log_of([[0.2], [0.6]], "a"))
    assert metrics["average_performance"].value == close(0.4)
    assert "nothing is trained after" in metrics["forgetting"].reason


def test_a_gap_of_a_trained_task_is_named_and_one_of_another_task_is_not_missed():
    scores = np.hstack([SCORES, [[0.5], [np.nan], [0.5], [0.5]]])
    assert coom_of(log_of(scores))["forgetting"].value == close(0.15)
    scores[1, 1] = np.nan
    assert "'b' was not evaluated at step 2" in coom_of(log_of(scores))["forgetting"].reason


def test_active_must_hold_every_block():
    with pytest.raises(ValueError, match="every block"):
        coom.block_means([[0.1, 0.2], [0.1, 0.2]], [0, 0])


# MEAL


def test_weighted_forgetting_weighs_early_drops_more():
    weights = np.exp([0.0, -1.0, -2.0])
    assert meal.weighted_forgetting([0.1, 0.8, 0.4, 0.8, 0.9], 1) == close(0.5 * weights[0] / weights.sum())
    assert meal.weighted_forgetting([0.8, 0.2], 0) == close(0.75)
    assert meal.weighted_forgetting([0.8, 0.9, 0.8], 0) == 0
    late = meal.weighted_forgetting([0.8, 0.8, 0.4], 0)
    assert late < meal.weighted_forgetting([0.8, 0.4, 0.8], 0)


def test_peak_forgetting_takes_the_best_of_all_evaluations():
    assert meal.peak_forgetting([0.1, 0.9, 0.4, 0.2], 2) == close(0.6)
    assert meal.peak_forgetting([0.1, 0.2], 1) == 0
    with pytest.raises(Undefined, match="fewer than the window of 10"):
        meal.peak_forgetting([0.1, 0.2])


def test_the_area_of_meal_divides_by_the_number_of_evaluations_and_not_of_intervals():
    assert meal.area([0.5, 0.5]) == close(0.25)
    assert meal.area([0.0, 0.4, 0.8]) == close(0.8 / 3)
    assert meal.area([0.7]) == 0.7


def test_meal_by_hand():
    metrics = meal_of(log_of(), references=REFERENCES)
    weights = np.exp([0.0, -2.0])
    drop = (weights * [0.2 / 0.6, 0.5 / 0.6]).sum() / weights.sum()
    assert metrics["weighted_forgetting"].per_block == (close(drop), None)
    assert metrics["weighted_forgetting"].value == close(drop)
    assert metrics["peak_forgetting"].per_task == {"a": close(0.6 - 0.25), "b": close(0.9 - 0.6)}
    assert metrics["forward_transfer"].per_block == (close((0.2 - 0.15) / 0.15), close((0.3 - 0.175) / 0.175))
    assert metrics["forward_transfer_difference"].value == close((0.05 + 0.125) / 2)


def test_a_reference_near_zero_makes_the_ratio_undefined_where_meal_skips_the_task():
    metrics = meal_of(log_of(), references={"a": [[0.0, 0.0]], "b": [[0.4, 0.4]]})
    assert "task 'a': AUCb is 0, below the 0.01" in metrics["forward_transfer"].reason
    assert metrics["forward_transfer"].per_task == {"a": None, "b": close(0.5)}
    assert metrics["forward_transfer_difference"].value == close((0.2 + 0.1) / 2)


def test_a_task_that_was_never_learned_has_no_relative_forgetting():
    metrics = meal_of(log_of([[0.0, 0.0], [0.0, 0.0], [0.0, 0.3], [0.0, 0.9]]))
    assert "task 'a': the score at the end of the block is 0" in metrics["weighted_forgetting"].reason
    assert metrics["peak_forgetting"].per_task["a"] == 0


def test_a_missing_evaluation_is_no_zero():
    scores = np.array(SCORES)
    scores[2, 0] = np.nan
    metrics = meal_of(log_of(scores))
    assert "it was not evaluated at every evaluation" in metrics["weighted_forgetting"].reason
    assert "'a' was not evaluated at every evaluation" in metrics["peak_forgetting"].reason


def test_returns_have_no_relative_numbers_and_do_have_a_peak():
    metrics = meal_of(log_of(), references=REFERENCES, value="return")
    assert metrics["peak_forgetting"].value == close(0.325)
    for name in ("weighted_forgetting", "forward_transfer", "forward_transfer_difference"):
        assert metrics[name].value is None


def test_meal_counts_each_occurrence_of_a_repeated_task():
    metrics = meal_of(log_of([[0.4, 0.0], [0.1, 0.8], [0.9, 0.2]], "aba"), window=1)
    weights = np.exp([0.0, -2.0])
    first = (weights * [0.75, 0.0]).sum() / weights.sum()
    assert metrics["weighted_forgetting"].per_block == (close(first), close(0.75), None)
    assert metrics["weighted_forgetting"].per_task == {"a": close(first), "b": close(0.75)}


def test_the_default_window_is_undefined_for_short_runs():
    assert "fewer than the window of 10" in metrics_of("meal", log_of())["peak_forgetting"].reason


def test_an_end_outside_the_curve_is_refused():
    with pytest.raises(ValueError, match="end must be the index"):
        meal.weighted_forgetting([0.1], 1)
    with pytest.raises(Undefined, match="no evaluation after"):
        meal.weighted_forgetting([0.1], 0)
