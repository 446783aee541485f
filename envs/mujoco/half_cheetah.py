"""Gymnasium's HalfCheetah as a task family: gravity, friction, mass, body parts and motors are the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.model_xml import ModelXml, gear, gravity, size
from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

MOTORS = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
"""The motors in the order of the action: thigh, shin and foot of the back leg, then of the front leg."""
PARTS = {
    "torso_size": ("torso",),
    "thigh_size": ("bthigh", "fthigh"),
    "shin_size": ("bshin", "fshin"),
    "foot_size": ("bfoot", "ffoot"),
}
"""The shapes that each size feature scales."""
START_NOISE = 0.1
"""Half width of the uniform start angles (rad, m) and standard deviation of the start velocities."""
CONTROL_COST = 0.1
"""Price of the sum of the squared actions."""


def sliding_friction(xml: ModelXml, value: float) -> None:
    """Set the sliding friction of every shape."""
    xml.one("default/geom").set("friction", f"{value!r} .1 .1")


class HalfCheetah(MujocoTaskEnv):
    """A two-legged runner in the plane, as Gymnasium's HalfCheetah-v5, whose body, motors and world are the task.

    Observation: shape (18,): the torso's mean velocity along x over the last step (m/s; 0 at reset), height and
    pitch of the torso and the six joint angles (m, rad), then the nine velocities. Gymnasium's 17 follow the first.
    Action: shape (6,), in [-1, 1], torques as fractions of the motors' gears (120, 90, 60, 120, 60, 30 N m at
    scale 1), held for 0.05 s. Reward: the velocity minus 0.1 times the sum of the squared actions. Episodes are
    truncated only. Score: the mean reward a step over 10, clipped to [0, 1]. Success: a mean reward of at least
    4.8 (Gymnasium's threshold of 4,800 over 1,000 steps).

    A size scales radius and half length of its shapes, and the radius of the torso, whose length is that between
    the legs; centres and joints stay (as the Modified-Size bodies of Henderson et al. 2017). All masses are then
    scaled to ``total_mass``, as HalfCheetah's own XML does.
    """

    task_space = TaskSpace(
        "half-cheetah",
        [
            Feature.real("gravity", 4.0, 20.0, 9.81, unit="m/s^2"),
            Feature.real("friction", 0.1, 1.6, 0.4, log=True),
            Feature.real("total_mass", 7.0, 28.0, 14.0, log=True, unit="kg"),
            *(Feature.real(size, 0.5, 2.0, 1.0, log=True) for size in PARTS),
            *(Feature.real(f"{motor}_gear", -1.5, 1.5, 1.0) for motor in MOTORS),
        ],
    )
    gymnasium_xml = "half_cheetah.xml"
    edits = {  # noqa: RUF012  # read only
        "gravity": gravity,
        "friction": sliding_friction,
        **{name: size(*parts) for name, parts in PARTS.items()},
        **{f"{motor}_gear": gear(motor) for motor in MOTORS},
    }
    camera = "track"
    physics_steps = 5
    observation_size = 18  # x-velocity, 8 positions, 9 velocities
    action_size = len(MOTORS)

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into HalfCheetah's XML, except the total mass."""
        xml.one("compiler").attrib.pop("settotalmass")  # MuJoCo warns of it, on the screen and in a log file
        super().edit_model(xml, params)

    def build_model(self, params: Mapping[str, Value]) -> Any:
        """Compile the XML with the task's numbers in it, then scale the masses."""
        model = super().build_model(params)
        self.mujoco.mj_setTotalmass(model, float(params["total_mass"]))
        self.mujoco.mj_setConst(model, self.mujoco.MjData(model))
        return model

    def start_episode(self) -> Observation:
        """Start standing, with small random angles and velocities, drawn as Gymnasium draws them."""
        rng, model = self.np_random, self.model
        angles = model.qpos0 + rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nq)
        self.place(angles, START_NOISE * rng.standard_normal(model.nv))
        return self._observe(0.0)

    def _observe(self, velocity: float) -> Observation:
        observation = np.empty(18, dtype=np.float32)
        observation[0] = velocity
        observation[1:9] = self.data.qpos[1:]
        observation[9:] = self.data.qvel
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Run for 0.05 s; there is no terminal state."""
        before = float(self.data.qpos[0])
        self.step_physics(action)
        velocity = (float(self.data.qpos[0]) - before) / self.step_s
        cost = float(CONTROL_COST * self.effort(action))
        return self._observe(velocity), velocity - cost, False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the velocity of the step minus the price of its action; see :attr:`TaskEnv.known_reward`."""
        velocity = next_observations[..., 0]
        return velocity - CONTROL_COST * xp.sum(
            xp.clip(actions, -1.0, 1.0) ** 2, axis=-1
        ), velocity != velocity  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give a tenth of the mean reward a step, clipped; success from a mean reward of 4.8."""
        mean_reward = episode_return / length
        return min(1.0, max(0.0, mean_reward / 10.0)), mean_reward >= 4.8

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: stock, four strong changes, HyperCRL's four bodies, then a fixed sample.

        The changes: torso twice the size; motors reversed; shins 1.8 times the size with half the gear in all
        motors; feet and thighs 1.6 times. The bodies: torso, thighs, shins or feet 1.25 times the size.
        """
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "stock": {},
    "torso-x2": {"torso_size": 2.0},
    "motors-reversed": {f"{motor}_gear": -1.0 for motor in MOTORS},
    "shins-x1.8-half-gear": {"shin_size": 1.8} | {f"{motor}_gear": 0.5 for motor in MOTORS},
    "feet-thighs-x1.6": {"foot_size": 1.6, "thigh_size": 1.6},
    "torso-x1.25": {"torso_size": 1.25},
    "thighs-x1.25": {"thigh_size": 1.25},
    "shins-x1.25": {"shin_size": 1.25},
    "feet-x1.25": {"foot_size": 1.25},
}
