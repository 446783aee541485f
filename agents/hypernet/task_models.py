"""The models of all known tasks side by side: what each says of the same transitions, in one product a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel
from lifelong_rl.agents.hypernet.novelty import window_limits
from lifelong_rl.agents.hypernet.residuals import (
    N_KNOTS,
    WIDEST_INPUT,
    WIDEST_LOG_SCALE,
    ResidualLaw,
    normal_scores,
)
from lifelong_rl.agents.hypernet.transitions import Array

LARGEST_SQUARE = 1e12
"""Squared distances are cut off here, and exploded predictions (infinite, or not a number) count as this far off."""


class Evidence(NamedTuple):
    """What k tasks' models say of transitions of the leading shape (...)."""

    log_likelihoods: Array
    """Log-density of what was observed, in its own units, under each task's model, shape (..., k)."""
    scores: Array
    """How unusually large the error is for the task: the standard normal quantile of its rank among the task's own
    held-out errors, shape (..., k). Standard normal on transitions of that task, near 2.9 on clearly other ones."""


class TaskModels:
    """The models of k calibrated tasks with their weights as they are now; make it anew when they have changed.

    tasks: their numbers; None for all that have been calibrated. ValueError for a task that has not begun or has not
    been calibrated, and where there is no calibrated task.
    """

    def __init__(self, model: DynamicsModel, tasks: Sequence[int] | None = None):
        calibrated = [task for task, scales in enumerate(model.scales) if scales.law is not None]
        self.tasks: tuple[int, ...] = tuple(calibrated if tasks is None else tasks)
        """The tasks' numbers, in the order of the last axis of everything that is given."""
        for task in self.tasks:
            model.learner.check_task(task)
        missing = sorted(set(self.tasks) - set(calibrated))
        if missing or not self.tasks:
            found = f"task {missing[0]} is not" if missing else "none is"
            raise ValueError(
                f"a task can be recognised only once its errors are known, and {found} calibrated; call "
                "calibrate(model, task, data) at the task's end."
            )
        self.laws: tuple[ResidualLaw, ...] = tuple(_current_law(model, task) for task in self.tasks)
        """The laws of their errors, widened by what has changed in the models since they were fitted."""
        self._observation_size, self._action_size = model.observation_size, model.action_size
        self._has_reward = model.settings.learns_reward
        self._activation = model.target.activate
        self._members = model.target.n_members
        self._limits: dict[tuple[int, float], Array] = {}
        self._stack_layers(model)
        self._stack_laws(model)

    @property
    def n_tasks(self) -> int:
        """Tasks told apart."""
        return len(self.tasks)

    def window_limits(self, length: int, false_alarm_rate: float) -> Array:
        """Give the limits of :func:`~.novelty.window_limits`, shape (k,), computed once for each length and rate."""
        key = (length, false_alarm_rate)
        if key not in self._limits:  # drawn from a seed of their own: they are a function of the laws alone
            self._limits[key] = window_limits(self.laws, length, false_alarm_rate, np.random.default_rng(0))
        return self._limits[key]

    def _stack_layers(self, model: DynamicsModel) -> None:
        """Lay the layers of all tasks and members one behind another: the first is one matrix over shared inputs."""
        layers = [model.predictor(task).layers for task in self.tasks]
        matrices = [torch.cat([own[i][0] for own in layers]) for i in range(len(layers[0]))]
        biases = [torch.cat([own[i][1] for own in layers]) for i in range(len(layers[0]))]
        self._first = (matrices[0].flatten(0, 1), biases[0].flatten())
        self._others = [(matrix.transpose(1, 2).contiguous(), b) for matrix, b in zip(matrices, biases, strict=True)]
        self._others = self._others[1:]

    def _stack_laws(self, model: DynamicsModel) -> None:
        laws, scales = self.laws, [model.scales[task] for task in self.tasks]

        def stacked(arrays: Sequence[Array]) -> torch.Tensor:
            return torch.from_numpy(np.stack(arrays)).to(self._first[0])

        spreads = np.stack([s.targets.std for s in scales])
        whitening = [law.whitening / spread for law, spread in zip(laws, spreads, strict=True)]
        self._whitening = stacked(whitening).transpose(1, 2).contiguous()
        self._input_mean = stacked([s.inputs.mean for s in scales]).unsqueeze(1)
        self._input_std = stacked([s.inputs.std for s in scales]).unsqueeze(1)
        self._coefficients = stacked([law.coefficients for law in laws])
        self._degrees = stacked([np.array([law.degrees]) for law in laws])
        constants = [law.log_constant - np.log(s).sum() for law, s in zip(laws, spreads, strict=True)]
        self._constant = stacked([np.array([c]) for c in constants])
        pad = [(0, N_KNOTS - len(law.knots)) for law in laws]
        # Padded at the end with the last knot: whatever lies beyond has the last score.
        self._knots = stacked([np.pad(law.knots, p, mode="edge") for law, p in zip(laws, pad, strict=True)])
        quantiles = [normal_scores(len(law.knots)) for law in laws]
        self._quantiles = stacked([np.pad(q, p, mode="edge") for q, p in zip(quantiles, pad, strict=True)])
        self._differs = torch.from_numpy(model._differs).to(self._first[0])

    @torch.no_grad()
    def evidence(
        self, observations: Array, actions: Array, following: Array, rewards: Array | None = None
    ) -> Evidence:
        """Say what each task's model makes of transitions, whatever task they are of.

        observations and following: (..., observation size). actions: (..., action size). rewards: (...,), read only
        by models that learn the reward. ValueError for other shapes, and for observations that are not finite.
        """
        rows, targets, shape = self._rows(observations, actions, following, rewards)
        errors = targets - self._outputs(rows)
        log_scales = self._log_scales(rows)
        whitened = torch.bmm(errors, self._whitening) * torch.exp(-log_scales).unsqueeze(2)
        squares = torch.nan_to_num(whitened.square().sum(dim=2), LARGEST_SQUARE, LARGEST_SQUARE, LARGEST_SQUARE)
        squares = squares.clamp_max(LARGEST_SQUARE)
        size = errors.shape[2]
        tails = (self._degrees + size) / 2 * torch.log1p(squares / self._degrees)
        likelihoods = self._constant - size * log_scales - tails
        return Evidence(self._shaped(likelihoods, shape), self._shaped(self._scores(squares), shape))

    def _rows(
        self, observations: Array, actions: Array, following: Array, rewards: Array | None
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
        """Give inputs (n, inputs), targets (n, outputs), and the leading shape."""
        seen, taken, then = (np.asarray(a, dtype=np.float32) for a in (observations, actions, following))
        shape = seen.shape[:-1]
        expected = ((*shape, self._observation_size), (*shape, self._action_size), (*shape, self._observation_size))
        found = (seen.shape, taken.shape, then.shape)
        if found != expected:
            raise ValueError(
                "observations, actions and next observations must have one leading shape and the sizes "
                f"{[sizes[-1] for sizes in expected]}, found the shapes {found}."
            )
        if not all(np.isfinite(a).all() for a in (seen, taken, then)):
            raise ValueError("transitions must be finite, found an infinite number or one that is none (NaN).")
        columns = [self._flat(array) for array in (seen, taken, then)]
        targets = columns[2] - columns[0] * self._differs
        if self._has_reward:
            if rewards is None or np.shape(rewards) != shape:
                raise ValueError(
                    f"this model learns the reward, so rewards of shape {shape} are needed, found "
                    f"{'none' if rewards is None else np.shape(rewards)}."
                )
            targets = torch.cat([targets, self._flat(np.asarray(rewards, dtype=np.float32)[..., None])], dim=1)
        return torch.cat(columns[:2], dim=1), targets, shape

    def _flat(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array).reshape(-1, array.shape[-1])).to(self._first[0])

    def _outputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Give the predicted targets of every task, (n, inputs) -> (k, n, outputs): the members' mean."""
        n_models = self.n_tasks * self._members
        first = torch.nn.functional.linear(rows, *self._first)
        values = first.view(len(rows), n_models, -1).transpose(0, 1)
        for matrix, bias in self._others:
            values = torch.baddbmm(bias, self._activation(values), matrix)
        return values.reshape(self.n_tasks, self._members, *values.shape[1:]).mean(dim=1)

    def _log_scales(self, rows: torch.Tensor) -> torch.Tensor:
        """Give log s(x) of every task, shape (k, n)."""
        inputs = ((rows - self._input_mean) / self._input_std).clamp(-WIDEST_INPUT, WIDEST_INPUT)
        linear, square = self._coefficients[:, 1:].unsqueeze(2).chunk(2, dim=1)
        raw = torch.bmm(inputs, linear) + torch.bmm(inputs.square(), square)
        return (raw.squeeze(2) + self._coefficients[:, :1]).clamp(-WIDEST_LOG_SCALE, WIDEST_LOG_SCALE)

    def _scores(self, squares: torch.Tensor) -> torch.Tensor:
        """Give the normal quantile of each squared distance's rank among the task's own, (k, n)."""
        logs = torch.log(squares + 1e-12).contiguous()
        above = torch.searchsorted(self._knots, logs, right=True).clamp(1, N_KNOTS - 1)
        low, high = self._knots.gather(1, above - 1), self._knots.gather(1, above)
        share = ((logs - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        return torch.lerp(self._quantiles.gather(1, above - 1), self._quantiles.gather(1, above), share)

    def _shaped(self, values: torch.Tensor, shape: tuple[int, ...]) -> Array:
        return np.ascontiguousarray(values.T.double().cpu().numpy()).reshape(*shape, self.n_tasks)


def _current_law(model: DynamicsModel, task: int) -> ResidualLaw:
    """Give a calibrated task's law, widened by how far its predictions have moved since."""
    law = model.scales[task].law
    assert law is not None
    return law.widened(reference_outputs(model, task, law))


def reference_outputs(model: DynamicsModel, task: int, law: ResidualLaw) -> Array:
    """Give what a task's model says of the law's reference inputs, in units of the targets' deviation."""
    inputs = torch.from_numpy(law.reference_inputs()).to(model.learner.like())
    outputs: Array = model.predictor(task).scaled(inputs).double().cpu().numpy()
    return outputs if model.settings.scales_targets else outputs / model.scales[task].targets.std
