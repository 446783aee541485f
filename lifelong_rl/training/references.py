"""Reference runs: each task trained alone, by the same agent with the same budget, for forward transfer."""

from __future__ import annotations

from pathlib import Path

from lifelong_rl.evaluation.metrics import References, references_by_task
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import RunConfig


def reference_configs(config: RunConfig) -> dict[str, RunConfig]:
    """Give the reference run of each fixed task, by the task's id; of the first block, where there are several."""
    configs: dict[str, RunConfig] = {}
    for i, block in enumerate(config.scenario.blocks):
        if block.task is not None and block.task.id not in configs:
            configs[block.task.id] = config.reference(i)
    return configs


def reference_path(run: Path, config: RunConfig) -> Path:
    """Give the folder of a reference run: beside the runs that use it, named by all that decides its results.

    The name is a hash of environment, its parameters, agent configuration, budget, evaluations and seed, so that
    runs share a reference exactly when it is the right one for both.
    """
    task = config.scenario.evaluation_tasks[0].id
    return run.parent / ".references" / f"{task}-{config.key}"


def cached_references(folder: RunFolder) -> References:
    """Give the logs of a run's reference runs, as far as they are there and finished; nothing is trained."""
    configs = reference_configs(RunConfig.from_json(folder.config)).values()
    found = [RunFolder(reference_path(folder.path, config)) for config in configs]
    return references_by_task(candidate.log() for candidate in found if candidate.is_finished)


def train_references(config: RunConfig, run: Path, *, show_progress: bool = True) -> list[RunFolder]:
    """Train the missing reference runs of a run, and resume unfinished ones; gives all their folders."""
    from lifelong_rl.training.trainer import ensure_trained

    return [
        ensure_trained(reference, reference_path(run, reference), show_progress=show_progress)
        for reference in reference_configs(config).values()
    ]
