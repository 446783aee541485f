"""A point on a wide plane, paid only for reaching a goal: a space that random tasks mostly waste."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import numbers_of
from lifelong_rl.envs.asked import task_count
from lifelong_rl.envs.drawing import BLUE, GREEN, GREY, LIGHT_GREEN, LIGHT_GREY, WHITE, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

ARENA = 12.0
"""The point and the goals lie in [-ARENA, ARENA]^2, in metres."""
STEP_LENGTH = 0.5
"""Longest move of one step, in metres."""
GOAL_RADIUS = 0.75
"""The goal is reached nearer than this, in metres."""
START_NOISE = 0.1
"""Each coordinate of the start is uniform within this distance of the centre, in metres."""

_VELOCITIES = ((-1.0, 1.0), (-1.0, 1.0))
_SCALE = np.float32(ARENA)


class FarGoal(TaskEnv):
    """A point that starts at the centre of a wide plane, sees a goal, and is paid for reaching it and nothing else.

    A walk without direction reaches only goals near the centre (a few percent of the plane), and goals beyond the
    reach of ``max_episode_steps`` full moves are never reached (58 % of it by default): the frontier of what
    an agent can do moves outwards as it learns, as in the sparse point mazes of Florensa et al. 2018 (section 5).

    Observation: position and goal over 12 m, shape (4,), in [-1, 1]. Action: a velocity, shape (2,), in [-1, 1], of
    Euclidean norm at most 1 (a longer one is shortened); a full move is 0.5 m. Reward: 1 where the goal is reached,
    which ends the episode, else 0. Score: 1 for a reached goal, else 0; success likewise.
    """

    task_space = TaskSpace(
        "far-goal",
        [
            Feature.real("goal_x", -ARENA, ARENA, 1.0, unit="m"),
            Feature.real("goal_y", -ARENA, ARENA, 0.0, unit="m"),
        ],
    )
    action_kinds = ("continuous",)

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 16,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        self.check_action_kind(actions)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.max_episode_steps = max_episode_steps
        self._x = self._y = 0.0
        self._is_there = False
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the goal."""
        self._goal_x, self._goal_y = float(params["goal_x"]), float(params["goal_y"])

    def start_episode(self) -> Observation:
        """Put the point near the centre."""
        noise_x, noise_y = self.np_random.random(2).tolist()
        self._x = START_NOISE * (2.0 * noise_x - 1.0)
        self._y = START_NOISE * (2.0 * noise_y - 1.0)
        self._is_there = False
        return self._observe()

    def _observe(self) -> Observation:
        return np.array((self._x, self._y, self._goal_x, self._goal_y), dtype=np.float32) / _SCALE

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Move; reaching the goal ends the episode."""
        x, y = numbers_of(action, _VELOCITIES)
        step = STEP_LENGTH / max(1.0, math.hypot(x, y))
        self._x = min(max(self._x + step * x, -ARENA), ARENA)
        self._y = min(max(self._y + step * y, -ARENA), ARENA)
        self._is_there = math.hypot(self._x - self._goal_x, self._y - self._goal_y) < GOAL_RADIUS
        return self._observe(), float(self._is_there), self._is_there

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give 1 and the end where the goal, as observed, is reached; see :attr:`TaskEnv.known_reward`."""
        # The goal of the observation before the step: a model's prediction of it would drift.
        offsets = next_observations[..., 0:2] - observations[..., 2:4]
        is_there = xp.hypot(offsets[..., 0], offsets[..., 1]) < GOAL_RADIUS / ARENA
        return xp.where(is_there, xp.ones_like(offsets[..., 0]), 0.0), is_there

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give 1 for a reached goal, else 0."""
        return float(self._is_there), self._is_there

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture: the goal (green), what an episode can reach (grey: it cannot), and the point (blue)."""
        canvas = Canvas(x_low=-ARENA, x_high=ARENA, y_low=-ARENA, width=400, height=400, background=LIGHT_GREY)
        canvas.circle((0.0, 0.0), self.max_episode_steps * STEP_LENGTH + GOAL_RADIUS, WHITE)
        canvas.circle((self._goal_x, self._goal_y), GOAL_RADIUS, GREEN if self._is_there else LIGHT_GREEN)
        canvas.circle((self._goal_x, self._goal_y), 0.25, GREEN)
        canvas.circle((0.0, 0.0), 0.25, GREY)
        canvas.circle((self._x, self._y), 0.4, BLUE)
        return canvas.picture()

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give ``n`` goals evenly spread over the disc of radius 8 m that the default episode can reach.

        A sunflower (Vogel 1979): the i-th of n lies at 8 m * sqrt((i + 0.5) / n), the golden angle further on.
        """
        n = task_count(n)
        golden = math.pi * (3.0 - math.sqrt(5.0))
        tasks = []
        for i in range(n):
            radius = 8.0 * math.sqrt((i + 0.5) / n)
            goal = {
                "goal_x": round(radius * math.cos(i * golden), 9),
                "goal_y": round(radius * math.sin(i * golden), 9),
            }
            tasks.append(cls.task_space.task(goal, name=f"goal-{i + 1:0{len(str(n))}d}"))
        return tasks
