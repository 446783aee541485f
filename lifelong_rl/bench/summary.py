"""What the teacher benchmark says: results over seeds as JSON and as a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifelong_rl.bench.teachers import TeacherResult
from lifelong_rl.evaluation.statistics import bootstrap_interval


@dataclass(frozen=True)
class Summary:
    """All seeds of one teacher in one setting."""

    teacher: str
    setting: str
    n_episodes: int
    results: tuple[TeacherResult, ...]
    label: str
    """What tables call the teacher: its name, a plug-in's without its module unless another one's is the same."""

    @property
    def slug(self) -> str:
        """Teacher and setting as a part of a file's name."""
        return slug_of(self.teacher, self.setting)

    @property
    def mastery(self) -> list[float]:
        """Final mastery of each seed, in percent."""
        return [result.mastery for result in self.results]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % bootstrap interval of the mean mastery; None for one seed."""
        if len(self.results) < 2:
            return None
        found = bootstrap_interval(self.mastery)
        return found.low, found.high

    @property
    def mastery_text(self) -> str:
        """The mean mastery with its interval, for people."""
        mean = f"{np.mean(self.mastery):.1f}"
        return mean if self.interval is None else f"{mean} [{self.interval[0]:.1f}, {self.interval[1]:.1f}]"

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        seeds = self.results
        return {
            "teacher": self.teacher,
            "setting": self.setting,
            "episodes": self.n_episodes,
            "seeds": [seed.seed for seed in seeds],
            "mastery": self.mastery,
            "mastery_mean": float(np.mean(self.mastery)),
            "mastery_interval": self.interval,
            "cpu_us_per_episode": [seed.us_per_episode for seed in seeds],
            "cpu_us_per_episode_mean": float(np.mean([seed.us_per_episode for seed in seeds])),
            "slowest_call_ms": [seed.slowest_call_ms for seed in seeds],
            "state_bytes": [seed.state_bytes for seed in seeds],
            "curve_episodes": [episodes for episodes, _ in seeds[0].curve],
            "curve_mastery": [[mastery for _, mastery in seed.curve] for seed in seeds],
        }


def slug_of(teacher: str, setting: str) -> str:
    """Give teacher and setting as a part of a file's name."""
    return re.sub(r"[^\w.+-]+", "-", f"{teacher}-{setting}")


def summaries(results: Iterable[TeacherResult]) -> list[Summary]:
    """Give results together that differ only by their seed, in the order in which they first come."""
    groups: dict[tuple[str, str, int], list[TeacherResult]] = {}
    for result in results:
        groups.setdefault((result.teacher, result.setting, result.n_episodes), []).append(result)
    labels = _labels({teacher for teacher, _, _ in groups})
    return [Summary(*key, tuple(members), labels[key[0]]) for key, members in groups.items()]


def _labels(teachers: Collection[str]) -> dict[str, str]:
    """Give each teacher the shortest label that no other one has."""
    short = {teacher: teacher.rpartition(":")[2] for teacher in teachers}
    counts = Counter(short.values())
    return {teacher: label if counts[label] == 1 else teacher for teacher, label in short.items()}


def document(found: Sequence[Summary], options: Mapping[str, Any]) -> dict[str, Any]:
    """Give all results as one JSON document, with the teachers' hyper-parameters that were given."""
    return {"benchmark": "teachers", "teacher_options": dict(options), "results": [each.to_json() for each in found]}


HEADER = ("teacher", "setting", "episodes", "seeds", "mastery %", "CPU us an episode", "slowest call ms", "state kB")


def table(found: Sequence[Summary]) -> str:
    """Give a Markdown table: a row a teacher and setting; mastery as mean [95 % bootstrap interval] over seeds."""
    return _markdown([HEADER, *map(_row, found)], n_words=2)


def mastery_table(found: Sequence[Summary]) -> str:
    """Give a Markdown table of mastery: a row a teacher, a column a setting."""
    settings = list(dict.fromkeys(summary.setting for summary in found))
    cells = {(summary.teacher, summary.setting): summary.mastery_text for summary in found}
    labels = {summary.teacher: summary.label for summary in found}
    rows = [
        (label, *(cells.get((teacher, setting), "-") for setting in settings)) for teacher, label in labels.items()
    ]
    return _markdown([("teacher", *settings), *rows], n_words=1)


def _row(summary: Summary) -> tuple[str, ...]:
    seeds = summary.results
    return (
        summary.label,
        summary.setting,
        f"{summary.n_episodes:,}",
        str(len(seeds)),
        summary.mastery_text,
        f"{np.mean([seed.us_per_episode for seed in seeds]):.0f}",
        f"{max(seed.slowest_call_ms for seed in seeds):.1f}",
        f"{max(seed.state_bytes for seed in seeds) / 1000:,.0f}",
    )


def _markdown(rows: Sequence[Sequence[str]], n_words: int) -> str:
    """Give rows, the first of them the header, as a table; columns after the first ``n_words`` are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i < n_words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + ("-" if i < n_words else ":") for i, width in enumerate(widths))
    return "\n".join([line(rows[0]), f"|{rule}|", *map(line, rows[1:])])
