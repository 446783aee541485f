"""Reports and comparisons on the command line."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
from cli_toys import assert_refused, train_arguments

from lifelong_rl.cli import main, parse


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    runs = tmp_path_factory.mktemp("seeds")
    for seed in ("0", "1"):
        assert main(train_arguments("--seed", seed, "--runs", str(runs))) == 0
    return runs / "point-goal"


def test_a_report_shows_an_interval_over_seeds_and_none_for_one(two_seeds, capsys):
    assert main(["report", str(two_seeds)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| dqn on point-goal"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["dqn on point-goal (condensed)", "2"]
    assert any("[" in cell and cell.endswith("]") for cell in cells[2:])
    assert main(["report", str(two_seeds / "dqn-condensed-s0")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| dqn on point-goal"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "1" and "[" not in row


def test_a_report_is_a_page_where_it_was_asked_for_and_of_each_run_too(two_seeds, tmp_path, capsys):
    assert main(["report", str(two_seeds), "--output", str(tmp_path / "paper"), "--each"]) == 0
    assert f"Report: {tmp_path / 'paper' / 'index.html'}" in capsys.readouterr().out
    for folder in (tmp_path / "paper", *(two_seeds / f"dqn-condensed-s{seed}" / "report" for seed in (0, 1))):
        assert {"index.html", "report.md", "tables.tex", "metrics.csv", "figures"} <= {
            p.name for p in folder.iterdir()
        }
    assert "report/index.html" in (tmp_path / "paper" / "index.html").read_text()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    assert_refused(
        ["report", str(two_seeds), "--output", str(tmp_path / "thesis")], capsys, "no report's", "--output"
    )


def test_a_damaged_run_among_others_is_a_warning(two_seeds, tmp_path, capsys):
    shutil.copytree(two_seeds, tmp_path / "runs")
    (tmp_path / "runs" / "dqn-condensed-s1" / "config.json").write_text("{")
    assert main(["report", str(tmp_path / "runs")]) == 0
    printed = capsys.readouterr()
    assert "dqn-condensed-s1: left out" in printed.err and "damaged" in printed.err
    assert "| dqn on point-goal (condensed) | 1 " in printed.out


def test_two_runs_are_compared_as_text_and_as_json(two_seeds, capsys):
    paths = [str(two_seeds / f"dqn-condensed-s{seed}") for seed in (0, 1)]
    assert main(["compare", *paths]) == 0
    assert "not paired: they share fewer than two seeds" in capsys.readouterr().out
    assert main(["compare", *paths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["a"]["seeds"], found["b"]["seeds"], found["is_paired"]) == ([0], [1], False)
    assert all(metric["difference_interval"] is None and metric["reason"] for metric in found["metrics"])
    assert_refused(["compare", paths[0]], capsys, "must hold two groups")
    assert_refused(["compare", "nowhere", paths[0]], capsys, "nowhere does not exist")


def test_a_report_says_why_a_metric_is_undefined(two_seeds, capsys):
    assert main(["report", str(two_seeds), "--reasons"]) == 0
    assert "cw/forward_transfer: " in capsys.readouterr().out


@pytest.mark.slow
def test_a_report_can_train_the_references_it_lacks(two_seeds, capsys):
    assert main(["report", str(two_seeds / "dqn-condensed-s0"), "--references"]) == 0
    metrics = json.loads((two_seeds / "dqn-condensed-s0" / "metrics.json").read_text())
    found = {f"{m['family']}/{m['name']}": m for m in metrics}
    assert len([path for path in (two_seeds / ".references").iterdir() if path.is_dir()]) == 2
    assert "reference" not in (found["cw/forward_transfer"]["reason"] or "")


def test_the_commands_of_the_page_on_reports_parse():
    page = (Path(__file__).resolve().parents[1] / "docs" / "report.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    lifelong-rl ")]
    assert len(commands) >= 6
    for command in commands:
        parse(shlex.split(command.split(" #")[0])[1:])
