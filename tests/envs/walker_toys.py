"""Walkers on tracks of the tests' own."""

import numpy as np

from lifelong_rl.envs import make
from lifelong_rl.envs.walkers.box2d import import_box2d

import_box2d("these tests")  # before Gymnasium's import of it, whose warnings would be errors in the tests


def on_track(track, walker="default", **options):
    env = make("stump-tracks", walker=walker, **options)
    env.build_track = lambda rng: track
    env.reset(seed=0)
    return env


def bodies(env):
    parts = env._parts
    return [parts.hull, *(body for leg in zip(parts.uppers, parts.feet, strict=True) for body in leg)]


def move(env, dx=0.0, dy=0.0):
    for body in bodies(env):
        x, y = body.position
        body.position = (x + dx, y + dy)


def still(env):
    return np.zeros(env.action_space.shape, dtype=np.float32)
