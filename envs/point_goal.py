"""A point on a plane that moves to a goal: the cheapest family that a network has to learn something for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import choice_of, numbers_of
from lifelong_rl.envs.asked import task_count
from lifelong_rl.envs.drawing import BLUE, GREEN, GREY, LIGHT_GREEN, WHITE, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

STEP_LENGTH = 0.16
"""Longest move of one step: five steps from the origin to the compass goals."""
ARENA = 1.2
"""The point stays in [-ARENA, ARENA]^2."""
START_NOISE = 0.05
"""Each coordinate of the start is uniform within this distance of the task's start."""
SUCCESS_RADIUS = 0.15
"""An episode that ends nearer than this to the goal is a success; the discrete moves can always get this near."""

_VELOCITIES = ((-1.0, 1.0), (-1.0, 1.0))
_DIAGONAL = STEP_LENGTH * math.sqrt(0.5)
_MOVES = (
    (0.0, 0.0),
    (STEP_LENGTH, 0.0),
    (0.0, STEP_LENGTH),
    (-STEP_LENGTH, 0.0),
    (0.0, -STEP_LENGTH),
    (_DIAGONAL, _DIAGONAL),
    (-_DIAGONAL, _DIAGONAL),
    (-_DIAGONAL, -_DIAGONAL),
    (_DIAGONAL, -_DIAGONAL),
)


class PointGoal(TaskEnv):
    """A point on a plane that is paid to be near a goal which it does not see.

    Observation: the position, shape (2,), in [-1.2, 1.2]. Actions: "discrete" are 0 stay, 1 east, 2 north, 3 west,
    4 south, 5 to 8 north-east and on to south-east; "continuous" is a velocity, shape (2,), in [-1, 1], of
    Euclidean norm at most 1 (a longer one is shortened). A full move is :data:`STEP_LENGTH` long.
    Reward: minus the distance to the goal after the move. Episodes have fixed length (they are truncated).
    Score: 0 for staying at the start, 1 for the straight way at full speed, linear in the return between them and
    clipped. Success: the last position is within :data:`SUCCESS_RADIUS` of the goal.
    """

    task_space = TaskSpace(
        "point-goal",
        [
            Feature.real("goal_x", -1.0, 1.0, 0.8),
            Feature.real("goal_y", -1.0, 1.0, 0.0),
            Feature.real("start_x", -1.0, 1.0, 0.0),
            Feature.real("start_y", -1.0, 1.0, 0.0),
        ],
    )
    action_kinds = ("discrete", "continuous")
    reward_features = ("goal_x", "goal_y")

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        max_episode_steps: int = 12,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        self._is_discrete = self.check_action_kind(actions) == "discrete"
        self.action_space = (
            spaces.Discrete(len(_MOVES)) if self._is_discrete else spaces.Box(-1.0, 1.0, (2,), np.float32)
        )
        self.observation_space = spaces.Box(-ARENA, ARENA, (2,), np.float32)
        self.max_episode_steps = max_episode_steps
        self._x = self._y = 0.0
        self._first_distance = 0.0
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over goal and start."""
        self._goal_x, self._goal_y = float(params["goal_x"]), float(params["goal_y"])
        self._start_x, self._start_y = float(params["start_x"]), float(params["start_y"])

    def start_episode(self) -> Observation:
        """Put the point near the task's start."""
        noise_x, noise_y = self.np_random.random(2).tolist()
        self._x = self._start_x + START_NOISE * (2.0 * noise_x - 1.0)
        self._y = self._start_y + START_NOISE * (2.0 * noise_y - 1.0)
        self._first_distance = math.hypot(self._x - self._goal_x, self._y - self._goal_y)
        return np.array((self._x, self._y), dtype=np.float32)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Move; there is no terminal state."""
        dx, dy = _discrete_move(action) if self._is_discrete else _continuous_move(action)
        self._x = x = min(max(self._x + dx, -ARENA), ARENA)
        self._y = y = min(max(self._y + dy, -ARENA), ARENA)
        distance = math.hypot(x - self._goal_x, y - self._goal_y)
        return np.array((x, y), dtype=np.float32), -distance, False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give minus the distance to the goal after the move; see :attr:`TaskEnv.known_reward`."""
        x, y = next_observations[..., 0], next_observations[..., 1]
        distance = xp.hypot(x - params["goal_x"], y - params["goal_y"])
        return -distance, distance < 0.0  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Place the return between staying (0) and the straight way (1), from where the episode really started."""
        staying = -length * self._first_distance
        best = _straight_return(self._first_distance, length)
        is_success = math.hypot(self._x - self._goal_x, self._y - self._goal_y) < SUCCESS_RADIUS
        if best - staying < 1e-9:  # the start is the goal: nothing to gain, only to lose
            return float(episode_return >= staying - 1e-9), is_success
        return min(1.0, max(0.0, (episode_return - staying) / (best - staying))), is_success

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture: the goal with its circle of success (green), the task's start (grey), the point (blue)."""
        canvas = Canvas(x_low=-ARENA, x_high=ARENA, y_low=-ARENA, width=400, height=400)
        canvas.circle((self._goal_x, self._goal_y), SUCCESS_RADIUS, LIGHT_GREEN)
        canvas.circle((self._goal_x, self._goal_y), 0.04, GREEN)
        canvas.circle((self._start_x, self._start_y), START_NOISE, GREY)
        canvas.circle((self._start_x, self._start_y), START_NOISE - 0.015, WHITE)
        canvas.circle((self._x, self._y), 0.05, BLUE)
        return canvas.picture()

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give ``n`` goals evenly spaced on the circle of radius 0.8, counter-clockwise from (0.8, 0).

        They are named "east", "north", "west", "south" where they are these (n = 1, 2, 4), else "goal-72deg".
        """
        return [_circle_task(cls.task_space, i, n) for i in range(task_count(n))]


def _circle_task(space: TaskSpace, index: int, n: int) -> Task:
    angle = 2.0 * math.pi * index / n
    goal = {"goal_x": round(0.8 * math.cos(angle), 12), "goal_y": round(0.8 * math.sin(angle), 12)}
    compass = ("east", "north", "west", "south")
    name = compass[4 * index // n] if 4 % n == 0 else f"goal-{360.0 * index / n:.6g}deg"
    return space.task(goal, name=name)


def _discrete_move(action: Any) -> tuple[float, float]:
    return _MOVES[choice_of(action, len(_MOVES))]


def _continuous_move(action: Any) -> tuple[float, float]:
    x, y = numbers_of(action, _VELOCITIES)
    norm = math.hypot(x, y)
    if norm <= 1.0:
        return STEP_LENGTH * x, STEP_LENGTH * y
    return STEP_LENGTH * x / norm, STEP_LENGTH * y / norm


def _straight_return(distance: float, length: int) -> float:
    """Return of moving straight at full speed for ``length`` steps and waiting at the goal."""
    n_moves = min(length, int(distance / STEP_LENGTH))  # moves after which the goal is not yet reached
    return -(n_moves * distance - STEP_LENGTH * n_moves * (n_moves + 1) / 2.0)
