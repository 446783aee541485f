"""A hanging pole on a cart, to swing up and hold: the reward says how near the tip is, so a planner can follow it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.batched.arithmetic import Arithmetic
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.classic_control import (
    CartPoleBody,
    CartPoleState,
    cartpole_accelerations,
    cartpole_body,
    cartpole_picture,
)
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, NamedTasks, ObserveTask, RenderMode

TRACK = 2.4
"""The cart stops, without bouncing, at this distance from the middle, in metres."""
STEP_S = 0.04
"""Seconds that an action is held; the physics takes SUBSTEPS smaller steps in it."""
SUBSTEPS = 4
START_NOISE = 0.1
"""Standard deviation of position (m), angle (rad) and both velocities at the start, as HyperCRL's."""
ACTION_COST = 0.01
"""Price of the squared action."""
POLES = (0.6, 0.8, 0.4, 1.0, 1.2, 0.7, 0.5, 0.9, 1.1, 1.3)
"""HyperCRL's ten lengths of the whole pole in its order, in metres."""


class CartPoleSwingUp(BatchedTaskEnv):
    """A pole that hangs from a cart, to swing up and hold over the middle of the track.

    The equations are CartPole-v1's (Florian 2007), without its ends and over the whole circle; the cart stops at the
    ends of the track. Reward and lengths are those of HyperCRL's cartpole tasks (Huang et al. 2021), whose
    physics is a MuJoCo model of its own.

    Observation: shape (5,): cart position (m), its velocity, cosine and sine of the pole's angle (0 = upright), its
    velocity (rad/s). Action: shape (1,), in [-1, 1] (clipped), a fraction of the task's force, held for 0.04 s.
    Reward: exp(-d^2 / L^2) - 0.01 action^2, with d the distance of the tip to its place upright over the middle and L
    the length of the pole. Episodes are truncated only. Score: the mean reward a step, at least 0. Success: at
    least 0.5, so upright for about half of the episode.
    """

    task_space = TaskSpace(
        "cartpole-swing-up",
        [
            Feature.real("gravity", 4.0, 20.0, 9.8, unit="m/s^2"),
            Feature.real("masscart", 0.5, 2.0, 1.0, log=True, unit="kg"),
            Feature.real("masspole", 0.05, 0.5, 0.1, log=True, unit="kg"),
            Feature.real("length", 0.2, 1.0, 0.3, log=True, unit="m"),  # HALF the pole, as in cartpole-physics
            Feature.real("force_mag", 5.0, 20.0, 10.0, log=True, unit="N"),
        ],
    )
    action_kinds = ("continuous",)
    reward_features = ("length",)
    named_tasks: ClassVar[NamedTasks] = {f"pole-{pole}m": {"length": round(pole / 2.0, 3)} for pole in POLES}
    n_draws = 4

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 200,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (5,), np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> CartPoleBody:
        """Give the masses and lengths."""
        return cartpole_body(params)

    def draw_start(self, rng: np.random.Generator, out: NDArray[np.float64]) -> None:
        """Draw from the normal distribution."""
        rng.standard_normal(out=out)

    def begin(self, draws: Any, physics: CartPoleBody, xp: Arithmetic) -> CartPoleState:
        """Start near the middle of the track with the pole hanging."""
        x, speed, angle, spin = [START_NOISE * draw for draw in draws]
        return CartPoleState(x, speed, math.pi + angle, spin)

    def observe(self, state: CartPoleState, physics: CartPoleBody, xp: Arithmetic) -> tuple[Any, ...]:
        """Show the cart, and the pole's angle as cosine and sine."""
        return state.x, state.speed, xp.cos(state.angle), xp.sin(state.angle), state.spin

    def move(
        self, state: CartPoleState, action: Any, physics: CartPoleBody, xp: Arithmetic
    ) -> tuple[CartPoleState, Any, Any]:
        """Push for 0.04 s; there is no terminal state."""
        push = action[0]
        state = _swing(state, push * physics.force_mag, physics, xp)
        pole = 2.0 * physics.length
        off_x = state.x + pole * xp.sin(state.angle)
        off_y = pole * (xp.cos(state.angle) - 1.0)
        nearness = xp.exp(-(off_x * off_x + off_y * off_y) / (pole * pole))
        return state, nearness - ACTION_COST * push * push, False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the nearness of the tip after the step minus the action's price; see :attr:`TaskEnv.known_reward`."""
        pole = 2.0 * params["length"]
        off_x = next_observations[..., 0] / pole + next_observations[..., 3]
        off_y = next_observations[..., 2] - 1.0
        push = xp.clip(actions[..., 0], -1.0, 1.0)
        rewards = xp.exp(-(off_x**2 + off_y**2)) - ACTION_COST * push**2
        return rewards, rewards > 1.0  # never

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give the mean reward a step, at least 0; success from 0.5."""
        mean_reward = episode_return / length
        return xp.clip(mean_reward, 0.0, 1.0), mean_reward >= 0.5

    def picture(self, state: CartPoleState, physics: CartPoleBody) -> NDArray[np.uint8]:
        """Give a picture of cart and pole."""
        return cartpole_picture(state, physics)


def _swing(state: CartPoleState, force: Any, body: CartPoleBody, xp: Arithmetic) -> CartPoleState:
    """Integrate CartPole's equations (semi-implicit Euler); the cart stops at the ends of the track."""
    x, speed, angle, spin = state
    step_s = STEP_S / SUBSTEPS
    for _ in range(SUBSTEPS):
        acceleration, turning = cartpole_accelerations(angle, spin, force, body, xp)
        speed, spin = speed + step_s * acceleration, spin + step_s * turning
        x, angle = x + step_s * speed, angle + step_s * spin
        speed = xp.where(abs(x) > TRACK, 0.0, speed)
        x = xp.clip(x, -TRACK, TRACK)
    return CartPoleState(x, speed, angle, spin)
