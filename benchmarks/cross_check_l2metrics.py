"""Compares our numbers with those of l2metrics 3.1.0 on the same logs: `python benchmarks/cross_check_l2metrics.py`.

l2metrics runs in an environment of its own (it needs numpy<2 and pandas<2) and reads folders written here: runs by
`write_l2logger`, and regimes that no log of ours holds (sleep, gaps in the numbering, two workers). Single-task runs
go through its store. Every number of its report is compared with `l2metrics_report` to 1e-5 relative; the exit status
is 1 where one differs. `--record` writes the output to results/cross_check_l2metrics.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isolated import add_venvs_option, run_isolated
from l2m_examples import compare, compare_regimes, in_any_order
from l2metrics_runs import Run, written_runs
from metric_examples import is_close

from lifelong_rl.evaluation.l2logger import read_l2logger
from lifelong_rl.evaluation.l2m import L2MOptions, l2metrics_report

REQUIREMENTS = [
    "l2metrics==3.1.0",
    "l2logger==1.8.2",
    "numpy==1.26.4",
    "pandas==1.5.3",
    "scipy==1.13.1",
    "matplotlib==3.9.4",
    "seaborn==0.13.2",
]

RECORD = Path(__file__).parent / "results" / "cross_check_l2metrics.md"

OPTIONS: dict[str, L2MOptions] = {
    "the defaults": L2MOptions(),
    "raw": L2MOptions(normalization_method="none", smoothing_method="none"),
    "by run, hanning": L2MOptions(normalization_method="run", smoothing_method="hanning"),
    "clipped, median": L2MOptions(clamp_outliers=True, aggregation_method="median"),
    "clipped to a range": L2MOptions(clamp_outliers=True, data_range=(0.1, 0.7), window_length=7),
    "a range, mean curve": L2MOptions(data_range=(-1.0, 2.0), ste_averaging_method="time"),
    "raw, mean curve": L2MOptions(normalization_method="none", ste_averaging_method="time"),
    "without variants": L2MOptions(variant_mode="agnostic"),
    "without variants, range": L2MOptions(variant_mode="agnostic", data_range=(0.0, 1.0), clamp_outliers=True),
    "hamming, evaluations too": L2MOptions(smoothing_method="hamming", window_length=5, smooth_evaluations=True),
    "bartlett, mrlep, ratio": L2MOptions(
        smoothing_method="bartlett", maintenance_method="mrlep", transfer_method="ratio"
    ),
    "blackman, mrtlp, contrast": L2MOptions(
        smoothing_method="blackman", maintenance_method="mrtlp", transfer_method="contrast"
    ),
}

SCRIPT = """
import json, logging, os, sys, tempfile, warnings
from pathlib import Path
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import matplotlib
matplotlib.use("Agg")
import numpy as np
from l2metrics.report import MetricsReport
from l2metrics.util import store_ste_data

def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(entry) for entry in value]
    if isinstance(value, (np.generic, float, int)) and not isinstance(value, bool):
        return float(value) if np.isfinite(value) else None
    return value

def report(job):
    with tempfile.TemporaryDirectory() as store:
        os.environ["L2DATA"] = store
        for folder in job["experts"]:
            store_ste_data(Path(folder), mode="a")
        found = MetricsReport(log_dir=job["folder"], perf_measure="score", **job["options"])
        found.calculate()
    frame = found._metrics_df
    names = ["block_num", "block_type", "task_name", "term_perf", "saturation", "exp_to_sat", "recovery_time"]
    columns = [frame[name].tolist() if name in frame else [None] * len(frame) for name in names]
    lifetime = found.lifetime_metrics_df
    return plain({
        "lifetime": {name: lifetime[name].tolist()[0] if len(lifetime) else None for name in lifetime},
        "normalisation_range": found.ll_metrics_dict["normalization_data_range"],
        "tasks": found.ll_metrics_dict["task_metrics"],
        "regimes": [list(row) for row in zip(*columns)],
    })

def tried(job):
    try:
        return report(job)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}

print(json.dumps([tried(job) for job in json.load(sys.stdin)]))
"""


def main(venvs: Path, *, is_recorded: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        runs = list(written_runs(Path(folder)))
        jobs = [(run, name, options) for run in runs for name, options in OPTIONS.items()]
        theirs = run_isolated(REQUIREMENTS, SCRIPT, [job_of(run, options) for run, _, options in jobs], venvs=venvs)
        found = [
            Comparison(run.name, name, list(rows_of(run, options, their_report)))
            for (run, name, options), their_report in zip(jobs, theirs, strict=True)
        ]
    text = report_text(found)
    print(text)
    if is_recorded:
        RECORD.write_text(text + "\n")
    return 1 if any(comparison.different for comparison in found) else 0


@dataclass(frozen=True)
class Comparison:
    """One run with one set of options."""

    run: str
    options: str
    rows: list[tuple[str, Any, Any]]

    @property
    def different(self) -> list[tuple[str, Any, Any]]:
        """The rows in which the two disagree, ties left out."""
        return [row for row in self.rows if not is_equal(*row[1:]) and row not in self.tied]

    @property
    def tied(self) -> list[tuple[str, Any, Any]]:
        """The regimes that reach their maximum in two neighbouring places: rounding decides which is found first."""
        regimes = [row for row in self.rows if row[0].startswith("regimes[") and row[2] and not is_equal(*row[1:])]
        return [row for row in regimes if is_close(row[1][:2], row[2][:2]) and abs(row[1][2] - row[2][2]) == 1]


def is_equal(theirs: Any, ours: Any) -> bool:
    return theirs == ours if isinstance(theirs, str) else is_close(theirs, ours)


def job_of(run: Run, options: L2MOptions) -> dict[str, Any]:
    """Give what the script needs, in the words of l2metrics."""
    plain = asdict(options) | {"do_smooth_eval_data": options.smooth_evaluations}
    del plain["guard"], plain["smooth_evaluations"]
    if isinstance(options.data_range, tuple):
        low, high = options.data_range
        tasks = read_l2logger(run.folder).regimes.tasks
        plain["data_range"] = {task: {"min": low, "max": high} for task in tasks}
    experts = [str(folder) for folders in run.experts.values() for folder in folders]
    return {"folder": str(run.folder), "experts": experts, "options": plain}


def rows_of(run: Run, options: L2MOptions, theirs: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Give a row for every number of their report."""
    if "error" in theirs:
        yield "l2metrics", theirs["error"], "no error"
        return
    experts = {task: [read_l2logger(folder).regimes for folder in folders] for task, folders in run.experts.items()}
    ours = l2metrics_report(read_l2logger(run.folder).regimes, experts, options)
    for name, value in ours["lifetime"].items():
        yield f"lifetime.{name}", theirs["lifetime"].get(name), value
    yield from compare("normalisation_range", theirs["normalisation_range"], ours["normalisation_range"])
    yield from compare_regimes(theirs["regimes"], ours["regimes"])
    for task, table in theirs["tasks"].items():
        for key, expected in table.items():
            rows = compare(f"tasks.{task}.{key}", expected, ours["tasks"][task].get(key))
            yield from (in_any_order(*row) if options.variant_mode == "agnostic" else row for row in rows)


def report_text(found: Sequence[Comparison]) -> str:
    """Give the record: a table of what was compared, and every difference."""
    n_rows = sum(len(comparison.rows) for comparison in found)
    n_different = sum(len(comparison.different) for comparison in found)
    n_tied = sum(len(comparison.tied) for comparison in found)
    lines = [
        "# Our l2m numbers beside l2metrics 3.1.0",
        "",
        f"`python benchmarks/cross_check_l2metrics.py --record`, with {', '.join(REQUIREMENTS)}.",
        f"{n_rows} entries (numbers and lists of numbers) of its report compared to 1e-5 relative: "
        f"{n_rows - n_different - n_tied} equal, {n_different} different, {n_tied} equal but for a tie.",
        "",
        "A tie: the moving average of an even window begins with two equal numbers, by reflection; where they are",
        "the largest, rounding decides which of the two l2metrics finds first (numpy 1.26 and 2.4 differ in it).",
        "A cell holds equal or tied / compared.",
        "",
        f"| run | {' | '.join(OPTIONS)} |",
        f"|---|{'---|' * len(OPTIONS)}",
    ]
    for run in dict.fromkeys(comparison.run for comparison in found):
        cells = [f"{len(c.rows) - len(c.different)} / {len(c.rows)}" for c in found if c.run == run]
        lines.append(f"| {run} | {' | '.join(cells)} |")
    lines.append("")
    for comparison in found:
        for name, theirs, ours in comparison.different:
            lines.append(f"- {comparison.run}, {comparison.options}, {name}: theirs {theirs}, ours {ours}")
        lines += [f"- tie: {comparison.run}, {comparison.options}, {row[0]}" for row in comparison.tied]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_venvs_option(parser)
    parser.add_argument("--record", action="store_true", help=f"write the output to {RECORD.name}")
    given = parser.parse_args()
    sys.exit(main(given.venvs, is_recorded=given.record))
