"""Díaz-Rodríguez, Avalanche and LIBERO: numbers by hand, and what each does where others go wrong."""

import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, Undefined, avalanche, diaz, libero, score

# Worked example "matrix_4_tasks" of the project's metric examples
BEFORE = [0.1, 0.12, 0.08, 0.15]
AFTER = [[0.8, 0.22, 0.1, 0.18], [0.65, 0.85, 0.25, 0.15], [0.55, 0.7, 0.9, 0.3], [0.6, 0.62, 0.75, 0.7]]

# Worked example "libero_three_tasks", seed 0
CURVES = [[0.0, 0.23, 0.35, 0.33, 0.48], [0.13, 0.14, 0.35, 0.44, 0.57], [0.0, 0.05, 0.38, 0.47, 0.55]]
STORED = [[0.48, 0.0, 0.0], [0.36, 0.57, 0.0], [0.23, 0.31, 0.55]]


def log_of(before, after, trained="abcd", tasks=None):
    """A log with one evaluation before training (none for None) and one at the end of each block."""
    rows = after if before is None else [before, *after]
    blocks = np.arange(len(rows)) - (before is not None)
    tasks = "abcd"[: len(rows[0])] if tasks is None else tasks
    return EvaluationLog.from_arrays(list(tasks), rows, blocks=blocks, trained=list(trained)[: len(after)])


def metrics_of(log, family, **options):
    return {metric.name: metric for metric in score(log, [family], **options)}


def close(values):
    return pytest.approx(values, abs=1e-6)


# Díaz-Rodríguez


def test_the_worked_example_of_diaz_is_met_with_a_number_a_pair():
    metrics = metrics_of(log_of(BEFORE, AFTER), "diaz")
    assert metrics["accuracy"].value == close(0.712)
    assert metrics["backward_transfer"].value == close(-0.188333)
    assert metrics["remembering"].value == close(0.811667)
    assert metrics["positive_backward_transfer"].value == 0
    assert metrics["forward_transfer"].value == close(0.2)
    assert metrics["average_incremental_accuracy"].value == close(0.733542)
    assert metrics["average_incremental_accuracy"].per_block == close([0.8, 0.75, 2.15 / 3, 0.6675])
    assert metrics["backward_transfer"].per_pair == {
        "b": {"a": (close(-0.15),)},
        "c": {"a": (close(-0.25),), "b": (close(-0.15),)},
        "d": {"a": (close(-0.2),), "b": (close(-0.23),), "c": (close(-0.15),)},
    }
    assert metrics["forward_transfer"].per_pair["a"] == {"b": (0.22,), "c": (0.1,), "d": (0.18,)}
    assert metrics["backward_transfer"].per_task == {
        "a": close(-0.2),
        "b": close(-0.19),
        "c": close(-0.15),
        "d": None,
    }
    assert metrics["remembering"].per_task["b"] == close(0.81)


def test_later_tasks_that_help_are_remembered_in_full_and_count_as_positive_transfer():
    metrics = metrics_of(log_of(None, [[0.5, 0.0], [0.7, 0.8]]), "diaz")
    assert metrics["remembering"].value == 1
    assert metrics["positive_backward_transfer"].value == close(0.2)


def test_forward_transfer_of_diaz_is_not_zero_without_transfer_since_it_has_no_baseline():
    metric = metrics_of(log_of([0.3, 0.3], [[0.3, 0.3], [0.3, 0.3]]), "diaz")["forward_transfer"]
    assert metric.value == close(0.3)
    assert "without the untrained agent's" in metric.reference


def test_one_task_has_an_accuracy_and_no_transfer():
    metrics = metrics_of(log_of([0.1], [[0.6]]), "diaz")
    assert metrics.pop("accuracy").value == 0.6
    assert metrics.pop("average_incremental_accuracy").value == 0.6
    assert all("at least two trained tasks" in metric.reason for metric in metrics.values())


def test_the_matrix_of_diaz_has_no_place_for_a_repeated_task():
    log = log_of([0.1, 0.1], [[0.8, 0.1], [0.5, 0.7], [0.9, 0.6]], trained="aba")
    assert all("'a' is trained in blocks 0, 2" in metric.reason for metric in metrics_of(log, "diaz").values())


@pytest.mark.parametrize("function", [diaz.accuracy, diaz.backward_transfers, diaz.average_incremental_accuracy])
def test_a_matrix_that_is_not_square_is_refused(function):
    with pytest.raises(ValueError, match="after must"):
        function([[0.1, 0.2]])


# Avalanche


def test_the_worked_example_of_avalanche_is_met_with_an_experience_a_block():
    metrics = metrics_of(log_of(BEFORE, AFTER), "avalanche")
    assert metrics["forgetting"].per_block == close((0.2, 0.23, 0.15, 0.0))
    assert metrics["forgetting"].value == close(0.58 / 3)
    assert metrics["backward_transfer"].per_block == close((-0.2, -0.23, -0.15, 0.0))
    assert metrics["backward_transfer"].value == close(-0.58 / 3)
    assert metrics["forward_transfer"].per_block == (None, close(0.1), close(0.17), close(0.15))
    assert metrics["forward_transfer"].value == close(0.14)
    assert metrics["forward_transfer"].per_task["a"] is None


def test_each_occurrence_of_a_repeated_task_is_an_experience():
    log = log_of([0.1, 0.0], [[0.8, 0.1], [0.5, 0.7], [0.9, 0.6]], trained="aba")
    metrics = metrics_of(log, "avalanche")
    assert metrics["forgetting"].per_block == close((-0.1, 0.1, 0.0))
    assert metrics["forgetting"].value == close(0.0)
    assert metrics["forgetting"].per_task == {"a": close(-0.05), "b": close(0.1)}
    assert metrics["forward_transfer"].per_block == (None, close(0.1), close(0.4))
    assert metrics["forward_transfer"].per_task == {"a": close(0.4), "b": close(0.1)}


def test_an_online_stream_says_why_it_has_no_value():
    """Avalanche reports nothing for it, silently (its issue 1343)."""
    scores = np.linspace(0, 1, 12).reshape(6, 2)
    online = EvaluationLog.from_arrays(["a", "b"], scores, blocks=[-1, 0, 0, 0, 0, 0], trained=[None])
    for metric in metrics_of(online, "avalanche").values():
        assert metric.value is None and "block 0 has no fixed task" in metric.reason


def test_without_an_evaluation_before_training_avalanche_has_only_forgetting():
    metrics = metrics_of(log_of(None, AFTER), "avalanche")
    assert metrics["forward_transfer"].reason.startswith("there is no evaluation before training")
    assert metrics["forgetting"].value is not None and metrics["backward_transfer"].value is not None


def test_a_single_experience_has_no_stream_though_it_has_the_zero_of_the_formula():
    assert avalanche.forgetting([[0.6]]).tolist() == [0.0]
    with pytest.raises(Undefined, match="at least two"):
        avalanche.stream_forgetting([[0.6]])
    assert all(metric.value is None for metric in metrics_of(log_of([0.1], [[0.6]]), "avalanche").values())


# LIBERO


def test_the_worked_example_of_libero_is_met():
    forward = libero.forward_transfer(CURVES)
    assert forward.mean() == close(0.298)
    assert libero.negative_backward_transfer(STORED).mean() == close(0.148333)
    assert libero.area_under_curve(forward, STORED).mean() == close(0.299111)


def test_the_upper_triangle_that_libero_stores_as_zero_is_never_read():
    filled = np.array(STORED) + np.triu(np.full((3, 3), 7.0), 1)
    assert libero.negative_backward_transfer(filled).tolist() == libero.negative_backward_transfer(STORED).tolist()
    forward = libero.forward_transfer(CURVES)
    assert libero.area_under_curve(forward, filled).tolist() == libero.area_under_curve(forward, STORED).tolist()


def two_blocks():
    """Two blocks of two evaluations; the first one's best is not its last."""
    scores = [[0.0, 0.2], [0.8, 0.2], [0.5, 0.1], [0.4, 0.3], [0.3, 0.6]]
    return EvaluationLog.from_arrays(["a", "b"], scores, blocks=[-1, 0, 0, 1, 1], trained=["a", "b"])


def test_the_mode_best_selects_on_the_evaluation_and_the_mode_last_does_not():
    metrics = metrics_of(two_blocks(), "libero")
    assert metrics["forward_transfer_best"].per_block == close((1.6 / 3, 1.0 / 3))
    assert metrics["forward_transfer_last"].per_block == close((1.3 / 3, 1.0 / 3))
    assert metrics["negative_backward_transfer_best"].per_block == close((0.5, 0.0))
    assert metrics["negative_backward_transfer_last"].per_block == close((0.2, 0.0))
    assert metrics["area_under_curve_best"].per_block == close(((1.6 / 3 + 0.3) / 2, 1.0 / 3))
    assert metrics["area_under_curve_last"].per_block == close(((1.3 / 3 + 0.3) / 2, 1.0 / 3))
    assert "selected on itself" in metrics["negative_backward_transfer_best"].reference


def test_without_epoch_zero_libero_has_only_its_forgetting():
    log = two_blocks().where(np.arange(10) >= 2)
    metrics = metrics_of(log, "libero")
    assert metrics["negative_backward_transfer_best"].per_block == close((0.5, 0.0))
    for name in ("forward_transfer_best", "area_under_curve_last"):
        assert metrics[name].reason == "there is no evaluation before training to compare with"


def test_a_single_block_has_a_speed_and_no_forgetting():
    metrics = metrics_of(log_of([0.1], [[0.6]]), "libero")
    assert metrics["forward_transfer_last"].value == close(0.35)
    assert metrics["area_under_curve_last"].value == close(0.35)
    assert metrics["negative_backward_transfer_last"].reason.startswith("nothing is trained after the only block")


def test_libero_scores_each_occurrence_of_a_repeated_task():
    log = log_of([0.1, 0.0], [[0.8, 0.1], [0.5, 0.7], [0.9, 0.6]], trained="aba")
    metric = metrics_of(log, "libero")["negative_backward_transfer_last"]
    assert metric.per_block == close(((0.3 - 0.1) / 2, 0.1, 0.0))
    assert metric.per_task == {"a": close(0.05), "b": close(0.1)}


def test_a_curve_is_flat_after_its_first_maximum():
    assert libero.flattened([0.1, 0.7, 0.2, 0.7, 0.3]).tolist() == [0.1, 0.7, 0.7, 0.7, 0.7]


def test_libero_refuses_a_mode_and_an_empty_curve():
    with pytest.raises(ValueError, match="mode must be one of best, last"):
        libero.forward_transfer(CURVES, "worst")
    with pytest.raises(Undefined, match="no evaluation"):
        libero.forward_transfer([[]])
    with pytest.raises(ValueError, match="forward must have 3 entries"):
        libero.area_under_curve([0.1], STORED)


# What every one of them does


@pytest.mark.parametrize("family", ["diaz", "avalanche", "libero"])
def test_a_missing_evaluation_at_the_end_of_a_block_is_named(family):
    after = np.array(AFTER)
    after[1, 2] = np.nan
    reasons = {metric.reason for metric in metrics_of(log_of(BEFORE, after), family).values()}
    assert reasons == {"task 'c' was not evaluated at the end of block 1"}


@pytest.mark.parametrize("family", ["diaz", "avalanche", "libero"])
def test_a_task_that_is_only_evaluated_stays_without_value(family):
    wide = np.hstack([[BEFORE, *AFTER], np.full((5, 1), 0.4)])
    for metric in metrics_of(log_of(wide[0], wide[1:], tasks="abcdx"), family).values():
        assert metric.value is not None
        assert metric.per_task["x"] is None
