"""The evaluator: plays every task with fixed seeds, in environments of its own, without learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.base import LifelongAgent, TaskInfo
from lifelong_rl.agents.generators import preserved_generators
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import TaskEnv

Job: TypeAlias = tuple[int, int]
"""An episode to play: the task's index and the seed."""


@dataclass
class TaskResult:
    """What an agent showed on one task, one entry an episode."""

    task: Task
    returns: list[float]
    scores: list[float]
    successes: list[bool]
    lengths: list[int]

    def means(self) -> dict[str, float]:
        """Give the mean return, score and success over the episodes."""
        n = len(self.returns)
        return {"return": sum(self.returns) / n, "score": sum(self.scores) / n, "success": sum(self.successes) / n}

    def to_record(self) -> dict[str, Any]:
        """Give the result as the fields of an evaluation log's line."""
        return {
            "task": self.task.id,
            "returns": self.returns,
            "scores": self.scores,
            "successes": self.successes,
            "lengths": self.lengths,
        }


class Evaluator:
    """Evaluates agents on a list of tasks, with the same episodes every time.

    make_env: gives a new environment; as many are made as episodes run side by side.
    n_episodes: episodes of each task; episode j starts from the same seed on every task and in every evaluation.
    seed: of the episodes' seeds.
    is_told: whether the agent hears each task's id.
    n_parallel: episodes that share one call of the agent's ``predict``.
    """

    def __init__(
        self,
        make_env: Callable[[], TaskEnv],
        tasks: Sequence[Task],
        *,
        n_episodes: int = 5,
        seed: int = 0,
        is_told: bool = True,
        n_parallel: int = 64,
    ):
        if n_episodes < 1:
            raise ValueError(f"an evaluation needs at least one episode a task, found {n_episodes}.")
        self.tasks = list(tasks)
        self.is_told = is_told
        self.seeds = [int(s) for s in np.random.default_rng(seed).integers(2**31, size=n_episodes)]
        n_envs = min(len(self.tasks) * n_episodes, n_parallel)
        self._envs = [make_env() for _ in range(n_envs)]

    def evaluate(self, agent: LifelongAgent) -> list[TaskResult]:
        """Give the agent's deterministic results on every task; nothing it draws from is disturbed."""
        results = [TaskResult(task, [], [], [], []) for task in self.tasks]
        with preserved_generators():
            for jobs in self._batches(agent.routes_by_task):
                for (i, _), info in zip(jobs, self._play(agent, jobs), strict=True):
                    results[i].returns.append(info["episode"]["r"])
                    results[i].lengths.append(info["episode"]["l"])
                    results[i].scores.append(info["score"])
                    results[i].successes.append(bool(info["success"]))
        return results

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()

    def _batches(self, one_task_each: bool) -> Iterator[list[Job]]:
        """Give (task index, seed) of the episodes that run side by side."""
        by_task = [[(i, seed) for seed in self.seeds] for i in range(len(self.tasks))]
        groups = by_task if one_task_each else [[job for jobs in by_task for job in jobs]]
        for jobs in groups:
            yield from (jobs[k : k + len(self._envs)] for k in range(0, len(jobs), len(self._envs)))

    def _play(self, agent: LifelongAgent, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Play the jobs side by side to their ends; gives the info of each one's last step."""
        told = None
        if agent.routes_by_task and self.is_told:
            told = TaskInfo(self.tasks[jobs[0][0]].id)
        envs = self._envs[: len(jobs)]
        observations = np.stack(
            [
                env.reset(seed=seed, options={"task": self.tasks[i]})[0]
                for env, (i, seed) in zip(envs, jobs, strict=True)
            ]
        )
        self._check_observations(observations, jobs)
        last: list[dict[str, Any] | None] = [None] * len(jobs)
        state, starts = None, np.ones(len(jobs), dtype=bool)
        while None in last:
            # Ended episodes stay in the batch, so that a policy with a state keeps its rows; their actions go unused
            actions, state = agent.predict(observations, state, starts, deterministic=True, task=told)
            starts = np.zeros(len(jobs), dtype=bool)
            for k, env in enumerate(envs):
                if last[k] is None:
                    observations[k], _, terminated, truncated, info = env.step(actions[k])
                    if terminated or truncated:
                        last[k] = self._checked(info, *jobs[k])
            self._check_observations(observations, jobs)
        return [info for info in last if info is not None]

    def _check_observations(self, observations: NDArray[Any], jobs: Sequence[Job]) -> None:
        if np.isfinite(observations).all():
            return
        k = next(k for k in range(len(jobs)) if not np.isfinite(observations[k]).all())
        self._refuse(*jobs[k], f"the observation {observations[k]}, which is not finite")

    def _checked(self, info: dict[str, Any], i: int, seed: int) -> dict[str, Any]:
        episode_return, score = info["episode"]["r"], info["score"]
        if not (math.isfinite(episode_return) and 0.0 <= score <= 1.0):
            self._refuse(i, seed, f"the return {episode_return} and score {score}; a score lies in [0, 1]")
        return info

    def _refuse(self, i: int, seed: int, what: str) -> NoReturn:
        task = self.tasks[i]
        raise ValueError(
            f"an evaluation episode of task {task.id!r} {task.params} (seed {seed}) gave {what}; "
            "mend the environment, then resume the run."
        )
