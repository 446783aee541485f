"""The bodies that walk: a hull, legs of two parts, and a motor at each hip and knee.

Sizes, densities, limits of the joints, speeds and torques of the motors are facts of Gymnasium's BipedalWalker and of
the walkers of Portelas et al. 2019 (teachDeepRL); where the hips of the quadrupedal one sit is this project's choice.
Lengths are in thirtieths of a metre here, as they are published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lifelong_rl.envs.walkers.track import Point

UNITS_PER_METRE = 30.0
HIP_SPEED = 4.0
"""Largest speed of the motor of a hip in rad/s."""
KNEE_SPEED = 6.0
"""Largest speed of the motor of a knee in rad/s."""
GROUND_CATEGORY = 0x0001
"""Box2D's collision category of the track."""
WALKER_CATEGORY = 0x0020
"""Box2D's collision category of the walkers' parts, which touch the track only."""

_HIP_LIMITS = (-0.8, 1.1)
_KNEE_LIMITS = (-1.6, -0.1)
_HULL_DENSITY, _HULL_FRICTION = 5.0, 0.1
_LEG_DENSITY, _LEG_FRICTION = 1.0, 0.2
_START_ANGLE = 0.05  # the legs of a pair start apart by twice this
_LOWER_WIDTH = 0.8  # of the upper part's


@dataclass(frozen=True)
class Walker:
    """What one walker is made of; lengths in thirtieths of a metre."""

    hull: tuple[Point, ...]
    """Vertices about the hull's origin."""
    hips: tuple[Point, ...]
    """Where a pair of legs is hung on the hull, one entry a pair."""
    leg_width: float
    leg_length: float
    """Of each of a leg's two parts."""
    torque: float
    """Largest torque of each motor in N m."""
    torque_price: float
    """What a motor at full torque costs a step."""

    @property
    def n_legs(self) -> int:
        """Number of legs."""
        return 2 * len(self.hips)

    @property
    def n_motors(self) -> int:
        """Number of motors: a hip and a knee for each leg."""
        return 2 * self.n_legs

    @property
    def standing_height(self) -> float:
        """Height of the hull's origin over the ground at the start, in m: two parts of a leg."""
        return 2.0 * self.leg_length / UNITS_PER_METRE


_HULL = ((-30.0, 9.0), (6.0, 9.0), (34.0, 1.0), (34.0, -8.0), (-30.0, -8.0))
_LARGE_HULL = ((-46.0, 13.0), (6.0, 13.0), (50.0, 5.0), (50.0, -12.0), (-46.0, -12.0))
_PRICE = 0.00035 * 80.0

WALKERS: dict[str, Walker] = {
    "default": Walker(_HULL, ((0.0, -8.0),), 8.0, 34.0, 80.0, _PRICE),
    "short": Walker(_HULL, ((0.0, -8.0),), 8.0, 17.0, 80.0, _PRICE),
    "quadrupedal": Walker(_LARGE_HULL, ((-33.6, -12.0), (24.0, -12.0)), 10.0, 51.0, 300.0, _PRICE / 8.0),
}
"""The walkers by name."""


@dataclass(frozen=True)
class Assembly:
    """A walker's parts in one world."""

    hull: Any
    joints: list[Any]
    """Hip and knee of each leg, leg by leg."""
    feet: list[Any]
    """The lower part of each leg."""
    uppers: list[Any]
    """The upper part of each leg."""


class WalkerBuilder:
    """Puts a walker into Box2D worlds; the definitions of its parts are made once."""

    def __init__(self, box2d: Any, walker: Walker):
        width, length = walker.leg_width / UNITS_PER_METRE, walker.leg_length / UNITS_PER_METRE
        self._length = length
        self._standing_height = walker.standing_height
        self._hips = [(x / UNITS_PER_METRE, y / UNITS_PER_METRE) for x, y in walker.hips]
        hull = [(x / UNITS_PER_METRE, y / UNITS_PER_METRE) for x, y in walker.hull]
        self._body = box2d.b2BodyDef(type=box2d.b2_dynamicBody)
        self._hull = _fixture(box2d, box2d.b2PolygonShape(vertices=hull), _HULL_DENSITY, _HULL_FRICTION)
        self._upper, self._lower = (
            _fixture(box2d, box2d.b2PolygonShape(box=(0.5 * w, 0.5 * length)), _LEG_DENSITY, _LEG_FRICTION)
            for w in (width, _LOWER_WIDTH * width)
        )
        top, bottom = (0.0, 0.5 * length), (0.0, -0.5 * length)
        self._hip_joints = [_joint(box2d, hip, top, walker.torque, _HIP_LIMITS) for hip in self._hips]
        self._knee_joint = _joint(box2d, bottom, top, walker.torque, _KNEE_LIMITS)

    def build(self, world: Any, x: float, ground: float) -> Assembly:
        """Make the walker, standing on the ground at ``x``."""
        y = ground + self._standing_height
        parts = Assembly(self._part(world, self._hull, x, y, 0.0), [], [], [])
        for (hip_x, hip_y), hip in zip(self._hips, self._hip_joints, strict=True):
            for side in (-1.0, 1.0):
                top = y - hip_y  # above the hip: the joints pull the legs into place in the first step
                angle = side * _START_ANGLE
                upper = self._part(world, self._upper, x + hip_x, top - 0.5 * self._length, angle)
                lower = self._part(world, self._lower, x + hip_x, top - 1.5 * self._length, angle)
                parts.joints.append(_connect(world, hip, parts.hull, upper, side))
                parts.joints.append(_connect(world, self._knee_joint, upper, lower, 1.0))
                parts.feet.append(lower)
                parts.uppers.append(upper)
        return parts

    def _part(self, world: Any, fixture: Any, x: float, y: float, angle: float) -> Any:
        self._body.position = (x, y)
        self._body.angle = angle
        body = world.CreateBody(self._body)
        body.CreateFixture(fixture)
        return body


def _fixture(box2d: Any, shape: Any, density: float, friction: float) -> Any:
    return box2d.b2FixtureDef(
        shape=shape,
        density=density,
        friction=friction,
        restitution=0.0,
        categoryBits=WALKER_CATEGORY,
        maskBits=GROUND_CATEGORY,
    )


def _joint(box2d: Any, anchor_a: Point, anchor_b: Point, torque: float, limits: tuple[float, float]) -> Any:
    return box2d.b2RevoluteJointDef(
        localAnchorA=anchor_a,
        localAnchorB=anchor_b,
        enableMotor=True,
        enableLimit=True,
        maxMotorTorque=torque,
        lowerAngle=limits[0],
        upperAngle=limits[1],
    )


def _connect(world: Any, joint: Any, body_a: Any, body_b: Any, speed: float) -> Any:
    joint.bodyA, joint.bodyB, joint.motorSpeed = body_a, body_b, speed
    joint.referenceAngle = body_b.angle - body_a.angle  # angles and limits count from the start, as in the original
    return world.CreateJoint(joint)
