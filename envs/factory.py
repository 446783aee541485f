"""Making environments by name."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from lifelong_rl.envs.lookup import construct, resolve
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.task_vector import TaskVectorEnv
from lifelong_rl.envs.vector_tasks import check_count

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

FAMILIES: dict[str, str] = {
    "acrobot": "lifelong_rl.envs.batched.acrobot:Acrobot",
    "ant": "lifelong_rl.envs.mujoco.ant:Ant",
    "cartpole-physics": "lifelong_rl.envs.classic_control:CartPolePhysics",
    "cartpole-swing-up": "lifelong_rl.envs.cartpole_swing_up:CartPoleSwingUp",
    "continual-world": "lifelong_rl.envs.metaworld:ContinualWorld",
    "far-goal": "lifelong_rl.envs.far_goal:FarGoal",
    "half-cheetah": "lifelong_rl.envs.mujoco.half_cheetah:HalfCheetah",
    "half-cheetah-terrain": "lifelong_rl.envs.mujoco.half_cheetah_terrain:HalfCheetahTerrain",
    "hexagon-tracks": "lifelong_rl.envs.walkers.hexagon_tracks:HexagonTracks",
    "hopper": "lifelong_rl.envs.mujoco.hopper:Hopper",
    "lunar-lander": "lifelong_rl.envs.lunar_lander:LunarLander",
    "meta-world": "lifelong_rl.envs.metaworld:MetaWorld",
    "minigrid": "lifelong_rl.envs.minigrid.rooms:MiniGrid",
    "mountain-car-continuous": "lifelong_rl.envs.batched.mountain_car:MountainCarContinuous",
    "mujoco-pendulum-swing-up": "lifelong_rl.envs.mujoco.pendulum_swing_up:PendulumSwingUp",
    "n-delayed-match": "lifelong_rl.envs.memory:NDelayedMatch",
    "n-parity": "lifelong_rl.envs.memory:NParity",
    "pendulum-physics": "lifelong_rl.envs.classic_control:PendulumPhysics",
    "point-goal": "lifelong_rl.envs.point_goal:PointGoal",
    "point-mass": "lifelong_rl.envs.batched.point_mass:PointMass",
    "pusher": "lifelong_rl.envs.mujoco.pusher:Pusher",
    "reacher": "lifelong_rl.envs.mujoco.reacher:Reacher",
    "staged-task": "lifelong_rl.envs.staged_task:StagedTask",
    "stump-tracks": "lifelong_rl.envs.walkers.stump_tracks:StumpTracks",
    "toy-grid": "lifelong_rl.envs.toy_grid:ToyGrid",
    "toy-grid-4d": "lifelong_rl.envs.toy_grid:ToyGrid4D",
    "toy-grid-5d": "lifelong_rl.envs.toy_grid:ToyGrid5D",
    "toy-grid-6d": "lifelong_rl.envs.toy_grid:ToyGrid6D",
    "toy-grid-2d-10": "lifelong_rl.envs.toy_grid:ToyGrid2DPlus10",
    "toy-grid-2d-20": "lifelong_rl.envs.toy_grid:ToyGrid2DPlus20",
    "toy-grid-2d-50": "lifelong_rl.envs.toy_grid:ToyGrid2DPlus50",
    "walker-tracks": "lifelong_rl.envs.walkers.walker_tracks:WalkerTracks",
    "walker2d": "lifelong_rl.envs.mujoco.walker2d:Walker2d",
}
"""The built-in environment families, by name. A plug-in is named ``"package.module:Class"`` instead."""


def family(name: str) -> type[TaskEnv]:
    """Give the environment family that ``name`` stands for.

    name: a key of :data:`FAMILIES`, or ``"package.module:Class"`` of a subclass of :class:`TaskEnv`.
    Raises ValueError where it is neither.
    """
    found = resolve("environment family", name, FAMILIES)
    if not (isinstance(found, type) and issubclass(found, TaskEnv)):
        raise ValueError(
            f"the environment family {name!r} must be a subclass of lifelong_rl.envs.TaskEnv, found {found!r}."
        )
    return found


def make(name: str, **options: Any) -> TaskEnv:
    """Give an environment of the family ``name``; ``options`` go to its constructor.

    Raises ValueError for an unknown family and for an option that its constructor does not have.
    """
    env: TaskEnv = construct("environment family", family(name), options)
    return env


def make_vec(name: str, n: int, seed: int | None = None, *, parallel: bool = False, **options: Any) -> VecEnv:
    """Give ``n`` environments of the family ``name`` as one Stable-Baselines3 vector environment.

    A family with a vector of its own gives that (its ``make_sb3``): a batched family plays them over arrays
    (:class:`~lifelong_rl.envs.batched.sb3.BatchedVecEnv`), one on MuJoCo in ``n_threads`` threads
    (:class:`~lifelong_rl.envs.mujoco.sb3.MujocoVecEnv`). Both take the same steps as one by one.

    seed: seeds each instance with a number of its own; None leaves them unseeded.
    parallel: each instance in a process of its own (start method "spawn": a script needs the usual
        ``if __name__ == "__main__":``); otherwise all in this process.
    options: go to the constructor of each instance.
    Raises ValueError for ``n`` below 1, an unknown family, or an unknown option.
    """
    check_count(n)
    from stable_baselines3.common.vec_env import SubprocVecEnv

    from lifelong_rl.envs.vector import TaskVecEnv

    cls, seeds = family(name), _seeds(n, seed)
    if not parallel and (make_sb3 := getattr(cls, "make_sb3", None)):
        native: VecEnv = make_sb3(n, seeds, **options)
        return native
    makers: list[Callable[[], gymnasium.Env[Any, Any]]] = [
        partial(_make_seeded, name, options, instance_seed) for instance_seed in seeds
    ]
    if not parallel:
        return TaskVecEnv(makers)
    make(name, **options).close()  # a wrong option is an error here rather than in a worker
    return SubprocVecEnv(makers, start_method="spawn")


def make_vector(
    name: str, n: int, *, autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP, **options: Any
) -> VectorEnv[Any, Any, Any]:
    """Give ``n`` environments of the family ``name`` as one Gymnasium vector environment.

    Every reset takes a task for each instance (``options={"tasks": [...]}``), and ``queue_task`` holds some for later
    ones. Families that have a vector of their own (``make_vector``) give that: a
    :class:`~lifelong_rl.envs.batched.BatchedVectorEnv`, or on MuJoCo a
    :class:`~lifelong_rl.envs.mujoco.vector_env.MujocoVectorEnv`. The others are stepped one by one, in a
    :class:`~lifelong_rl.envs.task_vector.TaskVectorEnv`.

    options: go to the constructor of each instance.
    Raises ValueError for ``n`` below 1, an unknown family, or an unknown option.
    """
    check_count(n)
    cls, mode = family(name), AutoresetMode(autoreset_mode)
    if native := getattr(cls, "make_vector", None):
        vector: VectorEnv[Any, Any, Any] = native(n, autoreset_mode=mode, **options)
        return vector
    return TaskVectorEnv([partial(make, name, **options)] * n, autoreset_mode=mode)


def _seeds(n: int, seed: int | None) -> list[int] | list[None]:
    if seed is None:
        return [None] * n
    states: list[int] = np.random.SeedSequence(seed).generate_state(n).tolist()
    return states


def _make_seeded(name: str, options: dict[str, Any], seed: int | None) -> TaskEnv:
    if multiprocessing.parent_process() is not None:
        # Signals to the group reach the workers too, and the main process needs them for its last checkpoint.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    env = make(name, **options)
    if seed is not None:
        env.reset(seed=seed)  # later resets without a seed go on from here
    return env
