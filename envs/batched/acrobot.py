"""Gymnasium's acrobot as a task family: the links and the motor are the features.

With the default task an episode is Gymnasium's Acrobot-v1 (same seed, same actions): bit for bit but for squares,
which Gymnasium takes as powers and this as products; over 500 steps that grew to 1e-10 at most in 30 episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lifelong_rl.envs.batched.arithmetic import Arithmetic
from lifelong_rl.envs.batched.family import BatchedTaskEnv
from lifelong_rl.envs.drawing import BLACK, BLUE, GREY, ORANGE, Canvas
from lifelong_rl.envs.space import Feature, Task, TaskSpace
from lifelong_rl.envs.task_env import ActionKind, ObserveTask, RenderMode

STEP_S = 0.2
"""Seconds that an action is held, one step of the classic Runge-Kutta method."""
MAX_SPIN_1, MAX_SPIN_2 = 4.0 * math.pi, 9.0 * math.pi
"""Bounds of the joints' velocities, in rad/s."""


class AcrobotState(NamedTuple):
    """Angle of the first link (0 = hanging), of the second to the first, and their velocities."""

    angle_1: Any
    angle_2: Any
    spin_1: Any
    spin_2: Any


class Links(NamedTuple):
    """What the motion needs of the features, in the symbols of Sutton and Barto (2018), figure 11.4 of 1998."""

    length_1: Any
    length_2: Any
    goal: Any
    """Height of the tip above the first joint that ends an episode: the mean of the lengths."""
    torque: Any
    mass_2: Any
    inertia_1: Any
    inertia_2: Any
    mc1: Any
    """m1 lc1^2."""
    l1c2: Any
    """l1^2 + lc2^2."""
    cross: Any
    """l1 lc2."""
    c2c2: Any
    """lc2^2."""
    weight_1: Any
    """(m1 lc1 + m2 l1) g."""
    weight_2: Any
    """m2 lc2 g."""


class Acrobot(BatchedTaskEnv):
    """Two links that hang from a joint, with a motor between them: swing the tip up to a height.

    Observation: cosine and sine of the first link's angle (0 = hanging) and of the second's to the first, and the two
    velocities in rad/s, shape (6,). Actions: "discrete" are 0, 1, 2 for minus, no and plus the task's torque;
    "continuous" is the fraction of it, shape (1,), in [-1, 1] (clipped). Reward: -1 a step, 0 where the tip gets
    above the goal, which ends the episode. Score: 1 plus the return over ``max_episode_steps``. Success: the goal is
    reached.

    The equations are those of Sutton (1996) as Sutton and Barto's book has them and Gymnasium computes them. A
    link's moment of inertia is mass times squared length, Gymnasium's 1 at its 1 kg and 1 m.
    """

    task_space = TaskSpace(
        "acrobot",
        [
            Feature.real("link_length_1", 0.5, 2.0, 1.0, log=True, unit="m"),
            Feature.real("link_length_2", 0.5, 2.0, 1.0, log=True, unit="m"),
            Feature.real("link_mass_1", 0.5, 2.0, 1.0, log=True, unit="kg"),
            Feature.real("link_mass_2", 0.5, 2.0, 1.0, log=True, unit="kg"),
            Feature.real("link_com_1", 0.25, 0.75, 0.5),
            Feature.real("link_com_2", 0.25, 0.75, 0.5),
            Feature.real("torque", 0.5, 3.0, 1.0, log=True, unit="N m"),
            Feature.real("gravity", 4.0, 20.0, 9.8, unit="m/s^2"),
        ],
    )
    action_kinds = ("discrete", "continuous")
    reward_features = ("link_length_1", "link_length_2")
    n_draws = 4

    def __init__(
        self,
        *,
        actions: ActionKind = "discrete",
        max_episode_steps: int = 500,
        render_mode: RenderMode = None,
        observe_task: ObserveTask = "none",
        tasks: Sequence[Task] = (),
    ):
        is_discrete = self.check_action_kind(actions) == "discrete"
        self.action_space = spaces.Discrete(3) if is_discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        high = np.array([1.0, 1.0, 1.0, 1.0, MAX_SPIN_1, MAX_SPIN_2], dtype=np.float32)
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)
        super().__init__(
            actions=actions,
            max_episode_steps=max_episode_steps,
            render_mode=render_mode,
            observe_task=observe_task,
            tasks=tasks,
        )

    def physics(self, params: Mapping[str, float]) -> Links:
        """Give the products of masses and lengths that the equations use."""
        l1, l2 = params["link_length_1"], params["link_length_2"]
        m1, m2 = params["link_mass_1"], params["link_mass_2"]
        c1, c2, g = l1 * params["link_com_1"], l2 * params["link_com_2"], params["gravity"]
        return Links(
            length_1=l1,
            length_2=l2,
            goal=(l1 + l2) / 2.0,
            torque=params["torque"],
            mass_2=m2,
            inertia_1=m1 * l1 * l1,
            inertia_2=m2 * l2 * l2,
            mc1=m1 * (c1 * c1),
            l1c2=l1 * l1 + c2 * c2,
            cross=l1 * c2,
            c2c2=c2 * c2,
            weight_1=(m1 * c1 + m2 * l1) * g,
            weight_2=m2 * c2 * g,
        )

    def begin(self, draws: Any, physics: Links, xp: Arithmetic) -> AcrobotState:
        """Start nearly hanging, nearly still."""
        return AcrobotState(*[xp.single(-0.1 + 0.2 * draw) for draw in draws])  # Gymnasium starts from a float32

    def move(self, state: AcrobotState, action: Any, physics: Links, xp: Arithmetic) -> tuple[AcrobotState, Any, Any]:
        """Hold the torque for 0.2 s."""
        torque = ((action - 1.0) if self.is_discrete else action[0]) * physics.torque
        angle_1, angle_2, spin_1, spin_2 = _runge_kutta(state, torque, physics, xp)
        moved = AcrobotState(
            _wrapped(angle_1, xp),
            _wrapped(angle_2, xp),
            xp.clip(spin_1, -MAX_SPIN_1, MAX_SPIN_1),
            xp.clip(spin_2, -MAX_SPIN_2, MAX_SPIN_2),
        )
        terminated = self._is_above(moved, physics, xp)
        return moved, xp.where(terminated, 0.0, -1.0), terminated

    @staticmethod
    def _is_above(state: AcrobotState, physics: Links, xp: Arithmetic) -> Any:
        elbow = -physics.length_1 * xp.cos(state.angle_1)
        return elbow - physics.length_2 * xp.cos(state.angle_2 + state.angle_1) > physics.goal

    def observe(self, state: AcrobotState, physics: Links, xp: Arithmetic) -> tuple[Any, ...]:
        """Show cosines and sines of the angles, and the velocities."""
        one, two = state.angle_1, state.angle_2
        return xp.cos(one), xp.sin(one), xp.cos(two), xp.sin(two), state.spin_1, state.spin_2

    @staticmethod
    def known_reward(
        params: Mapping[str, Any], observations: Any, actions: Any, next_observations: Any, xp: Any
    ) -> tuple[Any, Any]:
        """Give -1 a step, 0 where the tip is above the goal; see :attr:`TaskEnv.known_reward`."""
        length_1, length_2 = params["link_length_1"], params["link_length_2"]
        cosine_1, sine_1, cosine_2, sine_2 = (next_observations[..., k] for k in range(4))
        tip = -length_1 * cosine_1 - length_2 * (cosine_1 * cosine_2 - sine_1 * sine_2)
        terminated = tip > (length_1 + length_2) / 2.0
        return 1.0 * terminated - 1.0, terminated

    def score(self, episode_return: Any, length: Any, state: Any, physics: Any, xp: Arithmetic) -> tuple[Any, Any]:
        """Give the share of the steps that were not needed; success where the goal was reached."""
        score = xp.clip(1.0 + episode_return / self.max_episode_steps, 0.0, 1.0)
        return score, self._is_above(state, physics, xp)

    def picture(self, state: AcrobotState, physics: Links) -> NDArray[np.uint8]:
        """Give a picture of the links and the height to reach."""
        reach = physics.length_1 + physics.length_2 + 0.2
        canvas = Canvas(x_low=-reach, x_high=reach, y_low=-reach, width=360, height=360)
        canvas.line([(-reach, physics.goal), (reach, physics.goal)], GREY)
        angle = state.angle_1
        elbow = (physics.length_1 * math.sin(angle), -physics.length_1 * math.cos(angle))
        angle += state.angle_2
        tip = (elbow[0] + physics.length_2 * math.sin(angle), elbow[1] - physics.length_2 * math.cos(angle))
        canvas.line([(0.0, 0.0), elbow], BLUE, width=10.0)
        canvas.line([elbow, tip], ORANGE, width=10.0 * math.sqrt(physics.mass_2))
        for joint in ((0.0, 0.0), elbow):
            canvas.circle(joint, 0.07, BLACK)
        return canvas.picture()


def _runge_kutta(state: AcrobotState, torque: Any, links: Links, xp: Arithmetic) -> list[Any]:
    half = STEP_S / 2.0
    one = _rates(state, torque, links, xp)
    two = _rates([y + half * k for y, k in zip(state, one, strict=True)], torque, links, xp)
    three = _rates([y + half * k for y, k in zip(state, two, strict=True)], torque, links, xp)
    four = _rates([y + STEP_S * k for y, k in zip(state, three, strict=True)], torque, links, xp)
    slopes = [a + 2.0 * b + 2.0 * c + d for a, b, c, d in zip(one, two, three, four, strict=True)]
    return [y + STEP_S / 6.0 * slope for y, slope in zip(state, slopes, strict=True)]


def _rates(state: Sequence[Any], torque: Any, links: Links, xp: Arithmetic) -> tuple[Any, Any, Any, Any]:
    """Give the derivatives of the angles and of their velocities."""
    angle_1, angle_2, spin_1, spin_2 = state
    sine, cosine = xp.sin(angle_2), xp.cos(angle_2)
    cross = links.cross
    d1 = links.mc1 + links.mass_2 * (links.l1c2 + 2.0 * cross * cosine) + links.inertia_1 + links.inertia_2
    d2 = links.mass_2 * (links.c2c2 + cross * cosine) + links.inertia_2
    swing = links.mass_2 * cross
    phi2 = links.weight_2 * xp.cos(angle_1 + angle_2 - math.pi / 2.0)
    phi1 = (
        -swing * (spin_2 * spin_2) * sine
        - 2.0 * swing * spin_2 * spin_1 * sine
        + links.weight_1 * xp.cos(angle_1 - math.pi / 2.0)
        + phi2
    )
    push = torque + d2 / d1 * phi1 - swing * (spin_1 * spin_1) * sine - phi2
    turning_2 = push / (links.mass_2 * links.c2c2 + links.inertia_2 - d2 * d2 / d1)
    return spin_1, spin_2, -(d2 * turning_2 + phi1) / d1, turning_2


def _wrapped(angle: Any, xp: Arithmetic) -> Any:
    """Give the angle in [-pi, pi]; in a step it turns by less than two rounds."""
    for _ in range(2):
        angle = xp.where(angle > math.pi, angle - 2.0 * math.pi, angle)
        angle = xp.where(angle < -math.pi, angle + 2.0 * math.pi, angle)
    return angle
