"""The commands on environment families."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from lifelong_rl.cli_options import Options, parse_options

if TYPE_CHECKING:
    from lifelong_rl.envs.test_sets import FixedTestSet


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
        _let_pygame_draw_without_a_screen()
        n_broken = n_skipped = 0
        for rule, finding in check_env_rules(self.family, seed=self.seed, **parse_options(self.option)):
            is_broken, is_ok = isinstance(finding, TaskEnvError), finding is None
            n_broken += is_broken
            n_skipped += not (is_broken or is_ok)
            mark = "ok     " if is_ok else "BROKEN " if is_broken else "skipped"
            print(f"{mark} {rule.replace('``', '')}" + ("" if is_ok else f"\n        {finding}"), flush=True)
        if n_broken:
            print(f"{self.family} breaks {n_broken} {'rule' if n_broken == 1 else 'rules'}.")
            return 1
        print(f"{self.family} keeps all rules{' that can be checked here' if n_skipped else ''}.")
        return 0


@dataclass(frozen=True)
class MakeTestSet:
    """Make a fixed test set of a family's tasks: a JSON file with a hash, for `--scenario-options test_set=FILE`.

    A built-in one has a name, FAMILY/KIND-N, that serves as well as a file. With --output it is written to a file and
    its hash is printed; else it is printed itself.
    """

    family: Annotated[str, tyro.conf.Positional]
    """The family: a name (see `lifelong-rl list envs`), module:Class, or a built-in test set of one, such as
    stump-tracks/uniform-50."""
    kind: Literal["uniform", "grid", "axes"] = "uniform"
    """Tasks drawn uniformly, every combination of evenly spaced values, or the default with one feature moved."""
    n: int | None = None
    """Number of tasks of kind "uniform"; 50 by default."""
    seed: int | None = None
    """Seed of kind "uniform"; 4222 by default, as in the papers."""
    per_axis: Options = ()
    """Values of each feature of kind "grid" and "axes": one number (2 by default), or for a grid feature=number of
    those that it varies."""
    bounds: Options = ()
    """The part of the task space: stump_height=[0,2] obstacle_spacing=3."""
    output: Path | None = None
    """The file to write."""

    def run(self) -> None:
        """Make it, and write or print it."""
        from lifelong_rl.envs.test_set_files import save_test_set, to_text

        made = self.made()
        if self.output is None:
            print(to_text(made), end="")
            return
        save_test_set(made, self.output)
        print(f"{self.output}: {len(made.tasks)} tasks of {made.space.family}, SHA-256 {made.sha256}")

    def made(self) -> FixedTestSet:
        """Give the test set; ValueError for what does not fit together."""
        from lifelong_rl.envs.factory import family
        from lifelong_rl.envs.test_sets import DEFAULT_SEED, built_in_test_set, make_test_set

        name, slash, _ = self.family.rpartition("/")
        given = [key for key in ("n", "seed", "per_axis", "bounds") if getattr(self, key) not in (None, ())]
        if slash:
            self._refuse([*given, *(["kind"] if self.kind != "uniform" else [])], f"test set {self.family!r}")
            space = family(name).task_space
            return built_in_test_set(self.family.replace(name, space.family, 1), space)
        recipe: dict[str, Any] = {"kind": self.kind}
        if self.kind == "uniform":
            self._refuse({"per_axis"} & set(given), "kind 'uniform'")
            recipe |= {"n": 50 if self.n is None else self.n}
            recipe |= {"seed": DEFAULT_SEED if self.seed is None else self.seed}
        else:
            self._refuse({"n", "seed"} & set(given), f"kind {self.kind!r}")
            recipe |= {"per_axis": _counts(self.per_axis)}
        bounds = parse_options(self.bounds)
        return make_test_set(family(self.family).task_space, recipe | ({"bounds": bounds} if bounds else {}))

    def _refuse(self, flags: Sequence[str] | set[str], beside: str) -> None:
        for flag in sorted(flags):
            raise ValueError(f"--{flag.replace('_', '-')} has no place beside the {beside}; leave it out.")


def _counts(words: Sequence[str]) -> int | Mapping[str, Any]:
    """Give what --per-axis says: one number for all features, or numbers by feature."""
    if not words:
        return 2
    if len(words) == 1 and words[0].isdigit():
        return int(words[0])
    return parse_options(words)


@dataclass(frozen=True)
class Show:
    """Write pictures of an environment family: a contact sheet of tasks (PNG), and a clip of three side by side.

    The sheet has a row a feature: low, middle and high (of categories and small integers all choices), the others at
    their defaults; each picture is taken after the same moves. What lies there is kept: new files get numbers.
    Without a GPU a family on MuJoCo takes about a minute: --tasks standard and --clip none make fewer pictures.
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
        _let_pygame_draw_without_a_screen()
        from lifelong_rl.envs.picture_files import write_pictures

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
        for path in written:
            print(path)


def _let_mujoco_draw_without_a_screen() -> None:
    """Choose EGL where there is no screen and nothing was chosen; MuJoCo reads it when it is imported."""
    from lifelong_rl.envs.mujoco.pictures import has_screen

    if not has_screen():
        os.environ.setdefault("MUJOCO_GL", "egl")


def _let_pygame_draw_without_a_screen() -> None:
    """Choose SDL's dummy screen where there is no screen and nothing was chosen: others complain on stderr first."""
    from lifelong_rl.envs.mujoco.pictures import has_screen

    if not has_screen():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
