"""The teacher protocol: choose the next tasks from the outcomes of the episodes so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.space import TaskSpace

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """What n finished training episodes showed."""

    returns: Floats
    """Raw returns, shape (n,)."""
    scores: Floats
    """Returns as scores in [0, 1], shape (n,): what teachers measure progress on."""
    successes: NDArray[np.bool_]
    """Whether each episode was a success, shape (n,)."""
    lengths: NDArray[np.int64]
    """Steps of each episode, shape (n,)."""
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What the learner adds by name, each shape (n,): for example a value estimate."""

    @classmethod
    def from_scores(cls, scores: ArrayLike) -> Outcomes:
        """Give outcomes that only have scores, shape (n,): returns equal them, success means 1."""
        array = np.asarray(scores, dtype=np.float64)
        return cls(array, array, array >= 1.0, np.ones(len(array), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.scores)


class Teacher(ABC):
    """Chooses tasks. ``__init__`` only stores hyper-parameters under their own names, so it is also the configuration.

    A subclass writes :meth:`sample` and :meth:`update`; one that keeps more than ``self.space`` and ``self.rng``
    also extends :meth:`reset`, :meth:`state_dict` and :meth:`load_state_dict`. All tasks are points of the unit cube.
    """

    space: TaskSpace
    rng: np.random.Generator

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; every random draw comes from ``rng``."""
        self.space = space
        self.rng = rng

    @abstractmethod
    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]."""

    @abstractmethod
    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Learn from n finished episodes: the tasks they played, shape (n, d), and what they showed."""

    def state_dict(self) -> dict[str, Any]:
        """Give everything that :meth:`load_state_dict` needs to continue bit for bit: arrays and plain values."""
        return {"teacher": type(self).__name__, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a teacher of this class, after :meth:`reset` on the same space."""
        if state.get("teacher") != type(self).__name__:
            raise ValueError(
                f"a state of the teacher {type(self).__name__!r} is expected, found {state.get('teacher')!r}."
            )
        self.rng.bit_generator.state = state["rng"]

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, by name."""
        return {}

    def density(self, points: Floats) -> Floats:
        """Give the probability density of :meth:`sample` at points of shape (n, d); shape (n,). Uniform here."""
        return np.ones(len(points))
