"""Names of values in worked examples: the same one in other words, other order or an abbreviation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WORDS = {
    "acc": "average accuracy",
    "auc": "area under curve",
    "avg": "average",
    "baselines": "baseline",
    "bwt": "backward transfer",
    "env": "task",
    "envs": "task",
    "experience": "exp",
    "experiences": "exp",
    "final": "",
    "ft": "forward transfer",
    "fwt": "forward transfer",
    "individual": "per task",
    "nbt": "negative backward transfer",
    "of": "",
    "over": "per",
    "perf": "performance",
    "rem": "remembering",
    "rodriguez": "",
    "run": "seed",
    "runs": "seed",
    "seeds": "seed",
    "tasks": "task",
    "values": "",
    "vals": "",
    "zsft": "zero shot forward transfer",
}
"""A word of a name -> the words it stands for; none for one that adds nothing."""

SUMMARIES = {"average", "mean", "overall", "total", "value"}
"""Words that say that a value is the mean, where there is no other of that name."""


def plain(name: str) -> str:
    """Give the letters and digits of a name, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def words_of(name: str) -> frozenset[str]:
    """Give the words of a name, whatever their order and however they are abbreviated."""
    found = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    return frozenset(word for part in found for word in WORDS.get(part, part).split())


def found_under(name: str, table: Mapping[Any, Any]) -> tuple[bool, Any]:
    """Give whether a table has a value of this name, and the value: by its letters, else by its words."""
    for same in (plain, words_of, lambda key: words_of(key) - SUMMARIES):
        for key, value in table.items():
            if same(str(key)) == same(name):
                return True, value
    return False, None
