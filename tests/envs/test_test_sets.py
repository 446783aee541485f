"""Fixed test sets: what is in them, their files, and that a file which does not fit is refused."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.envs import FAMILIES, Feature, TaskSpace, family
from lifelong_rl.envs.test_set_files import find_test_set, load_test_set, save_test_set, to_text
from lifelong_rl.envs.test_sets import (
    TEST_SETS,
    axes_test_set,
    built_in_recipes,
    built_in_test_set,
    content_hash,
    grid_test_set,
    make_test_set,
    uniform_test_set,
)

STUMPS = TaskSpace(
    "stumps", [Feature.real("height", 0.0, 3.0, 0.0, unit="steps"), Feature.real("spacing", 0.0, 6.0, 3.0)]
)
MIXED = TaskSpace(
    "mixed",
    [
        Feature.real("mass", 0.5, 2.0, 1.0, log=True, unit="kg"),
        Feature.integer("rooms", 1, 9, 2),
        Feature.category("ground", ("ice", "sand", "moss"), "sand"),
    ],
)
FEW = TaskSpace("few", [Feature.integer("rooms", 1, 4, 2), Feature.category("ground", ("ice", "sand"), "sand")])
MANY = TaskSpace("many", [Feature.real(f"x{i}", -1.0, 1.0, 0.0) for i in range(13)])


def column(test_set, name):
    return [task.params[name] for task in test_set.tasks]


# What is in them


def test_a_uniform_set_is_drawn_from_its_seed_alone():
    one, again, other = (
        uniform_test_set(STUMPS, 50, 4222),
        uniform_test_set(STUMPS, 50),
        uniform_test_set(STUMPS, 50, 1),
    )

    points = np.random.default_rng(4222).random((50, 2)) * [3.0, 6.0]
    np.testing.assert_allclose([task.values for task in one.tasks], points, rtol=1e-15)
    assert one.tasks == again.tasks and one.sha256 == again.sha256
    assert not set(one.tasks) & set(other.tasks)
    assert [task.id for task in one.tasks[:2]] == ["uniform-01", "uniform-02"]


def test_a_uniform_set_fills_its_bounds_and_no_more():
    part = uniform_test_set(MIXED, 200, 0, bounds={"mass": (0.5, 1.0), "rooms": (2, 5), "ground": "moss"})

    assert set(column(part, "ground")) == {"moss"} and set(column(part, "rooms")) == {2, 3, 4, 5}
    assert 0.5 <= min(column(part, "mass")) < 0.52 and 0.98 < max(column(part, "mass")) <= 1.0


def test_a_uniform_set_holds_different_tasks_up_to_all_there_are():
    assert len({task.values for task in uniform_test_set(FEW, 8).tasks}) == 8
    with pytest.raises(ValueError, match="9 different tasks are asked for, and 'few' has 8 there"):
        uniform_test_set(FEW, 9)


def test_a_grid_has_even_values_ends_included():
    grid = grid_test_set(STUMPS, 10)

    assert len(grid.tasks) == 100
    assert sorted(set(column(grid, "height"))) == pytest.approx(np.linspace(0.0, 3.0, 10))
    assert sorted(set(column(grid, "spacing"))) == pytest.approx(np.linspace(0.0, 6.0, 10))
    assert grid.tasks[0].params == {"height": 0.0, "spacing": 0.0} and grid.tasks[0].id == "grid-001"
    assert grid.tasks[-1].params == {"height": 3.0, "spacing": 6.0}


def test_a_grid_varies_the_features_that_it_names_and_leaves_the_others_at_their_defaults():
    grid = grid_test_set(MIXED, {"mass": 3, "ground": 2})

    assert sorted(set(column(grid, "mass"))) == pytest.approx([0.5, 1.0, 2.0])  # even in the logarithm
    assert set(column(grid, "rooms")) == {2}
    assert len(grid.tasks) == 6


def test_a_grid_takes_of_integers_and_categories_what_there_is():
    grid = grid_test_set(MIXED, {"rooms": 3, "ground": 7})

    assert sorted(set(column(grid, "rooms"))) == [1, 5, 9]
    assert sorted(set(column(grid, "ground"))) == ["ice", "moss", "sand"]
    assert len(grid_test_set(MIXED, {"rooms": 40}).tasks) == 9
    assert [task.params for task in grid_test_set(MIXED, 1).tasks] == [
        {"mass": pytest.approx(1.0), "rooms": 5, "ground": "sand"}
    ]


def test_a_grid_within_bounds_holds_a_feature_that_is_given_a_value():
    grid = grid_test_set(STUMPS, 3, bounds={"height": [1.0, 2.0], "spacing": 4.5})

    assert [task.values for task in grid.tasks] == [(1.0, 4.5), (1.5, 4.5), (2.0, 4.5)]


def test_a_set_over_axes_moves_one_feature_of_the_default_at_a_time():
    axes = axes_test_set(MANY)

    assert len(axes.tasks) == 27 and axes.tasks[0].params == MANY.default.params
    for task in axes.tasks[1:]:
        moved = [abs(value) for value in task.values if value != 0.0]
        assert moved == [1.0]
    assert len(axes_test_set(MANY, 3).tasks) == 27  # the middle is the default once more


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: uniform_test_set(STUMPS, 0), "n of a test set must be a whole number from 1 to 10000, found 0"),
        (lambda: uniform_test_set(STUMPS, True), "found True"),
        (
            lambda: uniform_test_set(STUMPS, 5, -1),
            "the seed of a test set must be .* at least 0, found -1",
        ),
        (lambda: uniform_test_set(STUMPS, 5, bounds={"heigth": 1.0}), "did you mean 'height'"),
        (lambda: uniform_test_set(STUMPS, 5, bounds={"height": (0.0, 4.0)}), r"must lie in \[0, 3\] steps, found 4"),
        (lambda: uniform_test_set(STUMPS.subspace(height=1.0), 5), "found one with height fixed; pass bounds"),
        (lambda: grid_test_set(STUMPS, {"heigth": 3}), "did you mean 'height'"),
        (lambda: grid_test_set(STUMPS, {"height": 0}), "per_axis of height of a test set must be .* found 0"),
        (lambda: grid_test_set(MANY, 3), "the number of tasks of the grid .* to 10000, found 1594323"),
        (lambda: axes_test_set(MANY, 0), "per_axis of a test set"),
        (lambda: make_test_set(STUMPS, {"kind": "unifrom", "n": 5}), "did you mean 'uniform'"),
    ],
)
def test_what_makes_no_test_set_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Built-in ones


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_built_in_sets_of_different_tasks(name):
    space = family(name).task_space
    recipes = built_in_recipes(space)

    assert f"{name}/uniform-50" in recipes or all(feature.n_values for feature in space.features)
    assert any(of in recipe["kind"] for recipe in recipes.values() for of in ("grid", "axes"))
    for set_name in recipes:
        tasks = built_in_test_set(set_name, space).tasks
        assert len({task.values for task in tasks}) == len({task.id for task in tasks}) == len(tasks)
        assert set_name.endswith(f"-{len(tasks)}")


def test_the_sets_of_the_papers_are_of_their_sizes():
    for name, recipe in TEST_SETS.items():
        owner, _, of = name.partition("/")
        if owner in FAMILIES:
            space = family(owner).task_space
            assert len(built_in_test_set(name, space).tasks) == int(of.rpartition("-")[2])
            assert built_in_recipes(space)[name] == recipe


def test_the_harder_stumps_are_tested_on_the_tasks_of_the_usual_ones():
    features = {
        high: [Feature.real("stump_height", 0.0, high, 0.0), Feature.real("obstacle_spacing", 0.0, 6.0, 3.0)]
        for high in (3.0, 5.0)
    }
    usual, hard = TaskSpace("stump-tracks", features[3.0]), TaskSpace("stump-tracks-hard", features[5.0])
    for of in ("uniform-50", "grid-100"):
        one, other = (built_in_test_set(f"{space.family}/{of}", space).tasks for space in (usual, hard))
        np.testing.assert_allclose([task.values for task in one], [task.values for task in other], rtol=1e-15)


def test_the_sets_by_rule_are_as_large_as_the_space_allows():
    assert set(built_in_recipes(STUMPS)) == {"stumps/uniform-50", "stumps/grid-100"}
    assert set(built_in_recipes(FEW)) == {"few/uniform-8", "few/grid-8"}
    assert set(built_in_recipes(MIXED)) == {"mixed/uniform-50", "mixed/grid-75"}
    assert set(built_in_recipes(MANY)) == {"many/uniform-50", "many/axes-27"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stumps/unifrom-50", "did you mean 'stumps/uniform-50'"),
        ("point-goal/uniform-50", "is of the family 'point-goal', expected one of 'stumps'"),
        ("uniform-50", "a built-in name such as 'stumps/uniform-50', or a JSON file, found 'uniform-50'"),
        (50, "found 50"),
        ("nowhere.json", r"the test set file nowhere.json does not exist"),
    ],
)
def test_a_name_of_no_test_set_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        find_test_set(name, STUMPS)


# Files


@pytest.mark.parametrize(
    "test_set",
    [uniform_test_set(STUMPS, 5), grid_test_set(MIXED, 3, bounds={"rooms": (2, 4)}), axes_test_set(FEW)],
    ids=["uniform", "grid", "axes"],
)
def test_a_set_comes_back_from_its_file(test_set, tmp_path):
    path = tmp_path / "set.json"
    save_test_set(test_set, path)
    save_test_set(test_set, path)  # the same again is no harm

    loaded = load_test_set(path, test_set.space)

    assert loaded.tasks == test_set.tasks and [task.id for task in loaded.tasks] == [t.id for t in test_set.tasks]
    assert loaded.sha256 == test_set.sha256 and loaded.recipe == test_set.recipe
    assert find_test_set(str(path), test_set.space).tasks == test_set.tasks
    assert make_test_set(test_set.space, loaded.recipe).tasks == test_set.tasks


def test_a_file_is_never_written_over_by_another_set(tmp_path):
    path = tmp_path / "set.json"
    save_test_set(uniform_test_set(STUMPS, 5), path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="exists and is another file"):
        save_test_set(uniform_test_set(STUMPS, 6), path)
    assert path.read_bytes() == before


def test_the_hash_is_the_same_in_another_process_and_says_each_difference():
    code = """
from lifelong_rl.envs import family
from lifelong_rl.envs.test_sets import uniform_test_set
print(uniform_test_set(family("point-goal").task_space, 3, 1).sha256)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    space = family("point-goal").task_space
    assert done.stdout.strip() == uniform_test_set(space, 3, 1).sha256

    wider = TaskSpace("stumps", [Feature.real("height", 0.0, 4.0, 0.0, unit="steps"), STUMPS.features[1]])
    other = TaskSpace("stumps-2", STUMPS.features)
    params = uniform_test_set(STUMPS, 3).content()
    hashes = [content_hash(params | {"family": space.family, "features": []}) for space in (STUMPS, other)]
    hashes += [uniform_test_set(space, 3).sha256 for space in (STUMPS, wider, other)]
    hashes += [uniform_test_set(STUMPS, 3, 1).sha256, grid_test_set(STUMPS, 1).sha256]
    assert len(set(hashes)) == len(hashes)


def test_a_file_that_another_tool_wrote_anew_keeps_its_hash(tmp_path):
    path = tmp_path / "set.json"
    test_set = grid_test_set(STUMPS, 2)
    data = json.loads(to_text(test_set))
    data["tasks"] = [
        {"task": {name: int(value) for name, value in entry["task"].items()}, "name": entry["name"]}
        for entry in data["tasks"]
    ]
    path.write_text(json.dumps(data, indent=7, sort_keys=True))
    assert load_test_set(path, STUMPS).tasks == test_set.tasks


def altered(change, *, is_hashed_anew=False):
    data = json.loads(to_text(uniform_test_set(STUMPS, 3)))
    change(data)
    if is_hashed_anew:
        data["sha256"] = content_hash({key: value for key, value in data.items() if key != "sha256"})
    return json.dumps(data)


def set_task(data):
    data["tasks"][1]["task"]["height"] = 1.0


@pytest.mark.parametrize(
    "change",
    [
        set_task,
        lambda data: data["tasks"].pop(),
        lambda data: data["tasks"][0].update(name="mine"),
        lambda data: data["features"][0].update(high=4.0),
        lambda data: data["recipe"].update(seed=1),
        lambda data: data.update(family="stumps-2"),
        lambda data: data.update(sha256="0" * 64),
    ],
)
def test_a_file_that_was_altered_is_refused(change, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(altered(change))
    with pytest.raises(ValueError, match=r"in the test set file .*set.json: it was altered: .* SHA-256"):
        load_test_set(path, STUMPS)


def keep(data):
    pass


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (TaskSpace("stumps-2", STUMPS.features), "of the family 'stumps', expected one of 'stumps-2'"),
        (
            TaskSpace("stumps", [Feature.real("height", 0.0, 5.0, 0.0, unit="steps"), STUMPS.features[1]]),
            r"the feature 'height' has changed: the test set was made for .* high 3\.0.* the family has .* high 5\.0",
        ),
        (TaskSpace("stumps", [STUMPS.features[1], STUMPS.features[0]]), r"its features are \['height', 'spacing'\]"),
        (TaskSpace("stumps", STUMPS.features[:1]), r"and 'stumps' has \['height'\]; make the test set again"),
    ],
)
def test_a_file_of_another_family_or_of_other_bounds_is_refused(space, message, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(altered(keep))
    with pytest.raises(ValueError, match=message):
        load_test_set(path, space)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(note="mine"), "unknown key of a test set 'note'"),
        (lambda data: data["tasks"][0].update(weight=2.0), "unknown key of a task 'weight'"),
        (lambda data: data["features"][0].update(step=1.0), "unknown key of a feature 'step'"),
        (lambda data: data.pop("recipe"), "a test set needs .*; missing: recipe"),
        (lambda data: data["tasks"][0].pop("name"), "a task needs .*; missing: name"),
        (lambda data: data["tasks"][0]["task"].pop("spacing"), "the task 'uniform-1' lacks the feature 'spacing'"),
        (lambda data: data["tasks"][0]["task"].update(width=1.0), "unknown feature of 'stumps' 'width'"),
        (lambda data: data["tasks"][0]["task"].update(height=9.0), r"'height' must lie in \[0, 3\] steps, found 9"),
        (
            lambda data: data["tasks"].append(data["tasks"][0]),
            "'uniform-1' and 'uniform-1' of a test set are the same",
        ),
        (lambda data: data.update(tasks=[]), "'tasks' a list of at least one task"),
        (lambda data: data.update(tasks=[3]), "a task must be a table, found 3"),
        (lambda data: data.update(features=3), "'features' must be a list, found 3"),
        (lambda data: data.update(features=[3, 4]), r"its features are \[3, 4\]"),
    ],
)
def test_a_file_of_another_form_is_refused_though_its_hash_is_right(change, message, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(altered(change, is_hashed_anew=True))
    with pytest.raises(ValueError, match=message):
        load_test_set(path, STUMPS)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not valid JSON"), ("[]", r"a test set must be a table, found \[\]"), ("{}", "a test set needs")],
)
def test_a_file_that_is_no_test_set_is_refused(text, message, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_test_set(path, STUMPS)


# The page


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "environments" / "test-sets.md").read_text()


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "page.py").write_text(code)
    runpy.run_path("page.py")
    assert capsys.readouterr().out == "50 100\n"


def test_the_commands_of_the_page_test_on_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, *trains = re.findall(r"^lifelong-rl (.*)$", PAGE, re.M)
    assert main(make.split()) == 0
    tested = [parse(train.split()).config().scenario.evaluation_tasks for train in trains]
    assert len(tested) == 2 and tested[0] == tested[1] and len(tested[0]) == 50


def test_the_page_names_every_set_of_the_papers():
    assert all(f"`{name}`" in PAGE for name in TEST_SETS)
