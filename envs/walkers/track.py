"""Tracks to walk on: the line of the ground, and what stands on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, float]

STEP = 14.0 / 30.0
"""Length of one step of a track in m: the unit in which tracks are described (Gymnasium's BipedalWalker)."""
N_STEPS = 200
"""Length of every track in steps."""
PAD_STEPS = 20
"""Steps at the start that are flat and free as published; the walker stands in their middle."""
END_STEPS = 190
"""An episode ends where the hull has come this far."""
GROUND = 10.0 / 3.0
"""Height of flat ground in m, as in Gymnasium's BipedalWalker."""
FRICTION = 2.5
"""Friction of the ground and of what stands on it."""


class Box(NamedTuple):
    """An upright box on the ground: its left edge, right edge, bottom and top in m."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def corners(self) -> list[Point]:
        """The corners, counter-clockwise."""
        return [(self.left, self.bottom), (self.right, self.bottom), (self.right, self.top), (self.left, self.top)]


def flat_ground() -> list[Point]:
    """Give the line of flat ground from the start to the end of a track."""
    return [(0.0, GROUND), (N_STEPS * STEP, GROUND)]


@dataclass(frozen=True)
class Track:
    """One track: the line of the ground from left to right, boxes, and convex polygons.

    Box2D makes the convex hull of the vertices of a polygon.
    """

    ground: list[Point] = field(default_factory=flat_ground)
    boxes: Sequence[Box] = ()
    polygons: Sequence[Sequence[Point]] = ()


def convex_hull(points: Sequence[Point]) -> list[Point]:
    """Give the corners of the convex hull, counter-clockwise: what Box2D makes of a polygon (monotone chain)."""
    ordered = sorted(points)
    return _half_hull(ordered) + _half_hull(ordered[::-1])


def _half_hull(ordered: Sequence[Point]) -> list[Point]:
    chain: list[Point] = []
    for x, y in ordered:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) > (y1 - y0) * (x - x0):  # a turn to the left
                break
            chain.pop()
        chain.append((x, y))
    return chain[:-1]


class TrackBuilder:
    """Puts tracks into Box2D worlds: the whole of a track is one static body.

    A body for each piece of ground and each obstacle, as in the originals, takes most of a reset. The shapes are made
    once and moved from fixture to fixture, since Box2D copies what a fixture is made of.
    """

    def __init__(self, box2d: Any):
        self._edge = box2d.b2EdgeShape()
        self._polygon = box2d.b2PolygonShape()
        self._edge_fixture = box2d.b2FixtureDef(shape=self._edge, friction=FRICTION)
        self._polygon_fixture = box2d.b2FixtureDef(shape=self._polygon, friction=FRICTION)
        self._body = box2d.b2BodyDef()

    def build(self, world: Any, track: Track) -> None:
        """Make the track's body in the world."""
        create = world.CreateBody(self._body).CreateFixture
        for (x0, y0), (x1, y1) in zip(track.ground, track.ground[1:], strict=False):
            self._edge.vertex1 = (x0, y0)
            self._edge.vertex2 = (x1, y1)
            create(self._edge_fixture)
        for box in track.boxes:
            centre = (0.5 * (box.left + box.right), 0.5 * (box.bottom + box.top))
            self._polygon.SetAsBox(0.5 * (box.right - box.left), 0.5 * (box.top - box.bottom), centre, 0.0)
            create(self._polygon_fixture)
        for vertices in track.polygons:
            self._polygon.vertices = list(vertices)
            create(self._polygon_fixture)
