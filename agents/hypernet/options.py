"""Options of wrong types, as a command line or a file may give them, refused before anything is made with them."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin, get_type_hints

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    tuple: "a list of whole numbers, such as [64, 64]",
    Mapping: "options by name",
}


def checked_options(what: str, kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of a class, each of the type that its constructor says; ValueError for one that cannot be.

    Whole numbers may come as 1000.0, and tuples as lists. Left as they are: names that the constructor does not
    have, and types other than truth values, numbers, texts, tuples of whole numbers, mappings, and these or None.
    """
    hints = _hints(kind)
    return {name: _checked(what, name, value, hints.get(name)) for name, value in options.items()}


def _hints(kind: type) -> dict[str, Any]:
    try:
        if is_dataclass(kind):
            return get_type_hints(kind)
        hints: dict[str, Any] = {}
        for base in reversed(kind.__mro__[:-1]):
            if "__init__" in vars(base):
                hints |= get_type_hints(vars(base)["__init__"])
    except NameError:  # a plug-in whose annotations are for type checkers alone
        return {}
    return hints


def _checked(what: str, name: str, value: Any, hint: Any) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    expected = []
    for kind in kinds:
        origin = get_origin(kind) or kind
        if kind is type(None):
            if value is None:
                return None
            expected.append("null (None)")
        elif origin in _EXPECTED:
            is_right, converted = _as(origin, value)
            if is_right:
                return converted
            expected.append(_EXPECTED[origin])
        elif not isinstance(kind, type) or isinstance(value, kind):
            return value  # nothing is known here about other types
    raise ValueError(f"the option {name!r} of {what} must be {' or '.join(expected)}, found {value!r}.")


def _as(kind: type, value: Any) -> tuple[bool, Any]:
    """Tell whether a value can be of this type, and give it as that."""
    if kind is bool or kind is str or kind is Mapping:
        return isinstance(value, kind), value
    if kind is tuple:
        if not isinstance(value, list | tuple):
            return False, value
        entries = [_as(int, entry) for entry in value]
        return all(is_right for is_right, _ in entries), tuple(entry for _, entry in entries)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return False, value
    if kind is int and isinstance(value, Integral):
        return True, int(value)
    if kind is int:
        return float(value).is_integer(), int(float(value))
    return True, value
