"""A correct toy family, which the tests of the conformance check break in one way each."""

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs import Feature, TaskEnv, TaskSpace


class Slide(TaskEnv):
    """A correct toy family: a value that slides by speed, noise and action."""

    task_space = TaskSpace(
        "slide",
        [
            Feature.real("speed", 0.1, 0.5, 0.2),
            Feature.integer("stride", 1, 3, 1),
            Feature.category("ground", ("ice", "sand"), "ice"),
        ],
    )
    action_kinds = ("discrete",)

    def __init__(self, *, render_mode=None, observe_task="none", tasks=()):
        self.observation_space = spaces.Box(-1e6, 1e6, (1,), np.float32)
        self.action_space = spaces.Discrete(3)
        self.max_episode_steps = 10
        self.x = 0.0
        super().__init__(render_mode=render_mode, observe_task=observe_task, tasks=tasks)

    def apply_task(self, params):
        self.slide = params["speed"] * params["stride"] * (2.0 if params["ground"] == "ice" else 1.5)

    def start_episode(self):
        self.x = self.np_random.random()
        return self.observe()

    def observe(self):
        return np.array([self.x], dtype=np.float32)

    def advance(self, action):
        if action not in self.action_space:
            raise ValueError(f"an action must be 0, 1 or 2, found {action!r}.")
        self.x += self.slide + int(action) + self.np_random.random()
        return self.observe(), self.x, False

    def score_episode(self, episode_return, length):
        return 0.5, False

    def draw(self):
        return np.full((4, 6, 3), int(self.x * 10.0) % 256, dtype=np.uint8)
