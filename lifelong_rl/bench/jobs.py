"""Running teachers x settings x seeds, several at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from tqdm import tqdm

from lifelong_rl.bench.settings import Setting
from lifelong_rl.bench.teachers import TeacherResult, check_measurable, run_teacher
from lifelong_rl.envs.lookup import unknown_name
from lifelong_rl.teachers import TEACHERS, teacher_class_of
from lifelong_rl.teachers.base import hyperparameter_names
from lifelong_rl.teachers.failures import TeacherFailure

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


Outcome = TeacherResult | TeacherFailure | None
"""What a job came to; None where it was dropped."""


class SomeFailed(ValueError):
    """Some teachers failed; the message has a sentence a teacher, and ``results`` what the others came to."""

    def __init__(self, failures: Sequence[TeacherFailure], results: Sequence[TeacherResult]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.results = list(results)


def jobs_of(
    teachers: Sequence[str],
    settings: Sequence[Setting],
    seeds: Sequence[int],
    options: Mapping[str, Any],
    *,
    is_traced: bool = False,
) -> list[Job]:
    """Give all combinations, teacher by teacher; ValueError for what cannot be measured, or is given twice.

    options: hyper-parameters of the teachers that have them; what stands under the name of a teacher is for it alone.
    is_traced: whether the first seed of each teacher and setting keeps what was played.
    """
    _check_distinct("teacher", teachers)
    _check_distinct("setting", [setting.name for setting in settings])
    if not seeds:
        raise ValueError("give at least one seed.")
    options_by_teacher = _options_by_teacher(teachers, options)
    jobs = []
    for teacher, own in options_by_teacher.items():
        for setting in settings:
            check_measurable(teacher, setting, seeds[0], own)
            jobs += [Job(teacher, setting, seed, own, is_traced and seed == seeds[0]) for seed in seeds]
    return jobs


def _options_by_teacher(teachers: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give each teacher the shared options that it has, and its own; ValueError for one that nobody has."""
    known = {teacher: hyperparameter_names(teacher_class_of(teacher)) for teacher in teachers}
    shared = {name: value for name, value in options.items() if name not in teachers}
    for name, value in shared.items():
        if any(name in names for names in known.values()):
            continue
        if isinstance(value, Mapping) and (name in TEACHERS or ":" in name):
            raise ValueError(
                f"there are options of {name!r}, which is none of the teachers: add it, or leave them out."
            )
        every = {each for names in known.values() for each in names}
        raise unknown_name(f"hyper-parameter (of {', '.join(teachers)})", name, every)
    found = {}
    for teacher, names in known.items():
        own = options.get(teacher, {})
        if not isinstance(own, Mapping):
            raise ValueError(f"options of one teacher are given as {teacher}.name=value, found {own!r}.")
        found[teacher] = {name: value for name, value in shared.items() if name in names} | dict(own)
    return found


def without(jobs: Sequence[Job], done: Sequence[TeacherResult]) -> list[Job]:
    """Give the jobs of which no result is there."""
    finished = {(result.teacher, result.setting, result.seed) for result in done}
    return [job for job in jobs if (job.teacher, job.setting.name, job.seed) not in finished]


def in_order(jobs: Sequence[Job], results: Sequence[TeacherResult]) -> list[TeacherResult]:
    """Give the results of jobs in the order of the jobs, as far as they are there."""
    found = {(result.teacher, result.setting, result.seed): result for result in results}
    keys = [(job.teacher, job.setting.name, job.seed) for job in jobs]
    return [found[key] for key in keys if key in found]


def _check_distinct(what: str, names: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"give at least one {what}.")
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
    the usual ``if __name__ == "__main__":``. Where a teacher fails, its other jobs are dropped, those of the
    others go on, and SomeFailed says what went wrong at the end.
    """
    check_processes(n_processes)
    n_episodes = sum(job.setting.n_episodes for job in jobs)
    run = _run_here if min(n_processes, len(jobs)) <= 1 else _run_in_processes
    with (
        _ended_by_sigterm(),
        tqdm(total=n_episodes, unit="episode", unit_scale=True, disable=not show_progress) as bar,
    ):
        outcomes = run(jobs, n_processes, bar, keep)
    results = [outcome for outcome in outcomes if isinstance(outcome, TeacherResult)]
    if failures := [outcome for outcome in outcomes if isinstance(outcome, TeacherFailure)]:
        raise SomeFailed(failures, results) from failures[0]
    return results


def _run_here(
    jobs: Sequence[Job], n_processes: int, bar: Any, keep: Callable[[TeacherResult], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    failed: set[str] = set()
    for job in jobs:
        outcome: Outcome = None
        if job.teacher not in failed:
            try:
                outcome = _run(job, bar.update)
                keep(outcome)
            except TeacherFailure as failure:
                outcome = failure
                failed.add(job.teacher)
        outcomes.append(outcome)
    return outcomes


def _run_in_processes(
    jobs: Sequence[Job], n_processes: int, bar: Any, keep: Callable[[TeacherResult], None]
) -> list[Outcome]:
    context = multiprocessing.get_context("spawn")
    n_done = context.Value("q", 0)
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(n_processes, len(jobs)), context, initializer=_share, initargs=(n_done,)) as pool:
        try:
            with _interrupts_held_back():
                running = {pool.submit(_run_and_count, job): job for job in jobs}
            return _watch(running, n_done, bar, keep)
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watch(
    running: Mapping[Future[TeacherResult], Job], n_done: Any, bar: Any, keep: Callable[[TeacherResult], None]
) -> list[Outcome]:
    """Show how far the jobs are until all are done; drop the waiting ones of a teacher that failed."""
    outcomes: dict[Future[TeacherResult], Outcome] = dict.fromkeys(running)
    pending, failed = set(running), set()
    while pending:
        done, pending = wait(pending, timeout=POLL_S)
        bar.update(n_done.value - bar.n)
        for each in done:
            if each.cancelled():
                continue
            try:
                outcomes[each] = each.result()
                keep(each.result())
            except TeacherFailure as failure:
                if running[each].teacher not in failed:
                    outcomes[each] = failure
                failed.add(running[each].teacher)
        for each in pending:
            if running[each].teacher in failed:
                each.cancel()
    return list(outcomes.values())


class Terminated(KeyboardInterrupt):
    """The benchmark was asked to end by SIGTERM, which ends it as Ctrl-C does."""

    signal_number = signal.SIGTERM


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that it ends the processes that it started."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return

    def end(number: int, frame: Any) -> None:
        raise Terminated("stopped")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait while processes start: they inherit that, and have no traceback to print before they are up."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(job: Job, note: Any) -> TeacherResult:
    return run_teacher(job.teacher, job.setting, job.seed, job.options, is_traced=job.is_traced, note=note)


# In the processes

_n_done: Any = None


def _share(n_done: Any) -> None:
    global _n_done
    _n_done = n_done
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a process without a traceback of its own
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, by whatever signal."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


def _run_and_count(job: Job) -> TeacherResult:
    return _run(job, _count)


def _count(n_episodes: int) -> None:
    with _n_done.get_lock():
        _n_done.value += n_episodes
