"""Running teachers x settings x seeds, several at once."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from lifelong_rl.bench.settings import Setting
from lifelong_rl.bench.teachers import TeacherResult, bound_teacher, run_teacher

POLL_S = 0.2
"""Seconds between looks at how far the processes are."""


@dataclass(frozen=True)
class Job:
    """One seed of one teacher in one setting."""

    teacher: str
    setting: Setting
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    is_traced: bool = False


def jobs_of(
    teachers: Sequence[str],
    settings: Sequence[Setting],
    seeds: Sequence[int],
    options: Mapping[str, Any],
    *,
    is_traced: bool = False,
) -> list[Job]:
    """Give all combinations, teacher by teacher; ValueError for what cannot be measured, or is given twice.

    options: hyper-parameters of all the teachers; what stands under the name of one of them is for it alone.
    is_traced: whether the first seed of each teacher and setting keeps what was played.
    """
    _check_distinct("teacher", teachers)
    _check_distinct("setting", [setting.name for setting in settings])
    shared = {name: value for name, value in options.items() if name not in teachers}
    jobs = []
    for teacher in teachers:
        own_options = options.get(teacher, {})
        if not isinstance(own_options, Mapping):
            raise ValueError(f"options of one teacher are given as {teacher}.name=value, found {own_options!r}.")
        own = {**shared, **own_options}
        for setting in settings:
            bound_teacher(teacher, setting, seeds[0], own)
            jobs += [Job(teacher, setting, seed, own, is_traced and seed == seeds[0]) for seed in seeds]
    return jobs


def _check_distinct(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the {what} {name!r} is given twice.")


def check_processes(n_processes: int) -> None:
    """Raise ValueError for a number of processes that cannot be."""
    if n_processes < 1:
        raise ValueError(f"the number of processes must be at least 1, found {n_processes}.")


def run_jobs(
    jobs: Sequence[Job],
    n_processes: int,
    *,
    show_progress: bool = True,
    keep: Callable[[TeacherResult], None] = lambda result: None,
) -> list[TeacherResult]:
    """Run all jobs, up to ``n_processes`` at once, and give their results in the order of the jobs.

    keep: is given each result as soon as it is there. One process means this one. More are spawned: a script needs
    the usual ``if __name__ == "__main__":``.
    """
    check_processes(n_processes)
    n_episodes = sum(job.setting.n_episodes for job in jobs)
    with tqdm(total=n_episodes, unit="episode", unit_scale=True, disable=not show_progress) as bar:
        if min(n_processes, len(jobs)) == 1:
            return [_kept(_run(job, bar.update), keep) for job in jobs]
        return _run_in_processes(jobs, n_processes, bar, keep)


def _kept(result: TeacherResult, keep: Callable[[TeacherResult], None]) -> TeacherResult:
    keep(result)
    return result


def _run_in_processes(
    jobs: Sequence[Job], n_processes: int, bar: Any, keep: Callable[[TeacherResult], None]
) -> list[TeacherResult]:
    context = multiprocessing.get_context("spawn")
    n_done = context.Value("q", 0)
    is_stopping = context.Event()
    shared = (n_done, is_stopping)
    with ProcessPoolExecutor(min(n_processes, len(jobs)), context, initializer=_share, initargs=shared) as pool:
        running = [pool.submit(_run_and_count, job) for job in jobs]
        try:
            _watch(running, n_done, bar, keep)
        except BaseException:
            is_stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [each.result() for each in running]


def _watch(
    running: Sequence[Future[TeacherResult]], n_done: Any, bar: Any, keep: Callable[[TeacherResult], None]
) -> None:
    """Show how far the jobs are until all are done or one has failed."""
    pending = set(running)
    while pending:
        done, pending = wait(pending, timeout=POLL_S)
        bar.update(n_done.value - bar.n)
        for each in done:
            keep(each.result())


def _run(job: Job, note: Any) -> TeacherResult:
    return run_teacher(job.teacher, job.setting, job.seed, job.options, is_traced=job.is_traced, note=note)


# In the processes

_shared: Any = None


def _share(n_done: Any, is_stopping: Any) -> None:
    global _shared
    _shared = n_done, is_stopping
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a process without a traceback of its own


def _run_and_count(job: Job) -> TeacherResult:
    return _run(job, _count)


def _count(n_episodes: int) -> None:
    n_done, is_stopping = _shared
    if is_stopping.is_set():
        raise InterruptedError("another job failed")
    with n_done.get_lock():
        n_done.value += n_episodes
