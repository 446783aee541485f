"""Stump Tracks: a walker on a track with stumps in its way (Portelas et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.walkers.simulation import WalkerTaskEnv
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, PAD_STEPS, STEP, Box, Track

HEIGHT_NOISE = 0.1
"""Standard deviation of the height of each stump about the task's, in steps."""
LEAST_HEIGHT = 0.05
"""No stump is lower, in steps."""
LEAST_SPACING = 0.01
"""In steps."""
STUMP_WIDTH = 1.0
"""In steps."""


def stump_space(family: str, highest: float) -> TaskSpace:
    """Give the task space of Stump Tracks up to a height, in steps."""
    return TaskSpace(
        family,
        [
            Feature.real("stump_height", 0.0, highest, 0.0, unit="steps"),
            Feature.real("obstacle_spacing", 0.0, 6.0, 3.0, unit="steps"),
        ],
    )


class StumpTracks(WalkerTaskEnv):
    """A walker on flat ground with stumps, as in Portelas et al. 2019 (TeachMyAgent uses them too).

    A step is 14/30 m. Each stump is 1 step wide and max(0.05, N(``stump_height``, 0.1)) steps high;
    ``obstacle_spacing``, at least 0.01, is free from one stump to the next, and from the pad to the first.
    """

    task_space = stump_space("stump-tracks", 3.0)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over height and spacing."""
        self._height = float(params["stump_height"])
        self._spacing = max(LEAST_SPACING, float(params["obstacle_spacing"]))

    def build_track(self, rng: np.random.Generator) -> Track:
        """Put stumps from the pad to the end."""
        period = self._spacing + STUMP_WIDTH
        n_stumps = int((N_STEPS - PAD_STEPS) / period)
        heights = np.maximum(LEAST_HEIGHT, rng.normal(self._height, HEIGHT_NOISE, n_stumps)).tolist()
        first = PAD_STEPS + self._spacing
        boxes = [
            Box(left * STEP, (left + STUMP_WIDTH) * STEP, GROUND, GROUND + height * STEP)
            for left, height in zip((first + period * i for i in range(n_stumps)), heights, strict=True)
        ]
        return Track(boxes=boxes)
