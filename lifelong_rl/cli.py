"""The command line: a thin skin over the functions that scripts call."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from lifelong_rl.cli_environments import CheckEnv, MakeTestSet, Show
from lifelong_rl.cli_options import Options, parse_options
from lifelong_rl.cli_teachers import Bench, CheckTeacher

if TYPE_CHECKING:
    from lifelong_rl.scenarios import Scenario
    from lifelong_rl.tracking.run_folder import RunFolder
    from lifelong_rl.training.config import RunConfig


@dataclass(frozen=True)
class Train:
    """Train an agent on a scenario or a curriculum, in a new run folder.

    Options of the parts are given as key=value, the value as JSON or plain text; nested keys with dots:
    --agent-options learning_rate=1e-3 policy_kwargs.net_arch=[64,64]
    """

    env: str = "point-goal"
    """Environment family: a name (see `lifelong-rl list envs`) or module:Class."""
    agent: str = "dqn"
    """Agent: a name (see `lifelong-rl list agents`) or module:Class."""
    components: str = ""
    """Components of the agent, separated by commas: names (see `lifelong-rl list components`) or module:Class."""
    scenario: str = ""
    """Scenario: a name (see `lifelong-rl list scenarios`), a TOML file, or module:function. By default "curriculum"
    if --curriculum is given, else "condensed"."""
    scenario_options: Options = ()
    """Further arguments of the scenario: cycles=3 order_seed=1."""
    curriculum: str = ""
    """Teacher that draws the tasks: a name (see `lifelong-rl list teachers`) or module:Class."""
    steps: int | None = None
    """Environment steps of the whole run, summed over parallel environments; by default the scenario's usual number,
    mostly 16,000. The blocks of a scenario file share them as they share the file's."""
    tasks: int | None = None
    """Number of tasks, or of test tasks of the scenario "curriculum"; by default the scenario's usual number."""
    visibility: Literal["auto", "task_id", "boundary", "none"] = "auto"
    """What the agent is told in training; "auto": task_id, in the scenarios "blurry" and "drift" none."""
    observe_task: Literal["auto", "none", "vector", "one-hot"] = "auto"
    """How the task is part of the observation; "auto": one-hot for visible tasks of a list, else not at all."""
    seed: int = 0
    """Every random draw of the run follows from it."""
    n_envs: int = 1
    """Parallel training environments."""
    parallel: bool = False
    """Run each environment in a process of its own."""
    eval_every: int | None = None
    """Environment steps between evaluations of all tasks; by default a tenth of each block, or more where there are
    more than twenty blocks."""
    eval_episodes: int = 5
    """Episodes of each task in an evaluation."""
    checkpoint_every: int = 10_000
    """Environment steps between checkpoints."""
    log_every: int = 500
    """Environment steps between points of TensorBoard's training curves."""
    agent_options: Options = ()
    """Arguments of the agent's constructor."""
    component_options: Options = ()
    """Hyper-parameters of the components: distillation.n_states=100."""
    teacher_options: Options = ()
    """Hyper-parameters of the teacher."""
    env_options: Options = ()
    """Arguments of the environment family's constructor."""
    references: bool = False
    """First train each fixed task alone (once; cached), which forward transfer by area compares with."""
    runs: Path = Path("runs")
    """Where the runs lie."""
    name: str = ""
    """Name of the experiment: the run folder is RUNS/NAME/AGENT-SOURCE-sSEED. By default the environment family."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        """Train."""
        config = self.config()
        path = self.runs / (self.name or config.scenario.family.rpartition(":")[2]) / config.label
        from lifelong_rl.tracking.run_folder import RunFolder
        from lifelong_rl.training.references import train_references
        from lifelong_rl.training.trainer import train

        RunFolder(path).check_is_new()
        if self.references:
            train_references(config, path, show_progress=not self.quiet)
        _print_report([train(config, path, show_progress=not self.quiet)])

    def config(self) -> RunConfig:
        """Give the run's configuration; ValueError for what does not fit together."""
        from lifelong_rl.training.config import AgentConfig, RunConfig, with_component_options

        components = with_component_options(self.components, parse_options(self.component_options))
        agent = AgentConfig(self.agent, options=parse_options(self.agent_options), components=components)
        same = ("seed", "n_envs", "parallel", "eval_every", "eval_episodes", "checkpoint_every", "log_every")
        return RunConfig(self._scenario(), agent, **{name: getattr(self, name) for name in same})

    def _scenario(self) -> Scenario:
        from lifelong_rl.scenarios import Scenario, make_scenario, scenario_options
        from lifelong_rl.teachers import DEFAULT_TEACHER, make_teacher

        name = self.scenario or ("curriculum" if self.curriculum else "condensed")
        given = [flag for flag in SCENARIO_FLAGS if not self._is_default(flag)]
        if name.endswith(".toml"):
            others = [other for other in ("scenario_options", "env") if not self._is_default(other)]
            for flag in (*(flag for flag in given if flag != "steps"), *others):
                raise _misplaced(flag, "scenario file")
            scenario = Scenario.from_toml(name)
            return scenario if self.steps is None else scenario.with_steps(self.steps)
        known = scenario_options(name)
        option_of = {f: next((o for o in names if o in known), "") for f, names in SCENARIO_FLAGS.items()}
        options = parse_options(self.scenario_options)
        for flag, option in option_of.items():
            if option and option in options:
                raise ValueError(f"{option!r} has no place in --scenario-options; use --{flag.replace('_', '-')}.")
        for flag in given:
            if not option_of[flag]:
                raise _misplaced(flag, f"scenario {name!r}")
            value = getattr(self, flag)
            options[option_of[flag]] = parse_options(value) if flag == "env_options" else value
        if "teacher" in options:
            teacher_options = parse_options(self.teacher_options)
            options["teacher"] = make_teacher(self.curriculum or DEFAULT_TEACHER, **teacher_options)
        return make_scenario(name, self.env, **options)

    def _is_default(self, name: str) -> bool:
        return bool(getattr(self, name) == next(f.default for f in fields(self) if f.name == name))


SCENARIO_FLAGS = {
    "steps": ("steps",),
    "tasks": ("n_tasks", "n_test_tasks"),
    "visibility": ("visibility",),
    "observe_task": ("observe_task",),
    "env_options": ("env_options",),
    "curriculum": ("teacher",),
    "teacher_options": ("teacher",),
}
"""The flags of `train` that are options of scenarios: which, the first that the scenario has."""


def _misplaced(flag: str, what: str) -> ValueError:
    return ValueError(f"--{flag.replace('_', '-')} has no place beside the {what}; leave it out.")


@dataclass(frozen=True)
class Resume:
    """Continue a run from its latest checkpoint, as if it had never stopped."""

    run_folder: Annotated[Path, tyro.conf.Positional]
    """The run's folder."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        """Resume."""
        from lifelong_rl.training.trainer import resume

        _print_report([resume(self.run_folder, show_progress=not self.quiet)])


@dataclass(frozen=True)
class Report:
    """Write a report of runs from their folders alone, and print its main table over seeds.

    The report is one page that needs nothing else (index.html), and the same as Markdown, LaTeX tables, CSV, and
    figures as PNG. It lies in the folder `report` of the run, or of the folder that all the runs share.
    """

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, or folders that hold some."""
    references: bool = False
    """First train the missing reference runs, which forward transfer by area compares with."""
    reasons: bool = False
    """Say of each undefined metric why it is."""
    output: Path | None = None
    """The report's folder."""
    each: bool = False
    """Also write a report of each run, in its own folder."""

    def run(self) -> None:
        """Report."""
        from lifelong_rl.tracking.run_folder import find_runs

        folders = find_runs(list(self.paths))
        if self.references:
            from lifelong_rl.training.config import RunConfig
            from lifelong_rl.training.references import train_references

            for folder in folders:
                train_references(RunConfig.from_json(folder.config), folder.path)
        _print_report(folders, with_reasons=self.reasons, output=self.output, each=self.each)


@dataclass(frozen=True)
class Compare:
    """Compare the runs B with the runs A, metric by metric, in pairs of one seed where both walk the same scenario.

    Gives the mean of each, the difference B - A with its 95 % bootstrap interval, and the probability that a run of B
    is better than one of A. Says what makes them hard to compare, and compares no numbers of different definitions.
    """

    a: Annotated[str, tyro.conf.Positional]
    """Runs that differ only by their seed: a run folder, a folder that holds them, or a pattern in quotes such as
    'runs/x/dqn-condensed-s*'. Without B: a folder with two such groups."""
    b: Annotated[str, tyro.conf.Positional] = ""
    """The runs to compare with them."""
    json: bool = False
    """Print one JSON document instead of the table."""

    def run(self) -> None:
        """Compare."""
        from lifelong_rl.tracking.report.versus import compare_runs
        from lifelong_rl.training.references import cached_references

        found = compare_runs(self.a, self.b, cached_references)
        print(json.dumps(found.to_json(), indent=2, allow_nan=False) if self.json else found.to_text())


@dataclass(frozen=True)
class List:
    """List what is built in."""

    what: Annotated[Literal["envs", "agents", "components", "teachers", "scenarios", "metrics"], tyro.conf.Positional]
    """The room to list."""

    def run(self) -> None:
        """List."""
        from lifelong_rl.envs.lookup import resolve

        entries = _built_in(self.what)
        width = max(map(len, entries))
        for name, entry in sorted(entries.items()):
            found = resolve(self.what, entry, {}) if isinstance(entry, str) else entry
            summary = (found.__doc__ or "").strip().split("\n")[0].replace("``", "")
            print(f"{name.ljust(width)}  {summary}")


Command = Train | Resume | Report | Compare | Bench | CheckTeacher | CheckEnv | MakeTestSet | Show | List


def parse(arguments: Sequence[str] | None = None) -> Command:
    """Give the command that the arguments ask for; exits with the usage where they ask for none."""
    commands: dict[str, Callable[..., Any]] = {
        "train": Train,
        "resume": Resume,
        "report": Report,
        "compare": Compare,
        "bench": Bench,
        "check-teacher": CheckTeacher,
        "check-env": CheckEnv,
        "test-set": MakeTestSet,
        "show": Show,
        "list": List,
    }
    command: Command = tyro.extras.subcommand_cli_from_dict(
        commands, args=arguments, prog="lifelong-rl", description="Train lifelong agents, and score their transfer."
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a plug-in may lie beside the user, as with `python -m`
    try:
        command = parse(arguments)
        return command.run() or 0
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt}" if str(interrupt) else "\nstopped", file=sys.stderr)
        return 128 + getattr(interrupt, "signal_number", signal.SIGINT)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _print_report(
    folders: Sequence[RunFolder], *, with_reasons: bool = False, output: Path | None = None, each: bool = False
) -> None:
    from lifelong_rl.tracking.report import write_report, write_reports_of_each
    from lifelong_rl.training.references import cached_references

    is_long = len(folders) > 5
    if each and len(folders) > 1:
        write_reports_of_each(folders, cached_references, show_progress=is_long)
    report = write_report(folders, cached_references, output, show_progress=is_long)
    print(report.table)
    if with_reasons:
        print("\n".join(report.reasons))
    for warned in report.warnings:
        print(f"warning: {warned.subject}: {warned.text}", file=sys.stderr)
    print("Scores lie in [0, 1]; over seeds: mean [95 % bootstrap interval]; '\u2013': undefined (report --reasons).")
    print(f"Report: {report.page}; as Markdown, CSV, LaTeX and PNG beside it")
    print(f"Curves: tensorboard --logdir {os.path.commonpath([folder.path for folder in folders])}")


def _built_in(what: str) -> dict[str, str | Callable[..., Any]]:
    if what == "envs":
        from lifelong_rl.envs import FAMILIES as found
    elif what == "agents":
        from lifelong_rl.agents import AGENTS

        return {name: entry.path for name, entry in AGENTS.items()}
    elif what == "components":
        from lifelong_rl.agents import COMPONENTS as found
    elif what == "teachers":
        from lifelong_rl.teachers import TEACHERS as found
    elif what == "metrics":
        from lifelong_rl.evaluation import FAMILIES as found
    else:
        from lifelong_rl.scenarios import SCENARIOS

        return dict(SCENARIOS)
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
