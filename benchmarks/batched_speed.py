"""How fast batched families step on one core: CPU time with random actions, automatic resets included.

What is compared runs in the same process, in turn, so that other load hits both alike; reported are medians over
segments and medians of the ratios within a turn.

    OMP_NUM_THREADS=1 python benchmarks/batched_speed.py --output benchmarks/results/batched_speed.md
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
import tyro
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from lifelong_rl.envs import family, make, make_vec, make_vector
from lifelong_rl.envs.vector import TaskVecEnv

FAMILIES = {
    "cartpole-physics": "CartPole-v1",
    "pendulum-physics": "Pendulum-v1",
    "mountain-car-continuous": "MountainCarContinuous-v0",
    "acrobot": "Acrobot-v1",
    "point-mass": None,
    "cartpole-swing-up": None,
}
"""The batched families, and Gymnasium's environment that each equals by default."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_turns: int = 7
    """Timed segments of each of what is compared."""
    segment_s: float = 0.08
    """CPU time of a segment, about."""
    ppo_steps: int = 8_192
    """Environment steps of PPO in a turn."""
    note: str = ""
    """What the reader should know of the machine."""
    output: Path | None = None
    """Markdown file to write the tables to."""


Steps = Callable[[int], None]
"""Plays a number of (vector) steps."""


def of_vector(env: Any) -> Steps:
    """Give what steps a vector environment with random actions, drawn before."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]
    return lambda k: _each(lambda i: env.step(actions[i % 64]), k)


def of_single(env: Any) -> Steps:
    """Give what steps one environment with random actions, drawn before, and resets it where an episode ends."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]

    def step(i: int) -> None:
        _, _, terminated, truncated, _ = env.step(actions[i % 64])
        if terminated or truncated:
            env.reset()

    return lambda k: _each(step, k)


def _each(step: Callable[[int], Any], k: int) -> None:
    for i in range(k):
        step(i)


def seconds(play: Steps, k: int) -> float:
    """Give the CPU seconds of a (vector) step over k of them."""
    start = time.process_time()
    play(k)
    return (time.process_time() - start) / k


def in_turn(config: BenchmarkConfig, *plays: Steps) -> list[np.ndarray[Any, Any]]:
    """Give the seconds a (vector) step of each, shape (n_turns,)."""
    counts = []
    for play in plays:
        play(20)
        counts.append(max(5, int(config.segment_s / max(seconds(play, 5), 1e-7))))
    turns = [[seconds(play, k) for play, k in zip(plays, counts, strict=True)] for _ in range(config.n_turns)]
    return list(np.array(turns).T)


def families_table(config: BenchmarkConfig) -> list[str]:
    """Give steps/s of every batched family at n = 1, 16, 256 and of the single environment beside Gymnasium's."""
    lines = [
        "| family | single | Gymnasium's single | ratio | vector, n = 1 | n = 16 | n = 256 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, theirs in FAMILIES.items():
        plays = [of_single(make(name))]
        sizes = (1, 16, 256)
        plays += [of_vector(make_vector(name, n, autoreset_mode=AutoresetMode.SAME_STEP)) for n in sizes]
        if theirs:
            plays.append(of_single(gymnasium.make(theirs)))
        found = in_turn(config, *plays)
        single = f"{1.0 / np.median(found[0]):,.0f}"
        vectors = [f"{n / np.median(one):,.0f}" for n, one in zip(sizes, found[1:4], strict=True)]
        beside = (
            [f"{1.0 / np.median(found[4]):,.0f}", f"{np.median(found[4] / found[0]):.1f}"] if theirs else ["-", "-"]
        )
        lines.append(f"| `{name}` | {single} | {' | '.join(beside)} | {' | '.join(vectors)} |")
    return lines


def cartpole_table(config: BenchmarkConfig) -> list[str]:
    """Give CartPole at n = 256 in each mode beside Gymnasium's SyncVectorEnv of 16 and of 256."""
    ours = [of_vector(make_vector("cartpole-physics", 256, autoreset_mode=mode)) for mode in _AUTOMATIC]
    space = family("cartpole-physics").task_space
    tasks = space.decode_many(space.sample(256, np.random.default_rng(0)))
    varied = make_vector("cartpole-physics", 256)
    play_varied = of_vector(varied)
    varied.reset(options={"tasks": tasks})
    theirs = [of_vector(gymnasium.make_vec("CartPole-v1", n, vectorization_mode="sync")) for n in (16, 256)]
    found = in_turn(config, *ours, play_varied, *theirs)
    per_step = [one / n for one, n in zip(found, (256, 256, 256, 16, 256), strict=True)]
    names = [
        *(f"ours, n = 256, {mode.value}" for mode in _AUTOMATIC),
        "ours, n = 256, NextStep, 256 different tasks",
        "Gymnasium's SyncVectorEnv, n = 16",
        "Gymnasium's SyncVectorEnv, n = 256",
    ]
    lines = ["| CartPole | steps/s | times SyncVectorEnv of 16 | of 256 |", "|---|---|---|---|"]
    for name, one in zip(names, per_step, strict=True):
        ratios = [f"{np.median(other / one):.1f}" for other in per_step[3:]]
        lines.append(f"| {name} | {1.0 / np.median(one):,.0f} | {' | '.join(ratios)} |")
    return lines


_AUTOMATIC = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)


def ppo_table(config: BenchmarkConfig) -> list[str]:
    """Give steps/s, of the vector alone and of PPO on it, for the native VecEnv, TaskVecEnv and DummyVecEnv."""
    lines = [
        "| CartPole in SB3 | n | native VecEnv | TaskVecEnv | DummyVecEnv | native / DummyVecEnv |",
        "|---|---|---|---|---|---|",
    ]
    for n in (16, 256):
        makers = [lambda: make("cartpole-physics")] * n
        venvs: list[VecEnv] = [make_vec("cartpole-physics", n), TaskVecEnv(makers), DummyVecEnv(makers)]
        bare = in_turn(config, *(_of_sb3(venv) for venv in venvs))
        lines.append(_sb3_row("steps alone", n, [one / n for one in bare]))
        n_steps = config.ppo_steps // n
        models = [
            PPO("MlpPolicy", venv, n_steps=n_steps, batch_size=1024, n_epochs=4, seed=0, device="cpu")
            for venv in venvs
        ]
        turns = [[seconds(lambda k, m=model: m.learn(k), config.ppo_steps) for model in models] for _ in range(3)]
        lines.append(_sb3_row("PPO", n, list(np.array(turns).T)))
    return lines


def _of_sb3(venv: VecEnv) -> Steps:
    venv.seed(0)
    venv.reset()
    venv.action_space.seed(0)
    actions = [np.array([venv.action_space.sample() for _ in range(venv.num_envs)]) for _ in range(64)]
    return lambda k: _each(lambda i: venv.step(actions[i % 64]), k)


def _sb3_row(what: str, n: int, per_step: list[np.ndarray[Any, Any]]) -> str:
    speeds = " | ".join(f"{1.0 / np.median(one):,.0f}" for one in per_step)
    return f"| {what} | {n} | {speeds} | {np.median(per_step[2] / per_step[0]):.1f} |"


def main() -> None:
    """Measure, print, and write the tables."""
    config = tyro.cli(BenchmarkConfig)
    torch.set_num_threads(1)
    lines = [
        "# Speed of the batched families",
        "",
        "`OMP_NUM_THREADS=1 python benchmarks/batched_speed.py`: environment steps per second of CPU time on one "
        "core, random actions, automatic resets included (SameStep where no mode is named); medians of "
        f"{config.n_turns} segments, in turn in one process; ratios are medians of the ratios within a turn.",
        f"Python {platform.python_version()}, gymnasium {gymnasium.__version__}, stable_baselines3 "
        f"{stable_baselines3.__version__}, numpy {np.__version__}, {os.cpu_count()} cores. {config.note}".strip(),
        "",
        *families_table(config),
        "",
        *cartpole_table(config),
        "",
        f"PPO: {config.ppo_steps:,} steps a rollout, batches of 1,024, 4 epochs, SB3's networks, on the CPU; updates "
        "included.",
        "",
        *ppo_table(config),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if config.output:
        config.output.write_text(text)


if __name__ == "__main__":
    main()
