"""Which known task transitions are of, and whether they are of none: from the errors of dynamics models."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel
from lifelong_rl.agents.hypernet.novelty import cusum_limits, cusum_step, window_statistic
from lifelong_rl.agents.hypernet.residuals import FEWEST_ROWS, ResidualLaw
from lifelong_rl.agents.hypernet.task_models import TaskModels, reference_outputs
from lifelong_rl.agents.hypernet.transitions import Array, Transitions


def calibrate(model: DynamicsModel, task: int, data: Transitions, n_streams: int = 1) -> ResidualLaw | None:
    """Fit the law of a task's errors to its transitions, and keep it with the task's scales.

    Call it after :meth:`DynamicsModel.end_task`, before the data go: nothing but the law is kept, about 20 KB. data:
    in the order of time; n_streams: parallel environments, row i being of environment i modulo n_streams. Gives None,
    and leaves the task without a law, where there are fewer than 30 transitions.
    """
    model.learner.check_task(task)
    scales = model.scales[task]
    scales.law = None
    if len(data) < FEWEST_ROWS:
        return None
    batch = model.batch(task, data.columns())
    errors = (batch.targets - model.predictor(task).scaled(batch.inputs)).cpu().numpy()
    if not model.settings.scales_targets:
        errors = errors / scales.targets.std
    law = ResidualLaw.fit(batch.inputs.cpu().numpy(), errors, data.is_held_out, n_streams)
    scales.law = dataclasses.replace(law, reference=reference_outputs(model, task, law))
    return scales.law


@dataclass(frozen=True)
class Inference:
    """What n windows of transitions say of k known tasks."""

    tasks: tuple[int, ...]
    """The tasks' numbers, in the order of the last axes."""
    log_likelihoods: Array
    """Log-density of each window under each task's model, shape (n, k)."""
    belief: Array
    """Posterior probability of each task, given that it is one of them, shape (n, k)."""
    most_likely: NDArray[np.int64]
    """Number of the most probable task, shape (n,)."""
    novelty: Array
    """How far the window is from every known task, shape (n,): its statistic as a share of the limit, least of all
    tasks."""
    is_unknown: NDArray[np.bool_]
    """Whether the novelty is above 1, shape (n,)."""


def infer(
    models: TaskModels,
    observations: Array,
    actions: Array,
    following: Array,
    rewards: Array | None = None,
    *,
    prior: Array | None = None,
    false_alarm_rate: float = 0.05,
) -> Inference:
    """Say of which task each window of transitions is, or that it is of none.

    observations and following: (n, length, observation size). actions: (n, length, action size). rewards: (n,
    length), read only by models that learn the reward. prior: probability of each task, (k,); None for equal ones.
    false_alarm_rate: share of a known task's windows that may be taken for unknown. ValueError for an empty window.
    """
    shape = np.shape(observations)
    if len(shape) != 3 or shape[1] == 0:
        raise ValueError(
            "a window must hold at least one transition: observations must have the shape (windows, length, size), "
            f"found {shape}."
        )
    evidence = models.evidence(observations, actions, following, rewards)
    totals = evidence.log_likelihoods.sum(axis=1)
    belief = softmax(totals + log_prior(models, prior), axis=1)
    limits = models.window_limits(shape[1], false_alarm_rate)
    novelty = (window_statistic(evidence.scores) / limits).min(axis=1)
    most_likely = np.array(models.tasks)[belief.argmax(axis=1)]
    return Inference(models.tasks, totals, belief, most_likely, novelty, novelty > 1)


def log_prior(models: TaskModels, prior: Array | None) -> Array:
    """Give the logarithm of a prior, shape (k,); ValueError where it is none."""
    if prior is None:
        return np.full(models.n_tasks, -np.log(models.n_tasks))
    prior = np.asarray(prior, dtype=np.float64)
    if prior.shape != (models.n_tasks,) or not (prior > 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise ValueError(
            f"prior must give each of the {models.n_tasks} tasks a probability above 0, 1 together, found {prior}."
        )
    return np.asarray(np.log(prior))


@dataclass(frozen=True)
class FilterSettings:
    """How evidence is summed up while acting."""

    forgetting: float = 0.98
    """What a step leaves of the evidence before it; 1 forgets nothing, 0.98 most of what is 50 steps old."""
    false_alarm_rate: float = 0.01
    """Share of a known task's streams of ``horizon`` transitions in which an unknown task may be reported."""
    horizon: int = 200
    """Transitions within which that rate holds."""
    allowance: float = 0.5
    """How many deviations of a score Page's sum forgives each step: half the shift that is found fastest."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.forgetting <= 1:
            raise ValueError(f"forgetting must be in [0, 1], found {self.forgetting}.")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, found {self.horizon}.")


class TaskFilter:
    """The same while acting in n_envs environments: a running belief, and Page's sums that raise an alarm.

    Update it with each step, and restart environments whose episode has ended: the evidence is of one episode. An
    alarm needs the sum of every known task above its limit, so a known task raises one at most at its own rate.
    """

    def __init__(
        self,
        models: TaskModels,
        n_envs: int,
        *,
        settings: FilterSettings = FilterSettings(),
        prior: Array | None = None,
    ):
        self.settings = settings
        self.n_envs = n_envs
        self._prior = prior
        self._take(models)

    def _take(self, models: TaskModels) -> None:
        self.models = models
        """The models that are compared."""
        self._log_prior = log_prior(models, self._prior)
        s = self.settings
        rng = np.random.default_rng(0)  # the limits are a function of the laws alone
        self.limits = cusum_limits(models.laws, s.horizon, s.allowance, s.false_alarm_rate, rng)
        """What the sum of each task must exceed, shape (k,)."""
        self._clear()

    def _clear(self) -> None:
        shape = (self.n_envs, self.models.n_tasks)
        self.log_likelihoods: Array = np.zeros(shape)
        """Log-likelihood of the episode so far, older steps weighted less, shape (n_envs, k)."""
        self.cusums: Array = np.zeros(shape)
        """Page's sums, shape (n_envs, k)."""
        self.n_seen = np.zeros(self.n_envs, dtype=np.int64)
        """Transitions since the start, shape (n_envs,)."""
        self.is_unknown = np.zeros(self.n_envs, dtype=bool)
        """Whether an alarm was raised since the start, shape (n_envs,)."""

    def for_envs(self, n_envs: int) -> TaskFilter:
        """Give a filter of the same models and limits for other environments, which has seen nothing yet."""
        other = copy.copy(self)
        other.n_envs = n_envs
        other._clear()
        return other

    def copied(self) -> TaskFilter:
        """Give a filter that has seen the same and goes its own way from here; models and limits are shared."""
        other = copy.copy(self)
        other.n_seen, other.is_unknown = self.n_seen.copy(), self.is_unknown.copy()
        other.log_likelihoods, other.cusums = self.log_likelihoods.copy(), self.cusums.copy()
        return other

    def renew(self, models: TaskModels) -> None:
        """Go on with models of new weights; what was seen is kept if they are of the same tasks, else forgotten."""
        kept = self.state_dict()
        if models.tasks != self.models.tasks:
            self._prior = None
        self._take(models)
        if list(models.tasks) == kept["tasks"]:
            self.load_state_dict(kept)

    def restart(self, which: NDArray[np.bool_] | None = None) -> None:
        """Forget what was seen, in the environments of a mask (n_envs,); None for all: an episode starts."""
        chosen = slice(None) if which is None else which
        for array in (self.log_likelihoods, self.cusums, self.n_seen, self.is_unknown):
            array[chosen] = 0

    def update(self, observations: Array, actions: Array, following: Array, rewards: Array | None = None) -> None:
        """Take one transition of each environment in, shapes (n_envs, size) as in :meth:`TaskModels.evidence`."""
        if len(observations) != self.n_envs:
            raise ValueError(f"one transition of each of {self.n_envs} environments, found {len(observations)}.")
        evidence = self.models.evidence(observations, actions, following, rewards)
        self.log_likelihoods = self.settings.forgetting * self.log_likelihoods + evidence.log_likelihoods
        self.cusums = cusum_step(self.cusums, evidence.scores, self.settings.allowance)
        self.n_seen += 1
        self.is_unknown |= self.novelty > 1

    @property
    def belief(self) -> Array:
        """Posterior probability of each task, shape (n_envs, k); the prior before any transition."""
        return np.asarray(softmax(self.log_likelihoods + self._log_prior, axis=1))

    @property
    def most_likely(self) -> NDArray[np.int64]:
        """Number of the most probable task in each environment, shape (n_envs,)."""
        return np.asarray(np.array(self.models.tasks)[self.belief.argmax(axis=1)])

    @property
    def novelty(self) -> Array:
        """Page's sums as a share of their limits, least of all tasks, shape (n_envs,); above 1 is an alarm."""
        return np.asarray((self.cusums / self.limits).min(axis=1))

    def state_dict(self) -> dict[str, Any]:
        """Give what was seen, and of which tasks; the models are not in it."""
        arrays = ("log_likelihoods", "cusums", "n_seen", "is_unknown")
        return {"tasks": list(self.models.tasks), **{name: getattr(self, name).copy() for name in arrays}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state; ValueError where it is of other tasks or environments."""
        found, n_envs = list(state["tasks"]), len(state["n_seen"])
        if found != list(self.models.tasks) or n_envs != self.n_envs:
            raise ValueError(
                f"the saved filter is of the tasks {found} in {n_envs} environments, this one of "
                f"{list(self.models.tasks)} in {self.n_envs}; build it with the saved models."
            )
        for name in ("log_likelihoods", "cusums", "n_seen", "is_unknown"):
            setattr(self, name, np.array(state[name]))
