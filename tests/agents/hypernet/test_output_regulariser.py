"""The output regulariser: its gradient is that of the formula, and a sample of tasks is unbiased."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypernet_toys import TARGET, batch, hyper, loss

from lifelong_rl.agents.hypernet.adam import ThinAdam
from lifelong_rl.agents.hypernet.full import FullHypernetwork
from lifelong_rl.agents.hypernet.hyper_learner import HypernetSettings, make_hypernetwork
from lifelong_rl.agents.hypernet.regulariser import OutputRegulariser

N_EARLIER = 3
BETA = 0.7


def network_of(form):
    settings = HypernetSettings(form=form, hidden=(6, 7), chunk_size=7)
    network = make_hypernetwork(TARGET, settings, torch.Generator().manual_seed(0)).double()
    for _ in range(N_EARLIER + 1):
        network.add_task(torch.Generator().manual_seed(len(network.embeddings)))
    return network


def moved(network):
    """Move the shared parameters a little, so that what is emitted drifts."""
    generator = torch.Generator().manual_seed(5)
    parameters = [*network.shared_parameters(), *(head.weight for head in network.heads)]
    with torch.no_grad():
        for p in parameters:
            p.add_(0.05 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return parameters


def emitted(network, parameters, embedding):
    """What the network emits with other shared parameters, through plain autograd and without thin factors."""
    shared = [*network.shared_parameters(), *(head.weight for head in network.heads)]
    given = {id(p): values for p, values in zip(shared, parameters, strict=True)}
    if isinstance(network, FullHypernetwork):
        values = embedding
        for matrix, bias in zip(network.matrices, network.biases, strict=True):
            values = network.activation(given[id(matrix)] @ values + given[id(bias)])
        return given[id(network.head.weight)] @ values + given[id(network.head.bias)]
    names = {name: given[id(p)] for name, p in network.named_parameters() if id(p) in given}
    return torch.func.functional_call(network, names, (embedding.unsqueeze(0),))[0]


def formula(network, parameters, regulariser, importance):
    """beta * sum_j w_j |h(e_j, theta) - h(e_j, theta*)|^2, task by task."""
    total = torch.zeros((), dtype=torch.float64)
    for j in range(N_EARLIER):
        weights = emitted(network, parameters, network.embeddings[j].detach())
        squares = (weights - regulariser.targets[:, j]).square()
        total = total + (squares if importance is None else squares * importance[:, j]).sum()
    return BETA * total / (N_EARLIER if regulariser.scaling == "mean" else 1)


def gradient_of(optimiser, heads):
    for head in heads:
        head.materialise()
    return [*(p.grad for p in optimiser.parameters), *(head.weight.grad for head in heads)]


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def importance(request):
    if not request.param:
        return None
    return torch.rand(TARGET.n_weights, N_EARLIER, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("scaling", ["sum", "mean"])
@pytest.mark.parametrize("form", ["full", "chunked", "recurrent"])
def test_its_gradient_is_that_of_the_formula(form, scaling, importance):
    network = network_of(form)
    regulariser = OutputRegulariser(beta=BETA, scaling=scaling)
    regulariser.snapshot(network, range(N_EARLIER), importance)
    parameters = moved(network)
    optimiser = ThinAdam(network.shared_parameters(), network.heads)
    tasks = list(range(N_EARLIER))
    value = regulariser.value(network.emit(regulariser.embeddings_of(tasks)), tasks)
    value.backward()

    leaves = [p.detach().clone().requires_grad_() for p in parameters]
    expected = formula(network, leaves, regulariser, importance)
    assert expected > 1e-3
    assert abs(value.item() - expected.item()) < 1e-9
    for found, wanted in zip(
        gradient_of(optimiser, network.heads), torch.autograd.grad(expected, leaves), strict=True
    ):
        assert (found - wanted).abs().max() < 1e-6


@pytest.mark.parametrize("scaling", ["sum", "mean"])
@pytest.mark.parametrize("form", ["full", "chunked", "recurrent"])
@pytest.mark.parametrize("n_steps", [0, 2])
def test_with_look_ahead_it_is_that_at_the_parameters_after_adam_s_step(form, scaling, n_steps, importance):
    network = network_of(form)
    regulariser = OutputRegulariser(beta=BETA, scaling=scaling)
    regulariser.snapshot(network, range(N_EARLIER), importance)
    parameters = moved(network)
    optimiser = ThinAdam(network.shared_parameters(), network.heads, lr=0.01)
    plain = torch.optim.Adam([p.detach().clone() for p in parameters], lr=0.01)
    copies = plain.param_groups[0]["params"]

    def own_loss(weights):
        return loss(weights, batch(0))

    for step in range(n_steps + 1):
        optimiser.zero_grad()
        own_loss(network.weights(N_EARLIER)).backward()
        leaves = [p.clone().requires_grad_() for p in copies]
        embedding = network.embeddings[N_EARLIER].detach()
        own = torch.autograd.grad(own_loss(emitted(network, leaves, embedding)), leaves)
        if step == n_steps:
            break
        optimiser.step()
        for p, gradient in zip(copies, own, strict=True):
            p.grad = gradient
        plain.step()
    scale = 5.0
    term = regulariser.add_look_ahead(network, optimiser, list(range(N_EARLIER)), scale)
    found = gradient_of(optimiser, network.heads)
    for p, gradient in zip(copies, own, strict=True):
        p.grad = gradient
    plain.step()  # the copies now stand at theta + delta
    ahead = [p.clone().requires_grad_() for p in copies]
    expected = scale * formula(network, ahead, regulariser, importance)
    assert abs(term - expected.item()) < 1e-6
    for gradient, wanted, mine in zip(found, torch.autograd.grad(expected, ahead), own, strict=True):
        assert (gradient - (wanted + mine)).abs().max() < 1e-6


@pytest.mark.parametrize("scaling", ["sum", "mean"])
def test_a_sample_of_tasks_has_the_expectation_of_all(scaling):
    network = network_of("full")
    whole = OutputRegulariser(beta=BETA, scaling=scaling)
    sampled = OutputRegulariser(beta=BETA, scaling=scaling, n_sampled=2)
    for regulariser in (whole, sampled):
        regulariser.snapshot(network, range(N_EARLIER))
    moved(network)

    def value(regulariser, tasks):
        return regulariser.value(network.emit(regulariser.embeddings_of(list(tasks))), list(tasks)).item()

    subsets = list(combinations(range(N_EARLIER), 2))
    mean = np.mean([value(sampled, subset) for subset in subsets])
    assert mean == pytest.approx(value(whole, range(N_EARLIER)), rel=1e-12)


def test_all_subsets_of_tasks_are_sampled_equally_often():
    network = network_of("full")
    regulariser = OutputRegulariser(beta=1.0, n_sampled=2)
    regulariser.snapshot(network, range(N_EARLIER))
    rng = np.random.default_rng(0)
    drawn = [tuple(regulariser.choose(rng)) for _ in range(3000)]
    counts = [drawn.count(subset) for subset in combinations(range(N_EARLIER), 2)]
    assert sum(counts) == 3000
    assert all(900 < count < 1100 for count in counts)  # four standard deviations of 26


def test_every_task_comes_up_as_often_as_any_other_and_none_twice_in_one_update():
    network = network_of("full")
    regulariser = OutputRegulariser(beta=1.0, n_sampled=2)
    regulariser.snapshot(network, range(N_EARLIER))
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = [regulariser.choose(rng) for _ in range(3)]  # two rounds of three tasks
        assert sorted(task for chosen in drawn for task in chosen) == [0, 0, 1, 1, 2, 2]
        assert all(len(set(chosen)) == 2 for chosen in drawn)


def test_no_more_tasks_than_the_sample_means_all_of_them():
    network = network_of("full")
    regulariser = OutputRegulariser(beta=1.0, n_sampled=N_EARLIER)
    regulariser.snapshot(network, range(N_EARLIER))
    assert regulariser.choose(np.random.default_rng(0)) == [0, 1, 2]


def test_a_stronger_regulariser_lets_earlier_weights_drift_less():
    drifts = []
    for beta in (0.0, 0.5, 50.0):
        learner = hyper(beta=beta, lr=1e-2)
        learner.begin_task()
        for i in range(20):
            learner.update(0, batch(10 * i))
        before = learner.weights(0)
        learner.begin_task()
        for i in range(60):
            learner.update(1, batch(1 + 10 * i))
        drifts.append((learner.weights(0) - before).norm().item())
    assert drifts[0] > 2 * drifts[1] > 4 * drifts[2]


@pytest.mark.parametrize("wrong", [{"beta": -1.0}, {"scaling": "none"}, {"n_sampled": 0}, {"keeps": "all"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OutputRegulariser(**({"beta": 1.0} | wrong))


@pytest.mark.parametrize("keeps", ["first", "latest"])
def test_an_earlier_task_is_held_to_what_it_was_first_or_when_the_current_task_began(keeps):
    network = network_of("full")
    regulariser = OutputRegulariser(beta=1.0, keeps=keeps)
    regulariser.snapshot(network, [0])
    first = network.weights(0).detach()
    moved(network)
    regulariser.snapshot(network, [0, 1])
    latest = [network.weights(task).detach() for task in (0, 1)]
    assert torch.allclose(regulariser.targets[:, 0], first if keeps == "first" else latest[0], atol=1e-12)
    assert torch.allclose(regulariser.targets[:, 1], latest[1], atol=1e-12)
    moved(network)
    regulariser.snapshot(network, [1])  # task 0 is trained further
    regulariser.snapshot(network, [0, 1])
    assert torch.allclose(regulariser.targets[:, 0], network.weights(0), atol=1e-12)
    expected = latest[1] if keeps == "first" else network.weights(1)
    assert torch.allclose(regulariser.targets[:, 1], expected, atol=1e-12)
