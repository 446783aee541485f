"""What of an episode is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Measured: TypeAlias = Literal["score", "return", "success"]
"""Which of an episode's numbers is averaged: score and success lie in [0, 1], return is in the task's unit."""


LARGEST = 1e300
"""Returns beyond this are not scored: sums, means and differences of them are infinite."""


class Undefined(ValueError):
    """A metric has no value for this input; the message is the reason."""


def check_measured(value: str) -> None:
    """Raise ValueError for what no episode has."""
    if value not in get_args(Measured):
        raise ValueError(f"value must be one of {', '.join(get_args(Measured))}, found {value!r}.")


def known(values: Mapping[Measured, NDArray[np.float64]], value: Measured) -> NDArray[np.float64]:
    """Give the column of what is measured; Undefined where it is not known, ValueError where no episode has it.

    Returns beyond :data:`LARGEST` are Undefined as well; the score and the success lie in [0, 1].
    """
    check_measured(value)
    if value not in values:
        raise Undefined(f"this log holds no {value} of an episode: measure the {' or the '.join(values)}")
    column = values[value]
    if value == "return" and column.size and max(-column.min(), column.max()) > LARGEST:
        raise Undefined(f"returns beyond {LARGEST:g} are too large to be added up")
    return column
