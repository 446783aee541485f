"""The worlds behind the rooms: MiniGrid's own where it has them with these parameters, and three that it has not.

This module imports ``minigrid``, so the family imports it when an instance is made.
"""

# mypy: allow-untyped-calls
# MiniGrid says that it is typed, but not all of its functions are.

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigrid.core.actions import Actions
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Key, Lava, Wall, WorldObj
from minigrid.envs.crossing import CrossingEnv
from minigrid.envs.distshift import DistShiftEnv
from minigrid.envs.doorkey import DoorKeyEnv
from minigrid.envs.empty import EmptyEnv
from minigrid.envs.fetch import FetchEnv
from minigrid.envs.fourrooms import FourRoomsEnv
from minigrid.envs.lavagap import LavaGapEnv
from minigrid.envs.unlock import UnlockEnv
from minigrid.minigrid_env import MiniGridEnv

from lifelong_rl.envs.minigrid.view import view

Numbers = Mapping[str, int]
"""The integer features of a task."""


class World(MiniGridEnv):
    """A MiniGrid environment whose observation is the codes of :func:`view`."""

    def gen_obs(self) -> Any:
        """Give the codes of the cells in view, shape (49,), in place of MiniGrid's dictionary."""
        return view(
            self.grid.grid,
            (self.grid.width, self.grid.height),
            self.agent_pos,
            self.agent_dir,
            carried=self.carrying,
            sees_through_walls=self.see_through_walls,
        )

    @property
    def target(self) -> tuple[str, str] | None:
        """Kind and colour of the thing to fetch, where there is one."""
        return None

    @property
    def is_dead(self) -> bool:
        """Whether the agent stands in lava, or ran into a ball that moves."""
        cell = self.grid.get(*self.agent_pos)
        return cell is not None and cell.type == "lava"


class _Empty(World, EmptyEnv): ...


class _FourRooms(World, FourRoomsEnv): ...


class _Crossing(World, CrossingEnv): ...


class _LavaGap(World, LavaGapEnv): ...


class _DistShift(World, DistShiftEnv): ...


class _DoorKey(World, DoorKeyEnv): ...


class _Unlock(World, UnlockEnv): ...


class Fetch(World, FetchEnv):
    """MiniGrid's room of keys and balls, one of which the mission names."""

    @property
    def target(self) -> tuple[str, str]:
        """Kind and colour of what the mission names."""
        return self.targetType, self.targetColor


class FetchKey(World):
    """A room with yellow keys to fetch among balls and boxes: taking anything ends it (tella's CustomFetch)."""

    def __init__(self, *, size: int, n_targets: int, n_distractors: int, max_steps: int):
        self._n_targets, self._n_distractors = n_targets, n_distractors
        mission = MissionSpace(mission_func=lambda: "fetch a yellow key")
        super().__init__(mission_space=mission, grid_size=size, max_steps=max_steps, see_through_walls=True)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        for _ in range(self._n_targets):
            self.place_obj(Key("yellow"))
        for _ in range(self._n_distractors):
            kind = self._rand_elem([Ball, Box])
            self.place_obj(kind(self._rand_color()))
        self.place_agent()

    @property
    def target(self) -> tuple[str, str]:
        """The yellow key."""
        return "key", "yellow"

    def step(self, action: Any) -> Any:
        """Act; having something in the hands ends the episode, and a yellow key pays."""
        seen, reward, terminated, truncated, info = super().step(action)
        if self.carrying is not None:
            terminated = True
            reward = self._reward() if self.carrying.type == "key" else 0.0
        return seen, reward, terminated, truncated, info


class MovingBall(Ball):
    """A ball that nobody can take away."""

    def can_pickup(self) -> bool:
        """Give False."""
        return False


class DynamicObstacles(World, EmptyEnv):
    """An empty room in which balls move; running into one kills, unlike into walls (tella's version of the room)."""

    def __init__(self, *, size: int, n_obstacles: int, max_steps: int):
        self._n_obstacles = n_obstacles
        self._was_hit = False
        super().__init__(size=size, max_steps=max_steps)

    def _gen_grid(self, width: int, height: int) -> None:
        super()._gen_grid(width, height)
        self._was_hit = False
        self._balls = [MovingBall("blue") for _ in range(self._n_obstacles)]
        for ball in self._balls:
            self.place_obj(ball)

    @property
    def is_dead(self) -> bool:
        """Whether the agent ran into a ball."""
        return self._was_hit

    def step(self, action: Any) -> Any:
        """Move the balls, then act; a ball that was ahead of a step forward ends the episode, even if it made way."""
        ahead = self.grid.get(*self.front_pos)
        self._was_hit = action == Actions.forward and isinstance(ahead, MovingBall)
        for ball in self._balls:
            self._move(ball)
        seen, reward, terminated, truncated, info = super().step(action)
        return seen, reward, terminated or self._was_hit, truncated, info

    def _move(self, ball: MovingBall) -> None:
        """Move a ball to one of the free cells around it, if there is one."""
        assert ball.cur_pos is not None
        x, y = ball.cur_pos
        around = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]  # within the walls, as the ball is
        agent = tuple(self.agent_pos)
        free = [cell for cell in around if self.grid.get(*cell) is None and cell != agent]
        if free:
            self.grid.set(x, y, None)
            self.put_obj(ball, *free[self._rand_int(0, len(free))])


def build(room: str, numbers: Numbers, max_steps: int) -> World:
    """Give the world of a room; the reward of success is 1 - 0.9 * steps / max_steps."""
    return _BUILDERS[room](numbers, max_steps)


def _crossing(numbers: Numbers, max_steps: int, obstacle: type[WorldObj]) -> World:
    return _Crossing(_odd(numbers["size"]), numbers["n_crossings"], obstacle, max_steps)


def _four_rooms(numbers: Numbers, max_steps: int) -> World:
    world = _FourRooms(max_steps=max_steps)
    size = _odd(numbers["size"])
    world.size = world.width = world.height = size  # MiniGrid has them of 19 only; the grid is made at reset
    return world


def _odd(size: int) -> int:
    """Give an odd size: MiniGrid's inner walls need it, its four rooms would have a gap in an outer wall."""
    return size if size % 2 else size - 1


def _unlock(numbers: Numbers, max_steps: int) -> World:
    world = _Unlock(max_steps)
    size = numbers["size"]
    world.room_size, world.width, world.height = size, 2 * size - 1, size  # as above: MiniGrid has 6
    return world


def _dynamic_obstacles(numbers: Numbers, max_steps: int) -> World:
    size = numbers["size"]
    n_obstacles = min(numbers["n_obstacles"], (size - 2) ** 2 // 3)  # more than a third of the floor would fill it
    return DynamicObstacles(size=size, n_obstacles=n_obstacles, max_steps=max_steps)


def _fetch_key(numbers: Numbers, max_steps: int) -> World:
    names = ("size", "n_targets", "n_distractors")
    return FetchKey(**{name: numbers[name] for name in names}, max_steps=max_steps)


_BUILDERS: dict[str, Callable[[Numbers, int], World]] = {
    "empty": lambda numbers, max_steps: _Empty(numbers["size"], None, max_steps=max_steps),
    "four-rooms": _four_rooms,
    "crossing": lambda numbers, max_steps: _crossing(numbers, max_steps, Wall),
    "lava-crossing": lambda numbers, max_steps: _crossing(numbers, max_steps, Lava),
    "lava-gap": lambda numbers, max_steps: _LavaGap(numbers["size"], max_steps=max_steps),
    "dist-shift": lambda numbers, max_steps: _DistShift(
        max(numbers["size"], 7), strip2_row=numbers["strip_row"], max_steps=max_steps
    ),
    "dynamic-obstacles": _dynamic_obstacles,
    "door-key": lambda numbers, max_steps: _DoorKey(numbers["size"], max_steps),
    "unlock": _unlock,
    "fetch": lambda numbers, max_steps: Fetch(numbers["size"], numbers["n_distractors"] + 1, max_steps),
    "fetch-key": _fetch_key,
}
