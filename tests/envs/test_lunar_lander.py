"""LunarLander as a task family: the default is Gymnasium's, wind draws only where it blows, and worlds are apart."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from lifelong_rl.envs import check_task_env, make
from lifelong_rl.envs.lunar_lander import LunarLander
from lifelong_rl.envs.trajectory import play, play_on

STORM = {"gravity": -4.0, "wind_power": 20.0, "turbulence_power": 2.0}


def random_actions(env, n, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(n)]


@pytest.mark.parametrize("actions", LunarLander.action_kinds)
def test_it_keeps_every_rule(actions):
    check_task_env("lunar-lander", actions=actions)
    check_task_env("lunar-lander", actions=actions, observe_task="vector", seed=1)


@pytest.mark.parametrize("actions", LunarLander.action_kinds)
def test_the_default_equals_gymnasium_s_bit_for_bit(actions):
    ours = make("lunar-lander", actions=actions)
    theirs = gymnasium.make("LunarLander-v3", continuous=actions == "continuous")
    ours.reset(seed=5, options={"task": STORM})
    ours.step(ours.action_space.sample())
    ours.queue_task(ours.task_space.default)

    for episode in range(10):
        seed = episode if episode % 3 == 0 else None  # the episodes in between go on from the generator's state
        np.testing.assert_array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        for action in random_actions(theirs, 1000, episode):
            mine, reward, *ends, _ = ours.step(action)
            other, other_reward, *other_ends, _ = theirs.step(action)
            np.testing.assert_array_equal(mine, other)
            assert reward == other_reward and ends == other_ends
            if any(ends):
                break


@pytest.mark.parametrize("actions", LunarLander.action_kinds)
def test_a_task_equals_gymnasium_s_with_these_arguments_bit_for_bit(actions):
    ours = make("lunar-lander", actions=actions)
    theirs = gymnasium.make("LunarLander-v3", continuous=actions == "continuous", enable_wind=True, **STORM)
    ours.reset(seed=4)
    np.testing.assert_array_equal(ours.reset(seed=1, options={"task": STORM})[0], theirs.reset(seed=1)[0])
    for action in random_actions(theirs, 200):
        mine, reward, terminated, _, _ = ours.step(action)
        other, other_reward, other_end, _, _ = theirs.step(action)
        np.testing.assert_array_equal(mine, other)
        assert (reward, terminated) == (other_reward, other_end)
        if terminated:
            break


def test_a_used_instance_plays_an_episode_like_a_new_one():
    used = make("lunar-lander")
    actions = random_actions(used, 150)
    for i, task in enumerate([STORM, {}, STORM]):
        play(used, random_actions(used, 400, i), seed=i, task=task)
    for task in used.standard_tasks(7):
        assert play(used, actions, seed=3, task=task) == play(make("lunar-lander"), actions, seed=3, task=task)


def test_instances_in_one_process_do_not_touch_each_other():
    alone = play(make("lunar-lander"), random_actions(make("lunar-lander"), 80), seed=0)
    one, other = make("lunar-lander"), make("lunar-lander")
    actions = random_actions(one, 80)
    shown = [one.reset(seed=0)[0].tobytes()]
    other.reset(seed=0, options={"task": STORM})
    for action in actions:
        shown += play_on(one, [action])
        play_on(other, [action])
    assert shown == alone


def test_the_generator_is_drawn_from_for_wind_only_where_it_blows():
    states = []
    for task in ({}, {"gravity": -5.0}, {"wind_power": 1.0}, {"turbulence_power": 1.0}):
        env = make("lunar-lander")
        env.reset(seed=0, options={"task": task})
        states.append(str(env.np_random.bit_generator.state))
    assert states[0] == states[1] != states[2] == states[3]


def test_turbulence_without_wind_turns_and_wind_without_turbulence_pushes():
    calm = play_through({})
    turned, pushed = play_through({"turbulence_power": 2.0}), play_through({"wind_power": 20.0})
    assert abs(turned[5] - calm[5]) > 0.01 and abs(pushed[2] - calm[2]) > 0.01


def play_through(task):
    env = make("lunar-lander")
    env.reset(seed=0, options={"task": task})
    for _ in range(20):
        observation, *_ = env.step(0)
    return observation


def test_a_climb_and_a_spin_stay_in_the_observation_space():
    for action in (1, 2):
        env = make("lunar-lander")
        env.reset(seed=0, options={"task": {"gravity": -2.0}})
        highest = np.zeros(8)
        terminated = False
        while not terminated:
            observation, _, terminated, _, _ = env.step(action)
            assert observation in env.observation_space
            highest = np.maximum(highest, np.abs(observation))
        assert (highest > gymnasium.make("LunarLander-v3").observation_space.high)[[4, 1][action - 1]]


def test_the_score_goes_from_minus_200_to_300_and_success_is_gymnasium_s():
    env = make("lunar-lander")
    assert env.score_episode(-250.0, 100) == (0.0, False)
    assert env.score_episode(50.0, 100) == (0.5, False)
    assert env.score_episode(200.0, 300) == (0.8, True)
    assert env.score_episode(310.0, 300) == (1.0, True)
    assert gymnasium.spec("LunarLander-v3").reward_threshold == 200.0


def test_the_standard_tasks_begin_with_the_default():
    tasks = LunarLander.standard_tasks(8)
    assert [task.name for task in tasks[:5]] == ["stock", "wind", "storm", "light", "light-storm"]
    assert tasks[0].params == LunarLander.task_space.default.params
    assert len({task.id for task in tasks}) == 8


def test_pictures_show_the_craft_and_drawing_changes_nothing():
    drawn, undrawn = make("lunar-lander", render_mode="rgb_array"), make("lunar-lander")
    drawn.reset(seed=0)
    undrawn.reset(seed=0)
    first = drawn.render()
    for _ in range(60):
        mine, other = drawn.step(2), undrawn.step(2)
        np.testing.assert_array_equal(mine[0], other[0])
        assert np.array_equal(drawn.render(), drawn.render())
    assert (first.shape, first.dtype) == ((400, 600, 3), np.uint8)
    assert not np.array_equal(first, drawn.render())


def test_without_box2d_the_family_is_listed_and_the_error_names_the_extra():
    code = """
import sys
sys.modules["Box2D"] = None
from lifelong_rl.cli import main
from lifelong_rl.envs import family, make
assert family("lunar-lander").task_space.dimension == 3
assert family("lunar-lander").action_kinds == ("discrete", "continuous")
assert main(["list", "envs"]) == 0
assert main(["train", "--env", "lunar-lander", "--agent", "ppo", "--steps", "100"]) == 2
try:
    make("lunar-lander")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'LunarLander-v3 needs a package that is not installed: pip install "lifelong_rl[box2d]".' in done.stdout
    assert done.returncode == 0, done.stderr


def test_box2d_is_imported_where_warnings_are_errors():
    code = "from lifelong_rl.envs import make; print(make('lunar-lander').reset(seed=0)[0].shape)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout == "(8,)\n", done.stderr
