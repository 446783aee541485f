"""Cells cut a space by its values and in equal parts, and know where they lie."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers.cells import Cells


def reals(dimension):
    return [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)]


def mixed():
    return TaskSpace("mixed", [*reals(1), Feature.integer("n", 1, 5, 2), Feature.category("c", ["a", "b", "c"], "a")])


@pytest.mark.parametrize(
    ("dimension", "parts"), [(1, [100]), (2, [10, 10]), (4, [3, 3, 3, 3]), (8, [2, 2, 2, 2, 2, 2, 1, 1])]
)
def test_parts_are_chosen_by_the_dimension_and_later_axes_stay_whole(dimension, parts):
    assert Cells(TaskSpace("toy", reals(dimension)), 100).parts.tolist() == parts


def test_integers_and_categories_count_by_their_values():
    assert Cells(mixed(), 1000, per_axis=4).parts.tolist() == [4, 5, 3]


@pytest.mark.parametrize(("n_cells", "per_axis"), [(1000, None), (50, None), (2, None), (1, None), (9, 7)])
def test_tasks_of_a_cell_lie_in_it_and_volumes_fill_the_cube(n_cells, per_axis):
    cells = Cells(mixed(), n_cells, per_axis)
    numbers = np.repeat(np.arange(cells.n), 20)
    tasks = cells.tasks(numbers, np.random.default_rng(0).random((len(numbers), 3)))

    assert cells.indices(tasks).tolist() == numbers.tolist()
    assert cells.volume.sum() == pytest.approx(1.0)
    assert cells.indices(np.ones((1, 3))) == cells.n - 1


def test_neighbouring_values_of_a_long_integer_share_a_cell_and_none_is_torn():
    space = TaskSpace("long", [Feature.integer("n", 0, 6, 0)])
    cells = Cells(space, 3)
    values = (np.arange(7)[:, None] + [[0.01, 0.5, 0.99]]) / 7

    owners = np.array([cells.indices(row[:, None]) for row in values])

    assert (owners == owners[:, :1]).all()
    assert set(owners[:, 0]) == {0, 1, 2}
    np.testing.assert_allclose(cells.volume, [3 / 7, 2 / 7, 2 / 7])


def test_too_fine_a_grid_is_refused():
    with pytest.raises(ValueError, match=r"at most 10000 cells is expected, found 1048576 with per_axis = 2"):
        Cells(TaskSpace("toy", reals(20)), 100, per_axis=2)
