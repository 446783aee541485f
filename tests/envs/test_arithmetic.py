"""One instance, played with floats, computes what many do, played with arrays: bit for bit."""

import math

import numpy as np
import pytest

from lifelong_rl.envs.batched.arithmetic import ARRAYS, FLOATS, _for_floats

NUMBERS = np.concatenate([np.random.default_rng(0).normal(0.0, scale, 20_000) for scale in (0.1, 3.0, 100.0)])


@pytest.mark.parametrize("name", ["sin", "cos", "exp", "sqrt", "single"])
def test_a_function_of_floats_has_the_bits_of_that_of_arrays(name):
    numbers = np.abs(NUMBERS) if name == "sqrt" else -np.abs(NUMBERS) if name == "exp" else NUMBERS
    one_by_one = [getattr(FLOATS, name)(number) for number in numbers.tolist()]
    assert {type(number) for number in one_by_one} == {float}
    np.testing.assert_array_equal(one_by_one, getattr(ARRAYS, name)(numbers))


def test_clip_and_where_choose_as_those_of_arrays_do():
    for number in (-2.0, -1.0, 0.5, 1.0, 2.0, math.inf):
        assert FLOATS.clip(number, -1.0, 1.0) == ARRAYS.clip(number, -1.0, 1.0)
        assert FLOATS.where(number > 0.0, 3.0, number) == ARRAYS.where(number > 0.0, 3.0, number)
    assert math.isnan(FLOATS.clip(math.nan, -1.0, 1.0))


def test_where_numpy_computes_otherwise_than_python_floats_are_given_to_numpy():
    def otherwise(x):
        return np.nextafter(np.sin(x), 9.0)

    assert _for_floats(np.sin, lambda x: float(np.sin(x)))(0.5) == math.sin(0.5)
    found = _for_floats(otherwise, math.sin)(0.5)
    assert type(found) is float and found == np.nextafter(math.sin(0.5), 9.0)
