"""Callbacks that bring the bus to where Stable-Baselines3 offers no other seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from lifelong_rl.agents.base import own_next, untrained_rows
from lifelong_rl.agents.component import RouteContext, Transitions

if TYPE_CHECKING:
    from lifelong_rl.agents.sb3.lifelong import LifelongMixin


class ObserveCallback(BaseCallback):
    """Shows the components every step of training, before the learner stores it."""

    model: LifelongMixin

    def _on_step(self) -> bool:
        step, model = self.locals, self.model
        model.bus.observe(
            Transitions(
                observations=model._last_obs,
                actions=step.get("buffer_actions", step["actions"]),
                rewards=step["rewards"],
                next_observations=own_next(step["new_obs"], step["dones"], step["infos"]),
                dones=step["dones"],
                timeouts=np.array([bool(info.get("TimeLimit.truncated")) for info in step["infos"]]),
                untrained=untrained_rows(step["infos"]),
            )
        )
        return True


class RouteCallback(BaseCallback):
    """Lets the components choose what an on-policy learner acts with."""

    model: LifelongMixin

    def _on_rollout_start(self) -> None:
        self.model.bus.route(RouteContext("act", self.model.task, self.model._last_obs))

    def _on_step(self) -> bool:
        self.model.bus.route(RouteContext("act", self.model.task, self.locals["new_obs"]))
        return True
