"""Absolute learning progress equals its definition, however the episodes arrive."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers.progress import ProgressHistory


def real_space(dimension):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def by_definition(tasks, scores):
    progress = np.zeros(len(tasks))
    for i in range(6, len(tasks)):
        distances = np.linalg.norm(tasks[:i] - tasks[i], axis=1)
        nearest = np.flatnonzero(distances == distances.min())[-1]
        progress[i] = abs(scores[i] - scores[nearest])
    return progress


def filled(tasks, scores, sizes=(None,), keep=None, ask=False):
    history = ProgressHistory(real_space(tasks.shape[1]), keep)
    start, i = 0, 0
    while start < len(tasks):
        stop = len(tasks) if sizes[i % len(sizes)] is None else start + sizes[i % len(sizes)]
        history.append(tasks[start:stop], scores[start:stop])
        if ask:
            _ = history.progress
        start, i = stop, i + 1
    return history


def episodes(n, dimension, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, dimension)), rng.random(n)


@pytest.mark.parametrize("dimension", [1, 2, 6])
def test_progress_is_the_distance_to_the_score_of_the_nearest_earlier_task(dimension):
    tasks, scores = episodes(1500, dimension)  # the tree is built at 256, 512 and on

    history = filled(tasks, scores)

    assert np.array_equal(history.progress, by_definition(tasks, scores))


@pytest.mark.parametrize("sizes", [(1,), (3, 1, 260), (250,)])
@pytest.mark.parametrize("ask", [False, True])
def test_progress_does_not_depend_on_batches_nor_on_when_it_is_asked_for(sizes, ask):
    tasks, scores = episodes(1100, 2)
    tasks = np.round(tasks, 1)  # a lattice: many tasks are equally near

    history = filled(tasks, scores, sizes, ask=ask)

    assert np.array_equal(history.progress, filled(tasks, scores).progress)


def test_the_first_six_episodes_have_no_progress():
    scores = np.arange(8) / 10.0

    history = filled(np.full((8, 2), 0.5), scores)

    assert history.progress[:6].tolist() == [0.0] * 6
    assert history.progress[6:] == pytest.approx([0.1, 0.1])


def test_the_latest_of_identical_tasks_counts_before_and_after_the_tree_is_built():
    rng = np.random.default_rng(0)
    tasks = rng.random((20, 2))[rng.integers(20, size=700)]
    scores = rng.random(700)

    history = filled(tasks, scores)

    assert np.array_equal(history.progress, by_definition(tasks, scores))


def test_a_loaded_history_continues_bit_for_bit():
    tasks, scores = episodes(1300, 2)
    tasks = np.round(tasks, 1)
    whole = filled(tasks, scores)
    loaded = ProgressHistory(real_space(2))

    loaded.load_state_dict(filled(tasks[:600], scores[:600]).state_dict())
    loaded.append(tasks[600:], scores[600:])

    assert np.array_equal(loaded.progress, whole.progress)
    assert np.array_equal(loaded.tasks, tasks)


def test_a_bounded_history_keeps_at_least_the_last_episodes_and_forgets_the_rest():
    tasks, scores = episodes(1000, 2)

    history = filled(tasks, scores, keep=300)

    assert 300 <= len(history) < 600
    assert np.array_equal(history.tasks, tasks[-len(history) :])
    assert np.array_equal(history.scores, scores[-len(history) :])


def test_a_bounded_history_measures_against_what_it_still_holds():
    tasks, scores = episodes(600, 2)

    history = filled(tasks, scores, keep=200)  # forgets at 400 (0..199) and at 600 (200..399)
    history.append(tasks[:1], np.array([0.25]))

    nearest = 400 + np.linalg.norm(tasks[400:] - tasks[0], axis=1).argmin()
    assert history.progress[-1] == abs(0.25 - scores[nearest])


def test_a_bounded_history_does_not_depend_on_batches():
    tasks, scores = episodes(1000, 2)

    one, other = filled(tasks, scores, keep=150), filled(tasks, scores, (1, 7), keep=150, ask=True)

    assert np.array_equal(one.progress, other.progress)
    assert np.array_equal(one.tasks, other.tasks)


def test_integers_and_categories_are_as_far_apart_as_the_space_says():
    space = TaskSpace(
        "mixed",
        [
            Feature.integer("n", 1, 4, 1),
            Feature.category("floor", ["ice", "sand", "mud"], "ice"),
            Feature.real("x", 0.0, 1.0, 0.5),
        ],
    )
    rng = np.random.default_rng(0)
    tasks, scores = rng.random((700, 3)), rng.random(700)
    whole, parts, loaded = ProgressHistory(space), ProgressHistory(space), ProgressHistory(space)

    whole.append(tasks, scores)
    for i in range(400):
        parts.append(tasks[i : i + 1], scores[i : i + 1])
        parts.recent_progress(1)
    loaded.load_state_dict(parts.state_dict())
    loaded.append(tasks[400:], scores[400:])

    assert whole.progress == pytest.approx(by_definition(space.embed(tasks), scores))
    assert np.array_equal(loaded.progress, whole.progress)
