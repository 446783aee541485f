"""Dynamics models: losses by hand, running scales, predictors with the scales folded in."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.agents.hypernet.baselines import MultiTaskLearner, SingleTaskLearner
from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.learner import Batch
from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.agents.hypernet.transitions import Moments, Transitions

N_OBSERVATION, N_ACTION = 3, 2


def columns_of(n_rows=200, seed=0):
    """Transitions of a linear system with offsets and very different sizes of its parts."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(n_rows, N_OBSERVATION)) * [1.0, 10.0, 0.1] + [0.0, 50.0, -3.0]
    actions = rng.uniform(-2, 2, (n_rows, N_ACTION))
    following = observations + 0.1 * observations[:, [1, 2, 0]] + actions @ rng.normal(size=(N_ACTION, N_OBSERVATION))
    rewards = observations[:, 0] - actions[:, 1]
    return tuple(np.asarray(c, dtype=np.float32) for c in (observations, actions, rewards, following))


def model_of(learner=SingleTaskLearner, dtype=torch.float64, options=None, **changes):
    def make(target, loss):
        generator = torch.Generator().manual_seed(0)
        return learner(target, loss, generator, dtype=dtype, **(options or {}))

    its_settings = DynamicsSettings(**({"hidden": (16,)} | changes))
    return DynamicsModel(N_OBSERVATION, N_ACTION, make, settings=its_settings, rng=np.random.default_rng(0))


def fitted(model, n_updates=300, columns=None, held_out=0.25):
    columns = columns_of() if columns is None else columns
    data = Transitions(N_OBSERVATION, N_ACTION, held_out=held_out, rng=np.random.default_rng(0))
    data.add(*columns)
    task = model.begin_task()
    model.observe(task, data)
    losses = []
    model.fit(task, data, n_updates, 32, lambda update: losses.append(update.loss))
    model.end_task(task, data)
    return losses


KINDS = {
    "one": {},
    "absolute": {"absolute": (1,)},
    "unscaled": {"scales_targets": False},
    "reward": {"learns_reward": True},
    "probabilistic": {"is_probabilistic": True},
    "ensemble": {"n_members": 3},
    "probabilistic-ensemble": {"is_probabilistic": True, "n_members": 3, "learns_reward": True, "absolute": (0, 2)},
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_the_folded_predictor_equals_the_unfolded_prediction(kind):
    model = model_of(**kind)
    columns = columns_of()
    fitted(model, 30, columns)
    predictor, scales = model.predictor(0), model.scales[0]
    observations, actions = (torch.from_numpy(c).double() for c in columns[:2])
    inputs = model.batch(0, columns).inputs
    targets = predictor.scaled(inputs).numpy()
    if kind.get("scales_targets", True):
        targets = targets * scales.targets.std + scales.targets.mean
    kept = columns[0] * model._differs
    assert np.allclose(predictor.outputs(observations, actions).numpy(), targets, atol=1e-9)
    assert np.allclose(predictor.step(observations, actions).numpy(), targets[:, :3] + kept, atol=1e-6)


def test_a_predictor_takes_any_leading_shape(kind):
    model = model_of(**kind)
    fitted(model, 5)
    predictor = model.predictor(0)
    observations = torch.randn(4, 5, N_OBSERVATION, dtype=torch.float64)
    actions = torch.randn(4, 5, N_ACTION, dtype=torch.float64)
    rows = predictor.step(observations.view(20, -1), actions.view(20, -1))
    assert torch.allclose(predictor.step(observations, actions), rows.view(4, 5, -1), atol=1e-12)


def test_every_kind_learns(kind):
    model = model_of(**kind, dtype=torch.float32)
    columns = columns_of()
    fitted(model, 1, columns)
    before = model.error(0, columns)
    trained = model_of(**kind, dtype=torch.float32)
    fitted(trained, 600, columns)
    assert trained.error(0, columns) < 0.3 * before


def test_the_targets_are_differences_but_for_those_that_are_absolute():
    columns = columns_of(50)
    model = model_of(absolute=(1,), scales_targets=False, learns_reward=True)
    fitted(model, 1, columns)
    observations, _, rewards, following = columns
    expected = np.column_stack(
        [
            following[:, 0] - observations[:, 0],
            following[:, 1],
            following[:, 2] - observations[:, 2],
            rewards,
        ]
    )
    assert np.array_equal(model.batch(0, columns).targets.numpy(), expected)


def test_scaled_inputs_and_targets_have_mean_0_and_deviation_1():
    columns = columns_of()
    model = model_of()
    fitted(model, 1, columns)
    for part in model.batch(0, columns):
        assert np.allclose(part.mean(0), 0, atol=1e-6)
        assert np.allclose(part.std(0, unbiased=False), 1, atol=1e-6)


def test_each_task_has_scales_of_its_own():
    model = model_of()
    first, second = columns_of(seed=0), columns_of(seed=1)
    fitted(model, 1, first)
    before = model.batch(0, first)
    fitted(model, 1, tuple(10 * c for c in second))
    assert torch.equal(model.batch(0, first).inputs, before.inputs)
    assert not torch.equal(model.batch(1, first).inputs, before.inputs)


def test_the_gaussian_likelihood_by_hand():
    model = model_of(is_probabilistic=True, hidden=(), learns_reward=False)
    weights = torch.zeros(model.target.n_weights, dtype=torch.float64)
    # a linear model without weights: its outputs are the biases, 3 means and 3 raw log-variances, then the bounds
    means, raw = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([-1.0, 0.0, 0.3])
    n_matrix = 5 * 6
    weights[n_matrix : n_matrix + 6] = torch.cat([means, raw])
    lower, upper = torch.tensor([0.1, 0.2, 0.3]) - 10.0, torch.tensor([-0.2, 0.0, 0.4]) + 0.5
    weights[n_matrix + 6 :] = torch.cat([lower + 10.0, upper - 0.5])
    targets = [1.0, 1.0, 1.0]

    def softplus(x):
        return math.log(1 + math.exp(x))

    expected = 0.0
    for mean, value, low, high, target in zip(
        means.tolist(), raw.tolist(), lower.tolist(), upper.tolist(), targets, strict=True
    ):
        bounded = high - softplus(high - value)
        bounded = low + softplus(bounded - low)
        expected += ((mean - target) ** 2 * math.exp(-bounded) + bounded + 0.01 * (high - low)) / 3
    batch = Batch(torch.randn(4, 5, dtype=torch.float64), torch.ones(4, 3, dtype=torch.float64))
    assert model.loss(weights, batch).item() == pytest.approx(expected, rel=1e-6)


def test_the_squared_error_of_an_ensemble_is_the_mean_over_its_members():
    model = model_of(n_members=3)
    single = TargetNetwork((5, 16, 3))
    weights = torch.randn(model.target.n_weights, dtype=torch.float64)
    batch = Batch(torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64))
    tensors = weights.split(model.target.tensor_sizes)
    expected = 0.0
    for member in range(3):
        own = torch.cat([t.view(3, -1)[member] for t in tensors])
        expected += (single.forward(own, batch.inputs)[0] - batch.targets).square().mean().item() / 3
    assert model.loss(weights, batch).item() == pytest.approx(expected, rel=1e-12)


def test_members_learn_from_batches_of_their_own_and_differ():
    model = model_of(n_members=2)
    fitted(model, 20)
    first, second = model.target.forward(model.learner.weights(0), torch.zeros(1, 5, dtype=torch.float64))
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("learner", ["hypernetwork", "single-task"])
def test_the_bounds_of_the_log_variance_are_learned(learner):
    if learner == "hypernetwork":
        settings = HypernetSettings(hidden=(8,))
        model = model_of(HypernetLearner, options={"settings": settings}, is_probabilistic=True)
    else:
        model = model_of(is_probabilistic=True)
    task = model.begin_task()
    lower, upper = (bound.clone() for bound in model.bounds(model.learner.weights(task)))
    columns = columns_of()
    data = Transitions(N_OBSERVATION, N_ACTION, held_out=0.0, rng=np.random.default_rng(0))
    data.add(*columns)
    model.observe(task, data)
    model.fit(task, data, 100, 32, lambda update: None)
    new_lower, new_upper = model.bounds(model.learner.weights(task))
    assert (new_lower != lower).all()
    assert (new_upper != upper).all()


def test_a_probabilistic_model_knows_how_noisy_a_system_is():
    observations, actions, rewards, following = columns_of(1000)
    noise = np.random.default_rng(1).normal(size=following.shape).astype(np.float32) * [0.0, 0.0, 2.0]
    columns = (observations, actions, rewards, (following + noise).astype(np.float32))
    model = model_of(is_probabilistic=True, dtype=torch.float32)
    fitted(model, 1500, columns)
    outputs = model.target.forward(model.learner.weights(0), model.batch(0, columns).inputs)
    _, log_variance = model.split(outputs[0], model.learner.weights(0))
    variance = log_variance.exp().mean(0) * torch.from_numpy(model.scales[0].targets.std).float() ** 2
    assert variance[2] == pytest.approx(4.0, rel=0.25)
    assert variance[0] < 0.1


def test_a_batch_of_an_ensemble_counts_its_rows_where_the_loss_is_a_sum():
    norms = {}
    for loss_scale in ("sum", "mean"):
        settings = HypernetSettings(hidden=(8,), loss_scale=loss_scale)
        model = model_of(HypernetLearner, options={"settings": settings}, n_members=3)
        task = model.begin_task()
        batch = Batch(torch.zeros(3, 20, 5, dtype=torch.float64), torch.ones(3, 20, 3, dtype=torch.float64))
        norms[loss_scale] = model.learner.update(task, batch).gradient_norm
    assert norms["sum"] == pytest.approx(20 * norms["mean"], rel=1e-9)


def test_an_ensemble_replays_as_many_rows_as_a_batch_has():
    model = model_of(MultiTaskLearner, n_members=3)
    fitted(model, 2)
    seen = []
    whole = model.learner.loss
    model.learner.loss = lambda weights, batch: seen.append(batch.inputs.shape) or whole(weights, batch)
    fitted(model, 1)
    assert [shape[-2] for shape in seen] == [32, 32]


def test_the_one_step_error_is_a_share_of_the_targets_variance():
    columns = columns_of()
    model = model_of()
    fitted(model, 1, columns)
    with torch.no_grad():
        model.learner.trunk.zero_()
        model.learner.heads[0].zero_()
    # all weights 0: the prediction is the mean of the targets, and the error their variance
    assert model.error(0, columns) == pytest.approx(1.0, rel=1e-4)
    assert model.error(0, tuple(c[:1] for c in columns)) is None


def test_the_residuals_are_those_of_held_out_rows():
    model = model_of()
    columns = columns_of()
    data = Transitions(N_OBSERVATION, N_ACTION, held_out=0.25, rng=np.random.default_rng(0))
    data.add(*columns)
    task = model.begin_task()
    model.observe(task, data)
    model.end_task(task, data)
    held_out = model.batch(0, data.columns(held_out=True))
    errors = (model.predictor(0).scaled(held_out.inputs) - held_out.targets).numpy()
    residuals = model.scales[0].residuals
    assert residuals.count == len(errors) == 200 - len(data.columns(held_out=False)[0])
    assert np.allclose(residuals.mean, errors.mean(0))
    assert np.allclose(residuals.std, errors.std(0))


def test_absolute_observations_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="absolute must name observation numbers below 3, found 3"):
        model_of(absolute=(3,))


numbers = st.floats(-1e4, 1e4, width=32)


@given(st.lists(st.lists(st.tuples(numbers, numbers), max_size=6), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_running_moments_are_numpy_s_of_all_rows_however_they_come(batches):
    moments = Moments(2)
    for rows in batches:
        moments.update(np.array(rows, dtype=np.float32).reshape(-1, 2))
    everything = np.array([row for rows in batches for row in rows], dtype=np.float64).reshape(-1, 2)
    assert moments.count == len(everything)
    if len(everything):
        assert np.allclose(moments.mean, everything.mean(0), atol=1e-6)
        std = everything.std(0)
        is_constant = std <= 1e-6 * np.maximum(1, np.abs(everything.mean(0)))
        assert np.allclose(moments.std[~is_constant], std[~is_constant], rtol=1e-4, atol=1e-9)


def test_a_constant_column_has_the_deviation_1():
    moments = Moments(1)
    for _ in range(3):
        moments.update(np.full((7, 1), 1e5 + 0.1))
    assert moments.std.tolist() == [1.0]


def test_moments_can_be_saved_and_loaded():
    rng = np.random.default_rng(0)
    first, second = Moments(2), Moments(2)
    first.update(rng.normal(size=(5, 2)))
    second.load_state_dict(first.state_dict())
    rows = rng.normal(size=(5, 2))
    for moments in (first, second):
        moments.update(rows)
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.std, second.std)
