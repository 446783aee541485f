"""Gymnasium's Ant as a task family: gravity, friction, densities, leg lengths and motors are the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.model_xml import ModelXml, density, friction, gear, gravity, length, numbers, write
from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

LEGS = (1, 2, 3, 4)
LOWEST, HIGHEST = 0.2, 1.0
"""Limits of the torso's height, in metres; the upper one is scaled with the shins."""
START_NOISE = 0.1
"""Half width of the uniform start positions (m, rad) and standard deviation of the start velocities."""
CONTROL_COST, CONTACT_COST = 0.5, 5e-4
"""Prices of the sums of the squared actions and of the squared contact forces, each clipped to +-1."""

_HIPS = tuple(f".//body[@name='aux_{leg}']" for leg in LEGS)
_SHINS = tuple(f"{hip}/body" for hip in _HIPS)
_SHIN_GEOMS = ("left_ankle_geom", "right_ankle_geom", "third_ankle_geom", "fourth_ankle_geom")
_THIGH_GEOMS = ("left_leg_geom", "right_leg_geom", "back_leg_geom", "rightback_leg_geom")
_CONTACTS = slice(28, 106)  # of the observation


class Ant(MujocoTaskEnv):
    """A four-legged walker, as Gymnasium's Ant-v5, whose body, motors and world are the task.

    Observation: shape (106,): the torso's mean velocity along x over the last step (m/s; 0 at reset), height of the
    torso (m), its quaternion, hip and ankle angle of the four legs (rad), the 14 velocities, and the contact forces
    and torques on the 13 bodies, each clipped to +-1. Gymnasium's 105 follow the first. Action: shape (8,), in
    [-1, 1], torques as fractions of 150 N m at gear 1, in Gymnasium's order (leg 4, 1, 2, 3; hip, ankle), held for
    0.05 s. Reward: the velocity plus 1 minus 0.5 times the sum of the squared actions and 0.0005 times that of the
    contact forces, without the 1 in the step that ends the episode: at a torso lower than 0.2 m or higher than 1 m
    times ``shin_length``. Score: the return over 8 for each of ``max_episode_steps``, in [0, 1]. Success: a return of
    6 for each of them (Gymnasium's threshold of 6,000).
    """

    task_space = TaskSpace(
        "ant",
        [
            Feature.real("gravity", 4.0, 20.0, 9.81, unit="m/s^2"),
            Feature.real("friction", 0.25, 2.0, 1.0, log=True),
            Feature.real("torso_density", 1.25, 20.0, 5.0, log=True, unit="kg/m^3"),
            Feature.real("limb_density", 1.25, 20.0, 5.0, log=True, unit="kg/m^3"),
            Feature.real("thigh_length", 0.6, 1.5, 1.0, log=True),
            Feature.real("shin_length", 0.6, 1.5, 1.0, log=True),
            Feature.real("hip_gear", 0.25, 1.75, 1.0),
            Feature.real("ankle_gear", 0.25, 1.75, 1.0),
        ],
    )
    gymnasium_xml = "ant.xml"
    edits = {  # noqa: RUF012  # read only
        "gravity": gravity,
        "friction": friction,
        "torso_density": density("torso_geom"),
        "limb_density": density(*(f"aux_{leg}_geom" for leg in LEGS), *_THIGH_GEOMS, *_SHIN_GEOMS),
        "thigh_length": length(*_HIPS),
        "shin_length": length(*_SHINS),
        "hip_gear": gear(*(f"hip_{leg}" for leg in LEGS)),
        "ankle_gear": gear(*(f"ankle_{leg}" for leg in LEGS)),
    }
    camera = "track"
    physics_steps = 5
    observation_size = 106
    action_size = 8
    reward_features = ("shin_length",)

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document; longer shins start from higher up."""
        super().edit_model(xml, params)
        self._highest = HIGHEST * float(params["shin_length"])
        torso = xml.body("torso")
        x, y, z = numbers(torso, "pos")
        write(torso, "pos", [x, y, z * float(params["shin_length"])])

    def start_episode(self) -> Observation:
        """Start in the air, with small random angles and velocities, drawn as Gymnasium draws them."""
        rng, model = self.np_random, self.model
        positions = model.qpos0 + rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nq)
        self.place(positions, START_NOISE * rng.standard_normal(model.nv))
        return self._observe(0.0)

    def _observe(self, velocity: float) -> Observation:
        observation = np.empty(self.observation_size, dtype=np.float32)
        observation[0] = velocity
        observation[1:14] = self.data.qpos[2:]
        observation[14:28] = self.data.qvel
        np.clip(self.data.cfrc_ext[1:].reshape(-1), -1.0, 1.0, out=observation[_CONTACTS], casting="same_kind")
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Walk for 0.05 s; a torso too low or too high is a terminal state."""
        before = float(self.data.xpos[1, 0])  # of the torso, as the physics last computed it, like Gymnasium
        self.step_physics(action)
        self.mujoco.mj_rnePostConstraint(self.model, self.data)  # the contact forces
        velocity = (float(self.data.xpos[1, 0]) - before) / self.step_s
        is_healthy = LOWEST <= float(self.data.qpos[2]) <= self._highest
        effort = float(CONTROL_COST * self.effort(action))
        bumps = CONTACT_COST * float(np.square(np.clip(self.data.cfrc_ext, -1.0, 1.0)).sum())
        return self._observe(velocity), velocity + float(is_healthy) - (effort + bumps), not is_healthy

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the reward of velocity, height, contact forces and action; see :attr:`TaskEnv.known_reward`."""
        velocity, height = next_observations[..., 0], next_observations[..., 1]
        is_healthy = (height >= LOWEST) & (height <= HIGHEST * params["shin_length"])
        effort = CONTROL_COST * xp.sum(xp.clip(actions, -1.0, 1.0) ** 2, axis=-1)
        bumps = CONTACT_COST * xp.sum(next_observations[..., _CONTACTS] ** 2, axis=-1)
        return xp.where(is_healthy, velocity + 1.0, velocity) - effort - bumps, ~is_healthy

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give an eighth of the return a step that the episode might have had, clipped; success from 6."""
        mean_reward = episode_return / self.max_episode_steps
        return min(1.0, max(0.0, mean_reward / 8.0)), mean_reward >= 6.0

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: stock, thighs or shins 1.25 times as long, four gravities, then a fixed sample.

        The strengths of gravity: 0.5, 0.75, 1.25 and 1.5 times the usual one (Henderson et al. 2017).
        """
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "stock": {},
    "thigh-x1.25": {"thigh_length": 1.25},
    "shin-x1.25": {"shin_length": 1.25},
    **{f"gravity-x{scale}": {"gravity": 9.81 * scale} for scale in (0.5, 0.75, 1.25, 1.5)},
}
