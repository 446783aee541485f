"""Two groups of runs against each other, for the command line."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_rl.evaluation.statistics import Interval
from lifelong_rl.tracking.report.comparing import Comparison, Pairing, caveats, compare_groups
from lifelong_rl.tracking.report.document import UNKNOWN, Warned
from lifelong_rl.tracking.report.groups import Group, group_runs
from lifelong_rl.tracking.report.markdown import aligned
from lifelong_rl.tracking.report.numbers import FEW_SEEDS, LEVEL, interval_text, rounded, signed
from lifelong_rl.tracking.report.results import ARROWS
from lifelong_rl.tracking.report.runs import ReferencesOf, read_runs
from lifelong_rl.tracking.run_folder import find_runs


@dataclass(frozen=True, eq=False)
class Versus:
    """Group B against group A."""

    a: Group
    b: Group
    pairing: Pairing
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]
    """What makes the two hard to compare, and runs that have no part in it."""

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "a": _group(self.a),
            "b": _group(self.b),
            "is_paired": self.pairing.is_paired,
            "pairing": self.pairing.explanation,
            "level": LEVEL,
            "warnings": list(self.warnings),
            "metrics": [_plain(found) for found in self.comparisons],
        }

    def to_text(self) -> str:
        """Give everything as text around a Markdown table."""
        lines = [f"{name}: {group.label}, {_seeds(group)}" for name, group in (("A", self.a), ("B", self.b))]
        lines += [f"Pairs: {self.pairing.explanation}."]
        lines += [f"Warning: {text}" for text in self.warnings]
        header = ("metric", "A", "B", "B - A [95 %]", "P(B better) [95 %]", "better", "pairs")
        lines += ["", aligned(header, [_row(found) for found in self.comparisons]), ""]
        by_reason: dict[str, list[str]] = {}
        for found in self.comparisons:
            if found.reason:
                by_reason.setdefault(found.reason, []).append(found.metric)
        lines += [f"{', '.join(metrics)}: {reason}" for reason, metrics in by_reason.items()]
        lines.append(
            "↑ higher is better, ↓ lower is better. '?': the interval of the difference holds 0, or is missing."
        )
        if 1 < min(len(self.pairing.before), len(self.pairing.after)) < FEW_SEEDS:
            lines.append(f"With fewer than {FEW_SEEDS} seeds bootstrap intervals are usually too narrow.")
        return "\n".join(lines)


def compare_runs(a: str, b: str, references_of: ReferencesOf) -> Versus:
    """Compare the runs at ``b`` with those at ``a``.

    a, b: each a run folder, a folder that holds runs, or a pattern of such folders; the runs of each may differ by
    their seed only. With an empty ``b``, the folder ``a`` holds two groups: the first is A, the one with fewer
    components or else the one that comes first. references_of: gives a run's reference runs.
    Raises ValueError where there is no run, and for more groups than expected.
    """
    groups, warnings = _groups(a, references_of)
    if b:
        others, more = _groups(b, references_of)
        first, second = _only(groups, a), _only(others, b)
    else:
        if len(groups) != 2:
            raise ValueError(f"{a} must hold two groups of runs, or be given with a B; found {_labels(groups)}.")
        first, second = sorted(groups, key=lambda group: len(group.components))
        more = []
    said = [f"{warned.subject}: {warned.text}" for warned in (*warnings, *more)]
    pairing, found = compare_groups(first, second, ("A", "B"))
    return Versus(first, second, pairing, tuple(found), (*said, *caveats(first, second)))


def _groups(where: str, references_of: ReferencesOf) -> tuple[list[Group], list[Warned]]:
    paths = [Path(where)]
    if not paths[0].exists() and glob.has_magic(where):
        paths = [Path(path) for path in sorted(glob.glob(where))]
        if not paths:
            raise ValueError(f"no folder fits the pattern {where!r}.")
    runs, warnings = read_runs(find_runs(paths), references_of)
    groups, found = group_runs(runs)
    return groups, [*warnings, *found]


def _only(groups: Sequence[Group], where: str) -> Group:
    if len(groups) > 1:
        raise ValueError(
            f"the runs at {where} must differ by their seed only, found {_labels(groups)}; choose one group by its "
            "folders, with a pattern in quotes such as 'runs/x/dqn-condensed-s*'."
        )
    return groups[0]


def _labels(groups: Sequence[Group]) -> str:
    return f"{len(groups)} group(s): {'; '.join(group.label for group in groups)}"


def _seeds(group: Group) -> str:
    return f"{len(group.runs)} seed{'s' if len(group.runs) > 1 else ''}: {', '.join(map(str, group.seeds))}"


def _group(group: Group) -> dict[str, Any]:
    runs = [run.folder.path.as_posix() for run in group.runs]
    return {"label": group.label, "seeds": list(group.seeds), "runs": runs}


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "sign": found.sign,
        "mean_a": found.mean_before,
        "mean_b": found.mean_after,
        "n_a": found.n_before,
        "n_b": found.n_after,
        "n_pairs": found.n_pairs,
        "difference": found.difference,
        "difference_interval": _limits(found.interval),
        "probability_b_better": found.probability.estimate if found.probability else None,
        "probability_interval": _limits(found.probability),
        "better": {"before": "a", "after": "b", None: None}.get(found.better, found.better),
        "is_clear": found.is_clear,
        "reason": found.reason,
    }


def _limits(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def _row(found: Comparison) -> tuple[str, ...]:
    means = [UNKNOWN if mean is None else rounded(mean) for mean in (found.mean_before, found.mean_after)]
    difference = probability = better = UNKNOWN
    if found.difference is not None:
        difference = signed(found.difference) + (f" {interval_text(found.interval)}" if found.interval else "")
        better = {"before": "A", "after": "B"}.get(found.better or "", "equal")
        better += "" if found.is_clear or (better == "equal" and found.interval) else " ?"
    if found.probability is not None:
        probability = f"{rounded(found.probability.estimate)} {interval_text(found.probability)}"
    pairs = str(found.n_pairs) if found.is_paired else UNKNOWN
    return (f"{found.metric} {ARROWS[found.sign]}", *means, difference, probability, better, pairs)
