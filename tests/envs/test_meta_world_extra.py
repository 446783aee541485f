"""Without Meta-World, or with a MuJoCo that does not fit it, the families are known and say what to install."""

import subprocess
import sys

import mujoco
import pytest
from families import IN_AN_ENVIRONMENT_OF_THEIR_OWN

from lifelong_rl.cli import main
from lifelong_rl.envs import FAMILIES, make
from lifelong_rl.envs.lookup import MissingExtraError

NAMES = ("continual-world", "meta-world")
ADVICE = r'pins MuJoCo 3\.3\.0\), which is not installed: pip install "lifelong_rl\[metaworld\]"'


@pytest.fixture
def without_meta_world(monkeypatch):
    monkeypatch.setitem(sys.modules, "metaworld", None)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_meta_world_is_named_with_its_extra(name, without_meta_world):
    with pytest.raises(MissingExtraError, match=ADVICE):
        make(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_says_it_without_a_traceback(name, without_meta_world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--env", name, "--agent", "sac", "--steps", "100", "--tasks", "2"]) == 2
    error = capsys.readouterr().err
    assert "error: The family runs on Meta-World" in error and "lifelong_rl[metaworld]" in error


def test_listing_needs_no_meta_world(without_meta_world, capsys):
    assert main(["list", "envs"]) == 0
    assert "Continual World's ten tasks" in capsys.readouterr().out


def test_a_mujoco_of_another_layout_is_found_before_meta_world_fails_on_it(tmp_path, monkeypatch):
    (tmp_path / "metaworld").mkdir()
    (tmp_path / "metaworld" / "__init__.py").write_text("raise RuntimeError('too late')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mujoco, "mjNEQDATA", 12)  # since MuJoCo 3.17
    monkeypatch.setattr(mujoco, "__version__", "4.0.0")
    with pytest.raises(MissingExtraError, match=r"needs MuJoCo 3\.3\.0, found MuJoCo 4\.0\.0, .* of its own"):
        make("continual-world")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"reward": "v3"}, "reward must be one of 'v2', 'v1', found 'v3'"),
        ({"success_at": "end"}, "success_at must be one of 'any-step', 'last-step', found 'end'"),
        ({"actions": "discrete"}, "offers the action kinds 'continuous'"),
        ({"horizon": 3}, "unknown option of the environment family ContinualWorld 'horizon'"),
    ],
)
def test_wrong_options_are_refused_first(option, message, without_meta_world):
    with pytest.raises(ValueError, match=message):
        make("continual-world", **option)


def test_importing_the_families_imports_neither_meta_world_nor_mujoco():
    code = f"""
import sys
from lifelong_rl.envs import family
assert [family(name).task_space.dimension for name in {NAMES}] == [2, 2]
print([name for name in ("metaworld", "mujoco") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_tests_of_meta_world_are_those_of_the_families_that_are_not_made_here():
    assert list(IN_AN_ENVIRONMENT_OF_THEIR_OWN) == [name for name, path in FAMILIES.items() if ".metaworld:" in path]
