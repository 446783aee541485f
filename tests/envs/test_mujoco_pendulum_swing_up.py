"""The pendulum to swing up: InvertedPendulum-v5's physics, all around, and a controller that masters it."""

import math

import gymnasium
import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from lifelong_rl.envs import make

NAME = "mujoco-pendulum-swing-up"


def test_until_the_pole_reaches_its_stop_the_physics_is_inverted_pendulum_s_bit_for_bit():
    ours, theirs = make(NAME), gymnasium.make("InvertedPendulum-v5").unwrapped
    ours.reset(seed=0)
    rng = np.random.default_rng(0)
    n_steps = 0
    for episode in range(10):
        theirs.reset(seed=episode)
        ours.place(theirs.data.qpos, theirs.data.qvel)
        while abs(theirs.data.qpos[1]) < 1.3:
            action = rng.uniform(-3.0, 3.0, 1).astype(np.float32)
            observation, *_ = ours.step(action)
            theirs.step(action)
            np.testing.assert_array_equal(ours.data.qpos, theirs.data.qpos)
            np.testing.assert_array_equal(ours.data.qvel, theirs.data.qvel)
            n_steps += 1
    assert n_steps > 50
    angle = float(ours.data.qpos[1])
    np.testing.assert_allclose(observation[:3], [ours.data.qpos[0], math.cos(angle), math.sin(angle)], rtol=1e-6)


def test_it_starts_hanging_and_the_pole_may_turn_all_around():
    env = make(NAME)
    starts = np.array([env.reset(seed=seed)[0] for seed in range(30)])
    assert (starts[:, 1] < -0.999).all() and np.abs(starts[:, [0, 3, 4]]).max() <= 0.01
    env.place([0.0, 0.0], [0.0, 20.0])
    turned = [float(env.data.qpos[1]) for _ in range(30) if env.step(np.zeros(1))]
    assert max(turned) > 2.0 * math.pi


def test_the_cart_stops_at_the_ends_of_the_rail():
    env = make(NAME)
    env.reset(seed=0)
    reached = [abs(float(env.step(np.array([3.0]))[0][0])) for _ in range(40)]
    assert 0.95 < reached[-1] < 1.1


def balance_gains(env):
    """Gains of the linear-quadratic regulator about the upright pole, from differences of the physics itself."""

    def after(state):
        env.place(state[:2], state[2:4])
        env.step(state[4:])
        return np.concatenate((env.data.qpos, env.data.qvel))

    steps = 1e-4 * np.eye(5)
    jacobian = np.array([(after(step) - after(-step)) / 2e-4 for step in steps]).T
    a, b = jacobian[:, :4], jacobian[:, 4:]
    cost = solve_discrete_are(a, b, np.diag([1.0, 10.0, 0.1, 0.1]), np.array([[0.1]]))
    return np.linalg.solve(0.1 + b.T @ cost @ b, b.T @ cost @ a)[0]


def controller(env):
    """Pump energy into the pole until it is near the top, then balance it."""
    gains, pole = balance_gains(env), env.model.body("pole")
    lever = float(pole.mass[0] * pole.ipos[2])
    inertia = float(pole.inertia.max()) + lever * float(pole.ipos[2])
    weight = -float(env.model.opt.gravity[2]) * lever

    def choose(observation):
        x, cosine, sine, speed, spin = map(float, observation)
        angle = math.atan2(sine, cosine)
        if abs(angle) < 0.5 and abs(spin) < 4.0:
            return np.clip([-gains @ np.array([x, angle, speed, spin])], -3.0, 3.0)
        missing = 1.05 - cosine - 0.5 * inertia * spin**2 / weight  # more than upright needs: damping takes some
        return np.clip([-2.0 * np.sign(spin * cosine) * np.clip(2.0 * missing, -1.0, 1.0) - 0.5 * x], -3.0, 3.0)

    return choose


def swing(task, seed, choose=None):
    env = make(NAME)
    env.reset(seed=seed, options={"task": task})
    choose = choose or controller(env)
    observation, _ = env.reset(seed=seed)
    info = {}
    while not info:
        observation, _, _, _, info = env.step(choose(observation))
    return info


@pytest.mark.parametrize(
    "task", [{}, {"pole_length": 0.9, "damping": 0.25}, {"motor_gear": 1.5, "cart_density": 500.0}]
)
def test_a_controller_that_knows_the_task_swings_it_up_and_holds_it(task):
    infos = [swing(task, seed) for seed in range(3)]
    assert all(info["success"] and info["score"] > 0.8 for info in infos)


def test_waiting_scores_nothing_and_holding_has_to_last():
    info = swing({}, 0, lambda _: np.zeros(1))
    assert info["score"] < 0.001 and not info["success"]

    env = make(NAME, max_episode_steps=20)
    env.reset(seed=0)
    choose = controller(env)
    env.reset(seed=0)
    env.place([0.0, 0.02], [0.0, 0.0])
    observation, info = env._observe(), {}
    while not info:
        observation, _, _, _, info = env.step(choose(observation))
    assert info["score"] > 0.99 and not info["success"]  # up, but for 20 steps of 25
