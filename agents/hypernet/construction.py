"""Making the parts of a HyperCRL agent from its settings; what cannot work is refused here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.mechanisms import make_learner
from lifelong_rl.agents.hypernet.options import checked_options
from lifelong_rl.agents.hypernet.reward import RewardFunction, RewardSource, check_function
from lifelong_rl.envs.lookup import resolve, unknown_name


def plain_settings(kind: type, **options: Any) -> dict[str, Any]:
    """Give an agent's constructor arguments as plain values; ValueError for one of another type."""
    settings = checked_options("HyperCRL", kind, options)
    if isinstance(settings["dynamics"], DynamicsSettings):
        settings["dynamics"] = dataclasses.asdict(settings["dynamics"])
    for name in ("mechanism_options", "dynamics", "planner_options"):
        settings[name] = dict(settings[name] or {})
    return settings


def check_numbers(settings: Mapping[str, Any], seed: int) -> None:
    """Raise ValueError for a setting out of its range."""
    for name in ("n_random_steps", "train_every", "n_updates", "batch_size"):
        least = 0 if name == "n_random_steps" else 1
        if settings[name] < least:
            raise ValueError(f"{name} must be at least {least}, found {settings[name]}.")
    if settings["random_actions"] not in ("uniform", "normal"):
        raise ValueError(f"random_actions must be 'uniform' or 'normal', found {settings['random_actions']!r}.")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, found {seed}.")
    if not settings["noise"] >= 0:
        raise ValueError(f"noise must be at least 0, found {settings['noise']}.")
    if not 0 < settings["discount"] <= 1:
        raise ValueError(f"discount must be above 0 and at most 1, found {settings['discount']}.")


def made_dynamics(
    settings: Mapping[str, Any],
    sizes: tuple[int, int],
    generator: torch.Generator,
    learner_rng: np.random.Generator,
    rng: np.random.Generator,
) -> DynamicsModel:
    """Make the dynamics model for observations and actions of these sizes.

    generator: draws its first weights; learner_rng: what the mechanism draws; rng: the rows of its batches.
    """
    options = dict(settings["dynamics"])
    known = [field.name for field in dataclasses.fields(DynamicsSettings)]
    for name in options:
        if name not in known:
            raise unknown_name("option of the dynamics model", name, known)
    options = checked_options("the dynamics model", DynamicsSettings, options)
    mechanism, chosen, device = settings["mechanism"], settings["mechanism_options"], device_named(settings["device"])
    return DynamicsModel(
        *sizes,
        lambda target, loss: make_learner(mechanism, chosen, target, loss, generator, learner_rng, device),
        settings=DynamicsSettings(**options),
        rng=rng,
    )


def reward_source(given: RewardFunction | str | None, dynamics: DynamicsModel, env: Any) -> RewardSource | None:
    """Give where rewards come from; None where the model learns them."""
    function = resolve("reward function", given, {}) if isinstance(given, str) else given
    if dynamics.settings.learns_reward:
        if function is not None:
            raise ValueError("the model learns the reward (learns_reward): leave reward_function out, or that.")
        return None
    if function is not None:
        check_function(function, dynamics.learner.like(), (dynamics.observation_size, dynamics.action_size))
    return RewardSource(env, function)


def precision_named(name: str) -> torch.dtype | None:
    """Give the type to plan in, or None for the model's own; ValueError for another name."""
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be float32 or bfloat16, found {name!r}.")
    return torch.bfloat16 if name == "bfloat16" else None


def device_named(name: str) -> torch.device:
    """Give the device of this name; ValueError where torch has none here."""
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be one that torch has here, such as cpu, found {name!r}: {reason}") from error
