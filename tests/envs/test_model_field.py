"""Fields of MuJoCo models as features: the model becomes what a family written by hand compiles, and only its own."""

# ruff: noqa: RUF012  # a declaration is never changed

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from lifelong_rl.envs import Attribute, Feature, GymnasiumFamily, ModelField, check_task_env, make


class DoublePendulum(GymnasiumFamily):
    env_id = "InvertedDoublePendulum-v5"
    features = {
        Feature.real("gravity", -20.0, -4.0, -9.81, unit="m/s^2"): ModelField("opt.gravity[2]"),
        Feature.real("pole_density", 0.5, 2.0, 1.0, log=True): (
            ModelField("body_mass[pole]", scaled=True),
            ModelField("body_inertia[pole]", scaled=True),
        ),
        Feature.real("damping", 0.01, 0.3, 0.05, log=True): (
            ModelField("dof_damping[hinge]"),
            ModelField("dof_damping[hinge2]"),
        ),
        Feature.real("gear", 250.0, 1000.0, 500.0, log=True): ModelField("actuator_gear[slide, 0]"),
    }
    worst_return, best_return = 0.0, 9359.0


class Cheetah(GymnasiumFamily):
    """HalfCheetah-v5 with three features of the family "half-cheetah", which compiles its models."""

    env_id = "HalfCheetah-v5"
    features = {
        Feature.real("gravity", -20.0, -4.0, -9.81): ModelField("opt.gravity[2]"),
        Feature.real("mass", 0.5, 2.0, 1.0): (
            ModelField("body_mass", scaled=True),
            ModelField("body_inertia", scaled=True),
        ),
        Feature.real("thigh_gear", -1.5, 1.5, 1.0): ModelField("actuator_gear[bthigh, 0]", scaled=True),
        Feature.real("friction", 0.1, 1.6, 0.4): ModelField("geom_friction[:, 0]"),
    }
    worst_return, best_return = 0.0, 10_000.0


@pytest.fixture(autouse=True)
def in_a_place_for_mujoco_s_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # HalfCheetah's XML makes MuJoCo write MUJOCO_LOG.TXT


def declared(place, low=0.5, high=2.0, default=1.0):
    class Declared(DoublePendulum):
        features = {Feature.real("feature", low, high, default): place}

    return Declared


def model_of(env, **params):
    env.reset(seed=0, options={"task": params})
    return env._inner.unwrapped.model


def test_a_family_of_model_fields_keeps_every_rule():
    check_task_env(DoublePendulum)


@pytest.mark.parametrize("cls", [DoublePendulum, Cheetah])
def test_the_default_task_is_the_environment_as_it_is_registered(cls):
    ours, theirs = cls(), gymnasium.make(cls.env_id)
    ours.reset(seed=9, options={"task": np.full(ours.task_space.dimension, 0.9)})
    ours.queue_task(ours.task_space.default)
    theirs.action_space.seed(0)

    for episode in range(10):
        seed = episode if episode % 3 == 0 else None
        np.testing.assert_array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0].astype(np.float32))
        for _ in range(100):
            action = theirs.action_space.sample()
            mine, reward, *ends, _ = ours.step(action)
            other, other_reward, *other_ends, _ = theirs.step(action)
            np.testing.assert_array_equal(mine, other.astype(np.float32))
            assert reward == other_reward and ends == other_ends
            if any(ends):
                break


@pytest.mark.parametrize(
    ("ours", "by_hand"),
    [
        ({"gravity": -5.0}, {"gravity": 5.0}),
        ({"mass": 2.0}, {"total_mass": 28.0}),
        ({"thigh_gear": -0.5}, {"bthigh_gear": -0.5}),
        ({"friction": 1.2}, {"friction": 1.2}),
    ],
)
def test_an_edited_model_moves_like_the_one_that_the_compiler_makes(ours, by_hand):
    edited, compiled = Cheetah(), make("half-cheetah")
    mine, other = (
        edited.reset(seed=1, options={"task": ours})[0],
        compiled.reset(seed=1, options={"task": by_hand})[0],
    )
    for step in range(30):
        np.testing.assert_allclose(mine, other[1:], rtol=1e-6, atol=1e-6)
        action = np.sin(step + np.arange(6.0)).astype(np.float32)
        mine, other = edited.step(action)[0], compiled.step(action)[0]
    usual = make("half-cheetah")
    usual.reset(seed=1)
    for step in range(30):
        unchanged, *_ = usual.step(np.sin(step + np.arange(6.0)).astype(np.float32))
    assert np.abs(unchanged - other).max() > 0.01


def test_a_feature_is_set_or_scales_what_the_model_has_and_goes_back_to_it():
    env = DoublePendulum()
    usual = gymnasium.make("InvertedDoublePendulum-v5").unwrapped.model
    model = model_of(env, gravity=-5.0, pole_density=2.0, damping=0.2, gear=300.0)
    pole, other = model.body("pole"), usual.body("pole")
    assert model.opt.gravity.tolist() == [usual.opt.gravity[0], 0.0, -5.0]
    np.testing.assert_array_equal(pole.mass, 2.0 * other.mass)
    np.testing.assert_array_equal(pole.inertia, 2.0 * other.inertia)
    assert model.dof_damping.tolist() == [usual.dof_damping[0], 0.2, 0.2]
    assert model.actuator_gear[0].tolist() == [300.0, 0.0, 0.0, 0.0, 0.0, 0.0]

    model_of(env)
    for name in ("body_mass", "body_inertia", "dof_damping", "actuator_gear", "dof_invweight0", "body_subtreemass"):
        np.testing.assert_array_equal(getattr(model, name), getattr(usual, name), err_msg=name)


def test_what_follows_from_the_masses_is_recomputed():
    env = DoublePendulum()
    usual = gymnasium.make("InvertedDoublePendulum-v5").unwrapped.model
    model = model_of(env, pole_density=2.0)
    assert model.body_subtreemass[0] == pytest.approx(usual.body_subtreemass[0] + usual.body("pole").mass[0])
    assert (model.dof_invweight0 < usual.dof_invweight0).all()


def test_a_single_number_of_the_options_is_a_field_too():
    env = declared(ModelField("opt.timestep"), 0.005, 0.02, 0.01)()
    assert model_of(env, feature=0.02).opt.timestep == 0.02


def test_what_derive_sets_is_in_the_constants_too():
    class EqualPoles(DoublePendulum):
        features = {Feature.real("density", 0.5, 2.0, 1.0): ModelField("body_mass[pole]", scaled=True)}

        def derive(self, env, params):
            env.model.body("pole2").mass = env.model.body("pole").mass

    model = model_of(EqualPoles(), density=2.0)
    assert model.body("pole").subtreemass[0] == pytest.approx(2.0 * model.body("pole").mass[0])


def test_two_instances_have_models_of_their_own():
    one, other = DoublePendulum(), DoublePendulum()
    model_of(one, gravity=-5.0)
    assert model_of(other).opt.gravity[2] == -9.81


def test_a_simulation_that_explodes_is_an_error_that_names_the_task():
    env = DoublePendulum()
    env.reset(seed=0, options={"task": env.task_space.task({"gravity": -5.0}, name="light")})
    env._inner.unwrapped.data.qvel[:] = 1e12
    with pytest.raises(FloatingPointError, match="the simulation of 'light' became unstable"):
        env.step(np.zeros(1))


PICTURES = """
import sys
sys.path.insert(0, {folder!r})
from test_model_field import DoublePendulum
env, other = DoublePendulum(render_mode="rgb_array"), DoublePendulum(render_mode="rgb_array")
env.reset(seed=0)
other.reset(seed=1)
try:
    first = env.render().copy()
    env.step([1.0])
    other.close()
    print(first.shape, first.dtype, (first != env.render()).any())
except RuntimeError as error:
    print(error)
"""


def test_pictures_are_gymnasium_s_or_the_error_says_what_to_set():
    code = PICTURES.format(folder=str(Path(__file__).parent))
    for backend in ("egl", "", "disable"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"MUJOCO_GL": backend}
        )
        assert done.stdout == "(480, 480, 3) uint8 True\n" or "MUJOCO_GL=egl (or osmesa)" in done.stdout, done.stderr
        assert backend == "disable" or "Error" not in done.stderr  # there Gymnasium's renderer fails half made
    assert "MUJOCO_GL=egl (or osmesa)" in done.stdout


MISTAKES = {
    "an unknown field": ("body_mas[pole]", "unknown field of the MuJoCo model 'body_mas'; did you mean 'body_mass'"),
    "an unknown option": ("opt.gravty[2]", "unknown field of the MuJoCo model 'gravty'; did you mean 'gravity'"),
    "an unknown body": ("body_mass[polee]", "unknown body of the MuJoCo model 'polee'; did you mean 'pole'"),
    "an unknown joint": ("dof_damping[hing]", "unknown dof of the MuJoCo model 'hing'; did you mean 'hinge'"),
    "a number too high": ("body_mass[17]", r"'body_mass\[17\]' names no number: it has the shape \(4,\)"),
    "an index too many": ("body_mass[pole, 0]", "names no number"),
    "nothing in a range": ("body_mass[3:3]", "names no number"),
    "a name that is no index": ("qpos0[hinge]", "is made of numbers and ':', found 'hinge'"),
    "a name in second place": ("geom_friction[0, cart]", "is made of numbers and ':', found 'cart'"),
    "an index of a number": ("opt.timestep[0]", "is one number and takes no index"),
    "whole numbers": ("geom_type[0]", "needs a model field of real numbers"),
    "a count": ("nbody", "needs a model field of real numbers"),
    "another default": ("opt.gravity[2]", r"has the default 1.0, but InvertedDoublePendulum-v5 has .*-9.81"),
    "several defaults": ("body_mass", "has the default 1.0, but InvertedDoublePendulum-v5 has array"),
}


@pytest.mark.parametrize(("path", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_of_the_path_is_named(path, message):
    with pytest.raises(ValueError, match=message):
        declared(ModelField(path))()


@pytest.mark.parametrize("path", ["", "body_mass[", "body_mass[]", "body mass", "3", "body_mass[0][0]"])
def test_a_path_that_is_none_is_refused_when_it_is_declared(path):
    with pytest.raises(ValueError, match="a model field is written as"):
        ModelField(path)


def test_an_environment_without_a_model_needs_attributes():
    class CartPole(GymnasiumFamily):
        env_id = "CartPole-v1"
        features = {Feature.real("gravity", 4.0, 20.0, 9.8): ModelField("opt.gravity[2]")}
        worst_return, best_return = 0.0, 500.0

    with pytest.raises(ValueError, match="needs an environment with a MuJoCo model, found CartPoleEnv; use an Attr"):
        CartPole()


def test_an_attribute_of_the_environment_stands_beside_model_fields():
    class Both(DoublePendulum):
        features = {**DoublePendulum.features, Feature.integer("frame_skip", 2, 8, 5): Attribute("frame_skip")}

    env = Both()
    env.reset(seed=0, options={"task": {"frame_skip": 8}})
    env.step(np.zeros(1))
    assert env._inner.unwrapped.data.time == pytest.approx(8 * 0.01)
