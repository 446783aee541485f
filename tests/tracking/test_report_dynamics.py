"""The part of a report on learned dynamics: where it appears, its numbers, and that other reports stay."""

import json
from dataclasses import replace

import pytest
from synthetic_runs import CONFIG, WITH_COMPONENT, write_run

from lifelong_rl.tracking.report import dynamics, write_report
from lifelong_rl.tracking.report.document import UNKNOWN


def with_errors(folder, errors):
    """Give each evaluation after the start the errors of its moment: moment -> task -> error."""
    lines = [json.loads(line) for line in folder.evaluations_path.read_text().splitlines()]
    steps = sorted({line["step"] for line in lines})
    for line in lines:
        given = errors[steps.index(line["step"])]
        if given:
            line["extra"] = {f"dynamics_error/{task}": error for task, error in given.items()} | {"other": 1.0}
    folder.evaluations_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


ERRORS = ({}, {"east": 0.01}, {"east": 0.04, "west": 0.02})


def written(place, *folders):
    write_report(list(folders), lambda folder: {}, place / "report")
    return place / "report"


def table_of(text):
    section = text.split("## Dynamics error against return", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_errors_and_returns_just_after_and_at_the_end_stand_in_a_table(tmp_path):
    folder = with_errors(write_run(tmp_path / "a", CONFIG, kept=0.25), ERRORS)
    place = written(tmp_path, folder)
    rows = table_of((place / "report.md").read_text())
    assert rows[0] == ["east", "0.01", "0.04", "4", "1.00", "0.25", "-0.75", UNKNOWN, "2"]
    assert rows[1] == ["west", "0.02", "0.02", "1", "1.00", "1.00", "0.00", UNKNOWN, "1"]
    assert (place / "figures" / "dynamics-1.png").is_file()
    assert 'id="dynamics"' in (place / "index.html").read_text()


def test_seeds_are_averaged_errors_geometrically_and_ranked_together(tmp_path):
    first = with_errors(write_run(tmp_path / "a", CONFIG, kept=0.0), ERRORS)
    second = with_errors(
        write_run(tmp_path / "b", replace(CONFIG, seed=1), kept=0.5),
        ({}, {"east": 0.04}, {"east": 0.01, "west": 0.02}),
    )
    rows = table_of((written(tmp_path, first, second) / "report.md").read_text())
    # errors 0.01, 0.04, 0.04, 0.01 have the ranks 1.5, 3.5, 3.5, 1.5; returns 1, 0, 1, 0.5 those of 3.5, 1, 3.5, 2
    assert rows[0] == ["east", "0.02", "0.02", "1", "1.00", "0.25", "-0.75", "-0.24", "4"]


def test_a_report_without_such_numbers_has_no_such_part(tmp_path):
    place = written(tmp_path, write_run(tmp_path / "a", CONFIG))
    for name in ("report.md", "index.html"):
        assert "ynamics" not in (place / name).read_text()


def test_only_the_group_that_learned_dynamics_gets_a_table(tmp_path):
    plain = write_run(tmp_path / "a", CONFIG)
    other = with_errors(write_run(tmp_path / "b", WITH_COMPONENT), ERRORS)
    place = written(tmp_path, plain, other)
    assert [path.name for path in sorted((place / "figures").glob("dynamics-*"))] == ["dynamics-2.png"]


def test_a_task_that_was_never_trained_has_no_numbers_and_the_reason(tmp_path):
    folder = with_errors(write_run(tmp_path / "a", CONFIG, n_blocks=1), ({}, {"east": 0.01, "west": 0.3}))
    place = written(tmp_path, folder)
    rows = table_of((place / "report.md").read_text())
    assert rows[1] == ["west", *[UNKNOWN] * 7, "1"]
    assert "not evaluated at the end of a block that trained it" in (place / "index.html").read_text()


def test_errors_that_are_no_positive_numbers_and_a_line_cut_short_are_left_out(tmp_path):
    folder = with_errors(write_run(tmp_path / "a", CONFIG), ({}, {"east": 0.01}, {"east": None, "west": 0.0}))
    text = folder.evaluations_path.read_text()
    folder.evaluations_path.write_text(text[:-9])
    rows = table_of((written(tmp_path, folder) / "report.md").read_text())
    assert [(row[0], row[-1]) for row in rows] == [("east", "1")]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3], [30, 20, 10], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 0.8),
        ([1, 2], [1, 2], None),
        ([1, 1, 1], [1, 2, 3], None),
    ],
)
def test_rank_correlations_are_those_by_hand(first, second, expected):
    found = dynamics.rank_correlation(first, second)
    assert found == (expected if expected is None else pytest.approx(expected))
