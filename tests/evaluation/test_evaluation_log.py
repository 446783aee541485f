import json
import logging
import subprocess
import sys

import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, to_line


def record(step, task="a", score=0.5, *, block=0, at="during", trained="a", **changes):
    fields = {"step": step, "block": block, "at": at, "trained": trained, "task": task}
    episodes = {"returns": [10.0 * score], "scores": [score], "successes": [score > 0.5], "lengths": [7]}
    return fields | episodes | changes


def two_blocks():
    return [
        record(0, "b", 0.1, at="start"),
        record(0, "a", 0.2, at="start"),
        record(10, "b", 0.3),
        record(10, "a", 0.4),
        record(20, "b", 0.5, at="end"),
        record(20, "a", 0.6, at="end"),
        record(30, "b", 0.7, block=1, at="end", trained="b"),
        record(30, "a", 0.8, block=1, at="end", trained="b"),
    ]


def test_tasks_stand_in_order_of_first_appearance():
    assert EvaluationLog.from_records(two_blocks()).tasks == ("b", "a")


def test_points_have_steps_blocks_and_moments():
    log = EvaluationLog.from_records(two_blocks())
    assert log.steps.tolist() == [0, 10, 20, 30]
    assert log.blocks.tolist() == [0, 0, 0, 1]
    assert log.at == ("start", "during", "end", "end")
    assert log.block_tasks == ("a", "b")
    assert log.block_ends == (20, 30)


def test_the_matrix_has_a_row_before_training_and_one_a_block():
    log = EvaluationLog.from_records(two_blocks())
    assert log.matrix().tolist() == [[0.1, 0.2], [0.5, 0.6], [0.7, 0.8]]


def test_the_mean_over_episodes_is_taken_of_the_chosen_value():
    two = record(5, returns=[1.0, 4.0], scores=[0.25, 0.75], successes=[True, False], lengths=[3, 4], at="end")
    log = EvaluationLog.from_records([two])
    assert [log.scores(value).item() for value in ("score", "return", "success")] == [0.5, 2.5, 0.5]


def test_an_unknown_value_is_refused():
    with pytest.raises(ValueError, match="score, return, success"):
        EvaluationLog.from_records(two_blocks()).scores("reward")


def test_a_task_that_was_not_evaluated_is_masked():
    log = EvaluationLog.from_records([*two_blocks(), record(40, "b", 0.9, block=2, trained="a")])
    assert log.scores().mask[-1].tolist() == [False, True]
    assert not log.is_at_block_end


def test_a_block_without_an_evaluation_at_its_end_has_a_masked_row():
    records = [record(0, at="start"), record(10), record(20, block=1, at="end")]
    log = EvaluationLog.from_records(records)
    assert log.matrix().mask.ravel().tolist() == [False, True, False]
    assert log.block_ends == (None, 20)


def test_a_log_without_an_evaluation_before_training_has_a_masked_first_row():
    assert EvaluationLog.from_records([record(10, at="end")]).matrix().mask.ravel().tolist() == [True, False]


def test_a_block_curve_counts_steps_from_the_end_of_the_block_before():
    steps, scores = EvaluationLog.from_records(two_blocks()).block_curve(1, "b")
    assert (steps.tolist(), scores.tolist()) == ([10], [0.7])


def test_reading_gives_what_was_written(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text("".join(to_line(entry) for entry in two_blocks()))
    assert EvaluationLog.read(path) == EvaluationLog.from_records(two_blocks())


def test_further_fields_are_ignored():
    log = EvaluationLog.from_records([record(0, at="start", extra={"loss": 1.0}, note="x")])
    assert log == EvaluationLog.from_records([record(0, at="start")])


def test_a_last_line_cut_short_is_left_out_with_a_warning(tmp_path, caplog):
    path = tmp_path / "evaluations.jsonl"
    whole = "".join(to_line(entry) for entry in two_blocks())
    path.write_text(whole[:-20])
    with caplog.at_level(logging.WARNING):
        log = EvaluationLog.read(path)
    assert len(log) == len(two_blocks()) - 1
    assert "line 8 is cut short" in caplog.text
    assert not log.is_at_block_end


def test_a_file_cut_anywhere_in_its_last_line_never_gives_that_line(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    first, last = to_line(record(0, at="start")), to_line(record(3, at="end"))
    for n_kept in range(1, len(last) - 1):
        path.write_text(first + last[:n_kept])
        assert len(EvaluationLog.read(path)) == 1


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text(to_line(record(0, at="start")) + to_line(record(3, at="end"))[:-1])
    assert len(EvaluationLog.read(path)) == 2


def test_a_damaged_line_in_the_middle_is_refused_with_file_and_line(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text(to_line(record(0, at="start")) + '{"step": 1, "bl\n' + to_line(record(3)))
    with pytest.raises(ValueError, match=r"evaluations\.jsonl, line 2: not a JSON object"):
        EvaluationLog.read(path)


def test_a_damaged_last_line_that_ends_with_a_newline_is_refused(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text(to_line(record(0, at="start")) + "{oops}\n")
    with pytest.raises(ValueError, match="line 2"):
        EvaluationLog.read(path)


@pytest.mark.parametrize("damage", [b"\n", b"\xff\xfe\n", b"[1, 2]\n", b"3\n"])
def test_a_line_that_is_no_object_is_refused(tmp_path, damage):
    path = tmp_path / "evaluations.jsonl"
    path.write_bytes(to_line(record(0, at="start")).encode() + damage)
    with pytest.raises(ValueError, match="line 2"):
        EvaluationLog.read(path)


def test_a_file_without_a_whole_line_is_refused(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text(to_line(record(0))[:30])
    with pytest.raises(ValueError, match="holds no evaluation"):
        EvaluationLog.read(path)


def test_no_record_is_refused():
    with pytest.raises(ValueError, match="at least one record"):
        EvaluationLog.from_records([])


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused_in_a_file(tmp_path, constant):
    path = tmp_path / "evaluations.jsonl"
    path.write_text(json.dumps(record(0, returns=[1.25])).replace("1.25", constant) + "\n")
    with pytest.raises(ValueError, match=f"line 1: .*{constant}"):
        EvaluationLog.read(path)


@pytest.mark.parametrize("field", ["step", "block", "at", "trained", "task", "returns", "scores", "lengths"])
def test_a_missing_field_is_named(field):
    entry = record(0)
    del entry[field]
    with pytest.raises(ValueError, match=f"record 0: missing {field};"):
        EvaluationLog.from_records([entry])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": -1}, "step must be an integer"),
        ({"step": 1.5}, "step must be an integer"),
        ({"block": True}, "block must be an integer"),
        ({"at": "middle"}, "at must be one of start, during, end"),
        ({"task": ""}, "task must be the id"),
        ({"trained": 3}, "trained must be the id"),
        ({"returns": 1.0}, "returns must be a list"),
        ({"returns": [float("nan")]}, "returns must be finite"),
        ({"returns": [10**400]}, "returns must be finite"),
        ({"returns": ["1"]}, "returns must be finite"),
        ({"scores": [1.01]}, r"scores must lie in \[0, 1\]"),
        ({"scores": [True]}, "scores must be finite numbers"),
        ({"successes": [1]}, "successes must be true or false"),
        ({"lengths": [2.5]}, "lengths must be an integer"),
        ({"lengths": [1, 2]}, "the same number of each"),
        ({"returns": [], "scores": [], "successes": [], "lengths": []}, "at least 1"),
    ],
)
def test_a_wrong_field_is_refused_with_what_was_expected(changes, message):
    with pytest.raises(ValueError, match=f"record 1: .*{message}"):
        EvaluationLog.from_records([record(0, at="start"), record(4) | changes])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (record(10), "evaluated twice at step 10"),
        (record(5, "b"), "the steps go back from 10 to 5"),
        (record(10, "b", block=1), "two different evaluation points at step 10"),
        (record(20, at="start"), "must come first"),
        (record(20, trained="b"), "trains both 'a' and 'b'"),
    ],
)
def test_records_that_cannot_follow_each_other_are_refused(second, message):
    with pytest.raises(ValueError, match=f"record 1: .*{message}"):
        EvaluationLog.from_records([record(10), second])


def test_a_block_that_goes_on_after_its_end_is_refused():
    with pytest.raises(ValueError, match="block 0 is evaluated after the end of block 0"):
        EvaluationLog.from_records([record(10, at="end"), record(20)])


def test_the_same_record_gives_the_same_line_whatever_the_order_of_its_keys():
    entry = record(0)
    assert to_line(entry) == to_line(dict(reversed(entry.items())))


def test_a_line_keeps_the_bits_of_floats_and_takes_numpy_values():
    value = float(np.nextafter(0.1, 1))
    line = to_line({"step": np.int64(3), "returns": np.array([value]), "ok": np.bool_(True)})
    assert line.endswith("\n")
    assert json.loads(line) == {"step": 3, "returns": [value], "ok": True}


def test_a_line_refuses_nan_and_names_the_field():
    with pytest.raises(ValueError, match="'returns' of a log line must be finite"):
        to_line({"step": 1, "returns": [float("nan")]})


def test_a_line_refuses_what_json_cannot_hold():
    with pytest.raises(TypeError, match="'task' of a log line does not fit JSON: found a set"):
        to_line({"task": {1}})


def test_importing_the_room_imports_neither_torch_nor_matplotlib():
    code = "import sys, lifelong_rl.evaluation; print({'torch', 'matplotlib', 'gymnasium'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


CURVES = {"tasks": ["a", "b"], "scores": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], "blocks": [-1, 0, 1]}


def test_curves_become_a_log_with_one_number_an_entry():
    log = EvaluationLog.from_arrays(**CURVES, trained=["b", "a"])
    assert log.at == ("start", "end", "end")
    assert log.steps.tolist() == [0, 1, 2]
    assert log.block_tasks == ("b", "a")
    assert log.scores().tolist() == CURVES["scores"]
    assert log.measured == ("score", "return")
    assert log.n_episodes.tolist() == [1] * 6
    assert log.lengths.size == 0


def test_curves_without_an_evaluation_before_training_count_from_one():
    log = EvaluationLog.from_arrays(["a"], [[0.1], [0.2], [0.3]], blocks=[0, 0, 1], trained=["a", None])
    assert log.steps.tolist() == [1, 2, 3]
    assert log.at == ("during", "end", "end")
    assert log.block_tasks == ("a", None)


def test_curves_outside_the_unit_interval_are_returns_and_gaps_are_masked():
    scores = np.ma.masked_greater([[-3.0, np.nan], [4.0, 99.0]], 50)
    log = EvaluationLog.from_arrays(["a", "b"], scores, blocks=[0, 0], trained=["a"], steps=[10.0, 20.0])
    assert log.measured == ("return",)
    assert log.scores("return").mask.tolist() == [[False, True], [False, True]]
    assert len(log) == 2
    assert not log.is_at_block_end


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [[0.1], [0.2], [0.3]]}, r"shape \(n_points, 2\)"),
        ({"scores": [0.1, 0.2, 0.3]}, r"found \(3,\)"),
        ({"scores": np.empty((0, 2)), "blocks": []}, "at least one point"),
        ({"scores": np.full((3, 2), np.inf)}, "found infinity"),
        ({"scores": np.full((3, 2), np.nan)}, "NaN alone"),
        ({"tasks": ["a", "a"]}, "different ids"),
        ({"tasks": ["a", ""]}, "tasks must be ids of tasks, found ''"),
        ({"blocks": [0, 1]}, r"blocks must have shape \(3,\), found \(2,\)"),
        ({"blocks": [0, 0.5, 1]}, "blocks must be integers"),
        ({"blocks": [0, np.nan, 1]}, "blocks must be integers"),
        ({"blocks": [1, 0, 0]}, "rising indices of the 2 trained blocks"),
        ({"blocks": [-1, -1, 0]}, "after at most one -1"),
        ({"blocks": [0, 1, 2]}, "rising indices of the 2 trained blocks"),
        ({"trained": ["a", 3]}, "trained must be ids of tasks, found 3"),
        ({"trained": "ab"}, "one entry a block, found the text 'ab'"),
        ({"steps": [0, 5, 5]}, "steps must be one rising count"),
        ({"steps": [-1, 5, 6]}, "steps must be one rising count"),
        ({"steps": [0, 1.5, 6]}, "steps must be integers"),
        ({"measured": "reward"}, "score, return, success"),
        ({"scores": np.full((3, 2), 1.5), "measured": "success"}, r"a success lies in \[0, 1\], found 1.5 to 1.5"),
    ],
)
def test_wrong_curves_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        EvaluationLog.from_arrays(**CURVES | {"trained": ["b", "a"]} | changes)
