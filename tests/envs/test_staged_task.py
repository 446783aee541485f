"""Staged tasks: full success is the product of the stages without retries, and more with them, as computed."""

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.staged_task import StagedTask, full_success_chance, stage_chances

SURE = {"first_chance": 1.0, "last_chance": 1.0}


def play(env, choose):
    """Play one episode; gives its rewards and the last info."""
    env.reset()
    rewards = []
    while True:
        _, reward, terminated, truncated, info = env.step(choose(env))
        rewards.append(reward)
        if terminated or truncated:
            assert not truncated
            return rewards, info


def right(env):
    return env.right_action


def wrong(env):
    return (env.right_skill + 1) % 4


def prepared(seed=0, actions="discrete", **task):
    env = make("staged-task", actions=actions)
    env.reset(seed=seed, options={"task": task})
    return env


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_the_right_skills_that_never_fail_do_the_full_task(actions):
    rewards, info = play(prepared(actions=actions, n_stages=5, first_skill=2, **SURE), right)

    assert rewards == pytest.approx([0.2] * 5)
    assert info["full_success"] and info["success"] and info["score"] == 1.0
    assert (info["stage_reached"], info["failures"], info["recoveries"]) == (5, 0, 0)


def test_each_stage_needs_the_next_skill_in_a_circle():
    env = prepared(n_stages=6, first_skill=2, **SURE)
    skills = []
    play(env, lambda env: skills.append(env.right_skill) or env.right_skill)
    assert skills == [2, 3, 0, 1, 2, 3]


def test_a_wrong_skill_always_fails_and_without_retries_that_is_the_end():
    rewards, info = play(prepared(n_stages=4, retries=0, **SURE), wrong)

    assert rewards == [0.0] and info["score"] == 0.0 and not info["success"]
    assert (info["stage_reached"], info["failures"]) == (0, 1)


@pytest.mark.parametrize(
    ("fall_back", "rewards", "recoveries"),
    [
        (0.0, [0.25, 0.25, 0.0, 0.25, 0.25], 1),
        (0.5, [0.25, 0.25, -0.25, 0.25, 0.25, 0.25], 1),
        (1.0, [0.25, 0.25, -0.5, 0.25, 0.25, 0.25, 0.25], 1),
    ],
)
def test_a_failed_stage_returns_to_an_earlier_one_and_doing_it_later_is_a_recovery(fall_back, rewards, recoveries):
    env = prepared(n_stages=4, fall_back=fall_back, **SURE)
    times = iter(range(100))
    played, info = play(env, lambda env: wrong(env) if next(times) == 2 else right(env))

    assert played == pytest.approx(rewards)
    assert sum(played) == pytest.approx(1.0)
    assert (info["failures"], info["recoveries"], info["stage_reached"]) == (1, recoveries, 4)


@pytest.mark.parametrize(("fall_back", "after"), [(0.0, 4), (0.25, 3), (0.3, 2), (0.5, 2), (1.0, 0)])
def test_a_failure_undoes_a_fraction_of_the_stages_rounded_up(fall_back, after):
    env = prepared(n_stages=5, fall_back=fall_back, **SURE)
    env.reset()
    for _ in range(4):
        env.step(right(env))
    assert env.step(wrong(env))[0][:8].argmax() == after


def test_the_score_keeps_the_furthest_stage_and_the_return_the_last():
    env = prepared(n_stages=4, fall_back=1.0, retries=1, **SURE)
    choices = iter([right, right, wrong, right, wrong])
    rewards, info = play(env, lambda env: next(choices)(env))

    assert sum(rewards) == pytest.approx(0.25)
    assert info["score"] == 0.5 and not info["success"]


def test_the_observation_tells_stage_margin_and_retries_left():
    env = prepared(n_stages=2, retries=4, **SURE)
    start, _ = env.reset(seed=1)
    after_failure = env.step(wrong(env))[0]
    after_success = env.step(right(env))[0]

    assert start.tolist() == [1.0] + [0.0] * 8 + [0.5]
    assert after_failure[0] == 1.0 and -1.0 <= after_failure[8] < 0.0 and after_failure[9] == 3 / 8
    assert after_success[1] == 1.0 and 0.0 < after_success[8] <= 1.0 and after_success[9] == 3 / 8


def test_the_chance_of_a_continuous_action_falls_evenly_to_the_next_skill():
    env = prepared(actions="continuous", n_stages=2, **SURE)
    fits = [env._fit(np.array(action)) for action in ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.5, 0.5], [3.0, 0.0])]
    assert fits == pytest.approx([1.0, 0.0, 0.0, 0.5, 1.0])


def share_of_full_successes(n_episodes, **task):
    env = prepared(seed=5, **task)
    infos = [play(env, right)[1] for _ in range(n_episodes)]
    return np.mean([info["full_success"] for info in infos]), np.mean([info["recoveries"] for info in infos])


@pytest.mark.parametrize(
    "task",
    [
        {"n_stages": 4},
        {"n_stages": 8, "first_chance": 1.0, "last_chance": 0.6},
        {"n_stages": 2, "first_chance": 0.5, "last_chance": 0.7},
    ],
)
def test_full_success_is_the_product_of_the_stages_without_retries_and_more_with_them(task):
    without, no_recoveries = share_of_full_successes(4000, retries=0, **task)
    with_retries, recoveries = share_of_full_successes(1000, retries=4, **task)
    product = np.prod(stage_chances(StagedTask.task_space.task(task).params))

    assert without == pytest.approx(product, abs=0.05 * max(product, 0.5)) and no_recoveries == 0.0
    assert with_retries > without + 0.1 and recoveries > 0.1


@pytest.mark.parametrize("fall_back", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("retries", [1, 3, 8])
def test_the_computed_chance_of_full_success_is_what_an_oracle_reaches(fall_back, retries):
    task = {"n_stages": 6, "first_chance": 0.6, "last_chance": 0.8, "retries": retries, "fall_back": fall_back}
    computed = full_success_chance(StagedTask.task_space.task(task).params)

    assert share_of_full_successes(2000, **task)[0] == pytest.approx(computed, abs=0.045)  # four deviations


def test_the_computed_chance_by_hand():
    space = StagedTask.task_space
    two = {"n_stages": 2, "first_chance": 0.8, "last_chance": 0.5}

    def chance(**task):
        return full_success_chance(space.task(two | task).params)

    assert chance(retries=0) == pytest.approx(0.8 * 0.5)
    assert chance(retries=1, fall_back=0.0) == pytest.approx(0.8 * (0.5 + 0.5 * 0.5) + 0.2 * 0.8 * 0.5)
    assert chance(retries=1, fall_back=1.0) == pytest.approx(0.8 * (0.5 + 0.5 * 0.4) + 0.2 * 0.4)
    assert chance(retries=1, fall_back=0.5) == chance(retries=1, fall_back=1.0)


def test_no_task_takes_longer_than_the_time_limit():
    env = prepared(n_stages=8, retries=8, fall_back=1.0, **SURE)
    at_the_last = lambda env: wrong(env) if env.right_skill == 3 and env._stage == 7 else right(env)  # noqa: E731
    rewards, info = play(env, at_the_last)

    assert len(rewards) == 72 < env.max_episode_steps
    assert info["failures"] == 9 and info["score"] == 7 / 8


@pytest.mark.parametrize(
    ("actions", "action", "message"),
    [
        ("discrete", 4, r"in 0 \.\. 3, found 4"),
        ("discrete", float("nan"), "must lie in"),
        ("continuous", [np.nan, 0.0], "finite"),
        ("continuous", [0.0], r"shape \(2,\)"),
    ],
)
def test_actions_that_mean_nothing_are_refused(actions, action, message):
    with pytest.raises(ValueError, match=message):
        prepared(actions=actions).step(action if actions == "discrete" else np.array(action))


def test_the_standard_tasks_turn_the_skills_and_then_grow():
    tasks = StagedTask.standard_tasks(22)

    assert [task.name for task in tasks[:5]] == [*(f"stages-4-skill-{k}" for k in range(4)), "stages-5-skill-0"]
    assert len({task.values for task in tasks}) == 22


def test_a_picture_shows_stage_failure_and_retries():
    env = make("staged-task", render_mode="rgb_array")
    env.reset(seed=0, options={"task": SURE})
    pictures = [env.render()]
    for choose in (right, wrong, right, right):
        env.step(choose(env))
        pictures.append(env.render())
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
