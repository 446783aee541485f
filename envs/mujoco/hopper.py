"""Gymnasium's Hopper as a task family: gravity, friction, densities, lengths and motors are the features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lifelong_rl.envs.mujoco.model_xml import density, friction, gear, gravity, length
from lifelong_rl.envs.mujoco.upright import BODY_FEATURES, WORLD_FEATURES, UprightRunner, known_upright_reward
from lifelong_rl.envs.space import TaskSpace


class Hopper(UprightRunner):
    """A one-legged runner in the plane, as Gymnasium's Hopper-v5, whose body, motors and world are the task.

    Observation: shape (12,): the torso's mean velocity along x over the last step (m/s; 0 at reset), height (m) and
    pitch (rad) of the torso, angles of thigh, leg and foot (rad), then the six velocities, clipped to +-10.
    Gymnasium's 11 follow the first. Action: shape (3,), in [-1, 1], torques of thigh, leg and foot as fractions of
    200 N m at gear 1, held for 0.008 s. Reward: the velocity plus 1 minus 0.001 times the sum of the squared
    actions, without the 1 after a fall. An episode ends when the torso is no higher than 0.56 of its standing height
    (0.7 m by default) or tilts by 0.2 rad. Score: the return over 5 for each of ``max_episode_steps``, in [0, 1].
    Success: a return of 3.8 for each of them (Gymnasium's threshold of 3,800).

    Gymnasium also ends an episode at an angle or velocity beyond 100, which no task here reaches before it falls.
    """

    task_space = TaskSpace("hopper", [*WORLD_FEATURES, *BODY_FEATURES])
    gymnasium_xml = "hopper.xml"
    edits = {  # noqa: RUF012  # read only
        "gravity": gravity,
        "friction": friction,
        "torso_density": density("torso_geom"),
        "limb_density": density("thigh_geom", "leg_geom", "foot_geom"),
        **{f"{part}_length": length(f".//body[@name='{part}']") for part in ("torso", "thigh", "leg", "foot")},
        **{f"{part}_gear": gear(f"{part}_joint") for part in ("thigh", "leg", "foot")},
    }
    observation_size = 12  # x-velocity, 5 positions, 6 velocities
    action_size = 3
    lowest, highest, steepest = 0.7, math.inf, 0.2
    success_reward = 3.8

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the reward of velocity, height, pitch and action; see :attr:`TaskEnv.known_reward`."""
        return known_upright_reward(Hopper, params, actions, next_observations, xp)
