"""The pages on environment families say what the code says."""

import re
import shlex
from pathlib import Path

import pytest

from lifelong_rl.cli import parse
from lifelong_rl.envs import FAMILIES, family

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "environments"
NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
INDEX = (PAGES / "index.md").read_text()


def test_every_family_but_the_simulated_toy_grids_has_a_page():
    assert sorted(name for name in FAMILIES if not name.startswith("toy-grid")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_a_page_has_the_features_of_the_family(name):
    rows = re.findall(
        r"^\| `(\w+)` \| (\S+) to (\S+) \| (\S+) \| ([^|]+) \| (\w+) \|", (PAGES / f"{name}.md").read_text(), re.M
    )
    expected = [
        (f.name, f"{f.low:g}", f"{f.high:g}", f"{f.default:g}", f.unit or "-", "log" if f.log else "linear")
        for f in family(name).task_space.features
    ]
    assert rows == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_index_says_what_a_family_offers(name):
    row = re.search(rf"^\| \[`{name}`\]\({name}\.md\) \| .* \| (.*) \| (.*) \| (.*)\|$", INDEX, re.M)
    actions, known, needs = row.groups()
    assert actions == ", ".join(family(name).action_kinds)
    assert known == ("yes" if family(name).known_reward else "no")
    assert ("mujoco" in needs) == (".mujoco." in FAMILIES[name])
    assert ("box2d" in needs) == (".walkers." in FAMILIES[name])


@pytest.mark.parametrize("page", [*NAMES, "index"])
def test_links_pictures_files_and_commands_of_a_page_are_there(page):
    text = (PAGES / f"{page}.md").read_text()
    for target in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (PAGES / target).is_file(), target
    for path in re.findall(r"(?:examples|benchmarks|tests)/[\w./-]+\.\w+", text):
        assert (ROOT / path).is_file(), path
    for command in re.findall(r"^lifelong-rl .*$", text, re.M):
        words = shlex.split(command)[1:]
        parse([str(ROOT / word) if word.startswith("examples/") else word for word in words]).config()


def test_the_code_of_the_index_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", INDEX, flags=re.DOTALL)
    exec(compile(code, "docs/environments/index.md", "exec"), {})
    assert capsys.readouterr().out == "torch.Size([5, 100]) False\n"
