"""What the trainer asks of an agent: Stable-Baselines3's verbs, plus the task events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class TaskInfo:
    """What an agent is told of a task. What the scenario hides is None."""

    id: str | None = None
    """The task's id; None where only the boundary is visible, or where a teacher draws the tasks."""
    budget: int | None = None
    """Environment steps that the agent will get; None where unknown."""


class LifelongAgent(Protocol):
    """Learns a sequence of tasks and acts. The environment is bound at construction, as in Stable-Baselines3."""

    num_timesteps: int

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins."""

    def end_task(self) -> None:
        """Hear that the current task ends: the time for consolidation."""

    def learn_steps(self, n_steps: int, callback: Any = None) -> None:
        """Train for exactly ``n_steps`` environment steps, summed over the parallel environments."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        *,
        task: TaskInfo | None = None,
    ) -> tuple[NDArray[Any], Any]:
        """Give actions for a batch of observations, shape (n, ...), and the policy's next state (or None)."""

    def diagnose(self, record: dict[str, Any]) -> dict[str, float]:
        """Give numbers that belong to an evaluation, by name."""

    def save(self, path: str | Path) -> None:
        """Write everything: networks, optimisers, buffers, components, counters, generators' states."""

    def restore(self, path: str | Path) -> None:
        """Take everything over from a file that :meth:`save` wrote, in place, bit for bit."""
