"""Drawing simple scenes as arrays, without a screen: what the families in two dimensions render with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (30, 30, 34)
GREY: Colour = (170, 172, 178)
LIGHT_GREY: Colour = (226, 228, 232)
RED: Colour = (204, 72, 66)
GREEN: Colour = (78, 150, 88)
LIGHT_GREEN: Colour = (200, 226, 202)
BLUE: Colour = (66, 112, 180)
ORANGE: Colour = (224, 148, 58)

_FINENESS = 2  # drawn at twice the size and averaged: smooth edges


class Canvas:
    """A picture that is drawn on in the scene's own units, y upwards.

    width, height: of the picture in pixels. x_low, x_high: what of the scene it shows across; the unit is as long
    along y, and ``y_low`` is at the bottom.
    """

    def __init__(
        self,
        *,
        x_low: float,
        x_high: float,
        y_low: float,
        width: int = 600,
        height: int = 400,
        background: Colour = WHITE,
    ):
        self._scale = _FINENESS * width / (x_high - x_low)
        self._x_low, self._y_low = x_low, y_low
        self._size = (width, height)
        self._image = Image.new("RGB", (_FINENESS * width, _FINENESS * height), background)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._pixel(point) for point in points], fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 2.0) -> None:
        """Draw a line through the points; width in pixels of the picture."""
        self._draw.line([self._pixel(point) for point in points], fill=colour, width=round(_FINENESS * width))

    def circle(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fill a circle; radius in the scene's unit."""
        x, y = self._pixel(centre)
        r = radius * self._scale
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def text(self, point: Point, words: str, colour: Colour = BLACK, size: float = 14.0) -> None:
        """Write words whose lower left corner is at the point; size in pixels of the picture."""
        self._draw.text(self._pixel(point), words, fill=colour, font_size=_FINENESS * size, anchor="ls")

    def picture(self) -> NDArray[np.uint8]:
        """Give what was drawn, shape (height, width, 3)."""
        return np.asarray(self._image.resize(self._size, Image.Resampling.BOX)).copy()

    def _pixel(self, point: Point) -> Point:
        x, y = point
        return (x - self._x_low) * self._scale, self._image.height - (y - self._y_low) * self._scale
