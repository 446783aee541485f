"""Pictures of MuJoCo's models, and whether they can be drawn on this machine."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.envs.lookup import require_extra
from lifelong_rl.envs.task_env import NoPicturesHereError

PICTURE_SIZE = (480, 640)
"""Height and width of the pictures, in pixels."""
SET_OPENGL = (
    "Without a screen, set the environment variable MUJOCO_GL=egl (or osmesa) before Python starts, with that "
    "library installed."
)
"""What to do where MuJoCo cannot draw."""


class ModelPictures:
    """Draws the simulations of one model; MuJoCo's renderer is made for the first picture."""

    def __init__(self) -> None:
        self._renderer: Any = None
        self._close_renderer: Callable[[], object] = _nothing

    def picture(self, model: Any, data: Any, camera: str) -> NDArray[np.uint8]:
        """Give what a camera of the model sees, shape (480, 640, 3); NoPicturesHereError where OpenGL is missing."""
        if self._renderer is None:
            self._renderer = self._make_renderer(model)
            # Also where nobody frees it: at exit, OpenGL may be gone before the renderer is.
            self._close_renderer = weakref.finalize(self, self._renderer.close)
        self._renderer.update_scene(data, camera=camera)
        drawn: NDArray[np.uint8] = self._renderer.render()
        return drawn

    def _make_renderer(self, model: Any) -> Any:
        if not has_opengl():  # GLFW would fail, and end the whole process at its next try
            raise NoPicturesHereError(f"MuJoCo cannot draw here (there is no screen). {SET_OPENGL}")
        try:
            mujoco: Any = require_extra("mujoco", "mujoco", "pictures of a model are MuJoCo's")
            return mujoco.Renderer(model, *PICTURE_SIZE)
        except Exception as error:  # each backend of OpenGL fails in its own way
            raise NoPicturesHereError(
                f"MuJoCo cannot draw here ({type(error).__name__}: {error}). {SET_OPENGL}"
            ) from error

    def __reduce__(self) -> tuple[type[ModelPictures], tuple[()]]:
        return ModelPictures, ()  # a renderer cannot be copied: a copy makes its own

    def free(self) -> None:
        """Free the renderer: the next picture may be of another model."""
        self._close_renderer()
        self._renderer = None


def has_opengl() -> bool:
    """Say whether there is something to draw with: a library for no screen, or a screen."""
    uses_screen = os.environ.get("MUJOCO_GL", "").lower() in ("", "glfw")
    return has_screen() or not uses_screen


def has_screen() -> bool:
    """Say whether there is a screen; on Linux, one is named."""
    is_named = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return is_named or not sys.platform.startswith("linux")


def _nothing() -> None:
    return
