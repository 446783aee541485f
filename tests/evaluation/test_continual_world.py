import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lifelong_rl.evaluation import EvaluationLog, Undefined, bootstrap_interval, cw, references_by_task, score

EXAMPLE = json.loads((Path(__file__).parent / "cw_three_tasks.json").read_text())
METHODS = ("finetuning", "ewc")

scores_in_unit_interval = st.floats(0, 1, allow_subnormal=False)


def log_of(curves, trained, *, tasks=None, per_block=None, start=True, columns=None):
    """A log of curves (n_evaluations, n_tasks) with evaluations every 10 steps and equal blocks."""
    curves = np.asarray(curves)
    tasks = tuple("abcdefgh"[: curves.shape[1]]) if tasks is None else tasks
    per_block = len(curves) // len(trained) if per_block is None else per_block
    points = [(0, 0, "start", np.zeros(len(tasks)))] if start else []
    for i, row in enumerate(curves):
        at = "end" if (i + 1) % per_block == 0 else "during"
        points.append((10 * (i + 1), i // per_block, at, row))
    return EvaluationLog.from_records(
        {
            "step": step,
            "block": block,
            "at": at,
            "trained": trained[block],
            "task": tasks[column],
            "returns": [100 * float(row[column])],
            "scores": [float(row[column])],
            "successes": [row[column] > 0.5],
            "lengths": [1],
        }
        for step, block, at, row in points
        for column in (range(len(tasks)) if columns is None else columns)
    )


def example_logs(method):
    return [
        log_of(np.array(curves).T, EXAMPLE["tasks"], tasks=EXAMPLE["tasks"])
        for curves in EXAMPLE["curves_method_seed_task"][method]
    ]


def by_name(metrics):
    return {metric.name: metric for metric in metrics}


def close(values):
    return pytest.approx(values, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_worked_example_over_seeds_is_met(method):
    expected = EXAMPLE["expected"][method]
    metrics = by_name(cw.cw_metrics_over_seeds(example_logs(method), references=EXAMPLE["references"]))
    for name in ("average_performance", "forgetting", "forward_transfer"):
        assert metrics[name].value == close(expected[name])
    assert list(metrics["average_performance"].per_task.values()) == close(expected["per_task_final"])
    assert list(metrics["forgetting"].per_task.values()) == close(expected["per_task_forgetting"])
    assert list(metrics["forward_transfer"].per_block) == close(expected["per_task_forward_transfer"])
    difference = np.subtract(expected["per_task_auc"], expected["per_task_auc_baseline"])
    assert list(metrics["forward_transfer_difference"].per_block) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_worked_example_of_each_seed_is_met(method):
    expected = EXAMPLE["expected"][method]
    runs = [by_name(score(log, ["cw"])) for log in example_logs(method)]
    assert [run["average_performance"].value for run in runs] == close(expected["per_seed_average_performance"])
    assert [run["forgetting"].value for run in runs] == close(expected["per_seed_forgetting"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["average_performance", "forgetting"])
def test_the_worked_example_of_the_interval_over_seeds_is_met(method, name):
    expected = EXAMPLE["expected"][method]
    interval = bootstrap_interval(expected[f"per_seed_{name}"], level=0.9)
    assert [interval.low, interval.high] == close(expected[f"{name}_ci90"])


@pytest.mark.parametrize("method", METHODS)
def test_the_worked_example_is_met_by_the_functions_on_arrays(method):
    expected = EXAMPLE["expected"][method]
    tables = [np.array(curves).T for curves in EXAMPLE["curves_method_seed_task"][method]]
    active, trained = np.repeat([0, 1, 2], 8), [0, 1, 2]
    learned = np.mean([cw.end_of_training(table, active, trained) for table in tables], axis=0)
    assert learned == close(expected["per_task_end_of_training"])
    curves = [cw.training_curves(table, active, trained) for table in tables]
    areas = [
        cw.area_transfer([run[i] for run in curves], EXAMPLE["references"][task])
        for i, task in enumerate(EXAMPLE["tasks"])
    ]
    assert [area.area for area in areas] == close(expected["per_task_auc"])
    assert [area.reference_area for area in areas] == close(expected["per_task_auc_baseline"])


def test_the_window_says_when_it_covers_more_than_half_of_a_block():
    metrics = by_name(score(example_logs("ewc")[0], ["cw"]))
    assert "more than half of a block's 8" in metrics["forgetting"].window
    long = by_name(score(log_of(np.full((20, 2), 0.5), "ab"), ["cw"]))
    assert long["forgetting"].window == "last 5 evaluations"


def test_two_tasks_by_hand():
    curves = [[0.2, 0.0], [0.6, 0.1], [0.4, 0.3], [0.2, 0.9]]
    references = {"a": [[0.2, 0.4]], "b": [[0.2, 0.6], [0.4, 0.4]]}
    metrics = by_name(cw.cw_metrics(log_of(curves, "ab"), references=references, window=2))
    assert metrics["average_performance"].value == pytest.approx((0.3 + 0.6) / 2)
    assert metrics["forgetting"].per_task == {"a": pytest.approx(0.1), "b": 0.0}
    assert metrics["forgetting"].value == pytest.approx(0.05)
    assert metrics["forward_transfer_difference"].per_block == (pytest.approx(0.1), pytest.approx(0.2))
    assert metrics["forward_transfer"].per_block == (pytest.approx(0.1 / 0.7), pytest.approx(0.2 / 0.6))


def test_the_evaluation_before_training_changes_nothing():
    curves = np.linspace(0, 1, 24).reshape(12, 2)
    references = {"a": [[0.5] * 6], "b": [[0.5] * 6]}
    with_start, without = (score(log_of(curves, "ab", start=start), ["cw"], references) for start in (True, False))
    assert with_start == without


def test_each_occurrence_of_a_repeated_task_is_scored_by_itself():
    curves = [[0.4, 0.0], [0.1, 0.8], [0.9, 0.2]]
    references = {"a": [[0.5]], "b": [[0.5]]}
    metrics = by_name(cw.cw_metrics(log_of(curves, "aba"), references=references, window=1))
    assert metrics["forgetting"].per_block == pytest.approx((-0.5, 0.6, 0.0))
    assert metrics["forgetting"].per_task == pytest.approx({"a": -0.25, "b": 0.6})
    assert metrics["forgetting"].value == pytest.approx(0.1 / 3)
    assert metrics["forward_transfer"].per_block == pytest.approx((-0.2, 0.6, 0.8))
    assert metrics["forward_transfer"].value == pytest.approx(0.4)


def test_fewer_evaluations_than_the_window_leave_the_window_metrics_undefined():
    metrics = by_name(score(log_of(np.full((8, 2), 0.5), "ab"), ["cw"], {"a": [[0.5]], "b": [[0.5]]}))
    assert "block has 4 evaluation(s), fewer than the window of 5" in metrics["average_performance"].reason
    assert "block 0 has 4 evaluation(s), fewer than the window of 5" in metrics["forgetting"].reason
    assert metrics["forward_transfer"].value == 0


def test_a_single_block_has_no_forgetting_rather_than_the_zero_of_the_formula():
    metrics = by_name(score(log_of(np.full((8, 1), 0.5), "a"), ["cw"]))
    assert metrics["forgetting"].value is None
    assert "nothing is trained after" in metrics["forgetting"].reason
    assert metrics["average_performance"].value == 0.5


def test_a_curriculum_run_has_its_mean_final_score_and_reasons_for_the_rest():
    log = log_of(np.linspace(0, 1, 20).reshape(10, 2), [None])
    metrics = by_name(score(log, ["cw"], {"a": [[0.5]]}))
    assert metrics.pop("average_performance").value == pytest.approx(np.linspace(0, 1, 20)[-10:].mean())
    assert all("block 0 has no fixed task" in metric.reason for metric in metrics.values())


def test_an_unfinished_run_defines_nothing():
    whole = log_of(np.full((20, 2), 0.5), "ab")
    log = whole.where(np.arange(len(whole)) < len(whole) - 1)
    assert all("unfinished" in metric.reason for metric in score(log, ["cw"], {"a": [[1.0]]}))


def test_without_reference_runs_only_forward_transfer_is_undefined():
    metrics = by_name(score(log_of(np.full((20, 2), 0.5), "ab"), ["cw"]))
    assert metrics["forgetting"].value == 0
    assert metrics["forward_transfer"].reason == "there are no reference runs to compare with"
    assert metrics["forward_transfer_difference"].value is None


def test_a_task_without_a_reference_run_is_named_and_the_others_stay_in_the_table():
    metrics = by_name(score(log_of(np.full((20, 2), 0.5), "ab"), ["cw"], {"a": [[0.0] * 10]}))
    assert metrics["forward_transfer"].reason == "task 'b': there is no reference run"
    assert metrics["forward_transfer"].per_task == {"a": 0.5, "b": None}


def test_a_reference_near_one_leaves_the_ratio_undefined_and_the_difference_defined():
    references = {"a": [[0.999] * 10], "b": [[0.0] * 10]}
    metrics = by_name(score(log_of(np.full((20, 2), 0.5), "ab"), ["cw"], references))
    assert metrics["forward_transfer"].value is None
    assert "task 'a': 1 - AUCb is 0.001, below the 0.01" in metrics["forward_transfer"].reason
    assert metrics["forward_transfer_difference"].value == pytest.approx((0.5 - 0.999 + 0.5) / 2)


def test_curves_are_cut_to_the_smallest_count_of_the_task():
    transfer = cw.area_transfer([[0.2, 0.4, 0.9]], [[0.0, 0.2, 0.7, 1.0], [0.2, 0.4]])
    assert transfer.n_evaluations == 2
    assert transfer.area == pytest.approx(0.3)
    assert transfer.reference_area == pytest.approx(0.2)


def test_areas_are_averaged_over_seeds_before_the_ratio():
    transfer = cw.area_transfer([[0.2], [0.6]], [[0.0], [0.8]])
    assert transfer.ratio() == 0.0
    assert np.mean([cw.area_transfer([[0.2]], [[0.0]]).ratio(), cw.area_transfer([[0.6]], [[0.8]]).ratio()]) != 0


def test_areas_of_returns_are_undefined():
    log = log_of(np.full((20, 2), 0.5), "ab")
    metrics = by_name(score(log, ["cw"], {"a": [[0.5]], "b": [[0.5]]}, value="return"))
    assert metrics["average_performance"].value == 50
    assert "no upper bound of 1" in metrics["forward_transfer"].reason


@pytest.mark.parametrize("curve", [[0.5, 1.5], [-0.1], [float("nan")], [[0.5]]])
def test_a_reference_curve_that_is_no_score_is_refused(curve):
    with pytest.raises(ValueError, match="a reference curve must"):
        cw.area_transfer([[0.5]], [curve])


def test_reference_curves_may_be_one_array():
    assert cw.area_transfer(np.array([[0.5, 0.7]]), np.array([[0.1, 0.3], [0.1, 0.3]])).difference == pytest.approx(
        0.4
    )


def test_an_empty_reference_curve_is_undefined():
    with pytest.raises(Undefined, match="no evaluation"):
        cw.area_transfer([[0.5]], [[]])


def test_a_window_of_zero_is_refused():
    with pytest.raises(ValueError, match="window must be at least 1"):
        cw.cw_metrics(log_of(np.full((20, 2), 0.5), "ab"), window=0)


def test_active_must_have_one_entry_an_evaluation():
    with pytest.raises(ValueError, match="one entry an evaluation"):
        cw.training_curves([[0.1], [0.2]], [0], [0])


def test_seeds_of_different_experiments_are_refused():
    logs = [log_of(np.full((20, 2), 0.5), "ab"), log_of(np.full((20, 2), 0.5), "ba")]
    with pytest.raises(ValueError, match="the same tasks and blocks"):
        cw.cw_metrics_over_seeds(logs)


def test_seeds_may_evaluate_the_tasks_in_another_order():
    curves = np.linspace(0, 1, 40).reshape(20, 2)
    logs = [log_of(curves, "ab"), log_of(curves, "ab", columns=(1, 0))]
    both, one = cw.cw_metrics_over_seeds(logs), cw.cw_metrics(logs[0])
    assert [metric.value for metric in both] == pytest.approx([metric.value for metric in one])


def test_references_may_be_the_logs_of_single_task_runs():
    run = log_of([[0.1, 0.0]] * 4, "ab")
    logs = [log_of([[0.1], [0.3]], "a"), log_of([[0.2], [0.4]], "a"), log_of([[0.5, 0.9]], "b")]
    curves = cw.reference_curves(references_by_task(logs), "score", run)
    assert {task: [curve.tolist() for curve in found] for task, found in curves.items()} == {
        "a": [[0.1, 0.3], [0.2, 0.4]],
        "b": [[0.9]],
    }


def test_the_logs_of_references_are_read_in_what_the_run_is_measured_in():
    log = log_of([[0.1, 0.0]] * 4, "ab")
    reference = log_of([[0.6], [0.3]], "a")
    assert cw.reference_curves({"a": [reference]}, "success", log)["a"][0].tolist() == [1.0, 0.0]


def test_a_run_with_several_blocks_is_no_reference():
    with pytest.raises(ValueError, match="one fixed task in one block"):
        references_by_task([log_of([[0.1, 0.3], [0.2, 0.3]], "ab")])


def test_references_at_other_steps_than_the_run_leave_forward_transfer_undefined():
    run = log_of([[0.1, 0.0]] * 4, "ab")
    episode = {"returns": [0.0], "scores": [0.0], "successes": [False], "lengths": [1]}
    every_20 = {"step": 20, "block": 0, "at": "end", "trained": "b", "task": "b"} | episode
    references = {"a": [[0.1, 0.1]], "b": [EvaluationLog.from_records([every_20])]}
    metrics = by_name(cw.cw_metrics(run, references=references, window=1))
    assert "task 'b' is evaluated at other steps" in metrics["forward_transfer"].reason


@settings(deadline=None)  # the machine may be busy
@given(arrays(np.float64, 3, elements=scores_in_unit_interval), st.integers(1, 6))
def test_an_agent_that_never_changes_forgets_nothing(row, window):
    metrics = by_name(cw.cw_metrics(log_of([row] * 18, "abc"), window=window))
    assert metrics["forgetting"].value == 0
    assert metrics["average_performance"].value == pytest.approx(row.mean())


@settings(deadline=None)  # the machine may be busy
@given(
    arrays(np.float64, (6, 3), elements=scores_in_unit_interval),
    arrays(np.float64, (3, 2), elements=scores_in_unit_interval),
    st.permutations(range(3)),
)
def test_the_order_of_evaluation_permutes_only_the_tables(curves, references, columns):
    curves_of = {task: [references[i]] for i, task in enumerate("abc")}
    plain = cw.cw_metrics(log_of(curves, "abc"), references=curves_of, window=2)
    mixed = cw.cw_metrics(log_of(curves, "abc", columns=columns), references=curves_of, window=2)
    for a, b in zip(plain, mixed, strict=True):
        assert (a.value is None) == (b.value is None)
        assert a.value is None or a.value == pytest.approx(b.value, abs=1e-12)
        assert a.per_task == b.per_task
        assert list(b.per_task) == ["abc"[column] for column in columns]


@settings(deadline=None)  # the machine may be busy
@given(
    arrays(np.float64, (6, 3), elements=scores_in_unit_interval),
    arrays(np.float64, (3, 2), elements=scores_in_unit_interval),
    scores_in_unit_interval,
)
def test_a_constant_task_that_is_only_evaluated_changes_no_other_task(curves, references, constant):
    curves_of = {task: [references[i]] for i, task in enumerate("abc")}
    wide = np.hstack([curves, np.full((6, 1), constant)])
    plain = by_name(cw.cw_metrics(log_of(curves, "abc"), references=curves_of, window=2))
    wider = by_name(cw.cw_metrics(log_of(wide, "abc"), references=curves_of, window=2))
    for name, metric in plain.items():
        assert {task: wider[name].per_task[task] for task in "abc"} == metric.per_task
        if name != "average_performance":
            assert wider[name].value == metric.value
            assert wider[name].per_task["d"] is None


@settings(deadline=None)  # the machine may be busy
@given(
    arrays(np.float64, (6, 2), elements=scores_in_unit_interval),
    arrays(np.float64, (2, 3), elements=scores_in_unit_interval),
)
def test_forward_transfer_is_at_most_one_and_finite(curves, references):
    curves_of = {task: [references[i]] for i, task in enumerate("ab")}
    ratio, difference = cw.cw_metrics(log_of(curves, "ab"), references=curves_of)[2:]
    assert difference.value is not None and abs(difference.value) <= 1
    assert (ratio.value is None) == (max(references.mean(axis=1)) > 1 - cw.MINIMUM_HEADROOM)
    assert ratio.value is None or (np.isfinite(ratio.value) and ratio.value <= 1 + 1e-12)
