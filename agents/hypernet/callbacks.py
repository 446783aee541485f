"""Callbacks of Stable-Baselines3 around a HyperCRL agent's training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback


class Listening:
    """What a call of ``learn`` tells its callback: the start, each step, and the end.

    callback: a callback, a list of them, a function ``(locals, globals) -> bool | None``, or None.
    """

    def __init__(self, callback: Any, agent: Any):
        if isinstance(callback, list | tuple):
            callback = CallbackList([_made(each) for each in callback])
        self._callback: BaseCallback | None = None if callback is None else _made(callback)
        if self._callback is not None:
            self._callback.init_callback(agent)
            self._callback.on_training_start({"self": agent}, {})

    def goes_on(self, step: Mapping[str, Any]) -> bool:
        """Tell the callback of a step, by the names that Stable-Baselines3 has; whether training shall go on."""
        if self._callback is None:
            return True
        self._callback.update_locals(dict(step))
        return self._callback.on_step()

    def end(self) -> None:
        """Tell it that the training ends."""
        if self._callback is not None:
            self._callback.on_training_end()


def _made(callback: Any) -> BaseCallback:
    if isinstance(callback, BaseCallback):
        return callback
    if not callable(callback):
        raise ValueError(f"a callback must be one of Stable-Baselines3's, a function, or a list, found {callback!r}.")
    return ConvertCallback(callback)
