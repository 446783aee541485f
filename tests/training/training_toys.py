"""Toy families, sources and components of the training tests: importable, so that spawned environments find them."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from gymnasium import spaces

from lifelong_rl.agents.component import Component
from lifelong_rl.cli import main
from lifelong_rl.envs import Feature, TaskEnv, TaskSpace
from lifelong_rl.teachers import Teacher
from lifelong_rl.teachers.base import EXTRAS
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.sources import TaughtTasks
from lifelong_rl.training.trainer import RunInterrupted, resume, train


class Payday(TaskEnv):
    """Pays ``pay`` a step for ``length`` steps: every number of an episode tells the task it belongs to.

    Observation: pay, the steps done, and a number drawn from the episode's generator that actions shift.
    """

    task_space = TaskSpace(
        "payday",
        [
            Feature.real("pay", -8.0, 8.0, 1.0),
            Feature.integer("length", 1, 6, 3),
            Feature.category("ending", ("terminal", "time limit"), "terminal"),
        ],
    )
    action_kinds = ("discrete", "continuous")

    def __init__(self, *, actions="discrete", observe_task="none", tasks=()):
        is_discrete = self.check_action_kind(actions) == "discrete"
        self.action_space = spaces.Discrete(3) if is_discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Box(-50.0, 50.0, (3,), np.float32)
        self.max_episode_steps = 100
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params):
        self._pay, self._length = params["pay"], params["length"]
        self._is_terminal = params["ending"] == "terminal"
        self.max_episode_steps = 100 if self._is_terminal else self._length

    def start_episode(self):
        self._steps = 0
        self._drift = float(self.np_random.normal())
        return self._observation()

    def advance(self, action):
        self._steps += 1
        self._drift += 0.1 * float(np.sum(action)) + 0.1 * float(self.np_random.normal())
        return self._observation(), self._pay, self._is_terminal and self._steps == self._length

    def score_episode(self, episode_return, length):
        return (self._pay + 8.0) / 16.0, self._is_terminal

    def _observation(self):
        return np.array((self._pay, self._steps, self._drift), np.float32)


class Faulty(TaskEnv):
    """Does, from the third step of an episode of five on, what its one feature says."""

    FAULTS: ClassVar = (
        "nothing",
        "nan observation",
        "nan reward",
        "inf reward",
        "huge observation",
        "nan last observation",
        "nan first observation",
        "score of 2",
        "crash",
    )
    task_space = TaskSpace("faulty", [Feature.category("fault", FAULTS, "nothing")])
    action_kinds = ("discrete",)

    def __init__(self, *, observe_task="none", tasks=()):
        self.action_space = spaces.Discrete(2)
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.max_episode_steps = 5
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params):
        self._fault = params["fault"]

    def start_episode(self):
        self._steps = 0
        return np.full(2, math.nan if self._fault == "nan first observation" else 0.0, np.float32)

    def advance(self, action):
        self._steps += 1
        observation, reward = np.zeros(2, np.float32), 0.0
        if self._steps >= 3:
            if self._fault == "nan observation":
                observation[1] = math.nan
            elif self._fault == "huge observation":
                observation[:] = 3e38
                reward = 3e38
            elif self._fault == "nan reward":
                reward = math.nan
            elif self._fault == "inf reward":
                reward = math.inf
            elif self._fault == "crash":
                raise RuntimeError("the simulator fell over")
        if self._steps == 5 and self._fault == "nan last observation":
            observation[0] = math.nan
        return observation, reward, False

    def score_episode(self, episode_return, length):
        return (2.0 if self._fault == "score of 2" else 0.5), False


class Moody(Payday):
    """Is not a function of seed, task and actions."""

    def start_episode(self):
        observation = super().start_episode()
        self._drift += np.random.default_rng().normal()
        observation[2] = self._drift
        return observation


class Recorded(TaughtTasks):
    """A source that draws tasks at random and writes down everything it is asked and told."""

    def __init__(self, space: TaskSpace, seed: int = 0):
        super().__init__(Diary(), space, np.random.default_rng(seed), "diary")
        self.given: list = []
        self.calls: list[str] = []
        self.heard: list = []

    def next(self, n, step):
        tasks = super().next(n, step)
        self.calls.append(f"next {n}")
        self.given += tasks
        return tasks

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        self.calls.append(f"update {len(tasks)}")
        columns = (outcomes.returns, outcomes.lengths, outcomes.scores, outcomes.successes)
        self.heard += [(task, *row) for task, *row in zip(tasks, *map(np.ndarray.tolist, columns), strict=True)]


class Diary(Teacher):
    """Draws tasks that depend on all it was told, so that a lost or swapped outcome changes everything after it."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self._sum = 0.0

    def sample(self, n=1):
        return (self.rng.random((n, self.space.dimension)) + self._sum) % 1.0

    def update(self, tasks, outcomes):
        tasks = self.checked(tasks, outcomes)
        for task, score in zip(tasks, outcomes.scores, strict=True):
            self._sum = (0.9 * self._sum + float(task[0]) * 3.7 + float(score)) % 1.0

    def state_dict(self):
        return {**super().state_dict(), "sum": self._sum}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self._sum = state["sum"]


class Idler(Diary):
    """A diary that uses the processor for a millisecond at each draw."""

    def sample(self, n=1):
        spin(0.001)
        return super().sample(n)


def spin(seconds: float) -> None:
    """Use the processor for this long."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Judge(Diary):
    """A diary that also depends on all that the learner says, and has every second task only looked at."""

    needs = frozenset(EXTRAS)
    is_selective = True
    untrained = None

    def reset(self, space, rng):
        super().reset(space, rng)
        self._n_drawn = 0

    def sample(self, n=1):
        tasks = super().sample(n)
        self.untrained = (self._n_drawn + np.arange(n)) % 2 == 0
        self._n_drawn += n
        return tasks

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        for name in sorted(self.needs):
            self._sum = (self._sum + float(np.abs(outcomes.extra[name]).sum())) % 1.0

    def state_dict(self):
        return {**super().state_dict(), "n_drawn": self._n_drawn}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self._n_drawn = state["n_drawn"]


class Ear(Component):
    """Writes down which task events it hears, and how many steps it saw between them."""

    heard: ClassVar[list] = []

    def begin_task(self, agent, task):
        self.heard.append(("begin", agent.num_timesteps, task.id, task.budget))

    def end_task(self, agent, data):
        self.heard.append(("end", agent.num_timesteps))

    def observe(self, agent, transitions):
        self.heard.append(("steps", len(transitions.rewards)))


class NeedsBoundary(Component):
    requires = frozenset({"boundary"})


class NeedsTaskId(Component):
    requires = frozenset({"task_id"})


def random_actions(space: spaces.Space, n_steps: int, n_envs: int, seed: int = 0) -> Sequence[np.ndarray]:
    """Give actions of shape (n_envs, ...) for each step."""
    rng = np.random.default_rng(seed)
    if isinstance(space, spaces.Discrete):
        return list(rng.integers(space.n, size=(n_steps, n_envs)))
    return list(rng.uniform(-1, 1, size=(n_steps, n_envs, *space.shape)).astype(np.float32))


class Interrupter(Component):
    """Sends a signal to its own process at the ``at``-th step seen, ``times`` times, while it is armed."""

    is_armed: ClassVar[bool] = False

    def __init__(self, at: int = 100, number: int = signal.SIGINT, times: int = 1):
        self.at = at
        self.number = number
        self.times = times

    def build(self, agent):
        self._n_seen = 0

    def observe(self, agent, transitions):
        self._n_seen += 1
        if type(self).is_armed and self._n_seen == self.at:
            type(self).is_armed = False
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)

    def state_dict(self):
        return {"n_seen": self._n_seen}

    def load_state_dict(self, state):
        self._n_seen = state["n_seen"]


NET = {"policy_kwargs": {"net_arch": [16]}}
OFF_POLICY = NET | {"learning_starts": 30, "train_freq": 4, "batch_size": 16, "buffer_size": 1000}
AGENTS = {
    "dqn": OFF_POLICY,
    "sac": OFF_POLICY,
    "ppo": NET | {"n_steps": 64, "batch_size": 32, "n_epochs": 2},
}


def tiny(scenario, agent: str = "dqn", components=(), **settings) -> RunConfig:
    """Give a run of a small network with few evaluation episodes."""
    config = AgentConfig(agent, options=AGENTS[agent], components=tuple(components))
    return RunConfig(scenario, config, **({"eval_every": 100, "eval_episodes": 1} | settings))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def logs(run: Path) -> dict[str, bytes]:
    """Give the bytes of the files that say all of a run's results."""
    return {name: (run / name).read_bytes() for name in ("episodes.jsonl", "evaluations.jsonl", "metrics.json")}


def stopped_and_resumed_as_whole(config, at: int, folder: Path, monkeypatch) -> list[dict]:
    """Check that a run stopped at the ``at``-th step seen ends as one that was not; gives its episodes' records.

    config: function from the parts that interrupt a run, components by name with their options, to its RunConfig.
    """

    def parts(step: int) -> list:
        return [("training_toys:Interrupter", {"at": step, "number": int(signal.SIGINT), "times": 1})]

    train(config(parts(0)), folder / "whole", show_progress=False)
    monkeypatch.setattr(Interrupter, "is_armed", True)
    with pytest.raises(RunInterrupted):
        train(config(parts(at)), folder / "stopped", show_progress=False)
    resume(folder / "stopped", show_progress=False)
    assert logs(folder / "stopped") == logs(folder / "whole")
    return lines(folder / "whole" / "episodes.jsonl")


def run_cli(arguments: list[str], stderr: Path) -> None:
    """Run the command line in this process and exit with its status, standard error in a file."""
    with stderr.open("w") as sys.stderr:
        sys.exit(main(arguments))


def start_cli(arguments: list[str], stderr: Path):
    """Start the command line in a process of its own, from a server that has imported torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lifelong_rl.training.trainer", "stable_baselines3", "matplotlib.figure"])
    process = context.Process(target=run_cli, args=(arguments, stderr))
    process.start()
    return process
