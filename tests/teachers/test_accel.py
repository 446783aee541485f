"""ACCEL: children of replayed levels, how they differ, and what is trained on."""

import numpy as np
import pytest
from test_plr import LINE, bound, outcomes, points

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import make_teacher
from lifelong_rl.teachers.accel import ACCEL

MIXED = TaskSpace(
    "mixed",
    [
        Feature.real("x", 0.0, 1.0, 0.5),
        Feature.integer("n", 0, 9, 5),
        Feature.category("floor", ["ice", "mud", "sand"], "ice"),
    ],
)


def replaying(**settings):
    """Give a teacher that replays whatever its buffer holds, and never draws a new task."""
    settings = {"min_fill": 0.001, "replay_probability": 1.0} | settings
    return bound(ACCEL(**settings))


def test_a_replay_is_followed_by_one_child_beside_it_which_has_no_child_itself():
    teacher = replaying(step=0.01)
    teacher.update(points(0.5), outcomes([0]))
    for _ in range(5):
        level = teacher.sample(1)
        assert teacher.untrained.tolist() == [False]
        teacher.update(level, outcomes([0]))
        child = teacher.sample(1)
        assert teacher.untrained.tolist() == [True]
        assert 0 < abs(child[0, 0] - level[0, 0]) < 0.06
        teacher.update(child, outcomes([0]))
    assert teacher.diagnostics()["n_levels"] == 6.0
    assert teacher.diagnostics()["child_share"] == 0.5


def test_episodes_that_were_no_replays_make_no_children():
    teacher = bound(ACCEL(min_fill=1.0))
    teacher.update(np.full((50, 1), 0.5), outcomes(np.zeros(50)))  # one level, new and again
    assert len(teacher.state_dict()["children"]) == 0


def test_many_tasks_at_once_are_those_of_single_draws():
    one, many = replaying(), replaying()
    for teacher in (one, many):
        teacher.update(points(0.2, 0.8), outcomes([0, 0], positive_value_loss=[1.0, 5.0]))
    np.testing.assert_array_equal(many.sample(6), np.concatenate([one.sample(1) for _ in range(6)]))
    assert many.untrained.tolist() == [False, True] * 3


def test_children_enter_a_full_buffer_by_their_score():
    teacher = replaying(capacity=2, staleness=0.0)
    teacher.update(points(0.2, 0.8), outcomes([0, 0], positive_value_loss=[1.0, 5.0]))
    teacher.update(teacher.sample(1), outcomes([0], positive_value_loss=[5.0]))
    child = teacher.sample(1)
    teacher.update(child, outcomes([0], positive_value_loss=[2.0]))
    assert float(child[0, 0]) in {float(level[0]) for level in teacher._levels}


def test_in_a_space_whose_tasks_are_all_known_there_are_no_children():
    teacher = bound(make_teacher("accel"), TaskSpace("few", [Feature.integer("n", 1, 5, 1)]))
    for _ in range(200):
        teacher.update(teacher.sample(1), outcomes([0.0]))
    before = teacher.diagnostics()["child_share"] * 200
    teacher.sample(100)
    assert teacher.diagnostics()["child_share"] * 300 == pytest.approx(before)
    assert not teacher.untrained.any()


def test_a_child_s_step_has_the_given_width_and_stays_in_the_cube():
    teacher = bound(ACCEL(step=0.1))
    steps = [teacher._child(np.array([0.5]))[0] - 0.5 for _ in range(4000)]
    assert np.std(steps) == pytest.approx(0.1, rel=0.05)
    edge = [teacher._child(np.array([1.0]))[0] for _ in range(1000)]
    assert min(edge) >= 0.0 and max(edge) < 1.0  # reflected, not piled up on the face


def test_integers_move_to_neighbours_and_categories_now_and_then():
    teacher = bound(ACCEL(step=0.02), MIXED)
    level = MIXED.snap(np.array([[0.5, 0.5, 0.5]]))[0]
    children = np.array([teacher._child(level) for _ in range(2000)])
    np.testing.assert_array_equal(children, MIXED.snap(children))
    cells = np.round((children[:, 1] - level[1]) * 10).astype(int)
    assert {-1, 0, 1} <= set(cells.tolist())
    assert 0.2 < (cells != 0).mean() < 0.45 and abs(cells).max() <= 3
    assert (children[:, 2] != level[2]).mean() == pytest.approx(1 / 3 * 2 / 3, abs=0.05)


def test_replays_children_and_new_tasks_alternate_as_their_shares_say():
    teacher = bound(ACCEL(capacity=50, min_fill=0.2, replay_probability=0.8))
    for _ in range(3000):
        teacher.update(teacher.sample(1), outcomes([0.0], positive_value_loss=[teacher.rng.random()]))
    numbers = teacher.diagnostics()
    assert numbers["replay_share"] == pytest.approx(0.8 / 1.8, abs=0.03)
    assert numbers["child_share"] == pytest.approx(0.8 / 1.8, abs=0.03)


def test_without_robust_the_agent_trains_on_all_tasks():
    teacher = bound(make_teacher("accel", robust=False), LINE)
    teacher.sample(4)
    assert not teacher.is_selective and teacher.untrained is None


def test_a_step_of_no_width_is_refused():
    with pytest.raises(ValueError, match="step of ACCEL must be above 0, found 0"):
        bound(ACCEL(step=0.0))
