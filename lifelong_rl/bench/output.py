"""The folder in which a benchmark leaves its results: JSON, a table and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lifelong_rl.bench.pictures import n_figures, write_figures
from lifelong_rl.bench.settings import VARIANTS
from lifelong_rl.bench.summary import Summary, document, mastery_table, table
from lifelong_rl.bench.teachers import TeacherResult
from lifelong_rl.training.config import provenance


def check_is_new(folder: Path) -> None:
    """Raise ValueError for a folder that holds results already, before hours are spent on others."""
    for name in ("results.json", "runs.jsonl"):
        if (folder / name).exists():
            raise ValueError(f"{folder / name} exists; give the output another folder, or remove it.")
    folder.mkdir(parents=True, exist_ok=True)


def append_run(result: TeacherResult, folder: Path) -> None:
    """Add a finished run to ``runs.jsonl``, so that it outlives a benchmark that is cut short."""
    record = {field.name: getattr(result, field.name) for field in fields(result) if field.name != "trace"}
    with (folder / "runs.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record, allow_nan=False) + "\n")


def write_output(
    found: Sequence[Summary],
    options: Mapping[str, Any],
    folder: Path,
    *,
    command: str = "",
    show_progress: bool = True,
    with_figures: bool = True,
) -> None:
    """Write ``results.json`` and ``table.md``, then the figures of what was traced.

    command: the command line that the results came from, for the record.
    """
    record = {"command": command, "provenance": provenance(), **document(found, options)}
    text = json.dumps(record, indent=1, allow_nan=False)
    (folder / "results.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / "table.md").write_text(report(found, command), encoding="utf-8")
    if with_figures:
        with tqdm(total=n_figures(found), unit="figure", disable=not show_progress) as bar:
            write_figures(found, folder, bar.update)


def report(found: Sequence[Summary], command: str) -> str:
    """Give the results as a Markdown page."""
    variants = {summary.setting.partition("-")[2] for summary in found} - {""}
    parts = [
        "# Teachers on the toy grid",
        f"    {command}" if command else "",
        "Final percent of the learnable cells that are mastered: mean over seeds [95 % bootstrap interval].",
        mastery_table(found),
        "\n".join(f"- {name}: {VARIANTS[name]}" for name in sorted(variants)),
        "CPU time is the teacher's own (sample and update), the slowest call that of all seeds, the state what a\n"
        "checkpoint stores at the end.",
        table(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
