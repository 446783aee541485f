"""The pendulums of the benchmarks are Gymnasium's, batched; and areas under ROC curves are what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from hypercrl_inference import area, windows
from pendulum_variants import VARIANTS, Variant, advance, observe, rollouts, transitions


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_moves_as_gymnasiums_pendulum_of_its_parameters(variant):
    env = gymnasium.make("Pendulum-v1", g=variant.gravity).unwrapped
    env.m, env.l = variant.mass, variant.length
    env.reset(seed=0)
    states = np.array([env.state, env.state])
    for torque in (-3.0, 0.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0):
        seen = env.step(np.array([torque], dtype=np.float64))[0]
        states = advance(states, np.array([torque, 0.0]), variant)
        states[1] = states[0]
        assert observe(states)[0] == pytest.approx(seen, abs=1e-6)


def test_rollouts_are_chains_and_rows_are_the_same_step_by_step():
    steps = rollouts(Variant(10.0, 1.0, 1.0), 4, np.random.default_rng(0), 6)
    rows = transitions(Variant(10.0, 1.0, 1.0), 4, np.random.default_rng(0), 6)
    assert (steps.observations[1:] == steps.following[:-1]).all()
    assert rows.actions.shape == (24, 1) and (rows.actions[4:8] == steps.actions[1]).all()


def test_a_window_is_a_stretch_of_one_rollout():
    steps = rollouts(Variant(10.0, 1.0, 1.0), 5, np.random.default_rng(0), 8)
    cut = windows(steps, 3, np.random.default_rng(1))
    assert cut.observations.shape == (5, 3, 3) and cut.rewards.shape == (5, 3)
    assert (cut.observations[:, 1:] == cut.following[:, :-1]).all()


def test_the_area_is_the_share_of_pairs_in_order_and_half_the_ties():
    assert area(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
