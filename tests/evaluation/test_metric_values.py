import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import FAMILIES, EvaluationLog, MetricValue, TrainingLog, score
from lifelong_rl.evaluation.metrics import Definition

DEFINITION = Definition("mine", "gain", "higher is better", "1 evaluation", "none", "this test")


def value(**changes):
    fields = vars(DEFINITION) | {"value": 0.5, "per_task": {"a": 0.5, "b": None}}
    return MetricValue(**(fields | changes))


@st.composite
def logs(draw):
    """Any run a trainer could write, killed anywhere."""
    tasks = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    blocks = draw(st.lists(st.sampled_from([*tasks, None]), max_size=4))
    per_block = draw(st.integers(1, 6))
    points = [(0, "start", blocks[0] if blocks else None)] if draw(st.booleans()) or not blocks else []
    for block, trained in enumerate(blocks):
        points += [(block, "end" if i == per_block - 1 else "during", trained) for i in range(per_block)]
    numbers = st.floats(0, 1)
    records = []
    for step, (block, at, trained) in enumerate(points):
        for task in tasks:
            episodes = {
                "returns": [draw(st.floats(allow_nan=False, allow_infinity=False))],
                "scores": [draw(numbers)],
                "lengths": [1],
            }
            point = {"step": step, "block": block, "at": at, "trained": trained, "task": task}
            records.append(point | episodes | {"successes": [draw(st.booleans())]})
    n_kept = draw(st.integers(1, len(records)))
    return EvaluationLog.from_records(records[:n_kept])


@settings(deadline=None)  # the machine may be busy
@given(logs(), st.dictionaries(st.sampled_from("abcd"), st.lists(st.lists(st.floats(0, 1), max_size=6), max_size=2)))
def test_every_run_gives_finite_values_or_reasons_and_never_nan(log, references):
    for measured in ("score", "return", "success"):
        for metric in score(log, tuple(FAMILIES), references, value=measured):
            assert (metric.value is None) == bool(metric.reason)
            assert metric.value is None or math.isfinite(metric.value)
            assert set(metric.per_task) == set(log.tasks)
            json.dumps(metric.to_json(), allow_nan=False)


@pytest.mark.parametrize("changes", [{"value": None}, {"reason": "no data"}])
def test_a_value_and_a_reason_exclude_each_other(changes):
    with pytest.raises(ValueError, match="either a value or a reason"):
        value(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": math.nan},
        {"per_task": {"a": math.inf}},
        {"per_block": (math.nan,)},
        {"per_pair": {"a": {"b": (math.inf,)}}},
    ],
)
def test_a_number_that_is_not_finite_is_refused(changes):
    with pytest.raises(ValueError, match="mine/gain must be finite or None"):
        value(**changes)


def test_an_unknown_sign_is_refused():
    with pytest.raises(ValueError, match="higher is better, lower is better"):
        value(sign="good")


def test_a_value_goes_to_json_with_its_whole_definition():
    plain = json.loads(json.dumps(value(per_block=(0.5, None), per_pair={"a": {"b": (0.25, None)}}).to_json()))
    assert plain["per_task"] == {"a": 0.5, "b": None}
    assert plain["per_block"] == [0.5, None]
    assert plain["per_pair"] == {"a": {"b": [0.25, None]}}
    assert plain["value"] == 0.5
    assert {"family", "name", "sign", "window", "reference", "source", "measured", "reason"} < set(plain)


def one_evaluation():
    episodes = {"returns": [1.0], "scores": [0.5], "successes": [True], "lengths": [3]}
    return EvaluationLog.from_records([{"step": 1, "block": 0, "at": "end", "trained": "a", "task": "a"} | episodes])


def test_an_unknown_family_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="unknown metric family 'gen'; did you mean 'gem'"):
        score(one_evaluation(), ["gen"])


def test_a_family_of_ones_own_is_named_by_module_and_function(tmp_path, monkeypatch):
    lines = [
        "from lifelong_rl.evaluation.metrics import Definition",
        "def last(log, *, references, value):",
        "    definition = Definition('mine', 'last', 'higher is better', '1', 'none', 'here')",
        "    return [definition.defined(float(log.scores(value)[-1].mean()), {})]",
    ]
    (tmp_path / "my_metric_family.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    assert [metric.value for metric in score(one_evaluation(), ["my_metric_family:last"])] == [0.5]


def test_families_and_reference_runs_are_lists():
    """A text would be read letter by letter, and the numbers of one curve as so many runs."""
    log = EvaluationLog.from_arrays(["a"], [[0.1], [0.5]], blocks=[-1, 0], trained=["a"])
    with pytest.raises(ValueError, match=r"families must be a list, found the text 'gem': write \['gem'\]"):
        score(log, "gem")
    for one_run in ([0.1, 0.2], np.array([0.1, 0.2]), log):
        with pytest.raises(ValueError, match="references of task 'a' must be a list of runs, found one run"):
            score(log, references={"a": one_run})
    for runs in ([[0.1, 0.2]], np.array([[0.1, 0.2]]), [log], [], ()):
        assert score(log, ["gem"], references={"a": runs})


def test_returns_too_large_to_add_up_are_undefined_in_every_family():
    scores = [[1e308, -1e308], [-1e308, 1e308], [1e308, 1e308]]
    log = EvaluationLog.from_arrays(["a", "b"], scores, blocks=[-1, 0, 1], trained=["a", "b"], measured="return")
    played = TrainingLog.from_arrays(["a", "b"], [1e308, -1e308], measured="return")
    for metric in score(log.with_training(played), references={"a": [[1e308]]}, value="return"):
        assert metric.value is None and metric.reason, metric.name
    assert "too large to be added up" in score(log, ["gem"], value="return")[0].reason
