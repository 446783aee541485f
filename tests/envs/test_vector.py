import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from lifelong_rl.envs import make, make_vec
from lifelong_rl.envs.vector import TaskVecEnv


@pytest.mark.parametrize("family", ["point-goal", "cartpole-physics"])
def test_it_steps_bit_for_bit_as_stable_baselines3_does(family):
    makers = [lambda: make(family, max_episode_steps=7)] * 3
    ours, theirs = TaskVecEnv(makers), DummyVecEnv(makers)
    ours.seed(3)
    theirs.seed(3)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(ours.action_space.n, size=3)
        one, other = ours.step(actions), theirs.step(actions)
        for mine, expected in zip(one[:3], other[:3], strict=True):
            np.testing.assert_array_equal(mine, expected)
            assert mine.dtype == expected.dtype
        for mine, expected in zip(one[3], other[3], strict=True):
            assert mine.keys() == expected.keys()
            np.testing.assert_array_equal(
                mine.pop("terminal_observation", 0), expected.pop("terminal_observation", 0)
            )
            assert mine == expected


def test_what_a_step_gave_stays_as_it_was_at_the_next_step():
    venv = make_vec("point-goal", 2, seed=0, max_episode_steps=2)
    venv.reset()
    given = venv.step(np.array([1, 2]))
    kept = [array.copy() for array in given[:3]], [dict(info) for info in given[3]]
    venv.step(np.array([3, 4]))
    for array, copy in zip(given[:3], kept[0], strict=True):
        np.testing.assert_array_equal(array, copy)
    assert given[3] == kept[1]


def test_environments_in_this_process_come_without_copies():
    assert type(make_vec("point-goal", 2)) is TaskVecEnv
