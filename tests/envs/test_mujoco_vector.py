"""n MuJoCo environments stepped at once play as each would alone, whatever the number of threads."""

from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from lifelong_rl.envs import family, make, make_vec, make_vector
from lifelong_rl.envs.mujoco.vector_env import MujocoVectorEnv
from lifelong_rl.envs.vector import TaskVecEnv

NAMES = ["ant", "half-cheetah", "half-cheetah-terrain", "hopper", "mujoco-pendulum-swing-up", "pusher", "reacher"]
STEPS = 60


def tasks_of(name, n):
    space = family(name).task_space
    return space.decode_many(space.sample(n, np.random.default_rng(1)))


def actions_of(vector, n_steps=STEPS):
    rng = np.random.default_rng(2)
    space = vector.action_space
    return [rng.uniform(space.low, space.high).astype(np.float32) for _ in range(n_steps)]


def alone(name, task, seed, actions, **options):
    """Observations, rewards and endings of the single environment, reset after each end."""
    env = make(name, **options)
    rows = [(env.reset(seed=seed, options={"task": task})[0], 0.0, False, False)]
    for action in actions:
        *row, _ = env.step(action)
        rows.append(tuple(row))
        if row[2] or row[3]:
            rows.append((env.reset()[0], 0.0, False, False))
    return rows


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("name", [*NAMES, "walker2d"])
def test_each_instance_plays_bit_for_bit_as_the_single_environment(name, n_threads):
    n, options = 4, {"max_episode_steps": 25}
    tasks = tasks_of(name, n)
    vector = make_vector(name, n, autoreset_mode="SameStep", n_threads=n_threads, **options)
    assert isinstance(vector, MujocoVectorEnv)
    observations, infos = vector.reset(seed=5, options={"tasks": tasks})
    assert vector.tasks == tuple(infos["task"]) == tuple(tasks)
    played = [[(observations[i], 0.0, False, False)] for i in range(n)]
    actions = actions_of(vector)
    for action in actions:
        observations, rewards, terminated, truncated, infos = vector.step(action)
        for i in range(n):
            if terminated[i] or truncated[i]:
                played[i].append((infos["final_obs"][i], rewards[i], terminated[i], truncated[i]))
                assert infos["final_info"]["task"][i] == tasks[i]
                played[i].append((observations[i], 0.0, False, False))
            else:
                played[i].append((observations[i], rewards[i], terminated[i], truncated[i]))
    for i, task in enumerate(tasks):
        expected = alone(name, task, 5 + i, [action[i] for action in actions], **options)
        assert len(played[i]) == len(expected)
        for mine, single in zip(played[i], expected, strict=True):
            np.testing.assert_array_equal(mine[0], single[0])
            assert tuple(mine[1:]) == tuple(single[1:])
    vector.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_task_stays_through_resets_and_a_queued_one_waits_for_its_instance(mode):
    first, second = tasks_of("hopper", 2)
    vector = family("hopper").make_vector(3, autoreset_mode=mode, max_episode_steps=3)
    vector.reset(seed=0, options={"task": first})
    vector.queue_task(second, index=1)
    assert vector.tasks == (first, first, first)
    for action in actions_of(vector, 8):
        *_, terminated, truncated, _ = vector.step(0.0 * action)
        ended = terminated | truncated
        if mode is AutoresetMode.DISABLED and ended.any():
            with pytest.raises(RuntimeError, match="have ended: reset them"):
                vector.step(action)
            vector.reset(options={"reset_mask": ended})
    assert vector.tasks == (first, second, first)


def test_tasks_may_be_named_for_some_instances_only_and_a_mask_leaves_the_others_alone():
    first, second = tasks_of("reacher", 2)
    vector = family("reacher").make_vector(2, autoreset_mode="Disabled")
    before, _ = vector.reset(seed=[3, None], options={"tasks": [first, None]})
    assert vector.tasks == (first, family("reacher").task_space.default)
    after, _ = vector.reset(options={"tasks": [second, second], "reset_mask": np.array([False, True])})
    assert vector.tasks == (first, second)
    np.testing.assert_array_equal(before[0], after[0])
    vector.reset()
    assert vector.tasks == (first, second)


def test_in_next_step_mode_the_action_of_an_instance_that_is_reset_is_ignored():
    vector = family("reacher").make_vector(2, max_episode_steps=2, n_threads=2)
    vector.reset(seed=0)
    zero = np.zeros((2, 2), dtype=np.float32)
    vector.step(zero)
    *_, truncated, infos = vector.step(zero)
    assert truncated.all() and infos["success"].shape == (2,)
    _, rewards, *_ = vector.step(np.full((2, 2), np.nan, dtype=np.float32))
    assert rewards.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda actions: np.where(np.arange(3)[:, None] == 1, np.nan, actions), "finite, found .* for instance 1"),
        (lambda actions: actions[:2], r"shape \(3, 8\), found \(2, 8\)"),
    ],
)
def test_actions_that_mean_nothing_change_nothing(change, message, n_threads):
    vectors = [family("ant").make_vector(3, n_threads=n_threads) for _ in range(2)]
    actions = actions_of(vectors[0], 2)
    for vector in vectors:
        vector.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        vectors[1].step(change(actions[0]))
    for action in actions:
        mine, theirs = (vector.step(action)[0] for vector in vectors)
        np.testing.assert_array_equal(mine, theirs)


def test_an_instance_that_explodes_raises_in_the_caller_s_thread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT
    vector = family("half-cheetah").make_vector(3, n_threads=2)
    vector.reset(seed=0)
    vector.envs[2].unwrapped.data.qvel[:] = 1e30
    with pytest.raises(FloatingPointError, match="became unstable"):
        vector.step(np.zeros((3, 6), dtype=np.float32))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_sb3_vector_plays_as_the_usual_one(n_threads):
    usual = TaskVecEnv([partial(make, "walker2d", max_episode_steps=12)] * 3)
    ours = make_vec("walker2d", 3, n_threads=n_threads, max_episode_steps=12)
    tasks = tasks_of("walker2d", 3)
    for vector in (usual, ours):
        vector.seed(4)
        for i, task in enumerate(tasks):
            vector.env_method("queue_task", task, indices=[i])
    np.testing.assert_array_equal(usual.reset(), ours.reset())
    n_ends = 0
    for action in actions_of(family("walker2d").make_vector(3), 40):
        mine, theirs = ours.step(action), usual.step(action)
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(mine[3], theirs[3], strict=True):
            np.testing.assert_equal(a, b)
        n_ends += int(mine[2].sum())
    assert n_ends > 0 and ours.get_attr("task") == tasks
    ours.close()


def test_an_instance_of_the_sb3_vector_is_replayed_to_where_it_was():
    first, second = tasks_of("hopper", 2)
    vector, again = (make_vec("hopper", 2, max_episode_steps=15, n_threads=2) for _ in range(2))
    vector.env_method("queue_task", first, 3, indices=[1])
    vector.reset()
    vector.env_method("queue_task", second, indices=[1])
    actions = [0.0 * action for action in actions_of(make_vector("hopper", 2), 25)]  # up to the middle of an episode
    for action in actions:
        observations, *_ = vector.step(action)
    (found,) = again.env_method("replay", 3, [first, second], [action[1] for action in actions], indices=[1])
    np.testing.assert_array_equal(found, observations[1])
    assert vector.get_attr("task", indices=[1]) == again.get_attr("task", indices=[1]) == [second]


def test_seeds_of_the_sb3_vector_are_those_of_its_instances():
    vector = family("hopper").make_sb3(2, [7, 8])
    again = family("hopper").make_sb3(2, [7, 8])
    np.testing.assert_array_equal(vector.reset(), again.reset())
    assert not np.array_equal(vector.reset()[0], vector.reset()[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cls: cls.make_vector(0), "at least 1, found 0"),
        (lambda cls: cls.make_sb3(0), "at least 1, found 0"),
        (lambda cls: cls.make_vector(2, n_threads=0), "n_threads must be a whole number of at least 1, found 0"),
        (lambda cls: cls.make_vector(2, max_episode_step=3), "did you mean 'max_episode_steps'"),
        (lambda cls: cls.make_vector(2).queue_task({}, index=2), r"index must be an instance in 0 \.\. 1, found 2"),
        (lambda cls: cls.make_vector(2).reset(options={"tasks": [None]}), "must hold 2 tasks or None, found 1"),
        (lambda cls: cls.make_vector(1).reset(options={"tasks": [None], "task": {}}), "not both"),
        (lambda cls: cls.make_vector(1).reset(options={"tasks": [{"gravty": 1.0}]}), "did you mean 'gravity'"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(family("hopper"))
