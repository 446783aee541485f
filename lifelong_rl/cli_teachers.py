"""The commands on teachers."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from lifelong_rl.cli_options import Options, parse_options

if TYPE_CHECKING:
    from lifelong_rl.bench.teachers import TeacherResult


@dataclass(frozen=True)
class Bench:
    """Measure parts on a simulated learner: how much of it each teacher makes it master, and what teachers cost.

    The table gives the mean over seeds [95 % bootstrap interval] of the percent of the learner's cells that are
    mastered at the end, and the teacher's own CPU time (its slowest call is the slowest over all seeds).
    """

    what: Annotated[Literal["teachers"], tyro.conf.Positional] = "teachers"
    """What to measure."""
    teacher: tuple[str, ...] = ("random", "alp-kde", "alp-gmm-fast", "riac")
    """Teachers: names (see `lifelong-rl list teachers`) or module:Class; by default some that are quick."""
    setting: tuple[str, ...] = ("2d10",)
    """Settings: DIMSdCELLS[+IRRELEVANT][-VARIANT], such as 2d10, 4d4, 2d10+10 (irrelevant axes) or 2d10-noise."""
    seeds: str = "0..9"
    """Seeds: 1..10, 3, or 0,2,5..7."""
    episodes: int | None = None
    """Episodes of each run; by default the usual number of the setting (20,000 for 2d10)."""
    teacher_options: Options = ()
    """Hyper-parameters of the teachers: fit_every=100 for all that have it, alp-gmm.fit_every=100 for one."""
    processes: int = os.cpu_count() or 1
    """Runs that go on at once."""
    json: bool = False
    """Print one JSON document, with every seed, instead of the table."""
    output: Path | None = None
    """Folder for results.json, table.md, the mastery curves, and for each teacher and setting its tasks over time,
    as PNG and as an animation. A benchmark that was cut short goes on where the folder has it."""
    figures: bool = True
    """Draw the figures of --output."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        """Measure."""
        from lifelong_rl.bench.jobs import SomeFailed, check_processes, in_order, jobs_of, run_jobs, without
        from lifelong_rl.bench.settings import seeds_of, setting_of
        from lifelong_rl.bench.summary import document, summaries, table

        settings = [setting_of(text, self.episodes) for text in self.setting]
        options = parse_options(self.teacher_options)
        is_traced = self.output is not None and self.figures
        jobs = jobs_of(self.teacher, settings, seeds_of(self.seeds), options, is_traced=is_traced)
        check_processes(self.processes)
        keep: dict[str, Any] = {}
        done: list[TeacherResult] = []
        if self.output is not None:
            from lifelong_rl.bench.output import append_run, finished_runs, write_output

            done = finished_runs(self.output, jobs)
            keep = {"keep": partial(append_run, folder=self.output)}
        failure = None
        try:
            results = run_jobs(without(jobs, done), self.processes, show_progress=not self.quiet, **keep)
        except SomeFailed as error:
            results, failure = error.results, error
        found = summaries(in_order(jobs, [*done, *results]))
        if not found and failure is not None:
            raise failure
        print(json.dumps(document(found, options), allow_nan=False) if self.json else table(found))
        if self.output is not None:
            command = shlex.join(["lifelong-rl", *sys.argv[1:]])
            show = {"show_progress": not self.quiet, "with_figures": self.figures}
            write_output(found, options, self.output, command=command, **show)
        if failure is not None:
            raise failure


@dataclass(frozen=True)
class CheckTeacher:
    """Check that a teacher keeps the rules of the protocol, as the tests do with every built-in one.

    Prints a line a rule: ok, or what breaks it. Exit status: 0 if all hold, 1 if one is broken, 2 if there is no such
    teacher.
    """

    teacher: Annotated[str, tyro.conf.Positional]
    """The teacher: module:Class, or a name (see `lifelong-rl list teachers`)."""
    option: Options = ()
    """Hyper-parameters of the teacher, as key=value."""
    seed: int = 0
    """Every random draw of the check follows from it."""

    def run(self) -> int:
        """Check, print, and give the exit status."""
        import numpy as np

        from lifelong_rl.envs.space import Feature, TaskSpace
        from lifelong_rl.teachers import make_teacher
        from lifelong_rl.teachers.check import check_rules, time_teacher

        if self.seed < 0:
            raise ValueError(f"the seed must be at least 0, found {self.seed}.")
        options = parse_options(self.option)
        teacher = make_teacher(self.teacher, **options)
        if options:  # one out of its range is refused here, not once a rule
            teacher.reset(TaskSpace("options", [Feature.real("x", 0.0, 1.0, 0.5)]), np.random.default_rng(0))
        n_broken = 0
        for rule, broken in check_rules(lambda: make_teacher(self.teacher, **options), seed=self.seed):
            n_broken += broken is not None
            rule = rule.replace("``", "")
            print(f"ok      {rule}" if broken is None else f"BROKEN  {rule}\n        {broken}", flush=True)
        if n_broken:
            print(f"{self.teacher} breaks {n_broken} {'rule' if n_broken == 1 else 'rules'}.")
            return 1
        seconds = time_teacher(lambda: make_teacher(self.teacher, **options), seed=self.seed)
        print(f"{self.teacher} keeps all rules. It takes {seconds * 1e6:.0f} us of CPU time an episode.")
        return 0
