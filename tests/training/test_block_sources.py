"""Distributions and drifts in a run: the task of each episode is exact, and survives stops."""

import numpy as np
import pytest
from training_toys import lines, stopped_and_resumed_as_whole, tiny

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import Block, Distribution, Drift, Scenario, condensed, make_scenario, recurring
from lifelong_rl.training.build import build_evaluator
from lifelong_rl.training.sources import DrawnTasks, DriftingTask, source_of
from lifelong_rl.training.trainer import train

SPACE = family("point-goal").task_space
EAST, NORTH, WEST, SOUTH = family("point-goal").standard_tasks(4)
MIXED = Distribution((EAST, NORTH, WEST), (6, 3, 1))
SLOW, ABRUPT = Drift((EAST, NORTH, WEST)), Drift((EAST, WEST), n_stages=3)


def around(**source):
    """Give a scenario with the source's block between two others, and few steps."""
    blocks = (Block(60, SOUTH), Block(300, **source), Block(60, SOUTH))
    return Scenario("around", "point-goal", blocks, (EAST, SOUTH))


# Sources


def test_a_distribution_draws_its_tasks_as_often_as_their_weights_say():
    source = source_of(Block(10, distribution=MIXED), SPACE, np.random.default_rng(0))
    drawn = source.next(20_000, 0)
    shares = [sum(task is one for task in drawn) / 20_000 for one in MIXED.tasks]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.01)


def test_a_distribution_goes_on_from_its_state_however_many_are_drawn_at_once():
    first = DrawnTasks(MIXED, np.random.default_rng(0))
    first.next(7, 0)
    second = DrawnTasks(MIXED, np.random.default_rng(5))
    second.load_state_dict(first.state_dict())
    assert first.next(20, 0) == [task for n in (1, 4, 15) for task in second.next(n, 9)]


def test_a_drift_knows_the_steps_of_its_block():
    source = DriftingTask(Drift((EAST, NORTH)), SPACE, 200)
    assert source.next(2, 0) == [EAST, EAST] and source.next(1, 200) == [NORTH]
    assert source.next(1, 50)[0].params == pytest.approx(SPACE.task({"goal_x": 0.6, "goal_y": 0.2}).params)


# Runs


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("drift", [SLOW, ABRUPT], ids=["slow", "abrupt"])
def test_each_episode_of_a_drift_plays_where_it_stood_when_the_one_before_began(drift, n_envs, tmp_path):
    scenario = around(drift=drift)
    folder = train(tiny(scenario, n_envs=n_envs, eval_every=1000), tmp_path / "run", show_progress=False)
    episodes = [e for e in lines(folder.episodes_path) if e["block"] == 1]
    assert {e["source"] for e in episodes} == {"drift"}
    for env in range(n_envs):
        own = [e for e in episodes if e["env"] == env]
        ends = [0, 0] + [e["step"] - 60 for e in own]  # two tasks are chosen when the block begins
        for episode, end in zip(own, ends, strict=False):
            assert episode["params"] == drift.at(SPACE, end / 300).params
    assert episodes[0]["task"] == "east" and episodes[-1]["params"]["goal_x"] < -0.2
    trained = [r["trained"] for r in lines(folder.evaluations_path) if r["block"] == 1]
    assert trained and set(trained) == {None}


@pytest.mark.parametrize(
    ("source", "n_envs"),
    [({"distribution": MIXED}, 1), ({"distribution": MIXED}, 3), ({"drift": SLOW}, 3), ({"drift": ABRUPT}, 1)],
    ids=["distribution", "distribution in three", "slow drift in three", "abrupt drift"],
)
def test_a_block_that_is_stopped_goes_on_as_if_it_had_not_been(source, n_envs, tmp_path, monkeypatch):
    def config(components):
        return tiny(around(**source), components=components, n_envs=n_envs, checkpoint_every=1000)

    episodes = stopped_and_resumed_as_whole(config, 200 // n_envs, tmp_path, monkeypatch)
    assert len({e["task"] for e in episodes if e["block"] == 1}) >= 3


def test_the_runs_seed_decides_what_is_drawn_and_nothing_of_the_scenario(tmp_path):
    scenario = recurring("point-goal", n_tasks=4, n_active=2, n_blocks=2, steps=240)
    drawn = []
    for seed in (0, 1):
        config = tiny(scenario, seed=seed, eval_every=1000)
        folder = train(config, tmp_path / str(seed), show_progress=False)
        drawn.append([(e["block"], e["task"]) for e in lines(folder.episodes_path)])
    allowed = {(i, task.id) for i, block in enumerate(scenario.blocks) for task in block.tasks}
    assert set(drawn[0]) <= allowed and set(drawn[1]) <= allowed
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("kind", ["power-law", "hierarchical", "blurry", "composability", "drift"])
def test_a_kind_trains_to_its_end(kind, tmp_path):
    options = {
        "power-law": {"n_blocks": 5, "steps": 200},
        "hierarchical": {"steps": 240},
        "blurry": {"n_tasks": 4, "n_blocks": 2, "steps": 240},
        "composability": {"steps": 200},
        "drift": {"steps": 150},
    }[kind]
    scenario = make_scenario(kind, "point-goal", **options)
    folder = train(tiny(scenario, eval_every=1000), tmp_path / "run", show_progress=False)
    assert folder.is_finished
    ends = [r for r in lines(folder.evaluations_path) if r["at"] == "end"]
    assert len(ends) == len(scenario.blocks) * len(scenario.evaluation_tasks)
    named = {i: block.task and block.task.id for i, block in enumerate(scenario.blocks)}
    assert all(r["trained"] == named[r["block"]] for r in ends)


@pytest.mark.parametrize("kind", ["recurring", "drift"])
def test_the_simulated_learner_trains_on_distributions_and_drifts(kind, tmp_path):
    from lifelong_rl.training.config import AgentConfig, RunConfig

    options = {"recurring": {"n_blocks": 3, "n_tasks": 4}, "drift": {"n_stages": 3}}[kind]
    scenario = make_scenario(kind, "toy-grid", steps=300, observe_task="none", **options)
    config = RunConfig(scenario, AgentConfig("simulated"), eval_episodes=1)
    folder = train(config, tmp_path / "run", show_progress=False)
    assert len(lines(folder.episodes_path)) == 300


# What evaluations tell, and how often they are


@pytest.mark.parametrize(
    ("visibility", "in_evaluation", "is_told"),
    [("task_id", "auto", True), ("boundary", "auto", False), ("none", "task_id", True), ("task_id", "none", False)],
)
def test_the_evaluator_tells_what_the_scenario_says(visibility, in_evaluation, is_told):
    options = {"visibility": visibility, "evaluation_visibility": in_evaluation, "observe_task": "none"}
    evaluator = build_evaluator(tiny(condensed("point-goal", n_tasks=2, steps=200, **options)))
    assert evaluator.is_told == is_told
    evaluator.close()


@pytest.mark.parametrize(("n_blocks", "interval"), [(4, 60), (20, 60), (40, 120), (100, 300), (300, 600)])
def test_a_run_of_many_blocks_is_evaluated_less_often_in_each_and_so_are_its_references(n_blocks, interval):
    scenario = condensed("point-goal", tasks=[EAST, WEST] * (n_blocks // 2), steps=600 * n_blocks)
    config = tiny(scenario, eval_every=None)
    assert config.eval_interval(scenario.blocks[0]) == interval
    reference = config.reference(1)
    assert reference.eval_interval(reference.scenario.blocks[0]) == interval
    assert reference.eval_every == (None if n_blocks <= 20 else interval), "few blocks: references keep their names"
