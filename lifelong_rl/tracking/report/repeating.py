"""How to run a group of runs again: the command line, with a scenario file where options cannot say it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifelong_rl.agents import make_component
from lifelong_rl.envs.lookup import hyperparameters
from lifelong_rl.scenarios import Scenario, scenario_options, to_toml
from lifelong_rl.tracking.report.document import Listing
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.recipes import options_of

FLAGS = {
    "steps": "--steps",
    "observe_task": "--observe-task",
    "env_options": "--env-options",
    "n_tasks": "--tasks",
    "n_test_tasks": "--tasks",
    "visibility": "--visibility",
    "teacher": "--curriculum",
}
"""Options of scenarios that are flags of their own; the others go into ``--scenario-options``."""

USUAL = {"n_envs": 1, "eval_every": None, "eval_episodes": 5, "checkpoint_every": 10_000, "log_every": 500}
"""What the command has where it does not say so."""

NOT_HERE = (ValueError, TypeError, KeyError, ImportError, AttributeError, IndexError)
"""What reading the configuration of a run may raise that was made by parts that are not here, or damaged."""


@dataclass(frozen=True)
class Repetition:
    """A command that runs a configuration again."""

    command: str
    """``lifelong-rl train ...``, without the seed."""
    scenario: str = ""
    """The TOML file that the command names; empty where its options say it all."""


def repetition(config: Mapping[str, Any], scenario_path: str) -> Repetition | None:
    """Give the ``lifelong-rl train`` command of a run, without its seed; None where no command can say it all.

    scenario_path: how the command names the scenario's file, where it needs one. The scenario is made again from
    the options, or from the file, and compared: a command is given only where both are the same.
    """
    agent = config["agent"]
    if agent["policy"] != "MlpPolicy" or config["eval_seed"] != 0:
        return None
    try:
        options = options_of(json.dumps(config["scenario"]))
        if options is None:
            words, scenario = ["--scenario", scenario_path], to_toml(Scenario.from_json(config["scenario"]))
        else:
            words, scenario = _scenario_words(config["scenario"], options), ""
        words += _agent_words(agent)
    except NOT_HERE:
        return None
    for name, usual in USUAL.items():
        if config[name] != usual:
            words += [f"--{name.replace('_', '-')}", str(config[name])]
    words += ["--parallel"] if config["parallel"] else []
    return Repetition(_wrapped(["lifelong-rl", "train", *map(shlex.quote, words)]), scenario)


def scenario_file(number: int | str) -> str:
    """Give the name of the file, beside the page, of the scenario of a group by its number, or of all with "*"."""
    return f"scenario-{number}.toml"


def scenario_files(groups: Sequence[Group]) -> dict[str, str]:
    """Give the scenario files that the commands of the groups name, by name."""
    found = {}
    for number, group in enumerate(groups, 1):
        again = repetition(group.config, scenario_file(number))
        if again is not None and again.scenario:
            found[scenario_file(number)] = again.scenario
    return found


def repeated(group: Group, number: int, config_path: str) -> Listing:
    """Give what repeats a group, with its seeds. config_path: from the report's folder to its ``config.json``."""
    again = repetition(group.config, scenario_file(number))
    seeds = " ".join(map(str, group.seeds))
    if again is None:
        return _lines_of_python(group.label, config_path, group.seeds)
    where = " (in the report's folder)" if again.scenario else ""
    loop = f"for seed in {seeds}; do\n  {again.command} --seed $seed\ndone"
    command = loop if len(group.seeds) > 1 else f"{again.command} --seed {seeds}"
    return Listing("sh", f"# {group.label}{where}\n{command}")


def _lines_of_python(label: str, config_path: str, seeds: Sequence[int]) -> Listing:
    lines = (
        f"# {label}",
        "import json",
        "from dataclasses import replace",
        "",
        "from lifelong_rl import RunConfig, train",
        "",
        f"config = RunConfig.from_json(json.load(open({config_path!r})))",
        f"for seed in {list(seeds)}:",
        "    train(replace(config, seed=seed), f'runs/again-s{seed}')",
    )
    return Listing("python", "\n".join(lines))


def _scenario_words(data: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    words = ["--env", data["family"], "--scenario", data["name"]]
    # --tasks is the number of test tasks only where a scenario has no number of tasks
    hidden = {"n_test_tasks"} & options.keys() if "n_tasks" in scenario_options(data["name"]) else set()
    flags = {name: flag for name, flag in FLAGS.items() if name in options and name not in hidden}
    for name, flag in flags.items():
        if name == "teacher":
            teacher = dict(options[name])
            words += [flag, teacher.pop("name"), *_option_words("--teacher-options", teacher)]
        elif name == "env_options":
            words += _option_words(flag, options[name])
        else:
            words += [flag, str(options[name])]
    others = {name: value for name, value in options.items() if name not in flags}
    return words + _option_words("--scenario-options", others)


def _agent_words(agent: Mapping[str, Any]) -> list[str]:
    changed = {}
    for name, options in agent["components"]:
        usual = hyperparameters(make_component(name))
        if own := {key: value for key, value in options.items() if usual.get(key) != value}:
            changed[name] = own
    components = [name for name, _ in agent["components"]]
    words = ["--agent", agent["name"]]
    words += ["--components", ",".join(components)] if components else []
    words += _option_words("--agent-options", agent["options"])
    return words + _option_words("--component-options", changed)


def _wrapped(words: Sequence[str]) -> str:
    """Give a command in lines of about 100 characters; an option and its values stay on one line if they can."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90 and word.startswith("--"):
            lines.append("     ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _option_words(flag: str, options: Mapping[str, Any]) -> list[str]:
    pairs = [f"{name}={json.dumps(value)}" for name, value in _flat("", options)]
    return [flag, *pairs] if pairs else []


def _flat(prefix: str, options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in options.items():
        path = f"{prefix}.{name}" if prefix else name
        found += _flat(path, value) if isinstance(value, Mapping) and value else [(path, value)]
    return found
