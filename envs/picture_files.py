"""Writing pictures and clips of a family's tasks as small files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from lifelong_rl.envs.factory import family
from lifelong_rl.envs.lookup import require_extra
from lifelong_rl.envs.pictures import Moves, Picture, clip, contact_sheet
from lifelong_rl.envs.shown_tasks import MOST_CHOICES, rows_of
from lifelong_rl.envs.task_env import TaskEnv

ClipFormat: TypeAlias = Literal["gif", "mp4", "none"]

_COLOURS = 96  # of a palette: a third of the bytes of true colour, and the difference is hard to see
_N_FILMED = 3  # tasks side by side
_N_SAMPLED = 8  # frames that a clip's palette is made of


def write_pictures(
    family_or_name: type[TaskEnv] | str,
    folder: Path,
    *,
    tasks: str = "low,middle,high",
    n_tasks: int = MOST_CHOICES,
    seed: int = 0,
    moves: Moves = "random",
    n_steps: int = 20,
    clip_steps: int = 100,
    clip_format: ClipFormat = "gif",
    show_progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a family's contact sheet, and a clip of three tasks, into ``folder``; gives the paths of the files.

    tasks: what the sheet shows, see :func:`~lifelong_rl.envs.shown_tasks.rows_of`; the clip shows the first of the
    standard or random tasks. n_steps: before each picture of the sheet. options: go to the family's constructor.
    A file that is there already is kept, and the new ones are numbered.
    """
    cls = family(family_or_name) if isinstance(family_or_name, str) else family_or_name
    rows = rows_of(cls, tasks, n=n_tasks, seed=seed)
    if clip_format not in ("gif", "mp4", "none"):
        raise ValueError(f"a clip's format is 'gif', 'mp4' or 'none', found {clip_format!r}.")
    # A sheet may take minutes: what cannot be written or filmed after it is an error before it
    filmed = rows_of(cls, "random" if tasks == "random" else "standard", n=_N_FILMED, seed=seed)[0]
    if clip_format != "none" and clip_steps < 1:
        raise ValueError(f"the number of steps of a clip must be at least 1, found {clip_steps}.")
    if clip_format == "mp4":
        _moviepy()
    _check_can_hold_files(folder)
    play: dict[str, Any] = {"seed": seed, "moves": moves, "show_progress": show_progress, "options": options}
    sheet = contact_sheet(cls, rows, n_steps=n_steps, **play)
    frames = []
    if clip_format != "none":
        frames = clip(cls, filmed, n_steps=clip_steps, **play)
    folder.mkdir(parents=True, exist_ok=True)
    path = free_path(folder, cls.task_space.family, (".png", ".gif", ".mp4"))
    written = [path.with_name(f"{path.name}.png")]
    write_png(sheet, written[0])
    if frames:
        written.append(path.with_name(f"{path.name}.{clip_format}"))
        write_clip(frames, written[1], float(cls.metadata["render_fps"]))
    return written


def write_png(picture: Picture, path: Path) -> None:
    """Write a picture as a small PNG file; FileExistsError where there is one."""
    with path.open("xb") as file:
        _with_few_colours(picture).save(file, "PNG", optimize=True)


def write_clip(frames: Sequence[Picture], path: Path, fps: float) -> None:
    """Write frames as an animation, GIF or MP4 by the path's suffix; FileExistsError where there is one.

    MP4 needs the extra `video`.
    """
    if path.suffix == ".gif":
        _write_gif(frames, path, fps)
    elif path.suffix == ".mp4":
        _write_mp4(frames, path, fps)
    else:
        raise ValueError(f"a clip is written as .gif or .mp4, found {path.name!r}.")


def free_path(folder: Path, stem: str, suffixes: Sequence[str]) -> Path:
    """Give folder/stem, or folder/stem-2 and so on: the first of which no file with one of the suffixes is there."""
    for i in count(1):
        path = folder / (stem if i == 1 else f"{stem}-{i}")
        if not any(path.with_name(path.name + suffix).exists() for suffix in suffixes):
            return path
    raise AssertionError("never reached")


def _check_can_hold_files(folder: Path) -> None:
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"pictures are written into a folder, but {str(place)!r} is a file.")


def _with_few_colours(picture: Picture) -> Image.Image:
    return Image.fromarray(picture).quantize(_COLOURS, dither=Image.Dither.NONE)


def _write_gif(frames: Sequence[Picture], path: Path, fps: float) -> None:
    # One palette, of frames from all over the clip: what does not move is then the same number, and costs nothing.
    some = np.concatenate([frames[i] for i in np.linspace(0, len(frames) - 1, _N_SAMPLED).astype(int)])
    palette = _with_few_colours(some)
    first, *others = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    duration = max(20, round(1000 / fps))  # ms; browsers slow down what is faster
    with path.open("xb") as file:
        first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=True)


def _write_mp4(frames: Sequence[Picture], path: Path, fps: float) -> None:
    moviepy: Any = _moviepy()
    path.open("xb").close()  # claims the name: the writer would overwrite what is there
    even = [np.pad(f, ((0, f.shape[0] % 2), (0, f.shape[1] % 2), (0, 0)), constant_values=255) for f in frames]
    moviepy.ImageSequenceClip(even, fps=fps).write_videofile(str(path), logger=None, audio=False)


def _moviepy() -> ModuleType:
    return require_extra("moviepy", "video", "MP4 files are written by MoviePy")
