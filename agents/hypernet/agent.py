"""HyperCRL: a model-based agent that keeps one dynamics model a task in a hypernetwork, and plans with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger

from lifelong_rl.agents.base import Held, TaskInfo, own_next, untrained_rows
from lifelong_rl.agents.component import Bus, Component, RouteContext, TaskData
from lifelong_rl.agents.component import Transitions as BusTransitions
from lifelong_rl.agents.hypernet import construction, saving
from lifelong_rl.agents.hypernet.acting import Acting, ModelActor
from lifelong_rl.agents.hypernet.callbacks import Listening
from lifelong_rl.agents.hypernet.curves import Curves
from lifelong_rl.agents.hypernet.dynamics import DynamicsSettings
from lifelong_rl.agents.hypernet.inference import TaskFilter, calibrate
from lifelong_rl.agents.hypernet.learner import Update
from lifelong_rl.agents.hypernet.mechanisms import check_mechanism
from lifelong_rl.agents.hypernet.options import checked_options
from lifelong_rl.agents.hypernet.planners import make_planner
from lifelong_rl.agents.hypernet.recognition import TaskRecognition
from lifelong_rl.agents.hypernet.reward import RewardFunction, TaskReward
from lifelong_rl.agents.hypernet.transitions import Transitions
from lifelong_rl.agents.hypernet.vectors import check_finite, checked_spaces, vectorised
from lifelong_rl.agents.saved_components import made_components

# The children of the agent's seed, one an owner; a number here must never change its owner.
MODEL, LEARNER, EXPLORATION, HELD_OUT, PLANNING, ACTING, WEIGHTS = range(7)

HELD_OUT_STRETCH = 10
"""Neighbouring steps that are held out of training together."""


class HyperCRL:
    """Learns a dynamics model of each task, keeps those of earlier tasks, and acts by planning (Huang et al. 2021).

    Each task starts with random actions; then the model of the current task is trained on all its transitions every
    so many steps, and a planner acts in it. Transitions are dropped when their task ends.

    env: environment or vector environment with vectors as observations and bounded vectors as actions.
    mechanism: how earlier tasks' models are kept, one of :data:`lifelong_rl.agents.hypernet.mechanisms.MECHANISMS`;
        mechanism_options: its settings (:class:`HypernetSettings` for the hypernetwork, ``published="pendulum"`` for
        the paper's; :class:`lifelong_rl.agents.hypernet.published.PublishedHyperCRL` has all of the paper's).
    dynamics: settings of the dynamics model (:class:`DynamicsSettings`).
    planner, planner_options: a planner by name, and its hyper-parameters.
    reward_function: rewards of observations, actions and next observations, as a function or ``"module:function"``;
        None for the family's ``known_reward``.
    n_random_steps: environment steps of random actions at a new task's start; random_actions: "uniform" within the
        bounds, or "normal", N(0, 1) clipped to them, as published.
    train_every, n_updates, batch_size: every how many environment steps how many updates are made, on how many rows.
    held_out: share of the transitions kept out of training, on which the model's error is measured.
    noise: standard deviation of the exploration noise in training, as a share of half the actions' range.
    discount: of predicted rewards, in (0, 1].
    clear_data: whether a task's transitions are dropped when it ends.
    precision: "float32", or "bfloat16" for planning in lower precision where the processor is faster at it.
    """

    action_kinds: ClassVar[tuple[str, ...]] = ("continuous",)
    facts: ClassVar[frozenset[str]] = frozenset({"model_based"})
    gives: ClassVar[frozenset[str]] = frozenset()
    leaves_out = True
    routes_by_task = True

    def __init__(
        self,
        env: Any,
        *,
        seed: int = 0,
        components: Sequence[Component] = (),
        mechanism: str = "hypernetwork",
        mechanism_options: Mapping[str, Any] | None = None,
        dynamics: Mapping[str, Any] | DynamicsSettings | None = None,
        planner: str = "cem",
        planner_options: Mapping[str, Any] | None = None,
        reward_function: RewardFunction | str | None = None,
        n_random_steps: int = 400,
        random_actions: str = "uniform",
        train_every: int = 200,
        n_updates: int = 400,
        batch_size: int = 100,
        held_out: float = 0.1,
        noise: float = 0.0,
        discount: float = 1.0,
        clear_data: bool = True,
        precision: str = "float32",
        device: str = "cpu",
    ):
        self.env: Any = vectorised(env)
        self.settings = construction.plain_settings(
            type(self),
            mechanism=mechanism,
            mechanism_options=mechanism_options,
            dynamics=dynamics,
            planner=planner,
            planner_options=planner_options,
            n_random_steps=n_random_steps,
            random_actions=random_actions,
            train_every=train_every,
            n_updates=n_updates,
            batch_size=batch_size,
            held_out=held_out,
            noise=noise,
            discount=discount,
            clear_data=clear_data,
            precision=precision,
            device=device,
        )
        self.seed: int = checked_options("HyperCRL", type(self), {"seed": seed})["seed"]
        self.n_random_steps: int = self.settings["n_random_steps"]
        self.train_every: int = self.settings["train_every"]
        self.n_updates, self.batch_size = self.settings["n_updates"], self.settings["batch_size"]
        self.noise, self.clear_data = noise, clear_data
        construction.check_numbers(self.settings, self.seed)
        check_mechanism(mechanism, self.settings["mechanism_options"])
        low, high = checked_spaces(self.env)
        generators = (self._torch_generator(WEIGHTS), self._rng(LEARNER), self._rng(MODEL))
        self.dynamics = construction.made_dynamics(self.settings, self.sizes, *generators)
        self.rewards = construction.reward_source(reward_function, self.dynamics, self.env)
        self.actor = ModelActor(
            self.dynamics,
            make_planner(planner, planner_options),
            low,
            high,
            discount=discount,
            precision=construction.precision_named(precision),
        )
        if self.actor.planner.action_kind != "continuous":
            raise ValueError(
                f"HyperCRL needs a planner of continuous actions, found {planner!r}; use cem, mppi or pddm."
            )
        self.rng = self._rng(EXPLORATION)
        self.generator = self._torch_generator(PLANNING)
        # Held out in stretches: a step's neighbours are predicted too well to say how far off a new episode will be.
        self.data = Transitions(*self.sizes, held_out=held_out, rng=self._rng(HELD_OUT), stretch=HELD_OUT_STRETCH)
        self.components = list(components)
        self.bus = Bus(self.components, self, seed)
        self.bus.build()
        self.dynamics.learner.bus = self.bus
        self.num_timesteps = 0
        self._n_updates = 0  # as Stable-Baselines3's learners count them; the run's costs say it
        self.task: TaskInfo | None = None
        self.current: int | None = None
        """The number of the task that is trained."""
        self.numbers: dict[str, int] = {}
        """The numbers of the tasks that were named, by their ids."""
        self.reward_params: list[dict[str, float]] = []
        self.task_steps: list[int] = []
        self.steps_since_training = 0
        self.observations: NDArray[Any] | None = None
        self.plans = self.actor.fresh(self.env.num_envs)
        self.curves = Curves()
        self.logger: Any = Logger(None, [])  # which writes nowhere, until set_logger
        self.recognition = TaskRecognition(self.dynamics)

    # Construction

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers in an observation and in an action."""
        return self.env.observation_space.shape[0], self.env.action_space.shape[0]

    def _rng(self, owner: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(owner,)))

    def _torch_generator(self, owner: int) -> torch.Generator:
        return torch.Generator().manual_seed(int(self._rng(owner).integers(2**62)))

    # The task events

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins: a new one gets an embedding and random actions, a known one goes on."""
        if not isinstance(task, TaskInfo):
            raise ValueError(f"a task is announced as TaskInfo(id, ...), found {task!r}.")
        self.bus.begin_task(task)
        self.task = task
        known = None if task.id is None else self.numbers.get(task.id)
        params = {} if self.rewards is None else self.rewards.params(self.env)
        number = self.dynamics.begin_task(known)
        self.current = number
        if known is None:
            self.reward_params.append(params)
            self.task_steps.append(0)
            if task.id is not None:
                self.numbers[task.id] = number
        self.steps_since_training = 0
        self.data.clear()
        self._model_changed()
        self.plans = self.actor.fresh(self.env.num_envs)

    def end_task(self) -> None:
        """Hear that the task ends: train on what came last, measure the model's error, and drop the data."""
        if self.current is None:
            return
        if self.steps_since_training:
            self._train()
        for update in self.dynamics.end_task(self.current, self.data):
            self._n_updates += 1
            self.curves.note_sleep(update)
        calibrate(self.dynamics, self.current, self.data, self.stride)
        self._model_changed()
        if self.bus.listens("end_task"):
            observations, actions, rewards, following = self.data.columns()
            self.bus.end_task(TaskData(observations, actions, rewards, following))
        if self.clear_data:
            self.data.clear()

    # Training

    @property
    def stride(self) -> int:
        """One step of every environment."""
        return int(self.env.num_envs)

    def get_env(self) -> Any:
        """Give the training environments, as callbacks ask for them."""
        return self.env

    def get_vec_normalize_env(self) -> None:
        """Give None: observations are scaled within each task by the dynamics model; callbacks of evaluation ask."""

    def learn(self, total_timesteps: int, callback: Any = None) -> Self:
        """Train for at least ``total_timesteps`` environment steps; where no task was announced, one begins."""
        if not isinstance(total_timesteps, Integral) or total_timesteps < 0:
            raise ValueError(f"total_timesteps must be a whole number of at least 0, found {total_timesteps!r}.")
        if self.current is None:
            self.begin_task(TaskInfo(budget=total_timesteps))
        self.learn_steps(-(-total_timesteps // self.stride) * self.stride, callback)
        return self

    def learn_steps(self, n_steps: int, callback: Any = None) -> None:
        """Act and train for exactly ``n_steps`` environment steps, summed over the parallel environments."""
        if n_steps < 0 or n_steps % self.stride:
            raise ValueError(
                f"a number of steps must be a multiple of the {self.stride} environments, found {n_steps}."
            )
        if self.current is None:
            raise ValueError("the agent was not told of a task; call begin_task first, or learn.")
        if self.observations is None:
            self.env.seed(self.seed)  # as Stable-Baselines3's learners do, so that a script repeats
            self.continue_from(self.env.reset(), is_episode_start=True)
        listening = Listening(callback, self)
        for _ in range(n_steps // self.stride):
            step = self._step()
            if not listening.goes_on(step):
                break
            if self._is_training_due():
                self._train()
        listening.end()

    def _step(self) -> dict[str, Any]:
        """Make one step of every environment, and give what callbacks read of it."""
        assert self.observations is not None
        observations, actions = self.observations, self._training_actions()
        following, rewards, dones, infos = self.env.step(actions)
        own = own_next(following, dones, infos)
        check_finite("observations", own)
        if self.rewards is None:
            check_finite("rewards, where the model learns them,", rewards)
        untrained = untrained_rows(infos)
        if self.bus.listens("observe"):
            timeouts = np.array([bool(info.get("TimeLimit.truncated")) for info in infos])
            self.bus.observe(BusTransitions(observations, actions, rewards, own, dones, timeouts, untrained))
        kept = slice(None) if untrained is None else ~untrained
        self.data.add(observations[kept], actions[kept], rewards[kept], own[kept])
        self.curves.note_episodes(infos)
        if dones.any():
            self._check_reward()
        self.observations = following
        self.plans = self.actor.restarted(self.plans, dones)
        self._count_steps(self.stride)
        return {
            "self": self,
            "actions": actions,
            "new_obs": following,
            "rewards": rewards,
            "dones": dones,
            "infos": infos,
        }

    def _check_reward(self) -> None:
        """Raise ValueError where an episode began in which the reward is another than when the task began."""
        assert self.current is not None
        if self.reward_params[self.current] and self.rewards is not None:
            now, then = self.rewards.params(self.env), self.reward_params[self.current]
            if now != then:
                raise ValueError(
                    f"the reward of this family depends on features that changed within a task, {then} to {now}, as "
                    "with a teacher; let the model learn the reward with dynamics={'learns_reward': True}."
                )

    def _count_steps(self, n_steps: int) -> None:
        assert self.current is not None
        self.num_timesteps += n_steps
        self.task_steps[self.current] += n_steps
        self.steps_since_training += n_steps

    def _training_actions(self) -> NDArray[np.float32]:
        assert self.current is not None and self.observations is not None
        low, high = self.env.action_space.low, self.env.action_space.high
        if self.task_steps[self.current] < self.n_random_steps:
            shape = (self.stride, len(low))
            if self.settings["random_actions"] == "normal":
                return np.clip(self.rng.normal(size=shape), low, high).astype(np.float32)
            return self.rng.uniform(low, high, shape).astype(np.float32)
        if self.bus.listens("route"):
            self.bus.route(RouteContext("act", self.task, self.observations))
        tasks = np.full(self.stride, self.current)
        actions, self.plans, plan = self.actor.plan(
            self.observations, self.plans, tasks, self._rewards_of(tasks), self.generator
        )
        self.curves.note_plan(plan)
        if self.noise:
            actions = actions + self.rng.normal(size=actions.shape) * self.noise * (high - low) / 2
        return np.clip(actions, low, high).astype(np.float32)

    def _rewards_of(self, tasks: NDArray[np.int64]) -> dict[int, TaskReward | None]:
        numbers: list[int] = np.unique(tasks).tolist()
        if self.rewards is None:
            return dict.fromkeys(numbers)
        return {number: self.rewards.of(self.reward_params[number]) for number in numbers}

    def _is_training_due(self) -> bool:
        assert self.current is not None
        steps = self.task_steps[self.current]
        before, now = (steps - self.stride - self.n_random_steps), (steps - self.n_random_steps)
        return bool(now >= 0 and now // self.train_every > before // self.train_every)

    def _train(self) -> None:
        assert self.current is not None
        if self.steps_since_training and len(self.data):
            self.dynamics.observe(self.current, self.data)
            self.dynamics.fit(self.current, self.data, self.n_updates, self.batch_size, self._note_update)
            held_out = self.data.columns(held_out=True)
            if len(held_out[0]):
                self.curves.error = float(self.dynamics.squared_errors(self.current, held_out).mean())
        self.steps_since_training = 0
        self._model_changed()
        if self.bus.listens("tick"):
            self.bus.tick(self.curves.scalars())

    def _model_changed(self) -> None:
        self.actor.model_changed()
        self.recognition.model_changed()

    def _note_update(self, update: Update) -> None:
        self._n_updates += 1
        self.curves.note_update(update)

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations of the training environments, shape (n_envs, observation)."""
        self.observations = observations
        if is_episode_start:
            self.plans = self.actor.fresh(self.env.num_envs)

    # Acting

    def predict(
        self,
        observation: Any,
        state: Acting | None = None,
        episode_start: Any = None,
        deterministic: bool = False,
        *,
        task: TaskInfo | None = None,
    ) -> tuple[NDArray[Any], Acting]:
        """Give actions for observations (n, observation), or for one, and the state for the next call.

        The state holds the plans from which the next search starts; without it each call plans afresh, in two
        searches. ``deterministic`` changes nothing: exploration noise is for training alone. A task that is not
        told, or not known, is inferred from the transitions that the state remembers.
        """
        observation = np.asarray(observation, dtype=np.float32)
        seen = np.atleast_2d(observation)
        if seen.shape[1:] != self.env.observation_space.shape:
            raise ValueError(
                f"an observation must have the shape {self.env.observation_space.shape}, found {observation.shape}."
            )
        check_finite("observations", seen)
        is_cold = state is None
        acting = Acting(self.actor.fresh(len(seen))) if state is None else state
        if not isinstance(acting, Acting) or len(acting.plans) != len(seen):
            found = f"{len(acting.plans)} environments" if isinstance(acting, Acting) else repr(acting)
            raise ValueError(
                f"the state must be what predict gave for these {len(seen)} environments, found that of {found}; "
                "leave it out where others begin."
            )
        starts = np.zeros(len(seen), np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
        plans = self.actor.restarted(acting.plans, starts)
        generator = torch.Generator().manual_seed(_mixed(self.seed, acting.n_calls))
        belief: TaskFilter | None = None
        if self.dynamics.n_tasks == 0:
            actions = self._untaught(len(seen), generator)
        else:
            known = None if task is None or task.id is None else self.numbers.get(task.id)
            tasks, belief = self.recognition.tasks(known, self.current, acting, seen, starts)
            self._note_errors(acting, seen, starts, task)
            if self.bus.listens("route"):
                self.bus.route(RouteContext("eval", task, seen))
            rewards = self._rewards_of(tasks)
            if is_cold:
                _, _, cold = self.actor.plan(seen, plans, tasks, rewards, generator)
                plans = cold.plans if len(cold.plans) == len(plans) else plans
            actions, plans, _ = self.actor.plan(seen, plans, tasks, rewards, generator)
        # copied, since callers write into their observations
        following = Acting(plans, acting.n_calls + 1, seen.copy(), actions, belief)
        return (actions if observation.ndim > 1 else actions[0]), following

    def _untaught(self, n: int, generator: torch.Generator) -> NDArray[np.float32]:
        low, high = self.actor.low, self.actor.high
        drawn = low + (high - low) * torch.empty(n, len(low)).uniform_(generator=generator).to(low)
        return drawn.cpu().numpy().astype(np.float32)

    def _note_errors(
        self, acting: Acting, seen: NDArray[Any], starts: NDArray[np.bool_], task: TaskInfo | None
    ) -> None:
        """Measure how far the last step's predictions were off, for :meth:`diagnose`."""
        if task is None or task.id not in self.numbers or acting.observations is None or acting.actions is None:
            return
        moved = ~starts & (acting.observations != seen).any(axis=1)  # an ended episode's observation stays as it was
        if moved.any():
            columns = (acting.observations[moved], acting.actions[moved], np.zeros(int(moved.sum())), seen[moved])
            self.curves.note_errors(task.id, self.dynamics.squared_errors(self.numbers[task.id], columns))

    def outputs(self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None) -> dict[str, Any]:
        """Give the current task's emitted weights ("hyper"), or its predicted next observations ("dynamics")."""
        if self.current is None:
            raise ValueError("the agent was not told of a task; call begin_task first, or learn.")
        if role == "hyper":
            return {"weights": self.dynamics.learner.weights(self.current)}
        if role == "dynamics" and actions is not None:
            return {"mean": self.dynamics.predictor(self.current).step(observations, actions)}
        raise ValueError(f"HyperCRL has outputs of the roles hyper and dynamics (with actions), found {role!r}.")

    def roles(self) -> dict[str, list[torch.nn.Parameter]]:
        """Give the parameters that each optimiser owns, by the role's name."""
        return self.dynamics.learner.roles()

    # What it says of itself

    def appraise(self, observations: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool) -> dict[str, float]:
        """Say nothing: a model of the dynamics has no value estimates."""
        return {}

    def diagnose(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Give each known task's one-step prediction error since the last call, and the components' numbers.

        The errors are those of the episodes that were played in between with the task told: the mean squared error
        of a step as a share of the variance of the task's steps in training.
        """
        errors = {f"dynamics_error/{task}": error for task, error in self.curves.take_errors().items()}
        return errors | self.bus.evaluate(record)

    def memory(self) -> list[Held]:
        """Say what is held in memory: the model's parts, the current task's transitions, and each component."""
        laws = sum(scales.law.n_bytes for scales in self.dynamics.scales if scales.law is not None)
        held = [
            *self.dynamics.learner.memory(),
            Held("transitions", "buffer", self.data.n_bytes),
            Held("laws of the tasks' errors", "statistics", laws),
        ]
        for component in self.components:
            name = type(component).__name__
            held += [Held(name, kind, n_bytes) for kind, n_bytes in component.cost().by_kind().items()]
        return [part for part in held if part.n_bytes]

    def set_logger(self, logger: Any) -> None:
        """Log to a Stable-Baselines3 logger from now on."""
        self.logger = logger

    def write_logs(self) -> None:
        """Write the curves: losses, errors, drift, planning time, clipped predictions, and recent returns."""
        self.actor.count_predictions()
        scalars = self.curves.take(self.actor.n_clipped, self.actor.n_predictions)
        self.actor.n_clipped = self.actor.n_predictions = 0
        for name, value in scalars.items():
            self.logger.record(name, value)
        self.logger.dump(step=self.num_timesteps)

    # Saving and loading

    def save(self, path: str | Path) -> None:
        """Write everything to one file: networks, optimisers, data, plans, components, counters, generators."""
        for name, parameters in self.roles().items():
            if not all(bool(torch.isfinite(p).all()) for p in parameters):
                raise ValueError(
                    f"the parameters of {name!r} hold NaN or infinity after {self.num_timesteps} steps: training "
                    "diverged. Lower the learning rate, or check the observations' scale; nothing was saved over."
                )
        saving.write(self, path)

    def restore(self, path: str | Path) -> None:
        """Take everything over from a file that :meth:`save` wrote, in place and bit for bit.

        ValueError where the agent was built with other settings, components or environments.
        """
        saving.apply(saving.read(path), self, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        env: Any,
        *,
        components: Sequence[Component] | None = None,
        reward_function: RewardFunction | str | None = None,
        device: str | None = None,
    ) -> Self:
        """Build an agent from a file that :meth:`save` wrote, in these environments, which `learn` starts afresh.

        components: only needed where a component's class cannot be imported again by its name.
        reward_function: the one that the agent was built with, if it was; functions are not saved.
        device: where to go on; None for where the agent was trained.
        """
        state = saving.read(path)
        if components is None:
            components = made_components(json.loads(state["components"]))
        settings = json.loads(state["settings"])
        settings["device"] = device or settings["device"]
        agent = cls(env, seed=state["seed"], components=components, reward_function=reward_function, **settings)
        saving.apply(state, agent, path)
        agent.observations = None  # these environments stand elsewhere, or were never reset
        return agent


def _mixed(seed: int, n_calls: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(ACTING, n_calls)).generate_state(1, np.uint64)[0] >> 1)
