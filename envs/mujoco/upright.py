"""Runners in the plane that must not fall: what Hopper and Walker2d share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from lifelong_rl.envs.mujoco.model_xml import ModelXml, numbers, write
from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, Value
from lifelong_rl.envs.task_env import Observation

HEIGHT = 1.25
"""Where the middle of the torso is when Gymnasium's runner stands, in metres."""
SEGMENTS = {"torso_length": 0.2, "thigh_length": 0.45, "leg_length": 0.5}
"""What of that height each length feature scales, in metres; the foot below stays."""
START_NOISE = 5e-3
"""Half width of the uniform start positions and velocities (m, rad, m/s, rad/s)."""
CONTROL_COST = 1e-3
"""Price of the sum of the squared actions."""
FASTEST = 10.0
"""Velocities are observed no faster than this, in m/s and rad/s."""

WORLD_FEATURES = (
    Feature.real("gravity", 4.0, 20.0, 9.81, unit="m/s^2"),
    Feature.real("friction", 0.25, 2.0, 1.0, log=True),
    Feature.real("torso_density", 250.0, 4000.0, 1000.0, log=True, unit="kg/m^3"),
    Feature.real("limb_density", 250.0, 4000.0, 1000.0, log=True, unit="kg/m^3"),
)
BODY_FEATURES = (
    *(Feature.real(f"{part}_length", 0.6, 1.5, 1.0, log=True) for part in ("torso", "thigh", "leg", "foot")),
    *(Feature.real(f"{part}_gear", 0.25, 1.75, 1.0) for part in ("thigh", "leg", "foot")),
)


def standing_height(params: Mapping[str, Any]) -> float:
    """Give where the middle of the torso is when the task's runner stands, in metres."""
    return HEIGHT + sum(segment * (float(params[name]) - 1.0) for name, segment in SEGMENTS.items())


class UprightRunner(MujocoTaskEnv):
    """A runner in the plane whose episode ends when its torso sinks, flies or tilts too far.

    The limits of the height are Gymnasium's fractions of the standing height, so that they mean the same for bodies
    of all lengths. Legs are lengthened upwards: the foot starts where Gymnasium has it.
    """

    camera = "track"
    physics_steps = 4
    reward_features = tuple(SEGMENTS)
    lowest: ClassVar[float]
    highest: ClassVar[float]
    """Limits of the torso's height for a runner that stands at :data:`HEIGHT`, in metres."""
    steepest: ClassVar[float]
    """Limit of the torso's pitch either way, in rad."""
    success_reward: ClassVar[float]
    """Reward a step, over all steps that an episode may have, from which it is a success."""

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document, and lift the torso to where the feet are as they were."""
        super().edit_model(xml, params)
        self._height = standing_height(params)
        torso = xml.body("torso")
        x, y, _ = numbers(torso, "pos")
        write(torso, "pos", [x, y, self._height])
        xml.one(".//joint[@name='rootz']").set("ref", repr(self._height))

    def start_episode(self) -> Observation:
        """Start standing, with tiny random positions and velocities, drawn as Gymnasium draws them."""
        rng, model = self.np_random, self.model
        positions = model.qpos0 + rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nq)
        self.place(positions, rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nv))
        return self._observe(0.0)

    def _observe(self, velocity: float) -> Observation:
        positions = self.data.qpos
        observation = np.empty(self.observation_size, dtype=np.float32)
        observation[0] = velocity
        observation[1 : positions.size] = positions[1:]
        np.clip(self.data.qvel, -FASTEST, FASTEST, out=observation[positions.size :], casting="same_kind")
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Run for 0.008 s; a fall is a terminal state."""
        before = float(self.data.qpos[0])
        self.step_physics(action)
        velocity = (float(self.data.qpos[0]) - before) / self.step_s
        is_up = self._is_up(*self.data.qpos[1:3].tolist())
        cost = float(CONTROL_COST * self.effort(action))
        return self._observe(velocity), velocity + float(is_up) - cost, not is_up

    def _is_up(self, height: float, pitch: float) -> bool:
        scale = self._height / HEIGHT
        return self.lowest * scale < height < self.highest * scale and abs(pitch) < self.steepest

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give a fifth of the return a step that the episode might have had, clipped."""
        mean_reward = episode_return / self.max_episode_steps
        return min(1.0, max(0.0, mean_reward / 5.0)), mean_reward >= self.success_reward

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: stock, four longer bodies, four strengths of gravity, then a fixed sample.

        The bodies: torso, thighs, legs or feet 1.25 times as long. The strengths: 0.5, 0.75, 1.25 and 1.5 times the
        usual one, as in the modified worlds of Henderson et al. 2017.
        """
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "stock": {},
    **{f"{part}-x1.25": {f"{part}_length": 1.25} for part in ("torso", "thigh", "leg", "foot")},
    **{f"gravity-x{scale}": {"gravity": 9.81 * scale} for scale in (0.5, 0.75, 1.25, 1.5)},
}


def known_upright_reward(
    limits: type[UprightRunner], params: Mapping[str, Any], actions: Any, next_observations: Any, xp: Any
) -> tuple[Any, Any]:
    """Give the velocity of the step plus 1 minus the price of its action, without the 1 after a fall."""
    velocity, height, pitch = (next_observations[..., i] for i in range(3))
    scale = standing_height(params) / HEIGHT
    is_up = (height > limits.lowest * scale) & (height < limits.highest * scale) & (abs(pitch) < limits.steepest)
    return xp.where(is_up, velocity + 1.0, velocity) - CONTROL_COST * xp.sum(
        xp.clip(actions, -1.0, 1.0) ** 2, axis=-1
    ), ~is_up
