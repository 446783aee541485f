"""The orders of the human curriculum are exact, in any space, and may wait for mastery."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes
from lifelong_rl.teachers.interleaved import Interleaved


def reals(dimension):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def school(n_choices=3):
    subjects = [f"s{i}" for i in range(n_choices)]
    return TaskSpace("school", [Feature.real("difficulty", 0, 1, 0), Feature.category("subject", subjects, "s0")])


def bound(order, space=None, **hyperparameters):
    teacher = Interleaved(order, **{"n_subjects": 3, "n_levels": 2, "episodes_per_item": 2, **hyperparameters})
    teacher.reset(space or school(), np.random.default_rng(0))
    return teacher


def drawn(teacher, n):
    """The next n items as text, subject and level of each: "a0"."""
    subjects, levels = teacher.items(teacher.sample(n))
    return " ".join(f"{'abcdef'[s]}{level}" for s, level in zip(subjects, levels, strict=True))


@pytest.mark.parametrize(
    ("order", "items"),
    [
        ("block", "a0 a0 a1 a1 b0 b0 b1 b1 c0 c0 c1 c1"),
        ("cluster", "a0 b0 a0 b0 a1 b1 a1 b1 c0 c0 c1 c1"),
        ("spiral", "a0 a0 b0 b0 c0 c0 a1 a1 b1 b1 c1 c1"),
        ("interleave", "a0 b0 c0 a0 b0 c0 a1 b1 c1 a1 b1 c1"),
    ],
)
def test_each_order_is_exact_and_begins_again(order, items):
    assert drawn(bound(order), 24) == f"{items} {items}"


def test_random_shuffles_every_round_of_all_items():
    rounds = np.array(drawn(bound("random"), 60).split()).reshape(10, 6)

    assert all(sorted(each) == ["a0", "a1", "b0", "b1", "c0", "c1"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 5


@pytest.mark.parametrize("order", ["block", "cluster", "spiral", "interleave", "random"])
@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_every_item_gets_its_episodes_in_spaces_of_any_dimension(order, dimension):
    teacher = bound(order, reals(dimension), episodes_per_item=5)
    counts = np.zeros((3, 2))
    np.add.at(counts, teacher.items(teacher.sample(30)), 1)

    assert (counts == 5).all()


def test_switches_of_subject_grow_from_block_to_interleave():
    def switches(order):
        teacher = bound(order, episodes_per_item=10)
        subjects, _ = teacher.items(teacher.sample(60))
        return int((np.diff(subjects) != 0).sum())

    assert [switches(order) for order in ("block", "spiral", "cluster", "interleave")] == [2, 5, 40, 59]


def test_the_subject_is_the_first_axis_that_is_no_real_and_the_level_the_largest_of_the_others():
    teacher = bound("block", TaskSpace("t", [*reals(2).features, Feature.integer("n", 0, 2, 0)]))
    subjects, levels = teacher.items(np.array([[0.9, 0.1, 0.5], [0.4, 0.45, 0.9]]))

    assert subjects.tolist() == [1, 2]
    assert levels.tolist() == [1, 0]


def test_axes_may_be_named():
    teacher = bound("block", reals(3), subject_axis="x2", level_axis="x1")

    assert [each.tolist() for each in teacher.items(np.array([[0.9, 0.1, 0.5]]))] == [[1], [0]]
    with pytest.raises(ValueError, match="'x7'"):
        bound("block", reals(3), subject_axis="x7")
    with pytest.raises(ValueError, match="must differ, found 'x1' for both"):
        bound("block", reals(3), subject_axis="x1", level_axis="x1")


def test_a_space_without_an_ordered_axis_has_one_level():
    teacher = bound("block", TaskSpace("t", [Feature.category("c", ["a", "b"], "a")]))

    assert drawn(teacher, 5) == "a0 a0 b0 b0 a0"


def test_within_an_item_the_task_is_uniform():
    teacher = bound("random", reals(3), n_subjects=1)
    tasks = teacher.sample(4000)
    upper = tasks[teacher.items(tasks)[1] == 1]

    # Of the upper level's volume (1 - 1/4) the corner where both others are above 1/2 has 1/4.
    assert (upper[:, 1:] > 0.5).all(axis=1).mean() == pytest.approx(1 / 3, abs=0.03)
    assert upper[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(
        teacher.density(np.array([[0.5, 0.1, 0.1], [0.5, 0.1, 0.9]])), [0.5 / 0.25, 0.5 / 0.75]
    )


def play(teacher, n, score):
    for _ in range(n):
        task = teacher.sample(1)
        teacher.update(task, Outcomes.from_scores([score]))


def test_a_mastery_threshold_holds_a_stage_until_it_is_met():
    teacher = bound("block", mastery_threshold=0.8, patience=10)
    play(teacher, 5, 0.5)
    assert teacher.diagnostics()["stage"] == 0.0
    play(teacher, 1, 1.0)
    assert teacher.diagnostics()["stage"] == 0.0  # the last two scores are 0.5 and 1
    play(teacher, 1, 1.0)
    assert teacher.diagnostics()["stage"] == 1.0


def test_patience_ends_a_stage_that_is_never_mastered():
    teacher = bound("block", mastery_threshold=0.8, patience=3)
    play(teacher, 5, 0.0)
    assert teacher.diagnostics()["stage"] == 0.0
    play(teacher, 1, 0.0)
    assert teacher.diagnostics()["stage"] == 1.0


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match=r"order of Interleaved must be 'block', 'cluster', .*found 'zigzag'"):
        bound("zigzag")
