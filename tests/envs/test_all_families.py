"""Every built-in family keeps every rule, names the extra that it needs, and refuses bad tasks by name."""

import json
import os
import subprocess
import sys

import pytest
from families import MADE_HERE
from gymnasium import spaces

from lifelong_rl.envs import FAMILIES, TaskEnv, check_task_env, family, make
from lifelong_rl.envs.check_case import Case
from lifelong_rl.envs.check_rules import check_episodes
from lifelong_rl.envs.check_vector import check_vectorised

EXTRAS = {"mujoco": "mujoco", "minigrid": "minigrid", "Box2D": "box2d", "metaworld": "metaworld"}
"""The extra of each optional package, by the name that is imported."""
NEEDING = {
    "mujoco": [name for name, path in FAMILIES.items() if ".mujoco." in path],
    "minigrid": [name for name, path in FAMILIES.items() if "minigrid" in path],
    "Box2D": [name for name, path in FAMILIES.items() if ".walkers." in path or "lunar" in path],
    "metaworld": [name for name, path in FAMILIES.items() if "metaworld" in path],
}
APART = NEEDING["metaworld"]
"""Families whose extra does not go together with the others: a developer's environment lacks it."""


def shows_its_task_as_a_vector(name):
    space = make(name).observation_space
    return isinstance(space, spaces.Box) and len(space.shape) == 1


@pytest.mark.parametrize(
    ("name", "actions"), [(name, kind) for name in MADE_HERE for kind in family(name).action_kinds]
)
def test_a_family_keeps_every_rule(name, actions):
    check_task_env(name, actions=actions)


@pytest.mark.parametrize("name", MADE_HERE)
def test_a_family_that_shows_its_task_keeps_every_rule(name):
    if not shows_its_task_as_a_vector(name):
        with pytest.raises(ValueError, match="the task can be appended to a one-dimensional Box observation only"):
            make(name, observe_task="vector")
        return
    check_task_env(name, seed=1, observe_task="vector")
    one_hot = Case(family(name), {"observe_task": "one-hot", "tasks": family(name).standard_tasks(3)}, 2, 60)
    check_episodes(one_hot)
    check_vectorised(one_hot)


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", EXTRAS)
def test_without_an_extra_its_families_name_it_and_all_others_work(module):
    code = f"""
import json, sys
sys.modules[{module!r}] = None
from lifelong_rl.envs import FAMILIES, family, make
said = {{}}
for name in FAMILIES:
    assert family(name).task_space.default.family == name
    try:
        make(name).close()
    except ImportError as error:
        said[name] = [type(error).__name__, str(error)]
print(json.dumps(said))
"""
    said = json.loads(python(code))

    assert set(NEEDING[module]) <= set(said)
    for name, (kind, words) in said.items():
        extra = EXTRAS["metaworld"] if name in APART else EXTRAS[module]
        assert kind == "MissingExtraError" and f'pip install "lifelong_rl[{extra}]"' in words, (name, words)


def test_pictures_of_the_families_on_mujoco_keep_the_rule():
    code = f"""
from lifelong_rl.envs import family
from lifelong_rl.envs.check_case import Case, NotCheckedError
from lifelong_rl.envs.check_pictures import check_pictures
for name in {NEEDING["mujoco"]!r}:
    try:
        check_pictures(Case(family(name), {{}}, seed=0, n_steps=60))
    except (NotCheckedError, RuntimeError) as error:  # there is no such library on this machine
        assert "MUJOCO_GL" in str(error), error
"""
    python(code, MUJOCO_GL="egl")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_pictures(name):
    assert Case(family(name), {}, 0, 60).takes("render_mode")
    assert family(name).draw is not TaskEnv.draw


@pytest.mark.parametrize("name", MADE_HERE)
def test_a_family_refuses_bad_tasks_and_names_what_is_wrong(name):
    env = make(name)
    space = env.task_space
    feature = space.features[0]
    bad = "no such choice" if feature.kind == "category" else feature.high + 1.0
    other = family("point-goal" if name != "point-goal" else "toy-grid").task_space.default
    for task, words in [
        ({"no_such_feature": 1.0}, f"unknown feature of '{name}' 'no_such_feature'"),
        ({feature.name: bad}, f"feature '{feature.name}' must .*, found {bad!r}"),
        ({feature.name: float("nan")}, f"feature '{feature.name}' must .*, found nan"),
        (other, f"a task of family '{name}' is expected, found one of '{other.family}'"),
    ]:
        with pytest.raises(ValueError, match=words):
            env.reset(options={"task": task})
        with pytest.raises(ValueError, match=words):
            env.queue_task(task)
