"""Gymnasium's InvertedPendulum, hanging, to swing up and hold: densities, length, damping and gravity vary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.model_xml import ModelXml, density, every_joint, gear, gravity, length
from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

START_NOISE = 0.01
"""Half width of the uniform start positions (m, rad) and velocities, as InvertedPendulum-v5's."""
UPRIGHT = 0.2
"""The largest angle (rad) at which InvertedPendulum-v5 still counts the pole as up."""
HOLD_STEPS = 25
"""Steps at the end of an episode for which a success holds the pole up: one second."""


class PendulumSwingUp(MujocoTaskEnv):
    """A pole on a cart on a rail, Gymnasium's InvertedPendulum-v5, that starts hanging and may turn all around.

    Observation: shape (5,): cart position (m), cosine and sine of the pole's angle (0 = upright), velocity of the
    cart (m/s), angular velocity (rad/s). Action: shape (1,), in [-3, 3] as InvertedPendulum's, times 100 N at gear
    1, held for 0.04 s. The rail ends 1 m either side. Reward: how high the tip is, (1 + cosine) / 2. Episodes are
    truncated only. Score: the mean reward a step. Success: the pole within 0.2 rad of upright for the last 25 steps,
    one second.

    Physics, action and rates are InvertedPendulum-v5's, whose pole is stopped at 90 degrees either way; until it gets
    there, the two are equal bit for bit.
    """

    task_space = TaskSpace(
        "mujoco-pendulum-swing-up",
        [
            Feature.real("gravity", 4.0, 20.0, 9.81, unit="m/s^2"),
            Feature.real("cart_density", 500.0, 2000.0, 1000.0, log=True, unit="kg/m^3"),
            Feature.real("pole_density", 500.0, 2000.0, 1000.0, log=True, unit="kg/m^3"),
            Feature.real("pole_length", 0.4, 0.9, 0.6, log=True, unit="m"),
            Feature.real("damping", 0.25, 2.0, 1.0, log=True),
            Feature.real("motor_gear", 0.5, 1.5, 1.0),
        ],
    )
    gymnasium_xml = "inverted_pendulum.xml"
    edits = {  # noqa: RUF012  # read only
        "gravity": gravity,
        "cart_density": density("cart"),
        "pole_density": density("cpole"),
        "pole_length": length(".//body[@name='pole']", of=0.6),
        "damping": every_joint("damping"),
        "motor_gear": gear("slider"),
    }
    camera = "side"
    physics_steps = 2
    episode_steps = 250
    observation_size = 5
    action_size = 1
    action_limit = 3.0

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document, free the hinge, and put a camera and a sky beside the rail."""
        super().edit_model(xml, params)
        xml.one(".//joint[@name='hinge']").set("limited", "false")
        xml.add("worldbody", "camera", name=self.camera, pos="0 -3.2 0", xyaxes="1 0 0 0 0 1")
        xml.add(".", "asset")
        xml.add("asset", "texture", type="skybox", builtin="flat", rgb1=".9 .92 .95", width="8", height="8")
        xml.add("worldbody", "light", pos="0 -3 2", dir="0 1 -.6", directional="true", castshadow="false")

    def start_episode(self) -> Observation:
        """Start near the middle of the rail with the pole hanging."""
        rng, model = self.np_random, self.model
        positions = model.qpos0 + rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nq)
        positions[1] += math.pi
        self.place(positions, rng.uniform(low=-START_NOISE, high=START_NOISE, size=model.nv))
        self._n_upright = 0
        return self._observe()

    def _observe(self) -> Observation:
        (x, angle), velocities = self.data.qpos.tolist(), self.data.qvel.tolist()
        return np.array((x, math.cos(angle), math.sin(angle), *velocities), dtype=np.float32)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Push for 0.04 s; there is no terminal state."""
        self.step_physics(action)
        cosine = math.cos(float(self.data.qpos[1]))
        self._n_upright = self._n_upright + 1 if cosine >= math.cos(UPRIGHT) else 0
        return self._observe(), 0.5 * (1.0 + cosine), False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give how high the tip is after the step; see :attr:`TaskEnv.known_reward`."""
        rewards = 0.5 * (1.0 + next_observations[..., 1])
        return rewards, rewards != rewards  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the mean reward a step; success where the pole was held up for the last second."""
        return min(1.0, episode_return / length), self._n_upright >= HOLD_STEPS

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: stock, a short, a long and a heavy pole, a weak motor, then a fixed sample."""
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "stock": {},
    "pole-0.4m": {"pole_length": 0.4},
    "pole-0.9m": {"pole_length": 0.9},
    "heavy-pole": {"pole_density": 2000.0},
    "weak-motor": {"motor_gear": 0.5},
}
