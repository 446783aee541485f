"""The curriculum wrapper: brings tasks to a vector environment and finished episodes back to their source."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecEnvWrapper

from lifelong_rl.agents.base import UNTRAINED, LifelongAgent
from lifelong_rl.envs.batched.sb3 import BatchedVecEnv
from lifelong_rl.envs.space import Task
from lifelong_rl.teachers.base import Outcomes
from lifelong_rl.training.sources import TaskSource
from lifelong_rl.training.witness import Witness

logger = logging.getLogger(__name__)

RESEED_AFTER = 1000
"""Steps of one environment after which its next episode starts from a new seed. Resuming replays the steps since."""


class Episode(NamedTuple):
    """A finished training episode."""

    step: int
    """Environment steps of the run when it ended, summed over the parallel environments."""
    env: int
    task: Task
    episode_return: float
    length: int
    score: float
    success: bool
    is_trained: bool = True
    """Whether the agent was to train on it."""
    extra: Mapping[str, float] | None = None
    """What the learner says of it, where the source needs that."""


class NonFiniteError(ValueError):
    """An environment gave NaN or infinity."""


class Curriculum(VecEnvWrapper):
    """Keeps one task queued ahead in each environment, and credits each return to the task really played.

    Stable-Baselines3 resets an environment inside ``step``, without options, so the next task must already be there
    when an episode ends. The environments are :class:`~lifelong_rl.envs.TaskEnv` instances in a ``DummyVecEnv``,
    ``SubprocVecEnv`` or ``BatchedVecEnv``.

    The wrapper also remembers, for each environment, the last seeded reset and the tasks and actions since: that is
    what :meth:`state_dict` saves of the environments, and replaying it brings new ones to the same place, in the
    middle of an episode too.

    Where the source needs it, :attr:`agent` appraises each episode when it ends, before the source hears of it and
    gives the next task. Steps of episodes that are only looked at have the key ``UNTRAINED`` in their info.
    """

    def __init__(self, venv: VecEnv, rng: np.random.Generator):
        if isinstance(venv.observation_space, spaces.Dict | spaces.Tuple):
            raise ValueError(
                f"a curriculum needs environments whose observation is one array, found {venv.observation_space}; "
                "flatten it in the environment family."
            )
        super().__init__(venv)
        self.rng = rng
        self.source: TaskSource | None = None
        self.agent: LifelongAgent | None = None
        """Who appraises the episodes of sources that need it."""
        self.finished: list[Episode] = []
        """Episodes finished since the last :meth:`take_finished`."""
        self.n_vector_steps = 0
        """Steps of the vector environment so far, across blocks."""
        self._block_began = 0  # the vector step at which the present block did
        self._queue_task = self._find_queue()
        self._actions: list[NDArray[Any]] = []  # one entry a vector step, from `_first_action` on
        self._first_action = 0
        self._seeds = [0] * venv.num_envs  # of each environment's last seeded reset
        self._seeded_at = [0] * venv.num_envs  # the vector step of that reset
        self._tasks: list[list[Task]] = [[] for _ in range(venv.num_envs)]  # of its resets since then
        self._queued: list[tuple[Task, int | None, bool]] = []  # task, seed, whether it is not to be trained on
        self._untrained = [False] * venv.num_envs  # of the present episodes
        self._witness: Witness | None = None
        self._observations: Any = None
        space = venv.observation_space
        self._is_float = isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating)

    # Blocks

    def start_block(self, source: TaskSource) -> Any:
        """Cut all episodes short, and start new ones with the tasks of ``source``; gives their observations."""
        self.source = source
        self._block_began = self.n_vector_steps
        return self._start_episodes()

    def _start_episodes(self) -> Any:
        assert self.source is not None
        n = self.num_envs
        tasks, self._untrained = self._draw(n)
        seed = int(self.rng.integers(2**31 - n))
        self.venv.seed(seed)
        self.venv.set_options([{"task": task} for task in tasks])
        self._observations = self.venv.reset()
        self._seeds = [seed + i for i in range(n)]  # as SB3's vector environments spread a seed
        self._seeded_at = [self.n_vector_steps] * n
        self._tasks = [[task] for task in tasks]
        self._actions = []
        self._first_action = self.n_vector_steps
        self._witness = Witness(n) if self.source.needs else None
        self._queued = [(task, None, flag) for task, flag in zip(*self._draw(n), strict=True)]
        for i, (task, _, _) in enumerate(self._queued):
            self._queue_task(i, task, None)
        if self._is_float:
            for i, task in enumerate(tasks):
                self._refuse_if_not_finite(i, "a first observation", self._observations[i], task)
        return self._observations

    def reset(self) -> Any:
        """Start new episodes of the current block."""
        if self.source is None:
            raise ValueError("the curriculum has no task source yet; call start_block(source) first.")
        return self._start_episodes()

    def take_finished(self) -> list[Episode]:
        """Give the episodes finished since the last call."""
        finished, self.finished = self.finished, []
        return finished

    def _draw(self, n: int) -> tuple[Sequence[Task], list[bool]]:
        assert self.source is not None
        tasks = self.source.next(n, (self.n_vector_steps - self._block_began) * self.num_envs)
        return tasks, list(self.source.untrained or [False] * n)

    # Steps

    def step_async(self, actions: NDArray[Any]) -> None:
        """Send the actions, and remember them."""
        self._actions.append(np.array(actions))  # a copy: an environment may write into what it is given
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """Receive the step, hand finished episodes to the source, and queue the next tasks."""
        try:
            observations, rewards, dones, infos = self.venv.step_wait()
        except (EOFError, ConnectionError) as error:
            raise ChildProcessError(
                "the process of a training environment ended; its own message stands above. Mend the environment, "
                "then resume the run."
            ) from error
        self.n_vector_steps += 1
        # SubprocVecEnv hands rewards on as they are, DummyVecEnv as float32: training shall not depend on which
        rewards = rewards.astype(np.float32, copy=False)
        before, self._observations = self._observations, observations
        self._check_finite(observations, rewards, dones)
        if self._witness is not None:
            self._witness.note(before, rewards)
        if any(self._untrained):
            for i, is_untrained in enumerate(self._untrained):
                if is_untrained:
                    infos[i][UNTRAINED] = True
        ended = [i for i, is_done in enumerate(dones.tolist()) if is_done]
        if ended:
            self._finish(ended, infos)
        return observations, rewards, dones, infos

    def _finish(self, ended: Sequence[int], infos: Sequence[dict[str, Any]]) -> None:
        assert self.source is not None
        step = self.n_vector_steps * self.num_envs
        if self._is_float:
            for i in ended:
                last = infos[i]["terminal_observation"]
                if not math.isfinite(_sum(last.ravel())):
                    self._refuse_if_not_finite(i, "a last observation", last, self._tasks[i][-1])
        episodes = [_episode(step, i, infos[i]) for i in ended]
        for episode in episodes:
            _check_episode(episode)
        if self._witness is not None:
            episodes = [self._appraised(episode, infos[episode.env]) for episode in episodes]
        self.finished += episodes
        if not self.source.is_fixed:
            self.source.update([episode.task for episode in episodes], _outcomes(episodes))
        for i, task, is_untrained in zip(ended, *self._draw(len(ended)), strict=True):
            self._note_reset(i)
            self._queue(i, task, is_untrained)

    def _appraised(self, episode: Episode, info: Mapping[str, Any]) -> Episode:
        """Give the episode with what the agent says of it. Its networks are as they are when the episode ends."""
        assert self._witness is not None
        assert self.source is not None
        if self.agent is None:
            raise ValueError(
                f"the source {self.source.name!r} needs {sorted(self.source.needs)} of the learner; set `agent` of "
                "the curriculum to one that gives them."
            )
        observations, rewards = self._witness.take(episode.env, info["terminal_observation"])
        is_terminal = not info["TimeLimit.truncated"]
        given = self.agent.appraise(observations, rewards, is_terminal=is_terminal)
        extra = {name: given[name] for name in sorted(self.source.needs)}
        if not all(map(math.isfinite, extra.values())):
            raise NonFiniteError(
                f"the agent's value estimates of an episode that ended at step {episode.step} are not finite "
                f"({extra}): training diverged. Lower the learning rate, or check the rewards' scale."
            )
        return episode._replace(extra=extra)

    def _note_reset(self, i: int) -> None:
        """Remember the reset that environment ``i`` just made by itself, with what was queued."""
        task, seed, self._untrained[i] = self._queued[i]
        if seed is None:
            self._tasks[i].append(task)
            return
        self._seeds[i] = seed
        self._seeded_at[i] = self.n_vector_steps
        self._tasks[i] = [task]
        needed = min(self._seeded_at) - self._first_action
        if needed >= RESEED_AFTER:
            del self._actions[:needed]
            self._first_action += needed

    def _queue(self, i: int, task: Task, is_untrained: bool) -> None:
        seed = None
        if self.n_vector_steps - self._seeded_at[i] >= RESEED_AFTER:
            seed = int(self.rng.integers(2**31))
        self._queued[i] = (task, seed, is_untrained)
        assert self.source is not None
        if seed is not None or not self.source.is_fixed:  # else the environment keeps the task that it has
            self._queue_task(i, task, seed)

    def _find_queue(self) -> Callable[[int, Task, int | None], None]:
        if isinstance(self.venv, BatchedVecEnv):
            return self.venv.instances.queue_task
        if isinstance(self.venv, DummyVecEnv):
            queues = [env.get_wrapper_attr("queue_task") for env in self.venv.envs]
            return lambda i, task, seed: queues[i](task, seed)
        return lambda i, task, seed: self._call_env(i, "queue_task", task, seed)

    def _call_env(self, i: int, method: str, *arguments: Any) -> Any:
        return self.venv.env_method(method, *arguments, indices=[i])[0]

    # Honest numbers only

    def _check_finite(self, observations: Any, rewards: NDArray[Any], dones: NDArray[np.bool_]) -> None:
        """Raise NonFiniteError for NaN or infinity in an observation or a reward.

        A sum is finite only if every number in it is, and it costs a tenth of looking at each.
        """
        total = sum(rewards.tolist())
        if self._is_float:
            total += _sum(observations.ravel())
        if not math.isfinite(total):
            for i in range(self.num_envs):
                task = self._queued[i][0] if dones[i] else self._tasks[i][-1]
                self._refuse_if_not_finite(i, "an observation", observations[i], task)
                self._refuse_if_not_finite(i, "a reward", rewards[i], self._tasks[i][-1])

    def _refuse_if_not_finite(self, i: int, what: str, value: Any, task: Task) -> None:
        if not np.isfinite(value).all():
            raise NonFiniteError(
                f"environment {i} gave {what} that is not finite ({value}) at step "
                f"{self.n_vector_steps * self.num_envs}, playing task {task.id!r} {task.params}"
                f"{f', after action {self._actions[-1][i]}' if self._actions else ''}; "
                "mend the environment, then resume the run."
            )

    def close(self) -> None:
        """Close the environments, also where they were stopped in the middle of a step."""
        if isinstance(self.venv, SubprocVecEnv) and not self.venv.closed:
            _end_processes(self.venv)
        else:
            super().close()

    # State

    def state_dict(self, *, has_episodes: bool = True) -> dict[str, Any]:
        """Give what :meth:`load_state_dict` needs to continue bit for bit.

        has_episodes: whether episodes are under way; they are then saved as seeds, tasks and actions, with the
            source's state. Between blocks there are none.
        """
        state = {"n_vector_steps": self.n_vector_steps, "rng": self.rng.bit_generator.state, "episodes": None}
        if has_episodes:
            assert self.source is not None
            actions = self._actions[min(self._seeded_at) - self._first_action :]
            state["episodes"] = {
                "source": self.source.state_dict(),
                "block_began": self._block_began,
                "seeds": list(self._seeds),
                "seeded_at": list(self._seeded_at),
                "tasks": [[_task_state(task) for task in tasks] for tasks in self._tasks],
                "queued": [
                    {"task": _task_state(task), "seed": seed, "untrained": is_untrained}
                    for task, seed, is_untrained in self._queued
                ],
                "untrained": list(self._untrained),
                "witness": None if self._witness is None else self._witness.state_dict(),
                "actions": np.array(actions) if actions else None,
                "observations": self._observations,
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any], source: TaskSource | None) -> Any:
        """Continue from a saved state; gives the observations there, or None between blocks.

        source: a new source of the block that was under way.
        """
        self.n_vector_steps = state["n_vector_steps"]
        self.rng.bit_generator.state = state["rng"]
        episodes = state["episodes"]
        if episodes is None or source is None:
            return None
        self.source = source
        source.load_state_dict(episodes["source"])
        self._block_began = episodes.get("block_began", 0)  # older checkpoints have no source that looks at it
        self._seeds, self._seeded_at = list(episodes["seeds"]), list(episodes["seeded_at"])
        self._tasks = [[_task_from(task) for task in tasks] for tasks in episodes["tasks"]]
        self._queued = [
            (_task_from(entry["task"]), entry["seed"], entry.get("untrained", False)) for entry in episodes["queued"]
        ]
        self._untrained = list(episodes.get("untrained", self._untrained))
        self._witness = None
        if episodes.get("witness") is not None:
            self._witness = Witness(self.num_envs)
            self._witness.load_state_dict(episodes["witness"])
        self._first_action = min(self._seeded_at)
        self._actions = [] if episodes["actions"] is None else list(episodes["actions"])
        self._observations = self._replay(episodes["observations"])
        for i, (task, seed, _) in enumerate(self._queued):
            self._queue_task(i, task, seed)
        return self._observations

    def _replay(self, saved: NDArray[Any]) -> NDArray[Any]:
        reached = np.empty_like(saved)
        for i in range(self.num_envs):
            since = self._actions[self._seeded_at[i] - self._first_action :]
            own = [np.array(actions[i]) for actions in since]
            reached[i] = self._call_env(i, "replay", self._seeds[i], self._tasks[i], own)
        if not np.array_equal(reached, saved):
            logger.warning(
                "the environments did not come back to the same observations when their last steps were replayed: "
                "they are not a function of seed, task and actions. The run goes on from where they are now, and "
                "will differ from one that was never stopped."
            )
        return reached


def _episode(step: int, i: int, info: Mapping[str, Any]) -> Episode:
    try:
        episode = info["episode"]
        numbers = (episode["r"], episode["l"], info["score"], info["success"])
        return Episode(step, i, info["task"], *numbers, is_trained=UNTRAINED not in info)
    except KeyError as error:
        raise ValueError(
            f"the info of an episode's last step must hold 'task', 'score', 'success', 'episode', and lacks {error}; "
            "derive the environment from lifelong_rl.envs.TaskEnv."
        ) from None


def _sum(numbers: NDArray[Any]) -> float:
    if numbers.size <= 100:
        return float(sum(numbers.tolist()))  # quicker than numpy for a few, and never warns
    with np.errstate(over="ignore", invalid="ignore"):  # the caller looks at the numbers themselves
        return float(numbers.sum())


def _check_episode(episode: Episode) -> None:
    if not (math.isfinite(episode.episode_return) and 0.0 <= episode.score <= 1.0):
        raise NonFiniteError(
            f"environment {episode.env} ended an episode at step {episode.step} with the return "
            f"{episode.episode_return} and the score {episode.score}, playing task {episode.task.id!r} "
            f"{episode.task.params}; a return is finite and a score lies in [0, 1]. Mend the environment, then "
            "resume the run."
        )


def _end_processes(venv: SubprocVecEnv) -> None:
    """End the environments' processes. SB3's own way waits for ever for answers that were read before a Ctrl-C."""
    for remote, process in zip(venv.remotes, venv.processes, strict=True):
        if venv.waiting:
            process.kill()  # it ignores the gentler signals
        else:
            with contextlib.suppress(OSError):
                remote.send(("close", None))
    for process in venv.processes:
        process.join()
    for remote in venv.remotes:
        remote.close()
    venv.closed = True


def _outcomes(episodes: Sequence[Episode]) -> Outcomes:
    """Give what the episodes showed; :func:`_check_episode` has checked what ``Outcomes(...)`` would check."""
    names = episodes[0].extra or ()
    return Outcomes.trusted(
        np.array([episode.episode_return for episode in episodes], np.float64),
        np.array([episode.score for episode in episodes], np.float64),
        np.array([episode.success for episode in episodes], np.bool_),
        np.array([episode.length for episode in episodes], np.int64),
        {name: np.array([(episode.extra or {})[name] for episode in episodes]) for name in names},
    )


def _task_state(task: Task) -> dict[str, Any]:
    return {"family": task.family, "params": task.params, "unit": list(task.unit), "name": task.name}


def _task_from(state: Mapping[str, Any]) -> Task:
    params = state["params"]
    return Task(state["family"], tuple(params), tuple(params.values()), tuple(state["unit"]), state["name"])
