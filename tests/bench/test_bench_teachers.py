"""The teacher benchmark measures what it says, the same on any number of processes, and refuses what it cannot."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_toys import Listening
from PIL import Image

from lifelong_rl.bench.jobs import jobs_of, run_jobs
from lifelong_rl.bench.settings import VARIANTS, Setting, seeds_of, setting_of
from lifelong_rl.bench.summary import mastery_table, summaries, table
from lifelong_rl.bench.teachers import TeacherResult, run_teacher
from lifelong_rl.cli import main
from lifelong_rl.envs.lookup import resolve
from lifelong_rl.teachers import TEACHERS

PERFECT = "bench_toys:Perfect"


def bench(*arguments):
    return main(["bench", "teachers", *arguments, "--quiet", "--processes", "1"])


# One run


def test_a_perfect_teacher_masters_all_cells_in_76_visits_each():
    result = run_teacher(PERFECT, setting_of("2d10", 7600), seed=0)

    assert result.mastery == 100.0
    assert result.curve[0] == (0, 0.0)
    assert result.curve[10] == (3800, 50.0)
    assert result.curve[-1] == (7600, 100.0)
    assert len(result.curve) == 21


def test_the_same_seed_gives_the_same_run_and_another_seed_another_one():
    setting = setting_of("2d4-noise", 4000)
    one, again, other = (run_teacher("random", setting, seed).curve for seed in (1, 1, 2))

    assert one == again != other


def test_noise_of_the_learner_does_not_move_the_teachers_own_draws():
    plain, noisy = (
        run_teacher("random", setting_of(name, 500), 1, is_traced=True).trace for name in ("2d4", "2d4-noise")
    )

    np.testing.assert_array_equal(plain.points, noisy.points)
    assert (plain.scores != noisy.scores).any()


def test_a_teacher_hears_scores_successes_and_the_learners_values():
    Listening.heard.clear()
    run_teacher("bench_toys:Listening", setting_of("2d10", 80), seed=0)
    scores, successes, extras = zip(*Listening.heard, strict=True)

    assert list(scores[:76]) == [i / 100 for i in range(1, 77)]
    assert list(successes[:77]) == [False] * 75 + [True, False]
    assert extras[0] == {"value": 0.0, "positive_value_loss": 0.01}
    assert extras[75]["value"] == pytest.approx(0.76 - 0.1, abs=0.02)  # it follows at a distance of 1 / rate
    assert extras[75]["positive_value_loss"] == pytest.approx(0.1, abs=0.02)


def test_a_task_that_is_only_looked_at_costs_an_episode_and_teaches_nothing():
    result = run_teacher("bench_toys:OnlyLooking", setting_of("2d10", 7600), seed=0)

    assert result.mastery == 0.0  # 38 visits a cell


def test_the_cost_is_the_teachers_own_and_its_slowest_call_is_found():
    quick, slow = (run_teacher(f"bench_toys:{name}", setting_of("2d10", 1000), 0) for name in ("Perfect", "Slow"))

    assert 60 < slow.us_per_episode - quick.us_per_episode < 180  # 100, on a machine that others use too
    assert 10 <= slow.slowest_call_ms < 40
    assert quick.state_bytes > 8000


def test_a_trace_holds_the_tasks_the_scores_and_how_competence_grew():
    trace = run_teacher(PERFECT, setting_of("2d10+3", 7600), 0, is_traced=True).trace

    assert trace.points.shape == (7600, 2)
    np.testing.assert_allclose(trace.points[76], [0.05, 0.15])
    np.testing.assert_allclose(trace.scores[:77], [*np.arange(1, 77) / 100, 0.01], rtol=1e-6)
    assert trace.moments[0] == 0 and trace.moments[-1] == 7600
    assert trace.competence[0].max() == 0.0
    assert (trace.competence[-1] == np.float32(0.76)).all()
    half = len(trace.moments) // 2
    assert (trace.competence[half][:5] == np.float32(0.76)).all() and not trace.competence[half][5:].any()


def test_alp_gmm_masters_more_of_the_grid_than_random_tasks_do():
    random = run_teacher("random", setting_of("2d10", 4000), 0).mastery
    adaptive = run_teacher("alp-gmm", setting_of("2d10", 4000), 0, {"max_gaussians": 3}).mastery

    assert random <= 1.0
    assert adaptive >= random + 3.0


@pytest.mark.parametrize("name", TEACHERS)
def test_every_teacher_that_is_made_without_arguments_can_be_measured(name):
    if any(p.default is p.empty for p in inspect.signature(resolve("teacher", name, TEACHERS)).parameters.values()):
        with pytest.raises(ValueError, match="missing a required argument"):
            run_teacher(name, setting_of("2d4", 60), 0)
    else:
        assert run_teacher(name, setting_of("2d4", 60), 0).state_bytes > 0


# Settings and seeds


@pytest.mark.parametrize("name", ["2d10", "4d4", "2d10+10", "1d7", *(f"2d10-{variant}" for variant in VARIANTS)])
def test_a_setting_is_read_back_from_its_name(name):
    setting = setting_of(name)

    assert setting.name == name
    assert setting.space().dimension == setting.n_dims + setting.n_irrelevant
    assert setting.learner(np.random.default_rng(0)).competence.shape == (setting.n_cells,) * setting.n_dims


def test_every_variant_changes_what_a_random_teacher_reaches():
    def seen(name):
        trace = run_teacher("random", setting_of(name, 3000), 0, is_traced=True).trace
        return trace.scores.tobytes()

    names = ["2d4", *(f"2d4-{variant}" for variant in VARIANTS)]
    assert len({seen(name) for name in names}) == len(names)


def test_grids_have_the_episodes_of_the_paper():
    assert [setting_of(name).n_episodes for name in ("2d10", "2d10-drift", "4d4", "6d4+2")] == [
        20_000,
        20_000,
        40_000,
        200_000,
    ]
    assert setting_of("6d4", 5).n_episodes == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2x10", "DIMSdCELLS"),
        ("0d10", "DIMSdCELLS"),
        ("2d10+", "DIMSdCELLS"),
        ("2d10-nois", "did you mean 'noise'"),
        ("9d10", "10,000,000 are the most"),
        ("2d1-unfeasible", "leaves no cell to learn"),
    ],
)
def test_another_setting_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        setting_of(text)


@pytest.mark.parametrize(
    ("text", "seeds"), [("1..10", list(range(1, 11))), ("3", [3]), ("0,2,5", [0, 2, 5]), ("4..4", [4])]
)
def test_seeds_are_read_from_text(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1..", "5..1", "-1", "1.5", "1,,2", "1,1", "1..3,2"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ValueError, match=r"seeds|seed may"):
        seeds_of(text)


# Many runs


def test_processes_change_nothing_but_the_times():
    kept = []
    jobs = jobs_of(["random", PERFECT], [setting_of("2d4", 900)], [1, 2], {PERFECT: {"n_cells": 4}})
    alone, together = (run_jobs(jobs, n, show_progress=False, keep=kept.append) for n in (1, 3))

    def essence(results):
        return [(r.teacher, r.setting, r.seed, r.mastery, r.curve) for r in results]

    assert essence(alone) == essence(together)
    assert sorted(essence(kept)) == sorted(essence(alone) * 2)
    assert [result.seed for result in alone] == [1, 2, 1, 2]
    assert {result.mastery for result in alone[2:]} == {11 / 16 * 100}


def test_a_teacher_that_fails_in_a_process_ends_the_benchmark_with_its_message():
    jobs = jobs_of(["bench_toys:Failing", "random"], [setting_of("2d4", 2000)], [0, 1], {})

    with pytest.raises(ValueError, match="this teacher always fails"):
        run_jobs(jobs, 2, show_progress=False)


def test_each_result_is_handed_over_as_soon_as_it_is_there():
    jobs = jobs_of(["random", "bench_toys:Failing"], [setting_of("2d4", 100)], [0, 1], {})
    kept = []
    with pytest.raises(ValueError, match="this teacher always fails"):
        run_jobs(jobs, 1, show_progress=False, keep=kept.append)

    assert [(result.teacher, result.seed) for result in kept] == [("random", 0), ("random", 1)]


def test_options_go_to_all_teachers_or_to_the_one_they_are_named_after():
    jobs = jobs_of(["alp-gmm", PERFECT], [Setting()], [0], {"alp-gmm": {"fit_every": 9}, PERFECT: {"n_cells": 4}})
    assert [job.options for job in jobs] == [{"fit_every": 9}, {"n_cells": 4}]

    jobs = jobs_of(["alp-gmm"], [Setting()], [0], {"fit_every": 9})
    assert jobs[0].options == {"fit_every": 9}


# Tables


def results(teacher, setting, *masteries):
    return [
        TeacherResult(teacher, setting, i, 100, mastery, 10.0 + i, 1.0 + i, 2000, ((0, 0.0), (100, mastery)))
        for i, mastery in enumerate(masteries)
    ]


def test_a_table_gives_means_with_intervals_over_seeds():
    found = summaries([*results("random", "2d10", 10.0, 20.0, 30.0), *results("plug.in:Mine", "2d10", 5.0)])
    header, rule, random, mine = table(found).splitlines()

    assert " ".join(random.split()) == "| random | 2d10 | 100 | 3 | 20.0 [10.0, 30.0] | 11 | 3.0 | 2 |"
    assert " ".join(mine.split()) == "| Mine | 2d10 | 100 | 1 | 5.0 | 10 | 1.0 | 2 |"
    assert len({len(line) for line in (header, rule, random, mine)}) == 1


def test_a_table_of_mastery_has_a_column_a_setting():
    found = summaries([*results("a", "2d10", 1.0), *results("a", "4d4", 2.0), *results("b", "4d4", 3.0)])
    _, _, first, second = mastery_table(found).splitlines()

    assert " ".join(first.split()) == "| a | 1.0 | 2.0 |"
    assert " ".join(second.split()) == "| b | - | 3.0 |"


# The command


def test_the_command_prints_one_json_document(capsys):
    assert (
        bench("--teacher", PERFECT, "random", "--setting", "2d10", "--seeds", "1..2", "--episodes", "760", "--json")
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    perfect, random = said["results"]

    assert (perfect["teacher"], perfect["setting"], perfect["episodes"], perfect["seeds"]) == (
        PERFECT,
        "2d10",
        760,
        [1, 2],
    )
    assert perfect["mastery"] == [10.0, 10.0] and perfect["mastery_mean"] == 10.0
    assert perfect["mastery_interval"] == [10.0, 10.0]
    assert len(random["cpu_us_per_episode"]) == 2 and min(random["cpu_us_per_episode"]) > 0


def test_the_command_prints_a_table(capsys):
    assert bench("--teacher", PERFECT, "--setting", "2d10", "2d4", "--seeds", "3", "--episodes", "1216") == 0
    rows = capsys.readouterr().out.splitlines()[2:]

    assert [row.split()[9] for row in rows] == ["16.0", "25.0"]  # made for ten cells a side


def test_the_command_writes_results_table_and_figures(tmp_path, capsys):
    folder = tmp_path / "new" / "out"
    arguments = ["--teacher", PERFECT, "--setting", "2d10-noise", "--seeds", "0,1", "--episodes", "300"]
    assert bench(*arguments, "--output", str(folder)) == 0

    assert {path.name for path in folder.iterdir()} == {
        "results.json",
        "runs.jsonl",
        "table.md",
        "mastery_curves.png",
        "played-bench_toys-Perfect-2d10-noise.npz",
        "tasks-bench_toys-Perfect-2d10-noise.png",
        "tasks-bench_toys-Perfect-2d10-noise.gif",
    }
    runs = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    assert [(run["seed"], run["curve"][-1][0]) for run in runs] == [(0, 300), (1, 300)]
    written = json.loads((folder / "results.json").read_text())
    assert written["provenance"]["packages"]["numpy"] == np.__version__
    assert [len(each["curve_mastery"]) for each in written["results"]] == [2]
    page = (folder / "table.md").read_text()
    assert capsys.readouterr().out in page and VARIANTS["noise"] in page
    with Image.open(folder / "tasks-bench_toys-Perfect-2d10-noise.gif") as animation:
        frames = animation.n_frames
        first = np.array(animation.convert("RGB"))
        animation.seek(frames - 1)
        assert frames > 20 and (np.array(animation.convert("RGB")) != first).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--teacher", "alp-gm"], "did you mean 'alp-gmm'"),
        (["--teacher", "bench_toys:Prefect"], "did you mean 'Perfect'"),
        (["--setting", "2d10-nosie"], "did you mean 'noise'"),
        (["--seeds", "1-10"], "1..10, 3 or 0,2,5..7"),
        (["--episodes", "0"], "at least 1, found 0"),
        (["--processes", "0"], "number of processes must be at least 1"),
        (["--teacher", "alp-gmm", "--teacher-options", "fit_evry=3"], "did you mean 'fit_every'"),
        (["--teacher", "alp-gmm", "--teacher-options", "fit_every=0"], "fit_every"),
        (["--teacher", "alp-gmm", "--teacher-options", "alp-gmm=3"], "alp-gmm.name=value"),
        (["--teacher", "random", "random"], "'random' is given twice"),
        (["--setting", "2d10", "2d10"], "'2d10' is given twice"),
        (["--teacher", "bench_toys:NoIntegers"], "works with integer features"),
    ],
)
def test_the_command_refuses_mistakes_before_it_starts(arguments, words, tmp_path, capsys):
    assert main(["bench", "teachers", *arguments, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()

    assert said.out == "" and words in said.err and len(said.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_teachers_that_are_measured_by_default_exist():
    from lifelong_rl.cli import Bench

    assert set(Bench().teacher) <= set(TEACHERS)


def test_the_command_measures_in_processes_that_import_no_torch(tmp_path):
    toy = Path(__file__).parent / "bench_toys.py"
    (tmp_path / "mine.py").write_text(
        toy.read_text()
        + "\n\nclass Light(Perfect):\n    def update(self, tasks, outcomes):\n"
        + "        import sys\n\n        assert not {'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "lifelong_rl.cli", "bench", "teachers", "--teacher", "mine:Light", "--json"]
    arguments = ["--seeds", "1..2", "--episodes", "152", "--processes", "2"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, env=os.environ, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["mastery"] == [2.0, 2.0]
    assert "304/304" in done.stderr  # the progress bar counts episodes
