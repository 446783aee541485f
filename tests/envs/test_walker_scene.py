"""What the walkers see, stand on and look like."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from walker_toys import move, on_track, still

from lifelong_rl.envs import make
from lifelong_rl.envs.walkers.box2d import import_box2d
from lifelong_rl.envs.walkers.gait import Gait
from lifelong_rl.envs.walkers.rays import RAY_LENGTH
from lifelong_rl.envs.walkers.track import GROUND, Box, Track


def rays(env):
    return env.step(still(env))[0][-10:]


def test_rays_give_the_distance_to_flat_ground_as_fractions_of_their_length():
    env = on_track(Track())
    seen = rays(env)
    height = env._parts.hull.position.y - GROUND
    angles = 0.15 * np.arange(10)
    np.testing.assert_allclose(seen, np.minimum(1.0, height / (np.cos(angles) * RAY_LENGTH)), atol=0.003)


def test_rays_end_at_what_stands_on_the_ground_and_pass_the_legs():
    wall = 3.0
    env = on_track(Track(boxes=[Box(wall + 4.0, wall + 5.0, GROUND, GROUND + 5.0)]))
    seen = rays(env)
    x, y = env._parts.hull.position
    for i, fraction in enumerate(seen):
        ahead, down = math.sin(0.15 * i) * RAY_LENGTH, math.cos(0.15 * i) * RAY_LENGTH
        nearest = min((wall + 4.0 - x) / ahead if i else math.inf, (y - GROUND) / down, 1.0)
        assert fraction == pytest.approx(nearest, abs=0.005)


def test_a_nearer_obstacle_of_two_is_seen():
    env = on_track(Track(boxes=[Box(8.0, 9.0, GROUND, GROUND + 5.0), Box(6.0, 6.5, GROUND, GROUND + 5.0)]))
    x = env._parts.hull.position.x
    assert rays(env)[9] == pytest.approx((6.0 - x) / (math.sin(1.35) * RAY_LENGTH), abs=0.005)


@pytest.mark.parametrize(
    "obstacle",
    [
        {"boxes": [Box(6.0, 14.0, GROUND, GROUND + 1.0)]},
        {"polygons": [[(6.0, GROUND), (6.0, GROUND + 1.0), (14.0, GROUND + 1.0), (14.0, GROUND)]]},
        {"ground": [(0.0, GROUND), (6.0, GROUND), (6.0, GROUND + 1.0), (14.0, GROUND + 1.0), (93.0, GROUND + 1.0)]},
    ],
)
def test_what_stands_on_the_ground_and_steps_of_the_ground_carry_the_walker(obstacle):
    env = on_track(Track(**obstacle))
    move(env, dx=5.0, dy=1.05)
    for _ in range(6):
        observation, *_ = env.step(still(env))
    soles = [min(foot.GetWorldPoint(v)[1] for v in foot.fixtures[0].shape.vertices) for foot in env._parts.feet]
    assert observation[[8, 13]].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(soles, GROUND + 1.0, atol=0.03)


def test_a_wall_stops_the_walker():
    env, gait = on_track(Track(boxes=[Box(8.0, 9.0, GROUND, GROUND + 5.0)])), Gait()
    observation = env.step(still(env))[0]
    terminated = False
    while not terminated:
        observation, _, terminated, *_ = env.step(gait.act(observation))
    assert 6.0 < env._parts.hull.position.x < 8.0


def test_the_track_is_one_static_body():
    env = make("stump-tracks")
    env.reset(seed=0, options={"task": {"obstacle_spacing": 0.0, "stump_height": 1.0}})
    assert len(env.track.boxes) > 150
    assert len(env._world.bodies) == 1 + 5


# Without the extra, and pictures


def python(*arguments):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_without_box2d_everything_else_works_and_the_error_names_the_extra():
    code = """
import sys
sys.modules["Box2D"] = None
from lifelong_rl.envs import family, make
assert family("stump-tracks").task_space.dimension == 2
make("point-goal").reset(seed=0)
try:
    make("stump-tracks")
except ImportError as error:
    print(error)
"""
    words = 'StumpTracks runs on Box2D, which is not installed: pip install "lifelong_rl[box2d]".'
    assert words in python("-c", code)[1]


def test_box2d_is_imported_where_it_is_used_also_where_warnings_are_errors():
    code = """
import sys
from lifelong_rl.envs import family, make
family("stump-tracks")
print("Box2D" in sys.modules)
print(make("stump-tracks").reset(seed=0)[0].shape)
"""
    assert python("-W", "error", "-c", code) == (0, "False\n(24,)\n")


@pytest.mark.parametrize("walker", ["default", "short", "quadrupedal"])
def test_pictures_follow_the_hull_and_change_nothing(walker):
    shown, unseen = (make("stump-tracks", walker=walker, render_mode=mode) for mode in ("rgb_array", None))
    observations = []
    for env in (shown, unseen):
        env.reset(seed=3)
        for _ in range(5):
            env.render()
            observation, *_ = env.step(np.full(env.action_space.shape, 0.4))
        observations.append(observation.tobytes())
    assert observations[0] == observations[1]
    before = shown.render()
    assert before.shape == (300, 600, 3) and before.dtype == np.uint8
    move(shown, dx=30.0)
    after = shown.render()
    assert (before != after).any()
    hull_colour = [66, 112, 180]
    columns = [np.flatnonzero((picture == hull_colour).all(axis=2).any(axis=0)) for picture in (before, after)]
    assert abs(columns[0].mean() - columns[1].mean()) < 2.0


def test_pictures_follow_a_walker_up_stairs():
    shown = make("stump-tracks", render_mode="rgb_array")
    shown.reset(seed=3)
    rows = []
    for rise in (0.0, 1.0, 20.0):
        move(shown, dy=rise)
        rows.append(np.flatnonzero((shown.render() == [66, 112, 180]).all(axis=2).any(axis=1)).mean())
    assert rows[0] - rows[1] == pytest.approx(50.0, abs=2.0)  # 1 m is 50 pixels, within what a picture leaves free
    assert rows[0] - rows[2] == pytest.approx(75.0, abs=6.0)


def test_importing_box2d_leaves_the_filters_of_warnings_as_they_were():
    before = list(warnings.filters)
    import_box2d("this test")
    assert list(warnings.filters) == before
