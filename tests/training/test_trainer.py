"""The trainer: one seed one run, exact budgets, evaluations at their moments, and what the agent is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from families import MADE_HERE
from training_toys import Diary, Ear, Payday, lines, logs, tiny

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import Block, Scenario, condensed, curriculum
from lifelong_rl.teachers import ALPGMM
from lifelong_rl.training.trainer import Trainer, ensure_trained, resume, train

EAR = ("training_toys:Ear", {})
EAST, NORTH = family("point-goal").standard_tasks(4)[:2]
SCENARIOS = {
    "dqn": curriculum("point-goal", teacher=ALPGMM(fit_every=12, max_gaussians=2), steps=300, n_test_tasks=2),
    "ppo": condensed("point-goal", n_tasks=2, steps=400),
    "sac": condensed("pendulum-physics", n_tasks=2, steps=300, env_options={"max_episode_steps": 25}),
}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Give the folder of a tiny run of an agent, trained once for this file."""
    done = {}

    def run(agent):
        if agent not in done:
            done[agent] = tmp_path_factory.mktemp(agent) / "run"
            train(tiny(SCENARIOS[agent], agent), done[agent], show_progress=False)
        return done[agent]

    return run


# One seed, one run


@pytest.mark.parametrize("agent", SCENARIOS)
def test_the_same_seed_gives_the_same_logs_however_often_one_looks(agent, run_of, tmp_path):
    config = tiny(SCENARIOS[agent], agent, checkpoint_every=37, log_every=13)
    again = train(config, tmp_path / "again", show_progress=False)
    assert logs(again.path) == logs(run_of(agent))


@pytest.mark.parametrize("agent", ["dqn", "ppo", pytest.param("sac", marks=pytest.mark.slow)])
def test_another_seed_gives_other_logs(agent, run_of, tmp_path):
    other = train(tiny(SCENARIOS[agent], agent, seed=1), tmp_path / "other", show_progress=False)
    assert logs(other.path)["episodes.jsonl"] != logs(run_of(agent))["episodes.jsonl"]
    assert logs(other.path)["evaluations.jsonl"] != logs(run_of(agent))["evaluations.jsonl"]


def test_evaluating_more_often_changes_no_episode(run_of, tmp_path):
    config = tiny(SCENARIOS["ppo"], "ppo", eval_every=70, eval_episodes=2)
    often = train(config, tmp_path / "often", show_progress=False)
    assert logs(often.path)["episodes.jsonl"] == logs(run_of("ppo"))["episodes.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dqn", "ppo"])
def test_environments_in_processes_give_the_same_logs(agent, tmp_path):
    config = tiny(SCENARIOS[agent], agent, n_envs=2)
    for parallel in (False, True):
        train(replace(config, parallel=parallel), tmp_path / str(parallel), show_progress=False)
    assert logs(tmp_path / "True") == logs(tmp_path / "False")


# Budgets and moments


def two_blocks(*budgets):
    blocks = tuple(Block(budget, task) for budget, task in zip(budgets, (EAST, NORTH), strict=True))
    return Scenario("two", "point-goal", blocks, (EAST, NORTH))


@pytest.mark.parametrize(
    ("agent", "n_envs", "budgets", "eval_every", "during"),
    [
        ("dqn", 1, (151, 77), 50, [(52, 0), (100, 0), (203, 1)]),
        ("dqn", 1, (148, 120), 50, [(52, 0), (100, 0), (200, 1), (248, 1)]),
        ("dqn", 3, (153, 78), 50, [(60, 0), (108, 0), (213, 1)]),
        ("ppo", 1, (151, 77), 50, [(64, 0), (128, 0), (215, 1)]),
        ("ppo", 3, (399, 78), 150, [(192, 0), (384, 0)]),
        ("ppo", 1, (64, 30), 30, []),
    ],
)
def test_each_block_gets_exactly_its_steps_and_is_evaluated_at_its_moments(
    agent, n_envs, budgets, eval_every, during, tmp_path
):
    Ear.heard.clear()
    config = tiny(two_blocks(*budgets), agent, [EAR], n_envs=n_envs, eval_every=eval_every)
    folder = train(config, tmp_path / "run", show_progress=False)
    assert steps_between_events() == list(budgets)
    ends = [(budgets[0], 0), (sum(budgets), 1)]
    expected = [
        (0, 0, "start"),
        *[(step, block, "during") for step, block in during if block == 0],
        (*ends[0], "end"),
        *[(step, block, "during") for step, block in during if block == 1],
        (*ends[1], "end"),
    ]
    evaluated = [(r["step"], r["block"], r["at"], r["task"]) for r in lines(folder.evaluations_path)]
    assert evaluated == [(*moment, task) for moment in expected for task in ("east", "north")]
    trained = {r["block"]: r["trained"] for r in lines(folder.evaluations_path)}
    assert trained == {0: "east", 1: "north"}
    episodes = lines(folder.episodes_path)
    assert [e["step"] for e in episodes] == sorted(e["step"] for e in episodes)
    assert all(e["task"] == ("east", "north")[e["block"]] for e in episodes)
    per_env = [budget // n_envs // 12 for budget in budgets]
    assert [sum(e["block"] == block for e in episodes) for block in (0, 1)] == [n * n_envs for n in per_env]


def steps_between_events():
    budgets = []
    for event, *details in Ear.heard:
        if event == "begin":
            budgets.append(0)
        elif event == "steps":
            budgets[-1] += details[0]
    return budgets


def test_every_logged_episode_belongs_to_the_task_its_line_names(tmp_path):
    tasks = Payday.standard_tasks(2)
    space = {"pay": [-2.0, 6.0], "length": [2, 5]}
    blocks = (
        Block(150, teacher="training_toys:Diary", bounds=space),
        Block(90, tasks[0]),
        Block(150, teacher="training_toys:Diary"),
    )
    scenario = Scenario("mixed", "training_toys:Payday", blocks, tuple(tasks))
    folder = train(tiny(scenario, "ppo", n_envs=3), tmp_path / "run", show_progress=False)
    episodes = lines(folder.episodes_path)
    for episode in episodes:
        params = episode.get("params", tasks[0].params)
        assert episode["return"] == pytest.approx(params["pay"] * params["length"])
        assert episode["length"] == params["length"]
        assert episode["score"] == (params["pay"] + 8.0) / 16.0
        assert episode["success"] == (params["ending"] == "terminal")
        assert episode["source"] == ("fixed" if episode["block"] == 1 else "training_toys:Diary")
        assert episode["task"] == (tasks[0].id if episode["block"] == 1 else Payday.task_space.task(params).id)
    assert {e["block"] for e in episodes} == {0, 1, 2}
    assert {e["env"] for e in episodes} == {0, 1, 2}
    assert all(-2 <= e["params"]["pay"] <= 6 and e["length"] >= 2 for e in episodes if e["block"] == 0)
    assert any(e["params"]["pay"] < -2 or e["length"] == 1 for e in episodes if e["block"] == 2)


# What the agent is told


def test_the_agent_hears_of_tasks_what_the_visibility_lets_it(tmp_path):
    Ear.heard.clear()
    blocks = (
        Block(40, EAST, visibility="task_id"),
        Block(44, NORTH, visibility="boundary"),
        Block(48, EAST, visibility="none"),
        Block(52, NORTH, visibility="none"),
        Block(56, teacher="random", visibility="task_id"),
        Block(60, EAST, visibility="none"),
    )
    scenario = Scenario("told", "point-goal", blocks, (EAST, NORTH))
    train(tiny(scenario, components=[EAR], eval_every=1000), tmp_path / "run", show_progress=False)
    assert [event for event in Ear.heard if event[0] != "steps"] == [
        ("begin", 0, "east", 40),
        ("end", 40),
        ("begin", 40, None, 44),
        ("end", 84),
        ("begin", 84, None, 100),  # two hidden blocks look like one stretch
        ("end", 184),
        ("begin", 184, None, 56),
        ("end", 240),
        ("begin", 240, None, 60),
        ("end", 300),
    ]


@pytest.mark.parametrize(
    ("component", "visibility", "teacher", "is_refused"),
    [
        ("NeedsBoundary", "none", "", True),
        ("NeedsBoundary", "boundary", "", False),
        ("NeedsTaskId", "boundary", "", True),
        ("NeedsTaskId", "task_id", "", False),
        ("NeedsTaskId", "task_id", "random", True),
    ],
)
def test_a_component_that_needs_what_the_scenario_hides_is_refused(component, visibility, teacher, is_refused):
    second = Block(40, teacher=teacher) if teacher else Block(40, NORTH, visibility=visibility)
    scenario = Scenario("hiding", "point-goal", (Block(40, EAST), second), (EAST,))
    if is_refused:
        with pytest.raises(ValueError, match=f"{component}' requires (boundary|task_id)"):
            tiny(scenario, components=[(f"training_toys:{component}", {})])
    else:
        tiny(scenario, components=[(f"training_toys:{component}", {})])


# Refusals come first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"components": [("reservoir-replay", {})], "agent": "ppo"}, "requires off_policy"),
        ({"scenario": condensed("pendulum-physics", n_tasks=2, steps=400)}, "'dqn' chooses discrete actions"),
        (
            {"scenario": condensed("point-goal", n_tasks=2, steps=400, env_options={"actions": "continuous"})},
            "cannot be built",
        ),
        ({"scenario": condensed("point-goal", n_tasks=2, steps=400, env_options={"gravity": 1})}, "'gravity'"),
        ({"scenario": condensed("point-goal", n_tasks=2, steps=400, env_options={"max_episode_steps": "x"})}, "'x'"),
    ],
)
def test_what_cannot_run_is_refused_before_there_is_a_folder(change, message, tmp_path):
    scenario = change.pop("scenario", SCENARIOS["ppo"])
    with pytest.raises(ValueError, match=message):
        train(tiny(scenario, **change), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_a_teacher_with_a_hyperparameter_out_of_range_is_refused_with_the_scenario():
    for options in ({"fit_every": 0}, {"fit_every": "often"}):
        with pytest.raises(ValueError, match="fit_every"):
            Scenario("bad", "point-goal", (Block(40, teacher="alp-gmm", teacher_options=options),), (EAST,))


def test_options_that_the_run_folder_cannot_hold_are_refused():
    with pytest.raises(ValueError, match=r"'policy_kwargs' .* must be plain values"):
        replace(tiny(SCENARIOS["ppo"]).agent, options={"policy_kwargs": {"activation_fn": np.tanh}})


# Folders


def test_a_run_is_made_once_and_then_taken_as_it_is(run_of):
    path = run_of("dqn")
    before = {p: p.stat().st_mtime_ns for p in sorted(path.rglob("*"))}
    assert ensure_trained(tiny(SCENARIOS["dqn"]), path, show_progress=False).path == path
    assert {p: p.stat().st_mtime_ns for p in sorted(path.rglob("*"))} == before
    with pytest.raises(ValueError, match="another configuration"):
        ensure_trained(tiny(SCENARIOS["dqn"], seed=3), path, show_progress=False)


def test_resuming_a_finished_run_changes_no_log(run_of):
    before = logs(run_of("ppo"))
    resume(run_of("ppo"), show_progress=False)
    resume(run_of("ppo"), show_progress=False)
    assert logs(run_of("ppo")) == before


def test_a_configuration_comes_back_from_its_folder(run_of):
    for agent in SCENARIOS:
        path = run_of(agent)
        config = type(tiny(SCENARIOS[agent])).from_json(json.loads((path / "config.json").read_text()))
        assert config.to_json() == tiny(SCENARIOS[agent], agent).to_json()
        assert config.key == tiny(SCENARIOS[agent], agent).key


def test_a_trainer_that_cannot_be_made_leaves_no_process(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr("lifelong_rl.training.curriculum.Curriculum.close", lambda self: closed.append(self))
    with pytest.raises(ValueError):
        Trainer(tiny(SCENARIOS["ppo"], "ppo", [("reservoir-replay", {})]), tmp_path / "run")
    assert len(closed) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE_HERE)
def test_every_family_trains_with_every_kind_of_observation_of_the_task(name, tmp_path):
    one_hot = condensed(name, n_tasks=2, steps=40)
    vector = curriculum(name, teacher=Diary(), steps=40, n_test_tasks=1, observe_task="vector")
    for kind, scenario in {"one-hot": one_hot, "vector": vector}.items():
        train(tiny(scenario, "ppo", eval_every=1000), tmp_path / kind, show_progress=False)
