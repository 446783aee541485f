"""Environment families on the command line: check-env, and families that a user wrote."""

import sys

import pytest

from lifelong_rl.cli import main
from lifelong_rl.envs.check import RULES

MODULE = '''
"""A user's family, in twenty lines."""

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs import Feature, TaskEnv, TaskSpace


class Slide(TaskEnv):
    task_space = TaskSpace("slide", [Feature.real("speed", 0.1, 0.5, 0.2)])
    action_kinds = ("discrete",)

    def __init__(self, *, max_episode_steps=10, render_mode=None, observe_task="none", tasks=()):
        self.observation_space = spaces.Box(-1e6, 1e6, (1,), np.float32)
        self.action_space = spaces.Discrete(3)
        self.max_episode_steps = max_episode_steps
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params):
        self.speed = params["speed"]

    def start_episode(self):
        self.x = self.np_random.random()
        return np.array([self.x], dtype=np.float32)

    def advance(self, action):
        if action not in self.action_space:
            raise ValueError(f"an action must be 0, 1 or 2, found {action!r}.")
        self.x += self.speed * (1 + int(action))
        return np.array([self.x], dtype=np.float32), self.x, False

    def score_episode(self, episode_return, length):
        return 0.5, False

    def draw(self):
        return np.full((4, 4, 3), int(50.0 * self.x) % 256, dtype=np.uint8)


class Careless(Slide):
    """Scores what is no fraction, and does nothing with its feature."""

    def apply_task(self, params):
        self.speed = 0.2

    def score_episode(self, episode_return, length):
        return 2.0, False


class Nameless(Slide):
    action_kinds = ()


class Raises(Slide):
    def queue_task(self, task, seed=None):
        return {}["boom"]


nobody = None
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in that holds the user's module, on the Python path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_families.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "my_families", raising=False)
    return tmp_path


def test_a_good_family_gets_a_line_a_rule_and_status_0(place, capsys):
    assert main(["check-env", "my_families:Slide", "--option", "max_episode_steps=7"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()

    assert len(lines) == 1 + len(RULES) and all(line.startswith("ok ") for line in lines)
    assert last == "my_families:Slide keeps all rules that were checked."


def test_a_bad_family_is_told_each_rule_that_it_breaks_and_gets_status_1(place, capsys):
    assert main(["check-env", "my_families:Careless"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()

    broken = [i for i, line in enumerate(lines) if line.startswith("BROKEN ")]
    assert any(line.startswith("ok ") for line in lines)
    assert any("the score must be a number in [0, 1], found 2.0" in lines[i + 1] for i in broken)
    assert any("feature 'speed' has no effect" in lines[i + 1] for i in broken)
    assert last == f"my_families:Careless breaks {len(broken)} rules."


def test_a_family_of_a_broken_declaration_is_told_this_alone(place, capsys):
    assert main(["check-env", "my_families:Nameless"]) == 1
    first, why, last = capsys.readouterr().out.splitlines()

    assert first.startswith("BROKEN  Declaration") and "needs a class attribute action_kinds" in why
    assert last == "my_families:Nameless breaks 1 rule."


def test_what_a_family_raises_is_the_rule_that_it_breaks(place, capsys):
    assert main(["check-env", "my_families:Raises"]) == 1
    assert "KeyError was raised ('boom') where this is asked: Queueing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["point-gaol"], "did you mean 'point-goal'"),
        (["my_families:Slid"], "did you mean 'Slide'"),
        (["no_such_module:Family"], "does not import"),
        (["my_families:nobody"], "must be a subclass of"),
        (["my_families:Slide", "--option", "max_steps=1"], "did you mean 'max_episode_steps'"),
        (["my_families:Slide", "--option", "max_episode_steps"], "key=value"),
        (["point-goal", "--seed", "-1"], "the seed must be at least 0, found -1"),
    ],
)
def test_a_family_that_there_is_not_is_one_error_and_status_2(given, words, place, capsys):
    assert main(["check-env", *given]) == 2
    said = capsys.readouterr()

    (line,) = said.err.splitlines()
    assert line.startswith("error: ") and words in line
