"""The evaluator: the same honest episodes every time, and nothing disturbed."""

import math
import random

import numpy as np
import pytest
import torch
from gymnasium import spaces

from lifelong_rl.envs import Feature, TaskEnv, TaskSpace
from lifelong_rl.evaluation.evaluator import Evaluator


class Track(TaskEnv):
    """Pays the action plus the task's bonus; the start is drawn, and the length is a feature of the task."""

    task_space = TaskSpace("track", [Feature.real("bonus", 0.0, 5.0, 0.0), Feature.integer("length", 1, 9, 4)])
    action_kinds = ("continuous",)
    broken = ""
    n_instances = 0
    resets: list = []  # noqa: RUF012  # what the tests look at

    def __init__(self):
        self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.max_episode_steps = 9
        type(self).n_instances += 1
        super().__init__()

    def apply_task(self, params):
        self._bonus, self.max_episode_steps = params["bonus"], params["length"]

    def start_episode(self):
        self._start = float(self.np_random.uniform(-1, 1))
        self.resets.append(self._start)
        return self._observation(first=True)

    def advance(self, action):
        reward = float(action[0]) + self._bonus + float(self.np_random.normal()) + self._start
        return self._observation(), math.nan if self.broken == "reward" else reward, False

    def score_episode(self, episode_return, length):
        return 1.5 if self.broken == "score" else self._bonus / 5.0, self._bonus > 2.0

    def _observation(self, first=False):
        bad = self.broken == "observation" or (first and self.broken == "first observation")
        return np.array((self._start, math.nan if bad else self._bonus), np.float32)


class Follower:
    """Acts on its observation alone, or on the task that it is told; draws from every global generator on the way."""

    routes_by_task = False

    def __init__(self):
        self.calls = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False, *, task=None):
        self.calls.append((len(observation), None if task is None else task.id, deterministic, episode_start.copy()))
        np.random.random()
        random.random()
        torch.rand(1)
        counts = np.zeros(len(observation)) if state is None else state
        counts = np.where(episode_start, 0.0, counts + 1.0)
        actions = 0.1 * observation[:, :1] + 0.01 * counts[:, None]
        return actions.astype(np.float32), counts


class Router(Follower):
    routes_by_task = True


TASKS = [
    Track.task_space.task({"bonus": 1.0, "length": 3}, name="short"),
    Track.task_space.task({"bonus": 2.5, "length": 9}, name="long"),
    Track.task_space.task({"bonus": 4.0, "length": 1}, name="one step"),
]


@pytest.fixture(autouse=True)
def healthy(monkeypatch):
    monkeypatch.setattr(Track, "broken", "")
    monkeypatch.setattr(Track, "n_instances", 0)
    monkeypatch.setattr(Track, "resets", [])


def evaluate(agent=None, **options):
    evaluator = Evaluator(Track, TASKS, **({"n_episodes": 4} | options))
    try:
        return evaluator.evaluate(agent or Follower())
    finally:
        evaluator.close()


def test_each_result_is_of_its_task():
    results = evaluate()
    assert [result.task.id for result in results] == ["short", "long", "one step"]
    for result in results:
        params = result.task.params
        assert result.lengths == [params["length"]] * 4
        assert result.scores == [params["bonus"] / 5.0] * 4
        assert result.successes == [params["bonus"] > 2.0] * 4
        assert len(set(result.returns)) == 4


def test_returns_are_those_of_episodes_played_by_hand():
    env, seeds = Track(), [int(s) for s in np.random.default_rng(7).integers(2**31, size=2)]
    expected = []
    for seed in seeds:
        observation, _ = env.reset(seed=seed, options={"task": TASKS[1]})
        total, ended, k = 0.0, False, 0
        while not ended:
            action = np.array([0.1 * observation[0] + 0.01 * k], np.float32)
            observation, reward, _, ended, _ = env.step(action)
            total, k = total + reward, k + 1
        expected.append(total)
    assert evaluate(n_episodes=2, seed=7)[1].returns == pytest.approx(expected, rel=1e-6)


def test_evaluating_twice_gives_the_same_results_and_another_seed_others():
    evaluator = Evaluator(Track, TASKS, n_episodes=3)
    assert evaluator.evaluate(Follower()) == evaluator.evaluate(Follower()) == evaluate(n_episodes=3)
    assert evaluate(n_episodes=3, seed=1)[0].returns != evaluate(n_episodes=3)[0].returns


def test_an_episode_starts_from_the_same_seed_on_every_task_and_however_many_follow():
    evaluate()
    assert Track.resets[:4] == Track.resets[4:8] == Track.resets[8:12]
    Track.resets.clear()
    few = evaluate(n_episodes=2)
    assert [result.returns[:2] for result in evaluate()] == [result.returns for result in few]


@pytest.mark.parametrize("n_parallel", [1, 2, 5, 11, 12, 64])
@pytest.mark.parametrize("agent", [Follower, Router])
def test_how_many_episodes_run_side_by_side_does_not_matter(n_parallel, agent):
    assert evaluate(agent(), n_parallel=n_parallel) == evaluate(Follower())


def test_no_more_environments_are_made_than_run_side_by_side():
    evaluate(n_parallel=5)
    assert Track.n_instances == 5
    Track.n_instances = 0
    evaluate(n_parallel=64)
    assert Track.n_instances == 12


def test_nothing_random_is_disturbed():
    def draw():
        return np.random.random(), random.random(), torch.rand(1).item()

    np.random.seed(3)
    random.seed(3)
    torch.manual_seed(3)
    expected = draw(), draw()
    np.random.seed(3)
    random.seed(3)
    torch.manual_seed(3)
    first = draw()
    evaluate()
    assert (first, draw()) == expected


def test_actions_are_deterministic_ones():
    agent = Follower()
    evaluate(agent)
    assert all(is_deterministic for _, _, is_deterministic, _ in agent.calls)


def test_a_policy_with_a_state_keeps_its_rows_and_starts_once():
    agent = Follower()
    evaluate(agent)
    sizes = [size for size, *_ in agent.calls]
    assert sizes == [12] * 9  # as long as the longest episode
    assert agent.calls[0][3].all() and not any(starts.any() for *_, starts in agent.calls[1:])


def test_a_component_that_routes_gets_one_task_a_batch_and_is_told_which():
    agent = Router()
    evaluate(agent)
    told = [task for _, task, _, _ in agent.calls]
    assert told == ["short"] * 3 + ["long"] * 9 + ["one step"]
    assert {size for size, *_ in agent.calls} == {4}
    hidden = Router()
    evaluate(hidden, is_told=False)
    assert {task for _, task, _, _ in hidden.calls} == {None}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("reward", "the return nan"),
        ("score", "score 1.5"),
        ("observation", "which is not finite"),
        ("first observation", "which is not finite"),
    ],
)
def test_what_is_not_finite_is_refused_with_task_and_seed(what, words, monkeypatch):
    monkeypatch.setattr(Track, "broken", what)
    with pytest.raises(ValueError, match=r"task '(short|one step)' \{'bonus'.* \(seed \d+\) gave .*mend") as caught:
        evaluate()
    assert words in str(caught.value)


def test_an_evaluation_without_episodes_is_refused():
    with pytest.raises(ValueError, match="at least one episode a task, found 0"):
        Evaluator(Track, TASKS, n_episodes=0)


def test_a_record_holds_every_episode():
    record = evaluate()[0].to_record()
    assert record["task"] == "short"
    assert {len(record[name]) for name in ("returns", "scores", "successes", "lengths")} == {4}
