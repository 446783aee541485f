"""The folder in which a benchmark leaves its results: JSON, a table and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lifelong_rl.bench.jobs import Job
from lifelong_rl.bench.pictures import n_figures, write_figures
from lifelong_rl.bench.settings import VARIANTS
from lifelong_rl.bench.summary import Summary, document, mastery_table, slug_of, table
from lifelong_rl.bench.teachers import TeacherResult
from lifelong_rl.bench.trace import Trace
from lifelong_rl.training.config import provenance


def finished_runs(folder: Path, jobs: Sequence[Job]) -> list[TeacherResult]:
    """Give the runs that an earlier benchmark of the same jobs left in a folder, which is made if there is none.

    The folder then is ready for :func:`append_run`. ValueError where it holds a run that is none of these jobs (of
    another teacher, setting, seed or number of episodes, or with other hyper-parameters), or results without runs.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the output a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runs.jsonl"
    if not path.exists():
        if (folder / "results.json").exists():
            raise ValueError(f"{folder / 'results.json'} exists; give the output another folder, or remove it.")
        return []
    wanted = {_key(job.teacher, job.setting.name, job.seed, job.setting.n_episodes, job.options): job for job in jobs}
    results, lines = [], []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # it was being written when the benchmark was ended
        result = _result_of(line, path)
        job = wanted.get(_key(result.teacher, result.setting, result.seed, result.n_episodes, result.options))
        if job is None:
            raise ValueError(
                f"{path} exists and holds {result.teacher!r} on {result.setting}, seed {result.seed}, of "
                f"{result.n_episodes:,} episodes with hyper-parameters {dict(result.options)}, which was not asked "
                "for; give the output another folder, or the same arguments."
            )
        if job.is_traced and (trace := _saved_trace(folder, result)) is None:
            continue  # its figures would lack what was played: run it again
        results.append(replace(result, trace=trace) if job.is_traced else result)
        lines.append(line)
    path.write_text("".join(lines), encoding="utf-8")
    return results


def _key(teacher: str, setting: str, seed: int, n_episodes: int, options: Mapping[str, Any]) -> str:
    return json.dumps([teacher, setting, seed, n_episodes, options], sort_keys=True, default=repr)


def _result_of(line: str, path: Path) -> TeacherResult:
    try:
        record = json.loads(line)
        record["options"]  # what was recorded without them may be of other hyper-parameters
        record["curve"] = tuple((moment, mastery) for moment, mastery in record["curve"])
        return TeacherResult(**record)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} exists and has a line that is no run of this benchmark; give the output another folder."
        ) from error


def append_run(result: TeacherResult, folder: Path) -> None:
    """Add a finished run to ``runs.jsonl``, so that it outlives a benchmark that is cut short."""
    record = {field.name: getattr(result, field.name) for field in fields(result) if field.name != "trace"}
    if result.trace is not None:
        np.savez_compressed(_trace_path(folder, result), **vars(result.trace))
    with (folder / "runs.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record, allow_nan=False, default=repr) + "\n")


def _trace_path(folder: Path, result: TeacherResult) -> Path:
    return folder / f"played-{slug_of(result.teacher, result.setting)}.npz"


def _saved_trace(folder: Path, result: TeacherResult) -> Trace | None:
    path = _trace_path(folder, result)
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Trace(**arrays)


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
