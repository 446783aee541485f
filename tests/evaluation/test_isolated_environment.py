import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "isolated.py"
DOUBLE = "import json, sys; print(json.dumps([2 * number for number in json.load(sys.stdin)]))"
FIND_US = "import importlib.util, json; print(json.dumps(importlib.util.find_spec('lifelong_rl') is not None))"


@pytest.fixture(scope="module")
def isolated():
    spec = importlib.util.spec_from_file_location("isolated", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def venvs(isolated, tmp_path_factory):
    """A folder with one environment without requirements: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("venvs")
    isolated.environment([], folder)
    return folder


def test_the_script_gets_the_data_and_its_answer_comes_back(isolated, venvs):
    assert isolated.run_isolated([], DOUBLE, [1, 2.5], venvs=venvs) == [2, 5.0]


def test_a_script_in_a_file_runs_too(isolated, venvs, tmp_path):
    (tmp_path / "double.py").write_text(DOUBLE)
    assert isolated.run_isolated([], tmp_path / "double.py", [3], venvs=venvs) == [6]


def test_the_script_does_not_see_the_packages_of_the_caller(isolated, venvs, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SCRIPT.parents[1]))
    assert isolated.run_isolated([], FIND_US, None, venvs=venvs) is False


def test_the_environment_is_made_once(isolated, venvs):
    python = isolated.environment([], venvs)
    (python.parents[1] / "kept").touch()
    assert isolated.environment([], venvs) == python
    assert (python.parents[1] / "kept").is_file()
    assert python != Path(sys.executable) and len(list(venvs.iterdir())) == 1


def test_an_environment_that_was_cut_off_is_made_anew(isolated, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(isolated, "run", lambda command, *_: commands.append(command))
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)  # the mark of a complete environment never comes
    for _ in range(2):
        isolated.environment(["rliable==1.2.0"], tmp_path)
    assert [command[-1] for command in commands[1::2]] == ["rliable==1.2.0"] * 2


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit('no scores')", "no scores"),
        ("print('hello')", "one JSON value"),
        ("", "one JSON value"),
    ],
)
def test_a_script_that_fails_or_prints_no_json_is_refused(isolated, venvs, script, message):
    with pytest.raises(RuntimeError, match=message):
        isolated.run_isolated([], script, None, venvs=venvs)
