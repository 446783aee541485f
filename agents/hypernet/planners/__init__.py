"""Planners: they look for the actions with the highest predicted return. Importing this package imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifelong_rl.agents.hypernet.options import checked_options
from lifelong_rl.envs.lookup import construct, resolve

if TYPE_CHECKING:
    from lifelong_rl.agents.hypernet.planners.categorical import CategoricalCEM
    from lifelong_rl.agents.hypernet.planners.cem import CEM
    from lifelong_rl.agents.hypernet.planners.mppi import MPPI
    from lifelong_rl.agents.hypernet.planners.pddm import PDDM
    from lifelong_rl.agents.hypernet.planners.planner import Evaluate, Plan, Planner
    from lifelong_rl.agents.hypernet.planners.shooting import RandomShooting

PLANNERS: dict[str, str] = {
    "cem": "lifelong_rl.agents.hypernet.planners.cem:CEM",
    "mppi": "lifelong_rl.agents.hypernet.planners.mppi:MPPI",
    "pddm": "lifelong_rl.agents.hypernet.planners.pddm:PDDM",
    "random-shooting": "lifelong_rl.agents.hypernet.planners.shooting:RandomShooting",
    "categorical-cem": "lifelong_rl.agents.hypernet.planners.categorical:CategoricalCEM",
}
"""The planners by name; each is imported when it is first asked for."""

_PARTS = {
    name: f"lifelong_rl.agents.hypernet.planners.planner:{name}" for name in ("Evaluate", "Plan", "Planner")
}  # what a planner of one's own is made of


def make_planner(name: str, options: Mapping[str, Any] | None = None) -> Planner:
    """Make a planner by its name or ``module:Class``, with hyper-parameters by name.

    Raises ValueError for an unknown name or option, for a class that is no :class:`Planner`, and for a
    hyper-parameter out of its range.
    """
    from lifelong_rl.agents.hypernet.planners.planner import Planner

    kind = resolve("planner", name, PLANNERS)
    if not (isinstance(kind, type) and issubclass(kind, Planner)):
        raise ValueError(f"the planner {name!r} must be a subclass of Planner, found {kind!r}.")
    planner: Planner = construct("planner", kind, checked_options(f"the planner {name}", kind, options or {}))
    planner.check()
    return planner


def __getattr__(name: str) -> Any:
    for path in (*PLANNERS.values(), *_PARTS.values()):
        module, _, attribute = path.partition(":")
        if attribute == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CEM",
    "MPPI",
    "PDDM",
    "PLANNERS",
    "CategoricalCEM",
    "Evaluate",
    "Plan",
    "Planner",
    "RandomShooting",
    "make_planner",
]
