"""A report of run folders: who is in which group, what is said of the rest, and where it lies."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import CONFIG, MIXED, PROVENANCE, TAUGHT, WITH_COMPONENT, drawn_episodes, write_run

from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.report import pictures, report_runs, write_report
from lifelong_rl.tracking.report.groups import group_runs
from lifelong_rl.tracking.report.runs import read_run
from lifelong_rl.tracking.run_folder import RunFolder, find_runs
from lifelong_rl.training.config import AgentConfig, RunConfig


@pytest.fixture
def painted():
    """Ask for figures as they are written."""


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Compose figures without painting them, but for the tests of the files themselves."""
    if "painted" not in request.fixturenames:
        monkeypatch.setattr(pictures, "png", lambda figure: b"PNG")
        monkeypatch.setattr(pictures, "svg", lambda figure, name: f'<svg id="{name}"></svg>')


def report(*folders, output=None):
    return write_report(list(folders), lambda folder: {}, output)


def cells(table, row):
    return [cell.strip() for cell in table.splitlines()[2 + row].strip("|").split("|")]


def test_seeds_share_a_row_and_other_settings_get_one_of_their_own(tmp_path):
    longer = replace(CONFIG, scenario=condensed("point-goal", n_tasks=2, steps=400))
    folders = [
        write_run(tmp_path / "a", CONFIG, kept=0.0),
        write_run(tmp_path / "b", replace(CONFIG, seed=1), kept=0.4),
        write_run(tmp_path / "c", longer, kept=0.2),
    ]
    table = report_runs(folders, lambda folder: {})
    header = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    assert header[:3] == ["runs", "seeds", "gem/average_accuracy ↑"]
    assert cells(table, 0)[:3] == ["dqn on point-goal (condensed)", "2", "0.60 [0.50, 0.70]"]
    assert cells(table, 1)[:3] == ["dqn on point-goal (condensed) #2", "1", "0.60"]
    assert "-0.00" not in table
    markdown = (tmp_path / "report" / "report.md").read_text()
    assert "#2 differs by scenario.blocks[0].steps 200 (not 100)" in markdown.replace("\\", "")
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert next(m["value"] for m in metrics if m["name"] == "average_accuracy") == 0.5


def test_what_does_not_influence_a_run_does_not_part_seeds(tmp_path):
    other = replace(CONFIG, seed=1, checkpoint_every=50, log_every=20, parallel=True)
    folders = [write_run(tmp_path / "a", CONFIG), write_run(tmp_path / "b", other)]
    assert cells(report(*folders).table, 0)[1] == "2"


def test_a_run_that_cannot_be_read_is_left_out_and_named_with_the_reason(tmp_path):
    folders = [write_run(tmp_path / name, replace(CONFIG, seed=i)) for i, name in enumerate("abcd")]
    folders.append(RunFolder.create(tmp_path / "e", CONFIG.to_json()))
    (tmp_path / "b" / "evaluations.jsonl").write_text("{}\n{}\n")
    (tmp_path / "c" / "config.json").write_text('{"scenario": 3, "agent": {}}')
    (tmp_path / "d" / "episodes.jsonl").write_text("[]\n[]\n")
    found = report(*folders)
    assert {Path(warned.subject).name: warned.text.split(":")[0] for warned in found.warnings} == dict.fromkeys(
        "bcde", "left out"
    )
    reasons = {Path(warned.subject).name: warned.text for warned in found.warnings}
    assert "evaluations.jsonl, line 1" in reasons["b"] and "holds no evaluation yet" in reasons["e"]
    assert "episodes.jsonl, line 1" in reasons["d"]
    page = found.page.read_text()
    assert "Before you believe the numbers" in page and all(f"<code>../{name}</code>" in page for name in "bcde")
    assert "## Warnings" in (found.page.parent / "report.md").read_text()
    with pytest.raises(ValueError, match="none of the runs can be reported"):
        report(*folders[1:])


def test_an_unfinished_run_has_no_part_in_the_means_of_finished_ones(tmp_path):
    done = write_run(tmp_path / "a", CONFIG, kept=0.4)
    half = write_run(tmp_path / "b", replace(CONFIG, seed=1), n_blocks=1)
    found = report(done, half)
    assert cells(found.table, 0)[1:3] == ["1", "0.70"]
    texts = [warned.text for warned in found.warnings]
    assert texts[0] == "unfinished: evaluated up to step 100 of 200."
    assert "not part of the means" in texts[1]
    assert "in no group" in found.page.read_text()


def test_unfinished_runs_alone_are_reported_as_far_as_they_came(tmp_path):
    runs = [write_run(tmp_path / str(i), replace(CONFIG, seed=i), n_blocks=1) for i in range(2)]
    write_run(tmp_path / "2", replace(CONFIG, seed=2), n_blocks=0)
    found = report(*runs, RunFolder(tmp_path / "2"))
    assert cells(found.table, 0)[1] == "3"
    assert len(found.warnings) == 3


def test_the_same_run_twice_is_counted_once_and_named(tmp_path):
    first = write_run(tmp_path / "a", CONFIG)
    shutil.copytree(first.path, tmp_path / "copy")
    found = report(first, RunFolder(tmp_path / "copy"))
    assert cells(found.table, 0)[1] == "1"
    assert [warned.subject for warned in found.warnings] == [str(tmp_path / "copy")]
    assert "the same run with the same seed, 0" in found.warnings[0].text


def test_seeds_of_other_versions_are_warned_of(tmp_path):
    other = PROVENANCE | {"commit": "def456"}
    found = report(
        write_run(tmp_path / "a", CONFIG),
        write_run(tmp_path / "b", replace(CONFIG, seed=1), provenance=other),
    )
    assert "2 different sets of versions or commits" in found.warnings[0].text
    assert "abc123, def456" in found.page.read_text()


def test_reference_runs_that_cannot_be_read_cost_the_metrics_that_need_them_only(tmp_path):
    def broken(folder):
        raise ValueError("line 3 is damaged")

    found = write_report([write_run(tmp_path / "a", CONFIG)], broken)
    assert "reference runs cannot be read, so none is used: line 3 is damaged" in found.warnings[0].text
    assert cells(found.table, 0)[2] == "0.75"


# Where it lies


def test_the_same_runs_give_the_same_bytes(tmp_path, painted):
    runs = [write_run(tmp_path / "runs" / str(i), replace(CONFIG, seed=i), kept=0.1 * i) for i in range(2)]
    runs.append(write_run(tmp_path / "runs" / "taught", TAUGHT, episodes=drawn_episodes(40)))
    pages = []
    for name in ("first", "second"):
        place = report(*runs, output=tmp_path / name).page.parent
        pages.append({p.relative_to(place): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()})
    assert pages[0] == pages[1]
    files = {path.as_posix() for path in pages[0]}
    assert {"index.html", "report.md", "tables.tex", "metrics.csv", "summary.csv", "curves.csv"} <= files
    assert {"figures/curves-1.png", "figures/matrix-1.png", "figures/tasks-2-1.png"} <= files


def test_a_report_of_one_run_lies_in_the_run_and_one_of_many_in_the_folder_they_share(tmp_path):
    runs = [write_run(tmp_path / "runs" / name, replace(CONFIG, seed=i)) for i, name in enumerate("ab")]
    assert report(runs[0]).page == tmp_path / "runs" / "a" / "report" / "index.html"
    assert (tmp_path / "runs" / "a" / "report" / "task_curves.png").is_file()
    assert report(*runs).page == tmp_path / "runs" / "report" / "index.html"
    assert not (tmp_path / "runs" / "b" / "report").exists()
    assert find_runs([tmp_path]) and len(find_runs([tmp_path])) == 2  # a report is no run


def test_figures_of_an_earlier_report_go(tmp_path):
    runs = [write_run(tmp_path / "a", CONFIG), write_run(tmp_path / "b", WITH_COMPONENT)]
    figures = report(*runs, output=tmp_path / "out").page.parent / "figures"
    assert (figures / "curves-2.png").is_file()
    report(runs[0], output=tmp_path / "out")
    assert sorted(path.name for path in figures.iterdir()) == ["curves-1.png", "matrix-1.png"]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    run = write_run(tmp_path / "a", CONFIG)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "index.html").write_text("<title>my page</title>")
    with pytest.raises(ValueError, match=r"thesis holds files that are no report's.*--output"):
        report(run, output=tmp_path / "thesis")
    with pytest.raises(ValueError, match="is no folder"):
        report(run, output=tmp_path / "thesis" / "index.html")
    assert not (run.path / "metrics.json").exists()


# What is said of the runs


def test_links_lead_from_the_report_to_the_runs(tmp_path):
    runs = [write_run(tmp_path / "runs" / name, replace(CONFIG, seed=i)) for i, name in enumerate("ab")]
    page = report(*runs).page
    for name in "ab":
        assert f'href="../{name}/config.json"' in page.read_text()
        assert (page.parent / ".." / name / "config.json").is_file()
    assert str(tmp_path) not in page.read_text()  # a report travels with its runs


def test_a_block_without_a_fixed_task_is_named_by_its_kind(tmp_path):
    run = write_run(tmp_path / "a", RunConfig(MIXED, AgentConfig("dqn")))
    task, kinds = MIXED.blocks[0].task.id, ["curriculum", "distribution", "drift"]
    page = report(run).page
    rows = re.findall(r"\| (before|after [^|]*?) +\|", (page.parent / "report.md").read_text())
    assert rows == ["before", f"after 1: {task}", *(f"after {i}: {kind}" for i, kind in enumerate(kinds, 2))]
    assert f"{task} \u2192 random \u2192 distribution \u2192 drift" in page.read_text(), "the settings say it too"
    log, told = run.log(), pictures.block_kinds(run.config["scenario"]["blocks"])
    matrix = [label.get_text() for label in pictures.matrix_figure(log, told).axes[0].get_yticklabels()]
    assert matrix == rows
    (group,), _ = group_runs([read_run(run, lambda folder: {})[0]])
    assert [text.get_text() for text in pictures.curves_figure(group).axes[0].texts] == [task, *kinds]


def test_the_day_of_a_run_is_read_from_its_event_file(tmp_path):
    run = write_run(tmp_path / "a", CONFIG)
    assert "<dt>started</dt><dd>not recorded</dd>" in report(run).page.read_text()
    (run.path / "events.out.tfevents.1700000000.host.1.0").touch()
    assert "<dt>started</dt><dd>2023-11-14</dd>" in report(run).page.read_text()


def test_an_agent_that_is_not_here_is_still_reported(tmp_path):
    run = write_run(tmp_path / "a", CONFIG)
    config = json.loads((run.path / "config.json").read_text())
    config["agent"] |= {"name": "elsewhere:Agent", "components": [["elsewhere:Part", {}]]}
    (run.path / "config.json").write_text(json.dumps(config))
    assert cells(report(run).table, 0)[0] == "Agent+Part on point-goal (condensed)"


def test_a_teacher_whose_environment_is_not_here_costs_its_picture_only(tmp_path):
    run = write_run(tmp_path / "a", TAUGHT, episodes=drawn_episodes(10))
    assert 'id="tasks-1-1"' in report(run).page.read_text()
    config = json.loads((run.path / "config.json").read_text())
    config["scenario"]["family"] = "nowhere_at_all:Env"
    (run.path / "config.json").write_text(json.dumps(config))
    found = report(run)
    assert "seed 0: cannot be drawn." in found.page.read_text()
    assert "its own figures cannot be drawn" in found.warnings[0].text
    assert cells(found.table, 0)[0] == "dqn on nowhere_at_all:Env (random)"


@dataclass(frozen=True)
class Bill:
    """What a run may hold of its costs."""

    steps: int = 200
    updates: int | None = None
    peak_bytes: int | None = 3_000_000_000
    wall_seconds: Mapping[str, float] = field(default_factory=lambda: {"training": 30.0, "evaluation": 10.0})
    total_wall_seconds: float = 40.0
    total_cpu_seconds: float = 36.0
    memory: tuple[Any, ...] = ()


def test_costs_are_shown_where_they_were_recorded_and_said_to_be_missing_elsewhere(tmp_path, monkeypatch):
    runs = [write_run(tmp_path / "a", CONFIG), write_run(tmp_path / "b", WITH_COMPONENT)]
    assert "Costs: not recorded by these runs." in report(*runs).page.read_text()
    bills = {"a": Bill(), "b": None}
    monkeypatch.setattr(RunFolder, "costs", property(lambda self: bills[self.path.name]), raising=False)
    markdown = (report(*runs).page.parent / "report.md").read_text()
    rows = [line for line in markdown.split("**Cost of a run**")[1].splitlines() if line.startswith("| dqn")]
    assert [cell.strip() for cell in rows[0].split("|")[2:-1]] == [
        *("200", "–", "40.0 s", "25%", "36.0 s", "3.00 GB", "0 kB")  # noqa: RUF001
    ]
    assert [cell.strip() for cell in rows[1].split("|")[2:-1]] == ["200", *["–"] * 6]  # noqa: RUF001
    assert "not recorded by 1 run(s)" in markdown
