"""The baselines' small exact facts: what each keeps, and what its term of the loss is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypernet_toys import TARGET, baseline, batch, learned, loss, train

from lifelong_rl.agents.hypernet.baselines import BASELINES, SILearner
from lifelong_rl.agents.hypernet.learner import Batch
from lifelong_rl.agents.hypernet.target import TargetNetwork

N_TRUNK = 3 * 8 + 8


def kind_of(learner):
    return {held.part: held.kind for held in learner.memory()}


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_a_penalty_of_strength_nothing_is_fine_tuning_bit_for_bit(name):
    bare, penalised = baseline("fine-tuning"), baseline(name, strength=0.0)
    for learner in (bare, penalised):
        learned(learner, 3)
    for task in range(3):
        assert torch.equal(bare.weights(task), penalised.weights(task))


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_a_penalty_s_term_is_strength_times_the_weighted_distance_from_where_the_task_ended(name):
    learner = baseline(name, strength=3.0)
    learner.begin_task()
    assert [update.regulariser for update in train(learner, 0)] == [0.0, 0.0, 0.0]
    learner.end_task(0, batch(0, n_rows=12))
    anchor, importance = learner.trunk.detach().clone(), learner.importance.clone()
    assert importance.min() >= 0
    assert importance.max() > 0
    learner.begin_task()
    assert train(learner, 1, 1)[0].regulariser == 0.0  # it stands at the anchor
    apart = learner.trunk.detach() - anchor
    expected = 3.0 * (importance * apart**2).sum().item()
    assert expected > 0
    assert train(learner, 1, 1)[0].regulariser == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_going_back_to_the_first_task_keeps_the_penalty(name):
    learner = learned(baseline(name, strength=3.0), 2)
    learner.begin_task(0)
    assert train(learner, 0, 2)[1].regulariser > 0


def test_the_fisher_information_is_the_mean_square_of_single_rows_gradients():
    learner = baseline("ewc")
    learner.begin_task()
    train(learner, 0)
    data = batch(0, n_rows=5)
    squares = []
    for i in range(5):
        trunk = learner.trunk.detach().clone().requires_grad_()
        row = Batch(data.inputs[i : i + 1], data.targets[i : i + 1])
        loss(torch.cat([trunk, learner.heads[0].detach()]), row).backward()
        squares.append(trunk.grad**2)
    learner.end_task(0, data)
    assert torch.allclose(learner.importance, torch.stack(squares).mean(0), atol=1e-14)


def test_the_fisher_information_of_one_weight_by_hand():
    # prediction w x with w = 2, targets 1: (2 x - 1)^2 has the slope 2 (2 x - 1) x, which is 2 and 30 for x = 1 and 3
    target = TargetNetwork((1, 1, 1))

    def its_loss(weights, rows):
        return (weights[0] * rows.inputs - rows.targets).square().mean()

    learner = BASELINES["ewc"](target, its_loss, torch.Generator().manual_seed(0), dtype=torch.float64)
    learner.begin_task()
    with torch.no_grad():
        learner.trunk[0] = 2.0
    inputs = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    learner.end_task(0, Batch(inputs, torch.ones_like(inputs)))
    assert learner.importance.tolist() == [(2**2 + 30**2) / 2, 0.0]


def test_importances_of_tasks_add_up():
    learner = learned(baseline("ewc"), 1)
    first = learner.importance.clone()
    learner.begin_task()
    train(learner, 1)
    learner.end_task(1, batch(1, n_rows=12))
    assert (learner.importance >= first).all()
    assert not torch.equal(learner.importance, first)


def quadratic_si(**options):
    """A learner of one trunk weight w with the loss a (w - 3)^2 of its own; all other weights are idle."""

    def its_loss(weights, rows):
        return (rows.targets[0, 0] * (weights[0] - 3.0) ** 2).sum()

    return SILearner(
        TargetNetwork((1, 1, 1)), its_loss, torch.Generator().manual_seed(0), dtype=torch.float64, **options
    )


def rows(factor):
    return Batch(torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), factor, dtype=torch.float64))


def test_the_path_integral_of_a_quadratic_is_the_drop_of_its_loss():
    learner = quadratic_si(lr=1e-4, longest_gradient=1e9)
    learner.begin_task()
    start = learner.trunk[0].item()
    for _ in range(2000):
        learner.update(0, rows(2.0))
    end = learner.trunk[0].item()
    drop = 2 * (start - 3) ** 2 - 2 * (end - 3) ** 2
    assert abs(end - start) > 0.1
    # sums of g * step overshoot the integral by a * step^2 each: 2000 * 2 * 1e-8
    assert learner.path[0].item() == pytest.approx(drop, abs=1e-4)
    assert learner.path[1].item() == 0.0
    learner.end_task(0, rows(2.0))
    assert learner.importance[0].item() == pytest.approx(drop / ((end - start) ** 2 + 1e-3), rel=1e-3)


def test_the_path_integral_leaves_the_penalty_out():
    learner = quadratic_si(lr=0.01, strength=50.0, longest_gradient=1e9)
    learner.begin_task()
    for _ in range(50):
        learner.update(0, rows(1.0))
    learner.end_task(0, rows(1.0))
    learner.begin_task()
    expected = 0.0
    for _ in range(20):
        before = learner.trunk[0].item()
        learner.update(1, rows(2.0))
        expected -= 2 * 2.0 * (before - 3) * (learner.trunk[0].item() - before)
    assert learner.path[0].item() == pytest.approx(expected, rel=1e-9)
    assert expected > 0


def test_a_coreset_keeps_n_rows_of_each_task_and_no_row_twice():
    learner = baseline("coreset", n_kept=4)
    data = []
    for task in range(2):
        learner.begin_task()
        train(learner, task)
        data.append(batch(task, n_rows=12))
        learner.end_task(task, data[task])
    kept = learner.kept()
    for task in range(2):
        inputs, targets = kept[f"inputs{task}"], kept[f"targets{task}"]
        assert inputs.shape == (4, 3)
        found = [(data[task].inputs == row).all(1).nonzero().item() for row in inputs]
        assert len(set(found)) == 4
        assert torch.equal(targets, data[task].targets[found])
    assert kind_of(learner)["CoresetLearner"] == "buffer"


def test_a_coreset_of_more_rows_than_there_are_keeps_them_all():
    learner = learned(baseline("coreset", n_kept=100), 1)
    assert len(learner.kept()["inputs0"]) == 12


def test_the_multi_task_oracle_keeps_all_data_and_trains_every_head_on_it():
    learner = learned(baseline("multi-task"), 2)
    assert [len(learner.kept()[f"inputs{task}"]) for task in range(2)] == [12, 12]
    learner.begin_task()
    heads = [head.detach().clone() for head in learner.heads]
    (update,) = train(learner, 2, 1)
    assert update.regulariser > 0
    assert all(not torch.equal(head, old) for head, old in zip(learner.heads, heads, strict=True))


def test_the_replayed_term_is_the_sum_of_the_other_tasks_mean_losses():
    learner = learned(baseline("multi-task"), 2)
    learner.begin_task()
    # every row of a task is the same, so that whatever is drawn is known
    for task in range(2):
        row = batch(task, n_rows=1)
        learner._data[task] = Batch(row.inputs.expand(5, -1), row.targets.expand(5, -1))
    expected = sum(loss(learner.weights(task), batch(task, n_rows=1)).item() for task in range(2))
    assert train(learner, 2, 1)[0].regulariser == pytest.approx(expected, rel=1e-12)


def test_the_single_tasks_weights_never_move_again():
    learner = learned(baseline("single-task"), 1)
    before = learner.weights(0)
    for task in (1, 2):
        learner.begin_task()
        train(learner, task, 10)
    assert torch.equal(learner.weights(0), before)
    assert not torch.equal(learner.weights(1)[:N_TRUNK], before[:N_TRUNK])


def test_fine_tuning_moves_the_trunk_and_leaves_old_heads():
    learner = learned(baseline("fine-tuning"), 1)
    before = learner.weights(0)
    learner.begin_task()
    train(learner, 1)
    after = learner.weights(0)
    assert (after[:N_TRUNK] != before[:N_TRUNK]).all()
    assert torch.equal(after[N_TRUNK:], before[N_TRUNK:])
    assert torch.equal(after[:N_TRUNK], learner.weights(1)[:N_TRUNK])


def test_a_new_head_is_drawn_as_usual_layers_are():
    learner = baseline("fine-tuning")
    learner.begin_task()
    learner.begin_task()
    first, second = (learner.weights(task)[N_TRUNK:] for task in range(2))
    assert not torch.equal(first, second)
    assert max(first.abs().max(), second.abs().max()) <= 1 / np.sqrt(8)


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_a_negative_strength_is_refused(name):
    with pytest.raises(ValueError, match="strength must be at least 0, found -1"):
        baseline(name, strength=-1.0)


@pytest.mark.parametrize(
    ("name", "option", "least"),
    [
        ("fine-tuning", {"lr": -1.0}, "greater than 0"),
        ("ewc", {"lr": 0.0}, "greater than 0"),
        ("si", {"longest_gradient": 0.0}, "greater than 0"),
        ("coreset", {"n_kept": 0}, "at least 1"),
        ("coreset", {"n_kept": -3}, "at least 1"),
        ("ewc", {"n_fisher": 0}, "at least 1"),
    ],
)
def test_a_number_out_of_its_range_is_refused(name, option, least):
    (key, value), *_ = option.items()
    with pytest.raises(ValueError, match=f"{key} must be {least}, found {value}"):
        baseline(name, **option)


def test_the_target_s_trunk_is_all_but_its_output_layer():
    assert TARGET.n_trunk_weights == N_TRUNK
    assert TARGET.n_weights == N_TRUNK + 8 * 2 + 2
