"""Environment families and the task protocol."""

from lifelong_rl.envs.check import TaskEnvError, check_task_env
from lifelong_rl.envs.factory import FAMILIES, family, make, make_vec, make_vector
from lifelong_rl.envs.gymnasium_family import GymnasiumFamily
from lifelong_rl.envs.gymnasium_targets import Argument, Attribute
from lifelong_rl.envs.mujoco.model_field import ModelField
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, ObserveTask, TaskEnv, TaskLike

__all__ = [
    "FAMILIES",
    "ActionKind",
    "Argument",
    "Attribute",
    "Feature",
    "GymnasiumFamily",
    "ModelField",
    "ObserveTask",
    "Task",
    "TaskEnv",
    "TaskEnvError",
    "TaskLike",
    "TaskSpace",
    "check_task_env",
    "family",
    "make",
    "make_vec",
    "make_vector",
]
