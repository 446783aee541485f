import math

import gymnasium
import numpy as np
import pytest

from lifelong_rl.envs.classic_control import (
    CARTPOLE_ANGLE_LIMIT,
    CartPolePhysics,
    CartPoleState,
    PendulumPhysics,
    PendulumState,
)


def episode(env, actions, seed=None):
    """Play one episode; gives everything that it showed."""
    observation, _ = env.reset(seed=seed)
    shown = [observation.tobytes()]
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        shown.append((observation.tobytes(), float(reward), terminated, truncated))
        if terminated or truncated:
            break
    return shown


def action_sequences(space, n_steps):
    for seed in range(10):
        space.seed(seed)
        yield [space.sample() for _ in range(n_steps)]


def test_the_default_cartpole_equals_gymnasium_s_bit_for_bit():
    ours, theirs = CartPolePhysics(), gymnasium.make("CartPole-v1")

    for i, actions in enumerate(action_sequences(theirs.action_space, 500)):
        seed = i if i % 3 == 0 else None  # the episodes in between go on from the generator's state
        assert episode(ours, actions, seed) == episode(theirs, actions, seed)


def test_the_default_pendulum_equals_gymnasium_s():
    ours, theirs = PendulumPhysics(), gymnasium.make("Pendulum-v1")

    for i, actions in enumerate(action_sequences(theirs.action_space, 200)):
        seed = i if i % 3 == 0 else None
        same_but_for_the_last_bits_of_rewards(episode(ours, actions, seed), episode(theirs, actions, seed))


def same_but_for_the_last_bits_of_rewards(shown, expected):
    assert shown[0] == expected[0]
    for (observation, reward, *ends), (their_observation, their_reward, *their_ends) in zip(
        shown[1:], expected[1:], strict=True
    ):
        assert (observation, ends) == (their_observation, their_ends)
        assert reward == pytest.approx(their_reward, rel=1e-11, abs=1e-15)


def test_the_default_comes_back_after_another_task():
    for ours, theirs in [
        (CartPolePhysics(), gymnasium.make("CartPole-v1")),
        (PendulumPhysics(), gymnasium.make("Pendulum-v1")),
    ]:
        ours.reset(seed=5, options={"task": np.full(ours.task_space.dimension, 0.9)})
        ours.step(ours.action_space.sample())
        ours.queue_task(ours.task_space.default)
        theirs.action_space.seed(0)
        actions = [theirs.action_space.sample() for _ in range(100)]

        same_but_for_the_last_bits_of_rewards(episode(ours, actions, 0), episode(theirs, actions, 0))


def test_full_continuous_pushes_equal_discrete_ones():
    discrete, continuous = CartPolePhysics(), CartPolePhysics(actions="continuous")
    pushes = [0, 1, 1, 0, 1, 0, 0, 1] * 3

    one = episode(discrete, pushes, 3)
    other = episode(continuous, [np.array([2.0 * push - 1.0], dtype=np.float32) for push in pushes], 3)

    assert one == other


def test_a_partial_push_has_a_part_of_the_task_s_force():
    half_of_20 = CartPolePhysics(actions="continuous")
    all_of_10 = CartPolePhysics(actions="continuous")
    half_of_20.reset(seed=0, options={"task": {"force_mag": 20.0}})
    all_of_10.reset(seed=0, options={"task": {"force_mag": 10.0}})

    for _ in range(3):
        one, *_ = half_of_20.step(np.array([0.5]))
        other, *_ = all_of_10.step(np.array([3.0]))  # clipped to 1
        np.testing.assert_array_equal(one, other)


def test_derived_masses_follow_the_task():
    env = CartPolePhysics()
    env.reset(seed=0, options={"task": {"masscart": 2.0, "masspole": 0.3, "length": 0.9}})

    assert env.present_physics.total_mass == pytest.approx(2.3)
    assert env.present_physics.moment == pytest.approx(0.27)


def test_the_cart_s_mass_changes_the_motion():
    env = CartPolePhysics()

    env.reset(seed=0)
    usual, *_ = env.step(1)
    env.reset(seed=0, options={"task": {"masscart": 2.0}})
    heavy, *_ = env.step(1)

    assert heavy[1] < usual[1]


@pytest.mark.parametrize("push", [0, 1])
def test_the_fastest_fall_stays_in_the_observation_space(push):
    env = CartPolePhysics()
    corners = [
        {"force_mag": 20.0, "length": 0.2, "masscart": 0.5, "gravity": 20.0, "masspole": m} for m in (0.05, 0.5)
    ]
    limit = CARTPOLE_ANGLE_LIMIT * (1 if push == 0 else -1)
    for task in corners:
        env.reset(seed=0, options={"task": task})
        env.state = CartPoleState(0.0, 0.0, -limit, 0.0)  # to fall over the whole range under full force
        terminated = False
        while not terminated:
            observation, _, terminated, _, _ = env.step(push)
        assert observation in env.observation_space


def test_the_cartpole_scores_the_fraction_of_the_longest_return():
    env = CartPolePhysics(max_episode_steps=100)
    env.reset(seed=0)

    assert env.score_episode(100.0, 100) == (1.0, True)
    assert env.score_episode(95.0, 95) == (0.95, True)
    assert env.score_episode(94.0, 94) == (0.94, False)


def test_the_pendulum_scores_between_hanging_and_standing():
    env = PendulumPhysics()

    assert env.score_episode(0.0, 200) == (1.0, True)
    assert env.score_episode(-400.0, 200)[1]
    assert not env.score_episode(-401.0, 200)[1]
    assert env.score_episode(-(math.pi**2) * 200, 200)[0] == pytest.approx(0.0, abs=1e-12)
    assert env.score_episode(-3000.0, 200) == (0.0, False)


def test_the_pendulum_s_action_box_stays_and_its_torque_scales():
    strong, usual = PendulumPhysics(), PendulumPhysics()
    strong.reset(seed=0, options={"task": {"max_torque": 4.0}})
    usual.reset(seed=0)

    strong.step(np.array([0.5], dtype=np.float32))
    usual.step(np.array([1.0], dtype=np.float32))

    assert strong.state == usual.state
    assert strong.action_space == usual.action_space
    strong.state = PendulumState(0.0, 0.0)
    _, reward, *_ = strong.step(np.array([2.0], dtype=np.float32))
    assert reward == pytest.approx(-0.001 * 4.0**2)


def test_the_pendulum_has_no_discrete_actions():
    with pytest.raises(
        ValueError, match="PendulumPhysics offers the action kinds 'continuous', found actions='discrete'"
    ):
        PendulumPhysics(actions="discrete")


def test_actions_that_mean_nothing_are_refused():
    discrete, continuous, pendulum = CartPolePhysics(), CartPolePhysics(actions="continuous"), PendulumPhysics()
    for env in (discrete, continuous, pendulum):
        env.reset(seed=0)

    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 1, found 2"):
        discrete.step(2)
    for env in (continuous, pendulum):
        with pytest.raises(ValueError, match="must be finite"):
            env.step(np.array([math.nan]))


@pytest.mark.parametrize(
    ("env", "action", "message"),
    [
        (CartPolePhysics(), 0.5, "must lie in 0"),
        (CartPolePhysics(), -1, "must lie in 0"),
        (PendulumPhysics(), np.zeros(2), r"must have the shape \(1,\), found \(2,\)"),
        (PendulumPhysics(), 0.5, r"must have the shape \(1,\), found \(\)"),
        (PendulumPhysics(), ["up"], "must be an array of real numbers"),
    ],
)
def test_an_action_of_another_kind_is_refused(env, action, message):
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step"):
        CartPolePhysics().step(0)


@pytest.mark.parametrize("family", [CartPolePhysics, PendulumPhysics])
def test_pictures_show_state_and_task(family):
    env = family(render_mode="rgb_array")
    pictures = []
    for task in ({}, {"length": 0.9} if family is CartPolePhysics else {"l": 2.0}):
        env.reset(seed=0, options={"task": task})
        pictures.append(env.render())
    env.state = env.state._replace(angle=env.state.angle + 1.0)
    pictures.append(env.render())
    assert pictures[0].dtype == np.uint8 and pictures[0].ndim == 3
    assert len({picture.tobytes() for picture in pictures}) == 3
