"""How the command line gives options of parts: as key=value."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

Options = tuple[str, ...]


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Give "key=value" pairs as a dict; dots in a key nest (those of a plug-in's "package.module:Class" do not).

    A value is JSON (true, null, [64, 64]) or a Python literal (True, None, 1_000) where it is one, else text.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise ValueError(f"an option is given as key=value, found {pair!r}.")
        module, colon, names = key.rpartition(":")
        first, *others = names.split(".")
        *parents, last = [module + colon + first, *others]
        place = options
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"the option {pair!r} goes into {parent!r}, which was given a value of its own.")
        place[last] = _parse_value(text)
    return options


def _parse_value(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):
            continue
    return text
