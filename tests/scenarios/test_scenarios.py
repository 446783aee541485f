"""Scenarios: builders, files, and what does not fit together."""

import json

import numpy as np
import pytest
from families import MADE_HERE
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.envs.factory import family, make
from lifelong_rl.envs.test_set_files import save_test_set
from lifelong_rl.envs.test_sets import built_in_test_set, uniform_test_set
from lifelong_rl.scenarios import SCENARIOS, Block, Scenario, condensed, curriculum, single
from lifelong_rl.teachers import ALPGMM, RandomTeacher, Teacher

POINT = family("point-goal")
EAST, NORTH, WEST, SOUTH = POINT.standard_tasks(4)
UNIT = st.floats(0.0, 1.0)


@st.composite
def blocks(draw):
    steps, visibility = draw(st.integers(1, 10**6)), draw(st.sampled_from(["task_id", "boundary", "none"]))
    kind = draw(st.sampled_from(["point", "named", "random", "alp-gmm"]))
    if kind == "point":
        unit = np.array(draw(st.lists(UNIT, min_size=4, max_size=4)))
        return Block(steps, POINT.task_space.decode(unit), visibility=visibility)
    if kind == "named":
        return Block(steps, draw(st.sampled_from([EAST, NORTH, WEST])), visibility=visibility)
    options = {"fit_every": draw(st.integers(2, 99))} if kind == "alp-gmm" else {}
    low = draw(st.floats(-1.0, 0.4))
    bounds = draw(st.sampled_from([{}, {"goal_x": (low, 0.5)}, {"goal_x": (low, 0.5), "goal_y": 0.25}]))
    return Block(steps, teacher=kind, teacher_options=options, bounds=bounds, visibility=visibility)


@settings(max_examples=60, deadline=None)
@given(st.lists(blocks(), min_size=1, max_size=4), st.sampled_from(["none", "auto"]))
def test_a_scenario_comes_back_from_json(chosen, observe):
    scenario = Scenario("any", "point-goal", tuple(chosen), (SOUTH, EAST), env_options={"max_episode_steps": 9})
    text = json.dumps(scenario.to_json())
    again = Scenario.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    assert again.env_arguments() == scenario.env_arguments()
    for ours, theirs in zip(again.blocks, scenario.blocks, strict=True):
        assert (ours.steps, ours.visibility, ours.teacher) == (theirs.steps, theirs.visibility, theirs.teacher)
        assert (ours.task and ours.task.params) == (theirs.task and theirs.task.params)
        assert (ours.task and ours.task.id) == (theirs.task and theirs.task.id)
        if ours.teacher:
            assert ours.space(POINT.task_space) == theirs.space(POINT.task_space)


def test_a_point_may_come_twice_with_coordinates_that_differ_by_rounding_only():
    nearly = POINT.task_space.decode([0.0, 0.0, 0.0, 2.3e-313])  # its features are those of the corner
    blocks = Block(1, POINT.task_space.decode([0.0] * 4)), Block(1, nearly)
    assert len(Scenario("any", "point-goal", blocks, (SOUTH,)).blocks) == 2


CORNERED = ("n-delayed-match", "n-parity")
"""Families of two features whose default is a corner of the space: they have far ends, and no near ones."""


@pytest.mark.parametrize("name", MADE_HERE)
@pytest.mark.parametrize("builder", SCENARIOS)
def test_every_builder_gives_a_scenario_of_every_family_that_comes_back_from_json(name, builder):
    if name in CORNERED and builder in ("forgetting", "composability"):
        with pytest.raises(ValueError, match=r"forgetting finds 3 such tasks|composability needs parts whose"):
            SCENARIOS[builder](name)
        return
    scenario = SCENARIOS[builder](name)
    again = Scenario.from_json(json.loads(json.dumps(scenario.to_json())))
    assert again.to_json() == scenario.to_json()
    played = [make(name, **s.env_arguments()) for s in (scenario, again)]
    for ours, theirs in zip(again.all_tasks, scenario.all_tasks, strict=True):
        resets = [env.reset(seed=3, options={"task": t})[0] for env, t in zip(played, (ours, theirs), strict=True)]
        assert resets[0].tobytes() == resets[1].tobytes()


def test_a_toml_file_gives_what_the_functions_give(tmp_path):
    (tmp_path / "east_west.toml").write_text("""
    family = "point-goal"
    observe_task = "one-hot"

    [[blocks]]
    steps = 1_000
    name = "east"
    task = { goal_x = 0.8, goal_y = 0.0 }

    [[blocks]]
    steps = 1_000
    name = "west"
    task = { goal_x = -0.8 }
    """)
    scenario = Scenario.from_toml(tmp_path / "east_west.toml")
    assert scenario.name == "east_west"
    assert scenario == Scenario.from_json(
        condensed("point-goal", n_tasks=2, steps=2000).to_json() | {"name": "east_west"}
    )


def test_a_file_that_is_wrong_is_named(tmp_path):
    (tmp_path / "bad.toml").write_text('family = "point-goal"\nblocks = 3')
    with pytest.raises(
        ValueError, match=r"in the scenario file .*bad\.toml: 'blocks' of a scenario is a list, found 3"
    ):
        Scenario.from_toml(tmp_path / "bad.toml")
    with pytest.raises(ValueError, match=r"missing\.toml does not exist"):
        Scenario.from_toml(tmp_path / "missing.toml")


# Builders


def test_condensed_shares_the_steps_among_its_tasks():
    scenario = condensed("point-goal", n_tasks=4, steps=400)
    assert [(block.task, block.steps) for block in scenario.blocks] == [(t, 100) for t in (EAST, NORTH, WEST, SOUTH)]
    assert scenario.evaluation_tasks == (EAST, NORTH, WEST, SOUTH)
    assert (scenario.steps, scenario.observe_task) == (400, "one-hot")
    assert scenario.env_arguments()["tasks"] == [EAST, NORTH, WEST, SOUTH]
    own = condensed("point-goal", steps=300, tasks=[SOUTH, EAST, SOUTH])
    assert [block.task for block in own.blocks] == [SOUTH, EAST, SOUTH]
    assert own.fixed_tasks == own.all_tasks == (SOUTH, EAST)
    with pytest.raises(ValueError, match="steps that 4 tasks can share evenly, found 402"):
        condensed("point-goal", n_tasks=4, steps=402)


@pytest.mark.parametrize("visibility", ["boundary", "none"])
def test_condensed_shows_no_task_that_it_hides(visibility):
    assert condensed("point-goal", visibility=visibility).observe_task == "none"
    with pytest.raises(ValueError, match="shows the task, and block 0 has the visibility"):
        condensed("point-goal", visibility=visibility, observe_task="one-hot")


@pytest.mark.parametrize("n_tasks", [0, -1])
def test_a_scenario_needs_tasks(n_tasks):
    with pytest.raises(ValueError, match=f"at least one task, found {n_tasks}"):
        condensed("point-goal", n_tasks=n_tasks)
    with pytest.raises(ValueError, match=f"at least one task, found {n_tasks}"):
        curriculum("point-goal", n_test_tasks=n_tasks)


def test_a_curriculum_takes_a_teacher_by_name_or_as_an_object():
    by_name = curriculum("point-goal", teacher="random")
    assert by_name == curriculum("point-goal", teacher=RandomTeacher())
    block = curriculum("point-goal", teacher=ALPGMM(fit_every=7)).blocks[0]
    assert (block.teacher, block.teacher_options["fit_every"]) == ("alp-gmm", 7)
    own = curriculum("point-goal", teacher=Own(strength=3)).blocks[0]
    assert (own.teacher.rpartition(":")[2], own.teacher_options) == ("Own", {"strength": 3})


class Own(Teacher):
    def __init__(self, strength=1):
        self.strength = strength

    def sample(self, n=1):
        return np.zeros((n, self.space.dimension))

    def update(self, tasks, outcomes):
        pass


def test_a_single_scenario_is_one_block_of_one_task():
    assert single("point-goal").blocks[0].task == POINT.task_space.task(name="default")
    assert single("point-goal", task=NORTH, steps=7).steps == 7


def test_a_curriculum_is_evaluated_on_standard_tasks():
    assert curriculum("point-goal", n_test_tasks=4).evaluation_tasks == (EAST, NORTH, WEST, SOUTH)


def test_a_curriculum_and_a_list_of_blocks_may_be_evaluated_on_a_test_set(tmp_path):
    path = tmp_path / "mine.json"
    test_set = uniform_test_set(POINT.task_space, 5, 1)
    save_test_set(test_set, path)
    by_name = built_in_test_set("point-goal/uniform-50", POINT.task_space).tasks
    blocks = {"name": "s", "family": "point-goal", "blocks": [{"steps": 5, "teacher": "random"}]}

    assert curriculum("point-goal", test_set=str(path)).evaluation_tasks == test_set.tasks
    assert curriculum("point-goal", test_set="point-goal/uniform-50").evaluation_tasks == by_name
    assert Scenario.from_json(blocks | {"evaluation_tasks": str(path)}).evaluation_tasks == test_set.tasks
    kept = curriculum("point-goal", test_set=str(path))
    path.unlink()
    assert Scenario.from_json(kept.to_json()) == kept  # a run folder does not need the file


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_set": "point-goal/uniform-50", "n_test_tasks": 4}, "takes n_test_tasks or test_set, found both"),
        ({"test_set": "point-goal/unifrom-50"}, "did you mean 'point-goal/uniform-50'"),
        ({"test_set": "toy-grid/uniform-50"}, "of the family 'toy-grid', expected one of 'point-goal'"),
        ({"test_set": "no_such.json"}, r"the test set file no_such\.json does not exist"),
        ({"test_set": 3}, "a test set is a built-in name or a JSON file, found 3"),
    ],
)
def test_a_curriculum_without_one_test_set_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        curriculum("point-goal", **options)


def test_what_a_file_does_not_say_to_evaluate_is_the_fixed_tasks_or_sixteen_standard_ones():
    fixed, drawn = {"steps": 5, "task": NORTH.params, "name": "north"}, {"steps": 5, "teacher": "random"}
    base = {"name": "s", "family": "point-goal"}
    assert Scenario.from_json(base | {"blocks": [fixed, fixed]}).evaluation_tasks == (NORTH,)
    mixed = Scenario.from_json(base | {"blocks": [fixed, drawn]}).evaluation_tasks
    assert len(mixed) == 16 and NORTH in mixed, "and a standard task that a block fixes keeps the block's name"


# What does not fit


@pytest.mark.parametrize("steps", [0, -3, 2.5, "7"])
def test_a_block_needs_a_whole_number_of_steps(steps):
    with pytest.raises(ValueError, match="steps >= 1"):
        Block(steps, EAST)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one source of tasks.*found none"),
        ({"task": EAST, "teacher": "random"}, "one source of tasks.*found task and teacher"),
        ({"task": EAST, "visibility": "all"}, "visibility is one of"),
    ],
)
def test_a_block_that_does_not_say_one_thing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Block(10, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": ()}, "at least one block"),
        ({"evaluation_tasks": ()}, "at least one evaluation task"),
        ({"family": "point-gaol"}, "did you mean 'point-goal'"),
        (
            {"evaluation_tasks": (POINT.task_space.task(EAST.params, name="Osten"),)},
            "'east' and 'Osten' are the same",
        ),
        (
            {"evaluation_tasks": (POINT.task_space.task(NORTH.params, name="east"),)},
            "different tasks are called 'east'",
        ),
        ({"evaluation_tasks": (family("cartpole-physics").standard_tasks(1)[0],)}, "family"),
        ({"blocks": (Block(5, teacher="random", bounds={"gaol_x": 0.3}),)}, "did you mean 'goal_x'"),
        ({"blocks": (Block(5, teacher="random", bounds={"goal_x": (0.3, 7.0)}),)}, "'goal_x'.*7.0"),
        ({"blocks": (Block(5, teacher="alp-gm"),)}, "did you mean 'alp-gmm'"),
        ({"blocks": (Block(5, teacher="random", teacher_options={"x": 3}),)}, "'x'"),
        ({"observe_task": "hot"}, "observe_task must be one of"),
        ({"blocks": (Block(5, teacher="random"),), "observe_task": "one-hot"}, "needs fixed tasks"),
        ({"blocks": (Block(5, EAST, visibility="none"),), "observe_task": "vector"}, "shows the task"),
    ],
)
def test_a_scenario_that_does_not_fit_together_is_refused(arguments, message):
    whole = {"name": "s", "family": "point-goal", "blocks": (Block(5, EAST),), "evaluation_tasks": (EAST,)}
    with pytest.raises(ValueError, match=message):
        Scenario(**(whole | arguments))
