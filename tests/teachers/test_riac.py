"""RIAC cuts where progress differs, draws where it is high, and does not hang."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import RIAC, Outcomes
from lifelong_rl.teachers.riac import Regions, progress_of, progress_of_parts


def space(dimension=2):
    return TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def bound(task_space=None, seed=0, **hyperparameters):
    teacher = RIAC(**hyperparameters)
    teacher.reset(task_space or space(), np.random.default_rng(seed))
    return teacher


def teach(teacher, tasks, scores):
    teacher.update(np.asarray(tasks, dtype=np.float64), Outcomes.from_scores(scores))


def regions_of(teacher):
    return teacher.state_dict()["regions"]


def rising_corner(n, seed=1):
    """Uniform tasks whose scores rise with time where x0 > 0.7, and stay 0 elsewhere."""
    tasks = np.random.default_rng(seed).random((n, 2))
    return tasks, np.where(tasks[:, 0] > 0.7, np.linspace(0.0, 1.0, n), 0.0)


@pytest.fixture
def split_once():
    """A teacher right after its first split."""
    teacher = bound(region_size=200)
    teach(teacher, *rising_corner(200))
    return teacher


def test_progress_is_the_difference_of_the_means_of_the_older_and_the_newer_half():
    assert progress_of(np.array([0.0, 0.25, 0.5, 1.0])) == 0.625
    assert progress_of(np.array([1.0, 0.5, 0.0, 0.0, 0.25])) == pytest.approx(
        0.5 - 0.125
    )  # the older half has one more
    assert progress_of(np.array([0.7])) == 0.0


def test_progress_of_many_parts_at_once_is_that_of_each_part():
    rng = np.random.default_rng(0)
    scores, parts = rng.random(40), rng.random((40, 7)) < 0.4

    expected = [progress_of(scores[part]) for part in parts.T]

    assert progress_of_parts(scores, parts) == pytest.approx(expected)


def test_a_region_is_split_when_it_is_full_and_not_before():
    tasks, scores = rising_corner(200)
    teacher = bound()

    teach(teacher, tasks[:199], scores[:199])
    before = teacher.diagnostics()["n_regions"]
    teach(teacher, tasks[199:], scores[199:])

    assert (before, teacher.diagnostics()["n_regions"]) == (1.0, 3.0)


def test_the_cut_falls_where_progress_differs_most(split_once):
    regions = regions_of(split_once)

    assert regions["axes"][0] == 0
    assert regions["cuts"][0] == pytest.approx(0.7, abs=0.1)  # the sizes of the parts weigh too


def test_the_parts_hold_the_parents_tasks_in_order_and_the_progress_of_their_own(split_once):
    regions = regions_of(split_once)
    tasks, scores = rising_corner(200)
    is_upper = tasks[:, regions["axes"][0]] >= regions["cuts"][0]

    for part, mask in ((1, ~is_upper), (2, is_upper)):
        count = regions["counts"][part]
        assert np.array_equal(regions["tasks"][part, :count], tasks[mask])
        assert np.array_equal(regions["scores"][part, :count], scores[mask])
        assert regions["progress"][part] == progress_of(scores[mask])


def test_a_parent_goes_on_keeping_the_last_tasks_and_its_progress_after_a_split():
    teacher = bound(region_size=21)  # odd: the halves differ in size
    rng = np.random.default_rng(3)
    tasks, scores = rng.random((95, 2)), rng.random(95)

    teach(teacher, tasks, scores)

    regions = regions_of(teacher)
    kept = set(map(tuple, regions["tasks"][0]))
    assert kept == set(map(tuple, tasks[-21:]))
    assert regions["progress"][0] == pytest.approx(progress_of(scores[-21:]))


def test_regions_tile_the_cube_and_hold_only_their_own_tasks():
    teacher = bound(region_size=40)
    teach(teacher, *rising_corner(2000))

    regions = regions_of(teacher)
    leaves = regions["children"] == 0
    volume = (regions["highs"] - regions["lows"])[leaves].prod(axis=1).sum()
    assert len(leaves) > 9
    assert volume == pytest.approx(1.0)
    for low, high, tasks, count in zip(*(regions[k] for k in ("lows", "highs", "tasks", "counts")), strict=True):
        assert ((tasks[:count] >= low) & (tasks[:count] <= high)).all()


def test_no_region_is_narrower_than_min_side():
    teacher = bound(region_size=20, min_side=0.2)
    teach(teacher, *rising_corner(3000))

    regions = regions_of(teacher)
    assert (regions["highs"] - regions["lows"]).min() >= 0.2 - 1e-12


@pytest.mark.parametrize("task", [[0.3, 0.3], [1.0, 1.0], [0.0, 1.0]])
def test_one_task_forever_neither_hangs_nor_splits_nor_grows(task):
    """The code of Portelas et al. draws cuts without end at the 201st episode."""
    teacher = bound()

    teach(teacher, np.tile(task, (1000, 1)), np.random.default_rng(0).random(1000))

    assert teacher.diagnostics()["n_regions"] == 1.0
    assert len(teacher.sample(10)) == 10


def test_the_number_of_regions_is_bounded_and_a_full_leaf_then_forgets_its_oldest_quarter():
    teacher = bound(region_size=20, max_regions=5)
    tasks, scores = rising_corner(3000)

    teach(teacher, tasks, scores)

    regions = regions_of(teacher)
    assert len(regions["counts"]) == 5
    leaves = regions["children"] == 0
    assert ((regions["counts"][leaves] >= 15) & (regions["counts"][leaves] < 20)).all()
    kept = {tuple(task) for leaf in np.flatnonzero(leaves) for task in regions["tasks"][leaf, :15]}
    assert kept <= set(map(tuple, tasks[-400:]))


def test_with_no_progress_anywhere_all_regions_are_drawn():
    teacher = bound(region_size=20, random_fraction=0.0, mutation_fraction=0.0)
    tasks = np.random.default_rng(1).random((400, 2))
    teach(teacher, tasks, np.full(400, 0.1))  # the sum of ten of these is not 1: rounding must not count as progress

    assert regions_of(teacher)["progress"].max() == 0.0
    assert teacher.diagnostics()["n_regions"] > 3
    assert len(np.unique((teacher.sample(2000) * 2).astype(int), axis=0)) == 4


def test_tasks_come_from_regions_in_proportion_to_their_progress_parents_included(split_once):
    regions = regions_of(split_once)
    teacher = bound(random_fraction=0.0, mutation_fraction=0.0)
    teacher._regions.load_state_dict(regions)
    axis, cut = regions["axes"][0], regions["cuts"][0]

    is_upper = teacher.sample(20_000)[:, axis] >= cut

    root, lower, upper = regions["progress"]
    expected = (upper + root * (1.0 - cut)) / (root + lower + upper)
    assert is_upper.mean() == pytest.approx(expected, abs=0.02)


def test_density_is_that_of_the_draws(split_once):
    axis, cut = regions_of(split_once)["axes"][0], regions_of(split_once)["cuts"][0]
    points = np.random.default_rng(0).random((20_000, 2))
    density = split_once.density(points)

    tasks = split_once.sample(20_000)

    assert density.mean() == pytest.approx(1.0, abs=0.03)
    expected = (density * (points[:, axis] >= cut)).mean()
    assert (tasks[:, axis] >= cut).mean() == pytest.approx(expected, abs=0.04)


def test_a_mutation_stays_near_the_task_of_lowest_score_and_in_the_region():
    teacher = bound(random_fraction=0.0, mutation_fraction=1.0, mutation_spread=0.02)
    teach(teacher, [[0.2, 0.2], [0.99, 0.5], [0.7, 0.7]], [0.5, 0.1, 0.9])

    tasks = teacher.sample(500)

    assert np.abs(tasks - [0.99, 0.5]).max() < 0.12
    assert (tasks <= 1.0).all() and (tasks[:, 0] == 1.0).any()  # clipped
    assert teacher.diagnostics()["mutation_share"] == 1.0


def test_shares_of_the_sources_are_those_of_the_hyperparameters(split_once):
    before = split_once.diagnostics()
    split_once.sample(20_000)
    after = split_once.diagnostics()

    assert "random_share" not in before
    assert after["random_share"] == pytest.approx(0.2, abs=0.02)
    assert after["mutation_share"] == pytest.approx(0.1, abs=0.02)
    assert after["region_share"] == pytest.approx(0.7, abs=0.02)


def test_the_entropy_falls_from_one_as_draws_concentrate(split_once):
    assert bound().diagnostics()["entropy"] == pytest.approx(1.0)
    assert split_once.diagnostics()["entropy"] < 0.99


def test_cuts_of_integers_and_categories_fall_between_values():
    mixed = TaskSpace(
        "mixed", [Feature.integer("n", 1, 5, 2), Feature.category("floor", ["ice", "mud", "sand"], "ice")]
    )
    teacher = bound(mixed, region_size=20)
    rng = np.random.default_rng(0)
    tasks = rng.random((1000, 2))
    teach(teacher, tasks, (tasks[:, 0] > 0.6) * rng.random(1000))

    regions = regions_of(teacher)
    inner = regions["children"] > 0
    n_values = np.array([5, 3])[regions["axes"][inner]]
    borders = regions["cuts"][inner] * n_values
    assert inner.sum() >= 4
    assert borders == pytest.approx(np.round(borders))


def test_a_mutation_leaves_categories_alone():
    mixed = TaskSpace("mixed", [Feature.real("x", 0.0, 1.0, 0.5), Feature.category("floor", ["ice", "mud"], "ice")])
    teacher = bound(mixed, random_fraction=0.0, mutation_fraction=1.0)
    teach(teacher, [[0.5, 0.25]], [0.0])

    tasks = teacher.sample(100)

    assert (tasks[:, 1] == 0.25).all() and tasks[:, 0].std() > 0.05


def test_the_sizes_of_the_parts_weigh_in_a_cut_or_do_not():
    """Three of a hundred tasks make most progress; without sizes they are cut off, with sizes the middle is cut."""
    tasks = np.linspace(0.0, 1.0, 100)[:, None]
    order = np.random.default_rng(0).permutation(100)
    time = np.empty(100)
    time[order] = np.arange(100)
    scores = np.where(tasks[:, 0] > 0.9, time / 100, np.where(tasks[:, 0] > 0.5, 0.7 * time / 100, 0.0))
    cuts = {}
    for weigh_sizes in (True, False):
        teacher = bound(space(1), region_size=100, split_attempts=400, weigh_sizes=weigh_sizes)
        teach(teacher, tasks[order], scores[order])
        cuts[weigh_sizes] = float(regions_of(teacher)["cuts"][0])

    assert cuts[True] == pytest.approx(0.5, abs=0.06)
    assert cuts[False] > 0.8


def test_the_regions_grow_without_losing_what_they_hold():
    regions = Regions(dimension=1, size=2)
    for task, score in ((0.2, 0.1), (0.8, 0.9)):
        leaf = regions.add(np.array([task]), score)
    for cut in (0.5, 0.1):
        regions.split(leaf, 0, cut)
        leaf = regions.n - 2
        regions.add(np.array([0.05]), 0.3) if cut == 0.1 else regions.add(np.array([0.3]), 0.2)

    assert regions.n == 5
    assert regions.path([0.05]) == [0, 1, 3]
    assert regions.path([0.9]) == [0, 2]
    assert regions.scores[0].tolist() == [0.2, 0.3]  # a ring: the oldest two are gone
    assert regions.scores[2, 0] == 0.9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region_size", 3),
        ("split_attempts", 0),
        ("min_side", 0.0),
        ("random_fraction", 1.1),
        ("mutation_fraction", 0.9),
        ("mutation_spread", -0.1),
        ("max_regions", 0),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} of RIAC must be .*found {value}"):
        bound(**{name: value})


def test_riac_masters_far_more_of_a_toy_grid_than_random_tasks():
    """Random tasks master one cell of 25; three seeds of RIAC 16 to 20 percent."""
    from lifelong_rl.bench.settings import setting_of
    from lifelong_rl.bench.teachers import run_teacher

    assert run_teacher("riac", setting_of("2d5", 3000), seed=1).mastery >= 12.0
