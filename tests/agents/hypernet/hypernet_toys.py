"""Small learners of dynamics in double precision, and batches for them."""

from __future__ import annotations

import numpy as np
import torch

from lifelong_rl.agents.component import Bus
from lifelong_rl.agents.hypernet.baselines import BASELINES
from lifelong_rl.agents.hypernet.hyper_learner import HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.learner import Batch
from lifelong_rl.agents.hypernet.target import TargetNetwork

TARGET = TargetNetwork((3, 8, 2))  # 3 * 8 + 8 + 8 * 2 + 2 = 50 weights


def loss(weights, batch):
    return (TARGET.forward(weights, batch.inputs)[0] - batch.targets).square().mean()


def batch(seed, n_rows=6, dtype=torch.float64):
    """A batch of a task that is told apart from others by its seed: each has a linear map of its own."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(3, 2, generator=torch.Generator().manual_seed(seed % 10), dtype=dtype)
    inputs = torch.randn(n_rows, 3, generator=generator, dtype=dtype)
    return Batch(inputs, inputs @ matrix)


def hyper(seed=0, target=TARGET, its_loss=loss, dtype=torch.float64, **settings):
    settings = {"hidden": (6, 7)} | settings
    return HypernetLearner(
        target,
        its_loss,
        torch.Generator().manual_seed(seed),
        settings=HypernetSettings(**settings),
        rng=np.random.default_rng(seed),
        dtype=dtype,
    )


def baseline(name, seed=0, dtype=torch.float64, **options):
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    return BASELINES[name](TARGET, loss, generator, rng=rng, dtype=dtype, **options)


MAKERS = {
    "hyper-full": lambda: hyper(n_sampled=1),
    "hyper-look-ahead": lambda: hyper(look_ahead=True, weighting="fisher", loss_scale="sum", scaling="mean"),
    "hyper-chunked": lambda: hyper(form="chunked", chunk_size=7, look_ahead=True),
    "hyper-recurrent": lambda: hyper(form="recurrent", chunk_size=20),
    **{name: lambda name=name: baseline(name) for name in BASELINES},
}
"""Every mechanism, and every form of the hypernetwork."""


def train(learner, task, n_updates=3, first=0):
    """Make updates on the task's batches; give what they saw."""
    return [learner.update(task, batch(task + 10 * (first + i))) for i in range(n_updates)]


def learned(learner, n_tasks, n_updates=3):
    """Learn tasks one after another."""
    for task in range(n_tasks):
        assert learner.begin_task() == task
        train(learner, task, n_updates)
        learner.end_task(task, batch(task, n_rows=12))
    return learner


class Agent:
    """What a bus asks of an agent."""

    facts = frozenset({"off_policy"})
    task = None


def listened_to(learner, *components):
    """Put components on a learner's bus."""
    learner.bus = Bus(components, Agent(), seed=0)
    return learner
