"""What holds for every family that is one of Gymnasium's on MuJoCo: by default it is Gymnasium's, bit for bit."""

import copy
import pickle

import gymnasium
import mujoco
import numpy as np
import pytest

from lifelong_rl.envs import family, make
from lifelong_rl.envs.mujoco.model_xml import ModelXml

GYMNASIUM_S = {
    "ant": ("Ant-v5", 1),
    "half-cheetah-terrain": ("HalfCheetah-v5", 1),
    "hopper": ("Hopper-v5", 1),
    "reacher": ("Reacher-v5", 0),
    "walker2d": ("Walker2d-v5", 1),
}
"""Gymnasium's environment of each family, and where in our observation its own begins."""
FAMILIES = [*GYMNASIUM_S, "mujoco-pendulum-swing-up"]


@pytest.fixture(autouse=True)
def in_a_place_for_mujoco_s_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # compiling Gymnasium's own XML makes MuJoCo write MUJOCO_LOG.TXT


def small_actions(env, seed, n):
    """Random actions that grow from nothing, so that runners stay up for a while."""
    rng = np.random.default_rng(seed)
    size = env.action_space.shape[0]
    return [min(1.0, 0.05 * (1 + seed)) * rng.uniform(-1.0, 1.0, size).astype(np.float32) for _ in range(n)]


@pytest.mark.parametrize("name", GYMNASIUM_S)
def test_the_default_equals_gymnasium_s_step_for_step(name):
    gymnasium_name, start = GYMNASIUM_S[name]
    ours, theirs = make(name), gymnasium.make(gymnasium_name)
    ours.reset(seed=9, options={"task": ours.task_space.sample(1, np.random.default_rng(0))[0]})
    ours.queue_task(ours.task_space.default)
    n_ends = 0
    for episode in range(10):
        seed = episode if episode % 3 == 0 else None  # the episodes in between go on from the generator's state
        mine, other = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        cut = slice(start, start + other.size)
        np.testing.assert_array_equal(mine[cut], other.astype(np.float32))
        for action in small_actions(ours, episode, 1000 if episode == 0 else 200):
            mine, reward, terminated, truncated, _ = ours.step(action)
            other, other_reward, other_terminated, other_truncated, info = theirs.step(action)
            np.testing.assert_array_equal(mine[cut], other.astype(np.float32))
            assert (reward, terminated, truncated) == (other_reward, other_terminated, other_truncated)
            assert not start or mine[0] == np.float32(info["x_velocity"])
            if terminated or truncated:
                n_ends += 1
                break
    assert n_ends == {"half-cheetah-terrain": 1}.get(name, n_ends) and n_ends > 0


@pytest.mark.parametrize("name", ["ant", "hopper", "walker2d"])
def test_the_default_model_equals_gymnasium_s_array_for_array(name):
    env = make(name)
    env.reset(seed=0)
    theirs = mujoco.MjModel.from_xml_string(ModelXml(env.gymnasium_xml).text())
    arrays = {key: (getattr(env.model, key), getattr(theirs, key)) for key in dir(theirs) if not key.startswith("_")}
    differing = [
        key
        for key, (a, b) in arrays.items()
        if isinstance(a, np.ndarray) and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    ]
    assert differing == []


@pytest.mark.parametrize("name", FAMILIES)
def test_standard_tasks_are_named_ones_then_a_sample(name):
    tasks = family(name).standard_tasks(14)
    assert len({task.id for task in tasks}) == len({task.name for task in tasks}) == 14
    assert tasks[0].params == family(name).task_space.default.params
    assert family(name).standard_tasks(3) == tasks[:3]


@pytest.mark.parametrize("name", FAMILIES)
def test_actions_that_mean_nothing_are_refused(name):
    env = make(name)
    env.reset(seed=0)
    size = env.action_space.shape[0]
    with pytest.raises(ValueError, match="must be finite"):
        env.step(np.full(size, np.nan))
    with pytest.raises(ValueError, match=rf"shape \({size},\), found \({size + 1},\)"):
        env.step(np.zeros(size + 1))


@pytest.mark.parametrize("name", FAMILIES)
def test_actions_beyond_the_box_move_and_cost_no_more_than_its_edge(name):
    env = make(name)
    states = []
    for factor in (1.0, 7.0):
        env.reset(seed=3)
        observation, reward, *_ = env.step(np.full(env.action_space.shape, factor * env.action_limit))
        states.append((observation.tolist(), reward, env.data.qpos.tolist(), env.data.qvel.tolist()))
    assert states[0] == states[1]


@pytest.mark.parametrize("name", FAMILIES)
def test_wrong_tasks_are_refused(name):
    env, first = make(name), family(name).task_space.features[0]
    with pytest.raises(ValueError, match="did you mean 'gravity'" if first.name == "gravity" else "unknown"):
        env.reset(options={"task": {"gravty": 1.0}})
    with pytest.raises(ValueError, match=f"feature '{first.name}' must lie in"):
        env.reset(options={"task": {first.name: first.high + 1.0}})
    with pytest.raises(ValueError, match="half-cheetah"):
        env.reset(options={"task": family("half-cheetah").task_space.default})


@pytest.mark.parametrize(
    "copied", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy], ids=["pickle", "deep"]
)
@pytest.mark.parametrize("name", [*FAMILIES, "half-cheetah", "pusher"])
def test_a_copy_goes_on_identically_in_the_middle_of_an_episode(name, copied):
    env = make(name)
    copied(env)  # before the first reset, too
    actions = small_actions(env, 3, 40)
    env.reset(seed=0)
    for action in actions[:7]:
        env.step(action)

    other = copied(env)

    for action in actions[7:]:
        (one, *rest, _), (two, *other_rest, _) = env.step(action), other.step(action)
        np.testing.assert_array_equal(one, two)
        assert rest == other_rest
