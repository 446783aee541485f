"""Every registered teacher answers bad input with one clear error, and learns from tasks that it never drew."""

from functools import cache

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import TEACHERS, Outcomes, RandomTeacher, make_teacher
from lifelong_rl.teachers.base import EXTRAS


class Somebody(RandomTeacher):
    """Another class with other hyper-parameters than any registered teacher."""

    def __init__(self, unheard_of=1):
        self.unheard_of = unheard_of


def space(high=2.0, names=("mass", "height"), family="bodies", log=False):
    mass, height = names
    return TaskSpace(family, [Feature.real(mass, 0.5, high, 1.0, log=log), Feature.real(height, 0.0, 1.0, 0.5)])


def bound(name, where=None, seed=0):
    teacher = make_teacher(name)
    teacher.reset(where or space(), np.random.default_rng(seed))
    return teacher


def outcomes(scores):
    plain = Outcomes.from_scores(scores)
    extra = {name: plain.scores * (1.0 - plain.scores) for name in EXTRAS}
    return Outcomes(plain.returns, plain.scores, plain.successes, plain.lengths, extra)


@cache
def saved(name):
    """Give the bytes of a state after 40 episodes, with tasks still open."""
    teacher = bound(name)
    for _ in range(4):
        tasks = teacher.sample(10)
        teacher.update(tasks.copy(), outcomes(tasks[:, 0]))
    teacher.sample(3)
    return state_to_bytes(teacher.state_dict())


def state(name):
    return state_from_bytes(saved(name))


def assert_refused(error, *words):
    """Check that the error is one sentence for people."""
    message = str(error.value)
    assert len(message) > 20 and "\n" not in message, message
    for word in words:
        assert word in message
    for raw in ("broadcast", "operands", "KeyError", "unpack"):  # numpy's and Python's own words
        assert raw not in message, message


BAD_BATCHES = {
    "one row too few axes": (np.full(2, 0.5), 2, ["shape"]),
    "one axis too many": (np.full((1, 2, 2), 0.5), 1, ["shape"]),
    "another number of features": (np.full((2, 3), 0.5), 2, ["shape (n, 2)", "(2, 3)"]),
    "more outcomes than tasks": (np.full((2, 2), 0.5), 3, ["2 tasks and 3 outcomes"]),
    "fewer outcomes than tasks": (np.full((2, 2), 0.5), 1, ["2 tasks and 1 outcomes"]),
    "above the cube": (np.array([[0.5, 1.0 + 1e-9]]), 1, ["[0, 1]"]),
    "below the cube": (np.array([[0.5, -1e-9]]), 1, ["[0, 1]"]),
    "not a number": (np.array([[0.5, np.nan]]), 1, ["[0, 1]", "nan"]),
    "infinite": (np.array([[0.5, np.inf]]), 1, ["[0, 1]", "inf"]),
}


@pytest.mark.parametrize("name", TEACHERS)
def test_a_bad_batch_is_one_clear_error_and_changes_nothing(name):
    teacher = bound(name)
    before = state_to_bytes(teacher.state_dict())
    for tasks, n, words in BAD_BATCHES.values():
        with pytest.raises(ValueError) as error:
            teacher.update(tasks, outcomes(np.full(n, 0.5)))
        assert_refused(error, *words)

    assert state_to_bytes(teacher.state_dict()) == before


@pytest.mark.parametrize("name", TEACHERS)
def test_a_number_of_tasks_that_is_none_is_one_clear_error_and_changes_nothing(name):
    teacher = bound(name)
    before = state_to_bytes(teacher.state_dict())
    for n in (-1, 1.5, "3", None, True):
        with pytest.raises(ValueError) as error:
            teacher.sample(n)
        assert_refused(error, "a whole number of tasks of at least 0", f"found n={n!r}")

    assert state_to_bytes(teacher.state_dict()) == before
    assert teacher.sample(np.int64(2)).shape == (2, 2)


@pytest.mark.parametrize("name", TEACHERS)
def test_points_outside_the_cube_have_no_density_that_is_wrong(name):
    teacher = bound(name)
    with pytest.raises(ValueError) as error:
        teacher.density(np.full((2, 3), 0.5))
    assert_refused(error, "(2, 3)")


@pytest.mark.parametrize("name", TEACHERS)
def test_outcomes_of_tasks_that_the_teacher_never_drew_are_information(name):
    teacher = bound(name)
    rng = np.random.default_rng(3)
    for n in (1, 7, 50, 300):
        teacher.update(rng.random((n, 2)), outcomes(rng.random(n)))
        drawn = teacher.sample(5)
        teacher.update(np.concatenate([drawn, rng.random((2, 2))]), outcomes(rng.random(7)))
        teacher.update(drawn[::-1].copy(), outcomes(rng.random(5)))  # a second time, the other way round

    tasks = teacher.sample(50)
    assert tasks.shape == (50, 2) and ((tasks >= 0.0) & (tasks <= 1.0)).all()
    assert np.isfinite(teacher.density(tasks)).all()


@pytest.mark.parametrize("name", TEACHERS)
def test_a_state_of_another_teacher_is_refused(name):
    somebody = Somebody()
    somebody.reset(space(), np.random.default_rng(0))
    teacher = bound(name)
    with pytest.raises(ValueError) as error:
        teacher.load_state_dict(somebody.state_dict())
    assert_refused(error, type(teacher).__name__, "Somebody")
    with pytest.raises(ValueError) as error:
        somebody.load_state_dict(state(name))
    assert_refused(error, "Somebody")
    with pytest.raises(ValueError) as error:
        teacher.load_state_dict({})
    assert_refused(error, type(teacher).__name__)


@pytest.mark.parametrize("name", TEACHERS)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (space(high=3.0), ["mass.high", "3.0 is expected, found 2.0"]),
        (space(log=True), ["mass.log", "True is expected, found False"]),
        (space(names=("mass", "width")), ["width", "height"]),
        (space(family="others"), ["family", "'others' is expected, found 'bodies'"]),
        (space(names=("height", "mass")), ["height"]),
    ],
    ids=["bounds", "scale", "features", "family", "order"],
)
def test_a_state_of_another_task_space_is_refused(name, other, words):
    with pytest.raises(ValueError) as error:
        bound(name, other).load_state_dict(state(name))
    assert_refused(error, *words)


def test_a_state_of_another_slice_of_a_space_is_refused():
    whole = TaskSpace("b", [Feature.real("x", 0.0, 1.0, 0.5), Feature.category("floor", ["ice", "mud"], "ice")])
    on_ice = bound("random", whole.subspace(floor="ice")).state_dict()
    with pytest.raises(ValueError, match=r"task_space\.fixed\.floor 'mud' is expected, found 'ice'"):
        bound("random", whole.subspace(floor="mud")).load_state_dict(on_ice)


@pytest.mark.parametrize("name", TEACHERS)
def test_a_state_of_other_hyperparameters_is_refused(name):
    given = state(name)
    for key, value in given["hyperparameters"].items():
        changed = given | {"hyperparameters": given["hyperparameters"] | {key: [value, "changed"]}}
        with pytest.raises(ValueError) as error:
            bound(name).load_state_dict(changed)
        assert_refused(error, "hyperparameters", key)


def parts(tree, path=()):
    """Give the paths of all parts of a state, outermost first, but not those of generators and identities."""
    for key, part in tree.items():
        if key in ("rng", "hyperparameters", "task_space", "teacher", "labels"):
            continue
        yield (*path, key)
        if isinstance(part, dict):
            yield from parts(part, (*path, key))


def changed(tree, path, change):
    """Give a copy of a state in which ``change`` was applied to the dictionary that holds the last key of a path."""
    key, *rest = path
    copy = dict(tree)
    if rest:
        copy[key] = changed(tree[key], rest, change)
    else:
        change(copy, key)
    return copy


def remove(parent, key):
    del parent[key]


def add_an_axis(parent, key):
    parent[key] = np.asarray(parent[key])[None]


def cut_a_row(parent, key):
    parent[key] = parent[key][:-1].copy()


@pytest.mark.parametrize("name", TEACHERS)
def test_a_state_without_one_of_its_parts_is_refused_whichever_it_is(name):
    whole = state(name)
    for path in [*parts(whole), ("rng",), ("task_space",), ("hyperparameters",)]:
        with pytest.raises(ValueError) as error:
            bound(name).load_state_dict(changed(whole, path, remove))
        assert_refused(error, path[-1])


def arrays(tree):
    for path in parts(tree):
        part = tree
        for key in path:
            part = part[key]
        if isinstance(part, np.ndarray):
            yield path, part


@pytest.mark.parametrize("name", TEACHERS)
def test_an_array_with_another_number_of_axes_is_refused(name):
    whole = state(name)
    for path, _ in arrays(whole):
        with pytest.raises(ValueError) as error:
            bound(name).load_state_dict(changed(whole, path, add_an_axis))
        assert_refused(error, path[-1])


@pytest.mark.parametrize("name", TEACHERS)
def test_an_array_that_lacks_its_last_row_is_refused_or_harmless(name):
    whole = state(name)
    for path, array in arrays(whole):
        if array.ndim and len(array):
            teacher = bound(name)
            try:
                teacher.load_state_dict(changed(whole, path, cut_a_row))
            except ValueError as error:
                assert "broadcast" not in str(error) and "operands" not in str(error), (path, str(error))
                continue
            tasks = teacher.sample(20)  # a row less of something that stands alone
            assert ((tasks >= 0.0) & (tasks <= 1.0)).all()
            teacher.update(tasks, outcomes(tasks[:, 0]))
