"""The acrobot: Gymnasium's by default; energy, heights and torques are the task's."""

import math

import gymnasium
import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.batched.acrobot import Acrobot, AcrobotState, _rates
from lifelong_rl.envs.batched.arithmetic import FLOATS


def swing(state):
    """Push the second link the way the first one turns: this gathers energy."""
    return 2 if state.spin_1 < 0.0 else 0


@pytest.mark.parametrize("policy", ["random", "swinging"])
def test_the_default_equals_gymnasium_s(policy):
    ours, theirs = Acrobot(), gymnasium.make("Acrobot-v1")
    rng, n_reached = np.random.default_rng(0), 0
    for seed in range(10):
        mine, their = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        ends = (False, False)
        while not any(ends):
            np.testing.assert_allclose(mine, their, rtol=1e-6, atol=1e-7)
            action = int(rng.integers(3)) if policy == "random" else swing(ours.state)
            mine, reward, *ends, _ = ours.step(action)
            their, *expected, _ = theirs.step(action)
            assert [reward, *ends] == expected
        n_reached += ends[0]
    assert policy == "random" or n_reached == 10


def energy(state, task):
    """Kinetic and potential energy by the masses' velocities: a second derivation than the family's."""
    p = task.params
    one, two = state.angle_1, state.angle_1 + state.angle_2
    m1, m2, l1 = p["link_mass_1"], p["link_mass_2"], p["link_length_1"]
    c1, c2 = l1 * p["link_com_1"], p["link_length_2"] * p["link_com_2"]
    spin, both = state.spin_1, state.spin_1 + state.spin_2
    velocity_x = l1 * math.cos(one) * spin + c2 * math.cos(two) * both
    velocity_y = l1 * math.sin(one) * spin + c2 * math.sin(two) * both
    moving = 0.5 * m1 * (c1 * spin) ** 2 + 0.5 * m2 * (velocity_x**2 + velocity_y**2)
    turning = 0.5 * m1 * l1**2 * spin**2 + 0.5 * m2 * p["link_length_2"] ** 2 * both**2
    height = -m1 * c1 * math.cos(one) - m2 * (l1 * math.cos(one) + c2 * math.cos(two))
    return moving + turning + p["gravity"] * height


@pytest.mark.parametrize("torque", [0.0, 1.5])
@pytest.mark.parametrize("unit", [0.2, 0.5, 0.8])
def test_the_energy_changes_by_the_motor_s_power_alone(unit, torque):
    env = Acrobot()
    task = env.task_space.decode(np.full(8, unit))
    state, step_s = np.array([0.8, -0.4, 0.3, 0.5]), 1e-5
    rates = np.array(_rates(state, torque, env.physics_of(task), FLOATS))
    later, earlier = (energy(AcrobotState(*(state + sign * step_s * rates)), task) for sign in (1.0, -1.0))
    assert (later - earlier) / (2.0 * step_s) == pytest.approx(torque * state[3], abs=1e-5)


def test_continuous_torques_at_the_ends_are_the_discrete_ones():
    discrete, continuous = Acrobot(), Acrobot(actions="continuous")
    discrete.reset(seed=1)
    continuous.reset(seed=1)
    for choice in np.random.default_rng(0).integers(3, size=50):
        one, *_ = discrete.step(choice)
        other, *_ = continuous.step(np.array([choice - 1.0]))
        np.testing.assert_array_equal(one, other)
    one, *_ = continuous.step(np.array([0.5]))
    assert not np.array_equal(one, discrete.step(1)[0])


def test_the_goal_is_the_mean_link_above_the_joint():
    env = Acrobot()
    env.reset(seed=0, options={"task": {"link_length_1": 0.6, "link_length_2": 1.8}})
    for above, expected in ((0.05, True), (-0.05, False)):
        angle = math.acos(-(1.2 + above) / 2.4)  # both links in one line
        env.state = AcrobotState(angle, 0.0, 0.0, 0.0)
        assert env.score_episode(-10.0, 10)[1] is expected


def test_reaching_the_goal_scores_the_steps_that_were_not_needed():
    env, info = Acrobot(), {}
    env.reset(seed=0)
    while not info:
        _, reward, terminated, _, info = env.step(swing(env.state))
    assert terminated and reward == 0.0 and info["success"]
    assert info["score"] == pytest.approx(1.0 - (info["episode"]["l"] - 1) / 500)


def test_a_choice_that_does_not_exist_is_refused():
    env = Acrobot()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 2, found 3"):
        env.step(3)


def test_pictures_show_links_and_goal():
    env, pictures = make("acrobot", render_mode="rgb_array"), set()
    for task in ({}, {"link_length_1": 0.6}, {"link_length_2": 1.8}, {"link_mass_2": 2.0}):
        env.reset(seed=0, options={"task": task})
        pictures.add(env.render().tobytes())
    assert len(pictures) == 4
