"""ADR grows its box where scores on a bound are high, shrinks it where they are low, and keeps to the cube."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import ADR, Outcomes
from lifelong_rl.teachers.adr import first_box


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.25 * i + 0.25) for i in range(dimension)])


def bound(task_space=None, seed=0, **hyperparameters):
    teacher = ADR(**hyperparameters)
    teacher.reset(task_space or space(), np.random.default_rng(seed))
    return teacher


def teach(teacher, task, score, n=10):
    teacher.update(np.tile(np.asarray(task, dtype=np.float64), (n, 1)), Outcomes.from_scores([score] * n))


def test_it_starts_at_the_default_task_of_the_space():
    tasks = bound().sample(50)

    assert np.array_equal(tasks, np.tile([0.25, 0.5], (50, 1)))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (0.0, [[0.0, 0.0], [0.0, 0.0]]),
        ([0.1, 0.9], [[0.1, 0.9], [0.1, 0.9]]),
        ([(0.1, 0.2), 0.9], [[0.1, 0.9], [0.2, 0.9]]),
        ({"mass": 3.0}, [[0.5, 0.5], [0.5, 0.5]]),
        ({"mass": [1.0, 2.0], "n": 5}, [[0.0, 0.9], [0.25, 0.9]]),
    ],
)
def test_the_first_box_is_given_in_coordinates_or_by_feature(start, expected):
    space = TaskSpace("toy", [Feature.real("mass", 1.0, 5.0, 2.0), Feature.integer("n", 1, 5, 3)])

    assert first_box(start, space) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("start", [1.5, [0.5], [(0.6, 0.4), 0.5], [0.5, float("nan")], {"mass": 1.0}, {"x0": 2.0}])
def test_a_start_outside_the_space_is_refused(start):
    with pytest.raises(ValueError, match=r"start of ADR must|unknown|must lie in \[0, 1\]"):
        bound(start=start)


def test_a_bound_moves_out_after_ten_good_episodes_on_it_and_not_after_nine():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])

    teach(teacher, [0.6, 0.5], 0.66, n=9)
    before = teacher.box()
    teach(teacher, [0.6, 0.5], 0.66, n=1)

    assert before == pytest.approx(np.array([[0.4, 0.4], [0.6, 0.6]]))
    assert teacher.box() == pytest.approx(np.array([[0.4, 0.4], [0.7, 0.6]]))


def test_tasks_inside_the_box_move_nothing():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])

    teach(teacher, [0.5, 0.5], 1.0, n=100)

    assert teacher.box() == pytest.approx(np.array([[0.4, 0.4], [0.6, 0.6]]))


def test_middling_scores_leave_a_bound_and_start_its_collection_again():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])

    teach(teacher, [0.6, 0.5], 0.5, n=10)
    teach(teacher, [0.6, 0.5], 1.0, n=9)
    assert teacher.box()[1, 0] == 0.6
    teach(teacher, [0.6, 0.5], 1.0, n=1)

    assert teacher.box()[1, 0] == 0.7


def test_low_scores_move_a_bound_back_but_never_past_the_start():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])
    teach(teacher, [0.4, 0.5], 1.0)
    assert teacher.box()[0, 0] == pytest.approx(0.3)

    for _ in range(3):
        teach(teacher, [teacher.box()[0, 0], 0.5], 0.3)

    assert teacher.box()[0, 0] == 0.4


def test_a_step_ends_at_the_cube_and_few_tasks_lie_on_a_bound_there():
    teacher = bound(start=[(0.05, 0.5), (0.4, 0.6)], boundary_fraction=1.0)
    teach(teacher, [0.05, 0.5], 1.0)
    assert teacher.box()[0, 0] == 0.0

    tasks = teacher.sample(3000)
    teach(teacher, [0.0, 0.5], 1.0)
    assert teacher.box()[0, 0] == 0.0
    assert np.mean(tasks[:, 0] == 0.0) == pytest.approx(0.1, abs=0.02)
    for column, value in ((0, 0.5), (1, 0.4), (1, 0.6)):
        assert np.mean(tasks[:, column] == value) == pytest.approx(0.3, abs=0.03)


def test_a_bound_at_the_limit_moves_back_when_the_agent_forgets():
    teacher = bound(start=[(0.05, 0.5), (0.4, 0.6)])
    teach(teacher, [0.05, 0.5], 1.0)
    teach(teacher, [0.0, 0.5], 0.0)
    assert teacher.box()[0, 0] == pytest.approx(0.05)  # the start: no further


def test_an_agent_that_forgets_is_sent_back_from_the_whole_cube():
    teacher = bound(start=0.5, queue_length=5)
    for score, lowest, highest in ((1.0, 0.99, 1.0), (0.0, 0.0, 0.01)):
        for _ in range(150):
            tasks = teacher.sample(10)
            teacher.update(tasks, Outcomes.from_scores(np.full(10, score)))
        width = teacher.diagnostics()["mean_width"]
        assert lowest <= width <= highest


def test_a_bound_that_started_at_the_limit_is_never_drawn():
    teacher = bound(start=0.0, boundary_fraction=1.0)
    assert (teacher.sample(500) == 0.0).any(axis=1).all()  # one task, upper bounds alone
    teach(teacher, [0.0, 0.0], 1.0)
    tasks = teacher.sample(500)
    assert ((tasks == teacher.box()[1]).any(axis=1)).all()


def test_where_no_bound_can_grow_most_tasks_are_uniform():
    teacher = bound(start=[(0.05, 0.95), (0.05, 0.95)], step=1.0, boundary_fraction=1.0)
    for task in ([0.05, 0.05], [0.95, 0.95]):
        teach(teacher, task, 1.0)
    assert teacher.box().tolist() == [[0.0, 0.0], [1.0, 1.0]]
    tasks = teacher.sample(3000)
    is_on = ((tasks == 0.0) | (tasks == 1.0)).any(axis=1)
    assert is_on.mean() == pytest.approx(0.1, abs=0.02)
    assert teacher.diagnostics()["boundary_share"] == pytest.approx(is_on.mean())


def test_steps_of_a_tenth_reach_the_limits_of_the_cube_exactly():
    teacher = bound(space(1), start=0.5)

    for _ in range(5):
        for value in teacher.box()[:, 0]:
            teach(teacher, [value], 1.0)

    assert teacher.box().tolist() == [[0.0], [1.0]]


def test_a_box_that_fills_the_cube_is_sampled_evenly():
    teacher = bound(start=[(0.0, 1.0), (0.0, 1.0)])

    tasks = teacher.sample(4000)

    counts = np.histogram2d(*tasks.T, bins=2)[0]
    assert counts.min() > 850
    assert teacher.diagnostics() == {
        "mean_width": 1.0,
        "entropy": 1.0,
        "boundary_share": 0.0,
        "uniform_share": 1.0,
    }


def test_the_stream_does_not_start_again_when_the_box_changes():
    """The code of Romac et al. seeds its box anew at every change, so that the same numbers come again."""
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)], boundary_fraction=0.0)
    first = (teacher.sample(20) - 0.4) / 0.2
    teach(teacher, [0.5, 0.6], 1.0)
    low, high = teacher.box()

    second = (teacher.sample(20) - low) / (high - low)

    assert np.abs(first - second).min() > 1e-6


def test_scores_of_a_bound_that_moved_meanwhile_are_not_counted():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])

    teach(teacher, [0.6, 0.5], 1.0, n=25)  # parallel environments end their episodes late

    assert teacher.box()[1, 0] == pytest.approx(0.7)


def test_a_task_counts_on_its_bound_although_an_environment_changed_its_last_bit():
    teacher = bound(start=[(0.4, 0.6), (0.4, 0.6)])

    teach(teacher, [np.nextafter(0.6, 1.0), 0.5], 1.0)

    assert teacher.box()[1, 0] == pytest.approx(0.7)


def test_an_integer_lies_on_a_bound_of_its_value():
    integers = TaskSpace("toy", [Feature.integer("n", 0, 9, 5)])
    teacher = bound(integers, start=[(0.42, 0.58)])  # from 4 to 5

    teach(teacher, [0.55], 1.0)

    assert teacher.box()[:, 0] == pytest.approx([0.42, 0.68])


def test_diagnostics_say_how_wide_the_box_is_and_where_tasks_came_from():
    teacher = bound(start=[(0.0, 0.5), (0.0, 1.0)])
    teacher.sample(2000)

    numbers = teacher.diagnostics()

    assert numbers["mean_width"] == 0.75
    assert numbers["entropy"] == pytest.approx(1.0 + np.log(0.5) / np.log(1000))
    assert numbers["boundary_share"] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", 0.0),
        ("low_score", 0.7),
        ("high_score", 1.2),
        ("boundary_fraction", -0.1),
        ("queue_length", 0),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} of ADR must be .*found {value}"):
        bound(**{name: value})


def test_categories_are_refused():
    with pytest.raises(ValueError, match="'floor' is a category"):
        bound(TaskSpace("toy", [Feature.category("floor", ["ice", "mud"], "ice")]))


def test_from_the_easy_corner_the_box_opens_the_toy_grid():
    from lifelong_rl.bench.settings import setting_of
    from lifelong_rl.bench.teachers import run_teacher

    assert run_teacher("adr", setting_of("2d5", 3000), 1, {"start": 0.0}).mastery > 50.0
