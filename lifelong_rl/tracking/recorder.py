"""The recorder: TensorBoard's picture of a run, one continuous curve across resumes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stable_baselines3.common.logger import KVWriter, Logger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRANSFER = "transfer/"
"""Begins the tags of metrics."""


class Recorder:
    """Writes scalars and figures of a run to TensorBoard. The x axis is the total of environment steps, always."""

    def __init__(self, folder: Path, purge_step: int | None = None):
        """Open a new event file; with ``purge_step``, viewers drop what they hold from that step on."""
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def scalars(self, values: Mapping[str, float], step: int, prefix: str = "") -> None:
        """Write numbers by tag, each behind ``prefix``."""
        for tag, value in values.items():
            self._writer.add_scalar(as_tag(prefix + tag), value, step)

    def figure(self, tag: str, figure: Figure, step: int) -> None:
        """Write a figure."""
        self._writer.add_figure(tag, figure, step, close=False)

    def text(self, tag: str, text: str) -> None:
        """Write a text, shown as Markdown."""
        self._writer.add_text(tag, text)

    def chart_of_all_tasks(self) -> None:
        """Ask for one chart with the curves of all tasks (TensorBoard's custom scalars)."""
        layout = {"all tasks": {what: ["Multiline", [rf"eval/.*/{what}"]] for what in ("score", "return", "success")}}
        self._writer.add_custom_scalars(layout)

    def hyperparameters(self, settings: Mapping[str, Any], metrics: Iterable[str], step: int) -> None:
        """Write the settings and the names of the metrics, "family/metric", for TensorBoard's hparams tab.

        What else the run's ``config.json`` says is a setting too. The tab shows the columns of the first run that it
        finds, so each run must name every metric, also those that have no value there.
        """
        from torch.utils.tensorboard import summary

        summaries_of, writer = cast(Any, summary.hparams), cast(Any, self._writer.file_writer)
        found = hyperparameters_of(self.folder) | dict(settings)
        plain = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in found.items()}
        # the values are those of the tags transfer/*, which the run writes at the end of each block
        for message in summaries_of(plain, {as_tag(f"{TRANSFER}{name}"): 0.0 for name in metrics}):
            writer.add_summary(message, step)

    def sb3_logger(self) -> Logger:
        """Give a Stable-Baselines3 logger that writes here, so that a run has one event stream."""
        return Logger(folder=str(self.folder), output_formats=[_SB3Output(self)])

    def sizes(self) -> dict[str, int]:
        """Flush, and give the sizes of the event files in bytes by name."""
        self._writer.flush()
        return {path.name: path.stat().st_size for path in _event_files(self.folder)}

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


def hyperparameters_of(folder: Path) -> dict[str, Any]:
    """Give what tells runs apart, from a run's ``config.json``: the same names for every run; nothing without it.

    TensorBoard orders them by name and shows the first five at first, so the options go under "settings".
    """
    path = folder / "config.json"
    if not path.is_file():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))
    blocks, agent = config["scenario"]["blocks"], config["agent"]
    teachers = dict.fromkeys(block["teacher"] for block in blocks if block.get("teacher"))
    return {
        "components": "+".join(name.rpartition(":")[2] for name, _ in agent["components"]) or "none",
        "settings": json.dumps(agent["options"] | dict(agent["components"]), sort_keys=True),
        "teacher": "+".join(teachers) or "none",
        "steps": sum(block["steps"] for block in blocks),
        "n_envs": config["n_envs"],
    }


class _SB3Output(KVWriter):
    """Takes what SB3 logs over into the run's recorder."""

    def __init__(self, recorder: Recorder):
        self.recorder = recorder

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        excluded = {key for key, formats in key_excluded.items() if formats and "tensorboard" in formats}
        values = {k: float(v) for k, v in key_values.items() if k not in excluded and not isinstance(v, str)}
        self.recorder.scalars(values, step)

    def close(self) -> None:
        pass  # the run closes its recorder


def cut_events(folder: Path, sizes: Mapping[str, int]) -> None:
    """Cut the event files of a run back to these sizes, and remove those that came after."""
    for path in _event_files(folder):
        if path.name not in sizes:
            path.unlink()
        elif path.stat().st_size > sizes[path.name]:
            os.truncate(path, sizes[path.name])


def as_tag(text: str) -> str:
    """Give ``text`` with what TensorBoard does not allow in a tag replaced by "_"."""
    return re.sub(r"[^\w./=+,-]", "_", text)


def _event_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))
