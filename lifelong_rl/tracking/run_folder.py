"""The run folder: the one place where a run's configuration, logs and checkpoints lie."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lifelong_rl.evaluation.lines import to_line
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.tracking.costs import Costs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

N_CHECKPOINTS = 2
"""Checkpoints kept: the newest, and one to fall back on should it be damaged."""


class RunFolder:
    """A run's folder. The JSON lines in it are the truth; TensorBoard is the picture of them."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.episodes_path = self.path / "episodes.jsonl"
        self.evaluations_path = self.path / "evaluations.jsonl"
        self.report_path = self.path / "report"
        self._lock: IO[str] | None = None
        self._pending: dict[Path, list[str]] = {}  # lines not yet written

    @classmethod
    def create(cls, path: str | Path, config: Mapping[str, Any]) -> RunFolder:
        """Make a new run's folder with its ``config.json``; ValueError where something lies there already."""
        folder = cls(path)
        data = json.dumps(config, indent=2).encode() + b"\n"  # first: what JSON cannot hold leaves no folder behind
        folder.check_is_new()
        folder.path.mkdir(parents=True, exist_ok=True)
        _write_durably(folder.path / "config.json", data)
        return folder

    def check_is_new(self) -> None:
        """Raise ValueError where something lies in the folder already."""
        unfinished = {_aside(self.path / "config.json")}  # left by a kill in the middle of :meth:`create`
        if self.path.exists() and set(self.path.iterdir()) - unfinished:
            raise ValueError(
                f"the run folder {self.path} exists and is not empty; continue it with "
                f"'lifelong-rl resume {shlex.quote(str(self.path))}', or give the run another name or seed."
            )

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open an existing run's folder; ValueError where there is none."""
        folder = cls(path)
        if not (folder.path / "config.json").is_file():
            raise ValueError(f"{folder.path} is not a run folder: it has no config.json.")
        return folder

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        try:
            config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:  # no JSON, or not even text
            raise ValueError(f"{self.path / 'config.json'} is damaged: {error}.") from error
        if not isinstance(config, dict):
            raise ValueError(f"{self.path / 'config.json'} is damaged: it holds no object.")
        return config

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached the end of its scenario, and its metrics are written."""
        if not ((self.path / "metrics.json").is_file() and self.evaluations_path.is_file()):
            return False
        log = self.evaluation_log()  # metrics.json alone may be the report of an unfinished run
        return log.is_at_block_end and log.points[-1].block == len(self.config["scenario"]["blocks"]) - 1

    @property
    def costs(self) -> Costs | None:
        """What the run has cost up to its last checkpoint or its end; None for a run without ``costs.json``."""
        path = self.path / "costs.json"
        if not path.is_file():
            return None
        try:
            return Costs.from_json(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:  # no JSON, not even text, or something else
            raise ValueError(f"{path} is damaged: {error} The run writes it again when it is resumed.") from error

    def save_costs(self, costs: Costs) -> None:
        """Write ``costs.json`` in place of the one before."""
        _write_durably(self.path / "costs.json", json.dumps(costs.to_json(), indent=2).encode() + b"\n")

    # One writer at a time

    def lock(self) -> None:
        """Keep the folder for this process until :meth:`unlock` or its end; ValueError where another has it."""
        if fcntl is None:
            return  # no such locks on this system
        lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ValueError(
                f"another process is training in {self.path}; wait for it, or stop it, before resuming."
            ) from None
        self._lock = lock

    def unlock(self) -> None:
        """Let other processes write to the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """Hold back every other process that waits for this folder, and wait for the one that holds it back."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (self.path.parent / f".{self.path.name}.waiting").open("w") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Logs

    def append_episode(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``episodes.jsonl``."""
        self._append(self.episodes_path, record)

    def append_evaluation(self, record: Mapping[str, Any]) -> None:
        """Add a line to ``evaluations.jsonl``."""
        self._append(self.evaluations_path, record)

    def evaluation_log(self) -> EvaluationLog:
        """Read ``evaluations.jsonl``."""
        self._check_is_evaluated()
        return EvaluationLog.read(self.evaluations_path)

    def log(self) -> EvaluationLog:
        """Read ``evaluations.jsonl`` and with it the training episodes, which some metrics look at."""
        self._check_is_evaluated()
        return EvaluationLog.read(self.path)

    def _check_is_evaluated(self) -> None:
        if not self.evaluations_path.is_file():
            raise ValueError(f"the run {self.path} holds no evaluation yet.")

    def episodes(self) -> list[dict[str, Any]]:
        """Read ``episodes.jsonl``; a last line that a kill cut short is left out with a warning."""
        if not self.episodes_path.is_file():
            return []
        *lines, last = self.episodes_path.read_bytes().split(b"\n")
        if last:
            logger.warning("the last line of %s is cut short (the run was killed): left out.", self.episodes_path)
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            number = next(i for i, line in enumerate(lines, 1) if not _is_json(line))
            raise ValueError(
                f"{self.episodes_path}, line {number} is damaged: {error}. Bring the file back from a copy."
            ) from error

    def _append(self, path: Path, record: Mapping[str, Any]) -> None:
        self._pending.setdefault(path, []).append(to_line(record))

    def flush(self) -> None:
        """Write the lines added since the last call, each file's in one go."""
        for path, lines in self._pending.items():
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(lines))
        self._pending.clear()

    def log_sizes(self) -> dict[str, int]:
        """Flush the logs to the disk, and give their sizes in bytes by file name."""
        self.flush()
        sizes = {}
        for path in (self.episodes_path, self.evaluations_path):
            path.touch()
            _flush_to_disk(path)
            sizes[path.name] = path.stat().st_size
        return sizes

    def cut_logs(self, sizes: Mapping[str, int]) -> None:
        """Cut the logs back to these sizes: what came after will be written again, and equal."""
        for name, size in sizes.items():  # all of them first: a damaged one shall not cost the others
            path = self.path / name
            found = path.stat().st_size if path.is_file() else 0
            if found < size:
                raise ValueError(
                    f"{path} has {found} bytes, and the checkpoint was made after {size}; the log is damaged. "
                    "Bring it back from a copy, or start the run again under another name."
                )
        for name, size in sizes.items():
            if (self.path / name).is_file():
                os.truncate(self.path / name, size)

    # Checkpoints

    def teacher_path(self, block: int) -> Path:
        """Where the state of a block's teacher lies (0 is the first block)."""
        return self.path / "teachers" / f"block-{block + 1}.npz"

    def save_teacher(self, block: int, state: bytes) -> None:
        """Write the state of a block's teacher in place of the one before."""
        path = self.teacher_path(block)
        path.parent.mkdir(exist_ok=True)
        _write_durably(path, state)

    @property
    def checkpoints_path(self) -> Path:
        """Where the checkpoints lie, one folder each, named by environment steps."""
        return self.path / "checkpoints"

    def save_checkpoint(self, step: int, write: Callable[[Path], None]) -> Path:
        """Write a checkpoint aside with ``write(folder)``, flush it, and rename it into place."""
        target = self.checkpoints_path / f"{step:012d}"
        aside = self.checkpoints_path / f".writing-{step:012d}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        write(aside)
        hashes = {}
        for file in sorted(aside.iterdir()):
            _flush_to_disk(file)
            hashes[file.name] = _sha256(file)
        _write_durably(aside / "manifest.json", json.dumps({"step": step, "sha256": hashes}, indent=2).encode())
        _flush_to_disk(aside)
        if target.exists():
            shutil.rmtree(target)  # the same step again: the run was resumed from it, or stopped on it
        aside.rename(target)
        _flush_to_disk(self.checkpoints_path)
        for old in self._checkpoint_folders()[:-N_CHECKPOINTS]:
            shutil.rmtree(old)
        return target

    def latest_checkpoint(self) -> Path | None:
        """Give the newest whole checkpoint; a damaged one is passed over with a warning. None if there is none.

        Raises ValueError where there are some and all are damaged.
        """
        folders = self._checkpoint_folders()
        for folder in reversed(folders):
            problem = _checkpoint_problem(folder)
            if problem is None:
                return folder
            logger.warning("the checkpoint %s is damaged (%s); an earlier one is used.", folder, problem)
        if folders:
            raise ValueError(
                f"every checkpoint in {self.checkpoints_path} is damaged; remove that folder to train the run again "
                "from its beginning."
            )
        return None

    def _checkpoint_folders(self) -> list[Path]:
        if not self.checkpoints_path.is_dir():
            return []
        return sorted(folder for folder in self.checkpoints_path.iterdir() if folder.name.isdigit())


def find_runs(paths: list[Path]) -> list[RunFolder]:
    """Give the run folders at or below ``paths``, sorted; ValueError where there is none."""
    found = set()
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path} does not exist.")
        configs = [c for c in path.rglob("config.json") if ".references" not in c.relative_to(path).parts]
        found |= {config.parent for config in configs if _is_run(config)}
    if not found:
        raise ValueError(f"no run folder (with a config.json) at or below {', '.join(map(str, paths))}.")
    return [RunFolder(path) for path in sorted(found)]


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _is_run(config: Path) -> bool:
    """Tell whether a ``config.json`` is one of ours; a damaged one is, so that it is seen."""
    try:
        data = json.loads(config.read_bytes())
    except ValueError:
        return True
    return isinstance(data, dict) and {"scenario", "agent"} <= data.keys()


def _checkpoint_problem(folder: Path) -> str | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name, expected in manifest["sha256"].items():
            if _sha256(folder / name) != expected:
                return f"{name} does not have the hash in the manifest"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_durably(path: Path, data: bytes) -> None:
    aside = _aside(path)
    aside.write_bytes(data)
    _flush_to_disk(aside)
    aside.replace(path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.writing")


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
