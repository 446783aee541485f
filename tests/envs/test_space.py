import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.envs.space import Feature, Task, TaskSpace

MIXED = TaskSpace(
    "mixed",
    [
        Feature.real("mass", 0.1, 10.0, 1.0, log=True, unit="kg"),
        Feature.real("angle", -0.3, 0.7, 0.0),
        Feature.integer("n_legs", 2, 6, 4),
        Feature.category("ground", ("ice", "sand", "mud"), "sand"),
    ],
)
PLAIN = TaskSpace("plain", [Feature.real("x", -1.0, 1.0, 0.0), Feature.real("y", 0.1, 0.7, 0.3)])

units = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4)
quick = settings(deadline=None, max_examples=100)


@quick
@given(units)
def test_a_decoded_task_lies_in_bounds_and_has_the_types_of_its_features(unit):
    params = MIXED.decode(unit).params

    assert 0.1 <= params["mass"] <= 10.0
    assert -0.3 <= params["angle"] <= 0.7
    assert params["n_legs"] in range(2, 7) and type(params["n_legs"]) is int
    assert params["ground"] in ("ice", "sand", "mud")


@quick
@given(units)
def test_encoding_a_decoded_task_and_decoding_it_again_gives_the_same_task(unit):
    params = MIXED.decode(unit).params
    again = MIXED.decode(MIXED.encode(params)).params

    assert again["n_legs"] == params["n_legs"]
    assert again["ground"] == params["ground"]
    assert again["mass"] == pytest.approx(params["mass"], rel=1e-12)
    assert again["angle"] == pytest.approx(params["angle"], abs=1e-12)


@quick
@given(units)
def test_encoding_stays_in_the_unit_cube_and_keeps_real_coordinates(unit):
    encoded = MIXED.encode(MIXED.decode(unit).params)

    assert ((encoded >= 0) & (encoded <= 1)).all()
    np.testing.assert_allclose(encoded[:2], unit[:2], atol=1e-9)


@quick
@given(st.lists(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2), max_size=9))
def test_the_quick_way_for_linear_reals_gives_the_same_bits_as_the_features(points):
    array = np.array(points).reshape(-1, 2)

    tasks = PLAIN.decode_many(array)

    expected = list(zip(*[f.from_unit(array[:, i]) for i, f in enumerate(PLAIN.features)], strict=True))
    assert [task.values for task in tasks] == expected
    assert [task.unit for task in tasks] == [tuple(row) for row in array.tolist()]


def test_a_decoded_task_equals_one_made_field_by_field():
    task = PLAIN.decode([0.5, 1.0])
    made = Task("plain", ("x", "y"), (0.0, 0.7), (0.5, 1.0))

    assert task == made
    assert hash(task) == hash(made)
    assert vars(task).keys() == vars(made).keys()
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize("space", [PLAIN, MIXED])
def test_the_coordinates_of_a_task_are_those_of_its_features_whatever_subspace_made_it(space):
    first = space.features[0]
    narrow = space.subspace(**{first.name: (first.default, first.high)})

    for task in [space.default, *narrow.decode_many(narrow.sample(5, np.random.default_rng(0)))]:
        np.testing.assert_array_equal(space.coordinates(task), space.encode(task.params))


def test_rounding_never_leaves_the_bounds():
    for low, high in [(0.1, 0.7), (-0.3, 0.1), (1.1, 3.3)]:
        space = TaskSpace("s", [Feature.real("x", low, high, low)])
        for unit in (0.0, 1.0, np.nextafter(1.0, 0.0)):
            assert low <= space.decode([unit]).values[0] <= high


def test_a_log_scale_puts_the_geometric_mean_in_the_middle():
    assert MIXED.decode([0.5, 0.5, 0.5, 0.5]).params["mass"] == pytest.approx(1.0)
    assert MIXED.encode({"mass": 0.1})[0] == 0.0
    assert MIXED.encode({"mass": 10.0})[0] == 1.0


def test_integers_and_categories_own_equal_shares_of_their_axis():
    middle_of_100_shares = (np.arange(100) + 0.5) / 100
    points = np.column_stack([np.full((100, 2), 0.5), middle_of_100_shares, middle_of_100_shares])

    tasks = MIXED.decode_many(points)

    assert [sum(t.params["n_legs"] == n for t in tasks) for n in range(2, 7)] == [20] * 5
    assert sorted(sum(t.params["ground"] == g for t in tasks) for g in ("ice", "sand", "mud")) == [33, 33, 34]


def test_features_left_out_take_their_defaults():
    assert MIXED.task({"n_legs": 6}).params == {"mass": 1.0, "angle": 0.0, "n_legs": 6, "ground": "sand"}
    assert MIXED.default == MIXED.task()


def test_sampling_gives_points_of_the_unit_cube_and_follows_the_generator():
    points = MIXED.sample(5, np.random.default_rng(3))

    assert points.shape == (5, 4)
    np.testing.assert_array_equal(points, MIXED.sample(5, np.random.default_rng(3)))


def test_a_grid_has_cell_centres_on_real_axes_and_every_value_on_the_others():
    grid = MIXED.grid(3)

    assert grid.shape == (3 * 3 * 3 * 3, 4)
    np.testing.assert_allclose(np.unique(grid[:, 1]), [1 / 6, 1 / 2, 5 / 6])
    assert len({task.params["ground"] for task in MIXED.decode_many(grid)}) == 3


def test_a_subspace_narrows_pins_and_keeps_its_tasks_in_the_wider_space():
    narrow = MIXED.subspace(mass=(1.0, 2.0), ground=("ice", "mud"), n_legs=4)

    task = narrow.decode([1.0, 0.5, 0.99])

    assert narrow.dimension == 3
    assert task.params == {"mass": 2.0, "angle": pytest.approx(0.2), "ground": "mud", "n_legs": 4}
    assert MIXED.check(task) is task
    assert narrow.check(task) is task


def test_a_subspace_refuses_a_task_whose_pinned_feature_differs():
    narrow = PLAIN.subspace(x=0.5)

    with pytest.raises(ValueError, match=r"'x' is fixed to 0\.5 .* found 0\.0"):
        narrow.check(PLAIN.default)


def test_a_space_with_every_feature_pinned_has_one_task():
    point = PLAIN.subspace(x=0.5, y=0.3)

    assert point.dimension == 0
    assert point.decode([]).params == {"x": 0.5, "y": 0.3}
    assert len(point.decode_many(np.zeros((3, 0)))) == 3


def test_an_id_is_the_name_or_a_hash_that_is_the_same_in_every_process():
    code = (
        "from lifelong_rl.envs import *;"
        "print(TaskSpace('s', [Feature.real('x', 0, 1, 0.5), Feature.category('c', 'ab', 'b')]).default.id)"
    )
    space = TaskSpace("s", [Feature.real("x", 0, 1, 0.5), Feature.category("c", "ab", "b")])

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == space.default.id
    assert space.task({"x": 0.25}).id != space.default.id
    assert space.task(name="home").id == "home"


def test_equal_values_of_other_types_are_the_same_task():
    assert MIXED.task({"ground": np.str_("ice")}).id == MIXED.task({"ground": "ice"}).id
    assert MIXED.task({"n_legs": 4.0}) == MIXED.task({"n_legs": np.int64(4)})
    assert MIXED.task({"angle": -0.0}).id == MIXED.task({"angle": 0.0}).id


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mass": 11.0}, r"'mass' must lie in \[0\.1, 10\] kg, found 11\.0"),
        ({"mass": math.nan}, r"'mass' must lie in .* found nan"),
        ({"mass": "heavy"}, r"'mass' must lie in .* found 'heavy'"),
        ({"n_legs": 2.5}, r"'n_legs' must be an integer, found 2\.5"),
        ({"ground": "lava"}, r"'ground' must be one of \('ice', 'sand', 'mud'\), found 'lava'"),
        ({"ground": np.zeros(2)}, r"'ground' must be one of"),
        ({"masss": 1.0}, r"unknown feature of 'mixed' 'masss'; did you mean 'mass'\?"),
    ],
)
def test_a_wrong_value_is_refused_with_feature_range_and_value(params, message):
    with pytest.raises(ValueError, match=message):
        MIXED.task(params)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ([0.5, 0.5], r"has shape \(4,\), found \(2,\)"),
        (np.zeros((1, 4)), r"has shape \(4,\), found \(1, 4\)"),
        ([0.5, 0.5, 0.5, 1.5], r"must lie in \[0, 1\]"),
        (np.full(4, 0.5 + 1j), "is an array of real numbers, found array"),
        ([0.5, 0.5, 0.5, 1j], "is an array of real numbers, found"),
        (["a", "b", "c", "d"], "is an array of real numbers, found"),
        ([0.5, 0.5, 0.5, None], "is an array of real numbers, found"),
        ([0.5, [0.5, 0.5]], "is an array of real numbers, found"),
        ([0.5, 0.5, 0.5, math.nan], r"must lie in \[0, 1\]"),
        ([-0.1, 0.5, 0.5, 0.5], r"must lie in \[0, 1\]"),
    ],
)
def test_a_wrong_point_is_refused(point, message):
    with pytest.raises(ValueError, match=message):
        MIXED.decode(point)


def test_one_wrong_point_among_many_is_refused():
    points = np.full((1000, 4), 0.5)
    points[777, 1] = math.nan

    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        MIXED.decode_many(points)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Feature.real("x", 1.0, 0.0, 0.5), "low < high"),
        (lambda: Feature.real("x", 0.0, math.inf, 0.5), "finite bounds"),
        (lambda: Feature.real("x", 0.0, 1.0, 2.0), r"must lie in \[0, 1\], found 2\.0"),
        (lambda: Feature.real("x", 0.0, 1.0, 0.5, log=True), "needs low > 0"),
        (lambda: Feature.real("not a name", 0.0, 1.0, 0.5), "Python identifier"),
        (lambda: Feature.integer("n", 1, 5, 2.5), r"whole bounds and default, found 2\.5"),
        (lambda: Feature.category("c", ("a", "a"), "a"), "distinct choices"),
        (lambda: TaskSpace("s", [Feature.real("x", 0, 1, 0), Feature.real("x", 0, 1, 0)]), "distinct names"),
    ],
)
def test_a_wrong_declaration_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"mass": (0.5, 20.0)}, r"'mass' must lie in .* found 20"),
        ({"mass": (1.0, 1.0)}, "low < high"),
        ({"mass": (1.0, 2.0, 3.0)}, r"are \(low, high\)"),
        ({"mas": (1.0, 2.0)}, "did you mean 'mass'"),
        ({"mass": None}, "found None"),
        ({"n_legs": (2.5, 4)}, "must be an integer"),
    ],
)
def test_wrong_bounds_of_a_subspace_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        MIXED.subspace(**bounds)


@pytest.mark.parametrize(
    "task",
    [
        Task("other", ("x", "y"), (0.0, 0.3), (0.5, 0.5)),
        Task("plain", ("x",), (0.0,), (0.5,)),
        Task("plain", ("x", "z"), (0.0, 0.3), (0.5, 0.5)),
        Task("plain", ("x", "y"), (0.0, 5.0), (0.5, 0.5)),
        Task("plain", ("x", "y"), (math.nan, 0.3), (0.5, 0.5)),
    ],
)
def test_a_task_that_does_not_belong_to_the_space_is_refused(task):
    with pytest.raises(ValueError, match=r"plain|feature"):
        PLAIN.check(task)
