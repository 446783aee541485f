"""Groups of runs that differ only by their seed, and what tells two groups apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lifelong_rl.agents import agent_label
from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.tracking.report.document import Warned
from lifelong_rl.tracking.report.runs import Run

WITHOUT_EFFECT = ("seed", "provenance", "checkpoint_every", "log_every", "parallel")
"""Fields of ``config.json`` that do not decide what a run is, its seed aside."""


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ only by their seed."""

    label: str
    """What they have in common: agent, components, family, and teacher or scenario."""
    difference: str
    """What tells the group from an earlier one that would be called alike; empty where there is none."""
    runs: tuple[Run, ...]
    """One a seed, in order of seeds: the finished ones, or all of them where none is finished."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the first run; the others differ by the seed."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(run.seed for run in self.runs)

    @property
    def components(self) -> dict[str, str]:
        """The agent's components: name -> hyper-parameters as text."""
        return {name: json.dumps(options, sort_keys=True) for name, options in self.config["agent"]["components"]}

    @property
    def base(self) -> str:
        """All that decides the results but seed and components, as text."""
        settings = settings_of(self.config)
        return json.dumps(settings | {"agent": settings["agent"] | {"components": []}}, sort_keys=True)

    @cached_property
    def metrics(self) -> dict[str, list[MetricValue]]:
        """The metric of each run that has it, in order of seeds, by "family/metric"."""
        found: dict[str, list[MetricValue]] = {}
        for run in self.runs:
            for name, metric in run.values().items():
                found.setdefault(name, []).append(metric)
        return found


def group_runs(runs: Sequence[Run]) -> tuple[list[Group], list[Warned]]:
    """Give runs that differ only by their seed together, and what to warn of.

    Unfinished runs have no part in a group with finished ones, and of two runs with one seed the second has none:
    both are named in the warnings. Groups that would be called alike are numbered.
    """
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(json.dumps(settings_of(run.config), sort_keys=True), []).append(run)
    firsts: dict[str, list[Run]] = {}
    groups, warnings = [], []
    for own in members.values():
        kept, found = _kept(own)
        warnings += found
        label = group_label(own[0].config)
        alike = firsts.setdefault(label, [])
        difference = ", ".join(differences(alike[0].config, own[0].config)) if alike else ""
        alike.append(own[0])
        name = label if len(alike) == 1 else f"{label} #{len(alike)}"
        groups.append(Group(name, difference, tuple(kept)))
        warnings += _mixed_versions(name, kept)
    return groups, warnings


def _kept(runs: Sequence[Run]) -> tuple[list[Run], list[Warned]]:
    """Give one run a seed, finished ones if there are any, and what is said of the others."""
    warnings = []
    finished = [run for run in runs if run.is_finished]
    if finished and len(finished) < len(runs):
        text = "not part of the means, as it is unfinished and other seeds are finished."
        warnings += [Warned(str(run.folder.path), text) for run in runs if not run.is_finished]
    kept: dict[int, Run] = {}
    for run in finished or runs:
        if run.seed in kept:
            other = kept[run.seed].folder.path
            text = f"not part of the means: {other} is the same run with the same seed, {run.seed}."
            warnings.append(Warned(str(run.folder.path), text))
        else:
            kept[run.seed] = run
    return [kept[seed] for seed in sorted(kept)], warnings


def _mixed_versions(label: str, runs: Sequence[Run]) -> list[Warned]:
    distinct = {json.dumps(run.config.get("provenance"), sort_keys=True) for run in runs}
    text = f"its runs come from {len(distinct)} different sets of versions or commits."
    return [Warned(label, text)] if len(distinct) > 1 else []


def group_label(config: Mapping[str, Any]) -> str:
    """Give what runs that differ only by their seed have in common: agent, family, and teacher or scenario."""
    scenario, agent = config["scenario"], config["agent"]
    teachers = [block["teacher"] for block in scenario["blocks"] if block.get("teacher")]
    name = agent_label(agent["name"], [name for name, _ in agent["components"]])
    return f"{name} on {scenario['family']} ({teachers[0] if teachers else scenario['name']})"


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give what decides a run's results, its seed aside."""
    return {name: value for name, value in config.items() if name not in WITHOUT_EFFECT}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say where the settings of two configurations differ, a phrase a field: "n_envs 4 (not 1)"."""
    old, new = _flat("", settings_of(before)), _flat("", settings_of(after))
    names = [name for name in dict.fromkeys([*new, *old]) if old.get(name) != new.get(name)]
    return [f"{name} {new.get(name, 'absent')} (not {old.get(name, 'absent')})" for name in names]


def _flat(prefix: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        items = [(f"{prefix}.{name}" if prefix else str(name), inner) for name, inner in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping | list | tuple) for inner in value):
        items = [(f"{prefix}[{index}]", inner) for index, inner in enumerate(value)]
    else:
        return {prefix: json.dumps(value)}
    return {name: text for path, inner in items for name, text in _flat(path, inner).items()}
