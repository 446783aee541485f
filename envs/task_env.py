"""The task protocol: an environment whose episodes each play one task of its family."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.asked import named_task, seed_or_none, task_count, whole_number
from lifelong_rl.envs.space import Task, TaskSpace, Value

TaskLike: TypeAlias = Task | Mapping[str, Any] | Sequence[float] | NDArray[np.floating[Any]]
Observation: TypeAlias = NDArray[np.float32]
ObserveTask: TypeAlias = Literal["none", "vector", "one-hot"]
ActionKind: TypeAlias = Literal["discrete", "continuous"]
RenderMode: TypeAlias = Literal["rgb_array"] | None
NamedTasks: TypeAlias = Mapping[str, Mapping[str, Value]]
"""Tasks by name: the features that differ from the default task."""


class KnownReward(Protocol):
    """The signature of :attr:`TaskEnv.known_reward`."""

    def __call__(
        self, params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give rewards and whether a terminal state was reached, both of shape (...)."""


class NoPicturesHereError(RuntimeError, ValueError):
    """Pictures cannot be drawn on this machine, such as without OpenGL; the message says what to set or install.

    It is a ValueError too: what was asked for cannot be had here, and the command line says so without a traceback.
    """


class TaskEnv(gymnasium.Env[Observation, Any]):
    """A Gymnasium environment family: each instance plays tasks of its :attr:`task_space`, one an episode.

    A family writes four short methods: :meth:`apply_task`, :meth:`start_episode`, :meth:`advance` and
    :meth:`score_episode`; ``reset`` and ``step`` are given. Everything random comes from ``self.np_random``, so
    that an episode is determined by its task, the seed, and the actions: resuming a run relies on it.

    The info of every ``reset`` holds ``"task"``; that of an episode's last step holds ``"task"`` (the one really
    played), ``"score"`` in [0, 1], ``"success"`` (bool), and ``"episode"`` with return "r" and length "l".
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012  # Gymnasium's
    task_space: ClassVar[TaskSpace]
    max_episode_steps: int
    """Steps after which an episode is truncated (info-wise a time limit, not a terminal state)."""
    action_kinds: ClassVar[tuple[ActionKind, ...]]
    """The kinds of action space the family offers, its usual one first (constructor argument ``actions``)."""
    named_tasks: ClassVar[NamedTasks] = {}
    """The tasks that :meth:`standard_tasks` begins with."""
    reward_features: ClassVar[tuple[str, ...]] = ()
    """The task features that :attr:`known_reward` needs."""
    known_reward: ClassVar[KnownReward | None] = None
    """Reward and termination as a function of what is observed, for agents that plan; None where there is none.

    A family that has one writes ``@staticmethod def known_reward(params, observations, actions, next_observations,
    xp)``. params: maps each of :attr:`reward_features` to its number. Arrays: shapes (..., observation size),
    (..., action size) and (..., observation size); a task that ``observe_task`` appends may stand at the end.
    Actions in the unit of the action space, clipped as the environment clips them. xp: ``numpy`` or ``torch``,
    whichever the arrays are of; their dtype and device are kept. Gives rewards and whether a terminal state was
    reached, both of shape (...). Equal to the environment's own, up to the rounding of the observation to float32.
    """

    def __init__(
        self,
        *,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        """Finish construction; a family calls it last, with its own observation and action space set.

        render_mode: "rgb_array" lets :meth:`render` give pictures; a family that offers it writes :meth:`draw`.
        observe_task: "vector" appends the task's point of the unit cube to the observation (a Box of shape (m,)),
            "one-hot" the index of the task among ``tasks``; episodes then start with the first of them.
        """
        self.max_episode_steps = whole_number("max_episode_steps", self.max_episode_steps, 1)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', found {render_mode!r}.")
        if observe_task not in ("none", "vector", "one-hot"):
            raise ValueError(f"observe_task must be 'none', 'vector' or 'one-hot', found {observe_task!r}.")
        if observe_task == "one-hot" and not tasks:
            raise ValueError("observe_task='one-hot' needs the list of tasks: pass tasks=[...].")
        self.render_mode = render_mode
        self._observe_task = observe_task
        self._known_tasks = {_played(self.task_space.check(task)): i for i, task in enumerate(tasks)}
        self._suffix: Observation | None = None
        self._extend_observation_space(len(tasks))
        self.task = tasks[0] if observe_task == "one-hot" else self.task_space.default
        self._queued_task: Task | None = None
        self._queued_seed: int | None = None
        self._episode_steps = 0
        self._episode_return = 0.0
        self._is_task_applied = False

    # What a family writes

    @abstractmethod
    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the features, all of them, derived values included."""

    @abstractmethod
    def start_episode(self) -> Observation:
        """Start an episode of the current task and give its first observation."""

    @abstractmethod
    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Play one step; gives observation, reward, and whether a terminal state was reached."""

    @abstractmethod
    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the finished episode's score in [0, 1] and whether it was a success."""

    def describe_episode(self) -> dict[str, Any]:
        """Give what the family adds to the info of the finished episode's last step: by default nothing."""
        return {}

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture of the present state, shape (height, width, 3); :meth:`render` calls it."""
        raise NotImplementedError(f"{type(self).__name__} has no pictures: it does not write draw().")

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the ``n`` tasks that a scenario takes when it names none.

        Here they are the first ``n`` of :attr:`named_tasks`, and then a fixed uniform sample.
        """
        n = task_count(n)
        named = [cls.task_space.task(params, name=name) for name, params in cls.named_tasks.items()][:n]
        n_drawn = n - len(named)
        units = cls.task_space.sample(n_drawn, np.random.default_rng(n_drawn))
        digits = len(str(n_drawn))
        return named + [cls.task_space.decode(unit, name=f"task-{i:0{digits}d}") for i, unit in enumerate(units, 1)]

    # What everybody calls

    @classmethod
    def check_action_kind(cls, actions: str) -> str:
        """Give ``actions`` if the family offers this kind of action space; ValueError lists the kinds it does."""
        if actions not in cls.action_kinds:
            raise ValueError(
                f"{cls.__name__} offers the action kinds {', '.join(map(repr, cls.action_kinds))}, "
                f"found actions={actions!r}."
            )
        return actions

    def queue_task(self, task: TaskLike, seed: int | None = None) -> None:
        """Hold a task (and a seed) for the next reset that names none, a vector environment's own included."""
        checked, seed = self.as_task(task), seed_or_none(seed)
        self._queued_task, self._queued_seed = checked, seed

    def as_task(self, task: TaskLike) -> Task:
        """Give ``task`` (a Task, features by name, or a point of the unit cube) as a checked Task."""
        if isinstance(task, Task):
            return self.task_space.check(task)
        if isinstance(task, Mapping):
            return self.task_space.task(task)
        if isinstance(task, str):
            raise ValueError(
                "a task is given as a Task, as features by name, or as a point of the unit cube, found the string "
                f"{task!r}; standard_tasks(n) gives the tasks that have names."
            )
        return self.task_space.decode(task)

    def as_playable_task(self, task: TaskLike) -> Task:
        """Give ``task`` as :meth:`as_task` does; ValueError, too, for one that ``observe_task`` cannot show."""
        checked = self.as_task(task)
        self.suffix_of(checked)
        return checked

    def suffix_of(self, task: Task) -> Observation | None:
        """Give what ``observe_task`` appends for a task, None for nothing; ValueError where it cannot show it."""
        if self._observe_task == "none":
            return None
        if self._observe_task == "vector":
            coordinates: Observation = self.task_space.coordinates(task).astype(np.float32)
            return coordinates
        index = self._known_tasks.get(_played(task))
        if index is None:
            raise ValueError(
                f"observe_task='one-hot' knows {len(self._known_tasks)} tasks, and {task.id!r} is none of "
                "them; use observe_task='vector' where tasks are drawn from a distribution."
            )
        suffix = np.zeros(len(self._known_tasks), dtype=np.float32)
        suffix[index] = 1.0
        return suffix

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode of ``options["task"]``, else of the queued task, else of the current one.

        Raises ValueError for another option than "task", and for what is no task of the family.
        """
        named = None if options is None else named_task(options)
        if named is not None:
            task = self.as_task(named)
            super().reset(seed=seed)
        else:
            task = self._queued_task or self.task
            super().reset(seed=self._queued_seed if seed is None else seed)  # first, as it may refuse the seed
            self._queued_task, self._queued_seed = None, None
        if task is not self.task or not self._is_task_applied:
            self._take_over(task)
        self._episode_steps = 0
        self._episode_return = 0.0
        observation = self.start_episode()
        if self._suffix is not None:
            observation = np.concatenate((observation, self._suffix))
        return observation, {"task": task}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Play one step of the current episode; RuntimeError before the first reset."""
        if not self._is_task_applied:
            raise RuntimeError("no episode is under way: call reset() before step().")
        observation, reward, terminated = self.advance(action)
        self._episode_steps += 1
        self._episode_return += reward
        truncated = not terminated and self._episode_steps >= self.max_episode_steps
        info: dict[str, Any] = {}
        if terminated or truncated:
            score, success = self.score_episode(self._episode_return, self._episode_steps)
            info = {
                "task": self.task,
                "score": score,
                "success": success,
                "episode": {"r": self._episode_return, "l": self._episode_steps},
                **self.describe_episode(),
            }
        if self._suffix is not None:
            observation = np.concatenate((observation, self._suffix))
        return observation, reward, terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """Give a picture of the present state, shape (height, width, 3); None without ``render_mode``.

        Raises RuntimeError before the first reset.
        """
        if self.render_mode is None:
            return None
        if not self._is_task_applied:
            raise RuntimeError("there is nothing to show before the first reset: call reset() before render().")
        return self.draw()

    def replay(self, seed: int, tasks: Sequence[Task], actions: Sequence[Any]) -> Observation:
        """Bring the environment to where these actions led, and give the observation there.

        seed, tasks[0]: of the reset that began the stretch; tasks[1:]: of the resets within it, in order.
        """
        if not tasks:
            raise ValueError("a replay needs at least the task of the first reset, found no tasks.")
        observation, _ = self.reset(seed=seed, options={"task": tasks[0]})
        n_resets = 1
        for action in actions:
            observation, _, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                if n_resets == len(tasks):
                    raise ValueError(
                        f"the replay's actions end {n_resets} episodes, but only {n_resets} tasks are given: "
                        "the task of the reset that followed is missing."
                    )
                observation, _ = self.reset(options={"task": tasks[n_resets]})
                n_resets += 1
        return observation

    # The rest is private

    def _take_over(self, task: Task) -> None:
        suffix = self.suffix_of(task)  # first, as it may refuse the task
        self.apply_task(task.params)
        self.task = task
        self._suffix = suffix
        self._is_task_applied = True

    def _extend_observation_space(self, n_tasks: int) -> None:
        if self._observe_task == "none":
            return
        space = self.observation_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            raise ValueError(
                "the task can be appended to a one-dimensional Box observation only, "
                f"found {space}; use observe_task='none'."
            )
        extra = n_tasks if self._observe_task == "one-hot" else self.task_space.dimension
        low = np.concatenate((space.low, np.zeros(extra, dtype=np.float32)))
        high = np.concatenate((space.high, np.ones(extra, dtype=np.float32)))
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)


def _played(task: Task) -> tuple[Value, ...]:
    """What of a task decides the episode: two names for one point are one task to play."""
    return tuple(value for _, value in sorted(task.params.items()))
