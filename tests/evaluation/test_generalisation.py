import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lifelong_rl.evaluation import EvaluationLog, Undefined, generalisation, score


def curriculum(scores, steps=None, **options):
    """A run with one block whose tasks a teacher draws; the first evaluation is the one before training."""
    blocks = np.zeros(len(scores), dtype=int)
    blocks[0] = -1
    tasks = [f"t{i}" for i in range(len(scores[0]))]
    return EvaluationLog.from_arrays(tasks, scores, blocks=blocks, trained=[None], steps=steps, **options)


def metrics_of(log, **options):
    return {m.name: m for m in generalisation.generalisation_metrics(log, **options)}


SCORES = [[0.0, 0.0, 0.2, 0.0], [0.4, 0.6, 0.2, 0.0], [0.8, 0.6, 1.0, 0.1]]


def test_a_curriculum_without_a_fixed_task_is_scored():
    metrics = metrics_of(curriculum(SCORES, [0, 10, 40]))
    assert metrics["mastery_rate"].value == 0.5
    assert metrics["mastery_rate"].per_task == {"t0": 1, "t1": 0, "t2": 1, "t3": 0}
    assert metrics["mean_performance"].value == pytest.approx(0.625)
    assert metrics["worst_tenth"].value == pytest.approx(0.1)
    assert metrics["mean_performance"].per_task["t3"] == metrics["worst_tenth"].per_task["t3"] == 0.1


def test_the_areas_are_over_steps_and_not_over_evaluations():
    metrics = metrics_of(curriculum(SCORES, [0, 10, 40]))
    assert metrics["mean_performance_area"].value == pytest.approx((10 * 0.175 + 30 * 0.4625) / 40)
    assert metrics["mastery_rate_area"].value == pytest.approx(30 * 0.25 / 40)
    assert metrics["worst_tenth_area"].value == pytest.approx(30 * 0.05 / 40)
    assert metrics["mean_performance_area"].per_task["t0"] == pytest.approx((10 * 0.2 + 30 * 0.6) / 40)


def test_the_worst_tenth_takes_part_of_a_task_where_it_is_no_whole_number():
    scores = np.linspace(0, 1, 25)[None]
    assert generalisation.worst_mean(scores) == pytest.approx([(0 + 1 / 24 + 0.5 * 2 / 24) / 2.5])
    assert generalisation.worst_mean(scores, 1.0) == pytest.approx([0.5])


@given(arrays(np.float64, (2, 30), elements=st.floats(0, 1)))
def test_the_worst_tenth_is_between_the_worst_and_the_mean_and_grows_with_the_share(scores):
    tenth, half = generalisation.worst_mean(scores), generalisation.worst_mean(scores, 0.5)
    assert (scores.min(axis=1) <= tenth + 1e-12).all()
    assert (tenth <= half + 1e-12).all() and (half <= scores.mean(axis=1) + 1e-12).all()


def test_mastery_is_above_the_threshold_and_the_threshold_can_be_set():
    assert generalisation.mastery_rate([[0.75, 0.76]]).tolist() == [0.5]
    metrics = metrics_of(curriculum(SCORES), threshold=0.5)
    assert metrics["mastery_rate"].value == 0.75
    assert metrics["mastery_rate"].reference == "a fixed threshold of 0.5"


def test_returns_have_no_mastery_without_a_threshold():
    log = curriculum(np.array(SCORES) * 100)
    metrics = metrics_of(log, value="return")
    assert "no threshold of mastery" in metrics["mastery_rate"].reason
    assert "no threshold of mastery" in metrics["mastery_rate_area"].reason
    assert metrics["mean_performance"].value == pytest.approx(62.5)
    assert metrics_of(log, value="return", threshold=70.0)["mastery_rate"].value == 0.5


def test_an_unfinished_run_says_so_and_a_gap_leaves_only_the_end():
    cut = curriculum(SCORES).where(np.arange(12) < 11)
    assert all("unfinished" in metric.reason for metric in metrics_of(cut).values())
    gap = curriculum([SCORES[0], [0.4, np.nan, 0.2, 0.0], SCORES[2]])
    metrics = metrics_of(gap)
    assert metrics["mean_performance"].value == pytest.approx(0.625)
    assert "'t1' was not evaluated at step 1" in metrics["mean_performance_area"].reason


def test_an_area_needs_two_evaluations():
    log = EvaluationLog.from_arrays(["a"], [[0.5]], blocks=[0], trained=[None])
    metrics = {m.name: m for m in score(log, ["generalisation"])}
    assert metrics["mean_performance"].value == 0.5
    assert "at least two evaluations" in metrics["mean_performance_area"].reason
    with pytest.raises(Undefined):
        generalisation.mean_over_steps([0.5], [0])


def test_wrong_shares_and_steps_are_refused():
    with pytest.raises(ValueError, match="share must lie"):
        generalisation.worst_mean([[0.5]], 0.0)
    with pytest.raises(ValueError, match="rising"):
        generalisation.mean_over_steps([0.5, 0.5], [3, 3])
