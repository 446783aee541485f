"""Pushing a box of two halves: its densities decide how it turns, and a push that knows them masters the tasks."""

import math

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.mujoco.pusher import GOAL, HALF_WIDTH, PUSHER_START, START, Pusher

FIVE = Pusher.standard_tasks(5)


def push(task, choose, n_steps=120, seed=1):
    """Play an episode; gives its return, its last observation and its last info."""
    env = Pusher(max_episode_steps=n_steps)
    observation, _ = env.reset(seed=seed, options={"task": task})
    episode_return, info = 0.0, {}
    while not info:
        observation, reward, _, _, info = env.step(choose(observation))
        episode_return += reward
    return episode_return, observation, info


def turn(observation):
    return math.atan2(observation[5], observation[4])


def through_the_middle(observation):
    """Push forward along the line through the middle of the start, wherever the box is."""
    return np.array([0.3, -10.0 * observation[1]])


def steer(left, right):
    """A controller that knows the densities: it pushes at the side of the centre of mass that turns the box back."""
    centre_of_mass = 0.5 * HALF_WIDTH * (left - right) / (left + right)

    def choose(observation):
        missing = GOAL[0] - observation[2]
        if missing < 0.004:
            return np.zeros(2)
        angle, (cosine, sine) = turn(observation), observation[4:6]
        offset = observation[0:2] - observation[2:4]
        sideways = cosine * offset[1] - sine * offset[0]
        wanted = np.clip(centre_of_mass + 0.3 * (angle + 8.0 * observation[3]), -0.07, 0.07)
        ahead, aside = np.clip(3.0 * missing, 0.25, 0.6), np.clip(8.0 * (wanted - sideways), -1.0, 1.0)
        return np.clip([cosine * ahead - sine * aside, sine * ahead + cosine * aside], -1.0, 1.0)

    return choose


def densities(task):
    return task.params["density_left"], task.params["density_right"]


@pytest.mark.parametrize("task", FIVE, ids=lambda task: task.name)
def test_a_push_that_knows_the_densities_masters_the_task(task):
    episode_return, _, info = push(task, steer(*densities(task)))

    assert info["success"] and info["score"] > 0.95
    assert episode_return > 380.0


def test_a_push_that_believes_in_other_densities_does_worse():
    heavy_right = FIVE[1]

    assert push(heavy_right, steer(500, 100))[0] < push(heavy_right, steer(100, 500))[0] - 20.0


def test_the_box_turns_about_its_heavier_half():
    _, heavy_right, _ = push(FIVE[1], through_the_middle, n_steps=35)
    _, heavy_left, _ = push(FIVE[2], through_the_middle, n_steps=35)

    assert turn(heavy_right) < -0.3  # the light left half runs ahead: clockwise from above
    assert turn(heavy_left) > 0.3


def test_the_halves_weigh_what_their_densities_say():
    env = Pusher()
    env.reset(seed=0, options={"task": {"density_left": 100.0, "density_right": 1000.0}})
    box = env.model.body("box").id
    volume = 0.16 * 0.08 * 0.08

    assert env.model.body_mass[box] == pytest.approx(volume * 1100.0)
    assert env.model.body_ipos[box][1] == pytest.approx(0.04 * (100.0 - 1000.0) / 1100.0)


def test_friction_slows_the_box_once_nobody_pushes_it():
    def shove(observation):
        return np.array([1.0, 0.0]) if observation[0] < -0.1 else np.array([-1.0, 0.0])

    slides = [push({"friction": friction}, shove, n_steps=40)[1][2] for friction in (0.2, 1.2)]

    assert slides[0] > slides[1] + 0.01


def test_the_reward_is_four_at_the_goal_and_the_action_has_its_price():
    at_goal = np.array([0.0, 0.0, *GOAL, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # cosine and sine of any length

    assert Pusher.known_reward({}, at_goal, np.zeros(2), at_goal, np)[0] == pytest.approx(4.0)
    assert Pusher.known_reward({}, at_goal, np.array([3.0, 4.0]), at_goal, np)[0] == pytest.approx(
        4.0 - 0.25 * math.sqrt(2.0)
    )


def test_the_reward_is_of_each_corner_s_distance_to_its_own_place():
    turned = np.array([0.0, 0.0, *GOAL, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # by half a turn
    aside = np.array([0.0, 0.0, GOAL[0], GOAL[1] + 0.1, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    rewards, terminated = Pusher.known_reward({}, turned, np.zeros((2, 2)), np.stack((turned, aside)), np)

    assert rewards == pytest.approx([4.0 - 4.0 * math.tanh(1.6 * math.sqrt(2.0)), 4.0 - 4.0 * math.tanh(1.0)])
    assert not terminated.any()


def test_the_start_is_near_the_middle_with_the_pusher_behind():
    starts = np.array([make("pusher").reset(seed=seed)[0] for seed in range(30)])

    np.testing.assert_allclose(starts[:, 0:2], np.tile(PUSHER_START, (30, 1)), rtol=1e-6)
    assert np.abs(starts[:, 2:4] - START).max() <= 0.01 + 1e-6
    assert np.abs(np.arctan2(starts[:, 5], starts[:, 4])).max() <= 0.1 + 1e-6
    assert len(np.unique(starts[:, 2])) == 30 and not starts[:, 6:].any()


def test_waiting_scores_nothing():
    _, _, info = push(FIVE[0], lambda _: np.zeros(2))

    assert info["score"] == pytest.approx(0.0, abs=0.01) and not info["success"]


def test_standard_tasks_are_the_published_pairs_of_densities():
    assert [densities(task) for task in FIVE] == [(500, 500), (100, 500), (500, 100), (500, 250), (250, 500)]
    assert len({task.id for task in Pusher.standard_tasks(12)}) == 12


def test_an_action_that_is_not_finite_is_refused():
    env = Pusher()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="must be finite"):
        env.step(np.array([np.nan, 0.0]))
