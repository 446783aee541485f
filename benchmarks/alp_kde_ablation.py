"""What each ingredient of ALP-KDE brings on the toy grid: final mastery with one of them changed at a time.

    .venv/bin/python benchmarks/alp_kde_ablation.py --settings 2d10,2d10-noise30 --seeds 1..10
    .venv/bin/python benchmarks/alp_kde_ablation.py --teachers full,"no adaptation",riac --seeds 1..3

``--teachers`` takes names of ``VARIANTS`` below and of registered teachers, all variants where it is left out.
Nothing is timed: the clock costs more than a teacher on some machines (``lifelong-rl bench teachers`` times).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from lifelong_rl.bench.settings import Setting, setting_of
from lifelong_rl.teachers import ALPKDE, Outcomes, Teacher, make_teacher
from lifelong_rl.teachers.alp_kde import RecentProgress
from lifelong_rl.teachers.base import Floats
from lifelong_rl.teachers.progress import ProgressHistory


class OldNeighbours(ALPKDE):
    """ALP-KDE whose progress is measured against the nearest of all earlier tasks, as ALP-GMM's is."""

    def reset(self, space, rng):
        """Bind to a task space and start afresh, with all of the history."""
        super().reset(space, rng)
        self._recent = WindowOfAll(space, self.window)


class WindowOfAll(RecentProgress):
    """The recent episodes with their progress against the whole history."""

    def __init__(self, space, size):
        """Start empty."""
        super().__init__(space, size)
        self._history = ProgressHistory(space)

    def append(self, tasks: Floats, scores: Floats) -> None:
        """Add n episodes."""
        super().append(tasks, scores)
        self._history.append(tasks, scores)
        n = min(len(tasks), len(self))
        self.progress[len(self) - n :] = self._history.recent_progress(n)


class Clipped(ALPKDE):
    """ALP-KDE that clips to the cube instead of reflecting."""

    def _moved(self, tasks: Floats, uniform: Floats) -> Floats:
        from scipy.special import ndtri

        return np.clip(tasks + self._widths * ndtri(np.maximum(uniform, 1e-16)), 0.0, 1.0)


VARIANTS: dict[str, Callable[[], Teacher]] = {
    "full": ALPKDE,
    "first rule": lambda: OldNeighbours(noisy_exponent=0.5, random_fraction=0.2),
    "old neighbours": OldNeighbours,
    "no adaptation": lambda: ALPKDE(noisy_exponent=0.5),
    "always exponent 2": lambda: ALPKDE(exponent=2.0),
    "20 % uniform": lambda: ALPKDE(random_fraction=0.2),
    "5 % uniform": lambda: ALPKDE(random_fraction=0.05),
    "jitter 2 %": lambda: ALPKDE(jitter=0.02),
    "jitter 10 %": lambda: ALPKDE(jitter=0.1),
    "window 100": lambda: ALPKDE(window=100),
    "window 500": lambda: ALPKDE(window=500),
    "clipped": Clipped,
    "gain only": lambda: ALPKDE(loss_weight=0.0),
}
"""The rule as it is, the first form of it (specs/teachers.md, section 2), and one change at a time."""


def final_mastery(teacher: Teacher, setting: Setting, seed: int) -> float:
    """Give the mastery that ``run_teacher`` gives for this seed, without timing."""
    teacher_seed, learner_seed = (np.random.SeedSequence(seed, spawn_key=(owner,)) for owner in (0, 1))
    teacher.reset(setting.space(), np.random.default_rng(teacher_seed))
    learner = setting.learner(np.random.default_rng(learner_seed))
    for _ in range(setting.n_episodes):
        task = teacher.sample(1)
        teacher.update(task, Outcomes.from_scores([learner.play(task[0])]))
    return learner.mastery


def main() -> None:
    """Print mean, standard deviation and every seed's mastery, a line a teacher and setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teachers", default=",".join(VARIANTS))
    parser.add_argument("--settings", default="2d10,2d10+10,4d4,2d10-noise,2d10-noise30,2d10-rugged")
    parser.add_argument("--seeds", default="1..3", help="first..last")
    parser.add_argument("--episodes", type=int, default=None)
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split(".."))
    for name in arguments.teachers.split(","):
        for text in arguments.settings.split(","):
            setting = setting_of(text, arguments.episodes)
            make = VARIANTS.get(name, lambda name=name: make_teacher(name))
            results = [final_mastery(make(), setting, seed) for seed in range(first, last + 1)]
            mean, spread = np.mean(results), np.std(results)
            print(f"{name:18s} {text:16s} {mean:6.1f} +- {spread:4.1f}  {np.round(results, 1).tolist()}", flush=True)


if __name__ == "__main__":
    main()
