"""CURROT: particles that move towards target tasks, as far as the agent still succeeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges, stretches
from lifelong_rl.teachers.density import evenness, kernel_density, reference_points
from lifelong_rl.teachers.states import check_rows, check_shapes
from lifelong_rl.teachers.task_gaussian import SMALLEST_STD, TaskGaussian, per_axis
from lifelong_rl.teachers.transport import gaussian_draws, nadaraya_watson, partners, towards

_N_DETOURS = 4  # points that a particle tries whose straight way is blocked
_SEARCH_ANYWHERE = 0.2  # share of the search that does not stay near the best tasks so far


class CURROT(Teacher):
    """Curriculum as constrained optimal transport (Klink et al. 2022, ICML), on particles.

    Tasks are drawn from ``n_particles`` points of the cube. Every ``update_every`` episodes each particle is given
    a task of a fresh target sample, by the assignment of least squared distance, and goes to the point nearest to
    it that lies within ``trust_radius`` and where the score is expected to reach ``performance_bound``: the straight
    way, else the best of some random points in the half of the ball that faces the target. One that finds none goes
    back towards the nearest success. The expectation is a Nadaraya-Watson estimate from the last episodes.

    Until ``min_successes`` of those reached the bound it searches: initial tasks at first, then mostly draws around
    the tasks with scores above the median, wider the further they are from the bound. If no success is left in
    memory it searches again. It keeps ``memory`` episodes and ``n_particles`` points, nothing else.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        performance_bound: float = 0.5,
        target_mean: Sequence[float] | float | None = None,
        target_std: Sequence[float] | float = 0.1,
        initial_mean: Sequence[float] | float | None = None,
        initial_std: Sequence[float] | float = 0.1,
        n_particles: int = 200,
        update_every: int = 50,
        trust_radius: float = 0.2,
        bandwidth: float | None = None,
        memory: int = 500,
        min_successes: int = 50,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        performance_bound: the score in (0, 1] that tasks are expected to reach. target_mean, target_std: of a target
        Gaussian in the unit cube, clipped to it, one number an axis or one for all; None for uniform targets.
        initial_mean, initial_std: the same for the search's first tasks. n_particles: points that tasks come from.
        update_every: episodes between updates. trust_radius: how far a particle may go in one, in diagonals of the
        cube. bandwidth: of the score estimate, in the same unit; None for 0.3 of the radius. memory: episodes that
        the estimate sees. min_successes: that end the search.
        """
        self.performance_bound = performance_bound
        self.target_mean = target_mean
        self.target_std = target_std
        self.initial_mean = initial_mean
        self.initial_std = initial_std
        self.n_particles = n_particles
        self.update_every = update_every
        self.trust_radius = trust_radius
        self.bandwidth = bandwidth
        self.memory = memory
        self.min_successes = min_successes

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        d = space.dimension
        self._target = self._distribution("target")
        self._initial = self._distribution("initial")
        self._n_episodes = 0
        self._tasks, self._scores = np.zeros((self.memory, d)), np.zeros(self.memory)
        self._particles = np.empty((0, d))  # none while it searches
        self._centres, self._spreads, self._weights = np.empty((0, d)), np.empty(0), np.empty(0)
        self._distance = 0.0
        self._n_search = 0  # tasks drawn by the search, and from particles
        self._n_particle = 0

    def _check_hyperparameters(self) -> None:
        rules = [
            ("performance_bound", 0.0 < self.performance_bound <= 1.0, "in (0, 1]"),
            ("n_particles", self.n_particles >= 2, "at least 2"),
            ("update_every", self.update_every >= 1, "at least 1"),
            ("trust_radius", 0.0 < self.trust_radius <= 1.0, "in (0, 1]"),
            ("bandwidth", self.bandwidth is None or 0.0 < self.bandwidth <= 1.0, "None or in (0, 1]"),
            ("memory", self.memory >= self.update_every, f"at least update_every ({self.update_every})"),
            ("min_successes", 1 <= self.min_successes <= self.memory, f"in [1, memory ({self.memory})]"),
        ]
        check_ranges(self, rules)

    def _distribution(self, which: str) -> tuple[Floats, Floats] | None:
        """Give mean and std, shape (d,) each, of the target's or the initial Gaussian; None for uniform."""
        mean, std = getattr(self, f"{which}_mean"), getattr(self, f"{which}_std")
        stds = per_axis(self, f"{which}_std", std, SMALLEST_STD)  # checked where it has no use, too
        return None if mean is None else (per_axis(self, f"{which}_mean", mean), stds)

    @property
    def _radius(self) -> float:
        return float(self.trust_radius * np.sqrt(self.space.dimension))

    @property
    def _bandwidth(self) -> float:
        share = 0.3 * self.trust_radius if self.bandwidth is None else self.bandwidth
        return float(share * np.sqrt(self.space.dimension))

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        if not len(self._particles):
            return self._search(n)
        self._n_particle += n
        # one uniform number a task, whatever n: one stream
        return self._particles[(self.rng.random(n) * len(self._particles)).astype(np.intp)]

    def _search(self, n: int) -> Floats:
        self._n_search += n
        uniform = self.rng.random((n, 2 + self.space.dimension))
        tasks = gaussian_draws(self._initial, uniform[:, 2:])
        if len(self._weights):
            is_near = uniform[:, 0] >= _SEARCH_ANYWHERE
            row = np.searchsorted(self._weights, uniform[:, 1] * self._weights[-1], side="right")
            row = np.minimum(row, len(self._weights) - 1)
            near = gaussian_draws((self._centres[row], self._spreads[row, None]), uniform[:, 2:])
            tasks = np.where(is_near[:, None], near, tasks)
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and move at every ``update_every``-th of all."""
        tasks = self.checked(tasks, outcomes)
        for part in stretches(len(tasks), self._n_episodes, self.update_every):
            n = part.stop - part.start
            slots = (self._n_episodes + np.arange(n)) % self.memory
            self._tasks[slots], self._scores[slots] = tasks[part], outcomes.scores[part]
            self._n_episodes += n
            if self._n_episodes % self.update_every == 0:
                self._move()

    def _move(self) -> None:
        n = min(self._n_episodes, self.memory)
        tasks, scores = self._tasks[:n], self._scores[:n]
        successes = tasks[scores >= self.performance_bound]
        if not len(self._particles) and len(successes) >= self.min_successes:
            self._particles = np.resize(successes, (self.n_particles, self.space.dimension))
        elif not len(successes):
            self._particles = self._particles[:0].copy()
        if len(self._particles):
            self._transport(tasks, scores, successes)
        else:
            self._look_around(tasks, scores)

    def _look_around(self, tasks: Floats, scores: Floats) -> None:
        """Renew the search: around tasks of scores above the median, the wider the lower they are."""
        weights = scores - np.median(scores)
        is_better = weights > 0.0
        self._centres, self._weights = tasks[is_better].copy(), np.cumsum(weights[is_better])
        shortfall = (self.performance_bound - scores[is_better]) / (self.performance_bound - scores.min() + 1e-9)
        # 0.1: around a success, too, other tasks are wanted
        self._spreads = self.trust_radius * np.clip(shortfall, 0.1, 1.0)

    def _transport(self, tasks: Floats, scores: Floats, successes: Floats) -> None:
        particles, bound = self._particles, self.performance_bound
        known = self.space.embed(tasks)

        def reaches_bound(points: Floats) -> NDArray[np.bool_]:
            flat = self.space.embed(points.reshape(-1, points.shape[-1]))
            estimate = nadaraya_watson(flat, known, scores, self._bandwidth)
            return (estimate >= bound).reshape(points.shape[:-1])

        targets = gaussian_draws(self._target, self.rng.random(particles.shape))
        targets = targets[partners(particles, targets)]
        self._distance = float(np.sqrt(((targets - particles) ** 2).sum(axis=1).mean()))
        moved = towards(particles, targets, self._radius)
        blocked = np.flatnonzero(~reaches_bound(moved))
        if len(blocked):
            moved[blocked] = self._detours(particles[blocked], targets[blocked], successes, reaches_bound)
        self._particles = moved

    def _detours(self, particles: Floats, targets: Floats, successes: Floats, reaches_bound: Any) -> Floats:
        """Give the best allowed point for each particle whose straight way is blocked, shape (n, d)."""
        ways = self._half_ball(particles, targets)
        half_way = towards(particles, targets, self._radius / 2.0)
        points = np.concatenate([particles[:, None], half_way[:, None], ways], axis=1)
        distances = np.sqrt(((points - targets[:, None]) ** 2).sum(axis=2))
        distances[~reaches_bound(points)] = np.inf
        best = distances.argmin(axis=1)
        rows = np.arange(len(particles))
        nearest = successes[cdist(particles, successes, "sqeuclidean").argmin(axis=1)]
        is_lost = np.isinf(distances[rows, best])
        back = towards(particles, nearest, self._radius)
        return np.where(is_lost[:, None], back, points[rows, best])

    def _half_ball(self, particles: Floats, targets: Floats) -> Floats:
        """Draw points around each particle, on the side of its target; shape (n, _N_DETOURS, d)."""
        n, d = particles.shape
        ways = self.rng.standard_normal((n, _N_DETOURS, d))
        lengths = self._radius * self.rng.random((n, _N_DETOURS, 1)) ** (1.0 / d)
        ways *= lengths / np.sqrt((ways**2).sum(axis=2, keepdims=True))
        is_away = (ways * (targets - particles)[:, None]).sum(axis=2) < 0.0
        ways[is_away] *= -1.0
        clipped: Floats = np.clip(particles[:, None] + ways, 0.0, 1.0)  # brings no point further from its particle
        return clipped

    def particles(self) -> Floats:
        """Give the particles, shape (n_particles, d); none while it searches."""
        return self._particles.copy()

    def density(self, points: Floats) -> Floats:
        """Give the density at points of shape (n, d), inside the cube; shape (n,).

        While it searches the exact one, without the mass that clipping puts on the faces; else an estimate by
        kernels at the particles.
        """
        points = self.space.check_points(points)
        if len(self._particles):
            return kernel_density(points, self._particles)
        anywhere = np.ones(len(points))
        if self._initial is not None:
            anywhere = np.exp(TaskGaussian(self._initial[0], np.diag(self._initial[1])).log_density(points))
        if not len(self._weights):
            return anywhere
        squares = cdist(points, self._centres, "sqeuclidean") / (2.0 * self._spreads**2)
        scales = (self._spreads * np.sqrt(2.0 * np.pi)) ** self.space.dimension
        shares = np.diff(self._weights, prepend=0.0) / self._weights[-1]
        near = np.einsum("mn,n->m", np.exp(-squares), shares / scales)
        density: Floats = _SEARCH_ANYWHERE * anywhere + (1.0 - _SEARCH_ANYWHERE) * near
        return density

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        entropy: of the density on about 1,000 points of the cube (1 is uniform). success_share: episodes in memory
        that reached the bound. distance_to_target: root mean square of what lay between particles and targets at
        the last update. search_share, particle_share: sources of all tasks drawn so far.
        """
        numbers = {}
        densities = self.density(reference_points(self.space))
        if densities.sum() > 0.0:  # narrow kernels in many dimensions reach no reference point
            numbers["entropy"] = evenness(densities)
        if n := min(self._n_episodes, self.memory):
            numbers["success_share"] = float((self._scores[:n] >= self.performance_bound).mean())
        if len(self._particles):
            numbers["distance_to_target"] = self._distance
        if n_drawn := self._n_search + self._n_particle:
            numbers["search_share"] = self._n_search / n_drawn
            numbers["particle_share"] = self._n_particle / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give particles, search, memory, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        own = {name: getattr(self, f"_{name}") for name in _STATE}
        return {**super().state_dict(), **{name: np.copy(v) if np.ndim(v) else v for name, v in own.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        check_shapes("the teacher 'CURROT'", state, tasks=self._tasks.shape, scores=self._scores.shape)
        check_rows("the teacher 'CURROT'", state, "centres", "spreads", "weights")
        for name in _STATE:
            value = state[name]
            setattr(self, f"_{name}", np.copy(value) if np.ndim(value) else value)


_STATE = (
    "n_episodes",
    "n_search",
    "n_particle",
    "distance",
    "tasks",
    "scores",
    "particles",
    "centres",
    "spreads",
    "weights",
)
