"""Stump Tracks: their tracks are distributed as published, and the family keeps the protocol."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from lifelong_rl.envs import check_task_env, family, make
from lifelong_rl.envs.walkers.stump_tracks import StumpTracks, StumpTracksHard
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, PAD_STEPS, STEP


def boxes_of(env, **task):
    env.reset(options={"task": task})
    return env.track.boxes


def in_steps(boxes):
    """Give left edge, width and height of each box in steps; shape (n, 3)."""
    return np.array([(b.left, b.right - b.left, b.top - GROUND) for b in boxes]) / STEP


def heights_of_tracks(n, height):
    """Give the heights of the stumps of n tracks, one array a track."""
    env = make("stump-tracks")
    env.reset(seed=7)
    env.apply_task({"stump_height": height, "obstacle_spacing": 5.0})
    return [in_steps(env.build_track(env.np_random).boxes)[:, 2] for _ in range(n)]


@pytest.mark.parametrize("height", [0.0, 0.1, 1.5, 3.0])
def test_heights_over_1000_tracks_have_the_mean_and_deviation_of_a_normal_cut_at_0_05(height):
    heights = np.concatenate(heights_of_tracks(1000, height))
    assert len(heights) == 30_000
    cut = (0.05 - height) / 0.1
    below, density = norm.cdf(cut), norm.pdf(cut)
    mean = 0.05 * below + height * (1.0 - below) + 0.1 * density
    square = 0.05**2 * below + (height**2 + 0.01) * (1.0 - below) + 0.1 * (height + 0.05) * density
    deviation = math.sqrt(square - mean**2)
    assert heights.mean() == pytest.approx(mean, abs=4.0 * deviation / math.sqrt(len(heights)))
    assert heights.std() == pytest.approx(deviation, rel=0.03)
    assert heights.min() >= 0.05 - 1e-9
    assert np.mean(heights < 0.05 + 1e-9) == pytest.approx(below, abs=4.0 * math.sqrt(below / len(heights)) + 1e-12)


def test_stumps_of_one_track_are_drawn_one_by_one_and_tracks_differ():
    tracks = np.array(heights_of_tracks(1000, 2.0))
    assert abs(np.corrcoef(tracks[:, 0], tracks[:, 1])[0, 1]) < 0.1
    assert abs(np.corrcoef(tracks[:-1, 0], tracks[1:, 0])[0, 1]) < 0.1
    assert len(np.unique(tracks)) == tracks.size


@pytest.mark.parametrize(("spacing", "free"), [(0.0, 0.01), (0.005, 0.01), (2.5, 2.5), (6.0, 6.0)])
def test_stumps_are_a_step_wide_and_the_spacing_apart_from_the_pad_to_the_end(spacing, free):
    left, width, _ = in_steps(boxes_of(make("stump-tracks"), stump_height=1.0, obstacle_spacing=spacing)).T
    np.testing.assert_allclose(width, 1.0, atol=1e-9)
    np.testing.assert_allclose(np.diff(left), 1.0 + free, atol=1e-9)
    assert left[0] == pytest.approx(PAD_STEPS + free)
    assert N_STEPS - (1.0 + free) < left[-1] + 1.0 + free <= N_STEPS + free + 1e-9


def test_stumps_stand_on_flat_ground_from_the_start_to_the_end():
    env = make("stump-tracks")
    boxes = boxes_of(env, stump_height=2.0)
    assert env.track.ground == [(0.0, GROUND), (N_STEPS * STEP, GROUND)]
    assert {box.bottom for box in boxes} == {GROUND}


def test_the_same_seed_gives_the_same_push_and_noise_whatever_the_task():
    env = make("stump-tracks")
    heights, starts = [], []
    for height in (1.0, 2.0):
        observation, _ = env.reset(seed=5, options={"task": {"stump_height": height, "obstacle_spacing": 6.0}})
        heights.append(in_steps(env.track.boxes)[:, 2] - height)
        starts.append(observation[:14].tobytes())
    np.testing.assert_allclose(heights[0], heights[1], atol=1e-9)
    assert starts[0] == starts[1]


@pytest.mark.parametrize("walker", ["default", "short", "quadrupedal"])
def test_the_family_keeps_the_protocol(walker):
    # with the published pad, random actions do not get near enough to the stumps to tell all tasks apart
    check_task_env("stump-tracks", walker=walker, pad_steps=8, max_episode_steps=200)


def test_the_family_keeps_the_protocol_when_the_task_is_shown():
    check_task_env("stump-tracks", pad_steps=8, max_episode_steps=100, n_steps=40, observe_task="vector")
    tasks = StumpTracks.standard_tasks(3)
    check_task_env(
        "stump-tracks", pad_steps=8, max_episode_steps=100, n_steps=40, observe_task="one-hot", tasks=tasks
    )


def test_100_standard_tasks_are_the_grid_of_teachmyagent():
    tasks = StumpTracks.standard_tasks(100)
    points = {(task.params["stump_height"], task.params["obstacle_spacing"]) for task in tasks}
    heights, spacings = (sorted(set(values)) for values in zip(*points, strict=True))
    np.testing.assert_allclose(heights, np.linspace(0.0, 3.0, 10))
    np.testing.assert_allclose(spacings, np.linspace(0.0, 6.0, 10))
    assert len(points) == 100 and len({task.name for task in tasks}) == 100
    assert len({task.id for task in StumpTracks.standard_tasks(50)}) == 50
    assert len(StumpTracks.standard_tasks(1)) == 1


def test_the_harder_space_goes_to_5_and_narrows_to_4():
    hard = family("lifelong_rl.envs.walkers.stump_tracks:StumpTracksHard")
    assert hard is StumpTracksHard
    boxes = boxes_of(hard(), stump_height=5.0)
    assert in_steps(boxes)[:, 2].mean() == pytest.approx(5.0, abs=0.1)
    four = hard.task_space.subspace(stump_height=(0, 4)).decode([1.0, 0.5])
    assert hard().reset(options={"task": four})[1]["task"].params["stump_height"] == 4.0
    check_task_env(hard, pad_steps=8, max_episode_steps=100)


@pytest.mark.parametrize("task", [{"stump_height": 3.1}, {"stump_height": math.nan}, {"stump_width": 1.0}])
def test_features_out_of_bounds_and_unknown_ones_are_refused(task):
    with pytest.raises(ValueError, match="stump_"):
        make("stump-tracks").reset(options={"task": task})
