"""What the agent of a MiniGrid world sees, worked out from the cells in view.

The same view as MiniGrid's own ``gen_obs``, in a fraction of its time: MiniGrid builds, turns and encodes a new grid
of objects for it at each step. A cell is one number here, its *code*, and tables turn codes into what is observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

VIEW_SIZE = 7
"""The agent sees this many cells ahead, its own among them, and this many across, itself in the middle."""
N_CELLS = VIEW_SIZE * VIEW_SIZE
KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")
"""What can be in a cell, in MiniGrid's numbering."""
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
"""The colours, in MiniGrid's numbering."""
N_STATES = 3
"""A door is open, closed or locked; everything else is in state 0."""

_TRIPLES = list(product(range(len(KINDS)), range(len(COLOURS)), range(N_STATES)))
_CODES: dict[tuple[int, int, int], int] = {
    triple: code for code, triple in enumerate(_TRIPLES)
}  # MiniGrid's (kind, colour, state) -> code

TRIPLES: NDArray[np.uint8] = np.array(_TRIPLES, dtype=np.uint8)
"""MiniGrid's kind, colour and state of each code, shape (198, 3)."""
SCALED: NDArray[np.float32] = (TRIPLES / (len(KINDS) - 1, len(COLOURS) - 1, N_STATES - 1)).astype(np.float32)
"""The same, each over its largest number: in [0, 1], shape (198, 3)."""

_UNSEEN = _CODES[0, 0, 0]
_EMPTY = _CODES[1, 0, 0]
_WALL = _CODES[2, COLOURS.index("grey"), 0]
_IS_OPAQUE = (TRIPLES[:, 0] == KINDS.index("wall")) | ((TRIPLES[:, 0] == KINDS.index("door")) & (TRIPLES[:, 2] != 0))

_HALF = VIEW_SIZE // 2
_OWN_CELL = _HALF * VIEW_SIZE + VIEW_SIZE - 1  # the middle of the nearest row
_ROW = (1 << VIEW_SIZE) - 1  # all cells of a row, as bits
_AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))  # of the directions right, down, left, up; y points down


def _offsets(direction: int) -> list[tuple[int, int]]:
    """Give where the cells in view lie from the agent: columns from its left to its right, each from far to near."""
    (dx, dy), half = _AHEAD[direction], _HALF
    return [
        (dx * distance - dy * side, dy * distance + dx * side)
        for side in range(-half, half + 1)
        for distance in reversed(range(VIEW_SIZE))
    ]


_OFFSETS = tuple(_offsets(direction) for direction in range(len(_AHEAD)))


def view(
    cells: Sequence[Any],
    shape: tuple[int, int],
    position: Sequence[int] | NDArray[np.int64],
    direction: int,
    *,
    carried: Any = None,
    sees_through_walls: bool = False,
) -> NDArray[np.int64]:
    """Give the codes of the cells in view, shape (49,): MiniGrid's image, whose columns follow each other.

    cells: of the world, row by row: objects of MiniGrid, or None. shape: width and height. direction: 0 right,
    1 down, 2 left, 3 up. carried: the object in the agent's hands, seen in the agent's own cell.
    """
    width, height = shape
    x, y = int(position[0]), int(position[1])  # MiniGrid's are numpy's at times, which are slow one by one
    codes = [_WALL] * N_CELLS  # the world beyond its edges
    for i, (dx, dy) in enumerate(_OFFSETS[direction]):
        column, row = x + dx, y + dy
        if 0 <= column < width and 0 <= row < height:
            cell = cells[row * width + column]
            codes[i] = _EMPTY if cell is None else _CODES[cell.encode()]
    seen = np.array(codes)
    if not sees_through_walls:
        seen[~_visible(_IS_OPAQUE[seen])] = _UNSEEN
    seen[_OWN_CELL] = _EMPTY if carried is None else _CODES[carried.encode()]
    return seen


def _visible(is_opaque: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which cells of a view light reaches from the agent; shapes (49,)."""
    opaque_rows = np.packbits(is_opaque.reshape(VIEW_SIZE, VIEW_SIZE), axis=0, bitorder="little")[0].tolist()
    lit_rows = [0] * VIEW_SIZE
    arriving = 1 << _HALF
    for row in reversed(range(VIEW_SIZE)):
        lit_rows[row], arriving = _spread(arriving, opaque_rows[row])
    bits = np.array([lit_rows], dtype=np.uint8)
    return np.unpackbits(bits, axis=0, count=VIEW_SIZE, bitorder="little").ravel().astype(np.bool_)


@cache
def _spread(arriving: int, opaque: int) -> tuple[int, int]:
    """Give the cells of a row that are lit, and those of the row behind it that light arrives at; all as bits.

    Light goes on from a lit cell that is not opaque: sideways, and to the three cells behind.
    """
    lit, before = arriving, -1
    while lit != before:
        before = lit
        source = lit & ~opaque
        lit |= _and_neighbours(source)
    return lit, _and_neighbours(lit & ~opaque)


def _and_neighbours(bits: int) -> int:
    return (bits | bits << 1 | bits >> 1) & _ROW
