"""Hyper-parameters are held against the annotations of __init__, whosever teacher it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import TEACHERS, RandomTeacher, hyperparameters, make_teacher
from lifelong_rl.teachers.annotations import check_values

SPACE = TaskSpace("square", [Feature.real("x", 0.0, 1.0, 0.5), Feature.real("y", 0.0, 1.0, 0.5)])


class Mine(RandomTeacher):
    def __init__(
        self,
        count: int = 3,
        share: float = None,  # noqa: RUF013  # as users write it
        is_on: bool = False,
        mode: Literal["slow", "fast"] = "slow",
        name: Optional[str] = None,  # noqa: UP045  # as users write it
        stds: Sequence[float] | float = 0.1,
        by_name: Mapping[str, float] | None = None,
        anything: Any = None,
        unsaid=1,
    ):
        self.count, self.share, self.is_on, self.mode, self.name = count, share, is_on, mode, name
        self.stds, self.by_name, self.anything, self.unsaid = stds, by_name, anything, unsaid


class Unresolved(RandomTeacher):
    def __init__(self, spread: "NoSuchName" = 1):  # noqa: F821
        self.spread = spread


class Raises(RandomTeacher):
    def __init__(self):
        raise RuntimeError("no luck")


class Unbound(RandomTeacher):
    def reset(self, space, rng):
        self.x = 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("count", 2.5, "a whole number, found 2.5"),
        ("count", 3.0, "a whole number, found 3.0"),
        ("count", True, "a whole number, found True"),
        ("count", None, "a whole number, found None"),
        ("share", "abc", "a number, found 'abc'"),
        ("share", float("nan"), "a number, found nan"),
        ("share", True, "a number, found True"),
        ("is_on", "no", "True or False, found 'no'"),
        ("is_on", 1, "True or False, found 1"),
        ("mode", "quick", "'slow' or 'fast', found 'quick'"),
        ("name", 3, "text or None, found 3"),
        ("stds", [0.1, "a"], "a list, each entry a number or a number, found"),
        ("stds", "0.1", "a list, each entry a number or a number, found '0.1'"),
        ("by_name", [1.0], r"a mapping or None, found \[1.0\]"),
        ("by_name", {"a": "b"}, "a mapping or None, found"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_words(name, value, words):
    with pytest.raises(ValueError, match=f"^{name} of Mine must be {words}"):
        make_teacher(f"{__name__}:Mine", **{name: value})
    with pytest.raises(ValueError, match=f"^{name} of Mine must be {words}"):
        Mine(**{name: value}).reset(SPACE, np.random.default_rng(0))


@pytest.mark.parametrize(
    "values",
    [
        {"count": np.int64(3), "share": 1, "is_on": np.True_, "mode": "fast", "name": "x"},
        {"share": None, "stds": (0.1, 1), "by_name": {"a": 1}, "anything": object(), "unsaid": "x"},
        {"share": np.float32(0.5), "stds": np.array([0.1, 0.2]), "name": None},
    ],
)
def test_what_an_annotation_allows_and_every_default_is_taken(values):
    make_teacher(f"{__name__}:Mine", **values).reset(SPACE, np.random.default_rng(0))


def test_annotations_that_name_nothing_here_are_left_alone():
    check_values(Unresolved, {"spread": "wide"})
    check_values(RandomTeacher, {"unheard_of": 1})


@pytest.mark.parametrize("name", TEACHERS)
def test_no_hyperparameter_of_any_teacher_takes_what_is_never_meant(name):
    for setting, default in hyperparameters(make_teacher(name)).items():
        wrong = ["abc", {1, 2}, 2.5, float("nan")] if type(default) is int else ["abc", {1, 2}, float("nan")]
        if isinstance(default, str) and setting not in ("teacher", "score", "order", "hear"):
            wrong = [2.5, {1, 2}]
        for value in wrong:
            if setting.endswith("_axis") and value == "abc":
                continue  # the name of a feature
            with pytest.raises(ValueError, match=r"found|known") as error:
                make_teacher(name, **{setting: value}).reset(SPACE, np.random.default_rng(0))
            assert "\n" not in str(error.value)


def test_a_teacher_whose_init_raises_is_one_sentence():
    with pytest.raises(ValueError, match=r"'.*:Raises' cannot be made: its __init__ raised RuntimeError: no luck"):
        make_teacher(f"{__name__}:Raises")


def test_a_reset_that_forgets_the_one_it_extends_is_told_so():
    with pytest.raises(ValueError, match=r"Unbound is not bound: begin its reset with super\(\).reset\(space, rng\)"):
        Unbound().reset(SPACE, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["random", "riac"])
def test_reset_says_what_it_takes(name):
    with pytest.raises(ValueError, match=r"takes a TaskSpace first, found 2"):
        make_teacher(name).reset(2, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"takes a NumPy Generator second, found 0; make one with np.random.default"):
        make_teacher(name).reset(SPACE, 0)


@pytest.mark.parametrize("nothing", [None, [0.5]])
def test_update_says_what_it_takes(nothing):
    teacher = make_teacher("riac")
    teacher.reset(SPACE, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"RIAC learns from Outcomes, found"):
        teacher.update(np.full((1, 2), 0.5), nothing)
