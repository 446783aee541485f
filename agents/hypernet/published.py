"""HyperCRL with the authors' settings: sizes, loss, schedule, planner and initialisation of Huang et al. (2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifelong_rl.agents.component import Component
from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.agents.hypernet.planners import CEM, MPPI
from lifelong_rl.agents.hypernet.reward import RewardFunction
from lifelong_rl.envs.lookup import hyperparameters, unknown_name

_NAMES = ("hidden", "n_random_steps", "train_every", "n_updates", "batch_size")

SCHEDULES: dict[str, dict[str, Any]] = {
    preset: dict(zip(_NAMES, values, strict=True))
    for preset, values in {
        "pendulum": ((32, 32), 400, 400, 1000, 20),
        "cartpole": ((256, 256), 400, 200, 500, 32),
        "pusher": ((200, 200), 2000, 200, 2000, 100),
        "half_cheetah": ((200, 200, 200, 200), 10_000, 1000, 2000, 100),
    }.items()
}
"""Hidden units of the dynamics model, and how often it is trained, by the name of the authors' environment."""


def published_options(preset: str) -> dict[str, Any]:
    """Give all arguments of :class:`HyperCRL` as the authors have them, by the name of their environment.

    Random actions are N(0, 1), a quarter of the transitions is held out, targets are not scaled; the planner is CEM
    restarted at every step (for the pendulum MPPI). ValueError for a name that has none.
    """
    if preset not in SCHEDULES:
        raise unknown_name("published preset", preset, SCHEDULES)
    schedule = dict(SCHEDULES[preset])
    planner = MPPI.published() if preset == "pendulum" else CEM.published(preset)
    return {
        "mechanism_options": {"published": preset},
        "dynamics": {"hidden": schedule.pop("hidden"), "scales_targets": False},
        "planner": "mppi" if preset == "pendulum" else "cem",
        "planner_options": hyperparameters(planner),
        "random_actions": "normal",
        "held_out": 0.25,
    } | schedule


class PublishedHyperCRL(HyperCRL):
    """HyperCRL as published; further arguments are those of :class:`HyperCRL`, and change single settings.

    preset: whose settings, a name of :data:`SCHEDULES`.
    """

    def __init__(
        self,
        env: Any,
        *,
        preset: str = "pendulum",
        seed: int = 0,
        components: Sequence[Component] = (),
        reward_function: RewardFunction | str | None = None,
        **changes: Any,
    ):
        options = published_options(preset) | changes
        super().__init__(env, seed=seed, components=components, reward_function=reward_function, **options)
