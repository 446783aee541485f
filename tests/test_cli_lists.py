"""What the command line lists and helps with, and how it reads options."""

import subprocess
import sys

import pytest

from lifelong_rl.cli import main, parse_options
from lifelong_rl.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("room", "names"),
    [
        ("envs", ["point-goal", "cartpole-physics", "pendulum-physics"]),
        ("agents", ["sac", "td3", "dqn", "ppo"]),
        ("components", ["reservoir-replay", "distillation"]),
        ("teachers", ["random", "alp-gmm"]),
        ("scenarios", list(SCENARIOS)),
        ("metrics", ["gem", "cw"]),
    ],
)
def test_each_room_lists_what_is_built_in_with_a_sentence(room, names, capsys):
    assert main(["list", room]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert set(names) <= set(lines)
    assert all(sentence.strip() for sentence in lines.values())


def test_help_of_every_command_imports_neither_torch_nor_stable_baselines():
    code = """
import sys
from lifelong_rl.cli import main
for command in ([], ["train"], ["resume"], ["report"], ["compare"], ["list"], ["show"],
                ["bench"], ["check-teacher"], ["check-env"], ["test-set"]):
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert end.code == 0
slow = {"torch", "stable_baselines3", "matplotlib", "sklearn", "scipy"} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for words in ("Environment steps between evaluations", "--agent-options"):
        assert words in done.stdout


def test_values_of_options_are_json_or_python_or_text():
    given = ["a=1", "b=1e-3", "c=true", "d=True", "e=None", "f=null", "g=[64,64]", "h=text", "i=1_000", "j=a=b", "k="]
    values = [1, 1e-3, True, True, None, None, [64, 64], "text", 1000, "a=b", ""]
    assert parse_options(given) == dict(zip("abcdefghijk", values, strict=True))


def test_dots_in_a_key_nest_but_not_those_of_a_plug_in():
    assert parse_options(["a.b=1", "a.c.d=2"]) == {"a": {"b": 1, "c": {"d": 2}}}
    assert parse_options(["my.room.parts:Part.n=3"]) == {"my.room.parts:Part": {"n": 3}}


@pytest.mark.parametrize("pairs", [["a"], ["=3"], ["a=1", "a.b=2"]])
def test_options_that_do_not_read_are_refused(pairs):
    with pytest.raises(ValueError, match="option"):
        parse_options(pairs)
