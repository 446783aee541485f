"""Writing scenarios as the TOML files that ``Scenario.from_toml`` and ``lifelong-rl train --scenario`` read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from lifelong_rl.scenarios.scenario import Scenario


def to_toml(scenario: Scenario) -> str:
    """Give a scenario as the text of a TOML file; what is read from it again equals the scenario.

    ValueError for a value that TOML cannot hold: None, in the options of a teacher or of the environment.
    """
    plain = {name: value for name, value in scenario.to_json().items() if name != "blocks" and value not in ([], {})}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for block in scenario.blocks:
        lines += ["", "[[blocks]]"]
        lines += [f"{_key(name)} = {_value(value)}" for name, value in block.to_json().items() if value != {}]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(name))} = {_value(entry)}" for name, entry in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return _listed([_value(entry) for entry in value])
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ValueError(f"a TOML file cannot hold {value!r}; keep the scenario as JSON, or give a value in its place.")


def _listed(entries: list[str]) -> str:
    """Give a list, with a line an entry where the entries are tables."""
    if entries and entries[0].startswith("{"):
        return "[\n" + "".join(f"    {entry},\n" for entry in entries) + "]"
    return f"[{', '.join(entries)}]"


def _text(text: str) -> str:
    # TOML's texts are JSON's, but that it knows no pairs of surrogates and refuses the character DEL
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
