"""The built-in kinds of scenarios by name, and making one from plain values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.lookup import resolve, unknown_name
from lifelong_rl.envs.space import Task
from lifelong_rl.scenarios.blurry import blurry
from lifelong_rl.scenarios.diagnostics import composability, distraction, forgetting, transfer
from lifelong_rl.scenarios.drifting import drift
from lifelong_rl.scenarios.hierarchy import hierarchical
from lifelong_rl.scenarios.reading import check_kinds, read_task, read_tasks
from lifelong_rl.scenarios.recurrence import power_law, recurring
from lifelong_rl.scenarios.scenario import Scenario
from lifelong_rl.scenarios.sequences import (
    alternating,
    condensed,
    curriculum,
    cycles,
    dispersed,
    pairs,
    permuted,
    single,
)
from lifelong_rl.scenarios.stream import StreamOptions

SCENARIOS: dict[str, Callable[..., Scenario]] = {
    "condensed": condensed,
    "dispersed": dispersed,
    "alternating": alternating,
    "permuted": permuted,
    "pairs": pairs,
    "cycles": cycles,
    "single": single,
    "curriculum": curriculum,
    "forgetting": forgetting,
    "transfer": transfer,
    "distraction": distraction,
    "composability": composability,
    "recurring": recurring,
    "blurry": blurry,
    "power-law": power_law,
    "hierarchical": hierarchical,
    "drift": drift,
}
"""The built-in kinds of scenarios by name: functions of an environment family and options."""


def scenario_options(kind: str) -> set[str]:
    """Give the names of the options that a kind of scenario takes; ValueError for an unknown kind.

    A function's ``**options`` stand for those of :class:`StreamOptions`.
    """
    names: set[str] = set()
    for parameter in list(inspect.signature(_function(kind)).parameters.values())[1:]:
        names |= set(StreamOptions.__annotations__) if parameter.kind is parameter.VAR_KEYWORD else {parameter.name}
    return names


def make_scenario(kind: str, family: str, /, **options: Any) -> Scenario:
    """Give the scenario of a kind over a family; ValueError for a kind or an option that there is not.

    kind: a key of :data:`SCENARIOS`, or ``"package.module:function"`` of a function like those.
    options: the function's arguments. Tasks may also be given as in files, as
        ``{"task": {feature: value}, "name": name}``.
    """
    function, known = _function(kind), scenario_options(kind)
    for name in options:
        if name not in known:
            raise unknown_name(f"option of the scenario {kind!r}", name, known)
    if options.get("tasks") is not None and "n_tasks" in options:
        raise ValueError(f"the scenario {kind!r} takes tasks or n_tasks, found both; leave one out.")
    check_kinds("scenario", options, {"env_options": Mapping, "bounds": Mapping})
    try:
        scenario = function(family, **_with_tasks(family, options))
    except TypeError as error:  # an option of another type than the function works with
        raise ValueError(f"the scenario {kind!r} cannot be made with {options}: {error}.") from error
    if not isinstance(scenario, Scenario):
        raise ValueError(f"the scenario {kind!r} must be a function that gives a Scenario, found {scenario!r}.")
    return scenario


def read_kind(data: Mapping[str, Any]) -> Scenario:
    """Give the scenario of JSON or TOML values that name a ``kind`` and a ``family``, beside the kind's options."""
    options = dict(data)
    if "family" not in options:
        raise ValueError("a scenario needs family, kind; missing: family.")
    check_kinds("scenario", options, {"kind": str, "family": str, "name": str})
    kind, family, name = options.pop("kind"), options.pop("family"), options.pop("name", None)
    scenario = make_scenario(kind, family, **options)
    return scenario if name is None else replace(scenario, name=name)


def _function(kind: str) -> Callable[..., Scenario]:
    if kind not in SCENARIOS and ":" not in kind:
        raise unknown_name("scenario", kind, SCENARIOS)
    function: Callable[..., Scenario] = SCENARIOS[kind] if kind in SCENARIOS else resolve("scenario", kind, {})
    if not callable(function):
        raise ValueError(f"the scenario {kind!r} must be a function that gives a Scenario, found {function!r}.")
    return function


def _with_tasks(family: str, options: Mapping[str, Any]) -> dict[str, Any]:
    space = find_family(family).task_space
    made = dict(options)
    if made.get("task") is not None and not isinstance(made["task"], Task):
        made["task"] = read_task(made["task"], space)
    if isinstance(made.get("tasks"), list | tuple) and not all(isinstance(task, Task) for task in made["tasks"]):
        made["tasks"] = read_tasks("tasks", made["tasks"], space)
    return made
