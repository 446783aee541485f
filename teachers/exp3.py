"""EXP3: a bandit over teachers that draws more from those whose tasks bring progress."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, check_ranges, stretches
from lifelong_rl.teachers.composed import ComposedTeacher, Entry, Hearing, choose
from lifelong_rl.teachers.open_draws import OpenDraws
from lifelong_rl.teachers.progress import ProgressHistory
from lifelong_rl.teachers.states import check_shapes

EVERY = 10
"""Episodes between changes of the weights: progress of ten episodes costs little more than that of one."""

UNKNOWN = (-1.0, 1.0)  # the note on a task that no teacher here drew


class EXP3(ComposedTeacher):
    """The bandit Exp3.S (Auer et al. 2002, section 8) over K teachers, with learning progress as its gain.

    A task comes from teacher i with probability p_i = (1 - g) w_i / sum(w) + g / K. When its episode ends with a gain
    x in [0, 1], w_i is multiplied by exp(g x / (p_i K)), p_i being that of the draw, and then every weight grows by
    (e a / K) sum(w), so that a teacher that was useless can come back. With a = 0 this is Exp3 (section 3).
    g is ``exploration`` and a is ``forgetting``.

    The gain is the learning progress of the episode (see :class:`ProgressHistory`), put on the scale of the progress
    seen so far as Graves et al. 2017 do (section 2, "reward scaling"): 0 below the 20th percentile of a uniform
    sample of all gains, 1 above the 80th, linear between; theirs runs from -1 to 1, Auer's from 0 to 1. An outcome
    of a task that no teacher here drew moves no weight. Weights change at every 10th episode.

    It keeps what its teachers keep, ``max_history`` to twice as many episodes, ``sample_size`` gains, and up to
    10,000 tasks whose episodes have not ended.
    """

    def __init__(
        self,
        teachers: Sequence[Entry] = ("random", "alp-kde"),
        gain: Literal["absolute", "signed"] = "absolute",
        exploration: float = 0.1,
        forgetting: float = 0.001,
        sample_size: int = 500,
        max_history: int = 2000,
        hear: Hearing = "all",
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        teachers: each a name, ``{"name": name, hyper-parameter: value}``, or a teacher. gain: the size of the
        progress ("absolute": forgetting counts like learning), or progress with its sign ("signed"). exploration:
        share of draws that are spread evenly, in (0, 1]. forgetting: in [0, 1], about one over the episodes after
        which another teacher may be best. sample_size: gains that set the scale. max_history: episodes that progress
        looks back, at least. hear: whether each teacher hears how all tasks went ("all"), or its own and those that
        nobody here drew ("own").
        """
        self.teachers = teachers
        self.gain = gain
        self.exploration = exploration
        self.forgetting = forgetting
        self.sample_size = sample_size
        self.max_history = max_history
        self.hear = hear

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._weights = [1.0 / len(self.children)] * len(self.children)  # they always sum to 1
        self._history = ProgressHistory(space, keep=self.max_history)
        self._scale = QuantileScale(self.sample_size)
        self._open = OpenDraws(space, 2)  # the teacher's number and its probability at the draw
        self._unrewarded: list[tuple[float, ...]] = []  # such notes on the last episodes

    def _check_hyperparameters(self) -> None:
        rules = [
            ("gain", self.gain in ("absolute", "signed"), "'absolute' or 'signed'"),
            ("exploration", 0.0 < self.exploration <= 1.0, "in (0, 1]"),
            ("forgetting", 0.0 <= self.forgetting <= 1.0, "in [0, 1]"),
            ("sample_size", self.sample_size >= 2, "at least 2"),
            ("max_history", self.max_history >= EVERY, f"at least {EVERY}"),
        ]
        check_ranges(self, rules)

    def probabilities(self) -> Floats:
        """Give the probability of drawing from each teacher, shape (number of teachers,)."""
        return np.array(self._probabilities())

    def _probabilities(self) -> list[float]:
        even = self.exploration / len(self._weights)
        return [(1.0 - self.exploration) * weight + even for weight in self._weights]

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]."""
        probabilities = self._probabilities()
        choices = choose(probabilities, self.rng.random(n))
        tasks = self._sample_from(choices)
        self._open.add(tasks, [(float(choice), probabilities[choice]) for choice in choices])
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Reward who drew the tasks of n finished episodes, shape (n, d), and hand these to the teachers."""
        tasks = self.checked(tasks, outcomes)
        notes = [note or UNKNOWN for note in self._open.take(tasks)]
        for part in stretches(len(tasks), len(self._unrewarded), EVERY):
            self._history.append(tasks[part], outcomes.scores[part])
            self._unrewarded += notes[part]
            if len(self._unrewarded) == EVERY:
                self._reward()
        self._tell(tasks, outcomes, np.array([choice for choice, _ in notes]))

    def _reward(self) -> None:
        """Turn the progress of the last episodes into weights."""
        progress = self._history.recent_progress(EVERY)
        gains = self._scale.scaled(np.abs(progress) if self.gain == "absolute" else progress, self.rng)
        for (choice, probability), gain in zip(self._unrewarded, gains.tolist(), strict=True):
            if choice >= 0.0:
                self._grow(int(choice), gain / probability)
        self._unrewarded = []

    def _grow(self, choice: int, estimated_gain: float) -> None:
        n = len(self._weights)
        self._weights[choice] *= math.exp(self.exploration * estimated_gain / n)
        grown = [weight + math.e * self.forgetting / n for weight in self._weights]  # they summed to 1
        total = sum(grown)
        self._weights = [weight / total for weight in grown]

    def diagnostics(self) -> dict[str, float]:
        """Give each teacher's present probability beside its share of all draws, and what it says itself."""
        present = zip(self.children, self.probabilities().tolist(), strict=True)
        return {f"{label}_probability": value for label, value in present} | super().diagnostics()

    def state_dict(self) -> dict[str, Any]:
        """Give the weights, what gains are measured on, the teachers' states, the open draws and the generator."""
        return {
            **super().state_dict(),
            "weights": np.array(self._weights),
            "unrewarded": np.array(self._unrewarded).reshape(-1, 2),
            "history": self._history.state_dict(),
            "scale": self._scale.state_dict(),
            "open": self._open.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_shapes("the teacher 'EXP3'", state, weights=(len(self._weights),))
        if len(state["unrewarded"]) >= EVERY or state["unrewarded"].shape[1:] != (2,):
            raise ValueError(f"unrewarded has a shape (n < {EVERY}, 2), found {state['unrewarded'].shape}.")
        self._weights = state["weights"].tolist()
        self._unrewarded = [tuple(note) for note in state["unrewarded"].tolist()]
        self._history.load_state_dict(state["history"])
        self._scale.load_state_dict(state["scale"])
        self._open.load_state_dict(state["open"])


class QuantileScale:
    """Puts numbers on a scale from 0 to 1 by the quantiles of a uniform sample of all so far (a reservoir).

    Of n numbers so far each is in the sample with the same probability (Vitter 1985, algorithm R).
    """

    LOW, HIGH = 0.2, 0.8

    def __init__(self, size: int) -> None:
        """Start empty. size: numbers in the sample."""
        self._sample = np.zeros(size)
        self._count = 0

    def scaled(self, numbers: Floats, rng: np.random.Generator) -> Floats:
        """Take n numbers in, shape (n,), and give them on the scale: 0 at the low quantile, 1 at the high one."""
        for number in numbers.tolist():
            place = self._count if self._count < len(self._sample) else int(rng.integers(self._count + 1))
            if place < len(self._sample):
                self._sample[place] = number
            self._count += 1
        low, high = np.quantile(self._sample[: min(self._count, len(self._sample))], (self.LOW, self.HIGH))
        if high <= low:
            return np.where(numbers > low, 1.0, 0.0)
        scaled: Floats = np.clip((numbers - low) / (high - low), 0.0, 1.0)
        return scaled

    def state_dict(self) -> dict[str, Any]:
        """Give the sample and the count."""
        return {"sample": self._sample.copy(), "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError for a sample of another size."""
        check_shapes("a scale of gains", state, sample=self._sample.shape)
        self._sample, self._count = state["sample"].copy(), state["count"]
