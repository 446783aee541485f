"""What the walker families share: a world of its own for each episode, motors, rays, reward and pictures."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.actions import numbers_of
from lifelong_rl.envs.space import Task
from lifelong_rl.envs.task_env import ActionKind, Observation, ObserveTask, RenderMode, TaskEnv
from lifelong_rl.envs.walkers.box2d import import_box2d
from lifelong_rl.envs.walkers.pictures import draw_scene
from lifelong_rl.envs.walkers.rays import N_RAYS, Lidar
from lifelong_rl.envs.walkers.track import END_STEPS, GROUND, PAD_STEPS, STEP, Track, TrackBuilder
from lifelong_rl.envs.walkers.walkers import (
    HIP_SPEED,
    KNEE_SPEED,
    WALKERS,
    Assembly,
    WalkerBuilder,
)

WalkerName: TypeAlias = Literal["default", "short", "quadrupedal"]

STEPS_PER_SECOND = 50
RETURN_OF_A_TRACK = 300.0
"""About what walking a whole track pays; the score is the return over this."""
MASTERY_RETURN = 230.0
"""A return above it is a success (Portelas et al. 2019)."""
SHORTEST_PAD = 8
"""Fewest flat steps at the start: the largest walker has its hull and legs over them."""
START_PUSH = 5.0
"""Largest push of the hull in the first step, in N."""

_STEP_S = 1.0 / STEPS_PER_SECOND
_VELOCITY_ITERATIONS, _POSITION_ITERATIONS = 180, 60
_END_X = END_STEPS * STEP
_PROGRESS_PRICE = 130.0 / 30.0  # a m
_TILT_PRICE = 5.0  # a rad
_FALL_REWARD = -100.0
_SPEEDS = (HIP_SPEED, KNEE_SPEED)
_KNEE_ZERO = 1.0  # added to the angle of a knee: about its middle position
_VELOCITY_SCALES = (0.3 * 20.0 / STEPS_PER_SECOND, 0.3 * 40.0 / 3.0 / STEPS_PER_SECOND)  # a viewport of 20 m x 13.3 m


class WalkerTaskEnv(TaskEnv):
    """A walker that is paid for getting ahead on a track; a family writes :meth:`build_track`.

    Each reset makes a new Box2D world: a used one would keep the order of its contacts, and so the last bits of what
    follows. World, bodies and the callback of the rays belong to one instance.

    Observation, shape (4 + 5 n_legs + 10,): angle of the hull (rad), twice its change a step (rad), its velocity
    along x and y (m/s, times 0.12 and 0.08); for each leg the angle and speed of the hip, the angle (plus 1) and
    speed of the knee (rad, and fractions of the motors' largest speeds) and whether its foot touches the track; then
    how far 10 rays from the hull, from straight down to 1.35 rad ahead of it, reach, as fractions of 5.33 m.
    Action, shape (2 n_legs,): hip and knee of each leg in [-1, 1]: the sign is that of the motor's speed, the size
    the fraction of its largest torque. Reward: 130/30 a metre and -5 a rad of tilt of the hull, less the price of the
    torques; -100 at the step at which the hull touches the track or gets behind its start. An episode ends there or
    at 190 of the track's 200 steps. Score: the return over 300, clipped to [0, 1]. Success: a return above 230.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  # Gymnasium's
        "render_modes": ["rgb_array"],
        "render_fps": STEPS_PER_SECOND,
    }
    action_kinds = ("continuous",)

    def __init__(
        self,
        *,
        walker: WalkerName = "default",
        pad_steps: int = PAD_STEPS,
        actions: ActionKind = "continuous",
        max_episode_steps: int = 2000,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
        render_mode: RenderMode = None,
    ):
        """Make a walker without a track yet.

        walker: "default" has two legs, "short" two of half the length, "quadrupedal" four long strong ones.
        pad_steps: flat steps at the start, in whose middle the walker stands; fewer than the published 20 bring the
            first obstacle nearer.
        """
        self.check_action_kind(actions)
        if not (isinstance(pad_steps, int) and SHORTEST_PAD <= pad_steps <= END_STEPS):
            raise ValueError(
                f"pad_steps must be a whole number in {SHORTEST_PAD} .. {END_STEPS}, found {pad_steps!r}."
            )
        if walker not in get_args(WalkerName):
            raise ValueError(f"walker must be one of {', '.join(get_args(WalkerName))}, found {walker!r}.")
        self._box2d: Any = import_box2d(type(self).__name__)
        self.walker = WALKERS[walker]
        self.pad_steps = pad_steps
        self._walker_builder = WalkerBuilder(self._box2d, self.walker)
        self._track_builder = TrackBuilder(self._box2d)
        self._lidar = Lidar(self._box2d)
        n_motors = self.walker.n_motors
        self.action_space = spaces.Box(-1.0, 1.0, (n_motors,), np.float32)
        self.observation_space = spaces.Box(*_observation_bounds(self.walker.n_legs), dtype=np.float32)
        self._speeds = _SPEEDS * self.walker.n_legs
        self.max_episode_steps = max_episode_steps
        self.track = Track()
        self._parts: Assembly | None = None
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    @abstractmethod
    def build_track(self, rng: np.random.Generator) -> Track:
        """Give a track of the current task, with noise from ``rng``."""

    def start_episode(self) -> Observation:
        """Stand on the pad of a new track, pushed a little, and let one step pass without torque."""
        push = self.np_random.uniform(-START_PUSH, START_PUSH)
        self.track = self.build_track(self.np_random)
        self._parts = None  # before its world goes
        self._world = self._box2d.b2World(gravity=(0.0, -10.0))
        self._track_builder.build(self._world, self.track)
        self._parts = parts = self._walker_builder.build(self._world, 0.5 * self.pad_steps * STEP, GROUND)
        parts.hull.ApplyForceToCenter((push, 0.0), True)
        self._move([0.0] * self.walker.n_motors)
        observation, x, angle = self._observe(parts)
        self._potential = _PROGRESS_PRICE * x - _TILT_PRICE * abs(angle)
        return observation

    def advance(self, action: Any) -> tuple[Observation, float, bool]:
        """Drive the motors for 0.02 s; the terminal states are a touch of the hull, and both ends of the track."""
        spent = self._move(numbers_of(action, self.walker.n_motors))
        parts = self._parts
        assert parts is not None
        observation, x, angle = self._observe(parts)
        before = self._potential
        self._potential = _PROGRESS_PRICE * x - _TILT_PRICE * abs(angle)
        if x < 0.0 or _touches(parts.hull):
            return observation, _FALL_REWARD, True
        return observation, self._potential - before - self.walker.torque_price * spent, x > _END_X

    def _move(self, torques: Sequence[float]) -> float:
        """Let one step pass; gives the sum of the sizes of the clipped torques."""
        assert self._parts is not None
        largest = self.walker.torque
        spent = 0.0
        for joint, speed, torque in zip(self._parts.joints, self._speeds, torques, strict=True):
            size = min(1.0, abs(torque))
            joint.motorSpeed = math.copysign(speed, torque) if torque else 0.0
            joint.maxMotorTorque = largest * size
            spent += size
        self._world.Step(_STEP_S, _VELOCITY_ITERATIONS, _POSITION_ITERATIONS)
        return spent

    def _observe(self, parts: Assembly) -> tuple[Observation, float, float]:
        """Give the observation, and the hull's x and angle."""
        hull = parts.hull
        position, velocity, angle = hull.position, hull.linearVelocity, hull.angle
        numbers = [
            angle,
            2.0 * hull.angularVelocity / STEPS_PER_SECOND,
            _VELOCITY_SCALES[0] * velocity.x,
            _VELOCITY_SCALES[1] * velocity.y,
        ]
        joints = parts.joints
        for i, foot in enumerate(parts.feet):
            hip, knee = joints[2 * i], joints[2 * i + 1]
            numbers += (
                hip.angle,
                hip.speed / HIP_SPEED,
                knee.angle + _KNEE_ZERO,
                knee.speed / KNEE_SPEED,
                1.0 if _touches(foot) else 0.0,
            )
        x = position.x
        numbers += self._lidar.fractions(self._world, x, position.y)
        return np.array(numbers, dtype=np.float32), x, angle

    def score_episode(self, episode_return: float, length: int) -> tuple[float, bool]:
        """Give the return over 300, clipped; success from a return above 230."""
        return min(1.0, max(0.0, episode_return / RETURN_OF_A_TRACK)), episode_return > MASTERY_RETURN

    def draw(self) -> NDArray[np.uint8]:
        """Give a picture that follows the hull: 12 m of the track, shape (300, 600, 3)."""
        assert self._parts is not None
        x, y = self._parts.hull.position
        fractions = self._lidar.fractions(self._world, x, y)
        return draw_scene(self.track, self._parts, fractions, self.walker.standing_height)


def _observation_bounds(n_legs: int) -> tuple[Observation, Observation]:
    unbounded, unit = (-np.inf, np.inf), (0.0, 1.0)
    bounds = [unbounded] * 4 + ([unbounded] * 4 + [unit]) * n_legs + [unit] * N_RAYS
    low, high = np.array(bounds, dtype=np.float32).T
    return low, high


def _touches(body: Any) -> bool:
    """Whether the body touches the track at the end of a step: the parts of a walker touch nothing else.

    Asking costs less than Box2D's contact listener, which calls Python at every contact of every step.
    """
    return any(edge.contact.touching for edge in body.contacts)
