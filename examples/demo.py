"""The main job, end to end: what a sequence of tasks does to an agent with and without a component, and a curriculum.

A DQN learns four PointGoal tasks in sequence, once fine-tuned and once with Distillation; then a PPO agent learns
CartPolePhysics under ALP-GMM. Run it with `make demo`; a second call takes what is finished as it is.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import tyro
from tqdm import tqdm

from lifelong_rl import AgentConfig, RunConfig, RunFolder, condensed, curriculum, ensure_trained
from lifelong_rl.teachers import ALPGMM
from lifelong_rl.tracking.report import write_report
from lifelong_rl.training.references import cached_references, reference_configs, reference_path

DQN_OPTIONS = {
    "learning_rate": 1e-3,
    "gamma": 0.9,
    "buffer_size": 20_000,
    "learning_starts": 300,
    "target_update_interval": 200,
    "exploration_fraction": 0.5,
}
PPO_OPTIONS = {
    "learning_rate": 1e-3,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "n_steps": 32,
    "batch_size": 256,
    "n_epochs": 20,
}


@dataclass(frozen=True)
class Demo:
    """Train the demo's runs in parallel, and print what they transferred and forgot."""

    runs: Path = Path("runs/demo")
    """Where the runs lie."""
    steps_per_task: int = 4_000
    """Environment steps on each PointGoal task."""
    curriculum_steps: int = 40_000
    """Environment steps of the curriculum run."""
    seeds: int = 3
    """Seeds of the PointGoal runs."""
    workers: int = 2
    """Runs at a time."""

    def sequences(self) -> list[RunConfig]:
        """Give the runs on four tasks in sequence: fine-tuned, and with Distillation."""
        scenario = condensed("point-goal", n_tasks=4, steps=4 * self.steps_per_task)
        return [
            RunConfig(
                scenario,
                AgentConfig("dqn", options=DQN_OPTIONS, components=components),
                seed=seed,
                checkpoint_every=self.steps_per_task,
            )
            for components in ((), (("distillation", {}),))
            for seed in range(self.seeds)
        ]

    def curriculum_run(self) -> RunConfig:
        """Give the run under ALP-GMM, which refits its mixture every 50 episodes."""
        scenario = curriculum("cartpole-physics", teacher=ALPGMM(fit_every=50), steps=self.curriculum_steps)
        return RunConfig(
            scenario,
            AgentConfig("ppo", options=PPO_OPTIONS),
            n_envs=8,
            eval_episodes=2,
        )


def main(demo: Demo) -> None:
    started = time.monotonic()
    sequences = {demo.runs / config.label: config for config in demo.sequences()}
    references = {
        reference_path(path, reference): reference
        for path, config in sequences.items()
        for reference in reference_configs(config).values()
    }
    lesson = demo.curriculum_run()
    lesson_path = demo.runs / "cartpole" / "ppo-alp-gmm-s0"
    train_all({lesson_path: lesson} | sequences | references, demo.workers)
    folders = [RunFolder(path) for path in (*sequences, lesson_path)]
    report = write_report(folders, cached_references)
    print(f"\n{report.table}\n")
    print("Scores lie in [0, 1]; over seeds: mean [95 % bootstrap interval].")
    print("'\u2013': undefined without a task sequence.")
    first = next(iter(sequences))
    print(f"Report:  {report.page}")
    print(f"Figures: {first / 'report'}, {lesson_path / 'report'}, and beside them for each run")
    print(f"Curves:  .venv/bin/tensorboard --logdir {demo.runs}")
    print(f"Done in {time.monotonic() - started:.0f} s.")


def train_all(configs: dict[Path, RunConfig], workers: int) -> None:
    """Train every run that is not finished yet, some at a time."""
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        tqdm(total=sum(config.scenario.steps for config in configs.values()), unit="step", unit_scale=True) as bar,
    ):
        jobs = {pool.submit(ensure_trained, c, path, show_progress=False): c for path, c in configs.items()}
        for job in as_completed(jobs):
            job.result()
            bar.set_postfix_str(f"{jobs[job].label} done", refresh=False)
            bar.update(jobs[job].scenario.steps)


if __name__ == "__main__":
    main(tyro.cli(Demo))
