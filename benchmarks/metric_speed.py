"""Times reading and scoring one long run: 1,000,000 training episodes, and 100 tasks with 1,000 evaluations each.

    .venv/bin/python benchmarks/metric_speed.py
    .venv/bin/python benchmarks/metric_speed.py --episodes 100_000 --tasks 20 --evaluations 200 --json

The logs are made from a seed in a temporary folder, in the form that the trainer writes, with a curve of a
single-task run for each task. A fresh process then reads them and scores them in every family; it gives seconds for
the reading and for each family, the processor seconds of both together (which a busy machine stretches less), and its
peak memory, which holds the interpreter and the libraries too. ``--json`` prints one object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def write_run(folder: Path, n_episodes: int, n_tasks: int, n_evaluations: int, seed: int) -> None:
    """Write the logs of a run that trains each task once; its blocks have equal shares of everything."""
    if n_evaluations % n_tasks or n_episodes % n_tasks:
        sys.exit("--evaluations and --episodes must be multiples of --tasks: each task has a block of its own.")
    rng = np.random.default_rng(seed)
    steps = 50 * n_episodes  # 50 steps an episode
    write_evaluations(folder / "evaluations.jsonl", steps, n_tasks, n_evaluations, rng)
    scores = rng.uniform(0.0, 1.0, n_episodes).round(4)
    with (folder / "episodes.jsonl").open("w") as file:
        for i, score in enumerate(scores.tolist()):
            block = i * n_tasks // n_episodes
            file.write(
                f'{{"step": {50 * (i + 1)}, "block": {block}, "task": "task-{block}", "return": {100 * score:.4f}, '
                f'"score": {score}, "success": {"true" if score > 0.5 else "false"}, "length": 50}}\n'
            )
    curves = {
        f"task-{i}": [rng.uniform(0.0, 0.9, n_evaluations // n_tasks).round(4).tolist()] for i in range(n_tasks)
    }
    (folder / "references.json").write_text(json.dumps(curves))


def write_evaluations(path: Path, steps: int, n_tasks: int, n_evaluations: int, rng: np.random.Generator) -> None:
    per_block = n_evaluations // n_tasks
    table = rng.uniform(0.0, 1.0, (n_evaluations + 1, n_tasks)).round(4)
    with path.open("w") as file:
        for point, row in enumerate(table.tolist()):
            block = max(point - 1, 0) // per_block
            at = "start" if point == 0 else "end" if point % per_block == 0 else "during"
            step = steps * point // n_evaluations
            start = f'{{"step": {step}, "block": {block}, "at": "{at}", "trained": "task-{block}"'
            file.writelines(
                f'{start}, "task": "task-{task}", "returns": [{100 * score:.4f}], "scores": [{score}], '
                f'"successes": [{"true" if score > 0.5 else "false"}], "lengths": [50]}}\n'
                for task, score in enumerate(row)
            )


def measure(folder: Path) -> dict[str, object]:
    """Read and score the run in this process; seconds of each part, and the peak memory in MB."""
    from lifelong_rl.evaluation import FAMILIES, EvaluationLog, score

    references = json.loads((folder / "references.json").read_text())
    start, start_processor = time.perf_counter(), time.process_time()
    log = EvaluationLog.read(folder)
    seconds = {"reading": time.perf_counter() - start}
    n_values = n_undefined = 0
    for family in FAMILIES:
        start = time.perf_counter()
        metrics = score(log, [family], references)
        seconds[family] = time.perf_counter() - start
        n_values += len(metrics)
        n_undefined += sum(metric.value is None for metric in metrics)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    processor = time.process_time() - start_processor
    total = {"seconds": sum(seconds.values()), "processor_seconds": processor, "peak_memory_mb": peak}
    return total | {"seconds_of": seconds, "n_metrics": n_values, "n_undefined": n_undefined}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time reading and scoring one long run.")
    parser.add_argument("--episodes", type=int, default=1_000_000, help="training episodes")
    parser.add_argument("--tasks", type=int, default=100, help="tasks, each trained in one block")
    parser.add_argument("--evaluations", type=int, default=1_000, help="evaluations, each on every task")
    parser.add_argument("--seed", type=int, default=0, help="of the numbers in the logs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # the fresh process
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), options.episodes, options.tasks, options.evaluations, options.seed)
        command = [sys.executable, __file__, "--measure", folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    size = {name: getattr(options, name) for name in ("episodes", "tasks", "evaluations", "seed")}
    if options.json:
        print(json.dumps(size | found))
        return
    for name, seconds in found["seconds_of"].items():
        print(f"{name:16} {seconds:7.3f} s")
    print(f"{'in all':16} {found['seconds']:7.3f} s, {found['processor_seconds']:.3f} s of the processor")
    print(f"peak memory {found['peak_memory_mb']:.0f} MB")
    print(f"{found['n_metrics']} metrics, {found['n_undefined']} of them undefined")


if __name__ == "__main__":
    main()
