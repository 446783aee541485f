"""Gymnasium's Reacher as a task family: lengths, inertia, damping and motors of the arm are the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.model_xml import ModelXml, every_joint, gear, length
from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

LINK = 0.1
"""Length of each of Gymnasium's links, in metres."""
REACH = 2.0 * LINK
"""Targets lie in a disc of this radius (m) around the shoulder of Gymnasium's arm."""
START_NOISE, START_SPEED = 0.1, 0.005
"""Half widths of the uniform start angles (rad) and speeds (rad/s)."""


class Reacher(MujocoTaskEnv):
    """An arm of two links in the plane that reaches for a target, as Gymnasium's Reacher-v5.

    Observation: shape (10,), Gymnasium's: cosines, then sines of shoulder and elbow, target x, y (m), the two
    angular velocities (rad/s), fingertip minus target x, y (m). Action: shape (2,), in [-1, 1], torques of shoulder
    and elbow as fractions of 200 N m at gear 1, held for 0.02 s. Reward: minus the distance of fingertip and target
    (m) minus the sum of the squared actions. Episodes are truncated only. Score: 1 plus the mean reward a step over
    0.2 (m times the arm's length over Gymnasium's), clipped to [0, 1]. Success: a mean reward of at least -0.075
    (Gymnasium's threshold of -3.75 over 50 steps).

    Targets are drawn as Gymnasium draws them and scaled to the length of the arm. The plane is level and nothing
    touches, so that gravity and sliding friction would change nothing; ``damping`` is the friction of the joints and
    ``armature`` their inertia, beside which that of the links is a thousandth.
    """

    task_space = TaskSpace(
        "reacher",
        [
            Feature.real("upper_arm_length", 0.05, 0.125, 0.1, log=True, unit="m"),
            Feature.real("forearm_length", 0.05, 0.125, 0.1, log=True, unit="m"),
            Feature.real("armature", 0.25, 4.0, 1.0, log=True, unit="kg m^2"),
            Feature.real("damping", 0.1, 10.0, 1.0, log=True, unit="N m s/rad"),
            Feature.real("shoulder_gear", -1.5, 1.5, 1.0),
            Feature.real("elbow_gear", -1.5, 1.5, 1.0),
        ],
    )
    gymnasium_xml = "reacher.xml"
    edits = {  # noqa: RUF012  # read only
        "upper_arm_length": length(".//body[@name='body0']", of=LINK),
        "forearm_length": length(".//body[@name='body1']", of=LINK),
        "armature": every_joint("armature"),
        "damping": every_joint("damping"),
        "shoulder_gear": gear("joint0"),
        "elbow_gear": gear("joint1"),
    }
    camera = "above"
    physics_steps = 2
    episode_steps = 50
    observation_size = 10
    action_size = 2

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document, and put a camera above the arm."""
        super().edit_model(xml, params)
        self._scale = (float(params["upper_arm_length"]) + float(params["forearm_length"])) / REACH
        xml.add("worldbody", "camera", name=self.camera, pos="0 0 .9", xyaxes="1 0 0 0 1 0")

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Build the model, and look up what the reward measures."""
        super().apply_task(params)
        self._fingertip, self._target = (self.model.body(name).id for name in ("fingertip", "target"))

    def start_episode(self) -> Observation:
        """Start nearly stretched out, with a random target, drawn as Gymnasium draws them."""
        rng, model = self.np_random, self.model
        angles = rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nq) + model.qpos0
        angles[2:] = self._scale * self._draw_target()
        speeds = rng.uniform(low=-START_SPEED, high=START_SPEED, size=model.nv)
        speeds[2:] = 0.0
        self.place(angles, speeds)
        return self._observe(self._offset())

    def _draw_target(self) -> Any:
        while True:
            target = self.np_random.uniform(low=-REACH, high=REACH, size=2)
            if np.linalg.norm(target) < REACH:
                return target

    def _offset(self) -> Any:
        return self.data.xpos[self._fingertip] - self.data.xpos[self._target]

    def _observe(self, offset: Any) -> Observation:
        positions = self.data.qpos
        observation = np.empty(self.observation_size, dtype=np.float32)
        observation[0:2] = np.cos(positions[:2])
        observation[2:4] = np.sin(positions[:2])
        observation[4:6] = positions[2:]
        observation[6:8] = self.data.qvel[:2]
        observation[8:10] = offset[:2]
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Move for 0.02 s; there is no terminal state."""
        self.step_physics(action)
        offset = self._offset()
        cost = float(self.effort(action))
        return self._observe(offset), -float(np.linalg.norm(offset)) - cost, False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give minus the distance after the step minus the price of its action; see :attr:`TaskEnv.known_reward`."""
        distance = xp.hypot(next_observations[..., 8], next_observations[..., 9])
        return -distance - xp.sum(xp.clip(actions, -1.0, 1.0) ** 2, axis=-1), distance < 0.0  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Place the mean reward between that of staying an arm's length away (0) and 0 (1)."""
        mean_reward = episode_return / length
        return min(1.0, max(0.0, 1.0 + mean_reward / (REACH * self._scale))), mean_reward >= -0.075

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: stock, short upper arm, short forearm, motors reversed, heavy joints, a sample."""
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "stock": {},
    "short-upper-arm": {"upper_arm_length": 0.05},
    "short-forearm": {"forearm_length": 0.05},
    "motors-reversed": {"shoulder_gear": -1.0, "elbow_gear": -1.0},
    "heavy-joints": {"armature": 4.0},
}
