"""The hanging pole: its motion is CartPole's, and a plan over the true dynamics swings every published pole up."""

import math

import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from lifelong_rl.envs import make
from lifelong_rl.envs.cartpole_swing_up import POLES, STEP_S, SUBSTEPS, TRACK, CartPoleSwingUp
from lifelong_rl.envs.classic_control import CartPoleState


def at(env, x, speed, angle, spin):
    env.state = CartPoleState(x, speed, angle, spin)


def imagine(states, pushes, task):
    """CartPole's equations over arrays: (n, 4) states and (n,) pushes give the next (n, 4)."""
    p = task.params
    x, speed, angle, spin = states.T.copy()
    mass, moment, force = p["masscart"] + p["masspole"], p["masspole"] * p["length"], pushes * p["force_mag"]
    for _ in range(SUBSTEPS):
        sine, cosine = np.sin(angle), np.cos(angle)
        push = (force + moment * spin**2 * sine) / mass
        turning = (p["gravity"] * sine - cosine * push) / (p["length"] * (4 / 3 - p["masspole"] * cosine**2 / mass))
        speed = speed + STEP_S / SUBSTEPS * (push - moment * turning * cosine / mass)
        spin = spin + STEP_S / SUBSTEPS * turning
        x, angle = x + STEP_S / SUBSTEPS * speed, angle + STEP_S / SUBSTEPS * spin
        outside = np.abs(x) > TRACK
        x, speed = np.clip(x, -TRACK, TRACK), np.where(outside, 0.0, speed)
    return np.stack((x, speed, angle, spin), 1)


def value(states, plans, task):
    """Returns of (n, horizon) plans, by the known reward."""
    total = np.zeros(len(plans))
    states = np.tile(states, (len(plans), 1))
    for k in range(plans.shape[1]):
        states = imagine(states, plans[:, k], task)
        x, speed, angle, spin = states.T
        seen = np.stack((x, speed, np.cos(angle), np.sin(angle), spin), 1)
        total += CartPoleSwingUp.known_reward({"length": task.params["length"]}, seen, plans[:, k : k + 1], seen, np)[
            0
        ]
    return total


def plan(state, mean, task, rng):
    """The cross-entropy method with a warm start: 2 rounds of 100 plans, the best 10 kept."""
    spread = np.full(len(mean), 0.6)
    for _ in range(2):
        plans = np.clip(mean + spread * rng.standard_normal((100, len(mean))), -1.0, 1.0)
        best = plans[np.argsort(-value(state, plans, task))[:10]]
        mean, spread = best.mean(0), best.std(0) + 0.05
    return mean


@pytest.mark.parametrize("pole", [0.4, 1.3])
def test_a_plan_over_the_true_dynamics_swings_the_pole_up(pole):
    task = next(task for task in CartPoleSwingUp.standard_tasks(10) if task.name == f"pole-{pole}m")
    env, rng, mean, info = CartPoleSwingUp(), np.random.default_rng(0), np.zeros(25), {}
    env.reset(seed=0, options={"task": task})
    while not info:
        mean = plan(np.array(env.state), mean, task, rng)
        *_, info = env.step(mean[:1])
        mean = np.append(mean[1:], 0.0)

    assert info["success"] and info["score"] > 0.6


def test_a_step_s_acceleration_is_cartpole_s():
    env, theirs = CartPoleSwingUp(), CartPoleEnv()
    state = (0.1, 0.2, 0.15, -0.4)
    env.reset(seed=0, options={"task": {"length": 0.5}})
    at(env, *state)
    theirs.reset(seed=0)
    theirs.tau = 1e-6
    theirs.state = np.array(state)
    theirs.step(1)
    rates = (np.array(theirs.state) - state)[[1, 3]] / theirs.tau

    tiny = 1e-6
    one = imagine(np.array([state]), np.ones(1), env.task)[0]
    env.step(np.array([1.0]))

    np.testing.assert_allclose(env.state, one, rtol=1e-12)
    np.testing.assert_allclose((one - state)[[1, 3]] / STEP_S, rates, rtol=0.05, atol=tiny)


def test_the_energy_of_a_free_pole_stays():
    env = CartPoleSwingUp()
    env.reset(seed=0, options={"task": {"masscart": 2.0, "length": 0.5}})
    at(env, 0.0, 0.0, math.pi - 0.5, 0.0)
    highest = []
    for _ in range(400):
        env.step(np.zeros(1))
        highest.append(abs(env.state.angle - math.pi))

    assert max(highest) < 0.52 and max(highest[-100:]) > 0.48


def test_the_cart_stops_at_the_ends_of_the_track():
    env = CartPoleSwingUp()
    env.reset(seed=0)
    for _ in range(100):
        observation, *_ = env.step(np.ones(1))

    assert observation[0] == pytest.approx(TRACK) and observation[1] <= 0.2


def test_hanging_still_pays_nearly_nothing_and_standing_still_pays_one():
    env = CartPoleSwingUp()
    env.reset(seed=0)
    at(env, 0.0, 0.0, 0.0, 0.0)
    assert env.step(np.zeros(1))[1] == pytest.approx(1.0)
    at(env, 0.0, 0.0, math.pi, 0.0)
    assert env.step(np.zeros(1))[1] == pytest.approx(math.exp(-4.0))
    at(env, 0.0, 0.0, 0.0, 0.0)
    assert env.step(np.array([5.0]))[1] == pytest.approx(0.99, abs=0.01)


def test_the_standard_tasks_are_hypercrl_s_poles():
    tasks = CartPoleSwingUp.standard_tasks(11)
    assert [2.0 * task.params["length"] for task in tasks[:10]] == pytest.approx(POLES)
    assert tasks[0].params == CartPoleSwingUp.task_space.default.params
    assert len({task.id for task in tasks}) == 11


def test_an_action_that_is_not_finite_is_refused():
    env = make("cartpole-swing-up")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="must be finite"):
        env.step(np.array([np.nan]))
