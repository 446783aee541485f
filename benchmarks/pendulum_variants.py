"""Five pendulums that differ in gravity, mass and length: their true dynamics, and transitions of random torques.

Shared by the benchmarks of HyperCRL. Dynamics of Gymnasium's ``Pendulum-v1``: torque in [-2, 2] N m, step 0.05 s,
angle 0 upright, speed in [-8, 8] rad/s. States start with an angle uniform in [-pi, pi] and a speed in [-1, 1].
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]


class Variant(NamedTuple):
    """One pendulum."""

    gravity: float
    """m/s^2."""
    mass: float
    """kg."""
    length: float
    """m."""


VARIANTS = (
    Variant(10.0, 1.0, 1.0),
    Variant(2.0, 1.0, 1.0),
    Variant(10.0, 2.0, 1.0),
    Variant(10.0, 1.0, 0.6),
    Variant(16.0, 0.7, 1.3),
)
OBSERVATION_SIZE = 3
ACTION_SIZE = 1
N_STEPS = 50
"""Steps of a rollout."""


class Columns(NamedTuple):
    """Transitions as ``Transitions.add`` takes them, float32; rewards are 0, nobody learns from them here."""

    observations: Array
    """(n, 3)."""
    actions: Array
    """(n, 1)."""
    rewards: Array
    """(n,)."""
    following: Array
    """(n, 3)."""


def advance(states: Array, torques: Array, variant: Variant) -> Array:
    """Give the states one step later, (..., 2) and (...,) -> (..., 2): angle, not wrapped, and speed."""
    gravity, mass, length = variant
    angle, speed = states[..., 0], states[..., 1]
    pull = 3 * gravity / (2 * length) * np.sin(angle) + 3 / (mass * length**2) * np.clip(torques, -2, 2)
    speed = np.clip(speed + pull * 0.05, -8, 8)
    return np.stack([angle + speed * 0.05, speed], axis=-1)


def observe(states: Array) -> Array:
    """Give what is observed, (..., 2) -> (..., 3): cosine and sine of the angle, and the speed."""
    return np.stack([np.cos(states[..., 0]), np.sin(states[..., 0]), states[..., 1]], axis=-1)


def start_states(n: int, rng: np.random.Generator) -> Array:
    """Draw n states of which rollouts start, shape (n, 2)."""
    return np.stack([rng.uniform(-np.pi, np.pi, n), rng.uniform(-1, 1, n)], axis=1)


def rollouts(variant: Variant, n_rollouts: int, rng: np.random.Generator, n_steps: int = N_STEPS) -> Columns:
    """Give rollouts of random torques by step and rollout: observations have the shape (n_steps, n_rollouts, 3)."""
    states = start_states(n_rollouts, rng)
    observations, actions, following = [], [], []
    for _ in range(n_steps):
        torques = rng.uniform(-2, 2, n_rollouts)
        moved = advance(states, torques, variant)
        observations.append(observe(states))
        actions.append(torques[:, None])
        following.append(observe(moved))
        states = moved
    seen, taken, then = (np.stack(column).astype(np.float32) for column in (observations, actions, following))
    return Columns(seen, taken, np.zeros((n_steps, n_rollouts), dtype=np.float32), then)


def transitions(variant: Variant, n_rollouts: int, rng: np.random.Generator, n_steps: int = N_STEPS) -> Columns:
    """Give the same as rows, (n_rollouts * n_steps, ...), step by step over all rollouts."""
    return Columns(*(column.reshape(-1, *column.shape[2:]) for column in rollouts(variant, n_rollouts, rng, n_steps)))
