"""Stump Tracks: a walker on a track with stumps in its way (Portelas et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import numpy as np

from lifelong_rl.envs.asked import task_count
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.walkers.simulation import WalkerTaskEnv
from lifelong_rl.envs.walkers.track import GROUND, N_STEPS, STEP, Box, Track

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
        n_stumps = int((N_STEPS - self.pad_steps) / period)
        heights = np.maximum(LEAST_HEIGHT, rng.normal(self._height, HEIGHT_NOISE, n_stumps)).tolist()
        first = self.pad_steps + self._spacing
        boxes = [
            Box(left * STEP, (left + STUMP_WIDTH) * STEP, GROUND, GROUND + height * STEP)
            for left, height in zip((first + period * i for i in range(n_stumps)), heights, strict=True)
        ]
        return Track(boxes=boxes)

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give an even grid over both features where n is a square from 4 on, else a uniform sample.

        So 100 tasks are a grid of 10 heights by 10 spacings, ends included, as in TeachMyAgent (Romac et al. 2021).
        """
        n = task_count(n)
        per_axis = math.isqrt(n)
        if n < 4 or per_axis**2 != n:
            return super().standard_tasks(n)
        axes = [feature.from_unit(np.linspace(0.0, 1.0, per_axis)) for feature in cls.task_space.features]
        return [
            cls.task_space.task(
                {"stump_height": height, "obstacle_spacing": spacing},
                name=f"height-{height:.3g}-spacing-{spacing:.3g}",
            )
            for height, spacing in product(*axes)
        ]


class StumpTracksHard(StumpTracks):
    """Stump Tracks with stumps up to 5 steps, most of which no walker passes: the harder spaces of the paper.

    Its space up to 4 is ``StumpTracksHard.task_space.subspace(stump_height=(0, 4))``.
    """

    task_space = stump_space("stump-tracks-hard", 5.0)
