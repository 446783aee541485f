"""n MuJoCo environments at once: our threads against one by one, Gymnasium's SyncVectorEnv and mujoco.rollout.

Steps per second of CPU time, of all threads together (the clock says nothing while other jobs share the machine), and
how far a trajectory of ``mujoco.rollout`` is from the environment's own: it does not give back what the next step's
solver starts from.

    python benchmarks/mujoco_vector.py --output benchmarks/results/mujoco_vector.md
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import tyro
from gymnasium.vector import SyncVectorEnv
from mujoco.rollout import Rollout

from lifelong_rl.envs import family, make

FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS


@dataclass(frozen=True)
class VectorConfig:
    """Settings of the measurement."""

    families: tuple[str, ...] = ("half-cheetah", "ant")
    """Families to time."""
    n: int = 16
    """Instances, each with a task of its own."""
    n_segments: int = 15
    """Timed segments of each way to step them, in turn."""
    steps_per_segment: int = 40
    """Steps of all n instances in a segment."""
    output: Path | None = None
    """Markdown file to write the tables to."""


def vector_step(vector: gymnasium.vector.VectorEnv[Any, Any, Any], actions: np.ndarray[Any, Any]) -> None:
    vector.step(actions)


def single_step(envs: list[Any], actions: np.ndarray[Any, Any]) -> None:
    for env, action in zip(envs, actions, strict=True):
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()


def bare_step(envs: list[Any], actions: np.ndarray[Any, Any]) -> None:
    """Play one step of the physics alone, MuJoCo's own."""
    for env, action in zip(envs, actions, strict=True):
        env.data.ctrl[:] = action
        mujoco.mj_step(env.model, env.data, nstep=env.physics_steps)


class BareRollout:
    """The physics of n environments by ``mujoco.rollout`` alone: no observation, reward or end."""

    def __init__(self, envs: list[Any], n_threads: int):
        self.models, self.n_steps = [env.model for env in envs], envs[0].physics_steps
        self.datas = [mujoco.MjData(self.models[0]) for _ in range(max(1, n_threads))]
        self.rollout = Rollout(nthread=n_threads if n_threads > 1 else 0)
        n, size = len(envs), mujoco.mj_stateSize(self.models[0], FULL)
        self.states, self.trajectories = np.zeros((n, size)), np.zeros((n, self.n_steps, size))
        for env, state in zip(envs, self.states, strict=True):
            mujoco.mj_getState(env.model, env.data, state, FULL)
        self.no_sensors = np.zeros((n, self.n_steps, self.models[0].nsensordata))

    def step(self, actions: np.ndarray[Any, Any]) -> None:
        """Play one step of the environments."""
        controls = np.repeat(actions[:, None].astype(np.float64), self.n_steps, axis=1)
        self.rollout.rollout(
            self.models,
            self.datas,
            self.states,
            controls,
            control_spec=int(mujoco.mjtState.mjSTATE_CTRL),
            skip_checks=True,
            nstep=self.n_steps,
            state=self.trajectories,
            sensordata=self.no_sensors,
        )
        self.states[:] = self.trajectories[:, -1]


def ways(name: str, n: int) -> dict[str, Callable[[np.ndarray[Any, Any]], None]]:
    """Give the ways to step n instances of drawn tasks."""
    space = family(name).task_space
    tasks = space.decode_many(space.sample(n, np.random.default_rng(0)))
    envs: list[Any] = [make(name) for _ in range(n)]
    others: list[Any] = [make(name) for _ in range(n)]
    for i, (env, other, task) in enumerate(zip(envs, others, tasks, strict=True)):
        env.reset(seed=i, options={"task": task})
        other.reset(seed=i, options={"task": task})
    vectors: dict[str, Any] = {
        "Gymnasium's SyncVectorEnv of them": SyncVectorEnv([partial(make, name)] * n),
        "make_vector, 1 thread": family(name).make_vector(n),
        "make_vector, 2 threads": family(name).make_vector(n, n_threads=2),
    }
    for vector in vectors.values():
        for env, task in zip(vector.envs, tasks, strict=True):
            env.unwrapped.queue_task(task)
        vector.reset(seed=0)
    return {
        "one by one": partial(single_step, envs),
        **{what: partial(vector_step, vector) for what, vector in vectors.items()},
        "bare mj_step, one by one": partial(bare_step, others),
        "bare mujoco.rollout, 1 thread": BareRollout(others, 1).step,
        "bare mujoco.rollout, 2 threads": BareRollout(others, 2).step,
    }


def speeds(name: str, config: VectorConfig) -> list[str]:
    """Give a row for each way: steps per second of CPU time and by the clock, medians of the segments."""
    tried = ways(name, config.n)
    rng = np.random.default_rng(1)
    shape = (config.steps_per_segment, config.n, *(make(name).action_space.shape or ()))
    n_steps = config.n * config.steps_per_segment
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in tried}
    for _ in range(config.n_segments):
        actions = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        for what, step in tried.items():
            cpu, clock = time.process_time(), time.perf_counter()
            for action in actions:
                step(action)
            found[what].append((n_steps / (time.process_time() - cpu), n_steps / (time.perf_counter() - clock)))
    medians = {what: np.median(segments, axis=0) for what, segments in found.items()}
    return [f"| `{name}` | {what} | {cpu:,.0f} | {clock:,.0f} |" for what, (cpu, clock) in medians.items()]


def drift(name: str, n_steps: int = 200) -> str:
    """Give the row on how far a rollout without the solver's start is from the environment."""
    env: Any = make(name)
    env.reset(seed=0)
    bare = BareRollout([env], 1)
    size, first, furthest = bare.states.shape[1], None, 0.0
    rng = np.random.default_rng(0)
    for step in range(1, n_steps + 1):
        action = rng.uniform(-1.0, 1.0, env.action_size).astype(np.float32)
        env.advance(action)
        bare.step(action[None])
        state = np.zeros(size)
        mujoco.mj_getState(env.model, env.data, state, FULL)
        distance = float(np.abs(state - bare.states[0]).max())
        first = step if first is None and distance > 0.0 else first
        furthest = max(furthest, distance)
    return f"| `{name}` | {first or 'none'} | {furthest:.1e} |"


def main(config: VectorConfig) -> None:
    """Measure, print, and write the tables."""
    drifting = ("half-cheetah", "ant", "walker2d", "hopper", "reacher", "mujoco-pendulum-swing-up")
    lines = [
        "# n MuJoCo environments at once",
        "",
        f"`python benchmarks/mujoco_vector.py`: {config.n} instances, each with a task of its own, random actions, "
        f"{config.n_segments} segments of {config.steps_per_segment} steps of all, in turn.",
        f"gymnasium {gymnasium.__version__}, mujoco {version('mujoco')}, numpy {np.__version__}, "
        f"{os.cpu_count()} cores.",
        "",
        "| family | way | steps/s of CPU time | by the clock |",
        "|---|---|---|---|",
        *(line for name in config.families for line in speeds(name, config)),
        "",
        "How far `mujoco.rollout` is from the environment: one instance, default task, 200 steps, the largest "
        "difference of a position or velocity.",
        "",
        "| family | first step that differs | largest difference |",
        "|---|---|---|",
        *(drift(name) for name in drifting),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(VectorConfig))
