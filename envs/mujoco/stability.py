"""Whether a simulation of MuJoCo has exploded."""

from __future__ import annotations

from functools import cache
from typing import Any

from lifelong_rl.envs.lookup import require_extra


def has_exploded(data: Any) -> bool:
    """Say whether the simulation has exploded, and so silently started over, since its last reset."""
    return bool(data.warning.number[_explosions()].any())


@cache
def _explosions() -> slice:
    """Give where the warnings stand that positions, velocities or accelerations became too large."""
    kinds: Any = require_extra("mujoco", "mujoco", "the simulation runs on MuJoCo").mjtWarning
    return slice(int(kinds.mjWARN_BADQPOS), int(kinds.mjWARN_BADQACC) + 1)
