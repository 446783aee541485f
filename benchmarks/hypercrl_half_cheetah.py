"""What each continual mechanism keeps of five half-cheetahs whose dynamics are learned in sequence, on MuJoCo.

The bodies are the first five of `HalfCheetah.standard_tasks`: stock, torso twice the size, motors reversed, shins
1.8 times the size with half the gear, feet and thighs 1.6 times. 4,500 transitions of random actions a task, episodes
of 100 steps; a model of two layers of 128, 2,500 updates of 100 rows a task. An error is the mean squared error of a
step as a share of the targets' variance on 1,500 fresh transitions, and over tasks the mean. Forgetting is the error
after all tasks minus that just after learning.

    python benchmarks/hypercrl_half_cheetah.py --output benchmarks/results/hypercrl_half_cheetah.md
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import tyro
from hypercrl_sequences import METHODS, Columns, Method, Outcome, Records, Task, baseline, hypernet, run, shown

from lifelong_rl.agents.hypernet.dynamics import DynamicsSettings
from lifelong_rl.envs import space
from lifelong_rl.envs.mujoco.half_cheetah import HalfCheetah

TARGET = DynamicsSettings(hidden=(128, 128), absolute=(0,))
EPISODE, N_TRAINING, N_TEST = 100, 45, 15


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the measurement."""

    n_seeds: int = 3
    """Runs of each method."""
    n_updates: int = 2500
    """Updates of each task."""
    only: str = ""
    """Run only methods whose name contains this."""
    records: Path | None = None
    """File of JSON lines to keep runs in, and to continue from."""
    tables_only: bool = False
    """Run nothing, and make the table of the runs in the records."""
    output: Path | None = None
    """Markdown file to write the table to."""


METHODS_HERE: dict[str, Method] = {
    "hypernetwork, full": hypernet(form="full"),
    "hypernetwork, chunked (default at this size)": hypernet(),
    "multi-task (all data kept)": METHODS["multi-task (all data kept)"],
    "single-task (a network each)": METHODS["single-task (a network each)"],
    "fine-tuning": METHODS["fine-tuning"],
    "coreset 100": baseline("coreset", n_kept=100),
}


def episodes(env: HalfCheetah, body: space.Task, n_episodes: int, rng: np.random.Generator) -> Columns:
    """Give transitions of random actions with a body."""
    rows = []
    for _ in range(n_episodes):
        observation, _ = env.reset(seed=int(rng.integers(2**31)), options={"task": body})
        for _ in range(EPISODE):
            action = rng.uniform(-1, 1, 6).astype(np.float32)
            following, reward, *_ = env.step(action)
            rows.append((observation, action, np.float32(reward), following))
            observation = following
    observations, actions, rewards, following_ones = (np.stack(column) for column in zip(*rows, strict=True))
    return observations, actions, rewards, following_ones


@cache
def tasks_of(seed: int) -> list[Task]:
    """Draw training and test transitions of each body."""
    rng, test_rng = np.random.default_rng(seed), np.random.default_rng(1000 + seed)
    tasks = []
    env = HalfCheetah(max_episode_steps=EPISODE)
    for body in HalfCheetah.standard_tasks(5):
        tasks.append(Task(episodes(env, body, N_TRAINING, rng), episodes(env, body, N_TEST, test_rng)))
    env.close()
    return tasks


def line(outcomes: list[Outcome]) -> str:
    """Give a method's row over its seeds."""
    just = [float(np.mean(o.just_after)) for o in outcomes]
    final = [float(np.mean(o.final)) for o in outcomes]
    cells = [
        outcomes[0].method,
        str(len(outcomes)),
        shown(just, ".3f"),
        shown(final, ".3f"),
        shown([a - b for a, b in zip(final, just, strict=True)], "+.3f"),
        shown([max(o.final) for o in outcomes], ".3f"),
        f"{outcomes[0].memory[-1]:,}",
        f"{np.mean([o.cpu_s for o in outcomes]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(config: BenchmarkConfig) -> str:
    """Run what is asked for and give the table."""
    records = Records(config.records)
    rows = [
        "| method | seeds | just after | after all | forgetting | worst task | bytes held | CPU s |",
        "|---" * 8 + "|",
    ]
    for name, method in METHODS_HERE.items():
        if config.only not in name:
            continue
        outcomes = []
        for seed in range(config.n_seeds):
            outcome = records.find(name, seed)
            if outcome is None and config.tables_only:
                continue
            if outcome is None:
                outcome = records.add(run(name, method, seed, tasks_of(seed), TARGET, n_updates=config.n_updates)[0])
                print(line([outcome]), flush=True)
            outcomes.append(outcome)
        if outcomes:
            rows.append(line(outcomes))
    return "\n".join(rows)


def report(config: BenchmarkConfig) -> str:
    """Give the table with what it takes to measure it again."""
    return (
        "# Five half-cheetahs in sequence: what each mechanism keeps of their dynamics\n\n"
        "    python benchmarks/hypercrl_half_cheetah.py --output benchmarks/results/hypercrl_half_cheetah.md\n\n"
        f"{table(config)}\n\n"
        f"In brackets bootstrap intervals of 95 % over seeds; {config.n_updates} updates a task; processor time of "
        f"training on one thread; Python {platform.python_version()}, torch {torch.__version__}, "
        f"{platform.machine()}.\n"
    )


def main(config: BenchmarkConfig) -> None:
    """Measure, print, and write where asked to."""
    torch.set_num_threads(1)
    text = report(config)
    print(text)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(text)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
