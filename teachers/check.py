"""The conformance check: run it over your own teacher as the tests run it over every teacher here."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time_ns
from typing import Any, TypeAlias

import numpy as np

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers.base import EXTRAS, Floats, Outcomes, Teacher, hyperparameters

Factory: TypeAlias = Callable[[], Teacher]

N_EPISODES = 300
"""Simulated episodes that most rules let a teacher see: enough to adapt (ALP-GMM fits at 250)."""


class TeacherError(AssertionError):
    """A teacher breaks a rule; the message is one sentence that says which and how."""


def check_teacher(factory: Factory, *, seed: int = 0) -> None:
    """Check that a teacher keeps the protocol; TeacherError says in one sentence what it breaks.

    factory: a teacher class, or a function of no arguments that gives a new, unbound teacher:
    ``check_teacher(MyTeacher)``, ``check_teacher(lambda: MyTeacher(temperature=0.3))``. seed: of everything drawn.
    The rules are the functions in ``RULES``, each described by its docstring. A teacher plays some 10,000 simulated
    episodes in 1, 2 and 20 dimensions, 600 of them without a reset.
    """
    for _, broken in check_rules(factory, seed=seed):
        if broken is not None:
            raise broken from broken.__cause__


def check_rules(factory: Factory, *, seed: int = 0) -> Iterator[tuple[str, TeacherError | None]]:
    """Give each rule of :func:`check_teacher` as one sentence, when it was checked, with what breaks it or None."""
    if not isinstance(factory(), Teacher):
        raise TeacherError(f"a subclass of Teacher is expected, found {factory()!r}.")
    for rule in RULES:
        sentence = (rule.__doc__ or rule.__name__).splitlines()[0]
        try:
            rule(factory, seed)
        except TeacherError as error:
            yield sentence, error
        except (Exception, SystemExit) as error:
            broken = TeacherError(
                f"{type(factory()).__name__} raised {type(error).__name__} ({error}) where this is asked: "
                f"{sentence.rstrip('.')}."
            )
            broken.__cause__ = error
            yield sentence, broken
        else:
            yield sentence, None


def time_teacher(factory: Factory, *, seed: int = 0, n_episodes: int = 1000) -> float:
    """Give the CPU seconds that ``sample(1)`` and ``update`` take together, a mean over episodes of the check."""
    teacher, learner = _bind(factory(), seed), _Learner()
    total = 0
    for _ in range(n_episodes):
        start = process_time_ns()
        task = teacher.sample(1)
        drawn = process_time_ns()
        outcomes = learner.play(task)
        played = process_time_ns()
        teacher.update(task, outcomes)
        total += process_time_ns() - played + drawn - start
    return total * 1e-9 / n_episodes


# Rules, in the order in which a failure says most


def stores_its_hyperparameters(factory: Factory, seed: int) -> None:
    """``__init__`` stores each argument under its own name and does nothing else; ``reset`` changes none."""
    teacher = factory()
    before = hyperparameters(teacher)
    others = sorted(set(vars(teacher)) - set(before))
    _require(not others, teacher, f"sets {', '.join(others)} in __init__, which may only store its arguments")
    again = hyperparameters(type(teacher)(**before))
    _require(_same(before, again), teacher, "changes its arguments in __init__, which may only store them")
    _bind(teacher, seed)
    _require(_same(before, hyperparameters(teacher)), teacher, "changes its hyper-parameters in reset")


def samples_points_of_the_cube(factory: Factory, seed: int) -> None:
    """``sample(n)`` gives floats of shape (n, d) in [0, 1], for n = 1 and many, in 1, 2 and 20 dimensions."""
    for dimension in (1, 2, 20):
        teacher = _bind(factory(), seed, dimension)
        learner = _Learner()
        for n in (1, 7, 0, 64) * 4:
            tasks = _draw(teacher, n)
            teacher.update(tasks, learner.play(tasks))
        _draw(teacher, 500)


def same_seed_gives_the_same_tasks(factory: Factory, seed: int) -> None:
    """Two teachers with one seed and the same outcomes draw the same tasks."""
    streams = [_run(_bind(factory(), seed), _Learner()) for _ in range(2)]
    _require(_same(*streams), factory(), "draws other tasks with the same seed and outcomes")


def instances_share_nothing(factory: Factory, seed: int) -> None:
    """A teacher draws the same tasks whether or not another one runs beside it."""
    alone = _run(_bind(factory(), seed), _Learner())
    one, other = _bind(factory(), seed), _bind(factory(), seed + 1)
    learners = _Learner(), _Learner()
    drawn = []
    for _ in range(N_EPISODES // 10):
        for teacher, learner in zip((other, one), learners, strict=True):
            tasks = _draw(teacher, 10)
            teacher.update(tasks.copy(), learner.play(tasks))
        drawn.append(tasks.copy())
    _require(_same(alone, np.concatenate(drawn)), one, "draws other tasks when a second instance runs beside it")


def leaves_global_generators_alone(factory: Factory, seed: int) -> None:
    """Nothing that a teacher does draws from, or seeds, the global generators of Python and NumPy."""
    before = _global_states()
    teacher = _bind(factory(), seed)
    _run(teacher, _Learner())
    teacher.diagnostics()
    teacher.density(_grid(2))
    teacher.load_state_dict(teacher.state_dict())
    _require(_same(before, _global_states()), teacher, "uses a global random generator; draw from self.rng only")


def reset_starts_afresh(factory: Factory, seed: int) -> None:
    """After ``reset`` a used teacher is as good as new: it draws the tasks of a new one."""
    used = _bind(factory(), seed + 1)
    _run(used, _Learner())
    stream = _run(_bind(used, seed), _Learner())
    fresh = _run(_bind(factory(), seed), _Learner())
    _require(_same(stream, fresh), used, "remembers something across reset")


def a_batch_teaches_as_its_episodes(factory: Factory, seed: int) -> None:
    """``update`` with n episodes equals n updates with one each, in the same order."""
    batched, single = _bind(factory(), seed), _bind(factory(), seed)
    tasks = np.random.default_rng(seed).random((N_EPISODES, 2))
    outcomes = _Learner().play(tasks)
    for start, stop in ((0, 3), (3, 280), (280, N_EPISODES)):
        batched.update(tasks[start:stop], outcomes[start:stop])
    for i in range(N_EPISODES):
        single.update(tasks[i : i + 1], outcomes[i : i + 1])
    streams = [_run(teacher, _Learner(), n_episodes=60) for teacher in (batched, single)]
    _require(_same(*streams), batched, "learns something else from a batch than from its episodes one by one")


def keeps_copies(factory: Factory, seed: int) -> None:
    """Arrays handed in stay as they are and may be reused by the caller; arrays handed out may be overwritten."""
    expected = _run(_bind(factory(), seed), _Learner())
    teacher, learner, drawn = _bind(factory(), seed), _Learner(), []
    for _ in range(N_EPISODES // 10):
        given = _draw(teacher, 10)
        tasks = given.copy()
        given[:] = 0.5
        outcomes = learner.play(tasks)
        drawn.append(tasks.copy())
        teacher.update(tasks, outcomes)
        _require(_same(tasks, drawn[-1]), teacher, "changes the array of tasks that it is given")
        for array in (tasks, outcomes.scores, outcomes.returns):
            array[:] = 0.5
    _require(
        _same(expected, np.concatenate(drawn)),
        teacher,
        "keeps an array that the caller may overwrite; store copies",
    )


def a_state_continues_bit_for_bit(factory: Factory, seed: int) -> None:
    """A state, also a new teacher's, goes through ``state_to_bytes`` and another instance continues from it."""
    for n_before, n_after in ((0, 60), (10, 60), (2 * N_EPISODES - 170, 170)):
        teacher, learner = _bind(factory(), seed), _Learner()
        _run(teacher, learner, n_before)
        state = teacher.state_dict()
        saved = state_to_bytes(state)
        changed = sorted(state.keys() ^ _bind(factory(), seed).state_dict().keys())
        _require(not changed, teacher, f"has {changed} in its state at some ages only; give the same keys always")
        loaded, other_learner = _bind(factory(), seed + 1), learner.copy()
        loaded.load_state_dict(state_from_bytes(saved))
        streams = [_run(teacher, learner, n_after), _run(loaded, other_learner, n_after)]
        _require(_same(*streams), teacher, f"draws other tasks after a state of {n_before} episodes is loaded")
        _require(
            state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict()),
            teacher,
            f"ends in another state after a state of {n_before} episodes was loaded and both went on",
        )
        _require(state_to_bytes(state) == saved, teacher, "changes a state that it gave out earlier; give copies")


def refuses_foreign_states(factory: Factory, seed: int) -> None:
    """A state of another teacher class or of a space with other features is refused with ValueError."""
    state = _bind(factory(), seed).state_dict()
    teacher = _bind(factory(), seed)
    with _refusal(teacher, "a state of another teacher"):
        teacher.load_state_dict({**state, "teacher": "SomebodyElse"})
    teacher = _bind(factory(), seed, dimension=3)
    with _refusal(teacher, "a state of a task space with another number of dimensions"):
        teacher.load_state_dict(state)


def survives_dull_outcomes(factory: Factory, seed: int) -> None:
    """Equal scores, scores of 0 and 1 only, one task again and again: the teacher goes on drawing tasks."""
    draws = np.random.default_rng(seed).random((N_EPISODES, 2))
    same = np.full((N_EPISODES, 2), 0.3)
    corners = np.round(draws)
    coin = np.round(draws[:, 0])
    for tasks, scores in [
        (draws, np.zeros(N_EPISODES)),
        (draws, np.ones(N_EPISODES)),
        (draws, coin),
        (same, coin),
        (same, np.full(N_EPISODES, 0.5)),
        (corners, coin),
    ]:
        teacher = _bind(factory(), seed)
        teacher.update(tasks.copy(), _outcomes(scores))
        _draw(teacher, 200)
        _report(teacher)


def survives_extreme_outcomes(factory: Factory, seed: int) -> None:
    """Huge returns, values and lengths of tasks at the corners, in 1, 2 and 20 dimensions, end in no NaN."""
    for dimension in (1, 2, 20):
        teacher, rng = _bind(factory(), seed, dimension), np.random.default_rng(seed)
        for size in (1e9, -1e9):
            tasks = np.round(rng.random((N_EPISODES // 2, dimension)))
            scores = np.round(rng.random(len(tasks)))
            extra = {name: size * (scores - 0.5) for name in EXTRAS}
            lengths = np.where(scores > 0.5, 1, 10**9)
            teacher.update(tasks, Outcomes(size * scores, scores, scores > 0.5, lengths, extra))
            _draw(teacher, 50)
        _report(teacher)


def takes_episodes_as_they_come(factory: Factory, seed: int) -> None:
    """Episodes may end in another order than their tasks were drawn in, or never; others play tasks of their own."""
    teacher, learner, rng = _bind(factory(), seed), _Learner(), np.random.default_rng(seed)
    for _ in range(N_EPISODES // 10):
        drawn = _draw(teacher, 10).copy()
        ended = rng.permutation(drawn)[:7]
        foreign = np.concatenate([rng.random((2, 2)), np.full((1, 2), 0.5)])
        for tasks in (ended[:3], foreign, ended[3:]):
            teacher.update(tasks.copy(), learner.play(tasks))
    _draw(teacher, 50)
    _report(teacher)


def an_empty_batch_changes_nothing(factory: Factory, seed: int) -> None:
    """``update`` with no episodes is welcome and changes nothing."""
    teacher, other = _bind(factory(), seed), _bind(factory(), seed)
    teacher.update(np.empty((0, 2)), _outcomes([]))
    streams = [_run(each, _Learner(), n_episodes=60) for each in (teacher, other)]
    _require(_same(*streams), teacher, "changes at an empty batch")


def refuses_bad_batches(factory: Factory, seed: int) -> None:
    """NaN, tasks outside the cube, wrong shapes and numbers are refused with ValueError and change nothing."""
    teacher, other = _bind(factory(), seed), _bind(factory(), seed)
    good = np.full((2, 2), 0.5)
    for what, tasks, scores in [
        ("a task that is NaN", np.array([[0.5, 0.5], [0.5, math.nan]]), [0.5, 0.5]),
        ("a task outside the unit cube", np.array([[0.5, 0.5], [0.5, 1.5]]), [0.5, 0.5]),
        ("a score that is NaN", good, [0.5, math.nan]),
        ("a score above 1", good, [0.5, 1.5]),
        ("tasks of a wrong dimension", np.full((2, 3), 0.5), [0.5, 0.5]),
        ("tasks without a row an episode", np.full(2, 0.5), [0.5, 0.5]),
        ("three outcomes of two tasks", good, [0.5, 0.5, 0.5]),
    ]:
        with _refusal(teacher, what):
            teacher.update(tasks, _outcomes(scores))
    streams = [_run(each, _Learner(), n_episodes=60) for each in (teacher, other)]
    _require(_same(*streams), teacher, "changes at a batch that it refuses")


def says_which_features_it_honours(factory: Factory, seed: int) -> None:
    """Integers, categories and log scales work; ``kinds`` says which do not, and ``reset`` refuses those."""
    for feature in (
        Feature.integer("n", 1, 5, 2),
        Feature.category("floor", ["ice", "sand", "mud"], "ice"),
        Feature.real("mass", 0.1, 10.0, 1.0, log=True),
    ):
        space = TaskSpace("mixed", [feature, Feature.real("x", 0.0, 1.0, 0.5)])
        teacher = factory()
        if feature.kind not in teacher.kinds:
            with _refusal(
                teacher,
                f"a {feature.kind} feature, as its kinds do not name it,",
                "begin reset with super().reset(space, rng)",
            ):
                teacher.reset(space, np.random.default_rng(seed))
            continue
        teacher.reset(space, np.random.default_rng(seed))
        _run(teacher, _Learner())
        teacher.density(space.grid(12))


def says_what_it_needs(factory: Factory, seed: int) -> None:
    """What ``needs`` names is known to ``EXTRAS``, and outcomes without it are refused."""
    teacher = _bind(factory(), seed)
    unknown = sorted(teacher.needs - EXTRAS.keys())
    _require(not unknown, teacher, f"needs {unknown}; an agent can give {sorted(EXTRAS)}")
    if teacher.needs:
        with _refusal(teacher, f"outcomes without {sorted(teacher.needs)}"):
            teacher.update(np.full((2, 2), 0.5), Outcomes.from_scores([0.5, 0.5]))


def says_what_is_only_looked_at(factory: Factory, seed: int) -> None:
    """``untrained`` is None, or says of each task of the last ``sample`` whether it is; only if ``is_selective``."""
    teacher, learner = _bind(factory(), seed), _Learner()
    for n in (1, 7, 64) * 5:
        tasks = _draw(teacher, n)
        rows = teacher.untrained
        if rows is not None:
            _require(teacher.is_selective, teacher, "names untrained tasks, and its is_selective is False")
            is_fitting = isinstance(rows, np.ndarray) and rows.dtype == np.bool_ and rows.shape == (n,)
            _require(is_fitting, teacher, f"must give untrained as {n} booleans after sample({n}), found {rows!r}")
        teacher.update(tasks, learner.play(tasks))


def reports_without_changing(factory: Factory, seed: int) -> None:
    """``density`` is finite, >= 0, of shape (n,); ``diagnostics`` are finite floats; neither changes the teacher."""
    teacher, other = _bind(factory(), seed), _bind(factory(), seed)
    learners = _Learner(), _Learner()
    for n_episodes in (0, 10, N_EPISODES):
        _report(teacher)
        teacher.state_dict()
        streams = [_run(each, own, n_episodes) for each, own in zip((teacher, other), learners, strict=True)]
        _require(_same(*streams), teacher, "draws other tasks after density, diagnostics or state_dict")


RULES: tuple[Callable[[Factory, int], None], ...] = (
    stores_its_hyperparameters,
    samples_points_of_the_cube,
    leaves_global_generators_alone,
    same_seed_gives_the_same_tasks,
    instances_share_nothing,
    reset_starts_afresh,
    survives_dull_outcomes,
    survives_extreme_outcomes,
    takes_episodes_as_they_come,
    an_empty_batch_changes_nothing,
    refuses_bad_batches,
    keeps_copies,
    a_batch_teaches_as_its_episodes,
    says_which_features_it_honours,
    says_what_it_needs,
    says_what_is_only_looked_at,
    reports_without_changing,
    a_state_continues_bit_for_bit,
    refuses_foreign_states,
)
"""What :func:`check_teacher` asks, in this order; the docstring of each is the rule."""


class _Learner:
    """A simulated learner: each tenth of the first axis is a skill that visits train, the higher the harder."""

    def __init__(self) -> None:
        self._visits = np.zeros(10)

    def copy(self) -> _Learner:
        other = _Learner()
        other._visits = self._visits.copy()
        return other

    def play(self, tasks: Floats) -> Outcomes:
        scores = np.empty(len(tasks))
        for i, skill in enumerate(np.minimum((tasks[:, 0] * 10).astype(int), 9)):
            self._visits[skill] += 1.0
            scores[i] = min(1.0, self._visits[skill] / (20.0 + 20.0 * skill))
        n = len(tasks)
        extra = {name: scores * (1.0 - scores) for name in EXTRAS}
        return Outcomes(500.0 * scores - 150.0, scores, scores >= 1.0, np.full(n, 50), extra)


def _outcomes(scores: Any) -> Outcomes:
    """Give outcomes of these scores with everything that a learner may add."""
    plain = Outcomes.from_scores(scores)
    extra = {name: plain.scores * (1.0 - plain.scores) for name in EXTRAS}
    return Outcomes(plain.returns, plain.scores, plain.successes, plain.lengths, extra)


def _space(dimension: int) -> TaskSpace:
    return TaskSpace("checked", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])


def _bind(teacher: Teacher, seed: int, dimension: int = 2) -> Teacher:
    teacher.reset(_space(dimension), np.random.default_rng(seed))
    return teacher


def _draw(teacher: Teacher, n: int) -> Floats:
    tasks = teacher.sample(n)
    _require(
        isinstance(tasks, np.ndarray) and tasks.dtype.kind == "f",
        teacher,
        f"samples {type(tasks).__name__}, not a float array",
    )
    shape = (n, teacher.space.dimension)
    _require(tasks.shape == shape, teacher, f"gives tasks of shape {tasks.shape} where {shape} is asked")
    in_cube = bool(((tasks >= 0.0) & (tasks <= 1.0)).all())
    _require(in_cube, teacher, "samples a task outside the unit cube")
    return tasks


def _report(teacher: Teacher) -> None:
    """Ask for density and diagnostics, and require what every teacher's must be."""
    dimension = teacher.space.dimension
    points = _grid(dimension) if dimension <= 2 else np.random.default_rng(0).random((8, dimension))
    density = np.asarray(teacher.density(points))
    _require(
        density.shape == (len(points),) and bool((np.isfinite(density) & (density >= 0)).all()),
        teacher,
        f"gives a density that is not {len(points)} finite numbers >= 0",
    )
    for name, value in teacher.diagnostics().items():
        _require(
            isinstance(name, str) and isinstance(value, float) and math.isfinite(value),
            teacher,
            f"gives the diagnostic {name!r} as {value!r}, not as a finite float",
        )


def _run(teacher: Teacher, learner: _Learner, n_episodes: int = N_EPISODES) -> Floats:
    """Let the learner play, ten tasks at a time; give the tasks played, shape (n_episodes, d)."""
    drawn = [np.empty((0, teacher.space.dimension))]
    for _ in range(n_episodes // 10):
        tasks = _draw(teacher, 10)
        drawn.append(tasks.copy())
        teacher.update(tasks, learner.play(tasks))
    return np.concatenate(drawn)


def _grid(dimension: int) -> Floats:
    return _space(dimension).grid(12)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one is other or one == other)


def _global_states() -> list[Any]:
    return [random.getstate(), np.random.get_state(legacy=False)]


@contextmanager
def _refusal(
    teacher: Teacher, what: str, remedy: str = "begin update with tasks = self.checked(tasks, outcomes)"
) -> Iterator[None]:
    try:
        yield
    except ValueError:
        return
    except Exception as error:
        name = type(teacher).__name__
        raise TeacherError(f"{name} must refuse {what} with ValueError, found {type(error).__name__}.") from error
    _require(False, teacher, f"accepts {what}; {remedy}")


def _require(holds: bool, teacher: Teacher, complaint: str) -> None:
    if not holds:
        raise TeacherError(f"{type(teacher).__name__} {complaint}.")
