"""Importing Box2D, the optional package that the walkers run on."""

from __future__ import annotations

import warnings
from types import ModuleType

from lifelong_rl.envs.lookup import require_extra


def import_box2d(who: str) -> ModuleType:
    """Give the module Box2D; MissingExtraError names the extra to install, and ``who`` runs on it.

    Its import warns of how SWIG made it, and where warnings are errors, Python crashes there: they are ignored.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return require_extra("Box2D", "box2d", f"{who} runs on Box2D")
