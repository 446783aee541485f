"""A scripted gait for the default walker: a baseline that learns nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_N_HULL, _N_LEG = 4, 5  # numbers of the observation on the hull and on each leg
_KNEE_ZERO = 1.0  # what the observation adds to the angle of a knee


@dataclass
class Gait:
    """Two poses a stride and balance by where the foot lands, in the manner of SIMBICON (Yin et al. 2007).

    One leg swings: it is lifted for ``lift_steps`` steps, then reaches ahead, the further the faster the hull is,
    until its foot touches the track. The hip of the other leg holds the hull's angle. The numbers were found by the
    cross-entropy method on the default walker. Angles in rad, from the vertical for hips; gains a rad, or a unit of
    the observation's speeds.
    """

    lift_steps: int = 16
    least_steps: int = 10
    """Steps before which a touch of the swinging foot does not end its swing."""
    most_steps: int = 28
    """Steps after which a swing ends without a touch."""
    lifted_hip: float = 0.41
    lifted_knee: float = -1.15
    landing_hip: float = 0.14
    landing_knee: float = -0.35
    hip_by_speed: float = 0.76
    """How much further ahead the foot lands for each unit of the observed speed."""
    standing_knee: float = -0.41
    lean: float = 0.17
    """Angle at which the hull is held."""
    hull_gain: float = 2.3
    hull_damping: float = 1.8
    push: float = 0.1
    """Torque with which the standing hip drives the hull forward."""
    hip_gain: float = 3.58
    hip_damping: float = 0.15
    knee_gain: float = 1.51
    knee_damping: float = 0.28

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._swinging = 0
        self._steps = 0

    def act(self, observation: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Give the action, shape (4,), for an observation of a walker with two legs, shape (24,) or longer."""
        angle, turning, speed = observation[:3].tolist()
        legs = [observation[_N_HULL + _N_LEG * i : _N_HULL + _N_LEG * (i + 1)].tolist() for i in (0, 1)]
        self._change_legs(has_landed=legs[self._swinging][4] > 0.0)
        action = []
        for i, (hip, hip_speed, knee, knee_speed, _) in enumerate(legs):
            if i == self._swinging:
                hip_target, knee_target = self._swing(speed)
                action.append(self.hip_gain * (hip_target - hip - angle) - self.hip_damping * hip_speed)
            else:
                knee_target = self.standing_knee
                action.append(self.hull_gain * (angle - self.lean) + self.hull_damping * turning - self.push)
            action.append(self.knee_gain * (knee_target - (knee - _KNEE_ZERO)) - self.knee_damping * knee_speed)
        return np.array([min(1.0, max(-1.0, torque)) for torque in action], dtype=np.float32)

    def _change_legs(self, *, has_landed: bool) -> None:
        self._steps += 1
        if (has_landed and self._steps > self.least_steps) or self._steps > self.most_steps:
            self._swinging = 1 - self._swinging
            self._steps = 0

    def _swing(self, speed: float) -> tuple[float, float]:
        """Give the targets of hip and knee."""
        if self._steps < self.lift_steps:
            return self.lifted_hip, self.lifted_knee
        return self.landing_hip + self.hip_by_speed * speed, self.landing_knee
