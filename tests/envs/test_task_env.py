import pickle
from typing import ClassVar

import numpy as np
import pytest
from families import MADE_HERE
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lifelong_rl.envs import FAMILIES, family, make
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
        ({"max_episode_steps": 0}, "max_episode_steps must be a whole number and at least 1, found 0"),
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


@pytest.mark.parametrize("name", FAMILIES)
def test_a_number_of_standard_tasks_that_is_none_is_refused(name):
    for n in (-1, 1.5, float("nan"), True, None, "3"):
        with pytest.raises(
            ValueError, match=r"n, the number of standard tasks, must be a whole number and at least 0"
        ):
            family(name).standard_tasks(n)
    assert family(name).standard_tasks(np.int64(2)) == family(name).standard_tasks(2)


@pytest.mark.parametrize("name", [name for name in MADE_HERE if not name.startswith("toy-grid")])
def test_a_limit_of_steps_that_is_no_whole_number_is_refused(name):
    for limit in (0, -3, 40.0, 40.5, float("nan"), float("inf"), True, "40", [40]):
        with pytest.raises(ValueError, match="max_episode_steps must be a whole number and at least 1, found"):
            make(name, max_episode_steps=limit)
    assert type(make(name, max_episode_steps=np.int64(40)).max_episode_steps) is int


def test_no_limit_of_steps_is_taken_only_where_the_family_has_one_of_its_own():
    assert make("hopper", max_episode_steps=None).max_episode_steps == 1000
    assert make("lunar-lander", max_episode_steps=None).max_episode_steps == 1000
    with pytest.raises(ValueError, match="max_episode_steps must be a whole number and at least 1, found None"):
        make("point-goal", max_episode_steps=None)


@pytest.mark.parametrize("name", ["point-goal", "pendulum-physics", "hopper"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tsak": {}}, "unknown option of reset 'tsak'; did you mean 'task'[?] known: task"),
        ({"task": None, 3: 4}, "unknown option of reset 3; known: task"),
        ({"tasks": [{}]}, "unknown option of reset 'tasks'; did you mean 'task'[?]"),
        ([1], r"the options of reset are a mapping such as \{'task': ...\}, found \[1\]"),
        ("task", "the options of reset are a mapping"),
        (0, "the options of reset are a mapping"),
    ],
)
def test_options_of_a_reset_that_mean_nothing_are_refused_and_change_nothing(name, options, message):
    env = make(name)
    env.reset(seed=0)
    queued = env.task_space.decode(np.full(env.task_space.dimension, 0.3))
    env.queue_task(queued, seed=3)

    with pytest.raises(ValueError, match=message):
        env.reset(options=options)

    observation, info = env.reset()
    assert info["task"] is queued
    np.testing.assert_array_equal(observation, make(name).reset(seed=3, options={"task": queued})[0])


def test_options_of_a_reset_may_be_empty_or_none_and_a_vector_takes_its_mask_for_itself():
    vector = SyncVectorEnv([PointGoal] * 2, autoreset_mode=AutoresetMode.DISABLED)
    for options in (None, {}, {"task": None}, {"task": WEST}):
        vector.reset(seed=0, options=options)

    _, infos = vector.reset(options={"reset_mask": np.array([False, True]), "task": NORTH})

    assert infos["task"].tolist() == [None, NORTH] and vector.get_attr("task") == (WEST, NORTH)


@pytest.mark.parametrize("seed", [-1, 1.5, float("nan"), True, "3"])
def test_a_queued_seed_that_is_none_is_refused_and_the_queue_stays(seed):
    env = PointGoal()
    env.queue_task(NORTH, seed=2)

    with pytest.raises(ValueError, match="a seed must be a whole number and at least 0, found"):
        env.queue_task(WEST, seed=seed)

    observation, info = env.reset()
    assert info["task"] is NORTH
    np.testing.assert_array_equal(observation, PointGoal().reset(seed=2, options={"task": NORTH})[0])


def test_a_queued_seed_may_be_of_numpy():
    env = PointGoal()
    env.queue_task(NORTH, seed=np.uint32(7))

    observation, _ = env.reset()

    np.testing.assert_array_equal(observation, PointGoal().reset(seed=7, options={"task": NORTH})[0])


def test_a_queued_task_waits_where_a_reset_refuses_its_seed():
    env = PointGoal()
    env.queue_task(NORTH)
    with pytest.raises(Exception, match="Seed must be greater or equal to zero"):
        env.reset(seed=-1)

    assert env.reset()[1]["task"] is NORTH


@pytest.mark.parametrize("name", MADE_HERE)
def test_a_step_before_the_first_reset_is_refused(name):
    env = make(name)

    with pytest.raises(RuntimeError, match=r"no episode is under way: call reset\(\) before step\(\)"):
        env.step(env.action_space.sample())


@pytest.mark.parametrize("bad", [None, 0.5, object(), [0.5, None, 0.5, 0.5], np.full(4, 0.5 + 1j), [[0.5], [1, 2]]])
def test_what_is_no_task_is_refused(bad):
    with pytest.raises(ValueError, match=r"a point of .* has shape|an array of real numbers"):
        PointGoal().as_task(bad)


def test_a_string_is_no_task_and_the_error_says_what_is():
    with pytest.raises(ValueError, match=r"features by name, .* found the string 'north'; standard_tasks\(n\) gives"):
        PointGoal().reset(options={"task": "north"})
