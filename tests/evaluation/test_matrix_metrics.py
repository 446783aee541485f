import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lifelong_rl.evaluation import EvaluationLog, Undefined, score
from lifelong_rl.evaluation.chaudhry import forgetting
from lifelong_rl.evaluation.gem import average_accuracy, backward_transfer, forward_transfer

# Worked example "matrix_4_tasks" of the project's metric examples
BEFORE = [0.1, 0.12, 0.08, 0.15]
AFTER = [[0.8, 0.22, 0.1, 0.18], [0.65, 0.85, 0.25, 0.15], [0.55, 0.7, 0.9, 0.3], [0.6, 0.62, 0.75, 0.7]]
TASKS = ("a", "b", "c", "d")

scores_in_unit_interval = st.floats(0, 1, allow_subnormal=False)


def squares(n_least=2):
    sizes = st.integers(n_least, 5)
    return sizes.flatmap(lambda n: arrays(np.float64, (n + 1, n), elements=scores_in_unit_interval))


def log_of(before, after, *, tasks=TASKS, trained=None, columns=None):
    """A log with one evaluation before training (none for None) and one at the end of each block."""
    trained = tasks[: len(after)] if trained is None else trained
    columns = range(len(tasks)) if columns is None else columns
    rows = ([] if before is None else [(0, 0, "start", before)]) + [
        (10 * (block + 1), block, "end", row) for block, row in enumerate(after)
    ]
    return EvaluationLog.from_records(
        {
            "step": step,
            "block": block,
            "at": at,
            "trained": trained[block],
            "task": tasks[column],
            "returns": [-row[column]],
            "scores": [float(row[column])],
            "successes": [row[column] > 0.5],
            "lengths": [1],
        }
        for step, block, at, row in rows
        for column in columns
    )


def metrics_of(log, families=("gem", "chaudhry"), **options):
    return {f"{metric.family}/{metric.name}": metric for metric in score(log, families, **options)}


def test_the_worked_example_of_gem_is_met():
    assert average_accuracy(AFTER[-1]) == pytest.approx(0.6675, rel=1e-5)
    assert backward_transfer(AFTER).mean() == pytest.approx(-0.193333, rel=1e-5)
    assert forward_transfer(AFTER, BEFORE).mean() == pytest.approx(0.14, rel=1e-5)


def test_the_worked_example_of_chaudhry_is_met():
    assert forgetting(AFTER).mean() == pytest.approx(0.193333, rel=1e-5)
    assert forgetting(AFTER, from_own_training=True).mean() == pytest.approx(0.193333, rel=1e-5)


def test_a_log_gives_the_worked_example_with_a_table_a_task():
    metrics = metrics_of(log_of(BEFORE, AFTER))
    assert metrics["gem/average_accuracy"].value == pytest.approx(0.6675)
    assert metrics["gem/backward_transfer"].value == pytest.approx(-0.58 / 3)
    assert metrics["gem/forward_transfer"].value == pytest.approx(0.14)
    assert metrics["chaudhry/forgetting"].value == pytest.approx(0.58 / 3)
    backward = metrics["gem/backward_transfer"].per_task
    assert backward == {"a": pytest.approx(-0.2), "b": pytest.approx(-0.23), "c": pytest.approx(-0.15), "d": None}
    forward = metrics["gem/forward_transfer"].per_task
    assert forward == {"a": None, "b": pytest.approx(0.1), "c": pytest.approx(0.17), "d": pytest.approx(0.15)}


def test_a_better_score_before_the_tasks_own_training_counts_unless_it_is_left_out():
    after = [[0.5, 0.9, 0.0], [0.5, 0.4, 0.0], [0.5, 0.3, 0.0]]
    assert forgetting(after).tolist() == pytest.approx([0.0, 0.6])
    assert forgetting(after, from_own_training=True).tolist() == pytest.approx([0.0, 0.1])


def test_a_single_task_has_an_accuracy_and_reasons_for_the_rest():
    metrics = metrics_of(log_of([0.1], [[0.6]], tasks=("a",)))
    assert metrics.pop("gem/average_accuracy").value == 0.6
    assert {metric.value for metric in metrics.values()} == {None}
    assert all("at least two trained tasks" in metric.reason for metric in metrics.values())


def test_a_repeated_task_leaves_only_the_accuracy_defined():
    log = log_of([0.1, 0.1], [[0.8, 0.1], [0.5, 0.7], [0.9, 0.6]], tasks=("a", "b"), trained=("a", "b", "a"))
    metrics = metrics_of(log)
    assert metrics.pop("gem/average_accuracy").value == pytest.approx(0.75)
    assert all("'a' is trained in blocks 0, 2" in metric.reason for metric in metrics.values())


def test_without_an_evaluation_before_training_only_forward_transfer_is_undefined():
    metrics = metrics_of(log_of(None, AFTER))
    assert metrics.pop("gem/forward_transfer").reason.startswith("there is no evaluation before training")
    assert all(metric.value is not None for metric in metrics.values())


def test_a_block_with_a_teacher_leaves_the_mean_final_score_defined():
    metrics = metrics_of(log_of([0.1, 0.2], [[0.6, 0.8]], tasks=("a", "b"), trained=(None,)))
    assert metrics.pop("gem/average_accuracy").value == pytest.approx(0.7)
    assert all("block 0 has no fixed task" in metric.reason for metric in metrics.values())


def test_a_log_with_only_the_evaluation_before_training_defines_nothing():
    metrics = metrics_of(log_of(BEFORE, [], trained=("a",)))
    assert all(metric.reason.startswith("nothing was trained") for metric in metrics.values())


def test_an_unfinished_run_defines_nothing():
    whole = log_of(BEFORE, AFTER)
    cut = whole.where(np.arange(len(whole)) < len(whole) - 1)
    assert all("the run is unfinished" in metric.reason for metric in metrics_of(cut).values())


def test_a_task_that_is_trained_but_never_evaluated_is_named():
    metrics = metrics_of(log_of(BEFORE, AFTER, trained=("a", "b", "c", "x")))
    assert "'x' is trained in block 3 but never evaluated" in metrics["gem/backward_transfer"].reason


def test_a_missing_evaluation_at_the_end_of_a_block_is_named():
    whole = log_of(BEFORE, AFTER)
    point = next(i for i, p in enumerate(whole.points) if p.block == 1 and p.at == "end")
    is_missing = (whole.point_index == point) & (whole.task_index == whole.tasks.index("c"))
    metrics = metrics_of(whole.where(~is_missing))
    assert "'c' was not evaluated at the end of block 1" in metrics["gem/backward_transfer"].reason


def test_returns_can_be_measured_instead_of_scores():
    metrics = metrics_of(log_of(BEFORE, AFTER), value="return")
    assert metrics["gem/average_accuracy"].value == pytest.approx(-0.6675)
    assert metrics["gem/average_accuracy"].measured == "return"


def test_every_value_names_its_definition():
    for metric in metrics_of(log_of(BEFORE, AFTER)).values():
        assert "better" in metric.sign
        assert "evaluation" in metric.window
        assert metric.reference
        assert "arXiv" in metric.source


@pytest.mark.parametrize("wrong", [[[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]], [0.1, 0.2]])
def test_a_matrix_that_is_not_square_is_refused(wrong):
    with pytest.raises(ValueError, match="after must"):
        backward_transfer(wrong)


def test_a_matrix_with_nan_or_a_mask_is_refused():
    with pytest.raises(ValueError, match="finite"):
        backward_transfer([[0.1, np.nan], [0.1, 0.2]])
    with pytest.raises(ValueError, match="masked"):
        backward_transfer(np.ma.masked_less([[0.1, 0.5], [0.6, 0.7]], 0.2))


def test_the_untrained_scores_must_be_one_a_task():
    with pytest.raises(ValueError, match="before must have 4 entries"):
        forward_transfer(AFTER, BEFORE[:3])


def test_arrays_of_a_single_task_are_undefined():
    with pytest.raises(Undefined, match="at least two"):
        forgetting([[0.4]])


@settings(deadline=None)  # the machine may be busy
@given(squares())
def test_forgetting_is_never_below_minus_backward_transfer(table):
    assert forgetting(table[1:]).mean() >= -backward_transfer(table[1:]).mean() - 1e-12


@settings(deadline=None)  # the machine may be busy
@given(squares())
def test_transfers_of_scores_stay_within_minus_one_and_one(table):
    for values in (backward_transfer(table[1:]), forward_transfer(table[1:], table[0]), forgetting(table[1:])):
        assert np.all(np.abs(values) <= 1)


@settings(deadline=None)  # the machine may be busy
@given(arrays(np.float64, 4, elements=scores_in_unit_interval))
def test_an_agent_that_never_changes_neither_forgets_nor_transfers(row):
    metrics = metrics_of(log_of(row, [row] * 4))
    for name in ("gem/backward_transfer", "gem/forward_transfer", "chaudhry/forgetting"):
        assert metrics[name].value == 0


@settings(deadline=None)  # the machine may be busy
@given(squares(), st.randoms(use_true_random=False))
def test_the_order_of_evaluation_changes_no_value(table, random):
    n = table.shape[1]
    columns = random.sample(range(n), n)
    plain = metrics_of(log_of(table[0], table[1:], tasks=TASKS[:n] if n < 5 else (*TASKS, "e")))
    mixed = metrics_of(log_of(table[0], table[1:], tasks=TASKS[:n] if n < 5 else (*TASKS, "e"), columns=columns))
    for name, metric in plain.items():
        assert mixed[name].value == pytest.approx(metric.value, abs=1e-12)
        assert mixed[name].per_task == metric.per_task
        assert list(mixed[name].per_task) != list(metric.per_task) or columns == list(range(n))


@settings(deadline=None)  # the machine may be busy
@given(squares(), scores_in_unit_interval)
def test_a_constant_task_that_is_only_evaluated_changes_no_other_task(table, constant):
    n = table.shape[1]
    tasks = tuple("abcde"[:n])
    wide = np.hstack([table, np.full((n + 1, 1), constant)])
    plain = metrics_of(log_of(table[0], table[1:], tasks=tasks))
    wider = metrics_of(log_of(wide[0], wide[1:], tasks=(*tasks, "held-out"), trained=tasks))
    for name, metric in plain.items():
        assert {task: wider[name].per_task[task] for task in tasks} == metric.per_task
        if name != "gem/average_accuracy":
            assert wider[name].value == metric.value
            assert wider[name].per_task["held-out"] is None
