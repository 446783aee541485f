"""The toy grid: one-step episodes for a simulated learner, whose skills are all that a task asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import numbers_of
from lifelong_rl.envs.asked import task_count
from lifelong_rl.envs.drawing import BLUE, GREEN, GREY, LIGHT_GREY, RED, Canvas, Colour
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

SUCCESS = 0.75
"""A score above it is a success: the competence that Portelas et al. 2019 call mastery of a cell."""


def toy_space(n_relevant: int, n_irrelevant: int = 0, family: str = "toy-grid") -> TaskSpace:
    """Give the unit cube as a task space: axes that a simulated learner reads, and axes that mean nothing to it."""
    names = [f"x{i}" for i in range(n_relevant)] + [f"irrelevant{i}" for i in range(n_irrelevant)]
    return TaskSpace(family, [Feature.real(name, 0.0, 1.0, 0.5) for name in names])


class ToyGrid(TaskEnv):
    """Tasks without a world: the agent sees the task, and its action is the competence that it brings to it.

    What a task is worth lies in the learner, not here: an episode depends on task, seed and action alone, as every
    family's must. So it is made for the agent "simulated", whose competences grow (``lifelong_rl.agents.simulated``);
    together they are the toy environment of Portelas et al. 2019 (appendix).

    Observation: the task's point of the unit cube, shape (d,). Action: a competence in [0, 1], shape (1,), clipped.
    Reward and score: that competence, plus noise. Success: a score above 0.75. Every episode is one step long.
    """

    task_space = toy_space(2)
    n_relevant: ClassVar[int] = 2
    """The first axes, which a simulated learner reads; the others mean nothing."""
    action_kinds = ("continuous",)

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        noise: float = 0.0,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """noise: standard deviation of a Gaussian added to each score, which is then clipped to [0, 1]."""
        self.check_action_kind(actions)
        if not (noise >= 0.0 and math.isfinite(noise)):
            raise ValueError(f"noise is a standard deviation and must be at least 0, found {noise!r}.")
        self.noise = noise
        self.observation_space = spaces.Box(0.0, 1.0, (self.task_space.dimension,), np.float32)
        self.action_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self._score = 0.0
        self.max_episode_steps = 2  # the least that the protocol allows; episodes terminate at their first step
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the point."""
        self._point = np.array([params[feature.name] for feature in self.task_space.features], dtype=np.float32)

    def start_episode(self) -> Observation:
        """Show the task."""
        self._score = 0.0
        return self._point.copy()

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Score the competence, and end."""
        (competence,) = numbers_of(action, ((0.0, 1.0),))
        if self.noise:
            competence += self.noise * self.np_random.standard_normal()
        self._score = min(1.0, max(0.0, competence))
        return self._point.copy(), self._score, True

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the score and whether it is above 0.75."""
        return self._score, self._score > SUCCESS

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture of bars: the task's axes (blue; meaningless ones grey), and the score on the right."""
        canvas = Canvas(x_low=-0.05, x_high=1.45, y_low=-0.05, width=300, height=220)
        width = 1.0 / len(self._point)
        for i, value in enumerate(self._point.tolist()):
            _bar(canvas, i * width, width, value, BLUE if i < self.n_relevant else GREY)
        _bar(canvas, 1.15, 0.25, self._score, GREEN if self._score > SUCCESS else RED)
        return canvas.picture()

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the centres of an even grid over the relevant axes where n is m ** n_relevant, else a uniform sample.

        So 100 tasks of the plane are the cells of a learner with 10 cells an axis; their success rate is its mastery.
        """
        n = task_count(n)
        per_axis = round(n ** (1.0 / cls.n_relevant))
        if per_axis**cls.n_relevant != n:
            return super().standard_tasks(n)
        relevant = cls.task_space.features[: cls.n_relevant]
        centres = (np.arange(per_axis) + 0.5) / per_axis
        values = [feature.from_unit(centres) for feature in relevant]
        return [
            cls.task_space.task(
                {feature.name: own[i] for feature, own, i in zip(relevant, values, cell, strict=True)},
                name="cell-" + "-".join(map(str, cell)),
            )
            for cell in np.ndindex(*(per_axis,) * cls.n_relevant)
        ]


def _bar(canvas: Canvas, x: float, width: float, value: float, colour: Colour) -> None:
    """Fill a column of height 1 up to the value."""
    for height, fill in ((1.0, LIGHT_GREY), (value, colour)):
        right = x + 0.9 * width
        canvas.polygon([(x, 0.0), (right, 0.0), (right, height), (x, height)], fill)


class ToyGrid4D(ToyGrid):
    """The toy grid over four axes."""

    task_space = toy_space(4, family="toy-grid-4d")
    n_relevant = 4


class ToyGrid5D(ToyGrid):
    """The toy grid over five axes."""

    task_space = toy_space(5, family="toy-grid-5d")
    n_relevant = 5


class ToyGrid6D(ToyGrid):
    """The toy grid over six axes."""

    task_space = toy_space(6, family="toy-grid-6d")
    n_relevant = 6


class ToyGrid2DPlus10(ToyGrid):
    """The toy grid over two axes, with 10 that mean nothing."""

    task_space = toy_space(2, 10, "toy-grid-2d-10")


class ToyGrid2DPlus20(ToyGrid):
    """The toy grid over two axes, with 20 that mean nothing."""

    task_space = toy_space(2, 20, "toy-grid-2d-20")


class ToyGrid2DPlus50(ToyGrid):
    """The toy grid over two axes, with 50 that mean nothing."""

    task_space = toy_space(2, 50, "toy-grid-2d-50")
