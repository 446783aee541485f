"""The conformance check of environment families: what everything above this floor relies on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from lifelong_rl.envs.check_actions import check_actions
from lifelong_rl.envs.check_case import Case, NotCheckedError, Rule, TaskEnvError
from lifelong_rl.envs.check_features import check_features, check_returning
from lifelong_rl.envs.check_known_reward import check_known_reward
from lifelong_rl.envs.check_pictures import check_pictures
from lifelong_rl.envs.check_rules import (
    check_declaration,
    check_default,
    check_determinism,
    check_episodes,
    check_gymnasium,
    check_isolation,
    check_naming,
    check_queueing,
    check_refusing,
    check_replay,
    check_staying,
)
from lifelong_rl.envs.check_vector import check_vectorised
from lifelong_rl.envs.factory import family
from lifelong_rl.envs.task_env import TaskEnv

__all__ = ["RULES", "NotCheckedError", "TaskEnvError", "check_env_rules", "check_task_env"]

RULES: tuple[Rule, ...] = (
    check_episodes,
    check_gymnasium,
    check_naming,
    check_queueing,
    check_staying,
    check_refusing,
    check_determinism,
    check_default,
    check_returning,
    check_isolation,
    check_replay,
    check_vectorised,
    check_actions,
    check_features,
    check_pictures,
    check_known_reward,
)
"""The rules after the declaration, in the order in which a failure says most."""

Finding = TaskEnvError | NotCheckedError | None


def check_task_env(family_or_name: type[TaskEnv] | str, *, seed: int = 0, n_steps: int = 60, **options: Any) -> None:
    """Play an environment family and raise :class:`TaskEnvError` at the first rule that it breaks.

    family_or_name: a subclass of TaskEnv, a built-in name, or ``"package.module:Class"``.
    seed: of the tasks, actions and episodes that are tried. n_steps: length of the trajectories that are compared.
    options: go to the constructor. Raises ValueError for an option that the constructor does not have. A rule that
    cannot be checked on this machine (pictures without OpenGL) is logged as a warning.

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
    - returning: after each feature's low and high value (or each choice), the default task, and a drawn one, play in
      that instance as in a new one, bit for bit: no value leaves anything behind;
    - isolation: two instances in one process that play different tasks do not influence each other;
    - replay: ``replay(seed, tasks, actions)`` in a new instance leads, across the end of an episode, to the same
      state: observations, generator, and what follows agree bit for bit;
    - vectorised: three instances with different tasks and seeds each show what they show alone, bit for bit, past
      the ends of two episodes, in Gymnasium's ``SyncVectorEnv`` in each of its autoreset modes, in
      Stable-Baselines3's ``DummyVecEnv``, in ``TaskVecEnv``, and in what the family's own ``make_vector`` and
      ``make_sb3`` give, if it has them: the task survives the automatic reset, which takes a queued task and seed,
      and infos hold the task, and at last steps score and success, where that kind of vector keeps them;
    - actions: NaN, infinity, wrong shapes and choices that there are not are refused with a ValueError that names the
      action, and change nothing; a number beyond the bounds of a Box plays as the one at the bounds, or is refused;
    - features: EVERY feature changes a trajectory (observations, rewards or endings) between each two of its low,
      middle, default and high value (of those that differ from the default by a tenth of the range; all choices, and
      all of up to 6 integers), with the other features at their defaults, or one category at another choice and the
      rest at their defaults, or else at one of 64 drawn settings. What ``n_steps`` random actions do not tell
      apart, 600 may in which each action comes ten times. The task that ``observe_task`` appends does not count;
    - pictures: where the constructor takes ``render_mode`` and the family writes ``draw``, pictures are uint8 of
      shape (height, width, 3), differ between tasks or over time, stay as they were given, and drawing changes
      nothing of the episode; before the first reset ``render`` raises RuntimeError, and without ``render_mode`` it
      gives None;
    - known reward: where the family has one, it equals the played rewards and endings to 1e-4 (of the largest
      reward), with numpy and torch, for batches of any shape, and needs no feature beyond ``reward_features``.
    """
    for _, finding in check_env_rules(family_or_name, seed=seed, n_steps=n_steps, **options):
        if isinstance(finding, TaskEnvError):
            raise finding from finding.__cause__
        if finding is not None:
            logging.getLogger(__name__).warning("not checked here: %s", finding)


def check_env_rules(
    family_or_name: type[TaskEnv] | str, *, seed: int = 0, n_steps: int = 60, **options: Any
) -> Iterator[tuple[str, Finding]]:
    """Give each rule of :func:`check_task_env` as one sentence, when it was checked, with what breaks it or None.

    After a broken declaration no other rule can be checked. NotCheckedError says why a rule cannot be checked here.
    """
    cls = family(family_or_name) if isinstance(family_or_name, str) else family_or_name
    broken = _finding(check_declaration, cls)
    yield _sentence(check_declaration), broken
    if broken is not None:
        return
    case = Case(cls, options, seed, n_steps)
    case.make().close()  # a wrong option and a missing extra are no faults of the family
    for rule in RULES:
        yield _sentence(rule), _finding(rule, case)


def _finding(rule: Any, subject: Any) -> Finding:
    try:
        rule(subject)
    except (TaskEnvError, NotCheckedError) as error:
        return error
    except Exception as error:  # a plug-in may fail in any way
        broken = TaskEnvError(f"{type(error).__name__} was raised ({error}) where this is asked: {_sentence(rule)}")
        broken.__cause__ = error
        return broken
    return None


def _sentence(rule: Any) -> str:
    return str(rule.__doc__).splitlines()[0]
