"""Teachers: they choose the next task from the outcomes so far."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from lifelong_rl.envs.lookup import resolve, unknown_name
from lifelong_rl.teachers.base import Outcomes, Teacher, hyperparameter_names, hyperparameters
from lifelong_rl.teachers.check import TeacherError, check_teacher

if TYPE_CHECKING:
    from lifelong_rl.teachers.alp_gmm import ALPGMM
    from lifelong_rl.teachers.random import RandomTeacher

TEACHERS: dict[str, str] = {
    "random": "lifelong_rl.teachers.random:RandomTeacher",
    "alp-gmm": "lifelong_rl.teachers.alp_gmm:ALPGMM",
}
"""The teachers by name; each is imported when it is first asked for."""

__all__ = [
    "ALPGMM",
    "TEACHERS",
    "Outcomes",
    "RandomTeacher",
    "Teacher",
    "TeacherError",
    "check_teacher",
    "hyperparameters",
    "make_teacher",
]


def make_teacher(name: str, /, **hyperparameters: Any) -> Teacher:
    """Give a teacher by its name in ``TEACHERS`` or as ``"package.module:Class"``, not yet bound to a task space.

    Raises ValueError for an unknown name, an unknown or missing hyper-parameter, and a plug-in that is no teacher.
    """
    teacher_class = resolve("teacher", name, TEACHERS)
    if not (inspect.isclass(teacher_class) and issubclass(teacher_class, Teacher)):
        raise ValueError(
            f"the teacher {name!r} must be a subclass of lifelong_rl.teachers.Teacher, found {teacher_class!r}."
        )
    if missing := sorted(getattr(teacher_class, "__abstractmethods__", ())):
        raise ValueError(f"the teacher {name!r} still has to define {', '.join(missing)}.")
    known = hyperparameter_names(teacher_class)
    for key in hyperparameters:
        if key not in known:
            raise unknown_name(f"{name!r} hyper-parameter", key, known)
    try:
        inspect.signature(teacher_class).bind(**hyperparameters)
    except TypeError as error:
        raise ValueError(f"the teacher {name!r} cannot be made: {error}.") from error
    teacher: Teacher = teacher_class(**hyperparameters)
    return teacher


def __getattr__(name: str) -> Any:
    for path in TEACHERS.values():
        module, _, attribute = path.partition(":")
        if attribute == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
