"""What a feature does to a body: lengths move joints and shapes together, densities weigh, motors push."""

import math
import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest

from lifelong_rl.envs import make
from lifelong_rl.envs.mujoco.model_xml import ModelXml


def resting(name, **params):
    """An environment of the task with its body as the XML has it: no random start."""
    env = make(name)
    env.reset(seed=0, options={"task": params})
    env.place(env.model.qpos0, np.zeros(env.model.nv))
    return env


def ends(env, geom):
    """The two ends of a capsule's axis, in the world."""
    model, i = env.model, env.model.geom(geom).id
    axis = env.data.geom_xmat[i].reshape(3, 3)[:, 2] * model.geom_size[i, 1]
    return env.data.geom_xpos[i] - axis, env.data.geom_xpos[i] + axis


def anchor(env, joint):
    return env.data.xanchor[env.model.joint(joint).id]


@pytest.mark.parametrize("name", ["hopper", "walker2d"])
@pytest.mark.parametrize(
    "params",
    [
        {"torso_length": 1.5},
        {"thigh_length": 0.6},
        {"leg_length": 1.5},
        {"foot_length": 1.4},
        {"torso_length": 0.7, "thigh_length": 1.3, "leg_length": 0.8, "foot_length": 1.2},
    ],
)
def test_a_lengthened_body_hangs_together_and_its_foot_starts_where_it_was(name, params):
    stock, env = resting(name), resting(name, **params)
    part = {key: 1.0 for key in ("torso_length", "thigh_length", "leg_length", "foot_length")} | params
    hip, knee, ankle = (anchor(env, f"{joint}_joint") for joint in ("thigh", "leg", "foot"))

    assert hip[2] - knee[2] == pytest.approx(0.45 * part["thigh_length"])
    assert knee[2] - ankle[2] == pytest.approx(0.5 * part["leg_length"])
    np.testing.assert_allclose(sorted(end[2] for end in ends(env, "thigh_geom")), [knee[2], hip[2]])
    np.testing.assert_allclose(sorted(end[2] for end in ends(env, "leg_geom")), [ankle[2], knee[2]])
    np.testing.assert_allclose(
        sorted(end[2] for end in ends(env, "torso_geom")), [hip[2], hip[2] + 0.4 * part["torso_length"]]
    )
    np.testing.assert_allclose(ankle, anchor(stock, "foot_joint"), atol=1e-12)
    stock_foot = np.array(ends(stock, "foot_geom")) - ankle
    np.testing.assert_allclose(np.array(ends(env, "foot_geom")) - ankle, part["foot_length"] * stock_foot, atol=1e-12)
    assert env.data.qpos[1] == pytest.approx(hip[2] + 0.2 * part["torso_length"])  # the height that is observed


def test_both_legs_of_the_walker_are_alike():
    env = resting("walker2d", thigh_length=1.3, leg_length=0.8, foot_length=1.2, limb_density=500.0)
    for limb in ("thigh", "leg", "foot"):
        np.testing.assert_array_equal(ends(env, f"{limb}_geom"), ends(env, f"{limb}_left_geom"))
        right, left = env.model.body(limb), env.model.body(f"{limb}_left")
        assert right.mass == left.mass and np.array_equal(right.inertia, left.inertia)


def test_the_ant_s_legs_grow_outwards_from_the_hips():
    stock, env = resting("ant"), resting("ant", thigh_length=1.5, shin_length=0.6)
    for leg, (x, y) in {1: (1, 1), 2: (-1, 1), 3: (-1, -1), 4: (1, -1)}.items():
        outwards = np.array([x, y, 0.0])
        hip, ankle = anchor(env, f"hip_{leg}"), anchor(env, f"ankle_{leg}")
        np.testing.assert_allclose(hip[:2], anchor(stock, f"hip_{leg}")[:2])
        np.testing.assert_allclose(ankle - hip, 1.5 * 0.2 * outwards, atol=1e-12)
    inner, outer = sorted((np.linalg.norm(end[:2]) for end in ends(env, "left_ankle_geom")), reverse=False)
    assert inner == pytest.approx(math.hypot(0.5, 0.5))
    assert outer == pytest.approx(math.hypot(0.5, 0.5) + 0.6 * math.hypot(0.4, 0.4))
    assert env.data.qpos[2] == pytest.approx(0.6 * 0.75)


def test_the_reacher_s_links_have_the_lengths_of_the_task_and_the_target_is_in_reach():
    env = resting("reacher", upper_arm_length=0.06, forearm_length=0.12)
    tip = env.data.xpos[env.model.body("fingertip").id]

    assert np.linalg.norm(anchor(env, "joint1") - anchor(env, "joint0")) == pytest.approx(0.06)
    assert np.linalg.norm(tip - anchor(env, "joint1")) == pytest.approx(0.12 * 1.1)  # the tip is a tenth further out
    targets = [env.reset(seed=seed)[0][4:6] for seed in range(200)]
    distances = np.linalg.norm(targets, axis=1)
    assert 0.9 * 0.18 < distances.max() < 0.18


def test_the_pendulum_s_pole_has_the_length_and_weight_of_the_task():
    stock, env = resting("mujoco-pendulum-swing-up"), resting("mujoco-pendulum-swing-up", pole_length=0.9)
    volume = math.pi * 0.049**2 * (0.6 + 4.0 / 3.0 * 0.049)

    assert max(end[2] for end in ends(env, "cpole")) == pytest.approx(0.9, rel=1e-5)
    assert stock.model.body("pole").mass == pytest.approx(1000.0 * volume, rel=1e-5)
    heavy = resting("mujoco-pendulum-swing-up", pole_density=2000.0, cart_density=500.0)
    assert heavy.model.body("pole").mass == pytest.approx(2.0 * stock.model.body("pole").mass)
    assert heavy.model.body("cart").mass == pytest.approx(0.5 * stock.model.body("cart").mass)


def test_a_hopper_is_what_its_edited_xml_compiles_to():
    root = ET.fromstring(ModelXml("hopper.xml").text())
    root.find("option").set("gravity", "0 0 -5")
    usual = root.find("default/geom")
    usual.set("friction", "0.5 0.005 0.0001")
    for geom in root.iter("geom"):
        if "friction" in geom.attrib and geom is not usual:
            geom.set("friction", str(0.5 * float(geom.get("friction"))))
    root.find(".//geom[@name='torso_geom']").set("density", "2000")
    root.find(".//geom[@name='foot_geom']").set("size", "0.06 0.2925")
    root.find(".//geom[@name='foot_geom']").set("pos", "-0.0975 0 0.15")
    root.find(".//joint[@name='foot_joint']").set("pos", "-0.195 0 0.15")
    root.find(".//body[@name='foot']").set("pos", "0.195 0 -0.4")
    root.find(".//motor[@joint='leg_joint']").set("gear", "100")
    theirs = mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))

    task = {"gravity": 5.0, "friction": 0.5, "torso_density": 2000.0, "leg_gear": 0.5, "foot_length": 1.5}
    ours = resting("hopper", **task).model

    for key in dir(theirs):
        expected = getattr(theirs, key)
        if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
            np.testing.assert_allclose(getattr(ours, key), expected, rtol=1e-9, atol=1e-12, err_msg=key)
    assert ours.actuator_gear[1, 0] == 100.0 and ours.opt.gravity[2] == -5.0


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "steepest"), [("hopper", 0.7, None, 0.2), ("walker2d", 0.8, 2.0, 1.0)]
)
@pytest.mark.parametrize("task", [{}, {"thigh_length": 1.5, "leg_length": 0.8}])
def test_a_runner_is_down_at_gymnasium_s_limits_scaled_to_its_height(name, lowest, highest, steepest, task):
    env = resting(name, **task)
    standing = float(env.data.qpos[1])
    assert standing == pytest.approx(
        1.25 + 0.45 * (task.get("thigh_length", 1) - 1) + 0.5 * (task.get("leg_length", 1) - 1)
    )
    scale = standing / 1.25
    cases = [(lowest * scale - 0.01, 0.0, True), (lowest * scale + 0.01, 0.0, False)]
    cases += [
        (standing, steepest - 0.01, False),
        (standing, -steepest - 0.01, True),
        (standing, steepest + 0.01, True),
    ]
    cases += [(highest * scale - 0.01, 0.0, False), (highest * scale + 0.01, 0.0, True)] if highest else []
    params = {key: env.task.params[key] for key in env.reward_features}
    for height, pitch, is_end in cases:
        observation = np.zeros(env.observation_size)
        observation[:3] = 2.0, height, pitch
        rewards, terminated = env.known_reward(params, observation, np.zeros(env.action_size), observation, np)
        assert terminated == is_end and rewards == (2.0 if is_end else 3.0)
        assert env._is_up(height, pitch) is not is_end


@pytest.mark.parametrize(("task", "highest"), [({}, 1.0), ({"shin_length": 1.4}, 1.4)])
def test_an_ant_may_rise_to_a_height_that_grows_with_its_shins(task, highest):
    env = make("ant")
    for height, is_end in [(highest - 0.05, False), (highest + 0.05, True)]:
        env.reset(seed=0, options={"task": task})
        env.place([0.0, 0.0, height, *env.model.qpos0[3:]], np.zeros(14))  # in the air
        _, _, terminated, *_ = env.step(np.zeros(8))
        assert terminated is is_end
        assert (float(env.data.qpos[2]) > highest) == terminated


def test_velocities_are_observed_up_to_ten():
    env = resting("hopper")
    env.data.qvel[3] = 40.0
    observation, *_ = env.step(np.zeros(3))
    assert observation[6:].max() == 10.0 and float(np.abs(env.data.qvel).max()) > 10.0


@pytest.mark.parametrize(
    ("name", "per_step", "full"), [("hopper", 3.8, 5.0), ("walker2d", 3.8, 5.0), ("ant", 6.0, 8.0)]
)
def test_the_score_counts_the_steps_that_a_fall_cost(name, per_step, full):
    env = make(name, max_episode_steps=100)
    assert env.score_episode(100.0 * per_step, 100) == (pytest.approx(per_step / full), True)
    assert env.score_episode(100.0 * per_step - 1.0, 50)[1] is False
    assert env.score_episode(50.0 * full, 50)[0] == pytest.approx(0.5)
    assert env.score_episode(-3.0, 2) == (0.0, False)
    assert env.score_episode(1e6, 100)[0] == 1.0


def test_the_reacher_s_score_is_of_the_arm_s_length():
    env = make("reacher")
    env.reset(seed=0)
    assert env.score_episode(-3.75, 50) == (pytest.approx(1.0 - 0.075 / 0.2), True)
    assert env.score_episode(-3.8, 50)[1] is False and env.score_episode(-40.0, 50)[0] == 0.0
    env.reset(options={"task": {"upper_arm_length": 0.05, "forearm_length": 0.05}})
    assert env.score_episode(-2.5, 50)[0] == pytest.approx(0.5)


def test_a_model_without_the_element_that_an_edit_needs_is_a_clear_error():
    with pytest.raises(RuntimeError, match=r"Gymnasium's hopper\.xml has no .*no_such_body"):
        ModelXml("hopper.xml").body("no_such_body")
