"""Which options make a scenario again: the kinds of scenarios read backwards from their blocks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, get_args

from lifelong_rl.envs.factory import family as find_family
from lifelong_rl.envs.test_sets import built_in_recipes
from lifelong_rl.scenarios import SCENARIOS, make_scenario, scenario_options
from lifelong_rl.scenarios.block import task_entry, teacher_arguments
from lifelong_rl.scenarios.recurrence import Recurrence
from lifelong_rl.teachers import make_teacher

Data = Mapping[str, Any]
"""A scenario, or a part of one, as ``config.json`` holds it."""

N_SEEDS = 10
"""Values of ``order_seed`` that are tried, from 0 on."""

MOST_TEST_TASKS = 50
"""Points of a drift's path that are tried."""


@lru_cache(maxsize=256)
def options_of(text: str) -> Data | None:
    """Give the options that make a scenario again; None where none of those tried do.

    text: the scenario as JSON. The options are those of its kind, as plain values. They are found by making the
    scenario again, so they are right where they are given. A file's scenario that goes by a kind's name is like one.
    """
    data = json.loads(text)
    if data["name"] not in SCENARIOS:
        return None
    for options in _tried(data):
        try:
            made = make_scenario(data["name"], data["family"], **options)
        except (ValueError, TypeError, KeyError, AttributeError):  # these numbers make none
            continue
        if json.dumps(made.to_json(), sort_keys=True) == json.dumps(data, sort_keys=True):
            return options
    return None


def _tried(data: Data) -> Iterator[dict[str, Any]]:
    blocks, kind = data["blocks"], data["name"]
    shared = {
        "steps": sum(block["steps"] for block in blocks),
        "observe_task": data["observe_task"],
        "visibility": blocks[0]["visibility"],
    }
    shared |= {name: data[name] for name in ("env_options", "evaluation_visibility") if data.get(name)}
    seeds: list[dict[str, Any]] = [{}]
    if "order_seed" in scenario_options(kind):
        seeds += [{"order_seed": seed} for seed in range(1, N_SEEDS)]
    for own, seed in product(RECIPES[kind](data), seeds):
        yield shared | own | seed


def _tasks(data: Data, entries: Iterable[Data]) -> dict[str, Any]:
    """Give the option for distinct tasks: their number where they are the family's standard ones, else themselves."""
    distinct = list({json.dumps(entry): entry for entry in entries}.values())
    standard = [task_entry(task) for task in find_family(data["family"]).standard_tasks(len(distinct))]
    return {"n_tasks": len(distinct)} if distinct == standard else {"tasks": distinct}


def _of_blocks(data: Data) -> list[dict[str, Any]]:
    """Give the fixed task of each block; KeyError where one has none."""
    return [{"task": block["task"], "name": block["name"]} for block in data["blocks"]]


def _condensed(data: Data) -> list[dict[str, Any]]:
    order = _of_blocks(data)
    chosen = _tasks(data, order)
    return [{"n_tasks": len(order)} if chosen == {"n_tasks": len(order)} else {"tasks": order}]


def _permuted(data: Data) -> list[dict[str, Any]]:
    return [{"n_tasks": len(data["blocks"])}]  # of tasks of one's own the first order is not known


def _dispersed(data: Data) -> list[dict[str, Any]]:
    n_tasks = len(data["evaluation_tasks"])
    return [{"n_tasks": n_tasks, "cycles": len(data["blocks"]) // n_tasks}]


def _cycles(data: Data) -> list[dict[str, Any]]:
    chosen = _tasks(data, _of_blocks(data))
    return [chosen | {"cycles": len(data["blocks"]) // len(data["evaluation_tasks"])}]


def _pairs(data: Data) -> list[dict[str, Any]]:
    n_tasks = len(data["evaluation_tasks"])
    repeats = len(data["blocks"]) // max(2 * n_tasks * (n_tasks - 1), 1)
    return [_tasks(data, _of_blocks(data)) | {"repeats": repeats}]


def _single(data: Data) -> list[dict[str, Any]]:
    return [{}, {"task": _of_blocks(data)[0]}]


def _curriculum(data: Data) -> list[dict[str, Any]]:
    block = data["blocks"][0]
    sets = built_in_recipes(find_family(data["family"]).task_space)
    usual = teacher_arguments(make_teacher(block["teacher"]))["teacher_options"]
    changed = {name: value for name, value in block["teacher_options"].items() if usual.get(name) != value}
    bounds = {"bounds": block["bounds"]} if block["bounds"] else {}
    teacher = {"name": block["teacher"]} | changed
    chosen = {"teacher": teacher} | bounds
    return [{"n_test_tasks": len(data["evaluation_tasks"])} | chosen, *({"test_set": name} | chosen for name in sets)]


def _forgetting(data: Data) -> list[dict[str, Any]]:
    return [{"n_tasks": len(data["blocks"])}, {"tasks": _of_blocks(data)}]


def _transfer(data: Data) -> list[dict[str, Any]]:
    return [{}, {"tasks": _of_blocks(data)}]


def _distraction(data: Data) -> list[dict[str, Any]]:
    return [{"n_distractors": len(data["blocks"]) - 2}, {"tasks": _of_blocks(data)}]


def _composability(data: Data) -> list[dict[str, Any]]:
    order = _of_blocks(data)
    found: list[dict[str, Any]] = []
    for n_parts in range(2, len(order)):
        n_distractors = {"n_distractors": len(order) - 1 - n_parts}
        found += [{"n_parts": n_parts} | n_distractors, {"tasks": order[:n_parts]} | n_distractors]
    return found


def _recurring(data: Data) -> list[dict[str, Any]]:
    n_active = len(data["blocks"][0].get("distribution", [0]))
    return [_tasks(data, data["evaluation_tasks"]) | {"n_blocks": len(data["blocks"]), "n_active": n_active}]


def _blurry(data: Data) -> list[dict[str, Any]]:
    chosen = _tasks(data, data["evaluation_tasks"]) | {"n_blocks": len(data["blocks"])}
    return [chosen, chosen | {"round_to": math.gcd(*(block["steps"] for block in data["blocks"]))}]


def _power_law(data: Data) -> list[dict[str, Any]]:
    chosen = _tasks(data, data["evaluation_tasks"]) | {"n_blocks": len(data["blocks"])}
    others = [{"recurrence": recurrence} for recurrence in get_args(Recurrence)]
    return [chosen | own for own in ({}, *others)]


def _hierarchical(data: Data) -> list[dict[str, Any]]:
    leaves: Sequence[Data] = data["evaluation_tasks"]
    return [{"depth": len(leaves).bit_length() - 1}, {"tasks": leaves}]


def _drift(data: Data) -> list[dict[str, Any]]:
    drift = data["blocks"][0]["drift"]
    path = drift["path"]
    chosen = _tasks(data, path)
    chosen = chosen if chosen == {"n_tasks": len(path)} else {"tasks": path}
    chosen |= {"n_stages": drift["n_stages"]} if "n_stages" in drift else {}
    # a path that comes back has points at one place, which are evaluated once
    return [chosen | {"n_test_tasks": n} for n in range(len(data["evaluation_tasks"]), MOST_TEST_TASKS + 1)]


RECIPES: dict[str, Callable[[Data], list[dict[str, Any]]]] = {
    "condensed": _condensed,
    "dispersed": _dispersed,
    "alternating": _cycles,
    "permuted": _permuted,
    "pairs": _pairs,
    "cycles": _cycles,
    "single": _single,
    "curriculum": _curriculum,
    "forgetting": _forgetting,
    "transfer": _transfer,
    "distraction": _distraction,
    "composability": _composability,
    "recurring": _recurring,
    "blurry": _blurry,
    "power-law": _power_law,
    "hierarchical": _hierarchical,
    "drift": _drift,
}
"""Kind of scenario -> the options that may have made one, without those that every kind has."""
