"""Families that are written once and played one by one or by the thousand: see :class:`BatchedTaskEnv`."""

from lifelong_rl.envs.batched.arithmetic import Arithmetic
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.batched.vector_env import BatchedVectorEnv

__all__ = ["Arithmetic", "BatchedTaskEnv", "BatchedVectorEnv"]
