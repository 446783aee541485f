"""What the families on MuJoCo share: a model a task, rebuilt from edited XML, and pictures of it."""

from __future__ import annotations

import math
import os
import sys
import weakref
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.lookup import MissingExtraError, require_extra
from lifelong_rl.envs.space import Task, Value
from lifelong_rl.envs.task_env import NoPicturesHereError, ObserveTask, RenderMode, TaskEnv

PICTURE_SIZE = (480, 640)
"""Height and width of the pictures of ``render``, in pixels."""

SET_OPENGL = (
    "Without a screen, set the environment variable MUJOCO_GL=egl (or osmesa) before Python starts, with that "
    "library installed."
)
"""What to do where MuJoCo cannot draw."""


class MujocoTaskEnv(TaskEnv):
    """A task family whose physics MuJoCo steps: each task is a model of its own, compiled from XML.

    The compiler derives masses, inertias, inertial frames, bounding sizes and the solver's scales from the shapes,
    so a task rebuilds its model (1 to 2 ms) instead of editing the compiled one; model and state belong to one
    instance and are never shared. A family writes :meth:`build_model` in place of ``apply_task``.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012  # Gymnasium's
    camera: ClassVar[str]
    """The camera of the model that pictures are taken with."""
    physics_steps: ClassVar[int]
    """Steps of the physics in one step of the environment."""

    def __init__(self, *, render_mode: RenderMode, observe_task: ObserveTask, tasks: Sequence[Task]):
        """Finish construction; a family calls it last, as for TaskEnv."""
        self.mujoco: Any = _import_mujoco(type(self).__name__)
        kinds = self.mujoco.mjtWarning
        self._explosions = slice(
            int(kinds.mjWARN_BADQPOS), int(kinds.mjWARN_BADQACC) + 1
        )  # positions to accelerations
        self._renderer: Any = None
        self._free_renderer: Callable[[], object] = _nothing
        self.model: Any = None
        self.data: Any = None
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    @abstractmethod
    def build_model(self, params: Mapping[str, Value]) -> Any:
        """Give the compiled model (mujoco.MjModel) of the features."""

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Build the task's model and a state for it."""
        self.close()
        self.model = self.build_model(params)
        self.data = self.mujoco.MjData(self.model)

    def step_physics(self, action: Any) -> None:
        """Hold the controls for one step of the environment; MuJoCo clips them to their ranges.

        Raises ValueError for an action of another shape and for one that is not finite, and FloatingPointError
        where the simulation becomes unstable.
        """
        controls = np.asarray(action, dtype=np.float64)
        if controls.shape != (self.model.nu,):
            raise ValueError(f"an action must have the shape ({self.model.nu},), found {controls.shape}.")
        if not math.isfinite(controls.sum()):
            raise ValueError(f"an action must be finite, found {action!r}.")
        self.data.ctrl[:] = controls
        self.mujoco.mj_step(self.model, self.data, nstep=self.physics_steps)
        if self.data.warning.number[self._explosions].any():  # it has silently started over
            raise FloatingPointError(
                f"the simulation of {self.task.id!r} became unstable at the action {controls}; "
                "choose a task nearer to the default one."
            )

    def draw(self) -> NDArray[np.uint8]:
        """Give the picture of the family's camera; RuntimeError where OpenGL is missing."""
        if self._renderer is None:
            self._renderer = self._make_renderer()
            # Also where nobody closes the environment: at exit, OpenGL may be gone before the renderer is.
            self._free_renderer = weakref.finalize(self, self._renderer.close)
        self._renderer.update_scene(self.data, camera=self.camera)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def _make_renderer(self) -> Any:
        if not has_opengl():  # GLFW would fail, and end the whole process at its next try
            raise NoPicturesHereError(f"MuJoCo cannot draw here (there is no screen). {SET_OPENGL}")
        height, width = PICTURE_SIZE
        try:
            return self.mujoco.Renderer(self.model, height, width)
        except Exception as error:  # each backend of OpenGL fails in its own way
            raise NoPicturesHereError(
                f"MuJoCo cannot draw here ({type(error).__name__}: {error}). {SET_OPENGL}"
            ) from error

    def close(self) -> None:
        """Free the renderer."""
        self._free_renderer()
        self._renderer = None


def has_opengl() -> bool:
    """Say whether there is something to draw with: a library for no screen, or a screen (on Linux, one is named)."""
    is_named = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    uses_screen = os.environ.get("MUJOCO_GL", "").lower() in ("", "glfw")
    return not uses_screen or is_named or not sys.platform.startswith("linux")


def _import_mujoco(who: str) -> ModuleType:
    try:
        return require_extra("mujoco", "mujoco", f"{who} runs on MuJoCo")
    except MissingExtraError:
        raise
    except (
        Exception
    ) as error:  # MuJoCo loads the library of OpenGL that MUJOCO_GL names, and each fails in its own way
        backend = os.environ.get("MUJOCO_GL")
        raise NoPicturesHereError(
            f"MuJoCo does not import ({type(error).__name__}: {error}), with MUJOCO_GL={backend!r}. If that names a "
            "library of OpenGL that is not installed, unset it (only pictures need it) or install the library."
        ) from error


def _nothing() -> None:
    return
