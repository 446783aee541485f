"""Contact sheets and clips show the tasks that are asked for, each with its own picture."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from lifelong_rl.envs import FAMILIES, Feature, TaskEnv, TaskSpace, family, make
from lifelong_rl.envs.lookup import MissingExtraError
from lifelong_rl.envs.picture_files import write_clip, write_pictures, write_png
from lifelong_rl.envs.pictures import clip, contact_sheet
from lifelong_rl.envs.shown_tasks import feature_rows, random_rows, rows_of, standard_rows

DRAWN = ["point-goal", "far-goal", *(name for name in FAMILIES if name.startswith("toy-grid"))]


class Lamp(TaskEnv):
    """A toy family in one colour: its brightness is the task's, and each step and action darkens it."""

    task_space = TaskSpace(
        "lamp",
        [
            Feature.real("brightness", 100.0, 200.0, 160.0, unit="cd"),
            Feature.integer("fade", 1, 4, 1),
            Feature.category("colour", ("grey", "red"), "grey"),
            Feature.real("size", 1.0, 100.0, 10.0, log=True),
        ],
    )
    action_kinds = ("discrete",)

    def __init__(self, *, render_mode=None, lifetime=5):
        self.observation_space = spaces.Box(0.0, 255.0, (1,), np.float32)
        self.action_space = spaces.Discrete(3)
        self.max_episode_steps = lifetime
        super().__init__(render_mode=render_mode)

    def apply_task(self, params):
        self.params = params

    def start_episode(self):
        self.light = self.params["brightness"]
        return self.observe()

    def observe(self):
        return np.array([self.light], dtype=np.float32)

    def advance(self, action):
        self.light -= self.params["fade"] * (1 + int(action))
        return self.observe(), 0.0, False

    def score_episode(self, episode_return, length):
        return 0.0, False

    def draw(self):
        return np.full((20, 40, 3), round(self.light), dtype=np.uint8)


def test_each_feature_varies_alone_over_its_levels_and_all_choices_are_shown():
    rows = feature_rows(Lamp.task_space)

    assert [[label for label, _ in row] for row in rows] == [
        ["brightness 100 cd", "brightness 150 cd", "brightness 200 cd"],
        ["fade 1", "fade 2", "fade 3", "fade 4"],
        ["colour grey", "colour red"],
        ["size 1", "size 10", "size 100"],
    ]
    assert [task.params["fade"] for _, task in rows[1]] == [1, 2, 3, 4]
    assert {task.params["brightness"] for row in rows[1:] for _, task in row} == {160.0}


def test_levels_may_be_picked_and_an_unknown_one_is_refused():
    assert [label for label, _ in rows_of(Lamp, "high,low")[0]] == ["brightness 200 cd", "brightness 100 cd"]
    with pytest.raises(ValueError, match="unknown choice of tasks 'lo'; did you mean 'low'"):
        rows_of(Lamp, "lo,high")
    with pytest.raises(ValueError, match="unknown level"):
        feature_rows(Lamp.task_space, ["top"])
    with pytest.raises(ValueError, match="at least 1, found 0"):
        rows_of(Lamp, "standard", n=0)


def test_standard_tasks_are_shown_under_their_names_in_rows_of_six():
    rows = rows_of(family("point-goal"), "standard", n=8)

    assert [len(row) for row in rows] == [6, 2]
    assert rows[0][0][1] == family("point-goal").standard_tasks(8)[0]
    assert [label for row in standard_rows(family("point-goal"), 4) for label, _ in row] == [
        "east", "north", "west", "south",
    ]  # fmt: skip


def test_random_tasks_follow_the_seed_and_say_their_features_where_these_are_few():
    (row,) = random_rows(family("far-goal").task_space, 3, seed=1)

    assert rows_of(family("far-goal"), "random", n=3, seed=1) == [row]
    assert rows_of(family("far-goal"), "random", n=3, seed=2) != [row]
    label, task = row[0]
    assert label == f"goal_x {task.params['goal_x']:.4g} m, goal_y {task.params['goal_y']:.4g} m"
    assert random_rows(Lamp.task_space, 2, seed=0)[0][1][0] == "random 2"


def test_a_sheet_shows_each_task_in_its_place_after_the_same_steps():
    rows = rows_of(Lamp, "low,high")
    sheet = contact_sheet(Lamp, rows, n_steps=3, moves="zero", cell_width=100)

    assert sheet.shape == (4 * (50 + 18) + 3 * 6, 4 * 100 + 3 * 6, 3) and sheet.dtype == np.uint8
    assert [int(sheet[40, x, 0]) for x in (50, 156)] == [100 - 3, 200 - 3]
    fading = [int(sheet[40 + 74, x, 0]) for x in (50, 156, 262, 368)]
    assert fading == [160 - 3, 160 - 6, 160 - 9, 160 - 12]
    assert (sheet[40, 262:] == 255).all()  # the first row has two tasks only
    assert (sheet[:18, :100] < 100).any()  # a label


def test_pictures_of_different_shapes_stand_side_by_side():
    class Tower(Lamp):
        def draw(self):
            return np.zeros((20 * self.params["fade"], 40, 3), dtype=np.uint8)

    rows = feature_rows(Tower.task_space)[1:3]
    sheet = contact_sheet(Tower, rows, n_steps=0, cell_width=100)
    frames = clip(Tower, rows[0], n_steps=1, cell_width=100)

    assert sheet.shape == (200 + 18 + 6 + 50 + 18, 418, 3) and frames[0].shape == (218, 418, 3)
    assert [int(sheet[150, x, 0]) for x in (50, 156, 262, 368)] == [255, 255, 0, 0]


def test_a_sheet_takes_no_more_steps_than_the_episode_has_and_none_on_request():
    rows = rows_of(Lamp, "low")[:1]
    seen = [int(contact_sheet(Lamp, rows, n_steps=n, moves="zero")[60, 50, 0]) for n in (0, 5, 50)]

    assert seen == [100, 95, 95]
    with pytest.raises(ValueError, match="at least 0, found -1"):
        contact_sheet(Lamp, rows, n_steps=-1)


def test_random_moves_are_the_same_for_every_task_and_follow_the_seed():
    task = Lamp.task_space.default
    row = [("a", task), ("b", task)]
    pictures = [contact_sheet(Lamp, [row], n_steps=5, seed=seed, cell_width=100) for seed in (0, 0, 1)]

    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0][18:, :100] == pictures[0][18:, 106:]).all()
    assert (pictures[0][40, 50] != pictures[2][40, 50]).any()


def test_moves_may_be_a_policy_and_nothing_else():
    rows = rows_of(Lamp, "low")[:1]

    assert contact_sheet(Lamp, rows, n_steps=1, moves=lambda observation: 2 * (observation[0] > 99))[60, 50, 0] == 97
    with pytest.raises(ValueError, match="'random', 'zero' or a policy, found 'wild'"):
        contact_sheet(Lamp, rows, moves="wild")


def test_a_clip_shows_tasks_side_by_side_and_holds_the_last_frame_of_a_finished_episode():
    (row,) = standard_rows(family("far-goal"), 3)
    frames = clip("far-goal", row, n_steps=10, moves=lambda observation: np.array([1.0, 0.0]), cell_width=100)
    width = 100 + 6
    moved = [
        [(one[:, i * width :][:, :100] != other[:, i * width :][:, :100]).any() for i in range(3)]
        for one, other in pairwise(frames)
    ]

    assert len(frames) == 11 and {frame.shape for frame in frames} == {(118, 312, 3)}
    assert all(step[0] for step in moved[:3]) and not any(step[0] for step in moved[-3:])  # the first goal is near
    assert all(step[1] for step in moved)


@pytest.mark.parametrize("name", DRAWN)
def test_the_pictures_of_a_flat_family_show_its_features_and_its_state(name):
    shown = feature_rows(family(name).task_space)
    env = make(name, render_mode="rgb_array")
    for row in (shown[0], shown[-1]):
        pictures = []
        for _, task in row:
            env.reset(seed=0, options={"task": task})
            before = env.render()
            env.step({"point-goal": 1, "far-goal": np.array([1.0, 0.0])}.get(name, np.array([0.9])))
            pictures += [before, env.render()]
        assert len({picture.tobytes() for picture in pictures}) == len(pictures)
        assert all(picture.ndim == 3 and picture.dtype == np.uint8 for picture in pictures)


def test_a_family_without_pictures_says_so():
    class Dark(Lamp):
        draw = TaskEnv.draw

    with pytest.raises(ValueError, match="'lamp' has no pictures: it does not write draw"):
        contact_sheet(Dark, rows_of(Dark, "low"))


def test_options_reach_the_constructor_and_unknown_ones_are_refused():
    rows = rows_of(Lamp, "low")[:1]

    assert contact_sheet(Lamp, rows, n_steps=9, moves="zero", options={"lifetime": 2})[60, 50, 0] == 98
    with pytest.raises(ValueError, match="unknown option of the environment family Lamp 'lifetim'; did you mean"):
        contact_sheet(Lamp, rows, options={"lifetim": 2})


def test_files_are_written_small_and_never_over_others(tmp_path):
    written = [write_pictures("point-goal", tmp_path / "new", clip_steps=4) for _ in range(2)]

    assert [[path.name for path in paths] for paths in written] == [
        ["point-goal.png", "point-goal.gif"],
        ["point-goal-2.png", "point-goal-2.gif"],
    ]
    with Image.open(written[0][0]) as sheet:
        assert sheet.size == (3 * 180 + 2 * 6, 4 * (180 + 18) + 3 * 6)
    assert written[0][0].stat().st_size < 60_000


def test_a_gif_plays_all_frames_in_their_colours(tmp_path):
    frames = [np.full((20, 30, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    write_clip(frames, tmp_path / "clip.gif", fps=10)

    with Image.open(tmp_path / "clip.gif") as gif:
        assert gif.n_frames == 3 and gif.info["duration"] == 100 and gif.info["loop"] == 0
        for i, frame in enumerate(frames):
            gif.seek(i)
            assert tuple(np.asarray(gif.convert("RGB"))[10, 10]) == tuple(frame[0, 0])


def test_an_existing_file_is_never_overwritten(tmp_path):
    frames = [np.zeros((10, 10, 3), dtype=np.uint8)] * 2
    for name, write in (("a.png", lambda p: write_png(frames[0], p)), ("a.gif", lambda p: write_clip(frames, p, 5))):
        (tmp_path / name).write_text("mine")
        with pytest.raises(FileExistsError):
            write(tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(ValueError, match=r"\.gif or \.mp4, found 'a.avi'"):
        write_clip(frames, tmp_path / "a.avi", 5)


def test_mp4_without_its_extra_names_it_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)

    with pytest.raises(MissingExtraError, match=r"lifelong_rl\[video\]"):
        write_pictures("point-goal", tmp_path / "out", clip_format="mp4")
    assert not (tmp_path / "out").exists()


def test_mp4_frames_have_even_sides_and_go_into_a_new_file(tmp_path, monkeypatch):
    class MoviePy:
        """Stands in for the package of the extra, which a developer's environment lacks."""

        class ImageSequenceClip:
            def __init__(self, frames, fps):
                self.text = f"{frames[0].shape} {len(frames)} frames at {fps}"

            def write_videofile(self, path, logger, audio):
                Path(path).write_text(self.text)

    monkeypatch.setitem(sys.modules, "moviepy", MoviePy)
    frames = [np.zeros((21, 35, 3), dtype=np.uint8)] * 2
    write_clip(frames, tmp_path / "a.mp4", fps=5)

    assert (tmp_path / "a.mp4").read_text() == "(22, 36, 3) 2 frames at 5"
    with pytest.raises(FileExistsError):
        write_clip(frames, tmp_path / "a.mp4", fps=5)
