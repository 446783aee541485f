"""Meta-World's tasks keep the protocol, are Meta-World's own step for step, and count success as Continual World."""

import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP
from metaworld.types import Task as MetaWorldTask

from lifelong_rl.cli import main
from lifelong_rl.envs import check_task_env, family, make
from lifelong_rl.envs.metaworld import CW10, OTHERS, ContinualWorld, MetaWorld
from lifelong_rl.envs.trajectory import global_random_states, play

SHORT = {"max_episode_steps": 70, "n_steps": 30}


@pytest.fixture(autouse=True)
def in_a_place_for_mujoco_s_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an explosion makes MuJoCo write MUJOCO_LOG.TXT


@pytest.mark.timeout(1200)  # every pair of tasks is played
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("continual-world", {}),
        ("continual-world", {"seed": 1, "observe_task": "vector", "reward": "v1", "success_at": "last-step"} | SHORT),
        ("continual-world", {"observe_task": "one-hot", "tasks": ContinualWorld.standard_tasks(10)} | SHORT),
        ("meta-world", {"seed": 2} | SHORT),
    ],
)
def test_the_families_keep_the_protocol(name, options):
    check_task_env(name, **options)


def test_the_fifty_tasks_are_meta_world_s():
    assert sorted(f"{name}-v3" for name in (*CW10, *OTHERS)) == sorted(ALL_V3_ENVIRONMENTS)


def meta_world_s_own(name, **options):
    """Meta-World's simulation with the goal shown and positions drawn at each reset, as Continual World has it."""
    simulation = ALL_V3_ENVIRONMENTS[f"{name}-v3"](**options)
    data = {"env_cls": type(simulation), "rand_vec": None, "partially_observable": False}
    simulation.set_task(MetaWorldTask(env_name=f"{name}-v3", data=pickle.dumps(data)))
    simulation._freeze_rand_vec, simulation.seeded_rand_vec = False, True
    simulation.seed(7)
    return simulation


@pytest.mark.parametrize("reward", ["v2", "v1"])
@pytest.mark.parametrize("name", CW10)
def test_an_episode_is_meta_world_s_own_step_for_step(name, reward):
    ours, theirs = make("continual-world", reward=reward), meta_world_s_own(name, reward_function_version=reward)
    rng = np.random.default_rng(0)
    for episode in range(2):
        mine, _ = ours.reset(seed=None if episode else 7, options={"task": {"task": name}})
        np.testing.assert_array_equal(mine, theirs.reset()[0].astype(np.float32))
        assert np.abs(mine[-3:]).max() > 0.0  # the goal is shown
        for _ in range(100):
            action = rng.uniform(-1.0, 1.0, 4).astype(np.float32)
            mine, reward_of_step, *_ = ours.step(action)
            other, other_reward, *_ = theirs.step(action)
            np.testing.assert_array_equal(mine, other.astype(np.float32))
            assert reward_of_step == other_reward


def scripted_episode(env, task, seed):
    """Play Meta-World's scripted policy; gives the last info."""
    policy = ENV_POLICY_MAP[f"{task}-v3"]()
    observation, _ = env.reset(seed=seed, options={"task": {"task": task}})
    is_over = False
    while not is_over:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that its actions will be clipped
            action = policy.get_action(observation.astype(np.float64))
        observation, _, _, is_over, info = env.step(action)
    return info


@pytest.mark.parametrize("task", CW10)
def test_meta_world_s_scripted_policies_succeed_within_the_200_steps(task):
    env = make("continual-world")
    infos = [scripted_episode(env, task, seed) for seed in range(3)]
    assert [info["episode"]["l"] for info in infos] == [200] * 3
    assert any(info["success"] for info in infos)
    assert all(info["score"] == float(info["success"]) for info in infos)


def test_success_at_any_step_counts_what_the_last_step_lost_again():
    anytime, at_last = make("continual-world"), make("continual-world", success_at="last-step")
    for task, is_kept in [("handle-press-side", False), ("window-close", True)]:
        assert scripted_episode(anytime, task, 0)["success"]
        assert scripted_episode(at_last, task, 0)["success"] == is_kept


def test_a_success_does_not_reach_into_the_next_episode():
    env = make("continual-world")
    assert scripted_episode(env, "window-close", 0)["success"]
    env.reset(seed=0)
    *_, info = [env.step(np.zeros(4))[-1] for _ in range(200)]
    assert info["success"] is False and info["score"] == 0.0


def goals_and_objects(task, spread, n=12):
    env = make("meta-world")
    firsts = [env.reset(seed=i, options={"task": {"task": task, "spread": spread}})[0] for i in range(n)]
    return np.array(firsts)[:, [4, 5, 36, 37]]


def test_spread_shrinks_the_ranges_of_the_positions():
    wide, narrow, fixed = (goals_and_objects("push", spread) for spread in (1.0, 0.1, 0.0))
    assert np.ptp(fixed, axis=0).max() < 1e-6
    np.testing.assert_allclose(fixed[0, 2:], [0.0, 0.85], atol=1e-6)  # the middle of Meta-World's goals
    assert (np.ptp(narrow, axis=0) <= 0.1 * np.array([0.2, 0.1, 0.2, 0.1]) + 1e-6).all()
    assert (np.ptp(wide, axis=0) > 0.3 * np.array([0.2, 0.1, 0.2, 0.1])).all()


@pytest.mark.parametrize("task", ["box-close", "coffee-pull", "coffee-push", "disassemble"])
def test_ranges_whose_middle_is_refused_by_meta_world_shrink_to_another_place(task):
    assert np.ptp(goals_and_objects(task, 0.0, n=2), axis=0).max() < 1e-6  # and they come back at all
    assert np.ptp(goals_and_objects(task, 1.0), axis=0).max() > 0.02


def test_an_instance_keeps_ten_simulations_and_builds_others_again_alike():
    env, states = make("meta-world"), global_random_states()
    actions = list(np.random.default_rng(0).uniform(-1.0, 1.0, (20, 4)).astype(np.float32))
    first = play(env, actions, seed=0, task={"task": "hammer"})
    for task in MetaWorld.standard_tasks(12):
        env.reset(seed=1, options={"task": task})
    assert len(env._simulations) == 10 and "hammer" not in env._simulations
    assert play(env, actions, seed=0, task={"task": "hammer"}) == first
    assert global_random_states() == states


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.full(4, np.nan), "must be finite"),
        (np.array([0.0, np.inf, 0.0, 0.0]), "must be finite"),
        (np.zeros(5), r"shape \(4,\), found \(5,\)"),
        (0.0, r"shape \(4,\), found \(\)"),
    ],
)
def test_actions_that_mean_nothing_are_refused(action, message):
    env = make("continual-world")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_actions_out_of_range_are_clipped():
    env = make("continual-world")
    clipped, wide = ([np.full(4, value)] * 5 for value in (1.0, 3.0))
    assert play(env, clipped, seed=0) == play(env, wide, seed=0)


def test_a_simulation_that_explodes_is_an_error_and_no_silent_restart():
    env = make("continual-world")
    env.reset(seed=0)
    env._simulation.data.qvel[:] = 1e30
    with pytest.raises(FloatingPointError, match="became unstable"):
        env.step(np.zeros(4))


def test_episodes_may_be_longer_than_meta_world_s():
    env = make("continual-world", max_episode_steps=520)
    env.reset(seed=0)
    ends = [env.step(np.zeros(4))[3] for _ in range(520)]
    assert ends == [False] * 519 + [True]


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **environment}
    )
    return done.stdout + done.stderr


def test_pictures_keep_the_rule_or_say_what_to_set():
    code = """
from lifelong_rl.envs.check_case import Case, NotCheckedError
from lifelong_rl.envs.check_pictures import check_pictures
from lifelong_rl.envs.metaworld import ContinualWorld
try:
    check_pictures(Case(ContinualWorld, {}, seed=0, n_steps=30))
    print("kept")
except NotCheckedError as error:
    print("not checked:", error)
"""
    shown = python(code, MUJOCO_GL="egl")
    assert shown == "kept\n" or "MUJOCO_GL=" in shown
    assert "MUJOCO_GL=egl (or osmesa)" in python(code)


def test_render_needs_a_mode_and_an_episode():
    assert make("continual-world").render() is None
    with pytest.raises(RuntimeError, match="before the first reset"):
        make("continual-world", render_mode="rgb_array").render()


def test_the_families_are_the_ones_named():
    assert (family("continual-world"), family("meta-world")) == (ContinualWorld, MetaWorld)


def test_the_command_line_trains_on_the_tasks_and_scores_success(tmp_path):
    options = ["--env-options", "max_episode_steps=20", "--agent-options", "learning_starts=10", "batch_size=8"]
    words = [
        "--env",
        "continual-world",
        "--tasks",
        "2",
        "--steps",
        "120",
        "--eval-every",
        "60",
        "--eval-episodes",
        "1",
    ]
    assert main(["train", *words, "--agent", "sac", "--runs", str(tmp_path), "--quiet", *options]) == 0
    (path,) = tmp_path.glob("*/*/evaluations.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["task"] for line in lines] == ["hammer", "push-wall"] * 3
    assert all(line["scores"] == [float(success) for success in line["successes"]] for line in lines)
