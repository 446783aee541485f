"""Trains the HyperCRL agent on tasks in sequence, and measures returns and dynamics errors of each task.

Shared by `hypercrl_forgetting.py` and `hypercrl_half_cheetah_agent.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.envs.factory import make, make_vec
from lifelong_rl.envs.space import Task
from lifelong_rl.evaluation.evaluator import Evaluator
from lifelong_rl.scenarios import Scenario

Array: TypeAlias = NDArray[np.floating[Any]]
Columns: TypeAlias = tuple[Array, Array, Array, Array]
SCENARIOS = Path(__file__).parent.parent / "examples" / "scenarios"


def tasks_of(scenario: str) -> tuple[str, list[Task]]:
    """Give the family and the tasks of one of the example scenarios."""
    read = Scenario.from_toml(SCENARIOS / f"{scenario}.toml")
    return read.family, list(read.evaluation_tasks)


class Course:
    """An agent on its way through tasks of one family, in episodes of one length that nothing ends earlier.

    options: of the agent.
    """

    def __init__(self, family: str, n_envs: int, episode_steps: int, seed: int, options: Mapping[str, Any]):
        self.family, self.episode_steps, self.seed = family, episode_steps, seed
        self.env = make_vec(family, n_envs, seed, max_episode_steps=episode_steps)
        self.agent = HyperCRL(self.env, seed=seed, **options)

    def train(self, task: Task, n_steps: int, after_episodes: Callable[[float], None] | None = None) -> None:
        """Train on a task from its announcement to its end, in as many whole episodes as there is room for.

        after_episodes: told the mean return each time that all environments have ended an episode.
        """
        self._queue(task)
        self.agent.continue_from(self.env.reset(), is_episode_start=True)
        self.agent.begin_task(TaskInfo(task.id, n_steps))
        chunk = self.episode_steps * self.agent.stride
        for _ in range(max(1, n_steps // chunk)):
            self._queue(task)
            self.agent.learn_steps(chunk)
            if after_episodes is not None:
                rewards = self.agent.data.columns()[2]
                after_episodes(float(rewards[-chunk:].sum()) / self.agent.stride)
        self.agent.end_task()

    def _queue(self, task: Task) -> None:
        for i in range(self.agent.stride):
            self.env.env_method("queue_task", task, indices=[i])

    def evaluate(self, task: Task, n_episodes: int) -> tuple[float, float]:
        """Plan in a task's model, from the same starts every time; give the mean return and one-step error.

        The error is that of the steps that were played, as a share of the variance of the task's steps in training.
        """
        evaluator = Evaluator(self._make, [task], n_episodes=n_episodes, seed=1000 + self.seed)
        self.agent.diagnose({})
        returns = evaluator.evaluate(self.agent)[0].returns
        error = self.agent.diagnose({})[f"dynamics_error/{task.id}"]
        evaluator.close()
        return float(np.mean(returns)), error

    def _make(self) -> Any:
        return make(self.family, max_episode_steps=self.episode_steps)


def random_transitions(
    family: str, task: Task, n_episodes: int, episode_steps: int, seed: int
) -> tuple[Columns, float]:
    """Give transitions of random actions, and the mean return of an episode."""
    rng = np.random.default_rng(seed)
    env = make(family, max_episode_steps=episode_steps)
    rows: list[tuple[Any, ...]] = []
    low, high = env.action_space.low, env.action_space.high  # type: ignore[attr-defined]  # of a Box
    for _ in range(n_episodes):
        observation, _ = env.reset(seed=int(rng.integers(2**31)), options={"task": task})
        for _ in range(episode_steps):
            action = rng.uniform(low, high).astype(np.float32)
            following, reward, _, _, _ = env.step(action)
            rows.append((observation, action, reward, following))
            observation = following
    env.close()
    observations, actions, rewards, followings = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    return (observations, actions, rewards, followings), float(rewards.sum() / n_episodes)
