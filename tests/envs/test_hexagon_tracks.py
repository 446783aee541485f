"""Hexagon Tracks: their tracks are distributed as published, and the family keeps the protocol."""

import numpy as np
import pytest

from lifelong_rl.envs import TaskEnvError, check_task_env, make
from lifelong_rl.envs.walkers.hexagon_tracks import HEXAGON, HexagonTracks, HexagonTracks12
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, PAD_STEPS, STEP, convex_hull

TASK = {
    "left_foot_x": 0.5,
    "left_side_x": 1.0,
    "left_side_y": 0.2,
    "left_top_x": 0.0,
    "left_top_y": 2.5,
    "right_top_x": 3.0,
    "right_top_y": 4.0,
    "right_side_x": 0.7,
    "right_side_y": 1.3,
    "right_foot_x": 2.0,
}


def vertices_of(env, n_tracks):
    """Give the vertices of the hexagons of n tracks in steps from the hexagon's place; shape (n, hexagons, 6, 2)."""
    tracks = []
    for _ in range(n_tracks):
        points = (np.array(env.build_track(env.np_random).polygons) - (0.0, GROUND)) / STEP
        places = np.arange(PAD_STEPS, N_STEPS, 8)
        assert points.shape == (len(places), 6, 2)
        tracks.append(points - np.stack((places, np.zeros(len(places))), axis=1)[:, None])
    return np.array(tracks)


@pytest.mark.parametrize("task", [{}, TASK])
def test_vertices_over_1000_tracks_are_normal_about_the_hexagon_and_its_offsets(task):
    env = make("hexagon-tracks")
    env.reset(seed=3, options={"task": task})
    drawn = vertices_of(env, 1000).reshape(-1, 12)
    expected = np.array(list(HEXAGON.values())).ravel()
    names = [f"{vertex}_{axis}" for vertex in HEXAGON for axis in "xy"]
    expected += [task.get(name, 0.0) for name in names]
    feet = [1, 11]
    np.testing.assert_allclose(drawn[:, feet], 0.0, atol=1e-9)
    free = np.delete(drawn, feet, axis=1)
    np.testing.assert_allclose(free.mean(axis=0), np.delete(expected, feet), atol=4.0 * 0.1 / np.sqrt(len(free)))
    np.testing.assert_allclose(free.std(axis=0), 0.1, rtol=0.03)
    correlations = np.corrcoef(free.T) - np.eye(10)
    assert abs(correlations).max() < 0.04


def test_obstacles_are_the_convex_hulls_of_their_vertices():
    env = make("hexagon-tracks")
    env.reset(seed=3, options={"task": TASK})
    fixtures = [
        f for f in env._world.bodies[0].fixtures if hasattr(f.shape, "vertexCount") and f.shape.vertexCount > 2
    ]
    assert len(fixtures) == len(env.track.polygons)
    drawn = np.array(env.track.polygons[0])
    shapes = [np.array(fixture.shape.vertices) for fixture in fixtures]
    nearest = min(shapes, key=lambda shape: abs(shape[:, 0].min() - drawn[:, 0].min()))
    assert len(nearest) <= 6
    hull = np.array(convex_hull(env.track.polygons[0]))  # what pictures show
    np.testing.assert_allclose(sorted(map(tuple, nearest)), sorted(map(tuple, hull)), atol=1e-5)
    for corner in nearest:  # each corner is a vertex, and no vertex lies outside
        assert np.hypot(*(drawn - corner).T).min() < 1e-5
    for a, b in zip(nearest, np.roll(nearest, -1, axis=0), strict=True):
        edge, rest = b - a, drawn - a
        assert (edge[0] * rest[:, 1] - edge[1] * rest[:, 0] >= -0.01).all()


def test_the_family_has_ten_features_and_the_published_space_two_more_that_do_nothing():
    assert HexagonTracks.task_space.dimension == 10
    assert HexagonTracks12.task_space.dimension == 12
    assert HexagonTracks12.task_space.names[1] == "left_foot_y"
    assert HexagonTracks12.task_space.names[11] == "right_foot_y"
    observations = []
    for feet in (0.0, 4.0):
        env = HexagonTracks12(pad_steps=8)
        task = {**TASK, "left_foot_y": feet, "right_foot_y": feet}
        observations.append(env.reset(seed=0, options={"task": task})[0].tobytes())
    observations.append(HexagonTracks(pad_steps=8).reset(seed=0, options={"task": TASK})[0].tobytes())
    assert len(set(observations)) == 1
    with pytest.raises(TaskEnvError, match="feature 'left_foot_y' has no effect"):
        check_task_env(HexagonTracks12, pad_steps=8, max_episode_steps=100)


@pytest.mark.parametrize("walker", ["default", "short", "quadrupedal"])
def test_the_family_keeps_the_protocol(walker):
    check_task_env("hexagon-tracks", walker=walker, pad_steps=8, max_episode_steps=200)


def test_offsets_out_of_bounds_are_refused():
    with pytest.raises(ValueError, match=r"'left_top_y' must lie in \[0, 4\] steps, found 4.5"):
        make("hexagon-tracks").reset(options={"task": {"left_top_y": 4.5}})
