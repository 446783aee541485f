"""The page on scenarios: its files, code and commands work, and its table says what the code does."""

import re
import shlex
from pathlib import Path

import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.scenarios import SCENARIOS, Scenario, scenario_options

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text()
FILES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("lifelong-rl ")]


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.splitlines()[0])
def test_each_file_of_the_page_is_a_scenario(text, tmp_path):
    (tmp_path / "page.toml").write_text(text)
    scenario = Scenario.from_toml(tmp_path / "page.toml")
    assert Scenario.from_json(scenario.to_json()) == scenario


def test_the_page_has_a_file_and_a_row_of_every_kind():
    named = {kind for text in FILES for kind in re.findall(r'^kind = "(.*)"', text, flags=re.MULTILINE)}
    assert named == set(SCENARIOS)
    assert re.findall(r"^\| `([\w-]+)` \|", PAGE, flags=re.MULTILINE) == list(SCENARIOS)


@pytest.mark.parametrize("kind", SCENARIOS)
def test_the_table_says_what_is_told_by_default(kind):
    told = re.search(rf"^\| `{kind}` \|.*\| `(\w+)` \|$", PAGE, flags=re.MULTILINE).group(1)
    assert {block.visibility for block in SCENARIOS[kind]("point-goal").blocks} == {told}


def test_the_code_of_the_page_runs(capsys):
    for text in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(text, "scenarios.md", "exec"), {})
    assert capsys.readouterr().out.startswith("16 [")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_page_parses_and_makes_its_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_scenario.toml").write_text(FILES[0])
    arguments = shlex.split(command)[1:]
    if arguments[0] == "list":
        assert main(arguments) == 0
    else:
        assert parse(arguments).config().scenario.steps > 0


@pytest.mark.parametrize("kind", SCENARIOS)
def test_what_the_page_says_of_options_is_true(kind):
    assert {"visibility", "evaluation_visibility", "observe_task", "env_options"} <= scenario_options(kind)
    assert "steps" in scenario_options(kind)
