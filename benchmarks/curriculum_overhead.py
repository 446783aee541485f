"""Measure what the curriculum wrapper costs: 8 PointGoal instances with episodes of 5 steps and random actions.

Compared with the wrapper and a random teacher are the same vector environment
- "inside": whose environments draw a random task each by themselves at every reset (domain randomisation);
- "fixed": whose environments play their default task;
and, as "plain", SB3's own DummyVecEnv of environments that play their default task: what there is without us.
Segments of all alternate, so that a busy machine slows all of them; time is this process's CPU time.
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from lifelong_rl.envs.point_goal import PointGoal
from lifelong_rl.envs.vector import TaskVecEnv
from lifelong_rl.teachers import RandomTeacher
from lifelong_rl.training.curriculum import Curriculum
from lifelong_rl.training.sources import TaughtTasks

N_ENVS = 8
EPISODE_STEPS = 5


class SelfRandomised(PointGoal):
    """Draws a uniform task at each reset: what people do who have no curriculum."""

    def reset(self, *, seed=None, options=None):
        """Start an episode of a task of its own choice."""
        if not hasattr(self, "tasks_rng"):
            self.tasks_rng = np.random.default_rng(seed)
        unit = self.task_space.sample(1, self.tasks_rng)[0]
        return super().reset(seed=seed, options={"task": unit})


VECTORS = {"dummy": DummyVecEnv, "task": TaskVecEnv}
"""What holds the environments: SB3's class, which copies every info deeply, or ours, which does not."""


def inside(vector: type[DummyVecEnv]) -> VecEnv:
    return vector([lambda: SelfRandomised(max_episode_steps=EPISODE_STEPS)] * N_ENVS)


def fixed(vector: type[DummyVecEnv]) -> VecEnv:
    return vector([lambda: PointGoal(max_episode_steps=EPISODE_STEPS)] * N_ENVS)


def wrapped(vector: type[DummyVecEnv]) -> VecEnv:
    curriculum = Curriculum(fixed(vector), np.random.default_rng(0))
    curriculum.source = TaughtTasks(RandomTeacher(), PointGoal.task_space, np.random.default_rng(1), "random")
    return curriculum


def seconds(venv: VecEnv, actions: np.ndarray) -> float:
    """Give the CPU time of a segment; what the trainer collects is taken away as it does."""
    start = time.process_time()
    for action in actions:
        venv.step(action)
    if isinstance(venv, Curriculum):
        venv.take_finished()
    return time.process_time() - start


def stagger(venv: VecEnv) -> None:
    """Move the environments on by 0, 1, 2, ... steps, so that their episodes end at different moments."""
    for i, env in enumerate(venv.unwrapped.envs):
        for _ in range(i % EPISODE_STEPS):
            env.step(0)


def measure(n_repetitions: int, n_vector_steps: int, *, vector: str = "task", is_staggered: bool = False) -> dict:
    """Give the throughput of the wrapped environments over that of the others: median and interval of pairs."""
    venvs = {make.__name__: make(VECTORS[vector]) for make in (inside, fixed, wrapped)} | {
        "plain": fixed(DummyVecEnv)
    }
    actions = np.random.default_rng(0).integers(9, size=(n_vector_steps, N_ENVS))
    for venv in venvs.values():
        venv.reset()
        if is_staggered:
            stagger(venv)
        seconds(venv, actions)  # warm
    times: dict[str, list[float]] = {name: [] for name in venvs}
    for i in range(n_repetitions):
        names = list(venvs)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(seconds(venvs[name], actions))
    n_steps, n_episodes = n_vector_steps * N_ENVS, n_vector_steps * N_ENVS / EPISODE_STEPS
    result: dict = {"python": platform.python_version(), "repetitions": n_repetitions, "steps": n_steps}
    for name, spent in times.items():
        result[f"{name}_steps_per_s"] = round(n_steps / float(np.median(spent)))
    for name in ("inside", "fixed", "plain"):
        pairs = list(zip(times[name], times["wrapped"], strict=True))
        low, high = _interval([before / after for before, after in pairs])
        result[f"throughput_over_{name}"] = {
            "median": float(np.median([before / after for before, after in pairs])),
            "low": low,
            "high": high,
        }
        cost = float(np.median([after - before for before, after in pairs]))
        result[f"us_per_episode_over_{name}"] = cost / n_episodes * 1e6
    return result


def _interval(values: list[float]) -> tuple[float, float]:
    """Give the 95 % bootstrap interval of the median."""
    draws = np.random.default_rng(0).choice(values, size=(5000, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--vector-steps", type=int, default=2000, help="of a segment")
    parser.add_argument("--vector", choices=VECTORS, default="task", help="SB3's DummyVecEnv or our TaskVecEnv")
    parser.add_argument("--staggered", action="store_true", help="episodes end at different moments")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(
        arguments.repetitions, arguments.vector_steps, vector=arguments.vector, is_staggered=arguments.staggered
    )
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for name in ("inside", "fixed", "plain", "wrapped"):
        print(f"{name:8} {result[f'{name}_steps_per_s']:9,} env steps/s of CPU time")
    for name in ("inside", "fixed", "plain"):
        ratio = result[f"throughput_over_{name}"]
        print(
            f"wrapped / {name:6} {ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}], "
            f"{result[f'us_per_episode_over_{name}']:+.2f} us an episode"
        )


if __name__ == "__main__":
    main()
