"""PPO masters the classic and point families in minutes on one core: curves, steps and CPU seconds.

Plain Stable-Baselines3 on ``make_vec``, default tasks; CartPole, Pendulum, MountainCarContinuous and Acrobot with the
hyper-parameters that rl-baselines3-zoo documents for PPO. Every few steps 20 episodes are played without exploration;
training stops where twice in a row at least 90 % of them are successes, and 100 episodes with other seeds then say
how good that is.

    OMP_NUM_THREADS=1 python benchmarks/classic_learning.py --folder benchmarks/results
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import matplotlib
import numpy as np
import stable_baselines3
import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from lifelong_rl.envs import make_vec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MASTERED = 0.9
"""The success rate at which a family counts as mastered."""


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the runs."""

    families: tuple[str, ...] = ()
    """Families to learn; all by default."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run each."""
    max_cpu_s: float = 240.0
    """CPU seconds after which a run gives up."""
    note: str = ""
    """What the reader should know of the machine."""
    folder: Path | None = None
    """Folder for classic_learning.md and classic_learning.png."""


@dataclass(frozen=True)
class Recipe:
    """How one family is learned."""

    n_envs: int
    eval_every: int
    ppo: dict[str, Any]
    is_normalised: bool = False
    """Whether observations and rewards are normalised, by VecNormalize."""
    total_steps: int = 1_000_000
    """After which training ends, and over which a schedule falls."""


def falling(start: float) -> Any:
    """Give a schedule from ``start`` to 0 over training."""
    return lambda left: start * left


RECIPES: dict[str, Recipe] = {
    "cartpole-physics": Recipe(
        8,
        2_048,
        dict(
            n_steps=32,
            batch_size=256,
            gae_lambda=0.8,
            gamma=0.98,
            n_epochs=20,
            learning_rate=falling(1e-3),
            clip_range=falling(0.2),
        ),
        total_steps=100_000,
    ),
    "pendulum-physics": Recipe(
        4, 4_096, dict(n_steps=1024, gamma=0.9, learning_rate=1e-3, use_sde=True, sde_sample_freq=4)
    ),
    "mountain-car-continuous": Recipe(
        1,
        1_000,
        dict(
            n_steps=8,
            batch_size=8,
            gamma=0.9999,
            learning_rate=7.77e-5,
            ent_coef=0.00429,
            clip_range=0.1,
            gae_lambda=0.9,
            max_grad_norm=5.0,
            vf_coef=0.19,
            use_sde=True,
            policy_kwargs=dict(log_std_init=-3.29, ortho_init=False),
        ),
        is_normalised=True,
    ),
    "acrobot": Recipe(16, 4_096, dict(n_steps=256, gae_lambda=0.94, n_epochs=4), is_normalised=True),
    "point-mass": Recipe(
        16,
        8_192,
        dict(n_steps=128, gamma=0.98, gae_lambda=0.95, learning_rate=1e-3, policy_kwargs=dict(log_std_init=1.0)),
        is_normalised=True,
    ),
    "point-goal": Recipe(16, 1_536, dict(n_steps=24, gamma=0.9, learning_rate=2e-3, batch_size=96, n_epochs=5)),
    "cartpole-swing-up": Recipe(
        16, 8_192, dict(n_steps=256, gamma=0.98, gae_lambda=0.9, learning_rate=1e-3, batch_size=256)
    ),
}


@dataclass
class Curve:
    """What one run showed: after how many steps and CPU seconds of training, what share of 20 episodes succeeded."""

    steps: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    final: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Success rate, mean score and mean return of 100 episodes with other seeds, after training."""


def evaluate(model: Any, venv: VecEnv, name: str, n: int, seed: int) -> tuple[float, float, float]:
    """Give success rate, mean score and mean return of n episodes without exploration."""
    played = make_vec(name, n)
    played.seed(seed)
    observations = played.reset()
    last: dict[int, dict[str, Any]] = {}
    while len(last) < n:
        seen = venv.normalize_obs(observations) if isinstance(venv, VecNormalize) else observations
        actions, _ = model.predict(seen, deterministic=True)
        observations, _, dones, infos = played.step(actions)
        for i in np.flatnonzero(dones).tolist():
            last.setdefault(i, infos[i])
    played.close()
    shown = [(info["success"], info["score"], info["episode"]["r"]) for info in last.values()]
    success, score, episode_return = np.mean(shown, axis=0).tolist()
    return success, score, episode_return


class Watch(BaseCallback):
    """Evaluates between rollouts, and stops training where the family is mastered or the time is over."""

    def __init__(self, name: str, venv: VecEnv, max_cpu_s: float):
        super().__init__()
        self.curve = Curve()
        self._name, self._venv, self._max_cpu_s = name, venv, max_cpu_s
        self._recipe = RECIPES[name]
        self._next = 0
        self._start = time.process_time()
        self._is_over = False

    def _on_rollout_start(self) -> None:
        if self.num_timesteps < self._next:
            return
        self._next += self._recipe.eval_every
        now = time.process_time()
        success, score, _ = evaluate(self.model, self._venv, self._name, 20, 10_000)
        self.curve.steps.append(self.num_timesteps)
        self.curve.cpu_s.append(now - self._start)
        self.curve.successes.append(success)
        self.curve.scores.append(score)
        is_mastered = min(self.curve.successes[-2:]) >= MASTERED and len(self.curve.steps) > 1
        self._is_over = is_mastered or now - self._start > self._max_cpu_s
        self._start += time.process_time() - now  # evaluations are not counted

    def _on_step(self) -> bool:
        return not self._is_over


def learn(name: str, seed: int, max_cpu_s: float) -> Curve:
    """Train until the family is mastered or the time is over."""
    recipe = RECIPES[name]
    venv: VecEnv = make_vec(name, recipe.n_envs, seed)
    if recipe.is_normalised:
        venv = VecNormalize(venv, gamma=recipe.ppo.get("gamma", 0.99))
    model = PPO("MlpPolicy", venv, seed=seed, device="cpu", **recipe.ppo)
    watch = Watch(name, venv, max_cpu_s)
    model.learn(recipe.total_steps, callback=watch)
    watch.curve.final = evaluate(model, venv, name, 100, 20_000)
    return watch.curve


def row(name: str, seed: int, curve: Curve) -> str:
    """Give a run's line of the table."""
    success, score, episode_return = curve.final
    mastered = "yes" if success >= MASTERED else "no"
    return (
        f"| `{name}` | {seed} | {RECIPES[name].n_envs} | {mastered} | {curve.steps[-1]:,} | {curve.cpu_s[-1]:.0f} | "
        f"{success:.2f} | {score:.2f} | {episode_return:.1f} |"
    )


def draw(curves: dict[tuple[str, int], Curve], path: Path) -> None:
    """Draw success rate and score over the steps, one panel a family."""
    names = list(dict.fromkeys(name for name, _ in curves))
    figure, axes = plt.subplots(2, 4, figsize=(11, 4.4), layout="constrained", sharey=True)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, names, strict=False):
        for (one, _), curve in curves.items():
            if one == name:
                steps = np.array(curve.steps) / 1000.0
                axis.plot(steps, curve.successes, color="tab:blue", label="success rate")
                axis.plot(steps, curve.scores, color="tab:orange", label="mean score")
        axis.axhline(MASTERED, color="grey", linewidth=0.5)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("steps / 1000", fontsize=8)
        axis.set_ylim(-0.02, 1.02)
    axes.flat[0].legend(*_unique_labels(axes.flat[0]), fontsize=7)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _unique_labels(axis: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    return list(unique.values()), list(unique)


def main() -> None:
    """Learn, print, and write table and curves."""
    config = tyro.cli(BenchmarkConfig)
    torch.set_num_threads(1)
    curves: dict[tuple[str, int], Curve] = {}
    for name in config.families or RECIPES:
        for seed in config.seeds:
            curves[name, seed] = learn(name, seed, config.max_cpu_s)
            print(row(name, seed, curves[name, seed]), flush=True)
    lines = [
        "# PPO on the classic and point families",
        "",
        "`OMP_NUM_THREADS=1 python benchmarks/classic_learning.py --folder benchmarks/results`: PPO of "
        "Stable-Baselines3 on `make_vec`, default tasks, until twice in a row 90 % of 20 episodes without "
        "exploration succeed; steps and CPU seconds of training, without the evaluations. Success rate, score and "
        "return are those of 100 episodes with other seeds afterwards; mastered: a success rate of at least 0.9 in "
        "them.",
        f"Python {platform.python_version()}, gymnasium {gymnasium.__version__}, stable_baselines3 "
        f"{stable_baselines3.__version__}, torch {torch.__version__}, {os.cpu_count()} cores. {config.note}".strip(),
        "",
        "| family | seed | environments | mastered | steps | CPU seconds | success rate | score | return |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row(name, seed, curve) for (name, seed), curve in curves.items()),
        "",
        "![Success rate and score over training](classic_learning.png)",
    ]
    if config.folder:
        (config.folder / "classic_learning.md").write_text("\n".join(lines) + "\n")
        draw(curves, config.folder / "classic_learning.png")


if __name__ == "__main__":
    main()
