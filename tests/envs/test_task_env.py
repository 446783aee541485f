import pickle
from typing import ClassVar

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.classic_control import CartPolePhysics
from lifelong_rl.envs.point_goal import PointGoal

EAST, NORTH, WEST, SOUTH = PointGoal.standard_tasks(4)


def test_a_one_hot_environment_starts_with_the_first_of_its_tasks():
    heavy = CartPolePhysics.task_space.task({"masscart": 2.0})
    env = CartPolePhysics(observe_task="one-hot", tasks=[heavy])

    _, info = env.reset(seed=0)

    assert info["task"] is heavy


def test_a_task_that_one_hot_does_not_know_is_refused_and_changes_nothing():
    env = PointGoal(observe_task="one-hot", tasks=[NORTH, WEST])
    before, _ = env.reset(seed=0)

    with pytest.raises(ValueError, match="knows 2 tasks, and 'south' is none of them"):
        env.reset(seed=0, options={"task": SOUTH})

    after, info = env.reset(seed=0)
    np.testing.assert_array_equal(before, after)
    assert info["task"] is NORTH


def test_the_task_that_is_shown_follows_the_task_that_is_played():
    env = PointGoal(observe_task="one-hot", tasks=[NORTH, WEST])
    env.reset(seed=0)
    env.queue_task(WEST)

    observation, _ = env.reset()
    stepped, *_ = env.step(0)

    np.testing.assert_array_equal(observation[2:], [0, 1])
    np.testing.assert_array_equal(stepped[2:], [0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observe_task": "yes"}, "observe_task must be"),
        ({"observe_task": "one-hot"}, "needs the list of tasks"),
        ({"max_episode_steps": 0}, "max_episode_steps must be at least 1"),
        ({"actions": "both"}, "PointGoal offers the action kinds 'discrete', 'continuous', found actions='both'"),
    ],
)
def test_a_wrong_option_value_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make("point-goal", **options)


def test_a_replay_with_too_few_tasks_is_refused():
    env = PointGoal(max_episode_steps=2)

    with pytest.raises(ValueError, match="end 2 episodes, but only 2 tasks"):
        env.replay(0, [EAST, WEST], [0] * 4)
    with pytest.raises(ValueError, match="needs at least the task of the first reset"):
        env.replay(0, [], [])


def test_an_environment_goes_on_identically_after_pickling():
    env = PointGoal()
    env.reset(seed=0, options={"task": WEST})
    env.step(1)

    copy = pickle.loads(pickle.dumps(env))

    for _ in range(20):
        (one, *ends, _), (other, *other_ends, _) = env.step(3), copy.step(3)
        np.testing.assert_array_equal(one, other)
        assert ends == other_ends
        if ends[2]:
            np.testing.assert_array_equal(env.reset()[0], copy.reset()[0])


def test_standard_tasks_are_the_named_ones_and_then_a_fixed_sample():
    class WithNames(CartPolePhysics):
        named_tasks: ClassVar[dict] = {"light": {"masscart": 0.5}, "default": {}}

    tasks = WithNames.standard_tasks(4)
    assert [task.name for task in tasks] == ["light", "default", "task-1", "task-2"]
    assert tasks[0].params == WithNames.task_space.default.params | {"masscart": 0.5}
    assert tasks[2:] == CartPolePhysics.standard_tasks(2)
    assert WithNames.standard_tasks(1) == tasks[:1] and WithNames.standard_tasks(0) == []
