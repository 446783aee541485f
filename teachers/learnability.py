"""Sampling for learnability: train where success is neither certain nor out of reach, judged by training episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import covered_share, evenness, kernel_density, reference_points, spread_in_cells
from lifelong_rl.teachers.states import check_rows, check_shapes

RANDOM, LEARNABILITY, PROGRESS = range(3)


class Learnability(Teacher):
    """Sampling for learnability, p (1 - p), without extra rollouts (after SFL, Rutherford et al. 2024).

    Every ``refresh_every`` episodes ``n_candidates`` uniform tasks join the kept ones. Each is judged by the
    ``n_neighbours`` nearest of the last ``window`` episodes, distances of :meth:`TaskSpace.embed`: their scores are
    fractional successes of a Beta(1, 1) prior, and its learnability is the posterior mean of p (1 - p), which is
    below the p (1 - p) of the mean where the neighbours are few. The ``n_kept`` best are kept and replayed until
    the next refresh. A draw is uniform with probability ``random_fraction``, one of the most learnable with
    ``learnability_fraction``, else one of those with the most progress, the difference of the mean score between
    the newer and the older half of the neighbours (drawn in proportion to it).

    The paper rolls out thousands of tasks to estimate p; here p is that of training episodes near by, free of cost
    but as old as the window. Kept: ``window`` episodes and the candidates, whatever the number of episodes.
    """

    def __init__(
        self,
        n_candidates: int = 200,
        n_kept: int = 50,
        refresh_every: int = 50,
        window: int = 1000,
        n_neighbours: int = 5,
        learnability_fraction: float = 0.8,
        random_fraction: float = 0.2,
        jitter: float = 0.0,
        use_success: bool = False,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        n_candidates: uniform tasks judged at a refresh, at most 2,000. n_kept: tasks replayed, at most the
        candidates. refresh_every: episodes between refreshes. window: episodes judged by, at most 10,000.
        n_neighbours: of a candidate, at least 2 and at most the window. learnability_fraction, random_fraction:
        shares of draws in [0, 1], what they leave of 1 goes to progress. jitter: standard deviation of a Gaussian
        on a replayed task's real axes, in the unit cube, reflected at the faces. use_success: judge by successes
        instead of scores.
        """
        self.n_candidates = n_candidates
        self.n_kept = n_kept
        self.refresh_every = refresh_every
        self.window = window
        self.n_neighbours = n_neighbours
        self.learnability_fraction = learnability_fraction
        self.random_fraction = random_fraction
        self.jitter = jitter
        self.use_success = use_success

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._tasks = np.empty((self.window, space.dimension))  # rings: episode i stands at i % window
        self._scores = np.empty(self.window)
        self._n_episodes = 0
        self._n_drawn = np.zeros(3, dtype=np.int64)  # by source
        self._learnable = np.empty((0, space.dimension))
        self._progressing = np.empty((0, space.dimension))
        self._cumulative_progress = np.empty(0)
        self._mean_learnability = self._mean_progress = 0.0
        self._is_real = np.array([feature.kind == "real" for feature in space.features])

    def _check_hyperparameters(self) -> None:
        learnability, random = self.learnability_fraction, self.random_fraction
        rules = [
            ("n_candidates", 1 <= self.n_candidates <= 2000, "in 1, ..., 2000"),
            ("n_kept", 1 <= self.n_kept <= self.n_candidates, "at least 1 and at most n_candidates"),
            ("refresh_every", self.refresh_every >= 1, "at least 1"),
            ("window", 2 <= self.window <= 10_000, "in 2, ..., 10000"),
            ("n_neighbours", 2 <= self.n_neighbours <= self.window, "at least 2 and at most the window"),
            ("random_fraction", 0.0 <= random <= 1.0, "in [0, 1]"),
            ("learnability_fraction", 0.0 <= learnability <= 1.0 + 1e-9 - random, "in [0, 1 - random_fraction]"),
            ("jitter", self.jitter >= 0.0, "at least 0"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        if self.jitter:
            rows = [self._draw(1) for _ in range(n)]  # the normal numbers of a task follow its uniform ones
            return np.concatenate([np.empty((0, self.space.dimension)), *rows])
        return self._draw(n)

    def _draw(self, n: int) -> Floats:
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + self.space.dimension))
        tasks = uniform[:, 2:].copy()
        source = self._sources(uniform[:, 0])
        for kind in source.tolist():
            self._n_drawn[kind] += 1
        if (rows := source == LEARNABILITY).any():
            choice = (uniform[rows, 1] * len(self._learnable)).astype(np.int64)
            tasks[rows] = self._near(self._learnable[choice])
        if (rows := source == PROGRESS).any():
            shares = self._cumulative_progress
            choice = np.searchsorted(shares, uniform[rows, 1] * shares[-1], side="right")
            tasks[rows] = self._near(self._progressing[np.minimum(choice, len(shares) - 1)])
        return tasks

    def _sources(self, uniform: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
        if not len(self._learnable):
            return np.zeros(len(uniform), dtype=np.int64)
        # 1e-9: shares that sum to 1 but for rounding leave nothing to progress
        edges = np.array([self.random_fraction, self.random_fraction + self.learnability_fraction + 1e-9])
        return np.searchsorted(edges, uniform, side="right")

    def _near(self, tasks: Floats) -> Floats:
        if not self.jitter:
            return tasks
        moved = tasks + self.jitter * self._is_real * self.rng.standard_normal(tasks.shape)
        return np.clip(np.where(moved < 0.0, -moved, np.where(moved > 1.0, 2.0 - moved, moved)), 0.0, 1.0)

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and refresh at every ``refresh_every``-th of all."""
        tasks = self.checked(tasks, outcomes)
        scores = outcomes.successes.astype(np.float64) if self.use_success else outcomes.scores
        for i in range(len(tasks)):
            slot = self._n_episodes % self.window
            self._tasks[slot], self._scores[slot] = tasks[i], scores[i]
            self._n_episodes += 1
            if self._n_episodes % self.refresh_every == 0 and self._n_episodes >= self.n_neighbours:
                self._refresh()

    def _recent(self) -> tuple[Floats, Floats]:
        """Give tasks and scores of the last episodes, oldest first."""
        if self._n_episodes <= self.window:
            return self._tasks[: self._n_episodes], self._scores[: self._n_episodes]
        start = self._n_episodes % self.window
        return np.roll(self._tasks, -start, axis=0), np.roll(self._scores, -start)

    def _refresh(self) -> None:
        fresh = self.rng.random((self.n_candidates, self.space.dimension))
        pool = np.concatenate([self._learnable, self._progressing, fresh])
        learnability, progress = self.judged(pool)
        best = np.argsort(-learnability, kind="stable")[: self.n_kept]
        self._learnable, self._mean_learnability = pool[best], float(learnability[best].mean())
        if self.random_fraction + self.learnability_fraction < 1.0 - 1e-9:
            best = np.argsort(-progress, kind="stable")[: self.n_kept]
            self._progressing, self._mean_progress = pool[best], float(progress[best].mean())
            # 1e-9: without any progress all of them are as good
            self._cumulative_progress = np.cumsum(progress[best] + 1e-9)

    def judged(self, tasks: Floats) -> tuple[Floats, Floats]:
        """Give learnability in [0, 1/4] and absolute progress in [0, 1], each (n,), of n tasks, shape (n, d)."""
        played, scores = self._recent()
        tree = cKDTree(self.space.embed(played))
        nearest = np.sort(tree.query(self.space.embed(tasks), self.n_neighbours)[1], axis=1)  # oldest first
        values = scores[nearest]
        successes, k = values.sum(axis=1), self.n_neighbours
        learnability = (1.0 + successes) * (1.0 + k - successes) / ((k + 2.0) * (k + 3.0))
        half = k // 2
        progress = np.abs(values[:, -half:].mean(axis=1) - values[:, :half].mean(axis=1))
        return learnability, progress

    def density(self, points: Floats) -> Floats:
        """Give the density of the next draw at points, shape (n, d); shape (n,). Replayed tasks as narrow kernels."""
        points = self.space.check_points(points)
        if not len(self._learnable):
            return np.ones(len(points))
        progress_fraction = max(0.0, 1.0 - self.random_fraction - self.learnability_fraction)
        density = self.random_fraction + self.learnability_fraction * kernel_density(
            points, spread_in_cells(self._learnable, self.space)
        )
        if len(self._progressing):
            density += progress_fraction * kernel_density(points, spread_in_cells(self._progressing, self.space))
        return density

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        mean_learnability (in [0, 1/4]), mean_alp: of the kept tasks. entropy: of the density on about 1,000 points,
        in [0, 1]. coverage: share of about 1,000 cells that the window's episodes lie in. random_share,
        learnability_share, progress_share: sources of all tasks drawn so far.
        """
        numbers = {"entropy": evenness(self.density(reference_points(self.space)))}
        if self._n_episodes:
            numbers["coverage"] = covered_share(self._recent()[0], self.space)
        if len(self._learnable):
            numbers["mean_learnability"] = self._mean_learnability
        if len(self._progressing):
            numbers["mean_alp"] = self._mean_progress
        if n_drawn := int(self._n_drawn.sum()):
            shares = (self._n_drawn / n_drawn).tolist()
            numbers.update(zip(("random_share", "learnability_share", "progress_share"), shares, strict=True))
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give the window, the kept tasks, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        n = min(self._n_episodes, self.window)
        return {
            **super().state_dict(),
            "tasks": self._tasks[:n].copy(),
            "scores": self._scores[:n].copy(),
            "n_episodes": self._n_episodes,
            "n_drawn": self._n_drawn.copy(),
            "learnable": self._learnable.copy(),
            "progressing": self._progressing.copy(),
            "cumulative_progress": self._cumulative_progress.copy(),
            "mean_learnability": self._mean_learnability,
            "mean_progress": self._mean_progress,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_rows(f"the teacher {type(self).__name__!r}", state, "tasks", "scores")
        check_shapes(f"the teacher {type(self).__name__!r}", state, n_drawn=self._n_drawn.shape)
        n = len(state["scores"])
        self._tasks[:n], self._scores[:n] = state["tasks"], state["scores"]
        self._n_episodes, self._n_drawn = state["n_episodes"], state["n_drawn"].copy()
        self._learnable, self._progressing = state["learnable"].copy(), state["progressing"].copy()
        self._cumulative_progress = state["cumulative_progress"].copy()
        self._mean_learnability, self._mean_progress = state["mean_learnability"], state["mean_progress"]
