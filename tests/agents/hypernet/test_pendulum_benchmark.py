"""The pendulum benchmark's small version: the hypernetwork keeps a first task that fine-tuning forgets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
import hypercrl_pendulum
from hypercrl_sequences import METHODS, Outcome, Records, best_strength, geometric_mean, run

# the two variants that differ most in what a torque does
TASKS = hypercrl_pendulum.tasks_of((hypercrl_pendulum.VARIANTS[0], hypercrl_pendulum.VARIANTS[3]), 0)


def learned(name):
    return run(name, METHODS[name], 0, TASKS, hypercrl_pendulum.TARGET, n_updates=600)


@pytest.fixture(scope="module")
def hypernetwork():
    return learned("hypernetwork")


def forgetting(outcome):
    return outcome.final[0] / outcome.just_after[0]


def test_the_hypernetwork_keeps_the_first_pendulum_and_fine_tuning_forgets_it(hypernetwork):
    outcome, _ = hypernetwork
    assert max(outcome.just_after) < 0.02
    assert forgetting(outcome) < 2
    assert forgetting(learned("fine-tuning")[0]) > 5


def test_without_its_regulariser_the_hypernetwork_forgets():
    assert forgetting(learned("hypernetwork, no regulariser")[0]) > 3


def test_the_stacked_models_step_as_the_predictors_do(hypernetwork, monkeypatch):
    _, model = hypernetwork
    monkeypatch.setattr(hypercrl_pendulum, "VARIANTS", hypercrl_pendulum.VARIANTS[:2])
    n_each = hypercrl_pendulum.N_EPISODES
    observations, actions = torch.randn(2 * n_each, 7, 3), torch.randn(2 * n_each, 7, 1)
    found = hypercrl_pendulum.learned_step(model)(observations, actions)
    for i in range(2):
        rows = slice(i * n_each, (i + 1) * n_each)
        expected = model.predictor(i).step(observations[rows], actions[rows])
        assert torch.allclose(found[rows], expected, atol=1e-5)


def test_the_planned_world_steps_as_the_one_that_is_learned():
    observations, actions, _, following = TASKS[1].test
    world = hypercrl_pendulum.Pendulums(torch.tensor([hypercrl_pendulum.VARIANTS[3]]))
    found = world.step(torch.from_numpy(observations)[None], torch.from_numpy(actions)[None])[0]
    assert np.allclose(found.numpy(), following, atol=1e-4)


def test_runs_are_kept_in_a_file_and_found_again(tmp_path):
    outcome = Outcome("a", 1, [0.1], [0.2], [1.0], [10], 3.0)
    Records(tmp_path / "runs.jsonl").add(outcome)
    assert Records(tmp_path / "runs.jsonl").find("a", 1) == outcome
    assert Records(tmp_path / "runs.jsonl").find("a", 2) is None


def test_the_strength_with_the_least_mean_error_is_the_best():
    assert best_strength({1.0: [0.1, 0.5], 10.0: [0.2, 0.2], 100.0: [0.3, 0.3]}) == 10.0
    assert geometric_mean([0.01, 1.0]) == pytest.approx(0.1)
