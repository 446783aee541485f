"""Pictures of walkers and tracks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.drawing import BLACK, BLUE, GREEN, GREY, ORANGE, RED, Canvas, Colour
from lifelong_rl.envs.walkers.rays import RAYS
from lifelong_rl.envs.walkers.track import GROUND, Track, convex_hull
from lifelong_rl.envs.walkers.walkers import Assembly

_BEHIND, _BELOW, _WIDTH = 3.5, 1.2, 12.0  # m of the track behind the hull, below the ground, and in the picture
_FREE_HEIGHT = 1.5  # m by which a hull may rise or fall before the picture follows
_FAR_BELOW = 50.0


def draw_scene(
    track: Track, parts: Assembly, fractions: Sequence[float], standing_height: float
) -> NDArray[np.uint8]:
    """Give a picture that follows the hull: 12 m of the track, shape (300, 600, 3).

    fractions: how far the rays reach. standing_height: of the hull above the ground, in m.
    """
    x, y = parts.hull.position
    left = x - _BEHIND
    risen = y - standing_height - GROUND
    followed = math.copysign(max(0.0, abs(risen) - _FREE_HEIGHT), risen)
    canvas = Canvas(x_low=left, x_high=left + _WIDTH, y_low=GROUND - _BELOW + followed, width=600, height=300)
    draw_track(canvas, track)
    for fraction, (dx, dy) in zip(fractions, RAYS, strict=True):
        canvas.line([(x, y), (x + fraction * dx, y + fraction * dy)], RED, width=0.5)
    _draw_legs(canvas, parts, 0, ORANGE)  # of each pair the first leg is behind the hull
    _draw_body(canvas, parts.hull, BLUE)
    _draw_legs(canvas, parts, 1, GREEN)
    return canvas.picture()


def draw_track(canvas: Canvas, track: Track) -> None:
    """Draw the ground and what stands on it."""
    (first, _), (last, _) = track.ground[0], track.ground[-1]
    canvas.polygon([(first, GROUND - _FAR_BELOW), *track.ground, (last, GROUND - _FAR_BELOW)], GREY)
    canvas.line(track.ground, BLACK)
    for box in track.boxes:
        canvas.polygon(box.corners, BLACK)
    for polygon in track.polygons:
        canvas.polygon(convex_hull(polygon), BLACK)


def _draw_legs(canvas: Canvas, parts: Assembly, first: int, colour: Colour) -> None:
    for body in (*parts.uppers[first::2], *parts.feet[first::2]):
        _draw_body(canvas, body, colour)


def _draw_body(canvas: Canvas, body: Any, colour: Colour) -> None:
    for fixture in body.fixtures:
        canvas.polygon([tuple(body.GetWorldPoint(vertex)) for vertex in fixture.shape.vertices], colour)
