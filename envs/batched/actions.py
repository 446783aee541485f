"""Actions as a family's ``move`` takes them: checked, clipped to the box, and as plain numbers or rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import choice_of, choices_of, numbers_of, rows_of


class ActionReader:
    """Reads the actions of one space, ``Discrete`` from 0 or a ``Box`` of shape (d,), for one instance or for n.

    ValueError names what is wrong with an action: its shape, its type, a NaN, or a choice that does not exist. Finite
    numbers outside of the box are clipped.
    """

    def __init__(self, space: spaces.Space[Any]):
        self._n_choices = 0
        if isinstance(space, spaces.Discrete) and space.start == 0:
            self._n_choices = int(space.n)
        elif isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
            self._shape = space.shape
            self._low, self._high = space.low.astype(np.float64)[:, None], space.high.astype(np.float64)[:, None]
            self._bounds = list(zip(space.low.tolist(), space.high.tolist(), strict=True))
        else:
            raise ValueError(
                f"a batched family needs a Discrete action space from 0 or a bounded Box of shape (d,), "
                f"found {space}."
            )

    def one(self, action: Any) -> Any:
        """Give the action of one instance: an int, or a list of d floats."""
        return choice_of(action, self._n_choices) if self._n_choices else numbers_of(action, self._bounds)

    def many(self, actions: Any, n: int, ignored: NDArray[np.bool_] | None = None) -> Any:
        """Give the actions of n instances: ints of shape (n,), or floats of shape (d, n).

        ignored: instances, shape (n,), whose action goes unused and may be anything of the right type.
        """
        if self._n_choices:
            return choices_of(actions, n, self._n_choices, ignored=ignored)
        numbers = rows_of(actions, (n, *self._shape), ignored, np.float64)
        clipped: NDArray[np.float64] = np.minimum(np.maximum(numbers.T, self._low), self._high)
        return clipped
