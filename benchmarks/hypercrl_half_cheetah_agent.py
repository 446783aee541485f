"""The whole HyperCRL agent, planning included, on half-cheetahs of different bodies one after another.

Each task starts with random actions; then the planner acts and the model is trained on all of the task's transitions
every so many steps. A return is that of one episode of `--episode-steps`, planned with the true reward function and
the learned dynamics. Slow: some ten minutes of processor time.

    python benchmarks/hypercrl_half_cheetah_agent.py --output benchmarks/results/hypercrl_half_cheetah_agent

With `--device cuda` networks and planning run on a GPU.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import tyro
from hypercrl_agents import Course, random_transitions, tasks_of

from lifelong_rl.envs.space import Task
from lifelong_rl.tracking import figures


@dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the run."""

    tasks: tuple[str, ...] = ("stock", "torso-x2", "motors-reversed")
    """Tasks of examples/scenarios/half-cheetah-5.toml, in the order in which they are learned."""
    n_steps: int = 8000
    """Environment steps of each task."""
    n_random_steps: int = 1600
    """Of these with random actions, at each task's start."""
    episode_steps: int = 200
    """Steps of an episode, in training and evaluation."""
    n_envs: int = 4
    """Training environments, planned for at once."""
    n_episodes: int = 4
    """Episodes of an evaluation of a task."""
    evaluate_every: int = 3200
    """Environment steps of training between two evaluations of all tasks so far."""
    n_candidates: int = 200
    """Candidates of the planner."""
    n_iterations: int = 3
    """Populations of the planner in a step."""
    horizon: int = 20
    """Steps that it looks ahead."""
    hidden: tuple[int, ...] = (128, 128)
    """Hidden units of the dynamics model."""
    train_every: int = 800
    """Environment steps between two trainings of the model."""
    n_updates: int = 1000
    """Updates of a training."""
    n_sleep_updates: int | None = None
    """Updates of the sleep phase at a task's end; None for the agent's default."""
    seed: int = 0
    """Of everything."""
    device: str = "cpu"
    """Where networks and planning run."""
    output: Path | None = None
    """Files to write, without suffix: .md, .png and .json."""


@dataclass
class Record:
    """What was measured."""

    training: list[tuple[int, str, float]] = field(default_factory=list)
    """Steps so far, task, and the mean return of the episodes that ended there."""
    evaluations: list[tuple[int, str, str, float, float]] = field(default_factory=list)
    """Steps so far, the task that is trained, the evaluated task, return, and the error on the planned path."""
    random_returns: dict[str, float] = field(default_factory=dict)
    test_errors: list[tuple[int, str, str, float]] = field(default_factory=list)
    """Steps so far, the task that is trained, the task, and the one-step error on random transitions."""
    training_cpu_s: list[float] = field(default_factory=list)
    """Processor time of each task without evaluations, in s."""
    training_wall_s: list[float] = field(default_factory=list)
    n_updates: int = 0


class Benchmark:
    """One run."""

    def __init__(self, config: BenchmarkConfig):
        self.config, self.record = config, Record()
        family, tasks = tasks_of("half-cheetah-5")
        named = {task.id: task for task in tasks}
        self.tasks = [named[name] for name in config.tasks]
        drawn = {t.id: random_transitions(family, t, 10, config.episode_steps, 99) for t in self.tasks}
        self.tests = {name: columns for name, (columns, _) in drawn.items()}
        self.record.random_returns = {name: value for name, (_, value) in drawn.items()}
        self.course = Course(family, config.n_envs, config.episode_steps, config.seed, self._options())
        self._evaluation_s = (0.0, 0.0)

    def _options(self) -> dict[str, Any]:
        config = self.config
        return {
            "mechanism_options": {"n_sleep_updates": config.n_sleep_updates},
            "dynamics": {"hidden": config.hidden},
            "planner_options": {
                "horizon": config.horizon,
                "n_candidates": config.n_candidates,
                "n_iterations": config.n_iterations,
            },
            "n_random_steps": config.n_random_steps,
            "train_every": config.train_every,
            "n_updates": config.n_updates,
            "device": config.device,
        }

    def run(self) -> Record:
        """Learn all tasks, evaluating as it goes."""
        for i, task in enumerate(self.tasks):
            cpu, wall = time.process_time(), time.monotonic()
            self._evaluation_s = (0.0, 0.0)
            known = self.tasks[: i + 1]
            self.course.train(task, self.config.n_steps, lambda r, t=task, k=known: self._after(t, k, r))  # type: ignore[misc]
            self.record.training_cpu_s.append(time.process_time() - cpu - self._evaluation_s[0])
            self.record.training_wall_s.append(time.monotonic() - wall - self._evaluation_s[1])
            self._evaluate(task, known)
        self.record.n_updates = self.course.agent._n_updates
        return self.record

    def _after(self, trained: Task, known: list[Task], value: float) -> None:
        """Note a training episode, and evaluate where it is time."""
        steps, config = self.course.agent.num_timesteps, self.config
        self.record.training.append((steps, trained.id, value))
        chunk = config.episode_steps * config.n_envs
        within = steps - (len(known) - 1) * (config.n_steps // chunk) * chunk
        if within % config.evaluate_every < chunk and within + chunk <= config.n_steps:
            cpu, wall = time.process_time(), time.monotonic()
            self._evaluate(trained, known)
            self._evaluation_s = (
                self._evaluation_s[0] + time.process_time() - cpu,
                self._evaluation_s[1] + time.monotonic() - wall,
            )

    def _evaluate(self, trained: Task, known: list[Task]) -> None:
        steps, agent = self.course.agent.num_timesteps, self.course.agent
        for task in known:
            value, error = self.course.evaluate(task, self.config.n_episodes)
            self.record.evaluations.append((steps, trained.id, task.id, value, error))
            test = agent.dynamics.error(agent.numbers[task.id], self.tests[task.id])
            assert test is not None
            self.record.test_errors.append((steps, trained.id, task.id, test))
            print(
                f"{steps} {trained.id} -> {task.id}: {value:.1f} (random {self.record.random_returns[task.id]:.1f}), "
                f"error {error:.3g}, on random transitions {test:.3g}",
                flush=True,
            )
        if self.config.output is not None:
            self.config.output.with_suffix(".json").write_text(json.dumps(vars(self.record)) + "\n")


def figure(record: Record) -> Any:
    """Draw the return of each task over time, in evaluation and in training."""
    drawn = figures.new_figure(8.0, 4.0)
    axes = drawn.add_subplot()
    for i, name in enumerate(record.random_returns):
        colour = figures.LINE_COLOURS[i]
        own = [(steps, value) for steps, _, task, value, _ in record.evaluations if task == name]
        seen = [(steps, value) for steps, task, value in record.training if task == name]
        axes.plot(*zip(*own, strict=True), color=colour, marker="o", label=name)
        axes.plot(*zip(*seen, strict=True), color=colour, linewidth=0.8, linestyle=":")
        axes.axhline(record.random_returns[name], color=colour, linewidth=0.6, linestyle="--")
    axes.set(xlabel="environment steps", ylabel="return of an episode")
    axes.legend(title="task (dotted: in training; dashed: random actions)", fontsize=8, title_fontsize=8)
    figures.clean(axes)
    return drawn


def report(config: BenchmarkConfig, record: Record) -> str:
    """Give the tables."""
    rows = [
        "| task | random actions | just after | at the end | error on the path | at the end "
        "| on random transitions | at the end | CPU s | wall s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for i, name in enumerate(config.tasks):
        just = next(e for e in reversed(record.evaluations) if e[1] == name and e[2] == name)
        end = next(e for e in reversed(record.evaluations) if e[2] == name)
        tests = {(trained, task): value for _, trained, task, value in record.test_errors}
        rows.append(
            f"| {name} | {record.random_returns[name]:.0f} | {just[3]:.0f} | {end[3]:.0f} | "
            f"{just[4]:.2g} | {end[4]:.2g} | {tests[name, name]:.3g} | {tests[config.tasks[-1], name]:.3g} | "
            f"{record.training_cpu_s[i]:.0f} | {record.training_wall_s[i]:.0f} |"
        )
    curve = ["| steps | trained | task | return | error on the planned path |", "|---|---|---|---|---|"]
    curve += [f"| {s:,} | {t} | {e} | {v:.1f} | {error:.3g} |" for s, t, e, v, error in record.evaluations]
    planner = f"CEM {config.horizon} steps ahead, {config.n_iterations} x {config.n_candidates}"
    return "\n".join(
        [
            "# HyperCRL on half-cheetahs in sequence: the whole agent\n",
            "    python benchmarks/hypercrl_half_cheetah_agent.py --output "
            "benchmarks/results/hypercrl_half_cheetah_agent\n",
            *rows,
            "",
            f"Returns of episodes of {config.episode_steps} steps, mean of {config.n_episodes}, one seed. Errors: "
            "one step, as a share of the targets' variance, on the path of these episodes (variance of the task's "
            "training) and on 2,000 transitions of random actions (their own variance). "
            f"{config.n_steps:,} steps a task, {config.n_random_steps:,} of them random; {planner}, for "
            f"{config.n_envs} environments at once; dynamics of {config.hidden} units; {record.n_updates:,} updates "
            "in all. Times are those of training, planning included and evaluations not, on one thread of a shared "
            f"processor ({config.device}); Python {platform.python_version()}, torch {torch.__version__}, "
            f"{platform.machine()}.\n",
            "The error is small where the planner goes, whatever the error elsewhere: the heavy torso (torso-x2) "
            "turns over, in training to one side, in the random transitions also to the other, which its model has "
            "not seen.\n",
            "![Return of each task over time](hypercrl_half_cheetah_agent.png)\n",
            "## All evaluations\n",
            *curve,
            "",
        ]
    )


def main(config: BenchmarkConfig) -> None:
    """Run, print, and write where asked to."""
    torch.set_num_threads(1)
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
    record = Benchmark(config).run()
    text = report(config, record)
    print(text)
    if config.output is not None:
        config.output.with_suffix(".md").write_text(text)
        config.output.with_suffix(".json").write_text(json.dumps(vars(record)) + "\n")
        figure(record).savefig(config.output.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig))
