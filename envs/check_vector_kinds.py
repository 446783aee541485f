"""The kinds of vector environments that check_vector.py plays, each as what its instances show, event by event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lifelong_rl.envs.check_case import TaskEnvError
from lifelong_rl.envs.space import Task


@dataclass(frozen=True)
class Event:
    """One thing that an instance shows: a reset, a step, or the info of a last step."""

    what: str
    shown: dict[str, Any]

    def difference(self, other: Event) -> str:
        """Say how another event differs from this, the expected one."""
        if other.what != self.what:
            return f"a {self.what} is expected, and a {other.what} is shown"
        key = next(key for key, value in self.shown.items() if value != other.shown[key])
        return f"the {key} of the {self.what} differs: expected {self.shown[key]}, found {other.shown[key]}"


@dataclass(frozen=True)
class Bits:
    """An observation that is compared bit for bit."""

    kind: str
    bits: bytes

    def __str__(self) -> str:
        values = np.frombuffer(self.bits, dtype=self.kind)
        return np.array2string(values, threshold=8, edgeitems=3, separator=", ")


def reset_event(observation: Any, info: Mapping[str, Any]) -> Event:
    """Give the event of a reset."""
    return Event("reset", {"task": _of(info, "task", "reset"), "observation": _bits(observation)})


def step_event(observation: Any, reward: Any, terminated: Any, truncated: Any) -> Event:
    """Give the event of a step."""
    ending = {"terminated": bool(terminated), "truncated": bool(truncated)}
    return Event("step", {"reward": float(reward), **ending, "observation": _bits(observation)})


def last_info(info: Mapping[str, Any]) -> Event:
    """Give the event of a last step's info."""
    episode = _of(info, "episode", "last step")
    shown = {key: _of(info, key, "last step") for key in ("task", "score", "success")}
    return Event("last info", {**shown, "return": float(episode["r"]), "length": int(episode["l"])})


def _of(info: Mapping[str, Any], key: str, place: str) -> Any:
    if key not in info:
        raise TaskEnvError(f"the info of a {place} in a vector environment must hold {key!r}, found {sorted(info)}.")
    return info[key]


def _bits(observation: Any) -> Bits:
    array = np.asarray(observation)
    return Bits(array.dtype.str, array.tobytes())


class Vector(ABC):
    """One kind of vector environment, played through what its instances show."""

    @abstractmethod
    def queue(self, index: int, task: Task, seed: int | None) -> None:
        """Queue a task for one instance."""

    @abstractmethod
    def reset(self, seeds: list[int], tasks: list[Task]) -> list[Event]:
        """Reset all instances, each to a task of its own; gives an event each."""

    @abstractmethod
    def step(self, actions: Any) -> list[list[Event]]:
        """Step all instances; gives the events of each."""

    @abstractmethod
    def close(self) -> None:
        """Close all instances."""

    def rounded(self, event: Event) -> Event:
        """Give an event of a single instance as this kind can show it."""
        return event


class GymnasiumVector(Vector):
    """A Gymnasium vector environment in one of its autoreset modes."""

    def __init__(self, vector: Any, mode: AutoresetMode, queues: Sequence[Callable[..., None]]):
        """vector: a gymnasium.vector.VectorEnv. queues: of each instance, what queues a task and a seed."""
        self._vector, self._mode, self._queues = vector, mode, queues
        self._is_reset_due = np.zeros(vector.num_envs, dtype=bool)

    def queue(self, index: int, task: Task, seed: int | None) -> None:
        """Queue a task for one instance."""
        self._queues[index](task, seed)

    def reset(self, seeds: list[int], tasks: list[Task]) -> list[Event]:
        """Reset all instances, each to a task that is queued for it; gives an event each."""
        for i, task in enumerate(tasks):
            self.queue(i, task, None)
        return self._started(self._vector.reset(seed=seeds))

    def _started(self, shown: tuple[Any, dict[str, Any]]) -> list[Event]:
        observations, infos = shown
        return [reset_event(observations[i], info_of(infos, i)) for i in range(self._vector.num_envs)]

    def step(self, actions: Any) -> list[list[Event]]:
        """Step all instances; gives the events of each."""
        shown = self._vector.step(actions)
        events = [self._events(i, *shown) for i in range(self._vector.num_envs)]
        is_last = shown[2] | shown[3]
        if self._mode == AutoresetMode.NEXT_STEP:
            self._is_reset_due = is_last
        elif self._mode == AutoresetMode.DISABLED and is_last.any():
            observations, infos = self._vector.reset(options={"reset_mask": is_last.copy()})
            for i in np.flatnonzero(is_last).tolist():
                events[i].append(reset_event(observations[i], info_of(infos, i)))
        return events

    def _events(self, i: int, observations: Any, rewards: Any, ends: Any, cuts: Any, infos: Any) -> list[Event]:
        observation, info = observations[i], info_of(infos, i)
        if self._is_reset_due[i]:
            return [reset_event(observation, info)]
        if not (ends[i] or cuts[i]):
            return [step_event(observation, rewards[i], ends[i], cuts[i])]
        if self._mode != AutoresetMode.SAME_STEP:
            return [step_event(observation, rewards[i], ends[i], cuts[i]), last_info(info)]
        last = _of(info, "final_obs", "last step")
        return [
            step_event(last, rewards[i], ends[i], cuts[i]),
            last_info(_of(info, "final_info", "last step")),
            reset_event(observation, info),
        ]

    def close(self) -> None:
        """Close all instances."""
        self._vector.close()


class TaskedVector(GymnasiumVector):
    """A Gymnasium vector environment that takes tasks itself, as those of ``make_vector`` do."""

    def __init__(self, vector: Any, mode: AutoresetMode):
        super().__init__(vector, mode, [partial(vector.queue_task, index=i) for i in range(vector.num_envs)])

    def reset(self, seeds: list[int], tasks: list[Task]) -> list[Event]:
        """Reset all instances, each to the task that the options name for it; gives an event each."""
        return self._started(self._vector.reset(seed=seeds, options={"tasks": tasks}))


class SB3Vector(Vector):
    """A vector environment of Stable-Baselines3, which resets an instance in the step that ends its episode."""

    def __init__(self, vector: Any):
        self._vector = vector

    def queue(self, index: int, task: Task, seed: int | None) -> None:
        """Queue a task for one instance."""
        self._vector.env_method("queue_task", task, seed, indices=[index])

    def reset(self, seeds: list[int], tasks: list[Task]) -> list[Event]:
        """Reset all instances, each to a task that is queued for it; gives an event each."""
        for i, task in enumerate(tasks):
            self.queue(i, task, None)
        self._vector.seed(seeds[0])  # and one more for each next instance, as our parts have it
        observations = self._vector.reset()
        return [reset_event(observations[i], self._vector.reset_infos[i]) for i in range(len(seeds))]

    def step(self, actions: Any) -> list[list[Event]]:
        """Step all instances; gives the events of each."""
        observations, rewards, is_last, infos = self._vector.step(actions)
        return [self._events(i, observations[i], rewards[i], is_last[i], infos[i]) for i in range(len(infos))]

    def _events(self, i: int, observation: Any, reward: Any, is_last: Any, info: Mapping[str, Any]) -> list[Event]:
        if not is_last:
            return [step_event(observation, reward, False, False)]
        is_cut = _of(info, "TimeLimit.truncated", "last step")
        last = _of(info, "terminal_observation", "last step")
        return [
            step_event(last, reward, not is_cut, is_cut),
            last_info(info),
            reset_event(observation, self._vector.reset_infos[i]),
        ]

    def rounded(self, event: Event) -> Event:
        """Give an event with its reward in single precision, as Stable-Baselines3 keeps rewards."""
        if event.what != "step":
            return event
        return replace(event, shown=event.shown | {"reward": float(np.float32(event.shown["reward"]))})

    def close(self) -> None:
        """Close all instances."""
        self._vector.close()


def info_of(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """Give the info of one instance out of Gymnasium's dictionary of arrays and masks ``_key``."""
    own = {}
    for key, values in infos.items():
        if not key.startswith("_") and f"_{key}" in infos and infos[f"_{key}"][i]:
            own[key] = info_of(values, i) if isinstance(values, Mapping) else values[i]
    return own
