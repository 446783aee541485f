"""A box with two halves of their own densities, to be pushed over a table to a goal: HyperCRL's pushing tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.mujoco.simulation import MujocoTaskEnv
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import Observation

HALF_WIDTH = 0.08
"""Half the side of the box, which is square seen from above, in metres; it is as high as half its side."""
GOAL = (0.15, 0.0)
"""Where the centre of the box shall come to lie, unturned, in metres."""
START = (-0.1, 0.0)
"""Where the box starts, within START_NOISE."""
START_NOISE = (0.01, 0.01, 0.1)
"""Half widths of the uniform start pose of the box: m, m, rad."""
PUSHER_RADIUS = 0.02
"""Of the upright capsule that pushes, in metres."""
PUSHER_START = (START[0] - HALF_WIDTH - PUSHER_RADIUS - 0.03, 0.0)
"""Behind the box, in metres."""
TOP_SPEED = 0.5
"""Speed of the pusher along each axis at an action of 1, in m/s: 0.05 m a step."""
DRIVE = 200.0
"""Force of the pusher for each m/s that it is short of the wanted speed, in N s/m: at most 100 N at rest."""
SUCCESS_DISTANCE = 0.02
"""An episode is a success where at its end every corner is nearer to its place than this, in metres."""

_CORNERS = ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0))  # times HALF_WIDTH, in the frame of the box


class Pusher(MujocoTaskEnv):
    """A box on a table to push to a goal, whose left and right halves have densities of their own.

    Pushed in the middle, the box turns about its heavier half, so that where to push depends on the task.

    Observation: shape (11,): pusher x, y (m); box centre x, y (m), cosine and sine of its angle; pusher velocity
    x, y (m/s); box velocity x, y (m/s) and angular velocity (rad/s). Action: shape (2,), in [-1, 1] (clipped):
    the pusher's velocity along x and y as a fraction of 0.5 m/s, held for 0.1 s. Reward: the sum over the four
    corners of the box of 1 - tanh(10 d), d the distance (m) of a corner to its place at the goal, minus 0.25 times
    the norm of the action; at most 4. Episodes are truncated only. Score: how much of the mean distance
    of the corners at the start is gone at the end, clipped to [0, 1]. Success: every corner within 0.02 m.

    Box, goal, reward, densities, rate and length are those of the pushing tasks of HyperCRL (Huang et al. 2021);
    docs/environments/pusher.md says what differs from that scene.
    """

    task_space = TaskSpace(
        "pusher",
        [
            Feature.real("density_left", 100.0, 2000.0, 500.0, log=True, unit="kg/m^3"),
            Feature.real("density_right", 100.0, 2000.0, 500.0, log=True, unit="kg/m^3"),
            Feature.real("friction", 0.2, 1.2, 1.0, log=True),
        ],
    )
    camera = "above"
    physics_steps = 20
    episode_steps = 120
    observation_size = 11
    action_size = 2

    def build_model(self, params: Mapping[str, Value]) -> Any:
        """Compile the scene with the task's densities and friction in it."""
        return self.mujoco.MjModel.from_xml_string(_scene(params))

    def start_episode(self) -> Observation:
        """Put the box near its start and the pusher behind it, both at rest."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        x, y, angle = self.np_random.uniform(-1.0, 1.0, 3) * START_NOISE
        data.qpos[2:4] = START[0] + x, START[1] + y
        data.qpos[5:9] = math.cos(angle / 2.0), 0.0, 0.0, math.sin(angle / 2.0)
        self.mujoco.mj_forward(self.model, data)
        observation = self._observe()
        self._first_distance = float(_corner_distances(observation, np).mean())
        return observation

    def _observe(self) -> Observation:
        position, velocity = self.data.qpos, self.data.qvel
        w, x, y, z = position[5:9].tolist()
        angle = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        observation = np.empty(11, dtype=np.float32)
        observation[0:2] = position[0:2] + PUSHER_START
        observation[2:4] = position[2:4]
        observation[4:6] = math.cos(angle), math.sin(angle)
        observation[6:8] = velocity[0:2]
        observation[8:10] = velocity[2:4]
        observation[10] = velocity[7]
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Push for 0.1 s; there is no terminal state."""
        self.step_physics(action)
        self._last = observation = self._observe()
        rewards, _ = self.known_reward({}, observation, np.asarray(action), observation, np)
        return observation, float(rewards), False

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the reward of where the corners are after the step; see :attr:`TaskEnv.known_reward`."""
        nearness = 1.0 - xp.tanh(10.0 * _corner_distances(next_observations, xp))
        pushes = xp.clip(actions, -1.0, 1.0)
        rewards = nearness.sum(-1) - 0.25 * xp.sqrt((pushes**2).sum(-1))
        return rewards, rewards > 4.0  # never

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the part of the corners' first mean distance that is gone; success where all corners are in place."""
        distances = _corner_distances(self._last, np)
        score = 1.0 - float(distances.mean()) / self._first_distance
        return min(1.0, max(0.0, score)), bool(distances.max() < SUCCESS_DISTANCE)

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of HyperCRL's ten pairs of densities, in its order, then a fixed sample.

        The published sequence has five: left and right 500 and 500, 100 and 500, 500 and 100, 500 and 250, 250 and
        500 kg/m^3. Five more stand in its source, in which both halves may weigh 1000 kg/m^3.
        """
        named = [
            cls.task_space.task({"density_left": left, "density_right": right}, name=f"{left}-{right}")
            for left, right in _DENSITIES
        ]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


_DENSITIES = (
    *((500, 500), (100, 500), (500, 100), (500, 250), (250, 500)),
    *((1000, 100), (100, 1000), (300, 1000), (1000, 300), (1000, 1000)),
)


def _corner_distances(observations: Any, xp: Any) -> Any:
    """Distance of each corner to its place, shape (..., 4), from observations of shape (..., 11)."""
    angle = xp.atan2(observations[..., 5], observations[..., 4])  # a prediction of both may lie off the circle
    cosine, sine = xp.cos(angle), xp.sin(angle)
    off_x, off_y = observations[..., 2] - GOAL[0], observations[..., 3] - GOAL[1]
    distances = [
        xp.hypot(
            off_x + HALF_WIDTH * (x * cosine - y * sine - x),
            off_y + HALF_WIDTH * (x * sine + y * cosine - y),
        )
        for x, y in _CORNERS
    ]
    return xp.stack(distances, -1)


def _scene(params: Mapping[str, Value]) -> str:
    """The MJCF of the table, the box of two halves and the pusher.

    Only the pairs that are named touch: each has a friction of its own.
    """
    left, right, friction = (float(params[name]) for name in ("density_left", "density_right", "friction"))
    half, quarter = HALF_WIDTH, HALF_WIDTH / 2.0
    x, y = PUSHER_START
    drive = f'gainprm="{DRIVE * TOP_SPEED}" biastype="affine" biasprm="0 0 {-DRIVE}" ctrlrange="-1 1"'
    return f"""
<mujoco model="pusher">
  <option timestep="0.005" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual><headlight ambient=".45 .45 .45" diffuse=".3 .3 .3" specular="0 0 0"/></visual>
  <asset>
    <texture name="table" type="2d" builtin="checker" width="64" height="64" rgb1=".85 .82 .78" rgb2=".8 .77 .73"/>
    <material name="table" texture="table" texrepeat="10 10"/>
  </asset>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <light pos="0 0 2" dir=".2 .3 -1" directional="true" castshadow="false" diffuse=".35 .35 .35" specular="0 0 0"/>
    <camera name="above" pos="0.05 -0.55 0.75" xyaxes="1 0 0 0 .81 .59"/>
    <geom name="table" type="plane" size="1 1 .1" material="table"/>
    <geom name="goal" type="box" pos="{GOAL[0]} {GOAL[1]} 0" size="{half} {half} .001" rgba=".8 .2 .2 .5"/>
    <body name="pusher" pos="{x} {y} .03">
      <joint name="push_x" type="slide" axis="1 0 0"/>
      <joint name="push_y" type="slide" axis="0 1 0"/>
      <geom name="pusher" type="capsule" size="{PUSHER_RADIUS} .01" mass="1" rgba=".2 .2 .2 1"/>
    </body>
    <body name="box" pos="{START[0]} {START[1]} {quarter}">
      <freejoint/>
      <geom name="left" type="box" pos="0 {quarter} 0" size="{half} {quarter} {quarter}" density="{left!r}"
            rgba=".2 .4 .8 1"/>
      <geom name="right" type="box" pos="0 {-quarter} 0" size="{half} {quarter} {quarter}" density="{right!r}"
            rgba=".2 .7 .3 1"/>
    </body>
  </worldbody>
  <contact>
    <pair geom1="left" geom2="table" condim="3" friction="{friction!r} {friction!r}"/>
    <pair geom1="right" geom2="table" condim="3" friction="{friction!r} {friction!r}"/>
    <pair geom1="pusher" geom2="left" condim="3" friction=".3 .3"/>
    <pair geom1="pusher" geom2="right" condim="3" friction=".3 .3"/>
  </contact>
  <actuator>
    <general joint="push_x" {drive}/>
    <general joint="push_y" {drive}/>
  </actuator>
</mujoco>"""
