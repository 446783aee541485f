"""The mountain car: Gymnasium's by default, and flag, hill, motor and start are the task's."""

import itertools

import gymnasium
import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.batched.mountain_car import LEFT, START_HALF_WIDTH, CarState, MountainCarContinuous


def rock(observation):
    """Push the way the car rolls: this gathers speed."""
    return np.array([1.0 if observation[1] >= 0.0 else -1.0], dtype=np.float32)


@pytest.mark.parametrize("policy", ["random", "rocking"])
def test_the_default_equals_gymnasium_s_bit_for_bit(policy):
    ours, theirs = MountainCarContinuous(), gymnasium.make("MountainCarContinuous-v0")
    n_reached = 0
    for seed in range(10):
        theirs.action_space.seed(seed)
        mine, their = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        ends = (False, False)
        while not any(ends):
            assert mine.tobytes() == their.tobytes()
            action = theirs.action_space.sample() if policy == "random" else rock(their)
            mine, reward, *ends, _ = ours.step(action)
            their, *expected, _ = theirs.step(action)
            assert [reward, *ends] == expected
        assert mine.tobytes() == their.tobytes()
        n_reached += ends[0]
    assert n_reached == (0 if policy == "random" else 10)


def episode(task):
    env = MountainCarContinuous()
    observation, _ = env.reset(seed=0, options={"task": task})
    shown, info = [observation], {}
    while not info:
        observation, _, _, _, info = env.step(rock(observation))
        shown.append(observation)
    return np.stack(shown), info


def test_rocking_reaches_the_flag_and_scores_what_is_left_of_a_hundred():
    shown, info = episode({})
    assert info["success"] and shown[-1, 0] >= np.float32(0.45)
    assert info["score"] == pytest.approx(1.0 - 0.001 * info["episode"]["l"])


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        ({"power": 0.003}, {"power": 0.0012}),
        ({"gravity": 0.0015}, {"gravity": 0.0035}),
        ({"goal_position": 0.2}, {"goal_position": 0.5}),
        ({"start_position": 0.0}, {"start_position": -0.5}),
    ],
)
def test_every_feature_makes_the_way_longer_or_shorter(easier, harder):
    assert len(episode(easier)[0]) < len(episode(harder)[0])


def test_a_motor_too_weak_scores_nothing():
    _, info = episode({"power": 0.0005, "gravity": 0.005})
    assert info["score"] == 0.0 and not info["success"] and info["episode"]["l"] == 999


def test_no_task_is_solved_without_pushing():
    space = MountainCarContinuous.task_space
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=space.dimension)))
    tasks = space.decode_many(np.concatenate([corners, space.sample(300, np.random.default_rng(0))]))
    envs = MountainCarContinuous.make_vector(len(tasks))
    _, infos = envs.reset(seed=0, options={"tasks": tasks})
    for _ in range(998):
        _, rewards, terminated, truncated, _ = envs.step(np.zeros((len(tasks), 1), dtype=np.float32))
        assert not (terminated.any() or truncated.any() or rewards.any())
    *_, truncated, infos = envs.step(np.zeros((len(tasks), 1), dtype=np.float32))
    assert truncated.all() and not infos["success"].any()


def test_every_flag_stands_higher_than_every_start():
    features = {feature.name: feature for feature in MountainCarContinuous.task_space.features}
    goal, start = features["goal_position"], features["start_position"]
    starts = np.linspace(start.low - START_HALF_WIDTH, start.high + START_HALF_WIDTH, 1000)
    flags = np.linspace(goal.low, goal.high, 1000)
    assert np.sin(3.0 * flags).min() > np.sin(3.0 * starts).max() + 0.1


def test_a_flag_at_the_very_end_of_the_road_is_reached():
    _, info = episode({"goal_position": 0.6})
    assert info["success"]


def test_the_car_stops_at_the_left_end_of_the_road():
    env = MountainCarContinuous()
    env.reset(seed=0)
    env.state = CarState(LEFT + 0.01, -0.05)
    observation, *_ = env.step(np.zeros(1))
    np.testing.assert_array_equal(observation, np.array([-1.2, 0.0], dtype=np.float32))


def test_pictures_show_car_hill_and_flag():
    env, pictures = make("mountain-car-continuous", render_mode="rgb_array"), set()
    for task in ({}, {"goal_position": 0.2}, {"gravity": 0.005}, {"power": 0.006}, {"start_position": 0.0}):
        env.reset(seed=0, options={"task": task})
        pictures.add(env.render().tobytes())
    assert len(pictures) == 5
