"""The stock half-cheetah on slopes and over walls: a family of its own, so that ``half-cheetah`` stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.half_cheetah import HalfCheetah
from lifelong_rl.envs.mujoco.model_xml import ModelXml
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

N_WALLS = 20
"""Walls that stand in a row, where a task has any."""
HALF_THICKNESS = 0.05
"""Half the thickness of a wall, in metres."""
SIGHT = 3.0
"""How far ahead a wall is seen, in metres."""

_VIEW = {"pos": "1.4 -5.2 .6", "xyaxes": "1 0 0 0 0 1"}  # of the camera: the next wall is in the picture


class HalfCheetahTerrain(HalfCheetah):
    """HalfCheetah-v5 where gravity may lean and walls may stand in the way.

    Observation: shape (20,): that of ``half-cheetah``, then the distance from the middle of the torso to the near
    face of the next wall (m; negative while above it) and the height of that wall (m): :data:`SIGHT` and 0 where none
    is nearer than that.
    Action, reward, ends, score and success are those of ``half-cheetah``.

    ``gravity_tilt`` leans gravity in the plane of the runner: positive pulls it back, as on a slope uphill.
    ``wall_height`` 0 is a world without walls; else walls 0.1 m thick stand at ``wall_spacing``, twice it, and so on.
    With the default task an episode equals HalfCheetah-v5's.
    """

    task_space = TaskSpace(
        "half-cheetah-terrain",
        [
            Feature.real("gravity", 4.0, 20.0, 9.81, unit="m/s^2"),
            Feature.real("gravity_tilt", -0.2, 0.2, 0.0, unit="rad"),
            Feature.real("friction", 0.2, 1.6, 0.4, log=True),
            Feature.real("wall_height", 0.0, 0.4, 0.0, unit="m"),
            Feature.real("wall_spacing", 1.5, 6.0, 3.0, unit="m"),
        ],
    )
    observation_size = 20
    camera = "ahead"

    def build_model(self, params: Mapping[str, Value]) -> Any:
        """Compile the stock body in the task's world."""
        self._wall_height, self._wall_spacing = float(params["wall_height"]), float(params["wall_spacing"])
        return super().build_model({**HalfCheetah.task_space.default.params, **params})

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document: gravity leans, and walls stand on the floor."""
        super().edit_model(xml, params)
        strength, tilt = float(params["gravity"]), float(params["gravity_tilt"])
        pull = (0.0 - strength * math.sin(tilt), 0.0, -strength * math.cos(tilt))
        xml.one("option").set("gravity", " ".join(map(repr, pull)))
        xml.add(".//body[@name='torso']", "camera", name=self.camera, mode="trackcom", **_VIEW)
        half_height = 0.5 * self._wall_height
        for i in range(N_WALLS if half_height else 0):
            xml.add(
                "worldbody",
                "geom",
                name=f"wall{i + 1}",
                type="box",
                conaffinity="1",
                pos=f"{self._wall_spacing * (i + 1)!r} 0 {half_height!r}",
                size=f"{HALF_THICKNESS} 1 {half_height!r}",
                rgba=".9 .45 .15 1",
            )

    def _observe(self, velocity: float) -> Observation:
        seen = np.array(self._wall_ahead(), dtype=np.float32)
        return np.concatenate((super()._observe(velocity), seen))

    def _wall_ahead(self) -> tuple[float, float]:
        """Distance and height of the next wall, as they are seen."""
        if not self._wall_height:
            return SIGHT, 0.0
        x = float(self.data.qpos[0])
        n_passed = max(0, math.floor((x - HALF_THICKNESS) / self._wall_spacing))
        distance = self._wall_spacing * (n_passed + 1) - HALF_THICKNESS - x
        return (distance, self._wall_height) if distance < SIGHT and n_passed < N_WALLS else (SIGHT, 0.0)

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: level ground, four slopes, three rows of walls, then a fixed sample."""
        named = [cls.task_space.task(params, name=name) for name, params in _VARIANTS.items()]
        # As a family without named tasks draws its sample: half-cheetah's own names are of bodies.
        return named[:n] + super(HalfCheetah, cls).standard_tasks(max(0, n - len(named)))


_VARIANTS: dict[str, dict[str, float]] = {
    "level": {},
    "uphill-5deg": {"gravity_tilt": 0.0873},
    "downhill-5deg": {"gravity_tilt": -0.0873},
    "uphill-10deg": {"gravity_tilt": 0.1745},
    "downhill-10deg": {"gravity_tilt": -0.1745},
    "walls-5cm": {"wall_height": 0.05},
    "walls-10cm": {"wall_height": 0.1},
    "walls-20cm": {"wall_height": 0.2},
}
