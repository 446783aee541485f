"""Trains a dynamics model on tasks in sequence by each continual mechanism, and measures what it keeps of them.

Shared by `hypercrl_pendulum.py` and `hypercrl_half_cheetah.py`: the methods by name, one run, its errors and costs,
and the cells of a table with bootstrap intervals over seeds.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lifelong_rl.agents.hypernet.baselines import BASELINES
from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED, HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.learner import DynamicsLearner, TaskLoss, Update
from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.agents.hypernet.transitions import Transitions
from lifelong_rl.evaluation.statistics import bootstrap_interval

Array: TypeAlias = NDArray[np.floating[Any]]
Columns: TypeAlias = tuple[Array, Array, Array, Array]
Method: TypeAlias = Callable[[TargetNetwork, TaskLoss, int], DynamicsLearner]
"""Makes a learner for a target network, its loss and a seed."""


class Task(NamedTuple):
    """One task of a sequence: transitions to learn from and to be measured on."""

    training: Columns
    test: Columns


@dataclass(frozen=True)
class Outcome:
    """What one run of a method came to."""

    method: str
    seed: int
    just_after: list[float]
    """One-step error of each task just after it was learned, as a share of the targets' variance."""
    final: list[float]
    """The same after all tasks."""
    update_ms: list[float]
    """Processor time of an update in each task, in ms."""
    memory: list[int]
    """Bytes held by the learner after each task."""
    cpu_s: float
    """Processor time of all training, consolidation included, in s."""
    planned: float | None = None
    """The planner's return with the learned models: 0 as random actions, 1 as with the true dynamics."""


def hypernet(settings: HypernetSettings | None = None, **changes: Any) -> Method:
    """Give a hypernetwork with these settings, or the defaults, and changes."""
    settings = dataclasses.replace(settings or HypernetSettings(), **changes)

    def make(target: TargetNetwork, loss: TaskLoss, seed: int) -> DynamicsLearner:
        rng = np.random.default_rng(seed + 1)
        return HypernetLearner(target, loss, torch.Generator().manual_seed(seed), settings=settings, rng=rng)

    return make


def baseline(name: str, **options: Any) -> Method:
    """Give one of :data:`BASELINES` with these options."""

    def make(target: TargetNetwork, loss: TaskLoss, seed: int) -> DynamicsLearner:
        rng = np.random.default_rng(seed + 1)
        return BASELINES[name](target, loss, torch.Generator().manual_seed(seed), rng=rng, **options)

    return make


METHODS: dict[str, Method] = {
    "hypernetwork": hypernet(),
    "single-task (a network each)": baseline("single-task"),
    "multi-task (all data kept)": baseline("multi-task"),
    "fine-tuning": baseline("fine-tuning"),
    "coreset 50": baseline("coreset", n_kept=50),
    "coreset 200": baseline("coreset", n_kept=200),
    "hypernetwork, no sleep": hypernet(n_sleep_updates=0),
    "no sleep, look-ahead": hypernet(n_sleep_updates=0, look_ahead=True),
    "no sleep, chunked": hypernet(n_sleep_updates=0, form="chunked"),
    "no sleep, recurrent": hypernet(n_sleep_updates=0, form="recurrent"),
    "hypernetwork, no regulariser": hypernet(beta=0.0),
    "hypernetwork as published": hypernet(PUBLISHED["pendulum"]),
}
"""The methods by name, but for those whose strength is tuned."""


def run(
    name: str,
    method: Method,
    seed: int,
    tasks: Sequence[Task],
    settings: DynamicsSettings,
    *,
    n_updates: int,
    batch_size: int = 100,
) -> tuple[Outcome, DynamicsModel]:
    """Learn the tasks one after another; give what it came to, and the model."""
    n_observation, n_action = tasks[0].training[0].shape[1], tasks[0].training[1].shape[1]
    model = DynamicsModel(
        n_observation,
        n_action,
        lambda target, loss: method(target, loss, seed),
        settings=settings,
        rng=np.random.default_rng(seed + 2),
    )
    just_after, update_ms, memory, cpu_s = [], [], [], 0.0
    for i, task in enumerate(tasks):
        data = Transitions(n_observation, n_action, held_out=0.0, rng=np.random.default_rng(seed + 3))
        data.add(*task.training)
        begun = time.process_time()
        model.begin_task()
        model.observe(i, data)
        trained = time.process_time()
        model.fit(i, data, n_updates, batch_size, _ignore)
        update_ms.append(1e3 * (time.process_time() - trained) / n_updates)
        model.end_task(i, data)
        cpu_s += time.process_time() - begun
        just_after.append(_error(model, i, task))
        memory.append(sum(held.n_bytes for held in model.learner.memory()))
    final = [_error(model, i, task) for i, task in enumerate(tasks)]
    return Outcome(name, seed, just_after, final, update_ms, memory, cpu_s), model


def _ignore(update: Update) -> None:
    pass


def _error(model: DynamicsModel, i: int, task: Task) -> float:
    error = model.error(i, task.test)
    assert error is not None
    return error


class Records:
    """Outcomes in a file of JSON lines, so that a benchmark that was cut short goes on where it was."""

    def __init__(self, path: Path | None):
        self.path = path
        self.outcomes: list[Outcome] = []
        if path is not None and path.exists():
            self.outcomes = [Outcome(**json.loads(line)) for line in path.read_text().splitlines()]

    def find(self, method: str, seed: int) -> Outcome | None:
        """Give a run that was done before."""
        return next((o for o in self.outcomes if (o.method, o.seed) == (method, seed)), None)

    def add(self, outcome: Outcome) -> Outcome:
        """Keep a run, and give it back."""
        self.outcomes.append(outcome)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(dataclasses.asdict(outcome)) + "\n")
        return outcome


def geometric_mean(values: Iterable[float]) -> float:
    """Give the geometric mean."""
    return float(np.exp(np.mean(np.log(list(values)))))


def best_strength(tuned: dict[float, list[float]]) -> float:
    """Give the strength whose final errors, one a seed, have the least mean."""
    return min(tuned, key=lambda strength: float(np.mean(tuned[strength])))


def shown(values: Sequence[float], form: str = ".2g") -> str:
    """Give a mean over seeds with its bootstrap interval of 95 %, where there are two seeds or more."""
    mean = format(float(np.mean(values)), form)
    if len(values) < 2:
        return mean
    interval = bootstrap_interval(np.array(values))
    return f"{mean} ({interval.low:{form}} to {interval.high:{form}})"
