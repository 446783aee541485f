"""What a report gives to repeat its runs: a command that makes the very configuration again."""

import json
import shlex
from dataclasses import replace

import pytest
from synthetic_runs import CONFIG, MIXED, WITH_COMPONENT, write_run

from lifelong_rl.cli import parse
from lifelong_rl.scenarios import SCENARIOS, condensed, curriculum, make_scenario, single
from lifelong_rl.teachers import make_teacher
from lifelong_rl.tracking.report import write_report
from lifelong_rl.tracking.report.repeating import repetition
from lifelong_rl.training.config import AgentConfig, RunConfig

EAST, NORTH, WEST, SOUTH = (
    {"task": {"goal_x": x, "goal_y": y, "start_x": 0.0, "start_y": 0.0}, "name": name}
    for name, x, y in (("e", 0.7, 0.0), ("n", 0.0, 0.6), ("w", -0.5, 0.0), ("s", 0.0, -0.4))
)
OTHERS = {
    "condensed": {"tasks": [EAST, WEST, EAST], "steps": 300},
    "dispersed": {"cycles": 2, "order_seed": 3, "steps": 400, "visibility": "boundary"},
    "alternating": {"cycles": 3, "steps": 600, "env_options": {"max_episode_steps": 9}},
    "permuted": {"n_tasks": 5, "steps": 500, "order_seed": 1},
    "pairs": {"tasks": [WEST, EAST, NORTH], "repeats": 3, "steps": 3600},
    "cycles": {"tasks": [WEST, EAST], "cycles": 2, "steps": 400, "observe_task": "vector"},
    "single": {"task": NORTH, "steps": 70},
    "curriculum": {"teacher": {"name": "alp-gmm", "fit_every": 30}, "bounds": {"goal_x": [0.0, 1.0]}, "steps": 90},
    "forgetting": {"n_tasks": 5, "steps": 500, "strength": 0.5},
    "transfer": {"distance": 0.1, "steps": 300, "evaluation_visibility": "task_id"},
    "distraction": {"n_distractors": 3, "steps": 500, "strength": 0.7},
    "composability": {
        "tasks": [NORTH, {"task": {"start_x": 0.5}, "name": "right"}],
        "n_distractors": 3,
        "steps": 600,
    },
    "recurring": {"tasks": [EAST, SOUTH, WEST], "n_active": 2, "n_blocks": 4, "steps": 400, "order_seed": 2},
    "blurry": {"n_tasks": 6, "n_blocks": 3, "round_to": 30, "steps": 1200, "order_seed": 5, "visibility": "boundary"},
    "power-law": {"n_tasks": 3, "n_blocks": 12, "recurrence": "exponential", "steps": 1200},
    "hierarchical": {"tasks": [EAST, NORTH, WEST, SOUTH], "steps": 2400, "order_seed": 1},
    "drift": {"tasks": [EAST, WEST, EAST], "n_stages": 4, "n_test_tasks": 5, "steps": 100},
}
USUAL = {"curriculum": {"teacher": {"name": "alp-kde"}}}
UNKNOWABLE = {
    "curriculum": {"teacher": "alp-kde"},
    "dispersed": {"tasks": [EAST, NORTH], "steps": 800},
    "permuted": {"tasks": [EAST, NORTH, WEST], "steps": 300, "order_seed": 4},
    "recurring": {"n_blocks": 4, "steps": 400, "order_seed": 12345},
    "blurry": {"leak": 0.3, "n_blocks": 3, "steps": 1200},
    "power-law": {"decay": 0.3, "steps": 16_000},
    "composability": {"strength": 0.4, "steps": 400},
}
"""What blocks alone do not tell, or flags would write out (a teacher's own defaults): these need a file."""


def parsed(again):
    """The configuration that the command line makes of a command."""
    words = shlex.split(again.command.replace("\\\n", " "))
    assert words[:2] == ["lifelong-rl", "train"]
    return parse([*words[1:], "--seed", "0"]).config()


def test_there_are_cases_for_every_kind():
    assert set(OTHERS) == set(SCENARIOS)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_options_alone_repeat_a_run_of_every_kind(kind):
    for options in (USUAL.get(kind, {}), OTHERS[kind]):
        config = RunConfig(make_scenario(kind, "point-goal", **options), AgentConfig("dqn"))
        again = repetition(config.to_json(), "nowhere.toml")
        assert f"--scenario {kind}" in again.command and again.scenario == ""
        assert parsed(again).to_json() == config.to_json()


@pytest.mark.parametrize("kind", UNKNOWABLE)
def test_a_scenario_that_no_options_are_found_for_is_repeated_from_a_file(kind, tmp_path):
    config = RunConfig(make_scenario(kind, "point-goal", **UNKNOWABLE[kind]), AgentConfig("dqn"), eval_every=100)
    path = tmp_path / "own.toml"
    again = repetition(config.to_json(), str(path))
    path.write_text(again.scenario)
    assert "--eval-every 100" in again.command
    assert parsed(again).to_json() == config.to_json()


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(WITH_COMPONENT, n_envs=2, eval_every=50, eval_episodes=3),
        replace(CONFIG, agent=AgentConfig("dqn", components=[("distillation", {"n_states": 50})])),
        replace(CONFIG, agent=AgentConfig("dqn", options={"policy_kwargs": {"net_arch": [8]}, "gamma": 0.9})),
        RunConfig(condensed("point-goal", n_tasks=2, steps=200, visibility="boundary"), AgentConfig("ppo")),
        RunConfig(single("point-goal", steps=100), AgentConfig("sac"), parallel=True),
        RunConfig(
            curriculum("point-goal", teacher="random", steps=100, test_set="point-goal/uniform-50"),
            AgentConfig("dqn"),
        ),
        RunConfig(
            curriculum("toy-grid", teacher=make_teacher("alp-kde", window=99), steps=100, n_test_tasks=3),
            AgentConfig("simulated"),
        ),
    ],
    ids=lambda config: config.label,
)
def test_the_command_that_repeats_a_run_gives_its_configuration(config):
    assert parsed(repetition(config.to_json(), "nowhere.toml")).to_json() == config.to_json()


def test_the_report_writes_the_file_that_its_command_names(tmp_path, monkeypatch):
    config = RunConfig(MIXED, AgentConfig("dqn"))
    runs = [write_run(tmp_path / f"run-{seed}", replace(config, seed=seed)) for seed in (0, 1)]
    page = write_report(runs, lambda folder: {}, tmp_path / "all").page
    assert "for seed in 0 1; do\n  lifelong-rl train --scenario scenario-1.toml" in page.read_text()
    monkeypatch.chdir(page.parent)
    assert parsed(repetition(config.to_json(), "scenario-1.toml")).to_json() == config.to_json()
    write_report([write_run(tmp_path / "other", CONFIG)], lambda folder: {}, page.parent)
    assert not (page.parent / "scenario-1.toml").exists(), "the file of an earlier report is gone"


def test_a_run_that_no_command_says_is_repeated_from_its_configuration(tmp_path):
    config = RunConfig(MIXED, AgentConfig("dqn"), eval_seed=7)
    assert repetition(config.to_json(), "own.toml") is None
    page = write_report([write_run(tmp_path / "a", config)], lambda folder: {}).page.read_text()
    assert "RunConfig.from_json(json.load(open(" in page


def test_options_that_a_file_cannot_hold_leave_the_lines_of_python():
    data = RunConfig(MIXED, AgentConfig("dqn")).to_json()
    data = json.loads(json.dumps(data))
    data["scenario"]["env_options"] = {"max_episode_steps": None}
    assert repetition(data, "own.toml") is None
