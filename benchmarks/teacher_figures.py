"""Draw what each built-in teacher draws on the toy grid: the figures of the teachers' pages in docs/teachers.

    python benchmarks/teacher_figures.py --output docs/teachers/figures

One run a teacher, seed 1, setting 2d10 (20,000 episodes). Teachers that grow from an easy task are told that it is
the origin, and those that can do without the learner's values are asked to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from lifelong_rl.bench.pictures import task_distributions
from lifelong_rl.bench.settings import setting_of
from lifelong_rl.bench.teachers import run_teacher
from lifelong_rl.teachers import TEACHERS

OPTIONS: dict[str, dict[str, Any]] = {
    "adr": {"start": 0.0},
    "spdl": {"initial_mean": 0.05},
    "plr": {"score": "learnability"},
    "robust-plr": {"score": "learnability"},
    "accel": {"score": "learnability"},
    "restriction": {"bounds": {"x0": [0.0, 0.5]}},
}


@dataclass(frozen=True)
class Figures:
    """Run and draw."""

    output: Path
    """Folder of the figures, one NAME.png a teacher."""
    teacher: tuple[str, ...] = tuple(TEACHERS)
    """Names of teachers."""
    episodes: int | None = None
    """Episodes of each run; by default the usual number of the setting."""


def main(figures: Figures) -> None:
    figures.output.mkdir(parents=True, exist_ok=True)
    setting = setting_of("2d10", figures.episodes)
    for name in figures.teacher:
        options = OPTIONS.get(name, {})
        result = run_teacher(name, setting, 1, options, is_traced=True)
        assert result.trace is not None
        told = "".join(f", {key}={value!r}" for key, value in options.items())
        title = f"{name}{told}: {result.mastery:.0f} % mastered"
        task_distributions(result.trace, title).savefig(figures.output / f"{name}.png", dpi=60)
        print(f"{name}: {result.mastery:.0f} %", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Figures))
