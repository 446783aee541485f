"""Dynamics models: what an action does to an observation, learned for one task after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lifelong_rl.agents.hypernet.learner import Batch, DynamicsLearner, TaskLoss, Update
from lifelong_rl.agents.hypernet.residuals import ResidualLaw
from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.agents.hypernet.transitions import Array, Moments, Transitions

MakeLearner: TypeAlias = Callable[[TargetNetwork, TaskLoss], DynamicsLearner]
"""Makes what learns the weights, for a target network and the loss of its weights on a batch."""

LOG_VARIANCE = (-10.0, 0.5)
"""Where the learned bounds of the log-variance start (Chua et al. 2018, PETS), in units of the scaled targets."""


@dataclass(frozen=True)
class DynamicsSettings:
    """The dynamics model's size and kind."""

    hidden: tuple[int, ...] = (64, 64)
    """Hidden units of the target network."""
    activation: str = "relu"
    """Activation of the target network."""
    is_probabilistic: bool = False
    """Whether it predicts a mean and a variance (Gaussian likelihood), or the mean alone (squared error)."""
    n_members: int = 1
    """Networks of the ensemble; their mean is the prediction."""
    learns_reward: bool = False
    """Whether the reward is predicted, too."""
    absolute: tuple[int, ...] = ()
    """Observation numbers that are predicted as they are; all others as differences."""
    scales_targets: bool = True
    """Whether targets are scaled to mean 0 and deviation 1 within each task; never, as published."""


class TaskScales:
    """One task's running scales of inputs and targets, and how far its predictions were off."""

    def __init__(self, n_inputs: int, n_targets: int):
        self.inputs = Moments(n_inputs)
        self.targets = Moments(n_targets)
        self.residuals = Moments(n_targets)
        """Errors of the scaled targets on held-out rows, measured when the task ended last."""
        self.law: ResidualLaw | None = None
        """Their law, by which tasks are told apart; None until :func:`~.inference.calibrate` has fitted it."""

    def state_dict(self) -> dict[str, Any]:
        """Give all of them."""
        state = {name: getattr(self, name).state_dict() for name in ("inputs", "targets", "residuals")}
        return {**state, "law": None if self.law is None else self.law.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take such a state over."""
        for name in ("inputs", "targets", "residuals"):
            getattr(self, name).load_state_dict(state[name])
        self.law = None if state["law"] is None else ResidualLaw.from_state(state["law"])


class DynamicsModel:
    """Predicts the next observation (and the reward, where asked for) of each task from observation and action.

    Inputs are scaled by running moments of each task, which are kept for it, as published. Weights come from a
    :class:`DynamicsLearner`: a hypernetwork, or one of the baselines.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        make_learner: MakeLearner,
        *,
        settings: DynamicsSettings = DynamicsSettings(),
        rng: np.random.Generator,
    ):
        wrong = [i for i in settings.absolute if not 0 <= i < observation_size]
        if wrong:
            raise ValueError(f"absolute must name observation numbers below {observation_size}, found {wrong[0]}.")
        self.settings, self.rng = settings, rng
        self.observation_size, self.action_size = observation_size, action_size
        self.n_outputs = observation_size + int(settings.learns_reward)
        copies = 2 if settings.is_probabilistic else 1  # a mean and a log-variance of each target, or the mean
        self.target = TargetNetwork(
            (observation_size + action_size, *settings.hidden, copies * self.n_outputs),
            settings.activation,
            settings.n_members,
            n_extra=2 * self.n_outputs if settings.is_probabilistic else 0,
        )
        self.learner = make_learner(self.target, self.loss)
        self.scales: list[TaskScales] = []
        self._differs = np.ones(observation_size, dtype=np.float32)
        self._differs[list(settings.absolute)] = 0.0

    @property
    def n_tasks(self) -> int:
        """Tasks that have begun."""
        return self.learner.n_tasks

    @property
    def n_calibrated(self) -> int:
        """Tasks whose errors' law is known, so that transitions can be told to be theirs."""
        return sum(scales.law is not None for scales in self.scales)

    # The loss

    def bounds(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the learned lower and upper bound of each target's log-variance, each (n_outputs,).

        They are emitted with the weights: each task has its own, and the regulariser keeps them, too.
        """
        lower, upper = self.target.extra(weights).chunk(2)
        return lower + LOG_VARIANCE[0], upper + LOG_VARIANCE[1]

    def split(self, outputs: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give mean and log-variance, each (..., n_outputs), of a probabilistic model's outputs.

        The log-variance is kept softly between its bounds (Chua et al. 2018, appendix A.1).
        """
        mean, log_variance = outputs.chunk(2, dim=-1)
        lower, upper = self.bounds(weights)
        log_variance = upper - torch.nn.functional.softplus(upper - log_variance)
        return mean, lower + torch.nn.functional.softplus(log_variance - lower)

    def loss(self, weights: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Give the mean squared error, or the mean Gaussian negative log-likelihood without its constant."""
        outputs = self.target.forward(weights, batch.inputs)
        targets = batch.targets if batch.targets.dim() == 3 else batch.targets.unsqueeze(0)
        if not self.settings.is_probabilistic:
            if self.settings.n_members == 1:
                return torch.nn.functional.mse_loss(outputs, targets)
            return (outputs - targets).square().mean()
        mean, log_variance = self.split(outputs, weights)
        lower, upper = self.bounds(weights)
        likelihood = ((mean - targets).square() * torch.exp(-log_variance) + log_variance).mean()
        return likelihood + 0.01 * (upper - lower).mean()  # 0.01: PETS's pull of the bounds towards each other

    # The tasks

    def begin_task(self, task: int | None = None) -> int:
        """Start to train a task: make room for a new one (None), or go back to a known one; give its number."""
        if task is None:
            self.scales.append(TaskScales(self.observation_size + self.action_size, self.n_outputs))
        return self.learner.begin_task(task)

    def observe(self, task: int, data: Transitions) -> None:
        """Take the transitions that came since the last call into the task's running scales.

        The scales stand still between two trainings, so that a model means the same wherever it is used in between.
        """
        observations, actions, rewards, following = data.take_new()
        scales = self.scales[task]
        scales.inputs.update(np.concatenate([observations, actions], axis=1))
        scales.targets.update(self._raw_targets(observations, rewards, following))

    def _raw_targets(self, observations: Array, rewards: Array, following: Array) -> Array:
        targets = following - observations * self._differs
        return np.concatenate([targets, rewards[:, None]], axis=1) if self.settings.learns_reward else targets

    def batch(self, task: int, columns: tuple[Array, Array, Array, Array]) -> Batch:
        """Give transitions (as :meth:`Transitions.columns`) scaled as the task's model reads them."""
        observations, actions, rewards, following = columns
        scales = self.scales[task]
        inputs = (np.concatenate([observations, actions], axis=1) - scales.inputs.mean) / scales.inputs.std
        targets = self._raw_targets(observations, rewards, following)
        if self.settings.scales_targets:
            targets = (targets - scales.targets.mean) / scales.targets.std
        like = self.learner.like()
        return Batch(torch.from_numpy(inputs).to(like), torch.from_numpy(targets).to(like))

    def fit(
        self, task: int, data: Transitions, n_updates: int, batch_size: int, on_update: Callable[[Update], None]
    ) -> None:
        """Make updates on random batches of the task's training rows; none where there are no rows."""
        batch = self.batch(task, data.columns(held_out=False))
        n_rows, members = len(batch.inputs), self.settings.n_members
        if not n_rows:
            return
        shape = (n_updates, batch_size) if members == 1 else (n_updates, members, batch_size)
        chosen = torch.from_numpy(self.rng.integers(0, n_rows, shape)).to(batch.inputs.device)
        for rows in chosen:
            chosen_rows = Batch(batch.inputs[rows], batch.targets[rows])
            if self.learner.bus is not None:
                chosen_rows = self.learner.bus.sample(chosen_rows)
            on_update(self.learner.update(task, chosen_rows))

    def end_task(self, task: int, data: Transitions) -> list[Update]:
        """Let the learner consolidate and sleep, and measure how far the predictions are off on held-out rows.

        Gives what the updates of the sleep saw; none without rows, or where the learner does not sleep.
        """
        columns = data.columns(held_out=True)
        if not len(columns[0]):
            columns = data.columns()
        if not len(columns[0]):
            return []
        self.learner.end_task(task, self.batch(task, data.columns(held_out=False)))
        updates = self.learner.sleep(self.imagine)
        batch = self.batch(task, columns)
        errors = self.predictor(task).scaled(batch.inputs) - batch.targets
        self.scales[task].residuals = Moments(self.n_outputs)
        self.scales[task].residuals.update(errors.cpu().numpy())
        return updates

    @torch.no_grad()
    def imagine(
        self, task: int, weights: torch.Tensor, n_rows: int, n_steps: int, generator: torch.Generator
    ) -> torch.Tensor:
        """Make up scaled inputs of a task from what is kept of it, shape (n_rows, inputs).

        Observations and actions are drawn from N(0, 1), which the scaled inputs have by their kept moments, and cut
        off at the kept range. The task's model with ``weights``, shape (n_weights,), rolls them on for ``n_steps``,
        under actions drawn anew; all inputs on the way count.
        """
        low, high = self._input_range(task)
        n_starts = -(-n_rows // (n_steps + 1))
        drawn = torch.empty(n_steps + 1, n_starts, len(low)).normal_(generator=generator).to(low).clamp(low, high)
        if n_steps:
            size, step = self.observation_size, Predictor(self, weights, self.scales[task]).step
            mean, std = (
                torch.from_numpy(m).to(low) for m in (self.scales[task].inputs.mean, self.scales[task].inputs.std)
            )
            for t in range(n_steps):
                raw = drawn[t] * std + mean
                following = (step(raw[:, :size], raw[:, size:]) - mean[:size]) / std[:size]
                drawn[t + 1, :, :size] = torch.nan_to_num(following).clamp(low[:size], high[:size])
        return drawn.flatten(0, 1)[:n_rows]

    def _input_range(self, task: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the smallest and the largest of a task's scaled inputs, each (inputs,); no limits without any."""
        moments = self.scales[task].inputs
        if not moments.count:
            unlimited = torch.full((self.observation_size + self.action_size,), torch.inf).to(self.learner.like())
            return -unlimited, unlimited
        low, high = ((bound - moments.mean) / moments.std for bound in (moments.low, moments.high))
        like = self.learner.like()
        return torch.from_numpy(low).to(like), torch.from_numpy(high).to(like)

    def predictor(self, task: int) -> Predictor:
        """Give the task's model for use: its weights as they are now."""
        return Predictor(self, self.learner.weights(task), self.scales[task])

    def error(self, task: int, columns: tuple[Array, Array, Array, Array]) -> float | None:
        """Give the one-step mean squared error of the observation as a share of its targets' variance in these rows.

        Numbers that do not vary in them are left out; None where there are fewer than two rows, or none varies.
        """
        observations, actions, _, following = columns
        if len(observations) < 2:
            return None
        predicted = self._predicted(task, observations, actions)
        targets = following - observations * self._differs
        spread = targets.var(axis=0)
        moves = spread > 0
        if not moves.any():
            return None
        return float((np.square(predicted - following).mean(axis=0)[moves] / spread[moves]).mean())

    def squared_errors(self, task: int, columns: tuple[Array, Array, Array, Array]) -> NDArray[np.float64]:
        """Give each row's squared error as a share of the variance of the task's targets in training, shape (n,)."""
        observations, actions, _, following = columns
        predicted = self._predicted(task, observations, actions)
        scales, size = self.scales[task].targets, self.observation_size
        moves = ~scales.is_constant[:size]
        shares: NDArray[np.float64] = np.square((predicted - following)[:, moves] / scales.std[:size][moves]).mean(
            axis=1
        )
        return shares

    def _predicted(self, task: int, observations: Array, actions: Array) -> Array:
        like = self.learner.like()
        seen, taken = (torch.from_numpy(np.ascontiguousarray(c)).to(like) for c in (observations, actions))
        predicted: Array = self.predictor(task).step(seen, taken).cpu().numpy()
        return predicted

    def state_dict(self) -> dict[str, Any]:
        """Give learner, scales and generator."""
        return {
            "learner": self.learner.state_dict(),
            "scales": [scales.state_dict() for scales in self.scales],
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state of a model of the same settings."""
        self.learner.load_state_dict(state["learner"])
        self.scales = [TaskScales(self.observation_size + self.action_size, self.n_outputs) for _ in state["scales"]]
        for scales, saved in zip(self.scales, state["scales"], strict=True):
            scales.load_state_dict(saved)
        self.rng.bit_generator.state = state["rng"]


class Predictor:
    """One task's model with fixed weights. The scales are folded into the first and last layer.

    So a step is the target network's forward pass and one sum, whatever the scaling.
    """

    def __init__(self, model: DynamicsModel, weights: torch.Tensor, scales: TaskScales):
        self._model = model
        self._raw = weights
        self._n_outputs, self._observation_size = model.n_outputs, model.observation_size
        self._differs = torch.from_numpy(model._differs).to(weights)
        self._is_all_differences = bool(model._differs.all())
        self.layers = _folded(model, weights, scales)
        """Matrix (members, outputs, inputs) and bias (members, 1, outputs) of each layer, scales included."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """Give the predicted scaled targets for scaled inputs, (n, inputs) -> (n, n_outputs): the members' mean."""
        with torch.no_grad():
            outputs = self._model.target.forward(self._raw, inputs)
            if self._model.settings.is_probabilistic:
                outputs = outputs[..., : self._n_outputs]
            return outputs.mean(dim=0)

    @torch.no_grad()
    def outputs(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the predicted targets in their own units, (..., observation) and (..., action) -> (..., n_outputs)."""
        inputs = torch.cat([observations, actions], dim=-1)
        values = inputs.reshape(1, -1, inputs.shape[-1])
        activation = self._model.target.activate
        for i, (matrix, bias) in enumerate(self.layers):
            if len(matrix) == 1:
                values = torch.nn.functional.linear(values[0], matrix[0], bias[0, 0]).unsqueeze(0)
            else:
                values = torch.baddbmm(bias, values.expand(len(matrix), -1, -1), matrix.transpose(1, 2))
            if i < len(self.layers) - 1:
                values = activation(values)
        mean = values[0] if len(values) == 1 else values.mean(dim=0)
        return mean.view(*inputs.shape[:-1], -1)

    def step(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the predicted next observations, (..., observation) and (..., action) -> (..., observation)."""
        return self.following(observations, self.outputs(observations, actions))

    def following(self, observations: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Give the next observations that predicted targets stand for."""
        moved = outputs[..., : self._observation_size]
        return moved + (observations if self._is_all_differences else observations * self._differs)


def _folded(
    model: DynamicsModel, weights: torch.Tensor, scales: TaskScales
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Give the layers that read raw inputs and write raw targets; of a probabilistic model those of the mean."""
    tensors = weights.double().split_with_sizes(model.target.tensor_sizes)
    members = model.target.n_members
    layers = [
        (matrix.view(members, n_out, n_in), bias.view(members, 1, n_out))
        for (n_in, n_out), matrix, bias in zip(
            pairwise(model.target.sizes), tensors[::2], tensors[1::2], strict=False
        )
    ]

    def tensor(array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(device=weights.device)

    matrix, bias = layers[0]
    matrix = matrix / tensor(scales.inputs.std)
    layers[0] = (matrix, bias - (matrix @ tensor(scales.inputs.mean)).unsqueeze(1))
    matrix, bias = layers[-1]
    matrix, bias = matrix[:, : model.n_outputs], bias[..., : model.n_outputs]
    if model.settings.scales_targets:
        std, mean = tensor(scales.targets.std), tensor(scales.targets.mean)
        matrix, bias = matrix * std.unsqueeze(1), bias * std + mean
    # What never changed in training, such as a task's one-hot vector, is predicted not to change.
    moves, mean = tensor(~scales.targets.is_constant), tensor(scales.targets.mean)
    layers[-1] = (matrix * moves.unsqueeze(1), torch.where(moves, bias, mean))
    return [(matrix.to(weights.dtype).contiguous(), bias.to(weights.dtype).contiguous()) for matrix, bias in layers]
