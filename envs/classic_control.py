"""Gymnasium's CartPole and Pendulum as task families: their physics are the features.

Each family holds Gymnasium's own environment and lends it its generator, so that with the default task an episode
equals Gymnasium's own bit for bit (same seed, same actions).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv

from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, TaskEnv

_CARTPOLE_X_LIMIT = 2.4  # m; this and the next are CartPole-v1's
_CARTPOLE_ANGLE_LIMIT = 12.0 * 2.0 * math.pi / 360.0
_PENDULUM_BOX = 2.0  # Pendulum-v1's largest action, whatever torque the task makes of it


class CartPolePhysics(TaskEnv):
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

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        max_episode_steps: int = 500,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self._is_discrete = self.check_action_kind(actions) == "discrete"
        self._inner: Any = CartPoleEnv()
        self._force_mag = 0.0
        self.action_space = spaces.Discrete(2) if self._is_discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = self._inner.observation_space
        self.max_episode_steps = max_episode_steps
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the physics, and what Gymnasium computes from it only once, at construction."""
        inner = self._inner
        inner.gravity = float(params["gravity"])
        inner.masscart = float(params["masscart"])
        inner.masspole = float(params["masspole"])
        inner.length = float(params["length"])
        inner.total_mass = inner.masspole + inner.masscart
        inner.polemass_length = inner.masspole * inner.length
        self._force_mag = inner.force_mag = float(params["force_mag"])

    def start_episode(self) -> Observation:
        """Start near the upright pole."""
        return _start_inner(self._inner, self.np_random)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Push the cart for 0.02 s."""
        if self._is_discrete:
            push = operator.index(action)
            if push not in (0, 1):
                raise ValueError(f"a discrete action must be 0 or 1, found {action!r}.")
        else:
            self._inner.force_mag = self._force_mag * min(1.0, max(-1.0, _finite(action[0])))
            push = 1  # "to the right", with a force that may be negative
        observation, reward, terminated, _, _ = self._inner.step(push)
        return observation, float(reward), terminated

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give 1 a step, and where cart or pole leave the limits; see :attr:`TaskEnv.known_reward`."""
        position, angle = next_observations[..., 0], next_observations[..., 2]
        terminated = (abs(position) > _CARTPOLE_X_LIMIT) | (abs(angle) > _CARTPOLE_ANGLE_LIMIT)
        return xp.ones_like(position), terminated

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the return as a fraction of the longest episode's; success from 0.95 of it."""
        score = episode_return / self.max_episode_steps
        return score, score >= 0.95


class PendulumPhysics(TaskEnv):
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

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 200,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.check_action_kind(actions)
        self._inner: Any = PendulumEnv()
        self._usual_torque = float(self._inner.max_torque)
        self._torque_scale = 1.0
        self.action_space = self._inner.action_space
        self.observation_space = self._inner.observation_space
        self.max_episode_steps = max_episode_steps
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the physics; the action's box stays, its unit of torque changes."""
        inner = self._inner
        inner.g, inner.m, inner.l = float(params["g"]), float(params["m"]), float(params["l"])
        inner.max_torque = float(params["max_torque"])
        self._torque_scale = inner.max_torque / self._usual_torque

    def start_episode(self) -> Observation:
        """Start at any angle, with a velocity of at most 1 rad/s."""
        return _start_inner(self._inner, self.np_random)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Apply the torque for 0.05 s; there is no terminal state."""
        _finite(action[0])
        observation, reward, _, _, _ = self._inner.step(np.asarray(action) * self._torque_scale)
        return observation, float(reward), False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give Gymnasium's reward, of the state before the step and its torque; see :attr:`TaskEnv.known_reward`."""
        angle = xp.atan2(observations[..., 1], observations[..., 0])
        torque = xp.clip(actions[..., 0], -_PENDULUM_BOX, _PENDULUM_BOX) * (params["max_torque"] / _PENDULUM_BOX)
        rewards = -(angle**2 + 0.1 * observations[..., 2] ** 2 + 0.001 * torque**2)
        return rewards, rewards > 0.0  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Place the mean reward a step between hanging still (-pi^2, score 0) and standing still (0, score 1)."""
        mean_reward = episode_return / length
        return max(0.0, 1.0 + mean_reward / math.pi**2), mean_reward >= -2.0


def _start_inner(inner: Any, rng: np.random.Generator) -> Observation:
    inner.np_random = rng  # every time: seeding makes a new generator
    observation: Observation = inner.reset()[0]
    return observation


def _finite(action: Any) -> float:
    number = float(action)
    if not math.isfinite(number):
        raise ValueError(f"a continuous action must be finite, found {action!r}.")
    return number
