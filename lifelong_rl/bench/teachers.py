"""The teacher benchmark: teachers x settings x seeds, on a simulated learner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifelong_rl.bench.settings import Setting
from lifelong_rl.teachers import Outcomes, make_teacher

TEACHER, LEARNER = 0, 1  # children of the seed; a number here must never change its owner


@dataclass(frozen=True)
class TeacherResult:
    """One seed of one teacher in one setting."""

    teacher: str
    setting: str
    seed: int
    n_episodes: int
    mastery: float
    """Final percent of the learnable cells that are mastered."""
    us_per_episode: float
    """CPU time of the teacher (sample and update) an episode, in microseconds."""
    slowest_call_ms: float
    """The slowest single sample or update, CPU time."""
    curve: tuple[tuple[int, float], ...]
    """(episodes, mastery) at 20 even moments."""


def run_teacher(name: str, setting: Setting, seed: int, options: Mapping[str, Any] | None = None) -> TeacherResult:
    """Let a teacher (a name or ``module:Class``, with hyper-parameters) train a fresh learner, one task at a time."""
    teacher = make_teacher(name, **(options or {}))
    teacher.reset(setting.space(), np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(TEACHER,))))
    learner = setting.learner(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(LEARNER,))))
    clock = time.process_time_ns
    n = setting.n_episodes
    moments = {round(n * share / 20) for share in range(1, 21)}
    total = slowest = 0
    curve = [(0, learner.mastery)]
    for episode in range(1, n + 1):
        start = clock()
        task = teacher.sample(1)
        sampled = clock()
        score = learner.play(task[0])
        played = clock()
        teacher.update(task, Outcomes.from_scores([score]))
        updated = clock()
        total += updated - played + sampled - start
        slowest = max(slowest, sampled - start, updated - played)
        if episode in moments:
            curve.append((episode, learner.mastery))
    return TeacherResult(name, setting.name, seed, n, learner.mastery, total / n / 1e3, slowest / 1e6, tuple(curve))
