"""The human curriculum: subjects and levels in blocks, clusters, a spiral or interleaved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import evenness
from lifelong_rl.teachers.states import check_shapes

Integers = NDArray[np.int64]
Order = Literal["block", "cluster", "spiral", "interleave", "random"]


class Interleaved(Teacher):
    """A fixed order of items (subject, level), as schools arrange them: no learning, a baseline for those that do.

    The subject is one axis: each choice of a category, else ``n_subjects`` equal parts. The level is the largest of
    the other axes that are no categories (a task is as hard as its hardest feature), or the one axis that is named,
    in ``n_levels`` equal parts. In a space of one real axis each subject's part is cut into the levels; where there
    is nothing to tell levels by, there is one. Within an item the task is uniform. The orders, as stages whose items
    take turns episode by episode:

    - block: subject by subject, its levels from low to high; a stage is one item;
    - cluster: ``cluster_size`` subjects together, then the next; a stage is one level of them;
    - spiral: level by level, and in it subject by subject; a stage is one item;
    - interleave: level by level; a stage is one level of all subjects;
    - random: one stage of all items, each round of them shuffled.

    A stage lasts ``episodes_per_item`` draws an item; after the last one the first begins again. With a
    ``mastery_threshold`` it lasts until the mean score of its last so many episodes reaches that, at most
    ``patience`` times as long. Kept: the scores of one stage, whatever the number of episodes.
    """

    def __init__(
        self,
        order: Order = "interleave",
        subject_axis: str | None = None,
        level_axis: str | None = None,
        n_subjects: int = 4,
        n_levels: int = 4,
        episodes_per_item: int = 50,
        cluster_size: int = 2,
        mastery_threshold: float | None = None,
        patience: int = 10,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        order: see above. subject_axis: a feature's name; None for the first that is no real, else the first of all.
        level_axis: a feature's name; None for the largest of the others. n_subjects, n_levels: parts. The others:
        see above; mastery_threshold in (0, 1], or None for the plain schedule.
        """
        self.order = order
        self.subject_axis = subject_axis
        self.level_axis = level_axis
        self.n_subjects = n_subjects
        self.n_levels = n_levels
        self.episodes_per_item = episodes_per_item
        self.cluster_size = cluster_size
        self.mastery_threshold = mastery_threshold
        self.patience = patience

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._choose_axes()
        self._stages = stages_of(self.order, self._n_subjects, self._n_levels, self.cluster_size)
        self._stage = self._n_in_stage = 0
        self._n_drawn = np.zeros((self._n_subjects, self._n_levels), dtype=np.int64)
        self._scores: list[float] = []  # of episodes of this stage
        self._round: list[int] = []  # what is left of a shuffled round

    def _check_hyperparameters(self) -> None:
        threshold = self.mastery_threshold
        rules = [
            ("order", self.order in get_args(Order), "'" + "', '".join(get_args(Order)) + "'"),
            ("n_subjects", self.n_subjects >= 1, "at least 1"),
            ("n_levels", self.n_levels >= 1, "at least 1"),
            ("episodes_per_item", self.episodes_per_item >= 1, "at least 1"),
            ("cluster_size", self.cluster_size >= 1, "at least 1"),
            ("mastery_threshold", threshold is None or 0.0 < threshold <= 1.0, "None or in (0, 1]"),
            ("patience", self.patience >= 1, "at least 1"),
        ]
        check_ranges(self, rules)

    def _choose_axes(self) -> None:
        features, names = self.space.features, [feature.name for feature in self.space.features]
        for name in (self.subject_axis, self.level_axis):
            if name is not None and name not in names:
                raise unknown_name("free feature", name, names)
        if self.subject_axis is not None and self.subject_axis == self.level_axis:
            raise ValueError(f"subject_axis and level_axis must differ, found {self.level_axis!r} for both.")
        free = [axis for axis, name in enumerate(names) if name != self.level_axis] or [0]
        discrete = [axis for axis in free if features[axis].kind != "real"]
        self._subject = names.index(self.subject_axis) if self.subject_axis is not None else (discrete or free)[0]
        subject = features[self._subject]
        n_values = subject.n_values
        self._n_subjects = n_values if subject.kind == "category" and n_values else self.n_subjects
        if n_values is not None:
            self._n_subjects = min(self._n_subjects, n_values)
        others = [axis for axis, f in enumerate(features) if axis != self._subject and f.kind != "category"]
        self._level_axes = [names.index(self.level_axis)] if self.level_axis is not None else others
        if self._subject in self._level_axes:  # a space of one axis
            self._level_axes = []
        self._is_nested = not self._level_axes and subject.kind == "real"
        self._n_levels = self.n_levels if self._level_axes or self._is_nested else 1
        # An integer's values are not torn apart: the edges of the subjects stand between values.
        n = n_values or self._n_subjects
        self._edges = -(-np.arange(self._n_subjects + 1) * n // self._n_subjects) / n

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        tasks = np.empty((n, self.space.dimension))
        for row in range(n):
            subject, level = self._next_item()
            self._n_drawn[subject, level] += 1
            tasks[row] = self._task(subject, level)
        return tasks

    def _next_item(self) -> tuple[int, int]:
        items = self._stages[self._stage]
        if self.mastery_threshold is None and self._n_in_stage == self.episodes_per_item * len(items):
            self._begin_next_stage()
            items = self._stages[self._stage]
        if self.order == "random":
            if not self._round:
                self._round = self.rng.permutation(len(items)).tolist()
            item = items[self._round.pop()]
        else:
            item = items[self._n_in_stage % len(items)]
        self._n_in_stage += 1
        return item

    def _begin_next_stage(self) -> None:
        self._stage = (self._stage + 1) % len(self._stages)
        self._n_in_stage, self._scores = 0, []

    def _task(self, subject: int, level: int) -> Floats:
        task = self.rng.random(self.space.dimension)
        low, high = self._edges[subject], self._edges[subject + 1]
        if self._is_nested:
            low, high = low + (high - low) * np.array([level, level + 1]) / self._n_levels
        task[self._subject] = min(low + (high - low) * task[self._subject], 1.0)
        if m := len(self._level_axes):
            # The largest of m uniform numbers has the distribution function x^m; the others are uniform below it.
            edges = (np.array([level, level + 1]) / self._n_levels) ** m
            largest = (edges[0] + (edges[1] - edges[0]) * self.rng.random()) ** (1.0 / m)
            task[self._level_axes] *= largest
            task[self._level_axes[int(self.rng.random() * m)]] = largest
        return task

    def items(self, tasks: Floats) -> tuple[Integers, Integers]:
        """Give the subject and the level of n tasks, shape (n, d); both of shape (n,), counted from 0."""
        points = self.space.check_points(tasks)
        subjects = np.searchsorted(self._edges[1:-1], points[:, self._subject], side="right").astype(np.int64)
        if self._is_nested:
            low, high = self._edges[subjects], self._edges[subjects + 1]
            share = (points[:, self._subject] - low) / (high - low)
        elif self._level_axes:
            share = points[:, self._level_axes].max(axis=1)
        else:
            share = np.zeros(len(points))
        levels = np.clip((share * self._n_levels).astype(np.int64), 0, self._n_levels - 1)
        return subjects, levels

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Count n finished episodes, tasks of shape (n, d), towards mastery of the stage where one is asked for."""
        tasks = self.checked(tasks, outcomes)
        if self.mastery_threshold is None:
            return
        for item, score in zip(np.stack(self.items(tasks), axis=1).tolist(), outcomes.scores.tolist(), strict=True):
            items = self._stages[self._stage]
            if tuple(item) in items:
                self._scores.append(score)
            n_enough = self.episodes_per_item * len(items)
            is_mastered = len(self._scores) >= n_enough and (
                sum(self._scores[-n_enough:]) >= self.mastery_threshold * n_enough
            )
            if is_mastered or len(self._scores) >= self.patience * n_enough:
                self._begin_next_stage()

    def density(self, points: Floats) -> Floats:
        """Give the density of the present stage at points, shape (n, d); shape (n,)."""
        subjects, levels = self.items(points)
        in_stage = np.zeros((self._n_subjects, self._n_levels))
        for item in self._stages[self._stage]:
            in_stage[item] = 1.0 / len(self._stages[self._stage])
        edges = (np.arange(self._n_levels + 1) / self._n_levels) ** max(1, len(self._level_axes))
        density: Floats = (in_stage / np.outer(np.diff(self._edges), np.diff(edges)))[subjects, levels]
        return density

    def diagnostics(self) -> dict[str, float]:
        """Give the stage (from 0), its mean subject and level (from 0), and entropy and coverage of items so far.

        entropy: of the numbers of draws an item, in [0, 1]; coverage: share of items drawn.
        """
        items = np.array(self._stages[self._stage], dtype=np.float64)
        numbers = {
            "stage": float(self._stage),
            "subject": float(items[:, 0].mean()),
            "level": float(items[:, 1].mean()),
            "coverage": float((self._n_drawn > 0).mean()),
        }
        if self._n_drawn.any():
            numbers["entropy"] = evenness(self._n_drawn.ravel().astype(np.float64))
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give the place in the schedule, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "stage": self._stage,
            "n_in_stage": self._n_in_stage,
            "n_drawn": self._n_drawn.copy(),
            "scores": np.array(self._scores),
            "round": np.array(self._round, dtype=np.int64),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_shapes(f"the teacher {type(self).__name__!r}", state, n_drawn=self._n_drawn.shape)
        if not state["stage"] < len(self._stages):
            raise ValueError(f"the stage is one of {len(self._stages)}, from 0, found {state['stage']}.")
        self._stage, self._n_in_stage = state["stage"], state["n_in_stage"]
        self._n_drawn = state["n_drawn"].copy()
        self._scores, self._round = state["scores"].tolist(), state["round"].tolist()


def stages_of(order: str, n_subjects: int, n_levels: int, cluster_size: int) -> list[list[tuple[int, int]]]:
    """Give the stages of an order, each the (subject, level) items that take turns in it.

    >>> stages_of("spiral", 2, 2, 1)
    [[(0, 0)], [(1, 0)], [(0, 1)], [(1, 1)]]
    >>> stages_of("interleave", 2, 2, 1)
    [[(0, 0), (1, 0)], [(0, 1), (1, 1)]]
    """
    subjects, levels = range(n_subjects), range(n_levels)
    if order == "block":
        return [[(subject, level)] for subject in subjects for level in levels]
    if order == "spiral":
        return [[(subject, level)] for level in levels for subject in subjects]
    if order == "interleave":
        return [[(subject, level) for subject in subjects] for level in levels]
    if order == "cluster":
        clusters = [subjects[start : start + cluster_size] for start in range(0, n_subjects, cluster_size)]
        return [[(subject, level) for subject in cluster] for cluster in clusters for level in levels]
    return [[(subject, level) for level in levels for subject in subjects]]
