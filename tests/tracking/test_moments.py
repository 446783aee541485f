"""The strip of moments shows what a teacher drew, when, in the units of the features."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.tracking.moments import task_moments

PLANE = TaskSpace("tracks", [Feature.real("height", 0, 4, 0, unit="m"), Feature.integer("legs", 2, 6, 2)])
LINE = TaskSpace("cart", [Feature.real("gravity", 1, 20, 9.8)])


def panels(figure, n):
    FigureCanvasAgg(figure).draw()
    return figure.axes[:n]


def test_every_task_is_in_the_panel_of_its_stretch():
    points = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [0.9, 0.9]])
    found = panels(task_moments(points, [0, 0.5, 1, 1], [10, 20, 21, 40], PLANE, n_moments=2), 2)
    assert [len(axes.collections[0].get_offsets()) for axes in found] == [2, 2]
    assert found[0].get_title() == "steps 0 to 20\n2 tasks, mean score 0.25"
    assert found[1].get_title() == "steps 20 to 40\n2 tasks, mean score 1.00"
    assert (found[0].get_xlabel(), found[0].get_ylabel()) == ("height [m]", "legs")


def test_a_panel_draws_the_last_tasks_of_its_stretch_and_counts_all():
    points = np.linspace(0, 1, 100)[:, None].repeat(2, axis=1)
    (axes,) = panels(task_moments(points, np.ones(100), np.arange(1, 101), PLANE, n_moments=1, n_most=10), 1)
    assert len(axes.collections[0].get_offsets()) == 10
    assert axes.collections[0].get_offsets().min() > 0.9
    assert "100 tasks" in axes.get_title()


def test_stretches_go_from_the_beginning_to_the_end_of_the_block():
    figure = task_moments([[0.5, 0.5]], [1.0], [1_500], PLANE, n_moments=2, span=(1_000, 3_000))
    titles = [axes.get_title() for axes in panels(figure, 2)]
    assert titles == ["steps 1k to 2k\n1 tasks, mean score 1.00", "steps 2k to 3k\n0 tasks, no episode"]


def test_a_single_feature_gives_histograms_that_count_every_task():
    points = np.random.default_rng(0).random((60, 1))
    found = panels(task_moments(points, points[:, 0], np.arange(1, 61), LINE, n_moments=3), 3)
    assert sum(bar.get_height() for axes in found for bar in axes.patches) == 60
    assert found[0].get_ylabel() == "number of tasks"


@pytest.mark.parametrize("space", [PLANE, TaskSpace("fixed", [])])
def test_nothing_to_draw_is_refused(space):
    with pytest.raises(ValueError, match="at least one task of a space with a free feature"):
        task_moments(np.empty((0, space.dimension)), [], [], space)
