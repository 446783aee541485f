"""Families written once over arrays of n instances with parameters of their own; one instance is n = 1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from lifelong_rl.envs.batched.actions import ActionReader
from lifelong_rl.envs.batched.arithmetic import FLOATS, Arithmetic
from lifelong_rl.envs.lookup import construct
from lifelong_rl.envs.space import Task, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

if TYPE_CHECKING:
    from lifelong_rl.envs.batched.sb3 import BatchedVecEnv
    from lifelong_rl.envs.batched.vector_env import BatchedVectorEnv


class BatchedTaskEnv(TaskEnv):
    """A :class:`TaskEnv` whose dynamics are functions of named numbers, so that n instances play as arrays.

    A family writes :meth:`physics`, :meth:`begin`, :meth:`move`, :meth:`observe` and :meth:`score`, once. Their
    numbers are floats for one instance and arrays of shape (n,) for n, and ``xp`` is the arithmetic that goes with
    them (:mod:`lifelong_rl.envs.batched.arithmetic` says what keeps the bits equal). State and physics are two
    NamedTuples of the family's own. The functions read options from ``self`` and write nothing there: an instance
    of the class is the single environment, and :meth:`make_vector` and :meth:`make_sb3` play n instances over
    arrays, instance i bit for bit as the single environment with its seed.
    """

    n_draws: ClassVar[int]
    """How many numbers :meth:`begin` takes from the instance's generator for each episode."""

    def __init__(
        self,
        *,
        actions: ActionKind,
        max_episode_steps: int,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        """Finish construction; a family calls it last, with its own observation and action space set."""
        self.is_discrete = self.check_action_kind(actions) == "discrete"
        self.max_episode_steps = max_episode_steps
        self.action_reader = ActionReader(self.action_space)
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)
        self.state: Any = None
        self.present_physics = self.physics(_numbers(self.task.params))

    # What a family writes

    @abstractmethod
    def physics(self, params: Mapping[str, float]) -> Any:
        """Give a NamedTuple of floats: what the motion needs of the features, derived values included."""

    def draw_start(self, rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        """Draw the random numbers of an episode's start, shape (n_draws,): uniform in [0, 1) unless overridden."""
        rng.random(out=out)

    @abstractmethod
    def begin(self, draws: Any, physics: Any, xp: Arithmetic) -> Any:
        """Give the state, a NamedTuple, in which an episode begins. draws: ``n_draws`` numbers."""

    @abstractmethod
    def move(self, state: Any, action: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any, Any]:
        """Play one step: gives the next state, the reward, and whether it is a terminal state.

        action: a choice (an integer), or d numbers, clipped to the action space. Reward and ending may be constants.
        """

    @abstractmethod
    def observe(self, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, ...]:
        """Give the numbers of the observation."""

    @abstractmethod
    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give a finished episode's score in [0, 1] and whether it was a success; state: its last."""

    def picture(self, state: Any, physics: Any) -> NDArray[np.uint8]:
        """Give a picture of one instance, shape (height, width, 3)."""
        raise NotImplementedError(f"{type(self).__name__} has no pictures: it does not write picture().")

    # Many instances

    @classmethod
    def make_vector(
        cls, n: int, *, autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP, **options: Any
    ) -> BatchedVectorEnv:
        """Give n instances as one ``gymnasium.vector.VectorEnv``; options: of the family's constructor."""
        from lifelong_rl.envs.batched.vector_env import BatchedVectorEnv

        cls.check_plays_over_arrays()
        return BatchedVectorEnv(construct("environment family", cls, options), n, autoreset_mode=autoreset_mode)

    @classmethod
    def make_sb3(cls, n: int, seeds: Sequence[int | None] | None = None, **options: Any) -> BatchedVecEnv:
        """Give n instances as one Stable-Baselines3 ``VecEnv``; options: of the family's constructor.

        seeds: one for each instance, whose later resets go on from there.
        """
        from lifelong_rl.envs.batched.sb3 import BatchedVecEnv

        cls.check_plays_over_arrays()
        return BatchedVecEnv(construct("environment family", cls, options), n, seeds)

    @classmethod
    def check_plays_over_arrays(cls) -> None:
        """Raise TypeError for a subclass that changes the single environment's own methods: arrays know no such."""
        changed = [name for name in _OF_THE_SINGLE if getattr(cls, name) is not getattr(BatchedTaskEnv, name)]
        if changed:
            raise TypeError(
                f"{cls.__name__} cannot play over arrays, since it overrides {', '.join(changed)}: write what "
                "differs in physics, begin, move, observe or score, or derive it from TaskEnv."
            )

    # The single environment

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the features, all of them, derived values included."""
        self.present_physics = self.physics(_numbers(params))

    def start_episode(self) -> Observation:
        """Start an episode of the current task and give its first observation."""
        draws = np.empty(self.n_draws)
        self.draw_start(self.np_random, draws)
        self.state = self.begin(draws.tolist(), self.present_physics, FLOATS)
        return np.array(self.observe(self.state, self.present_physics, FLOATS), dtype=np.float32)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Play one step; gives observation, reward, and whether a terminal state was reached."""
        physics = self.present_physics
        self.state, reward, terminated = self.move(self.state, self.action_reader.one(action), physics, FLOATS)
        return np.array(self.observe(self.state, physics, FLOATS), dtype=np.float32), reward, terminated

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the finished episode's score in [0, 1] and whether it was a success."""
        score, success = self.score(episode_return, length, self.state, self.present_physics, FLOATS)
        return float(score), bool(success)

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture of the present state, shape (height, width, 3)."""
        return self.picture(self.state, self.present_physics)

    # What playing over arrays needs of it

    def physics_of(self, task: Task) -> Any:
        """Give the physics of a task."""
        return self.physics(_numbers(task.params))

    @property
    def progress(self) -> tuple[int, float]:
        """Steps and return of the present episode so far."""
        return self._episode_steps, self._episode_return


_OF_THE_SINGLE = ("reset", "step", "apply_task", "start_episode", "advance", "score_episode")


def _numbers(params: Mapping[str, Value]) -> dict[str, float]:
    return {name: float(value) for name, value in params.items()}
