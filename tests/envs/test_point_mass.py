"""The point mass: motion by hand, the wall and its gate, and what a planner is told of them."""

import math

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.batched.point_mass import SUBSTEP_S, PointMass, PointState


def at(x, y, x_speed=0.0, y_speed=0.0, **task):
    env = PointMass()
    env.reset(seed=0, options={"task": task})
    env.state = PointState(x, x_speed, y, y_speed)
    return env


def test_a_push_is_ten_explicit_euler_steps():
    env = at(1.0, 2.0, 0.5, -0.25, friction=3.0, mass=2.0)
    x, y, x_speed, y_speed = 1.0, 2.0, 0.5, -0.25
    for _ in range(10):
        x, y = x + SUBSTEP_S * x_speed, y + SUBSTEP_S * y_speed
        x_speed += SUBSTEP_S * (1.5 / 2.0 * 4.0 - 3.0 * x_speed)
        y_speed += SUBSTEP_S * (1.5 / 2.0 * -2.0 - 3.0 * y_speed)
    observation, reward, terminated, *_ = env.step(np.array([4.0, -2.0]))
    np.testing.assert_allclose(observation, [x, x_speed, y, y_speed], rtol=1e-6)
    assert reward == pytest.approx(math.exp(-0.6 * math.hypot(x, y + 3.0))) and not terminated


@pytest.mark.parametrize(
    ("x", "gate", "width", "passes"),
    [
        (0.0, 0.0, 1.0, True),
        (0.45, 0.0, 1.0, True),
        (0.55, 0.0, 1.0, False),
        (2.0, 2.5, 2.0, True),
        (-2.0, 2.5, 2.0, False),
    ],
)
@pytest.mark.parametrize("downwards", [True, False])
def test_the_gate_is_the_only_way_through_the_wall(x, gate, width, passes, downwards):
    side = 1.0 if downwards else -1.0
    env = at(x, 0.05 * side, 0.0, -3.0 * side, gate_position=gate, gate_width=width)
    observation, _, terminated, *_ = env.step(np.zeros(2))
    assert terminated is not passes
    assert observation[2] * side < 0.0 if passes else observation[2] == 0.0
    assert observation[0] == pytest.approx(x)


def test_the_sides_of_the_room_stop_the_mass():
    env = at(3.99, 3.99, 5.0, 5.0)
    observation, *_ = env.step(np.full(2, 10.0))
    np.testing.assert_array_equal(observation[[0, 2]], [4.0, 4.0])


def steer(observation, env):
    """Go above the gate, through it, and to the goal: a proportional controller with damping."""
    x, x_speed, y, y_speed = observation
    gate = env.task.params["gate_position"]
    if y > 0.4 and abs(x - gate) > 0.1:
        aim = (gate, 1.0)
    elif y > -0.2:
        aim = (gate, -1.0)
    else:
        aim = (env.task.params["goal_x"], -3.0)
    return np.array([6.0 * (aim[0] - x) - 4.0 * x_speed, 6.0 * (aim[1] - y) - 4.0 * y_speed])


@pytest.mark.parametrize("task", [*PointMass.standard_tasks(3), {"goal_x": -2.0, "mass": 2.0}])
def test_a_steered_mass_gets_through_and_to_the_goal(task):
    env, info = PointMass(), {}
    observation, _ = env.reset(seed=0, options={"task": task})
    while not info:
        observation, _, terminated, _, info = env.step(steer(observation, env))
    assert info["success"] and info["score"] > 0.5 and not terminated


def test_running_into_the_wall_scores_little():
    env, info = PointMass(), {}
    env.reset(seed=0, options={"task": {"gate_position": 3.0, "gate_width": 0.5}})
    while not info:
        *_, info = env.step(np.array([0.0, -10.0]))
    assert info["score"] < 0.05 and not info["success"]


def test_the_known_ending_is_the_environment_s_and_stops_a_plan_at_the_wall():
    env, rng = PointMass(), np.random.default_rng(0)
    endings = []
    for seed in range(60):
        task = env.task_space.decode(rng.random(env.task_space.dimension))
        before, _ = env.reset(seed=seed, options={"task": task})
        params = {name: task.params[name] for name in env.reward_features}
        push = rng.uniform(-10.0, 10.0, 2) - (0.0, 4.0)
        for _ in range(60):
            after, reward, terminated, *_ = env.step(push)
            told = PointMass.known_reward(params, before, push, after, np)
            assert bool(told[1]) is terminated and told[0] == pytest.approx(reward, rel=1e-5)
            before = after
            if terminated:
                break
        endings.append(terminated)
    assert 5 < sum(endings) < 55

    params = {"goal_x": 0.0, "gate_position": 0.0, "gate_width": 1.0}
    before, after = (
        np.array([[0.2, 0, 0.5, -9], [2.0, 0, 0.5, -9]]),
        np.array([[0.2, 0, -0.5, -9], [2.0, 0, -0.5, -9]]),
    )
    assert PointMass.known_reward(params, before, np.zeros((2, 2)), after, np)[1].tolist() == [False, True]


def test_pictures_show_mass_gate_and_goal():
    env, pictures = make("point-mass", render_mode="rgb_array"), set()
    for task in ({}, {"goal_x": 1.0}, {"gate_position": 2.0}, {"gate_width": 0.6}, {"start_y": 1.0}):
        env.reset(seed=0, options={"task": task})
        pictures.add(env.render().tobytes())
    assert len(pictures) == 5
