"""The simulated learner as an agent: trains on the toy grid through the ordinary trainer, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.agents.base import UNTRAINED, TaskInfo
from lifelong_rl.agents.simulated import CompetenceGrid, appraisal
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes


class SimulatedLearner:
    """A :class:`CompetenceGrid` that plays the toy-grid families: its actions are its competence at what it sees.

    Training visits a cell an episode, acting (``predict``) none. In ``n_envs`` parallel environments all act before
    any learns, as a network would. Options are those of the grid; noise on the scores
    is one of the environment. ``n_dims`` is by default the family's number of relevant axes.
    """

    action_kinds: ClassVar[tuple[str, ...]] = ("continuous",)
    routes_by_task = False
    leaves_out = True
    gives = frozenset({"value", "mean_value", "positive_value_loss"})

    def __init__(
        self,
        env: Any,
        *,
        seed: int,
        components: Sequence[Any] = (),
        n_dims: int | None = None,
        n_cells: int = 10,
        decay: float = 0.0,
        drift: float = 0.0,
        infeasible: float = 0.0,
        trivial: float = 0.0,
        resets: Sequence[int] = (),
        mirrored_after: int | None = None,
        rugged: bool = False,
    ) -> None:
        """Start with no competence. ``env``: a vector environment of toy grids."""
        if components:
            raise ValueError("the agent 'simulated' has no network and takes no components; leave them out.")
        if not env.has_attr("n_relevant"):
            raise ValueError("the agent 'simulated' plays the toy-grid families only; choose one as the environment.")
        self.env = env
        self.num_timesteps = 0
        self.learner = CompetenceGrid(
            env.get_attr("n_relevant")[0] if n_dims is None else n_dims,
            n_cells,
            decay=decay,
            drift=drift,
            infeasible=infeasible,
            trivial=trivial,
            resets=tuple(resets),
            mirrored_after=mirrored_after,
            rugged=rugged,
            rng=np.random.default_rng(seed),
        )
        if self.learner.n_dims > env.observation_space.shape[0]:
            raise ValueError(
                f"n_dims must be at most the {env.observation_space.shape[0]} axes of the task, "
                f"found {self.learner.n_dims}."
            )
        self.logger: Any = None
        self._observations: Any = None

    @property
    def stride(self) -> int:
        """One step of every environment."""
        return int(self.env.num_envs)

    def begin_task(self, task: TaskInfo) -> None:
        """Change nothing: skills stay."""

    def end_task(self) -> None:
        """Change nothing."""

    def learn_steps(self, n_steps: int, callback: Any = None) -> None:
        """Visit the cells of the tasks that the environments play, for exactly ``n_steps`` episodes."""
        n_envs = self.stride
        if n_steps < 0 or n_steps % n_envs:
            raise ValueError(f"a number of steps must be a multiple of the {n_envs} environments, found {n_steps}.")
        if self._observations is None:
            self._observations = self.env.reset()
        on_step = self._started(callback)
        for _ in range(n_steps // n_envs):
            points = self._observations
            actions = np.array([[self.learner.foresee(point)] for point in points], dtype=np.float32)
            self._observations, _, _, infos = self.env.step(actions)
            for point, info in zip(points, infos, strict=True):
                self.learner.play(point, is_trained=UNTRAINED not in info)
            self.num_timesteps += n_envs
            if not on_step():
                return

    def _started(self, callback: Any) -> Any:
        """Give what to call after a step: whether to go on, as Stable-Baselines3's callbacks say."""
        if callback is None:
            return lambda: True
        if hasattr(callback, "init_callback"):
            callback.init_callback(self)
            return callback.on_step
        return lambda: callback({"self": self}, {}) is not False

    def get_env(self) -> Any:
        """Give the training environments, as callbacks ask for them."""
        return self.env

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
        *,
        task: TaskInfo | None = None,
    ) -> tuple[NDArray[Any], Any]:
        """Give the competence at the observed tasks, shape (n, 1), without learning."""
        return np.array([[self.learner.score(point)] for point in observation], dtype=np.float32), state

    def appraise(self, observations: NDArray[Any], rewards: NDArray[Any], *, is_terminal: bool) -> dict[str, float]:
        """Say by name what the learner's expectation tells of a finished episode of one step; changes nothing."""
        return appraisal(self.learner.value(observations[0]), float(rewards[0]))

    def continue_from(self, observations: Any, *, is_episode_start: bool) -> None:
        """Go on from these observations, shape (n_envs, d)."""
        self._observations = observations

    def diagnose(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Give the percent of cells that are mastered."""
        return {"mastery": self.learner.mastery}

    def set_logger(self, logger: Any) -> None:
        """Log to a Stable-Baselines3 logger from now on."""
        self.logger = logger

    def write_logs(self) -> None:
        """Write the percent of cells that are mastered."""
        self.logger.record("train/mastery", self.learner.mastery)
        self.logger.dump(step=self.num_timesteps)

    def save(self, path: str | Path) -> None:
        """Write competence, clock and generator."""
        state = {"num_timesteps": self.num_timesteps, "learner": self.learner.state_dict()}
        Path(path).write_bytes(state_to_bytes(state))

    def restore(self, path: str | Path) -> None:
        """Take over what :meth:`save` wrote, bit for bit; say where the environments stand by `continue_from`."""
        state = state_from_bytes(Path(path).read_bytes())
        self.learner.load_state_dict(state["learner"])
        self.num_timesteps = state["num_timesteps"]
