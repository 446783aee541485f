"""Every kind of scenario: the same from Python, JSON and TOML; equal data are equal scenarios; what is refused."""

import json
import subprocess
import sys

import pytest

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import (
    SCENARIOS,
    Block,
    Scenario,
    condensed,
    drift,
    make_scenario,
    power_law,
    single,
    to_toml,
)
from lifelong_rl.scenarios.block import task_entry

POINT = family("point-goal")
EAST, NORTH, WEST, SOUTH = POINT.standard_tasks(4)

OPTIONS = {
    "condensed": {"n_tasks": 3, "steps": 300, "visibility": "boundary"},
    "dispersed": {"cycles": 2, "order_seed": 3, "steps": 400},
    "alternating": {"cycles": 3, "steps": 600, "env_options": {"max_episode_steps": 9}},
    "permuted": {"n_tasks": 5, "steps": 500, "order_seed": 1},
    "pairs": {"n_tasks": 2, "repeats": 3, "steps": 1200},
    "cycles": {"tasks": [task_entry(WEST), task_entry(EAST)], "cycles": 2, "steps": 400},
    "single": {"task": task_entry(NORTH), "steps": 70},
    "curriculum": {"teacher": {"name": "alp-gmm", "fit_every": 30}, "bounds": {"goal_x": [0.0, 1.0]}, "steps": 90},
    "forgetting": {"n_tasks": 5, "steps": 500, "strength": 0.5},
    "transfer": {"distance": 0.1, "steps": 300, "evaluation_visibility": "task_id"},
    "distraction": {"n_distractors": 3, "steps": 500, "observe_task": "vector"},
    "composability": {"n_parts": 3, "n_distractors": 0, "steps": 400},
    "recurring": {"n_tasks": 6, "n_active": 3, "n_blocks": 4, "steps": 400, "order_seed": 2},
    "blurry": {"n_tasks": 6, "n_blocks": 3, "disjoint": 0.5, "leak": 0.2, "steps": 1200, "order_seed": 5},
    "power-law": {"n_tasks": 3, "n_blocks": 12, "recurrence": "exponential", "decay": 0.5, "steps": 1200},
    "hierarchical": {"depth": 3, "steps": 2400, "order_seed": 1},
    "drift": {"n_tasks": 3, "n_stages": 4, "n_test_tasks": 3, "steps": 100},
}


def toml_value(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def test_every_kind_has_its_case():
    assert set(OPTIONS) == set(SCENARIOS)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_kind_comes_back_from_json_and_is_the_same_from_toml(kind, tmp_path):
    scenario = make_scenario(kind, "point-goal", **OPTIONS[kind])
    assert scenario.name == kind
    assert scenario.steps == OPTIONS[kind]["steps"]
    again = Scenario.from_json(json.loads(json.dumps(scenario.to_json())))
    assert again == scenario and hash(again) == hash(scenario) and again.key == scenario.key
    assert again.to_json() == scenario.to_json()

    given = {"kind": kind, "family": "point-goal", "name": kind} | OPTIONS[kind]
    (tmp_path / "other.toml").write_text("\n".join(f"{key} = {toml_value(value)}" for key, value in given.items()))
    assert Scenario.from_toml(tmp_path / "other.toml") == scenario


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_kind_made_twice_is_the_same_and_evaluates_tasks_that_it_names(kind):
    scenario = make_scenario(kind, "toy-grid")
    assert scenario == make_scenario(kind, "toy-grid")
    named = {task for block in scenario.blocks for task in block.tasks}
    if kind == "drift":
        assert named <= set(scenario.evaluation_tasks)
    elif kind != "curriculum":
        assert set(scenario.evaluation_tasks) == named
    assert scenario.is_told_in_evaluation == (kind not in ("blurry", "drift"))


@pytest.mark.parametrize("kind", ["permuted", "dispersed", "recurring", "blurry", "power-law", "hierarchical"])
def test_another_seed_of_the_order_is_another_stream(kind):
    streams = {make_scenario(kind, "point-goal", order_seed=seed) for seed in range(5)}
    assert len(streams) > 1
    with pytest.raises(ValueError, match=f"order_seed of {kind} must be a whole number and at least 0, found -1"):
        make_scenario(kind, "point-goal", order_seed=-1)


@pytest.mark.parametrize("kind", sorted(SCENARIOS.keys() - {"curriculum", "single", "transfer", "hierarchical"}))
def test_kinds_take_tasks_of_ones_own(kind):
    tasks = [POINT.task_space.task({"goal_x": x}, name=f"at {x}") for x in (0.1, 0.2)]
    if kind in ("distraction", "forgetting", "recurring", "blurry"):
        tasks += [POINT.task_space.task({"goal_y": y}, name=f"up {y}") for y in (0.3, 0.4)]
    if kind == "composability":
        tasks[1] = POINT.task_space.task({"goal_y": 0.3}, name="up")
    options = {"blurry": {"n_blocks": 2}, "power-law": {"n_blocks": 10}}.get(kind, {})
    scenario = make_scenario(kind, "point-goal", tasks=tasks, steps=48_000, **options)
    assert {task for block in scenario.blocks for task in block.tasks} >= set(tasks)


# Equality


def test_equal_data_are_equal_scenarios_whatever_the_types():
    def scenario(bounds, options):
        return Scenario("s", "point-goal", (Block(5, teacher="random", bounds=bounds),), (EAST,), env_options=options)

    first = scenario({"goal_x": (0.0, 1.0), "goal_y": 0.5}, {"max_episode_steps": 9})
    second = scenario({"goal_y": 0.5, "goal_x": [0, 1]}, {"max_episode_steps": 9.0})
    assert first == second and len({first, second}) == 1
    others = [
        scenario({"goal_x": (0.0, 0.9), "goal_y": 0.5}, {"max_episode_steps": 9}),
        scenario({"goal_x": (0.0, 1.0), "goal_y": 0.5}, {"max_episode_steps": 8}),
    ]
    assert len({first, *others}) == 3
    assert first != "s"


def test_a_key_is_the_same_in_another_process():
    code = "from lifelong_rl.scenarios import *\nprint(power_law('point-goal').key, hash(drift('toy-grid')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [power_law("point-goal").key, str(hash(drift("toy-grid")))]


# What the agent is told


@pytest.mark.parametrize(
    ("visibility", "in_evaluation", "is_told"),
    [
        ("task_id", "auto", True),
        ("boundary", "auto", False),
        ("none", "auto", False),
        ("none", "task_id", True),
        ("task_id", "none", False),
    ],
)
def test_what_evaluations_tell_follows_the_blocks_unless_the_scenario_says(visibility, in_evaluation, is_told):
    options = {"visibility": visibility, "evaluation_visibility": in_evaluation, "observe_task": "none"}
    scenario = condensed("point-goal", **options)
    assert scenario.is_told_in_evaluation == is_told
    assert Scenario.from_json(scenario.to_json()) == scenario


def test_an_observation_does_not_show_what_an_evaluation_hides():
    with pytest.raises(ValueError, match="shows the task in evaluations too"):
        condensed("point-goal", evaluation_visibility="none")
    with pytest.raises(ValueError, match=r"evaluation_visibility must be one of .* found 'all'"):
        single("point-goal", evaluation_visibility="all")


# What is refused


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("dispersd", {}, "did you mean 'dispersed'"),
        ("dispersed", {"cycle": 3}, "unknown option of the scenario 'dispersed' 'cycle'; did you mean 'cycles'"),
        ("dispersed", {"blocks": []}, "unknown option of the scenario 'dispersed' 'blocks'"),
        ("dispersed", {"cycles": 0}, "cycles of dispersed must be a whole number and at least 1, found 0"),
        ("dispersed", {"steps": -5}, "steps of dispersed must be a whole number and at least 1, found -5"),
        ("dispersed", {"cycles": 3, "steps": 100}, "12 blocks can share evenly, found 100; 96 or 108 would do"),
        ("dispersed", {"steps": "many"}, "steps of dispersed must be a whole number and at least 1, found 'many'"),
        ("dispersed", {"visibility": "all"}, "visibility is one of"),
        ("dispersed", {"env_options": 3}, "'env_options' of a scenario is a table"),
        ("dispersed", {"tasks": [task_entry(EAST)] * 2}, "dispersed needs different tasks, found 'east' twice"),
        ("dispersed", {"tasks": [{"goal_x": 0.1}]}, "a task is given as task"),
        ("dispersed", {"tasks": 3}, "dispersed"),
        ("dispersed", {"tasks": []}, "at least one task, found an empty list"),
        ("dispersed", {"tasks": [task_entry(EAST)], "n_tasks": 1}, "takes tasks or n_tasks, found both"),
        *(
            (kind, {"tasks": [task_entry(EAST), task_entry(NORTH)], name: 2}, f"takes tasks or {name}, found both")
            for kind, name in (
                ("hierarchical", "depth"),
                ("composability", "n_parts"),
                ("forgetting", "strength"),
                ("transfer", "distance"),
                ("distraction", "n_distractors"),
                ("distraction", "strength"),
                ("distraction", "distance"),
            )
        ),
        ("alternating", {"n_tasks": 3}, "alternating needs two tasks, found 3; use cycles"),
        ("alternating", {"n_tasks": 1}, "alternating needs at least 2 tasks, found 1"),
        ("pairs", {"repeats": 1.5}, "repeats of pairs must be a whole number"),
        ("single", {"task": 3}, "a task is given as task"),
        ("curriculum", {"teacher": "alp-gm"}, "did you mean 'alp-gmm'"),
        ("curriculum", {"teacher": {"name": "alp-gmm", "fit_evry": 3}}, "did you mean 'fit_every'"),
        ("forgetting", {"n_tasks": 99}, "forgetting finds 8 such tasks of the family 'point-goal', found n_tasks=99"),
        ("forgetting", {"strength": 0}, "strength of forgetting must be a number above 0 and at most 1, found 0"),
        ("transfer", {"distance": 1.5}, "distance of transfer"),
        ("transfer", {"tasks": [task_entry(EAST)]}, "transfer needs at least 2 tasks, found 1"),
        ("distraction", {"n_distractors": 0}, "n_distractors of distraction"),
        ("distraction", {"tasks": [task_entry(EAST)] * 2}, "needs a task, distractors and a last task"),
        ("composability", {"n_parts": 5}, "n_parts of composability must be .* at most 4, found 5"),
        (
            "composability",
            {"tasks": [task_entry(EAST), task_entry(WEST)]},
            "another task than each of them",
        ),
        (
            "composability",
            {"tasks": [task_entry(SOUTH), task_entry(NORTH)]},
            "'goal_y' is both -0.8 and 0.8",
        ),
        ("recurring", {"n_active": 11}, "n_active of recurring must be .* at most 10, found 11"),
        ("blurry", {"n_blocks": 10}, "n_blocks of blurry must be a whole number and at least 2 and at most 9"),
        ("blurry", {"leak": 1.5}, r"leak of blurry must be a number in \[0, 1\], found 1.5"),
        ("blurry", {"steps": 20_010}, "multiple of round_to=40, found 20010"),
        ("blurry", {"steps": 160}, "steps of blurry must be .* at least 200"),
        ("blurry", {"n_tasks": 99, "n_blocks": 98, "steps": 99_000}, "no slicing of 99 tasks into 98 blocks"),
        ("power-law", {"recurrence": "often"}, "recurrence of power-law must be one of"),
        ("power-law", {"decay": -1.0}, "decay of power-law must be a number of at least 0"),
        ("power-law", {"n_blocks": 3}, "n_blocks of power-law must be a whole number and at least 4, found 3"),
        ("hierarchical", {"depth": 0}, "depth of hierarchical"),
        (
            "hierarchical",
            {"steps": 100},
            r"8 parts \(2 levels of 4 leaves\) can share evenly, found 100; 96",
        ),
        ("hierarchical", {"tasks": [task_entry(t) for t in (EAST, NORTH, WEST)]}, "2, 4, 8, ... tasks"),
        ("drift", {"n_tasks": 1}, "at least two way points, found 1"),
        ("drift", {"n_stages": 1}, "n_stages of a drift"),
        ("drift", {"n_test_tasks": 1}, "n_test_tasks of drift"),
        ("drift", {"visibility": "task_id", "observe_task": "one-hot"}, "needs fixed tasks"),
    ],
)
def test_a_kind_with_options_that_do_not_fit_is_one_clear_error(kind, options, message):
    with pytest.raises(ValueError, match=message) as refused:
        make_scenario(kind, "point-goal", **options)
    assert len(str(refused.value).splitlines()) == 1


def test_a_feature_with_too_few_values_is_not_cut_further():
    with pytest.raises(ValueError, match="cannot cut the feature"):
        make_scenario("hierarchical", "scenario_toys:Coins", depth=3)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_written_file_gives_the_scenario_back(kind, tmp_path):
    own = {"teacher": "alp-kde"} if kind == "curriculum" else {}  # the options of alp-gmm hold None
    scenario = make_scenario(kind, "point-goal", **OPTIONS[kind] | own)
    (tmp_path / "written.toml").write_text(to_toml(scenario))
    assert Scenario.from_toml(tmp_path / "written.toml").to_json() == scenario.to_json()


def test_any_text_survives_a_written_file(tmp_path):
    odd = 'a "b"\\\n\x7f \U0001f916 é = [1]'
    near = POINT.task_space.task({"goal_x": 1e-05}, name="é")
    scenario = Scenario(odd, "point-goal", (Block(5, near),), (near,), env_options={"max_episode_steps": 9})
    (tmp_path / "odd.toml").write_text(to_toml(scenario), encoding="utf-8")
    assert Scenario.from_toml(tmp_path / "odd.toml").to_json() == scenario.to_json()
    without = Scenario("mine", "point-goal", (Block(5, near),), (near,), env_options={"max_episode_steps": None})
    with pytest.raises(ValueError, match="a TOML file cannot hold None"):
        to_toml(without)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "condenced"\nfamily = "point-goal"', "did you mean 'condensed'"),
        ('kind = "condensed"', "missing: family"),
        ('kind = 3\nfamily = "point-goal"', "'kind' of a scenario is a text"),
        ('kind = "condensed"\nfamily = "point-goal"\n[[blocks]]\nsteps = 3', "unknown option .* 'blocks'"),
        ('kind = "no_module:function"\nfamily = "point-goal"', "does not import"),
    ],
)
def test_a_wrong_file_of_a_kind_is_named(text, message, tmp_path):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"in the scenario file .*bad\.toml: .*{message}"):
        Scenario.from_toml(tmp_path / "bad.toml")


def test_a_function_of_ones_own_is_a_kind():
    scenario = make_scenario(
        "scenario_toys:there_and_back", "point-goal", steps=300, n_returns=1, visibility="boundary"
    )
    assert [block.task for block in scenario.blocks] == [EAST, WEST, EAST]
    with pytest.raises(ValueError, match=r"'n_retunrs'; did you mean 'n_returns'"):
        make_scenario("scenario_toys:there_and_back", "point-goal", n_retunrs=2)
