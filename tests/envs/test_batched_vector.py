"""n instances over arrays are n single environments: same bits, same infos, and nothing of one reaches another."""

import re
from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lifelong_rl.envs import FAMILIES, family, make, make_vector
from lifelong_rl.envs.batched import BatchedTaskEnv, BatchedVectorEnv
from lifelong_rl.envs.classic_control import CartPolePhysics
from lifelong_rl.envs.task_vector import TaskVectorEnv

BATCHED = [(n, kind) for n in FAMILIES if issubclass(family(n), BatchedTaskEnv) for kind in family(n).action_kinds]
N = 5


def same(ours, theirs, where=""):
    """Compare arrays, dicts and lists bit for bit, dtypes included."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            same(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(theirs, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        if theirs.dtype == object:
            for mine, their in zip(ours, theirs, strict=True):
                same(mine, their, where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)
    elif isinstance(theirs, tuple):
        for mine, their in zip(ours, theirs, strict=True):
            same(mine, their, where)
    else:
        assert ours == theirs, where


def tasks_of(name, n, seed=0):
    space = family(name).task_space
    return space.decode_many(space.sample(n, np.random.default_rng(seed)))


def pair(name, mode, **options):
    """A native vector and Gymnasium's of single environments, reset alike, each instance with a task of its own."""
    ours, tasks = make_vector(name, N, autoreset_mode=mode, **options), tasks_of(name, N)
    theirs = SyncVectorEnv([lambda: make(name, **options)] * N, autoreset_mode=mode)
    for env, task in zip(theirs.envs, tasks, strict=True):
        env.queue_task(task)
    same(ours.reset(seed=3, options={"tasks": tasks}), theirs.reset(seed=3))
    theirs.action_space.seed(1)
    return ours, theirs


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(("name", "actions"), BATCHED)
def test_every_family_plays_over_arrays_as_one_by_one(name, actions, mode):
    ours, theirs = pair(name, mode, actions=actions, max_episode_steps=17)
    n_ended = 0
    for step, task in enumerate(tasks_of(name, 70, seed=1)):
        if step % 3 == 0:
            seed = step if step % 2 else None
            ours.queue_task(task, seed, index=step % N)
            theirs.envs[step % N].queue_task(task, seed)
        played = theirs.action_space.sample()
        shown, expected = ours.step(played), theirs.step(played)
        for part, (mine, their) in enumerate(zip(shown, expected, strict=True)):
            same(mine, their, f"part {part} of step {step}")
        ended = expected[2] | expected[3]
        n_ended += ended.sum()
        if mode is AutoresetMode.DISABLED and ended.any():
            same(ours.reset(options={"reset_mask": ended.copy()}), theirs.reset(options={"reset_mask": ended.copy()}))
        assert ours.tasks == theirs.get_attr("task")
    assert n_ended >= 10


def test_one_instance_is_the_single_environment():
    vector, single = make_vector("acrobot", 1, autoreset_mode="SameStep"), make("acrobot")
    shown, _ = vector.reset(seed=4)
    expected, _ = single.reset(seed=4)
    for action in np.random.default_rng(0).integers(3, size=200):
        np.testing.assert_array_equal(shown[0], expected)
        shown, *_ = vector.step(np.array([action]))
        expected, *_ = single.step(action)


def test_an_instance_plays_the_same_whatever_the_others_do():
    name, actions = "cartpole-physics", np.random.default_rng(0).integers(2, size=(80, N))

    def shown_by_the_second(tasks, choices):
        env = make_vector(name, N, autoreset_mode="SameStep")
        rows = [env.reset(seed=[9, 5, 9, 9, 9], options={"tasks": tasks})[0][1]]
        for row in choices:
            observation, reward, terminated, *_ = env.step(row)
            rows.append(np.append(observation[1], (reward[1], terminated[1])))
        return np.concatenate(rows)

    tasks = tasks_of(name, 2 * N)
    others = [tasks[N], tasks[1], *tasks[N + 2 :]]
    pushed = actions.copy()
    pushed[:, [0, 2, 3, 4]] = 1 - pushed[:, [0, 2, 3, 4]]
    np.testing.assert_array_equal(shown_by_the_second(tasks[:N], actions), shown_by_the_second(others, pushed))


def test_what_a_step_gave_stays_as_it_was():
    env = make_vector("pendulum-physics", 3, autoreset_mode="SameStep", max_episode_steps=2)
    env.reset(seed=0)
    env.action_space.seed(0)
    given = [env.step(env.action_space.sample()) for _ in range(2)]
    kept = [[np.copy(part) for part in step[:4]] for step in given]
    last = [np.copy(row) for row in given[1][4]["final_obs"]]
    for _ in range(4):
        env.step(env.action_space.sample())
    for step, copies in zip(given, kept, strict=True):
        for part, copy in zip(step[:4], copies, strict=True):
            np.testing.assert_array_equal(part, copy)
    np.testing.assert_array_equal(np.stack(given[1][4]["final_obs"]), np.stack(last))


def test_a_task_for_all_instances_and_one_for_each():
    env, tasks = make_vector("cartpole-physics", N), tasks_of("cartpole-physics", N)
    _, info = env.reset(seed=0, options={"task": tasks[0]})
    assert list(info["task"]) == [tasks[0]] * N == list(env.tasks)
    env.reset(options={"tasks": [None, tasks[1], None, {"length": 0.3}, np.full(5, 0.5)]})
    assert env.tasks[:3] == (tasks[0], tasks[1], tasks[0])
    assert env.tasks[3].params["length"] == 0.3 and env.tasks[4].unit == (0.5,) * 5


def test_a_task_queued_for_all_waits_for_the_reset_that_names_none():
    env, (one, other) = make_vector("cartpole-physics", N), tasks_of("cartpole-physics", 2)
    env.queue_task(one, seed=10)
    env.reset(options={"task": other})
    assert env.tasks == (other,) * N
    shown, _ = env.reset()
    assert env.tasks == (one,) * N
    np.testing.assert_array_equal(shown, env.reset(seed=10)[0])


def test_the_task_can_be_shown_and_follows_the_episodes():
    name, tasks = "cartpole-physics", tasks_of("cartpole-physics", N)
    env = make_vector(name, N, autoreset_mode="SameStep", observe_task="vector", max_episode_steps=3)
    shown, _ = env.reset(seed=0, options={"tasks": tasks})
    np.testing.assert_allclose(shown[:, 4:], [task.unit for task in tasks], rtol=1e-6)
    env.queue_task(tasks[0], index=3)
    for _ in range(3):
        shown, *_ = env.step(np.zeros(N, dtype=int))
    np.testing.assert_allclose(shown[3, 4:], tasks[0].unit, rtol=1e-6)
    np.testing.assert_allclose(shown[2, 4:], tasks[2].unit, rtol=1e-6)


def test_a_task_that_cannot_be_shown_is_refused_at_once_and_changes_nothing():
    known = family("cartpole-physics").standard_tasks(2)
    env = make_vector("cartpole-physics", 2, observe_task="one-hot", tasks=known)
    before, _ = env.reset(seed=0, options={"tasks": known})
    strange = {"length": 0.7}
    for refused in (
        lambda: env.queue_task(strange, index=0),
        lambda: env.reset(options={"tasks": [known[1], strange]}),
        lambda: env.reset(options={"task": strange}),
    ):
        with pytest.raises(ValueError, match="knows 2 tasks"):
            refused()
    assert env.tasks == tuple(known)
    np.testing.assert_array_equal(env.reset(seed=0)[0], before)


def test_a_mask_resets_these_instances_and_leaves_the_others():
    env = make_vector("cartpole-physics", N)
    env.reset(seed=0)
    shown, *_ = env.step(np.ones(N, dtype=int))
    mask = np.array([False, True, False, True, False])
    again, info = env.reset(seed=7, options={"reset_mask": mask})
    np.testing.assert_array_equal(again[~mask], shown[~mask])
    np.testing.assert_array_equal(again[mask], make_vector("cartpole-physics", N).reset(seed=7)[0][mask])
    np.testing.assert_array_equal(info["_task"], mask)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([True] * N, TypeError, "must be a numpy array of bools, found list"),
        (np.ones(N), TypeError, "must be a numpy array of bools, found an array of float64"),
        (np.ones(N + 1, dtype=bool), ValueError, r"must have the shape \(5,\), found \(6,\)"),
        (np.zeros(N, dtype=bool), ValueError, "must name at least one instance"),
    ],
)
def test_a_wrong_mask_is_refused(mask, error, message):
    env = make_vector("cartpole-physics", N, autoreset_mode="Disabled")
    env.reset(seed=0)
    with pytest.raises(error, match=message):
        env.reset(options={"reset_mask": mask})


def test_what_cannot_be_reset_or_stepped_is_said():
    env, task = make_vector("cartpole-physics", 2, autoreset_mode="Disabled", max_episode_steps=2), {"length": 0.3}
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step\(\)"):
        env.step(np.zeros(2, dtype=int))
    with pytest.raises(RuntimeError, match="reset all instances before some"):
        env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match="must hold 2 tasks or None, found 1"):
        env.reset(options={"tasks": [task]})
    with pytest.raises(ValueError, match="not both"):
        env.reset(options={"tasks": [task, task], "task": task})
    with pytest.raises(ValueError, match="one for each of 2 instances, found 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match=r"an instance in 0 \.\. 1, found 2"):
        env.queue_task(task, index=2)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.zeros(2, dtype=int))
    with pytest.raises(RuntimeError, match=r"instances \[0, 1\] have ended: reset them"):
        env.step(np.zeros(2, dtype=int))
    with pytest.raises(ValueError, match="at least 1, found 0"):
        make_vector("cartpole-physics", 0)
    with pytest.raises(ValueError, match="did you mean 'max_episode_steps'"):
        make_vector("cartpole-physics", 2, max_episode_step=3)


@pytest.mark.parametrize(
    ("name", "actions", "message"),
    [
        ("cartpole-physics", np.array([0, 2, 1]), "must lie in 0 .. 1, found 2 for instance 1"),
        ("cartpole-physics", np.array([0, -1, 1]), "must lie in 0 .. 1, found -1 for instance 1"),
        ("cartpole-physics", np.array([0.0, 1.0, 1.0]), "whole numbers of shape"),
        ("cartpole-physics", np.array([0, 1]), r"shape \(3,\), found shape \(2,\)"),
        ("point-mass", np.array([[0.0, 0.0], [0.0, np.nan], [0.0, 0.0]]), "must be finite, found .* for instance 1"),
        ("point-mass", np.full((3, 2), np.inf), "must be finite, found .* for instance 0"),
        ("point-mass", np.zeros((3, 3)), r"have the shape \(3, 2\), found \(3, 3\)"),
        ("point-mass", [["a", "b"]] * 3, "must be an array of real numbers"),
    ],
)
def test_actions_that_mean_nothing_are_refused_and_nobody_moves(name, actions, message):
    env = make_vector(name, 3)
    env.reset(seed=0)
    before = env.instances.observations()
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    np.testing.assert_array_equal(env.instances.observations(), before)


@pytest.mark.parametrize(("name", "nothing"), [("cartpole-physics", -7), ("pendulum-physics", [np.nan])])
def test_the_action_of_an_instance_that_is_being_reset_goes_unread(name, nothing):
    env = make_vector(name, 2, max_episode_steps=3)
    env.reset(seed=0)
    usual = np.array([1, 1]) if name == "cartpole-physics" else np.zeros((2, 1))
    env.step(usual)
    env.reset(options={"reset_mask": np.array([True, False])})  # out of step: the second ends first
    for _ in range(2):
        *_, truncated, _ = env.step(usual)
    np.testing.assert_array_equal(truncated, [False, True])
    unread = usual.copy()
    unread[1] = nothing
    _, reward, *_ = env.step(unread)
    assert reward[1] == 0.0
    with pytest.raises(ValueError, match="for instance 1"):
        env.step(unread)


def test_far_actions_are_clipped_as_in_the_single_environment():
    vector, single = make_vector("point-mass", 2), make("point-mass")
    vector.reset(seed=0)
    single.reset(seed=0)
    shown, *_ = vector.step(np.array([[1e6, -50.0], [0.0, 0.0]]))
    expected, *_ = single.step(np.array([10.0, -10.0]))
    np.testing.assert_array_equal(shown[0], expected)


def test_attributes_methods_pictures_and_generators_of_the_instances():
    env = make_vector("pendulum-physics", 2, render_mode="rgb_array")
    with pytest.raises(RuntimeError, match="before the first reset"):
        env.render()
    env.reset(seed=3)
    single = make("pendulum-physics", render_mode="rgb_array")
    single.reset(seed=4)
    np.testing.assert_array_equal(env.render()[1], single.render())
    assert env.np_random[1].bit_generator.state == single.np_random.bit_generator.state
    assert env.get_attr("max_episode_steps") == (200, 200)
    assert env.get_attr("state")[1] == single.state
    assert env.instances.member(1).get_wrapper_attr("task") == single.task
    assert env.call("as_task", {"m": 2.0})[0].params["m"] == 2.0
    assert make_vector("pendulum-physics", 2).render() == (None, None)
    for name in ("step", "unwrapped", "present_physics", "_suffix"):
        with pytest.raises(AttributeError, match=f"'{name}' of one instance of 2 cannot be had: they play together"):
            env.call(name)


def test_unseeded_instances_are_fresh_each_time():
    shown = [make_vector("cartpole-physics", 2).reset()[0] for _ in range(2)]
    assert len({row.tobytes() for array in shown for row in array}) == 4


def test_only_batched_families_play_over_arrays():
    env = make_vector("point-goal", 2, autoreset_mode="SameStep", max_episode_steps=3)
    assert type(env) is TaskVectorEnv and env.autoreset_mode is AutoresetMode.SAME_STEP
    assert type(make_vector("acrobot", 2)) is BatchedVectorEnv


def test_a_family_that_changes_the_single_environment_is_not_played_over_arrays():
    class Heavier(CartPolePhysics):
        def apply_task(self, params):
            super().apply_task({**params, "masscart": 2.0})

    with pytest.raises(TypeError, match="Heavier cannot play over arrays, since it overrides apply_task"):
        Heavier.make_vector(2)
    with pytest.raises(TypeError, match="overrides apply_task"):
        Heavier.make_sb3(2)


def test_the_family_of_the_page_works_as_it_stands(capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "batched-families.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    exec(compile(code, str(page), "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == "(1000, 2) 1.0\n"
