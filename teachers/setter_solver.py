"""Setter-Solver: a flow that sets tasks of a wanted difficulty, and a judge that knows how hard tasks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import evenness, reference_points
from lifelong_rl.teachers.networks import Layers, Networks, one_thread, perceptron

if TYPE_CHECKING:
    from torch import Tensor

_POOL = 64  # tasks set at once: one by one, the flow would cost more than all else
_EDGE = 1e-3  # tasks and difficulties keep this far from 0 and 1, where normal quantiles and logits are infinite
_N_DIFFICULTIES = 16  # over which the density is averaged


class SetterSolver(Teacher):
    """Setter-Solver (Racaniere et al. 2020; hyper-parameters of Romac et al. 2021).

    The judge, a perceptron of three hidden layers, learns from all episodes how probably a task succeeds. The setter
    is a real-NVP flow (Dinh et al. 2017) that turns normal noise and a wanted probability of success f, uniform in
    (0, 1), into a task. After every ``fit_every`` episodes both make one step of Adam. The setter's loss is a sum:

    - validity: -log p(solved task + noise | f), so that all that was ever solved can be set;
    - feasibility: (judge's logit of a set task - logit f)^2;
    - coverage: the mean log p of set tasks, so that they spread.

    The flow ends in the normal distribution function, so that tasks are uniform at the start. Only ``successes`` of
    outcomes count. Categories have no gradient and are refused. It keeps both networks, ``fit_every`` episodes and
    the last ``max_solved`` solved tasks.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        fit_every: int = 50,
        n_blocks: int = 3,
        setter_units: int = 64,
        judge_units: int = 64,
        learning_rate: float = 3e-4,
        noise: float = 0.1,
        batch_size: int = 64,
        max_solved: int = 1000,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        fit_every: episodes between steps. n_blocks: of the flow; each moves one half of the axes given the other,
        then the other way round, by perceptrons of two hidden layers. setter_units, judge_units: of hidden layers.
        learning_rate: of Adam. noise: half-width of the uniform noise on solved tasks, on the unit cube. batch_size:
        solved tasks, and set tasks, of a step. max_solved: solved tasks kept.
        """
        self.fit_every = fit_every
        self.n_blocks = n_blocks
        self.setter_units = setter_units
        self.judge_units = judge_units
        self.learning_rate = learning_rate
        self.noise = noise
        self.batch_size = batch_size
        self.max_solved = max_solved

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        d, s, j = space.dimension, self.setter_units, self.judge_units
        self._judge = Networks([[d, j, j, j, 1]], rng, "adam", self.learning_rate)
        couplings = [[d + 1, s, s, 2 * d]] * (2 * self.n_blocks)  # 0.01: the flow begins near the identity
        self._setter = Networks(couplings, rng, "adam", self.learning_rate, last_scale=0.01)
        self._recent = np.empty((self.fit_every, d + 1))  # tasks since the last step, and 1 for success
        self._n_recent = 0
        self._solved = np.empty((self.max_solved, d))  # a ring
        self._n_solved = 0
        self._pool = np.empty((0, d))  # tasks set, from the first not drawn yet

    def _check_hyperparameters(self) -> None:
        counts = ("fit_every", "n_blocks", "setter_units", "judge_units", "batch_size", "max_solved")
        rules = [
            *((name, getattr(self, name) >= 1, "at least 1") for name in counts),
            ("learning_rate", 0.0 < self.learning_rate <= 0.1, "in (0, 0.1]"),
            ("noise", self.noise >= 0.0, "at least 0"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        tasks = np.empty((n, self.space.dimension))
        filled = 0
        while filled < n:
            if not len(self._pool):
                self._pool = self._set_tasks()
            taken = self._pool[: n - filled]
            tasks[filled : filled + len(taken)] = taken
            self._pool = self._pool[len(taken) :]
            filled += len(taken)
        return tasks

    def _set_tasks(self) -> Floats:
        import torch

        with one_thread(), torch.no_grad():
            tasks, _ = set_tasks(self._setter.layers(), *self._noise_and_difficulty(_POOL))
        return tasks.numpy().astype(np.float64)

    def _noise_and_difficulty(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw what the setter starts from: normal noise, shape (n, d), and wanted success, shape (n, 1)."""
        noise = self.rng.standard_normal((n, self.space.dimension))
        return to_tensor(noise), to_tensor(self.rng.uniform(_EDGE, 1.0 - _EDGE, (n, 1)))

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Store n finished episodes, tasks of shape (n, d); after every ``fit_every`` of all, make a step."""
        tasks = self.checked(tasks, outcomes)
        for task, is_success in zip(tasks, outcomes.successes.tolist(), strict=True):
            self._recent[self._n_recent, :-1], self._recent[self._n_recent, -1] = task, is_success
            self._n_recent += 1
            if is_success:
                self._solved[self._n_solved % self.max_solved] = task
                self._n_solved += 1
            if self._n_recent == self.fit_every:
                with one_thread():
                    self._fit_judge()
                    self._fit_setter()
                self._n_recent = 0
                self._pool = self._pool[:0]

    def _fit_judge(self) -> None:
        from torch.nn.functional import binary_cross_entropy_with_logits

        tasks, successes = to_tensor(self._recent[:, :-1]), to_tensor(self._recent[:, -1:])
        logits = perceptron(self._judge.layers()[0], 2.0 * tasks - 1.0)
        self._judge.step(binary_cross_entropy_with_logits(logits, successes))

    def _fit_setter(self) -> None:
        couplings = self._setter.layers()
        tasks, log_density = set_tasks(couplings, *(start := self._noise_and_difficulty(self.batch_size)))
        logits = perceptron(self._judge.layers()[0], 2.0 * tasks - 1.0)
        loss = (logits - start[1].logit()).square().mean() + log_density.mean()  # feasibility and coverage
        if n_solved := min(self._n_solved, self.max_solved):
            solved = self._solved[self.rng.integers(n_solved, size=self.batch_size)]
            solved = solved + self.rng.uniform(-self.noise, self.noise, solved.shape)
            _, difficulty = self._noise_and_difficulty(self.batch_size)
            loss = loss - log_density_of(couplings, to_tensor(np.clip(solved, _EDGE, 1.0 - _EDGE)), difficulty).mean()
        self._setter.step(loss)

    def success_probability(self, points: Floats) -> Floats:
        """Give the judge's probability of success at points of the unit cube, shape (n, d); shape (n,)."""
        import torch

        points = self.space.check_points(points)
        with one_thread(), torch.no_grad():
            logits = perceptron(self._judge.layers()[0], to_tensor(2.0 * points - 1.0))
            return logits.sigmoid()[:, 0].numpy().astype(np.float64)

    def density(self, points: Floats) -> Floats:
        """Give the density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,).

        That of the flow, averaged over 16 wanted probabilities of success; points near a face count as 0.001 inside.
        """
        import torch

        inside = to_tensor(np.clip(self.space.check_points(points), _EDGE, 1.0 - _EDGE))
        total = np.zeros(len(points))
        with one_thread(), torch.no_grad():
            couplings = self._setter.layers()
            for difficulty in (np.arange(_N_DIFFICULTIES) + 0.5) / _N_DIFFICULTIES:
                wanted = torch.full((len(points), 1), float(difficulty))
                # 50: the sum stays finite even where the flow has collapsed to a point
                total += np.exp(log_density_of(couplings, inside, wanted).double().clamp(max=50.0).numpy())
        return total / _N_DIFFICULTIES

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve.

        entropy: of the sampling density on about 1,000 points of the cube (1 is uniform). mean_success_probability:
        the judge's, over these points. n_solved: solved episodes so far.
        """
        points = reference_points(self.space)
        densities = self.density(points)
        numbers = {"mean_success_probability": float(self.success_probability(points).mean())}
        if densities.any():
            numbers["entropy"] = evenness(densities)
        return {**numbers, "n_solved": float(self._n_solved)}

    def state_dict(self) -> dict[str, Any]:
        """Give networks, optimisers, tasks, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "judge": self._judge.state_dict(),
            "setter": self._setter.state_dict(),
            "recent": self._recent[: self._n_recent].copy(),
            "solved": self._solved[: self._n_solved].copy(),
            "n_solved": self._n_solved,
            "pool": self._pool.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        n_expected = min(state["n_solved"], self.max_solved)
        if len(state["solved"]) != n_expected:
            raise ValueError(f"{n_expected} solved tasks are expected in this state, found {len(state['solved'])}.")
        self._judge.load_state_dict(state["judge"])
        self._setter.load_state_dict(state["setter"])
        self._n_recent, self._n_solved = len(state["recent"]), state["n_solved"]
        self._recent[: self._n_recent] = state["recent"]
        self._solved[: len(state["solved"])] = state["solved"]
        self._pool = state["pool"].copy()


def to_tensor(array: Floats) -> Tensor:
    """Give a copy of an array as a tensor of single precision."""
    import torch

    return torch.from_numpy(array.astype(np.float32))


def coupling(layers: Layers, index: int, points: Tensor, difficulty: Tensor) -> tuple[Tensor, Tensor]:
    """Give log scale and shift of the axes that coupling ``index`` moves, 0 on others; both of shape (n, d).

    They depend on the other axes, every second one, and on the difficulty, shape (n, 1); on one axis on that alone.
    """
    import torch

    dimension = points.shape[1]
    moves = (torch.arange(dimension) + index) % 2 == 0 if dimension > 1 else torch.ones(1, dtype=torch.bool)
    outputs = perceptron(layers, torch.cat([points * ~moves, difficulty], dim=1))
    return outputs[:, :dimension].tanh() * moves, outputs[:, dimension:] * moves


def set_tasks(couplings: list[Layers], noise: Tensor, difficulty: Tensor) -> tuple[Tensor, Tensor]:
    """Turn normal noise, shape (n, d), into tasks in [0, 1], of that shape; give them and their log density, (n,)."""
    import torch

    points, log_density = noise, -0.5 * noise.square().sum(dim=1)
    for index, layers in enumerate(couplings):
        log_scale, shift = coupling(layers, index, points, difficulty)
        points = points * log_scale.exp() + shift
        log_density = log_density - log_scale.sum(dim=1)
    return torch.special.ndtr(points), log_density + 0.5 * points.square().sum(dim=1)


def log_density_of(couplings: list[Layers], tasks: Tensor, difficulty: Tensor) -> Tensor:
    """Give the log density of tasks strictly inside the cube, shape (n, d), for :func:`set_tasks`; shape (n,)."""
    import torch

    points = torch.special.ndtri(tasks)
    log_density: Tensor = 0.5 * points.square().sum(dim=1)
    for index, layers in reversed(list(enumerate(couplings))):
        log_scale, shift = coupling(layers, index, points, difficulty)
        points = (points - shift) * (-log_scale).exp()
        log_density = log_density - log_scale.sum(dim=1)
    log_density = log_density - 0.5 * points.square().sum(dim=1)
    return log_density
