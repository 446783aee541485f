"""The published settings by name."""

import numpy as np
import pytest
import torch

from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED
from lifelong_rl.agents.hypernet.published import SCHEDULES, PublishedHyperCRL, published_options
from lifelong_rl.envs.factory import make_vec

N_WEIGHTS = {"pendulum": 1_315, "cartpole": 68_612, "pusher": 44_810}  # the authors' target networks


def agent_of(preset: str, **changes) -> PublishedHyperCRL:
    env = make_vec("pendulum-physics", 1, max_episode_steps=40)
    env.seed(0)
    return PublishedHyperCRL(env, preset=preset, seed=0, **changes)


def test_every_published_hypernetwork_has_a_schedule():
    assert SCHEDULES.keys() == PUBLISHED.keys()


@pytest.mark.parametrize("preset", SCHEDULES)
def test_the_agent_has_the_authors_settings(preset):
    agent = agent_of(preset)
    assert agent.dynamics.learner.settings == PUBLISHED[preset]
    assert agent.dynamics.settings.hidden == SCHEDULES[preset]["hidden"]
    assert agent.settings["held_out"] == 0.25
    assert not agent.dynamics.settings.scales_targets


def test_the_pendulums_target_network_has_the_authors_size():
    assert agent_of("pendulum").dynamics.target.n_weights == N_WEIGHTS["pendulum"]


def test_single_settings_can_be_changed_and_the_file_remembers(tmp_path):
    agent = agent_of("pendulum", n_random_steps=40, train_every=40, n_updates=5)
    agent.learn(80)
    agent.save(tmp_path / "agent.npz")
    loaded = PublishedHyperCRL.load(tmp_path / "agent.npz", make_vec("pendulum-physics", 1, max_episode_steps=40))
    assert loaded.settings["n_updates"] == 5
    assert torch.equal(loaded.dynamics.learner.weights(0), agent.dynamics.learner.weights(0))


def test_normal_random_actions_stay_within_the_bounds():
    agent = agent_of("pendulum", n_random_steps=400)
    agent.learn(400)
    actions = agent.data.columns()[1]
    assert (np.abs(actions) <= 2).all()
    assert np.mean(np.abs(actions) < 1) == pytest.approx(0.68, abs=0.08)


def test_an_unknown_preset_is_named():
    with pytest.raises(ValueError, match="pendulum"):
        published_options("pendulums")
