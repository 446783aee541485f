"""What every Stable-Baselines3 learner needs to live on the bus: cooperative mixins, no fork."""

from __future__ import annotations

import io
import zipfile
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr

from lifelong_rl.agents.base import Held, TaskInfo
from lifelong_rl.agents.component import Bus, Component, RouteContext, TaskData
from lifelong_rl.agents.sb3 import state as agent_state
from lifelong_rl.agents.sb3.appraisal import APPRAISALS, appraisal
from lifelong_rl.agents.sb3.callbacks import ObserveCallback, RouteCallback
from lifelong_rl.agents.sb3.memory import held_by
from lifelong_rl.agents.sb3.optimiser import HookedOptimizer, hooked


@dataclass(frozen=True)
class Role:
    """The parameters that one optimiser owns."""

    module: torch.nn.Module
    owner: Any
    """The object whose ``optimizer`` attribute holds the optimiser."""

    @property
    def optimizer(self) -> HookedOptimizer:
        """The role's optimiser."""
        return self.owner.optimizer  # type: ignore[no-any-return]  # SB3 leaves owners untyped


class LifelongMixin(BaseAlgorithm):
    """An SB3 learner with components: SB3's own verbs, the task events, exact budgets, one save and one load.

    components: the mechanisms on the agent's bus; none of them means the bare learner, bit for bit.
    clear_buffer, clear_optimizer: whether :meth:`begin_task` empties the replay buffer and the optimisers' state
        (both as in Continual World, Wolczyk et al. 2021). A task that is not announced clears nothing.
    """

    facts: ClassVar[frozenset[str]]
    """What the agent offers to components that require it."""
    action_kinds: ClassVar[tuple[str, ...]] = ("discrete", "continuous")
    """What the agent can act on."""

    def __init__(
        self,
        *args: Any,
        components: Sequence[Component] = (),
        clear_buffer: bool = True,
        clear_optimizer: bool = True,
        **kwargs: Any,
    ):
        self.components = list(components)
        self.clear_buffer = clear_buffer
        self.clear_optimizer = clear_optimizer
        self.task: TaskInfo | None = None
        self._task_start = 0
        self._is_acting = False
        self._is_ticking = False
        super().__init__(*args, **kwargs)

    # What a learner writes

    @abstractmethod
    def roles(self) -> dict[str, Role]:
        """Give the roles by name: which parameters each optimiser owns."""

    @abstractmethod
    def outputs(
        self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Give what a role's network says of n observations, by name, each of shape (n, ...), with gradients.

        The names say how outputs compare: "logits" (of a categorical), "mean" and "log_std" (of a Gaussian, before
        any squashing), and plain numbers: "action", "value", "q", "q0", "q1", ... A critic needs ``actions``.
        """

    @abstractmethod
    def estimate(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the estimated discounted returns from n observations, shape (n,), without a random draw."""

    @property
    @abstractmethod
    def leaves_out(self) -> bool:
        """Whether steps whose info has the key ``UNTRAINED`` can be kept out of training with these settings."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Environment steps after which training may pause without changing what follows."""

    @property
    def routes_by_task(self) -> bool:
        """Whether a component routes, so that acting may depend on the task that ``predict`` is told."""
        return self.bus.listens("route")

    # What teachers may ask of an episode

    gives: ClassVar[frozenset[str]] = APPRAISALS
    """The names that :meth:`appraise` gives."""
    gae_lambda: float
    """The decay of generalised advantage estimation (Schulman et al. 2016), in [0, 1]."""
    gamma: float

    def appraise(self, observations: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool) -> dict[str, float]:
        """Say what the value estimates tell of a finished episode of T steps; the networks are as they are now.

        observations: shape (T + 1, ...), the last one included. rewards: shape (T,), as the environment gave them.
        Nothing is drawn and no gradient made, so that training is the same bit for bit as without it.
        """
        values = np.concatenate([self._values(rows) for rows in _in_chunks(observations)])
        return appraisal(values, rewards, is_terminal=is_terminal, gamma=self.gamma, gae_lambda=self.gae_lambda)

    def _values(self, observations: NDArray[Any]) -> NDArray[Any]:
        if self.bus.listens("route"):  # the next step in the training environments routes for itself
            self.bus.route(RouteContext("act", self.task, observations))
        with torch.no_grad():
            tensor, _ = self.policy.obs_to_tensor(observations)
            estimates = self.estimate(tensor)  # type: ignore[arg-type]  # curricula refuse dictionaries
            values: NDArray[Any] = estimates.cpu().numpy().reshape(-1)
        return values

    # Construction: the bus between networks and optimisers

    def _setup_model(self) -> None:
        self._put_on_bus()
        super()._setup_model()  # type: ignore[safe-super]  # the learner's comes after the mixin
        self.bus = Bus(self.components, self, self.seed)
        if self.bus.build():
            self._rebuild_optimizers()
        self._attach_bus()

    def _put_on_bus(self) -> None:
        kwargs = dict(self.policy_kwargs)  # the user may go on using theirs, for a bare learner too
        optimizer_class = kwargs.get("optimizer_class", torch.optim.Adam)
        is_bare_adam = optimizer_class is torch.optim.Adam and kwargs.get("optimizer_kwargs") is None
        if is_bare_adam and isinstance(self, OnPolicyAlgorithm):
            # SB3's actor-critic policies give this epsilon to torch's own Adam only, and ours is a subclass.
            kwargs["optimizer_kwargs"] = {"eps": 1e-5}
        kwargs["optimizer_class"] = hooked(optimizer_class)
        self.policy_kwargs = kwargs

    def _rebuild_optimizers(self) -> None:
        roles = self.roles()
        owned = {name: _owned_ids(role.optimizer) for name, role in roles.items()}
        anywhere = set().union(*owned.values())
        for name, role in roles.items():
            params = [
                p
                for p in role.module.parameters()
                if p.requires_grad and (id(p) in owned[name] or id(p) not in anywhere)
            ]
            anywhere |= {id(p) for p in params}
            policy = self.policy
            role.owner.optimizer = policy.optimizer_class(  # type: ignore[call-arg]  # as SB3 itself calls it
                params, lr=self.lr_schedule(1), **policy.optimizer_kwargs
            )

    def _attach_bus(self) -> None:
        for name, role in self.roles().items():
            role.optimizer.attach(self.bus, name)

    # The task events

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins: schedules and random warm-up start over, and the components are told."""
        self.bus.begin_task(task)
        self.task = task
        self._task_start = self.num_timesteps
        self._current_progress_remaining = 1.0
        for statistics in (self.ep_info_buffer, self.ep_success_buffer):
            if statistics is not None:
                statistics.clear()  # SB3's running means would go on showing the previous task
        if self.clear_optimizer:
            for role in self.roles().values():
                role.optimizer.state.clear()

    def end_task(self) -> None:
        """Hear that the current task ends: the components consolidate."""
        if self.bus.listens("end_task"):
            self.bus.end_task(self.task_data())

    @abstractmethod
    def task_data(self) -> TaskData:
        """Give what is still held of the current task."""

    # Training in exact numbers of steps

    def learn_steps(self, n_steps: int, callback: Any = None) -> None:
        """Train for exactly ``n_steps`` environment steps (a multiple of the number of environments).

        SB3's ``learn`` rounds budgets up to whole rollouts. Here the last rollout is shortened where it must be, and
        counters, schedules and the current episodes go on from where they are.
        """
        if n_steps < 0 or n_steps % self.n_envs:
            raise ValueError(
                f"a number of steps must be a multiple of the {self.n_envs} parallel environments, found {n_steps}."
            )
        whole = n_steps - n_steps % self.stride
        short_start = self.num_timesteps + whole
        if whole:
            self._learn_on(whole, callback)
        if n_steps > whole and self.num_timesteps == short_start:  # unless the callback stopped the training
            self._learn_short_rollout((n_steps - whole) // self.n_envs, callback)

    def _learn_on(self, n_steps: int, callback: Any) -> None:
        self.learn(n_steps, callback, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]

    @abstractmethod
    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        """Train on one rollout of ``n_vector_steps``, shorter than the usual one."""

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations of the training environments, shape (n_envs, ...).

        is_episode_start: whether the environments were just reset, and the episodes before were cut short.
        """
        self._last_obs = observations
        if self._vec_normalize_env is not None:
            self._last_original_obs = self._vec_normalize_env.get_original_obs()
        if is_episode_start:
            self._last_episode_starts = np.ones(self.n_envs, dtype=bool)

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        if self.task is None or self.task.budget is None:
            super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        else:
            progress = (num_timesteps - self._task_start) / self.task.budget
            self._current_progress_remaining = max(0.0, 1.0 - progress)

    def _setup_learn(
        self, total_timesteps: int, callback: Any = None, reset_num_timesteps: bool = True, *args: Any, **kwargs: Any
    ) -> tuple[int, BaseCallback]:
        if reset_num_timesteps and self.task is not None:
            self._move_clock(-self.num_timesteps)  # SB3 is about to count from 0 again
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, *args, **kwargs)

    def _move_clock(self, n_steps: int) -> None:
        self._task_start += n_steps

    def _init_callback(self, callback: Any, progress_bar: bool = False) -> BaseCallback:
        first = [ObserveCallback()] if self.bus.listens("observe") else []
        # Off-policy learners route in `_sample_action`; on-policy ones offer no seam before their forward pass. Last,
        # since a callback before it may have evaluated, and so routed elsewhere.
        last = [RouteCallback()] if self.bus.listens("route") and "on_policy" in self.facts else []
        if first or last:
            others = callback if isinstance(callback, list) else [callback]
            users = [c if isinstance(c, BaseCallback) else ConvertCallback(c) for c in others]
            callback = CallbackList([*first, *users, *last])
        return super()._init_callback(callback, progress_bar)

    def train(self, *args: Any, **kwargs: Any) -> None:
        """Make SB3's training phase, then let the components act on what it logged."""
        super().train(*args, **kwargs)  # type: ignore[misc]  # BaseAlgorithm leaves it to its two families
        if self.bus.listens("tick") and not self._is_ticking:
            self._is_ticking = True
            try:
                self.bus.tick(dict(self.logger.name_to_value))
            finally:  # or an interrupted tick would be the last one, after a resume too
                self._is_ticking = False

    # Acting

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
        *,
        task: TaskInfo | None = None,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Give actions for observations, as SB3 does; ``task`` is what the agent is told of the task, if anything."""
        if self.bus.listens("route") and not self._is_acting:
            self.bus.route(RouteContext("eval", task, observation))
        return super().predict(observation, state, episode_start, deterministic)

    def diagnose(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Give the components' numbers for an evaluation."""
        return self.bus.evaluate(record)

    def memory(self) -> list[Held]:
        """Say what the agent holds in memory now: networks, optimisers' moments, buffers, and each component."""
        return held_by(self)

    def write_logs(self) -> None:
        """Write what SB3 gathered since the last call to its logger."""
        if self.ep_info_buffer is not None:  # it is None before the first training step
            self.dump_logs()

    # Saving and loading: one file holds everything

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "bus", "components", "_last_rollout"]

    def save(
        self,
        path: str | Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Write everything to one SB3 zip: networks, optimisers, buffer, components, counters, generators."""
        self._check_finite()
        files = agent_state.pack(self)  # first: what cannot be saved must not cost the file that is there
        super().save(path, exclude, include)
        with zipfile.ZipFile(_as_zip_path(path), "a") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    def _check_finite(self) -> None:
        for name, parameter in self.policy.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise ValueError(
                    f"the network parameter {name!r} holds NaN or infinity after {self.num_timesteps} steps: "
                    "training diverged. Lower the learning rate, or check the rewards' scale; nothing was saved over."
                )

    def restore(self, path: str | Path) -> None:
        """Take everything over from a file that :meth:`save` wrote, in place and bit for bit, without unpickling.

        The agent must have been built alike. SB3's and torch's global generators are set as they were. The training
        environments are not part of it: say where they stand with :meth:`continue_from`.
        """
        with agent_state.opened(_as_zip_path(path)) as archive:
            state = agent_state.read(archive)
        agent_state.check(state, self)
        _, params, variables = load_from_zip_file(path, device=self.device, load_data=False)
        try:
            self.set_parameters(params, exact_match=True, device=self.device)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the networks or optimisers in {path} do not fit this {type(self).__name__}: {error} "
                "Build the agent with the saved settings."
            ) from error
        for name, value in (variables or {}).items():
            recursive_getattr(self, name).data = value.data
        agent_state.apply(state, self)

    @classmethod
    def load(
        cls,
        path: str | Path | io.BufferedIOBase,
        env: Any = None,
        *args: Any,
        components: Sequence[Component] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Build an agent from a file that :meth:`save` wrote, its components and everything else included.

        components: only needed where a component's class cannot be imported again by its name.
        As with any SB3 file, load only what you trust: SB3 unpickles its settings.
        """
        with agent_state.opened(_as_zip_path(path)) as archive:
            state = agent_state.read(archive)
            if components is None:
                components = agent_state.read_components(archive)
        if isinstance(path, io.BufferedIOBase):
            path.seek(0)
        model = super().load(path, env, *args, components=list(components), **kwargs)
        agent_state.check(state, model)
        agent_state.apply(state, model, keep=frozenset(kwargs))
        return model


def _in_chunks(observations: NDArray[Any]) -> list[NDArray[Any]]:
    # 1,000: one pass for most episodes, and an episode of images still fits into memory
    return [observations[start : start + 1000] for start in range(0, len(observations), 1000)]


def _owned_ids(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(param) for group in optimizer.param_groups for param in group["params"]}


def _as_zip_path(path: str | Path | io.BufferedIOBase) -> Any:
    """Give the file that SB3 writes for ``path``: it appends ".zip" to a path without a suffix."""
    if isinstance(path, io.BufferedIOBase):
        return path
    path = Path(path)
    return path if path.suffix else path.with_name(path.name + ".zip")
