"""HalfCheetah as a task family: the default is Gymnasium's, and a task's body is what its XML would compile to."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.lookup import require_extra
from lifelong_rl.envs.mujoco.half_cheetah import MOTORS, HalfCheetah

XML = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / "half_cheetah.xml"


@pytest.fixture(autouse=True)
def in_a_place_for_mujoco_s_log_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # compiling Gymnasium's own XML makes MuJoCo write MUJOCO_LOG.TXT


def model_of(**params):
    env = HalfCheetah()
    env.reset(seed=0, options={"task": params})
    return env.model


def differing_arrays(one, other):
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in dir(one) if not name.startswith("_")}
    return [
        name
        for name, (a, b) in pairs.items()
        if isinstance(a, np.ndarray) and a.size and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    ]


def run(env, n_steps, seed, action=0.5):
    env.reset(seed=seed)
    for _ in range(n_steps):
        observation, *_ = env.step(np.full(6, action, dtype=np.float32))
    return observation


def test_the_default_equals_gymnasium_s_half_cheetah_step_for_step():
    ours, theirs = HalfCheetah(), gymnasium.make("HalfCheetah-v5", max_episode_steps=1000)
    ours.reset(seed=9, options={"task": {"gravity": 5.0, "torso_size": 2.0}})
    ours.queue_task(ours.task_space.default)
    for episode in range(10):
        seed = episode if episode % 3 == 0 else None  # the episodes in between go on from the generator's state
        mine, other = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        assert mine[0] == 0.0
        np.testing.assert_array_equal(mine[1:], other.astype(np.float32))
        rng = np.random.default_rng(episode)
        for _ in range(1000 if episode == 0 else 200):
            action = rng.uniform(-1.0, 1.0, 6).astype(np.float32)
            mine, reward, terminated, truncated, _ = ours.step(action)
            other, other_reward, *_, info = theirs.step(action)
            np.testing.assert_array_equal(mine[1:], other.astype(np.float32))
            assert reward == other_reward and not terminated
            assert mine[0] == np.float32(info["x_velocity"])
        assert truncated == (episode == 0)


def test_the_default_model_equals_gymnasium_s_array_for_array():
    assert differing_arrays(model_of(), mujoco.MjModel.from_xml_path(str(XML))) == []


def test_a_body_is_what_the_edited_xml_compiles_to():
    root = ET.parse(XML).getroot()
    root.find("compiler").set("settotalmass", "20")
    root.find("option").set("gravity", "0 0 -5")
    for name, size in [("torso", "0.092"), ("bfoot", "0.023 0.047"), ("ffoot", "0.023 0.035")]:
        root.find(f".//geom[@name='{name}']").set("size", size)
    root.find(".//motor[@name='fshin']").set("gear", "-30")
    theirs = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))

    ours = model_of(torso_size=2.0, foot_size=0.5, total_mass=20.0, gravity=5.0, fshin_gear=-0.5)

    assert differing_arrays(ours, theirs) == []


def test_sizes_move_mass_and_inertia_to_the_part_at_the_same_total():
    stock, thick = model_of(), model_of(torso_size=2.0)
    torso = stock.body("torso").id

    assert thick.body_mass.sum() == pytest.approx(14.0) and stock.body_mass.sum() == pytest.approx(14.0)
    assert thick.body_mass[torso] > 1.3 * stock.body_mass[torso]
    assert thick.body_inertia[torso].max() > 1.1 * stock.body_inertia[torso].max()
    assert not np.array_equal(thick.dof_invweight0, stock.dof_invweight0)


def test_reversed_motors_mirror_the_effect_of_the_actions():
    usual, turned = HalfCheetah(), HalfCheetah()
    turned.reset(options={"task": {f"{motor}_gear": -1.0 for motor in MOTORS}})

    np.testing.assert_array_equal(run(usual, 20, 0, 0.5), run(turned, 20, 0, -0.5))


def test_standard_tasks_are_the_variants_then_the_bodies_then_a_sample():
    tasks = HalfCheetah.standard_tasks(11)
    names = [task.name for task in tasks]

    assert names[:5] == ["stock", "torso-x2", "motors-reversed", "shins-x1.8-half-gear", "feet-thighs-x1.6"]
    assert names[5:9] == ["torso-x1.25", "thighs-x1.25", "shins-x1.25", "feet-x1.25"]
    assert len(set(names)) == 11
    assert [task.name for task in HalfCheetah.standard_tasks(2)] == names[:2]


def test_the_score_is_a_tenth_of_the_mean_reward():
    env = make("half-cheetah")

    assert env.score_episode(4800.0, 1000) == (0.48, True)
    assert env.score_episode(4799.0, 1000)[1] is False
    assert env.score_episode(-5.0, 10) == (0.0, False)
    assert env.score_episode(20_000.0, 1000)[0] == 1.0


@pytest.mark.parametrize(
    ("action", "message"), [(np.full(6, np.nan), "must be finite"), (np.zeros(5), r"shape \(6,\), found \(5,\)")]
)
def test_actions_that_mean_nothing_are_refused(action, message):
    env = HalfCheetah()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_a_simulation_that_explodes_is_an_error_and_no_silent_restart():
    env = HalfCheetah()
    env.reset(seed=0)
    env.data.qvel[:] = 1e30
    with pytest.raises(FloatingPointError, match="became unstable"):
        env.step(np.zeros(6))


# Without the extra, and pictures


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **environment}
    )
    return done.stdout + done.stderr


def test_without_mujoco_everything_else_works_and_the_error_names_the_extra():
    code = """
import sys
sys.modules["mujoco"] = None
from lifelong_rl.cli import main
from lifelong_rl.envs import family, make
assert family("half-cheetah").task_space.dimension == 13
make("point-goal").reset(seed=0)
assert main(["list", "envs"]) == 0
assert main(["train", "--env", "half-cheetah", "--agent", "sac", "--steps", "100"]) == 2
try:
    make("half-cheetah")
except ImportError as error:
    print(error)
"""
    assert 'HalfCheetah runs on MuJoCo, which is not installed: pip install "lifelong_rl[mujoco]".' in python(code)


def test_importing_the_family_does_not_import_mujoco():
    assert "False" in python("import sys, lifelong_rl.envs.mujoco.half_cheetah; print('mujoco' in sys.modules)")


def test_something_that_an_installed_package_misses_is_not_called_a_missing_extra(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("import no_such_module_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all") as raised:
        require_extra("halfway", "mujoco", "it")
    assert type(raised.value) is ModuleNotFoundError


def test_render_gives_a_picture_or_says_what_to_set():
    code = """
from lifelong_rl.envs import make
env = make("half-cheetah", render_mode="rgb_array")
env.reset(seed=0)
first = env.render()
env.reset(options={"task": {"torso_size": 2.0}})
print(first.shape, first.dtype, (first != env.render()).any())
"""
    shown = python(code, MUJOCO_GL="egl")
    assert shown == "(480, 640, 3) uint8 True\n" or "MUJOCO_GL=" in shown.splitlines()[-1]
    assert "MUJOCO_GL=egl (or osmesa)" in python(code, MUJOCO_GL="disable")
    unknown = python(code, MUJOCO_GL="no-such-library")
    assert "MuJoCo does not import" in unknown and "MUJOCO_GL='no-such-library'" in unknown


def test_render_needs_a_mode_and_an_episode():
    assert HalfCheetah().render() is None
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array'"):
        HalfCheetah(render_mode="human")
    with pytest.raises(RuntimeError, match="before the first reset"):
        HalfCheetah(render_mode="rgb_array").render()
