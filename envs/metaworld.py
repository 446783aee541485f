"""Meta-World's tasks of a robot arm as families, under the rules of Continual World (Wołczyk et al. 2021)."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import array_of
from lifelong_rl.envs.lookup import MissingExtraError, require_extra
from lifelong_rl.envs.mujoco.pictures import ModelPictures
from lifelong_rl.envs.mujoco.stability import has_exploded
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import (
    ActionKind,
    NamedTasks,
    Observation,
    ObserveTask,
    RenderMode,
    TaskEnv,
)

CW10 = (
    "hammer",
    "push-wall",
    "faucet-close",
    "push-back",
    "stick-pull",
    "handle-press-side",
    "push",
    "shelf-place",
    "window-close",
    "peg-unplug-side",
)
"""The ten tasks of Continual World in its order; CW20 is the sequence twice."""

OTHERS = (
    *("assembly", "basketball", "bin-picking", "box-close", "button-press", "button-press-topdown"),
    *("button-press-topdown-wall", "button-press-wall", "coffee-button", "coffee-pull", "coffee-push", "dial-turn"),
    *("disassemble", "door-close", "door-lock", "door-open", "door-unlock", "drawer-close", "drawer-open"),
    *("faucet-open", "hand-insert", "handle-press", "handle-pull", "handle-pull-side", "lever-pull"),
    *("peg-insert-side", "pick-out-of-hole", "pick-place", "pick-place-wall", "plate-slide", "plate-slide-back"),
    *("plate-slide-back-side", "plate-slide-side", "reach", "reach-wall", "soccer", "stick-push", "sweep"),
    *("sweep-into", "window-open"),
)
"""Meta-World's other forty tasks."""

RewardVersion = Literal["v2", "v1"]
SuccessAt = Literal["any-step", "last-step"]

_MOST_KEPT = 10  # simulations of 20 MB that an instance keeps, so that CW10 builds each of its ten once

# Where the positions shrink to. It is the middle of the ranges, where these do not put the object too near its goal,
# which Meta-World draws again: in four tasks one coordinate goes to the low or high end instead.
_OFF_THE_MIDDLE: dict[str, tuple[int, float]] = {
    "box-close": (4, 1.0),
    "coffee-pull": (4, 0.0),
    "coffee-push": (1, 0.0),
    "disassemble": (3, 0.0),
}


def _task_space(family: str, names: Sequence[str]) -> TaskSpace:
    return TaskSpace(family, [Feature.category("task", names, names[0]), Feature.real("spread", 0.0, 1.0, 1.0)])


class MetaWorld(TaskEnv):
    """A robot arm that hammers, pushes, pulls, places, opens and closes: Meta-World's fifty tasks.

    Observation: shape (39,): position of the hand (m), opening of the gripper in [0, 1], positions and quaternions of
    up to two objects (zeros where there is none), shape (18,); the same one step before; the goal's position (m).
    Action: shape (4,), in [-1, 1] (clipped): move of the hand by up to 1 cm along x, y, z, and closing the gripper.
    Reward: Meta-World's own, in [0, 10] for version "v2", not scaled. Episodes are truncated only, after 200 steps.
    Success: Meta-World's success signal at any step of the episode, as Continual World counts it. Score: 1 for a
    success, else 0.

    Object and goal are drawn anew at each reset from Meta-World's ranges, which ``spread`` shrinks.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012  # Gymnasium's
    task_space = _task_space("meta-world", (*CW10, *OTHERS))
    named_tasks: ClassVar[NamedTasks] = {name: {"task": name} for name in (*CW10, *OTHERS)}
    action_kinds = ("continuous",)

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 200,
        reward: RewardVersion = "v2",
        success_at: SuccessAt = "any-step",
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        self.check_action_kind(actions)
        _check_choice("reward", reward, get_args(RewardVersion))
        _check_choice("success_at", success_at, get_args(SuccessAt))
        self._classes = _import_meta_world()
        self._pictures = ModelPictures()
        self._reward, self._success_at = reward, success_at
        self._simulations: dict[str, Any] = {}
        self._ranges: dict[str, spaces.Box] = {}
        self._simulation: Any = None
        self._is_success = False
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (39,), np.float32)
        self.max_episode_steps = max_episode_steps
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Take the task's simulation, and shrink the ranges of its positions."""
        self.close()  # a renderer draws one model
        name, spread = str(params["task"]), float(params["spread"])
        self._simulation = self._simulation_of(name)
        self._simulation._random_reset_space = _shrunk(self._ranges[name], spread, *_OFF_THE_MIDDLE.get(name, ()))

    def _simulation_of(self, name: str) -> Any:
        """Give the simulation of a task; the one that was played the longest ago makes room for a new one."""
        simulation = self._simulations.pop(name, None) or self._build(name)
        self._simulations[name] = simulation
        if len(self._simulations) > _MOST_KEPT:
            del self._simulations[next(iter(self._simulations))]
        return simulation

    def _build(self, name: str) -> Any:
        simulation = self._classes[f"{name}-v3"](reward_function_version=self._reward)
        data = {"env_cls": type(simulation), "rand_vec": None, "partially_observable": False}  # shows the goal
        simulation.set_task(_MetaWorldTask(f"{name}-v3", pickle.dumps(data)))
        simulation._freeze_rand_vec = False  # draw the positions at each reset,
        simulation.seeded_rand_vec = True  # from its np_random and not from numpy's global generator
        simulation.max_path_length = self.max_episode_steps
        self._ranges[name] = simulation._random_reset_space
        return simulation

    def start_episode(self) -> Observation:
        """Draw the positions, and bring the hand to its start."""
        self._is_success = False
        self._simulation.np_random = self.np_random  # every time: seeding makes a new generator
        observation: Observation = self._simulation.reset()[0].astype(np.float32)
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Move the hand for 0.0125 s; there is no terminal state."""
        controls = array_of(action, (4,))
        clipped = controls.clip(-1.0, 1.0).astype(np.float32)  # Meta-World clips the move, and not the gripper's part
        observation, reward, _, _, info = self._simulation.step(clipped)
        if has_exploded(self._simulation.data):
            raise FloatingPointError(f"the simulation of {self.task.id!r} became unstable at the action {controls}.")
        is_success = bool(info["success"])
        self._is_success = is_success or (self._is_success and self._success_at == "any-step")
        return observation.astype(np.float32), float(reward), False

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give 1 for a success, else 0."""
        return float(self._is_success), self._is_success

    def draw(self) -> NDArray[np.uint8]:
        """Give the picture of a camera above a corner of the table; NoPicturesHereError where OpenGL is missing."""
        picture = self._pictures.picture(self._simulation.model, self._simulation.data, "corner3")
        return picture[::-1, ::-1].copy()  # Meta-World's camera hangs upside down

    def close(self) -> None:
        """Free the renderer."""
        self._pictures.free()


class ContinualWorld(MetaWorld):
    """A robot arm that hammers, pushes, pulls, places, opens and closes: Continual World's ten tasks of Meta-World.

    As :class:`MetaWorld` otherwise.
    """

    task_space = _task_space("continual-world", CW10)
    named_tasks: ClassVar[NamedTasks] = {name: {"task": name} for name in CW10}


class _MetaWorldTask(NamedTuple):
    """What Meta-World's ``set_task`` takes."""

    env_name: str
    data: bytes


def _shrunk(ranges: spaces.Box, spread: float, index: int = 0, fraction: float = 0.5) -> spaces.Box:
    """Give the ranges shrunk by ``spread`` to their middle, or along one axis to a ``fraction`` of the way up."""
    fractions = np.full(ranges.low.shape, 0.5)
    fractions[index] = fraction
    target = ranges.low + fractions * (ranges.high - ranges.low)
    low, high = (target + spread * (end - target) for end in (ranges.low, ranges.high))
    return spaces.Box(low, high, dtype=np.float64)


def _import_meta_world() -> Mapping[str, Any]:
    """Give Meta-World's classes by name.

    Raises MissingExtraError where Meta-World, or a MuJoCo that fits it, is not installed.
    """
    why = "The family runs on Meta-World (best in an environment of its own: it pins MuJoCo 3.3.0)"
    if importlib.util.find_spec("metaworld"):
        _check_mujoco()
    require_extra("metaworld", "metaworld", why)
    classes: Mapping[str, Any] = importlib.import_module("metaworld.env_dict").ALL_V3_ENVIRONMENTS
    return classes


def _check_mujoco() -> None:
    mujoco = require_extra("mujoco", "metaworld", "Meta-World runs on MuJoCo")
    if mujoco.mjNEQDATA != 11:  # Meta-World writes rows of 11 numbers into its models
        raise MissingExtraError(
            f"Meta-World needs MuJoCo 3.3.0, found MuJoCo {mujoco.__version__}, whose models have another layout: "
            'pip install "lifelong_rl[metaworld]" in an environment of its own.'
        )


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, found {value!r}.")
