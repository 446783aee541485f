"""Environment families on the command line: check-env, test-set, and families that a user wrote."""

import json
import os
import subprocess
import sys

import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.envs import family
from lifelong_rl.envs.check import RULES
from lifelong_rl.envs.test_set_files import load_test_set
from lifelong_rl.envs.test_sets import uniform_test_set

MODULE = '''
"""A user's family, in twenty lines."""

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs import Feature, TaskEnv, TaskSpace
from lifelong_rl.envs.task_env import NoPicturesHereError


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


class Unseen(Slide):
    def draw(self):
        raise NoPicturesHereError("there is no screen.")


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
    assert last == "my_families:Slide keeps all rules."


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


def test_a_rule_that_cannot_be_checked_here_is_skipped_with_the_reason(place, capsys):
    assert main(["check-env", "my_families:Unseen"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()

    (at,) = [i for i, line in enumerate(lines) if line.startswith("skipped Pictures")]
    assert "the pictures of Unseen, as there is no screen." in lines[at + 1]
    assert last == "my_families:Unseen keeps all rules that can be checked here."


@pytest.mark.parametrize("command", [["check-env"], ["show", "--quiet", "--clip", "none", "--output", "out"]])
def test_pygame_draws_without_a_screen_and_without_complaints(command, tmp_path):
    (tmp_path / "their_families.py").write_text(
        "from lifelong_rl.envs import Attribute, Feature, GymnasiumFamily\n"
        "class CartPole(GymnasiumFamily):\n"
        "    env_id = 'CartPole-v1'\n"
        "    features = {Feature.real('gravity', 4.0, 20.0, 9.8): Attribute('gravity')}\n"
        "    worst_return, best_return = 0.0, 500.0\n"
    )
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    verb, *flags = command
    done = subprocess.run(
        [sys.executable, "-m", "lifelong_rl.cli", verb, "their_families:CartPole", *flags],
        env=environment | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["check-env"], ["show"], ["train", "--agent", "sac", "--env"]])
def test_a_family_that_cannot_be_made_here_is_one_error(words, tmp_path):
    code = f"import sys\nfrom lifelong_rl.cli import main\nsys.exit(main({[*words, 'half-cheetah']!r}))"
    environment = os.environ | {"MUJOCO_GL": "no-such-library"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: MuJoCo does not import") and "MUJOCO_GL='no-such-library'" in line


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


# Test sets


def test_a_test_set_is_written_with_its_hash_and_tests_a_run(place, capsys):
    words = ["test-set", "point-goal", "--n", "5", "--seed", "7", "--bounds", "goal_x=[0,1]", "start_y=0.5"]
    assert main([*words, "--output", "mine.json"]) == 0
    made = load_test_set("mine.json", family("point-goal").task_space)

    assert capsys.readouterr().out == f"mine.json: 5 tasks of point-goal, SHA-256 {made.sha256}\n"
    expected = uniform_test_set(made.space, 5, 7, bounds={"goal_x": (0.0, 1.0), "start_y": 0.5})
    assert made.tasks == expected.tasks

    train = parse(["train", "--scenario", "curriculum", "--scenario-options", "test_set=mine.json"])
    assert train.config().scenario.evaluation_tasks == expected.tasks


def test_without_a_file_to_write_the_test_set_is_printed(place, capsys):
    assert main(["test-set", "my_families:Slide", "--kind", "grid", "--per-axis", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)

    assert [entry["task"]["speed"] for entry in printed["tasks"]] == pytest.approx([0.1, 0.3, 0.5])


@pytest.mark.parametrize(
    ("words", "n"),
    [
        (["point-goal/uniform-50"], 50),
        (["my_families:Slide/uniform-50"], 50),
        (["my_families:Slide/grid-10"], 10),
        (["point-goal"], 50),
        (["point-goal", "--kind", "grid"], 16),
        (["point-goal", "--kind", "grid", "--per-axis", "goal_x=4", "goal_y=3"], 12),
        (["half-cheetah", "--kind", "axes"], 27),
    ],
)
def test_test_sets_are_made_of_a_family_or_by_name(words, n, place):
    assert len(parse(["test-set", *words]).made().tasks) == n


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["point-gaol"], "did you mean 'point-goal'"),
        (["point-goal/uniform-5"], "did you mean 'point-goal/uniform-50'"),
        (["point-goal/uniform-50", "--n", "5"], "--n has no place beside the test set 'point-goal/uniform-50'"),
        (["point-goal", "--per-axis", "3"], "--per-axis has no place beside the kind 'uniform'"),
        (["point-goal", "--kind", "grid", "--seed", "3"], "--seed has no place beside the kind 'grid'"),
        (
            ["point-goal", "--kind", "grid", "--per-axis", "goal=3"],
            "unknown feature of a grid over 'point-goal'",
        ),
        (["point-goal", "--kind", "axes", "--per-axis", "goal_x=3"], "per_axis of a test set must be a whole number"),
        (["point-goal", "--n", "0"], "n of a test set must be a whole number from 1"),
        (["point-goal", "--bounds", "goal_x=[0,7]"], "feature 'goal_x' must lie in [-1, 1], found 7"),
        (["point-goal", "--output", "my_families.py"], "my_families.py exists and is another file"),
    ],
)
def test_a_test_set_that_cannot_be_made_is_one_error_and_status_2(given, words, place, capsys):
    assert main(["test-set", *given]) == 2
    said = capsys.readouterr()

    (line,) = said.err.splitlines()
    assert said.out == "" and line.startswith("error: ") and words in line
