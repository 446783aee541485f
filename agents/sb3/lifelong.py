"""What every Stable-Baselines3 learner needs to live on the bus: cooperative mixins, no fork."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import Bus, Component, RouteContext, TaskData, Transitions
from lifelong_rl.agents.sb3 import state as agent_state
from lifelong_rl.agents.sb3.buffers import (
    HookedReplay,
    HookedRollout,
    LifelongDictReplayBuffer,
    LifelongDictRolloutBuffer,
    LifelongNStepReplayBuffer,
    LifelongReplayBuffer,
    LifelongRolloutBuffer,
)
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

    def roles(self) -> dict[str, Role]:
        """Give the roles by name: which parameters each optimiser owns."""
        raise NotImplementedError

    def outputs(
        self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Give what a role's network says of n observations, by name, each of shape (n, ...), with gradients.

        The names say how outputs compare: "logits" (of a categorical), "mean" and "log_std" (of a Gaussian, before
        any squashing), and plain numbers: "action", "value", "q", "q0", "q1", ... A critic needs ``actions``.
        """
        raise NotImplementedError

    @property
    def stride(self) -> int:
        """Environment steps after which training may pause without changing what follows."""
        raise NotImplementedError

    @property
    def routes_by_task(self) -> bool:
        """Whether a component routes, so that acting may depend on the task that ``predict`` is told."""
        return self.bus.listens("route")

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

    def task_data(self) -> TaskData:
        """Give what is still held of the current task."""
        raise NotImplementedError

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

    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        raise NotImplementedError

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
        first = [_ObserveCallback()] if self.bus.listens("observe") else []
        # Off-policy learners route in `_sample_action`; on-policy ones offer no seam before their forward pass. Last,
        # since a callback before it may have evaluated, and so routed elsewhere.
        last = [_RouteCallback()] if self.bus.listens("route") and "on_policy" in self.facts else []
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
        files = agent_state.pack(self)  # first: what cannot be saved must not cost the file that is there
        super().save(path, exclude, include)
        with zipfile.ZipFile(_as_zip_path(path), "a") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

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


class LifelongOffPolicy(LifelongMixin, OffPolicyAlgorithm):
    """A learner with a replay buffer on the bus."""

    facts = frozenset({"off_policy"})

    def _setup_model(self) -> None:
        if self.components and self._vec_normalize_env is not None:
            raise ValueError(
                "components of an off-policy agent cannot work under VecNormalize yet: its buffer holds what the "
                "environment gave and not what the networks see. Normalise in an environment wrapper."
            )
        self._choose_buffer_class()
        super()._setup_model()
        self._warm_up_steps = self.learning_starts

    def _choose_buffer_class(self) -> None:
        if self.replay_buffer_class is None:
            if isinstance(self.observation_space, spaces.Dict):
                if self.n_steps > 1:
                    raise ValueError(
                        f"SB3 has no n-step returns for dictionary observations; use n_steps=1, found {self.n_steps}."
                    )
                self.replay_buffer_class = LifelongDictReplayBuffer
            elif self.n_steps > 1:
                self.replay_buffer_class = LifelongNStepReplayBuffer
                self.replay_buffer_kwargs |= {"n_steps": self.n_steps, "gamma": self.gamma}
                self.n_steps = 1  # the buffer does it, and SB3 would warn about a class of our own
            else:
                self.replay_buffer_class = LifelongReplayBuffer
        elif not issubclass(self.replay_buffer_class, HookedReplay) and self.components:
            raise ValueError(
                f"the replay buffer {self.replay_buffer_class.__name__} is not on the bus; derive it as "
                "'class MyBuffer(HookedReplay, ...)' in an importable module."
            )

    def _attach_bus(self) -> None:
        super()._attach_bus()
        if isinstance(self.replay_buffer, HookedReplay):
            self.replay_buffer.bus = self.bus

    @property
    def stride(self) -> int:
        """Environment steps of one rollout."""
        assert isinstance(self.train_freq, TrainFreq)
        if self.train_freq.unit is not TrainFrequencyUnit.STEP:
            raise ValueError("exact budgets need train_freq in steps, found a number of episodes.")
        return self.train_freq.frequency * self.n_envs

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; random warm-up recurs, and the buffer is emptied if asked for."""
        super().begin_task(task)
        self.learning_starts = self.num_timesteps + self._warm_up_steps
        if self.clear_buffer and self.replay_buffer is not None:
            self.replay_buffer.reset()

    def _move_clock(self, n_steps: int) -> None:
        super()._move_clock(n_steps)
        self.learning_starts += n_steps

    def task_data(self) -> TaskData:
        """Give the current task's transitions that are still in the buffer, oldest first."""
        buffer = self.replay_buffer
        assert buffer is not None
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError("the data of a task with dictionary observations cannot be handed out yet.")
        held = min((self.num_timesteps - self._task_start) // self.n_envs, buffer.size())
        rows = np.arange(buffer.pos - held, buffer.pos) % buffer.buffer_size

        def flat(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows].reshape(-1, *array.shape[2:])

        terminals = buffer.dones * (1 - buffer.timeouts)
        return TaskData(
            flat(buffer.observations),
            flat(buffer.actions),
            flat(buffer.rewards),
            flat(buffer.next_observations),
            flat(terminals).astype(bool),
        )

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations; episodes cut short count as truncated in the buffer."""
        super().continue_from(observations, is_episode_start=is_episode_start)
        buffer = self.replay_buffer
        if is_episode_start and buffer is not None and buffer.size():
            last = (buffer.pos - 1) % buffer.buffer_size
            buffer.timeouts[last] = np.maximum(buffer.timeouts[last], 1 - buffer.dones[last])
            buffer.dones[last] = 1

    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        usual = self.train_freq
        self.train_freq = TrainFreq(n_vector_steps, TrainFrequencyUnit.STEP)  # type: ignore[assignment]  # as in SB3
        try:
            self._learn_on(n_vector_steps * self.n_envs, callback)
        finally:
            self.train_freq = usual

    def _sample_action(self, *args: Any, **kwargs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        if self.bus.listens("route"):
            self.bus.route(RouteContext("act", self.task, self._last_obs))
        self._is_acting = True
        try:
            return super()._sample_action(*args, **kwargs)
        finally:
            self._is_acting = False


class LifelongOnPolicy(LifelongMixin, OnPolicyAlgorithm):
    """A learner with a rollout buffer on the bus."""

    facts = frozenset({"on_policy"})
    _last_rollout: dict[str, NDArray[Any]] | None = None
    """What was trained on last in this task: "observations" and "actions", a row a transition."""

    def _setup_model(self) -> None:
        if self.rollout_buffer_class is None:
            is_dict = isinstance(self.observation_space, spaces.Dict)
            self.rollout_buffer_class = LifelongDictRolloutBuffer if is_dict else LifelongRolloutBuffer
        elif not issubclass(self.rollout_buffer_class, HookedRollout) and self.components:
            raise ValueError(
                f"the rollout buffer {self.rollout_buffer_class.__name__} is not on the bus; derive it as "
                "'class MyBuffer(HookedRollout, ...)' in an importable module."
            )
        super()._setup_model()

    def _attach_bus(self) -> None:
        super()._attach_bus()
        if isinstance(self.rollout_buffer, HookedRollout):
            self.rollout_buffer.bus = self.bus

    @property
    def stride(self) -> int:
        """Environment steps of one rollout."""
        return self.n_steps * self.n_envs

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; what is held of the previous one is let go."""
        super().begin_task(task)
        self._last_rollout = None

    def train(self, *args: Any, **kwargs: Any) -> None:
        """Make SB3's training phase, and keep what it was made on for :meth:`task_data`."""
        super().train(*args, **kwargs)
        if not isinstance(self.observation_space, spaces.Dict):
            self._last_rollout = self._with_rollout(self._last_rollout)

    def _with_rollout(self, held: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
        # A shortened rollout takes the place of only as many rows of a longer one.
        n_new = self.rollout_buffer.buffer_size * self.n_envs
        rows = _rollout_rows(self.rollout_buffer)
        return rows if held is None else {k: np.concatenate((held[k][n_new:], new)) for k, new in rows.items()}

    def task_data(self) -> TaskData:
        """Give the observations and actions of the last rollout of the current task."""
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError("the data of a task with dictionary observations cannot be handed out yet.")
        if self._last_rollout is None:
            return TaskData(**{name: rows[:0] for name, rows in _rollout_rows(self.rollout_buffer).items()})
        return TaskData(**self._last_rollout)

    def _learn_short_rollout(self, n_vector_steps: int, callback: Any) -> None:
        usual_steps, usual_buffer = self.n_steps, self.rollout_buffer
        assert self.rollout_buffer_class is not None
        self.n_steps = n_vector_steps
        self.rollout_buffer = self.rollout_buffer_class(
            n_vector_steps,
            self.observation_space,
            self.action_space,
            device=self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            **self.rollout_buffer_kwargs,
        )
        self._attach_bus()
        try:
            self._learn_on(n_vector_steps * self.n_envs, callback)
        finally:
            self.n_steps, self.rollout_buffer = usual_steps, usual_buffer


def _rollout_rows(buffer: RolloutBuffer) -> dict[str, NDArray[Any]]:
    # SB3 flattens a rollout's arrays, from (steps, envs, ...), once it has been trained on.
    n_dims = len(buffer.obs_shape)
    return {
        "observations": buffer.observations.reshape(-1, *buffer.observations.shape[-n_dims:]),
        "actions": buffer.actions.reshape(-1, buffer.action_dim),
    }


class _ObserveCallback(BaseCallback):
    """Shows the components every step of training, before the learner stores it."""

    model: LifelongMixin

    def _on_step(self) -> bool:
        step, model = self.locals, self.model
        model.bus.observe(
            Transitions(
                observations=model._last_obs,
                actions=step.get("buffer_actions", step["actions"]),
                rewards=step["rewards"],
                next_observations=_own_next(step["new_obs"], step["dones"], step["infos"]),
                dones=step["dones"],
                timeouts=np.array([bool(info.get("TimeLimit.truncated")) for info in step["infos"]]),
            )
        )
        return True


class _RouteCallback(BaseCallback):
    """Lets the components choose what an on-policy learner acts with."""

    model: LifelongMixin

    def _on_rollout_start(self) -> None:
        self.model.bus.route(RouteContext("act", self.model.task, self.model._last_obs))

    def _on_step(self) -> bool:
        self.model.bus.route(RouteContext("act", self.model.task, self.locals["new_obs"]))
        return True


def _own_next(observations: Any, dones: NDArray[np.bool_], infos: Sequence[Mapping[str, Any]]) -> Any:
    """Give the next observations, with each ended episode's own last one in place of the next one's first."""
    ended = [int(i) for i in np.flatnonzero(dones)]
    if not ended:
        return observations
    if isinstance(observations, dict):
        own: Any = {key: value.copy() for key, value in observations.items()}
        for i in ended:
            for key in own:
                own[key][i] = infos[i]["terminal_observation"][key]
        return own
    own = observations.copy()
    for i in ended:
        own[i] = infos[i]["terminal_observation"]
    return own


def _owned_ids(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(param) for group in optimizer.param_groups for param in group["params"]}


def _as_zip_path(path: str | Path | io.BufferedIOBase) -> Any:
    """Give the file that SB3 writes for ``path``: it appends ".zip" to a path without a suffix."""
    if isinstance(path, io.BufferedIOBase):
        return path
    path = Path(path)
    return path if path.suffix else path.with_name(path.name + ".zip")
