"""Walker Tracks: ground, pits, stumps and stairs come from the features as the page says."""

import numpy as np
import pytest
from scipy.stats import kstest

from lifelong_rl.envs import check_task_env, make
from lifelong_rl.envs.walkers.box2d import import_box2d
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, PAD_STEPS, STEP
from lifelong_rl.envs.walkers.walker_tracks import WalkerTracks


def tracks_of(n, **task):
    """Give ground points, shape (m, 2), and boxes as (left, bottom, height), shape (k, 3), of n tracks, in steps."""
    env = make("walker-tracks")
    env.reset(seed=1, options={"task": task})
    for _ in range(n):
        track = env.build_track(env.np_random)
        ground = (np.array(track.ground) - (0.0, GROUND)) / STEP
        boxes = np.array([(b.left, b.bottom - GROUND, b.top - b.bottom) for b in track.boxes]).reshape(-1, 3) / STEP
        yield ground, boxes


def jumps(ground):
    """Give x and height of the upright edges of the ground."""
    upright = np.flatnonzero(np.abs(np.diff(ground[:, 0])) < 1e-9)
    return ground[upright, 0], np.diff(ground[:, 1])[upright]


def test_without_features_the_track_is_one_flat_edge():
    for ground, boxes in tracks_of(3):
        assert len(ground) == 2 and len(boxes) == 0
        assert ground[0].tolist() == [0.0, 0.0] and ground[1, 0] >= N_STEPS and ground[1, 1] == 0.0


def test_stump_heights_are_uniform_in_their_range_and_5_to_10_steps_apart():
    heights, gaps = [], []
    for _, boxes in tracks_of(100, stump_height_low=1.0, stump_height_high=3.0):
        assert boxes[0, 0] == pytest.approx(PAD_STEPS)
        heights.append(boxes[:, 2])
        gaps.append(np.diff(boxes[:, 0]) - 1.0)
    assert kstest(np.concatenate(heights), "uniform", (1.0, 2.0)).pvalue > 0.001
    gaps = np.concatenate(gaps).round(6)
    assert set(gaps) == {5.0, 6.0, 7.0, 8.0, 9.0, 10.0}
    assert gaps.mean() == pytest.approx(7.5, abs=4.0 * 1.71 / np.sqrt(len(gaps)))


def test_pits_are_4_steps_deep_and_uniformly_wide():
    widths = []
    for ground, _ in tracks_of(100, pit_gap_low=2.0, pit_gap_high=5.0):
        x, rises = jumps(ground)
        np.testing.assert_allclose(rises, np.tile([-4.0, 4.0], len(rises) // 2), atol=1e-6)
        widths.append(np.diff(x)[::2])
    assert kstest(np.concatenate(widths), "uniform", (2.0, 3.0)).pvalue > 0.001


def test_stairs_go_up_or_down_in_equal_steps():
    ups, heights = [], []
    for ground, _ in tracks_of(100, stair_height_low=0.5, stair_height_high=1.5, stair_steps=3):
        _, rises = jumps(ground)
        flights = rises.reshape(-1, 3)
        np.testing.assert_allclose(flights - flights[:, :1], 0.0, atol=1e-6)
        ups.append(flights[:, 0] > 0.0)
        heights.append(abs(flights[:, 0]))
    ups = np.concatenate(ups)
    assert ups.mean() == pytest.approx(0.5, abs=2.0 / np.sqrt(len(ups)))
    assert kstest(np.concatenate(heights), "uniform", (0.5, 1.0)).pvalue > 0.001


def test_the_ends_of_a_range_may_be_given_in_either_order():
    one, other = (
        [boxes.tolist() for _, boxes in tracks_of(2, stump_height_low=low, stump_height_high=high)]
        for low, high in ((1.0, 3.0), (3.0, 1.0))
    )
    assert one == other


def test_only_kinds_whose_range_does_not_end_at_0_stand_on_the_track():
    kinds = {"pit": 0, "stump": 0, "stair": 0}
    for ground, boxes in tracks_of(30, pit_gap_high=2.0, stair_height_high=0.5):
        _, rises = jumps(ground)
        kinds["pit"] += np.sum(rises < -3.9)
        kinds["stair"] += np.sum(abs(rises) < 1.0)
        kinds["stump"] += len(boxes)
    assert kinds["pit"] > 100 and kinds["stair"] > 100 and kinds["stump"] == 0


def test_roughness_1_is_as_rough_as_the_ground_of_gymnasium():
    import_box2d("this test")  # before Gymnasium does, whose warnings would be errors here
    from gymnasium.envs.box2d import BipedalWalker

    theirs = BipedalWalker()
    other = []
    for seed in range(60):
        theirs.reset(seed=seed)
        other.append(np.array(theirs.terrain_y)[PAD_STEPS + 1 : N_STEPS] / STEP)
    mine = []
    for ground, _ in tracks_of(60, roughness=1.0):
        heights = np.interp(np.arange(PAD_STEPS + 1, N_STEPS), *ground.T)
        mine.append(heights)
    changes = [np.diff(np.array(heights), axis=1).ravel() for heights in (mine, other)]
    going_on = changes[1] != 0.0  # Gymnasium holds the ground level once in 5 to 10 steps
    assert 0.05 < np.mean(~going_on) < 0.25
    assert changes[0].std() == pytest.approx(changes[1][going_on].std(), rel=0.06)
    assert np.array(mine).std() == pytest.approx(np.array(other).std(), rel=0.3)


def test_roughness_scales_the_slopes_and_leaves_the_pad_flat():
    slopes = []
    for roughness in (2.0, 8.0):
        ((ground, _),) = tracks_of(1, roughness=roughness)
        assert ground[1].tolist() == [PAD_STEPS, 0.0]
        slopes.append(np.diff(ground[1:, 1]).std())
    assert slopes[1] == pytest.approx(4.0 * slopes[0], rel=0.25)


def test_easy_tasks_are_tasks_of_the_family():
    easy = WalkerTracks.easy_space
    assert easy.dimension == 7
    env = make("walker-tracks")
    for unit in easy.sample(5, np.random.default_rng(0)):
        params = env.reset(options={"task": easy.decode(unit)})[1]["task"].params
        assert params["roughness"] <= 0.6 and params["pit_gap_high"] <= 0.8 and params["stair_steps"] == 1


def test_standard_tasks_are_one_of_each_kind_then_a_sample():
    names = [task.name for task in WalkerTracks.standard_tasks(8)]
    assert names[:6] == ["flat", "rough", "pits", "stumps", "stairs", "mixed"]
    assert len(set(names)) == 8
    assert [task.name for task in WalkerTracks.standard_tasks(2)] == names[:2]


def test_the_family_keeps_the_protocol():
    # with this seed the first obstacle is a flight of stairs, whose number the others would hide
    check_task_env("walker-tracks", pad_steps=8, max_episode_steps=200, seed=3)
