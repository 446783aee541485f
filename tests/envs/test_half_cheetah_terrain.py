"""Slopes and walls: gravity leans in the plane of the runner, and walls are solid, seen, and only where asked for."""

import math

import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.mujoco.half_cheetah import HalfCheetah
from lifelong_rl.envs.mujoco.half_cheetah_terrain import HalfCheetahTerrain


def started(**task):
    env = HalfCheetahTerrain()
    env.reset(seed=0, options={"task": task})
    return env


def test_gravity_leans_back_uphill_and_keeps_its_strength():
    env = started(gravity=5.0, gravity_tilt=0.2)
    np.testing.assert_allclose(env.model.opt.gravity, [-5.0 * math.sin(0.2), 0.0, -5.0 * math.cos(0.2)])


def test_downhill_it_gets_further_than_uphill():
    def end(tilt):
        env = started(gravity_tilt=tilt)
        rng = np.random.default_rng(0)
        for _ in range(200):
            env.step(rng.uniform(-1.0, 1.0, 6))
        return float(env.data.qpos[0])

    assert end(-0.2) > end(0.0) + 1.0 > end(0.2) + 2.0


def test_without_walls_there_are_none_and_the_body_is_half_cheetah_s():
    env, stock = started(wall_spacing=2.0), HalfCheetah()
    stock.reset(seed=0)
    assert env.model.ngeom == stock.model.ngeom
    np.testing.assert_array_equal(env.model.body_mass, stock.model.body_mass)


def test_a_wall_stops_what_slides_into_it():
    def slide(height):
        env = started(wall_height=height, wall_spacing=2.0)
        env.data.qvel[0] = 6.0
        return [float(env.data.qpos[0]) for _ in range(40) if env.step(np.zeros(6))]

    furthest = [max(slide(height)) for height in (0.0, 0.2, 0.4)]
    assert furthest[0] > 2.5 > 2.0 > furthest[2] > 0.9 and furthest[1] != furthest[2]


@pytest.mark.parametrize(
    ("x", "distance"),
    [(0.0, 1.95), (1.0, 0.95), (2.0, -0.05), (2.06, 1.89), (39.9, 0.05), (40.06, 3.0), (-8.0, 3.0)],
)
def test_the_next_wall_is_seen_up_to_its_far_face(x, distance):
    env = started(wall_height=0.1, wall_spacing=2.0)
    positions = env.model.qpos0.copy()
    positions[0], positions[1] = x, 5.0  # high above the walls
    env.place(positions, np.zeros(9))
    assert env._observe(0.0)[18:] == pytest.approx([distance, 0.1 if distance < 3.0 else 0.0], abs=1e-5)


def test_without_walls_none_is_seen():
    observation, _ = make("half-cheetah-terrain").reset(seed=0)
    assert observation.shape == (20,) and observation[18:].tolist() == [3.0, 0.0]


def test_standard_tasks_are_slopes_then_walls():
    names = [task.name for task in HalfCheetahTerrain.standard_tasks(9)]
    assert names[:3] == ["level", "uphill-5deg", "downhill-5deg"] and names[5:8] == [
        "walls-5cm",
        "walls-10cm",
        "walls-20cm",
    ]
    tilts = [task.params["gravity_tilt"] for task in HalfCheetahTerrain.standard_tasks(5)]
    assert tilts == pytest.approx([0.0, *np.radians([5, -5, 10, -10])], abs=1e-4)
