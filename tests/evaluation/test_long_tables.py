import logging

import numpy as np
import pytest
from small_tables import SMALL, table

from lifelong_rl.evaluation import read_csv, read_training_csv, score


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
