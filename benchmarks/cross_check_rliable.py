"""Compares our statistics over seeds with rliable 1.2.0, which runs in a virtual environment of its own.

    python benchmarks/cross_check_rliable.py --output benchmarks/results/cross_check_rliable.md

Point estimates must agree to 1e-9. Intervals come from random draws of two generators: their limits must agree to
4 % of the interval's width, and those of a profile, which are multiples of one score's share, to that share more.
Prints a table; the exit status is 1 where something differs. Takes some minutes, most of them in rliable's loop over
resamples.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from isolated import add_venvs_option, run_isolated

from lifelong_rl.evaluation.comparison import performance_profile, probability_of_improvement
from lifelong_rl.evaluation.statistics import STATISTICS, bootstrap_interval

REQUIREMENTS = (
    "rliable==1.2.0",
    "arch==7.2.0",
    "numpy==1.26.4",
    "pandas==2.2.3",
    "scipy==1.13.1",
    "seaborn==0.13.2",
)
POINT_TOLERANCE = 1e-9
WIDTH_TOLERANCE = 0.04
"""Largest difference of two limits, over the width of rliable's interval.

The Monte-Carlo error of a 2.5 % quantile of 20,000 normal draws is sqrt(0.025 * 0.975 / 20000) / 0.0584 = 0.019
standard deviations, 0.5 % of the width; two draws differ by 0.7 %, and BCa, whose tails are estimated too, by more.
"""
THRESHOLDS = np.linspace(0, 1, 5)

THEIRS = """
import importlib.metadata, json, sys
import numpy as np
from rliable import library, metrics

data = json.load(sys.stdin)
np.random.seed(data["seed"])  # its stratified bootstrap draws from the global generator
thresholds, repetitions = np.array(data["thresholds"]), data["n_resamples"]
statistics = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "iqm": metrics.aggregate_iqm,
    "optimality_gap": metrics.aggregate_optimality_gap,
}

def row(scores, function, method="percentile"):
    points, limits = library.get_interval_estimates({"a": scores}, function, method=method, reps=repetitions)
    return [points["a"].tolist(), *limits["a"].tolist()]

found = {}
for name, (x, y) in data["scores"].items():
    x, y = np.array(x), np.array(y)
    for statistic, function in statistics.items():
        for method in ["percentile"] + ["bca"] * (x.shape[1] == 1):
            one = lambda scores, function=function: np.array([function(scores)])
            found[f"{name}: {statistic}, {method}"] = row(x, one, method)
    improvement = lambda a, b: np.array([metrics.probability_of_improvement(a, b)])
    found[f"{name}: probability of improvement"] = row([x, y], improvement)
    profile = lambda scores: library.score_distributions(scores, thresholds)
    for t, *each in zip(thresholds, *row(x, profile)):
        found[f"{name}: profile at {t:g}"] = [[value] for value in each]
names = ("rliable", "arch", "numpy", "scipy", "pandas")
print(json.dumps({"rows": found, "versions": {name: importlib.metadata.version(name) for name in names}}))
"""

Values = tuple[float, float, float]
"""The estimate and the lower and upper limit."""


def score_tables() -> dict[str, tuple[Any, Any]]:
    """Give x and y for each case, shape (n_runs, n_tasks); the numbers of runs differ."""
    rng = np.random.default_rng(12)
    hardness = np.linspace(0.2, 0.9, 6)
    equal = rng.random((6, 2))
    return {
        "10 runs, 6 tasks": (rng.gamma(4, 0.25, (10, 6)) * hardness, rng.gamma(4, 0.22, (8, 6)) * hardness),
        "3 runs, 10 tasks": (rng.random((3, 10)), rng.random((5, 10))),
        "15 runs, 1 task": (rng.lognormal(-0.5, 0.6, (15, 1)), rng.lognormal(-0.7, 0.6, (12, 1))),
        "successes with ties": (rng.integers(0, 6, (12, 4)) / 5, rng.integers(0, 5, (12, 4)) / 5),
        "x equals y": (equal, equal),
    }


def our_rows(tables: dict[str, tuple[Any, Any]], n_resamples: int, seed: int) -> dict[str, Values]:
    """Give our values under rliable's names.

    Left out: BCa over several tasks, where rliable's jackknife leaves out a row of the table and ours one task's
    seed; and the median of one task, where rliable gives the mean (the median over one task of the mean over runs).
    """
    options: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    rows: dict[str, Values] = {}
    for name, (x, y) in tables.items():
        is_one_task = x.shape[1] == 1
        for statistic in STATISTICS:
            for method in ("percentile", "bca") if is_one_task else ("percentile",):
                if not (is_one_task and statistic == "median"):
                    found = bootstrap_interval(x, statistic=statistic, method=method, **options)
                    rows[f"{name}: {statistic}, {method}"] = found.estimate, found.low, found.high
        found = probability_of_improvement(x, y, **options)
        rows[f"{name}: probability of improvement"] = found.estimate, found.low, found.high
        profile = performance_profile(x, THRESHOLDS, **options)
        for threshold, *values in zip(THRESHOLDS, profile.shares, profile.lows, profile.highs, strict=True):
            rows[f"{name}: profile at {threshold:g}"] = values[0], values[1], values[2]
    return rows


def table_of(
    ours: dict[str, Values], theirs: dict[str, Values], tables: dict[str, tuple[Any, Any]]
) -> tuple[list[str], int]:
    """Give the lines of the table and the number of rows that differ."""
    lines = ["| what | ours | rliable | estimates differ by | limits differ by |", "|---|---|---|---|---|"]
    n_different = 0
    for name, mine in ours.items():
        other = theirs[name]
        point, limits = abs(mine[0] - other[0]), max(abs(mine[1] - other[1]), abs(mine[2] - other[2]))
        width = other[2] - other[1]
        share = 1 / tables[name.split(": ")[0]][0].size if ": profile at" in name else 0.0
        is_same = point <= POINT_TOLERANCE and limits <= WIDTH_TOLERANCE * width + share + POINT_TOLERANCE
        n_different += not is_same
        part = f"{limits / width:.1%} of the width" if width > POINT_TOLERANCE else f"{limits:.0e}"
        lines.append(
            f"| {name} | {shown(mine)} | {shown(other)} | {point:.0e} | {part}{'' if is_same else ' DIFFERENT'} |"
        )
    return lines, n_different


def shown(values: Values) -> str:
    return "{:.4f} [{:.4f}, {:.4f}]".format(*values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-resamples", type=int, default=20_000, help="resamples of each interval (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of both sides' draws (%(default)s)")
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    add_venvs_option(parser)
    options = parser.parse_args()
    tables = score_tables()
    data = {
        "scores": {name: (x.tolist(), y.tolist()) for name, (x, y) in tables.items()},
        "thresholds": THRESHOLDS.tolist(),
        "n_resamples": options.n_resamples,
        "seed": options.seed,
    }
    answer = run_isolated(REQUIREMENTS, THEIRS, data, venvs=options.venvs)
    theirs = {name: tuple(column[0] for column in columns) for name, columns in answer["rows"].items()}
    lines, n_different = table_of(our_rows(tables, options.n_resamples, options.seed), theirs, tables)
    text = page(lines, n_different, options, answer["versions"])
    print(text, end="")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)
    return 1 if n_different else 0


def page(lines: list[str], n_different: int, options: argparse.Namespace, versions: dict[str, str]) -> str:
    theirs = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"""# Our statistics over seeds beside rliable's

    python benchmarks/cross_check_rliable.py --n-resamples {options.n_resamples} --seed {options.seed}

{len(lines) - 2} rows, {n_different} different. Estimates must agree to {POINT_TOLERANCE:g}. Limits come from
different random draws, {options.n_resamples:,} resamples each, and must agree to {WIDTH_TOLERANCE:.0%} of the
interval's width; those of a profile are multiples of one score's share and may differ by that share more.

{chr(10).join(lines)}

Not compared: BCa over several tasks, where rliable's jackknife leaves out a row of the table and ours one task's
seed; the median of one task, where rliable gives the mean over its runs and we the median.

Theirs: {theirs}. Ours: numpy {np.__version__}. Python {platform.python_version()}.
"""


if __name__ == "__main__":
    sys.exit(main())
