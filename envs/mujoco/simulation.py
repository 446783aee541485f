"""What the families on MuJoCo share: a model a task, rebuilt from edited XML, and pictures of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.envs.actions import array_of
from lifelong_rl.envs.lookup import MissingExtraError, construct, require_extra
from lifelong_rl.envs.mujoco.model_xml import Edit, ModelXml
from lifelong_rl.envs.mujoco.pictures import ModelPictures
from lifelong_rl.envs.mujoco.stability import has_exploded
from lifelong_rl.envs.space import Task, Value
from lifelong_rl.envs.task_env import ActionKind, NoPicturesHereError, ObserveTask, RenderMode, TaskEnv
from lifelong_rl.envs.vector_tasks import check_count

if TYPE_CHECKING:
    from lifelong_rl.envs.mujoco.sb3 import MujocoVecEnv
    from lifelong_rl.envs.mujoco.vector_env import MujocoVectorEnv


class MujocoTaskEnv(TaskEnv):
    """A task family whose physics MuJoCo steps: each task is a model of its own, compiled from XML.

    The compiler derives masses, inertias, inertial frames, bounding sizes and the solver's scales from the shapes,
    so a task rebuilds its model (1 to 4 ms) instead of editing the compiled one; model and state belong to one
    instance and are never shared. In place of ``apply_task`` a family declares one of Gymnasium's models and
    what each feature edits in it, or writes :meth:`build_model`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012  # Gymnasium's
    action_kinds = ("continuous",)
    gymnasium_xml: ClassVar[str]
    """The file of Gymnasium's model."""
    edits: ClassVar[Mapping[str, Edit]]
    """What each feature changes in it, in this order."""
    camera: ClassVar[str]
    """The camera of the model that pictures are taken with."""
    physics_steps: ClassVar[int]
    """Steps of the physics in one step of the environment."""
    episode_steps: ClassVar[int] = 1000
    """Steps of an episode where the constructor names none."""
    observation_size: ClassVar[int]
    action_size: ClassVar[int]
    action_limit: ClassVar[float] = 1.0
    """Actions lie between minus this and this."""

    def __init__(
        self,
        *,
        actions: ActionKind = "continuous",
        max_episode_steps: int | None = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """Make the family's spaces; see TaskEnv. max_episode_steps: None stands for :attr:`episode_steps`."""
        self.check_action_kind(actions)
        _import_mujoco(type(self).__name__)
        self._pictures = ModelPictures()
        self.model: Any = None
        self.data: Any = None
        self.action_space = spaces.Box(-self.action_limit, self.action_limit, (self.action_size,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.observation_size,), np.float32)
        self.max_episode_steps = self.episode_steps if max_episode_steps is None else max_episode_steps
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    @property
    def mujoco(self) -> Any:
        """The module. No instance keeps it, as what holds a module cannot be pickled or copied."""
        return sys.modules["mujoco"] if "mujoco" in sys.modules else _import_mujoco(type(self).__name__)

    @classmethod
    def make_vector(
        cls,
        n: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        n_threads: int = 1,
        **options: Any,
    ) -> MujocoVectorEnv:
        """Give n instances as one ``gymnasium.vector.VectorEnv``; options: of the family's constructor.

        n_threads: how many instances are stepped at once; the result is the same for any number.
        """
        from lifelong_rl.envs.mujoco.vector_env import MujocoVectorEnv

        return MujocoVectorEnv(cls._makers(n, options), n_threads=n_threads, autoreset_mode=autoreset_mode)

    @classmethod
    def make_sb3(
        cls, n: int, seeds: Sequence[int | None] | None = None, *, n_threads: int = 1, **options: Any
    ) -> MujocoVecEnv:
        """Give n instances as one Stable-Baselines3 ``VecEnv``; options: of the family's constructor.

        seeds: one for each instance, whose later resets go on from there. n_threads: as for :meth:`make_vector`.
        """
        from lifelong_rl.envs.mujoco.sb3 import MujocoVecEnv

        vector = MujocoVecEnv(cls._makers(n, options), n_threads=n_threads)
        for env, seed in zip(vector.envs, seeds or (), strict=bool(seeds)):
            if seed is not None:
                env.reset(seed=seed)
        return vector

    @classmethod
    def _makers(cls, n: int, options: dict[str, Any]) -> list[Callable[[], TaskEnv]]:
        check_count(n)
        return [partial(construct, "environment family", cls, options)] * n

    def edit_model(self, xml: ModelXml, params: Mapping[str, Value]) -> None:
        """Write the features into the document; a family adds what its own needs beyond :attr:`edits`."""
        for name, edit in self.edits.items():
            edit(xml, float(params[name]))

    def build_model(self, params: Mapping[str, Value]) -> Any:
        """Give the compiled model (mujoco.MjModel) of the features."""
        xml = ModelXml(self.gymnasium_xml)
        self.edit_model(xml, params)
        return self.mujoco.MjModel.from_xml_string(xml.text())

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Build the task's model and a state for it."""
        self.close()
        self.model = self.build_model(params)
        self.data = self.mujoco.MjData(self.model)
        self.step_s = float(self.model.opt.timestep) * self.physics_steps  # one step of the environment, in s

    def place(self, positions: ArrayLike, velocities: ArrayLike) -> None:
        """Start over from a state: positions of shape (nq,), velocities of shape (nv,)."""
        self.mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = positions
        self.data.qvel[:] = velocities
        self.mujoco.mj_forward(self.model, self.data)

    def step_physics(self, action: Any) -> None:
        """Hold the controls for one step of the environment; MuJoCo clips them to their ranges.

        Raises ValueError for an action of another shape and for one that is not finite, and FloatingPointError
        where the simulation becomes unstable.
        """
        controls = array_of(action, (self.model.nu,))
        self.data.ctrl[:] = controls
        self.mujoco.mj_step(self.model, self.data, nstep=self.physics_steps)
        if has_exploded(self.data):
            raise FloatingPointError(
                f"the simulation of {self.task.id!r} became unstable at the action {controls}; "
                "choose a task nearer to the default one."
            )

    def effort(self, action: Any) -> Any:
        """Give the sum of the squared actions, clipped as MuJoCo clips them, in their own precision, as Gymnasium."""
        return np.minimum(np.square(action), self.action_limit**2).sum()  # quicker than clipping first

    def draw(self) -> NDArray[np.uint8]:
        """Give the picture of the family's camera; NoPicturesHereError where OpenGL is missing."""
        return self._pictures.picture(self.model, self.data, self.camera)

    def close(self) -> None:
        """Free the renderer."""
        self._pictures.free()


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
