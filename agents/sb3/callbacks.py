"""Callbacks that bring the bus to where Stable-Baselines3 offers no other seam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from lifelong_rl.agents.base import untrained_rows
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
                next_observations=_own_next(step["new_obs"], step["dones"], step["infos"]),
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


def _own_next(observations: Any, dones: NDArray[np.bool_], infos: Sequence[Mapping[str, Any]]) -> Any:
    """Give the next observations, with each ended episode's own last one in place of the next one's first."""
    ended = [int(i) for i in np.flatnonzero(dones)]
    if not ended:
        return observations
    if isinstance(observations, dict):
        own: Any = {key: value.copy() for key, value in observations.items()}
        for i in ended:
            for key in own:
                own[key][i] = infos[i]["terminal_observation"][key]
        return own
    own = observations.copy()
    for i in ended:
        own[i] = infos[i]["terminal_observation"]
    return own
