"""Blocks with a distribution or a drift: what they draw, where they stand, and what does not fit."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.envs import Feature, TaskSpace
from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import Block, Distribution, Drift, Scenario

POINT = family("point-goal")
SPACE = POINT.task_space
EAST, NORTH, WEST, SOUTH = POINT.standard_tasks(4)
FRACTIONS = st.floats(0.0, 1.0)


def mixed_space():
    features = [
        Feature.real("mass", 0.1, 10.0, 1.0, log=True),
        Feature.integer("legs", 1, 4, 2),
        Feature.category("floor", ("ice", "sand", "grass"), "sand"),
    ]
    return TaskSpace("mixed", features)


# Distributions


def test_weights_are_relative_and_alike_by_default():
    assert Distribution((EAST, NORTH), (3, 1)).probabilities.tolist() == [0.75, 0.25]
    assert Distribution([EAST, NORTH, WEST, SOUTH]).probabilities.tolist() == [0.25] * 4


@pytest.mark.parametrize(
    ("tasks", "weights", "message"),
    [
        ((), (), "at least one task"),
        ((EAST, NORTH), (1.0,), "a weight for each of its 2 tasks, found 1"),
        ((EAST, NORTH), (1.0, 0.0), "weight of the task 'north' must be a number above 0, found 0.0"),
        ((EAST, NORTH), (1.0, -2.0), "found -2.0"),
        ((EAST, NORTH), (1.0, float("nan")), "found nan"),
        ((EAST, NORTH), (1.0, float("inf")), "found inf"),
        ((EAST, NORTH), (True, 1.0), "found True"),
        ((EAST, NORTH), ("a", "b"), "found 'a'"),
        ((EAST, NORTH, EAST), (), "names a task twice"),
    ],
)
def test_a_distribution_that_makes_no_sense_is_refused(tasks, weights, message):
    with pytest.raises(ValueError, match=message):
        Distribution(tasks, weights)


# Drifts


def test_a_slow_drift_goes_from_end_to_end_in_a_straight_line():
    drift = Drift((EAST, NORTH))
    assert drift.at(SPACE, 0.0) == EAST and drift.at(SPACE, 1.0) == NORTH, "exactly, names included"
    middle = drift.at(SPACE, 0.25).params
    assert middle == pytest.approx({"goal_x": 0.6, "goal_y": 0.2, "start_x": 0.0, "start_y": 0.0})


@given(FRACTIONS)
def test_a_slow_drift_is_linear_in_the_unit_cube_where_features_are_not(fraction):
    space = mixed_space()
    start, end = space.task({"mass": 0.1, "legs": 1}), space.task({"mass": 10.0, "legs": 4})
    task = Drift((start, end)).at(space, fraction)
    assert task.params["mass"] == pytest.approx(0.1 * 100.0**fraction)
    assert task.params["legs"] == min(int(4 * (0.125 + 0.75 * fraction)) + 1, 4)
    assert task.params["floor"] == "sand"


@settings(max_examples=50)
@given(FRACTIONS, st.integers(2, 5))
def test_each_line_of_a_path_takes_an_equal_share(fraction, n_points):
    path = tuple(POINT.standard_tasks(n_points))
    unit = SPACE.coordinates(Drift(path).at(SPACE, fraction))
    corners = np.array([SPACE.coordinates(task) for task in path])
    places = np.linspace(0.0, 1.0, n_points)
    expected = [np.interp(fraction, places, corners[:, axis]) for axis in range(4)]
    assert unit == pytest.approx(expected, abs=1e-12)


def test_an_abrupt_drift_stands_still_in_each_stage_and_jumps_between():
    drift = Drift((EAST, WEST), n_stages=3)
    centre = SPACE.task({"goal_x": 0.0}).params
    seen = [drift.at(SPACE, k / 300) for k in range(301)]
    assert [task.params for task in seen[100:200]] == [pytest.approx(centre)] * 100
    assert seen[:100] == [EAST] * 100 and seen[200:] == [WEST] * 101
    assert Drift((EAST, NORTH, EAST), n_stages=3).at(SPACE, 0.5) == NORTH


@pytest.mark.parametrize(
    ("path", "n_stages", "message"),
    [
        ((EAST,), None, "at least two way points, found 1"),
        ((EAST, NORTH), 1, "n_stages of a drift is a whole number of at least 2"),
        ((EAST, NORTH), 2.5, "found 2.5"),
        ((EAST, NORTH), True, "found True"),
    ],
)
def test_a_drift_that_makes_no_sense_is_refused(path, n_stages, message):
    with pytest.raises(ValueError, match=message):
        Drift(path, n_stages)


# Blocks and files

SOURCES = {
    "fixed task": Block(60, EAST),
    "distribution": Block(60, distribution=Distribution((EAST, NORTH), (3, 1)), visibility="boundary"),
    "slow drift": Block(60, drift=Drift((EAST, NORTH, WEST)), visibility="none"),
    "abrupt drift": Block(60, drift=Drift((EAST, NORTH), n_stages=4)),
    "teacher": Block(60, teacher="alp-gmm", teacher_options={"fit_every": 20}, bounds={"goal_x": (0.0, 1.0)}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_block_of_each_source_comes_back_from_json(name):
    scenario = Scenario("s", "point-goal", (SOURCES[name], Block(5, SOUTH)), (EAST, SOUTH))
    again = Scenario.from_json(json.loads(json.dumps(scenario.to_json())))
    assert again == scenario and again.to_json() == scenario.to_json()
    assert (again.blocks[0].distribution is None) == (scenario.blocks[0].distribution is None)
    assert again.blocks[0].tasks == scenario.blocks[0].tasks


TOML = """
family = "point-goal"

[[blocks]]
steps = 100
distribution = [
    { name = "east", task = { goal_x = 0.8 }, weight = 3 },
    { name = "north", task = { goal_x = 0.0, goal_y = 0.8 } },
]

[[blocks]]
steps = 100
drift = { n_stages = 4, path = [{ name = "east", task = { goal_x = 0.8 } }, { task = { goal_x = -0.5 } }] }
"""


def test_a_toml_file_gives_distributions_and_drifts(tmp_path):
    (tmp_path / "s.toml").write_text(TOML)
    first, second = Scenario.from_toml(tmp_path / "s.toml").blocks
    assert first.distribution == Distribution((EAST, NORTH), (3.0, 1.0))
    assert second.drift == Drift((EAST, SPACE.task({"goal_x": -0.5})), 4)
    assert Scenario.from_toml(tmp_path / "s.toml").evaluation_tasks == (EAST, NORTH, second.drift.path[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weight = 3", "wieght = 3"), "did you mean 'weight'"),
        (("weight = 3", "weight = 0"), "above 0, found 0"),
        (("goal_y = 0.8", "goal_y = 1.8"), "'goal_y' must lie in"),
        (("n_stages = 4", "stages = 4"), "did you mean 'n_stages'"),
        (("n_stages = 4", "n_stages = 0"), "found 0"),
        (("path = [", "path = 3 #"), "not valid TOML"),
        (("drift = {", "teacher = 'random'\ndrift = {"), "found drift and teacher"),
        (("drift = {", "task = { goal_x = 0.1 }\ndrift = {"), "found task and drift"),
        (("drift = {", "bounds = { goal_x = 0.1 }\ndrift = {"), "belong to a teacher; a block with a drift has none"),
        (("steps = 100\ndrift = {", "steps = 100\ndrift = 3 #"), "'drift' of a block is a table"),
        (('[\n    { name = "east", task', '3 #\n#    { name = "east", task'), "not valid TOML"),
        (('name = "north", task = {', 'name = "north", tusk = {'), "a task is given as task"),
        (('family = "point-goal"', 'family = "point-goal"\nobserve_task = "one-hot"'), "needs fixed tasks"),
    ],
)
def test_a_file_with_a_wrong_source_is_one_clear_error(change, message, tmp_path):
    text = TOML.replace(*change)
    assert text != TOML
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ValueError, match=message) as refused:
        Scenario.from_toml(tmp_path / "s.toml")
    assert len(str(refused.value).splitlines()) == 1


def test_a_block_refuses_a_source_of_another_type():
    with pytest.raises(ValueError, match="'distribution' of a block is a Distribution, found"):
        Block(5, distribution=(EAST, NORTH))
    with pytest.raises(ValueError, match="'task' of a block is a Task, found"):
        Block(5, {"goal_x": 0.3})


def test_a_one_hot_observation_knows_the_tasks_of_distributions():
    blocks = (Block(5, distribution=Distribution((NORTH, EAST))), Block(5, WEST))
    scenario = Scenario("s", "point-goal", blocks, (SOUTH, EAST), observe_task="one-hot")
    assert scenario.env_arguments()["tasks"] == [NORTH, EAST, WEST, SOUTH]
    with pytest.raises(ValueError, match="known_tasks lacks 'south'"):
        Scenario("s", "point-goal", blocks, (SOUTH,), observe_task="one-hot", known_tasks=(EAST, NORTH, WEST))
