import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_tables import SMALL, table

from lifelong_rl.evaluation import (
    EvaluationLog,
    read_csv,
    read_log,
    read_progress,
    read_references,
    score,
    to_line,
    write_csv,
)
from lifelong_rl.evaluation.l2logger import read_l2logger, write_l2logger


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


def test_an_l2logger_folder_is_read_as_its_own_reader_reads_it(tmp_path):
    folder = write_l2logger(EvaluationLog.read(run_folder(tmp_path)), tmp_path / "l2")
    assert read_log(folder) == read_l2logger(folder).log
    with pytest.raises(ValueError, match="read with metric, keep_case, found column"):
        read_log(folder, column="score")


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
