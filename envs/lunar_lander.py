"""Gymnasium's LunarLander as a task family: gravity, wind and turbulence are the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from lifelong_rl.envs.gymnasium_family import GymnasiumFamily
from lifelong_rl.envs.gymnasium_targets import Attribute
from lifelong_rl.envs.space import Feature, Value
from lifelong_rl.envs.task_env import NamedTasks


class LunarLander(GymnasiumFamily):
    """A craft to land softly on a pad, as Gymnasium's LunarLander-v3, under other gravity, wind and turbulence.

    Observation: position x, y relative to the pad, velocity x, y, angle (rad), angular velocity, and whether each
    leg touches the ground, in Gymnasium's units, shape (8,). Actions: "discrete" are 0 nothing, 1 left engine, 2
    main engine, 3 right engine; "continuous" are the throttles of the main and the side engines, shape (2,), in
    [-1, 1]. Reward: Gymnasium's, with 100 for coming to rest and -100 for a crash or for flying off sideways. Score:
    the return, from -200 (about that of random actions) to 300. Success: a return of at least 200, Gymnasium's.

    The wind blows where ``wind_power`` or ``turbulence_power`` is above 0, until a leg touches the ground.
    """

    env_id = "LunarLander-v3"
    features = {  # noqa: RUF012  # declared, never changed
        Feature.real("gravity", -12.0, -2.0, -10.0, unit="m/s^2"): Attribute("gravity"),
        Feature.real("wind_power", 0.0, 20.0, 0.0, unit="N"): Attribute("wind_power"),
        Feature.real("turbulence_power", 0.0, 2.0, 0.0, unit="N m"): Attribute("turbulence_power"),
    }
    arguments = {"wind_power": 0.0, "turbulence_power": 0.0}  # noqa: RUF012  # Gymnasium's default has them off
    action_arguments = {"discrete": {"continuous": False}, "continuous": {"continuous": True}}  # noqa: RUF012
    worst_return, best_return = -200.0, 300.0
    named_tasks: ClassVar[NamedTasks] = {
        "stock": {},
        "wind": {"wind_power": 10.0, "turbulence_power": 1.0},
        "storm": {"wind_power": 20.0, "turbulence_power": 2.0},
        "light": {"gravity": -4.0},
        "light-storm": {"gravity": -4.0, "wind_power": 20.0, "turbulence_power": 2.0},
    }

    @classmethod
    def make_environment(cls, **arguments: Any) -> gymnasium.Env[Any, Any]:
        """Give Gymnasium's environment with an honest space: its own has bounds that a climb or a spin leaves."""
        env = super().make_environment(**arguments)
        env.observation_space = spaces.Box(-np.inf, np.inf, (8,), np.float32)
        return env

    def derive(self, env: Any, params: Mapping[str, Value]) -> None:
        """Let the wind blow where the task has one; without it the generator is not drawn from."""
        env.enable_wind = params["wind_power"] != 0.0 or params["turbulence_power"] != 0.0
