"""Staged tasks: a chain of stages that each need the right skill, may fail, and are retried from an earlier one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import choice_of, numbers_of
from lifelong_rl.envs.drawing import BLUE, GREEN, LIGHT_GREY, ORANGE, RED, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, NamedTasks, Observation, ObserveTask, RenderMode, TaskEnv

N_SKILLS = 4
"""Skills to choose from."""
MOST_STAGES = 8
"""The largest number of stages."""
MOST_RETRIES = 8
"""The largest number of failures that an episode may survive."""
REACH = math.sqrt(2.0)
"""A continuous action so far from the right skill's (as the next skill's is) never succeeds; nearer ones may."""


class StagedTask(TaskEnv):
    """A chain of stages, as in routing a cable through clip after clip (after Luo et al. 2024), without the robot.

    Each stage needs one of four skills: the first stage ``first_skill``, each next one the next skill, in a circle.
    The right skill succeeds with the stage's chance, which goes in equal steps from ``first_chance`` at the first
    stage to ``last_chance`` at the last; another skill always fails. After a success comes the next stage; a failure
    undoes the fraction ``fall_back`` of the stages done, rounded up: with 0 the same stage comes again, with 1 the
    first. ``retries`` failures are survived: with 0 the first one ends the episode, and the chance of the full task
    is the product of the stages'.

    Observation: the stage, one-hot (8 numbers); the margin of the last attempt, which is its chance minus the number
    in [0, 1] that was drawn for it (a success above 0); the retries left over 8. Actions: "discrete", the skill,
    0 to 3; "continuous", shape (2,), in [-1, 1]: skill k is the direction k * 90 degrees, and the chance falls evenly
    with the distance from it, to 0 at the next skill. Reward: the change of the stage over ``n_stages``, so the
    return is the part of the task that is done at the end. Score: the furthest stage reached over ``n_stages``.
    Success: all stages.

    The info of the last step holds "stage_reached" (stages done at the furthest), "failures", "recoveries" (stages
    that had failed and were then done) and "full_success".
    """

    task_space = TaskSpace(
        "staged-task",
        [
            Feature.integer("n_stages", 2, MOST_STAGES, 4),
            Feature.integer("first_skill", 0, N_SKILLS - 1, 0),
            Feature.real("first_chance", 0.5, 1.0, 0.9),
            Feature.real("last_chance", 0.5, 1.0, 0.9),
            Feature.integer("retries", 0, MOST_RETRIES, 2),
            Feature.real("fall_back", 0.0, 1.0, 0.5),
        ],
    )
    action_kinds = ("discrete", "continuous")
    named_tasks: ClassVar[NamedTasks] = {
        f"stages-{m}-skill-{skill}": {"n_stages": m, "first_skill": skill}
        for m in range(4, MOST_STAGES + 1)
        for skill in range(N_SKILLS)
    }

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        max_episode_steps: int = 80,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """max_episode_steps: the default is beyond the longest way to the end of any task, which is 72 steps."""
        self._is_discrete = self.check_action_kind(actions) == "discrete"
        self.max_episode_steps = max_episode_steps
        self.action_space = (
            spaces.Discrete(N_SKILLS) if self._is_discrete else spaces.Box(-1.0, 1.0, (2,), np.float32)
        )
        self.observation_space = spaces.Box(-1.0, 1.0, (MOST_STAGES + 2,), np.float32)
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take over the chain, and compute the chance of each stage."""
        self._chances = stage_chances(params)
        self._first_skill = int(params["first_skill"])
        self._retries = int(params["retries"])
        self._fall_back = float(params["fall_back"])

    def start_episode(self) -> Observation:
        """Start before the first stage; nothing is drawn."""
        self._stage = self._furthest = 0
        self._failures = self._recoveries = 0
        self._open: set[int] = set()  # stages that failed and were not done since
        self._margin = 0.0
        return self._observe()

    def _observe(self) -> Observation:
        observation = np.zeros(MOST_STAGES + 2, dtype=np.float32)
        if self._stage < len(self._chances):
            observation[self._stage] = 1.0
        observation[MOST_STAGES] = self._margin
        observation[MOST_STAGES + 1] = max(0, self._retries - self._failures) / MOST_RETRIES
        return observation

    @property
    def right_skill(self) -> int:
        """The skill that the present stage needs: what an oracle chooses."""
        return (self._first_skill + self._stage) % N_SKILLS

    @property
    def right_action(self) -> Any:
        """The action of that skill: an int, or an array of shape (2,)."""
        if self._is_discrete:
            return self.right_skill
        return np.array(_DIRECTIONS[self.right_skill], dtype=np.float32)

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Attempt the stage; the episode ends with the last stage done, or at a failure without retries left."""
        chance = self._chances[self._stage] * self._fit(action)
        before = self._stage
        self._margin = chance - float(self.np_random.random())
        is_over = self._succeed() if self._margin > 0.0 else self._fail()
        return self._observe(), (self._stage - before) / len(self._chances), is_over

    def _fit(self, action: Any) -> float:
        """Give the part of the stage's chance that this action has."""
        if self._is_discrete:
            return float(choice_of(action, N_SKILLS) == self.right_skill)
        x, y = numbers_of(action, _PLANE)
        right_x, right_y = _DIRECTIONS[self.right_skill]
        return max(0.0, 1.0 - math.hypot(x - right_x, y - right_y) / REACH)

    def _succeed(self) -> bool:
        self._recoveries += self._stage in self._open
        self._open.discard(self._stage)
        self._stage += 1
        self._furthest = max(self._furthest, self._stage)
        return self._stage == len(self._chances)

    def _fail(self) -> bool:
        self._failures += 1
        if self._failures > self._retries:
            return True
        self._open.add(self._stage)
        self._stage = _stage_after_failure(self._stage, self._fall_back)
        return False

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the part of the stages that was reached, and whether it is all of them."""
        return self._furthest / len(self._chances), self._stage == len(self._chances)

    def describe_episode(self) -> dict[str, Any]:
        """Give how far it came, what failed, and what was made good."""
        return {
            "stage_reached": self._furthest,
            "failures": self._failures,
            "recoveries": self._recoveries,
            "full_success": self._stage == len(self._chances),
        }

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture: stages with the skill they need and their chance as a bar, and the retries left as dots."""
        canvas = Canvas(x_low=-0.2, x_high=MOST_STAGES + 0.2, y_low=-0.4, width=500, height=115)
        for i, chance in enumerate(self._chances):
            now = RED if self._margin < 0.0 else BLUE
            colour = GREEN if i < self._stage else now if i == self._stage else LIGHT_GREY
            _box(canvas, i + 0.05, i + 0.95, 0.3, 0.9, colour)
            _box(canvas, i + 0.05, i + 0.05 + 0.9 * chance, 0.15, 0.25, ORANGE)
            canvas.text((i + 0.38, 0.5), "ABCD"[(self._first_skill + i) % N_SKILLS], size=16.0)
        for i in range(self._retries):
            canvas.circle((0.15 + 0.3 * i, 1.15), 0.1, BLUE if i < self._retries - self._failures else LIGHT_GREY)
        return canvas.picture()


def stage_chances(params: Mapping[str, Any]) -> list[float]:
    """Give the chance that the right skill succeeds, for each stage of the task."""
    first, last, n = float(params["first_chance"]), float(params["last_chance"]), int(params["n_stages"])
    return [first + (last - first) * i / (n - 1) for i in range(n)]


def full_success_chance(params: Mapping[str, Any]) -> float:
    """Give the exact chance that an agent which always chooses the right skill does the full task.

    params: all features. Without retries it is the product of the stages' chances; with them it is computed stage by
    stage from the end, for one retry more at a time. It holds where the time limit is never met, as by default.
    """
    chances = stage_chances(params)
    fewer = [0.0] * len(chances)  # the chance of the full task from each stage on, with one retry fewer: none is left
    for _ in range(int(params["retries"]) + 1):
        following, from_stage = 1.0, [0.0] * len(chances)
        for i in reversed(range(len(chances))):
            behind = fewer[_stage_after_failure(i, float(params["fall_back"]))]
            following = from_stage[i] = chances[i] * following + (1.0 - chances[i]) * behind
        fewer = from_stage
    return fewer[0]


_PLANE = ((-1.0, 1.0), (-1.0, 1.0))
_DIRECTIONS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))


def _stage_after_failure(stage: int, fall_back: float) -> int:
    return stage - math.ceil(fall_back * stage)


def _box(canvas: Canvas, left: float, right: float, bottom: float, top: float, colour: tuple[int, int, int]) -> None:
    canvas.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)
