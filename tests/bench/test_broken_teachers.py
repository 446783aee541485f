"""What a broken teacher does to a benchmark, and a benchmark that goes on where another was ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifelong_rl.bench.jobs import SomeFailed, jobs_of, run_jobs
from lifelong_rl.bench.settings import seeds_of, setting_of
from lifelong_rl.bench.summary import mastery_table, summaries
from lifelong_rl.bench.teachers import run_teacher
from lifelong_rl.cli import main
from lifelong_rl.teachers.failures import TeacherFailure

TINY = ["--setting", "2d4", "--episodes", "60", "--quiet", "--processes", "1"]


def bench(*arguments):
    return main(["bench", "teachers", *arguments, *TINY])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Flat", "sample(1) must give an array of shape (1, 2) with numbers in [0, 1], found array("),
        ("NotANumber", "found array([[nan, nan]])"),
        ("Outside", "with numbers in [0, 1], found array([[2."),
        ("Lists", "with numbers in [0, 1], found [[0."),
        ("Nothing", "found None"),
        ("KeyErrors", "update raised KeyError: 'boom' (broken_toys.py, line "),
        ("ValueErrors", "update raised boom (broken_toys.py, line "),
        ("Exits", "update raised SystemExit: 3 (broken_toys.py, line "),
        ("Sets", "state.seen is a set"),
    ],
)
def test_a_broken_teacher_is_one_sentence_with_its_name_the_setting_and_the_seed(name, words):
    with pytest.raises(TeacherFailure) as error:
        run_teacher(f"broken_toys:{name}", setting_of("2d4", 60), 7)
    said = str(error.value)
    assert said.startswith(f"the teacher 'broken_toys:{name}' failed on 2d4, seed 7: ") and "\n" not in said
    assert words in said
    assert said.endswith(f"`lifelong-rl check-teacher broken_toys:{name}` says which rules it keeps.")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Unbound", "begin its reset with super().reset(space, rng)"),
        ("ResetRaises", "reset raised AttributeError: 'ResetRaises' object has no attribute 'never_set'"),
    ],
)
def test_a_teacher_that_cannot_start_is_refused_before_anything_runs(name, words, capsys):
    assert bench("--teacher", "random", f"broken_toys:{name}") == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1 and words in said.err


@pytest.mark.parametrize("n_processes", [1, 2])
def test_the_others_go_on_when_one_fails_and_its_waiting_jobs_are_dropped(n_processes):
    jobs = jobs_of(["broken_toys:KeyErrors", "random"], [setting_of("2d4", 60)], [0, 1, 2], {})
    kept = []
    with pytest.raises(SomeFailed) as error:
        run_jobs(jobs, n_processes, show_progress=False, keep=kept.append)
    assert [(each.teacher, each.seed) for each in error.value.results] == [
        ("random", 0),
        ("random", 1),
        ("random", 2),
    ]
    assert len(kept) == 3 and str(error.value).count("failed on") == 1


def test_the_command_prints_the_table_of_what_is_done_and_then_the_error(tmp_path, capsys):
    folder = tmp_path / "out"
    given = ["--teacher", "broken_toys:ValueErrors", "random", "--seeds", "0..1", "--output", str(folder)]
    assert bench(*given, "--no-figures") == 2
    said = capsys.readouterr()
    assert "| random " in said.out and "ValueErrors" not in said.out
    assert said.err.startswith("error: the teacher 'broken_toys:ValueErrors' failed on 2d4, seed 0")
    assert [each["teacher"] for each in json.loads((folder / "results.json").read_text())["results"]] == ["random"]


def test_a_benchmark_goes_on_where_its_folder_was_left(tmp_path, capsys):
    folder = tmp_path / "out"
    given = ["--teacher", "random", "alp-kde", "--output", str(folder)]
    assert bench(*given, "--seeds", "0") == 0
    runs = folder / "runs.jsonl"
    first = runs.read_text()
    runs.write_text(first + first[:50])  # killed while it wrote a line
    before = capsys.readouterr().out
    (folder / "tasks-random-2d4.gif").unlink()

    assert bench(*given, "--seeds", "0..1") == 0
    assert runs.read_text().startswith(first) and len(runs.read_text().splitlines()) == 4
    results = json.loads((folder / "results.json").read_text())["results"]
    assert [each["seeds"] for each in results] == [[0, 1], [0, 1]]
    assert (folder / "tasks-random-2d4.gif").exists()
    assert capsys.readouterr().out != before

    assert bench(*given, "--seeds", "0..1") == 0  # all is there
    assert len(runs.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "changed",
    [
        ["--teacher", "alp-kde", "--teacher-options", "window=99"],
        ["--teacher", "random"],
        ["--teacher", "alp-kde", "--seeds", "1"],
    ],
)
def test_a_folder_with_runs_of_other_settings_is_refused(changed, tmp_path, capsys):
    out = ["--output", str(tmp_path / "out"), "--no-figures"]
    assert bench("--teacher", "alp-kde", "--seeds", "0", *out) == 0
    before = (tmp_path / "out" / "runs.jsonl").read_text()
    capsys.readouterr()
    assert bench("--seeds", "0", *changed, *out) == 2
    assert "'alp-kde' on 2d4, seed 0" in capsys.readouterr().err
    assert (tmp_path / "out" / "runs.jsonl").read_text() == before


def test_an_output_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert bench("--output", str(tmp_path / "file")) == 2
    assert "is a file; give the output a folder" in capsys.readouterr().err


def test_two_teachers_of_one_class_name_are_told_apart():
    teachers = ["bench_toys:Perfect", "broken_toys:Perfect", "broken_toys:Plain"]
    found = summaries(run_jobs(jobs_of(teachers, [setting_of("2d4", 60)], [0], {}), 1, show_progress=False))
    assert [each.label for each in found] == ["bench_toys:Perfect", "broken_toys:Perfect", "Plain"]
    assert mastery_table(found).count("Perfect") == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--teacher"], "give at least one teacher"),
        (["--teacher", "random", "--teacher-options", "riac.region_size=9"], "options of 'riac'"),
        (["--teacher", "random", "alp-gmm", "--teacher-options", "fit_evry=9"], "did you mean 'fit_every'"),
        (["--teacher", "alp-gmm", "--teacher-options", "fit_every=2.5"], "must be a whole number, found 2.5"),
        (["--seeds", "0..999999999999"], "at most 100,000 seeds"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(given, words, capsys):
    assert bench(*given) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1 and words in said.err


@pytest.mark.parametrize("name", ["100d1", "13d2", "2d10+999999999"])
def test_a_grid_of_too_many_axes_is_refused(name):
    with pytest.raises(ValueError, match="at most 12 axes and 1,000 irrelevant ones"):
        setting_of(name)


def test_an_option_goes_to_the_teachers_that_have_it():
    jobs = jobs_of(["random", "alp-gmm"], [setting_of("2d4", 60)], [0], {"fit_every": 9})
    assert [job.options for job in jobs] == [{}, {"fit_every": 9}]


@pytest.mark.parametrize(("text", "seeds"), [("1..3,5", [1, 2, 3, 5]), ("1, 2", [1, 2]), ("7,0..1", [7, 0, 1])])
def test_ranges_and_lists_of_seeds_mix(text, seeds):
    assert seeds_of(text) == seeds


def is_alive(process_id):
    """Say whether a process runs; one that ended and waits to be collected does not."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_a_benchmark_that_is_ended(number):
    given = ["bench", "teachers", "--teacher", "riac", "--seeds", "0..9", "--episodes", "2000000", "--quiet"]
    command = [sys.executable, "-m", "lifelong_rl.cli", *given, "--processes", "2"]
    main_one = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    children = Path(f"/proc/{main_one.pid}/task/{main_one.pid}/children")
    deadline = time.monotonic() + 60.0
    while len(started := children.read_text().split()) < 3 and time.monotonic() < deadline:  # and a tracker
        time.sleep(0.1)
    main_one.send_signal(number)
    said = main_one.communicate(timeout=60)[1]
    while any(map(is_alive, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(started) >= 3 and not any(map(is_alive, started))
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert main_one.returncode == 128 + number and said.strip() == "stopped"
