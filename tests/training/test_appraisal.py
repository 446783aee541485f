"""What the learner says of each episode reaches the teacher: the right numbers, in order, and through any stop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from training_toys import Judge, Payday, stopped_and_resumed_as_whole, tiny

from lifelong_rl.agents.base import UNTRAINED
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.sb3 import LifelongDQN, LifelongPPO, LifelongSAC, LifelongTD3
from lifelong_rl.envs import make_vec
from lifelong_rl.scenarios import curriculum
from lifelong_rl.teachers import RandomTeacher
from lifelong_rl.teachers.base import EXTRAS
from lifelong_rl.training.config import AgentConfig
from lifelong_rl.training.curriculum import Curriculum, NonFiniteError
from lifelong_rl.training.sources import TaughtTasks
from lifelong_rl.training.trainer import Trainer

SPACE = Payday.task_space
LIFELONG = {"dqn": LifelongDQN, "ppo": LifelongPPO, "sac": LifelongSAC, "td3": LifelongTD3}
SCENARIO = curriculum("training_toys:Payday", teacher="training_toys:Judge", steps=600, n_test_tasks=2)


class Heard(Judge):
    """Writes down what it hears."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self.log = []

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        rows = zip(tasks, outcomes.returns, *(outcomes.extra[name] for name in sorted(EXTRAS)), strict=True)
        self.log += [tuple(np.hstack(row)) for row in rows]


class Rollout(BaseCallback):
    """Keeps each environment's values and advantages of one rollout, and which steps began or were no training."""

    def _on_rollout_start(self):
        self.flags = []

    def _on_step(self):
        self.flags.append([UNTRAINED in info for info in self.locals["infos"]])
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        self.values, self.advantages = buffer.values.copy(), buffer.advantages.copy()
        self.starts = buffer.episode_starts.copy()


def taught(agent_class, n_envs, teacher=None, **settings):
    actions = "continuous" if agent_class in (LifelongSAC, LifelongTD3) else "discrete"
    env = Curriculum(make_vec("training_toys:Payday", n_envs, actions=actions), np.random.default_rng(1))
    agent = agent_class("MlpPolicy", env, seed=0, policy_kwargs={"net_arch": [16]}, device="cpu", **settings)
    env.agent = agent
    teacher = teacher or Heard()
    agent.continue_from(
        env.start_block(TaughtTasks(teacher, SPACE, np.random.default_rng(2), "heard")), is_episode_start=True
    )
    return agent, env, teacher


@pytest.mark.parametrize("n_envs", [1, 3])
def test_ppo_says_what_its_rollout_buffer_holds_at_the_moment_the_episode_ends(n_envs):
    agent, env, teacher = taught(LifelongPPO, n_envs, n_steps=40, batch_size=20, n_epochs=1)
    rollout = Rollout()
    agent.learn_steps(40 * n_envs, rollout)
    episodes = env.take_finished()
    begins = [list(np.flatnonzero(rollout.starts[:, i])) for i in range(n_envs)]
    assert len(episodes) > 8 * n_envs
    for episode in episodes:
        start = begins[episode.env].pop(0)
        rows = slice(start, start + episode.length)
        values, advantages = (part[rows, episode.env] for part in (rollout.values, rollout.advantages))
        assert episode.extra["value"] == pytest.approx(values[0], rel=1e-4, abs=1e-5)
        assert episode.extra["mean_value"] == pytest.approx(values.mean(), rel=1e-4, abs=1e-5)
        expected = np.maximum(advantages, 0).mean()
        assert episode.extra["positive_value_loss"] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert {episode.task.params["ending"] for episode in episodes} == {"terminal", "time limit"}
    told = [(*e.task.unit, e.episode_return, *(e.extra[name] for name in sorted(EXTRAS))) for e in episodes]
    assert teacher.log == told


class Heeded:
    """Asks the agent, and keeps what it was asked and what its networks said at that moment."""

    def __init__(self, agent):
        self.agent = agent
        self.asked = []

    def appraise(self, observations, rewards, *, is_terminal):
        with torch.no_grad():
            values = self.agent.estimate(torch.as_tensor(observations)).numpy().ravel()
        self.asked.append((observations, rewards, is_terminal, values))
        return self.agent.appraise(observations, rewards, is_terminal=is_terminal)


@pytest.mark.parametrize("kind", ["ppo", "dqn", "sac", "td3"])
def test_an_episode_is_appraised_as_a_whole_by_the_networks_at_its_end(kind):
    often = {"n_steps": 4, "batch_size": 4} if kind == "ppo" else {"train_freq": 2, "learning_starts": 4}
    agent, env, _ = taught(LIFELONG[kind], 2, learning_rate=0.1, **often)
    env.agent = heeded = Heeded(agent)
    agent.learn_steps(96)
    episodes = env.take_finished()
    assert len(heeded.asked) == len(episodes) > 15
    for episode, (observations, rewards, is_terminal, values) in zip(episodes, heeded.asked, strict=True):
        pay, length = episode.task.params["pay"], episode.length
        np.testing.assert_allclose(observations[:, 0], pay, rtol=1e-6)
        assert observations[:, 1].tolist() == list(range(length + 1))
        np.testing.assert_allclose(rewards, [pay] * length, rtol=1e-6)
        assert is_terminal == (episode.task.params["ending"] == "terminal")
        assert episode.extra["value"] == pytest.approx(values[0], rel=1e-4)
        assert episode.extra["mean_value"] == pytest.approx(values[:-1].mean(), rel=1e-4)


class Uniform(RandomTeacher):
    """The random teacher, asking for everything."""

    needs = frozenset(EXTRAS)


@pytest.mark.parametrize("kind", ["ppo", "dqn", "sac", "td3"])
def test_an_agent_that_is_asked_trains_bit_for_bit_as_one_that_is_not(kind):
    agents = []
    for teacher in (RandomTeacher(), Uniform()):
        often = {"n_steps": 32, "batch_size": 16} if kind == "ppo" else {"learning_starts": 20}
        agent, env, _ = taught(LIFELONG[kind], 2, teacher=teacher, **often)
        agent.learn_steps(128)
        episodes = env.take_finished()
        assert all((episode.extra is not None) == bool(teacher.needs) for episode in episodes)
        agents.append(agent)
    one, other = (agent.policy.state_dict() for agent in agents)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_estimates_that_are_not_finite_stop_the_run_with_a_reason():
    agent, env, _ = taught(LifelongDQN, 1)
    with torch.no_grad():
        next(agent.q_net.parameters()).fill_(np.nan)
    with pytest.raises(NonFiniteError, match="training diverged"):
        agent.learn_steps(20)
    assert env.finished == []


def test_a_curriculum_without_an_agent_says_what_its_source_needs():
    _, env, _ = taught(LifelongDQN, 1)
    env.agent = None
    with pytest.raises(ValueError, match="set `agent` of the curriculum"):
        for _ in range(7):
            env.step(np.zeros(1, int))


class Mute(LifelongDQN):
    gives = frozenset({"value"})


def test_an_agent_that_cannot_say_what_the_teacher_needs_is_refused_before_training(tmp_path):
    config = replace(tiny(SCENARIO), agent=AgentConfig("test_appraisal:Mute"))
    with pytest.raises(ValueError, match=r"needs mean_value, positive_value_loss of each episode.* gives value;"):
        Trainer(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("agent", "n_envs"), [("ppo", 1), ("ppo", 2), ("dqn", 1), ("sac", 2)])
def test_a_run_that_is_stopped_hears_the_same_of_its_learner(agent, n_envs, tmp_path, monkeypatch):
    def config(parts):
        return tiny(SCENARIO, agent, parts, n_envs=n_envs, checkpoint_every=150, eval_every=300)

    records = stopped_and_resumed_as_whole(config, 333 // n_envs, tmp_path, monkeypatch)
    assert all(record["extra"].keys() == EXTRAS.keys() for record in records)
    assert {record.get("trained", True) for record in records} == {True, False}


class Router(Component):
    """Writes down what was routed last."""

    def route(self, agent, context):
        agent.routed = (context.mode, len(context.observations))


@pytest.mark.parametrize("kind", ["ppo", "dqn"])
def test_components_route_for_the_episode_that_is_appraised_and_again_for_the_next_action(kind):
    often = {"n_steps": 16, "batch_size": 8} if kind == "ppo" else {"learning_starts": 0}
    agent, _, _ = taught(LIFELONG[kind], 2, components=[Router()], **often)
    estimate, act, seen = agent.estimate, agent.policy.forward, set()

    def noted(what, function):
        def call(observations, *args, **kwargs):
            assert agent.routed == ("act", len(observations)), what
            seen.add(what)
            return function(observations, *args, **kwargs)

        return call

    agent.estimate, agent.policy.forward = noted("estimate", estimate), noted("act", act)
    if kind == "dqn":
        agent.policy._predict = noted("act", agent.policy._predict)
        agent.exploration_schedule = lambda _: 0.0
    agent.learn_steps(64)
    assert seen == {"estimate", "act"}
