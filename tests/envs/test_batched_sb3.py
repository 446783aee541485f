"""n instances over arrays as Stable-Baselines3's vector environment take DummyVecEnv's steps."""

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from lifelong_rl.envs import FAMILIES, family, make, make_vec
from lifelong_rl.envs.batched import BatchedTaskEnv
from lifelong_rl.envs.batched.sb3 import BatchedVecEnv

BATCHED = [(n, kind) for n in FAMILIES if issubclass(family(n), BatchedTaskEnv) for kind in family(n).action_kinds]
N = 4


def tasks_of(name, n):
    space = family(name).task_space
    return space.decode_many(space.sample(n, np.random.default_rng(0)))


@pytest.mark.parametrize(("name", "actions"), BATCHED)
def test_every_family_steps_bit_for_bit_as_in_dummyvecenv(name, actions):
    options = {"actions": actions, "max_episode_steps": 13}
    ours, theirs = make_vec(name, N, **options), DummyVecEnv([lambda: make(name, **options)] * N)
    assert type(ours) is BatchedVecEnv
    tasks, rng = tasks_of(name, 80), np.random.default_rng(1)
    theirs.action_space.seed(0)
    for venv in (ours, theirs):
        venv.seed(3)
        venv.set_options([{"task": task} for task in tasks[:N]])
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    for step, task in enumerate(tasks):
        i, seed = int(rng.integers(N)), int(rng.integers(100)) if step % 2 else None
        for venv in (ours, theirs):
            venv.env_method("queue_task", task, seed, indices=[i])
        played = np.stack([theirs.action_space.sample() for _ in range(N)])
        shown, expected = ours.step(played), theirs.step(played)
        for mine, their in zip(shown[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(mine, their)
            assert mine.dtype == their.dtype
        for mine, their in zip(shown[3], expected[3], strict=True):
            assert mine.keys() == their.keys()
            np.testing.assert_array_equal(mine.pop("terminal_observation", 0), their.pop("terminal_observation", 0))
            assert mine == their
        assert ours.get_attr("task") == theirs.get_attr("task")
        assert ours.reset_infos == theirs.reset_infos


def test_replaying_brings_an_instance_to_the_same_place_in_the_middle_of_an_episode():
    name, options = "cartpole-physics", {"max_episode_steps": 9}
    played, fresh, tasks = make_vec(name, 2, **options), make_vec(name, 2, **options), tasks_of(name, 4)
    actions = np.random.default_rng(0).integers(2, size=(60, 2))
    played.seed(5)
    played.set_options([{"task": tasks[0]}] * 2)
    played.reset()
    seen = [tasks[0]]
    for k, row in enumerate(actions[:40]):
        played.env_method("queue_task", tasks[k % 4], indices=[1])
        shown, _, dones, _ = played.step(row)
        if dones[1]:
            seen.append(tasks[k % 4])
    fresh.env_method("queue_task", tasks[3], indices=[0])
    reached = fresh.env_method("replay", 6, seen, [row[1] for row in actions[:40]], indices=[1])[0]

    np.testing.assert_array_equal(reached, shown[1])
    assert fresh.get_attr("task")[0] != tasks[3]  # it waits for a reset of its own
    for venv in (played, fresh):
        venv.env_method("queue_task", tasks[2], indices=[1])
    for row in actions[40:]:
        one, other = played.step(row), fresh.step(row)
        for mine, their in zip(one[:3], other[:3], strict=True):
            np.testing.assert_array_equal(mine[1], their[1])
        mine, their = one[3][1], other[3][1]
        np.testing.assert_array_equal(mine.pop("terminal_observation", 0), their.pop("terminal_observation", 0))
        assert mine == their


def test_what_a_step_gave_stays_as_it_was_at_the_next_step():
    venv = make_vec("cartpole-physics", 2, seed=0, max_episode_steps=2)
    venv.reset()
    venv.step(np.array([0, 1]))
    given = venv.step(np.array([0, 1]))
    kept = [array.copy() for array in given[:3]], [info["terminal_observation"].copy() for info in given[3]]
    venv.step(np.array([1, 1]))
    for array, copy in zip(given[:3], kept[0], strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal([info["terminal_observation"] for info in given[3]], kept[1])


def test_a_seeded_vector_goes_on_as_seeded_single_environments_do():
    ours, theirs = make_vec("acrobot", 3, seed=1), make_vec("acrobot", 3, seed=1, parallel=True)
    try:
        np.testing.assert_array_equal(ours.reset(), theirs.reset())
        np.testing.assert_array_equal(ours.reset(), theirs.reset())
    finally:
        theirs.close()


def test_a_task_that_is_refused_changes_nothing():
    venv, tasks = make_vec("cartpole-physics", 2, seed=0), tasks_of("cartpole-physics", 2)
    venv.reset()
    venv.set_options([{"task": tasks[0]}, {"task": {"lenght": 0.3}}])
    with pytest.raises(ValueError, match="did you mean 'length'"):
        venv.reset()
    with pytest.raises(ValueError, match="length"):
        venv.env_method("queue_task", {"length": np.nan})
    assert venv.get_attr("task") == [family("cartpole-physics").task_space.default] * 2


def test_attributes_and_pictures_of_the_instances():
    venv = make_vec("point-mass", 3, seed=0, render_mode="rgb_array")
    venv.reset()
    assert venv.get_attr("reward_features", indices=[0, 2]) == [("goal_x", "gate_position", "gate_width")] * 2
    assert venv.env_is_wrapped(object) == [False] * 3
    assert venv.has_attr("known_reward") and not venv.has_attr("envs")
    assert len(venv.get_images()) == 3 and venv.render().ndim == 3
    with pytest.raises(AttributeError, match="'length' cannot be set on instances that share one family"):
        venv.set_attr("length", 1.0)
    venv.close()


def test_ppo_trains_on_it_as_on_dummyvecenv():
    def weights(venv):
        venv.seed(0)
        model = PPO("MlpPolicy", venv, n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
        model.learn(256)
        return [parameter.detach().numpy() for parameter in model.policy.parameters()]

    ours, theirs = make_vec("cartpole-physics", 2), DummyVecEnv([lambda: make("cartpole-physics")] * 2)
    for mine, their in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_array_equal(mine, their)
