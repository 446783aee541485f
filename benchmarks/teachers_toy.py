"""Measure how much of a grid of skills a teacher makes a simulated learner master, and what the teacher costs.

    python benchmarks/teachers_toy.py --teacher alp-gmm --episodes 20000 --seeds 0..9

The learner (toy environment of Portelas et al. 2019, appendix): each axis of the task space is cut into cells, each
with a competence from 0 to 100. A visit to a cell adds 1 if it is the origin cell or if a previous neighbour (every
index equal or one lower) has a competence of 75 or more. The score of the episode is the competence after it, over
100. Mastery is the share of cells with a competence above 75: a perfect teacher needs 76 visits a cell.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes, make_teacher

UNLOCKED = 75  # a neighbour unlocks a cell at this competence; mastery is strictly above it


class ToyGrid:
    """The simulated learner: competences that grow where tasks are neither too easy nor out of reach."""

    def __init__(self, n_dims: int = 2, n_cells: int = 10) -> None:
        self.n_cells = n_cells
        self.competence: NDArray[np.int64] = np.zeros((n_cells,) * n_dims, dtype=np.int64)

    def play(self, task: NDArray[np.float64]) -> float:
        """Visit the cell of one task, shape (at least n_dims,); give its competence in [0, 1] after the visit."""
        n_dims = self.competence.ndim
        cell = tuple(min(int(x * self.n_cells), self.n_cells - 1) for x in task[:n_dims].tolist())
        # the cell itself may stand among its neighbours: it only ever passed 75 after one of them did
        neighbours = self.competence[tuple(slice(max(i - 1, 0), i + 1) for i in cell)]
        if not any(cell) or neighbours.max() >= UNLOCKED:
            self.competence[cell] = min(self.competence[cell] + 1, 100)
        return float(self.competence[cell]) / 100.0

    @property
    def mastery(self) -> float:
        """Percent of the cells with a competence above 75."""
        return float(100.0 * (self.competence > UNLOCKED).mean())


@dataclass(frozen=True)
class ToyResult:
    """One seed of one teacher."""

    seed: int
    mastery: float
    """Final percent of cells mastered."""
    us_per_episode: float
    """CPU time of the teacher (sample and update) an episode."""
    slowest_call_ms: float
    """The slowest single sample or update, CPU time."""


def run(teacher_name: str, seed: int, n_episodes: int, n_dims: int, n_cells: int, n_extra: int) -> ToyResult:
    """Run one seed; ``n_extra`` axes of the task space mean nothing to the learner."""
    teacher = make_teacher(teacher_name)
    space = TaskSpace("toy-grid", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(n_dims + n_extra)])
    teacher.reset(space, np.random.default_rng(np.random.SeedSequence(seed)))
    grid = ToyGrid(n_dims, n_cells)
    total = slowest = 0
    for _ in range(n_episodes):
        start = time.process_time_ns()
        task = teacher.sample(1)
        sampled = time.process_time_ns()
        score = grid.play(task[0])
        played = time.process_time_ns()
        teacher.update(task, Outcomes.from_scores([score]))
        calls = sampled - start, time.process_time_ns() - played
        total += sum(calls)
        slowest = max(slowest, *calls)
    return ToyResult(seed, grid.mastery, total / n_episodes / 1e3, slowest / 1e6)


def seeds_from_text(text: str) -> list[int]:
    """Give the seeds that "0..9", "3" or "0,2,5" stand for."""
    if ".." in text:
        first, last = text.split("..")
        return list(range(int(first), int(last) + 1))
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", default="alp-gmm", help="a name of TEACHERS, or package.module:Class")
    parser.add_argument("--episodes", type=int, default=20_000)
    parser.add_argument("--seeds", type=seeds_from_text, default="0..9", help="0..9, or 3, or 0,2,5")
    parser.add_argument("--dims", type=int, default=2, help="axes that the learner reads")
    parser.add_argument("--cells", type=int, default=10, help="cells an axis")
    parser.add_argument("--extra-dims", type=int, default=0, help="further axes, without a meaning")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a sentence")
    options = parser.parse_args()
    shape = options.episodes, options.dims, options.cells, options.extra_dims
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(options.processes, len(options.seeds)), mp_context=context) as pool:
        runs = [pool.submit(run, options.teacher, seed, *shape) for seed in options.seeds]
        results = [each.result() for each in runs]
    mastery = np.array([result.mastery for result in results])
    summary = {
        "teacher": options.teacher,
        "episodes": options.episodes,
        "dims": options.dims,
        "cells": options.cells,
        "extra_dims": options.extra_dims,
        "mastery_mean": float(mastery.mean()),
        "mastery_sd": float(mastery.std(ddof=1)) if len(mastery) > 1 else None,
        "us_per_episode": float(np.mean([result.us_per_episode for result in results])),
        "slowest_call_ms": max(result.slowest_call_ms for result in results),
    }
    if options.json:
        print(json.dumps({**summary, "runs": [asdict(result) for result in results]}))
        return
    spread = "" if len(mastery) < 2 else f" ± {summary['mastery_sd']:.1f}"
    print(
        f"{options.teacher}: mastery {summary['mastery_mean']:.1f}{spread} % of cells ({len(results)} seeds, "
        f"{options.episodes} episodes), teacher {summary['us_per_episode']:.0f} us CPU an episode, "
        f"slowest call {summary['slowest_call_ms']:.1f} ms"
    )


if __name__ == "__main__":
    main()
