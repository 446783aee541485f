"""The global generators that Stable-Baselines3 and torch draw from: a run seeds them once, checkpoints carry them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def global_generators() -> dict[str, Any]:
    """Give the states of the global generators that SB3 and torch draw from."""
    version, internal, gauss = random.getstate()
    name, keys, pos, has_gauss, cached = np.random.get_state()
    states: dict[str, Any] = {
        "python": {"version": version, "internal": np.array(internal, dtype=np.uint64), "gauss": gauss},
        "numpy": {"name": name, "keys": keys, "pos": pos, "has_gauss": has_gauss, "cached": cached},
        "torch": torch.get_rng_state().numpy(),
    }
    if torch.cuda.is_available():
        states["cuda"] = [device.numpy() for device in torch.cuda.get_rng_state_all()]
    return states


def set_global_generators(states: Mapping[str, Any]) -> None:
    """Set the global generators as :func:`global_generators` found them."""
    python, legacy = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["internal"].tolist()), python["gauss"]))
    np.random.set_state((legacy["name"], legacy["keys"], legacy["pos"], legacy["has_gauss"], legacy["cached"]))
    torch.set_rng_state(torch.from_numpy(states["torch"].copy()))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.from_numpy(device.copy()) for device in states["cuda"]])


@contextmanager
def preserved_generators() -> Iterator[None]:
    """Leave the global generators as they were, whatever is drawn inside."""
    states = global_generators()
    try:
        yield
    finally:
        set_global_generators(states)
