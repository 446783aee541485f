"""The commands on environment families."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lifelong_rl.cli_options import Options, parse_options


@dataclass(frozen=True)
class CheckEnv:
    """Check that an environment family keeps the rules of the protocol, as the tests do with every built-in one.

    Prints a line a rule: ok, what breaks it, or why it cannot be checked here. Exit status: 0 if none is broken, 1 if
    one is, 2 if there is no such family. Pictures of families on MuJoCo need MUJOCO_GL=egl or osmesa.
    """

    family: Annotated[str, tyro.conf.Positional]
    """The family: module:Class, or a name (see `lifelong-rl list envs`)."""
    option: Options = ()
    """Arguments of the family's constructor, as key=value."""
    seed: int = 0
    """Every random draw of the check follows from it."""

    def run(self) -> int:
        """Check, print, and give the exit status."""
        from lifelong_rl.envs.check import TaskEnvError, check_env_rules

        if self.seed < 0:
            raise ValueError(f"the seed must be at least 0, found {self.seed}.")
        n_broken = 0
        for rule, finding in check_env_rules(self.family, seed=self.seed, **parse_options(self.option)):
            is_broken = isinstance(finding, TaskEnvError)
            n_broken += is_broken
            mark = "ok     " if finding is None else "BROKEN " if is_broken else "skipped"
            reason = "" if finding is None else f"\n        {finding}"
            print(f"{mark} {rule.replace('``', '')}{reason}", flush=True)
        if n_broken:
            print(f"{self.family} breaks {n_broken} {'rule' if n_broken == 1 else 'rules'}.")
            return 1
        print(f"{self.family} keeps all rules that were checked.")
        return 0


@dataclass(frozen=True)
class Show:
    """Write pictures of an environment family: a contact sheet of tasks (PNG), and a clip of three side by side.

    The sheet has a row a feature: low, middle and high (of categories and small integers all choices), the others at
    their defaults; each picture is taken after the same moves. What lies there is kept: new files get numbers.
    """

    family: Annotated[str, tyro.conf.Positional]
    """The family: a name (see `lifelong-rl list envs`) or module:Class."""
    tasks: str = "low,middle,high"
    """Tasks of the sheet: levels of each feature, "standard", or "random"."""
    n_tasks: int = 6
    """Number of standard or random tasks."""
    output: Path = Path("runs/pictures")
    """Folder of the files."""
    seed: int = 0
    """Every random draw follows from it: tasks, episodes and moves."""
    steps: int = 20
    """Steps before each picture of the sheet; fewer where the episode ends first."""
    moves: Literal["random", "zero"] = "random"
    """Actions that are taken, the same for every task."""
    clip: Literal["gif", "mp4", "none"] = "gif"
    """Format of the clip; mp4 needs the extra `video`."""
    clip_steps: int = 100
    """Steps of the clip; fewer where all episodes end first."""
    env_options: Options = ()
    """Arguments of the family's constructor, as key=value."""
    quiet: bool = False
    """Show no progress bar."""

    def run(self) -> None:
        """Write the files, and say where they lie."""
        if self.seed < 0:
            raise ValueError(f"the seed must be at least 0, found {self.seed}.")
        _let_mujoco_draw_without_a_screen()
        from lifelong_rl.envs.picture_files import write_pictures

        try:
            written = write_pictures(
                self.family,
                self.output,
                tasks=self.tasks,
                n_tasks=self.n_tasks,
                seed=self.seed,
                moves=self.moves,
                n_steps=self.steps,
                clip_steps=self.clip_steps,
                clip_format=self.clip,
                show_progress=not self.quiet,
                options=parse_options(self.env_options),
            )
        except RuntimeError as error:  # a library of OpenGL is missing; the message says which and what to do
            raise ValueError(str(error)) from error
        for path in written:
            print(path)


def _let_mujoco_draw_without_a_screen() -> None:
    """Choose EGL where there is no screen and nothing was chosen; MuJoCo reads it when it is imported."""
    has_screen = sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not has_screen:
        os.environ.setdefault("MUJOCO_GL", "egl")
