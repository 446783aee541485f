import json
import logging
import sys
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import (
    EvaluationLog,
    read_csv,
    read_log,
    read_progress,
    read_references,
    read_training_csv,
    score,
    to_line,
    write_csv,
)

SMALL = """step,block,task,score
0,-1,a,0.1
0,-1,b,0.2
10,0,a,0.3
10,0,b,0.4
20,1,a,0.5
20,1,b,0.6
"""


def table(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def tsv(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def progress(tmp_path, *, active=(0, 0, 1, 1), names=("hammer-v1", "push-v1"), mode="stochastic", rows=4):
    """Write a file with the columns of Continual World: scores rise by 0.1 a row, the second task 0.01 above."""
    tests = [f"test/{mode}/{i}/{name}" for i, name in enumerate(names)]
    ends = ("return/avg", "return/std", "ep_length", "success")
    header = ["epoch", *(f"{test}/{end}" for test in tests for end in ends), f"test/{mode}/average_success"]
    header += ["total_env_steps", "current_task_steps", *(["train/active_env"] if active else []), "walltime"]
    found = [header]
    for k in range(rows):
        cells = [cell for i in range(len(names)) for cell in (100.0 + k, 1.0, 200.0, (10 * k + i) / 100)]
        found.append([k + 1, *cells, 0.5, 100 * (k + 1), 100, *(active[k : k + 1] if active else ()), 3.5])
    return table(tmp_path, tsv(found), "progress.tsv")


# A row an episode


def test_a_table_becomes_a_log(tmp_path):
    log = read_csv(table(tmp_path, SMALL), trained=["b", "a"])
    assert log.tasks == ("a", "b")
    assert log.at == ("start", "end", "end")
    assert log.steps.tolist() == [0, 10, 20]
    assert log.block_tasks == ("b", "a")
    assert log.scores().tolist() == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    assert log.measured == ("score",)


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path, delimiter, end, mark):
    text = mark + SMALL.replace(",", delimiter).replace("\n", end)
    assert read_csv(table(tmp_path, text)) == read_csv(table(tmp_path, SMALL, "other.csv"))


def test_columns_may_stand_in_any_order_with_others_between_and_cells_in_quotes(tmp_path):
    text = 'note,score,"task",block,step\nx,0.25,"a, b",0,10\n,1e-1,"c",0,10\n'
    log = read_csv(table(tmp_path, text))
    assert log.tasks == ("a, b", "c")
    assert log.scores().tolist() == [[0.25, 0.1]]


def test_other_names_are_mapped(tmp_path):
    text = "t,phase,env,reward,won\n10,0,a,-3.5,True\n20,,a,2,false\n"
    names = {"step": "t", "block": "phase", "task": "env", "return": "reward", "success": "won"}
    with pytest.raises(ValueError, match="line 3: the evaluation before training must come first"):
        read_csv(table(tmp_path, text), columns=names)
    log = read_csv(table(tmp_path, text.replace("20,,", "20,0,")), columns=names)
    assert log.scores("return").ravel().tolist() == [-3.5, 2.0]
    assert log.scores("success").ravel().tolist() == [1.0, 0.0]


def test_a_column_that_is_mapped_is_not_what_its_name_says(tmp_path):
    log = read_csv(table(tmp_path, SMALL.replace("0.6", "60")), columns={"return": "score"})
    assert log.measured == ("return",)


def test_an_empty_block_and_step_zero_are_before_training(tmp_path):
    for first in ("0,,a,0.1", "0,0,a,0.1", "0,-1,a,0.1", "0,-1.0,a,0.1"):
        log = read_csv(table(tmp_path, f"step,block,task,score\n{first}\n2e1,0.0,a,0.5\n"))
        assert log.at == ("start", "end")
        assert log.steps.tolist() == [0, 20]


def test_rows_may_be_sorted_by_task(tmp_path):
    header, *rows = SMALL.splitlines()
    by_task = sorted(rows, key=lambda row: row.split(",")[2])
    assert read_csv(table(tmp_path, "\n".join([header, *by_task, ""]))) == read_csv(table(tmp_path, SMALL, "b.csv"))


def test_rows_of_one_step_and_task_are_its_episodes(tmp_path):
    text = "step,block,task,score,length\n10,0,a,0.2,5\n10,0,a,0.4,6\n10,0,b,0,7\n10,0,b,1,8\n"
    log = read_csv(table(tmp_path, text))
    assert log.n_episodes.tolist() == [2, 2]
    np.testing.assert_allclose(log.scores().tolist(), [[0.3, 0.5]])
    assert log.lengths.tolist() == [5, 6, 7, 8]


def test_a_column_of_episodes_tells_them_apart_wherever_they_stand(tmp_path):
    text = "step,block,task,score,episode\n10,0,a,0.2,0\n10,0,b,0,0\n10,0,a,0.4,1\n10,0,b,1,1\n"
    log = read_csv(table(tmp_path, text))
    np.testing.assert_allclose(log.scores().tolist(), [[0.3, 0.5]])
    assert log.episodes["score"].tolist() == [0.2, 0.4, 0, 1]


def test_the_table_may_say_the_moment_and_the_trained_task(tmp_path):
    text = "step,block,task,score,at,trained\n5,-1,a,0,start,\n10,0,a,0,during,a\n20,0,a,0,during,a\n30,1,a,1,end,\n"
    log = read_csv(table(tmp_path, text))
    assert log.at == ("start", "during", "during", "end")
    assert log.block_tasks == ("a", None)
    assert log.block_ends == (None, 30)


def test_without_the_trained_tasks_metrics_that_need_them_are_undefined(tmp_path):
    metrics = {metric.name: metric for metric in score(read_csv(table(tmp_path, SMALL)), ["gem"])}
    assert metrics["backward_transfer"].value is None
    assert "no fixed task" in metrics["backward_transfer"].reason


def test_the_trained_tasks_may_be_a_rule(tmp_path):
    log = read_csv(table(tmp_path, SMALL), trained=lambda block: "ab"[block % 2])
    assert log.block_tasks == ("a", "b")


def test_steps_per_task_give_the_blocks_and_their_ends(tmp_path):
    text = "step,task,score\n0,a,0\n5,a,0.1\n10,a,0.2\n15,a,0.3\n"
    log = read_csv(table(tmp_path, text), steps_per_task=10)
    assert log.blocks.tolist() == [0, 0, 0, 1]
    assert log.at == ("start", "during", "end", "during")
    assert not log.is_at_block_end


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("step,task,score\n1,a,0\n", {}, r"lacks the column\(s\) block; found the 3 column\(s\) step, task, score"),
        ("step,block,task\n1,0,a\n", {}, "lacks .* one of score, return, success"),
        (SMALL, {"columns": {"score": "reward"}}, r"lacks the column\(s\) reward"),
        (SMALL, {"columns": {"points": "score"}}, "columns must name columns for step, block, .* found 'points'"),
        (SMALL.replace("step,block", "step,step"), {"steps_per_task": 10}, "column 'step' must stand once"),
        (SMALL, {"trained": ["a"]}, "an entry for each of the 2 blocks, found 1"),
        (SMALL, {"trained": ["a", "c"]}, "trained names 'c', which is not evaluated; evaluated are a, b"),
        (SMALL, {"trained": "ab"}, "found the text 'ab'"),
        (SMALL.replace("0.4", "40"), {}, r"line 5: score must lie in \[0, 1\], found 40; .* are a return"),
        (SMALL.replace("0.4", "nan"), {}, "line 5: score must be a finite number, found 'nan'; leave out the row"),
        (SMALL.replace("0.4", ""), {}, "line 5: score must be a finite number, found ''"),
        (SMALL.replace("0.4", "-inf"), {}, "line 5: score must be a finite number"),
        (SMALL.replace("0.4", "1_0"), {}, "line 5: score must be a finite number, found '1_0'"),
        (SMALL.replace(",", ";").replace("0.4", "0,4"), {}, "found '0,4'; a decimal point is expected"),
        (SMALL.replace("10,0,b", "1.5,0,b"), {}, "line 5: step must be an integer"),
        (SMALL.replace("10,0,b", "1e30,0,b"), {}, "line 5: step is too large"),
        (SMALL.replace("10,0,b", "10,0,"), {}, "line 5: task must not be empty"),
        (SMALL.replace("10,0,b", "10,1,b"), {}, "line 5: step 10 has both the block 0 and 1"),
        (
            SMALL.replace("20,1,", "20,2,"),
            {},
            "line 6: blocks count 0, 1, 2, ...; block 1 has no evaluation, found 2",
        ),
        (SMALL.replace("0,-1,", "0,3,"), {}, "line 2: step 0 is before training, found block 3"),
        (SMALL.replace("20,1,", "20,-1,"), {}, "line 6: the evaluation before training must come first"),
        (SMALL, {"steps_per_task": 5}, "line 4: with 5 steps per task step 10 lies in block 1, found 0"),
        (SMALL, {"steps_per_task": 0}, "steps_per_task must be at least 1, found 0"),
        (SMALL.replace("task,", "trained,").replace("score", "task"), {"trained": ["a", "b"]}, "lacks"),
        (SMALL + SMALL.partition("\n")[2], {}, "line 8: task 'a' at step 0 stands in two places; are two runs"),
        (SMALL + SMALL, {}, "line 8: step must be an integer of at least 0, found 'step'"),
        (SMALL.replace("10,0,b,0.4\n", "10,0,b,0.4\n" * 2), {}, "line 5: task 'b' at step 10 does not have 1 row"),
        (SMALL.replace("10,0,b,0.4", "10,0,b"), {}, "line 5: expected 4 cells as in the header, found 3"),
        (SMALL.replace("10,0,b,0.4\n", "\n"), {}, "line 5: an empty line in the middle"),
        (SMALL.replace("10,0,b", '10,0,"b'), {}, "line 5: no row of a table"),
        (SMALL.replace("10,0,b", '10,0,"b\nc"'), {}, "line 5: no row of a table"),
        ("step,block,task,score\n", {}, "holds no row below its header"),
        ("", {}, "holds no table"),
        ("step,block,task,score", {}, "holds no table"),
        (
            "step,block,task,score,at\n1,0,a,1,end\n2,0,a,1,middle\n",
            {},
            "line 3: at must be one of start, during, end",
        ),
        ("step,block,task,score,at\n1,0,a,1,end\n2,0,a,1,end\n", {}, "line 3: block 0 is evaluated after the end"),
        (
            "step,block,task,score,at\n1,2,a,1,start\n",
            {},
            "line 2: an evaluation of block 2 cannot be one at 'start'",
        ),
        ("step,block,task,score,at\n1,2000000,a,1,end\n", {}, "line 2: a block is at most 1000000"),
        ("step,block,task,score,trained\n1,0,a,1,a\n2,0,a,1,b\n", {}, "line 3: block 0 trains both 'a' and 'b'"),
        ("step,block,task,score,trained\n1,0,a,1,a\n", {"trained": ["a"]}, "leave out the argument trained"),
        ("step,block,task,score,episode\n1,0,a,1,0\n1,0,a,0,0\n", {}, "line 3: .* has this episode twice"),
    ],
)
def test_a_table_that_cannot_be_a_log_is_refused(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        read_csv(table(tmp_path, text), **options)


def test_a_last_line_without_its_end_is_left_out_and_its_block_has_not_ended(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        log = read_csv(table(tmp_path, SMALL[:-1]))
    assert "line 7 has no line end" in caplog.text
    assert len(log) == 5
    assert log.at == ("start", "end", "during")


def test_an_entry_that_lacks_episodes_at_the_end_is_left_out(tmp_path, caplog):
    text = "step,block,task,score\n" + "".join(
        f"{s},0,{t},0.{e}\n" for s in (10, 20) for t in "ab" for e in (1, 2, 3)
    )
    with caplog.at_level(logging.WARNING):
        log = read_csv(table(tmp_path, text[: -len("20,0,b,0.3\n")]))
    assert "in the middle of the evaluation at step 20" in caplog.text
    assert log.n_episodes.tolist() == [3, 3, 3]
    assert log.at == ("during", "during")


def test_episodes_side_by_side_that_are_cut_are_left_out(tmp_path, caplog):
    rows = [f"{s},0,{t},0.{e},{e}\n" for s in (10, 20) for e in (1, 2) for t in "ab"]
    log = read_csv(table(tmp_path, "step,block,task,score,episode\n" + "".join(rows[:-1])))
    assert log.scores().mask.tolist() == [[False, False], [False, True]]
    assert "is left out" in caplog.text


# Training episodes


def test_training_episodes_are_read_in_their_order(tmp_path):
    text = "step,block,task,return,score,success,length\n9,0,a,5,0.5,1,9\n20,0,b,-2.5,0,0,11\n20,1,a,7,1,true,20\n"
    log = read_training_csv(table(tmp_path, text))
    assert (log.tasks, log.task_index.tolist()) == (("a", "b"), [0, 1, 0])
    assert (log.steps.tolist(), log.blocks.tolist(), log.lengths.tolist()) == ([9, 20, 20], [0, 0, 1], [9, 11, 20])
    assert [log.measured(v).tolist() for v in ("return", "success")] == [[5, -2.5, 7], [1, 0, 1]]


def test_blocks_of_training_episodes_may_come_from_their_steps(tmp_path):
    log = read_training_csv(table(tmp_path, "step,task,return\n5,a,1\n10,a,1\n11,b,1\n"), steps_per_task=10)
    assert log.blocks.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("9,0,a,1\n5,0,a,1\n", "line 3: the steps go back from 9 to 5; are two runs in one file"),
        ("9,1,a,1\n12,0,a,1\n", "line 3: the blocks go back from 1 to 0"),
        ("9,-1,a,1\n", "line 2: block must be an integer of at least 0"),
        ("9,0,a,inf\n", "line 2: return must be a finite number"),
    ],
)
def test_training_episodes_that_are_not_of_a_run_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read_training_csv(table(tmp_path, "step,block,task,return\n" + rows))


# Continual World


def test_a_progress_file_becomes_a_log(tmp_path):
    log = read_progress(progress(tmp_path))
    assert log.tasks == ("hammer-v1", "push-v1")
    assert log.steps.tolist() == [100, 200, 300, 400]
    assert log.at == ("during", "end", "during", "end")
    assert log.block_tasks == ("hammer-v1", "push-v1")
    np.testing.assert_allclose(log.scores("success").tolist(), [[0, 0.01], [0.1, 0.11], [0.2, 0.21], [0.3, 0.31]])
    assert log.scores().tolist() == log.scores("success").tolist()
    assert log.scores("return")[:, 0].tolist() == [100, 101, 102, 103]


def test_the_stochastic_columns_are_taken_before_the_deterministic_ones(tmp_path):
    header = ["total_env_steps", "test/deterministic/0/a/success/mean", "test/stochastic/0/a/success"]
    log = read_progress(table(tmp_path, tsv([header, (10, 0.25, 0.75)]), "progress.tsv"))
    assert log.scores().tolist() == [[0.75]]
    log = read_progress(
        tmp_path / "progress.tsv", columns={"success": "test/deterministic/{index}/{task}/success/mean"}
    )
    assert log.scores().tolist() == [[0.25]]


def test_deterministic_columns_are_taken_where_there_are_no_others(tmp_path):
    assert read_progress(progress(tmp_path, mode="deterministic")).tasks == ("hammer-v1", "push-v1")


def test_columns_of_other_names_are_given_as_patterns(tmp_path):
    rows = [("frames", "level", "eval/up", "eval/down"), (0, "", 1, 2), (10, "down", 3, 4), (20, "up", 5, 6)]
    names = {"step": "frames", "active": "level", "return": "eval/{task}"}
    log = read_progress(table(tmp_path, tsv(rows), "progress.tsv"), columns=names)
    assert log.block_tasks == ("down", "up")
    assert log.at == ("start", "end", "end")
    assert log.matrix("return").tolist() == [[1, 2], [3, 4], [5, 6]]


def test_repeated_tasks_are_one_task_whose_episodes_they_share(tmp_path):
    log = read_progress(progress(tmp_path, names=("a", "b", "a", "b"), active=(0, 1, 2, 3)))
    assert log.tasks == ("a", "b")
    assert log.block_tasks == ("a", "b", "a", "b")
    assert log.n_episodes.tolist() == [2] * 8
    np.testing.assert_allclose(log.scores()[0].tolist(), [0.01, 0.02])  # the means of 0, 0.02 and of 0.01, 0.03


def test_repeated_tasks_can_be_kept_apart(tmp_path):
    path = progress(tmp_path, names=("a", "b", "a"), active=(0, 1, 2, 2))
    log = read_progress(path, repeated="apart")
    assert log.tasks == ("0/a", "b", "2/a")
    assert log.block_tasks == ("0/a", "b", "2/a")
    np.testing.assert_allclose(log.scores()[0].tolist(), [0, 0.01, 0.02])


def test_the_same_task_in_two_blocks_running_needs_the_steps_per_task(tmp_path):
    path = progress(tmp_path, active=("0.0", "0", "1.0", "1.0"))
    assert len(read_progress(path).block_tasks) == 2
    log = read_progress(path, steps_per_task=100)
    assert log.block_tasks == ("hammer-v1", "hammer-v1", "push-v1", "push-v1")
    assert log.at == ("end",) * 4


def test_an_unfinished_block_has_no_end_where_the_steps_per_task_are_known(tmp_path):
    path = progress(tmp_path, rows=3)
    assert read_progress(path).is_at_block_end
    assert not read_progress(path, steps_per_task=200).is_at_block_end
    (tmp_path / "config.json").write_text(json.dumps({"steps_per_task": 200.0}))
    assert not read_progress(path).is_at_block_end
    assert read_progress(tmp_path) == read_progress(path)


@pytest.mark.parametrize("config", ["", "{", "[1]", '{"steps_per_task": "many"}', '{"steps": 7}'])
def test_a_config_that_says_no_steps_per_task_is_passed_over(tmp_path, config):
    path = progress(tmp_path)
    (tmp_path / "config.json").write_text(config)
    assert read_progress(path).at == ("during", "end", "during", "end")


def test_without_an_active_task_the_blocks_follow_the_order_of_the_indices(tmp_path):
    path = progress(tmp_path, active=())
    assert read_progress(path, steps_per_task=200).block_tasks == ("hammer-v1", "push-v1")
    assert read_progress(path, steps_per_task=200, trained=["push-v1", None]).block_tasks == ("push-v1", None)
    for indices in ("0", "2"):
        header = ["step", "test/stochastic/1/a/success", f"test/stochastic/{indices}/b/success"]
        other = table(tmp_path, tsv([header, (10, 0, 1), (20, 0, 1)]), "wide.tsv")
        if indices == "0":
            assert read_progress(other, steps_per_task=10).block_tasks == ("b", "a")
        else:
            with pytest.raises(ValueError, match=r"tests of the indices \[1, 2\], not 0, 1, 2"):
                read_progress(other, steps_per_task=10)
    with pytest.raises(ValueError, match=r"does not say when which task is trained .*Give steps_per_task"):
        read_progress(path)


def test_a_single_task_is_trained_in_the_only_block(tmp_path):
    log = read_progress(progress(tmp_path, active=(), names=("push-v1",)))
    assert log.block_tasks == ("push-v1",)
    assert log.at == ("during",) * 3 + ("end",)


def test_an_empty_cell_is_a_task_that_was_not_evaluated(tmp_path):
    header = ["total_env_steps", "test/stochastic/0/a/success", "test/stochastic/1/b/success", "train/active_env"]
    log = read_progress(table(tmp_path, tsv([header, (10, 0.5, "", 0), (20, "nan", 1, 1)]), "progress.tsv"))
    assert log.scores().mask.tolist() == [[False, True], [True, False]]
    assert len(log) == 2


ONE = ("total_env_steps", "test/stochastic/0/a/success", "train/active_env")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("epoch", ONE[1]), (1, 0.5)], {}, r"lacks a column of environment steps, as total_env_steps.*found the 2"),
        ([("total_env_steps", "loss"), (1, 0.5)], {}, r"lacks columns of successes, as test/.*total_env_steps, loss"),
        ([ONE, (1, 0.5, 0)], {"columns": {"score": "eval/{task}"}}, "lacks columns of the score, as eval/{task}"),
        ([ONE, (1, 0.5, 0)], {"columns": {"score": "eval/task"}}, "a pattern of columns has {task}"),
        ([ONE, (1, 0.5, 0)], {"columns": {"active": "seq"}}, "has no column 'seq'"),
        ([ONE, (1, 0.5, 0)], {"columns": {"steps": "x"}}, "columns may name step, active, .* found 'steps'"),
        ([ONE, (1, 0.5, 0)], {"repeated": "no"}, "repeated must be 'merged' or 'apart'"),
        ([ONE, (1, 0.5, 3)], {}, "line 2: the active task must be one of a, found '3'"),
        ([ONE, (2, 0.5, 0), (1, 0.5, 0)], {}, "line 3: total_env_steps must rise, found 1 after 2; are two runs"),
        ([ONE, (2, 0.5, 0), (2, 0.5, 0)], {}, "line 3: total_env_steps must rise"),
        ([ONE, (2.5, 0.5, 0)], {}, "line 2: total_env_steps must be an integer"),
        ([ONE, (1, 1.5, 0)], {}, r"line 2: test/stochastic/0/a/success must lie in \[0, 1\], found 1.5"),
        ([ONE, (1, "inf", 0)], {}, "line 2: .* must be a finite number, found 'inf'"),
        ([ONE, (1, "", 0)], {}, "holds no evaluation: every cell is empty"),
        ([ONE, (1, 0.5, 0), (2, 0.5)], {}, "line 3: expected 3 cells as in the header, found 2"),
        ([ONE], {}, "holds no row below its header"),
        ([ONE, (25, 0.5, 0)], {"steps_per_task": 10}, "step 25 lies in block 2, and the block before it has no"),
        ([(*ONE, "test/stochastic/0/b/success"), (1, 0.5, 0, 1)], {}, "two columns that fit .* have one index"),
    ],
)
def test_a_progress_file_that_cannot_be_a_log_is_refused(tmp_path, rows, options, message):
    with pytest.raises(ValueError, match=message):
        read_progress(table(tmp_path, tsv(rows), "progress.tsv"), **options)


def test_an_active_task_that_does_not_fit_the_steps_per_task_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line 4: block 0 trains both 'hammer-v1' and 'push-v1'; is steps_per_task"):
        read_progress(progress(tmp_path), steps_per_task=400)


# Everything through one reader


def run_folder(tmp_path):
    line = {"step": 9, "block": 0, "at": "end", "trained": "a", "task": "a"}
    episodes = {"returns": [1.0], "scores": [0.5], "successes": [True], "lengths": [7]}
    (tmp_path / "evaluations.jsonl").write_text(to_line(line | episodes))
    return tmp_path


def test_one_reader_recognises_what_it_is_given(tmp_path):
    folder = run_folder(tmp_path)
    expected = EvaluationLog.read(folder)
    assert read_log(folder) == read_log(folder / "evaluations.jsonl") == expected
    assert read_log(table(tmp_path, SMALL), trained=["a", "b"]).block_tasks == ("a", "b")
    assert len(read_log(table(tmp_path, SMALL.replace(",", "\t"), "long.tsv"))) == 6
    (tmp_path / "cw").mkdir()
    path = progress(tmp_path / "cw")
    assert read_log(path) == read_log(path.parent) == read_log(path.rename(path.with_name("wide.tsv")))


def test_an_l2logger_folder_goes_to_its_own_reader(tmp_path, monkeypatch):
    module = types.ModuleType("lifelong_rl.evaluation.l2logger")
    module.read_l2logger = lambda path, *, column="reward": (path, column)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "logger_info.json").write_text("{}")
    assert read_log(tmp_path, column="score") == (tmp_path, "score")


def test_what_is_no_log_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"it has none of evaluations.jsonl, logger_info.json, progress.tsv"):
        read_log(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        read_log(tmp_path / "log.csv")
    with pytest.raises(ValueError, match=r"of no known kind: a folder, .jsonl, .csv or .tsv"):
        read_log(table(tmp_path, SMALL, "log.txt"))
    with pytest.raises(ValueError, match="holds training episodes"):
        read_log(table(tmp_path, "", "episodes.jsonl"))
    with pytest.raises(ValueError, match="read with columns, trained, steps_per_task, found repeated"):
        read_log(table(tmp_path, SMALL), repeated="apart")
    with pytest.raises(ValueError, match="a run folder of lifelong_rl, which is read with no options, found trained"):
        read_log(run_folder(tmp_path), trained=["a"])


# Reference runs


def test_reference_runs_are_sorted_by_the_task_they_trained(tmp_path):
    paths = []
    for i, task in enumerate(("push-v1", "hammer-v1", "push-v1")):
        (tmp_path / str(i)).mkdir()
        paths.append(progress(tmp_path / str(i), active=(), names=(task,)).parent)
    found = read_references(paths)
    assert {task: len(logs) for task, logs in found.items()} == {"push-v1": 2, "hammer-v1": 1}


def test_a_reference_run_that_evaluates_one_task_trained_it(tmp_path):
    path = table(tmp_path, "step,block,task,score\n0,-1,a,0\n10,0,a,0.5\n")
    ((log,),) = read_references(path).values()
    assert log.block_tasks == ("a",)
    assert log.points[0].trained == "a"


def test_reference_runs_may_be_given_by_task(tmp_path):
    path = table(tmp_path, "step,block,task,score\n10,0,a,0.5\n10,0,b,0.5\n")
    found = read_references({"b": [path, path], "a": path})
    assert [log.block_tasks for log in found["b"] + found["a"]] == [("b",), ("b",), ("a",)]


def test_references_from_elsewhere_give_forward_transfer(tmp_path):
    log = read_progress(progress(tmp_path))
    (tmp_path / "single").mkdir()
    alone = table(
        tmp_path / "single", "step,block,task,success\n100,0,{0},0\n200,0,{0},0.1\n".replace("{0}", "push-v1")
    )
    same = table(
        tmp_path / "single",
        "step,block,task,success\n100,0,{0},0\n200,0,{0},0.1\n".replace("{0}", "hammer-v1"),
        "b.csv",
    )
    metrics = {m.name: m for m in score(log, ["cw"], read_references([alone, same]), value="success")}
    # Areas: hammer 0.05 in both; push (0.21 + 0.31) / 2 = 0.26 against 0.05.
    assert metrics["forward_transfer_difference"].value == pytest.approx(0.21 / 2)


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        (SMALL, None, "trains one task in one block"),
        (
            "step,block,task,score\n10,0,a,0\n10,0,b,0\n",
            None,
            "does not say which task it trained: give the paths by task",
        ),
        ("step,block,task,score,trained\n10,0,a,0,a\n", "b", "is no reference run of 'b': it trained 'a'"),
        ("step,block,task,score\n10,0,a,0\n", "b", "is no reference run of 'b': it evaluates a"),
    ],
)
def test_a_log_that_is_no_reference_run_is_refused(tmp_path, text, task, message):
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        read_references([path] if task is None else {task: path})


# Writing


def test_a_written_table_reads_well(tmp_path):
    path = tmp_path / "log.csv"
    write_csv(EvaluationLog.read(run_folder(tmp_path)), path)
    assert path.read_text() == (
        "step,block,at,trained,task,episode,return,score,success,length\n9,0,end,a,a,0,1.0,0.5,1.0,7\n"
    )


UNIT = st.floats(0, 1)
NAMES = st.text("ab ,;\"'éß\t/0", min_size=1, max_size=4).filter(lambda name: name == name.strip())


@st.composite
def logs(draw):
    tasks = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    n_blocks, n_inside = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    n_episodes = draw(st.integers(1, 3))
    moments = [(0, 0, "start")] if draw(st.booleans()) else []
    for block in range(n_blocks):
        moments += [(10 * block + 5 + i, block, "during") for i in range(n_inside)] + [
            (10 * block + 10, block, "end")
        ]
    trained = [draw(st.none() | st.sampled_from(tasks)) for _ in range(n_blocks)]
    records = []
    for step, block, at in moments:
        for task in tasks:
            episodes = {
                "returns": draw(st.lists(st.floats(-1e9, 1e9), min_size=n_episodes, max_size=n_episodes)),
                "scores": draw(st.lists(UNIT, min_size=n_episodes, max_size=n_episodes)),
                "successes": draw(st.lists(st.booleans(), min_size=n_episodes, max_size=n_episodes)),
                "lengths": draw(st.lists(st.integers(0, 9), min_size=n_episodes, max_size=n_episodes)),
            }
            point = {"step": step, "block": block, "at": at, "trained": trained[block], "task": task}
            records.append(point | episodes)
    return EvaluationLog.from_records(records)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs())
def test_a_log_written_as_a_table_reads_back_the_same(tmp_path, log):
    write_csv(log, tmp_path / "log.csv")
    assert read_csv(tmp_path / "log.csv") == log
