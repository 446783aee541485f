"""MiniGrid's rooms: MiniGrid's own episodes and views, tella's tasks, and what is refused."""

import itertools
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from minigrid.core.world_object import Ball, Box, Key, Lava, Wall
from minigrid.envs import (
    CrossingEnv,
    DistShiftEnv,
    DoorKeyEnv,
    EmptyEnv,
    FetchEnv,
    FourRoomsEnv,
    LavaGapEnv,
    UnlockEnv,
)
from minigrid.minigrid_env import MiniGridEnv

from lifelong_rl.envs import check_task_env, make
from lifelong_rl.envs.minigrid import view
from lifelong_rl.envs.minigrid.rooms import ROOMS, MiniGrid
from lifelong_rl.evaluation import EvaluationLog, read_log
from lifelong_rl.evaluation.l2logger import read_l2logger, write_l2logger
from lifelong_rl.scenarios import condensed
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import train

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from solvable import can_fetch

LEFT, RIGHT, FORWARD, PICKUP, TOGGLE = 0, 1, 2, 3, 5


def started(room, *, seed=0, options=None, **features):
    env = MiniGrid(**(options or {}))
    env.reset(seed=seed, options={"task": {"room": room, **features}})
    return env


def put_ahead(env, thing):
    """Put a thing in the cell ahead of the agent, which is turned to a cell within the walls."""
    world = env.world
    while isinstance(world.grid.get(*world.front_pos), Wall):
        env.step(RIGHT)
    world.put_obj(thing, *world.front_pos) if thing else world.grid.set(*world.front_pos, None)


# As MiniGrid's own


@pytest.mark.parametrize("room", ROOMS)
def test_the_view_is_minigrid_s_own(room):
    env = MiniGrid(observation="image", n_actions=7)
    rng = np.random.default_rng(ROOMS.index(room))
    for seed in range(6):
        task = env.task_space.decode(env.task_space.sample(1, rng)[0]).params | {"room": room}
        observation, _ = env.reset(seed=seed, options={"task": task})
        for _ in range(50):
            theirs = MiniGridEnv.gen_obs(env.world)
            np.testing.assert_array_equal(observation, theirs["image"])
            action = FORWARD if rng.random() < 0.4 else rng.integers(7)
            observation, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                observation, _ = env.reset()


def test_the_numbering_of_kinds_and_colours_is_minigrid_s():
    from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

    assert dict(zip(view.KINDS, range(11), strict=True)) == OBJECT_TO_IDX
    assert dict(zip(view.COLOURS, range(6), strict=True)) == COLOR_TO_IDX
    assert len(STATE_TO_IDX) == view.N_STATES


@pytest.mark.parametrize(
    ("theirs", "task"),
    [
        (lambda limit: EmptyEnv(6, None, max_steps=limit), {"room": "empty", "size": 6}),
        (lambda limit: FourRoomsEnv(max_steps=limit), {"room": "four-rooms", "size": 19}),
        (lambda limit: CrossingEnv(9, 2, Wall, limit), {"room": "crossing", "n_crossings": 2}),
        (lambda limit: CrossingEnv(11, 5, Lava, limit), {"room": "lava-crossing", "size": 11, "n_crossings": 5}),
        (lambda limit: LavaGapEnv(7, max_steps=limit), {"room": "lava-gap", "size": 7}),
        (lambda limit: DistShiftEnv(strip2_row=5, max_steps=limit), {"room": "dist-shift", "strip_row": 5}),
        (lambda limit: DoorKeyEnv(6, limit), {"room": "door-key", "size": 6}),
        (lambda limit: UnlockEnv(limit), {"room": "unlock", "size": 6}),
        (lambda limit: FetchEnv(8, 3, limit), {"room": "fetch", "size": 8, "n_distractors": 2}),
    ],
)
def test_episodes_are_those_of_minigrid_s_own_rooms(theirs, task):
    env = MiniGrid(observation="image", n_actions=7, death_penalty=0.0, max_episode_steps=300)
    inner = theirs(300)
    rng = np.random.default_rng(1)
    for seed in range(10):
        observation, _ = env.reset(seed=seed, options={"task": task})
        expected, _ = inner.reset(seed=seed)
        np.testing.assert_array_equal(observation, expected["image"])
        ended = False
        while not ended:
            action = FORWARD if rng.random() < 0.4 else rng.integers(7)
            observation, *ours, _ = env.step(action)
            expected, *of_theirs, _ = inner.step(action)
            np.testing.assert_array_equal(observation, expected["image"])
            assert ours == of_theirs
            ended = ours[1] or ours[2]


def test_the_default_task_is_simple_crossing_s9n1_and_its_limit():
    import gymnasium

    inner = gymnasium.make("minigrid:MiniGrid-SimpleCrossingS9N1-v0").unwrapped
    assert MiniGrid().max_episode_steps == inner.max_steps
    assert MiniGrid.task_space.default.params == MiniGrid.standard_tasks(1)[0].params


# The rooms


def reaches_its_goal(world):
    """Say whether free cells lead from the agent to the goal, around walls and lava."""
    start = tuple(int(x) for x in world.agent_pos)
    reached, waiting = {start}, deque([start])
    while waiting:
        x, y = waiting.popleft()
        for cell in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            thing = world.grid.get(*cell)
            if thing is not None and thing.type == "goal":
                return True
            if thing is None and cell not in reached:
                reached.add(cell)
                waiting.append(cell)
    return False


@pytest.mark.parametrize("room", ["empty", "four-rooms", "crossing", "lava-crossing", "lava-gap", "dist-shift"])
@pytest.mark.parametrize("size", [5, 6, 7, 12, 19])
def test_every_goal_can_be_reached(room, size):
    env = MiniGrid()
    for seed in range(10):
        env.reset(seed=seed, options={"task": {"room": room, "size": size, "n_crossings": 1 + seed % 5}})
        assert reaches_its_goal(env.world)
        cells = np.array([cell is None for cell in env.world.grid.grid]).reshape(env.world.height, -1)
        assert not cells[[0, -1]].any() and not cells[:, [0, -1]].any()  # no gap in an outer wall


@pytest.mark.parametrize(
    ("thing", "with_boxes_opened", "without"),
    [(None, True, True), (Box("red"), True, False), (Ball("red"), False, False), (Key("yellow"), True, True)],
)
def test_a_target_that_others_enclose_cannot_be_fetched_unless_one_is_a_box(thing, with_boxes_opened, without):
    env = started("fetch-key", size=5, n_targets=1, n_distractors=0)
    world = env.world
    for cell in itertools.product(range(1, 4), repeat=2):
        world.grid.set(*cell, None)
    world.agent_pos, world.agent_dir = (3, 3), 0
    world.put_obj(Key("yellow"), 1, 1)
    world.put_obj(Ball("blue"), 2, 1)
    if thing:
        world.put_obj(thing, 1, 2)
    assert (can_fetch(world, opens_boxes=True), can_fetch(world, opens_boxes=False)) == (with_boxes_opened, without)


def test_opening_a_box_clears_the_way():
    env = started("fetch-key", size=5, n_targets=1, n_distractors=0)
    put_ahead(env, Box("red"))
    ahead = env.world.front_pos
    env.step(TOGGLE)
    env.step(FORWARD)
    assert tuple(env.world.agent_pos) == tuple(ahead)


def test_each_episode_has_a_grid_of_its_own():
    env = started("four-rooms")
    grids = []
    for _ in range(4):
        env.reset()
        grids.append(env.world.hash())
    assert len(set(grids)) == 4


def test_reaching_the_goal_pays_what_is_left_of_the_time():
    env = started("empty", size=5)
    env.world.agent_pos, env.world.agent_dir = (2, 3), 0
    env.step(LEFT)
    env.step(RIGHT)
    _, reward, terminated, truncated, info = env.step(FORWARD)
    assert (terminated, truncated) == (True, False)
    assert reward == info["score"] == pytest.approx(1.0 - 0.9 * 3 / 324)
    assert info["success"]


@pytest.mark.parametrize("penalty", [1.0, 0.25, 0.0])
def test_lava_ends_the_episode_at_its_price(penalty):
    env = started("empty", options={"death_penalty": penalty})
    put_ahead(env, Lava())
    _, reward, terminated, _, info = env.step(FORWARD)
    assert (reward, terminated) == (-penalty, True)
    assert (info["score"], info["success"]) == (0.0, False)


def test_running_into_a_ball_kills_even_if_it_makes_way_and_walls_do_not():
    ends = set()
    for seed in range(20):
        env = started("dynamic-obstacles", seed=seed, size=6, n_obstacles=1)
        (ball,) = env.world._balls
        env.world.grid.set(*ball.cur_pos, None)
        env.world.put_obj(ball, 2, 1)  # ahead of the agent, at (1, 1)
        _, reward, terminated, _, _ = env.step(FORWARD)
        assert (reward, terminated) == (-1.0, True)
        ends.add(tuple(int(x) for x in env.world.agent_pos))
    assert ends == {(2, 1)}
    env = started("dynamic-obstacles", size=10)
    env.world.agent_dir = 3  # the wall
    _, reward, terminated, _, _ = env.step(FORWARD)
    assert (reward, terminated) == (0.0, False)


def test_balls_move_one_cell_a_step_stay_on_the_floor_and_cannot_be_taken():
    env = started("dynamic-obstacles", size=6, n_obstacles=4)
    for _ in range(200):
        before = [ball.cur_pos for ball in env.world._balls]
        env.step(PICKUP if env.world.step_count % 2 else LEFT)
        after = [ball.cur_pos for ball in env.world._balls]
        assert np.abs(np.subtract(before, after)).max() <= 1
        assert len({(int(x), int(y)) for x, y in after} | {(1, 1), (4, 4)}) == 6  # agent and goal are never covered
        assert env.world.carrying is None
    assert before != after


def test_a_small_room_has_no_more_balls_than_leave_a_way():
    assert len(started("dynamic-obstacles", size=5, n_obstacles=8).world._balls) == 3
    assert len(started("dynamic-obstacles", size=16, n_obstacles=8).world._balls) == 8


def test_fetching_a_yellow_key_pays_and_anything_else_ends_without():
    from minigrid.core.world_object import Box, Key

    for thing, pays in ((Key("yellow"), True), (Box("yellow"), False)):
        env = started("fetch-key", size=8)
        put_ahead(env, thing)
        _, reward, terminated, _, info = env.step(PICKUP)
        assert terminated and (reward > 0.9) == info["success"] == pays
        assert reward >= 0.0


def test_the_things_to_fetch_are_as_many_as_the_task_says():
    env = started("fetch-key", size=8, n_targets=3, n_distractors=4)
    kinds = [thing.type for thing in env.world.grid.grid if thing is not None and thing.type != "wall"]
    assert kinds.count("key") == 3 and len(kinds) == 7
    env = started("fetch", size=8, n_distractors=4)
    assert sum(thing is not None and thing.type != "wall" for thing in env.world.grid.grid) == 5


def test_the_flat_observation_holds_image_direction_and_target():
    flat, image = MiniGrid(), MiniGrid(observation="image")
    for seed in range(5):
        task = {"task": {"room": "fetch", "size": 8}}
        observation, _ = flat.reset(seed=seed, options=task)
        seen, _ = image.reset(seed=seed, options=task)
        np.testing.assert_allclose(observation[:147].reshape(7, 7, 3), seen / np.array([10, 5, 2]), rtol=1e-6)
        assert observation[147:151].tolist() == np.eye(4)[flat.world.agent_dir].tolist()
        colour, kind = flat.world.mission.split()[-2:]
        assert ("key", "ball", "box")[observation[151:154].argmax()] == kind
        assert view.COLOURS[observation[154:].argmax()] == colour
    observation, _ = flat.reset(options={"task": {"room": "empty"}})
    assert not observation[151:].any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"observation": "image", "n_actions": 7},
        {"n_actions": 3, "max_episode_steps": 80, "seed": 3},
        {"observe_task": "vector", "death_penalty": 0.0},
        {"observe_task": "one-hot", "tasks": MiniGrid.standard_tasks(18)},
    ],
    ids=lambda options: "-".join(options) or "usual",
)
def test_the_family_keeps_the_protocol(options):
    check_task_env("minigrid", **options)


def test_the_code_of_the_page_runs():
    text = (Path(__file__).resolve().parents[2] / "docs" / "environments" / "minigrid.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(code, "minigrid.md", "exec"), {})


# tella's tasks


def test_standard_tasks_are_tella_s_in_its_order_then_a_sample():
    names = [task.name for task in MiniGrid.standard_tasks(20)]
    variants = {
        "SimpleCrossing": ("S9N1", "S9N2", "S9N3"),
        "DistShift": ("R2", "R5", "R3"),
        "DynObstacles": ("S6N1", "S8N2", "S10N3"),
        "CustomFetch": ("S5T1N2", "S8T1N2", "S10T2N4"),
        "CustomUnlock": ("S5", "S7", "S9"),
        "DoorKey": ("S5", "S6", "S7"),
    }
    assert names[:18] == [f"{label}_{variant}" for label, three in variants.items() for variant in three]
    assert len(set(names)) == 20
    assert [task.name for task in MiniGrid.standard_tasks(2)] == names[:2]


def test_the_numbers_in_a_task_s_name_are_its_features():
    letters = {"S": "size", "T": "n_targets", "R": "strip_row"}
    for name, params in MiniGrid.named_tasks.items():
        label, variant = name.split("_")
        count = {"SimpleCrossing": "n_crossings", "DynObstacles": "n_obstacles", "CustomFetch": "n_distractors"}
        for letter, number in re.findall(r"([A-Z])(\d+)", variant):
            assert params[letters.get(letter) or count[label]] == int(number)


def test_names_go_through_l2logger_as_label_and_variant(tmp_path):
    names = [task.name for task in MiniGrid.standard_tasks(18)]
    rows = [f"{step},{step - 1},{name},0.5" for step in (0, 1) for name in names]
    (tmp_path / "log.csv").write_text("step,block,task,score\n" + "\n".join(rows) + "\n")
    log = read_log(tmp_path / "log.csv")
    folder = write_l2logger(log, tmp_path / "l2")
    assert set(read_l2logger(folder, keep_case=True).log.tasks) == set(names)


def test_a_short_run_through_one_task_of_each_label(tmp_path):
    scenario = condensed(
        "minigrid", tasks=MiniGrid.standard_tasks(18)[::3], steps=300, env_options={"max_episode_steps": 10}
    )
    train(RunConfig(scenario, AgentConfig("dqn"), eval_every=300, eval_episodes=1), tmp_path / "run")
    log = EvaluationLog.read(tmp_path / "run")
    assert log.block_tasks == tuple(name for name in list(MiniGrid.named_tasks)[::3])


# What is refused, and pictures


@pytest.mark.parametrize("action", [-1, 6, np.nan, 2.5, np.array([1, 2]), "left", None])
def test_an_action_that_is_none_is_refused(action):
    with pytest.raises(ValueError, match=r"a discrete action must lie in 0 \.\. 5, found"):
        started("empty").step(action)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_actions": 2}, "n_actions must be a whole number from 3 to 7, found 2"),
        ({"observation": "pixels"}, "observation must be 'flat' or 'image', found 'pixels'"),
        ({"death_penalty": -1.0}, "death_penalty must be a number of at least 0, found -1.0"),
        ({"death_penalty": float("nan")}, "death_penalty must be a number of at least 0, found nan"),
        ({"actions": "continuous"}, "MiniGrid offers the action kinds 'discrete'"),
        ({"observation": "image", "observe_task": "vector"}, "one-dimensional Box observation only"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MiniGrid(**options)


@pytest.mark.parametrize("task", [{"room": "maze"}, {"size": 4}, {"size": 7.5}, {"crossings": 1}])
def test_a_task_that_is_none_is_refused(task):
    with pytest.raises(ValueError, match=r"feature '?(room|size|of)"):
        MiniGrid().reset(options={"task": task})


def test_without_minigrid_everything_else_works_and_the_error_names_the_extra():
    code = """
import sys
sys.modules["minigrid"] = None
from lifelong_rl.envs import family, make
assert family("minigrid").task_space.dimension == 7 and len(family("minigrid").standard_tasks(18)) == 18
make("point-goal").reset(seed=0)
try:
    make("minigrid")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = "MiniGrid's rooms come from the package minigrid, which is not installed: "
    assert (done.stdout, done.stderr) == (f'{message}pip install "lifelong_rl[minigrid]".\n', "")


def test_importing_and_making_the_family_prints_and_warns_of_nothing():
    code = (
        "import sys, lifelong_rl.envs.minigrid.rooms as rooms; assert 'minigrid' not in sys.modules; "
        "rooms.MiniGrid().reset(seed=0)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_pictures_are_squares_of_one_size_and_show_what_happens():
    env = make("minigrid", render_mode="rgb_array")
    pictures = []
    for task in ({"room": "empty", "size": 5}, {"room": "unlock", "size": 19}, {"room": "dist-shift"}):
        env.reset(seed=0, options={"task": task})
        pictures.append(env.render())
        env.step(LEFT)
        pictures.append(env.render())
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((480, 480, 3), "uint8")}
    assert len({picture.tobytes() for picture in pictures}) == 6
    assert MiniGrid().render() is None
