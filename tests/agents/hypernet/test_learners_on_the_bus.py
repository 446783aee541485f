"""Components on a learner's bus see the roles hyper and embedding with real gradients, and steer what is learned."""

from __future__ import annotations

import pytest
import torch
from hypernet_toys import MAKERS, baseline, batch, hyper, learned, listened_to, loss, train

from lifelong_rl.agents.component import Component

HYPER = [name for name in MAKERS if name.startswith("hyper")]


class Watcher(Component):
    """Copies what it is shown."""

    def __init__(self):
        self.gradients, self.updates = [], []

    def grad(self, agent, role, params):
        self.gradients.append((role, [p.grad.clone() for p in params]))

    def update(self, agent, role, params, old):
        self.updates.append((role, [p.detach() - before for p, before in zip(params, old, strict=True)]))


class Freeze(Component):
    """Zeroes the gradients of a role."""

    def __init__(self, role):
        self.role = role

    def grad(self, agent, role, params):
        if role == self.role:
            for p in params:
                p.grad.zero_()


class Undo(Component):
    """Takes the step back that was just made."""

    def __init__(self, role):
        self.role = role

    def update(self, agent, role, params, old):
        if role == self.role:
            for p, before in zip(params, old, strict=True):
                p.copy_(before)


class Decay(Component):
    """Adds the squares of all the parameters of a role to the loss."""

    def __init__(self, learner, role, strength=1.0):
        self.learner, self.role, self.strength = learner, role, strength

    def loss(self, agent, role, batch):
        if role != self.role:
            return None
        return self.strength * sum(p.square().sum() for p in self.learner.roles()[role])


def state(learner, role):
    return [p.detach().clone() for p in learner.roles()[role]]


def is_same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_gradients_are_those_of_the_loss():
    watcher = Watcher()
    learner = listened_to(hyper(longest_gradient=1e9), watcher)
    learner.begin_task()
    network = learner.network
    loss(network.weights(0), batch(0)).backward()
    network.head.materialise()
    roles = learner.roles()
    expected = {role: [p.grad.clone() for p in params] for role, params in roles.items()}
    train(learner, 0, 1)
    assert [role for role, _ in watcher.gradients] == ["embedding", "hyper"]
    for role, gradients in watcher.gradients:
        for found, wanted in zip(gradients, expected[role], strict=True):
            assert (found - wanted).abs().max() < 1e-12
            assert wanted.abs().max() > 0


@pytest.mark.parametrize("name", HYPER)
def test_the_roles_are_all_shared_parameters_and_the_current_embedding(name):
    watcher = Watcher()
    learner = listened_to(learned(MAKERS[name](), 2), watcher)
    learner.begin_task()
    train(learner, 2, 2)
    assert [role for role, _ in watcher.gradients] == ["embedding", "hyper"] * 2
    roles = learner.roles()
    assert roles["embedding"][0] is learner.network.embeddings[2]
    everything = {id(p) for p in learner.network.parameters()} - {id(e) for e in learner.network.embeddings}
    assert {id(p) for p in roles["hyper"]} == everything
    for role, gradients in watcher.gradients:
        assert [g.shape for g in gradients] == [p.shape for p in roles[role]]
        assert all(g.abs().max() > 0 for g in gradients)
    for _, steps in watcher.updates:
        assert all(step.abs().max() > 0 for step in steps)


@pytest.mark.parametrize("name", HYPER)
def test_watching_changes_nothing(name):
    bare, watched = learned(MAKERS[name](), 2), learned(listened_to(MAKERS[name](), Watcher()), 2)
    for task in range(2):
        assert torch.allclose(bare.weights(task), watched.weights(task), atol=1e-12)


@pytest.mark.parametrize("name", HYPER)
@pytest.mark.parametrize("component", [Freeze, Undo])
def test_a_component_can_freeze_the_shared_parameters(name, component):
    learner = learned(MAKERS[name](), 1)
    listened_to(learner, component("hyper"))
    learner.begin_task()
    hyper_before, embedding_before = state(learner, "hyper"), state(learner, "embedding")
    train(learner, 1, 4)
    assert is_same(hyper_before, state(learner, "hyper"))
    assert not is_same(embedding_before, state(learner, "embedding"))


@pytest.mark.parametrize("name", ["fine-tuning", "multi-task", "ewc", "si", "single-task"])
def test_a_component_can_freeze_a_baseline(name):
    learner = learned(MAKERS[name](), 1)
    listened_to(learner, Freeze("dynamics"))
    learner.begin_task()
    before = state(learner, "dynamics")
    train(learner, 1, 4)
    assert is_same(before, state(learner, "dynamics"))


def test_a_component_can_freeze_the_embedding_alone():
    learner = listened_to(hyper(), Freeze("embedding"))
    learner.begin_task()
    hyper_before, embedding_before = state(learner, "hyper"), state(learner, "embedding")
    train(learner, 0, 4)
    assert is_same(embedding_before, state(learner, "embedding"))
    assert not is_same(hyper_before, state(learner, "hyper"))


@pytest.mark.parametrize("name", HYPER)
def test_a_component_s_loss_is_added_to_the_role_s(name):
    plain, decayed = learned(MAKERS[name](), 1), learned(MAKERS[name](), 1)
    listened_to(decayed, Decay(decayed, "hyper", 100.0))
    for learner in (plain, decayed):
        learner.begin_task()
        train(learner, 1, 30)
    size = {id(learner): sum(p.square().sum() for p in learner.roles()["hyper"]) for learner in (plain, decayed)}
    assert size[id(decayed)] < 0.99 * size[id(plain)]


def test_the_path_of_si_ends_with_the_step_as_components_leave_it():
    learner = listened_to(baseline("si"), Undo("dynamics"))
    learner.begin_task()
    train(learner, 0, 4)
    assert not learner.path.any()
