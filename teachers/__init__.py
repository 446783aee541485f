"""Teachers: they choose the next task from the outcomes so far."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifelong_rl.envs.lookup import import_path, resolve, unknown_name
from lifelong_rl.teachers.annotations import check_values
from lifelong_rl.teachers.base import Outcomes, Teacher, hyperparameter_names, hyperparameters
from lifelong_rl.teachers.check import TeacherError, check_teacher

if TYPE_CHECKING:
    from lifelong_rl.teachers.accel import ACCEL
    from lifelong_rl.teachers.adr import ADR
    from lifelong_rl.teachers.alp_gmm import ALPGMM
    from lifelong_rl.teachers.alp_gmm_fast import FastALPGMM
    from lifelong_rl.teachers.alp_kde import ALPKDE
    from lifelong_rl.teachers.covar_gmm import CovarGMM
    from lifelong_rl.teachers.currot import CURROT
    from lifelong_rl.teachers.exp3 import EXP3
    from lifelong_rl.teachers.goal_gan import GoalGAN
    from lifelong_rl.teachers.interleaved import Interleaved
    from lifelong_rl.teachers.knowledge_tracing import KnowledgeTracing
    from lifelong_rl.teachers.learnability import Learnability
    from lifelong_rl.teachers.learning_progress import LearningProgress
    from lifelong_rl.teachers.mixture import Mixture
    from lifelong_rl.teachers.oracle import Oracle
    from lifelong_rl.teachers.plr import PLR, RobustPLR
    from lifelong_rl.teachers.progress import ProgressHistory
    from lifelong_rl.teachers.random import RandomTeacher
    from lifelong_rl.teachers.restriction import Restriction
    from lifelong_rl.teachers.riac import RIAC
    from lifelong_rl.teachers.sequence import TeacherSequence
    from lifelong_rl.teachers.setter_solver import SetterSolver
    from lifelong_rl.teachers.spdl import SPDL

TEACHERS: dict[str, str] = {
    "random": "lifelong_rl.teachers.random:RandomTeacher",
    "alp-gmm": "lifelong_rl.teachers.alp_gmm:ALPGMM",
    "alp-gmm-fast": "lifelong_rl.teachers.alp_gmm_fast:FastALPGMM",
    "covar-gmm": "lifelong_rl.teachers.covar_gmm:CovarGMM",
    "alp-kde": "lifelong_rl.teachers.alp_kde:ALPKDE",
    "mixture": "lifelong_rl.teachers.mixture:Mixture",
    "sequence": "lifelong_rl.teachers.sequence:TeacherSequence",
    "restriction": "lifelong_rl.teachers.restriction:Restriction",
    "exp3": "lifelong_rl.teachers.exp3:EXP3",
    "riac": "lifelong_rl.teachers.riac:RIAC",
    "spdl": "lifelong_rl.teachers.spdl:SPDL",
    "adr": "lifelong_rl.teachers.adr:ADR",
    "oracle": "lifelong_rl.teachers.oracle:Oracle",
    "plr": "lifelong_rl.teachers.plr:PLR",
    "robust-plr": "lifelong_rl.teachers.plr:RobustPLR",
    "accel": "lifelong_rl.teachers.accel:ACCEL",
    "currot": "lifelong_rl.teachers.currot:CURROT",
    "goal-gan": "lifelong_rl.teachers.goal_gan:GoalGAN",
    "setter-solver": "lifelong_rl.teachers.setter_solver:SetterSolver",
    "learning-progress": "lifelong_rl.teachers.learning_progress:LearningProgress",
    "learnability": "lifelong_rl.teachers.learnability:Learnability",
    "knowledge-tracing": "lifelong_rl.teachers.knowledge_tracing:KnowledgeTracing",
    "interleaved": "lifelong_rl.teachers.interleaved:Interleaved",
}
"""The teachers by name; each is imported when it is first asked for."""

_PARTS = {"ProgressHistory": "lifelong_rl.teachers.progress:ProgressHistory"}
"""What teachers are made of, and users may build with."""

DEFAULT_TEACHER = "alp-kde"
"""The teacher of a curriculum that names none."""

__all__ = [
    "ACCEL",
    "ADR",
    "ALPGMM",
    "ALPKDE",
    "CURROT",
    "DEFAULT_TEACHER",
    "EXP3",
    "PLR",
    "RIAC",
    "SPDL",
    "TEACHERS",
    "CovarGMM",
    "FastALPGMM",
    "GoalGAN",
    "Interleaved",
    "KnowledgeTracing",
    "Learnability",
    "LearningProgress",
    "Mixture",
    "Oracle",
    "Outcomes",
    "ProgressHistory",
    "RandomTeacher",
    "Restriction",
    "RobustPLR",
    "SetterSolver",
    "Teacher",
    "TeacherError",
    "TeacherSequence",
    "check_teacher",
    "hyperparameters",
    "make_teacher",
    "teacher_class_of",
    "teacher_entry",
    "teacher_from",
]


def make_teacher(name: str, /, **hyperparameters: Any) -> Teacher:
    """Give a teacher by its name in ``TEACHERS`` or as ``"package.module:Class"``, not yet bound to a task space.

    Raises ValueError for an unknown name, an unknown or missing hyper-parameter, one that its annotation does not
    allow, and a plug-in that is no teacher or fails to be made.
    """
    teacher_class = teacher_class_of(name)
    known = hyperparameter_names(teacher_class)
    for key in hyperparameters:
        if key not in known:
            raise unknown_name(f"{name!r} hyper-parameter", key, known)
    try:
        inspect.signature(teacher_class).bind(**hyperparameters)
    except TypeError as error:
        raise ValueError(f"the teacher {name!r} cannot be made: {error}.") from error
    check_values(teacher_class, hyperparameters)
    try:
        teacher: Teacher = teacher_class(**hyperparameters)
    except Exception as error:  # a plug-in's __init__ may fail in any way
        raise ValueError(
            f"the teacher {name!r} cannot be made: its __init__ raised {type(error).__name__}: {error}."
        ) from error
    return teacher


def teacher_class_of(name: str) -> type[Teacher]:
    """Give the class of a teacher by its name in ``TEACHERS`` or ``"package.module:Class"``; ValueError if none."""
    teacher_class: type[Teacher] = resolve("teacher", name, TEACHERS)
    if not (inspect.isclass(teacher_class) and issubclass(teacher_class, Teacher)):
        raise ValueError(
            f"the teacher {name!r} must be a subclass of lifelong_rl.teachers.Teacher, found {teacher_class!r}."
        )
    if missing := sorted(getattr(teacher_class, "__abstractmethods__", ())):
        raise ValueError(f"the teacher {name!r} still has to define {', '.join(missing)}.")
    return teacher_class


def teacher_from(entry: str | Mapping[str, Any] | Teacher) -> Teacher:
    """Give a new, unbound teacher from what stands for one among the hyper-parameters of another.

    entry: a name, ``{"name": name, hyper-parameter: value, ...}``, or a teacher, of which the hyper-parameters count.
    A name is one of ``TEACHERS`` or ``"package.module:Class"``. ValueError for anything else.
    """
    if isinstance(entry, Teacher):
        return type(entry)(**hyperparameters(entry))
    if isinstance(entry, str):
        return make_teacher(entry)
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return make_teacher(entry["name"], **{str(key): value for key, value in entry.items() if key != "name"})
    raise ValueError(
        'a teacher is given as a name, as {"name": name, hyper-parameter: value}, or as a Teacher object, '
        f"found {entry!r}."
    )


def teacher_entry(teacher: Teacher) -> dict[str, Any]:
    """Give a teacher as plain values that :func:`teacher_from` understands, every hyper-parameter written out.

    Teachers among its hyper-parameters are written out in the same way, at any depth.
    """
    path = import_path(type(teacher))
    names = {built_in: name for name, built_in in TEACHERS.items()}
    if "name" in hyperparameter_names(type(teacher)):
        raise ValueError(f"{type(teacher).__name__} has a hyper-parameter 'name', which says the teacher; rename it.")
    return {"name": names.get(path, path), **_without_objects(hyperparameters(teacher))}


def _without_objects(value: Any) -> Any:
    if isinstance(value, Teacher):
        return teacher_entry(value)
    if isinstance(value, Mapping):
        return {key: _without_objects(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_objects(entry) for entry in value]
    return value


def __getattr__(name: str) -> Any:
    for path in (*TEACHERS.values(), *_PARTS.values()):
        module, _, attribute = path.partition(":")
        if attribute == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
