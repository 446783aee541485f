"""What the walker families share: bodies, motors, rays, rewards, endings; held against Gymnasium's BipedalWalker."""

import math

import numpy as np
import pytest
from walker_toys import bodies, move, on_track, still

from lifelong_rl.envs import make
from lifelong_rl.envs.walkers.gait import Gait
from lifelong_rl.envs.walkers.track import END_STEPS, GROUND, N_STEPS, STEP, Track


class Recorder:
    """A generator that keeps the last uniform number it gave."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def uniform(self, low, high):
        self.last = self.rng.uniform(low, high)
        return self.last

    def integers(self, *bounds):
        return self.rng.integers(*bounds)


class Pushing:
    """A generator whose uniform numbers are all the same; it keeps the bounds that were asked for."""

    def __init__(self, push):
        self.push = push

    def uniform(self, low, high):
        self.bounds = (low, high)
        return self.push


def area_of(polygon):
    x, y = np.transpose(polygon)
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def beside_gymnasium(seed):
    """Give Gymnasium's walker and ours on Gymnasium's ground of an edge a step, after the same push."""
    from gymnasium.envs.box2d import BipedalWalker

    theirs = BipedalWalker()
    theirs.np_random = Recorder(seed)
    first = theirs.reset()[0]
    ours = on_track(Track(ground=[(i * STEP, GROUND) for i in range(N_STEPS + 1)]))
    ours.np_random = Pushing(theirs.np_random.last)
    return theirs, first, ours, ours.reset()[0]


@pytest.mark.parametrize("seed", [0, 3, 4, 5, 9])
def test_the_default_walker_moves_as_gymnasium_s_bit_for_bit(seed):
    theirs, first, ours, mine = beside_gymnasium(seed)
    np.testing.assert_array_equal(mine, first.astype(np.float32))
    rng = np.random.default_rng(seed)
    for _ in range(15):
        action = rng.uniform(-1.0, 1.0, 4).astype(np.float32)
        other, reward, *_ = theirs.step(action)
        mine, my_reward, *_ = ours.step(action)
        # Gymnasium's foot counts as lifted as soon as it leaves one of two edges; the rest is equal
        np.testing.assert_array_equal(np.delete(mine, (8, 13)), np.delete(other.astype(np.float32), (8, 13)))
        assert my_reward == pytest.approx(float(reward), abs=1e-5)


@pytest.mark.parametrize("seed", [0, 3, 4, 5, 9])
def test_the_default_walker_falls_at_the_step_at_which_gymnasium_s_falls(seed):
    theirs, _, ours, _ = beside_gymnasium(seed)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        action = rng.uniform(-1.0, 1.0, 4).astype(np.float32)
        _, reward, terminated, *_ = theirs.step(action)
        _, my_reward, fell, *_ = ours.step(action)
        assert fell == terminated
        if fell:
            assert my_reward == reward == -100.0
            return
    raise AssertionError("none fell")


@pytest.mark.parametrize(
    ("walker", "size", "n_motors", "torque", "price"),
    [("default", 24, 4, 80.0, 0.028), ("short", 24, 4, 80.0, 0.028), ("quadrupedal", 34, 8, 300.0, 0.0035)],
)
def test_walkers_have_their_published_sizes_and_motors(walker, size, n_motors, torque, price):
    env = make("stump-tracks", walker=walker)
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == (size,)
    assert env.action_space.shape == (n_motors,)
    assert (env.walker.torque, env.walker.torque_price) == (torque, pytest.approx(price))
    assert env.step(still(env))[0].shape == (size,)


@pytest.mark.parametrize(("walker", "length"), [("default", 34.0), ("short", 17.0), ("quadrupedal", 51.0)])
def test_a_walker_is_as_heavy_as_its_parts_and_stands_two_leg_parts_high(walker, length):
    env = make("stump-tracks", walker=walker)
    env.reset(seed=0)
    hull, upper, foot = bodies(env)[:3]
    area = env.walker.leg_width * length / 30.0**2
    assert upper.mass == pytest.approx(area, rel=1e-5)
    assert foot.mass == pytest.approx(0.8 * area, rel=1e-5)
    assert hull.mass == pytest.approx(5.0 * area_of(env.walker.hull) / 30.0**2, rel=1e-5)
    assert hull.position.y - GROUND == pytest.approx(2.0 * length / 30.0, abs=0.2)


def test_the_reward_is_progress_less_tilt_and_torques():
    env = make("stump-tracks")
    env.reset(seed=1)
    rng = np.random.default_rng(1)
    hull = env._parts.hull
    for _ in range(20):
        x, angle = hull.position.x, hull.angle
        action = rng.uniform(-2.0, 2.0, 4)
        _, reward, *_ = env.step(action)
        gained = 130.0 / 30.0 * (hull.position.x - x) - 5.0 * (abs(hull.angle) - abs(angle))
        assert reward == pytest.approx(gained - 0.00035 * 80.0 * np.minimum(1.0, abs(action)).sum(), abs=1e-9)


def test_motors_turn_at_their_speeds_with_the_torque_of_the_action():
    env = make("stump-tracks")
    env.reset(seed=0)
    env.step(np.array([0.25, -0.5, -3.0, 0.0]))
    assert [joint.motorSpeed for joint in env._parts.joints] == [4.0, -6.0, -4.0, 0.0]
    assert [joint.GetMaxMotorTorque() for joint in env._parts.joints] == [20.0, 40.0, 80.0, 0.0]


def test_the_hull_is_pushed_at_the_start_by_up_to_5_newton_either_way():
    env = on_track(Track())
    speeds = []
    for push in (-5.0, 0.0, 5.0):
        env.np_random = Pushing(push)
        env.reset()
        assert env.np_random.bounds == (-5.0, 5.0)
        speeds.append(env._parts.hull.linearVelocity.x)
    assert speeds[0] < speeds[1] < speeds[2]


def test_a_touch_of_the_hull_ends_the_episode_at_minus_100():
    env = make("stump-tracks")
    env.reset(seed=0)
    env._parts.hull.angle = math.pi
    move(env, dy=-1.95)
    _, reward, terminated, truncated, info = env.step(still(env))
    assert (reward, terminated, truncated) == (-100.0, True, False)
    assert info["success"] is False and info["score"] == 0.0


def test_the_hull_before_the_start_of_the_track_ends_the_episode_at_minus_100():
    env = make("stump-tracks")
    env.reset(seed=0)
    move(env, dx=-5.0)
    _, reward, terminated, *_ = env.step(still(env))
    assert (reward, terminated) == (-100.0, True)


def test_the_end_of_the_track_ends_the_episode_and_pays_what_was_walked():
    env = on_track(Track())
    to_the_end = END_STEPS * STEP - env._parts.hull.position.x
    move(env, dx=to_the_end - 1.0)
    assert env.step(still(env))[2] is False
    move(env, dx=1.1)
    _, _, terminated, truncated, info = env.step(still(env))
    assert (terminated, truncated, info["success"]) == (True, False, True)
    assert info["episode"]["r"] == pytest.approx(130.0 / 30.0 * (to_the_end + 0.1), abs=3.0)
    assert info["score"] == 1.0


def test_an_episode_is_truncated_at_its_time_limit_of_2000_steps():
    assert make("stump-tracks").max_episode_steps == 2000
    env = make("stump-tracks", max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(still(env))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_the_score_is_the_return_over_300_and_success_is_above_230():
    env = make("stump-tracks")
    assert env.score_episode(150.0, 500) == (0.5, False)
    assert env.score_episode(230.0, 500)[1] is False
    assert env.score_episode(230.1, 500)[1] is True
    assert env.score_episode(-100.0, 50) == (0.0, False)
    assert env.score_episode(310.0, 900) == (1.0, True)


def test_episodes_end_with_their_worlds():
    env = make("stump-tracks")
    worlds = []
    for _ in range(3):
        env.reset(seed=0)
        worlds.append(env._world)
    assert len({id(world) for world in worlds}) == 3


def test_a_pad_of_other_length_moves_start_and_obstacles():
    near = make("stump-tracks", pad_steps=8)
    near.reset(seed=0, options={"task": {"obstacle_spacing": 1.0}})
    assert near._parts.hull.position.x == pytest.approx(4.0 * STEP, abs=0.05)
    assert near.track.boxes[0].left == pytest.approx(9.0 * STEP)
    for pad_steps in (7, 191, 8.5):
        with pytest.raises(ValueError, match=rf"pad_steps must be a whole number in 8 \.\. 190, found {pad_steps}"):
            make("stump-tracks", pad_steps=pad_steps)


def test_an_unknown_walker_is_refused():
    with pytest.raises(ValueError, match="walker must be one of default, short, quadrupedal, found 'long'"):
        make("stump-tracks", walker="long")


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.array([0.0, np.nan, 0.0, 0.0]), "must be finite"),
        (np.array([np.inf, 0.0, -np.inf, 0.0]), "must be finite"),
        ([0.0, 0.0, math.inf, 0.0], "must be finite"),
        (np.zeros(5), r"shape \(4,\)"),
        (np.zeros((4, 1)), r"shape \(4,\)"),
        (np.zeros((1, 4)), r"shape \(4,\)"),
        (0.5, r"shape \(4,\)"),
        (np.float32(0.5), r"shape \(4,\)"),
    ],
)
def test_actions_that_mean_nothing_are_refused_and_change_nothing(action, message):
    env = make("stump-tracks")
    env.reset(seed=0)
    before = bodies(env)[0].position.x, bodies(env)[0].angle
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert (bodies(env)[0].position.x, bodies(env)[0].angle) == before


def test_actions_beyond_the_bounds_are_clipped():
    played = []
    for action in ([1.0, -1.0, 1.0, -1.0], [7.0, -2.0, 1.5, -1e9]):
        env = make("stump-tracks")
        env.reset(seed=0)
        played.append([env.step(np.array(action))[0].tobytes() for _ in range(10)])
    assert played[0] == played[1]


# A gait


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_scripted_gait_walks_a_whole_flat_track_for_about_300(seed):
    env, gait = make("stump-tracks"), Gait()
    observation, _ = env.reset(seed=seed, options={"task": {"stump_height": 0.0, "obstacle_spacing": 6.0}})
    info = {}
    while "episode" not in info:
        observation, *_, info = env.step(gait.act(observation))
    assert 280.0 < info["episode"]["r"] < 320.0
    assert 1300 < info["episode"]["l"] < 2000
    assert info["success"] is True and info["score"] > 0.93


def test_the_scripted_gait_gets_ahead_from_the_first_second():
    env, gait = make("stump-tracks"), Gait()
    observation, _ = env.reset(seed=0)
    start = env._parts.hull.position.x
    for _ in range(100):
        observation, *_ = env.step(gait.act(observation))
    assert env._parts.hull.position.x - start > 1.5


def test_a_gait_that_is_reset_walks_the_same_again():
    env, gait = make("stump-tracks"), Gait()
    played = []
    for _ in range(2):
        observation, _ = env.reset(seed=0)
        gait.reset()
        for _ in range(60):
            observation, *_ = env.step(gait.act(observation))
        played.append(observation.tobytes())
    assert played[0] == played[1]
