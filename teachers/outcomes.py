"""Outcomes: what finished training episodes showed, the one thing that teachers learn from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.space import is_in_unit_cube

Floats = NDArray[np.float64]

EXTRAS: dict[str, str] = {
    "value": "the learner's estimate of the discounted return from the episode's first state",
    "mean_value": "the mean of the learner's value estimates over the states of the episode",
    "positive_value_loss": "the mean over the episode's steps of max(generalised advantage estimate, 0)",
}
"""What a learner may add to outcomes. A teacher names those it cannot do without in :attr:`Teacher.needs`."""


_ONES = np.ones(64, dtype=np.int64)
_ONES.flags.writeable = False  # outcomes of scores alone share it: making them is half of a cheap teacher's time


@dataclass(frozen=True)
class Outcomes:
    """What n finished training episodes showed.

    Lists are taken too and become arrays. ValueError where a column is not of shape (n,) and finite, a score lies
    outside [0, 1], a success is neither true nor false (0 and 1 are taken), or a length is no whole number >= 0.
    Slices and index arrays give the outcomes of those episodes: ``outcomes[:10]``.
    """

    returns: Floats
    """Raw returns, shape (n,)."""
    scores: Floats
    """Returns as scores in [0, 1], shape (n,): what teachers measure progress on."""
    successes: NDArray[np.bool_]
    """Whether each episode was a success, shape (n,)."""
    lengths: NDArray[np.int64]
    """Steps of each episode, shape (n,)."""
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What the learner adds by name, each shape (n,); :data:`EXTRAS` says which and what they are."""

    def __post_init__(self) -> None:
        n = np.size(self.scores)
        scores = _column("scores", self.scores, n, np.float64)
        if not ((scores >= 0.0) & (scores <= 1.0)).all():
            worst = scores[(scores < 0.0) | (scores > 1.0)][0]
            raise ValueError(f"the scores of outcomes must lie in [0, 1], found {worst}.")
        columns: dict[str, Any] = {
            "returns": _column("returns", self.returns, n, np.float64),
            "scores": scores,
            "successes": _exact_column("successes", self.successes, n, np.bool_, "true or false"),
            "lengths": _exact_column("lengths", self.lengths, n, np.int64, "whole numbers >= 0"),
        }
        if (columns["lengths"] < 0).any():
            raise ValueError(f"lengths of outcomes must be whole numbers >= 0, found {columns['lengths'].min()}.")
        if self.extra:
            columns["extra"] = {
                name: _column(f"extra[{name!r}]", values, n, np.float64) for name, values in self.extra.items()
            }
        vars(self).update(columns)  # the dataclass is frozen for everybody else

    @classmethod
    def from_scores(cls, scores: ArrayLike) -> Outcomes:
        """Give outcomes that only have scores, shape (n,): returns equal them, success means 1."""
        try:
            array = np.asarray(scores, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"scores of outcomes must be numbers, found {scores!r}.") from error
        if array.ndim == 1 and len(array) <= len(_ONES) and is_in_unit_cube(array):
            return cls.trusted(array, array, array >= 1.0, _ONES[: len(array)], {})
        return cls(array, array, array >= 1.0, np.ones(array.shape, dtype=np.int64))

    @classmethod
    def trusted(
        cls,
        returns: Floats,
        scores: Floats,
        successes: NDArray[np.bool_],
        lengths: NDArray[np.int64],
        extra: Mapping[str, Floats],
    ) -> Outcomes:
        """Give ``Outcomes(...)`` in a fifth of the time, for columns that are known to be right: none is checked."""
        outcomes = object.__new__(cls)
        columns = outcomes.__dict__  # the dataclass is frozen for everybody else
        columns["returns"], columns["scores"], columns["successes"] = returns, scores, successes
        columns["lengths"], columns["extra"] = lengths, extra
        return outcomes

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Outcomes:
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Outcomes.trusted(
            self.returns[rows], self.scores[rows], self.successes[rows], self.lengths[rows], extra
        )


def _column(name: str, values: ArrayLike, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    column = np.asarray(values)
    if column.dtype.kind == "O":  # None among them, say
        with suppress(TypeError, ValueError):
            column = column.astype(np.float64)
    if column.dtype.kind not in "biuf":
        raise ValueError(f"{name} of outcomes must be numbers, found {values!r}.")
    if column.shape != (n,):
        raise ValueError(f"{name} of outcomes must have one number an episode, shape ({n},), found {column.shape}.")
    if column.dtype.kind not in "bui" and not (is_finite := np.isfinite(column)).all():
        raise ValueError(f"{name} of outcomes must be finite, found {column[~is_finite][0]}.")
    return column.astype(dtype, copy=False)


def _exact_column(name: str, values: ArrayLike, n: int, dtype: type[np.generic], expected: str) -> NDArray[Any]:
    """Give a column of a type that holds each of its numbers exactly."""
    column = _column(name, values, n, np.float64)
    exact = column.astype(dtype)
    if not (is_same := exact == column).all():
        raise ValueError(f"{name} of outcomes must be {expected}, found {column[~is_same][0]}.")
    return exact
