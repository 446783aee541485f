"""Measure Continual World's ten tasks: success of random actions and of Meta-World's scripted policies, and speed.

Needs the environment that `make test-metaworld` makes:

.venv-metaworld/bin/python benchmarks/meta_world_scores.py benchmarks/results/meta_world_scores.md
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from tqdm import tqdm

from lifelong_rl.envs import make
from lifelong_rl.envs.metaworld import CW10

Array = NDArray[Any]
Policy = Callable[[Array], Array]

HEADER = """# Continual World's tasks

`.venv-metaworld/bin/python benchmarks/meta_world_scores.py`: {n} episodes of 200 steps a task and policy, object and
goal drawn anew in each. Resets and steps: CPU time, one thread, random actions.
{versions}, {n_cores} cores shared with other jobs.

| task | random: return | success | scripted: return | success, any step | success, last step | reset (ms) | steps/s |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class ScoresConfig:
    """What to measure and where to write it."""

    output: tyro.conf.Positional[Path]
    """The Markdown file."""
    n_episodes: int = 20
    """Episodes of each task and policy."""


@dataclass
class Played:
    """What some episodes gave."""

    returns: list[float] = field(default_factory=list)
    successes: list[bool] = field(default_factory=list)
    reset_s: list[float] = field(default_factory=list)
    episode_s: list[float] = field(default_factory=list)
    """CPU seconds of an episode's steps, without its actions."""


def scripted_policy(name: str) -> Policy:
    from metaworld.policies import ENV_POLICY_MAP

    policy = ENV_POLICY_MAP[f"{name}-v3"]()

    def act(observation: Array) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that its actions will be clipped
            return np.asarray(policy.get_action(observation.astype(np.float64)))

    return act


def random_policy(_: str) -> Policy:
    rng = np.random.default_rng(0)
    return lambda _: rng.uniform(-1.0, 1.0, 4).astype(np.float32)


def play(name: str, make_policy: Callable[[str], Policy], n: int, **options: Any) -> Played:
    env, policy, played = make("continual-world", **options), make_policy(name), Played()
    env.reset(seed=0, options={"task": {"task": name}})  # builds the simulation, which is measured nowhere
    for _ in range(n):
        begin = time.process_time()
        observation, _ = env.reset()
        played.reset_s.append(time.process_time() - begin)
        played.episode_s.append(0.0)
        is_over = False
        while not is_over:
            action, begin = policy(observation), time.process_time()
            observation, _, _, is_over, info = env.step(action)
            played.episode_s[-1] += time.process_time() - begin
        played.returns.append(info["episode"]["r"])
        played.successes.append(info["success"])
        policy = policy if make_policy is random_policy else make_policy(name)
    env.close()
    return played


def row(name: str, n: int) -> str:
    by_chance, scripted = play(name, random_policy, n), play(name, scripted_policy, n)
    at_last = play(name, scripted_policy, n, success_at="last-step")
    cells = [
        f"{np.mean(by_chance.returns):.0f}",
        f"{np.mean(by_chance.successes):.2f}",
        f"{np.mean(scripted.returns):.0f}",
        f"{np.mean(scripted.successes):.2f}",
        f"{np.mean(at_last.successes):.2f}",
        f"{1e3 * np.median(by_chance.reset_s):.1f}",
        f"{200 / np.median(by_chance.episode_s):,.0f}",
    ]
    return f"| `{name}` | {' | '.join(cells)} |"


def main(config: ScoresConfig) -> None:
    """Measure and write the table."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("metaworld", "mujoco", "numpy"))
    header = HEADER.format(n=config.n_episodes, versions=versions, n_cores=os.cpu_count())
    rows = [row(name, config.n_episodes) for name in tqdm(CW10)]
    config.output.write_text(header + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(tyro.cli(ScoresConfig))
