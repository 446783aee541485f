import subprocess
import sys

import numpy as np
import pytest
from families import MADE_HERE

from lifelong_rl import envs
from lifelong_rl.envs import FAMILIES, TaskEnv, family, make, make_vec
from lifelong_rl.envs.point_goal import PointGoal


def test_importing_the_room_imports_neither_torch_nor_stable_baselines3():
    code = "import sys, lifelong_rl.envs; print([m for m in ('torch', 'stable_baselines3') if m in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_every_public_name_exists():
    assert all(hasattr(envs, name) for name in envs.__all__)


@pytest.mark.parametrize("name", MADE_HERE)
def test_every_built_in_name_makes_its_family(name):
    env = make(name)

    assert isinstance(env, family(name))
    assert env.task_space.family == name


def test_a_plug_in_is_found_by_its_import_path():
    assert family("lifelong_rl.envs.point_goal:PointGoal") is PointGoal


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("point-gaol", "unknown environment family 'point-gaol'; did you mean 'point-goal'"),
        ("no_such_module:Env", "does not import: ModuleNotFoundError"),
        ("lifelong_rl.envs.point_goal:PointGaol", "did you mean 'PointGoal'"),
        ("lifelong_rl.envs.space:TaskSpace", "must be a subclass of lifelong_rl.envs.TaskEnv"),
        (3, "environment family is named by a string, such as 'acrobot', found 3"),
        (PointGoal, "is named by a string, .* found <class"),
        (None, "is named by a string"),
        ("lifelong_rl.envs.factory:make", "must be a subclass of lifelong_rl.envs.TaskEnv"),
    ],
)
def test_a_name_that_is_no_family_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        family(name)


@pytest.mark.parametrize("maker", [lambda **o: make("point-goal", **o), lambda **o: make_vec("point-goal", 2, **o)])
def test_an_unknown_option_is_refused_with_the_known_ones(maker):
    with pytest.raises(ValueError, match=r"max_steps'; did you mean 'max_episode_steps'\? known: actions, max_ep"):
        maker(max_steps=3)


def test_options_reach_the_constructor():
    assert make("cartpole-physics", actions="continuous", max_episode_steps=7).max_episode_steps == 7


def test_a_seeded_vector_environment_seeds_each_instance_with_its_own_number():
    one, other = make_vec("point-goal", 3, 7), make_vec("point-goal", 3, 7)
    different = make_vec("point-goal", 3, 8)

    observations = one.reset()

    assert observations.shape == (3, 2)
    assert len(np.unique(observations, axis=0)) == 3
    np.testing.assert_array_equal(observations, other.reset())
    assert not np.isin(observations, different.reset()).any()


def test_a_seed_survives_a_task_that_is_queued_before_the_first_reset():
    one, other = make_vec("point-goal", 2, 0), make_vec("point-goal", 2, 0)
    for vec in (one, other):
        vec.env_method("queue_task", {"start_x": -0.5})

    np.testing.assert_array_equal(one.reset(), other.reset())


def test_a_queued_task_is_played_after_the_vector_environment_s_own_reset():
    vec = make_vec("point-goal", 2, 0, max_episode_steps=2)
    vec.reset()
    vec.env_method("queue_task", {"goal_x": -0.8}, indices=[1])

    vec.step(np.array([0, 0]))
    _, _, dones, infos = vec.step(np.array([0, 0]))

    assert dones.all()
    assert [info["task"].params["goal_x"] for info in infos] == [0.8, 0.8]
    assert [info["task"].params["goal_x"] for info in vec.reset_infos] == [0.8, -0.8]


def test_zero_environments_are_refused():
    with pytest.raises(
        ValueError, match="n, the number of environments, must be a whole number of at least 1, found 0"
    ):
        make_vec("point-goal", 0)


def test_an_unseeded_vector_environment_is_fresh_each_time():
    assert not np.array_equal(make_vec("point-goal", 1).reset(), make_vec("point-goal", 1).reset())


@pytest.mark.slow
def test_parallel_environments_play_what_those_in_one_process_play():
    parallel, serial = make_vec("point-goal", 2, 5, parallel=True), make_vec("point-goal", 2, 5)
    try:
        np.testing.assert_array_equal(parallel.reset(), serial.reset())
        parallel.env_method("queue_task", {"goal_x": -0.8})
        serial.env_method("queue_task", {"goal_x": -0.8})
        for _ in range(15):
            ours, theirs = parallel.step(np.array([1, 2])), serial.step(np.array([1, 2]))
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6)  # DummyVecEnv's rewards are float32
    finally:
        parallel.close()


def test_every_family_offers_named_standard_tasks():
    for name in FAMILIES:
        cls = family(name)
        assert issubclass(cls, TaskEnv)
        assert len({task.id for task in cls.standard_tasks(10)}) == 10
