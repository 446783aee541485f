import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, cora, score


def metrics_of(log, **options):
    forgetting, transfer = cora.cora_metrics(log, **options)
    return forgetting, transfer


def log_of(scores, blocks, trained, tasks=None, **options):
    tasks = "abcd"[: len(scores[0])] if tasks is None else tasks
    return EvaluationLog.from_arrays(list(tasks), scores, blocks=blocks, trained=list(trained), **options)


def close(value):
    return pytest.approx(value, abs=1e-12)


def three_tasks():
    scores = [[0.0, 0.1, 0.1], [0.3, 0.2, 0.1], [0.8, 0.2, 0.3], [0.6, 1.0, 0.2], [0.2, 0.5, 0.5]]
    return log_of(scores, [-1, 0, 0, 1, 2], "abc")


def test_three_tasks_by_hand():
    forgetting, transfer = metrics_of(three_tasks(), scales=1.0)
    assert forgetting.per_pair == {"b": {"a": (close(0.2),)}, "c": {"a": (close(0.4),), "b": (close(0.5),)}}
    assert forgetting.per_task == {"a": close(0.3), "b": close(0.5), "c": None}
    assert forgetting.value == close(1.1 / 3)
    assert transfer.per_pair == {"a": {"b": (close(0.1),), "c": (close(0.2),)}, "b": {"c": (close(-0.1),)}}
    assert transfer.per_task == {"a": None, "b": close(0.1), "c": close(0.05)}
    assert transfer.value == close(0.2 / 3)


def test_scores_are_divided_by_the_largest_of_the_run_unless_a_scale_is_given():
    """Two agents then have two scales: the same drop looks larger for the agent that learned less."""
    drops = {}
    for peak in (0.8, 0.4):
        log = log_of([[0.0, 0.0], [peak, 0.0], [peak - 0.2, 1.0]], [-1, 0, 1], "ab")
        drops[peak] = (metrics_of(log)[0].value, metrics_of(log, scales={"a": 1.0, "b": 1.0})[0].value)
    assert drops == {0.8: (close(0.25), close(0.2)), 0.4: (close(0.5), close(0.2))}


def test_the_scale_of_a_model_is_its_largest_absolute_value_over_runs_and_one_for_zeros():
    runs = [np.array([[-4.0, 0.0, 1.0], [2.0, 0.0, 1.5]]), np.array([[3.0, 0.0, 0.5]])]
    assert cora.largest(runs).tolist() == [4.0, 1.0, 1.5]


def test_the_scale_in_use_stands_in_the_source():
    assert "largest value in this run" in metrics_of(three_tasks())[0].source
    assert "given scale" in metrics_of(three_tasks(), scales=2.0)[0].source


def test_a_second_cycle_counts_relearning_as_negative_forgetting():
    scores = [[0.0, 0.0], [0.8, 0.1], [0.5, 0.7], [0.9, 0.6], [0.7, 0.9]]
    forgetting, transfer = metrics_of(log_of(scores, [-1, 0, 1, 2, 3], "abab"), scales=1.0)
    assert forgetting.per_pair == {
        "a": {"a": (None, close(-0.4)), "b": (None, close(0.1))},
        "b": {"a": (close(0.3), close(0.2)), "b": (None, close(-0.3))},
    }
    assert forgetting.value == close((-0.4 + 0.1 + 0.3 + 0.2 - 0.3) / 5)
    assert transfer.per_pair == {"a": {"b": (close(0.1), None)}}


def test_an_evaluation_at_a_blocks_end_is_inside_the_block():
    """In CORA's own code an evaluation exactly on a boundary is in no region, and here it is the one that counts."""
    log = log_of([[0.0, 0.0], [0.4, 0.0], [0.9, 0.0], [0.6, 0.0], [0.1, 0.5]], [-1, 0, 0, 1, 1], "ab")
    assert metrics_of(log, scales=1.0)[0].value == close(0.8)


def test_a_moving_average_leaks_over_the_boundary_of_blocks():
    scores = [[0.0, 0.0], [1.0, 0.0], [0.2, 0.0], [0.2, 0.5]]
    log = log_of(scores, [-1, 0, 1, 1], "ab")
    plain, averaged = metrics_of(log, scales=1.0)[0], metrics_of(log, scales=1.0, moving_average=3)[0]
    assert plain.value == close(0.8)
    assert averaged.value == close(0.5 - 1.4 / 3)  # after the block, the mean still holds the 1.0 of block 0
    assert "mean of the last 3 evaluations" in averaged.window


def test_a_moving_average_takes_what_there_is_at_the_beginning():
    assert cora.moving_average([[1.0], [2.0], [6.0], [1.0]], 3).ravel() == pytest.approx([1.0, 1.5, 3.0, 3.0])
    with pytest.raises(ValueError, match="at least 1"):
        cora.moving_average([[1.0]], 0)


def test_without_an_evaluation_before_training_transfer_from_the_first_block_is_undefined():
    log = log_of([[0.8, 0.1, 0.2], [0.5, 0.7, 0.3], [0.5, 0.6, 0.9]], [0, 1, 2], "abc")
    forgetting, transfer = metrics_of(log, scales=1.0)
    assert forgetting.value == close((0.3 + 0.0 + 0.1) / 3)
    assert transfer.reason == "there is no evaluation before training to compare with"
    assert transfer.per_pair == {"b": {"c": (close(0.1),)}}
    assert transfer.per_task == {"a": None, "b": None, "c": None}


def test_cora_itself_compares_the_first_region_with_the_first_value_of_the_run():
    table = [[0.2], [0.8], [0.5]]
    assert np.ma.getmaskarray(cora.changes(table, [0, 0, 1]))[0, 0]
    assert cora.changes(table, [0, 0, 1], from_first_value=True).tolist() == [[close(0.6)], [close(-0.3)]]


def test_a_task_that_a_block_never_evaluated_leaves_its_pairs_out_with_a_reason():
    nan = np.nan
    log = log_of([[0.0, 0.0, 0.0], [0.8, 0.1, 0.2], [nan, 0.7, 0.3], [0.4, 0.6, 0.9]], [-1, 0, 1, 2], "abc")
    forgetting, transfer = metrics_of(log, scales=1.0)
    assert "'a' was not evaluated in block 1" in forgetting.reason
    assert forgetting.per_task == {"a": None, "b": close(0.1), "c": None}
    assert transfer.value == close((0.1 + 0.2 + 0.1) / 3)
    averaged = metrics_of(log, moving_average=2)
    assert all("'a' was not evaluated at step 2" in metric.reason for metric in averaged)


def test_one_task_has_neither_and_a_repeated_one_has_relearning():
    log = log_of([[0.0], [0.5]], [-1, 0], "a")
    assert all(metric.reason.startswith("there is no pair") for metric in metrics_of(log))
    again, transfer = metrics_of(log_of([[0.0], [0.5], [0.7]], [-1, 0, 1], "aa"), scales=1.0)
    assert again.per_pair == {"a": {"a": (None, close(-0.2))}}
    assert transfer.value is None


def test_a_task_that_is_only_evaluated_is_in_no_pair():
    scores = np.hstack([[[0.0, 0.0], [0.8, 0.1], [0.5, 0.7]], np.full((3, 1), 0.3)])
    for metric in metrics_of(log_of(scores, [-1, 0, 1], "ab"), scales=1.0):
        assert metric.per_task["c"] is None
        assert "c" not in {of for row in metric.per_pair.values() for of in row}


def test_returns_are_scored_as_they_come():
    log = log_of([[-9.0, -5.0], [-2.0, -5.0], [-4.0, -1.0]], [-1, 0, 1], "ab")
    (forgetting, _) = score(log, ["cora"], value="return")
    assert forgetting.value == close(2 / 9)


@pytest.mark.parametrize("scales", [{"a": 1.0}, 0.0, {"a": 1.0, "b": -1.0, "c": 1.0}, float("nan")])
def test_a_scale_that_cannot_divide_is_refused(scales):
    with pytest.raises(ValueError, match="scales must give task"):
        metrics_of(three_tasks(), scales=scales)


def test_regions_that_fall_are_refused():
    with pytest.raises(ValueError, match="never falling"):
        cora.changes([[0.1], [0.2]], [1, 0])
