"""Families that break a rule of the conformance check are caught with its message."""

import itertools
import random

import numpy as np
import pytest
from check_toys import Slide
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv

from lifelong_rl.envs import Feature, TaskEnv, TaskEnvError, TaskSpace, check_task_env
from lifelong_rl.envs.actions import choice_of
from lifelong_rl.envs.check_case import Case
from lifelong_rl.envs.check_features import check_features


def test_a_correct_toy_family_keeps_every_rule():
    check_task_env(Slide)
    check_task_env(Slide, observe_task="vector")


class FeatureWithoutEffect(Slide):
    def apply_task(self, params):
        self.slide = params["speed"] * (2.0 if params["ground"] == "ice" else 1.5)


class FeatureThatWorksInPart(Slide):
    def apply_task(self, params):
        super().apply_task({**params, "stride": min(2, params["stride"])})


class ChoiceWithoutEffect(Slide):
    def apply_task(self, params):
        self.slide = params["speed"] * params["stride"]


class NanObservation(Slide):
    def observe(self):
        return np.array([self.x if self.x < 6 else np.nan], dtype=np.float32)


class WrongDtype(Slide):
    def observe(self):
        return np.array([self.x])


class WrongShape(Slide):
    def observe(self):
        return np.array([[self.x]], dtype=np.float32)


class OutsideTheSpace(Slide):
    def __init__(self, **options):
        super().__init__(**options)
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)


class NanReward(Slide):
    def advance(self, action):
        return super().advance(action)[0], float("nan"), False


class SharedClassState(Slide):
    slide_of_all = 0.0

    def apply_task(self, params):
        super().apply_task(params)
        SharedClassState.slide_of_all = self.slide

    def advance(self, action):
        self.slide = SharedClassState.slide_of_all
        return super().advance(action)


class NoScore(Slide):
    def step(self, action):
        *shown, info = super().step(action)
        info.pop("score", None)
        return *shown, info


class NamesTheNextTask(Slide):
    def step(self, action):
        *shown, info = super().step(action)
        if info and self._queued_task is not None:
            info["task"] = self._queued_task
        return *shown, info


class NoTaskAtReset(Slide):
    def reset(self, **options):
        return super().reset(**options)[0], {}


class ScoreTooHigh(Slide):
    def score_episode(self, episode_return, length):
        return episode_return, False


class ScoreNan(Slide):
    def score_episode(self, episode_return, length):
        return float("nan"), False


class SuccessIsANumber(Slide):
    def score_episode(self, episode_return, length):
        return 0.5, 1.0


class GlobalNumpyGenerator(Slide):
    def advance(self, action):
        self.x += np.random.random()
        return super().advance(action)


class DrawsInVain(Slide):
    def advance(self, action):
        random.random()
        return super().advance(action)


class CountsForever(Slide):
    counter = itertools.count()

    def start_episode(self):
        self.x = float(next(self.counter))
        return self.observe()


class RemembersTheTaskBefore(Slide):
    before = 0.0

    def apply_task(self, params):
        before, self.before = self.before, params["speed"]
        super().apply_task(params)
        self.slide += 0.1 * before


class KeepsWhatTheFastestSet(Slide):
    push = 0.0

    def apply_task(self, params):
        super().apply_task(params)
        if params["speed"] == 0.5:
            self.push = 0.1

    def advance(self, action):
        self.slide += self.push
        return super().advance(action)


class ForgetsItsTask(Slide):
    def reset(self, *, seed=None, options=None):
        if (options or {}).get("task") is None and self._queued_task is None:
            options = {"task": self.task_space.default}
        return super().reset(seed=seed, options=options)


class DropsTheQueue(Slide):
    def queue_task(self, task, seed=None):
        self.as_task(task)


class QueueWinsOverNames(Slide):
    def reset(self, *, seed=None, options=None):
        if self._queued_task is not None:
            options = None
        return super().reset(seed=seed, options=options)


class ClipsItsTask(Slide):
    def as_task(self, task):
        if not isinstance(task, dict) and np.ndim(task) == 1:
            task = np.clip(np.nan_to_num(task), 0, 1)
        return super().as_task(task)


class RaisesKeyError(Slide):
    def as_task(self, task):
        if isinstance(task, dict) and "no_such_feature" in task:
            raise KeyError("no_such_feature")
        return super().as_task(task)


class NeverEnds(Slide):
    def step(self, action):
        observation, reward, _, _, _ = super().step(action)
        return observation, reward, False, False, {}


class EndsEarly(Slide):
    def step(self, action):
        *shown, _, info = super().step(action)
        is_early = self._episode_steps == 5
        if is_early:
            info = {"task": self.task, "score": 0.5, "success": False}
        return *shown, is_early, info


class ReusesItsObservation(Slide):
    def __init__(self, **options):
        self.buffer = np.zeros(1, dtype=np.float32)
        super().__init__(**options)

    def observe(self):
        self.buffer[0] = self.x
        return self.buffer


class ReplaysAnotherSeed(Slide):
    def replay(self, seed, tasks, actions):
        return super().replay(seed + 1, tasks, actions)


class ForgetsASeededStart(Slide):
    def replay(self, seed, tasks, actions):
        observation = super().replay(seed, tasks, actions)
        self._episode_steps = 0
        return observation


class OneStandardTask(Slide):
    @classmethod
    def standard_tasks(cls, n):
        return [cls.task_space.default] * n


class NoActionKinds(Slide):
    action_kinds = ()


class NoTaskSpace(Slide):
    task_space = None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (FeatureWithoutEffect, "feature 'stride' has no effect between 1 and 2"),
        (FeatureThatWorksInPart, "feature 'stride' has no effect between 2 and 3"),
        (ChoiceWithoutEffect, "feature 'ground' has no effect between 'ice' and 'sand'"),
        (NanObservation, r"observations must be finite, found \[nan\] at step"),
        (WrongDtype, "observations must have dtype float32"),
        (WrongShape, r"observations must have dtype float32 and shape \(1,\)"),
        (OutsideTheSpace, "observations must lie in Box"),
        (NanReward, "rewards must be finite"),
        (SharedClassState, "two instances in one process must not influence each other"),
        (NoScore, "must hold 'score'"),
        (NamesTheNextTask, "the last info must name the task that was played"),
        (NoTaskAtReset, "the info of reset must hold the task"),
        (ScoreTooHigh, r"the score must be a number in \[0, 1\]"),
        (ScoreNan, r"the score must be a number in \[0, 1\]"),
        (SuccessIsANumber, "success must be a bool"),
        (GlobalNumpyGenerator, "check_env failed|same seed, task and actions"),
        (DrawsInVain, "drew from a global generator"),
        (CountsForever, "check_env failed|same"),
        (RemembersTheTaskBefore, "must play|same"),
        (KeepsWhatTheFastestSet, r"must leave nothing behind: after speed=0.5 was played, \{.*\} plays differently"),
        (ForgetsItsTask, "must stay for later resets"),
        (DropsTheQueue, "a queued task must wait"),
        (QueueWinsOverNames, "a reset that names a task must play it"),
        (ClipsItsTask, "reset with a point outside the unit cube must be refused"),
        (RaisesKeyError, "must be refused with ValueError, found KeyError"),
        (NeverEnds, "has not ended after max_episode_steps=10"),
        (EndsEarly, "not after 5"),
        (ReusesItsObservation, "check_env failed: .*share"),
        (ReplaysAnotherSeed, "replay must lead to the same observation"),
        (ForgetsASeededStart, "replay must lead to the same state, but what follows differs"),
        (OneStandardTask, "must give 4 different tasks"),
        (NoActionKinds, "needs a class attribute action_kinds"),
        (NoTaskSpace, "needs a class attribute task_space"),
        (dict, "must be a subclass of TaskEnv"),
    ],
)
def test_a_broken_family_is_caught(broken, message):
    with pytest.raises(TaskEnvError, match=message):
        check_task_env(broken)


def test_a_feature_without_effect_is_caught_though_the_observation_shows_the_task():
    with pytest.raises(TaskEnvError, match="feature 'stride' has no effect"):
        check_task_env(FeatureWithoutEffect, observe_task="vector")


class BareAttributes(TaskEnv):
    """Sets attributes of Gymnasium's CartPole, which computes others from them only once."""

    task_space = TaskSpace(
        "bare-attributes", [Feature.real("gravity", 4.0, 20.0, 9.8), Feature.real("masscart", 0.5, 2.0, 1.0)]
    )
    action_kinds = ("discrete",)

    def __init__(self, *, observe_task="none", tasks=()):
        self.inner = CartPoleEnv()
        self.action_space, self.observation_space = self.inner.action_space, self.inner.observation_space
        self.max_episode_steps = 500
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params):
        for name, value in params.items():
            setattr(self.inner, name, value)

    def start_episode(self):
        self.inner.np_random = self.np_random
        return self.inner.reset()[0]

    def advance(self, action):
        observation, reward, terminated, _, _ = self.inner.step(choice_of(action, 2))
        return observation, reward, terminated

    def score_episode(self, episode_return, length):
        return episode_return / 500.0, False


def test_gymnasium_s_cartpole_with_bare_attributes_is_caught():
    with pytest.raises(TaskEnvError, match="feature 'masscart' has no effect between"):
        check_task_env(BareAttributes)


class Far(Slide):
    """A feature that only shows beyond a place that independent actions hardly reach."""

    task_space = TaskSpace("far", [Feature.real("goal", 140.0, 170.0, 150.0)])

    def apply_task(self, params):
        self.goal = params["goal"]

    def advance(self, action):
        _, reward, _ = super().advance(1)
        self.x = self.x * 0.5 if action == 0 else self.x
        return self.observe(), reward, self.x > self.goal

    def __init__(self, **options):
        super().__init__(**options)
        self.slide, self.max_episode_steps = 5.0, 40


def test_a_feature_that_acts_only_where_held_actions_lead_is_accepted(monkeypatch):
    check_features(Case(Far, {}, 0, 60))
    monkeypatch.setattr("lifelong_rl.envs.check_features._N_HELD_STEPS", 0)
    with pytest.raises(TaskEnvError, match="feature 'goal' has no effect"):
        check_features(Case(Far, {}, 0, 60))


class DependsOnAnother(Slide):
    def apply_task(self, params):
        super().apply_task({**params, "stride": 1 if params["ground"] == "ice" else params["stride"]})


def test_a_feature_that_acts_only_together_with_another_is_accepted():
    check_task_env(DependsOnAnother)


def test_an_unknown_option_is_the_caller_s_error():
    with pytest.raises(ValueError, match="unknown option of the environment family"):
        check_task_env("point-goal", actoins="discrete")


def test_the_check_draws_from_no_global_generator():
    np.random.seed(0)
    random.seed(0)
    before = str(np.random.get_state()), random.getstate()

    check_task_env("point-goal")

    assert (str(np.random.get_state()), random.getstate()) == before
