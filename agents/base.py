"""What the trainer asks of an agent: Stable-Baselines3's verbs, plus the task events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

UNTRAINED = "untrained"
"""Key that the info of a step has where the agent must not train on it: a teacher only looks how the episode goes."""


def untrained_rows(infos: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_] | None:
    """Tell which of the steps with these n infos are not to be trained on, shape (n,); None where all are."""
    rows = [UNTRAINED in info for info in infos]
    return np.array(rows) if any(rows) else None


def own_next(observations: Any, dones: NDArray[np.bool_], infos: Sequence[Mapping[str, Any]]) -> Any:
    """Give the next observations, with each ended episode's own last one in place of the next one's first."""
    ended = [int(i) for i in np.flatnonzero(dones)]
    if not ended:
        return observations
    if isinstance(observations, dict):
        own: Any = {key: value.copy() for key, value in observations.items()}
        for i in ended:
            for key in own:
                own[key][i] = infos[i]["terminal_observation"][key]
        return own
    own = observations.copy()
    for i in ended:
        own[i] = infos[i]["terminal_observation"]
    return own


@dataclass(frozen=True)
class TaskInfo:
    """What an agent is told of a task. What the scenario hides is None."""

    id: str | None = None
    """The task's id; None where only the boundary is visible, or where a teacher draws the tasks."""
    budget: int | None = None
    """Environment steps that the agent will get; None where unknown."""


class Held(NamedTuple):
    """Memory that one part of an agent holds."""

    part: str
    """What holds it: "networks", "replay buffer", a component's class, ..."""
    kind: str
    """What it is held for: "weights", "buffer" (stored data), "snapshot" (earlier networks) or "statistics"."""
    n_bytes: int


class LifelongAgent(Protocol):
    """Learns a sequence of tasks and acts. The environment is bound at construction, as in Stable-Baselines3."""

    num_timesteps: int

    @property
    def stride(self) -> int:
        """Environment steps after which training may pause without changing what follows."""

    @property
    def routes_by_task(self) -> bool:
        """Whether acting depends on the task that ``predict`` is told, beyond the observation."""

    @property
    def gives(self) -> frozenset[str]:
        """The names that :meth:`appraise` can give; empty for none."""

    @property
    def leaves_out(self) -> bool:
        """Whether it keeps steps whose info has the key ``UNTRAINED`` out of its training."""

    def appraise(self, observations: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool) -> dict[str, float]:
        """Say by name what the agent's value estimates tell of a finished episode of T steps; changes nothing.

        observations: shape (T + 1, ...), the last one included. rewards: shape (T,). is_terminal: whether it ended
        in a terminal state, and not by a time limit. The names are those that teachers know
        (``lifelong_rl.teachers.base.EXTRAS``).
        """

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

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations of the training environments, shape (n_envs, ...).

        is_episode_start: whether the environments were just reset, and the episodes before were cut short.
        """

    def diagnose(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Give numbers that belong to an evaluation, by name."""

    def memory(self) -> list[Held]:
        """Say what the agent holds in memory now, part by part; no byte is counted twice."""

    def set_logger(self, logger: Any) -> None:
        """Log to a Stable-Baselines3 logger from now on."""

    def write_logs(self) -> None:
        """Write the training curves' present values to the logger."""

    def save(self, path: str | Path) -> None:
        """Write everything: networks, optimisers, buffers, components, counters, generators' states."""

    def restore(self, path: str | Path) -> None:
        """Take everything over from a file that :meth:`save` wrote, in place, bit for bit."""
