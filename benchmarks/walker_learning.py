"""PPO learns to walk flat Stump Tracks: the steps after which it has mastered them, and its curve.

Stable-Baselines3's PPO, without a lifelong component, on the default task of `stump-tracks` (stumps of height 0,
which are 2 to 15 cm high). Every 100,000 steps the mean action plays 10 episodes of fixed seeds in an environment of
its own. Training ends where their mean return is above 230 twice in a row, or after ``n_steps``. About 20 minutes on
one core.

    python benchmarks/walker_learning.py --output benchmarks/results/walker_learning.md
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from lifelong_rl.envs import make, make_vec
from lifelong_rl.envs.walkers.simulation import MASTERY_RETURN


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the learner, near those of rl-baselines3-zoo for BipedalWalker-v3."""

    family: str = "stump-tracks"
    """Family to learn, at its default task."""
    walker: str = "default"
    """Body of the learner."""
    n_steps: int = 3_000_000
    """Budget in environment steps."""
    n_envs: int = 16
    """Environments side by side in this process."""
    rollout_steps: int = 1024
    """Steps of each environment between two updates."""
    batch_size: int = 256
    """Transitions of a minibatch."""
    learning_rate: float = 3e-4
    """Step size of Adam."""
    gamma: float = 0.999
    """Discount a step."""
    evaluate_every: int = 100_000
    """Training steps between two evaluations."""
    n_episodes: int = 10
    """Episodes of an evaluation."""
    seed: int = 0
    """Seed of networks, noise and environments."""
    output: Path | None = None
    """Markdown file to write; curve and figure are put next to it."""
    model: Path | None = None
    """Folder for the policy and its normalisation, saved at each evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """How the mean action did at one time."""

    step: int
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    seconds: float
    """Since the start of the training, evaluations included."""

    @property
    def mean(self) -> float:
        """Mean return of the episodes."""
        return float(np.mean(self.returns))


def normalised(env: VecNormalize, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the observation as the policy sees it."""
    result: NDArray[np.float32] = env.normalize_obs(observation)
    return result


def play(config: BenchmarkConfig, model: PPO, env: VecNormalize) -> Iterator[tuple[float, int]]:
    """Play the episodes of an evaluation; gives return and length of each."""
    ours: Any = make(config.family, walker=config.walker)
    for episode in range(config.n_episodes):
        observation, _ = ours.reset(seed=1000 + episode)
        info: dict[str, Any] = {}
        while "episode" not in info:
            action, _ = model.predict(normalised(env, observation), deterministic=True)
            observation, *_, info = ours.step(action)
        yield info["episode"]["r"], info["episode"]["l"]


class Evaluator(BaseCallback):
    """Evaluates on time, writes the curve, and ends the training at mastery."""

    def __init__(self, config: BenchmarkConfig):
        super().__init__()
        self.config = config
        self.evaluations: list[Evaluation] = []
        self.start = time.monotonic()

    def _on_step(self) -> bool:
        due = self.config.evaluate_every * len(self.evaluations)
        return self.num_timesteps < due or self.evaluate()

    def evaluate(self) -> bool:
        """Evaluate and record; gives whether training should go on."""
        env = self.model.get_vec_normalize_env()
        assert env is not None and isinstance(self.model, PPO)
        returns, lengths = zip(*play(self.config, self.model, env), strict=True)
        self.evaluations.append(Evaluation(self.num_timesteps, returns, lengths, time.monotonic() - self.start))
        last = self.evaluations[-1]
        print(f"{last.step:>9} steps {last.seconds:7.0f} s  return {last.mean:7.1f}  {min(returns):7.1f}", flush=True)
        self._save(env)
        write(self.config, self.evaluations)
        return not is_mastered(self.evaluations)

    def _save(self, env: VecNormalize) -> None:
        if self.config.model:
            self.model.save(self.config.model / "policy.zip")
            env.save(str(self.config.model / "normalisation.pkl"))


def is_mastered(evaluations: list[Evaluation]) -> bool:
    """Whether the last two means are above the return of mastery."""
    return len(evaluations) > 1 and all(one.mean > MASTERY_RETURN for one in evaluations[-2:])


def write(config: BenchmarkConfig, evaluations: list[Evaluation]) -> None:
    """Write table, curve and figure."""
    if config.output is None:
        return
    config.output.parent.mkdir(parents=True, exist_ok=True)
    config.output.write_text(report(config, evaluations))
    config.output.with_suffix(".json").write_text(json.dumps([asdict(one) for one in evaluations], indent=1) + "\n")
    draw(config.output.with_suffix(".png"), evaluations)


def report(config: BenchmarkConfig, evaluations: list[Evaluation]) -> str:
    """Give the Markdown text."""
    last = evaluations[-1]
    verdict = "has mastered the track" if is_mastered(evaluations) else "has not mastered the track"
    rows = [
        f"| {one.step:,} | {one.mean:.1f} | {min(one.returns):.1f} | {max(one.returns):.1f} "
        f"| {np.mean(one.lengths):.0f} | {one.seconds / 60.0:.0f} |"
        for one in evaluations
    ]
    return "\n".join(
        [
            "# Learning to walk flat Stump Tracks",
            "",
            f"`python benchmarks/walker_learning.py`: PPO, the {config.walker} walker, the default task of "
            f"`{config.family}`, seed {config.seed}.",
            f"After {last.step:,} of at most {config.n_steps:,} steps it {verdict} (mean return of "
            f"{config.n_episodes} episodes of the mean action above {MASTERY_RETURN:.0f} twice in a row).",
            "Torch on one thread, on two cores shared with other jobs.",
            "",
            f"{config.n_envs} environments, {config.rollout_steps} steps of each a rollout, minibatches of "
            f"{config.batch_size}, 10 epochs, learning rate {config.learning_rate:g}, gamma {config.gamma:g}, "
            "lambda 0.95, clipping at 0.18, two layers of 64, observations and rewards normalised.",
            "",
            f"![Return over steps]({config.output.stem if config.output else ''}.png)",
            "",
            "| steps | mean return | least | best | mean length | minutes |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def draw(path: Path, evaluations: list[Evaluation]) -> None:
    """Draw the curve: mean, least and best return over steps."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps = [one.step / 1e6 for one in evaluations]
    figure, axis = plt.subplots(figsize=(6.0, 3.2), layout="constrained")
    axis.fill_between(steps, *np.transpose([(min(e.returns), max(e.returns)) for e in evaluations]), alpha=0.25)
    axis.plot(steps, [one.mean for one in evaluations])
    axis.axhline(MASTERY_RETURN, color="grey", linestyle="--", linewidth=1.0)
    axis.set_xlabel("million environment steps")
    axis.set_ylabel("return of 10 episodes")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(config: BenchmarkConfig) -> None:
    """Train until mastery."""
    torch.set_num_threads(1)
    env = VecNormalize(make_vec(config.family, config.n_envs, config.seed, walker=config.walker), gamma=config.gamma)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=config.rollout_steps,
        batch_size=config.batch_size,
        n_epochs=10,
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        gae_lambda=0.95,
        clip_range=0.18,
        seed=config.seed,
        device="cpu",
    )
    if config.model:
        config.model.mkdir(parents=True, exist_ok=True)
    evaluator = Evaluator(config)
    model.learn(config.n_steps, callback=evaluator)
    if not is_mastered(evaluator.evaluations):
        evaluator.evaluate()


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
