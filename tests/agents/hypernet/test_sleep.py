"""Sleep: what is replayed, what it restores, what it costs, and that none of it happens unasked."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypernet_toys import TARGET, batch, hyper, learned, listened_to, train

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED, HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.sleep import all_kept, outputs_of, sleep_loss
from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.agents.hypernet.transitions import Transitions
from lifelong_rl.envs.factory import make_vec


def imagine(task, weights, n_rows, n_steps, generator):
    return torch.randn(n_rows, 3, generator=generator).to(weights)


def asleep(learner, n_tasks, n_updates=None):
    """Learn tasks one after another, with a sleep at the end of each."""
    seen = []
    for task in range(n_tasks):
        assert learner.begin_task() == task
        train(learner, task)
        learner.end_task(task, batch(task, n_rows=12))
        seen.append(learner.sleep(imagine, n_updates))
    return seen


@pytest.mark.parametrize("members", [1, 2])
def test_networks_side_by_side_give_what_each_gives_alone(members):
    target = TargetNetwork((3, 5, 2), "tanh", members, n_extra=4)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(4, target.n_weights, generator=generator, dtype=torch.float64)
    inputs = torch.randn(4, 6, 3, generator=generator, dtype=torch.float64)
    alone = torch.cat([target.forward(w, x) for w, x in zip(weights, inputs, strict=True)])
    torch.testing.assert_close(outputs_of(target, weights, inputs), alone, rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_sum_over_tasks_of_mean_squared_differences_and_the_regulariser():
    learner = learned(hyper(beta=0.3), 2)
    learner.begin_task()
    train(learner, 2)
    kept = all_kept(learner.regulariser, learner.weights(2), learner.network.embeddings[2], None)
    with torch.no_grad():
        for parameter in learner.network.shared_parameters():
            parameter.add_(0.1)
    inputs = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = weights_term = 0.0
    for task in range(3):
        now, before = learner.weights(task), kept.targets[:, task]
        differences = TARGET.forward(now, inputs[task]) - TARGET.forward(before, inputs[task])
        wanted += float(differences.square().mean())
        weights_term += 0.3 * float((now - before).square().sum())
    distance, term = (part.detach() for part in sleep_loss(learner.network, kept, [0, 1, 2], inputs))
    assert float(distance) == pytest.approx(wanted, rel=1e-10)
    assert float(term) == pytest.approx(weights_term, rel=1e-10)


def test_sampled_tasks_give_the_loss_of_all_on_average():
    learner = learned(hyper(beta=0.3), 2)
    learner.begin_task()
    kept = all_kept(learner.regulariser, learner.weights(2), learner.network.embeddings[2], None)
    with torch.no_grad():
        for parameter in learner.network.shared_parameters():
            parameter.add_(0.1)
    inputs = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = sleep_loss(learner.network, kept, [0, 1, 2], inputs)
    pairs = [sleep_loss(learner.network, kept, pair, inputs[pair]) for pair in ([0, 1], [0, 2], [1, 2])]
    for part in (0, 1):
        mean = float(sum(pair[part].detach() for pair in pairs) / 3)
        assert mean == pytest.approx(float(whole[part].detach()), rel=1e-10)


@pytest.mark.parametrize("beta", [0.5, 0.0])
def test_sleep_restores_what_was_emitted_before_the_task(beta):
    slept, awake = (hyper(beta=beta, n_sleep_updates=n) for n in (400, 0))
    far = []
    for learner in (slept, awake):
        asleep(learner, 1)
        before = learner.weights(0)
        learner.begin_task()
        train(learner, 1, 60)
        own = learner.weights(1)
        learner.sleep(imagine)
        probe = batch(0, 50).inputs
        moved = TARGET.forward(learner.weights(0), probe) - TARGET.forward(before, probe)
        kept = TARGET.forward(learner.weights(1), probe) - TARGET.forward(own, probe)
        far.append((float(moved.square().mean()), float(kept.square().mean())))
    (restored, own), (drifted, _) = far
    assert restored < 0.01 * drifted
    assert own < 0.01 * drifted


def test_sleeping_for_no_updates_changes_no_bit():
    learner = learned(hyper(n_sleep_updates=0), 2)
    learner.begin_task()
    train(learner, 2)
    before = pickle.dumps(learner.state_dict())
    assert learner.sleep(imagine) == []
    assert learner.sleep(imagine, 0) == []
    assert pickle.dumps(learner.state_dict()) == before


def test_a_first_task_needs_no_sleep():
    learner = hyper(n_sleep_updates=5)
    learner.begin_task()
    train(learner, 0)
    before = pickle.dumps(learner.state_dict())
    assert learner.sleep(imagine) == []
    assert pickle.dumps(learner.state_dict()) == before


def test_without_regulariser_and_sleep_no_snapshot_is_kept():
    held = [
        {part.part for part in learned(hyper(beta=0.0, n_sleep_updates=n), 3).memory() if part.n_bytes}
        for n in (0, 1)
    ]
    assert held[1] - held[0] == {"emitted weights of earlier tasks"}


def test_the_snapshot_that_sleep_alone_needs_leaves_training_without_regulariser():
    updates, others = (train(learned(hyper(beta=0.0, n_sleep_updates=n), 2), 1) for n in (0, 5))
    assert updates == others
    assert all(update.regulariser == 0 for update in others)


@pytest.mark.parametrize(
    "options", [{}, {"n_sampled": 1}, {"weighting": "fisher"}, {"form": "chunked", "chunk_size": 7}]
)
def test_a_learner_that_slept_continues_bit_for_bit(options):
    def fresh():
        return hyper(n_sleep_updates=7, **options)

    original = fresh()
    asleep(original, 2)
    original.begin_task()
    train(original, 2)
    restored = fresh()
    restored.load_state_dict(pickle.loads(pickle.dumps(original.state_dict())))
    seen = []
    for learner in (original, restored):
        updates = train(learner, 2, 2, first=3)
        learner.end_task(2, batch(2, n_rows=12))
        updates += learner.sleep(imagine)
        learner.begin_task()
        updates += train(learner, 3)
        seen.append((updates, [learner.weights(task) for task in range(4)]))
    assert seen[0][0] == seen[1][0]
    assert all(torch.equal(a, b) for a, b in zip(seen[0][1], seen[1][1], strict=True))


def test_the_learning_rate_is_the_same_after_sleep():
    learner = hyper(n_sleep_updates=3, lr=2e-3)
    asleep(learner, 2)
    assert learner.optimiser.lr == 2e-3


def test_sleep_without_replayed_rows_keeps_weights_alone():
    def forbidden(*_):
        raise AssertionError("nothing is to be made up")

    learner = hyper(n_sleep_updates=3, n_sleep_rows=0)
    learned(learner, 2)
    updates = learner.sleep(forbidden)
    assert [update.loss for update in updates] == [0.0] * 3
    assert updates[0].regulariser > 0


def test_inputs_are_made_up_for_each_task_with_its_own_kept_weights():
    asked = []

    def watched(task, weights, n_rows, n_steps, generator):
        asked.append((task, weights.clone(), n_rows, n_steps))
        return imagine(task, weights, n_rows, n_steps, generator)

    learner = learned(hyper(n_sleep_updates=1, n_sleep_rows=9, n_imagined_steps=2), 2)
    learner.begin_task(0)
    train(learner, 0)
    kept = {0: learner.weights(0), 1: learner.regulariser.targets[:, 0].clone()}
    learner.sleep(watched)
    assert [(task, rows, steps) for task, _, rows, steps in asked] == [(1, 9, 2), (0, 9, 2)]
    assert all(torch.equal(weights, kept[task]) for task, weights, *_ in asked)


class Counter(Component):
    """Counts the gradients that it sees, and the losses that it is asked for."""

    def __init__(self):
        self.grads, self.losses = 0, 0

    def grad(self, agent, role, params):
        self.grads += 1

    def loss(self, agent, role, batch):
        self.losses += 1


def test_components_see_the_steps_of_sleep_and_add_no_losses_of_their_own():
    learner = learned(hyper(n_sleep_updates=4), 2)
    counter = Counter()
    listened_to(learner, counter).sleep(imagine)
    assert (counter.grads, counter.losses) == (4, 0)


@pytest.mark.parametrize("name", ["n_sleep_updates", "n_sleep_rows", "n_imagined_steps"])
def test_negative_numbers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0, found -1"):
        HypernetSettings(**{name: -1})


def test_a_sleep_that_would_do_nothing_is_refused():
    with pytest.raises(ValueError, match="n_sleep_rows or beta above 0"):
        HypernetSettings(n_sleep_updates=1, n_sleep_rows=0, beta=0.0)


# What a dynamics model makes up


def dynamics(n_tasks=1, **settings):
    """A dynamics model of linear systems with one observation number that never changes."""
    options = HypernetSettings(hidden=(6,), **settings)
    model = DynamicsModel(
        3,
        1,
        lambda target, loss: HypernetLearner(target, loss, torch.Generator().manual_seed(0), settings=options),
        settings=DynamicsSettings(hidden=(8,)),
        rng=np.random.default_rng(0),
    )
    rng, updates = np.random.default_rng(0), []
    for task in range(n_tasks):
        observations = rng.normal(size=(200, 3)).astype(np.float32) * [10, 1, 0] + [50, 0, 7]
        actions = rng.uniform(-2, 2, (200, 1)).astype(np.float32)
        following = observations + actions * [1, task + 1, 0]
        data = Transitions(3, 1, held_out=0.1, rng=np.random.default_rng(0))
        data.add(observations, actions, np.zeros(200), following)
        model.begin_task()
        model.observe(task, data)
        model.fit(task, data, 50, 32, lambda update: None)
        updates.append(model.end_task(task, data))
    return model, updates


def test_made_up_inputs_lie_in_the_range_that_was_kept_and_stand_where_nothing_moved():
    model, _ = dynamics()
    inputs = model.imagine(0, model.learner.weights(0), 5000, 0, torch.Generator().manual_seed(0))
    assert inputs.shape == (5000, 4)
    moments = model.scales[0].inputs
    raw = inputs.numpy() * moments.std + moments.mean
    assert (raw >= moments.low - 1e-4).all()
    assert (raw <= moments.high + 1e-4).all()
    np.testing.assert_allclose(raw[:, 2], 7)
    assert abs(float(inputs[:, 0].mean())) < 0.05
    assert abs(float(inputs[:, 0].std()) - 1) < 0.05


def test_a_made_up_rollout_follows_the_task_s_own_model():
    model, _ = dynamics()
    weights = model.learner.weights(0)
    inputs = model.imagine(0, weights, 8, 1, torch.Generator().manual_seed(0))
    moments = model.scales[0].inputs
    raw = (inputs.double().numpy() * moments.std + moments.mean).astype(np.float32)
    starts, ends = torch.from_numpy(raw[:4]), torch.from_numpy(raw[4:])
    following = model.predictor(0).step(starts[:, :3], starts[:, 3:]).numpy()
    bounded = np.clip(following, moments.low[:3], moments.high[:3])
    np.testing.assert_allclose(ends[:, :3].numpy(), bounded, rtol=1e-4, atol=1e-3)
    assert model.imagine(0, weights, 7, 3, torch.Generator().manual_seed(0)).shape == (7, 4)


def test_a_task_without_a_transition_has_no_range():
    model, _ = dynamics()
    model.begin_task()
    inputs = model.imagine(1, model.learner.weights(1), 100, 2, torch.Generator().manual_seed(0))
    assert torch.isfinite(inputs).all()


def test_a_dynamics_model_sleeps_at_a_task_s_end_where_it_is_asked_to():
    _, updates = dynamics(3, n_sleep_updates=5, n_imagined_steps=1)
    assert [len(seen) for seen in updates] == [0, 5, 5]
    assert updates[1][0].loss > updates[1][-1].loss
    _, none = dynamics(2, n_sleep_updates=0)
    assert none == [[], []]


def test_hypernetworks_sleep_by_default_where_they_are_regularised_and_not_as_published():
    assert HypernetSettings().sleep_updates == 200
    assert HypernetSettings(beta=0.0).sleep_updates == 0
    assert HypernetSettings(beta=0.0, n_sleep_updates=7).sleep_updates == 7
    assert all(settings.sleep_updates == 0 for settings in PUBLISHED.values())


def test_the_agent_sleeps_by_an_option_and_counts_its_updates():
    agent = HyperCRL(
        make_vec("pendulum-physics", 1, 0, max_episode_steps=20),
        mechanism_options={"n_sleep_updates": 5},
        dynamics={"hidden": (8,)},
        n_random_steps=100,
        train_every=100,
        n_updates=3,
    )
    for name in ("first", "second"):
        agent.begin_task(TaskInfo(name))
        agent.learn_steps(100)
        agent.end_task()
    assert agent._n_updates == 3 + 3 + 5
    scalars = agent.curves.scalars()
    assert scalars["sleep/loss"] > 0
    assert scalars["sleep/regulariser"] > 0
