"""Memory: what each method holds, and comparing methods that may hold equally much.

A method that keeps more data, or more networks, forgets less. Methods are therefore compared at one budget of bytes
that counts whatever they hold (Zhou et al. 2023, A Model or 603 Exemplars: Towards Memory-Efficient Class-Incremental
Learning, arXiv 2205.13218): the ranking refuses others, and the area over a sweep of budgets sums several up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike

from lifelong_rl.evaluation.measured import Undefined

KINDS = ("weights", "buffer", "snapshot", "statistics")
"""What memory is held for: networks that act, stored data, copies of earlier networks, and numbers about them."""

TOLERANCE = 0.05
"""Share of a budget by which the bytes of a method may differ from it."""

HIGHEST = 2**40
"""Largest setting that is tried."""


@dataclass(frozen=True)
class MemoryEntry:
    """Memory that one part of a method holds."""

    method: str
    component: str
    """The part: a component's name, "networks", "replay buffer", ..."""
    kind: str
    """One of ``KINDS``."""
    n_bytes: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the kind of memory must be one of {', '.join(KINDS)}, found {self.kind!r}.")
        if self.n_bytes < 0:
            raise ValueError(f"{self.method}, {self.component}: bytes must be at least 0, found {self.n_bytes}.")


@dataclass(frozen=True)
class MemoryLedger:
    """What methods hold, part by part."""

    entries: tuple[MemoryEntry, ...] = ()

    def __add__(self, other: MemoryLedger) -> MemoryLedger:
        """Give the entries of both."""
        return MemoryLedger(self.entries + other.entries)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in the order of their first entries."""
        return tuple(dict.fromkeys(entry.method for entry in self.entries))

    def total(self, method: str, kinds: Collection[str] = KINDS) -> int:
        """Give the bytes of a method in all its parts of these kinds; ValueError for a method without entries."""
        found = [entry for entry in self.entries if entry.method == method]
        if not found:
            known = ", ".join(self.methods) or "none"
            raise ValueError(f"the ledger has no entry of the method {method!r}; it has those of: {known}.")
        return sum(entry.n_bytes for entry in found if entry.kind in kinds)

    def by_kind(self, method: str) -> dict[str, int]:
        """Give the bytes of a method by kind, each of ``KINDS``."""
        return {kind: self.total(method, (kind,)) for kind in KINDS}


@dataclass(frozen=True)
class RankedMethod:
    """A row of a ranking at one budget."""

    rank: int
    """1 is the best; equal scores share a rank."""
    method: str
    score: float
    n_bytes: int


def aligned_ranking(
    scores: Mapping[str, float],
    ledger: MemoryLedger,
    budget: int,
    *,
    tolerance: float = TOLERANCE,
    kinds: Collection[str] = KINDS,
) -> list[RankedMethod]:
    """Rank methods by score, best first, where each holds ``budget`` bytes to within a share ``tolerance`` of it.

    scores: by method, higher is better. kinds: the memory that the budget is for. Raises Undefined, naming each
    method with its bytes, where some hold more or less: :func:`setting_for` finds the setting that meets a budget;
    and where a method has no score (None or NaN).
    """
    if unscored := [method for method, score in scores.items() if score is None or not np.isfinite(score)]:
        raise Undefined(f"a ranking needs a score of every method, found none of {', '.join(unscored)}")
    held = {method: ledger.total(method, kinds) for method in scores}
    unaligned = [f"{m} holds {n:,}" for m, n in held.items() if abs(n - budget) > tolerance * budget]
    if unaligned:
        raise Undefined(
            f"a ranking at {budget:,} bytes needs methods within {tolerance:.0%} of that: {'; '.join(unaligned)}"
        )
    rows: list[RankedMethod] = []
    ordered = sorted(scores, key=lambda method: -scores[method])
    for _, equal in groupby(ordered, key=lambda method: scores[method]):
        rank = len(rows) + 1
        rows += [RankedMethod(rank, method, scores[method], held[method]) for method in equal]
    return rows


def area_over_budgets(budgets: ArrayLike, scores: ArrayLike) -> float:
    """Give the mean score over a sweep of budgets, where each doubling counts alike.

    budgets: shape (n,), bytes, positive and increasing. scores: shape (n,), a method's score at each. It is the area
    under the score against log2 of the bytes (trapezoid rule), divided by the doublings from the first to the last:
    in the unit of the score. Raises Undefined for fewer than two budgets, or a score that is not there.
    """
    sizes, values = (
        np.asarray(budgets, np.float64),
        np.asarray(np.ma.filled(np.ma.asarray(scores, np.float64), np.nan)),
    )
    if sizes.ndim != 1 or sizes.shape != values.shape or np.any(sizes <= 0) or np.any(np.diff(sizes) <= 0):
        raise ValueError(f"budgets must be positive and increasing, with a score each, found {sizes.tolist()}.")
    if len(sizes) < 2 or not np.all(np.isfinite(values)):
        raise Undefined("an area needs two budgets at least, and a score at each")
    doublings = np.log2(sizes)
    return float(np.trapezoid(values, doublings) / (doublings[-1] - doublings[0]))


def setting_for(
    budget: int,
    bytes_of: Callable[[int], int],
    *,
    lowest: int = 1,
    highest: int = HIGHEST,
    tolerance: float = TOLERANCE,
) -> int:
    """Give the largest setting of a method (a capacity, a number of units) whose bytes are within the budget.

    bytes_of: gives the bytes at a setting. It never falls as the setting rises, and is called about 2 log2(setting)
    times: best computed, as a component's ``planned_bytes`` is, or found by building the method at that setting.
    Raises Undefined where even ``lowest`` is too large, or where the setting leaves more than a share ``tolerance``
    of the budget unused, since its steps are too coarse or ``highest`` is too small.
    """
    if (least := bytes_of(lowest)) > budget:
        raise Undefined(f"the setting {lowest} needs {least:,} bytes already, and the budget is {budget:,}")
    fits, too_large = lowest, min(max(2 * lowest, 1), highest)
    while too_large > fits and bytes_of(too_large) <= budget:
        fits, too_large = too_large, min(2 * too_large, highest)
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        fits, too_large = (middle, too_large) if bytes_of(middle) <= budget else (fits, middle)
    used = bytes_of(fits)
    if used < (1 - tolerance) * budget:
        raise Undefined(f"the largest setting within {budget:,} bytes is {fits} and holds {used:,} only")
    return fits
