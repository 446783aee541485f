"""The rules of :func:`lifelong_rl.envs.check_task_env` on features: each does something and leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from lifelong_rl.envs.check_case import Case, TaskEnvError
from lifelong_rl.envs.space import Feature, Value
from lifelong_rl.envs.task_env import TaskEnv
from lifelong_rl.envs.trajectory import first_difference, play

_N_DRAWN_SETTINGS = 64  # some features act only where several others let them; most show in the first setting
_N_FIRST_SETTINGS = 10  # that are tried with held actions, too, before all others
_N_HELD_STEPS = 600
_HELD_FOR = 10
_N_VISITING_STEPS = 20
_MOST_INTEGERS = 6  # an integer feature with more values is tried like a real one


def check_features(case: Case) -> None:
    """Features: EVERY feature changes what an episode shows."""
    space = case.space
    drawn = space.decode_many(space.sample(_N_DRAWN_SETTINGS, np.random.default_rng(case.seed)))
    chosen = [space.task({f.name: choice}) for f in space.features for choice in f.choices]  # a kind's own features
    settings = [task.params for task in (space.default, *chosen, *drawn)]
    for feature in space.features:
        same = _indistinguishable(case, feature, settings)
        if same:
            raise TaskEnvError(
                f"feature {feature.name!r} has no effect between {same[0]!r} and {same[1]!r}: {case.n_steps} steps "
                f"are identical, and {_N_HELD_STEPS} of held actions, with the others at their defaults, a category "
                f"at each of its choices, and at {_N_DRAWN_SETTINGS} drawn settings. "
                "Let apply_task recompute everything that is derived from it, or drop the feature."
            )


def _indistinguishable(
    case: Case, feature: Feature, settings: Sequence[Mapping[str, Value]]
) -> tuple[Value, Value] | None:
    """Give two values of the feature that no setting of the others tells apart, or None."""
    env = case.make_plain()
    values = _telling_values(feature)
    pairs = list(combinations(range(len(values)), 2))
    usual, held = case.actions(env, case.n_steps), _held_actions(case, env)
    first, others = settings[:_N_FIRST_SETTINGS], settings[_N_FIRST_SETTINGS:]
    for actions, tried in ((usual, first), (held, first), (usual, others)):
        for setting in tried:
            tasks = {i: case.space.task({**setting, feature.name: values[i]}) for pair in pairs for i in pair}
            played = {i: play(env, actions, seed=case.seed, task=task) for i, task in tasks.items()}
            pairs = [(i, j) for i, j in pairs if played[i] == played[j]]
            if not pairs:
                return None
    return values[pairs[0][0]], values[pairs[0][1]]


def _held_actions(case: Case, env: TaskEnv) -> list[Any]:
    """Give many actions of which each comes again and again: they go where others do not, to a goal or a gate."""
    actions = case.actions(env, _N_HELD_STEPS // _HELD_FOR)
    return [action for action in actions for _ in range(_HELD_FOR)]


def _telling_values(feature: Feature) -> list[Value]:
    if feature.kind == "category":
        return list(feature.choices)
    if feature.n_values is not None and feature.n_values <= _MOST_INTEGERS:
        return feature.from_unit((np.arange(feature.n_values) + 0.5) / feature.n_values)
    default = feature.to_unit(feature.default)
    probes = [unit for unit in (0.0, 0.5, 1.0) if abs(unit - default) > 0.1]  # nearer ones may well look the same
    return [feature.default, *feature.from_unit(np.array(probes))]


def check_returning(case: Case) -> None:
    """Returning: after any value of a feature, another task plays as in a new instance."""
    env, (default, drawn, _) = case.make_plain(), case.tasks
    actions = case.actions(env, case.n_steps)
    for task in (default, drawn):
        anew = play(case.make_plain(), actions, seed=case.seed, task=task)
        for feature in case.space.features:
            for value in _outermost_values(feature):
                visited = case.space.task({**task.params, feature.name: value})
                play(env, actions[:_N_VISITING_STEPS], seed=case.seed + 1, task=visited)
                returned = play(env, actions, seed=case.seed, task=task)
                if returned != anew:
                    raise TaskEnvError(
                        f"a task must leave nothing behind: after {feature.name}={value!r} was played, {task.params} "
                        f"plays differently than in a new instance, from {first_difference(anew, returned)}. "
                        "Let apply_task set everything that any task sets."
                    )


def _outermost_values(feature: Feature) -> list[Value]:
    return list(feature.choices) if feature.kind == "category" else feature.from_unit(np.array([0.0, 1.0]))
