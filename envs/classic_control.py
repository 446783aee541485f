"""Gymnasium's CartPole and Pendulum as task families: their physics are the features.

With the default task an episode is Gymnasium's own (same seed, same actions): CartPole's bit for bit, Pendulum's
observations bit for bit and its rewards to the last bit, since Gymnasium squares with a power and we with a product.
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
from lifelong_rl.envs.drawing import BLACK, BLUE, GREY, ORANGE, RED, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, ObserveTask, RenderMode

CARTPOLE_X_LIMIT = 2.4
"""The cart's distance from the middle at which an episode ends, in metres; this and the next are CartPole-v1's."""
CARTPOLE_ANGLE_LIMIT = 12.0 * 2.0 * math.pi / 360.0
"""The pole's angle at which an episode ends."""
_CARTPOLE_STEP_S = 0.02

_PENDULUM_BOX = 2.0  # Pendulum-v1's largest action, whatever torque the task makes of it
_PENDULUM_MAX_SPEED = 8.0
_PENDULUM_STEP_S = 0.05


class CartPoleState(NamedTuple):
    """Position (m), its velocity, angle (rad, 0 = upright), its velocity."""

    x: Any
    speed: Any
    angle: Any
    spin: Any


class CartPoleBody(NamedTuple):
    """What the motion of cart and pole needs of the features."""

    gravity: Any
    masspole: Any
    length: Any
    force_mag: Any
    total_mass: Any
    moment: Any


def cartpole_body(params: Mapping[str, float]) -> CartPoleBody:
    """Give the physics of CartPole's features."""
    masspole, length = params["masspole"], params["length"]
    total_mass = masspole + params["masscart"]
    return CartPoleBody(params["gravity"], masspole, length, params["force_mag"], total_mass, masspole * length)


def cartpole_accelerations(angle: Any, spin: Any, force: Any, body: CartPoleBody, xp: Arithmetic) -> tuple[Any, Any]:
    """Give the accelerations of cart (m/s^2) and pole (rad/s^2) under a force (Florian 2007, equations 23 and 24)."""
    gravity, masspole, length, _, total_mass, moment = body
    sine, cosine = xp.sin(angle), xp.cos(angle)
    push = (force + moment * (spin * spin) * sine) / total_mass
    lever = length * (4.0 / 3.0 - masspole * (cosine * cosine) / total_mass)
    turning = (gravity * sine - cosine * push) / lever
    return push - moment * turning * cosine / total_mass, turning


def cartpole_picture(state: CartPoleState, body: CartPoleBody) -> NDArray[np.uint8]:
    """Give a picture of cart and pole on their track."""
    canvas = Canvas(x_low=-2.6, x_high=2.6, y_low=-1.0, width=480, height=320)
    canvas.line([(-2.6, -0.15), (2.6, -0.15)], GREY)
    for end in (-CARTPOLE_X_LIMIT, CARTPOLE_X_LIMIT):
        canvas.line([(end, -0.3), (end, 0.0)], GREY)
    width = 0.3 * (body.total_mass - body.masspole) ** (1.0 / 3.0)
    x, pole = state.x, 2.0 * body.length
    canvas.polygon([(x - width, -0.15), (x + width, -0.15), (x + width, 0.1), (x - width, 0.1)], BLACK)
    tip = (x + pole * math.sin(state.angle), pole * math.cos(state.angle))
    canvas.line([(x, 0.0), tip], ORANGE, width=22.0 * body.masspole ** (1.0 / 3.0))
    canvas.circle((x, 0.0), 0.05, BLUE)
    return canvas.picture()


class CartPolePhysics(BatchedTaskEnv):
    """A pole to balance on a cart, as Gymnasium's CartPole-v1, with gravity, masses, length and force as features.

    Observation: cart position (m), its velocity, pole angle (rad), its velocity, shape (4,). Actions: "discrete"
    are 0 push left, 1 push right with the task's force; "continuous" is the fraction of that force, shape (1,), in
    [-1, 1] (clipped). Reward 1 a step, the falling one included; an episode ends when pole or cart leave
    Gymnasium's limits. Score: the return over ``max_episode_steps``. Success: a return of at least 0.95 of it.
    """

    # The bounds are half to twice Gymnasium's values (gravity, masspole and length: wider) and keep even the fastest
    # fall within Gymnasium's observation space; a test drives the corners.
    task_space = TaskSpace(
        "cartpole-physics",
        [
            Feature.real("gravity", 4.0, 20.0, 9.8, unit="m/s^2"),
            Feature.real("masscart", 0.5, 2.0, 1.0, log=True, unit="kg"),
            Feature.real("masspole", 0.05, 0.5, 0.1, log=True, unit="kg"),
            Feature.real("length", 0.2, 1.0, 0.5, log=True, unit="m"),  # HALF the pole, as Gymnasium has it
            Feature.real("force_mag", 5.0, 20.0, 10.0, log=True, unit="N"),
        ],
    )
    action_kinds = ("discrete", "continuous")
    n_draws = 4

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        max_episode_steps: int = 500,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        is_discrete = self.check_action_kind(actions) == "discrete"
        self.action_space = spaces.Discrete(2) if is_discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        high = np.array([2.0 * CARTPOLE_X_LIMIT, np.inf, 2.0 * CARTPOLE_ANGLE_LIMIT, np.inf], dtype=np.float32)
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> CartPoleBody:
        """Give the masses and lengths, and what Gymnasium computes from them only once, at construction."""
        return cartpole_body(params)

    def begin(self, draws: Any, physics: CartPoleBody, xp: Arithmetic) -> CartPoleState:
        """Start near the upright pole."""
        return CartPoleState(*[-0.05 + 0.1 * draw for draw in draws])

    def move(
        self, state: CartPoleState, action: Any, physics: CartPoleBody, xp: Arithmetic
    ) -> tuple[CartPoleState, Any, Any]:
        """Push the cart for 0.02 s (explicit Euler)."""
        x, speed, angle, spin = state
        push = 2.0 * action - 1.0 if self.is_discrete else action[0]
        acceleration, turning = cartpole_accelerations(angle, spin, push * physics.force_mag, physics, xp)
        x, angle = x + _CARTPOLE_STEP_S * speed, angle + _CARTPOLE_STEP_S * spin
        speed, spin = speed + _CARTPOLE_STEP_S * acceleration, spin + _CARTPOLE_STEP_S * turning
        terminated = (abs(x) > CARTPOLE_X_LIMIT) | (abs(angle) > CARTPOLE_ANGLE_LIMIT)
        return CartPoleState(x, speed, angle, spin), 1.0, terminated

    def observe(self, state: CartPoleState, physics: CartPoleBody, xp: Arithmetic) -> tuple[Any, ...]:
        """Show the state."""
        return state

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give 1 a step, and where cart or pole leave the limits; see :attr:`TaskEnv.known_reward`."""
        position, angle = next_observations[..., 0], next_observations[..., 2]
        terminated = (abs(position) > CARTPOLE_X_LIMIT) | (abs(angle) > CARTPOLE_ANGLE_LIMIT)
        return xp.ones_like(position), terminated

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give the return as a fraction of the longest episode's; success from 0.95 of it."""
        score = episode_return / self.max_episode_steps
        return score, score >= 0.95

    def picture(self, state: CartPoleState, physics: CartPoleBody) -> NDArray[np.uint8]:
        """Give a picture of cart and pole."""
        return cartpole_picture(state, physics)


class PendulumState(NamedTuple):
    """Angle (rad, 0 = upright) and its velocity."""

    angle: Any
    speed: Any


class PendulumBody(NamedTuple):
    """What the motion of the pendulum needs of the features."""

    fall: Any
    """Angular acceleration by gravity when level, 3 g / (2 l)."""
    turn: Any
    """Angular acceleration a unit of torque, 3 / (m l^2), in single precision as Gymnasium's product with it."""
    torque_scale: Any
    """The task's largest torque over the action's."""
    mass: Any
    length: Any


class PendulumPhysics(BatchedTaskEnv):
    """A pendulum to swing up and hold, as Gymnasium's Pendulum-v1, with gravity, mass, length and torque as features.

    Observation: cosine and sine of the angle (0 = upright) and the angular velocity in rad/s, shape (3,). Action:
    shape (1,), in [-2, 2] for every task (Gymnasium's box): ±2 is the task's largest torque ``max_torque`` in N m.
    Reward: Gymnasium's, -(angle^2 + 0.1 velocity^2 + 0.001 torque^2) a step. Episodes are truncated only.
    Score: linear in the mean reward a step, 0 at -pi^2 (hanging still) or below, 1 at 0 (standing still).
    Success: a mean reward of at least -2 a step; a swing-up from hanging costs about 250 to 350 of the 400 that this
    allows in 200 steps.
    """

    task_space = TaskSpace(
        "pendulum-physics",
        [
            Feature.real("g", 1.0, 20.0, 10.0, unit="m/s^2"),
            Feature.real("m", 0.5, 2.0, 1.0, log=True, unit="kg"),
            Feature.real("l", 0.5, 2.0, 1.0, log=True, unit="m"),
            Feature.real("max_torque", 1.0, 4.0, 2.0, log=True, unit="N m"),
        ],
    )
    action_kinds = ("continuous",)
    reward_features = ("max_torque",)
    n_draws = 2

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 200,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.action_space = spaces.Box(-_PENDULUM_BOX, _PENDULUM_BOX, (1,), np.float32)
        high = np.array([1.0, 1.0, _PENDULUM_MAX_SPEED], dtype=np.float32)
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> PendulumBody:
        """Give the accelerations that gravity and torque make; the action's box stays, its unit of torque changes."""
        g, m, l = params["g"], params["m"], params["l"]  # noqa: E741  # Gymnasium's names
        torque_scale = FLOATS.single(params["max_torque"] / _PENDULUM_BOX)
        return PendulumBody(3.0 * g / (2.0 * l), FLOATS.single(3.0 / (m * (l * l))), torque_scale, m, l)

    def begin(self, draws: Any, physics: PendulumBody, xp: Arithmetic) -> PendulumState:
        """Start at any angle, with a velocity of at most 1 rad/s."""
        return PendulumState(-math.pi + 2.0 * math.pi * draws[0], -1.0 + 2.0 * draws[1])

    def move(
        self, state: PendulumState, action: Any, physics: PendulumBody, xp: Arithmetic
    ) -> tuple[PendulumState, Any, Any]:
        """Apply the torque for 0.05 s; there is no terminal state."""
        torque = xp.single(xp.single(action[0]) * physics.torque_scale)  # Gymnasium's torque is a float32
        off = (state.angle + math.pi) % (2.0 * math.pi) - math.pi
        effort = xp.single(_SINGLE_THOUSANDTH * xp.single(torque * torque))
        cost = off * off + 0.1 * (state.speed * state.speed) + effort
        acceleration = physics.fall * xp.sin(state.angle) + xp.single(physics.turn * torque)
        speed = xp.clip(state.speed + acceleration * _PENDULUM_STEP_S, -_PENDULUM_MAX_SPEED, _PENDULUM_MAX_SPEED)
        return PendulumState(state.angle + speed * _PENDULUM_STEP_S, speed), -cost, False

    def observe(self, state: PendulumState, physics: PendulumBody, xp: Arithmetic) -> tuple[Any, ...]:
        """Show the angle's cosine and sine, and the velocity."""
        return xp.cos(state.angle), xp.sin(state.angle), state.speed

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give Gymnasium's reward, of the state before the step and its torque; see :attr:`TaskEnv.known_reward`."""
        angle = xp.atan2(observations[..., 1], observations[..., 0])
        torque = xp.clip(actions[..., 0], -_PENDULUM_BOX, _PENDULUM_BOX) * (params["max_torque"] / _PENDULUM_BOX)
        rewards = -(angle**2 + 0.1 * observations[..., 2] ** 2 + 0.001 * torque**2)
        return rewards, rewards > 0.0  # never

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Place the mean reward a step between hanging still (-pi^2, score 0) and standing still (0, score 1)."""
        mean_reward = episode_return / length
        return xp.clip(1.0 + mean_reward / math.pi**2, 0.0, 1.0), mean_reward >= -2.0

    def picture(self, state: PendulumState, physics: PendulumBody) -> NDArray[np.uint8]:
        """Give a picture of the pendulum, thick where it is heavy."""
        canvas = Canvas(x_low=-2.2, x_high=2.2, y_low=-2.2, width=360, height=360)
        end = (-physics.length * math.sin(state.angle), physics.length * math.cos(state.angle))
        canvas.line([(0.0, 0.0), end], RED, width=14.0 * math.sqrt(physics.mass))
        canvas.circle(end, 0.085 * math.sqrt(physics.mass), RED)
        canvas.circle((0.0, 0.0), 0.06, BLACK)
        return canvas.picture()


_SINGLE_THOUSANDTH = FLOATS.single(0.001)  # Gymnasium prices the squared torque in float32
