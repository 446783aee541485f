"""Hexagon Tracks: a walker on a track with hexagons of one shape in its way (Portelas et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lifelong_rl.envs.space import Feature, TaskSpace, Value
from lifelong_rl.envs.walkers.simulation import WalkerTaskEnv
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, STEP, Track

SPACING = 8
"""Steps from one hexagon to the next."""
VERTEX_NOISE = 0.1
"""Standard deviation of each coordinate of each hexagon's vertices about the task's, in steps."""
LARGEST_OFFSET = 4.0
"""In steps."""
HEXAGON = {
    "left_foot": (0.0, 0.0),
    "left_side": (-0.5, 0.5),
    "left_top": (0.0, 1.0),
    "right_top": (1.0, 1.0),
    "right_side": (1.5, 0.5),
    "right_foot": (1.0, 0.0),
}
"""The hexagon without offsets, in steps; both feet stay on the ground."""

_FEET = ("left_foot_y", "right_foot_y")
_COORDINATES = tuple(f"{vertex}_{axis}" for vertex in HEXAGON for axis in ("x", "y"))


def hexagon_space(family: str, names: tuple[str, ...]) -> TaskSpace:
    """Give the task space of these coordinates."""
    return TaskSpace(family, [Feature.real(name, 0.0, LARGEST_OFFSET, 0.0, unit="steps") for name in names])


class HexagonTracks(WalkerTaskEnv):
    """A walker on flat ground with a hexagon every 8 steps, as in Portelas et al. 2019.

    A step is 14/30 m. The features are what is added to the coordinates of :data:`HEXAGON`; each hexagon's own
    offsets are N(feature, 0.1), and the obstacle is the convex hull of the vertices. The published space has 12
    dimensions; the two that do nothing, the heights of the feet, are in :class:`HexagonTracks12` only.
    """

    task_space = hexagon_space("hexagon-tracks", tuple(name for name in _COORDINATES if name not in _FEET))

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the vertices."""
        moved = [float(params[name]) if name not in _FEET else 0.0 for name in _COORDINATES]
        self._vertices = np.array(list(HEXAGON.values())) + np.reshape(moved, (6, 2))

    def build_track(self, rng: np.random.Generator) -> Track:
        """Put hexagons from the end of the pad to the end of the track."""
        origins = range(self.pad_steps, N_STEPS, SPACING)
        vertices = rng.normal(self._vertices, VERTEX_NOISE, (len(origins), 6, 2))
        vertices[:, (0, 5), 1] = 0.0
        vertices[:, :, 0] += np.reshape(origins, (-1, 1))
        points = STEP * vertices + (0.0, GROUND)
        return Track(polygons=[[(x, y) for x, y in polygon] for polygon in points.tolist()])


class HexagonTracks12(HexagonTracks):
    """Hexagon Tracks with the 12 dimensions as published: the heights of the feet are features and do nothing.

    For comparing teachers on the published space. ``check_task_env`` refuses it, for these two.
    """

    task_space = hexagon_space("hexagon-tracks-12", _COORDINATES)
