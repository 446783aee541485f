"""Any Gymnasium environment as a task family, by a declaration of what its features are."""

from __future__ import annotations

import atexit
import copy
import math
import re
import warnings
import weakref
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from lifelong_rl.envs.gymnasium_spaces import action_kind, checked_action, observations_of
from lifelong_rl.envs.gymnasium_targets import Argument, Target, targets_of
from lifelong_rl.envs.lookup import MissingExtraError
from lifelong_rl.envs.mujoco.model_field import ModelField, has_model, recompute_constants
from lifelong_rl.envs.mujoco.pictures import SET_OPENGL, has_opengl
from lifelong_rl.envs.mujoco.stability import has_exploded
from lifelong_rl.envs.space import Feature, Task, TaskSpace, Value
from lifelong_rl.envs.task_env import ActionKind, NoPicturesHereError, Observation, ObserveTask, RenderMode, TaskEnv

_SET_SDL = "Without a screen, set the environment variable SDL_VIDEODRIVER=dummy before Python starts."


class _OfTheActionSpace:
    """``action_kinds`` of a family that does not say them: of its environment, which is made to be asked."""

    def __get__(self, instance: object, owner: type[GymnasiumFamily]) -> tuple[ActionKind, ...]:
        if owner is GymnasiumFamily:
            raise AttributeError("GymnasiumFamily itself has no environment whose action kinds it could name.")
        return _action_kinds(owner)  # type: ignore[arg-type]  # mypy takes the class for an instance


class GymnasiumFamily(TaskEnv):
    """A registered Gymnasium environment whose physics or settings are the task.

    A subclass declares :attr:`env_id`, :attr:`features` and the returns that :meth:`score_episode` needs::

        class AcrobotLinks(GymnasiumFamily):
            env_id = "Acrobot-v1"
            features = {
                Feature.real("length", 0.5, 2.0, 1.0, unit="m"): Attribute("LINK_LENGTH_1"),
                Feature.real("mass", 0.5, 2.0, 1.0, unit="kg"): Attribute("LINK_MASS_1"),
            }
            worst_return, best_return = -500.0, -60.0

    The environment draws from the family's generator, and its default task is the environment as it is registered,
    step for step. Observations are the environment's; real numbers are rounded to float32. Actions must be finite
    and of the right shape and number; those outside a Box are clipped.
    """

    env_id: ClassVar[str]
    """The name under which Gymnasium knows the environment, such as "Acrobot-v1"."""
    features: ClassVar[Mapping[Feature, Target | tuple[Target, ...]]]
    """Where each feature goes: an Attribute, an Argument, a ModelField, or several of them.

    A default must be the environment's own value. An empty tuple leaves the feature to :meth:`derive`.
    """
    arguments: ClassVar[Mapping[str, Any]] = {}
    """Arguments that the environment is always made with."""
    action_arguments: ClassVar[Mapping[ActionKind, Mapping[str, Any]]] = {}
    """Arguments that make each kind of action space, the usual one first, where the environment offers both."""
    worst_return: ClassVar[float]
    """The return whose score is 0; lower ones score 0 too."""
    best_return: ClassVar[float]
    """The return whose score is 1; higher ones score 1 too."""
    success_return: ClassVar[float | None] = None
    """The least return of a success; None takes the threshold with which the environment is registered."""
    action_kinds = _OfTheActionSpace()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "features" in vars(cls):
            if not isinstance(cls.features, Mapping):
                raise ValueError(
                    f"{cls.__name__} declares its features as {{Feature.real(...): Attribute(...)}}, found "
                    f"{cls.features!r}."
                )
            for feature, targets in cls.features.items():
                targets_of(feature, targets)
            cls.task_space = TaskSpace(_with_hyphens(cls.__name__), list(cls.features))

    def __init__(
        self,
        *,
        actions: ActionKind | None = None,
        max_episode_steps: int | None = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """Make the environment and compare the declaration with it.

        actions: None takes the first of :attr:`action_kinds`. max_episode_steps: None takes the registered limit.
        """
        kind: Any = self.check_action_kind(self.action_kinds[0] if actions is None else actions)
        self._settings = {**self.arguments, **self.action_arguments.get(kind, {})}
        if render_mode is not None:
            self._settings["render_mode"] = render_mode
        self._adopt(self.make_environment(**self._settings))
        self._check_defaults()
        self._arguments = {target.name: own for _, target, own in self._targets if isinstance(target, Argument)}
        self._has_model = any(isinstance(target, ModelField) for _, target, _ in self._targets)
        self._picture: Any = None
        self._at_exit = partial(_close, weakref.ref(self))
        self.last_info: dict[str, Any] = {}
        """The environment's own info of the last step, for a score_episode that needs it."""
        self.action_space = self._inner.action_space
        self.observation_space, self._convert = observations_of(self._inner.observation_space, self.env_id)
        self.max_episode_steps = self._limit(max_episode_steps)
        self._success_return = self._threshold()
        self.metadata = {**self.metadata, "render_fps": self._inner.metadata.get("render_fps", 30)}
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    # What a family may write

    @classmethod
    def make_environment(cls, **arguments: Any) -> gymnasium.Env[Any, Any]:
        """Give a new environment; a family may wrap it here, as in ``FlattenObservation(super()...)``."""
        for name in ("env_id", "features"):
            if not hasattr(cls, name):
                raise ValueError(f"{cls.__name__} must declare {name}, as every GymnasiumFamily does.")
        if not cls.features:
            raise ValueError(f"{cls.__name__} must declare at least one feature, found features = {cls.features!r}.")
        try:
            spec = copy.deepcopy(gymnasium.spec(cls.env_id))
            spec.max_episode_steps, spec.order_enforce = None, False  # a TaskEnv has both
            with warnings.catch_warnings():
                # Importing Box2D warns of how SWIG made it; where warnings are errors, Python crashes there.
                warnings.filterwarnings("ignore", "builtin type .* has no __module__ attribute", DeprecationWarning)
                warnings.filterwarnings("ignore", ".*is not in the possible render_modes")  # then draw() says so
                return gymnasium.make(spec, disable_env_checker=True, **arguments)
        except DependencyNotInstalled as error:
            extra = next((name for name in ("box2d", "mujoco") if f".{name}." in str(spec.entry_point)), None)
            advice = f': pip install "lifelong_rl[{extra}]"' if extra else f": {error}"
            raise MissingExtraError(f"{cls.env_id} needs a package that is not installed{advice}.") from error
        except gymnasium.error.UnregisteredEnv as error:
            raise ValueError(f"env_id of {cls.__name__} is no registered environment: {error}") from error

    def derive(self, env: Any, params: Mapping[str, Value]) -> None:
        """Recompute what ``env``, the unwrapped environment, computes of the features only once, when it is made."""

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Place the return between the worst (score 0) and the best (1); success from :attr:`success_return`."""
        score = (episode_return - self.worst_return) / (self.best_return - self.worst_return)
        return min(1.0, max(0.0, score)), episode_return >= self._success_return

    # What TaskEnv asks for

    def apply_task(self, params: Mapping[str, Value]) -> None:
        """Put every feature in its place, in a new environment where one is an argument with another value."""
        arguments = {target.name: params[name] for name, target, _ in self._targets if isinstance(target, Argument)}
        if arguments != self._arguments:
            self._remake(arguments)
        env = self._inner.unwrapped
        for name, target, own in self._targets:
            target.write(env, params[name], own)
        self.derive(env, params)
        if self._has_model:
            recompute_constants(env)

    def start_episode(self) -> Observation:
        """Reset the environment with the family's generator."""
        self._picture = None
        self._inner.unwrapped.np_random = self.np_random  # every time: seeding makes a new generator
        observation: Observation = self._convert(self._inner.reset()[0])
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Play one step of the environment."""
        action = checked_action(action, self.action_space)
        self._picture = None
        observation, reward, terminated, truncated, self.last_info = self._inner.step(action)
        if truncated and not terminated and self._episode_steps + 1 < self.max_episode_steps:
            raise RuntimeError(
                f"{self.env_id} ended an episode by a time limit of its own after {self._episode_steps + 1} steps: "
                f"make {type(self).__name__} with a max_episode_steps of at most that."
            )
        if not math.isfinite(reward) or (self._has_model and has_exploded(self._inner.unwrapped.data)):
            raise FloatingPointError(
                f"the simulation of {self.task.id!r} became unstable (reward {reward}) at the action {action}; "
                "choose a task nearer to the default one."
            )
        return self._convert(observation), float(reward), bool(terminated)

    def draw(self) -> NDArray[np.uint8]:
        """Give the environment's own picture, one a state: some environments let smoke fade at each drawing."""
        if self._picture is None:
            self._picture = self._render()
            # Where nobody closes this: at exit, in reverse order, the renderer goes before the OpenGL that it loaded.
            atexit.unregister(self._at_exit)
            atexit.register(self._at_exit)
        picture: NDArray[np.uint8] = self._picture.copy()
        return picture

    def close(self) -> None:
        """Close the environment."""
        atexit.unregister(self._at_exit)
        self._inner.close()

    # The rest is private

    def _render(self) -> Any:
        if "rgb_array" not in self._inner.metadata.get("render_modes", ()):
            raise NoPicturesHereError(
                f"{self.env_id} has no pictures: it does not offer the render mode 'rgb_array'."
            )
        is_on_mujoco = has_model(self._inner.unwrapped)
        if is_on_mujoco and not has_opengl():  # GLFW would fail, and end the whole process at its next try
            raise NoPicturesHereError(f"{self.env_id} cannot draw here (there is no screen). {SET_OPENGL}")
        try:
            return self._inner.render()
        except Exception as error:  # a missing package, screen or library shows in many ways
            raise NoPicturesHereError(
                f"{self.env_id} cannot draw here ({type(error).__name__}: {error}). "
                f"{SET_OPENGL if is_on_mujoco else _SET_SDL}"
            ) from error

    def _remake(self, arguments: dict[str, Any]) -> None:
        new = self.make_environment(**{**self._settings, **arguments})
        self._require_same_spaces(new)
        self.close()
        self._adopt(new)
        self._arguments = arguments

    def _adopt(self, env: Any) -> None:
        """Take the environment, and read what it has in every place of every feature."""
        self._inner = env
        self._targets = [
            (feature.name, target, target.read(env.unwrapped))
            for feature, targets in self.features.items()
            for target in targets_of(feature, targets)
        ]

    def _check_defaults(self) -> None:
        defaults = self.task_space.default.params
        for name, target, own in self._targets:
            own = 1.0 if isinstance(target, ModelField) and target.scaled else own
            if not np.all(own == defaults[name]):
                raise ValueError(
                    f"feature {name!r} of {type(self).__name__} has the default {defaults[name]!r}, but "
                    f"{self.env_id} has {own!r} as {target}: declare that as the default, or the other value among "
                    "the `arguments`."
                )

    def _require_same_spaces(self, new: Any) -> None:
        for kind in ("observation_space", "action_space"):
            if getattr(new, kind) != getattr(self._inner, kind):
                raise ValueError(
                    f"all tasks of a family have one {kind}, but an argument of {type(self).__name__} changes it "
                    f"from {getattr(self._inner, kind)} to {getattr(new, kind)}: leave that argument out."
                )

    def _limit(self, max_episode_steps: int | None) -> int:
        """Give what was passed, else what the class declares, else the registered limit."""
        declared: int | None = getattr(type(self), "max_episode_steps", None)
        for limit in (max_episode_steps, declared, gymnasium.spec(self.env_id).max_episode_steps):
            if limit is not None:
                return limit
        raise ValueError(
            f"{self.env_id} is registered without a time limit: {type(self).__name__} must declare max_episode_steps."
        )

    def _threshold(self) -> float:
        """Give the return of a success, and refuse a family that cannot score its episodes."""
        if type(self).score_episode is not GymnasiumFamily.score_episode:
            return math.nan
        name = type(self).__name__
        if not (hasattr(self, "worst_return") and hasattr(self, "best_return")):
            raise ValueError(f"{name} must say its worst_return and best_return, or write score_episode.")
        if not self.worst_return < self.best_return:
            raise ValueError(
                f"{name} needs worst_return < best_return, found {self.worst_return!r} and {self.best_return!r}."
            )
        threshold = self.success_return
        if threshold is None:
            threshold = gymnasium.spec(self.env_id).reward_threshold
        if threshold is None:
            raise ValueError(
                f"{self.env_id} is registered without a reward threshold: {name} must say success_return."
            )
        return float(threshold)


@cache
def _action_kinds(family: type[GymnasiumFamily]) -> tuple[ActionKind, ...]:
    if family.action_arguments:
        return tuple(family.action_arguments)
    env = family.make_environment(**family.arguments)
    kind = action_kind(env.action_space)
    env.close()
    return (kind,)


def _close(env: weakref.ref[GymnasiumFamily]) -> None:
    if (alive := env()) is not None:
        alive.close()


def _with_hyphens(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
