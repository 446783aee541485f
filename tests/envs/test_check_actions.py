"""What breaks with actions that mean nothing, and what breaks in pictures, is caught."""

import numpy as np
import pytest
from check_toys import Slide
from gymnasium import spaces

from lifelong_rl.envs import TaskEnvError, check_task_env
from lifelong_rl.envs.actions import array_of, choice_of, numbers_of
from lifelong_rl.envs.check import check_env_rules
from lifelong_rl.envs.check_actions import check_actions
from lifelong_rl.envs.check_case import Case, NotCheckedError
from lifelong_rl.envs.check_pictures import check_pictures
from lifelong_rl.envs.task_env import NoPicturesHereError


def case(family, **options):
    return Case(family, options, seed=0, n_steps=60)


BOUNDS = ((-1.0, 1.0), (-1.0, 1.0))


class Pushed(Slide):
    """A toy with continuous actions, which it clips."""

    action_kinds = ("continuous",)

    def __init__(self, **options):
        super().__init__(**options)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def advance(self, action):
        x, y = numbers_of(action, BOUNDS)
        self.x += x * self.slide
        return self.observe(), self.x + y, False


class RefusesWhatIsOutOfRange(Pushed):
    def advance(self, action):
        if not (np.abs(action) <= 1.0).all():
            raise ValueError(f"an action must lie in [-1, 1], found {action!r}.")
        return super().advance(action)


class Unbounded(Pushed):
    def __init__(self, **options):
        super().__init__(**options)
        self.action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


@pytest.mark.parametrize("family", [Slide, Pushed, RefusesWhatIsOutOfRange, Unbounded])
def test_correct_families_keep_the_rule_on_actions(family):
    check_actions(case(family))


class WrapsAround(Slide):
    def advance(self, action):
        return super().advance(int(action) % 3)


class RaisesTypeError(Slide):
    def advance(self, action):
        return super().advance(range(3).index(action) if action == int(action) else [][action])


class NamesNothing(Slide):
    def advance(self, action):
        if action not in self.action_space:
            raise ValueError("no.")
        return super().advance(action)


class CountsRefusedSteps(Slide):
    def step(self, action):
        self._episode_steps += 1
        shown = super().step(action)
        self._episode_steps -= 1
        return shown


class DrawsBeforeItRefuses(Slide):
    def advance(self, action):
        self.np_random.random()
        return super().advance(action)


class PlaysNan(Pushed):
    def advance(self, action):
        return super().advance(np.nan_to_num(action))


class TakesTheFirstTwo(Pushed):
    def advance(self, action):
        return super().advance(np.ravel(action)[:2])


class PlaysBeyondTheBounds(Pushed):
    def advance(self, action):
        x, y = numbers_of(action, ((-9.0, 9.0),) * 2)
        self.x += x * self.slide
        return self.observe(), self.x + y, False


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (WrapsAround, r"one beyond the last: .*3\)\) must be refused with ValueError, but was played"),
        (RaisesTypeError, "must be refused with ValueError, found TypeError|must be named by the error"),
        (NamesNothing, r"must be named by the error, found 'no\.'"),
        (CountsRefusedSteps, "a refused action must leave the environment as it was"),
        (DrawsBeforeItRefuses, "a refused action must leave the environment as it was"),
        (PlaysNan, "NaN among its numbers.* must be refused with ValueError, but was played"),
        (TakesTheFirstTwo, "a shape with one number more.* but was played"),
        (PlaysBeyondTheBounds, "an action beyond the bounds of .* must be clipped"),
    ],
)
def test_a_family_that_plays_what_means_nothing_is_caught(broken, message):
    with pytest.raises(TaskEnvError, match=message):
        check_actions(case(broken))
    with pytest.raises(TaskEnvError):
        check_task_env(broken)


@pytest.mark.parametrize("bad", [-1, 3, 0.5, float("nan"), None, "1", np.array([0, 1]), np.int64(3)])
def test_a_choice_that_there_is_not_is_refused(bad):
    with pytest.raises(ValueError, match=r"a discrete action must lie in 0 \.\. 2, found"):
        choice_of(bad, 3)


def test_a_choice_may_be_any_whole_number():
    assert [choice_of(action, 3) for action in (2, np.int64(1), np.array(0), True)] == [2, 1, 0, 1]


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 1)), np.zeros((1, 2)), np.array(0.5), 0.5, [0.5], None])
def test_numbers_of_another_shape_are_refused(bad):
    with pytest.raises(ValueError, match=r"an action must have the shape \(2,\), found"):
        numbers_of(bad, BOUNDS)
    with pytest.raises(ValueError, match=r"an action must have the shape \(2,\), found"):
        array_of(bad, (2,))


@pytest.mark.parametrize(
    "bad",
    ["ab", np.array(["a", "b"]), [0.5, "b"], [0.5, None, [1.0]], {}, np.array([0.5, 1j]), [0.5, 1j], [10**400, 0.0]],
)
def test_what_is_no_array_of_numbers_is_refused(bad):
    for read in (lambda: numbers_of(bad, BOUNDS), lambda: array_of(bad, (2,))):
        with pytest.raises(ValueError, match="a continuous action must be an array of real numbers, found"):
            read()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="an action must be finite, found"):
        numbers_of(np.array([0.0, bad]), BOUNDS)
    with pytest.raises(ValueError, match="an action must be finite, found"):
        array_of(np.array([0.0, bad]), (2,))


def test_numbers_beyond_their_bounds_are_clipped():
    assert numbers_of([10**30, -(10**30)], BOUNDS) == [1.0, -1.0]
    for action in (np.array([-3.0, 0.25], dtype=np.float32), [-3, 0.25], (np.float64(-3.0), 0.25)):
        assert numbers_of(action, BOUNDS) == [-1.0, 0.25]
    assert numbers_of(np.array([2, -2]), ((0.0, 1.0), (-2.0, 2.0))) == [1.0, -2.0]


# Pictures


def test_a_family_with_pictures_keeps_the_rule_and_one_without_them_is_not_asked():
    class Blind(Slide):
        def __init__(self, *, observe_task="none", tasks=()):
            super().__init__(observe_task=observe_task, tasks=tasks)

        def draw(self):
            raise AssertionError("nobody can ask for a picture")

    class HandsOn(Slide):
        """Hands render_mode on to a base class, as does Slide's other child, which draws nothing."""

        def __init__(self, **options):
            super().__init__(**options)

    class HandsOnInVain(HandsOn):
        draw = DrawsNothing.draw

    assert case(HandsOn).takes("render_mode") and not case(HandsOn).takes("no_such_option")
    assert not case(Blind).takes("render_mode")
    with pytest.raises(TaskEnvError, match="pictures must show something"):
        check_pictures(case(HandsOnInVain))
    check_pictures(case(Slide))
    check_pictures(case(Slide, observe_task="one-hot", tasks=Slide.standard_tasks(2)))
    check_pictures(case(Blind))


class DrawsNothing(Slide):
    def draw(self):
        return np.zeros((4, 6, 3), dtype=np.uint8)


class WritesNoDraw(Slide):
    def draw(self):
        return super(Slide, self).draw()


class FloatPictures(Slide):
    def draw(self):
        return super().draw() / 255.0


class GreyPictures(Slide):
    def draw(self):
        return super().draw()[:, :, 0]


class EmptyPictures(Slide):
    def draw(self):
        return super().draw()[:0]


class DrawsWithoutMode(Slide):
    def render(self):
        return self.draw() if self._is_task_applied else super().render()


class DrawsBeforeTheFirstReset(Slide):
    def render(self):
        return None if self.render_mode is None else self.draw()


class FailsBeforeTheFirstReset(Slide):
    def render(self):
        if self.render_mode and not self._is_task_applied:
            raise NotImplementedError("pictures come later")
        return super().render()


class StepsWhenDrawn(Slide):
    def draw(self):
        self.x += 0.1
        return np.full((4, 6, 3), int(self._episode_steps), dtype=np.uint8)


class DrawsFromTheGenerator(Slide):
    def draw(self):
        self.np_random.random()
        return super().draw()


class RandomPictures(Slide):
    n_drawn = 0

    def draw(self):
        self.n_drawn += 1
        return super().draw() + np.uint8(self.n_drawn)


class OneCanvas(Slide):
    canvas = np.zeros((4, 6, 3), dtype=np.uint8)

    def draw(self):
        self.canvas[:] = super().draw()
        return self.canvas


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (DrawsNothing, "pictures must show something"),
        (WritesNoDraw, "NotImplementedError was raised .*does not write draw"),
        (FloatPictures, "a picture must be an array of uint8, found float64"),
        (GreyPictures, r"shape \(height, width, 3\), found \(4, 6\)"),
        (EmptyPictures, r"shape \(height, width, 3\), found \(0, 6, 3\)"),
        (DrawsWithoutMode, "without render_mode, render must give None"),
        (DrawsBeforeTheFirstReset, "render before the first reset must raise RuntimeError"),
        (FailsBeforeTheFirstReset, "render before the first reset must say so, found: pictures come later"),
        (StepsWhenDrawn, "drawing must change nothing"),
        (DrawsFromTheGenerator, "drawing must change nothing"),
        (RandomPictures, "two pictures of one state must be the same"),
        (OneCanvas, "a picture must stay as it was given"),
    ],
)
def test_a_family_whose_pictures_are_wrong_is_caught(broken, message):
    with pytest.raises(TaskEnvError, match=message):
        check_task_env(broken)


class WithoutOpenGL(Slide):
    def draw(self):
        raise NoPicturesHereError("there is no screen.")


def test_pictures_that_cannot_be_drawn_here_are_said_not_to_be_checked(caplog):
    with pytest.raises(NotCheckedError, match=r"the pictures of WithoutOpenGL, as there is no screen\."):
        check_pictures(case(WithoutOpenGL))
    check_task_env(WithoutOpenGL)
    assert "not checked here: the pictures of WithoutOpenGL" in caplog.text
    findings = [finding for _, finding in check_env_rules(WithoutOpenGL) if finding is not None]
    assert [type(finding) for finding in findings] == [NotCheckedError]
