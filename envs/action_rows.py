"""The actions of n instances that are stepped one by one, checked at once before any of them steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import choices_of, rows_of


class ActionRows:
    """Checks the actions of n instances of one action space; each instance still clips what is its own."""

    def __init__(self, space: spaces.Space[Any], n: int):
        self._space, self._n = space, n
        self._shape = (n, *(space.shape or ()))
        self._n_choices, self._start = 0, 0
        if isinstance(space, spaces.Discrete):
            self._n_choices, self._start = int(space.n), int(space.start)
        self._is_box = isinstance(space, spaces.Box)

    def check(self, actions: Any, ignored: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Give the actions as an array of shape (n, ...); ValueError names what is wrong and for which instance.

        ignored: instances, shape (n,), whose action goes unused and may be anything of the right shape and type.
        """
        if self._n_choices:
            return choices_of(actions, self._n, self._n_choices, self._start, ignored)
        if self._is_box:
            return rows_of(actions, self._shape, ignored)
        return self._members(actions, ignored)

    def _members(self, actions: Any, ignored: NDArray[np.bool_] | None) -> NDArray[Any]:
        rows = np.asarray(actions)
        if rows.shape != self._shape or rows.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be whole numbers of shape {self._shape}, found shape {rows.shape} and type "
                f"{rows.dtype}."
            )
        for i, row in enumerate(rows):
            if not (ignored is not None and ignored[i]) and row.astype(self._space.dtype) not in self._space:
                raise ValueError(f"an action must lie in {self._space}, found {row} for instance {i}.")
        return rows
