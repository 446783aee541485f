"""Our update equals the published one, written with plain loops, to 1e-10 in double precision."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED, HypernetLearner
from lifelong_rl.agents.hypernet.learner import Batch
from lifelong_rl.agents.hypernet.target import TargetNetwork

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from hypercrl_looped import LoopedHypernetwork, LoopedUpdate

ACTIVATIONS = {"relu": torch.relu, "elu": torch.nn.functional.elu}
N_HEADS_OF = 2  # parameters a tensor: the head's matrix and bias


def learner_like(looped: LoopedHypernetwork, sizes: tuple[int, ...], hidden: tuple[int, ...], activation: str):
    target = TargetNetwork(sizes)

    def loss(weights: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (target.forward(weights, batch.inputs)[0] - batch.targets).square().mean()

    settings = dataclasses.replace(PUBLISHED["pendulum"], hidden=hidden, activation=activation)
    learner = HypernetLearner(
        target,
        loss,
        torch.Generator().manual_seed(0),
        settings=settings,
        rng=np.random.default_rng(0),
        dtype=torch.float64,
    )
    network, n_body = learner.network, looped.n_body
    with torch.no_grad():
        for i in range(len(hidden)):
            network.matrices[i].copy_(looped.theta[2 * i])
            network.biases[i].copy_(looped.theta[2 * i + 1])
        network.head.weight.copy_(torch.cat(looped.theta[n_body::2]))
        network.head.bias.copy_(torch.cat(looped.theta[n_body + 1 :: 2]))
    for embedding in looped.embeddings[:-1]:
        network.add_task(learner.generator)
        with torch.no_grad():
            network.embeddings[-1].copy_(embedding)
    learner.n_tasks = len(looped.embeddings) - 1
    learner.begin_task()
    with torch.no_grad():
        network.embeddings[-1].copy_(looped.embeddings[-1])
    return learner


@pytest.mark.parametrize("activation", ["relu", "elu"])
@pytest.mark.parametrize("n_earlier", [0, 1, 4])
@pytest.mark.parametrize("rows", [None, 7])
def test_three_updates_equal_the_looped_ones(activation, n_earlier, rows):
    sizes, hidden = (4, 16, 16, 3), (8, 12)
    looped = LoopedHypernetwork(sizes, hidden, ACTIVATIONS[activation], n_earlier + 1, dtype=torch.float64)
    learner = learner_like(looped, sizes, hidden, activation)
    if rows is not None:
        learner.network.head.block_rows = rows
    update = LoopedUpdate(looped)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        inputs = torch.randn(20, 4, generator=generator, dtype=torch.float64)
        targets = torch.randn(20, 3, generator=generator, dtype=torch.float64)
        update(inputs, targets)
        learner.update(n_earlier, Batch(inputs, targets))
    network, n_body = learner.network, looped.n_body
    ours = [network.head.weight, network.head.bias, network.embeddings[-1], *network.matrices, *network.biases]
    theirs = [
        torch.cat(looped.theta[n_body::2]),
        torch.cat(looped.theta[n_body + 1 :: 2]),
        looped.embeddings[-1],
        *looped.theta[0:n_body:2],
        *looped.theta[1:n_body:2],
    ]
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < 1e-10
