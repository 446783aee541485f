"""The teacher protocol: choose the next tasks from the outcomes of the episodes so far."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.lookup import import_path
from lifelong_rl.envs.space import Kind, TaskSpace
from lifelong_rl.teachers.annotations import check_values
from lifelong_rl.teachers.density import kernel_density, spread_in_cells
from lifelong_rl.teachers.outcomes import EXTRAS as EXTRAS
from lifelong_rl.teachers.outcomes import Floats as Floats
from lifelong_rl.teachers.outcomes import Outcomes as Outcomes
from lifelong_rl.teachers.states import check_state


class Teacher(ABC):
    """Chooses tasks. ``__init__`` only stores hyper-parameters under their own names: it is also the configuration.

    A subclass writes :meth:`sample` and :meth:`update`; one that keeps more than ``self.space`` and ``self.rng``
    also extends :meth:`reset`, :meth:`state_dict` and :meth:`load_state_dict`. All tasks are points of the unit cube.
    :func:`lifelong_rl.teachers.check_teacher` says in one sentence which rule a teacher breaks.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"real", "integer", "category"})
    """The kinds of features that the teacher can honour; :meth:`reset` refuses a space with others."""

    _space: TaskSpace | None = None
    _rng: np.random.Generator | None = None
    _is_loading = False

    def __init_subclass__(cls, **arguments: Any) -> None:
        """See to what no method of a subclass can: checks before ``reset`` and ``sample``, loading all or nothing."""
        super().__init_subclass__(**arguments)
        if "sample" in vars(cls):
            cls.sample = _with_checked_number(cls.sample)  # type: ignore[method-assign]
        if "reset" in vars(cls):
            cls.reset = _with_checked_arguments(cls.reset)  # type: ignore[method-assign]
        if "load_state_dict" in vars(cls):
            cls.load_state_dict = _all_or_nothing(cls.load_state_dict)  # type: ignore[method-assign]

    @property
    def space(self) -> TaskSpace:
        """The task space that :meth:`reset` bound; RuntimeError before that."""
        if self._space is None:
            raise RuntimeError(f"{type(self).__name__} has no task space yet: call reset(space, rng) first.")
        return self._space

    @property
    def rng(self) -> np.random.Generator:
        """The generator that :meth:`reset` bound, the source of every random draw; RuntimeError before that."""
        if self._rng is None:
            raise RuntimeError(f"{type(self).__name__} has no generator yet: call reset(space, rng) first.")
        return self._rng

    @property
    def needs(self) -> frozenset[str]:
        """The names of :data:`EXTRAS` that outcomes must have; a run whose agent cannot give them is refused."""
        return frozenset()

    @property
    def is_selective(self) -> bool:
        """Whether some tasks are only looked at: played by the agent, but not trained on (as robust PLR does).

        A run whose agent cannot leave episodes out of its training is then refused.
        """
        return False

    @property
    def untrained(self) -> NDArray[np.bool_] | None:
        """Which of the tasks that :meth:`sample` gave last the agent must not train on, shape (n,); None for none.

        It is read right after :meth:`sample`, and is no part of the state.
        """
        return None

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; every random draw comes from ``rng``.

        ValueError for a space without a free feature, or with a feature of a kind that is not in :attr:`kinds`, and
        for a hyper-parameter that its annotation in ``__init__`` does not allow.
        """
        _check_reset(self, space, rng)
        name = type(self).__name__
        if not space.dimension:
            raise ValueError(f"{name} needs a task space with a free feature, found {space!r}.")
        for feature in space.features:
            if feature.kind not in self.kinds:
                raise ValueError(
                    f"{name} works with {' and '.join(sorted(self.kinds))} features, and {feature.name!r} is a "
                    f"{feature.kind}: pin it with subspace({feature.name}=...), or choose another teacher."
                )
        self._space = space
        self._rng = rng

    @abstractmethod
    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]."""

    @abstractmethod
    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Learn from n finished episodes: the tasks they played, shape (n, d), and what they showed.

        The order is that in which the episodes ended: n episodes at once teach the same as one after the other.
        Begin with ``tasks = self.checked(tasks, outcomes)``.
        """

    def checked(self, tasks: ArrayLike, outcomes: Outcomes) -> Floats:
        """Give ``tasks`` as floats of shape (n, d); ValueError where they are no n points of the unit cube.

        What the outcomes hold was checked when they were made; here their number must be that of the tasks.
        """
        points = self.space.check_points(tasks)
        if not isinstance(outcomes, Outcomes):
            raise ValueError(f"{type(self).__name__} learns from Outcomes, found {outcomes!r}.")
        if len(points) != len(outcomes):
            raise ValueError(
                f"one outcome a task is expected, found {len(points)} tasks and {len(outcomes)} outcomes."
            )
        needs = self.needs
        if needs and (missing := needs - outcomes.extra.keys()):
            raise ValueError(
                f"{type(self).__name__} needs outcomes with extra {sorted(missing)}, found {sorted(outcomes.extra)}; "
                "train an agent that gives them."
            )
        return points

    def state_dict(self) -> dict[str, Any]:
        """Give everything that :meth:`load_state_dict` needs to continue bit for bit: arrays and plain values.

        A subclass adds its own: ``{**super().state_dict(), "history": self._history.copy()}``. What is given must
        not change when the teacher goes on (copy arrays), and has the same keys at any age.
        """
        return {**self._identity(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a teacher of this class, after :meth:`reset` on the same space.

        ValueError for a state of another class, with other hyper-parameters or of another task space, and for one
        that lacks a part or has one of another kind. Nothing is loaded then, whatever a subclass loads of its own.
        """
        own = self.state_dict()
        name = own["teacher"]
        found = state.get("teacher") if isinstance(state, Mapping) else state
        # the class alone: what states of plug-ins said once
        if found not in (name, type(self).__name__):
            raise ValueError(f"a state of the teacher {name!r} is expected, found {found!r}.")
        check_state(f"the teacher {name!r}", own, state)
        for key, expected in self._identity().items():
            if key != "teacher" and state[key] != expected:
                raise ValueError(
                    f"this state is not of this teacher: {_difference(key, expected, state[key])}. "
                    "Load it into a teacher of the same class, hyper-parameters and task space."
                )
        if is_built_in(type(self)):
            check_state(f"the teacher {name!r}", own, state, is_strict=True)
        self.rng.bit_generator.state = state["rng"]

    def _identity(self) -> dict[str, Any]:
        settings = {name: _plain(value) for name, value in hyperparameters(self).items()}
        name = type(self).__name__ if is_built_in(type(self)) else import_path(type(self))
        return {"teacher": name, "task_space": _plain_space(self.space), "hyperparameters": settings}

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, by name; a number that is not defined yet is left out."""
        return {}

    def density(self, points: Floats) -> Floats:
        """Give the probability density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,).

        Here an estimate from 1,000 draws of a copy of this teacher: Gaussian kernels, reflected at the faces, with
        integers and categories anywhere in the cells of their values.
        A teacher that knows its density says it instead.
        """
        draws = spread_in_cells(copy.deepcopy(self).sample(1000), self.space)
        return kernel_density(self.space.check_points(points), draws)


def is_built_in(teacher_class: type[Teacher]) -> bool:
    """Say whether a teacher is one of this package, not a user's."""
    return teacher_class.__module__.startswith("lifelong_rl.teachers.")


def _check_reset(teacher: Teacher, space: Any, rng: Any) -> None:
    """Raise ValueError for arguments of ``reset``, or hyper-parameters, that are none."""
    name = type(teacher).__name__
    if not isinstance(space, TaskSpace):
        raise ValueError(f"reset of {name} takes a TaskSpace first, found {space!r}.")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"reset of {name} takes a NumPy Generator second, found {rng!r}; make one with "
            "np.random.default_rng(seed)."
        )
    check_values(type(teacher), vars(teacher))


def _with_checked_arguments(own: Callable[..., None]) -> Callable[..., None]:
    """Give a ``reset`` that first checks what it is given, and afterwards that the teacher was bound."""

    @wraps(own)
    def reset(self: Teacher, space: TaskSpace, rng: np.random.Generator) -> None:
        _check_reset(self, space, rng)
        own(self, space, rng)
        if self._space is None or self._rng is None:
            raise ValueError(f"{type(self).__name__} is not bound: begin its reset with super().reset(space, rng).")

    return reset


def _with_checked_number(own: Callable[..., Floats]) -> Callable[..., Floats]:
    """Give a ``sample`` that is asked for whole numbers of tasks only, of at least 0."""

    @wraps(own)
    def sample(self: Teacher, n: int = 1) -> Floats:
        if type(n) is not int or n < 0:  # the usual case costs one comparison an episode
            if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
                raise ValueError(
                    f"sample of {type(self).__name__} gives a whole number of tasks of at least 0, found n={n!r}."
                )
            n = int(n)
        return own(self, n)

    return sample


def _all_or_nothing(load: Callable[..., None]) -> Callable[..., None]:
    """Give a ``load_state_dict`` that leaves the teacher as it was where it fails, and then always by ValueError."""

    @wraps(load)
    def load_state_dict(self: Teacher, state: Mapping[str, Any]) -> None:
        if self._is_loading or self._rng is None:  # called by a subclass's own, or before reset
            load(self, state)
            return
        before, generator_before = _saved(self), self._rng.bit_generator.state
        try:
            self._is_loading = True
            load(self, state)
            del self._is_loading
        except Exception as error:
            vars(self).clear()
            vars(self).update(before)
            self._rng.bit_generator.state = generator_before
            if isinstance(error, LookupError | TypeError | AttributeError | ArithmeticError):
                name = type(self).__name__
                raise ValueError(
                    f"the teacher {name!r} cannot load this state: {type(error).__name__}: {error}."
                ) from error
            raise

    return load_state_dict


def _saved(teacher: Teacher) -> dict[str, Any]:
    """Give a copy of all attributes that learning changes, beside those that it does not."""
    kept = {"_space", "_rng", *hyperparameter_names(type(teacher))}
    same = {id(value): value for name, value in vars(teacher).items() if name in kept}
    return {name: copy.deepcopy(value, same) for name, value in vars(teacher).items()}


def hyperparameters(teacher: Teacher) -> dict[str, Any]:
    """Give a teacher's configuration: the arguments of its ``__init__`` by name, read from its attributes.

    ``type(teacher)(**hyperparameters(teacher))`` is the same teacher again, unbound (scikit-learn's convention).
    Raises ValueError where ``__init__`` takes ``*args`` or ``**kwargs``, or did not store an argument.
    """
    names = hyperparameter_names(type(teacher))
    for name in names:
        if name not in vars(teacher) and not hasattr(type(teacher), name):
            raise ValueError(
                f"{type(teacher).__name__}.__init__ must store its argument {name!r} as self.{name}; "
                "it has no such attribute."
            )
    return {name: getattr(teacher, name) for name in names}


def hyperparameter_names(teacher_class: type[Teacher]) -> list[str]:
    """Give the names of the arguments of a teacher's ``__init__``; ValueError for ``*args`` or ``**kwargs``."""
    if teacher_class.__init__ is object.__init__:
        return []
    parameters = list(inspect.signature(teacher_class.__init__).parameters.values())[1:]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(
                f"{teacher_class.__name__}.__init__ must name each hyper-parameter, found {str(parameter)!r}."
            )
    return [parameter.name for parameter in parameters]


def check_ranges(teacher: Teacher, rules: list[tuple[str, bool, str]]) -> None:
    """Raise ValueError for the first hyper-parameter whose rule (name, does it hold, what is allowed) is broken."""
    for name, is_valid, allowed in rules:
        if not is_valid:
            found = getattr(teacher, name)
            raise ValueError(f"{name} of {type(teacher).__name__} must be {allowed}, found {found!r}.")


def stretches(n: int, n_before: int, every: int) -> Iterator[slice]:
    """Cut the next ``n`` episodes, after ``n_before`` others, at each multiple of ``every`` of all; gives slices.

    What a teacher does at counts of episodes then happens at the same ones however they are batched.
    """
    start = 0
    while start < n:
        stop = min(n, start + every - (n_before + start) % every)
        yield slice(start, stop)
        start = stop


def _plain(value: Any) -> Any:
    """Give a hyper-parameter as what it is after a trip through JSON, so that states can be compared."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Teacher):
        settings = {name: _plain(entry) for name, entry in hyperparameters(value).items()}
        return {"name": import_path(type(value)), **settings}
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"  # a function or a class
    return repr(value)


def _plain_space(space: TaskSpace) -> dict[str, Any]:
    """Give what a space's points mean, as JSON values: other bounds make another task of the same point."""
    meaning = ("kind", "low", "high", "log", "choices")
    features = {f.name: {field: _plain(getattr(f, field)) for field in meaning} for f in space.features}
    return {"family": space.family, "features": features, "order": [*features], "fixed": _plain(space.fixed)}


def _difference(name: str, expected: Any, found: Any) -> str:
    """Say where two plain trees differ first: "space.features.mass.high 2.0 is expected, found 3.0"."""
    while isinstance(expected, Mapping) and isinstance(found, Mapping):
        if expected.keys() != found.keys():
            expected, found = sorted(expected), sorted(found)
            break
        key = next(key for key in expected if expected[key] != found[key])
        name, expected, found = f"{name}.{key}", expected[key], found[key]
    return f"{name} {expected!r} is expected, found {found!r}"
