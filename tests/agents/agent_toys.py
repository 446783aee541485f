"""Tiny environments, agents and components for the tests of the agents' room."""

from __future__ import annotations

import hashlib
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv

from lifelong_rl.agents.component import Component
from lifelong_rl.agents.sb3 import state as agent_state
from lifelong_rl.agents.sb3.learners import LifelongDQN, LifelongPPO, LifelongSAC, LifelongTD3
from lifelong_rl.envs.state import state_to_bytes

LIFELONG = {"sac": LifelongSAC, "td3": LifelongTD3, "dqn": LifelongDQN, "ppo": LifelongPPO}
BARE = {"sac": SAC, "td3": TD3, "dqn": DQN, "ppo": PPO}
KINDS = tuple(LIFELONG)
OFF_POLICY = ("sac", "td3", "dqn")
ROLES = {"sac": ["critic", "actor"], "td3": ["critic", "actor"], "dqn": ["q"], "ppo": ["policy"]}
LIMIT = 7


class Line(gymnasium.Env):
    """A point on a line; the observation's last number counts the episode's steps, up to LIMIT."""

    def __init__(self, action="box", observation="box", ends="truncated"):
        self.action_space = spaces.Box(-2, 2, (1,)) if action == "box" else spaces.Discrete(3)
        self.observation_space = {
            "box": spaces.Box(-10, 10, (2,)),
            "dict": spaces.Dict({"x": spaces.Box(-10, 10, (1,)), "steps": spaces.Box(0, 10, (1,))}),
            "discrete": spaces.Discrete(LIMIT + 1),
        }[observation]
        self.observation_kind = observation
        self.ends = ends

    def _observe(self):
        if self.observation_kind == "discrete":
            return self.n_steps
        x, steps = np.float32([self.x]), np.float32([self.n_steps])
        return {"x": x, "steps": steps} if self.observation_kind == "dict" else np.concatenate((x, steps))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.n_steps = self.np_random.uniform(-1, 1), 0
        return self._observe(), {}

    def step(self, action):
        push = float(action[0]) if isinstance(self.action_space, spaces.Box) else float(action) - 1
        self.x += 0.3 * push
        self.n_steps += 1
        is_over = self.n_steps == LIMIT
        terminated, truncated = is_over and self.ends == "terminated", is_over and self.ends == "truncated"
        return self._observe(), -abs(self.x), terminated, truncated, {}


def make_env(kind="dqn", n_envs=1, **kwargs):
    action = kwargs.pop("action", "discrete" if kind == "dqn" else "box")
    return DummyVecEnv([lambda: Monitor(Line(action, **kwargs))] * n_envs)


def settings(kind, **overrides):
    if kind == "ppo":
        usual = {"n_steps": 32, "batch_size": 16, "n_epochs": 2}
    else:
        usual = {"learning_starts": 24, "batch_size": 8, "buffer_size": 600, "train_freq": 8, "gradient_steps": 2}
    if kind == "dqn":
        usual |= {"target_update_interval": 40}
    if kind == "td3":
        usual |= {"action_noise": NormalActionNoise(np.zeros(1), 0.2 * np.ones(1))}
    net = {"net_arch": [16]} | overrides.pop("policy_kwargs", {})
    return usual | {"policy_kwargs": net, "seed": 3, "device": "cpu"} | overrides


def make_agent(kind, env=None, policy="MlpPolicy", **overrides):
    return LIFELONG[kind](policy, make_env(kind) if env is None else env, **settings(kind, **overrides))


def make_bare(kind, env=None, policy="MlpPolicy", **overrides):
    return BARE[kind](policy, make_env(kind) if env is None else env, **settings(kind, **overrides))


def optimizers(agent):
    found = {name: role.optimizer for name, role in agent.roles().items()}
    if getattr(agent, "ent_coef_optimizer", None) is not None:
        found["temperature"] = agent.ent_coef_optimizer
    return found


def numbers(agent) -> dict[str, torch.Tensor]:
    """Give every learned tensor of a learner, bare or lifelong: networks, targets, moments, temperature."""
    found: dict[str, Any] = {}
    for name in agent._get_torch_save_params()[0]:
        thing: Any = agent
        for part in name.split("."):
            thing = getattr(thing, part)
        found[name] = thing.state_dict()
    found["variables"] = [getattr(agent, name) for name in agent._get_torch_save_params()[1]]
    return _flat(found, "")


def _flat(tree: Any, place: str) -> dict[str, torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return {place: tree.detach().clone()}
    if isinstance(tree, dict):
        pairs = list(tree.items())
    elif isinstance(tree, list | tuple):
        pairs = list(enumerate(tree))
    else:
        return {}
    return {k: v for key, branch in pairs for k, v in _flat(branch, f"{place}/{key}").items()}


def assert_same_numbers(first, second):
    first, second = numbers(first), numbers(second)
    assert first.keys() == second.keys()
    assert len(first) > 6
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert different == []


def fingerprint(agent) -> str:
    """Give a hash of everything: learned tensors, buffer, counters, components, generators."""
    state = agent_state.collect(agent)
    del state["counters"]["start_time"]  # wall time
    digest = hashlib.sha256(state_to_bytes(state))
    for name, tensor in sorted(numbers(agent).items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


class Recorder(Component):
    """Writes down every call of every hook."""

    def __init__(self):
        self.events = []

    def named(self, *names):
        return [event for event in self.events if event[0] in names]

    def build(self, agent):
        self.events.append(("build", hasattr(agent, "bus") and agent.bus.components))

    def begin_task(self, agent, task):
        self.events.append(("begin_task", task))

    def end_task(self, agent, data):
        self.events.append(("end_task", data))

    def route(self, agent, context):
        self.events.append(("route", context.mode, context.task, context.observations))

    def observe(self, agent, transitions):
        self.events.append(("observe", transitions))

    def sample(self, agent, batch):
        self.events.append(("sample", len(batch.observations)))
        return batch

    def loss(self, agent, role, batch):
        params = agent.roles()[role].optimizer.param_groups[0]["params"]
        is_clean = all(p.grad is None or not p.grad.any() for p in params)
        self.events.append(("loss", role, batch is agent.bus.batch and batch is not None, is_clean))

    def grad(self, agent, role, params):
        norm = torch.sqrt(sum((p.grad**2).sum() for p in params if p.grad is not None)).item()
        self.events.append(("grad", role, norm, [p.detach().clone() for p in params]))

    def update(self, agent, role, params, old):
        assert not torch.is_grad_enabled()
        self.events.append(("update", role, [p.detach().clone() for p in params], list(old)))

    def tick(self, agent, stats):
        self.events.append(("tick", dict(stats)))

    def evaluate(self, agent, record):
        self.events.append(("evaluate", record))
        return {"recorder": 1.0}


class Adapter(Component):
    """Puts one more layer behind each output of DQN's networks, and an adapter beside the others'."""

    def __init__(self, n_units: int = 3):
        self.n_units = n_units

    def build(self, agent):
        policy = agent.policy
        for name in ("actor", "critic", "q_net", "actor_target", "critic_target", "q_net_target"):
            if isinstance(getattr(policy, name, None), torch.nn.Module):
                getattr(policy, name).adapter = torch.nn.Linear(self.n_units, 1)
        if "policy" in agent.roles():
            policy.adapter = torch.nn.Linear(self.n_units, 1)
        if "q" in agent.roles():
            for net in (agent.q_net, agent.q_net_target):
                net.q_net = torch.nn.Sequential(net.q_net, torch.nn.Linear(3, 3))
