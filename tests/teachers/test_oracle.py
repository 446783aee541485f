"""Oracle moves its window when scores allow, by the given steps, and no further than the cube."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Oracle, Outcomes


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(task_space=None, seed=0, **hyperparameters):
    teacher = Oracle(**hyperparameters)
    teacher.reset(task_space or space(), np.random.default_rng(seed))
    return teacher


def teach(teacher, score, n=50):
    teacher.update(teacher.sample(n), Outcomes.from_scores([score] * n))


def test_the_window_begins_at_the_low_end_of_a_positive_step_and_the_high_end_of_a_negative_one():
    teacher = bound(step=[0.1, -0.1])

    assert teacher.window() == pytest.approx(np.array([[0.0, 5 / 6], [1 / 6, 1.0]]))


def test_tasks_fill_the_window_and_nothing_else():
    teacher = bound(step=[0.1, -0.1], width=0.2)

    tasks = teacher.sample(2000)

    low, high = teacher.window()
    assert ((tasks >= low) & (tasks <= high)).all()
    assert tasks.std(axis=0) == pytest.approx(0.2 / np.sqrt(12), rel=0.1)


def test_it_moves_after_fifty_good_episodes_and_not_after_forty_nine():
    teacher = bound()

    teach(teacher, 0.77, n=49)
    before = teacher.window()[0]
    teach(teacher, 0.77, n=1)

    assert np.array_equal(before, [0.0, 0.0])
    assert teacher.window()[0] == pytest.approx([1 / 30, 1 / 30])


def test_it_stays_while_the_mean_is_not_above_the_threshold():
    teacher = bound(threshold=0.75)

    teach(teacher, 0.75)
    teach(teacher, 0.5, n=25)
    teach(teacher, 1.0, n=25)

    assert np.array_equal(teacher.window()[0], [0.0, 0.0])


def test_only_the_last_fifty_episodes_count():
    teacher = bound()

    teach(teacher, 0.0)
    teach(teacher, 0.8)

    assert teacher.window()[0] == pytest.approx([1 / 30, 1 / 30])


def test_it_ends_at_the_other_end_of_the_cube_and_never_goes_back():
    teacher = bound(step=[0.3, -0.3])

    for _ in range(10):
        teach(teacher, 1.0)
    for _ in range(10):
        teach(teacher, 0.0)

    assert teacher.window() == pytest.approx(np.array([[5 / 6, 0.0], [1.0, 1 / 6]]))
    assert teacher.diagnostics()["position"] == pytest.approx(1.0)


def test_features_that_a_mapping_leaves_out_are_drawn_from_their_whole_axis():
    teacher = bound(step={"x1": -0.1})

    tasks = teacher.sample(1000)

    assert teacher.window() == pytest.approx(np.array([[0.0, 5 / 6], [1.0, 1.0]]))
    assert np.ptp(tasks[:, 0]) > 0.95


def test_position_is_the_mean_over_the_axes_that_move():
    teacher = bound(step=[0.5, 0.0], width=0.5)
    before = teacher.diagnostics()["position"]
    teach(teacher, 1.0)

    assert (before, teacher.diagnostics()["position"]) == (0.0, 1.0)
    assert "position" not in bound(step=0.0).diagnostics()


def test_density_is_even_in_the_window_and_zero_outside():
    teacher = bound(width=0.25)

    assert teacher.density(np.array([[0.1, 0.2], [0.1, 0.3], [0.9, 0.9]])).tolist() == [16.0, 0.0, 0.0]


@pytest.mark.parametrize(("name", "value"), [("width", 0.0), ("threshold", 1.5), ("every", 0)])
def test_a_hyperparameter_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} of Oracle must be .*found {value}"):
        bound(**{name: value})


@pytest.mark.parametrize("step", [[0.1], [0.1, 0.1, 0.1], 2.0, float("nan")])
def test_a_step_of_another_shape_or_size_is_refused(step):
    with pytest.raises(ValueError, match="step of Oracle must be"):
        bound(step=step)


def test_a_misspelt_feature_is_answered_with_the_nearest_name():
    long = TaskSpace("toy", [Feature.real("gravity", 0.0, 1.0, 0.5)])
    with pytest.raises(ValueError, match="did you mean 'gravity'"):
        bound(long, step={"gravty": 0.1})


def test_categories_are_refused():
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(TaskSpace("toy", [Feature.category("floor", ["ice", "mud"], "ice")]))
