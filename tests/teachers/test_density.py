"""Densities over the unit cube: the estimate for teachers that know none, and how even one is."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import RandomTeacher, Teacher
from lifelong_rl.teachers.density import (
    cell_evenness,
    covered_share,
    evenness,
    kernel_density,
    parts_per_axis,
    reference_points,
    spread_in_cells,
)


def space(dimension):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def test_the_estimate_integrates_to_one_over_the_cube():
    draws = np.random.default_rng(0).random((400, 2)) ** 3  # crowded at two faces

    assert kernel_density(space(2).grid(100), draws).mean() == pytest.approx(1.0, abs=0.01)


def test_the_estimate_of_uniform_draws_is_near_one_up_to_the_faces():
    density = kernel_density(space(1).grid(50), np.random.default_rng(0).random((4000, 1)))

    assert np.abs(density - 1.0).max() < 0.2


def test_one_task_again_and_again_has_a_finite_density():
    density = kernel_density(np.array([[0.5, 0.5], [0.9, 0.9]]), np.full((100, 2), 0.5))

    assert density[0] > 1000
    assert density[1] == pytest.approx(0.0)


def test_a_teacher_that_says_no_density_has_one_estimated_from_its_draws():
    class Left(RandomTeacher):
        density = Teacher.density

        def sample(self, n=1):
            return super().sample(n) * [0.5, 1.0]

    teacher = Left()
    teacher.reset(space(2), np.random.default_rng(0))

    density = teacher.density(np.array([[0.25, 0.5], [0.9, 0.5]]))

    assert density[0] == pytest.approx(2.0, abs=0.4)
    assert density[1] < 0.05


def test_evenness_is_one_for_a_uniform_density_and_zero_for_a_point():
    assert evenness(np.full(100, 3.0)) == pytest.approx(1.0)
    assert evenness(np.eye(100)[0]) == 0.0


def test_half_of_the_cells_have_the_entropy_of_half_as_many():
    assert evenness(np.repeat([1.0, 0.0], 8)) == pytest.approx(np.log(8) / np.log(16))


@pytest.mark.parametrize("dimension", [1, 2, 3, 6, 7, 20])
def test_reference_points_are_about_a_thousand_in_any_dimension(dimension):
    points = reference_points(space(dimension))

    assert 700 <= len(points) <= 1000
    assert points.shape[1] == dimension
    assert np.array_equal(points, reference_points(space(dimension)))


def test_reference_points_are_none_of_the_numbers_that_a_seed_gives():
    assert not np.isin(reference_points(space(8)), np.random.default_rng(0).random((1000, 8))).any()


def test_the_covered_share_counts_cells_once():
    tasks = np.array([[0.0, 0.0], [0.001, 0.001], [1.0, 1.0]])

    assert covered_share(tasks, space(2)) == pytest.approx(2 / 31**2)


def test_the_covered_share_of_the_whole_grid_is_one():
    assert covered_share(space(3).grid(10), space(3)) == 1.0


@pytest.mark.parametrize("dimension", [20, 62, 63, 100])
def test_the_covered_share_does_not_overflow_in_high_dimensions(dimension):
    corners = np.vstack([np.zeros(dimension), np.ones(dimension), np.eye(dimension)[-1]])

    assert covered_share(corners, space(dimension)) == pytest.approx(3 / 2.0**dimension)


def test_a_density_that_no_float_can_hold_at_the_points_is_as_uneven_as_one_point():
    assert evenness(np.zeros(10)) == 0.0
    assert evenness(np.array([5e-324, 0.0, 0.0])) == 0.0
    assert evenness(np.full(10, 5e-324)) == pytest.approx(1.0)
    assert evenness(np.full(10, 1e308)) == pytest.approx(1.0)


TABLE = TaskSpace(
    "table",
    [Feature.integer("n", 1, 4, 1), Feature.category("c", ["a", "b", "c"], "a"), Feature.real("x", 0, 1, 0.5)],
)


def test_a_small_space_of_values_is_covered_and_even_when_each_task_comes_equally_often():
    dice = TaskSpace("dice", [Feature.integer("n", 1, 6, 1)])
    tasks = np.tile(dice.grid(6), (50, 1))

    assert covered_share(tasks, dice) == 1.0
    assert cell_evenness(tasks, dice) == pytest.approx(1.0)
    assert cell_evenness(tasks[:1].repeat(50, axis=0), dice) == 0.0


def test_cells_have_no_more_parts_than_an_integer_or_a_category_has_values():
    assert parts_per_axis(TABLE).tolist() == [4, 3, 10]
    assert parts_per_axis(TaskSpace("many", [Feature.integer("n", 1, 10**6, 1)])).tolist() == [1000]


def test_the_estimate_of_a_teacher_that_draws_values_is_level_within_their_cells():
    class Played(RandomTeacher):
        density = Teacher.density

        def sample(self, n=1):
            return self.space.snap(super().sample(n))

    teacher = Played()
    teacher.reset(
        TaskSpace("coin", [Feature.category("side", ["heads", "tails"], "heads")]), np.random.default_rng(0)
    )

    assert np.abs(teacher.density(np.linspace(0.0, 1.0, 41)[:, None]) - 1.0).max() < 0.15


def test_spreading_keeps_values_and_reals():
    tasks = TABLE.snap(TABLE.sample(200, np.random.default_rng(0)))

    spread = spread_in_cells(tasks, TABLE)

    assert np.array_equal(TABLE.snap(spread), tasks)
    assert len(np.unique(spread[:, 1])) == 200
    assert np.array_equal(spread_in_cells(tasks, TABLE), spread)
