"""RIAC: cut the task space into regions, and draw from those where the score changes most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import ndtri

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import evenness, reference_points
from lifelong_rl.teachers.states import check_rows

_NO_PROGRESS = 1e-12  # a difference of two means that is only rounding
_DRAWS_AN_ATTEMPT = 4  # many a random cut leaves too few tasks on one side; drawing until enough do may never end


class Regions:
    """A binary tree of boxes; each keeps the last ``size`` (task, score) pairs that fell in it, its progress too.

    Progress = |mean score of the older half - mean score of the newer half| of those pairs, in [0, 1]. Regions are
    numbered as they come, the whole cube is 0, and the two parts of a region follow each other.
    """

    _ARRAYS = ("lows", "highs", "tasks", "scores", "heads", "counts", "progress")

    def __init__(self, dimension: int, size: int) -> None:
        """Start with one region, the whole cube, that holds nothing yet. size: at least 2."""
        self.size = size
        self.n = 1
        self.lows, self.highs = np.zeros((1, dimension)), np.ones((1, dimension))
        self.tasks, self.scores = np.zeros((1, size, dimension)), np.zeros((1, size))
        self.heads = np.zeros(1, dtype=np.int64)  # where the next pair goes in a full region; the oldest is there
        self.counts = np.zeros(1, dtype=np.int64)
        # Lists: every episode walks down them, and an array's numbers are slow to take one by one.
        self.axes, self.cuts = [0], [0.0]  # where a region was split
        self.children = [0]  # the lower part of a split region; the upper is the next; 0 in a leaf
        self.progress = np.zeros(1)
        half = size // 2
        weights = np.concatenate([np.full(size - half, -1.0 / (size - half)), np.full(half, 1.0 / half)])
        # Row r: what each slot weighs in the difference of the two means when the head is at size - r.
        self._weights = sliding_window_view(np.tile(weights, 2), size)

    def path(self, task: list[float]) -> list[int]:
        """Give the regions that a task lies in, from the whole cube to a leaf."""
        region, path = 0, [0]
        children, axes, cuts = self.children, self.axes, self.cuts
        while child := children[region]:
            region = child + (task[axes[region]] >= cuts[region])
            path.append(region)
        return path

    def inside(self, region: int, uniform: Floats) -> Floats:
        """Turn uniform numbers, shape (d,), into a point of a region, shape (d,)."""
        point: Floats = self.lows[region] + uniform * (self.highs[region] - self.lows[region])
        return point

    def add(self, task: Floats, score: float) -> int:
        """Store one pair in every region of its path, renew their progress and give the leaf."""
        path = self.path(task.tolist())
        leaf = path.pop()
        if path:  # all full: only a full region is split
            rows = np.array(path)
            slots = self.heads[rows]
            self.tasks[rows, slots] = task
            self.scores[rows, slots] = score
            slots = (slots + 1) % self.size
            self.heads[rows] = slots
            change = np.abs(np.einsum("ij,ij->i", self.scores[rows], self._weights[self.size - slots]))
            self.progress[rows] = np.where(change > _NO_PROGRESS, change, 0.0)
        count = int(self.counts[leaf])
        self.tasks[leaf, count] = task
        self.scores[leaf, count] = score
        self.counts[leaf] = count + 1
        self.progress[leaf] = progress_of(self.scores[leaf, : count + 1])
        return leaf

    def split(self, region: int, axis: int, cut: float) -> None:
        """Cut a full leaf in two; its pairs go to the parts, which keep their order."""
        self._reserve(self.n + 2)
        is_upper = self.tasks[region, :, axis] >= cut
        self.axes[region], self.cuts[region], self.children[region] = axis, cut, self.n
        for part, bound in ((~is_upper, self.highs), (is_upper, self.lows)):
            new, count = self.n, int(part.sum())
            self.lows[new], self.highs[new] = self.lows[region], self.highs[region]
            bound[new, axis] = cut
            self.tasks[new, :count] = self.tasks[region, part]
            self.scores[new, :count] = self.scores[region, part]
            self.counts[new] = count
            self.progress[new] = progress_of(self.scores[new, :count])
            self.axes.append(0)
            self.cuts.append(0.0)
            self.children.append(0)
            self.n += 1

    def forget_quarter(self, leaf: int) -> None:
        """Drop the oldest quarter of a full leaf, so that it takes pairs again."""
        dropped = max(1, self.size // 4)
        for array in (self.tasks, self.scores):
            array[leaf, :-dropped] = array[leaf, dropped:].copy()
        self.counts[leaf] = self.size - dropped
        self.progress[leaf] = progress_of(self.scores[leaf, :-dropped])

    def leaves_of(self, points: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Give the leaf that each of m points, shape (m, d), lies in; shape (m,)."""
        children, axes, cuts = np.array(self.children), np.array(self.axes), np.array(self.cuts)
        found = np.zeros(len(points), dtype=np.int64)
        while len(rows := np.flatnonzero(children[found])):
            region = found[rows]
            found[rows] = children[region] + (points[rows, axes[region]] >= cuts[region])
        return found

    def _reserve(self, n: int) -> None:
        if n <= len(self.progress):
            return
        for name in self._ARRAYS:
            array = getattr(self, name)
            spare = np.zeros((max(n, 2 * len(array)) - len(array), *array.shape[1:]), dtype=array.dtype)
            setattr(self, name, np.concatenate([array, spare]))

    def state_dict(self) -> dict[str, Any]:
        """Give copies of everything, a row a region."""
        lists = {name: np.array(getattr(self, name)) for name in ("axes", "cuts", "children")}
        return {**lists, **{name: getattr(self, name)[: self.n].copy() for name in self._ARRAYS}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        check_rows("the regions of RIAC", state, *self._ARRAYS, "axes", "cuts", "children")
        for name in self._ARRAYS:
            setattr(self, name, state[name].copy())
        self.axes, self.cuts = state["axes"].tolist(), state["cuts"].tolist()
        self.children = state["children"].tolist()
        self.n = len(self.children)


def progress_of(scores: Floats) -> float:
    """Give |mean of the older half - mean of the newer half| of scores in time order, shape (n,); 0 for n < 2."""
    half = len(scores) // 2
    if not half:
        return 0.0
    older = len(scores) - half
    change = abs(float(np.add.reduce(scores[:older])) / older - float(np.add.reduce(scores[older:])) / half)
    return change if change > _NO_PROGRESS else 0.0


def progress_of_parts(scores: Floats, is_in_part: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """Give the progress of m parts of n scores in time order, shape (n,); shape (m,).

    is_in_part: the scores of each part, shape (n, m), at least 2 of them.
    """
    rank = np.cumsum(is_in_part, axis=0)
    n_scores = rank[-1]
    n_newer = n_scores // 2
    is_newer = is_in_part & (rank > n_scores - n_newer)
    newer, all_of_part = scores @ is_newer, scores @ is_in_part
    change: Floats = np.abs(newer / n_newer - (all_of_part - newer) / (n_scores - n_newer))
    return change


class RIAC(Teacher):
    """RIAC, robust intelligent adaptive curiosity (Baranes and Oudeyer 2009), as Portelas et al. 2019 use it.

    The cube is one region. A region with ``region_size`` tasks is split: of ``split_attempts`` random cuts (an axis
    and a place on it, both uniform) that leave a twentieth of the tasks on each side, those whose parts have at
    least ``min_side`` on that axis compete, and the one with the largest |ALP of one part - ALP of the other| * tasks
    in one * tasks in the other wins. The ALP (absolute learning progress) of a region is |mean score of its older
    half - mean score of its newer half|. Where no cut will do, the region forgets its oldest quarter.

    A task is uniform with probability ``random_fraction``. Else a region is drawn with probability proportional to
    its ALP, among all: parents go on counting after a split. With probability ``mutation_fraction`` of all draws the
    task is its task of lowest score plus a Gaussian, clipped to the region; else it is uniform in it.

    Cuts of integers and categories fall between values. Categories keep the order of their choices: only
    neighbours share a region, and a mutation leaves them alone.

    Memory is bounded: at most ``max_regions`` regions (then none is split) of ``region_size`` tasks each,
    1.6 MB * (d + 1) with the defaults, and far fewer regions in few dimensions, where ``min_side`` ends the splits.
    """

    def __init__(
        self,
        region_size: int = 200,
        split_attempts: int = 50,
        min_side: float = 1 / 15,
        random_fraction: float = 0.2,
        mutation_fraction: float = 0.1,
        mutation_spread: float = 0.1,
        weigh_sizes: bool = True,
        max_regions: int = 1000,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        region_size: tasks that a region keeps, and has when it is split. split_attempts: random cuts compared.
        min_side: shortest side of a region, as a share of the axis. random_fraction, mutation_fraction: shares of
        uniform tasks and of mutations, together at most 1. mutation_spread: standard deviation of a mutation on each
        axis of the unit cube. weigh_sizes: whether the numbers of tasks weigh in the choice of a cut, as in the
        paper; False leaves them out, as its best-known code does. max_regions: the most regions, parents included.
        """
        self.region_size = region_size
        self.split_attempts = split_attempts
        self.min_side = min_side
        self.random_fraction = random_fraction
        self.mutation_fraction = mutation_fraction
        self.mutation_spread = mutation_spread
        self.weigh_sizes = weigh_sizes
        self.max_regions = max_regions

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._regions = Regions(space.dimension, self.region_size)
        self._n_values = np.array([feature.n_values or 0 for feature in space.features])  # 0: a real axis
        is_ordered = [feature.kind != "category" for feature in space.features]
        self._spread = self.mutation_spread * np.array(is_ordered, dtype=np.float64)
        self._n_random = self._n_mutated = self._n_regional = 0  # tasks drawn from each source
        self._cumulative: Floats | None = None

    def _check_hyperparameters(self) -> None:
        share = self.random_fraction + self.mutation_fraction
        rules = [
            ("region_size", self.region_size >= 4, "at least 4"),
            ("split_attempts", self.split_attempts >= 1, "at least 1"),
            ("min_side", 0.0 < self.min_side <= 1.0, "in (0, 1]"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("mutation_fraction", self.mutation_fraction >= 0.0 and share <= 1.0, "in [0, 1 - random_fraction]"),
            ("mutation_spread", self.mutation_spread >= 0.0, "at least 0"),
            ("max_regions", self.max_regions >= 1, "at least 1"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + self.space.dimension))
        tasks = uniform[:, 2:].copy()
        for i, (source, choice) in enumerate(uniform[:, :2].tolist()):
            if source < self.random_fraction:
                self._n_random += 1
            elif source < self.random_fraction + self.mutation_fraction:
                self._n_mutated += 1
                tasks[i] = self._mutate(self._choose(choice), tasks[i])
            else:
                self._n_regional += 1
                tasks[i] = self._regions.inside(self._choose(choice), tasks[i])
        return tasks

    def _choose(self, uniform: float) -> int:
        """Turn a uniform number into a region, with probability proportional to its progress."""
        if self._cumulative is None:
            total = np.cumsum(self._regions.progress[: self._regions.n])
            self._cumulative = total if total[-1] > 0.0 else np.arange(1.0, len(total) + 1.0)
        cumulative = self._cumulative
        region = int(cumulative.searchsorted(uniform * cumulative[-1], side="right"))
        return min(region, len(cumulative) - 1)

    def _mutate(self, region: int, uniform: Floats) -> Floats:
        """Turn uniform numbers, shape (d,), into a task near the region's task of lowest score; shape (d,)."""
        regions = self._regions
        n = max(1, int(regions.counts[region]))
        task = regions.tasks[region, regions.scores[region, :n].argmin()]
        normal = ndtri(np.maximum(uniform, 1e-16))  # 0 would be at minus infinity
        clipped: Floats = np.clip(task + self._spread * normal, regions.lows[region], regions.highs[region])
        return clipped

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), in their regions; split those that are full."""
        tasks = self.checked(tasks, outcomes)
        for task, score in zip(tasks, outcomes.scores.tolist(), strict=True):
            leaf = self._regions.add(task, score)
            if self._regions.counts[leaf] == self.region_size:
                self._split_or_forget(leaf)
        self._cumulative = None

    def _split_or_forget(self, leaf: int) -> None:
        regions = self._regions
        cut = self._best_cut(leaf) if regions.n + 2 <= self.max_regions else None
        if cut is None:
            regions.forget_quarter(leaf)
        else:
            regions.split(leaf, *cut)

    def _best_cut(self, leaf: int) -> tuple[int, float] | None:
        """Give axis and place of the best of the random cuts of a full leaf; None where none will do."""
        tasks, scores = self._regions.tasks[leaf], self._regions.scores[leaf]
        axes, cuts, margins = self._random_cuts(leaf)
        is_lower = tasks[:, axes] < cuts
        n_lower = is_lower.sum(axis=0)
        n_smaller = np.minimum(n_lower, len(tasks) - n_lower)
        tried = np.flatnonzero(n_smaller >= max(2, len(tasks) // 20))[: self.split_attempts]
        tried = tried[margins[tried] >= self.min_side]
        if not len(tried):
            return None
        is_lower, n_lower = is_lower[:, tried], n_lower[tried]
        contrast = np.abs(progress_of_parts(scores, is_lower) - progress_of_parts(scores, ~is_lower))
        if self.weigh_sizes:
            contrast *= n_lower * (len(tasks) - n_lower)
        best = tried[contrast.argmax()]
        return int(axes[best]), float(cuts[best])

    def _random_cuts(self, leaf: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Floats, Floats]:
        """Draw axes and places, and give them with the shorter side that each cut leaves; all of shape (m,)."""
        m = _DRAWS_AN_ATTEMPT * self.split_attempts
        axes = self.rng.integers(self.space.dimension, size=m)
        low, high = self._regions.lows[leaf, axes], self._regions.highs[leaf, axes]
        cuts = low + self.rng.random(m) * (high - low)
        n_values = self._n_values[axes]
        cuts = np.where(n_values > 0, np.round(cuts * n_values) / np.maximum(n_values, 1), cuts)
        return axes, cuts, np.minimum(cuts - low, high - cuts)

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,).

        Exact but for mutations, which are counted as uniform in their region.
        """
        points = self.space.check_points(points)
        regions = self._regions
        progress = regions.progress[: regions.n]
        shares = progress / progress.sum() if progress.any() else np.full(regions.n, 1.0 / regions.n)
        heights = shares / (regions.highs - regions.lows)[: regions.n].prod(axis=1)
        for region, child in enumerate(regions.children):  # parents come first: their height adds to their parts'
            if child:
                heights[child : child + 2] += heights[region]
        regional: Floats = heights[regions.leaves_of(points)]
        return np.asarray(self.random_fraction + (1.0 - self.random_fraction) * regional)

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        n_regions: parents included. mean_alp: of the leaves, each weighted by its volume. entropy: of the sampling
        density on about 1,000 points of the cube (1 is uniform). random_share, mutation_share, region_share: sources
        of all tasks drawn so far.
        """
        points = reference_points(self.space)
        leaves = self._regions.leaves_of(points)
        numbers = {
            "n_regions": float(self._regions.n),
            "mean_alp": float(self._regions.progress[leaves].mean()),
            "entropy": evenness(self.density(points)),
        }
        if n_drawn := self._n_random + self._n_mutated + self._n_regional:
            numbers["random_share"] = self._n_random / n_drawn
            numbers["mutation_share"] = self._n_mutated / n_drawn
            numbers["region_share"] = self._n_regional / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give regions, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "n_random": self._n_random,
            "n_mutated": self._n_mutated,
            "n_regional": self._n_regional,
            "regions": self._regions.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        self._n_random, self._n_mutated = state["n_random"], state["n_mutated"]
        self._n_regional = state["n_regional"]
        self._regions.load_state_dict(state["regions"])
        self._cumulative = None
