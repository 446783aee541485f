"""MiniGrid's rooms as one task family: the kind of room, its size and what stands in it are the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lifelong_rl.envs.actions import choice_of
from lifelong_rl.envs.lookup import require_extra
from lifelong_rl.envs.minigrid.view import COLOURS, N_CELLS, SCALED, TRIPLES, VIEW_SIZE
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv

ObservationKind: TypeAlias = Literal["flat", "image"]

ROOMS = (
    "empty",
    "four-rooms",
    "crossing",
    "lava-crossing",
    "lava-gap",
    "dist-shift",
    "dynamic-obstacles",
    "door-key",
    "unlock",
    "fetch",
    "fetch-key",
)
"""The kinds of room."""
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
"""MiniGrid's actions in order; "done" does nothing in these rooms."""
PICTURE_SIZE = 480
"""Height and width of the pictures of ``render``, in pixels."""

_TARGETS = ("key", "ball", "box")  # kinds of thing to fetch
_N_DIRECTIONS = 4
_EXTRAS = _N_DIRECTIONS + len(_TARGETS) + len(COLOURS)


class MiniGrid(TaskEnv):
    """An agent in MiniGrid's rooms that sees the 7 x 7 cells before it and is paid for the room's goal.

    Observation: "flat" is shape (160,), in [0, 1]: MiniGrid's image of the cells in view, flattened, its kinds over
    10, colours over 5 and states over 2; then one of 4 numbers is 1 for the agent's direction (right, down, left,
    up), and one of 3 and one of 6 for kind and colour of the thing to fetch (none where there is nothing to fetch).
    "image" is MiniGrid's own, shape (7, 7, 3), without direction and target. Actions: the first ``n_actions`` of
    turn left, turn right, forward, pick up, drop, toggle, done (which does nothing). Reward: 1 - 0.9 * steps /
    ``max_episode_steps`` for the goal, ``-death_penalty`` for lava and for running into a moving ball, which end the
    episode, else 0. Score: the return, at least 0. Success: the goal.

    Chevalier-Boisvert et al. 2023, "Minigrid & Miniworld". A room ignores the features that it does not have.
    ``world`` is the MiniGrid environment underneath, from the first reset on.
    """

    task_space = TaskSpace(
        "minigrid",
        [
            Feature.category("room", ROOMS, "crossing"),
            Feature.integer("size", 5, 19, 9, unit="cells"),
            Feature.integer("n_crossings", 1, 5, 1),
            Feature.integer("n_obstacles", 1, 8, 2),
            Feature.integer("n_targets", 1, 3, 1),
            Feature.integer("n_distractors", 0, 4, 2),
            Feature.integer("strip_row", 2, 5, 2),
        ],
    )
    action_kinds = ("discrete",)

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        n_actions: int = 6,
        observation: ObservationKind = "flat",
        death_penalty: float = 1.0,
        max_episode_steps: int = 324,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """Finish construction.

        n_actions: 3 suffice where there is nothing to take or to open. death_penalty: 1 as tella pays it; MiniGrid
        pays 0 in lava and 1 at a ball. max_episode_steps: 324 is MiniGrid's limit in the default room; its limits
        differ by room and size, here one counts for all.
        """
        require_extra("minigrid", "minigrid", "MiniGrid's rooms come from the package minigrid")
        self.check_action_kind(actions)
        _check_options(n_actions, observation, death_penalty)
        self._n_actions = n_actions
        self._is_flat = observation == "flat"
        self._death_penalty = float(death_penalty)
        self.world: Any = None  # MiniGrid's classes are imported with the first task
        self._extras = np.zeros(_EXTRAS, dtype=np.float32)
        self.action_space = spaces.Discrete(n_actions)
        self.observation_space = _observation_space(self._is_flat)
        self.max_episode_steps = max_episode_steps
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Build the task's world."""
        from lifelong_rl.envs.minigrid.worlds import build

        numbers = {name: int(value) for name, value in params.items() if name != "room"}
        self.world = build(str(params["room"]), numbers, self.max_episode_steps)

    def start_episode(self) -> Observation:
        """Make a new grid."""
        self.world.np_random = self.np_random  # every time: seeding makes a new generator
        codes, _ = self.world.reset()
        self._extras[:] = 0.0
        if self.world.target is not None:
            kind, colour = self.world.target
            self._extras[_N_DIRECTIONS + _TARGETS.index(kind)] = 1.0
            self._extras[_N_DIRECTIONS + len(_TARGETS) + COLOURS.index(colour)] = 1.0
        return self._observe(codes)

    def _observe(self, codes: NDArray[np.int64]) -> Observation:
        if not self._is_flat:
            image: Any = TRIPLES[codes].reshape(VIEW_SIZE, VIEW_SIZE, -1)
            return image  # type: ignore[no-any-return]  # whole numbers, where every other family has floats
        self._extras[:_N_DIRECTIONS] = 0.0
        self._extras[self.world.agent_dir] = 1.0
        return np.concatenate((SCALED[codes].ravel(), self._extras))

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Act once."""
        codes, reward, terminated, _, _ = self.world.step(choice_of(action, self._n_actions))
        if terminated and self.world.is_dead:
            reward = -self._death_penalty
        return self._observe(codes), float(reward), terminated

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the return, at least 0; success where the goal was paid."""
        return max(0.0, episode_return), episode_return > 0.0

    def draw(self) -> NDArray[np.uint8]:
        """Give MiniGrid's picture of the world, the cells in view lighter, in the middle of a black square."""
        frame = Image.fromarray(self.world.get_frame())  # tiles of one size: MiniGrid draws each once, slowly
        square = (PICTURE_SIZE, PICTURE_SIZE)
        return np.asarray(ImageOps.pad(frame, square, Image.Resampling.BILINEAR)).copy()

    @classmethod
    def standard_tasks(cls, n: int) -> list[Task]:
        """Give the first ``n`` of tella's 18 MiniGrid tasks, by label and variant, then a fixed sample.

        The names are l2logger's, ``label_variant``: SimpleCrossing_S9N1, and so on.
        """
        named = [cls.task_space.task(params, name=name) for name, params in TELLA_TASKS.items()]
        return named[:n] + super().standard_tasks(max(0, n - len(named)))


def _observation_space(is_flat: bool) -> Any:
    if is_flat:
        return spaces.Box(0.0, 1.0, (N_CELLS * SCALED.shape[1] + _EXTRAS,), np.float32)
    return spaces.Box(0, 255, (VIEW_SIZE, VIEW_SIZE, TRIPLES.shape[1]), np.uint8)


def _check_options(n_actions: int, observation: str, death_penalty: float) -> None:
    if not (isinstance(n_actions, int) and 3 <= n_actions <= len(ACTIONS)):
        raise ValueError(f"n_actions must be a whole number from 3 to {len(ACTIONS)}, found {n_actions!r}.")
    if observation not in get_args(ObservationKind):
        kinds = " or ".join(map(repr, get_args(ObservationKind)))
        raise ValueError(f"observation must be {kinds}, found {observation!r}.")
    if not 0.0 <= death_penalty < np.inf:
        raise ValueError(f"death_penalty must be a number of at least 0, found {death_penalty!r}.")


TELLA_TASKS: dict[str, dict[str, Value]] = {
    "SimpleCrossing_S9N1": {"room": "crossing", "size": 9, "n_crossings": 1},
    "SimpleCrossing_S9N2": {"room": "crossing", "size": 9, "n_crossings": 2},
    "SimpleCrossing_S9N3": {"room": "crossing", "size": 9, "n_crossings": 3},
    "DistShift_R2": {"room": "dist-shift", "size": 9, "strip_row": 2},
    "DistShift_R5": {"room": "dist-shift", "size": 9, "strip_row": 5},
    "DistShift_R3": {"room": "dist-shift", "size": 9, "strip_row": 3},
    "DynObstacles_S6N1": {"room": "dynamic-obstacles", "size": 6, "n_obstacles": 1},
    "DynObstacles_S8N2": {"room": "dynamic-obstacles", "size": 8, "n_obstacles": 2},
    "DynObstacles_S10N3": {"room": "dynamic-obstacles", "size": 10, "n_obstacles": 3},
    "CustomFetch_S5T1N2": {"room": "fetch-key", "size": 5, "n_targets": 1, "n_distractors": 2},
    "CustomFetch_S8T1N2": {"room": "fetch-key", "size": 8, "n_targets": 1, "n_distractors": 2},
    "CustomFetch_S10T2N4": {"room": "fetch-key", "size": 10, "n_targets": 2, "n_distractors": 4},
    "CustomUnlock_S5": {"room": "unlock", "size": 5},
    "CustomUnlock_S7": {"room": "unlock", "size": 7},
    "CustomUnlock_S9": {"room": "unlock", "size": 9},
    "DoorKey_S5": {"room": "door-key", "size": 5},
    "DoorKey_S6": {"room": "door-key", "size": 6},
    "DoorKey_S7": {"room": "door-key", "size": 7},
}
"""The tasks of the tella package (lifelong-learning-systems/tella, MIT; Johns Hopkins APL) in its order."""
