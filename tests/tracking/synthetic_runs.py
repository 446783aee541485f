"""Run folders as runs leave them, without training: what they hold is given, so that reports of them are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lifelong_rl.evaluation import to_line
from lifelong_rl.scenarios import Block, condensed, curriculum
from lifelong_rl.scenarios.block import Distribution, Drift
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig

PROVENANCE = {"python": "3.11.0", "packages": {"lifelong-rl": "0.1.0", "torch": "2.8.0"}, "commit": "abc123"}

STREAM = condensed("point-goal", n_tasks=2, steps=200)
CONFIG = RunConfig(STREAM, AgentConfig("dqn"))
WITH_COMPONENT = RunConfig(STREAM, AgentConfig("dqn", components=["distillation"]))
TAUGHT = RunConfig(curriculum("point-goal", teacher="random", steps=200, n_test_tasks=2), AgentConfig("dqn"))
MIXED = replace(
    STREAM,
    name="mine",
    blocks=(
        STREAM.blocks[0],
        TAUGHT.scenario.blocks[0],
        Block(100, distribution=Distribution(STREAM.fixed_tasks, (3.0, 1.0)), visibility="boundary"),
        Block(100, drift=Drift(STREAM.fixed_tasks, 3)),
    ),
    observe_task="none",
)
"""A block of each kind of source."""


def rename_tasks(folder: RunFolder, names: Mapping[str, str]) -> None:
    """Give the tasks of a run other names, such as a task space refuses and a log from elsewhere may hold."""
    for path in (folder.path / "config.json", folder.evaluations_path):
        text = path.read_text()
        for name, other in names.items():
            text = text.replace(json.dumps(name), json.dumps(other))
        path.write_text(text)


def write_run(
    path: Path,
    config: RunConfig,
    *,
    kept: float = 0.5,
    learnt: float = 1.0,
    n_blocks: int | None = None,
    provenance: Mapping[str, Any] = PROVENANCE,
    episodes: Sequence[Mapping[str, Any]] = (),
) -> RunFolder:
    """Write a run of a stream: each task scores 0, ``learnt`` once it was trained, and ``kept`` after another was.

    n_blocks: how far the run came; None for its end.
    """
    folder = RunFolder.create(path, config.to_json() | {"provenance": dict(provenance)})
    blocks, tasks = config.scenario.blocks, config.scenario.evaluation_tasks
    points: list[tuple[int, int, str, str | None]] = [(0, 0, "start", _name(blocks[0]))]
    step = 0
    for index, block in enumerate(blocks[:n_blocks]):
        step += block.steps
        points.append((step, index, "end", _name(block)))
    lines = []
    for number, (at_step, index, at, trained) in enumerate(points):
        for column, task in enumerate(tasks):
            is_trained = number > 0 and (blocks[index].task is None or column <= index)
            score = (kept if column < index else learnt) if is_trained else 0.0
            point = {"step": at_step, "block": index, "at": at, "trained": trained, "task": task.id}
            lines.append(
                to_line(point | {"returns": [score], "scores": [score], "successes": [score > 0.5], "lengths": [1]})
            )
    folder.evaluations_path.write_text("".join(lines))
    folder.episodes_path.write_text("".join(map(to_line, episodes)))
    return folder


def _name(block: Block) -> str | None:
    return block.task.id if block.task else None


def drawn_episodes(n: int) -> list[dict[str, Any]]:
    """Give episodes of a teacher that draws along a line, two steps each."""
    episodes = []
    for i in range(n):
        params = {"goal_x": 2 * i / n - 1, "goal_y": 0.5, "start_x": 0.0, "start_y": 0.0}
        episode = {"step": 2 * (i + 1), "block": 0, "env": 0, "task": f"point-{i}", "return": 0.5, "score": i / n}
        episodes.append(episode | {"success": False, "length": 2, "source": "random", "params": params})
    return episodes
