"""The random teacher: uniform tasks, the reference that every curriculum has to beat."""

from __future__ import annotations

import numpy as np

from lifelong_rl.teachers.base import Floats, Outcomes, Teacher


class RandomTeacher(Teacher):
    """Draws every task uniformly from the task space and learns nothing (domain randomisation)."""

    def sample(self, n: int = 1) -> Floats:
        """Give ``n`` uniform tasks, shape (n, d) in [0, 1]."""
        return self.space.sample(n, self.rng)

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Check the tasks, shape (n, d), and their outcomes, and forget them."""
        self.checked(tasks, outcomes)

    def diagnostics(self) -> dict[str, float]:
        """Give the entropy of the draws (1: uniform) and their random share (1: all)."""
        return {"entropy": 1.0, "random_share": 1.0}

    def density(self, points: Floats) -> Floats:
        """Give 1 at each point of the unit cube, shape (n, d); shape (n,)."""
        return np.ones(len(self.space.check_points(points)))
