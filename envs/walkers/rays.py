"""The rays by which a walker sees the track."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from lifelong_rl.envs.walkers.track import Point
from lifelong_rl.envs.walkers.walkers import GROUND_CATEGORY

N_RAYS = 10
RAY_LENGTH = 160.0 / 30.0
"""In m."""
RAYS: list[Point] = [(math.sin(0.15 * i) * RAY_LENGTH, -math.cos(0.15 * i) * RAY_LENGTH) for i in range(N_RAYS)]
"""From the hull to their ends, without the hull's tilt: from straight down to 1.35 rad ahead of it."""


class Lidar:
    """Casts the rays in a Box2D world, through one callback that is used again and again."""

    def __init__(self, box2d: Any):
        self._nearest = _nearest_hit(box2d)()

    def fractions(self, world: Any, x: float, y: float) -> list[float]:
        """Give how far each ray from (x, y) reaches until it meets the track, as a fraction of its length."""
        nearest, cast = self._nearest, world.RayCast
        seen = []
        for dx, dy in RAYS:
            nearest.fraction = 1.0
            cast(nearest, (x, y), (x + dx, y + dy))
            seen.append(nearest.fraction)
        return seen


@cache
def _nearest_hit(box2d: Any) -> Any:
    """Give a class of callbacks for Box2D's ray casts that keep the fraction of the nearest hit of the track."""

    class NearestHit(box2d.b2RayCastCallback):  # type: ignore[misc]  # made here: Box2D is imported where it is used
        fraction = 1.0

        def ReportFixture(self, fixture: Any, point: Any, normal: Any, fraction: float) -> float:
            if fixture.filterData.categoryBits != GROUND_CATEGORY:
                return -1.0  # a leg: look through it
            self.fraction = fraction
            return fraction  # look no further than this

    return NearestHit
