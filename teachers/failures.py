"""What a teacher does wrong, as one sentence that names it: for whoever runs teachers that somebody else wrote."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TeacherFailure(ValueError):
    """A teacher raised an error, or gave what is no task: one sentence that names it, and where it happened."""


def teacher_failure(name: str, error: BaseException, caller: str, where: str = "") -> TeacherFailure:
    """Give the failure of a teacher that raised an error, or whose answer made the caller raise one.

    name: as :func:`make_teacher` takes it. caller: the file that called the teacher, its ``__file__``. where: what
    the sentence says of the place: " on 2d10, seed 3".
    """
    what = " ".join(str(error).split()).rstrip(".")
    if not isinstance(error, ValueError):
        what = f"{type(error).__name__}: {what}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [i for i, frame in enumerate(frames) if frame.filename == caller]
    inner = frames[own[-1] + 1 :] if own else []
    if inner:  # the first of them is what the caller called
        what = f"{inner[0].name} raised {what} ({Path(inner[-1].filename).name}, line {inner[-1].lineno})"
    return TeacherFailure(
        f"the teacher {name!r} failed{where}: {what}. `lifelong-rl check-teacher {name}` says which rules it keeps."
    )


@contextmanager
def named(name: str, caller: str, where: str = "") -> Iterator[None]:
    """Turn every error inside into :func:`teacher_failure`."""
    try:
        yield
    except Exception as error:
        raise teacher_failure(name, error, caller, where) from error
