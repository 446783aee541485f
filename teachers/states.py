"""Checks of saved states: the parts that a state must have, of which kinds and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_state(owner: str, expected: Mapping[str, Any], found: Any, *, is_strict: bool = False) -> None:
    """Check that a state has the parts of another one; ValueError names the first that is missing or of another kind.

    owner: whose state it is, for the error. expected: a state of the same kind at any age: its keys must be there,
    dictionaries inside it likewise, and its arrays must be arrays of numbers with as many axes. is_strict: whether
    numbers and arrays must also be finite, counts whole and not negative, and all axes of arrays but the first as
    long as the expected ones, which every teacher here keeps to.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"a state of {owner} is a dictionary, found {found!r}.")
    if missing := sorted(expected.keys() - found.keys()):
        raise ValueError(f"a state of {owner} also has {missing}, found only {sorted(found)}.")
    for key, part in expected.items():
        if isinstance(part, Mapping):
            if not isinstance(found[key], Mapping):
                raise ValueError(f"{key!r} in a state of {owner} is a dictionary, found {found[key]!r}.")
            # children are checked by themselves, as strictly as each of them is
            check_state(f"{owner} in {key!r}", part, found[key], is_strict=is_strict and key != "children")
        elif isinstance(part, np.ndarray):
            _check_array(f"{key!r} in a state of {owner}", part, np.asarray(found[key]), is_strict)
        elif is_strict:
            _check_plain(f"{key!r} in a state of {owner}", part, found[key])


def _check_array(what: str, expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], is_strict: bool) -> None:
    is_numeric = found.dtype.kind in "biuf"
    if found.ndim != expected.ndim or is_numeric != (expected.dtype.kind in "biuf"):
        raise ValueError(
            f"{what} is an array of {expected.dtype} with {expected.ndim} axes, found "
            f"{found.dtype} of shape {found.shape}."
        )
    if is_strict and found.shape[1:] != expected.shape[1:]:
        shape = ", ".join(map(str, ("n", *expected.shape[1:])))
        raise ValueError(f"{what} has a shape ({shape}), found {found.shape}.")
    # minus infinity is the log-likelihood of a mixture that made no step yet
    if is_strict and is_numeric and not (is_right := np.isfinite(found) | (found == -np.inf)).all():
        raise ValueError(f"{what} has finite numbers, found {found[~is_right][0]}.")


def _check_plain(what: str, expected: Any, found: Any) -> None:
    if isinstance(expected, bool):
        is_right, kind = isinstance(found, bool), "True or False"
    elif isinstance(expected, Integral):
        is_right = (
            isinstance(found, Integral) and not isinstance(found, bool) and (int(found) >= 0 or int(expected) < 0)
        )
        kind = "a whole number >= 0"
    elif isinstance(expected, Real):
        is_right = isinstance(found, Real) and not isinstance(found, bool) and math.isfinite(found)
        kind = "a finite number"
    elif isinstance(expected, str):
        is_right, kind = isinstance(found, str), "text"
    elif isinstance(expected, list):
        is_right, kind = isinstance(found, list) and len(found) == len(expected), f"a list of {len(expected)} entries"
    else:
        return
    if not is_right:
        raise ValueError(f"{what} is {kind}, found {found!r}.")
    if isinstance(expected, list):
        for part, entry in zip(expected, found, strict=True):
            _check_plain(f"an entry of {what}", part, entry)


def check_rows(owner: str, state: Mapping[str, Any], *names: str) -> None:
    """Check that these arrays of a state have as many rows as each other; ValueError says which has how many.

    owner: whose state it is, for the error: "the teacher 'RIAC'".
    """
    rows = {name: len(state[name]) for name in names}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name} {n}" for name, n in rows.items())
        raise ValueError(f"a state of {owner} is damaged: its arrays must have as many rows each, found {found}.")


def check_shapes(owner: str, state: Mapping[str, Any], **expected: tuple[int, ...]) -> None:
    """Check that arrays of a state have these shapes, by name; ValueError says which has not. owner: whose it is."""
    for name, shape in expected.items():
        if np.shape(state[name]) != shape:
            raise ValueError(f"{name!r} in a state of {owner} has the shape {shape}, found {np.shape(state[name])}.")
