"""Mistakes in Python that were once accepted, or answered with somebody else's traceback."""

import json

import numpy as np
import pytest
import torch

from lifelong_rl.agents import AGENTS
from lifelong_rl.agents.components import Distillation
from lifelong_rl.agents.sb3 import LifelongDQN
from lifelong_rl.envs import Feature, make
from lifelong_rl.envs.lookup import resolve
from lifelong_rl.scenarios import Block, condensed
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import Trainer

SCENARIO = condensed("point-goal", n_tasks=2, steps=200)


def test_components_may_be_names_pairs_or_objects():
    configs = [
        AgentConfig("dqn", components=["distillation"]),
        AgentConfig("dqn", components=[("distillation", {})]),
        AgentConfig("dqn", components=(Distillation(),)),
    ]
    assert len({json.dumps(config.to_json()) for config in configs}) == 1
    assert AgentConfig("dqn", components=[Distillation(n_states=7)]).components[0][1]["n_states"] == 7


@pytest.mark.parametrize("components", ["distillation", [Distillation], [3], ["distillation", Distillation()]])
def test_other_forms_of_components_are_refused(components):
    with pytest.raises(ValueError, match="component"):
        AgentConfig("dqn", components=components)


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": "a"},
        {"seed": 1.5},
        {"n_envs": "2"},
        {"eval_every": 1.5},
        {"eval_episodes": 2.5},
        {"checkpoint_every": None},
        {"log_every": True},
        {"scenario": "condensed"},
        {"agent": "dqn"},
    ],
    ids=str,
)
def test_a_setting_of_another_type_is_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        RunConfig(**({"scenario": SCENARIO, "agent": AgentConfig("dqn")} | settings))


@pytest.mark.parametrize(
    "options",
    [
        {"gamma": "foo"},
        {"gamma": float("nan")},
        {"learning_starts": "abc"},
        {"batch_size": 0},
        {"buffer_size": -5},
        {"train_freq": 0},
        {"device": "tpu"},
        {"action_noise": 0.1},
    ],
    ids=str,
)
def test_an_agent_option_that_cannot_work_is_refused_before_anything_is_written(options, tmp_path):
    with pytest.raises(ValueError, match=next(iter(options))):
        Trainer(RunConfig(SCENARIO, AgentConfig("dqn", options=options)), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_networks_that_diverged_are_not_saved_over_good_ones(tmp_path):
    agent = LifelongDQN("MlpPolicy", make("point-goal"), seed=0, buffer_size=100)
    agent.save(tmp_path / "agent.zip")
    good = (tmp_path / "agent.zip").read_bytes()
    with torch.no_grad():
        next(agent.policy.parameters())[0] = np.nan
    with pytest.raises(ValueError, match="diverged"):
        agent.save(tmp_path / "agent.zip")
    assert (tmp_path / "agent.zip").read_bytes() == good


def test_a_fixed_task_has_no_teacher_options():
    with pytest.raises(ValueError, match="belong to a teacher"):
        Block(100, SCENARIO.fixed_tasks[0], bounds={"goal_x": (0, 1)})


@pytest.mark.parametrize("name", ["a/b", "../x", "a\nb"])
def test_a_task_name_that_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="task's name"):
        SCENARIO.env_class.task_space.task(name=name)


def test_a_feature_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind"):
        Feature("mass", "reel", 0.5)  # type: ignore[arg-type]


def test_a_sequence_of_no_tasks_is_refused():
    with pytest.raises(ValueError, match="at least one task"):
        condensed("point-goal", tasks=[])


def test_what_the_table_of_agents_says_they_act_on_is_what_the_classes_say():
    for entry in AGENTS.values():
        assert resolve("agent", entry.path, {}).action_kinds == entry.action_kinds


def test_a_cut_episode_is_left_out_and_a_damaged_one_named(tmp_path, caplog):
    folder = RunFolder.create(tmp_path / "run", {})
    folder.episodes_path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [episode["step"] for episode in folder.episodes()] == [1, 2]
    assert "cut short" in caplog.text
    folder.episodes_path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(ValueError, match="line 2 is damaged"):
        folder.episodes()
