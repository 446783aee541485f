"""check_teacher passes every registered teacher and a user's own, and catches each broken rule."""

import random
import warnings

import numpy as np
import pytest

from lifelong_rl.envs.lookup import resolve
from lifelong_rl.teachers import ALPGMM, TEACHERS, Outcomes, RandomTeacher, Teacher, TeacherError, check_teacher
from lifelong_rl.teachers.check import RULES


class NearTheBest(Teacher):
    """A user's teacher of twenty lines: half uniform, half near the best task so far."""

    def __init__(self, spread=0.1):
        self.spread = spread

    def reset(self, space, rng):
        super().reset(space, rng)
        self.best, self.best_score = np.full(space.dimension, 0.5), -1.0

    def sample(self, n=1):
        is_near = self.rng.random((n, 1)) < 0.5
        near = self.best + self.rng.normal(0.0, self.spread, (n, self.space.dimension))
        return np.where(is_near, np.clip(near, 0.0, 1.0), self.space.sample(n, self.rng))

    def update(self, tasks, outcomes):
        tasks = self.checked(tasks, outcomes)
        for task, score in zip(tasks, outcomes.scores, strict=True):
            if score > self.best_score:
                self.best, self.best_score = task.copy(), float(score)

    def state_dict(self):
        return {**super().state_dict(), "best": self.best.copy(), "best_score": self.best_score}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.best, self.best_score = state["best"].copy(), state["best_score"]


class LogicInInit(NearTheBest):
    def __init__(self, spread=0.1):
        super().__init__(spread)
        self.best = None


class ChangedInInit(NearTheBest):
    def __init__(self, spread=0.1):
        self.spread = 2 * spread


class ChangedInReset(NearTheBest):
    def reset(self, space, rng):
        super().reset(space, rng)
        self.spread = self.spread / space.dimension


class OutOfTheCube(NearTheBest):
    def sample(self, n=1):
        return super().sample(n) * 1.1


class OneTaskOnly(NearTheBest):
    def sample(self, n=1):
        return super().sample(1)


class GivesLists(NearTheBest):
    def sample(self, n=1):
        return super().sample(n).tolist()


class GlobalNumpy(NearTheBest):
    def sample(self, n=1):
        return np.random.random((n, self.space.dimension))


class GlobalPython(NearTheBest):
    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        random.random()


class OwnGenerator(NearTheBest):
    def sample(self, n=1):
        return np.random.default_rng().random((n, self.space.dimension))


class SharedList(NearTheBest):
    seen = []  # noqa: RUF012  # the fault under test

    def reset(self, space, rng):
        super().reset(space, rng)
        self.seen.clear()

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        self.seen.extend(tasks)

    def sample(self, n=1):
        return np.resize(np.round(super().sample(n) + len(self.seen) * 1e-4, 4) % 1.0, (n, self.space.dimension))


class SurvivesReset(NearTheBest):
    def reset(self, space, rng):
        Teacher.reset(self, space, rng)
        if not hasattr(self, "best") or len(self.best) != space.dimension:
            self.best, self.best_score = np.full(space.dimension, 0.5), -1.0


class DividesByTheSpread(NearTheBest):
    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        if len(outcomes) > 1 and np.ptp(outcomes.scores) == 0:
            raise ZeroDivisionError("all scores are equal")


class NeedsEpisodes(NearTheBest):
    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        outcomes.scores.max()


class ChecksNothing(NearTheBest):
    def checked(self, tasks, outcomes):
        return np.asarray(tasks)


class LearnsBeforeItChecks(NearTheBest):
    def update(self, tasks, outcomes):
        self.best = np.full(self.space.dimension, 0.9)
        super().update(tasks, outcomes)


class LearnsFromTheLast(NearTheBest):
    def update(self, tasks, outcomes):
        super().update(tasks[-1:], outcomes[-1:]) if len(tasks) == len(outcomes) else self.checked(tasks, outcomes)


class KeepsViews(NearTheBest):
    def update(self, tasks, outcomes):
        tasks = self.checked(tasks, outcomes)
        if len(tasks):
            self.best = tasks[-1]


class GivesItsOwnArray(NearTheBest):
    def sample(self, n=1):
        tasks = super().sample(n)
        self.best = tasks[0] if n else self.best
        return tasks


class ChangesItsInput(NearTheBest):
    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        tasks += 0.0 if not len(tasks) else 0.25 - tasks[0]


class TrustsReturns(NearTheBest):
    """Draws nearer to the best task the higher the returns are: e^1e9 is infinite, and infinity times 0 no number."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self.weight = 1.0

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        with np.errstate(over="ignore", invalid="ignore"):
            for value in outcomes.returns:
                self.weight = 0.5 * self.weight + 0.5 * float(np.exp(value))

    def sample(self, n=1):
        with np.errstate(invalid="ignore"):
            pull = self.weight / (1.0 + self.weight)
        return (1.0 - pull) * super().sample(n) + pull * self.best

    def state_dict(self):
        return {**super().state_dict(), "weight": self.weight}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.weight = state["weight"]


class ExpectsItsOwnOrder(NearTheBest):
    """Takes outcomes for those of the tasks that it drew last, and stumbles where they are others."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self.open = np.empty((0, space.dimension))

    def sample(self, n=1):
        tasks = super().sample(n)
        self.open = tasks.copy()
        return tasks

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        if len(tasks) < len(self.open) and len(tasks) > 1 and tasks[0] not in self.open:
            raise KeyError("no such draw")


class SpreadOfEqualScores(NearTheBest):
    """Reports the scores in standard deviations, also where they have none."""

    def reset(self, space, rng):
        super().reset(space, rng)
        self.scores = np.empty(0)

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        self.scores = np.append(self.scores, outcomes.scores)

    def diagnostics(self):
        with np.errstate(invalid="ignore"):
            return {} if not len(self.scores) else {"skew": float((self.scores / self.scores.std()).mean())}

    def state_dict(self):
        return {**super().state_dict(), "scores": self.scores.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.scores = state["scores"].copy()


class LostInManyDimensions(NearTheBest):
    """Divides densities that are all 0 in 20 dimensions."""

    def density(self, points):
        near = np.exp(-(((points - self.best) / 0.01) ** 2).sum(axis=1))
        with np.errstate(invalid="ignore"):
            return near / near.sum() if points.shape[1] > 2 else np.ones(len(points))


class MoreKeysWithAge(NearTheBest):
    def state_dict(self):
        return {**super().state_dict(), **({"has_learned": True} if self.best_score >= 0.0 else {})}


class NegativeDensity(NearTheBest):
    def density(self, points):
        return np.full(len(points), -1.0)


class OneDensity(NearTheBest):
    def density(self, points):
        return np.ones(3)


class UnknownDiagnostic(NearTheBest):
    def diagnostics(self):
        return {"spread": float("nan")}


class DrawingDensity(NearTheBest):
    def density(self, points):
        return self.rng.random(len(points))


class ForgetsItsState(NearTheBest):
    state_dict = Teacher.state_dict
    load_state_dict = Teacher.load_state_dict


class ForgetsTheGenerator(NearTheBest):
    def load_state_dict(self, state):
        own = self.rng.bit_generator.state
        super().load_state_dict(state)
        self.rng.bit_generator.state = own


class ObjectsInTheState(NearTheBest):
    def state_dict(self):
        return {**super().state_dict(), "space": self.space}


class ViewsInTheState(NearTheBest):
    def reset(self, space, rng):
        super().reset(space, rng)
        self.counts = np.zeros(3)

    def update(self, tasks, outcomes):
        super().update(tasks, outcomes)
        self.counts += len(tasks)

    def state_dict(self):
        return {**super().state_dict(), "counts": self.counts}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.counts = state["counts"]


class LeavesTheProgram(NearTheBest):
    def update(self, tasks, outcomes):
        raise SystemExit(3)


class LoadsAnything(NearTheBest):
    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]
        self.best, self.best_score = state["best"].copy(), state["best_score"]


BROKEN = {
    LogicInInit: "sets best in __init__",
    ChangedInInit: "changes its arguments in __init__",
    ChangedInReset: "changes its hyper-parameters in reset",
    OutOfTheCube: "samples a task outside the unit cube",
    OneTaskOnly: r"tasks of shape \(1, 1\) where \(7, 1\) is asked",
    GivesLists: "samples list, not a float array",
    GlobalNumpy: "uses a global random generator",
    GlobalPython: "uses a global random generator",
    OwnGenerator: "other tasks with the same seed",
    SharedList: "when a second instance runs beside it",
    SurvivesReset: "remembers something across reset",
    DividesByTheSpread: r"raised ZeroDivisionError \(all scores are equal\) where this is asked: Equal scores",
    LeavesTheProgram: r"raised SystemExit \(3\) where this is asked",
    NeedsEpisodes: "raised ValueError .* where this is asked",
    ChecksNothing: r"accepts .*; begin update with tasks = self\.checked",
    LearnsBeforeItChecks: "changes at a",
    LearnsFromTheLast: "something else from a batch",
    KeepsViews: "keeps an array that the caller may overwrite",
    GivesItsOwnArray: "keeps an array that the caller may overwrite",
    ChangesItsInput: "changes the array of tasks that it is given",
    TrustsReturns: "samples a task outside the unit cube|nan",
    ExpectsItsOwnOrder: r"raised KeyError .* where this is asked: Episodes may end in another order",
    SpreadOfEqualScores: "the diagnostic 'skew' as (nan|inf)",
    LostInManyDimensions: "gives a density that is not 8 finite numbers",
    MoreKeysWithAge: r"has \['has_learned'\] in its state at some ages only",
    NegativeDensity: "gives a density",
    OneDensity: "gives a density",
    UnknownDiagnostic: "the diagnostic 'spread' as nan",
    DrawingDensity: "after density, diagnostics or state_dict",
    ForgetsItsState: "after a state of .* episodes is loaded",
    ForgetsTheGenerator: "after a state of 0 episodes is loaded",
    ObjectsInTheState: r"TypeError \(state\.space is a TaskSpace",
    ViewsInTheState: "changes a state that it gave out earlier",
    LoadsAnything: "accepts a state of another teacher",
}


SMALL = {
    "goal-gan": {"generator_units": 8, "discriminator_units": 8, "iterations": 5},
    "setter-solver": {"setter_units": 8, "judge_units": 8, "n_blocks": 1},
}
"""Hyper-parameters of networks that train in a fraction of the time."""


@pytest.mark.parametrize("name", TEACHERS)
def test_every_registered_teacher_passes(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_teacher(lambda: resolve("teacher", name, TEACHERS)(**SMALL.get(name, {})))


def test_a_teacher_of_twenty_lines_passes():
    check_teacher(NearTheBest)
    check_teacher(lambda: NearTheBest(spread=0.3), seed=7)


def test_other_hyperparameters_pass_too():
    check_teacher(lambda: ALPGMM(fit_every=150, window=200, max_gaussians=3, criterion="bic", max_history=200))


@pytest.mark.parametrize("teacher_class", BROKEN)
def test_a_broken_teacher_is_caught_and_told_what_it_breaks(teacher_class):
    with pytest.raises(TeacherError, match=BROKEN[teacher_class]) as caught:
        check_teacher(teacher_class)
    assert str(caught.value).startswith(teacher_class.__name__)
    assert str(caught.value).endswith(".")


def test_what_is_no_teacher_is_told_so():
    with pytest.raises(TeacherError, match="a subclass of Teacher is expected, found"):
        check_teacher(dict)


def test_a_teacher_that_uses_extra_columns_gets_them_aligned():
    class Values(RandomTeacher):
        def update(self, tasks, outcomes):
            super().update(tasks, outcomes)
            assert outcomes.extra.get("value", outcomes.scores).shape == outcomes.scores.shape

    check_teacher(Values)


def test_every_rule_says_in_its_docstring_what_it_asks():
    assert all((rule.__doc__ or "").splitlines()[0].endswith(".") for rule in RULES)
    assert len(RULES) == len({rule.__name__ for rule in RULES})


def test_the_check_itself_leaves_global_generators_alone():
    before = random.getstate(), np.random.get_state()[1].copy()

    check_teacher(RandomTeacher)

    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_a_checked_batch_comes_back_as_floats():
    teacher = RandomTeacher()
    teacher.reset(_square(), np.random.default_rng(0))

    assert teacher.checked([[0, 1]], Outcomes.from_scores([1])).dtype == np.float64


def _square():
    from lifelong_rl.envs.space import Feature, TaskSpace

    return TaskSpace("square", [Feature.real(name, 0.0, 1.0, 0.5) for name in ("x", "y")])
