"""Arithmetic on many segments of one array at once, so that a million short blocks need no loop.

A segment is ``values[start : start + length]``; ``starts`` and ``lengths`` have shape (n_segments,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LONGEST_WINDOW = 100
"""Episodes that the moving average takes at most, unless it is told."""

MANY = 500
"""Entries from which a segment is smoothed by itself: then there are few of them."""

WINDOWS = {"hanning": np.hanning, "hamming": np.hamming, "bartlett": np.bartlett, "blackman": np.blackman}


def positions(starts: Indices, lengths: Indices) -> Indices:
    """Give the indices of all entries, segment after segment, shape (lengths.sum(),)."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    found: Indices = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return found


def means(values: Floats, starts: Indices, lengths: Indices) -> Floats:
    """Give the mean of each segment, NaN for an empty one, with the same bits as ``np.mean`` gives."""
    found = np.full(len(starts), np.nan)
    for length in np.unique(lengths[lengths > 0]):
        (chosen,) = np.nonzero(lengths == length)
        found[chosen] = values[starts[chosen, None] + np.arange(length)].mean(axis=1)
    return found


def stable_order(keys: Indices) -> Indices:
    """Give the stable order of keys that are at least 0, shape (n,); quick where they are below 65536."""
    is_small = bool(keys.size) and keys.max() < 2**16
    order: Indices = np.argsort(keys.astype(np.uint16) if is_small else keys, kind="stable")
    return order


def first_position(is_met: NDArray[np.bool_], lengths: Indices) -> Floats:
    """Give the index inside each segment of the first true entry, NaN where there is none.

    is_met: shape (lengths.sum(),), segment after segment.
    """
    found = np.full(len(lengths), np.nan)
    (hits,) = np.nonzero(is_met)
    ends = np.cumsum(lengths)
    segments, first = np.unique(np.searchsorted(ends, hits, side="right"), return_index=True)
    found[segments] = hits[first] - (ends - lengths)[segments]
    return found


def maxima(values: Floats, starts: Indices, lengths: Indices, tie: float = 0.0) -> tuple[Floats, Floats]:
    """Give the maximum of each segment and the index inside it where it is first met; NaN for an empty segment.

    tie: what is this close to the maximum, as a part of it, meets it.
    """
    found = np.full(len(starts), np.nan)
    is_filled = lengths > 0
    filled = lengths[is_filled]
    inside = values[positions(starts[is_filled], filled)]
    if len(inside):
        found[is_filled] = np.maximum.reduceat(inside, np.cumsum(filled) - filled)
    least = found[is_filled] - tie * np.abs(found[is_filled])
    return found, first_position(inside >= np.repeat(least, filled), lengths)


def smooth(
    values: Floats, starts: Indices, lengths: Indices, window: str = "flat", window_length: int | None = None
) -> Floats:
    """Give a copy of ``values`` in which each segment is its moving average of the same length.

    Segments are reflected at both ends. A window of fewer than 3 entries leaves its segment as it is. Without a
    ``window_length``, and for shorter segments, the window is a fifth of the segment, at most 100 entries.
    """
    smoothed = values.copy()
    if not len(lengths):
        return smoothed
    sizes = np.minimum((lengths * 0.2).astype(np.int64), LONGEST_WINDOW)
    if window_length is not None:
        sizes = np.where(lengths >= window_length, window_length, sizes)
    for size in np.unique(sizes[sizes >= 3]):
        chosen = sizes == size
        weights = np.ones(size) if window == "flat" else WINDOWS[window](size)
        weights /= weights.sum()
        is_long = chosen & (lengths >= MANY)
        for start, length in zip(starts[is_long], lengths[is_long], strict=True):
            smoothed[start : start + length] = _moving_average(values[start : start + length], weights)
        is_short = chosen & ~is_long
        _smooth_alike(smoothed, values, starts[is_short], lengths[is_short], weights)
    return smoothed


def _moving_average(values: Floats, weights: Floats) -> Floats:
    """Give the moving average of one segment."""
    n = len(weights)
    reflected = np.concatenate([values[n - 1 : 0 : -1], values, values[-2 : -n - 1 : -1]])
    skipped = n // 2 - 1
    return np.convolve(reflected, weights, mode="valid")[skipped : skipped + len(values)]


def _smooth_alike(smoothed: Floats, values: Floats, starts: Indices, lengths: Indices, weights: Floats) -> None:
    """Write the moving averages of segments that share a window: one convolution over all of them."""
    if not len(lengths):
        return
    n_more = len(weights) - 1
    padded = lengths + 2 * n_more
    before = np.cumsum(padded) - padded
    inside = np.abs(positions(np.full_like(padded, -n_more), padded))
    last = np.repeat(lengths - 1, padded)
    reflected = np.where(inside > last, 2 * last - inside, inside)
    averages = np.convolve(values[np.repeat(starts, padded) + reflected], weights, mode="valid")
    kept = positions(before + len(weights) // 2 - 1, lengths)
    smoothed[positions(starts, lengths)] = averages[kept]
