"""The pages on environment families say what the code says."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.envs import FAMILIES, check_task_env, family

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "environments"
NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem not in ("index", "test-sets", "your-own"))
INDEX = (PAGES / "index.md").read_text()


def test_every_family_but_the_other_toy_grids_has_a_page():
    assert sorted(name for name in FAMILIES if not name.startswith("toy-grid-")) == NAMES


def test_the_page_of_the_toy_grids_has_the_axes_of_them_all():
    text = (PAGES / "toy-grid.md").read_text()
    rows = dict(re.findall(r"^\| `(toy-grid[\w-]*)` \| (.* \| .*) \|$", text, re.M))
    assert sorted(rows) == sorted(name for name in FAMILIES if name.startswith("toy-grid"))
    for name, row in rows.items():
        relevant, irrelevant = row.split(" | ")
        names = family(name).task_space.names
        assert relevant.split("`")[-2] == [n for n in names if n.startswith("x")][-1]
        others = [n for n in names if n.startswith("irrelevant")]
        assert irrelevant == (f"`{others[0]}` to `{others[-1]}`" if others else "none")


def row_of(feature):
    """The feature's row of the table, as far as the code knows it."""
    values = ", ".join(map(str, feature.choices)) or f"{feature.low:g} to {feature.high:g}"
    default = feature.default if feature.kind == "category" else f"{feature.default:g}"
    scale = ("log" if feature.log else "linear") if feature.kind == "real" else feature.kind
    return feature.name, values, str(default), feature.unit or "-", scale


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_a_page_has_the_features_of_the_family(name):
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| (\S+) \| ([^|]+) \| (linear|log|integer|category) \|",
        (PAGES / f"{name}.md").read_text(),
        re.M,
    )
    assert rows == [row_of(feature) for feature in family(name).task_space.features]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_the_script_that_measured_its_scores(name):
    _, scores = re.split(r"^## Known scores.*$", (PAGES / f"{name}.md").read_text(), flags=re.M)
    assert re.search(r"`benchmarks/\w+\.py`", scores)


@pytest.mark.parametrize("name", NAMES)
def test_the_index_says_what_a_family_offers(name):
    row = re.search(rf"^\| \[`{name}`\]\({name}\.md\) \| .* \| (.*) \| (.*) \| (.*)\|$", INDEX, re.M)
    actions, known, needs = row.groups()
    assert actions == ", ".join(family(name).action_kinds)
    assert known == ("yes" if family(name).known_reward else "no")
    assert ("mujoco" in needs) == (".mujoco." in FAMILIES[name])
    assert ("minigrid" in needs) == (".minigrid." in FAMILIES[name])
    assert ("box2d" in needs) == any(place in FAMILIES[name] for place in (".walkers.", ".lunar_lander:"))


@pytest.fixture
def families_of_the_page(tmp_path, monkeypatch):
    """A folder on the Python path with the files of the page on any Gymnasium environment."""
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", (PAGES / "your-own.md").read_text(), flags=re.DOTALL)
    for name, code in blocks:
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("page", [*NAMES, "index", "your-own"])
def test_links_pictures_files_and_commands_of_a_page_are_there(page, families_of_the_page):
    text = (PAGES / f"{page}.md").read_text()
    for target in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (PAGES / target).is_file(), target
    for path in re.findall(r"(?:examples|benchmarks|tests)/[\w./-]+\.\w+", text):
        assert (ROOT / path).is_file(), path
    for command in re.findall(r"^lifelong-rl .*$", text, re.M):
        words = shlex.split(command)[1:]
        parsed = parse([str(ROOT / word) if word.startswith("examples/") else word for word in words])
        if words[0] == "train":
            parsed.config()


@pytest.mark.parametrize(
    "name",
    ["my_families:CartPole", *(f"more_families:{name}" for name in ("MountainCar", "FrozenLake", "DoublePendulum"))],
)
def test_a_family_of_the_page_on_any_environment_keeps_every_rule(name, families_of_the_page):
    check_task_env(name)


def test_the_commands_of_the_page_on_any_environment_run(families_of_the_page):
    commands = re.findall(r"^lifelong-rl (.*)$", (PAGES / "your-own.md").read_text(), re.M)
    for command in commands:
        words = shlex.split(command.replace("50_000", "256"))
        if words[0] == "train":
            words += ["--tasks", "2", "--eval-episodes", "1", "--agent-options", "n_steps=64", "--quiet"]
        assert main(words) == 0
    assert len(commands) == 2


def test_the_code_of_the_index_runs(capsys):
    for code in re.findall(r"```python\n(.*?)```", INDEX, flags=re.DOTALL):
        exec(compile(code, "docs/environments/index.md", "exec"), {})
    assert capsys.readouterr().out == (
        "{'gravity': 4.0, 'masscart': 1.0, 'masspole': 0.1, 'length': 1.0, 'force_mag': 10.0}\n"
        "(4, 12) ['stock', 'torso-x1.25', 'thigh-x1.25', 'leg-x1.25']\n(810, 366, 3)\ntorch.Size([5, 100]) False\n"
    )
