"""Finding a built-in by name or a plug-in by ``module:Class``, with errors that say what was meant."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any


def unknown_name(kind: str, name: Any, known: Iterable[str]) -> ValueError:
    """Give the error for a misspelt name: what was found, the nearest known name, and all known names."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return ValueError(f"unknown {kind} {name!r};{hint} known: {', '.join(known) or 'none'}.")


def resolve(kind: str, name: str, built_in: Mapping[str, str]) -> Any:
    """Give the object that ``name`` stands for.

    name: a key of ``built_in`` (whose values are ``"package.module:Object"``), or such an import path itself.
    Raises ValueError for what is no string, for an unknown name, and for a plug-in that does not import or lacks the
    object.
    """
    if not isinstance(name, str):
        example = next(iter(built_in), "package.module:Class")
        raise ValueError(f"the {kind} is named by a string, such as {example!r}, found {name!r}.")
    path = built_in.get(name)
    if path is None:
        if ":" not in name:
            message = f"{unknown_name(kind, name, built_in)} A plug-in is named as 'package.module:Class'."
            raise ValueError(message)
        path = name
    module_name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a plug-in's module may fail in any way; all of them are the user's to see
        raise ValueError(
            f"the {kind} plug-in {name!r} does not import: {type(error).__name__}: {error}. "
            "Check that the module is on the Python path and imports by itself."
        ) from error
    if not hasattr(module, attribute):
        public = [entry for entry in vars(module) if not entry.startswith("_")]
        raise ValueError(
            f"the module of the {kind} plug-in {name!r} has no {attribute!r}: "
            f"{unknown_name('name', attribute, public)}"
        )
    return getattr(module, attribute)


class MissingExtraError(ImportError, ValueError):
    """An optional package is not installed; the message names the extra to install.

    It is a ValueError too: what was asked for cannot be had here, and the command line says so without a traceback.
    """


def require_extra(module: str, extra: str, why: str) -> ModuleType:
    """Import the optional ``module``, or raise :class:`MissingExtraError` that names the extra it belongs to.

    why: a clause for the message, such as "HalfCheetah runs on MuJoCo".
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is installed, and something that it needs is not
        message = f'{why}, which is not installed: pip install "lifelong_rl[{extra}]".'
        raise MissingExtraError(message, name=error.name) from error


def import_path(kind: type) -> str:
    """Give a class as ``"package.module:Class"``."""
    return f"{kind.__module__}:{kind.__qualname__}"


def hyperparameters(thing: Any) -> dict[str, Any]:
    """Give what a plug-in was constructed with, read back from its attributes.

    Teachers and components only store their hyper-parameters, under their own names, so the constructor's signature
    says what to read. TypeError names the first one that is not there.
    """
    values = {}
    for name, parameter in inspect.signature(type(thing).__init__).parameters.items():
        if name == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not hasattr(thing, name):
            raise TypeError(
                f"{type(thing).__name__}.__init__ must store its argument {name!r} as self.{name}; it does not."
            )
        values[name] = getattr(thing, name)
    return values


def construct(kind: str, factory: Any, options: Mapping[str, Any]) -> Any:
    """Give ``factory(**options)``; ValueError with the nearest known name for an option it does not take."""
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in options:
            if name not in parameters:
                raise unknown_name(f"option of the {kind} {factory.__name__}", name, parameters)
    return factory(**options)
