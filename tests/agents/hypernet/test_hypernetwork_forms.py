"""Full, chunked and recurrent hypernetworks: their outputs, and how they grow."""

from __future__ import annotations

import pytest
import torch
from hypernet_toys import MAKERS, TARGET, learned, train

from lifelong_rl.agents.hypernet.chunked import ChunkedHypernetwork, RecurrentHypernetwork, usual_chunk_size
from lifelong_rl.agents.hypernet.full import FullHypernetwork
from lifelong_rl.agents.hypernet.hyper_learner import LARGEST_FULL, HypernetSettings, make_hypernetwork
from lifelong_rl.agents.hypernet.target import TargetNetwork


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(form, **settings):
    settings = {"hidden": (6, 7), "chunk_size": 7, "form": form} | settings
    network = make_hypernetwork(TARGET, HypernetSettings(**settings), generator())
    for i in range(3):
        network.add_task(generator(i))
    return network


@pytest.mark.parametrize("form", ["full", "chunked", "recurrent"])
def test_weights_of_many_tasks_come_from_one_product_as_from_several(form):
    network = made(form)
    together = network.emit(network.embedding([0, 1, 2]))
    assert together.shape == (3, TARGET.n_weights)
    for task in range(3):
        assert torch.allclose(together[task], network.weights(task), atol=1e-6)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("multi-task", "coreset")])
def test_a_new_task_leaves_what_earlier_tasks_have_bit_for_bit(name):
    learner = learned(MAKERS[name](), 2)
    before = [learner.weights(task) for task in range(2)]
    learner.begin_task()
    for task in range(2):
        assert torch.equal(learner.weights(task), before[task])


@pytest.mark.parametrize("form", ["full", "chunked", "recurrent"])
def test_earlier_embeddings_stay_where_they_are(form):
    learner = learned(MAKERS[f"hyper-{form}"](), 2)
    before = [embedding.detach().clone() for embedding in learner.network.embeddings]
    learner.begin_task()
    train(learner, 2)
    for embedding, old in zip(learner.network.embeddings, before, strict=False):
        assert torch.equal(embedding, old)


def test_the_last_chunk_s_tail_is_cut_off():
    network = made("chunked")
    assert network.n_chunks == 8  # 50 weights in chunks of 7: the eighth has one
    pieces = network.chunks(network.embedding([1]))
    assert pieces.shape == (1, 8, 7)
    expected = pieces.flatten()[:50] + network.base
    assert torch.equal(network.weights(1), expected)


@pytest.mark.parametrize("form", ["chunked", "recurrent"])
def test_the_base_is_added_for_every_task_and_may_be_left_out(form):
    with_base, without = made(form), made(form, start="xavier")
    assert without.base is None
    before = with_base.emit(with_base.embedding([0, 1])).detach()
    with torch.no_grad():
        with_base.base += torch.arange(50.0)
    change = with_base.emit(with_base.embedding([0, 1])) - before
    assert torch.allclose(change, torch.arange(50.0).expand(2, -1), atol=1e-4)


def test_what_tasks_start_with_lies_close_to_a_usual_initialisation():
    for form in ("full", "chunked", "recurrent"):
        network = made(form)
        base = network.head.bias if form == "full" else network.base
        apart = (network.weights(0) - base).norm() / base.norm()
        assert 0 < apart < 0.5, form


def chunk_gradients(network, chunk):
    """How far the chunk depends on each chunk's embedding."""
    (gradient,) = torch.autograd.grad(
        network.chunks(network.embedding([0]))[0, chunk].sum(), network.chunk_embeddings
    )
    return gradient.abs().sum(dim=1)


def test_a_recurrent_chunk_depends_on_those_before_it_and_on_none_after():
    gradient = chunk_gradients(made("recurrent"), 4)
    assert (gradient[:5] > 0).all()
    assert (gradient[5:] == 0).all()


def test_a_chunk_without_recurrence_depends_on_its_own_embedding_alone():
    gradient = chunk_gradients(made("chunked"), 4)
    assert gradient[4] > 0
    assert gradient.sum() == gradient[4]


def test_a_recurrent_chunk_follows_the_gated_unit_s_equations():
    network = RecurrentHypernetwork(TARGET, generator(), n_hidden=5, chunk_size=30)
    network.add_task(generator(1))
    unit = torch.nn.GRUCell(10, 5)
    with torch.no_grad():
        unit.weight_ih.copy_(network.input_matrix)
        unit.weight_hh.copy_(network.state_matrix)
        unit.bias_ih.copy_(network.gate_bias.normal_(generator=generator(2)))
        unit.bias_hh.zero_()
        state = torch.tanh(network.embeddings[0] @ network.start.T).unsqueeze(0)
        pieces = []
        for embedding in network.chunk_embeddings:
            state = unit(embedding.unsqueeze(0), state)
            pieces.append(state @ network.head.T + network.head_bias)
        assert torch.allclose(network.weights(0), torch.cat(pieces, dim=1)[0, :50] + network.base, atol=1e-6)


@pytest.mark.parametrize("form", ["auto", "full", "chunked", "recurrent"])
def test_auto_is_full_for_small_targets_and_chunked_for_large_ones(form):
    small, large = TARGET, TargetNetwork((4, 128, 128, 3))
    assert small.n_weights <= LARGEST_FULL < large.n_weights
    kinds = {"full": FullHypernetwork, "chunked": ChunkedHypernetwork, "recurrent": RecurrentHypernetwork}
    for target, auto in ((small, FullHypernetwork), (large, ChunkedHypernetwork)):
        network = make_hypernetwork(target, HypernetSettings(form=form), generator())
        assert type(network) is (auto if form == "auto" else kinds[form])


def test_a_published_head_has_xavier_rows_of_each_tensor_and_zero_biases():
    network = FullHypernetwork(TARGET, generator(), hidden=(50,), start="xavier")
    assert not network.head.bias.any()
    parts = network.head.weight.split(TARGET.tensor_sizes)
    for part in parts:
        bound = (6 / (part.shape[0] + 50)) ** 0.5
        assert part.abs().max() <= bound
        assert part.abs().max() > 0.8 * bound


def test_a_usual_chunk_is_four_times_the_square_root_and_never_more_than_all():
    assert usual_chunk_size(10_000) == 400
    assert usual_chunk_size(9) == 9


def test_a_task_without_an_embedding_is_refused():
    with pytest.raises(ValueError, match="embeddings of 3 tasks, and none of task 3"):
        made("full").embedding([0, 3])


def test_a_chunk_must_have_a_weight():
    with pytest.raises(ValueError, match="chunk_size must be at least 1, found 0"):
        ChunkedHypernetwork(TARGET, generator(), chunk_size=0)


def test_a_start_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="start must be one of base, xavier"):
        FullHypernetwork(TARGET, generator(), start="hyperfan")
