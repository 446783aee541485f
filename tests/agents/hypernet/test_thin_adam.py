"""The thin head's gradient is the dense one, and its Adam is torch's."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.agents.hypernet.adam import SMALL, ThinAdam
from lifelong_rl.agents.hypernet.thin import ThinLinear


def layer_of(n_inputs, n_outputs, seed=0, block_rows=None):
    layer = ThinLinear(n_inputs, n_outputs).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    if block_rows is not None:
        layer.block_rows = block_rows
    return layer


def dense(layer):
    plain = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0], dtype=torch.float64)
    plain.weight.data.copy_(layer.weight.detach())
    plain.bias.data.copy_(layer.bias.detach())
    return plain


def backward(layer, hidden, seed):
    """Make a loss of the outputs; give the gradient of what went in."""
    hidden = hidden.clone().requires_grad_()
    outputs = layer(hidden)
    weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    (outputs.square() * weights).sum().backward()
    return hidden.grad


@given(
    n_inputs=st.integers(1, 5), n_outputs=st.integers(1, 9), rows=st.lists(st.integers(1, 4), min_size=1, max_size=3)
)
@settings(max_examples=40, deadline=None)
def test_the_factors_multiply_to_the_dense_gradient(n_inputs, n_outputs, rows):
    layer = layer_of(n_inputs, n_outputs)
    plain = dense(layer)
    for i, n_rows in enumerate(rows):  # several backward passes add up
        hidden = torch.randn(n_rows, n_inputs, generator=torch.Generator().manual_seed(i), dtype=torch.float64)
        assert torch.allclose(backward(layer, hidden, i), backward(plain, hidden, i), atol=1e-9)
    left, right = layer.factors()
    assert left.shape == (n_outputs, sum(rows))
    assert right.shape == (sum(rows), n_inputs)
    assert torch.allclose(left @ right, plain.weight.grad, atol=1e-9)
    assert torch.allclose(layer.squared_norm(), plain.weight.grad.square().sum(), rtol=1e-9)
    assert torch.allclose(layer.bias.grad, plain.bias.grad, atol=1e-9)
    layer.scale_gradient(0.5)
    layer.materialise()
    assert torch.allclose(layer.weight.grad, plain.weight.grad / 2, atol=1e-9)
    layer.clear_gradient()
    assert layer.factors() is None
    assert layer.weight.grad is None
    assert layer.squared_norm() == 0


def test_without_gradients_the_outputs_are_the_same():
    layer = layer_of(3, 5)
    hidden = torch.randn(4, 3, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(layer(hidden), layer_of(3, 5)(hidden).detach())


@pytest.mark.parametrize("shape", [(3, 20), (128, 2 * SMALL // 128 + 5)], ids=["small", "large"])
@pytest.mark.parametrize("block_rows", [None, 7, 10_000], ids=["usual-blocks", "small-blocks", "one-block"])
@pytest.mark.parametrize("longest", [None, 0.5], ids=["free", "clipped"])
def test_its_steps_are_those_of_torch_s_adam(shape, block_rows, longest):
    if shape[0] > 100 and block_rows == 7:
        block_rows = 700  # 1,171 blocks would only take longer
    thin = layer_of(*shape, block_rows=block_rows)
    body = torch.nn.Linear(4, shape[0], dtype=torch.float64)
    plain_body, plain = copy.deepcopy(body), dense(thin)
    ours = ThinAdam([*body.parameters(), thin.bias], [thin], lr=0.01, betas=(0.8, 0.95), eps=1e-7)
    both = [*plain_body.parameters(), *plain.parameters()]
    theirs = torch.optim.Adam(both, lr=0.01, betas=(0.8, 0.95), eps=1e-7)
    for step in range(4):
        hidden = torch.randn(3, 4, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        for optimiser, first, second in ((ours, body, thin), (theirs, plain_body, plain)):
            optimiser.zero_grad()
            (second(torch.tanh(first(hidden))).square().mean()).backward()
        if longest is not None:
            norm = ours.clip(longest)
            assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(both, longest)), rel=1e-10)
            assert norm > longest
        ours.step()
        theirs.step()
    mine = [*body.parameters(), thin.weight, thin.bias]
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(mine, both, strict=True))


def test_a_preview_shows_the_step_that_follows_and_changes_nothing():
    layer = layer_of(3, 20, block_rows=7)
    optimiser = ThinAdam([layer.bias], [layer], lr=0.1)
    hidden = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for seed in range(2):
        optimiser.zero_grad()
        backward(layer, hidden, seed)
        before = layer.weight.detach().clone()
        (bias,) = (values.clone() for values in optimiser.previewed())
        weight = torch.cat([block.clone() for _, block in optimiser.previewed_blocks(layer)])
        assert torch.equal(layer.weight, before)
        optimiser.step()
        assert torch.allclose(layer.bias, bias, atol=1e-14)
        assert torch.allclose(layer.weight, weight, atol=1e-14)


def test_a_preview_counts_gradients_that_a_component_wrote_to_the_head_itself():
    layer = layer_of(3, 20, block_rows=7)
    optimiser = ThinAdam([layer.bias], [layer], lr=0.1)
    backward(layer, torch.ones(1, 3, dtype=torch.float64), 0)
    (3 * layer.weight.square()).sum().backward()  # a decay of the weights, as a component's loss
    weight = torch.cat([block.clone() for _, block in optimiser.previewed_blocks(layer)])
    optimiser.step()
    assert torch.allclose(layer.weight, weight, atol=1e-14)


def test_a_restart_forgets_the_moments():
    layer = layer_of(3, 5)
    optimiser = ThinAdam([layer.bias], [layer], lr=0.1)
    backward(layer, torch.ones(1, 3, dtype=torch.float64), 0)
    optimiser.step()
    optimiser.restart()
    before = layer.weight.detach().clone()
    optimiser.step()  # the first step of Adam has the length of the rate, whatever the gradient
    assert torch.allclose((layer.weight - before).abs(), torch.tensor(0.1, dtype=torch.float64), atol=1e-6)


def test_the_moments_can_be_saved_and_loaded():
    layers, optimisers = [], []
    for _ in range(2):
        layers.append(layer_of(3, 5))
        optimisers.append(ThinAdam([layers[-1].bias], [layers[-1]], lr=0.1))
    hidden = torch.ones(1, 3, dtype=torch.float64)
    backward(layers[0], hidden, 0)
    optimisers[0].step()
    with torch.no_grad():
        for mine, other in zip(layers[1].parameters(), layers[0].parameters(), strict=True):
            mine.copy_(other)
    optimisers[1].load_state_dict(optimisers[0].state_dict())
    for layer, optimiser in zip(layers, optimisers, strict=True):
        optimiser.zero_grad()
        backward(layer, hidden, 1)
        optimiser.step()
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert torch.equal(layers[0].bias, layers[1].bias)
