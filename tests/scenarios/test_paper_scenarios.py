"""The scenario files in examples/scenarios are the published sequences."""

from pathlib import Path

import pytest

from lifelong_rl.cli import parse
from lifelong_rl.envs import make
from lifelong_rl.scenarios import Scenario

FILES = Path(__file__).resolve().parents[2] / "examples" / "scenarios"
UNPLANNED = ("cw", "minigrid", "n-parity", "stump-tracks")
PLANNED = [path for path in sorted(FILES.glob("*.toml")) if not path.stem.startswith(UNPLANNED)]
"""The sequences whose rewards are known, for agents that plan."""
TELLA = ["minigrid-condensed", "minigrid-dispersed", "minigrid-3"]


def scenario(name):
    return Scenario.from_toml(FILES / f"{name}.toml")


def values(name, *features):
    return [tuple(task.params[feature] for feature in features) for task in scenario(name).fixed_tasks]


def test_the_pendulums_are_five_variants_of_gravity_mass_and_length():
    assert values("pendulum-5", "g", "m", "l") == [(10, 1, 1), (2, 1, 1), (10, 2, 1), (10, 1, 0.6), (16, 0.7, 1.3)]
    assert values("pendulum-gravity-5", "g", "m", "l") == [(g, 1, 1) for g in (10, 12, 14, 16, 18)]


@pytest.mark.parametrize("name", ["cartpole-10", "cartpole-balance-10"])
def test_the_cartpoles_are_hypercrl_s_ten_lengths(name):
    poles = [2.0 * length for (length,) in values(name, "length")]
    assert poles == pytest.approx([0.6, 0.8, 0.4, 1.0, 1.2, 0.7, 0.5, 0.9, 1.1, 1.3])


def test_the_cartpoles_to_balance_have_actions_that_a_planner_can_vary():
    assert scenario("cartpole-balance-10").env_options == {"actions": "continuous"}


@pytest.mark.parametrize(
    ("name", "family", "tasks"),
    [
        ("cartpole-10", "cartpole-swing-up", slice(0, 10)),
        ("pusher-5", "pusher", slice(0, 5)),
        ("half-cheetah-5", "half-cheetah", slice(0, 5)),
        ("half-cheetah-bodies", "half-cheetah", [0, 5, 6, 7, 8]),
        ("half-cheetah-slopes", "half-cheetah-terrain", slice(0, 5)),
        ("half-cheetah-walls", "half-cheetah-terrain", [0, 5, 6, 7]),
    ],
)
def test_the_sequences_are_standard_tasks_by_name_and_value(name, family, tasks):
    standard = make(family).standard_tasks(10)
    expected = standard[tasks] if isinstance(tasks, slice) else [standard[i] for i in tasks]
    found = scenario(name).fixed_tasks
    assert [(task.name, task.params) for task in found] == [(task.name, task.params) for task in expected]


@pytest.mark.parametrize("path", PLANNED, ids=lambda path: path.stem)
def test_every_file_plays_each_task_once_and_tells_which(path):
    read = Scenario.from_toml(path)
    assert [block.task for block in read.blocks] == list(read.fixed_tasks) == list(read.evaluation_tasks)
    assert all(block.visibility == "task_id" for block in read.blocks) and read.observe_task == "none"
    env = make(read.family, **read.env_arguments())
    assert env.known_reward is not None
    for task in read.fixed_tasks:
        env.reset(seed=0, options={"task": task})
        env.step(env.action_space.sample())
    assert parse(["train", "--scenario", str(path), "--agent", "sac"]).config().scenario == read


def test_stump_tracks_under_alp_gmm_are_tested_on_the_grid_of_teachmyagent():
    read = scenario("stump-tracks-alp-gmm")
    heights, spacings = (
        {task.params[name] for task in read.evaluation_tasks} for name in read.env_class.task_space.names
    )
    assert len(read.evaluation_tasks) == 100 and len(heights) == len(spacings) == 10
    assert max(heights) == 3.0 and max(spacings) == 6.0
    (block,) = read.blocks
    assert block.steps == 20_000_000
    assert parse(["train", "--scenario", str(FILES / "stump-tracks-alp-gmm.toml"), "--agent", "sac"]).config()


def test_the_half_cheetah_s_gravities_are_the_five_strengths_of_the_modified_worlds():
    gravities = values("half-cheetah-gravity", "gravity")
    assert [gravity / 9.81 for (gravity,) in gravities] == pytest.approx([1.0, 0.5, 0.75, 1.25, 1.5])


def test_the_two_curricula_of_memory_differ_in_what_is_asked_and_are_evaluated_alike():
    single, multi = scenario("n-parity-single-head"), scenario("n-parity-multi-head")

    assert values("n-parity-single-head", "n", "multi_head") == [(2, 0), (3, 0), (4, 0)]
    assert [block.task.params["n"] for block in multi.blocks] == [2, 3, 4]
    assert [block.task.params["multi_head"] for block in multi.blocks] == [0, 1, 1]
    assert multi.evaluation_tasks == single.evaluation_tasks == tuple(single.fixed_tasks)
    assert [block.steps for block in multi.blocks] == [block.steps for block in single.blocks]
    assert multi.env_arguments() == single.env_arguments()


@pytest.mark.parametrize("name", TELLA)
def test_the_rooms_are_tella_s_in_random_orders_with_its_lengths(name):
    read = scenario(name)
    standard = make("minigrid").standard_tasks(18)
    expected = standard[::3][:3] if name == "minigrid-3" else standard
    n_rounds = 3 if name == "minigrid-dispersed" else 1
    rounds = [
        [block.task for block in read.blocks[i * len(expected) : (i + 1) * len(expected)]] for i in range(n_rounds)
    ]
    assert read.name == name and len(read.blocks) == n_rounds * len(expected)
    for tasks in rounds:
        assert {(task.name, task.values) for task in tasks} == {(task.name, task.values) for task in expected}
        assert tasks != expected
    assert len({tuple(tasks) for tasks in rounds}) == n_rounds
    (steps,) = {block.steps for block in read.blocks}
    assert steps == {"minigrid-condensed": 100_000, "minigrid-dispersed": 33_000, "minigrid-3": 5_000}[name]
    assert all(block.visibility == "task_id" for block in read.blocks) and read.observe_task == "none"
    assert parse(["train", "--scenario", str(FILES / f"{name}.toml"), "--agent", "ppo"]).config().scenario == read
