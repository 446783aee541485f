"""Walker Tracks: rough ground, pits, stumps and stairs, eight features (POET, Wang et al. 2019; ACCEL, 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.walkers.simulation import WalkerTaskEnv
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, STEP, Box, Point, Track

FREE_STEPS = (5, 10)
"""Fewest and most steps between obstacles, both included."""
PIT_DEPTH = 4.0
"""In steps."""
STAIR_LENGTH = 4
"""Of each stair, in steps."""
STUMP_WIDTH = 1
"""In steps."""
LEAST_SIZE = 0.01
"""In steps: smaller edges are below Box2D's tolerance of 5 mm."""


def _range(name: str, highest: float) -> list[Feature]:
    return [Feature.real(f"{name}_{end}", 0.0, highest, 0.0, unit="steps") for end in ("low", "high")]


class WalkerTracks(WalkerTaskEnv):
    """A walker on rough ground with pits, stumps and stairs, in the eight features of POET and ACCEL.

    A step is 14/30 m. The first obstacle stands at the end of the pad, and 5 to 10 steps are free between one and the
    next; its kind is drawn among those whose range does not end at 0, and its size (width of the pit, height of the
    stump, height of each stair) is uniform in the kind's range, whichever of the range's two ends is the larger. A
    flight of stairs goes up or down, ``stair_steps`` stairs of 4 steps. Roughness 1 is the ground of Gymnasium's
    BipedalWalker: a random walk of the slope that is drawn back to the level, which stairs change.
    """

    task_space = TaskSpace(
        "walker-tracks",
        [
            Feature.real("roughness", 0.0, 10.0, 0.0),
            *_range("pit_gap", 10.0),
            *_range("stump_height", 5.0),
            *_range("stair_height", 5.0),
            Feature.integer("stair_steps", 1, 9, 1),
        ],
    )
    easy_space = task_space.subspace(
        roughness=(0.0, 0.6),
        pit_gap_low=(0.0, 0.8),
        pit_gap_high=(0.0, 0.8),
        stump_height_low=(0.0, 0.4),
        stump_height_high=(0.0, 0.4),
        stair_height_low=(0.0, 0.4),
        stair_height_high=(0.0, 0.4),
        stair_steps=1,
    )
    """Where curricula start from, as in ACCEL (Parker-Holder et al. 2022)."""

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the features; the ends of a range are put in order."""
        self._roughness = float(params["roughness"])
        self._stair_steps = int(params["stair_steps"])
        self._ranges = {
            kind: sorted((float(params[f"{kind}_low"]), float(params[f"{kind}_high"])))
            for kind in ("pit_gap", "stump_height", "stair_height")
        }
        self._kinds = [kind for kind, (_, high) in self._ranges.items() if high > 0.0]

    def build_track(self, rng: np.random.Generator) -> Track:
        """Lay ground and obstacles in turn, from the pad to the end."""
        course = Course(rng, self._roughness)
        course.flat(self.pad_steps)
        put: dict[str, Callable[[float], None]] = {
            "pit_gap": course.pit,
            "stump_height": course.stump,
            "stair_height": lambda height: course.stairs(height, self._stair_steps),
        }
        while course.x < N_STEPS:
            if self._kinds:
                kind = self._kinds[int(rng.integers(len(self._kinds)))]
                low, high = self._ranges[kind]
                put[kind](max(LEAST_SIZE, rng.uniform(low, high)))
            course.rough(int(rng.integers(FREE_STEPS[0], FREE_STEPS[1] + 1)))
        return course.track()

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: flat, rough, pits, stumps, stairs and all of them, then a fixed sample."""
        named = [cls.task_space.task(params, name=name) for name, params in _NAMED.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


class Course:
    """Lays a track from left to right; everything in steps."""

    def __init__(self, rng: np.random.Generator, roughness: float):
        self._rng = rng
        self._roughness = roughness / 14.0  # of 1/30 m, in steps
        self._slope = 0.0
        self._level = 0.0
        self._points: list[Point] = [(0.0, 0.0)]
        self._stumps: list[tuple[float, float, float]] = []

    @property
    def x(self) -> float:
        """How far the track has got."""
        return self._points[-1][0]

    def flat(self, n_steps: float) -> None:
        """Go on without change."""
        x, y = self._points[-1]
        self._go_to(x + n_steps, y)

    def rough(self, n_steps: int) -> None:
        """Go on over rough ground."""
        if not self._roughness:
            self.flat(n_steps)
            return
        for change in self._rng.uniform(-self._roughness, self._roughness, n_steps).tolist():
            x, y = self._points[-1]
            # 0.8 and 0.01 m: of Gymnasium's BipedalWalker
            self._slope = 0.8 * self._slope + (0.01 / STEP) * float(np.sign(self._level - y)) + change
            self._go_to(x + 1.0, y + self._slope)

    def pit(self, width: float) -> None:
        """Dig a pit with upright walls."""
        x, y = self._points[-1]
        self._points += [(x, y - PIT_DEPTH), (x + width, y - PIT_DEPTH), (x + width, y)]

    def stump(self, height: float) -> None:
        """Put a stump on level ground."""
        x, y = self._points[-1]
        self._stumps.append((x, y, height))
        self.flat(STUMP_WIDTH)

    def stairs(self, height: float, n_stairs: int) -> None:
        """Go up or down a flight of stairs."""
        rise = height if self._rng.random() < 0.5 else -height
        for _ in range(n_stairs):
            x, y = self._points[-1]
            self._points.append((x, y + rise))
            self.flat(STAIR_LENGTH)
            self._level += rise

    def track(self) -> Track:
        """Give the track in m."""
        ground = [(x * STEP, GROUND + y * STEP) for x, y in self._points]
        boxes = [
            Box(x * STEP, (x + STUMP_WIDTH) * STEP, GROUND + y * STEP, GROUND + (y + height) * STEP)
            for x, y, height in self._stumps
        ]
        return Track(ground, boxes)

    def _go_to(self, x: float, y: float) -> None:
        """Add a point; level ground that goes on stays one edge, which is fewer for Box2D."""
        if len(self._points) > 1 and self._points[-2][1] == self._points[-1][1] == y:
            self._points.pop()
        self._points.append((x, y))


_NAMED: dict[str, dict[str, Value]] = {
    "flat": {},
    "rough": {"roughness": 1.0},
    "pits": {"pit_gap_low": 1.0, "pit_gap_high": 3.0},
    "stumps": {"stump_height_low": 0.5, "stump_height_high": 2.0},
    "stairs": {"stair_height_low": 0.2, "stair_height_high": 0.8, "stair_steps": 3},
    "mixed": {
        "roughness": 0.6,
        "pit_gap_high": 0.8,
        "stump_height_high": 0.4,
        "stair_height_high": 0.4,
    },
}
