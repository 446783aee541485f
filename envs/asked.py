"""What environments are asked for in passing: whole numbers, seeds, and the options of a reset, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.lookup import unknown_name


def whole_number(what: str, value: Any, least: int) -> int:
    """Give a whole number of at least ``least`` as an int; ValueError for anything else, True and 2.0 included."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ValueError(f"{what} must be a whole number and at least {least}, found {value!r}.")
    return int(value)


def task_count(n: Any) -> int:
    """Give the number of standard tasks that somebody asks a family for; ValueError where it is none."""
    return whole_number("n, the number of standard tasks,", n, 0)


def seed_or_none(seed: Any) -> int | None:
    """Give a seed as Gymnasium takes it, an int or None; ValueError where it is none."""
    return None if seed is None else whole_number("a seed", seed, 0)


def named_task(options: Any) -> Any:
    """Give ``options["task"]`` of a reset, None where there is none; ValueError for options that mean nothing."""
    if not isinstance(options, Mapping):
        raise ValueError(f"the options of reset are a mapping such as {{'task': ...}}, found {options!r}.")
    for key in options:
        if key != "task":
            raise unknown_name("option of reset", key, ("task",))
    return options.get("task")
