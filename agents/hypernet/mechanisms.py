"""The continual mechanisms that a dynamics model can be learned with, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lifelong_rl.agents.hypernet.baselines import BASELINES
from lifelong_rl.agents.hypernet.hyper_learner import PUBLISHED, HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.learner import DynamicsLearner, TaskLoss
from lifelong_rl.agents.hypernet.options import checked_options
from lifelong_rl.agents.hypernet.target import TargetNetwork
from lifelong_rl.envs.lookup import construct, unknown_name

HYPERNETWORK = "hypernetwork"
MECHANISMS = (HYPERNETWORK, *BASELINES)
"""The names: the hypernetwork, and what it was compared with."""


def hypernet_settings(options: Mapping[str, Any]) -> HypernetSettings:
    """Give the settings that options name; ``published="pendulum"`` and the like start from the paper's."""
    options = dict(options)
    start = HypernetSettings()
    published = options.pop("published", None)
    if published is not None:
        if not isinstance(published, str) or published not in PUBLISHED:
            raise unknown_name("published setting of the hypernetwork", str(published), PUBLISHED)
        start = PUBLISHED[published]
    known = [field.name for field in dataclasses.fields(HypernetSettings)]
    for name in options:
        if name not in known:
            raise unknown_name("option of the hypernetwork", name, [*known, "published"])
    return dataclasses.replace(start, **checked_options("the hypernetwork", HypernetSettings, options))


def check_mechanism(name: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown mechanism, or an option that it does not take."""
    if name not in MECHANISMS:
        raise unknown_name("mechanism", name, MECHANISMS)
    if name == HYPERNETWORK:
        hypernet_settings(options)
    else:
        checked_options(f"the mechanism {name}", BASELINES[name], options)


def make_learner(
    name: str,
    options: Mapping[str, Any],
    target: TargetNetwork,
    loss: TaskLoss,
    generator: torch.Generator,
    rng: np.random.Generator,
    device: torch.device,
) -> DynamicsLearner:
    """Make what learns the dynamics model's weights."""
    shared = {"target": target, "loss": loss, "generator": generator, "rng": rng, "device": device}
    if name == HYPERNETWORK:
        return construct("mechanism", HypernetLearner, shared | {"settings": hypernet_settings(options)})  # type: ignore[no-any-return]
    reserved = [option for option in options if option in (*shared, "dtype")]
    if reserved:
        raise unknown_name(f"option of the mechanism {name}", reserved[0], ["lr", "longest_gradient", "strength"])
    given = checked_options(f"the mechanism {name}", BASELINES[name], options)
    try:
        learner: DynamicsLearner = construct("mechanism", BASELINES[name], shared | given)
    except TypeError as error:
        raise ValueError(f"the mechanism {name!r} cannot be made with {dict(options)}: {error}") from error
    return learner
