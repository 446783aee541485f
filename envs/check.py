"""The conformance check of environment families: what everything above this floor relies on."""

from __future__ import annotations

from typing import Any

from lifelong_rl.envs.check_known_reward import check_known_reward
from lifelong_rl.envs.check_rules import RULES, Case, TaskEnvError, check_declaration
from lifelong_rl.envs.factory import family
from lifelong_rl.envs.task_env import TaskEnv

__all__ = ["TaskEnvError", "check_task_env"]


def check_task_env(family_or_name: type[TaskEnv] | str, *, seed: int = 0, n_steps: int = 60, **options: Any) -> None:
    """Play an environment family and raise :class:`TaskEnvError` at the first rule that it breaks.

    family_or_name: a subclass of TaskEnv, a built-in name, or ``"package.module:Class"``.
    seed: of the tasks, actions and episodes that are tried. n_steps: length of the trajectories that are compared.
    options: go to the constructor. Raises ValueError for an option that the constructor does not have.

    The rules:

    - declaration: the family is a TaskEnv with a task space, action kinds, and ``max_episode_steps`` of at least 2;
      ``standard_tasks(n)`` gives n different tasks of the space;
    - episodes: observations are finite and lie in the observation space with its dtype and shape; rewards are
      finite; an episode ends within ``max_episode_steps`` and is truncated no earlier; the info of a reset holds
      the task, that of a last step holds the task that was played, its score in [0, 1] and its success as a bool;
    - Gymnasium: its own ``check_env`` passes, without warnings other than on infinite or unnormalised boxes;
    - naming tasks: a task may be given as a Task, as features by name, or as a point of the unit cube, and the same
      task played is the same episode;
    - queueing: a queued task (and seed) waits for the next reset that names no task, and for no other;
    - staying: a task stays for later resets that name none, seeded or not;
    - refusing: values out of bounds, unknown features, wrong shapes, NaN and other families' tasks are refused with
      ValueError, by ``reset`` and by ``queue_task``, and leave the environment as it was;
    - determinism: the same seed, task and actions give the same trajectory bit for bit, in the same instance after
      another task and in a new one, without drawing from the global generators of numpy and Python;
    - default: an environment that was told no task plays the default one, and comes back to it unchanged;
    - isolation: two instances in one process that play different tasks do not influence each other;
    - replay: ``replay(seed, tasks, actions)`` in a new instance leads, across the end of an episode, to the same
      state: observations, generator, and what follows agree bit for bit;
    - features: EVERY feature changes a trajectory (observations, rewards or endings) between each two of its low,
      middle, default and high value (of those that differ from the default by a tenth of the range; all choices, and
      all of up to 6 integers), with the other features at their defaults or else at one of 8 drawn settings. The
      task that ``observe_task`` appends does not count;
    - known reward: where the family has one, it equals the played rewards and endings to 1e-4 (of the largest
      reward), with numpy and torch, for batches of any shape, and needs no feature beyond ``reward_features``.
    """
    cls = family(family_or_name) if isinstance(family_or_name, str) else family_or_name
    check_declaration(cls)
    case = Case(cls, options, seed, n_steps)
    for rule in (*RULES, check_known_reward):
        rule(case)
