"""How often a nominal 95 % interval holds the true mean, by number of seeds, method and shape of the scores.

python benchmarks/interval_coverage.py --output benchmarks/results/interval_coverage.md
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lifelong_rl.evaluation.resampling import METHODS
from lifelong_rl.evaluation.statistics import bootstrap_interval

N_SEEDS = (3, 5, 10, 20, 50)
DRAWS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "exponential (long upper tail)": (lambda rng, n: rng.exponential(size=n), 1.0),
    "success of 20 episodes, 70 %": (lambda rng, n: rng.binomial(20, 0.7, size=n) / 20, 0.7),
    "solved (0.9) by half of the seeds, else 0.1": (lambda rng, n: rng.choice([0.1, 0.9], size=n), 0.5),
}
"""A name -> the draw of n scores, and the true mean."""


def coverage(kind: str, method: str, n_seeds: int, n_repetitions: int, n_resamples: int) -> float:
    draw, truth = DRAWS[kind]
    rng = np.random.default_rng(n_seeds)  # both methods see the same scores
    n_held = 0
    for repetition in range(n_repetitions):
        scores = draw(rng, n_seeds)
        interval = bootstrap_interval(scores, method=method, n_resamples=n_resamples, seed=repetition)
        n_held += interval.low - 1e-12 <= truth <= interval.high + 1e-12  # a mean of 0.1 and 0.9 rounds
    return n_held / n_repetitions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-repetitions", type=int, default=4000, help="simulated studies a cell (%(default)s)")
    parser.add_argument("--n-resamples", type=int, default=1000, help="resamples an interval (%(default)s)")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    lines = [
        f"| scores | method | {' | '.join(f'{n} seeds' for n in N_SEEDS)} |",
        "|---|---|" + "---|" * len(N_SEEDS),
    ]
    for kind in DRAWS:
        for method in METHODS:
            cells = [coverage(kind, method, n, options.n_repetitions, options.n_resamples) for n in N_SEEDS]
            lines.append(f"| {kind} | {method} | {' | '.join(f'{cell:.1%}' for cell in cells)} |")
    error = np.sqrt(0.95 * 0.05 / options.n_repetitions)
    text = f"""# How often a nominal 95 % interval of the mean holds the true mean

    python benchmarks/interval_coverage.py --n-repetitions {options.n_repetitions} --n-resamples {options.n_resamples}

{chr(10).join(lines)}

{options.n_repetitions:,} simulated studies a cell (standard error {error:.1%}), {options.n_resamples:,} resamples an
interval; numpy {np.__version__}, Python {platform.python_version()}.
"""
    print(text, end="")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)


if __name__ == "__main__":
    main()
