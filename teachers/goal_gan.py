"""GoalGAN: a generative adversarial network that makes tasks which sometimes succeed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.density import cell_evenness
from lifelong_rl.teachers.networks import Networks, one_thread, perceptron
from lifelong_rl.teachers.states import check_shapes

if TYPE_CHECKING:
    from torch import Tensor

_POOL = 256  # tasks generated at once: one by one, the network would cost more than all else
_MOST_OPEN = 1000  # tasks whose rollouts are not complete: some never come back


class GoalGAN(Teacher):
    """GoalGAN, automatic goal generation (Florensa et al. 2018; hyper-parameters of Romac et al. 2021).

    Each task is drawn ``n_rollouts`` times in a row, and is labelled when as many episodes of it are finished:
    good if its share of successes lies in [``min_success``, ``max_success``]. After every ``fit_every`` labels a
    least-squares GAN is trained on them: the discriminator towards 1 on good tasks and -1 on others and on generated
    ones, the generator towards 0. Without a good task the training is left out.

    A new task is uniform with probability ``random_fraction``, and always before the first training, so that there
    is something to learn from; with probability ``replay_fraction`` it is one that once succeeded in all rollouts;
    else it is generated and gets Gaussian noise. Successful tasks are kept if they are ``distance`` or more from
    those kept. Only ``successes`` of outcomes count. Categories have no gradient and are refused.

    It keeps both networks, at most ``fit_every`` labels, ``max_replay`` tasks to replay and 1,000 unfinished ones.
    """

    kinds = frozenset({"real", "integer"})

    def __init__(
        self,
        n_rollouts: int = 2,
        min_success: float = 0.25,
        max_success: float = 0.75,
        fit_every: int = 100,
        iterations: int = 250,
        batch_size: int = 64,
        generator_units: int = 256,
        discriminator_units: int = 128,
        learning_rate: float = 1e-3,
        noise: float = 0.1,
        random_fraction: float = 0.1,
        replay_fraction: float = 0.1,
        distance: float = 0.1,
        max_replay: int = 1000,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        n_rollouts: episodes of each task. min_success, max_success: shares of successes of a good task. fit_every:
        labels between trainings. iterations, batch_size, learning_rate: of one training (RMSprop). generator_units,
        discriminator_units: of each of the two hidden layers. noise: standard deviation added to generated tasks, on
        the unit cube. random_fraction, replay_fraction: shares of new tasks, together at most 1. distance: between
        tasks to replay, as :meth:`TaskSpace.embed` has it. max_replay: the most of them; the oldest goes first.
        """
        self.n_rollouts = n_rollouts
        self.min_success = min_success
        self.max_success = max_success
        self.fit_every = fit_every
        self.iterations = iterations
        self.batch_size = batch_size
        self.generator_units = generator_units
        self.discriminator_units = discriminator_units
        self.learning_rate = learning_rate
        self.noise = noise
        self.random_fraction = random_fraction
        self.replay_fraction = replay_fraction
        self.distance = distance
        self.max_replay = max_replay

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        d, g, c = space.dimension, self.generator_units, self.discriminator_units
        self._generator = Networks([[d, g, g, d]], rng, "rmsprop", self.learning_rate)
        self._discriminator = Networks([[d, c, c, 1]], rng, "rmsprop", self.learning_rate)
        self._n_fits = 0
        self._open: dict[bytes, list[Any]] = {}  # task, its episodes, its successes; by the task's digits
        self._labelled = np.empty((0, d + 1))  # tasks, and 1 for the good ones
        self._replay = np.empty((0, d))
        self._pool = np.empty((0, d))  # generated tasks, from the first not drawn yet
        self._task, self._n_left = np.empty(d), 0  # the task being drawn, and how often still
        self._n_drawn = np.zeros(3, dtype=np.int64)  # new tasks: random, replayed, generated

    def _check_hyperparameters(self) -> None:
        counts = ("n_rollouts", "fit_every", "iterations", "batch_size", "generator_units", "discriminator_units")
        share = self.random_fraction + self.replay_fraction
        rules = [
            *((name, getattr(self, name) >= 1, "at least 1") for name in (*counts, "max_replay")),
            ("max_success", 0.0 <= self.min_success <= self.max_success <= 1.0, "in [min_success, 1]"),
            ("learning_rate", self.learning_rate > 0.0, "above 0"),
            ("noise", self.noise >= 0.0, "at least 0"),
            ("random_fraction", 0.0 <= self.random_fraction <= 1.0, "in [0, 1]"),
            ("replay_fraction", self.replay_fraction >= 0.0 and share <= 1.0, "in [0, 1 - random_fraction]"),
            ("distance", self.distance >= 0.0, "at least 0"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        tasks = np.empty((n, self.space.dimension))
        for row in tasks:
            if not self._n_left:
                self._task, self._n_left = self._new_task(), self.n_rollouts
            self._n_left -= 1
            row[:] = self._task
        return tasks

    def _new_task(self) -> Floats:
        source, choice = self.rng.random(2).tolist()
        source -= self.random_fraction
        if not self._n_fits or source < 0.0:
            self._n_drawn[0] += 1
            uniform: Floats = self.space.sample(1, self.rng)[0]
            return uniform
        if source < self.replay_fraction and len(self._replay):
            self._n_drawn[1] += 1
            replayed: Floats = self._replay[int(choice * len(self._replay))]
            return replayed
        self._n_drawn[2] += 1
        if not len(self._pool):
            self._pool = self._generate(_POOL)
        generated: Floats = self._pool[0]
        self._pool = self._pool[1:]
        return generated

    def _generate(self, n: int) -> Floats:
        """Give n tasks of the generator with noise, shape (n, d) in [0, 1]."""
        import torch

        shape = (n, self.space.dimension)
        inputs = torch.from_numpy(self.rng.standard_normal(shape).astype(np.float32))
        with one_thread(), torch.no_grad():
            centres = made_of(perceptron(self._generator.layers()[0], inputs)).numpy()
        tasks: Floats = np.clip(0.5 + 0.5 * centres + self.noise * self.rng.standard_normal(shape), 0.0, 1.0)
        return tasks

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Count the successes of n finished episodes, tasks of shape (n, d); label, and train when it is time."""
        tasks = self.checked(tasks, outcomes)
        # 9 digits: a task comes back from an environment with its last bits changed
        keys = np.round(self.space.snap(tasks), 9)
        for task, key, is_success in zip(tasks, keys, outcomes.successes.tolist(), strict=True):
            entry = self._open.setdefault(key.tobytes(), [task.copy(), 0, 0])
            entry[1] += 1
            entry[2] += is_success
            if entry[1] == self.n_rollouts:
                del self._open[key.tobytes()]
                self._label(entry[0], entry[2] / self.n_rollouts)
            elif len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]

    def _label(self, task: Floats, success: float) -> None:
        is_good = self.min_success <= success <= self.max_success
        self._labelled = np.vstack([self._labelled, np.append(task, float(is_good))])
        if success == 1.0 and self._is_far(task):
            self._replay = np.vstack([self._replay, task])[-self.max_replay :]
        if len(self._labelled) == self.fit_every:
            if self._labelled[:, -1].any():
                with one_thread():
                    self._fit()
            self._labelled = self._labelled[:0]

    def _is_far(self, task: Floats) -> bool:
        """Say whether a task, shape (d,), is ``distance`` or more from all that can be replayed."""
        gaps = self.space.embed(self._replay) - self.space.embed(task[None])
        return not len(gaps) or float(np.linalg.norm(gaps, axis=1).min()) >= self.distance

    def _fit(self) -> None:
        """Train both networks on the labelled tasks."""
        import torch

        tasks = torch.from_numpy((2.0 * self._labelled[:, :-1] - 1.0).astype(np.float32))
        labels = torch.from_numpy(self._labelled[:, -1:].astype(np.float32))
        rows = self.rng.integers(len(tasks), size=(self.iterations, self.batch_size))
        for i in range(self.iterations):
            noise = self.rng.standard_normal((2, self.batch_size, tasks.shape[1])).astype(np.float32)
            for_discriminator, for_generator = torch.from_numpy(noise)
            with torch.no_grad():
                made = made_of(perceptron(self._generator.layers()[0], for_discriminator))
            judge = self._discriminator.layers()[0]
            loss = discriminator_loss(perceptron(judge, tasks[rows[i]]), labels[rows[i]], perceptron(judge, made))
            self._discriminator.step(loss)
            made = made_of(perceptron(self._generator.layers()[0], for_generator))
            self._generator.step(perceptron(self._discriminator.layers()[0], made).square().mean())
        self._n_fits += 1
        self._pool = self._pool[:0]

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve; undefined ones are left out.

        entropy: of 1,000 draws over cells of the cube (1 is uniform). n_fits: trainings. n_replay: tasks to replay.
        random_share, replay_share, gan_share: sources of all new tasks so far.
        """
        draws = copy.deepcopy(self).sample(1000 * self.n_rollouts)[:: self.n_rollouts]
        numbers = {
            "entropy": cell_evenness(draws, self.space),
            "n_fits": float(self._n_fits),
            "n_replay": float(len(self._replay)),
        }
        if n_drawn := int(self._n_drawn.sum()):
            for name, count in zip(("random", "replay", "gan"), self._n_drawn.tolist(), strict=True):
                numbers[f"{name}_share"] = count / n_drawn
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give networks, optimisers, tasks, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        entries = [[*task.tolist(), n, n_successes] for task, n, n_successes in self._open.values()]
        return {
            **super().state_dict(),
            "generator": self._generator.state_dict(),
            "discriminator": self._discriminator.state_dict(),
            "n_fits": self._n_fits,
            "open": np.array(entries, dtype=np.float64).reshape(-1, self.space.dimension + 2),
            "labelled": self._labelled.copy(),
            "replay": self._replay.copy(),
            "pool": self._pool.copy(),
            "task": self._task.copy() if self._n_left else np.zeros(self.space.dimension),
            "n_left": self._n_left,
            "n_drawn": self._n_drawn.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        shapes = {"task": (self.space.dimension,), "n_drawn": self._n_drawn.shape}
        check_shapes("the teacher 'GoalGAN'", state, **shapes)
        self._generator.load_state_dict(state["generator"])
        self._discriminator.load_state_dict(state["discriminator"])
        self._n_fits, self._n_left = state["n_fits"], state["n_left"]
        for name in ("labelled", "replay", "pool", "task", "n_drawn"):
            setattr(self, f"_{name}", state[name].copy())
        rows = state["open"]
        keys = np.round(self.space.snap(rows[:, :-2]), 9)
        self._open = {
            key.tobytes(): [row[:-2].copy(), int(row[-2]), int(row[-1])] for key, row in zip(keys, rows, strict=True)
        }


def made_of(outputs: Tensor) -> Tensor:
    """Give the generator's tasks, in [-1, 1] on each axis, from the outputs of its last layer."""
    return outputs.tanh()


def discriminator_loss(on_tasks: Tensor, labels: Tensor, on_made: Tensor) -> Tensor:
    """Give the least-squares loss of Florensa et al. 2018, equation 4, with a = -1 and b = 1.

    on_tasks, on_made: the discriminator's outputs, shape (n, 1). labels: 1 for good tasks, 0 for others.
    """
    good, other = (on_tasks - 1.0).square(), (on_tasks + 1.0).square()
    return (labels * good + (1.0 - labels) * other).mean() + (on_made + 1.0).square().mean()
