"""Teachers are found by name, and importing them is cheap."""

import subprocess
import sys

import numpy as np
import pytest

from lifelong_rl import teachers
from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import ALPGMM, TEACHERS, RandomTeacher, Teacher, hyperparameters, make_teacher


class TakesAnything(RandomTeacher):
    def __init__(self, **settings):
        self.settings = settings


class NeedsHeat(RandomTeacher):
    def __init__(self, heat):
        self.heat = heat


class Forgets(RandomTeacher):
    def __init__(self, heat=1.0):
        pass


class HalfDone(Teacher):
    def sample(self, n=1):
        return np.zeros((n, self.space.dimension))


def a_function():
    return RandomTeacher()


@pytest.mark.parametrize("name", TEACHERS)
def test_every_registered_teacher_is_made_by_its_name(name):
    assert isinstance(make_teacher(name), Teacher)


def test_a_hyperparameter_reaches_the_teacher_and_can_be_read_back():
    teacher = make_teacher("alp-gmm", fit_every=100)

    assert hyperparameters(teacher) == {
        "fit_every": 100,
        "window": None,
        "min_gaussians": 2,
        "max_gaussians": 10,
        "random_fraction": 0.2,
        "criterion": "aic",
        "max_history": None,
    }


def test_a_teacher_of_ones_own_is_made_by_its_import_path():
    assert make_teacher(f"{__name__}:NeedsHeat", heat=2.0).heat == 2.0


def test_a_misspelt_teacher_is_answered_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'alp-gmm'"):
        make_teacher("alp-gm")


def test_a_misspelt_hyperparameter_is_answered_with_the_nearest_name():
    with pytest.raises(ValueError, match="'alp-gmm' hyper-parameter 'fit_evry'; did you mean 'fit_every'"):
        make_teacher("alp-gmm", fit_evry=100)


def test_a_missing_hyperparameter_is_named():
    with pytest.raises(ValueError, match="missing a required argument: 'heat'"):
        make_teacher(f"{__name__}:NeedsHeat")


@pytest.mark.parametrize("path", ["collections:OrderedDict", f"{__name__}:a_function"])
def test_what_is_not_a_teacher_class_is_refused(path):
    with pytest.raises(ValueError, match=r"must be a subclass of lifelong_rl\.teachers\.Teacher"):
        make_teacher(path)


def test_a_teacher_that_lacks_a_method_is_refused_by_the_methods_name():
    with pytest.raises(ValueError, match="still has to define update"):
        make_teacher(f"{__name__}:HalfDone")


def test_a_teacher_that_takes_unnamed_hyperparameters_is_refused():
    with pytest.raises(ValueError, match=r"must name each hyper-parameter, found '\*\*settings'"):
        make_teacher(f"{__name__}:TakesAnything", heat=1.0)


def test_a_hyperparameter_that_was_not_stored_is_named():
    with pytest.raises(ValueError, match=r"must store its argument 'heat' as self\.heat"):
        hyperparameters(Forgets())


def test_a_teacher_that_is_not_bound_yet_says_what_to_call():
    with pytest.raises(RuntimeError, match=r"call reset\(space, rng\) first"):
        RandomTeacher().sample()


def test_a_teacher_among_the_hyperparameters_is_part_of_the_state():
    space = TaskSpace("toy", [Feature.real("x", 0.0, 1.0, 0.5)])
    one, other = NeedsHeat(ALPGMM()), NeedsHeat(ALPGMM(fit_every=10))
    for teacher in (one, other):
        teacher.reset(space, np.random.default_rng(0))

    with pytest.raises(ValueError, match="hyperparameters"):
        one.load_state_dict(other.state_dict())


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'ALPGNN'"):
        _ = teachers.ALPGNN


def test_importing_teachers_imports_neither_sklearn_nor_torch_nor_scipy():
    code = (
        "import sys; before = set(sys.modules); import lifelong_rl.envs; ground = set(sys.modules);"
        "import lifelong_rl.teachers;"
        "print(sorted({'sklearn', 'torch', 'scipy', 'stable_baselines3'} & (set(sys.modules) - ground)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
