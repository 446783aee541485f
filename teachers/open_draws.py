"""Open draws: tasks that were drawn and whose episodes have not ended yet, so that outcomes find who drew them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats

DECIMALS = 9  # coordinates that went into a feature's unit and back differ in the last bits


class OpenDraws:
    """A note on each drawn task, found again by the task's point when its episode ends, in any order.

    A note is a row of ``width`` numbers. Points are compared to 9 decimals, and integers and categories by value. Of
    one task drawn several times the oldest draw is taken first. At most ``limit`` draws are kept: one whose episode
    never ended (a run may drop tasks at a checkpoint) is forgotten when that many newer ones are open.
    """

    def __init__(self, space: TaskSpace, width: int, limit: int = 10_000) -> None:
        """Start with no open draws."""
        self._space = space
        self._width = width
        self._limit = limit
        self._notes: dict[bytes, list[Floats]] = {}  # in the order of each point's oldest draw since it was absent
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tasks: Floats, notes: Floats) -> None:
        """Keep a note, a row of shape (n, width), on each of n drawn tasks, shape (n, d)."""
        for key, note in zip(self._keys(tasks), notes, strict=True):
            self._notes.setdefault(key, []).append(note.copy())
        self._count += len(tasks)
        while self._count > self._limit:
            self._pop(next(iter(self._notes)))

    def take(self, tasks: Floats) -> Floats:
        """Give and forget the notes on n tasks whose episodes ended, shape (n, width); NaN where none is open."""
        notes = np.full((len(tasks), self._width), np.nan)
        for row, key in enumerate(self._keys(tasks)):
            if key in self._notes:
                notes[row] = self._pop(key)
        return notes

    def _pop(self, key: bytes) -> Floats:
        notes = self._notes[key]
        note = notes.pop(0)
        self._count -= 1
        if not notes:
            del self._notes[key]
        return note

    def _keys(self, tasks: Floats) -> list[bytes]:
        rounded = np.round(self._space.snap(tasks), DECIMALS) + 0.0  # + 0.0: minus zero is zero
        return [row.tobytes() for row in rounded]

    def state_dict(self) -> dict[str, Any]:
        """Give the open draws, oldest point first: rounded tasks, shape (m, d), and notes, shape (m, width)."""
        keys = [key for key, notes in self._notes.items() for _ in notes]
        notes = [note for notes in self._notes.values() for note in notes]
        tasks = np.frombuffer(b"".join(keys), dtype=np.float64).reshape(-1, self._space.dimension)
        return {"tasks": tasks.copy(), "notes": np.array(notes).reshape(-1, self._width)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError where the arrays do not fit together."""
        tasks, notes = state["tasks"], state["notes"]
        shapes = (len(notes), self._space.dimension), (len(notes), self._width)
        if (tasks.shape, notes.shape) != shapes:
            raise ValueError(
                f"open draws are tasks and notes of shapes {shapes}, found {tasks.shape} and {notes.shape}."
            )
        self._notes, self._count = {}, 0
        self.add(tasks, notes)
