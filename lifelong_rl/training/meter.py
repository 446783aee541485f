"""The meter: adds up what a run costs while it goes, and across its resumes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lifelong_rl.agents.base import Held
from lifelong_rl.tracking.costs import PHASES, Costs, PartMemory

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class Meter:
    """Counts each moment into one phase of ``PHASES``: "other" from its making on, until told otherwise."""

    def __init__(self) -> None:
        self._wall = dict.fromkeys(PHASES, 0.0)
        self._cpu = dict.fromkeys(PHASES, 0.0)
        self._peak = 0
        self._n_resumes = 0
        self._phase = "other"
        self._since = _now()

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Count what is done inside into ``phase``, and go on with the phase before after it."""
        before = self._phase
        self._switch_to(phase)
        try:
            yield
        finally:
            self._switch_to(before)

    def move_to_teacher(self, wall_seconds: float, cpu_seconds: float) -> None:
        """Count this much of the training as the teacher's, which worked in the middle of it."""
        for seconds, moved in ((self._wall, wall_seconds), (self._cpu, cpu_seconds)):
            seconds["training"] -= moved
            seconds["teacher"] += moved

    def continue_from(self, costs: Costs | None) -> None:
        """Add to what the run had cost at the checkpoint that it is resumed from; None where that is not known."""
        self._n_resumes += 1
        if costs is None:
            return
        self._n_resumes += costs.n_resumes
        self._peak = max(self._peak, costs.peak_bytes or 0)
        for phase in PHASES:
            self._wall[phase] += costs.wall_seconds[phase]
            self._cpu[phase] += costs.cpu_seconds[phase]

    def read(self, agent: Any, step: int) -> Costs:
        """Give the costs up to now; ``step``: environment steps so far."""
        self._switch_to(self._phase)
        self._peak = max(self._peak, _peak_bytes())
        memory: list[Held] = getattr(agent, "memory", list)()  # an agent of one's own may leave it out
        return Costs(
            steps=step,
            updates=getattr(agent, "_n_updates", None),
            wall_seconds=dict(self._wall),
            cpu_seconds=dict(self._cpu),
            peak_bytes=self._peak or None,
            memory=tuple(PartMemory(*held) for held in memory),
            n_resumes=self._n_resumes,
        )

    def _switch_to(self, phase: str) -> None:
        now = _now()
        self._wall[self._phase] += now[0] - self._since[0]
        self._cpu[self._phase] += now[1] - self._since[1]
        self._phase, self._since = phase, now


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _peak_bytes() -> int:
    """Give the most memory that this process has held so far; 0 where the system does not say."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
