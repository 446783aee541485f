"""A hanging pole on a cart, to swing up and hold: the reward says how near the tip is, so a planner can follow it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, TaskEnv

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


class CartPoleSwingUp(TaskEnv):
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

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 200,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        self.check_action_kind(actions)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (5,), np.float32)
        self.max_episode_steps = max_episode_steps
        super().__init__(observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the physics."""
        self._params = {name: float(value) for name, value in params.items()}

    def start_episode(self) -> Observation:
        """Start near the middle of the track with the pole hanging."""
        self._x, self._speed, angle, self._spin = (START_NOISE * self.np_random.standard_normal(4)).tolist()
        self._angle = math.pi + angle
        return self._observe()

    def _observe(self) -> Observation:
        values = (self._x, self._speed, math.cos(self._angle), math.sin(self._angle), self._spin)
        return np.array(values, dtype=np.float32)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Push for 0.04 s; there is no terminal state."""
        push = float(action[0])
        if not math.isfinite(push):
            raise ValueError(f"an action must be finite, found {action!r}.")
        push = min(1.0, max(-1.0, push))
        self._swing(push * self._params["force_mag"])
        pole = 2.0 * self._params["length"]
        off_x = self._x + pole * math.sin(self._angle)
        off_y = pole * (math.cos(self._angle) - 1.0)
        reward = math.exp(-(off_x * off_x + off_y * off_y) / (pole * pole)) - ACTION_COST * push * push
        return self._observe(), reward, False

    def _swing(self, force: float) -> None:
        """Integrate CartPole's equations (semi-implicit Euler)."""
        params, dt = self._params, STEP_S / SUBSTEPS
        mass = params["masscart"] + params["masspole"]
        moment = params["masspole"] * params["length"]
        for _ in range(SUBSTEPS):
            sine, cosine = math.sin(self._angle), math.cos(self._angle)
            push = (force + moment * self._spin**2 * sine) / mass
            lever = params["length"] * (4.0 / 3.0 - params["masspole"] * cosine**2 / mass)
            turning = (params["gravity"] * sine - cosine * push) / lever
            self._speed += dt * (push - moment * turning * cosine / mass)
            self._spin += dt * turning
            self._x += dt * self._speed
            self._angle += dt * self._spin
            if abs(self._x) > TRACK:
                self._x, self._speed = math.copysign(TRACK, self._x), 0.0

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

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the mean reward a step, at least 0; success from 0.5."""
        mean_reward = episode_return / length
        return min(1.0, max(0.0, mean_reward)), mean_reward >= 0.5

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of HyperCRL's ten poles, 0.4 to 1.3 m long, in its order, then a fixed sample."""
        named = [cls.task_space.task({"length": round(pole / 2.0, 3)}, name=f"pole-{pole}m") for pole in POLES]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))
