"""Gymnasium's Walker2d as a task family: gravity, friction, densities, lengths and motors are the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifelong_rl.envs.mujoco.model_xml import density, friction, gear, gravity, length
from lifelong_rl.envs.mujoco.upright import BODY_FEATURES, WORLD_FEATURES, UprightRunner, known_upright_reward
from lifelong_rl.envs.space import TaskSpace

_LIMBS = ("thigh", "leg", "foot")


class Walker2d(UprightRunner):
    """A two-legged walker in the plane, as Gymnasium's Walker2d-v5, whose body, motors and world are the task.

    Observation: shape (18,): the torso's mean velocity along x over the last step (m/s; 0 at reset), height (m) and
    pitch (rad) of the torso, angles of thigh, leg and foot of the right, then of the left leg (rad), then the nine
    velocities, clipped to +-10. Gymnasium's 17 follow the first. Action: shape (6,), in [-1, 1], torques of the same
    joints as fractions of 100 N m at gear 1, held for 0.008 s. Reward: the velocity plus 1 minus 0.001 times the
    sum of the squared actions, without the 1 after a fall. An episode ends when the torso leaves 0.64 to 1.6 of its
    standing height (0.8 to 2 m by default) or tilts by 1 rad. Score: the return over 5 for each of
    ``max_episode_steps``, in [0, 1]. Success: a return of 3.8 for each of them (Gymnasium has no threshold; this is
    its Hopper's). Features are of both legs alike.
    """

    task_space = TaskSpace("walker2d", [*WORLD_FEATURES, *BODY_FEATURES])
    gymnasium_xml = "walker2d_v5.xml"
    edits = {  # noqa: RUF012  # read only
        "gravity": gravity,
        "friction": friction,
        "torso_density": density("torso_geom"),
        "limb_density": density(*(f"{limb}{side}_geom" for limb in _LIMBS for side in ("", "_left"))),
        "torso_length": length(".//body[@name='torso']"),
        **{f"{limb}_length": length(f".//body[@name='{limb}']", f".//body[@name='{limb}_left']") for limb in _LIMBS},
        **{f"{limb}_gear": gear(f"{limb}_joint", f"{limb}_left_joint") for limb in _LIMBS},
    }
    observation_size = 18  # x-velocity, 8 positions, 9 velocities
    action_size = 6
    lowest, highest, steepest = 0.8, 2.0, 1.0
    success_reward = 3.8

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give the reward of velocity, height, pitch and action; see :attr:`TaskEnv.known_reward`."""
        return known_upright_reward(Walker2d, params, actions, next_observations, xp)
