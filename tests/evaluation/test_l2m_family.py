"""The family "l2m": what our logs become, what it says where there is no number, and that it never lies."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import EvaluationLog, TrainingLog, score
from lifelong_rl.evaluation.l2m import L2MOptions, l2m_metrics, l2metrics_report, regimes_of
from lifelong_rl.evaluation.statistics import bootstrap_interval

RAW = L2MOptions(normalization_method="none", smoothing_method="none")
NAMES = [
    "perf_recovery",
    "avg_train_perf",
    "avg_eval_perf",
    "perf_maintenance_mrlep",
    "perf_maintenance_mrtlp",
    "ste_rel_perf",
    "sample_efficiency",
    *(f"{way}_transfer_{form}" for way in ("forward", "backward") for form in ("ratio", "contrast", "difference")),
]


def run(scores, trained, *, tasks=("a", "b"), blocks=None, training=None, measured="score"):
    """A log with an evaluation before training and one at the end of each block, unless blocks says otherwise."""
    blocks = range(-1, len(scores) - 1) if blocks is None else blocks
    log = EvaluationLog.from_arrays(tasks, scores, blocks=blocks, trained=trained, measured=measured)
    if training is None:
        return log
    played = [task for task, values in training for _ in values]
    of_block = np.repeat(np.arange(len(training)), [len(values) for _, values in training])
    values = np.concatenate([values for _, values in training])
    return log.with_training(TrainingLog.from_arrays(played, values, blocks=of_block, measured=measured))


def metrics(log, *, references=None, options=RAW, value="score"):
    return {m.name: m for m in l2m_metrics(log, references=references, value=value, options=options)}


ALTERNATING = run(
    [[0.1, 0.2], [0.5, 0.3], [0.4, 0.6], [0.6, 0.5], [0.5, 0.7]],
    ["a", "b", "a", "b"],
    training=[("a", [0.1, 0.5]), ("b", [0.3, 0.6]), ("a", [0.4, 0.5, 0.6]), ("b", [0.5, 0.7])],
)


def test_every_metric_has_its_name_sign_window_reference_and_source():
    found = metrics(ALTERNATING)
    assert list(found) == NAMES
    for metric in found.values():
        assert metric.family == "l2m" and metric.sign == "higher is better"
        assert "2201.08278" in metric.source and metric.window and metric.reference
        assert list(metric.per_task) == ["a", "b"]


def test_an_alternating_run_gives_the_numbers_by_hand():
    found = metrics(ALTERNATING)
    assert found["avg_train_perf"].per_task == pytest.approx({"a": 0.4, "b": 0.525})
    assert found["avg_eval_perf"].value == pytest.approx((0.42 + 0.46) / 2)
    assert found["perf_maintenance_mrlep"].per_task == pytest.approx({"a": -0.1, "b": -0.1})
    assert found["perf_maintenance_mrtlp"].per_task == pytest.approx({"a": -0.1, "b": -0.1})
    assert found["forward_transfer_ratio"].per_pair == {"a": {"b": pytest.approx((1.5,))}}
    assert found["forward_transfer_contrast"].value == pytest.approx(0.2)
    assert found["forward_transfer_difference"].value == pytest.approx(0.1)
    backward = found["backward_transfer_difference"]
    assert backward.per_pair == {"a": {"b": pytest.approx((-0.1,))}, "b": {"a": pytest.approx((-0.1, -0.1))}}
    assert backward.per_task == pytest.approx({"a": -0.1, "b": -0.1})


def test_the_family_gives_the_lifetime_values_of_the_report():
    references = {"a": [[0.2, 0.3, 0.4]], "b": [[0.1, 0.8], [0.2, 0.9]]}
    for options in (RAW, L2MOptions()):
        found = metrics(ALTERNATING, references=references, options=options)
        lifetime = l2metrics_report(regimes_of(ALTERNATING), references, options)["lifetime"]
        assert {name: found[name].value for name in lifetime} == pytest.approx(lifetime)


def test_a_metric_has_an_interval_over_seeds_and_none_for_one_of_them():
    """Trap k of l2metrics: it has no intervals, only a table of the runs' values."""
    seeds = [run([[0.1, 0.2], [0.5, 0.3], [kept, 0.6]], ["a", "b"]) for kept in (0.4, 0.2)]
    losses = [metrics(seed)["backward_transfer_difference"].value for seed in seeds]
    assert losses == pytest.approx([-0.1, -0.3])
    interval = bootstrap_interval(losses)
    # of the means that two seeds can resample to, each end has a chance of 1/4, more than either tail
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((-0.2, -0.3, -0.1))
    with pytest.raises(ValueError, match="at least two seeds, found 1"):
        bootstrap_interval(losses[:1])


def test_the_options_choose_the_forms_and_the_difference_is_always_there():
    options = L2MOptions(maintenance_method="mrlep", transfer_method="contrast")
    expected = [n for n in NAMES if not n.endswith(("mrtlp", "ratio"))]
    assert list(metrics(ALTERNATING, options=options)) == expected


def test_evaluations_inside_a_block_do_not_cut_it():
    training = [("a", [0.1, 0.5])]
    cut = run([[0.1], [0.9], [0.5]], ["a"], tasks=("a",), blocks=[-1, 0, 0], training=training)
    whole = run([[0.1], [0.5]], ["a"], tasks=("a",), training=training)
    assert [m.value for m in metrics(cut).values()] == [m.value for m in metrics(whole).values()]


def test_a_block_of_several_tasks_is_a_learning_block_for_each_stretch():
    log = run([[0.1, 0.2], [0.5, 0.3]], [None]).with_training(
        TrainingLog.from_arrays(["a", "a", "b", "a"], [0.1, 0.2, 0.3, 0.4], blocks=[0, 0, 0, 0], measured="score")
    )
    regimes = regimes_of(log, "score")
    assert [regimes.tasks[i] for i in regimes.task] == ["a", "b", "a", "b", "a", "a", "b"]
    assert regimes.block.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert regimes.lengths.tolist() == [1, 1, 2, 1, 1, 1, 1]


def test_a_log_without_training_episodes_gives_what_evaluations_give():
    found = metrics(run([[0.1, 0.2], [0.5, 0.3], [0.4, 0.6]], ["a", "b"]))
    assert found["perf_maintenance_mrlep"].per_task == pytest.approx({"a": -0.1, "b": None})
    assert found["forward_transfer_difference"].value == pytest.approx(0.1)
    assert found["backward_transfer_difference"].value == pytest.approx(-0.1)
    for name in ("perf_recovery", "avg_train_perf", "perf_maintenance_mrtlp", "ste_rel_perf", "sample_efficiency"):
        assert found[name].reason == "the log holds no training episodes with their score"


def test_a_curriculum_without_known_episodes_says_so():
    found = metrics(run([[0.1, 0.2], [0.5, 0.3]], [None]))
    assert "what block 0 trained is not known" in found["forward_transfer_ratio"].reason
    assert "no task was evaluated again" in found["perf_maintenance_mrlep"].reason


def test_tasks_that_are_trained_and_never_evaluated_count_for_the_run_alone():
    found = metrics(run([[0.1], [0.5]], ["x"], tasks=("a",), training=[("x", [0.3])]))
    assert found["avg_train_perf"].value == 0.3
    assert found["avg_train_perf"].per_task == {"a": None}
    assert found["forward_transfer_difference"].per_pair == {"x": {"a": pytest.approx((0.4,))}}


def test_a_run_shorter_than_three_learning_blocks_has_no_recovery():
    assert "no task has three learning blocks" in metrics(ALTERNATING)["perf_recovery"].reason


def test_what_was_always_solved_recovers_at_once_whatever_the_length_of_its_blocks():
    """A moving average over ones is 1 or a bit less, by rounding; that bit is nothing to recover from."""
    for lengths in ((20, 30, 55), (55, 30, 20), (30, 20, 65)):
        training = [pair for n in lengths for pair in (("a", [1.0] * n), ("b", [0.0, 1.0]))]
        trained = [task for task, _ in training]
        log = run([[0.0, 0.0]] + [[1.0, 1.0]] * 6, trained, training=training)
        for options in (L2MOptions(), L2MOptions(normalization_method="none")):
            assert metrics(log, options=options)["perf_recovery"].per_task["a"] == 0.0


def test_recovery_needs_fewer_changes_of_task_than_a_curriculum_makes():
    played = ["a", "b"] * 1002
    log = run([[0.1, 0.2], [0.5, 0.3]], [None]).with_training(
        TrainingLog.from_arrays(played, np.zeros(len(played)), blocks=np.zeros(len(played), int), measured="score")
    )
    assert "a task has 1002 learning blocks" in metrics(log)["perf_recovery"].reason


def test_a_zero_before_is_none_in_the_table_and_the_difference_remains():
    found = metrics(run([[0.1, 0.0], [0.5, 0.3]], ["a"]))
    assert found["forward_transfer_ratio"].value is None
    assert "every evaluation before is 0" in found["forward_transfer_ratio"].reason
    assert found["forward_transfer_ratio"].per_pair == {"a": {"b": (None,)}}
    assert found["forward_transfer_difference"].value == pytest.approx(0.3)


NEGATIVE = run(
    [[-10.0, -20.0], [-5.0, -22.0], [-6.0, -8.0]],
    ["a", "b"],
    training=[("a", [-10.0, -5.0]), ("b", [-20.0, -8.0])],
    measured="return",
)


def test_ratios_over_negative_scores_are_undefined_unless_the_guard_is_off():
    references = {"a": [[-9.0, -4.0]]}
    found = metrics(NEGATIVE, references=references, value="return")
    ratios = [n for n in NAMES if n.endswith(("ratio", "contrast", "rel_perf", "efficiency"))]
    for name in ratios:
        assert found[name].value is None and "negative in places" in found[name].reason
    assert found["forward_transfer_difference"].value == -2.0
    bare = L2MOptions(normalization_method="none", smoothing_method="none", guard=False)
    unguarded = metrics(NEGATIVE, references=references, value="return", options=bare)
    assert unguarded["forward_transfer_ratio"].value == pytest.approx(1.1)
    assert unguarded["ste_rel_perf"].value == pytest.approx(15 / 13)


def test_normalised_negative_scores_have_ratios():
    found = metrics(NEGATIVE, value="return", options=L2MOptions())
    assert found["backward_transfer_ratio"].value == pytest.approx(81 / 101)
    assert "extremes in this run" in found["backward_transfer_ratio"].window


def test_references_are_logs_with_training_episodes_or_training_curves():
    alone = run([[0.1], [0.5]], ["a"], tasks=("a",), training=[("a", [0.2, 0.3])])
    found = metrics(ALTERNATING, references={"a": [alone]})
    assert found["ste_rel_perf"].per_task == pytest.approx({"a": 0.6 / 0.5, "b": None})
    assert found == metrics(ALTERNATING, references={"a": [[0.2, 0.3]]})
    without = metrics(ALTERNATING, references={"a": [run([[0.1], [0.5]], ["a"], tasks=("a",))]})
    assert "no single-task run of a trained task holds training episodes" in without["ste_rel_perf"].reason
    assert "no single-task runs to compare with" in metrics(ALTERNATING)["sample_efficiency"].reason


def test_an_expert_that_scored_nothing_is_named_in_the_reason():
    found = metrics(ALTERNATING, references={"a": [[0.0, 0.0, 0.0]], "b": [[0.5, 0.5]]})["ste_rel_perf"]
    assert found.value is None
    assert found.reason.startswith("'a': the ratio to a single-task run whose scores sum to 0 is infinite")
    assert found.per_task == pytest.approx({"a": None, "b": 0.9})


def test_a_reference_run_of_another_task_is_refused():
    alone = run([[0.1], [0.5]], ["a"], tasks=("a",), training=[("a", [0.2, 0.3])])
    with pytest.raises(ValueError, match="reference run of task 'b' trained 'a'"):
        metrics(ALTERNATING, references={"b": [alone]})


def test_what_the_log_does_not_hold_is_the_reason_everywhere():
    found = metrics(NEGATIVE, value="success")
    assert {m.reason for m in found.values()} == {"this log holds no success of an episode: measure the return"}


def test_variants_share_the_value_of_their_label():
    log = run([[0.1, 0.2], [0.5, 0.4]], ["t_1"], tasks=("u_1", "u_2"))
    agnostic = L2MOptions(normalization_method="none", smoothing_method="none", variant_mode="agnostic")
    found = metrics(log, options=agnostic)["avg_eval_perf"]
    assert found.value == pytest.approx(0.3)
    assert found.per_task == pytest.approx({"u_1": 0.3, "u_2": 0.3})


def test_a_frozen_agent_transfers_and_forgets_nothing():
    log = run([[0.25, 0.5]] * 5, list("abab"), training=[(t, [0.25 if t == "a" else 0.5] * 9) for t in "abab"])
    for options in (RAW, L2MOptions()):
        found = metrics(log, options=options)
        for name in NAMES[3:5] + NAMES[7:]:
            assert found[name].value == (1.0 if name.endswith("ratio") else 0.0)


def test_returns_near_the_largest_float_give_reasons_instead_of_infinity():
    log = run([[1e308, -1e308], [-1e308, 1e308]], ["a"], training=[("a", [1e308, 1e308])], measured="return")
    for options in (RAW, L2MOptions(), L2MOptions(clamp_outliers=True), L2MOptions(normalization_method="run")):
        for metric in l2m_metrics(log, references={"a": [[1e308, 1e308]]}, value="return", options=options):
            assert metric.value is None or math.isfinite(metric.value)


@st.composite
def logs_with_training(draw):
    tasks = draw(st.lists(st.sampled_from(["a_1", "a_2", "b"]), min_size=1, max_size=3, unique=True))
    trained = draw(st.lists(st.sampled_from([*tasks, "x_1", None]), max_size=4))
    n_points = draw(st.integers(1, 5))
    blocks = sorted(draw(st.lists(st.integers(0, max(len(trained) - 1, 0)), min_size=n_points, max_size=n_points)))
    blocks = blocks if trained else [-1]
    if trained and draw(st.booleans()):
        blocks[0] = -1
    table = [[draw(st.floats(0, 1)) for _ in tasks] for _ in blocks]
    log = EvaluationLog.from_arrays(tasks, table, blocks=blocks, trained=trained)
    n = draw(st.integers(0, 25))
    played = draw(st.lists(st.sampled_from([*tasks, "x_1"]), min_size=n, max_size=n))
    of_block = sorted(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    values = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    measured = draw(st.sampled_from(["score", "return"]))
    return log.with_training(TrainingLog.from_arrays(played, values, blocks=of_block, measured=measured))


any_options = st.builds(
    L2MOptions,
    normalization_method=st.sampled_from(["task", "run", "none"]),
    smoothing_method=st.sampled_from(["flat", "hanning", "none"]),
    window_length=st.sampled_from([None, 3, 4]),
    clamp_outliers=st.booleans(),
    data_range=st.sampled_from([None, (0.0, 1.0), (0.25, 0.25)]),
    ste_averaging_method=st.sampled_from(["metrics", "time"]),
    aggregation_method=st.sampled_from(["mean", "median"]),
    variant_mode=st.sampled_from(["aware", "agnostic"]),
    guard=st.booleans(),
)


@settings(deadline=None)
@given(
    logs_with_training(),
    st.dictionaries(
        st.sampled_from(["a_1", "b", "x_1"]), st.lists(st.lists(st.floats(0, 1), max_size=6), max_size=2)
    ),
    any_options,
)
def test_any_log_with_any_options_gives_finite_values_or_reasons(log, references, options):
    for metric in l2m_metrics(log, references=references, options=options):
        assert (metric.value is None) == bool(metric.reason)
        assert list(metric.per_task) == list(log.tasks)


def test_the_family_is_found_by_name():
    assert {metric.family for metric in score(ALTERNATING, ["l2m"])} == {"l2m"}
