"""A ranking: numbered slots in the order of their scores, to draw from by rank."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

import numpy as np

from lifelong_rl.teachers.base import Floats


class Ranking:
    """Slots 0, 1, ... with a score each; the highest has rank 1, and is drawn with weight rank^(-1 / temperature).

    A list that is always sorted: setting a score and drawing cost a few microseconds, with thousands of slots too.
    """

    def __init__(self, capacity: int, temperature: float) -> None:
        """Start empty. capacity: the most slots; temperature: above 0."""
        weights = np.arange(1, capacity + 1, dtype=np.float64) ** (-1.0 / temperature)
        self._cumulative: list[float] = list(accumulate(weights.tolist()))
        self._entries: list[tuple[float, float, int]] = []  # (score, tie, slot) of each slot
        self._order: list[tuple[float, float, int]] = []  # the same, the lowest score first

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def scores(self) -> Floats:
        """The score of each slot, shape (n,)."""
        return np.array([score for score, _, _ in self._entries])

    @property
    def lowest(self) -> tuple[float, int]:
        """The lowest score and its slot."""
        score, _, slot = self._order[0]
        return score, slot

    def put(self, slot: int, score: float, tie: float) -> None:
        """Set a slot's score, or add the slot that follows the last. tie: random, the order among equal scores."""
        entry = (score, tie, slot)
        if slot == len(self._entries):
            self._entries.append(entry)
        else:
            del self._order[bisect_left(self._order, self._entries[slot])]
            self._entries[slot] = entry
        self._order.insert(bisect_left(self._order, entry), entry)

    def draw(self, uniform: float) -> int:
        """Give a slot by rank, for a number drawn uniformly from [0, 1)."""
        n = len(self._order)
        rank = bisect_right(self._cumulative, uniform * self._cumulative[n - 1], 0, n - 1)
        return self._order[n - 1 - rank][2]

    def probabilities(self) -> Floats:
        """Give the probability that :meth:`draw` gives each slot, shape (n,)."""
        n = len(self._order)
        shares = np.empty(n)
        shares[[slot for *_, slot in reversed(self._order)]] = np.diff(self._cumulative[:n], prepend=0.0)
        total: float = self._cumulative[n - 1]
        return shares / total

    def to_array(self) -> Floats:
        """Give score and tie of each slot, shape (n, 2)."""
        return np.array([entry[:2] for entry in self._entries]).reshape(-1, 2)

    def take(self, array: Floats) -> None:
        """Go on from what :meth:`to_array` gave."""
        self._entries = [(score, tie, slot) for slot, (score, tie) in enumerate(array.tolist())]
        self._order = sorted(self._entries)
