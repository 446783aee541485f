"""The teacher protocol: choose the next tasks from the outcomes of the episodes so far."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.lookup import import_path
from lifelong_rl.envs.space import Kind, TaskSpace, is_in_unit_cube
from lifelong_rl.teachers.density import kernel_density

Floats = NDArray[np.float64]

EXTRAS: dict[str, str] = {
    "value": "the learner's estimate of the discounted return from the episode's first state",
    "mean_value": "the mean of the learner's value estimates over the states of the episode",
    "positive_value_loss": "the mean over the episode's steps of max(generalised advantage estimate, 0)",
}
"""What a learner may add to outcomes. A teacher names those it cannot do without in :attr:`Teacher.needs`."""


_ONES = np.ones(64, dtype=np.int64)
_ONES.flags.writeable = False  # outcomes of scores alone share it: making them is half of a cheap teacher's time


@dataclass(frozen=True)
class Outcomes:
    """What n finished training episodes showed.

    Lists are taken too and become arrays. ValueError where a column is not of shape (n,) and finite, or where a
    score lies outside [0, 1]. Slices and index arrays give the outcomes of those episodes: ``outcomes[:10]``.
    """

    returns: Floats
    """Raw returns, shape (n,)."""
    scores: Floats
    """Returns as scores in [0, 1], shape (n,): what teachers measure progress on."""
    successes: NDArray[np.bool_]
    """Whether each episode was a success, shape (n,)."""
    lengths: NDArray[np.int64]
    """Steps of each episode, shape (n,)."""
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What the learner adds by name, each shape (n,); :data:`EXTRAS` says which and what they are."""

    def __post_init__(self) -> None:
        n = np.size(self.scores)
        scores = _column("scores", self.scores, n, np.float64)
        if not ((scores >= 0.0) & (scores <= 1.0)).all():
            worst = scores[(scores < 0.0) | (scores > 1.0)][0]
            raise ValueError(f"the scores of outcomes must lie in [0, 1], found {worst}.")
        columns: dict[str, Any] = {
            "returns": _column("returns", self.returns, n, np.float64),
            "scores": scores,
            "successes": _column("successes", self.successes, n, np.bool_),
            "lengths": _column("lengths", self.lengths, n, np.int64),
        }
        if self.extra:
            columns["extra"] = {
                name: _column(f"extra[{name!r}]", values, n, np.float64) for name, values in self.extra.items()
            }
        vars(self).update(columns)  # the dataclass is frozen for everybody else

    @classmethod
    def from_scores(cls, scores: ArrayLike) -> Outcomes:
        """Give outcomes that only have scores, shape (n,): returns equal them, success means 1."""
        array = np.asarray(scores, dtype=np.float64)
        if array.ndim == 1 and len(array) <= len(_ONES) and is_in_unit_cube(array):
            return cls.trusted(array, array, array >= 1.0, _ONES[: len(array)], {})
        return cls(array, array, array >= 1.0, np.ones(array.shape, dtype=np.int64))

    @classmethod
    def trusted(
        cls,
        returns: Floats,
        scores: Floats,
        successes: NDArray[np.bool_],
        lengths: NDArray[np.int64],
        extra: Mapping[str, Floats],
    ) -> Outcomes:
        """Give ``Outcomes(...)`` in a fifth of the time, for columns that are known to be right: none is checked."""
        outcomes = object.__new__(cls)
        columns = outcomes.__dict__  # the dataclass is frozen for everybody else
        columns["returns"], columns["scores"], columns["successes"] = returns, scores, successes
        columns["lengths"], columns["extra"] = lengths, extra
        return outcomes

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Outcomes:
        extra = {name: values[rows] for name, values in self.extra.items()}
        return Outcomes.trusted(
            self.returns[rows], self.scores[rows], self.successes[rows], self.lengths[rows], extra
        )


def _column(name: str, values: ArrayLike, n: int, dtype: type[np.generic]) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (n,):
        raise ValueError(f"{name} of outcomes must have one number an episode, shape ({n},), found {column.shape}.")
    if column.dtype.kind not in "bui" and not (is_finite := np.isfinite(column)).all():
        raise ValueError(f"{name} of outcomes must be finite, found {column[~is_finite][0]}.")
    return column.astype(dtype, copy=False)


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

        ValueError for a space without a free feature, or with a feature of a kind that is not in :attr:`kinds`.
        """
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
        that lacks a part or has an array of another number of axes; nothing is loaded then.
        """
        name = type(self).__name__
        if state.get("teacher") != name:
            raise ValueError(f"a state of the teacher {name!r} is expected, found {state.get('teacher')!r}.")
        check_state(f"the teacher {name!r}", self.state_dict(), state)
        for key, expected in self._identity().items():
            if state[key] != expected:
                raise ValueError(
                    f"this state is not of this teacher: {_difference(key, expected, state[key])}. "
                    "Load it into a teacher of the same class, hyper-parameters and task space."
                )
        self.rng.bit_generator.state = state["rng"]

    def _identity(self) -> dict[str, Any]:
        settings = {name: _plain(value) for name, value in hyperparameters(self).items()}
        return {"teacher": type(self).__name__, "task_space": _plain_space(self.space), "hyperparameters": settings}

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve, by name; a number that is not defined yet is left out."""
        return {}

    def density(self, points: Floats) -> Floats:
        """Give the probability density of :meth:`sample` at points of the unit cube, shape (n, d); shape (n,).

        Here an estimate from 1,000 draws of a copy of this teacher (Gaussian kernels, reflected at the faces).
        A teacher that knows its density says it instead.
        """
        draws = copy.deepcopy(self).sample(1000)
        return kernel_density(self.space.check_points(points), draws)


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


def check_state(owner: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Check that a state has the parts of another one; ValueError names the first that is missing or of other shape.

    owner: whose state it is, for the error. expected: a state of the same kind at any age: its keys must be there,
    dictionaries inside it likewise, and its arrays must be arrays of numbers with as many axes.
    """
    if missing := sorted(expected.keys() - found.keys()):
        raise ValueError(f"a state of {owner} also has {missing}, found only {sorted(found)}.")
    for key, part in expected.items():
        if isinstance(part, Mapping):
            if not isinstance(found[key], Mapping):
                raise ValueError(f"{key!r} in a state of {owner} is a dictionary, found {found[key]!r}.")
            check_state(f"{owner} in {key!r}", part, found[key])
        elif isinstance(part, np.ndarray):
            array = np.asarray(found[key])
            if array.ndim != part.ndim or (array.dtype.kind in "biuf") != (part.dtype.kind in "biuf"):
                raise ValueError(
                    f"{key!r} in a state of {owner} is an array of {part.dtype} with {part.ndim} axes, found "
                    f"{array.dtype} of shape {array.shape}."
                )


def check_rows(owner: str, state: Mapping[str, Any], *names: str) -> None:
    """Check that these arrays of a state have as many rows as each other; ValueError says which has how many.

    owner: whose state it is, for the error: "the teacher 'RIAC'".
    """
    rows = {name: len(state[name]) for name in names}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name} {n}" for name, n in rows.items())
        raise ValueError(f"a state of {owner} is damaged: its arrays must have as many rows each, found {found}.")


def check_shapes(owner: str, state: Mapping[str, Any], **expected: tuple[int, ...]) -> None:
    """Check that arrays of a state have these shapes, by name; ValueError says which has not. owner: whose it is."""
    for name, shape in expected.items():
        if np.shape(state[name]) != shape:
            raise ValueError(f"{name!r} in a state of {owner} has the shape {shape}, found {np.shape(state[name])}.")


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
