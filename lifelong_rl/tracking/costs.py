"""What a run cost: time by phase, steps, updates and memory, as ``costs.json`` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from lifelong_rl.evaluation.diagnostics.memory import MemoryEntry, MemoryLedger

PHASES = ("training", "evaluation", "teacher", "checkpoints", "other")
"""What a run's time goes into. Training is without the teacher's part of it; other is the start, logs and figures."""


@dataclass(frozen=True)
class PartMemory:
    """Memory that one part of the agent holds."""

    part: str
    """What holds it: "networks", "replay buffer", a component's class, ..."""
    kind: str
    """One of ``lifelong_rl.evaluation.diagnostics.memory.KINDS``."""
    n_bytes: int


@dataclass(frozen=True)
class Costs:
    """What a run has cost up to a step.

    What a run did between its last checkpoint and a kill is not part of it: the resumed run did that again.
    """

    steps: int
    """Environment steps of training, summed over the parallel environments."""
    updates: int | None
    """Gradient steps as Stable-Baselines3 counts them (PPO: passes over a rollout); None where an agent does not."""
    wall_seconds: Mapping[str, float]
    """Seconds on the wall, by each of ``PHASES``; each second belongs to one of them."""
    cpu_seconds: Mapping[str, float]
    """Seconds of the processor in the run's own process, all its threads, by phase; environments in processes of
    their own are not in it."""
    peak_bytes: int | None
    """Most memory that the run's process held at any time; None on systems that do not say."""
    memory: tuple[PartMemory, ...]
    """What the agent held at that step, part by part."""
    n_resumes: int = 0
    """Times that the run went on from a checkpoint."""

    @property
    def total_wall_seconds(self) -> float:
        """Seconds on the wall in all phases."""
        return sum(self.wall_seconds.values())

    @property
    def total_cpu_seconds(self) -> float:
        """Seconds of the processor in all phases."""
        return sum(self.cpu_seconds.values())

    def ledger(self, method: str) -> MemoryLedger:
        """Give the agent's memory as entries of ``method`` in a ledger; ledgers of several runs add up."""
        return MemoryLedger(tuple(MemoryEntry(method, held.part, held.kind, held.n_bytes) for held in self.memory))

    def to_json(self) -> dict[str, Any]:
        """Give the costs as plain values."""
        return asdict(self) | {"memory": [asdict(held) for held in self.memory]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Give back what :meth:`to_json` gave; ValueError for anything else."""
        try:
            fields = dict(data)
            fields["memory"] = tuple(PartMemory(**held) for held in fields["memory"])
            costs = cls(**fields)
            if set(costs.wall_seconds) != set(PHASES) or set(costs.cpu_seconds) != set(PHASES):
                raise ValueError(f"its phases are not {', '.join(PHASES)}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"the costs of a run cannot be read: {type(error).__name__}: {error}.") from error
        return costs
