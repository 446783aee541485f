"""Reference runs: trained once, named by all that decides their results, and used by forward transfer."""

import json
import shutil
from dataclasses import replace

import pytest
from training_toys import tiny

from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.report import report_run
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training import trainer
from lifelong_rl.training.references import cached_references, reference_configs, reference_path, train_references
from lifelong_rl.training.trainer import train

SCENARIO = condensed("point-goal", n_tasks=2, steps=300)
CONFIG = tiny(SCENARIO)


def keys(config):
    return {task: reference.key for task, reference in reference_configs(config).items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with its reference runs."""
    path = tmp_path_factory.mktemp("runs") / "run"
    train(CONFIG, path, show_progress=False)
    train_references(CONFIG, path, show_progress=False)
    return RunFolder(path)


def test_a_reference_trains_its_task_alone_with_the_same_agent_budget_and_seed():
    config = tiny(SCENARIO, components=[("distillation", {})], seed=5)
    references = reference_configs(config)
    assert list(references) == ["east", "west"]
    for task, reference in references.items():
        assert [block.task.id for block in reference.scenario.blocks] == [task]
        assert reference.scenario.steps == 150
        assert reference.agent == replace(config.agent, components=())
        assert (reference.seed, reference.eval_every) == (5, config.eval_every)
        assert reference.scenario.env_arguments() == config.scenario.env_arguments()


def test_what_does_not_influence_the_results_does_not_change_the_key():
    same = tiny(SCENARIO, checkpoint_every=7, log_every=3, parallel=True, components=[("distillation", {})])
    assert keys(same) == keys(CONFIG)


@pytest.mark.parametrize(
    "other",
    [
        tiny(SCENARIO, seed=1),
        tiny(SCENARIO, n_envs=2),
        tiny(SCENARIO, eval_every=50),
        tiny(SCENARIO, eval_episodes=3),
        tiny(SCENARIO, "ppo"),
        replace(CONFIG, agent=replace(CONFIG.agent, options=CONFIG.agent.options | {"gamma": 0.9})),
        tiny(condensed("point-goal", n_tasks=2, steps=400)),
        tiny(condensed("point-goal", n_tasks=2, steps=300, env_options={"max_episode_steps": 11})),
        tiny(condensed("point-goal", n_tasks=2, steps=300, observe_task="none")),
    ],
    ids=["seed", "n_envs", "eval_every", "eval_episodes", "agent", "option", "budget", "environment", "observation"],
)
def test_what_influences_the_results_changes_the_key(other):
    assert not set(keys(other).values()) & set(keys(CONFIG).values())


def test_tasks_that_the_agent_cannot_tell_apart_do_not_change_each_others_references():
    two = tiny(condensed("point-goal", n_tasks=2, steps=300, observe_task="none"))
    four = tiny(condensed("point-goal", n_tasks=4, steps=600, observe_task="none"))
    assert keys(two)["east"] == keys(four)["east"]
    assert keys(CONFIG)["east"] != keys(tiny(condensed("point-goal", n_tasks=4, steps=600)))["east"]


def test_a_reference_is_trained_once(run, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(trainer, "train", refuse)
    monkeypatch.setattr(trainer, "resume", refuse)
    again = train_references(CONFIG, run.path.with_name("another"), show_progress=False)
    assert len(again) == 2
    with pytest.raises(AssertionError, match="trained again"):
        train_references(tiny(SCENARIO, seed=8), run.path, show_progress=False)


def test_forward_transfer_compares_with_the_references(run):
    assert set(cached_references(run)) == {"east", "west"}
    values = report_run(run, cached_references(run))
    assert "cw/forward_transfer" in values
    metrics = {f"{m['family']}/{m['name']}": m for m in json.loads((run.path / "metrics.json").read_text())}
    assert metrics["cw/forward_transfer"]["value"] == values["cw/forward_transfer"]
    assert "cw/forward_transfer" not in report_run(run)
    metrics = {f"{m['family']}/{m['name']}": m for m in json.loads((run.path / "metrics.json").read_text())}
    assert metrics["cw/forward_transfer"]["value"] is None
    assert "reference" in metrics["cw/forward_transfer"]["reason"]


def test_an_unfinished_reference_is_not_used_and_is_resumed(run, tmp_path, monkeypatch):
    reference = reference_configs(CONFIG)["east"]
    path = reference_path(tmp_path / "run", reference)
    shutil.copytree(run.path, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.Trainer, "_end_block", interrupt)
        train(reference, path, show_progress=False)
    report_run(RunFolder(path))  # a report of an unfinished reference does not finish it
    assert (path / "metrics.json").is_file()
    assert cached_references(RunFolder(tmp_path / "run")) == {}
    train_references(CONFIG, tmp_path / "run", show_progress=False)
    assert cached_references(RunFolder(tmp_path / "run")) == cached_references(run)


def interrupt(self):
    raise KeyboardInterrupt
