"""The two arithmetics that a batched family is written for: Python's floats, and numpy's arrays.

On a single number numpy is 3 to 5 times slower than Python, so one instance is played with floats and many with
arrays. Both give the same bits: ``+ - * /``, ``%``, comparisons, ``&``, ``|`` and ``abs`` are exact or the same in
both, and a square is written ``x * x`` (``x**2`` differs between the two in one case of a thousand). Sine and the
like are numpy's in both, or Python's for floats where it has the same bits: numpy leaves sine and cosine to the C
library as Python does, but has an exponential of its own on some processors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class Arithmetic(Protocol):
    """What a family's functions may call besides operators; numbers are floats or arrays of shape (n,)."""

    def sin(self, x: Any, /) -> Any:
        """Give the sine."""

    def cos(self, x: Any, /) -> Any:
        """Give the cosine."""

    def exp(self, x: Any, /) -> Any:
        """Give e to the power of x."""

    def sqrt(self, x: Any, /) -> Any:
        """Give the square root."""

    def clip(self, x: Any, low: Any, high: Any, /) -> Any:
        """Give the nearest number in [low, high]."""

    def where(self, condition: Any, yes: Any, no: Any, /) -> Any:
        """Give ``yes`` where the condition holds, else ``no``; both are computed."""

    def any(self, condition: Any, /) -> bool:
        """Say whether the condition holds for some instance, to skip what only few need."""

    def single(self, x: Any, /) -> Any:
        """Round to single precision, for families whose original computes in float32."""


_SINGLE = struct.Struct("f")
_to_bytes, _from_bytes = _SINGLE.pack, _SINGLE.unpack


def _for_floats(numpys: Any, pythons: Callable[[float], float]) -> Callable[[Any], Any]:
    """Give Python's function, 15 times as quick on one number, where this machine's numpy computes as it does.

    Another algorithm shows: it differs in the last bit of one result in twenty.
    """
    probe = np.linspace(-20.0, 20.0, 4001)
    if numpys(probe).tolist() == [pythons(x) for x in probe.tolist()]:
        return pythons
    return lambda x: float(numpys(x))


class Floats:
    """The arithmetic of one instance: numbers are Python floats and bools."""

    sin = staticmethod(_for_floats(np.sin, math.sin))
    cos = staticmethod(_for_floats(np.cos, math.cos))
    sqrt = staticmethod(math.sqrt)  # exact in both

    @staticmethod
    def exp(x: Any) -> Any:
        """Give e to the power of x."""
        return float(np.exp(x))

    @staticmethod
    def clip(x: Any, low: Any, high: Any) -> Any:
        """Give the nearest number in [low, high]; twice as quick as ``min(max(x, low), high)``."""
        return low if x < low else high if x > high else x

    @staticmethod
    def where(condition: Any, yes: Any, no: Any) -> Any:
        """Give ``yes`` if the condition holds, else ``no``."""
        return yes if condition else no

    @staticmethod
    def any(condition: Any) -> bool:
        """Give the condition."""
        return bool(condition)

    @staticmethod
    def single(x: Any) -> Any:
        """Round to single precision, by way of the four bytes: twice as quick as ``np.float32``."""
        return _from_bytes(_to_bytes(x))[0]


class Arrays:
    """The arithmetic of n instances: numbers are arrays of shape (n,), float64 or bool."""

    sin, cos, exp, sqrt = np.sin, np.cos, np.exp, np.sqrt
    where = staticmethod(np.where)

    @staticmethod
    def any(condition: Any) -> bool:
        """Say whether the condition holds for some instance."""
        return bool(condition.any())

    @staticmethod
    def clip(x: Any, low: Any, high: Any) -> Any:
        """Give the nearest number in [low, high]; the two calls are quicker than ``np.clip``."""
        return np.minimum(np.maximum(x, low), high)

    @staticmethod
    def single(x: Any) -> Any:
        """Round to single precision."""
        return np.asarray(x).astype(np.float32).astype(np.float64)


FLOATS: Arithmetic = Floats()
ARRAYS: Arithmetic = Arrays()
