"""What breaks only in vector environments, or shows there too, is caught by the rule on them."""

import numpy as np
import pytest
from check_toys import Slide
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import DummyVecEnv

from lifelong_rl.envs import TaskEnvError, check_task_env
from lifelong_rl.envs.check_case import Case
from lifelong_rl.envs.check_vector import check_vectorised
from lifelong_rl.envs.task_vector import TaskVectorEnv


def check(family, **options):
    check_vectorised(Case(family, options, seed=0, n_steps=60))


class Falls(Slide):
    """Ends in a terminal state, too, at times that differ between tasks."""

    def advance(self, action):
        observation, reward, _ = super().advance(action)
        return observation, reward, self.x > 8.0


@pytest.mark.parametrize("family", [Slide, Falls])
def test_correct_families_keep_the_rule(family):
    check(family)
    check(family, observe_task="vector")
    check(family, observe_task="one-hot", tasks=family.standard_tasks(4))


class TaskLostAtReset(Slide):
    def reset(self, *, seed=None, options=None):
        if seed is None and self._queued_task is None and not (options or {}).get("task"):
            options = {"task": self.task_space.default}
        return super().reset(seed=seed, options=options)


class QueueLostAtAutomaticReset(Slide):
    def reset(self, *, seed=None, options=None):
        if self._episode_steps == self.max_episode_steps:
            self._queued_task = None
        return super().reset(seed=seed, options=options)


class QueuedSeedIgnored(Slide):
    def queue_task(self, task, seed=None):
        super().queue_task(task)


class SharedClassState(Slide):
    slide_of_all = 0.0

    def apply_task(self, params):
        super().apply_task(params)
        SharedClassState.slide_of_all = self.slide

    def advance(self, action):
        self.slide = SharedClassState.slide_of_all
        return super().advance(action)


NOW_PLAYED = {}


class ModuleGlobal(Slide):
    def apply_task(self, params):
        NOW_PLAYED.update(params)

    def start_episode(self):
        super().apply_task(NOW_PLAYED)
        return super().start_episode()


class SharedGenerator(Slide):
    rng = None

    def start_episode(self):
        SharedGenerator.rng = SharedGenerator.rng or self.np_random
        self.x = SharedGenerator.rng.random()
        return self.observe()


class NoTaskAtLastStep(Slide):
    def step(self, action):
        *shown, info = super().step(action)
        info.pop("task", None)
        return *shown, info


class NoScoreAtLastStep(Slide):
    def step(self, action):
        *shown, info = super().step(action)
        info.pop("score", None)
        return *shown, info


class NoTaskAtReset(Slide):
    def reset(self, **options):
        return super().reset(**options)[0], {}


class OneBuffer(Slide):
    def __init__(self, **options):
        self.buffer = np.zeros(1, dtype=np.float32)
        super().__init__(**options)

    def observe(self):
        self.buffer[0] = self.x
        return self.buffer


class ScoreIsAnIntegerAtTimes(Slide):
    """Gymnasium takes an info's type from the first instance that has one, and cuts 0.5 to 0 in whole numbers."""

    def score_episode(self, episode_return, length):
        return (0.5 if self.task == self.task_space.default else 0), False


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (TaskLostAtReset, "instance . of 3 in Gymnasium's .* NEXT_STEP .* the task of the reset differs"),
        (QueueLostAtAutomaticReset, "NEXT_STEP .* the task of the reset differs"),
        (QueuedSeedIgnored, "a reset is expected|the observation of the reset differs"),
        (SharedClassState, "the reward of the step differs"),
        (ModuleGlobal, "differs"),
        (SharedGenerator, "the observation of the reset differs"),
        (NoTaskAtLastStep, "the info of a last step in a vector environment must hold 'task'"),
        (NoScoreAtLastStep, "the info of a last step in a vector environment must hold 'score'"),
        (NoTaskAtReset, "the info of a reset in a vector environment must hold 'task'"),
        (OneBuffer, "autoreset mode SAME_STEP .* the observation of the step differs"),
    ],
)
def test_a_break_in_a_vector_environment_is_caught(broken, message):
    with pytest.raises(TaskEnvError, match=message):
        check(broken)


def test_a_score_that_gymnasium_s_arrays_would_cut_is_caught():
    with pytest.raises(TaskEnvError, match=r"the score of the last info differs: expected 0\.5, found 0"):
        check(ScoreIsAnIntegerAtTimes)


# A vector of the family's own


class Own(Falls):
    """A family with vectors of its own."""

    @classmethod
    def make_vector(cls, n, *, autoreset_mode, **options):
        return OwnVector([lambda: cls(**options)] * n, autoreset_mode=autoreset_mode)

    @classmethod
    def make_sb3(cls, n, **options):
        return DummyVecEnv([lambda: cls(**options)] * n)


class OwnVector(TaskVectorEnv):
    pass


def test_a_vector_of_the_family_s_own_is_played_too():
    check(Own)
    check_task_env(Own, observe_task="vector")


class NoFinalInfo(OwnVector):
    def step(self, actions):
        *shown, infos = super().step(actions)
        infos.pop("final_info", None)
        return *shown, infos


class LosesTheQueue(OwnVector):
    def queue_task(self, task, seed=None, index=None):
        self.envs[0].queue_task(task, seed)


class ResetsAll(OwnVector):
    def reset(self, *, seed=None, options=None):
        options = {key: value for key, value in (options or {}).items() if key != "reset_mask"}
        return super().reset(seed=seed, options=options)


class IgnoresTheTasksOfAReset(OwnVector):
    def reset(self, *, seed=None, options=None):
        options = {key: value for key, value in (options or {}).items() if key != "tasks"}
        return super().reset(seed=seed, options=options)


class SinglePrecision(OwnVector):
    def step(self, actions):
        observations, rewards, *others = super().step(actions)
        return observations, rewards.astype(np.float32), *others


class LateActions(OwnVector):
    before = None

    def step(self, actions):
        actions, self.before = (actions if self.before is None else self.before), actions
        return super().step(actions)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (NoFinalInfo, "must hold 'final_info'"),
        (LosesTheQueue, "in its own vector, autoreset mode NEXT_STEP .* the observation of the reset differs"),
        (IgnoresTheTasksOfAReset, "in its own vector, autoreset mode NEXT_STEP .* the task of the reset differs"),
        (ResetsAll, "in its own vector, autoreset mode DISABLED"),
        (SinglePrecision, "in its own vector, autoreset mode NEXT_STEP .* the reward of the step differs"),
        (LateActions, "in its own vector"),
    ],
)
def test_a_break_in_a_vector_of_the_family_s_own_is_caught(vector, message):
    class Broken(Own):
        @classmethod
        def make_vector(cls, n, *, autoreset_mode, **options):
            return vector([lambda: cls(**options)] * n, autoreset_mode=autoreset_mode)

    with pytest.raises(TaskEnvError, match=message):
        check(Broken)


class NoResetInfos(DummyVecEnv):
    def step_wait(self):
        shown = super().step_wait()
        self.reset_infos = [{} for _ in self.envs]
        return shown


class NoTerminalObservation(DummyVecEnv):
    def step_wait(self):
        *shown, infos = super().step_wait()
        for info in infos:
            info.pop("terminal_observation", None)
        return *shown, infos


class CallsEveryEndATimeLimit(DummyVecEnv):
    def step_wait(self):
        *shown, infos = super().step_wait()
        for info in infos:
            info["TimeLimit.truncated"] = True
        return *shown, infos


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (NoResetInfos, "the info of a reset in a vector environment must hold 'task'"),
        (NoTerminalObservation, "must hold 'terminal_observation'"),
        (CallsEveryEndATimeLimit, "in its own vector for Stable-Baselines3 .* the terminated of the step differs"),
    ],
)
def test_a_break_in_a_family_s_own_vector_for_stable_baselines3_is_caught(vector, message):
    class Broken(Own):
        @classmethod
        def make_sb3(cls, n, **options):
            return vector([lambda: cls(**options)] * n)

    with pytest.raises(TaskEnvError, match=message):
        check(Broken)


class Long(Slide):
    """A family of 10,000 steps an episode, which its constructor can shorten."""

    n_played = 0

    def __init__(self, *, max_episode_steps=10_000, **options):
        super().__init__(**options)
        self.max_episode_steps = max_episode_steps

    def advance(self, action):
        Long.n_played += 1
        return super().advance(action)


class LongAtLeast(Long):
    def __init__(self, *, max_episode_steps=200, **options):
        if max_episode_steps < 100:
            raise ValueError(f"max_episode_steps must be at least 100, found {max_episode_steps}.")
        super().__init__(max_episode_steps=max_episode_steps, **options)


def test_long_episodes_are_played_short_where_the_constructor_offers_it():
    Long.n_played = 0
    check(Long)
    assert 0 < Long.n_played < 2_000
    check(LongAtLeast)  # which refuses to be that short


def test_each_mode_of_gymnasium_is_played():
    modes = []

    class Spy(Own):
        @classmethod
        def make_vector(cls, n, *, autoreset_mode, **options):
            modes.append(autoreset_mode)
            return super().make_vector(n, autoreset_mode=autoreset_mode, **options)

    check(Spy)
    assert modes == list(AutoresetMode)


def test_continuous_actions_reach_the_instances():
    class Pushed(Slide):
        action_kinds = ("continuous",)

        def __init__(self, **options):
            super().__init__(**options)
            self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

        def advance(self, action):
            self.x += float(action[0]) * self.slide
            return self.observe(), self.x + float(action[1]), False

    check(Pushed)
