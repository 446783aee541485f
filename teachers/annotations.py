"""Hyper-parameters against the annotations of ``__init__``: one check for every teacher, plug-ins included."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

PLAIN: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool) and value == value),
    bool: ("True or False", lambda value: isinstance(value, bool | np.bool_)),
    str: ("text", lambda value: isinstance(value, str)),
    type(None): ("None", lambda value: value is None),
}
"""What a plain annotation asks for in words, and whether a value is that; NaN is no number."""


def check_values(teacher_class: type, values: Mapping[str, Any]) -> None:
    """Raise ValueError for the first value, by hyper-parameter, that its annotation does not allow.

    Understood are int (no float, not even 2.0), float, bool, str, None, ``Literal``, lists and mappings of those, and
    unions; anything else allows all values, as does no annotation. A default is always allowed.
    """
    for name, (annotation, default) in _annotations(teacher_class).items():
        if name in values and values[name] is not default and not _allows(annotation, values[name]):
            raise ValueError(
                f"{name} of {teacher_class.__name__} must be {_words(annotation)}, found {values[name]!r}."
            )


@cache
def _annotations(teacher_class: type) -> dict[str, tuple[Any, Any]]:
    """Give annotation and default of each argument of ``__init__`` that has an annotation which can be resolved."""
    init = vars(teacher_class).get("__init__") or teacher_class.__init__  # type: ignore[misc]  # only looked at
    if init is object.__init__:
        return {}
    try:
        hints = get_type_hints(init)
    except Exception:  # names that exist for type checkers only: nothing to check by
        return {}
    parameters = inspect.signature(init).parameters
    return {name: (hint, parameters[name].default) for name, hint in hints.items() if name in parameters}


def _allows(annotation: Any, value: Any) -> bool:
    if annotation in PLAIN:
        return PLAIN[annotation][1](value)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(_allows(argument, value) for argument in arguments)
    kind = origin or annotation
    if kind in (list, tuple, Sequence):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
            return False
        return kind is tuple or all(_allows(arguments[0], entry) for entry in value if arguments)
    if kind in (dict, Mapping):
        return isinstance(value, Mapping) and all(_allows(arguments[1], v) for v in value.values() if arguments)
    return True  # a class, Any, or what is not known here


def _words(annotation: Any) -> str:
    """Say what an annotation allows: "a whole number or None"."""
    if annotation in PLAIN:
        return PLAIN[annotation][0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _either(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return _either(map(_words, arguments))
    kind = origin or annotation
    if kind in (list, tuple, Sequence):
        return f"a list, each entry {_words(arguments[0])}" if arguments and arguments[0] in PLAIN else "a list"
    if kind in (dict, Mapping):
        return "a mapping"
    return getattr(annotation, "__name__", str(annotation))


def _either(words: Iterable[str]) -> str:
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last
