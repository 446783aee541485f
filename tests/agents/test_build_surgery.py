import pytest
import torch
from agent_toys import KINDS, ROLES, Adapter, make_agent, optimizers
from torch import nn

from lifelong_rl.agents.component import Component
from lifelong_rl.agents.sb3.optimiser import LifelongAdam


def owned(optimizer):
    return {id(param) for group in optimizer.param_groups for param in group["params"]}


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_added_in_build_belong_to_their_roles_optimiser_only(kind):
    agent = make_agent(kind, components=[Adapter()])
    modules = {"actor": "actor", "critic": "critic", "q": "q_net", "policy": ""}
    for role in ROLES[kind]:
        module = agent.policy.get_submodule(modules[role])
        added = {id(param) for param in module.adapter.parameters()}
        assert added <= owned(agent.roles()[role].optimizer)
        for other, optimizer in optimizers(agent).items():
            assert other == role or not added & owned(optimizer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_optimiser_owns_what_it_owned_before(kind):
    class Nothing(Component):
        def build(self, agent):
            """Ask for new optimisers."""

    bare, rebuilt = make_agent(kind), make_agent(kind, components=[Nothing()])
    for name, role in rebuilt.roles().items():
        names = [n for n, p in rebuilt.policy.named_parameters() if id(p) in owned(role.optimizer)]
        assert names == [n for n, p in bare.policy.named_parameters() if id(p) in owned(bare.roles()[name].optimizer)]
        assert not any("target" in n for n in names)


@pytest.mark.parametrize("kind", ["sac", "td3", "dqn"])
def test_targets_added_in_build_follow_their_networks_and_are_in_no_optimiser(kind):
    agent = make_agent(kind, components=[Adapter()], **({"tau": 0.5}))
    online, target = (agent.q_net, agent.q_net_target) if kind == "dqn" else (agent.critic, agent.critic_target)
    start = target.adapter.weight.detach().clone()
    assert not torch.equal(start, online.adapter.weight)
    agent.learn_steps(80)
    assert not torch.equal(start, target.adapter.weight)
    in_targets = {id(param) for param in target.parameters()}
    assert not any(in_targets & owned(optimizer) for optimizer in optimizers(agent).values())


def test_a_layer_put_into_the_network_is_trained():
    agent = make_agent("dqn", components=[Adapter()])
    start = agent.q_net.q_net[1].weight.detach().clone()
    agent.learn_steps(64)
    assert not torch.equal(start, agent.q_net.q_net[1].weight)


@pytest.mark.parametrize("components", [(), (Adapter(),)], ids=["bare", "rebuilt"])
@pytest.mark.parametrize("kind", KINDS)
def test_optimisers_keep_their_learning_rate_and_epsilon(kind, components):
    agent = make_agent(kind, components=components, learning_rate=2e-3)
    for optimizer in optimizers(agent).values():
        assert {group["lr"] for group in optimizer.param_groups} == {2e-3}
    epsilons = {role.optimizer.param_groups[0]["eps"] for role in agent.roles().values()}
    assert epsilons == {1e-5 if kind == "ppo" else 1e-8}  # SB3's actor-critic policies have their own


@pytest.mark.parametrize("components", [(), (Adapter(),)], ids=["bare", "rebuilt"])
def test_optimisers_keep_the_users_options(components):
    given = {"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.5, "eps": 1e-3}}
    agent = make_agent("sac", components=components, policy_kwargs=given)
    for role in agent.roles().values():
        group = role.optimizer.param_groups[0]
        assert (group["weight_decay"], group["eps"], type(role.optimizer).__name__) == (0.5, 1e-3, "LifelongAdamW")


def test_parameters_frozen_in_build_leave_the_optimiser():
    class FrozenTrunk(Component):
        def build(self, agent):
            agent.q_net.q_net[0].requires_grad_(False)

    agent = make_agent("dqn", components=[FrozenTrunk()])
    frozen = {id(param) for param in agent.q_net.q_net[0].parameters()}
    assert not frozen & owned(agent.policy.optimizer)
    start = agent.q_net.q_net[0].weight.clone()
    agent.learn_steps(64)
    assert torch.equal(start, agent.q_net.q_net[0].weight)


def test_a_features_extractor_that_is_shared_stays_the_actors():
    class Extractor(Adapter):
        def build(self, agent):
            agent.actor.features_extractor.adapter = nn.Linear(2, 2)

    agent = make_agent("sac", components=[Extractor()], policy_kwargs={"share_features_extractor": True})
    added = id(agent.actor.features_extractor.adapter.weight)
    assert agent.critic.features_extractor is agent.actor.features_extractor
    assert added in owned(agent.actor.optimizer) and added not in owned(agent.critic.optimizer)


def test_components_see_networks_without_optimisers_on_the_bus_in_build():
    class Looking(Component):
        def build(self, agent):
            self.has_networks = isinstance(agent.q_net, nn.Module) and agent.q_net_target is not agent.q_net
            self.draw = self.rng.random()

    component = Looking()
    agent = make_agent("dqn", components=[component])
    assert component.has_networks and 0 <= component.draw < 1
    assert isinstance(agent.policy.optimizer, LifelongAdam)
