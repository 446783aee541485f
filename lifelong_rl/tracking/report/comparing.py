"""Two groups of runs against each other: differences with intervals, and what keeps numbers from being compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifelong_rl.evaluation.comparison import paired_difference, probability_of_improvement
from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.evaluation.statistics import Interval
from lifelong_rl.tracking.report.groups import Group
from lifelong_rl.tracking.report.numbers import LEVEL, summary_of
from lifelong_rl.tracking.report.runs import Run

DEFINITION = ("sign", "window", "reference", "source", "measured")
"""The fields of a metric that must be the same for two numbers to be compared."""

EVALUATION = ("eval_every", "eval_episodes", "eval_seed")

N_RESAMPLES = 4000


@dataclass(frozen=True)
class Pairing:
    """Which runs of two groups are compared: of each pair the runs stand at one position."""

    before: tuple[Run, ...]
    after: tuple[Run, ...]
    is_paired: bool
    explanation: str
    """How runs are paired, or why they are not."""


@dataclass(frozen=True)
class Comparison:
    """One metric of two groups: "after" against "before"."""

    metric: str
    """family/name."""
    sign: str
    mean_before: float | None
    mean_after: float | None
    n_before: int
    n_after: int
    is_paired: bool
    difference: float | None
    """Mean after minus mean before; None where the numbers cannot be compared."""
    interval: Interval | None
    """The 95 % bootstrap interval of the difference."""
    probability: Interval | None
    """Probability that a run after is better than one before, by the metric's sign, with its interval."""
    reason: str
    """Why there is no difference or no interval."""

    @property
    def n_pairs(self) -> int:
        """Pairs of runs with the same seed; 0 where they are not paired."""
        return self.n_before if self.is_paired else 0

    @property
    def better(self) -> str | None:
        """Which is better by the difference and the sign: after, before or equal; None without a difference."""
        if self.difference is None:
            return None
        if self.difference == 0:
            return "equal"
        return "after" if (self.difference > 0) == (self.sign == "higher is better") else "before"

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return self.interval is not None and (self.interval.low > 0 or self.interval.high < 0)


def pair(before: Group, after: Group) -> Pairing:
    """Pair the runs of two groups by seed where both walk the same scenario and share at least two seeds.

    A single run on either side is paired too. Runs that are not paired are all compared with all.
    """
    if before.config["scenario"] != after.config["scenario"]:
        return Pairing(before.runs, after.runs, False, "not paired: the scenarios differ")
    common = [seed for seed in before.seeds if seed in after.seeds]
    alone = len(set(before.seeds) ^ set(after.seeds))
    if not common or (len(common) == 1 and min(len(before.runs), len(after.runs)) > 1):
        return Pairing(before.runs, after.runs, False, "not paired: they share fewer than two seeds")
    chosen = [tuple(run for run in group.runs if run.seed in common) for group in (before, after)]
    left_out = f"; {alone} run(s) without a partner left out" if alone else ""
    seeds = f"{len(common)} pair(s) of one seed and scenario{left_out}"
    return Pairing(chosen[0], chosen[1], True, seeds)


def compare_groups(
    before: Group, after: Group, names: tuple[str, str] = ("without", "with")
) -> tuple[Pairing, list[Comparison]]:
    """Compare every metric that one of two groups has. names: what the reasons call the two."""
    pairing = pair(before, after)
    values = [[run.values() for run in runs] for runs in (pairing.before, pairing.after)]
    metrics = dict.fromkeys(name for side in values for found in side for name in found)
    sides = [{name: [found[name] for found in side if name in found] for name in metrics} for side in values]
    return pairing, [_comparison(name, sides[0][name], sides[1][name], pairing, names) for name in metrics]


def _comparison(
    name: str,
    before: Sequence[MetricValue],
    after: Sequence[MetricValue],
    pairing: Pairing,
    names: tuple[str, str],
) -> Comparison:
    counts = (len(pairing.before), len(pairing.after))
    means = [_mean(metrics, n) for metrics, n in zip((before, after), counts, strict=True)]
    difference, interval, probability = None, None, None
    sign = (before or after)[0].sign
    if not (reason := _hindrance(before, after, counts, names)):
        x, y = ([metric.value for metric in metrics if metric.value is not None] for metrics in (after, before))
        difference = float(np.mean(x) - np.mean(y))
        if min(counts) < 2:
            reason = f"an interval needs at least two {'pairs' if pairing.is_paired else 'runs on either side'}"
        else:
            interval = paired_difference(x, y, level=LEVEL) if pairing.is_paired else _unpaired_difference(x, y)
            direction = 1.0 if sign == "higher is better" else -1.0
            scaled = (direction * np.array(x), direction * np.array(y))
            probability = probability_of_improvement(*scaled, level=LEVEL)
    return Comparison(
        name,
        sign,
        means[0],
        means[1],
        counts[0],
        counts[1],
        pairing.is_paired,
        difference,
        interval,
        probability,
        reason,
    )


def _mean(metrics: Sequence[MetricValue], n_runs: int) -> float | None:
    values = [metric.value for metric in metrics if metric.value is not None]
    return float(np.mean(values)) if values and len(values) == n_runs else None


def _hindrance(
    before: Sequence[MetricValue],
    after: Sequence[MetricValue],
    counts: tuple[int, int],
    names: tuple[str, str],
) -> str:
    """Say why the numbers of two groups cannot be compared; empty where they can."""
    summaries = [summary_of(metrics, n) for metrics, n in zip((before, after), counts, strict=True)]
    reasons = [summary.reason for summary in summaries if summary.estimate is None]
    if len(reasons) == 2 and reasons[0] == reasons[1]:
        return reasons[0]
    if reasons:
        pairs = zip(names, summaries, strict=True)
        return "; ".join(f"{name}: {summary.reason}" for name, summary in pairs if summary.estimate is None)
    for field in DEFINITION:
        found = list(dict.fromkeys(getattr(metric, field) for metric in (*before, *after)))
        if len(found) > 1:
            return f"the definitions differ in their {field}: {' | '.join(map(str, found))}"
    return ""


def _unpaired_difference(x: Sequence[float], y: Sequence[float]) -> Interval:
    """Give the mean of x minus that of y, with the percentile interval of a bootstrap that draws each by itself."""
    rng = np.random.default_rng(0)
    sides = [np.array(values, dtype=np.float64) for values in (x, y)]
    means = [values[rng.integers(len(values), size=(N_RESAMPLES, len(values)))].mean(axis=1) for values in sides]
    low, high = np.quantile(means[0] - means[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    estimate = float(sides[0].mean() - sides[1].mean())
    return Interval(estimate, float(low), float(high), LEVEL, len(x) + len(y), N_RESAMPLES)


def ablations(groups: Sequence[Group]) -> list[tuple[Group, Group, str]]:
    """Give the pairs of groups that differ by components only: (without, with, what is added).

    A group is compared with the one without components, and with each that lacks exactly one of its components.
    """
    found = []
    for with_it in groups:
        for without in groups:
            if without is with_it or without.base != with_it.base:
                continue
            added = with_it.components.items() - without.components.items()
            lost = without.components.items() - with_it.components.items()
            if added and not lost and (len(added) == 1 or not without.components):
                names = [name for name in with_it.components if name in dict(added)]
                found.append((without, with_it, " + ".join(name.rpartition(":")[2] for name in names)))
    return found


def caveats(before: Group, after: Group) -> list[str]:
    """Say what makes two groups hard to compare: other scenarios, budgets, evaluations, references or versions."""
    said = []
    if before.config["scenario"] != after.config["scenario"]:
        said.append("the scenarios differ (tasks, blocks or environment).")
    budgets = [group.runs[0].n_steps for group in (before, after)]
    if budgets[0] != budgets[1]:
        said.append(f"the budgets differ: {budgets[0]:,} and {budgets[1]:,} environment steps.")
    for name in (*EVALUATION, "n_envs"):
        values = [group.config.get(name) for group in (before, after)]
        if values[0] != values[1]:
            said.append(f"{name} differs: {values[0]} and {values[1]}.")
    if _reference_sets(before) != _reference_sets(after):
        said.append("the reference runs differ: metrics that compare with them measure against different runs.")
    versions = [_versions(group) for group in (before, after)]
    if versions[0] != versions[1]:
        names = sorted(name for name, _ in versions[0] ^ versions[1])
        said.append(f"the versions differ: {', '.join(dict.fromkeys(names))}.")
    unfinished = [run for group in (before, after) for run in group.runs if not run.is_finished]
    if unfinished:
        said.append(f"{len(unfinished)} run(s) are unfinished.")
    return said


def _reference_sets(group: Group) -> set[str]:
    """Give what decides the reference runs: which there are, and the settings they share with the runs."""
    counts = [dict(run.references) for run in group.runs]
    return {json.dumps([group.base if found else "", found], sort_keys=True) for found in counts}


def _versions(group: Group) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for run in group.runs:
        provenance: Mapping[str, Any] = run.config.get("provenance") or {}
        found |= {(name, str(version)) for name, version in (provenance.get("packages") or {}).items()}
        found |= {(name, str(provenance.get(name))) for name in ("python", "commit")}
    return found
