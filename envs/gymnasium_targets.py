"""Where a feature of a :class:`GymnasiumFamily` goes: an attribute or a constructor argument of the environment."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import Feature

_ABSENT = object()
_PLAIN = (bool, int, float, str, np.generic)


class Target(Protocol):
    """A place of an unwrapped environment that holds a value."""

    def read(self, env: Any) -> Any:
        """Give the value that the environment has there by itself; ValueError where there is no such place."""

    def write(self, env: Any, value: Any, own: Any) -> None:
        """Put a feature's value there; ``own`` is what :meth:`read` gave when the environment was new."""


@dataclass(frozen=True)
class Attribute:
    """A number, string or boolean among the attributes of the environment; it is set on the instance only."""

    name: str

    def read(self, env: Any) -> Any:
        """Give the attribute, of the instance or its class."""
        found = inspect.getattr_static(env, self.name, _ABSENT)
        if found is _ABSENT:
            raise self._unknown(env)
        if isinstance(found, property):
            raise ValueError(
                f"{self} of {_name(env)} is computed by the environment: declare what it is computed from instead."
            )
        if not isinstance(found, _PLAIN):
            raise ValueError(
                f"{self} of {_name(env)} holds a {type(found).__name__}, which instances may share; an attribute "
                "that is a feature holds a number, a string or a boolean. Give the instance a new one in derive()."
            )
        return found

    def write(self, env: Any, value: Any, own: Any) -> None:
        """Set the attribute of the instance."""
        setattr(env, self.name, value)

    def _unknown(self, env: Any) -> ValueError:
        module = sys.modules[type(env).__module__]
        if hasattr(module, self.name):
            return ValueError(
                f"{self.name!r} is a global of the module {module.__name__}, which all instances of {_name(env)} "
                "share: it cannot be a feature. Such an environment needs a family of its own."
            )
        return unknown_name(f"attribute of {_name(env)}", self.name, _plain_attributes(env))


@dataclass(frozen=True)
class Argument:
    """An argument of the environment's constructor; a task with another value makes the environment anew."""

    name: str

    def read(self, env: Any) -> Any:
        """Give the value that the environment was made with: a registered or declared one, else the default."""
        given = env.spec.kwargs
        if self.name in given:
            return given[self.name]
        parameters = inspect.signature(creator_of(env.spec)).parameters
        known = [p.name for p in parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if self.name not in known or parameters[self.name].default is inspect.Parameter.empty:
            raise unknown_name(f"optional argument of {_name(env)}", self.name, known)
        return parameters[self.name].default

    def write(self, env: Any, value: Any, own: Any) -> None:
        """Do nothing: the environment was made with the value."""


def targets_of(feature: Any, targets: Any) -> tuple[Target, ...]:
    """Give where a declared feature goes as a tuple; ValueError where the declaration is none."""
    if not isinstance(feature, Feature):
        raise ValueError(
            f"a family declares its features as {{Feature.real(...): Attribute(...)}}, found the key {feature!r}."
        )
    places = targets if isinstance(targets, tuple) else (targets,)
    for place in places:
        if isinstance(place, type) or not (hasattr(place, "read") and hasattr(place, "write")):
            raise ValueError(
                f"feature {feature.name!r} goes to an Attribute, an Argument or a ModelField, or a tuple of them, "
                f"found {place!r}: write Attribute('name') for an attribute of that name."
            )
    return places


def creator_of(spec: Any) -> Callable[..., gymnasium.Env[Any, Any]]:
    """Give the class or function that makes the environment of a spec."""
    if callable(spec.entry_point):
        return spec.entry_point  # type: ignore[no-any-return]
    return load_env_creator(spec.entry_point)  # type: ignore[return-value]  # vector environments have another


def _name(env: Any) -> str:
    return str(env.spec.id) if env.spec is not None else type(env).__name__


def _plain_attributes(env: Any) -> Iterator[str]:
    for owner in (env, *type(env).__mro__):
        for name, value in vars(owner).items():
            if isinstance(value, _PLAIN) and not name.startswith("_"):
                yield name
