"""Tasks that a teacher has only looked at leave no trace in the agent."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_appraisal import LIFELONG, taught
from training_toys import Payday, stopped_and_resumed_as_whole, tiny

from lifelong_rl.agents.base import UNTRAINED, TaskInfo
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.components import ReservoirReplay
from lifelong_rl.agents.sb3 import LifelongDQN
from lifelong_rl.scenarios import curriculum
from lifelong_rl.teachers import RandomTeacher
from lifelong_rl.training.config import AgentConfig
from lifelong_rl.training.trainer import Trainer

KINDS = ("ppo", "dqn", "sac")


class Looker(RandomTeacher):
    """Draws at random, and has only looked at a share of the tasks."""

    is_selective = True
    untrained = None

    def __init__(self, share=0.5):
        self.share = share

    def sample(self, n=1):
        tasks = super().sample(n)
        self.untrained = self.rng.random(n) < self.share
        return tasks


class Gatherer(Component):
    """Gathers the first numbers of all observations in minibatches: each is the pay of a task."""

    def build(self, agent):
        self.pays = set()

    def sample(self, agent, batch):
        self.pays |= set(batch.observations[:, 0].tolist())
        return batch


def trained(kind, n_envs, share=0.5, components=(), budget=240, **settings):
    often = {"n_steps": 40, "batch_size": 20, "n_epochs": 2}
    if kind != "ppo":
        often = {"learning_starts": 16, "train_freq": 8, "gradient_steps": 4, "batch_size": 128}
    agent, env, _ = taught(LIFELONG[kind], n_envs, teacher=Looker(share), components=components, **often | settings)
    agent.begin_task(TaskInfo())
    before = {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}
    agent.learn_steps(budget)
    return agent, env.take_finished(), before


def pays(episodes, is_trained):
    return {float(np.float32(e.task.params["pay"])) for e in episodes if e.is_trained == is_trained}


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_no_minibatch_holds_a_step_of_a_task_that_was_only_looked_at(kind, n_envs):
    gatherer = Gatherer()
    agent, episodes, _ = trained(kind, n_envs, components=[gatherer])
    assert len(pays(episodes, False)) > 15
    assert not gatherer.pays & pays(episodes, False)
    missing = pays(episodes[: len(episodes) // 2], True) - gatherer.pays
    assert len(missing) <= 3  # minibatches are drawn at random; PPO leaves none out
    assert not (kind == "ppo" and missing)
    data = agent.task_data()
    assert len(data.observations) > 10
    assert not set(data.observations[:, 0].tolist()) & pays(episodes, False)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_that_only_looks_does_not_train_at_all(kind, n_envs):
    agent, episodes, before = trained(kind, n_envs, share=1.1)
    assert len(episodes) > 30
    assert all(torch.equal(before[name], tensor) for name, tensor in agent.policy.state_dict().items())
    assert len(agent.task_data().observations) == 0
    assert agent.num_timesteps == 240


def test_with_one_environment_nothing_that_was_only_looked_at_is_stored():
    agent, episodes, _ = trained("dqn", 1)
    n_trained = sum(episode.length for episode in episodes if episode.is_trained)
    assert n_trained <= agent.replay_buffer.size() <= n_trained + 6  # and the episode under way
    stored = agent.replay_buffer.observations[: agent.replay_buffer.size(), 0, 0]
    assert not set(stored.tolist()) & pays(episodes, False)


def test_returns_over_n_steps_never_reach_from_one_task_into_another():
    agent, episodes, _ = trained("dqn", 1, n_steps=3, gamma=0.5)
    assert len(pays(episodes, False)) > 10
    batch = agent.replay_buffer.sample(300)
    in_pays = batch.rewards.flatten() / batch.observations[:, 0]
    assert set(in_pays.numpy().round(4).tolist()) == {1.0, 1.5, 1.75}


def test_transitions_that_may_be_trained_on_are_drawn_evenly():
    agent, _, _ = trained("dqn", 3, budget=90)
    buffer = agent.replay_buffer
    is_trained = ~buffer.untrained[: buffer.size()]
    assert 0.2 < is_trained.mean() < 0.8
    drawn = torch.cat([buffer.sample(500).observations for _ in range(40)]).numpy()
    expected = buffer.observations[: buffer.size()][is_trained]
    keys, counts = np.unique(drawn, axis=0, return_counts=True)
    assert {row.tobytes() for row in keys} == {row.tobytes() for row in expected}
    mean = 20_000 / len(expected)
    assert abs(counts - mean).max() < 6 * np.sqrt(mean)


def test_a_component_that_replays_earlier_tasks_keeps_none_that_was_only_looked_at():
    replay = ReservoirReplay()
    agent, episodes, _ = trained("dqn", 3, components=[replay])
    agent.end_task()
    kept = set(replay._memory[0]["observations"][:, 0].tolist())
    assert len(kept) > 10 and not kept & pays(episodes, False)


def test_ppo_trains_as_on_a_rollout_that_never_held_them():
    agent, _, _ = taught(LIFELONG["ppo"], 2, teacher=Looker(0.0), n_steps=40, batch_size=80, n_epochs=1)
    agent.learn_steps(80)
    buffer = agent.rollout_buffer
    seen = []
    agent.policy.evaluate_actions, usual = (
        lambda observations, actions: seen.append(observations) or usual(observations, actions),
        agent.policy.evaluate_actions,
    )
    flags = np.zeros((40, 2), bool)
    flags[7:30, 1] = True
    agent.collect_rollouts(agent.env, agent._init_callback(None), buffer, 40)
    expected = buffer.observations[~flags]
    buffer.untrained = flags
    agent.train()
    assert len(seen) == 1
    assert sorted(map(tuple, seen[0].tolist())) == sorted(map(tuple, expected.tolist()))
    assert agent.rollout_buffer is buffer


SCENARIO = curriculum("training_toys:Payday", teacher="test_only_looked_at:Looker", steps=600, n_test_tasks=2)


@pytest.mark.parametrize(("agent", "n_envs"), [("ppo", 2), ("dqn", 1), ("sac", 3)])
def test_a_run_that_is_stopped_leaves_out_the_same(agent, n_envs, tmp_path, monkeypatch):
    def config(parts):
        return tiny(SCENARIO, agent, parts, n_envs=n_envs, checkpoint_every=150, eval_every=300)

    records = stopped_and_resumed_as_whole(config, 333 // n_envs, tmp_path, monkeypatch)
    assert {record.get("trained", True) for record in records} == {True, False}


def test_a_buffer_that_cannot_leave_episodes_out_is_refused_before_training(tmp_path):
    options = {"n_steps": 3}
    config = replace(tiny(SCENARIO, n_envs=2), agent=AgentConfig("dqn", options=options))
    with pytest.raises(ValueError, match="cannot leave episodes out with these settings"):
        Trainer(config, tmp_path / "run")
    Trainer(replace(config, n_envs=1), tmp_path / "run")._close()


def test_infos_of_usual_episodes_hold_no_mark():
    agent, env, _ = taught(LifelongDQN, 2, teacher=RandomTeacher())
    infos = [info for _ in range(20) for info in env.step(np.zeros(2, int))[3]]
    assert not any(UNTRAINED in info for info in infos)
    assert agent.replay_buffer.untrained is None and Payday.task_space.dimension == 3
