"""The n instances of a batched family: their arrays, tasks, generators, and what happens to them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from lifelong_rl.envs.asked import seed_or_none
from lifelong_rl.envs.batched.arithmetic import ARRAYS
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import Observation, TaskLike
from lifelong_rl.envs.vector_tasks import check_count, refuse_some_first


class Scores(NamedTuple):
    """What the present episodes showed, arrays of shape (n,); they count where an episode has ended."""

    score: NDArray[np.float64]
    success: NDArray[np.bool_]
    episode_return: NDArray[np.float64]
    length: NDArray[np.int64]


class Instances:
    """n instances of one family, each with a task, a queue and a generator of its own.

    Both vector environments are thin skins over it. It never resets an instance by itself: they say when.
    """

    def __init__(self, family: BatchedTaskEnv, n: int):
        """family: an instance of the family, which gives spaces, options and functions; it is never played."""
        check_count(n)
        self.family, self.n = family, n
        self.tasks: NDArray[np.object_] = np.full(n, family.task, dtype=object)
        """The task of each instance's present episode, shape (n,)."""
        self.lengths = np.zeros(n, dtype=np.int64)
        self.returns = np.zeros(n)
        self._rngs: list[np.random.Generator | None] = [None] * n
        self._queued: list[tuple[Task, int | None] | None] = [None] * n
        self._physics_rows = np.repeat(np.array(family.present_physics, dtype=np.float64)[:, None], n, axis=1)
        self._physics = type(family.present_physics)._make(self._physics_rows)
        self._state_rows: NDArray[np.float64] | None = None  # (state size, n) once episodes have begun
        self._state: Any = None  # the same arrays by name
        (self._observation_size,) = family.observation_space.shape or (0,)
        suffix = family.suffix_of(family.task)
        self._suffixes = None if suffix is None else np.repeat(suffix[None], n, axis=0)

    # Tasks and generators

    def queue_task(self, i: int, task: TaskLike, seed: int | None = None) -> None:
        """Hold a task (and a seed) for the next reset of instance i that names none."""
        self._queued[i] = self.family.as_playable_task(task), seed_or_none(seed)  # not refused in a step

    def rng(self, i: int) -> np.random.Generator:
        """Give the generator of instance i; a fresh one, seeded by the system, where none was seeded."""
        rng = self._rngs[i]
        if rng is None:
            rng = self._rngs[i] = seeding.np_random(None)[0]
        return rng

    def _take_over(self, i: int, task: Task) -> None:
        if task is self.tasks[i]:
            return
        suffix = self.family.suffix_of(task)  # first, as it may refuse the task
        self._physics_rows[:, i] = self.family.physics_of(task)
        self.tasks[i] = task
        if suffix is not None and self._suffixes is not None:
            self._suffixes[i] = suffix

    # Episodes

    def start(
        self,
        who: NDArray[np.intp],
        tasks: Sequence[Task | None] | None = None,
        seeds: Sequence[int | None] | None = None,
    ) -> NDArray[np.float32]:
        """Start new episodes of the instances ``who``, shape (k,); gives their observations, (k, observation size).

        tasks, seeds: one for each of ``who``. As with the single environment, an instance whose task is None takes
        the queued one, with its seed, else keeps the present one; a seed makes a new generator.
        """
        if self._state_rows is None and len(who) < self.n:
            refuse_some_first()
        draws, draw = np.empty((len(who), self.family.n_draws)), self.family.draw_start
        for k, (i, row) in enumerate(zip(who.tolist(), draws, strict=True)):
            if tasks or seeds or self._queued[i]:
                self._prepare(i, tasks[k] if tasks else None, seeds[k] if seeds else None)
            draw(self._rngs[i] or self.rng(i), row)
        physics = type(self._physics)._make(self._physics_rows[:, who])
        state = self.family.begin(draws.T, physics, ARRAYS)
        self._write(who, state)
        self.lengths[who] = 0
        self.returns[who] = 0.0
        suffixes = None if self._suffixes is None else self._suffixes[who]
        return self._observed(state, physics, suffixes, len(who))

    def _prepare(self, i: int, task: Task | None, seed: int | None) -> None:
        queued = self._queued[i]
        if task is None and queued is not None:
            self._queued[i] = None
            task, seed = queued[0], queued[1] if seed is None else seed
        if task is not None:
            self._take_over(i, task)
        if seed is not None:
            self._rngs[i] = seeding.np_random(seed)[0]

    def _write(self, who: NDArray[np.intp], state: Any) -> None:
        if self._state_rows is None:
            self._state_rows = np.zeros((len(state), self.n))
            self._state = type(state)._make(self._state_rows)
        for row, numbers in zip(self._state_rows, state, strict=True):
            row[who] = numbers

    def advance(
        self, actions: Any, ignored: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Play one step of every instance; gives rewards, terminated and truncated, each new and of shape (n,).

        ignored: instances, shape (n,), whose action goes unused; they are moved too, and are to be started anew.
        """
        if self._state is None:
            raise RuntimeError("no episodes are under way: call reset() before step().")
        action = self.family.action_reader.many(actions, self.n, ignored)
        state, reward, ending = self.family.move(self._state, action, self._physics, ARRAYS)
        # One new array a step: what a family gives may be views of the last state or of the physics
        self._state_rows = np.array(state)
        self._state = type(state)._make(self._state_rows)
        rewards, terminated = np.empty(self.n), np.empty(self.n, dtype=np.bool_)
        rewards[...], terminated[...] = reward, ending
        self.lengths += 1
        self.returns += rewards
        return rewards, terminated, (self.lengths >= self.family.max_episode_steps) & ~terminated

    def observations(self) -> NDArray[np.float32]:
        """Give the observations of all instances, shape (n, observation size); the array is the caller's."""
        return self._observed(self._state, self._physics, self._suffixes, self.n)

    def _observed(self, state: Any, physics: Any, suffixes: Observation | None, n: int) -> NDArray[np.float32]:
        numbers = self.family.observe(state, physics, ARRAYS)
        observations = np.empty((n, self._observation_size), dtype=np.float32)
        for column, number in enumerate(numbers):
            observations[:, column] = number
        if suffixes is not None:
            observations[:, len(numbers) :] = suffixes
        return observations

    def scores(self) -> Scores:
        """Give what the present episodes showed, for those that have ended; the arrays are the caller's."""
        lengths = np.maximum(self.lengths, 1)  # an episode that has just begun has no mean reward, and is not asked
        score, success = np.empty(self.n), np.empty(self.n, dtype=np.bool_)
        score[...], success[...] = self.family.score(self.returns, lengths, self._state, self._physics, ARRAYS)
        return Scores(score, success, self.returns.copy(), lengths)

    # One of them

    def replay(self, i: int, seed: int, tasks: Sequence[Task], actions: Sequence[Any]) -> Observation:
        """Bring instance i to where these actions led, and give the observation there; see ``TaskEnv.replay``."""
        single = copy.copy(self.family)  # what an episode changes is rebound, never written into
        observation = single.replay(seed, tasks, actions)
        if self._state is None:
            queued, self._queued = self._queued, [None] * self.n  # which waits for the reset of an instance itself
            self.start(np.arange(self.n))
            self._queued = queued
        self._take_over(i, single.task)
        self._write(np.array([i]), single.state)
        self._rngs[i] = single.np_random
        self.lengths[i], self.returns[i] = single.progress
        return observation

    def picture(self, i: int) -> NDArray[np.uint8] | None:
        """Give a picture of instance i; None without the family's ``render_mode``."""
        if self.family.render_mode is None:
            return None
        if self._state is None:
            raise RuntimeError("there is nothing to show before the first reset: call reset() before render().")
        return self.family.picture(self.state(i), type(self._physics)._make(self._physics_rows[:, i].tolist()))

    def state(self, i: int) -> Any:
        """Give the state of instance i as floats; None before the first reset."""
        return None if self._state_rows is None else type(self._state)._make(self._state_rows[:, i].tolist())

    def member(self, i: int) -> Member:
        """Give instance i with the attributes and methods of the single environment."""
        return Member(self, i)


_NOT_OF_ONE = {
    "reset",
    "step",
    "apply_task",
    "start_episode",
    "advance",
    "score_episode",
    "draw",
    "progress",
    "present_physics",
    "np_random_seed",
    "unwrapped",
    "set_wrapper_attr",
}
"""What of the single environment would be that of the family's own instance, which nobody plays."""


class Member:
    """One of n instances, as what asks a vector environment for an attribute or method of one expects it."""

    def __init__(self, instances: Instances, i: int):
        self._instances, self._i = instances, i

    @property
    def task(self) -> Task:
        """The task of the present episode."""
        task: Task = self._instances.tasks[self._i]
        return task

    @property
    def np_random(self) -> np.random.Generator:
        """The instance's generator."""
        return self._instances.rng(self._i)

    def queue_task(self, task: TaskLike, seed: int | None = None) -> None:
        """Hold a task (and a seed) for the next reset that names none."""
        self._instances.queue_task(self._i, task, seed)

    def replay(self, seed: int, tasks: Sequence[Task], actions: Sequence[Any]) -> Observation:
        """Bring the instance to where these actions led, and give the observation there."""
        return self._instances.replay(self._i, seed, tasks, actions)

    def render(self) -> NDArray[np.uint8] | None:
        """Give a picture of the present state; None without ``render_mode``."""
        return self._instances.picture(self._i)

    @property
    def state(self) -> Any:
        """The state, a NamedTuple of floats."""
        return self._instances.state(self._i)

    def get_wrapper_attr(self, name: str) -> Any:
        """Give an attribute, as Gymnasium's environments do."""
        return getattr(self, name)

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_OF_ONE or name.startswith("_"):
            raise AttributeError(
                f"{name!r} of one instance of {self._instances.n} cannot be had: they play together; "
                "make(...) gives a single environment."
            )
        return getattr(self._instances.family, name)
