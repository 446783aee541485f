"""Every mechanism continues from a saved state bit for bit, in the middle of a task, and can go back to a task."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypernet_toys import MAKERS, batch, hyper, learned, train

from lifelong_rl.agents.hypernet.learner import Batch


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_saved_learner_continues_bit_for_bit(name, known):
    original = learned(MAKERS[name](), 3)
    task = original.begin_task(1 if known else None)
    train(original, task)
    state = pickle.loads(pickle.dumps(original.state_dict()))
    restored = MAKERS[name]()
    restored.load_state_dict(state)
    seen = []
    for learner in (original, restored):
        updates = train(learner, task, 4, first=3)
        learner.end_task(task, batch(task, n_rows=12))
        following = learner.begin_task()
        updates += train(learner, following, 3)
        seen.append((updates, [learner.weights(i) for i in range(learner.n_tasks)], learner.memory()))
    (updates, weights, memory), (other_updates, other_weights, other_memory) = seen
    assert updates == other_updates
    assert all(torch.equal(a, b) for a, b in zip(weights, other_weights, strict=True))
    assert memory == other_memory


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_does_not_change_while_the_learner_goes_on(name):
    learner = learned(MAKERS[name](), 2)
    task = learner.begin_task()
    train(learner, task)
    state = learner.state_dict()
    before = pickle.dumps(state)
    train(learner, task, 3, first=3)
    learner.end_task(task, batch(task))
    learner.begin_task()
    assert pickle.dumps(state) == before


@pytest.mark.parametrize("name", MAKERS)
def test_a_learner_goes_back_to_a_task_and_learns_it_further(name):
    learner = learned(MAKERS[name](), 3)
    before = learner.weights(0)
    assert learner.begin_task(0) == 0
    assert torch.equal(learner.weights(0), before)
    train(learner, 0)
    assert not torch.equal(learner.weights(0), before)
    assert learner.n_tasks == 3
    with pytest.raises(ValueError, match="only task 0"):
        learner.update(2, batch(2))


@pytest.mark.parametrize("name", MAKERS)
def test_a_task_that_nobody_knows_is_refused_and_changes_nothing(name):
    learner = learned(MAKERS[name](), 2)
    before = pickle.dumps(learner.state_dict())
    with pytest.raises(ValueError, match="knows 2 tasks, and task 2"):
        learner.begin_task(2)
    with pytest.raises(ValueError, match="knows 2 tasks, and task 5"):
        learner.weights(5)
    assert pickle.dumps(learner.state_dict()) == before


@pytest.mark.parametrize("name", ["hyper-full", "ewc"])
def test_a_state_of_other_settings_is_refused(name):
    state = learned(MAKERS[name](), 1).state_dict()
    key = "hyper" if "hyper" in state else "trunk"
    state[key] = [np.zeros((3, 3))]
    with pytest.raises(ValueError, match="build it with the saved settings"):
        MAKERS[name]().load_state_dict(state)


def test_only_embeddings_and_snapshots_grow_with_the_tasks():
    learner = hyper()
    held = []
    for _ in range(4):
        learner.begin_task()
        held.append({part.part: part.n_bytes for part in learner.memory()})
    grown = [{part: b[part] - a[part] for part in a} for a, b in pairwise(held)]
    for growth in grown:  # double precision: ten numbers of an embedding; weights and embedding of a snapshot
        assert growth["hypernetwork"] == 80
        assert growth["optimiser"] == 0
        assert growth["emitted weights of earlier tasks"] == 50 * 8


def test_single_precision_is_kept_as_well():
    learner = learned(hyper(dtype=torch.float64), 1)
    narrow = hyper(dtype=torch.float32)
    narrow.begin_task()
    narrow.update(0, Batch(*(part.float() for part in batch(0))))
    assert narrow.weights(0).dtype is torch.float32
    assert learner.weights(0).dtype is torch.float64
