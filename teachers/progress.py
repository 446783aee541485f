"""Learning progress: every task played, its score, and how far that is from its nearest earlier task's."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats
from lifelong_rl.teachers.states import check_rows

N_WITHOUT_PROGRESS = 6
"""The first episodes have no progress: it is 0 while 5 or fewer tasks are stored."""

_ROWS = 256  # queries compared at once: bounds the memory for distances

_IS_NOT_EARLIER = np.triu(
    np.ones((_ROWS, _ROWS), dtype=np.bool_)
)  # [i, j]: is the j-th of some rows not before the i-th


class ProgressHistory:
    """All episodes in the order they ended, with the learning progress of each: signed, and absolute (ALP).

    The progress of an episode = its score - the score of the nearest earlier task, over the whole history; 0 for the
    first six. Its size is the ALP of Portelas et al. 2019, section 3.2; above 0 the agent learns, below 0 it forgets.
    Distances are those of :meth:`TaskSpace.embed`. Of identical tasks the latest counts.

    Progress is measured when it is asked for, all new episodes at once: a kd-tree of the distinct old tasks, built at
    episode counts that depend on nothing but the count, and plain distances to the episodes since. So the result
    does not depend on when or how often it is asked for, nor on how episodes were batched. All that have not been
    measured yet are measured at the next question: who wants no long call asks often.

    It keeps 2 d + 2 numbers an episode and the tree, of all episodes or of fewer than 2 * keep.
    """

    def __init__(self, space: TaskSpace, keep: int | None = None) -> None:
        """Start empty. keep: at 2 * keep episodes the older half is forgotten; None never forgets."""
        self._space = space
        self._keep = keep
        self._rows = np.empty((_ROWS, space.dimension))
        self._points = np.empty((_ROWS, space.embed(np.zeros((1, space.dimension))).shape[1]))  # rows, embedded
        self._scores = np.empty(_ROWS)
        self._progress = np.empty(_ROWS)
        self._count = 0
        self._n_measured = 0
        self._n_in_tree = 0
        self._tree: cKDTree | None = None
        self._latest = np.empty(0, dtype=np.intp)  # the last episode of each task in the tree

    def __len__(self) -> int:
        return self._count

    @property
    def tasks(self) -> Floats:
        """The tasks, shape (n, d); a view that the next :meth:`append` may overwrite."""
        return self._rows[: self._count]

    @property
    def scores(self) -> Floats:
        """The scores, shape (n,); a view as :attr:`tasks`."""
        return self._scores[: self._count]

    @property
    def signed_progress(self) -> Floats:
        """The progress of each episode, shape (n,) in [-1, 1]; a view as :attr:`tasks`."""
        self._measure()
        return self._progress[: self._count]

    @property
    def progress(self) -> Floats:
        """The absolute learning progress of each episode, shape (n,) in [0, 1]."""
        return np.abs(self.signed_progress)

    def recent_progress(self, n: int) -> Floats:
        """Give the signed progress of the last ``n`` episodes (fewer where there are fewer); a view."""
        self._measure()
        return self._progress[max(0, self._count - n) : self._count]

    def append(self, tasks: Floats, scores: Floats) -> None:
        """Add n episodes: copies of tasks, shape (n, d), and of scores, shape (n,)."""
        while len(tasks):
            n = len(tasks) if self._keep is None else min(len(tasks), 2 * self._keep - self._count)
            self._reserve(self._count + n)
            self._rows[self._count : self._count + n] = tasks[:n]
            self._points[self._count : self._count + n] = self._space.embed(tasks[:n])
            self._scores[self._count : self._count + n] = scores[:n]
            self._count += n
            tasks, scores = tasks[n:], scores[n:]
            if self._keep is not None and self._count == 2 * self._keep:
                self._forget(self._keep)

    def _reserve(self, n: int) -> None:
        if n > len(self._scores):
            spare = max(n, 2 * len(self._scores)) - len(self._scores)
            self._rows = np.concatenate([self._rows, np.empty((spare, self._rows.shape[1]))])
            self._points = np.concatenate([self._points, np.empty((spare, self._points.shape[1]))])
            self._scores = np.concatenate([self._scores, np.empty(spare)])
            self._progress = np.concatenate([self._progress, np.empty(spare)])

    def _forget(self, n: int) -> None:
        self._measure()
        for array in (self._rows, self._points, self._scores, self._progress):
            array[: self._count - n] = array[n : self._count].copy()
        self._count -= n
        self._n_measured = self._count
        self._plant(self._count)

    def _measure(self) -> None:
        while self._n_measured < self._count:
            # sqrt: balances the tree's building against the distances to what is not in it
            due = self._n_in_tree + max(256, 8 * isqrt(self._n_in_tree))
            stop = min(self._count, due, self._n_measured + _ROWS)
            if stop - self._n_measured == 1:
                self._measure_row(self._n_measured)
            else:
                self._measure_rows(self._n_measured, stop)
            self._n_measured = stop
            if stop == due:
                self._plant(stop)

    def _measure_rows(self, start: int, stop: int) -> None:
        queries = self._points[start:stop]
        nearest, distance = self._nearest_since_tree(start, stop)
        if self._tree is not None:
            tree_distance, entry = self._tree.query(queries)
            nearest = np.where(distance <= tree_distance, nearest, self._latest[entry])
        self._progress[start:stop] = self._scores[start:stop] - self._scores[nearest]
        if start < N_WITHOUT_PROGRESS:
            self._progress[start : min(stop, N_WITHOUT_PROGRESS)] = 0.0

    def _measure_row(self, row: int) -> None:
        """Measure what :meth:`_measure_rows` does of one episode, in less time."""
        query = self._points[row : row + 1]
        nearest, distance = row, np.inf
        if row > self._n_in_tree:
            distances = cdist(query, self._points[self._n_in_tree : row])[0]
            nearest = row - 1 - int(distances[::-1].argmin())
            distance = distances[nearest - self._n_in_tree]
        if self._tree is not None and distance > 0.0:
            tree_distance, entry = self._tree.query(query[0])
            if tree_distance < distance:
                nearest = self._latest[entry]
        self._progress[row] = self._scores[row] - self._scores[nearest] if row >= N_WITHOUT_PROGRESS else 0.0

    def _nearest_since_tree(self, start: int, stop: int) -> tuple[np.ndarray[Any, np.dtype[np.intp]], Floats]:
        n = stop - start
        distances = cdist(self._points[start:stop], self._points[self._n_in_tree : stop])
        distances[:, -n:][_IS_NOT_EARLIER[:n, :n]] = np.inf
        # latest first: argmin takes the first of equals
        entry = distances.shape[1] - 1 - distances[:, ::-1].argmin(axis=1)
        return self._n_in_tree + entry, distances[np.arange(n), entry]

    def _plant(self, n: int) -> None:
        """Build the tree of the first ``n`` episodes; of identical tasks only the latest is in it."""
        rows = self._points[:n]
        # One number a task sorts them quicker than all coordinates; added up axis by axis, so that identical tasks
        # have identical numbers. A sort that is stable leaves these in the order of their episodes.
        order = np.argsort(sum(rows.T * np.sqrt(np.arange(2, 2 + rows.shape[1]))[:, None]), kind="stable")
        is_last = np.append((rows[order[1:]] != rows[order[:-1]]).any(axis=1), True)
        self._latest = np.sort(order[is_last])
        # neither balanced nor compact: built in half the time, and asked as quickly
        self._tree = cKDTree(rows[self._latest], balanced_tree=False, compact_nodes=False)
        self._n_in_tree = n

    def state_dict(self) -> dict[str, Any]:
        """Give copies of tasks, scores and signed progress, and the count up to which the tree was built."""
        progress = self.signed_progress.copy()
        return {
            "tasks": self.tasks.copy(),
            "scores": self.scores.copy(),
            "progress": progress,
            "n_in_tree": self._n_in_tree,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; later progress is the same bit for bit."""
        check_rows("a progress history", state, "tasks", "scores", "progress")
        n = len(state["scores"])
        if state["n_in_tree"] > n:
            raise ValueError(
                f"a progress history of {n} episodes has a tree of at most those, found {state['n_in_tree']}."
            )
        self._reserve(n)
        self._rows[:n] = state["tasks"]
        self._points[:n] = self._space.embed(self._rows[:n])
        self._scores[:n] = state["scores"]
        self._progress[:n] = state["progress"]
        self._count = self._n_measured = n
        self._n_in_tree, self._tree = 0, None
        if state["n_in_tree"]:
            self._plant(state["n_in_tree"])
