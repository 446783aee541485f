"""What random actions are worth in the classic and point families: the bottom of each page's scores.

python benchmarks/classic_scores.py --output benchmarks/results/classic_scores.md
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import tyro
from mujoco_scores import rows

FAMILIES = (
    *("acrobot", "cartpole-physics", "cartpole-swing-up", "mountain-car-continuous", "pendulum-physics"),
    *("point-mass", "point-goal", "far-goal", "toy-grid"),
)


@dataclass(frozen=True)
class ScoreConfig:
    """Settings of the measurement."""

    n_episodes: int = 1000
    """Episodes of the default task, of seeds 0, 1, ..."""
    output: Path | None = None
    """Markdown file to write the table to."""


def main(config: ScoreConfig) -> None:
    """Play, print, and write the table."""
    lines = [
        "# Scores of random actions in the classic and point families",
        "",
        f"`python benchmarks/classic_scores.py`: the default task, {config.n_episodes:,} episodes, seeds 0, 1, ...",
        f"gymnasium {gymnasium.__version__}, numpy {np.__version__}.",
        "",
        "| family | actions | return | its standard deviation | steps | score | successes |",
        "|---|---|---|---|---|---|---|",
        *(line for name in FAMILIES for line in rows(name, config.n_episodes, ["random"])),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(ScoreConfig))
