"""Components in a saved agent: their classes and hyper-parameters, from which they are made anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_rl.agents.component import Component
from lifelong_rl.envs.lookup import hyperparameters, import_path, resolve


def component_entries(components: Sequence[Component]) -> list[dict[str, Any]]:
    """Give each component's class and hyper-parameters as plain values; TypeError where they are none."""
    return [_entry(component) for component in components]


def _entry(component: Component) -> dict[str, Any]:
    entry = {"class": import_path(type(component)), "hyperparameters": hyperparameters(component)}
    try:
        json.dumps(entry)
    except TypeError as error:
        raise TypeError(
            f"the hyper-parameters of {type(component).__name__} must be plain values (JSON) to be saved: {error}."
        ) from error
    return entry


def made_components(entries: Sequence[Mapping[str, Any]]) -> list[Component]:
    """Make the components that such entries name, anew; ValueError where a class cannot be imported."""
    try:
        return [resolve("component", entry["class"], {})(**entry["hyperparameters"]) for entry in entries]
    except ValueError as error:
        raise ValueError(f"{error} Or make the components yourself: load(..., components=[...]).") from error
