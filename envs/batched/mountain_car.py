"""Gymnasium's continuous mountain car as a task family: its motor, the hill, the flag and the start are the features.

With the default task an episode equals Gymnasium's own bit for bit (same seed, same actions): Gymnasium computes in
single precision after the first step, and so does this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.batched.arithmetic import FLOATS, Arithmetic
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.drawing import BLACK, BLUE, GREY, ORANGE, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, ObserveTask, RenderMode

LEFT, RIGHT = FLOATS.single(-1.2), FLOATS.single(0.6)
"""The ends of the road; the car stops at the left one."""
MAX_SPEED = FLOATS.single(0.07)
START_HALF_WIDTH = 0.1
"""The start is uniform within this distance of the task's."""
_GOAL_REWARD = 100.0
_ACTION_COST = 0.1


class CarState(NamedTuple):
    """Position along the road and its change a step."""

    position: Any
    velocity: Any


class Hill(NamedTuple):
    """What the motion needs of the features."""

    power: Any
    gravity: Any
    goal: Any
    start: Any


class MountainCarContinuous(BatchedTaskEnv):
    """A car too weak for the hill has to gather speed, as Gymnasium's MountainCarContinuous-v0.

    Observation: position and velocity, shape (2,). Action: a fraction of the motor's power, shape (1,), in [-1, 1]
    (clipped). Reward: -0.1 action^2 a step, and 100 where the car reaches the flag, which ends the episode. Score: a
    hundredth of the return, in [0, 1]. Success: the flag is reached.

    The road's height is sin(3 x), and every flag stands higher than every start: no task is solved by rolling.
    """

    task_space = TaskSpace(
        "mountain-car-continuous",
        [
            Feature.real("power", 0.0005, 0.008, 0.0015, log=True),
            Feature.real("gravity", 0.001, 0.005, 0.0025),
            Feature.real("goal_position", 0.2, 0.6, 0.45),
            Feature.real("start_position", -1.0, 0.0, -0.5),
        ],
    )
    action_kinds = ("continuous",)
    reward_features = ("goal_position",)
    n_draws = 1

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 999,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        low, high = np.array([LEFT, -MAX_SPEED], np.float32), np.array([RIGHT, MAX_SPEED], np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> Hill:
        """Round what Gymnasium's arithmetic rounds."""
        return Hill(
            FLOATS.single(params["power"]),
            params["gravity"],
            FLOATS.single(params["goal_position"]),
            params["start_position"],
        )

    def begin(self, draws: Any, physics: Hill, xp: Arithmetic) -> CarState:
        """Start at rest near the task's start."""
        low, high = physics.start - START_HALF_WIDTH, physics.start + START_HALF_WIDTH
        return CarState(low + (high - low) * draws[0], 0.0 * draws[0])

    def move(self, state: CarState, action: Any, physics: Hill, xp: Arithmetic) -> tuple[CarState, Any, Any]:
        """Push the car for one step along the road y = sin(3 x)."""
        position, push = state.position, action[0]
        # The start alone is in double precision, so the first step multiplies in it
        triple = 3.0 * position
        phase = xp.where(xp.single(position) == position, xp.single(triple), triple)
        motor, slope = xp.single(xp.single(push) * physics.power), xp.single(physics.gravity * xp.cos(phase))
        velocity = xp.single(state.velocity + xp.single(motor - slope))
        velocity = xp.clip(velocity, -MAX_SPEED, MAX_SPEED)
        position = xp.clip(xp.single(position + velocity), LEFT, RIGHT)
        velocity = xp.where((position == LEFT) & (velocity < 0.0), 0.0, velocity)
        terminated = (position >= physics.goal) & (velocity >= 0.0)
        return (
            CarState(position, velocity),
            xp.where(terminated, _GOAL_REWARD, 0.0) - push * push * _ACTION_COST,
            terminated,
        )

    def observe(self, state: CarState, physics: Hill, xp: Arithmetic) -> tuple[Any, ...]:
        """Show the state."""
        return state

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the action's price, and 100 at the flag; see :attr:`TaskEnv.known_reward`."""
        position, velocity = next_observations[..., 0], next_observations[..., 1]
        goal = float(np.float32(params["goal_position"]))
        terminated = (position >= goal) & (velocity >= 0.0)
        push = xp.clip(actions[..., 0], -1.0, 1.0)
        return _GOAL_REWARD * terminated - _ACTION_COST * push**2, terminated

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give a hundredth of the return; success where the flag was reached."""
        is_at_goal = (state.position >= physics.goal) & (state.velocity >= 0.0)
        return xp.clip(episode_return / _GOAL_REWARD, 0.0, 1.0), is_at_goal

    def picture(self, state: CarState, physics: Hill) -> NDArray[np.uint8]:
        """Give a picture of the road, the car and the flag; the road is as steep as gravity makes it."""
        canvas = Canvas(x_low=-1.3, x_high=0.7, y_low=-0.6, width=480, height=320)
        steepness = 90.0 * physics.gravity  # to scale between tasks, and the steepest fits
        road = [(x, steepness * math.sin(3.0 * x)) for x in np.linspace(-1.3, 0.7, 120).tolist()]
        canvas.line(road, GREY, width=3.0)
        flag = (physics.goal, steepness * math.sin(3.0 * physics.goal))
        canvas.line([flag, (flag[0], flag[1] + 0.22)], BLACK)
        top = flag[1] + 0.22
        canvas.polygon([(flag[0], top), (flag[0] + 0.1, top - 0.04), (flag[0], top - 0.08)], ORANGE)
        car = (state.position, steepness * math.sin(3.0 * state.position) + 0.04)
        canvas.circle(car, 0.025 + 0.02 * math.sqrt(physics.power / 0.0015), BLUE)
        return canvas.picture()
