"""Runs a script in a virtual environment of its own: for cross-checks with packages the library does not depend on.

    from isolated import add_venvs_option, run_isolated

    found = run_isolated(["rliable==1.2.0", "pandas==2.2.3"], SCRIPT, {"scores": [[0.1, 0.2]]})

The script reads JSON on its standard input and prints JSON, and nothing else, on its standard output. Environments
are kept: the same requirements and the same Python find theirs again without a download.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

VENVS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lifelong_rl" / "venvs"
"""Where the environments are kept unless the caller names another folder."""


def run_isolated(
    requirements: Sequence[str], script: Path | str, data: Any, *, venvs: Path | None = None, timeout_s: float = 1800
) -> Any:
    """Give the JSON value that the script printed, run with exactly these requirements installed.

    requirements: as pip takes them, best pinned (``"rliable==1.2.0"``). script: a file, or the text of a program.
    data: what the script finds as JSON on its standard input. venvs: the folder of the environments, :data:`VENVS`
    unless named. Raises RuntimeError where the installation or the script fails, with the end of what it said.
    """
    python = environment(requirements, venvs or VENVS)
    program = [str(script.resolve())] if isinstance(script, Path) else ["-c", script]
    with tempfile.TemporaryDirectory() as folder:  # the script's working folder: no package lies there by accident
        printed = run([str(python), "-I", *program], json.dumps(data), Path(folder), timeout_s)
    try:
        return json.loads(printed)
    except ValueError as error:
        raise RuntimeError(
            f"the script must print one JSON value and nothing else, found: {printed[-500:]!r}"
        ) from error


def environment(requirements: Sequence[str], venvs: Path) -> Path:
    """Give the Python of the environment with these requirements, made now where there is none."""
    wanted = "\n".join([sys.version, *sorted(requirements)])
    folder = venvs.resolve() / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    python, complete = folder / "bin" / "python", folder / "requirements.txt"
    if not complete.is_file():
        shutil.rmtree(folder, ignore_errors=True)  # left behind by an installation that was cut off
        folder.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", str(folder)], "", folder.parent, 300)
        if requirements:
            run([str(python), "-I", "-m", "pip", "install", "--quiet", *requirements], "", folder, 1800)
        complete.write_text("".join(f"{line}\n" for line in sorted(requirements)))
    return python


def run(command: list[str], stdin: str, folder: Path, timeout_s: float) -> str:
    """Give the standard output of a command run in the folder."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=folder, timeout=timeout_s)
    if done.returncode != 0:
        name = " ".join(command)
        raise RuntimeError(f"{name[:200]} ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def add_venvs_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--venvs DIR`` to a caller's options; its value goes into :func:`run_isolated`."""
    parser.add_argument(
        "--venvs", type=Path, default=VENVS, metavar="DIR", help="where the environments are kept (%(default)s)"
    )
