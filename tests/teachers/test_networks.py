"""The teachers' networks compute and learn as torch's own, from the generator given, on one thread."""

import numpy as np
import pytest
import torch

from lifelong_rl.teachers.networks import Networks, one_thread, perceptron


def torch_copy(networks):
    """A torch network with the parameters of the first of ours."""
    layers = []
    for weight, bias in networks.layers()[0]:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = weight.detach().clone(), bias.detach().clone()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def test_outputs_are_those_of_torchs_layers():
    networks = Networks([[3, 8, 8, 2]], np.random.default_rng(0), "adam", 1e-3)
    inputs = torch.linspace(-1.0, 1.0, 12).view(4, 3)

    assert torch.allclose(perceptron(networks.layers()[0], inputs), torch_copy(networks)(inputs))


@pytest.mark.parametrize(
    ("optimiser", "twin"),
    [
        ("adam", lambda parameters: torch.optim.Adam(parameters, lr=1e-2)),
        ("rmsprop", lambda parameters: torch.optim.RMSprop(parameters, lr=1e-2, alpha=0.9, eps=1e-7)),
    ],
)
def test_steps_are_those_of_torchs_optimisers(optimiser, twin):
    networks = Networks([[2, 8, 1]], np.random.default_rng(0), optimiser, 1e-2)
    other = torch_copy(networks)
    steps = twin(other.parameters())
    inputs = torch.linspace(-1.0, 1.0, 20).view(10, 2)
    for _ in range(20):
        networks.step((perceptron(networks.layers()[0], inputs) - inputs.sum(1, keepdim=True)).square().mean())
        steps.zero_grad()
        (other(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
        steps.step()

    assert torch.allclose(perceptron(networks.layers()[0], inputs), other(inputs), atol=1e-4)


def test_networks_that_train_together_have_their_own_parameters():
    networks = Networks([[1, 4, 1], [1, 4, 1]], np.random.default_rng(0), "adam", 1e-2)
    inputs = torch.ones(1, 1)
    before = [perceptron(layers, inputs).item() for layers in networks.layers()]

    networks.step(perceptron(networks.layers()[0], inputs).sum())
    after = [perceptron(layers, inputs).item() for layers in networks.layers()]

    assert after[0] < before[0]
    assert after[1] == before[1]


def test_torchs_own_generator_and_number_of_threads_stay_as_they_are():
    state, n_threads = torch.random.get_rng_state(), torch.get_num_threads()

    Networks([[2, 8, 1]], np.random.default_rng(0), "adam", 1e-2)
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError

    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads
