"""Every code block of the README works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.envs import FAMILIES
from lifelong_rl.scenarios import Scenario
from lifelong_rl.teachers import check_teacher, make_teacher

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def python_block(marker: str) -> str:
    (block,) = [block for block in blocks("python") if marker in block]
    return block


def test_the_script_trains_and_prints_metrics(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(python_block("from lifelong_rl import"))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "gem average_accuracy" in done.stdout
    assert (tmp_path / "runs" / "first" / "metrics.json").is_file()


def test_an_agent_works_without_the_trainer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(python_block("LifelongDQN.load"), "README.md", "exec"), {})
    assert (tmp_path / "east.zip").is_file()


def test_the_teacher_keeps_the_protocol_and_trains_from_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "my_teacher.py").write_text(python_block("# my_teacher.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    check_teacher(type(make_teacher("my_teacher:Frontier")))
    lines = [line for line in README.splitlines() if line.startswith("lifelong-rl train")]
    (command,) = [line for line in lines if "my_teacher:Frontier" in line]
    words = command.replace("20_000", "512").split()[1:]
    assert main([*words, "--tasks", "2", "--eval-episodes", "1", "--agent-options", "n_steps=64", "--quiet"]) == 0


def test_the_family_keeps_the_protocol_and_trains_from_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "my_acrobot.py").write_text(python_block("# my_acrobot.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = [line.split("#")[0] for line in README.splitlines() if "my_acrobot:MyAcrobot" in line]
    check, train = [line.replace("20_000", "512").split()[1:] for line in lines]
    assert main(check) == 0
    assert main([*train, "--tasks", "2", "--eval-episodes", "1", "--agent-options", "n_steps=64", "--quiet"]) == 0


def test_every_family_stands_in_the_table():
    named = set(re.findall(r"`([\w-]+)`", README[README.index("| families |") :]))
    assert {name for name in FAMILIES if not name.startswith("toy-grid-")} <= named


def test_the_scenario_file_is_a_scenario(tmp_path):
    (block,) = blocks("toml")
    path = tmp_path / "my_scenario.toml"
    path.write_text(block)
    scenario = Scenario.from_toml(path)
    assert [task.id for task in scenario.evaluation_tasks] == ["east", "north"]
    assert scenario.steps == 8000


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("lifelong-rl ")])
def test_each_command_parses(line):
    words = line.split("#")[0].split()[1:]
    assert type(parse(words)).__name__.lower().endswith(words[0].replace("-", ""))


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets_of_the_makefile(target):
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
