"""Prioritized Level Replay (PLR) over a task space: replay the tasks from which there is most left to learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import (
    cell_numbers,
    covered_share,
    evenness,
    kernel_density,
    n_cells,
    spread_in_cells,
)
from lifelong_rl.teachers.ranking import Ranking
from lifelong_rl.teachers.states import check_rows

Score: TypeAlias = Literal["positive_value_loss", "max_mc", "learnability", "absolute_progress"]

NEEDS: dict[str, frozenset[str]] = {
    "positive_value_loss": frozenset({"positive_value_loss"}),
    "max_mc": frozenset({"mean_value"}),
    "learnability": frozenset(),
    "absolute_progress": frozenset(),
}
"""The ways to score a level, and what each needs of the learner."""

NEW, REPLAYED = 0, 1
"""Where a task comes from; ACCEL adds children."""


class PLR(Teacher):
    """Prioritized Level Replay (Jiang et al. 2021a), its levels being points of a task space.

    Keeps a buffer of ``capacity`` tasks ("levels") with a score each: how much there seems to be left to learn. Once
    the buffer is ``min_fill`` full, a task is replayed with probability ``replay_probability``; else it is new and
    uniform. A space of integers and categories alone may have fewer distinct tasks than ``capacity``: the buffer is
    then full with all of them, and as none is new any more, every task is replayed. A level is replayed with
    probability

        P = (1 - staleness) * P_score + staleness * P_stale,

    P_score proportional to rank^(-1 / temperature), where the highest score has rank 1 and equal ones a random
    order, and P_stale to the number of tasks drawn since the level was last. Every episode of a level renews its
    score. A new task enters a full buffer in place of the level with the lowest score, if its own is higher.

    Scores: "positive_value_loss", the mean of max(generalised advantage estimate, 0) over the episode;
    "max_mc", the highest return seen on the level minus the mean value estimate; "learnability", p (1 - p) where p
    is the level's running mean of outcome scores; "absolute_progress", the change of that mean by an episode (for a
    new level: from the nearest level's mean). The first two need an agent that gives them; the others need none.

    Memory: ``capacity`` levels of d + 5 numbers, whatever the number of episodes.
    """

    def __init__(
        self,
        score: Score = "positive_value_loss",
        capacity: int = 1000,
        min_fill: float = 0.5,
        replay_probability: float = 0.8,
        temperature: float = 0.3,
        staleness: float = 0.3,
        memory: float = 0.5,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        score: how levels are scored, see above. capacity: levels kept. min_fill: share of the capacity (of the
        space's distinct tasks, where they are fewer) that is filled with new tasks before any is replayed, in
        (0, 1]. replay_probability: share of replayed tasks after
        that, in [0, 1]. temperature: above 0; lower prefers the first ranks more. staleness: the share of P_stale, in
        [0, 1]. memory: the share of what was before in a level's running mean of outcome scores, in [0, 1): 0 is the
        newest score alone, the quickest to see that a level is learned; scores that are 0 or 1 need more.
        """
        self.score = score
        self.capacity = capacity
        self.min_fill = min_fill
        self.replay_probability = replay_probability
        self.temperature = temperature
        self.staleness = staleness
        self.memory = memory

    @property
    def needs(self) -> frozenset[str]:
        """What the score is made of."""
        return NEEDS.get(self.score, frozenset())

    @property
    def untrained(self) -> NDArray[np.bool_] | None:
        """Which of the last tasks were not replayed, where the teacher is selective."""
        return np.array(self._sources) != REPLAYED if self.is_selective else None

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        n = self.capacity
        self._levels = np.empty((n, space.dimension))
        self._drawn_at = np.zeros(n, dtype=np.int64)  # the count of draws when the level was drawn last
        self._best = np.empty(n)  # highest return
        self._mean = np.empty(n)  # running mean of outcome scores
        self._sources: list[int] = []  # of the tasks drawn last
        self._drawn = [0, 0, 0]  # tasks drawn from each source
        self._ranking = Ranking(n, self.temperature)  # of the slots
        self._slots: dict[bytes, int] = {}
        self._n_tasks = n_distinct_tasks(space)
        self._n_to_replay = max(1, int(np.ceil(self.min_fill * min(n, self._n_tasks))))

    def _check_hyperparameters(self) -> None:
        rules = [
            ("score", self.score in get_args(Score), f"one of {', '.join(get_args(Score))}"),
            ("capacity", self.capacity >= 1, "at least 1"),
            ("min_fill", 0.0 < self.min_fill <= 1.0, "in (0, 1]"),
            ("replay_probability", 0.0 <= self.replay_probability <= 1.0, "in [0, 1]"),
            ("temperature", 0.0 < self.temperature < np.inf, "above 0"),
            ("staleness", 0.0 <= self.staleness <= 1.0, "in [0, 1]"),
            ("memory", 0.0 <= self.memory < 1.0, "in [0, 1)"),
        ]
        check_ranges(self, rules)

    # Drawing

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d): replayed levels and new points."""
        tasks = np.empty((n, self.space.dimension))
        sources = []
        for i in range(n):
            tasks[i], source = self._next()
            sources.append(source)
            self._drawn[source] += 1
        self._sources = sources
        return tasks

    def _next(self) -> tuple[Floats, int]:
        """Give one task and where it comes from."""
        is_filled = len(self._ranking) >= self._n_to_replay
        if is_filled and (self.rng.random() < self.replay_probability or self._knows_all):
            is_stale = self.rng.random() < self.staleness
            slot = self._stale_slot() if is_stale else self._ranking.draw(self.rng.random())
            self._drawn_at[slot] = self._n_drawn + 1
            return self._levels[slot], REPLAYED
        return self.space.snap(self.rng.random((1, self.space.dimension)))[0], NEW

    @property
    def _n_drawn(self) -> int:
        return sum(self._drawn)

    @property
    def _knows_all(self) -> bool:
        """Whether every task of the space is in the buffer: none can be new."""
        return len(self._ranking) >= self._n_tasks

    def _stale_slot(self) -> int:
        ages = self._n_drawn - self._drawn_at[: len(self._ranking)]
        cumulative = np.cumsum(ages)
        if not cumulative[-1]:
            return int(self.rng.integers(len(ages)))
        return int(np.searchsorted(cumulative, self.rng.random() * cumulative[-1], side="right"))

    # Learning

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Score the levels that n episodes played, and let new ones into the buffer."""
        tasks = self.checked(tasks, outcomes)
        extra = outcomes.extra.get(next(iter(self.needs), ""), outcomes.scores)
        columns = outcomes.returns.tolist(), outcomes.scores.tolist(), extra.tolist()
        for level, *numbers in zip(self.space.snap(tasks), *columns, strict=True):
            slot = self._slots.get(level.tobytes())
            self._learn(level, slot, *numbers)

    def _learn(self, level: Floats, slot: int | None, episode_return: float, outcome: float, extra: float) -> None:
        if slot is None:
            self._meet(level, episode_return, outcome, extra)
        else:
            before = float(self._mean[slot])
            mean = self.memory * before + (1.0 - self.memory) * outcome
            best = max(float(self._best[slot]), episode_return)
            self._ranking.put(slot, self._score(best, before, mean, extra), self.rng.random())
            self._best[slot], self._mean[slot] = best, mean

    def _meet(self, level: Floats, episode_return: float, outcome: float, extra: float) -> None:
        """Take a new level in, unless the buffer is full of better ones."""
        before = self._nearest_mean(level, outcome) if self.score == "absolute_progress" else outcome
        score = self._score(episode_return, before, outcome, extra)
        slot = len(self._ranking)
        if slot == self.capacity:
            lowest, slot = self._ranking.lowest
            if score <= lowest:
                return
            del self._slots[self._levels[slot].tobytes()]
        self._levels[slot] = level
        self._slots[level.tobytes()] = slot
        self._drawn_at[slot] = self._n_drawn
        self._best[slot], self._mean[slot] = episode_return, outcome
        self._ranking.put(slot, score, self.rng.random())

    def _nearest_mean(self, level: Floats, otherwise: float) -> float:
        n = len(self._ranking)
        if not n:
            return otherwise
        gaps = self.space.embed(self._levels[:n]) - self.space.embed(level[None])
        return float(self._mean[np.einsum("ij,ij->i", gaps, gaps).argmin()])

    def _score(self, best: float, before: float, mean: float, extra: float) -> float:
        """Give a level's score. before, mean: its mean outcome before and after the episode; extra: as needed."""
        if self.score == "positive_value_loss":
            return extra
        if self.score == "max_mc":
            return best - extra
        if self.score == "learnability":
            return mean * (1.0 - mean)
        return abs(mean - before)

    # What is seen and saved

    def probabilities(self) -> Floats:
        """Give the probability of each level in the buffer when a level is replayed, shape (n,), slot by slot."""
        n = len(self._ranking)
        ages = (self._n_drawn - self._drawn_at[:n]).astype(np.float64)
        by_age = ages / ages.sum() if ages.any() else np.full(n, 1.0 / n)
        mixed: Floats = (1.0 - self.staleness) * self._ranking.probabilities() + self.staleness * by_age
        return mixed

    @property
    def _replayed_share(self) -> float:
        if self._knows_all:
            return 1.0
        return self.replay_probability if len(self._ranking) >= self._n_to_replay else 0.0

    def density(self, points: Floats) -> Floats:
        """Give the density of tasks at points of shape (n, d); levels count as narrow Gaussians; shape (n,)."""
        points = self.space.check_points(points)
        share = self._replayed_share
        uniform = np.full(len(points), 1.0 - share)
        if not share:
            return uniform
        ranks = np.cumsum(self.probabilities())
        # 1,000 even quantiles of the levels: draws without chance, so that looking changes nothing
        chosen = np.searchsorted(ranks, (np.arange(1000) + 0.5) / 1000 * ranks[-1])
        return uniform + share * kernel_density(points, spread_in_cells(self._levels[chosen], self.space))

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        n_levels and mean_score of the buffer; coverage: share of about 1,000 cells of the cube that have a level;
        entropy: of the probability of drawing from each of those cells (1 is uniform); random_share, replay_share
        and child_share: sources of all tasks drawn so far.
        """
        n = len(self._ranking)
        numbers = {"n_levels": float(n)}
        if n:
            numbers["mean_score"] = float(self._ranking.scores.mean())
            numbers["coverage"] = covered_share(self._levels[:n], self.space)
            if (entropy := self._entropy()) is not None:
                numbers["entropy"] = entropy
        if self._n_drawn:
            names = ("random_share", "replay_share", "child_share")
            numbers |= {name: n / self._n_drawn for name, n in zip(names, self._drawn, strict=True)}
        return numbers

    def _entropy(self) -> float | None:
        if n_cells(self.space) > 10_000:
            return None  # more cells than can be counted at each look
        cells = cell_numbers(self._levels[: len(self._ranking)], self.space)
        shares = np.full(int(n_cells(self.space)), 1.0 - self._replayed_share) / n_cells(self.space)
        np.add.at(shares, cells, self._replayed_share * self.probabilities())
        return evenness(shares)

    def state_dict(self) -> dict[str, Any]:
        """Give the levels with all that is known of each, counters and generator."""
        n = len(self._ranking)
        return {
            **super().state_dict(),
            "levels": self._levels[:n].copy(),
            "ranked": self._ranking.to_array(),
            "drawn_at": self._drawn_at[:n].copy(),
            "best": self._best[:n].copy(),
            "mean": self._mean[:n].copy(),
            "drawn": list(self._drawn),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_rows("the teacher 'PLR'", state, "levels", "drawn_at", "best", "mean", "ranked")
        n = len(state["levels"])
        for name, array in (("levels", self._levels), ("drawn_at", self._drawn_at)):
            array[:n] = state[name]
        self._best[:n], self._mean[:n] = state["best"], state["mean"]
        self._drawn = list(state["drawn"])
        self._ranking.take(state["ranked"])
        self._slots = {level.tobytes(): slot for slot, level in enumerate(self._levels[:n])}


class RobustPLR(PLR):
    """Robust PLR (Jiang et al. 2021b): as PLR, and the agent trains on replayed levels only.

    New tasks are played to score them, and leave no trace in the agent: until the buffer is ``min_fill`` full it does
    not train at all. So give ``capacity * min_fill`` a small part of the episodes that a run has.
    """

    @property
    def is_selective(self) -> bool:
        """True: new tasks are only looked at."""
        return True


def n_distinct_tasks(space: TaskSpace) -> float:
    """Give how many tasks a space has that are not the same; infinity where a feature is real."""
    counts = [feature.n_values for feature in space.features]
    return math.prod(math.inf if n is None else n for n in counts)
