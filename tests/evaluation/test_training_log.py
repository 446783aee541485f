import logging

import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, TrainingLog, Undefined, to_line


def episode(step, task="a", value=2.5, *, block=0, **changes):
    return {"step": step, "block": block, "task": task, "return": value, "score": 0.5, "success": True} | (
        {"length": 7} | changes
    )


def three_episodes():
    return [episode(7), episode(14, "b", -1.0, success=False), episode(20, block=1, length=6)]


def written(tmp_path, records, name="episodes.jsonl"):
    path = tmp_path / name
    path.write_text("".join(to_line(record) for record in records))
    return path


def test_records_become_columns():
    log = TrainingLog.from_records(three_episodes())
    assert log.tasks == ("a", "b")
    assert log.task_index.tolist() == [0, 1, 0]
    assert log.steps.tolist() == [7, 14, 20]
    assert log.blocks.tolist() == [0, 0, 1]
    assert log.measured("return").tolist() == [2.5, -1.0, 2.5]
    assert log.measured("score").tolist() == [0.5, 0.5, 0.5]
    assert log.measured("success").tolist() == [1.0, 0.0, 1.0]
    assert log.lengths.tolist() == [7, 7, 6]
    assert len(log) == 3


def test_reading_gives_the_columns_of_the_records_however_long_the_parts(tmp_path, monkeypatch):
    path = written(tmp_path, three_episodes())
    expected = TrainingLog.from_records(three_episodes())
    for part in (10, 150, 1_000_000):
        monkeypatch.setattr("lifelong_rl.evaluation.lines.PART", part)
        log = TrainingLog.read(path)
        assert log.tasks == expected.tasks
        assert [log.steps.tolist(), log.task_index.tolist()] == [
            expected.steps.tolist(),
            expected.task_index.tolist(),
        ]


def test_an_empty_file_and_no_records_have_no_episodes(tmp_path):
    assert len(TrainingLog.read(written(tmp_path, []))) == 0
    assert len(TrainingLog.from_records([])) == 0


def test_large_steps_and_returns_keep_every_bit():
    log = TrainingLog.from_records([episode(2**53 + 1, value=0.1 + 0.2)])
    assert log.steps.tolist() == [2**53 + 1]
    assert log.measured("return").tolist() == [0.1 + 0.2]


def test_further_fields_are_ignored():
    log = TrainingLog.from_records([episode(7, source="teacher", params={"x": [1]}, env="CartPole-v1")])
    assert len(log) == 1


def test_a_last_line_cut_short_is_left_out_with_a_warning(tmp_path, caplog):
    path = written(tmp_path, three_episodes())
    path.write_bytes(path.read_bytes()[:-5])
    with caplog.at_level(logging.WARNING):
        log = TrainingLog.read(path)
    assert log.steps.tolist() == [7, 14]
    assert "line 3 is cut short" in caplog.text


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([episode(7), episode(5)], "record 1: the steps go back from 7 to 5; are two runs in one file"),
        ([episode(7, block=1), episode(9)], "record 1: the blocks go back from 1 to 0"),
        ([episode(7), episode(9, score=1.5)], r"record 1: score must lie in \[0, 1\], found 1.5"),
        ([episode(7, value=float("nan"))], "record 0: return must be finite"),
        ([episode(7, value=10**400)], "record 0: return must be finite"),
        ([episode(-1)], "record 0: step must be an integer of at least 0"),
        ([episode(2**63)], "record 0: step must be an integer of at most"),
        ([episode(7, block=10**7)], "record 0: block must be an integer of at most 1000000"),
        ([episode(7, success=1)], "record 0: success must be true or false"),
        ([episode(7, task="")], "record 0: task must be the id of a task"),
        ([episode(7, length=1.5)], "record 0: length must be an integer"),
        ([episode(7), ["a"]], "record 1: expected an object with the fields of an episode"),
    ],
)
def test_a_wrong_record_is_refused_with_its_place(records, message):
    with pytest.raises(ValueError, match=message):
        TrainingLog.from_records(records)


@pytest.mark.parametrize("field", ["step", "block", "task", "return", "score", "success", "length"])
def test_a_missing_field_is_named(field):
    record = episode(7)
    del record[field]
    with pytest.raises(ValueError, match=f"record 0: missing {field};"):
        TrainingLog.from_records([record])


def test_two_environments_may_end_an_episode_at_one_step_and_one_environment_may_not():
    assert len(TrainingLog.from_records([episode(7, env=0), episode(7, env=1), episode(9, env=0)])) == 3
    with pytest.raises(ValueError, match="record 2: a second episode of environment 0 ends at step 7"):
        TrainingLog.from_records([episode(7, env=0), episode(7, env=1), episode(7, env=0)])


def test_without_environments_two_equal_lines_are_two_episodes():
    assert len(TrainingLog.from_records([episode(7), episode(7)])) == 2


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        TrainingLog.read(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        TrainingLog.read(tmp_path / "episodes.jsonl")


def test_arrays_become_columns_with_a_new_block_wherever_the_task_changes():
    log = TrainingLog.from_arrays(["a", "a", "b", "a"], [1, 2, 3, 4])
    assert log.tasks == ("a", "b")
    assert log.blocks.tolist() == [0, 0, 1, 2]
    assert log.steps.tolist() == [1, 2, 3, 4]
    assert log.measured("return").tolist() == [1, 2, 3, 4]
    with pytest.raises(Undefined, match="no score"):
        log.measured("score")


def test_arrays_take_blocks_and_steps():
    log = TrainingLog.from_arrays(["a", "b"], [0.5, 1], blocks=[0, 0], steps=np.array([10.0, 10.0]), measured="score")
    assert (log.blocks.tolist(), log.steps.tolist()) == ([0, 0], [10, 10])
    assert log.measured("score").tolist() == [0.5, 1]


def test_no_arrays_are_no_episodes():
    assert len(TrainingLog.from_arrays([], [])) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [1]}, r"shape \(2,\), found \(1,\)"),
        ({"values": [1, np.nan]}, "finite number"),
        ({"values": [1, 2], "measured": "score"}, r"a score lies in \[0, 1\], found 1 to 2"),
        ({"values": [1, 2], "measured": "reward"}, "score, return, success"),
        ({"values": [1, 2], "tasks": ["a", ""]}, "tasks must be ids of tasks, found ''"),
        ({"values": [1, 2], "tasks": ["a", 3]}, "tasks must be ids of tasks, found 3"),
        ({"values": [1, 2], "blocks": [1, 0]}, "blocks must never fall"),
        ({"values": [1, 2], "blocks": [-1, 0]}, "blocks must never fall and be at least 0"),
        ({"values": [1, 2], "blocks": [0, 0.5]}, "blocks must be integers"),
        ({"values": [1, 2], "blocks": [0]}, r"blocks must have shape \(2,\)"),
        ({"values": [1, 2], "steps": [2, 1]}, "steps must never fall"),
        ({"values": [1, 2], "steps": [1, np.nan]}, "steps must be integers"),
    ],
)
def test_wrong_arrays_are_refused(options, message):
    arguments = {"tasks": ["a", "b"]} | options
    with pytest.raises(ValueError, match=message):
        TrainingLog.from_arrays(**arguments)


def evaluation(step, block=0, at="during", trained="a"):
    episodes = {"returns": [1.0], "scores": [0.5], "successes": [True], "lengths": [7]}
    return {"step": step, "block": block, "at": at, "trained": trained, "task": "a"} | episodes


RUN = [evaluation(0, at="start"), evaluation(100, at="end"), evaluation(150, 1, trained=None)]


def run_folder(tmp_path, episodes, evaluations=RUN):
    written(tmp_path, evaluations, "evaluations.jsonl")
    written(tmp_path, episodes)
    return tmp_path


def test_a_run_folder_gives_the_evaluations_with_the_training_episodes(tmp_path):
    episodes = [episode(50), episode(100), episode(120, "x", block=1), episode(190, "y", block=1)]
    log = EvaluationLog.read(run_folder(tmp_path, episodes))
    assert log.training is not None
    assert log.training.steps.tolist() == [50, 100, 120, 190]


def test_a_run_folder_without_training_episodes_is_read(tmp_path):
    written(tmp_path, RUN, "evaluations.jsonl")
    assert EvaluationLog.read(tmp_path).training is None


def test_a_run_folder_with_an_empty_file_of_training_episodes_has_none_of_them(tmp_path):
    training = EvaluationLog.read(run_folder(tmp_path, [])).training
    assert training is not None and len(training) == 0


def test_training_may_go_on_into_the_block_after_the_last_evaluation(tmp_path):
    episodes = [episode(50), episode(5000, "x", block=1)]
    log = EvaluationLog.read(run_folder(tmp_path, episodes, RUN[:2]))
    assert log.training is not None and len(log.training) == 2


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([episode(120, block=2)], "they reach block 2 and the evaluations only block 1"),
        ([episode(301, block=1)], "they go on to step 301 and the evaluations only to 150"),
        ([episode(101)], "those of block 0 end at steps 101 to 101, and the block goes from 0 to 100"),
        ([episode(99, block=1)], "those of block 1 end at steps 99 to 99, and the block goes from 100 to None"),
        ([episode(50), episode(60, "b")], "block 0 trains 'a', and they play b"),
    ],
)
def test_training_episodes_of_another_run_are_refused(tmp_path, episodes, message):
    with pytest.raises(ValueError, match=rf"episodes.jsonl does not fit .*{message}. Is it from another run"):
        EvaluationLog.read(run_folder(tmp_path, episodes))
