import math

import numpy as np
import pytest

from lifelong_rl.envs.point_goal import ARENA, START_NOISE, STEP_LENGTH, PointGoal

EAST, NORTH, WEST, SOUTH = 1, 2, 3, 4


def play(env, choose, seed=0, task=None):
    """Play one episode; gives its return and last info."""
    observation, _ = env.reset(seed=seed, options={"task": task})
    episode_return = 0.0
    while True:
        observation, reward, _, truncated, info = env.step(choose(observation))
        episode_return += reward
        if truncated:
            return episode_return, info


def straight_to(goal):
    def choose(position):
        difference = np.array(goal) - position
        distance = np.linalg.norm(difference)
        return difference / max(distance, STEP_LENGTH)

    return choose


def test_staying_at_the_start_scores_zero():
    _, info = play(PointGoal(), lambda _: 0)

    assert info["score"] == 0.0
    assert not info["success"]


@pytest.mark.parametrize("seed", range(5))
def test_moving_straight_at_full_speed_scores_one(seed):
    task = {"goal_x": -0.37, "goal_y": 0.9, "start_x": 0.2, "start_y": -0.5}

    _, info = play(PointGoal(actions="continuous"), straight_to((-0.37, 0.9)), seed, task)

    assert info["score"] == pytest.approx(1.0, abs=1e-5)
    assert info["success"]


@pytest.mark.parametrize(("move", "name"), [(EAST, "east"), (NORTH, "north"), (WEST, "west"), (SOUTH, "south")])
def test_straight_discrete_moves_to_a_compass_goal_score_near_one(move, name):
    tasks = {task.name: task for task in PointGoal.standard_tasks(4)}
    env = PointGoal()
    moves = iter([move] * 5 + [0] * 7)

    _, info = play(env, lambda _: next(moves), task=tasks[name])

    assert info["score"] > 0.9
    assert info["success"]
    assert info["task"] is tasks[name]


def test_moving_away_is_clipped_to_zero():
    _, info = play(PointGoal(), lambda _: WEST)

    assert info["score"] == 0.0


def test_a_start_at_the_goal_has_a_score_and_counts_staying_as_success():
    at_goal = {"goal_x": 0.3, "goal_y": 0.3, "start_x": 0.3, "start_y": 0.3}

    _, info = play(PointGoal(), lambda _: 0, task=at_goal)
    _, info_away = play(PointGoal(), lambda _: EAST, task=at_goal)

    assert info["success"] and 0.0 <= info["score"] <= 1.0
    assert info_away["score"] == 0.0 and not info_away["success"]


def test_a_start_exactly_at_the_goal_does_not_divide_by_zero():
    env = PointGoal()
    env.reset(seed=0)
    env._first_distance = 0.0

    assert env.score_episode(0.0, 12)[0] == 1.0
    assert env.score_episode(-0.5, 12)[0] == 0.0


def test_the_reward_is_minus_the_distance_after_the_move():
    env = PointGoal()
    env.reset(seed=0)

    observation, reward, *_ = env.step(EAST)

    assert reward == pytest.approx(-math.hypot(0.8 - observation[0], observation[1]), abs=1e-6)


def test_the_start_differs_by_seed_and_stays_near_the_task_s_start():
    env = PointGoal()
    starts = np.array([env.reset(seed=seed)[0] for seed in range(50)])

    assert len(np.unique(starts, axis=0)) == 50
    assert np.abs(starts).max() <= START_NOISE


def test_the_point_stays_in_the_arena():
    env = PointGoal(max_episode_steps=40)

    play(env, lambda _: 5, task={"start_x": 1.0, "start_y": 1.0})

    assert (env._x, env._y) == (ARENA, ARENA)


def test_a_long_velocity_is_shortened_to_full_speed():
    env = PointGoal(actions="continuous")
    start, _ = env.reset(seed=0)

    observation, *_ = env.step(np.array([1.0, 1.0], dtype=np.float32))

    assert np.linalg.norm(observation - start) == pytest.approx(STEP_LENGTH, abs=1e-6)


@pytest.mark.parametrize("action", [9, -1])
def test_a_discrete_action_out_of_range_is_refused(action):
    env = PointGoal()
    env.reset(seed=0)

    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 8"):
        env.step(action)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_velocity_that_is_not_finite_is_refused(bad):
    env = PointGoal(actions="continuous")
    env.reset(seed=0)

    with pytest.raises(ValueError, match="must be finite"):
        env.step(np.array([bad, 0.0]))


def test_episodes_are_truncated_after_the_given_number_of_steps():
    env = PointGoal(max_episode_steps=3)
    env.reset(seed=0)

    ends = [env.step(0)[2:4] for _ in range(3)]

    assert ends == [(False, False), (False, False), (False, True)]


def test_standard_tasks_lie_on_a_circle_and_have_names():
    assert [task.name for task in PointGoal.standard_tasks(4)] == ["east", "north", "west", "south"]
    assert [task.name for task in PointGoal.standard_tasks(2)] == ["east", "west"]
    five = PointGoal.standard_tasks(5)
    assert five[1].name == "goal-72deg"
    assert five[0].params == PointGoal.task_space.default.params
    for task in five:
        assert math.hypot(task.params["goal_x"], task.params["goal_y"]) == pytest.approx(0.8)


def test_the_task_is_shown_only_when_asked_for():
    north = PointGoal.standard_tasks(4)[1]

    hidden, _ = PointGoal().reset(seed=0, options={"task": north})
    vector, _ = PointGoal(observe_task="vector").reset(seed=0, options={"task": north})
    one_hot, _ = PointGoal(observe_task="one-hot", tasks=PointGoal.standard_tasks(4)).reset(
        seed=0, options={"task": north}
    )

    assert hidden.shape == (2,)
    np.testing.assert_allclose(vector[2:], PointGoal.task_space.encode(north.params), rtol=1e-6)
    np.testing.assert_array_equal(one_hot[2:], [0, 1, 0, 0])
