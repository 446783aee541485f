"""Memory tasks: questions about the last n bits of a stream, of which the agent sees one at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import choice_of
from lifelong_rl.envs.asked import task_count, whole_number
from lifelong_rl.envs.drawing import BLACK, BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, RED, WHITE, Canvas, Colour
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

FEWEST = 2
"""The smallest n: with one bit there is nothing to remember."""
MOST = 32
"""The largest n."""
MASTERY = 0.95
"""An episode with at least this share of right answers is a success."""


def memory_space(family: str) -> TaskSpace:
    """Give the task space of a memory family: how many bits questions are about, n alone or all numbers up to n."""
    return TaskSpace(
        family,
        [
            Feature.integer("n", FEWEST, MOST, FEWEST, unit="bits"),
            Feature.integer("multi_head", 0, 1, 0),
        ],
    )


class BitStream(TaskEnv):
    """A stream of random bits with a question at each step that n bits of it answer.

    After Khajehabdollahi et al. 2024 (N-parity and N-delayed match-to-sample). In the paper's single-head setting,
    ``multi_head`` 0, every question is about n bits; in its multi-head setting, 1, each is about a number of bits
    drawn from 2 .. n, so that the answers to all of them must be kept at hand. With n = 2 the two are the same.

    Observation: the bit now and the ``history`` bits before it, -1 or 1, and 0 where the stream had not begun; then
    one-hot how many bits the question is about (2 .. 32), unless ``show_n`` is False. Actions: "discrete", the
    answer, 0 or 1. Reward: 1 for a right answer; questions about more bits than were shown yet are neither paid nor
    counted. Episodes are truncated only. Score: 2 * (share of right answers) - 1, clipped to [0, 1]: answers without
    memory are right half of the time. Success: a share of at least 0.95.

    The info of the last step holds that share as "accuracy", and "accuracy_by_n" for each number that was asked for.
    """

    action_kinds = ("discrete",)

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        history: int = 0,
        show_n: bool = True,
        max_episode_steps: int = 64,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """history: earlier bits in the observation; an agent without memory needs n - 1 of them to answer.

        show_n: whether the observation says how many bits a question is about; without it, those of the multi-head
        setting cannot be told apart.
        """
        self.check_action_kind(actions)
        if not 0 <= history < MOST:
            raise ValueError(f"history, the earlier bits to show, must lie in 0 .. {MOST - 1}, found {history!r}.")
        if whole_number("max_episode_steps", max_episode_steps, 1) < MOST:
            raise ValueError(
                f"max_episode_steps must be at least {MOST}, or questions about so many bits would never come; "
                f"found {max_episode_steps!r}."
            )
        self.max_episode_steps = max_episode_steps
        self._history = history
        self._shows_n = show_n
        self.action_space = spaces.Discrete(2)
        self._size = 1 + history + (MOST - FEWEST + 1 if show_n else 0)
        self.observation_space = spaces.Box(-1.0, 1.0, (self._size,), np.float32)
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    @abstractmethod
    def right_answer(self, bits: Sequence[int]) -> int:
        """Give the answer, 0 or 1, to the question about these bits, the latest of them last."""

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over how many bits are asked for, and how many numbers of them."""
        self._n = int(params["n"])
        self._n_numbers = self._n - FEWEST + 1 if params["multi_head"] else 1

    def start_episode(self) -> Observation:
        """Draw the stream, the same one whatever the task, and the questions."""
        n_bits = self.max_episode_steps + 1  # the last observation shows one, too
        self._bits: list[int] = self.np_random.integers(2, size=n_bits).tolist()
        shares = self.np_random.random(n_bits)
        self._asked: list[int] = (self._n - (shares * self._n_numbers).astype(int)).tolist()
        self._now = 0
        self._marks: list[bool | None] = []  # right, wrong, or not counted
        return self._observe()

    def _observe(self) -> Observation:
        observation = np.zeros(self._size, dtype=np.float32)
        shown = self._bits[max(0, self._now - self._history) : self._now + 1]
        observation[: len(shown)] = [2 * bit - 1 for bit in reversed(shown)]
        if self._shows_n:
            observation[1 + self._history + self._asked[self._now] - FEWEST] = 1.0
        return observation

    @property
    def question(self) -> tuple[int, int] | None:
        """How many bits are asked about now, and the right answer; None where not so many were shown yet."""
        asked = self._asked[self._now]
        if self._now + 1 < asked:
            return None
        return asked, self.right_answer(self._bits[self._now + 1 - asked : self._now + 1])

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Mark the answer, and show the next bit; there is no terminal state."""
        answer = choice_of(action, 2)
        question = self.question
        is_right = None if question is None else answer == question[1]
        self._marks.append(is_right)
        self._now += 1
        return self._observe(), float(is_right is True), False

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Place the share of right answers between guessing (0) and knowing (1)."""
        accuracy = _share(self._marks)
        return min(1.0, max(0.0, 2.0 * accuracy - 1.0)), accuracy >= MASTERY

    def describe_episode(self) -> dict[str, Any]:
        """Give the share of right answers, and the same for each number of bits that was asked about."""
        by_n: dict[int, list[bool | None]] = {}
        for asked, mark in zip(self._asked, self._marks, strict=False):  # the last question was not answered
            by_n.setdefault(asked, []).append(mark)
        counted = {n: marks for n, marks in sorted(by_n.items()) if any(mark is not None for mark in marks)}
        return {
            "accuracy": _share(self._marks),
            "accuracy_by_n": {str(n): _share(marks) for n, marks in counted.items()},  # Gymnasium joins texts only
        }

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of: single-head with n = 2, 3, ... 32, then multi-head with n = 3, ... 32."""
        settings = [("single", i, 0) for i in range(FEWEST, MOST + 1)]
        settings += [("multi", i, 1) for i in range(FEWEST + 1, MOST + 1)]
        if not 1 <= task_count(n) <= len(settings):
            raise ValueError(f"{cls.task_space.family} has 1 to {len(settings)} standard tasks, found n={n}.")
        return [cls.task_space.task({"n": i, "multi_head": m}, name=f"{kind}-{i}") for kind, i, m in settings[:n]]

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture: the last 32 bits, those asked about framed, and the answers below, green where right."""
        canvas = Canvas(x_low=-0.5, x_high=MOST + 0.5, y_low=-0.6, width=600, height=80)
        asked = self._asked[self._now]
        first = max(0, self._now + 1 - MOST)
        for place in range(first, self._now + 1):
            x = place - first
            is_asked = place > self._now - asked
            _square(canvas, x, 1.5, ORANGE if is_asked else WHITE, 1.0)
            _square(canvas, x, 1.5, BLACK if self._bits[place] else LIGHT_GREY, 0.8)
            if place < self._now:
                _square(canvas, x, 0.2, _COLOUR_OF_MARK[self._marks[place]], 0.8)
            else:
                _square(canvas, x, 0.2, BLUE, 0.3)
        canvas.text((0.0, 2.9), f"about the last {asked} bits", size=12.0)
        return canvas.picture()


class NParity(BitStream):
    """Whether the number of ones among the last n bits of a stream is odd: every one of them must be remembered."""

    task_space = memory_space("n-parity")

    def right_answer(self, bits: Sequence[int]) -> int:
        """Give the parity."""
        return sum(bits) % 2


class NDelayedMatch(BitStream):
    """Whether the bit now equals the one n - 1 steps ago: the bits between must be kept in order to come to it."""

    task_space = memory_space("n-delayed-match")

    def right_answer(self, bits: Sequence[int]) -> int:
        """Give 1 where the first and the last are the same."""
        return int(bits[0] == bits[-1])


_COLOUR_OF_MARK: dict[bool | None, Colour] = {True: GREEN, False: RED, None: GREY}


def _share(marks: Sequence[bool | None]) -> float:
    counted = [mark for mark in marks if mark is not None]
    return sum(counted) / len(counted)


def _square(canvas: Canvas, x: float, y: float, colour: Colour, size: float) -> None:
    margin = (1.0 - size) / 2.0
    low, high = margin, 1.0 - margin
    canvas.polygon([(x + low, y + low), (x + high, y + low), (x + high, y + high), (x + low, y + high)], colour)
