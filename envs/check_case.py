"""What the rules of :func:`lifelong_rl.envs.check_task_env` share: the family that is tried, and their errors."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lifelong_rl.envs.lookup import construct
from lifelong_rl.envs.space import Task, TaskSpace
from lifelong_rl.envs.task_env import TaskEnv


class TaskEnvError(AssertionError):
    """A rule of :func:`check_task_env` is broken; the message says which one and how it showed."""


class NotCheckedError(Exception):
    """A rule cannot be checked on this machine; the message says why."""


@dataclass(frozen=True)
class Case:
    """One family with its options, and what the rules need of it."""

    cls: type[TaskEnv]
    options: dict[str, Any]
    seed: int
    n_steps: int

    @property
    def space(self) -> TaskSpace:
        """The family's task space."""
        return self.cls.task_space

    def make(self, **more: Any) -> TaskEnv:
        """Give a new environment with all the options, and more of them."""
        return self._construct(self.options | more)

    def make_plain(self) -> TaskEnv:
        """Give an environment that does not show the task: the shown task would hide a feature without effect."""
        rest = {key: value for key, value in self.options.items() if key not in ("observe_task", "tasks")}
        return self._construct(rest)

    def takes(self, option: str) -> bool:
        """Say whether the constructor has an argument of this name, or hands it on to a base class that has."""
        for cls in self.cls.__mro__:
            if "__init__" not in vars(cls):
                continue
            parameters = inspect.signature(vars(cls)["__init__"]).parameters
            if option in parameters:
                return True
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
                return False
        return False

    def _construct(self, options: dict[str, Any]) -> TaskEnv:
        env: TaskEnv = construct("environment family", self.cls, options)
        return env

    @property
    def shown_tasks(self) -> list[Task]:
        """The tasks that the options list (a one-hot observation knows no others), else :attr:`tasks`."""
        return list(self.options.get("tasks") or self.tasks)

    @property
    def tasks(self) -> list[Task]:
        """The default task and two drawn ones."""
        units = self.space.sample(2, np.random.default_rng(self.seed))
        return [self.space.default, *self.space.decode_many(units)]

    def actions(self, env: TaskEnv, n: int) -> list[Any]:
        """Give the same ``n`` random actions at each call."""
        space = copy.deepcopy(env.action_space)
        space.seed(self.seed)
        return [space.sample() for _ in range(n)]


Rule: TypeAlias = Callable[[Case], None]
"""Raises TaskEnvError where the family breaks it; its docstring says it in one sentence."""


def require_refusal(call: Callable[[], Any], what: str) -> None:
    """Raise TaskEnvError where the call does not raise ValueError."""
    try:
        call()
    except ValueError:
        return
    except Exception as error:
        raise TaskEnvError(f"{what} must be refused with ValueError, found {type(error).__name__}.") from error
    raise TaskEnvError(f"{what} must be refused with ValueError, but was accepted.")
