"""What ran: settings, versions, costs, and how to run it again."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_rl.agents import make_component
from lifelong_rl.envs.lookup import hyperparameters
from lifelong_rl.scenarios import Scenario, condensed, curriculum, single
from lifelong_rl.scenarios.block import teacher_arguments
from lifelong_rl.teachers import make_teacher
from lifelong_rl.tracking.report.document import UNKNOWN, Cell, Listing, Section, Table, Words
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import rounded
from lifelong_rl.tracking.report.runs import Run

NOT_RECORDED = "not recorded"


def facts(groups: Sequence[Group]) -> tuple[tuple[str, str], ...]:
    """Give what stands at the head of a report: families, sizes, dates, versions."""
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.seed for run in runs})
    dates = sorted({run.started for run in runs} - {""})
    found = [run.config.get("provenance") or {} for run in runs]
    packages = [package for provenance in found for package in (provenance.get("packages") or {}).items()]
    python = [("python", provenance.get("python")) for provenance in found if provenance.get("python")]
    commits = _distinct([str(provenance.get("commit") or NOT_RECORDED) for provenance in found])
    return (
        ("runs", f"{len(runs)} in {len(groups)} group{'s' if len(groups) > 1 else ''}"),
        ("environment", ", ".join(_distinct([run.config["scenario"]["family"] for run in runs]))),
        ("seeds", ", ".join(map(str, seeds)) if len(seeds) <= 12 else f"{len(seeds)}, {seeds[0]} to {seeds[-1]}"),
        ("started", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else NOT_RECORDED),
        ("commit", ", ".join(commits)),
        ("versions", ", ".join(_distinct([f"{name} {v}" for name, v in python + packages])) or NOT_RECORDED),
    )


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def settings_section(groups: Sequence[Group]) -> Section:
    """Give the settings of each group."""
    header = ("runs", "scenario", "agent", "components", "blocks", "steps", "envs", "evaluation", "seeds")
    rows = tuple((Cell(group.label, note=group.difference), *_settings(group)) for group in groups)
    notes = tuple(f"{group.label} differs by {group.difference}" for group in groups if group.difference)
    cells = tuple(map(Cell, header))
    table = Table("settings-table", "Settings of each group", cells, rows, notes, n_labels=len(header))
    return Section("settings", "What ran", (table,))


def _settings(group: Group) -> list[Cell]:
    config, scenario, agent = group.config, group.config["scenario"], group.config["agent"]
    components = ", ".join(f"{name}{_options(options)}" for name, options in agent["components"])
    tasks = [block.get("name") or block.get("teacher") or "task" for block in scenario["blocks"]]
    every = config.get("eval_every") or "a tenth of each block"
    evaluation = f"{config['eval_episodes']} episodes a task every {every} steps, seed {config['eval_seed']}"
    texts = (
        f"{scenario['name']} on {scenario['family']}{_options(scenario['env_options'])}",
        f"{agent['name']}{_options(agent['options'])}",
        components or "none",
        " → ".join(tasks) if len(tasks) <= 12 else f"{len(tasks)} blocks",
        f"{group.runs[0].n_steps:,}",
        str(config["n_envs"]),
        evaluation.replace("a tenth of each block steps", "tenth of a block"),
        ", ".join(map(str, group.seeds)),
    )
    return [Cell(text) for text in texts]


def _options(options: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in options.items())
    return f"({shown})" if shown else ""


# Costs


def costs_section(groups: Sequence[Group]) -> Section:
    """Give what the runs of each group cost: steps, updates, time, the share of evaluation, memory."""
    if all(run.costs is None for group in groups for run in group.runs):
        return Section("costs", "What it cost", (Words(f"Costs: {NOT_RECORDED} by these runs."),))
    header = ("runs", "steps", "updates", "wall time", "evaluation", "CPU time", "peak memory", "agent memory")
    rows = tuple((Cell(group.label), *_costs(group)) for group in groups)
    n_unknown = sum(run.costs is None for group in groups for run in group.runs)
    notes = (f"{UNKNOWN} {NOT_RECORDED} by {n_unknown} run(s).",) if n_unknown else ()
    table = Table(
        "costs-table",
        "Cost of a run",
        tuple(map(Cell, header)),
        rows,
        notes,
        reading="Mean over runs, and the smallest and largest",
    )
    words = (
        "Means over the runs of a group, with the smallest and largest. Evaluation: its share of the wall time. "
        "Times are of the machine that ran it, whatever else ran there; memory is what the agent held at the end."
    )
    return Section("costs", "What it cost", (Words(words), table))


def _costs(group: Group) -> list[Cell]:
    found = [run.costs for run in group.runs if run.costs is not None]
    if len(found) < len(group.runs):
        steps = [float(run.log.steps[-1]) for run in group.runs]
        return [_spread(steps, _count), *(Cell(UNKNOWN, note=NOT_RECORDED) for _ in range(6))]
    walls = [costs.total_wall_seconds for costs in found]
    shares = [costs.wall_seconds["evaluation"] / wall for costs, wall in zip(found, walls, strict=True) if wall > 0]
    return [
        _spread([costs.steps for costs in found], _count),
        _spread([costs.updates for costs in found], _count),
        _spread(walls, _time),
        _spread(shares, lambda share: f"{share:.0%}"),
        _spread([costs.total_cpu_seconds for costs in found], _time),
        _spread([costs.peak_bytes for costs in found], _size),
        _spread([sum(held.n_bytes for held in costs.memory) for costs in found], _size),
    ]


def _spread(numbers: Sequence[float | None], text_of: Any) -> Cell:
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        return Cell(UNKNOWN, note=NOT_RECORDED)
    low, high = text_of(min(known)), text_of(max(known))
    return Cell(text_of(sum(known) / len(known)), "" if low == high else f"{low} to {high}")


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _size(n_bytes: float) -> str:
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.2f} GB"


# The runs and how to repeat them


def runs_section(groups: Sequence[Group], others: Sequence[Run], place: Path) -> Section:
    """Give each run with links to its folder, and the commands that repeat them.

    others: runs that are no part of a group's means. place: the report's folder, which links start from.
    """
    counted = [(group.label, run) for group in groups for run in group.runs]
    header = tuple(map(Cell, ("run", "group", "seed", "state", "steps", "mean final score", "settings", "own page")))
    rows = [_run_row(label, run, place) for label, run in counted]
    rows += [_run_row("in no group", run, place) for run in others]
    table = Table("runs-table", "Every run", header, tuple(rows), n_labels=len(header))
    again = tuple(_repeated(group, place) for group in groups)
    words = Words("To repeat a group, with its seeds:")
    return Section("runs", "Runs, and how to repeat them", (table, words, *again))


def _run_row(label: str, run: Run, place: Path) -> tuple[Cell, ...]:
    where = relative(run.folder.path, place)
    final = run.log.scores()[-1].mean()
    return (
        Cell(run.folder.path.name, link=where),
        Cell(label),
        Cell(str(run.seed)),
        Cell("finished" if run.is_finished else "unfinished"),
        Cell(f"{run.log.points[-1].step:,}"),
        Cell(rounded(float(final))),
        *_files(run, where),
    )


def _files(run: Run, where: str) -> tuple[Cell, Cell]:
    page = run.folder.report_path / "index.html"
    is_there = page.is_file() and where != ".."  # the page of the run's own report leads to itself
    own = Cell("report", link=f"{where}/report/index.html") if is_there else Cell("")
    return Cell("config.json", link=f"{where}/config.json"), own


def relative(path: Path, place: Path) -> str:
    """Give the way from a folder to another, with slashes."""
    return Path(os.path.relpath(path, place)).as_posix()


def _repeated(group: Group, place: Path) -> Listing:
    command = train_command(group.config)
    seeds = " ".join(map(str, group.seeds))
    if command is not None:
        loop = f"for seed in {seeds}; do\n  {command} --seed $seed\ndone"
        return Listing("sh", f"# {group.label}\n{loop if len(group.seeds) > 1 else f'{command} --seed {seeds}'}")
    path = relative(group.runs[0].folder.path / "config.json", place)
    lines = (
        f"# {group.label}",
        "import json",
        "from dataclasses import replace",
        "",
        "from lifelong_rl import RunConfig, train",
        "",
        f"config = RunConfig.from_json(json.load(open({path!r})))",
        f"for seed in [{seeds.replace(' ', ', ')}]:",
        "    train(replace(config, seed=seed), f'runs/again-s{seed}')",
    )
    return Listing("python", "\n".join(lines))


def train_command(config: Mapping[str, Any]) -> str | None:
    """Give the ``lifelong-rl train`` command of a run, without its seed; None where its options cannot say it all.

    The scenario is made again from the options and compared: a command is given only where both are the same.
    """
    agent = config["agent"]
    if agent["policy"] != "MlpPolicy" or config["eval_seed"] != 0:
        return None
    try:
        words = _scenario_words(config["scenario"])
        changed = _changed_components(agent["components"])
    except (ValueError, TypeError, KeyError, ImportError, AttributeError):  # made by parts that are not here
        return None
    if words is None:
        return None
    words += ["--agent", agent["name"]]
    components = [name for name, _ in agent["components"]]
    words += ["--components", ",".join(components)] if components else []
    words += _option_words("--agent-options", agent["options"])
    words += _option_words("--component-options", changed)
    defaults = {"n_envs": 1, "eval_every": None, "eval_episodes": 5, "checkpoint_every": 10_000, "log_every": 500}
    for name, default in defaults.items():
        if config[name] != default:
            words += [f"--{name.replace('_', '-')}", str(config[name])]
    words += ["--parallel"] if config["parallel"] else []
    return _wrapped(["lifelong-rl", "train", *map(shlex.quote, words)])


def _wrapped(words: Sequence[str]) -> str:
    """Give a command in lines of about 100 characters; an option and its values stay on one line if they can."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90 and word.startswith("--"):
            lines.append("     ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _scenario_words(data: Mapping[str, Any]) -> list[str] | None:
    blocks, env = data["blocks"], data["env_options"]
    n_steps = sum(block["steps"] for block in blocks)
    shared = {"steps": n_steps, "env_options": env, "observe_task": data["observe_task"]}
    words = ["--env", data["family"], "--scenario", data["name"], "--steps", str(n_steps)]
    words += ["--observe-task", data["observe_task"], *_option_words("--env-options", env)]
    if data["name"] == "condensed":
        made = condensed(data["family"], n_tasks=len(blocks), visibility=blocks[0]["visibility"], **shared)
        words += ["--tasks", str(len(blocks)), "--visibility", blocks[0]["visibility"]]
    elif data["name"] == "curriculum" and len(blocks) == 1:
        made = _curriculum_again(data, shared)
        words += ["--curriculum", blocks[0]["teacher"], "--tasks", str(len(data["evaluation_tasks"]))]
        words += _option_words("--teacher-options", _changed_teacher(blocks[0]))
    elif data["name"] == "single":
        made = single(data["family"], **shared)
    else:
        return None
    return words if _same(made, data) else None


def _changed_teacher(block: Mapping[str, Any]) -> dict[str, Any]:
    """Give the hyper-parameters that are not the teacher's defaults."""
    usual = teacher_arguments(make_teacher(block["teacher"]))["teacher_options"]
    return {name: value for name, value in block["teacher_options"].items() if usual.get(name) != value}


def _changed_components(components: Sequence[Any]) -> dict[str, Any]:
    changed = {}
    for name, options in components:
        usual = hyperparameters(make_component(name))
        if own := {key: value for key, value in options.items() if usual.get(key) != value}:
            changed[name] = own
    return changed


def _curriculum_again(data: Mapping[str, Any], shared: Mapping[str, Any]) -> Scenario:
    block = data["blocks"][0]
    teacher = make_teacher(block["teacher"], **block["teacher_options"])
    return curriculum(data["family"], teacher=teacher, n_test_tasks=len(data["evaluation_tasks"]), **shared)


def _same(made: Scenario, data: Mapping[str, Any]) -> bool:
    return json.dumps(made.to_json(), sort_keys=True) == json.dumps(data, sort_keys=True)


def _option_words(flag: str, options: Mapping[str, Any]) -> list[str]:
    pairs = [f"{name}={json.dumps(value)}" for name, value in _flat("", options)]
    return [flag, *pairs] if pairs else []


def _flat(prefix: str, options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in options.items():
        path = f"{prefix}.{name}" if prefix else name
        found += _flat(path, value) if isinstance(value, Mapping) and value else [(path, value)]
    return found
