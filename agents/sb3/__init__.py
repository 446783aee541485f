"""Stable-Baselines3 learners on the bus."""

from lifelong_rl.agents.sb3.learners import LifelongDQN, LifelongPPO, LifelongSAC, LifelongTD3

__all__ = ["LifelongDQN", "LifelongPPO", "LifelongSAC", "LifelongTD3"]
