"""A damaged or foreign state is refused by one sentence, and what is refused leaves a teacher as it was."""

import numpy as np
import pytest
from test_bad_input import bound, changed, outcomes, parts, space, state

from lifelong_rl.envs.state import state_to_bytes
from lifelong_rl.teachers import TEACHERS, RandomTeacher, make_teacher
from lifelong_rl.teachers.base import Teacher


class Tally(RandomTeacher):
    """Loads half of a state before it looks at the other half."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self.seen = []
        self.best = np.empty(0)

    def state_dict(self):
        return super().state_dict() | {"seen": list(self.seen), "best": self.best.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.seen = list(state["seen"])
        self.seen.append(state["best"][3])


def elsewhere():
    """Give another class of the same name."""
    return type("Tally", (Tally,), {"__module__": "other"})()


def damages(array_or_value):
    """Give what may stand in the place of a part of a state, and is never right there."""
    yield None
    yield "abc"
    if isinstance(array_or_value, np.ndarray):
        if array_or_value.dtype.kind == "f" and array_or_value.size:
            yield np.full_like(array_or_value, np.nan)
    elif isinstance(array_or_value, int | float):
        yield float("nan")
        if type(array_or_value) is int:
            yield -5


def leaf(tree, path):
    for key in path:
        tree = tree[key]
    return tree


@pytest.mark.parametrize("name", TEACHERS)
def test_a_part_of_another_kind_is_refused_by_its_name_and_nothing_is_loaded(name):
    whole = state(name)
    teacher = bound(name, seed=5)
    before = state_to_bytes(teacher.state_dict())
    for path in parts(whole):
        if isinstance(part := leaf(whole, path), dict | None):
            continue
        for damage in damages(part):

            def put(parent, key, damage=damage):
                parent[key] = damage

            with pytest.raises(ValueError, match=path[-1]) as error:
                teacher.load_state_dict(changed(whole, path, put))
            assert "\n" not in str(error.value)
    assert state_to_bytes(teacher.state_dict()) == before


@pytest.mark.parametrize("name", TEACHERS)
@pytest.mark.parametrize("nothing", [None, [1], "state"])
def test_what_is_no_state_is_refused(name, nothing):
    with pytest.raises(ValueError, match="a state of the teacher"):
        bound(name).load_state_dict(nothing)


@pytest.mark.parametrize("name", TEACHERS)
def test_arrays_of_other_widths_are_refused_or_harmless(name):
    whole = state(name)
    for path in parts(whole):
        array = leaf(whole, path)
        if isinstance(array, np.ndarray) and array.ndim >= 2:

            def widen(parent, key):
                parent[key] = np.concatenate([parent[key], parent[key]], axis=-1)

            with pytest.raises(ValueError, match=path[-1]):
                bound(name).load_state_dict(changed(whole, path, widen))


def test_a_composed_teacher_whose_second_child_is_refused_keeps_its_first():
    fits, differs = ["alp-kde", "riac"], ["alp-kde", {"name": "riac", "region_size": 100}]
    one, other = make_teacher("mixture", teachers=differs), make_teacher("mixture", teachers=fits)
    one.reset(space(), np.random.default_rng(0))
    other.reset(space(), np.random.default_rng(5))
    for _ in range(30):
        tasks = one.sample(10)
        one.update(tasks, outcomes(tasks[:, 1]))
    before, generator, child = state_to_bytes(other.state_dict()), other.rng, other.children["riac"]
    with pytest.raises(ValueError, match="region_size"):
        other.load_state_dict(one.state_dict())
    assert state_to_bytes(other.state_dict()) == before
    assert other.rng is generator
    assert child.region_size == other.children["riac"].region_size == 200


def test_a_teacher_of_ones_own_that_fails_halfway_keeps_what_it_had_and_is_named():
    teacher = Tally()
    teacher.reset(space(), np.random.default_rng(0))
    given = teacher.state_dict() | {"seen": [1, 2]}
    with pytest.raises(ValueError, match=r"the teacher 'Tally' cannot load this state: IndexError"):
        teacher.load_state_dict(given)
    assert teacher.seen == []
    teacher.load_state_dict(given | {"best": np.arange(5.0)})
    assert teacher.seen == [1, 2, 3.0]


def test_a_class_of_the_same_name_in_another_module_is_another_teacher():
    one, other = Tally(), elsewhere()
    for teacher in (one, other):
        teacher.reset(space(), np.random.default_rng(0))
    with pytest.raises(ValueError, match=rf"'{__name__}:Tally' is expected, found 'other:Tally'"):
        one.load_state_dict(other.state_dict() | {"best": np.arange(5.0)})


def test_a_state_that_says_the_class_alone_is_taken_as_it_was():
    teacher = Tally()
    teacher.reset(space(), np.random.default_rng(0))
    teacher.load_state_dict(teacher.state_dict() | {"teacher": "Tally", "best": np.arange(5.0)})
    assert teacher.seen == [3.0]


def test_a_teacher_of_ones_own_may_keep_numbers_that_are_not_finite():
    class Best(Teacher):
        def sample(self, n=1):
            return self.rng.random((n, self.space.dimension))

        def update(self, tasks, outcomes):
            self.checked(tasks, outcomes)

        def state_dict(self):
            return super().state_dict() | {"best": np.array([np.nan]), "worst": -np.inf, "last": None}

    teacher = Best()
    teacher.reset(space(), np.random.default_rng(0))
    teacher.load_state_dict(teacher.state_dict() | {"best": np.array([np.inf]), "worst": 0, "last": "x"})
