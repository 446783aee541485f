"""SPDL: one Gaussian over tasks that moves from easy tasks to a target, as fast as the scores allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges, stretches
from lifelong_rl.teachers.density import evenness, reference_points
from lifelong_rl.teachers.states import check_shapes
from lifelong_rl.teachers.task_gaussian import SMALLEST_STD, TaskGaussian, per_axis

_N_STEPS = 5  # natural-gradient steps of one update at most
_SHARES = 0.75 ** np.arange(12)  # of the full step that the line search tries


@dataclass(frozen=True)
class SelfPacedProblem:
    """What one update maximises: mean(p / old * (values - mean value)) - alpha * KL(p || target).

    The paper has ``values`` in the place of ``values - mean value``. Both have the same expectation up to a constant;
    with n samples, equal values would pull the paper's form onto the samples, and leave this one where it is.
    """

    old: TaskGaussian
    target: TaskGaussian
    tasks: Floats
    """Drawn from ``old``, shape (n, d)."""
    values: Floats
    """Shape (n,)."""
    alpha: float

    @cached_property
    def _old_log(self) -> Floats:
        return self.old.log_density(self.tasks)

    @cached_property
    def _gains(self) -> Floats:
        gains: Floats = (self.values - self.values.mean()) / len(self.values)
        return gains

    def _weighted_gains(self, p: TaskGaussian) -> Floats:
        # 50: a task that the new Gaussian finds e^50 times as likely decides everything as it is
        weighted: Floats = self._gains * np.exp(np.minimum(p.log_density(self.tasks) - self._old_log, 50.0))
        return weighted

    def objective(self, p: TaskGaussian) -> float:
        """Give what is maximised."""
        gain = float(self._weighted_gains(p).sum())
        return gain - self.alpha * p.divergence(self.target) if self.alpha else gain

    def natural_gradient(self, p: TaskGaussian) -> tuple[Floats, Floats, float]:
        """Give the steepest step (shift, growth) of :meth:`TaskGaussian.moved` and its length in nats, squared.

        In these coordinates the Fisher matrix is diagonal: 1 for the mean and the factor's lower half, 2 for its
        log-diagonal. So the natural gradient needs no conjugate-gradient solver.
        """
        gains, z = self._weighted_gains(p), p.whitened(self.tasks)
        shift = np.einsum("n,ni->i", gains, z)
        growth = np.tril(np.einsum("ni,nj->ij", z * gains[:, None], z)) - gains.sum() * np.eye(len(shift))
        if self.alpha:
            ratio, distance = p.seen_from(self.target)
            shift = shift - self.alpha * (ratio.T @ distance)
            growth -= self.alpha * (np.tril(ratio.T @ ratio) - np.eye(len(shift)))
        diagonal = np.diag(growth).copy()
        np.fill_diagonal(growth, diagonal / 2.0)
        squared = float(shift @ shift + (np.tril(growth, -1) ** 2).sum() + (diagonal**2).sum() / 2.0)
        return shift, growth, squared


def self_paced_step(problem: SelfPacedProblem, max_kl: float, lowest_stds: Floats) -> TaskGaussian:
    """Give a Gaussian p of a higher objective with KL(old || p) <= max_kl; the old one where none is found.

    lowest_stds: shape (d,), below which no std shrinks (one that is below already does not shrink further).
    A few natural-gradient steps, each with a line search over lengths up to the whole radius.
    """
    lowest_stds = np.minimum(lowest_stds, problem.old.stds)
    best, highest = problem.old, problem.objective(problem.old)
    start = highest
    for _ in range(_N_STEPS):
        before = highest
        best, highest = _line_search(problem, best, max_kl, lowest_stds)
        if highest - before <= 0.01 * (highest - start):
            break
    return best


def _line_search(
    problem: SelfPacedProblem, p: TaskGaussian, max_kl: float, lowest_stds: Floats
) -> tuple[TaskGaussian, float]:
    """Give the best Gaussian along the natural gradient from p, and its objective; p itself if none is better."""
    best, highest = p, problem.objective(p)
    shift, growth, squared = problem.natural_gradient(p)
    if not squared > 1e-24:  # equal values and no pull of the target
        return best, highest
    length = np.sqrt(2.0 * max_kl / squared)  # KL = length^2 * squared / 2, for short steps
    for step in length * _SHARES:
        candidate = p.moved(step * shift, step * growth).bounded(lowest_stds)
        if problem.old.divergence(candidate) > max_kl:
            continue
        objective = problem.objective(candidate)
        if objective > highest:
            best, highest = candidate, objective
        elif best is not p:
            break  # shorter steps gain less
    return best, highest


class SPDL(Teacher):
    """Self-paced deep reinforcement learning (Klink et al. 2020, NeurIPS; Klink et al. 2021, JMLR, section 5).

    Tasks come from one Gaussian, clipped to the cube (as in the reference; mass piles up on the faces). Every
    ``update_every`` episodes it moves towards what those episodes were worth and towards the target: it maximises
    the importance-weighted mean of their values - alpha * KL(p || target), with KL(old || p) <= ``max_kl``. alpha
    is 0 for the first ``alpha_offset`` updates, then ``zeta`` * mean value / KL(old || target): an agent that does
    well is sent to the target, one that does not stays where it learns.

    The means stay in the cube and no std exceeds 1. It keeps the episodes since the last update and two Gaussians.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        initial_mean: Sequence[float] | float | None = None,
        initial_std: Sequence[float] | float = 0.1,
        target_mean: Sequence[float] | float = 0.5,
        target_std: Sequence[float] | float = 0.25,
        update_every: int = 50,
        max_kl: float = 0.1,
        zeta: float = 1.0,
        alpha_offset: int = 10,
        min_std: float = 0.0,
        min_std_until_kl: float = 0.0,
        value: Literal["score", "value"] = "score",
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        initial_mean, initial_std, target_mean, target_std: in the unit cube, one number an axis or one for all;
        initial_mean None is the space's default task: name an easy task there or here. update_every: episodes
        between updates. max_kl: how far one update may go, in nats. zeta: the pull of the target. alpha_offset:
        updates without that pull. min_std: below which no std shrinks until KL(p || target) is at most
        ``min_std_until_kl``. value: what an episode is worth, its score or the learner's own estimate for its first
        state (the paper's choice).
        """
        self.initial_mean = initial_mean
        self.initial_std = initial_std
        self.target_mean = target_mean
        self.target_std = target_std
        self.update_every = update_every
        self.max_kl = max_kl
        self.zeta = zeta
        self.alpha_offset = alpha_offset
        self.min_std = min_std
        self.min_std_until_kl = min_std_until_kl
        self.value = value

    @property
    def needs(self) -> frozenset[str]:
        """``{"value"}`` where episodes are worth the learner's own estimate."""
        return frozenset({"value"} if self.value == "value" else ())

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        initial_mean = space.default.unit if self.initial_mean is None else self.initial_mean
        target_stds = per_axis(self, "target_std", self.target_std, SMALLEST_STD)
        initial_stds = per_axis(self, "initial_std", self.initial_std, SMALLEST_STD)
        self._target = TaskGaussian(per_axis(self, "target_mean", self.target_mean), np.diag(target_stds))
        self._gaussian = TaskGaussian(
            per_axis(self, "initial_mean", initial_mean), np.diag(np.maximum(initial_stds, self.min_std))
        )
        self._alpha = 0.0
        self._n_updates = 0
        self._n_pending = 0
        self._tasks = np.zeros((self.update_every, space.dimension))
        self._values = np.zeros(self.update_every)

    def _check_hyperparameters(self) -> None:
        rules = [
            ("update_every", self.update_every >= 2, "at least 2"),
            ("max_kl", 0.0 < self.max_kl < np.inf, "positive"),
            ("zeta", 0.0 <= self.zeta < np.inf, "at least 0"),
            ("alpha_offset", self.alpha_offset >= 0, "at least 0"),
            ("min_std", 0.0 <= self.min_std <= 1.0, "in [0, 1]"),
            ("min_std_until_kl", self.min_std_until_kl >= 0.0, "at least 0"),
            ("value", self.value in ("score", "value"), "'score' or 'value'"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        gaussian, normal = self._gaussian, self.rng.standard_normal((n, self.space.dimension))
        draws = gaussian.mean + np.einsum("ij,nj->ni", gaussian.factor, normal)
        clipped: Floats = np.minimum(np.maximum(draws, 0.0), 1.0)  # np.clip is slower for one task
        return clipped

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d), and move at every ``update_every``-th of all."""
        tasks = self.checked(tasks, outcomes)
        values = outcomes.scores if self.value == "score" else outcomes.extra["value"]
        for part in stretches(len(tasks), self._n_pending, self.update_every):
            first, self._n_pending = self._n_pending, self._n_pending + part.stop - part.start
            self._tasks[first : self._n_pending], self._values[first : self._n_pending] = tasks[part], values[part]
            if self._n_pending == self.update_every:
                self._move()

    def _move(self) -> None:
        old, target = self._gaussian, self._target
        distance = old.divergence(target)
        self._alpha = 0.0
        if self._n_updates >= self.alpha_offset:
            # 1e-3 nats: at the target alpha would be infinite
            self._alpha = self.zeta * max(0.0, float(self._values.mean())) / max(distance, 1e-3)
        lowest = self.min_std if distance > self.min_std_until_kl else 0.0
        problem = SelfPacedProblem(old, target, self._tasks, self._values, self._alpha)
        self._gaussian = self_paced_step(problem, self.max_kl, np.full(len(old.mean), lowest))
        self._n_updates += 1
        self._n_pending = 0
        self._tasks[:], self._values[:] = 0.0, 0.0

    def gaussian(self) -> TaskGaussian:
        """Give the Gaussian that tasks are drawn from now, before clipping."""
        return self._gaussian

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` inside the cube, at points of shape (n, d); shape (n,).

        The mass outside, which clipping puts on the faces, is not in it.
        """
        density: Floats = np.exp(self._gaussian.log_density(self.space.check_points(points)))
        return density

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve.

        entropy: of the sampling density on about 1,000 points of the cube (1 is uniform). kl_to_target: in nats.
        alpha: the target's pull at the last update. mean_std: over the axes, in shares of an axis.
        """
        log_density = self._gaussian.log_density(reference_points(self.space))
        return {
            "entropy": evenness(np.exp(log_density - log_density.max())),
            "kl_to_target": self._gaussian.divergence(self._target),
            "alpha": self._alpha,
            "mean_std": float(self._gaussian.stds.mean()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Give Gaussian, counters, open episodes and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "mean": self._gaussian.mean.copy(),
            "factor": self._gaussian.factor.copy(),
            "alpha": self._alpha,
            "n_updates": self._n_updates,
            "n_pending": self._n_pending,
            "tasks": self._tasks.copy(),
            "values": self._values.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        d = self.space.dimension
        check_shapes("the teacher 'SPDL'", state, mean=(d,), factor=(d, d))
        check_shapes("the teacher 'SPDL'", state, tasks=self._tasks.shape, values=self._values.shape)
        self._gaussian = TaskGaussian(state["mean"].copy(), state["factor"].copy())
        self._alpha = state["alpha"]
        self._n_updates, self._n_pending = state["n_updates"], state["n_pending"]
        self._tasks, self._values = state["tasks"].copy(), state["values"].copy()
