"""Open draws: tasks that were drawn and whose episodes have not ended yet, so that outcomes find who drew them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats

Note: TypeAlias = tuple[float, ...]

PRECISION = 1e9  # coordinates that went into a feature's unit and back differ in the last bits: compare billionths


class OpenDraws:
    """A note on each drawn task, found again by the task's point when its episode ends, in any order.

    A note is ``width`` numbers. Points are compared to 9 decimals, and integers and categories by value. Of one task
    drawn several times the oldest draw is taken first. At most ``limit`` draws are kept: one whose episode never
    ended (a run may drop tasks at a checkpoint) is forgotten when that many newer ones are open.
    """

    def __init__(self, space: TaskSpace, width: int, limit: int = 10_000) -> None:
        """Start with no open draws."""
        self._space = space
        self._width = width
        self._limit = limit
        # oldest point first, oldest note first; a plain dict would look for its first key among all deleted ones
        self._notes: OrderedDict[bytes, list[Note]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tasks: Floats, notes: Sequence[Note]) -> None:
        """Keep a note on each of n drawn tasks, shape (n, d)."""
        self._add(self._keys(tasks), notes)

    def _add(self, keys: Sequence[bytes], notes: Sequence[Note]) -> None:
        for key, note in zip(keys, notes, strict=True):
            self._notes.setdefault(key, []).append(note)
        self._count += len(keys)
        while self._count > self._limit:
            self._pop(next(iter(self._notes)))

    def take(self, tasks: Floats) -> list[Note | None]:
        """Give and forget the notes on n tasks whose episodes ended, shape (n, d); None where no draw is open."""
        return [self._pop(key) if key in self._notes else None for key in self._keys(tasks)]

    def _pop(self, key: bytes) -> Note:
        notes = self._notes[key]
        note = notes.pop(0)
        self._count -= 1
        if not notes:
            del self._notes[key]
        return note

    def _keys(self, tasks: Floats) -> list[bytes]:
        billionths = np.rint(self._space.snap(tasks) * PRECISION).astype(np.int64)
        return [row.tobytes() for row in billionths]

    def state_dict(self) -> dict[str, Any]:
        """Give the open draws, oldest point first: tasks in billionths, shape (m, d), and notes, shape (m, width)."""
        keys = b"".join(key for key, notes in self._notes.items() for _ in notes)
        notes = [note for notes in self._notes.values() for note in notes]
        return {
            "tasks": np.array(np.frombuffer(keys, dtype=np.int64)).reshape(-1, self._space.dimension),
            "notes": np.array(notes, dtype=np.float64).reshape(-1, self._width),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError where the arrays do not fit together."""
        tasks, notes = state["tasks"], state["notes"]
        shapes = (len(notes), self._space.dimension), (len(notes), self._width)
        if (tasks.shape, notes.shape) != shapes:
            raise ValueError(
                f"open draws are tasks and notes of shapes {shapes}, found {tasks.shape} and {notes.shape}."
            )
        self._notes, self._count = OrderedDict(), 0
        keys = [row.tobytes() for row in tasks.astype(np.int64)]
        self._add(keys, [tuple(note) for note in notes.tolist()])
