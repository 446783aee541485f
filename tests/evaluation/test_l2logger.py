"""Folders of l2logger 1.1: what is written, what is read, and what a damaged folder gives."""

import json
import logging
import shutil

import numpy as np
import pytest

from lifelong_rl.evaluation import EvaluationLog, TrainingLog
from lifelong_rl.evaluation.l2logger import read_l2logger, write_l2logger
from lifelong_rl.evaluation.l2m import l2m_metrics, l2metrics_report, regimes_of

COLUMNS = "block_num exp_num worker_id block_type block_subtype task_name task_params exp_status timestamp reward"


def run(*, trained=("a_1", "b_1"), tasks=("a_1", "b_1"), blocks=None):
    """A run of our own, with two training episodes a block."""
    rng = np.random.default_rng(0)
    points = 1 + len(trained) if blocks is None else len(blocks)
    table = rng.random((points, len(tasks)))
    steps = 40 * np.arange(points)
    of_points = range(-1, len(trained)) if blocks is None else blocks
    log = EvaluationLog.from_arrays(tasks, table, blocks=of_points, trained=trained, steps=steps, measured="score")
    played = [task for task in trained for _ in range(2)]
    of_block = np.repeat(np.arange(len(trained)), 2)
    return log.with_training(
        TrainingLog.from_arrays(played, rng.random(len(played)), blocks=of_block, measured="score")
    )


def row(number, block, kind, task, value, *, subtype="wake", status="complete", worker="w"):
    time = f"20260101T000000.{number:06}"
    return [str(e) for e in (block, number, worker, kind, subtype, task, "{}", status, time, value)]


def folder_of(path, *rows, columns=COLUMNS, info=None):
    """A folder with one table a block, with rows as they are given."""
    path.mkdir(parents=True)
    info = info or {"metrics_columns": ["reward"], "log_format_version": "1.1"}
    (path / "logger_info.json").write_text(json.dumps(info))
    (path / "scenario_info.json").write_text('{"scenario_type": "custom"}')
    by_file = {}
    for cells in rows:
        by_file.setdefault((cells[2], f"{cells[0]}-{cells[3]}"), []).append("\t".join(cells))
    for (worker, block), lines in by_file.items():
        table = path / worker / block / "data-log.tsv"
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(["\t".join(columns.split()), *lines]) + "\n")
    return path


ROWS = (
    row(0, 0, "test", "A_1", 1.0),
    row(1, 1, "train", "A_1", 2.0),
    row(2, 1, "train", "A_1", 3.0),
    row(3, 2, "test", "A_1", 4.0),
)


def test_a_folder_holds_one_table_a_block_and_the_two_info_files(tmp_path):
    write_l2logger(run(), tmp_path / "run", scenario_type="condensed", scenario={"complexity": "1-low"})
    found = sorted(str(path.relative_to(tmp_path / "run")) for path in tmp_path.rglob("*.*") if path.is_file())
    blocks = ["0-test", "1-train", "2-test", "3-train", "4-test"]
    assert found == ["logger_info.json", "scenario_info.json"] + [f"worker-default/{b}/data-log.tsv" for b in blocks]
    info = json.loads((tmp_path / "run" / "logger_info.json").read_text())
    assert info == {"metrics_columns": ["score"], "log_format_version": "1.1"}
    scenario = json.loads((tmp_path / "run" / "scenario_info.json").read_text())
    assert scenario == {"scenario_type": "condensed", "complexity": "1-low"}
    lines = (tmp_path / "run" / "worker-default" / "1-train" / "data-log.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [*COLUMNS.split()[:-1], "score"]
    first = "1 2 worker-default train wake a_1 {} complete 19700101T000000.000001"
    assert lines[1].split("\t")[:9] == first.split()


def test_a_written_run_reads_back_to_the_same_log_and_the_same_regimes(tmp_path):
    log = run(trained=("a_1", "b_1", "a_1"))
    found = read_l2logger(write_l2logger(log, tmp_path / "run"))
    assert found.log.tasks == log.tasks and found.log.block_tasks == log.block_tasks and found.log.at == log.at
    assert np.array_equal(found.log.scores(), log.scores())
    assert found.log.training.values["score"].tolist() == log.training.values["score"].tolist()
    assert found.log.training.blocks.tolist() == log.training.blocks.tolist()
    assert l2metrics_report(found.regimes) == l2metrics_report(regimes_of(log))
    assert [m.value for m in l2m_metrics(found.log)] == [m.value for m in l2m_metrics(log)]


def test_the_same_log_is_written_to_the_same_bytes(tmp_path):
    texts = []
    for name in "ab":
        folder = write_l2logger(run(), tmp_path / name)
        texts.append([path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()])
    assert texts[0] == texts[1]


def test_returns_scores_successes_and_lengths_are_columns(tmp_path):
    episodes = {"returns": [-3.0, -4.0], "scores": [0.25, 0.5], "successes": [False, True], "lengths": [7, 8]}
    point = {"step": 9, "block": 0, "at": "end", "trained": "a_1", "task": "a_1"}
    episode = {"step": 9, "block": 0, "task": "a_1", "return": -5.0, "score": 0.1, "success": False, "length": 9}
    log = EvaluationLog.from_records([point | episodes]).with_training(TrainingLog.from_records([episode]))
    folder = write_l2logger(log, tmp_path / "run")
    assert read_l2logger(folder).metrics_columns == ("score", "return", "success")
    returns = read_l2logger(folder, "return").log
    assert returns.episodes["return"].tolist() == [-3.0, -4.0] and returns.lengths.tolist() == [7, 8]
    assert returns.steps.tolist() == [9] and returns.training.lengths.tolist() == [9]
    assert read_l2logger(folder, "success").log.episodes["success"].tolist() == [0.0, 1.0]


def test_evaluations_inside_a_block_are_not_written(tmp_path):
    log = run(trained=("a_1",), blocks=[-1, 0, 0])
    found = read_l2logger(write_l2logger(log, tmp_path / "run")).log
    assert found.at == ("start", "end")


@pytest.mark.parametrize("name", ["7", "1e5", "nan", "NA", "two\tcells"])
def test_a_name_that_a_table_reader_would_not_keep_is_refused_or_replaced(tmp_path, name):
    log = EvaluationLog.from_arrays([name], [[0.5]], blocks=[-1], trained=[], measured="score")
    with pytest.raises(ValueError, match="give it one in names"):
        write_l2logger(log, tmp_path / "run")
    assert read_l2logger(write_l2logger(log, tmp_path / "run", names={name: "t_1"})).regimes.tasks == ("t_1",)


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot tell 'a_1' from 'A_1'"):
        write_l2logger(run(tasks=("a_1", "A_1"), trained=("a_1",)), tmp_path / "run")


def test_a_folder_that_holds_something_is_not_written_into(tmp_path):
    write_l2logger(run(), tmp_path / "run")
    with pytest.raises(ValueError, match="must be a new or empty folder"):
        write_l2logger(run(), tmp_path / "run")


# Reading


def test_names_are_lower_cased_unless_they_are_kept(tmp_path):
    folder = folder_of(tmp_path / "run", *ROWS)
    assert read_l2logger(folder).regimes.tasks == ("a_1",)
    assert read_l2logger(folder, keep_case=True).regimes.tasks == ("A_1",)


def test_another_metric_than_ours_is_read_as_a_return(tmp_path):
    found = read_l2logger(folder_of(tmp_path / "run", *ROWS))
    assert (found.metric, found.scenario) == ("reward", {"scenario_type": "custom"})
    assert found.log.measured == ("return",)
    assert found.log.training.values["return"].tolist() == [2.0, 3.0]
    assert found.log.steps.tolist() == [0, 2]


def test_incomplete_rows_and_rows_without_a_value_are_left_out(tmp_path):
    rows = [*ROWS, row(4, 2, "test", "a_1", 9.0, status="incomplete"), row(5, 2, "test", "a_1", "")]
    assert read_l2logger(folder_of(tmp_path / "run", *rows)).regimes.values.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_consecutive_evaluations_are_one_point_and_repeats_one_entry(tmp_path):
    rows = [row(0, 0, "test", "a_1", 1.0), row(1, 1, "test", "b_1", 2.0), row(2, 2, "test", "a_1", 3.0)]
    found = read_l2logger(folder_of(tmp_path / "run", *rows)).log
    assert found.at == ("start",) and found.tasks == ("a_1", "b_1")
    assert found.n_episodes.tolist() == [2, 1] and found.episodes["return"].tolist() == [1.0, 3.0, 2.0]


def test_a_learning_block_of_several_tasks_has_no_fixed_one_and_goes_on_around_an_evaluation(tmp_path):
    rows = [row(0, 0, "train", "a_1", 1.0), row(1, 0, "test", "a_1", 1.0), row(2, 0, "train", "b_1", 1.0)]
    found = read_l2logger(folder_of(tmp_path / "run", *rows, row(3, 1, "test", "a_1", 2.0))).log
    assert found.at == ("during", "end") and found.block_tasks == (None,)


def test_wake_evaluations_are_left_out_of_the_log_beside_sleep_ones(tmp_path):
    sleep = row(4, 2, "test", "a_1", 7.0, subtype="sleep")
    found = read_l2logger(folder_of(tmp_path / "run", *ROWS, sleep))
    assert found.log.episodes["return"].tolist() == [7.0]
    assert len(found.regimes.values) == 5


def test_rows_of_several_workers_stand_in_order_of_experiences(tmp_path):
    rows = [row(i, 0, "train", "a_1", float(i), worker=f"w{i % 2}") for i in range(4)]
    assert read_l2logger(folder_of(tmp_path / "run", *rows)).regimes.values.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_log_without_an_evaluation_has_regimes_alone(tmp_path):
    found = read_l2logger(folder_of(tmp_path / "run", *ROWS[1:3]))
    assert len(found.regimes) == 1
    with pytest.raises(ValueError, match="holds no evaluation: use its regimes"):
        _ = found.log


def test_a_missing_subtype_is_wake(tmp_path):
    rows = [[*cells[:4], *cells[5:]] for cells in ROWS]
    folder = folder_of(tmp_path / "run", *rows, columns=COLUMNS.replace("block_subtype ", ""))
    assert not read_l2logger(folder).regimes.is_sleep.any()


# Damaged folders


def test_a_last_line_that_was_cut_off_is_left_out_with_a_warning(tmp_path, caplog):
    folder = folder_of(tmp_path / "run", *ROWS, row(4, 2, "test", "a_1", 5.12345))
    table = folder / "w" / "2-test" / "data-log.tsv"
    table.write_text(table.read_text()[:-4])  # 5.12: a whole row, and a wrong one
    with caplog.at_level(logging.WARNING):
        found = read_l2logger(folder)
    assert "the last line is cut off" in caplog.text
    assert found.regimes.values.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_lines_that_stand_there_twice_are_left_out_with_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found = read_l2logger(folder_of(tmp_path / "run", *ROWS, ROWS[-1]))
    assert "line 3 repeats line 2: left out" in caplog.text
    assert found.regimes.lengths.tolist() == [1, 2, 1]


def test_a_copied_folder_of_a_worker_is_left_out_with_a_warning(tmp_path, caplog):
    folder = folder_of(tmp_path / "run", *ROWS)
    shutil.copytree(folder / "w", folder / "w copy")
    with caplog.at_level(logging.WARNING):
        found = read_l2logger(folder)
    assert "repeats 2 rows of" in caplog.text
    assert found.regimes.values.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda block: (block / "data-log.tsv").write_text("")])
def test_a_block_that_got_lost_is_named_in_a_warning(damage, tmp_path, caplog):
    folder = folder_of(tmp_path / "run", *ROWS)
    with caplog.at_level(logging.WARNING):
        read_l2logger(folder)
        assert not caplog.text
        damage(folder / "w" / "1-train")
        read_l2logger(folder)
    assert "no complete row with a reward in block 1; did a file get lost?" in caplog.text


def test_an_empty_table_has_no_rows(tmp_path):
    folder = folder_of(tmp_path / "run", *ROWS)
    (folder / "w" / "3-train").mkdir()
    (folder / "w" / "3-train" / "data-log.tsv").touch()
    assert len(read_l2logger(folder).regimes) == 3


def test_a_folder_around_one_run_is_read_and_one_around_two_is_refused(tmp_path):
    folder_of(tmp_path / "runs" / "one", *ROWS)
    assert len(read_l2logger(tmp_path / "runs").regimes) == 3
    folder_of(tmp_path / "runs" / "two", *ROWS)
    with pytest.raises(ValueError, match=r"holds 2 runs \(one, two, ...\): name one of them"):
        read_l2logger(tmp_path / "runs")


def test_blocks_of_two_runs_in_one_folder_are_refused(tmp_path):
    with pytest.raises(ValueError, match="experience 9 is in block 0, after experience 3 in block 2; are two runs"):
        read_l2logger(folder_of(tmp_path / "run", *ROWS, row(9, 0, "train", "a_1", 1.0)))


def test_tables_with_different_columns_are_refused(tmp_path):
    folder = folder_of(tmp_path / "run", *ROWS)
    table = folder / "w" / "2-test" / "data-log.tsv"
    table.write_text(table.read_text().replace("reward\n", "reward\tother\n").replace("4.0\n", "4.0\t1\n"))
    with pytest.raises(ValueError, match="are two runs in one folder"):
        read_l2logger(folder)


def change(index, value):
    cells = list(ROWS[1])
    cells[index] = value
    return cells


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (change(0, "-1"), "line 2: block_num must be an integer of at least 0, found '-1'"),
        (change(1, "x"), "line 2: exp_num must be an integer of at least 0, found 'x'"),
        (change(3, "trial"), "line 2: block_type must be train or test, found 'trial'"),
        (change(4, "nap"), "line 2: block_subtype must be wake or sleep, found 'nap'"),
        (change(5, ""), "line 2: task_name must be the name of a task, found none"),
        (change(7, "done"), "line 2: exp_status must be complete or incomplete, found 'done'"),
        (change(9, "high"), "line 2: reward must be a number or empty, found 'high'"),
        (change(9, "inf"), "line 2: reward must be finite, found 'inf'"),
        (ROWS[1][:-1], "line 2: expected 10 entries, one a column, found 9"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(tmp_path, cells, message):
    with pytest.raises(ValueError, match=message):
        read_l2logger(folder_of(tmp_path / "run", cells))


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"metrics_columns": ["reward"], "log_format_version": "1.0"}, "must be '1.1', found '1.0'"),
        ({"metrics_columns": ["reward"]}, "must be '1.1', found None"),
        ({"log_format_version": "1.1"}, "metrics_columns must be a list of names, found None"),
        ({"metrics_columns": ["reward", "score"], "log_format_version": "1.1"}, "line 1: missing the columns score"),
    ],
)
def test_a_bad_logger_info_is_refused(tmp_path, info, message):
    with pytest.raises(ValueError, match=message):
        read_l2logger(folder_of(tmp_path / "run", *ROWS, info=info))


def test_what_is_no_folder_of_l2logger_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a folder of l2logger"):
        read_l2logger(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no logger_info"):
        read_l2logger(tmp_path)
    folder = folder_of(tmp_path / "run", *ROWS)
    with pytest.raises(ValueError, match="the metric must be one of reward, found 'score'"):
        read_l2logger(folder, "score")
    (folder / "logger_info.json").write_text("{")
    with pytest.raises(ValueError, match="not a JSON object"):
        read_l2logger(folder)


def test_a_folder_without_a_complete_row_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no complete row with a reward\. Has the run begun"):
        read_l2logger(folder_of(tmp_path / "run", row(0, 0, "train", "a_1", 1.0, status="incomplete")))


def test_a_score_outside_its_range_has_regimes_alone(tmp_path):
    info = {"metrics_columns": ["score"], "log_format_version": "1.1"}
    found = read_l2logger(folder_of(tmp_path / "run", *ROWS, columns=COLUMNS.replace("reward", "score"), info=info))
    with pytest.raises(ValueError, match=r"the column score must lie in \[0, 1\], found 2 at experience 1"):
        _ = found.log
