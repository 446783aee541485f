"""The simulated learner has the rules of its paper, and each stress variant does what its name says."""

import itertools

import numpy as np
import pytest

from lifelong_rl.agents.simulated import CompetenceGrid, appraisal
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes


def centre(cell, n_cells=10):
    return (np.array(cell) + 0.5) / n_cells


def visit(grid, cell, n=1):
    for _ in range(n):
        score = grid.play(centre(cell, grid.n_cells))
    return score


def rng():
    return np.random.default_rng(0)


# The rules of the paper


def test_the_origin_cell_learns_at_once_and_the_others_do_not():
    grid = CompetenceGrid()

    assert visit(grid, (0, 0)) == 0.01
    assert visit(grid, (0, 1)) == 0.0


@pytest.mark.parametrize("cell", [(0, 1), (1, 0), (1, 1)])
def test_a_competence_of_75_unlocks_the_next_cells(cell):
    grid = CompetenceGrid()
    visit(grid, (0, 0), 74)
    assert visit(grid, cell) == 0.0
    visit(grid, (0, 0))

    assert visit(grid, cell) == 0.01
    assert visit(grid, (0, 2)) == 0.0


def test_a_cell_unlocks_no_cell_behind_it():
    grid = CompetenceGrid()
    visit(grid, (0, 0), 76)
    visit(grid, (1, 0), 76)

    assert visit(grid, (0, 1)) == 0.01  # from the origin
    assert visit(grid, (1, 1)) == 0.01
    assert visit(grid, (2, 0)) == 0.01
    assert visit(grid, (0, 2)) == 0.0


def test_mastery_asks_for_more_than_75_and_competence_ends_at_100():
    grid = CompetenceGrid()
    visit(grid, (0, 0), 75)
    assert grid.mastery == 0.0
    visit(grid, (0, 0))
    assert grid.mastery == 1.0

    assert visit(grid, (0, 0), 50) == 1.0


def test_mastery_is_the_percentage_that_cells_make_to_the_last_digit():
    grid = CompetenceGrid()
    for cell in list(np.ndindex(7, 4)):
        visit(grid, cell, 76)

    assert grid.mastery == 28.0


def test_a_perfect_teacher_needs_76_visits_a_cell():
    grid = CompetenceGrid(n_cells=4)
    for cell in np.ndindex(4, 4):
        visit(grid, cell, 76)

    assert grid.mastery == 100.0
    assert (grid.competence == 76).all()


def test_further_axes_mean_nothing():
    grid = CompetenceGrid()

    assert grid.play(np.array([0.01, 0.01, 0.9, 0.9])) == 0.01


def test_the_upper_face_belongs_to_the_last_cell():
    grid = CompetenceGrid(n_dims=1, n_cells=2)
    visit(grid, (0,), 75)

    assert grid.play(np.array([1.0])) == 0.01


@pytest.mark.parametrize(("n_dims", "n_cells", "decay"), [(1, 7, 0.0), (2, 5, 0.0), (2, 4, 0.9), (3, 3, 0.9)])
def test_visits_follow_the_rule_as_it_is_written(n_dims, n_cells, decay):
    """Plays against the rule in its slow form: look at all previous neighbours at every visit."""
    grid = CompetenceGrid(n_dims, n_cells, decay=decay, rng=rng())
    expected = np.zeros((n_cells,) * n_dims, dtype=np.int64)
    n_learnt = 0
    for point in rng().random((8000, n_dims)) ** 2.5:
        cell = tuple(np.minimum((point * n_cells).astype(int), n_cells - 1))
        steps = itertools.product((0, 1), repeat=n_dims)
        previous = [tuple(np.subtract(cell, step)) for step in steps if any(step)]
        is_unlocked = any(min(p) >= 0 and expected[p] >= 75 for p in previous)
        learns = (not any(cell) or is_unlocked) and expected[cell] < 100
        n_learnt += learns and any(cell)

        assert grid.play(point) == (expected[cell] + learns) / 100

        expected = grid.competence  # after the decay, which is drawn
    assert n_learnt > 100


# Looking without playing


def test_the_score_of_a_task_is_read_without_a_visit():
    grid = CompetenceGrid()
    visit(grid, (0, 0), 3)
    before = grid.state_dict()

    assert grid.score(centre((0, 0))) == 0.03
    assert grid.foresee(centre((0, 0))) == 0.04
    assert grid.foresee(centre((0, 1))) == 0.0
    assert state_to_bytes(grid.state_dict()) == state_to_bytes(before)


def test_what_is_foreseen_is_what_a_visit_gives():
    grid = CompetenceGrid(resets=(500,), mirrored_after=1500)
    for point in rng().random((3000, 2)) ** 3:
        assert grid.foresee(point) == grid.play(point)


def test_an_episode_that_is_only_looked_at_teaches_nothing():
    grid = CompetenceGrid()
    visit(grid, (0, 0))

    assert grid.play(centre((0, 0)), is_trained=False) == 0.01
    assert grid.score(centre((0, 0))) == 0.01
    assert grid.n_episodes == 2


def test_the_expected_score_of_a_cell_follows_its_scores():
    grid = CompetenceGrid(n_cells=4)
    assert grid.value(centre((0, 0), 4)) == 0.0
    visit(grid, (0, 0))
    assert grid.value(centre((0, 0), 4)) == pytest.approx(0.001)
    visit(grid, (0, 0), 400)
    assert grid.value(centre((0, 0), 4)) == pytest.approx(1.0, abs=1e-6)
    assert grid.value(centre((1, 1), 4)) == 0.0


def test_an_appraisal_has_a_loss_only_where_the_score_is_better_than_expected():
    assert appraisal(0.25, 0.5) == {"value": 0.25, "mean_value": 0.25, "positive_value_loss": 0.25}
    assert appraisal(0.5, 0.25)["positive_value_loss"] == 0.0


# The stress variants


def test_noise_moves_scores_but_not_skills():
    grid = CompetenceGrid(noise=0.1, rng=rng())
    visit(grid, (0, 0), 50)
    scores = np.array([grid.play(centre((0, 0)), is_trained=False) for _ in range(2000)])

    assert grid.score(centre((0, 0))) == 0.5
    assert scores.mean() == pytest.approx(0.5, abs=0.01)
    assert scores.std() == pytest.approx(0.1, rel=0.1)


def test_noisy_scores_stay_in_the_unit_interval():
    grid = CompetenceGrid(noise=0.5, rng=rng())
    scores = [visit(grid, (5, 5)) for _ in range(200)]

    assert min(scores) == 0.0
    assert 0.0 < max(scores) <= 1.0


def test_decay_takes_from_random_cells_at_its_rate():
    grid = CompetenceGrid(n_dims=1, n_cells=1, decay=0.25, rng=rng())
    visit(grid, (0,), 40)

    assert 20 <= grid.competence[0] <= 38


def test_decay_locks_what_a_neighbour_had_unlocked():
    grid = CompetenceGrid(n_dims=1, n_cells=2, decay=1.0, rng=rng())
    while grid.competence[0] < 75:
        visit(grid, (0,))
    while grid.competence[0] >= 75:
        grid.play(np.array([0.9]), is_trained=False)
    before = grid.competence[1]

    assert grid.foresee(np.array([0.9])) == before / 100


def test_the_unfeasible_cells_never_learn_and_do_not_count():
    grid = CompetenceGrid(n_cells=10, infeasible=0.7)
    for cell in itertools.product(range(3), range(10)):
        visit(grid, cell, 76)

    assert visit(grid, (3, 0), 5) == 0.0
    assert visit(grid, (2, 9)) == 0.77
    assert grid.mastery == 100.0


def test_the_trivial_cells_are_mastered_from_the_start_and_do_not_count():
    grid = CompetenceGrid(n_cells=10, trivial=0.5)

    assert grid.mastery == 0.0
    assert visit(grid, (4, 9)) == 1.0
    assert visit(grid, (5, 3)) == 0.01
    assert visit(grid, (6, 3)) == 0.0


def test_a_forgetting_learner_loses_everything_at_the_named_moments():
    grid = CompetenceGrid(resets=(10, 20))

    assert [visit(grid, (0, 0), 10), visit(grid, (0, 0), 10), visit(grid, (0, 0), 15)] == [0.1, 0.1, 0.15]


def test_a_change_of_learner_turns_the_grid_round():
    grid = CompetenceGrid(mirrored_after=100)
    assert visit(grid, (0, 0), 100) == 1.0

    assert visit(grid, (0, 0)) == 0.0
    assert visit(grid, (9, 9)) == 0.01
    assert grid.play(np.array([1.0, 1.0])) == 0.02


def test_a_rugged_grid_is_shuffled_by_parts_and_loses_no_cell():
    grid = CompetenceGrid(n_dims=2, n_cells=8, rugged=True, rng=rng())
    points = [centre(cell, 8) for cell in np.ndindex(8, 8)]
    origin = [i for i, point in enumerate(points) if grid.foresee(point) > 0]
    assert len(origin) == 1 and origin != [0]
    for point in points * 15:  # the farthest cell is 14 steps from the easiest
        while grid.score(point) < grid.foresee(point) <= 0.76:
            grid.play(point)

    assert grid.mastery == 100.0


def test_the_upper_face_of_a_rugged_grid_stays_in_its_part():
    for seed in range(8):
        grid = CompetenceGrid(n_dims=1, n_cells=4, rugged=True, rng=np.random.default_rng(seed))

        assert grid.foresee(np.array([1.0])) == grid.foresee(np.array([0.999]))


def test_drift_moves_a_task_on_to_other_skills():
    grid = CompetenceGrid(n_dims=1, n_cells=10, drift=0.01)
    scores = [grid.play(np.array([0.05])) for _ in range(12)]

    assert scores[:5] == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert scores[6:] == [0.0] * 6


# State and mistakes


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": 0.1},
        {"decay": 0.5},
        {"rugged": True},
        {"drift": 1e-3},
        {"resets": (1500,)},
        {"mirrored_after": 1200},
    ],
    ids=str,
)
def test_a_saved_learner_goes_on_bit_for_bit(options):
    points = rng().random((2000, 2)) ** 3
    grid, other = (CompetenceGrid(**options, rng=np.random.default_rng(seed)) for seed in (0, 1))
    for point in points[:1000]:
        grid.play(point)
    other.load_state_dict(state_from_bytes(state_to_bytes(grid.state_dict())))

    assert [other.play(point) for point in points[1000:]] == [grid.play(point) for point in points[1000:]]
    assert state_to_bytes(other.state_dict()) == state_to_bytes(grid.state_dict())


def test_a_state_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"shape \(10, 10\) is expected, found \(4, 4\)"):
        CompetenceGrid().load_state_dict(CompetenceGrid(n_cells=4).state_dict())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_cells": 0}, "n_cells must be a whole number of at least 1, found 0"),
        ({"n_dims": 1.5}, "n_dims must be a whole number of at least 1, found 1.5"),
        ({"n_dims": 9}, "at most 10,000,000 cells"),
        ({"decay": 1.5}, r"decay .* must lie in \[0, 1\], found 1.5"),
        ({"infeasible": -0.1}, r"infeasible .* must lie in \[0, 1\]"),
        ({"noise": -1.0}, "noise .* at least 0, found -1.0"),
        ({"noise": float("nan")}, "noise .* at least 0, found nan"),
        ({"trivial": 0.5, "infeasible": 0.5}, "leave none of 10 cells to learn"),
        ({"rugged": True, "rng": None}, "pass rng"),
    ],
    ids=str,
)
def test_what_makes_no_learner_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        CompetenceGrid(**{"rng": rng(), **options})
