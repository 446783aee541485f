"""The command `show` writes pictures of a family and says where they lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_toys import assert_refused
from PIL import Image

from lifelong_rl.cli import main

QUICK = ["--clip-steps", "3", "--steps", "2", "--quiet"]


def show(*arguments):
    return main(["show", *arguments, *QUICK])


def test_show_writes_a_sheet_and_a_clip_and_prints_their_paths(tmp_path, capsys):
    assert show("point-goal", "--output", str(tmp_path / "out")) == 0

    sheet, clip = map(Path, capsys.readouterr().out.splitlines())
    assert (sheet, clip) == (tmp_path / "out" / "point-goal.png", tmp_path / "out" / "point-goal.gif")
    with Image.open(sheet) as image:
        assert image.format == "PNG" and image.width > 500
    with Image.open(clip) as image:
        assert image.format == "GIF" and image.n_frames == 4


def test_a_second_show_keeps_the_files_of_the_first(tmp_path, capsys):
    for _ in range(2):
        assert show("far-goal", "--output", str(tmp_path)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "far-goal-2.gif",
        "far-goal-2.png",
        "far-goal.gif",
        "far-goal.png",
    ]


def test_tasks_steps_moves_and_options_decide_what_is_shown(tmp_path, capsys):
    def sheet(*arguments):
        assert show("far-goal", "--output", str(tmp_path), "--clip", "none", *arguments) == 0
        return Path(capsys.readouterr().out.strip()).read_bytes()

    sheets = [
        sheet(),
        sheet("--tasks", "low,high"),
        sheet("--tasks", "standard", "--n-tasks", "2"),
        sheet("--tasks", "random"),
        sheet("--tasks", "random", "--seed", "1"),
        sheet("--moves", "zero"),
        sheet("--env-options", "max_episode_steps=5"),
    ]
    assert len(set(sheets)) == len(sheets)
    assert sheet() == sheets[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-goal"], ["unknown environment family 'no-goal'"]),
        (["point-goal", "--tasks", "lowest"], ["unknown choice of tasks 'lowest'", "did you mean 'low'"]),
        (["point-goal", "--tasks", "standard", "--n-tasks", "0"], ["at least 1"]),
        (["point-goal", "--seed", "-1"], ["seed must be at least 0"]),
        (["point-goal", "--env-options", "speed=3"], ["unknown option", "'speed'"]),
        (["cli_families:Dark"], ["has no pictures", "draw()"]),
        (["cli_families:NoScreen"], ["MuJoCo cannot draw here"]),
    ],
)
def test_what_cannot_be_shown_is_refused_and_leaves_nothing(arguments, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "cli_families.py").write_text(
        "from lifelong_rl.envs import TaskEnv\n"
        "from lifelong_rl.envs.point_goal import PointGoal\n"
        "from lifelong_rl.envs.task_env import NoPicturesHereError\n"
        "class Dark(PointGoal):\n"
        "    draw = TaskEnv.draw\n"
        "class NoScreen(PointGoal):\n"
        "    def draw(self):\n"
        "        raise NoPicturesHereError('MuJoCo cannot draw here.')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cli_families", raising=False)
    assert_refused(["show", *arguments, "--output", str(tmp_path / "out"), *QUICK], capsys, *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["out", "out/deeper"])
def test_a_file_in_place_of_the_folder_is_an_error_and_stays(place, tmp_path, capsys, undrawable):
    (tmp_path / "out").write_text("mine")
    assert_refused(["show", undrawable, "--output", str(tmp_path / place)], capsys, "a folder, but", "out' is a file")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.fixture
def undrawable(tmp_path, monkeypatch):
    """The name of a family that fails where it is drawn."""
    (tmp_path / "never_drawn.py").write_text(
        "from lifelong_rl.envs.point_goal import PointGoal\n"
        "class Family(PointGoal):\n"
        "    def draw(self):\n"
        "        raise AssertionError('it was drawn')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "never_drawn", raising=False)
    return "never_drawn:Family"


@pytest.mark.parametrize(
    ("flag", "number", "words"),
    [
        ("--clip-steps", "0", "steps of a clip must be at least 1, found 0"),
        ("--clip-steps", "-3", "found -3"),
        ("--steps", "-1", "the steps before a picture, must be at least 0, found -1"),
        ("--n-tasks", "0", "tasks to show must be at least 1, found 0"),
        ("--seed", "-1", "seed must be at least 0, found -1"),
    ],
)
def test_a_number_that_means_nothing_is_refused_before_anything_is_drawn(
    flag, number, words, tmp_path, capsys, undrawable
):
    assert_refused(["show", undrawable, "--output", str(tmp_path / "out"), flag, number], capsys, words)
    assert not (tmp_path / "out").exists()


def test_mp4_without_its_extra_names_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "moviepy", None)
    assert_refused(["show", "point-goal", "--clip", "mp4", *QUICK], capsys, 'pip install "lifelong_rl[video]"')


def test_mujoco_draws_without_a_screen_in_a_process_of_its_own(tmp_path):
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    command = [sys.executable, "-m", "lifelong_rl.cli", "show", "pusher", "--tasks", "standard", "--n-tasks", "1"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path), "--clip", "none", "--steps", "0", "--quiet"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with Image.open(done.stdout.strip()) as image:
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20
