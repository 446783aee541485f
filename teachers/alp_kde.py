"""ALP-KDE: repeat recent tasks where the score changed, with a small step aside. The default teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import ndtri

from lifelong_rl.envs.space import TaskSpace, is_in_unit_cube
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges, stretches
from lifelong_rl.teachers.density import covered_share, evenness, reference_points
from lifelong_rl.teachers.progress import N_WITHOUT_PROGRESS

_NO_PROGRESS = 1e-12  # a difference of two scores that is only rounding
_RENEW_EVERY = 10  # episodes between looks at what changed; each takes as long as drawing three tasks
_GAUSSIAN_MEDIAN = 0.6745  # the median of the size of a standard normal number


class RecentProgress:
    """The last ``size`` episodes in the order they ended, and the signed progress of each.

    Progress = score - score of the nearest of the (at most ``size``) episodes before it; 0 for the first six of all.
    Distances are those of :meth:`TaskSpace.embed`. Of equally near tasks the latest counts.
    """

    def __init__(self, space: TaskSpace, size: int) -> None:
        """Start empty. size: episodes kept, at least 1; memory is that of 4 * size rows of 2 d + 2 numbers."""
        self._space = space
        self._size = size
        self._start = self._stop = 0
        self._n_measured = 0  # the progress of later rows is measured when it is asked for: all at once is quicker
        # Room for 4 windows: they slide along, in time order, and move back to the front once in 3 * size episodes.
        self._tasks = np.empty((4 * size, space.dimension))
        self._places = np.empty((4 * size, space.embed(np.zeros((1, space.dimension))).shape[1]))
        self._scores = np.empty(4 * size)
        self._progress = np.empty(4 * size)

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def tasks(self) -> Floats:
        """The tasks, shape (n, d), oldest first; a view that :meth:`append` overwrites."""
        return self._tasks[self._start : self._stop]

    @property
    def scores(self) -> Floats:
        """Their scores, shape (n,); a view as :attr:`tasks`."""
        return self._scores[self._start : self._stop]

    @property
    def progress(self) -> Floats:
        """Their signed progress, shape (n,) in [-1, 1]; a view as :attr:`tasks`."""
        self._measure()
        return self._progress[self._start : self._stop]

    def append(self, tasks: Floats, scores: Floats) -> None:
        """Add n episodes: copies of tasks, shape (n, d), and of scores, shape (n,)."""
        while len(tasks):
            if self._stop == len(self._scores):
                self._make_room()
            first = self._stop
            n = min(len(tasks), len(self._scores) - first)
            self._tasks[first : first + n] = tasks[:n]
            self._places[first : first + n] = self._space.embed(tasks[:n])
            self._scores[first : first + n] = scores[:n]
            self._stop = first + n
            self._start = max(self._start, self._stop - self._size)
            tasks, scores = tasks[n:], scores[n:]

    def _make_room(self) -> None:
        self._measure()
        n = len(self)
        for array in (self._tasks, self._places, self._scores, self._progress):
            array[:n] = array[self._start : self._stop]
        self._start, self._stop, self._n_measured = 0, n, n

    def _measure(self) -> None:
        while self._n_measured < self._stop:
            first = self._n_measured
            last = min(self._stop, first + _RENEW_EVERY)
            self._measure_rows(first, last, max(0, first - self._size))
            self._n_measured = last

    def _measure_rows(self, first: int, last: int, oldest: int) -> None:
        latest_first = self._places[oldest:last][::-1]  # argmin takes the first of equals
        distances = cdist(self._places[first:last], latest_first, "sqeuclidean")
        ages = np.arange(first, last)[:, None] - np.arange(last - 1, oldest - 1, -1)
        distances[(ages < 1) | (ages > self._size)] = np.inf
        nearest = last - 1 - distances.argmin(axis=1)
        change = self._scores[first:last] - self._scores[nearest]
        change[np.abs(change) <= _NO_PROGRESS] = 0.0
        if first < N_WITHOUT_PROGRESS:  # rows of a window that moved to the front are measured already
            change[: max(0, min(N_WITHOUT_PROGRESS, self._size) - first)] = 0.0
        self._progress[first:last] = change

    def state_dict(self) -> dict[str, Any]:
        """Give copies of tasks, scores and progress."""
        return {"tasks": self.tasks.copy(), "scores": self.scores.copy(), "progress": self.progress.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError where the arrays do not fit together."""
        tasks, scores, progress = state["tasks"], state["scores"], state["progress"]
        n = len(scores)
        shapes = (n, self._space.dimension), (n,)
        if n > self._size or (tasks.shape, progress.shape) != shapes:
            raise ValueError(
                f"at most {self._size} recent episodes are expected, with tasks and progress of shapes {shapes}, "
                f"found {tasks.shape} and {progress.shape}."
            )
        self._start, self._stop, self._n_measured = 0, n, n
        self._tasks[:n], self._scores[:n], self._progress[:n] = tasks, scores, progress
        self._places[:n] = self._space.embed(tasks)


class ALPKDE(Teacher):
    """ALP-KDE, absolute learning progress with kernels: this project's own teacher, and its default.

    1. The progress of an episode is its score minus that of the nearest of the last ``window`` tasks before it.
    2. A task is uniform with probability ``random_fraction``, and while no progress is known.
    3. Else one of the last ``window`` tasks, as they are every 10 episodes, is chosen with probability proportional
       to (size of its progress) ** p,
    4. and moves by a Gaussian of standard deviation ``jitter`` on each axis, reflected at the faces of the cube. An
       integer moves by one step at least; a category is redrawn with probability ``redraw``, else it stays.
    5. p lies between ``exponent`` and ``noisy_exponent``, in proportion to the :func:`noise_share` of the recent
       progress: without noise small progress is real and worth a visit; under noise every
       task shows some, and only the largest tells.

    So only fresh outcomes count, as progress and as places to go. ``gain_weight`` and ``loss_weight`` tell learning
    from forgetting: what a task that is getting better or worse counts. There is no model and no fit.

    Memory is bounded: 4 * ``window`` rows of 2 d + 2 numbers and ``window`` of d + 1 (54 kB with the defaults in 2
    dimensions; a category of c choices takes c + 1 numbers, not 2).
    """

    def __init__(
        self,
        window: int = 250,
        exponent: float = 0.5,
        noisy_exponent: float = 2.0,
        jitter: float = 0.05,
        random_fraction: float = 0.1,
        redraw: float = 0.1,
        gain_weight: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        window: episodes that count. exponent, noisy_exponent: of the size of progress where scores have no noise,
        and where they are nothing but noise; equal ones switch the adaptation off. jitter: standard deviation on each
        axis of the unit cube, in (0, 0.5]. random_fraction: share of uniform tasks, in [0, 1]. redraw: probability
        that a category is drawn anew, in [0, 1]. gain_weight, loss_weight: factors of progress above and below 0;
        (1, 1) is absolute progress, (1, 0) goes where the agent learns, (0, 1) back to where it forgets.
        """
        self.window = window
        self.exponent = exponent
        self.noisy_exponent = noisy_exponent
        self.jitter = jitter
        self.random_fraction = random_fraction
        self.redraw = redraw
        self.gain_weight = gain_weight
        self.loss_weight = loss_weight

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._recent = RecentProgress(space, self.window)
        self._n_episodes = 0
        self._noise_share = 0.0
        self._n_random = 0  # tasks drawn uniformly, and beside a recent one
        self._n_kernel = 0
        self._parents = np.empty((0, space.dimension))  # the recent tasks when they were last looked at,
        self._cumulative = np.empty(0)  # and their weights, summed up
        steps = [1.0 / f.n_values if f.kind == "integer" and f.n_values else 0.0 for f in space.features]
        self._widths = np.maximum(steps, self.jitter)
        self._choices = {i: len(f.choices) for i, f in enumerate(space.features) if f.kind == "category"}

    def _check_hyperparameters(self) -> None:
        weights = self.gain_weight, self.loss_weight
        rules = [
            ("window", self.window >= 2, "at least 2"),
            ("exponent", 0.0 < self.exponent < np.inf, "above 0"),
            ("noisy_exponent", self.exponent <= self.noisy_exponent < np.inf, "at least the exponent"),
            ("jitter", 0.0 < self.jitter <= 0.5, "in (0, 0.5]"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("redraw", 0.0 <= self.redraw <= 1.0, "in [0, 1]"),
            ("gain_weight", 0.0 <= self.gain_weight < np.inf, "at least 0"),
            ("loss_weight", 0.0 <= self.loss_weight < np.inf and max(weights) > 0.0, "at least 0, one weight above"),
        ]
        check_ranges(self, rules)

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and what each changed."""
        tasks = self.checked(tasks, outcomes)
        for part in stretches(len(tasks), self._n_episodes, _RENEW_EVERY):
            self._recent.append(tasks[part], outcomes.scores[part])
            self._n_episodes += part.stop - part.start
            if self._n_episodes % _RENEW_EVERY == 0:
                self._renew()

    def _renew(self) -> None:
        self._noise_share = noise_share(self._recent.progress)
        self._parents = self._recent.tasks.copy()
        self._cumulative = np.add.accumulate(self._weights())

    @property
    def power(self) -> float:
        """The present exponent p of the size of progress."""
        return self.exponent + (self.noisy_exponent - self.exponent) * self._noise_share

    def _weights(self) -> Floats:
        """Give the weight of each recent task, shape (n,); not normalised, all 0 where none shows progress."""
        progress = self._recent.progress
        weights: Floats = np.abs(progress)
        weights **= self.power
        if self.gain_weight != self.loss_weight:
            weights *= np.where(progress > 0.0, self.gain_weight, self.loss_weight)
        return weights

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 2 + len(self._widths)))
        if n == 1:  # the usual n, at half the time
            return self._sample_one(uniform)
        if not self._knows_progress:
            self._n_random += n
            return uniform[:, 2:]
        chosen = self._choose(uniform[:, 1])
        beside = self._moved(self._parents[chosen], uniform[:, 2:])
        is_random = uniform[:, :1] < self.random_fraction
        n_random = int(np.count_nonzero(is_random))
        self._n_random += n_random
        self._n_kernel += n - n_random
        return np.where(is_random, uniform[:, 2:], beside)

    def _sample_one(self, uniform: Floats) -> Floats:
        if not self._knows_progress or uniform[0, 0] < self.random_fraction:
            self._n_random += 1
            return uniform[:, 2:]
        chosen = int(self._choose(uniform[0, 1]))
        self._n_kernel += 1
        return self._moved(self._parents[chosen : chosen + 1], uniform[:, 2:])

    @property
    def _knows_progress(self) -> bool:
        return len(self._cumulative) > 0 and self._cumulative[-1] > 0.0

    def _choose(self, uniform: Any) -> Any:
        """Give the parents that uniform numbers stand for: indices, as many."""
        cumulative = self._cumulative
        # without the last: a choice that rounding pushes beyond it is the last
        return cumulative[:-1].searchsorted(uniform * cumulative[-1], side="right")

    def _moved(self, tasks: Floats, uniform: Floats) -> Floats:
        """Move n tasks by the jitter that uniform numbers, both of shape (n, d), stand for; shape (n, d)."""
        moved: Floats = tasks + self._widths * ndtri(uniform)
        if not self._choices and is_in_unit_cube(moved):
            return moved
        moved = tasks + self._widths * ndtri(np.maximum(uniform, 1e-16))  # 0 would be at minus infinity
        is_inside = (moved >= 0.0) & (moved <= 1.0)  # stays bit for bit, as above
        reflected: Floats = np.where(is_inside, moved, np.abs((moved + 1.0) % 2.0 - 1.0))  # at 0 and 1
        for axis, n_choices in self._choices.items():
            u = uniform[:, axis]
            if self.redraw < 1.0:
                stays = (u - self.redraw) / (1.0 - self.redraw)  # uniform in [0, 1) where it is not below 0
                same = (_choice(tasks[:, axis], n_choices) + stays) / n_choices
                u = np.where(stays >= 0.0, same, u / max(self.redraw, 1e-16))
            reflected[:, axis] = np.minimum(u, 1.0)
        return reflected

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,). It is exact."""
        points = self.space.check_points(points)
        if not self._knows_progress:
            return np.ones(len(points))
        weights = np.diff(self._cumulative, prepend=0.0)
        is_source = weights > 0.0
        sources, shares = self._parents[is_source], weights[is_source] / weights.sum()
        densities = np.empty(len(points))
        for start in range(0, len(points), 64):  # 64 * window numbers an axis at once
            rows = points[start : start + 64]
            kernels = np.ones((len(rows), len(sources)))
            for axis in range(points.shape[1]):
                kernels *= self._kernel(axis, rows[:, axis, None], sources[:, axis])
            densities[start : start + 64] = kernels @ shares
        return self.random_fraction + (1.0 - self.random_fraction) * densities

    def _kernel(self, axis: int, x: Floats, sources: Floats) -> Floats:
        """Give the density on one axis at x, shape (n, 1), of a move from each source, shape (m,); shape (n, m)."""
        if n_choices := self._choices.get(axis):
            is_same = _choice(x, n_choices) == _choice(sources, n_choices)
            return np.where(is_same, self.redraw + (1.0 - self.redraw) * n_choices, self.redraw)
        width = self._widths[axis]
        further = (-2.0, 0.0, 2.0) if width > 0.15 else (0.0,)  # images more than six widths away give nothing
        total: Floats = np.zeros((len(x), len(sources)))
        for gaps in (x - sources, x + sources):
            gaps = gaps - 2.0 * np.rint(gaps / 2.0)  # the nearest image: reflection makes the line repeat after 2
            for shift in further:
                total += np.exp(-0.5 * ((gaps + shift) / width) ** 2)
        total /= width * np.sqrt(2.0 * np.pi)
        return total

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        Over the recent episodes, in [0, 1]: mean_alp, and its two parts mean_gain and mean_loss; noise_share;
        coverage, the share of about 1,000 cells of the cube that they lie in. power: the present p. entropy: of
        the sampling density on about 1,000 points (1 is uniform). random_share, kernel_share: sources of all tasks.
        """
        numbers = {"entropy": evenness(self.density(reference_points(self.space)))}
        if len(self._recent):
            progress = self._recent.progress
            numbers["mean_alp"] = float(np.abs(progress).mean())
            numbers["mean_gain"] = float(np.maximum(progress, 0.0).mean())
            numbers["mean_loss"] = float(np.maximum(-progress, 0.0).mean())
            numbers["noise_share"] = self._noise_share
            numbers["power"] = self.power
            numbers["coverage"] = covered_share(self._recent.tasks, self.space)
        if n_drawn := self._n_random + self._n_kernel:
            numbers["random_share"] = self._n_random / n_drawn
            numbers["kernel_share"] = self._n_kernel / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give recent episodes, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "n_episodes": self._n_episodes,
            "n_random": self._n_random,
            "n_kernel": self._n_kernel,
            "noise_share": self._noise_share,
            "parents": self._parents.copy(),
            "cumulative": self._cumulative.copy(),
            "recent": self._recent.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        if len(state["parents"]) != len(state["cumulative"]):
            raise ValueError(
                f"a weight a parent is expected, found {len(state['parents'])} parents and "
                f"{len(state['cumulative'])} weights."
            )
        self._recent.load_state_dict(state["recent"])
        self._parents, self._cumulative = state["parents"].copy(), state["cumulative"].copy()
        self._n_episodes, self._noise_share = state["n_episodes"], state["noise_share"]
        self._n_random, self._n_kernel = state["n_random"], state["n_kernel"]


def noise_share(progress: Floats) -> float:
    """Give how much the progress of n episodes, shape (n,), looks like Gaussian noise, in [0, 1].

    (median size / 0.6745) ** 2 over the mean square, at most 1: 1 for Gaussian numbers, near 0 where most episodes
    agree with their neighbours and a few differ much, as at the edge of what an agent masters. 0 where all are 0.
    """
    sizes = np.abs(progress)
    mean_square = float(np.add.reduce(sizes * sizes)) / max(len(sizes), 1)
    if not mean_square > 0.0:
        return 0.0
    middle = len(sizes) // 2
    median = float(np.partition(sizes, middle)[middle])
    return min(1.0, (median / _GAUSSIAN_MEDIAN) ** 2 / mean_square)


def _choice(units: Floats, n_choices: int) -> Floats:
    """Give the number of the choice that coordinates in [0, 1] stand for."""
    choice: Floats = np.minimum(np.floor(units * n_choices), n_choices - 1.0)
    return choice
