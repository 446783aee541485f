"""The rules of :func:`lifelong_rl.envs.check_task_env` on episodes and tasks, one function each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from lifelong_rl.envs.check_case import Case, TaskEnvError, require_refusal
from lifelong_rl.envs.space import Task, TaskSpace, Value
from lifelong_rl.envs.task_env import TaskEnv, TaskLike
from lifelong_rl.envs.trajectory import first_difference, global_random_states, place, play, play_on, trajectory

# Gymnasium's advice that a family may have good reasons not to follow; its other warnings count as failures.
_HARMLESS = (r"(?s).*space (minimum|maximum) value is -?infinity", r"(?s).*symmetric and normalized space")


def check_declaration(cls: type[TaskEnv]) -> None:
    """Declaration: a subclass of TaskEnv with a task space, action kinds, and ``standard_tasks``."""
    if not (isinstance(cls, type) and issubclass(cls, TaskEnv)):
        raise TaskEnvError(f"an environment family must be a subclass of TaskEnv, found {cls!r}.")
    if not isinstance(getattr(cls, "task_space", None), TaskSpace):
        raise TaskEnvError(f"{cls.__name__} needs a class attribute task_space = TaskSpace(...).")
    kinds = getattr(cls, "action_kinds", ())
    if not kinds or not set(kinds) <= {"discrete", "continuous"}:
        raise TaskEnvError(
            f"{cls.__name__} needs a class attribute action_kinds, its usual kind first, of 'discrete' and "
            f"'continuous'; found {kinds!r}."
        )
    tasks = [cls.task_space.check(task) for task in cls.standard_tasks(4)]
    if len({task.id for task in tasks}) != 4:
        raise TaskEnvError(f"standard_tasks(4) must give 4 different tasks, found {[t.id for t in tasks]}.")


def check_episodes(case: Case) -> None:
    """Episodes: observations, rewards, endings and infos are what the spaces and the protocol say."""
    env = case.make()
    if env.max_episode_steps < 2:
        raise TaskEnvError(f"max_episode_steps must be at least 2, found {env.max_episode_steps}.")
    for task in case.shown_tasks:
        _check_episode(env, task, case)


def _check_episode(env: TaskEnv, task: Task, case: Case) -> None:
    observation, info = env.reset(seed=case.seed, options={"task": task})
    _check_observation(env, observation, "reset")
    if info.get("task") != task:
        raise TaskEnvError(f"the info of reset must hold the task {task}, found {info.get('task')!r}.")
    for step, action in enumerate(case.actions(env, env.max_episode_steps), start=1):
        observation, reward, terminated, truncated, info = env.step(action)
        _check_observation(env, observation, f"step {step}")
        if not math.isfinite(reward):
            raise TaskEnvError(f"rewards must be finite, found {reward!r} at step {step}.")
        if terminated or truncated:
            _check_last_info(info, task)
            if truncated and step < env.max_episode_steps:
                raise TaskEnvError(
                    f"an episode may be truncated after max_episode_steps={env.max_episode_steps} steps, "
                    f"not after {step}."
                )
            return
    raise TaskEnvError(f"the episode has not ended after max_episode_steps={env.max_episode_steps} steps.")


def _check_observation(env: TaskEnv, observation: Any, place: str) -> None:
    space = env.observation_space
    if isinstance(observation, np.ndarray):
        if not np.isfinite(observation).all():
            raise TaskEnvError(f"observations must be finite, found {observation} at {place}.")
        if isinstance(space, spaces.Box) and (observation.dtype, observation.shape) != (space.dtype, space.shape):
            raise TaskEnvError(
                f"observations must have dtype {space.dtype} and shape {space.shape} of the observation space, "
                f"found {observation.dtype} and {observation.shape} at {place}."
            )
    if observation not in space:
        raise TaskEnvError(f"observations must lie in {space}, found {observation} at {place}.")


def _check_last_info(info: Mapping[str, Any], task: Task) -> None:
    for key in ("task", "score", "success"):
        if key not in info:
            raise TaskEnvError(f"the info of an episode's last step must hold {key!r}, found {sorted(info)}.")
    if info["task"] != task:
        raise TaskEnvError(f"the last info must name the task that was played, {task}, found {info['task']!r}.")
    if not isinstance(info["score"], float | int) or not 0.0 <= info["score"] <= 1.0:
        raise TaskEnvError(f"the score must be a number in [0, 1], found {info['score']!r} for {task}.")
    if not isinstance(info["success"], bool | np.bool_):
        raise TaskEnvError(f"success must be a bool, found {info['success']!r} for {task}.")


def check_gymnasium(case: Case) -> None:
    """Gymnasium: its own ``check_env`` passes."""
    from gymnasium.utils.env_checker import check_env

    env = case.make()
    env.action_space.seed(case.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in _HARMLESS:
            warnings.filterwarnings("ignore", message)
        try:
            check_env(env, skip_render_check=True)
        except Exception as error:  # it raises errors of many kinds
            raise TaskEnvError(f"Gymnasium's check_env failed: {error}") from error


def check_naming(case: Case) -> None:
    """Naming: a task given as a Task, by its features, or as a point of the unit cube is the same episode."""
    env = case.make_plain()
    space = case.space
    for task in case.tasks:
        forms: list[tuple[str, TaskLike, Task]] = [
            ("a Task", task, task),
            ("features by name", task.params, space.task(task.params)),
            ("a point of the unit cube", np.array(task.unit), space.decode(task.unit)),
            ("a list of coordinates", list(task.unit), space.decode(task.unit)),
        ]
        for what, form, expected in forms:
            _, info = env.reset(options={"task": form})
            if info["task"].params != expected.params:
                raise TaskEnvError(
                    f"a task given to reset as {what} must be played: expected {expected.params}, "
                    f"found {info['task'].params}."
                )
        _require_same(case, f"{task.params} as a Task and by name", task, task.params)


def check_queueing(case: Case) -> None:
    """Queueing: a queued task (and seed) waits for the next reset that names no task, and for no other."""
    env = case.make_plain()
    first, named, queued = case.tasks
    env.reset(seed=case.seed, options={"task": first})
    env.queue_task(queued, seed=case.seed + 1)
    _check_last_info(_last_info(env, case), first)
    _require_task(env, {"task": named}, named, "a reset that names a task must play it, whatever is queued")
    _require_task(env, None, queued, "a queued task must wait for the next reset that names none")
    env.queue_task(queued, seed=case.seed + 1)
    actions = case.actions(env, case.n_steps)
    if play(env, actions) != play(env, actions, seed=case.seed + 1, task=queued):
        raise TaskEnvError("a task and seed that are queued must play like the same task and seed given to reset.")


def check_staying(case: Case) -> None:
    """Staying: a task stays for later resets that name none."""
    env = case.make_plain()
    _, task, _ = case.tasks
    actions = case.actions(env, case.n_steps)
    named = play(env, actions, seed=case.seed, task=task)
    message = "a task must stay for later resets that name none"
    _require_task(env, None, task, message)
    _require_task(env, {}, task, message)
    if play(env, actions, seed=case.seed) != named:
        raise TaskEnvError(f"{message}: a seeded reset after it plays something else.")


def check_refusing(case: Case) -> None:
    """Refusing: what is no task of the family is refused with ValueError, and changes nothing."""
    env = case.make_plain()
    _, task, _ = case.tasks
    actions = case.actions(env, case.n_steps)
    before = play(env, actions, seed=case.seed, task=task)
    for what, bad in _bad_tasks(case.space):
        require_refusal(partial(env.reset, options={"task": bad}), f"reset with {what}")
        require_refusal(partial(env.queue_task, bad), f"queue_task with {what}")
    if play(env, actions, seed=case.seed) != before:
        raise TaskEnvError("a refused task must leave the environment as it was; it plays something else now.")


def _bad_tasks(space: TaskSpace) -> Iterator[tuple[str, TaskLike]]:
    default, d = space.default, space.dimension
    yield "an unknown feature", {"no_such_feature": 0.5}
    yield "a task of another family", replace(default, family=f"not-{space.family}")
    yield "a point of wrong shape", np.zeros(d + 1)
    yield "a matrix", np.zeros((1, d))
    if d:
        yield "a point outside the unit cube", np.full(d, 1.5)
        yield "a point below the unit cube", np.full(d, -0.5)
        yield "a point with NaN", np.full(d, np.nan)
    for feature in space.features:
        bad_values: list[Value] = [math.nan]
        if feature.kind != "category":
            bad_values += [feature.low - 1.0, feature.high + 1.0, math.inf]
        for value in bad_values:
            yield f"{feature.name}={value}", {feature.name: value}


def check_determinism(case: Case) -> None:
    """Determinism: the same seed, task and actions give the same trajectory, in any instance."""
    env = case.make_plain()
    actions = case.actions(env, case.n_steps)
    global_states = global_random_states()
    for task in case.tasks:
        first = play(env, actions, seed=case.seed, task=task)
        for other in case.tasks:
            play(env, actions, seed=case.seed + 1, task=other)
        again = play(env, actions, seed=case.seed, task=task)
        anew = play(case.make_plain(), actions, seed=case.seed, task=task)
        for what, played in (("the same instance", again), ("a new instance", anew)):
            if played != first:
                raise TaskEnvError(
                    f"the same seed, task and actions must give the same trajectory; in {what} it differs from "
                    f"{first_difference(first, played)} for {task.params}."
                )
    if global_random_states() != global_states:
        raise TaskEnvError("an environment must draw from self.np_random only; it drew from a global generator.")


def check_default(case: Case) -> None:
    """Default: an environment that was told no task plays the default one."""
    env = case.make_plain()
    actions = case.actions(env, case.n_steps)
    default, other, _ = case.tasks
    untold = play(env, actions, seed=case.seed)
    named = play(case.make_plain(), actions, seed=case.seed, task=default)
    play(env, actions, seed=case.seed, task=other)
    returned = play(env, actions, seed=case.seed, task=default)
    for what, played in (("naming the default task", named), ("coming back to it", returned)):
        if played != untold:
            raise TaskEnvError(
                f"an environment that was told no task must play the default one; {what} differs from "
                f"{first_difference(untold, played)}."
            )


def check_isolation(case: Case) -> None:
    """Isolation: two instances that play different tasks do not influence each other."""
    tasks = case.tasks[1:]
    envs = [case.make_plain() for _ in tasks]
    actions = case.actions(envs[0], case.n_steps)
    alone = [play(case.make_plain(), actions, seed=case.seed, task=task) for task in tasks]
    together = [trajectory(env, actions, case.seed, task) for env, task in zip(envs, tasks, strict=True)]
    for step, parts in enumerate(zip(*together, strict=True)):
        if list(parts) != [one[step] for one in alone]:
            raise TaskEnvError(
                "two instances in one process must not influence each other: with another task in the other one, "
                f"the trajectory differs from {place(step)}. Keep state on the instance, not in the module or class."
            )


def check_replay(case: Case) -> None:
    """Replay: ``replay`` in a new instance leads to the same state."""
    env = case.make_plain()
    actions = case.actions(env, env.max_episode_steps + case.n_steps)
    tasks, played = _stretch(env, case, actions)
    replayed = case.make_plain()
    play(replayed, actions[:3], seed=case.seed + 1, task=case.tasks[0])
    observation = replayed.replay(case.seed, tasks, actions[: len(played)])
    if observation.tobytes() != played[-1]:
        raise TaskEnvError("replay must lead to the same observation, but its last observation differs.")
    if str(env.np_random.bit_generator.state) != str(replayed.np_random.bit_generator.state):
        raise TaskEnvError("replay must lead to the same state, but the state of np_random differs.")
    following = [play_on(one, actions[: case.n_steps]) for one in (env, replayed)]
    if following[0] != following[1]:
        raise TaskEnvError(
            f"replay must lead to the same state, but what follows differs from {first_difference(*following)}."
        )


def _stretch(env: TaskEnv, case: Case, actions: Sequence[Any]) -> tuple[list[Task], list[bytes]]:
    """Play past the first end of an episode, to the middle of one; gives the resets' tasks and the observations."""
    _, first, second = case.tasks
    env.reset(seed=case.seed, options={"task": first})
    tasks, observations = [first], []
    for action in actions:
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            tasks.append(second if len(tasks) % 2 else first)
            observation, _ = env.reset(options={"task": tasks[-1]})
        observations.append(observation.tobytes())
        is_in_episode = not (terminated or truncated)
        if is_in_episode and len(tasks) > 1 and len(observations) >= case.n_steps:
            break
    return tasks, observations


def _last_info(env: TaskEnv, case: Case) -> dict[str, Any]:
    for action in case.actions(env, env.max_episode_steps):
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return info
    raise TaskEnvError(f"the episode has not ended after max_episode_steps={env.max_episode_steps} steps.")


def _require_task(env: TaskEnv, options: dict[str, Any] | None, task: Task, message: str) -> None:
    _, info = env.reset(options=options)
    if info["task"] != task:
        raise TaskEnvError(f"{message}: expected {task}, found {info['task']}.")


def _require_same(case: Case, what: str, one: TaskLike, other: TaskLike) -> None:
    env = case.make_plain()
    actions = case.actions(env, case.n_steps)
    trajectories = [play(env, actions, seed=case.seed, task=task) for task in (one, other)]
    if trajectories[0] != trajectories[1]:
        raise TaskEnvError(
            f"the same task must be the same episode; {what}: differs from {first_difference(*trajectories)}."
        )
