"""Settings of the teacher benchmark: a simulated learner, a task space and a number of episodes, by a short name."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lifelong_rl.agents.simulated import MOST_CELLS, CompetenceGrid
from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.envs.toy_grid import toy_space

EPISODES: dict[str, int] = {
    "2d10": 20_000,
    "4d4": 40_000,
    "5d4": 100_000,
    "6d4": 200_000,
    "2d20": 40_000,
    "2d50": 100_000,
    "2d100": 200_000,
}
"""Episodes of the grids of Portelas et al. 2019 (multiples of 20,000 as there); other grids get 20,000."""

VARIANTS: dict[str, str] = {
    "noise": "a Gaussian of standard deviation 0.1 is added to every score",
    "noise30": "a Gaussian of standard deviation 0.3 is added to every score",
    "unfeasible": "the upper 70 % of the first axis can never be learned",
    "feasible": "the lower half of the first axis is mastered from the start",
    "forgetting": "the learner forgets everything after 35 % and 70 % of the episodes",
    "rugged": "each axis is cut in four parts, which are shuffled",
    "change": "halfway another learner goes on, for whom the opposite corner is easiest",
    "drift": "over the run, every task moves half an axis on, in every axis",
    "decay": "each episode takes 1 from a random cell with probability 0.2",
}
"""The stress variants: those of Romac et al. 2021 (skill tests) brought to the toy grid, noise, drift and decay."""


@dataclass(frozen=True)
class Setting:
    """A grid of ``n_cells`` cells on each of ``n_dims`` axes, and ``n_irrelevant`` axes that mean nothing."""

    n_dims: int = 2
    n_cells: int = 10
    n_irrelevant: int = 0
    variant: str = ""
    """A name of :data:`VARIANTS`, or empty."""
    n_episodes: int = 20_000

    @property
    def name(self) -> str:
        """The name that :func:`setting_of` understands."""
        extra = f"+{self.n_irrelevant}" if self.n_irrelevant else ""
        return f"{self.n_dims}d{self.n_cells}{extra}{'-' + self.variant if self.variant else ''}"

    def space(self) -> TaskSpace:
        """Give the task space: the unit cube, axis by axis."""
        return toy_space(self.n_dims, self.n_irrelevant)

    def learner(self, rng: np.random.Generator) -> CompetenceGrid:
        """Give a fresh learner; everything random about it comes from ``rng``."""
        n = self.n_episodes
        shape = self.n_dims, self.n_cells
        if self.variant == "noise":
            return CompetenceGrid(*shape, noise=0.1, rng=rng)
        if self.variant == "noise30":
            return CompetenceGrid(*shape, noise=0.3, rng=rng)
        if self.variant == "unfeasible":
            return CompetenceGrid(*shape, infeasible=0.7)
        if self.variant == "feasible":
            return CompetenceGrid(*shape, trivial=0.5)
        if self.variant == "forgetting":
            return CompetenceGrid(*shape, resets=(round(0.35 * n), round(0.7 * n)))
        if self.variant == "rugged":
            return CompetenceGrid(*shape, rugged=True, rng=rng)
        if self.variant == "change":
            return CompetenceGrid(*shape, mirrored_after=n // 2)
        if self.variant == "drift":
            return CompetenceGrid(*shape, drift=0.5 / n)
        if self.variant == "decay":
            return CompetenceGrid(*shape, decay=0.2, rng=rng)
        return CompetenceGrid(*shape)


MOST_DIMS = 12
"""The most axes that count: a cell of the grid has 2^axes - 1 previous neighbours."""

MOST_IRRELEVANT = 1000
"""The most axes that mean nothing."""


def setting_of(text: str, n_episodes: int | None = None) -> Setting:
    """Give the setting of a name like "2d10", "4d4", "2d10+10" (10 irrelevant axes) or "2d10-noise".

    n_episodes: None for the usual number of the grid. Raises ValueError for any other text.
    """
    match = re.fullmatch(r"([1-9]\d*)d([1-9]\d*)(?:\+(\d+))?(?:-(\w+))?", text)
    if match is None:
        raise ValueError(
            f"a setting is named DIMSdCELLS[+IRRELEVANT][-VARIANT], as 2d10, 2d10+10 or 4d4-noise; found {text!r}."
        )
    n_dims, n_cells, n_irrelevant = int(match[1]), int(match[2]), int(match[3] or 0)
    variant = match[4] or ""
    if variant and variant not in VARIANTS:
        raise unknown_name("variant of the toy grid", variant, VARIANTS)
    if n_dims > MOST_DIMS or n_irrelevant > MOST_IRRELEVANT:
        raise ValueError(
            f"a grid has at most {MOST_DIMS} axes and {MOST_IRRELEVANT:,} irrelevant ones, found {n_dims} and "
            f"{n_irrelevant:,} in {text!r}."
        )
    if variant == "unfeasible" and n_cells < 2:
        raise ValueError(
            f"{text!r} leaves no cell to learn: unfeasible takes 70 % of the first axis, give it 2 cells."
        )
    if n_cells**n_dims > MOST_CELLS:
        raise ValueError(f"the grid {text!r} has {n_cells}^{n_dims} cells; {MOST_CELLS:,} are the most.")
    if n_episodes is None:
        n_episodes = EPISODES.get(f"{n_dims}d{n_cells}", 20_000)
    if n_episodes < 1:
        raise ValueError(f"the number of episodes must be at least 1, found {n_episodes}.")
    return Setting(n_dims, n_cells, n_irrelevant, variant, n_episodes)


MOST_SEEDS = 100_000
"""The most seeds of one benchmark: far more than one can run, and few enough to list."""


def seeds_of(text: str) -> list[int]:
    """Give the seeds that "1..10" (both ends included), "3" or "0,2,5..7" stand for; ValueError for other text."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(
                f"seeds are given as 1..10, 3 or 0,2,5..7 (whole numbers from 0, none twice), found {text!r}."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= MOST_SEEDS:
            raise ValueError(f"at most {MOST_SEEDS:,} seeds can be given, found {text!r}.")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"each seed may be given once, found {text!r}.")
    return seeds
