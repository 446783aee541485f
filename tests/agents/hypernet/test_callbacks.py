"""Callbacks of Stable-Baselines3 hear of a HyperCRL agent's training as they hear of others'."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.monitor import Monitor

from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.envs.factory import make


class Diary(BaseCallback):
    def __init__(self):
        super().__init__()
        self.entries = []

    def _on_training_start(self):
        self.entries.append("start")

    def _on_step(self):
        assert self.locals["actions"].shape == (1, 1)
        assert self.locals["new_obs"].shape == (1, 3)
        self.entries.append(self.num_timesteps)
        return True

    def _on_training_end(self):
        self.entries.append("end")


@pytest.fixture
def agent():
    env = make("pendulum-physics", max_episode_steps=5)
    options = {"n_random_steps": 20, "n_updates": 1, "planner_options": {"horizon": 2, "n_candidates": 10}}
    return HyperCRL(env, seed=0, **options)


def test_a_callback_hears_of_the_start_of_each_step_and_of_the_end(agent):
    diary = Diary()
    agent.learn(3, callback=diary)
    assert diary.entries == ["start", 1, 2, 3, "end"]


def test_several_callbacks_are_given_as_a_list(agent):
    first, second = Diary(), Diary()
    agent.learn(2, callback=[first, second])
    assert first.entries == second.entries == ["start", 1, 2, "end"]


def test_a_callback_that_counts_episodes_stops_the_training(agent):
    assert agent.learn(30, callback=StopTrainingOnMaxEpisodes(2)).num_timesteps == 10


def test_a_function_stops_the_training_by_false(agent):
    assert agent.learn(30, callback=lambda found, _: found["self"].num_timesteps < 4).num_timesteps == 4


def test_stable_baselines_evaluates_the_agent_while_it_trains(agent):
    evaluation = EvalCallback(Monitor(make("pendulum-physics", max_episode_steps=5)), eval_freq=10, verbose=0)
    agent.learn(10, callback=evaluation)
    assert np.isfinite(evaluation.last_mean_reward)


def test_what_is_no_callback_is_refused(agent):
    with pytest.raises(ValueError, match="a callback must be"):
        agent.learn(2, callback="tqdm")
