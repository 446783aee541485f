import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from lifelong_rl.evaluation import to_line
from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.report import group_runs, report_runs
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig

CONFIG = RunConfig(condensed("point-goal", n_tasks=2, steps=200), AgentConfig("dqn"))


def finished(path: Path, config: RunConfig, score: float) -> RunFolder:
    """Give a folder as a run leaves it, that scores the same on each task everywhere."""
    folder = RunFolder.create(path, config.to_json())
    lines = []
    for step, block, at in [(0, 0, "start"), (100, 0, "end"), (200, 1, "end")]:
        for task in ("east", "north"):
            lines.append(
                to_line(
                    {
                        "step": step,
                        "block": block,
                        "at": at,
                        "trained": None if at == "start" else ("east", "north")[block],
                    }
                    | {"task": task, "returns": [1.0], "scores": [score], "successes": [True], "lengths": [1]}
                )
            )
    folder.evaluations_path.write_text("".join(lines))
    return folder


def test_seeds_share_a_row_and_other_settings_get_one_of_their_own(tmp_path):
    longer = replace(CONFIG, scenario=condensed("point-goal", n_tasks=2, steps=400))
    folders = [
        finished(tmp_path / "a", CONFIG, 0.5),
        finished(tmp_path / "b", replace(CONFIG, seed=1), 0.7),
        finished(tmp_path / "c", longer, 0.1),
    ]
    groups = group_runs(folders)
    assert [len(members) for members in groups.values()] == [2, 1]
    assert list(groups) == ["dqn on point-goal (condensed)", "dqn on point-goal (condensed) #2"]
    table = report_runs(folders, lambda folder: {})
    first, second = table.splitlines()[2:]
    assert "0.60 [0.50, 0.70]" in first
    assert "0.10" in second and "[" not in second
    assert "-0.00" not in table
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())


def test_a_run_without_an_evaluation_is_left_out_and_named(tmp_path, caplog):
    folders = [finished(tmp_path / "a", CONFIG, 0.5), RunFolder.create(tmp_path / "b", CONFIG.to_json())]
    with caplog.at_level(logging.WARNING):
        (members,) = group_runs(folders).values()
    assert [folder.path for folder in members] == [tmp_path / "a"]
    assert str(tmp_path / "b") in caplog.text
    with pytest.raises(ValueError, match="none of the runs holds an evaluation"):
        group_runs(folders[1:])
