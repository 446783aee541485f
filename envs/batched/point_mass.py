"""The point mass of the self-paced literature (Klink et al. 2020): through a gate in a wall to a goal behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.batched.arithmetic import Arithmetic
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.drawing import BLACK, BLUE, GREEN, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, NamedTasks, ObserveTask, RenderMode

ROOM = 4.0
"""The room is [-ROOM, ROOM]^2; the mass stops at its sides. The wall with the gate is the line y = 0."""
START_NOISE = 0.1
"""Each coordinate of the start is uniform within this distance of (0, start_y); the original has none."""
GOAL_Y = -3.0
MAX_FORCE = 10.0
ACCELERATION = 1.5
"""Acceleration a unit of the action, for a mass of 1."""
SUBSTEP_S, SUBSTEPS = 0.01, 10
SUCCESS_RADIUS = 0.25
"""An episode that ends nearer than this to the goal is a success."""
_CHORD_MARGIN = 0.1  # how far from the straight line between two observations the way between them may lead


class PointState(NamedTuple):
    """Position and velocity."""

    x: Any
    x_speed: Any
    y: Any
    y_speed: Any


class Room(NamedTuple):
    """What the motion needs of the features."""

    start_y: Any
    goal_x: Any
    gate_position: Any
    gate_half_width: Any
    decay: Any
    """What friction leaves of a velocity after a substep."""
    kick: Any
    """What a unit of the action adds to a velocity in a substep."""


class PointMass(BatchedTaskEnv):
    """A mass that is pushed on a plane, from the top of a room through a gate in a wall to a goal at the bottom.

    Observation: x, its velocity, y, its velocity, shape (4,). Action: force, shape (2,), in [-10, 10] (clipped), held
    for 0.1 s. Reward: exp(-0.6 distance to the goal) after the move. Touching the wall ends the episode. Score: the
    return over ``max_episode_steps``. Success: the episode ends within 0.25 of the goal.

    Room, motion, reward and ending are those of Klink et al. (2020, 2021), whose tasks are gate position, gate width
    and friction; goal and mass are features here too. Their noise, on every acceleration (standard deviation 0.05),
    is left out: the randomness is in the start.
    """

    task_space = TaskSpace(
        "point-mass",
        [
            Feature.real("start_y", 0.5, 3.5, 3.0, unit="m"),
            Feature.real("goal_x", -3.0, 3.0, 0.0, unit="m"),
            Feature.real("gate_position", -4.0, 4.0, 0.0, unit="m"),
            Feature.real("gate_width", 0.5, 8.0, 2.0, unit="m"),
            Feature.real("friction", 0.0, 4.0, 2.0, unit="1/s"),
            Feature.real("mass", 0.5, 2.0, 1.0, log=True, unit="kg"),
        ],
    )
    action_kinds = ("continuous",)
    reward_features = ("goal_x", "gate_position", "gate_width")
    named_tasks: ClassVar[NamedTasks] = {
        "wide-gate": {},
        "narrow-gate-right": {"gate_position": 2.5, "gate_width": 0.5, "friction": 0.0},
        "narrow-gate-left": {"gate_position": -2.5, "gate_width": 0.5, "friction": 0.0},
    }
    """The first narrow gate is that of Klink et al."""
    n_draws = 2

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 100,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.action_space = spaces.Box(-MAX_FORCE, MAX_FORCE, (2,), np.float32)
        high = np.array([ROOM, np.inf, ROOM, np.inf], dtype=np.float32)
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> Room:
        """Give goal and gate, and what friction and force make of a velocity in a substep."""
        return Room(
            start_y=params["start_y"],
            goal_x=params["goal_x"],
            gate_position=params["gate_position"],
            gate_half_width=params["gate_width"] / 2.0,
            decay=1.0 - SUBSTEP_S * params["friction"],
            kick=SUBSTEP_S * ACCELERATION / params["mass"],
        )

    def begin(self, draws: Any, physics: Room, xp: Arithmetic) -> PointState:
        """Start at rest at the top of the room."""
        x, y = [START_NOISE * (2.0 * draw - 1.0) for draw in draws]
        return PointState(x, 0.0 * x, physics.start_y + y, 0.0 * y)

    def move(self, state: PointState, action: Any, physics: Room, xp: Arithmetic) -> tuple[PointState, Any, Any]:
        """Push for 0.1 s, in explicit Euler steps; a mass that touches the wall stays there."""
        kick_x, kick_y = action[0] * physics.kick, action[1] * physics.kick
        has_crashed = state.y != state.y  # nobody: an array of False, or False
        for _ in range(SUBSTEPS):
            state, has_crashed = _substep(state, kick_x, kick_y, physics, has_crashed, xp)
        return state, xp.exp(-0.6 * _distance(state, physics, xp)), has_crashed

    def observe(self, state: PointState, physics: Room, xp: Arithmetic) -> tuple[Any, ...]:
        """Show the state."""
        return state

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the nearness of the goal after the move, and whether the wall was hit.

        A mass that hit the wall stands in it, at y = 0. What a planner imagines may go through the wall: it ends
        where the straight line between the two observations crosses it clearly outside of the gate.
        """
        x, y, before_x, before_y = (
            next_observations[..., 0],
            next_observations[..., 2],
            observations[..., 0],
            observations[..., 2],
        )
        half_width = params["gate_width"] / 2.0
        off_x, off_y = x - params["goal_x"], y - GOAL_Y
        fraction = before_y / xp.where(before_y == y, xp.ones_like(y), before_y - y)
        crossing = before_x + fraction * (x - before_x) - params["gate_position"]
        is_through = (before_y * y < 0.0) & (abs(crossing) > half_width + _CHORD_MARGIN)
        stands_in_wall = (y == 0.0) & (abs(x - params["gate_position"]) > half_width)
        return xp.exp(-0.6 * xp.sqrt(off_x**2 + off_y**2)), is_through | stands_in_wall

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give the return as a fraction of standing at the goal; success where the episode ends near it."""
        return episode_return / self.max_episode_steps, _distance(state, physics, xp) < SUCCESS_RADIUS

    def picture(self, state: PointState, physics: Room) -> NDArray[np.uint8]:
        """Give a picture of the room from above."""
        canvas = Canvas(x_low=-ROOM, x_high=ROOM, y_low=-ROOM, width=360, height=360)
        gate = physics.gate_position
        for start, end in ((-ROOM, gate - physics.gate_half_width), (gate + physics.gate_half_width, ROOM)):
            if start < end:
                canvas.line([(start, 0.0), (end, 0.0)], BLACK, width=6.0)
        canvas.circle((physics.goal_x, GOAL_Y), SUCCESS_RADIUS, GREEN)
        canvas.circle((state.x, state.y), 0.15, BLUE)
        return canvas.picture()


def _distance(state: PointState, room: Room, xp: Arithmetic) -> Any:
    off_x, off_y = state.x - room.goal_x, state.y - GOAL_Y
    return xp.sqrt(off_x * off_x + off_y * off_y)


def _substep(
    state: PointState, kick_x: Any, kick_y: Any, room: Room, has_crashed: Any, xp: Arithmetic
) -> tuple[PointState, Any]:
    """Move on for 0.01 s; gives the state, and who has crashed by now. What crashed before stays.

    Few instances are at the wall at a time: what concerns them alone is left out where there are none.
    """
    x = xp.clip(state.x + SUBSTEP_S * state.x_speed, -ROOM, ROOM)
    y = xp.clip(state.y + SUBSTEP_S * state.y_speed, -ROOM, ROOM)
    x_speed = room.decay * state.x_speed + kick_x
    y_speed = room.decay * state.y_speed + kick_y
    crashes = has_crashed
    crosses = state.y * y <= 0.0
    if xp.any(crosses):
        crosses = crosses & (state.y != y)
        fraction = state.y / xp.where(crosses, state.y - y, 1.0)
        crossing = state.x + fraction * (x - state.x)
        crashes = crosses & (abs(crossing - room.gate_position) > room.gate_half_width)
        x, y = xp.where(crashes, crossing, x), xp.where(crashes, 0.0, y)
        crashes = crashes | has_crashed
    moved = PointState(x, x_speed, y, y_speed)
    if xp.any(has_crashed):
        moved = PointState(*[xp.where(has_crashed, old, new) for old, new in zip(state, moved, strict=True)])
    return moved, crashes
