"""Toy learners of the teachers' tests."""

import numpy as np

from lifelong_rl.teachers import Outcomes


class Front:
    """A learner whose reach, from the origin outwards, grows by tasks that it nearly masters."""

    def __init__(self, reach):
        self.reach = reach

    def score(self, tasks):
        return np.clip((self.reach + 0.2 - tasks.max(axis=1)) / 0.2, 0.0, 1.0)

    def play(self, tasks):
        scores = self.score(tasks)
        self.reach += 0.002 * ((scores > 0.1) & (scores < 0.9)).sum()
        return scores


def play(teacher, n, score, size=10):
    """Let a teacher draw n tasks, ``size`` at a time, and hear the scores that ``score`` gives them."""
    for _ in range(n // size):
        tasks = teacher.sample(size)
        teacher.update(tasks, Outcomes.from_scores(score(tasks)))
