"""The teacher benchmark's single run: a teacher, a setting and a seed, on a simulated learner."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lifelong_rl.agents.simulated import MOST, UNLOCKED, CompetenceGrid, appraisal
from lifelong_rl.bench.settings import Setting
from lifelong_rl.bench.trace import Trace, TraceRecorder
from lifelong_rl.envs.space import is_in_unit_cube
from lifelong_rl.envs.state import state_to_bytes
from lifelong_rl.teachers import Outcomes, Teacher, make_teacher
from lifelong_rl.teachers.failures import teacher_failure

TEACHER, LEARNER = 0, 1  # children of the seed; a number here must never change its owner

N_MOMENTS = 20
"""Points of a mastery curve after its start."""


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
    state_bytes: int
    """Size of the teacher's saved state at the end."""
    curve: tuple[tuple[int, float], ...]
    """(episodes, mastery) at 20 even moments."""
    trace: Trace | None = None
    """What was played, where it was asked for."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The hyper-parameters that were given."""


def run_teacher(
    name: str,
    setting: Setting,
    seed: int,
    options: Mapping[str, Any] | None = None,
    *,
    is_traced: bool = False,
    note: Callable[[int], None] = lambda n_episodes: None,
) -> TeacherResult:
    """Let a teacher (a name or ``module:Class``, with hyper-parameters) train a fresh learner, one task at a time.

    is_traced: whether the result holds what was played. note: told of every stretch of episodes that is done.
    TeacherFailure for whatever the teacher raises or gives wrongly.
    """
    try:
        return _run(name, setting, seed, options or {}, is_traced, note)
    except (Exception, SystemExit) as error:
        raise teacher_failure(name, error, __file__, f" on {setting.name}, seed {seed}") from error


def check_measurable(name: str, setting: Setting, seed: int, options: Mapping[str, Any]) -> None:
    """Raise ValueError for a teacher that cannot start on a setting's tasks, whatever it raises itself."""
    try:
        bound_teacher(name, setting, seed, options)
    except ValueError:
        raise
    except Exception as error:
        raise teacher_failure(name, error, __file__, f" on {setting.name}, seed {seed}") from error


def _run(
    name: str,
    setting: Setting,
    seed: int,
    options: Mapping[str, Any],
    is_traced: bool,
    note: Callable[[int], None],
) -> TeacherResult:
    teacher = bound_teacher(name, setting, seed, options)
    learner = setting.learner(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(LEARNER,))))
    recorder = TraceRecorder(setting, learner) if is_traced else None
    n = setting.n_episodes
    ends = [round(n * share / N_MOMENTS) for share in range(1, N_MOMENTS + 1)]
    curve = [(0, learner.mastery)]
    total = slowest = 0
    with threadpool_limits(1):  # so that CPU time is that of one core, and seeds run beside one another
        for start, end in zip([0, *ends], ends, strict=False):
            spent, slowest_here = _play(teacher, learner, end - start, recorder)
            total, slowest = total + spent, max(slowest, slowest_here)
            curve.append((end, learner.mastery))
            note(end - start)
    return TeacherResult(
        teacher=name,
        setting=setting.name,
        seed=seed,
        n_episodes=n,
        mastery=learner.mastery,
        us_per_episode=total / n / 1e3,
        slowest_call_ms=slowest / 1e6,
        state_bytes=len(state_to_bytes(teacher.state_dict())),
        curve=tuple(curve),
        trace=None if recorder is None else recorder.trace(),
        options=dict(options),
    )


def bound_teacher(name: str, setting: Setting, seed: int, options: Mapping[str, Any] | None = None) -> Teacher:
    """Give a teacher that starts afresh on a setting's tasks; ValueError where it cannot be measured there."""
    teacher = make_teacher(name, **(options or {}))
    teacher.reset(setting.space(), np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(TEACHER,))))
    return teacher


def _play(
    teacher: Teacher, learner: CompetenceGrid, n_episodes: int, recorder: TraceRecorder | None
) -> tuple[int, int]:
    """Play on; gives the teacher's CPU time and its slowest call, in nanoseconds."""
    clock = time.process_time_ns
    shape = (1, teacher.space.dimension)
    needs, is_selective = teacher.needs, teacher.is_selective
    total = slowest = 0
    for _ in range(n_episodes):
        start = clock()
        task = teacher.sample(1)
        sampled = clock()
        if not (isinstance(task, np.ndarray) and task.shape == shape and is_in_unit_cube(task)):
            raise ValueError(f"sample(1) must give an array of shape {shape} with numbers in [0, 1], found {task!r}")
        untrained = teacher.untrained if is_selective else None
        outcomes = _outcomes(learner, task[0], needs, is_trained=untrained is None or not untrained[0])
        if recorder is not None:
            recorder.note(task[0], outcomes.scores[0])
        ready = clock()
        teacher.update(task, outcomes)
        updated = clock()
        total += updated - ready + sampled - start
        slowest = max(slowest, sampled - start, updated - ready)
    return total, slowest


def _outcomes(
    learner: CompetenceGrid, point: NDArray[np.float64], needs: frozenset[str], *, is_trained: bool
) -> Outcomes:
    """Play one task, shape (d,), and give what a teacher hears; a score above 0.75 is a success.

    An episode that is only looked at (``is_trained=False``) is one of the budget too.
    """
    value = learner.value(point) if needs else 0.0
    score = np.array([learner.play(point, is_trained=is_trained)])
    extra = {}
    if needs:
        given = appraisal(value, float(score[0]))
        extra = {name: np.array([given[name]]) for name in needs}
    return Outcomes.trusted(score, score, score > UNLOCKED / MOST, _ONE_STEP, extra)


_ONE_STEP = np.ones(1, dtype=np.int64)
