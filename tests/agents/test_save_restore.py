import copy
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch
from agent_toys import (
    KINDS,
    Adapter,
    Recorder,
    assert_same_numbers,
    fingerprint,
    make_agent,
    make_bare,
    make_env,
    numbers,
)

from lifelong_rl.agents import TaskInfo
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.components.distillation import Distillation
from lifelong_rl.agents.components.replay import ReservoirReplay
from lifelong_rl.agents.sb3.optimiser import LifelongAdam


def make_components(kind):
    distillation = Distillation(n_states=20, weight=0.5, batch_size=8)
    return [distillation] if kind == "ppo" else [ReservoirReplay(n_per_task=30, share=0.5), distillation]


def in_second_task(kind, **overrides):
    """An agent in the middle of its second task, with both components' memories in use and episodes under way."""
    agent = make_agent(kind, make_env(kind, 2), components=make_components(kind), **overrides)
    agent.begin_task(TaskInfo("a", 128))
    agent.learn_steps(128)
    agent.end_task()
    agent.begin_task(TaskInfo("b", 320))
    agent.learn_steps(70)
    return agent


def finish(agent):
    agent.learn_steps(130)
    agent.end_task()
    agent.begin_task(TaskInfo("c"))
    agent.learn_steps(64)
    return fingerprint(agent)


def disturb_generators():
    torch.manual_seed(99)
    np.random.seed(99)


@pytest.mark.parametrize("is_loaded", [False, True], ids=["restored", "loaded"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_bit_for_bit_in_the_middle_of_an_episode(kind, is_loaded, tmp_path):
    agent = in_second_task(kind)
    agent.save(tmp_path / "agent")
    env, observations = copy.deepcopy(agent.env), copy.deepcopy(agent._last_obs)
    saved, expected = fingerprint(agent), finish(agent)

    disturb_generators()
    if is_loaded:
        again = type(agent).load(tmp_path / "agent", env, device="cpu")
    else:
        again = make_agent(kind, env, components=make_components(kind), seed=5)
        again.restore(tmp_path / "agent")
    assert fingerprint(again) == saved
    again.continue_from(observations, is_episode_start=False)
    assert finish(again) == expected


@pytest.mark.parametrize("kind", ["dqn", "ppo"])
def test_training_goes_on_bit_for_bit_from_environments_reset_at_a_barrier(kind, tmp_path):
    agent = in_second_task(kind)
    agent.save(tmp_path / "agent")

    def from_barrier(agent):
        agent.env.seed(7)
        agent.continue_from(agent.env.reset(), is_episode_start=True)
        return finish(agent)

    expected = from_barrier(agent)
    assert fingerprint(agent) == expected
    agent.restore(tmp_path / "agent")  # in place, into the agent that went on
    assert from_barrier(agent) == expected


def test_n_step_returns_go_on_bit_for_bit(tmp_path):
    agent = in_second_task("dqn", n_steps=3)
    agent.save(tmp_path / "agent")
    env, observations = copy.deepcopy(agent.env), agent._last_obs.copy()
    expected = finish(agent)
    again = type(agent).load(tmp_path / "agent", env)
    again.continue_from(observations, is_episode_start=False)
    assert finish(again) == expected


def test_the_fingerprint_of_these_tests_sees_a_generator_and_a_weight():
    agent = make_agent("dqn", components=make_components("dqn"))
    before = fingerprint(agent)
    agent.bus.components[0].rng.random()
    assert fingerprint(agent) != before
    before = fingerprint(agent)
    with torch.no_grad():
        agent.q_net.q_net[0].weight[0, 0] += 1e-6
    assert fingerprint(agent) != before


def test_ending_a_task_right_after_a_restore_hands_out_the_same_data(tmp_path):
    agent = in_second_task("ppo")
    agent.save(tmp_path / "agent")
    again = make_agent("ppo", make_env("ppo", 2), components=make_components("ppo"))
    again.restore(tmp_path / "agent")
    expected = agent.task_data().observations
    assert expected.any() and np.array_equal(again.task_data().observations, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_agent_has_everything_in_its_place(kind, tmp_path):
    agent = in_second_task(kind)
    agent.save(tmp_path / "agent")
    again = type(agent).load(tmp_path / "agent", make_env(kind, 2))

    assert type(again) is type(agent)
    assert [type(c) for c in again.bus.components] == [type(c) for c in agent.bus.components]
    assert [(c.n_states, c.weight, c.batch_size) for c in again.components[-1:]] == [(20, 0.5, 8)]
    assert all(role.optimizer.bus is again.bus for role in again.roles().values())
    assert {name: role.optimizer.role for name, role in again.roles().items()} == {n: n for n in again.roles()}
    assert again.policy_kwargs["optimizer_class"] is LifelongAdam
    assert (again.rollout_buffer if kind == "ppo" else again.replay_buffer).bus is again.bus
    assert again.task == TaskInfo("b", 320)
    assert again.num_timesteps == 198
    assert "train" not in vars(again)
    if kind != "ppo":
        assert again.replay_buffer.size() == agent.replay_buffer.size() == 35


def test_an_agent_whose_components_changed_the_networks_is_loaded_with_them(tmp_path):
    agent = make_agent("dqn", components=[Adapter(5)])
    agent.learn_steps(64)
    agent.save(tmp_path / "agent")
    again = type(agent).load(tmp_path / "agent", make_env("dqn"))
    assert again.q_net.adapter.in_features == 5
    assert_same_numbers(agent, again)


def test_settings_given_to_load_win(tmp_path):
    agent = in_second_task("dqn")
    agent.save(tmp_path / "agent")
    again = type(agent).load(tmp_path / "agent", make_env("dqn", 2), batch_size=5, gamma=0.5)
    assert (again.batch_size, again.gamma, again.num_timesteps) == (5, 0.5, 198)


def test_an_agent_is_loaded_without_environment_to_act(tmp_path):
    agent = in_second_task("sac")
    agent.save(tmp_path / "agent.zip")
    again = type(agent).load(tmp_path / "agent.zip")
    observations = np.ones((3, 2), np.float32)
    expected, _ = agent.predict(observations, deterministic=True)
    assert np.array_equal(again.predict(observations, deterministic=True)[0], expected)


def test_a_restored_agent_forgets_the_task_and_budget_it_had(tmp_path):
    agent = make_agent("dqn")
    agent.save(tmp_path / "agent")
    agent.begin_task(TaskInfo("a", 100))
    agent.restore(tmp_path / "agent")
    assert agent.task is None


SCRIPT = """
import json, sys
import torch
torch.set_num_threads(1)
from agent_toys import fingerprint, make_env
from lifelong_rl.agents import AGENTS
from lifelong_rl.envs.lookup import hyperparameters, resolve

kind, path = sys.argv[1:]
agent = resolve("agent", AGENTS[kind].path, {}).load(path, make_env(kind, 2), device="cpu")
found = {
    "class": type(agent).__name__,
    "components": [[type(c).__name__, hyperparameters(c)] for c in agent.bus.components],
    "optimizers": sorted({type(r.optimizer).__name__ for r in agent.roles().values()}),
    "is_on_bus": all(role.optimizer.bus is agent.bus for role in agent.roles().values()),
    "saved": fingerprint(agent),
}
agent.env.seed(7)
agent.continue_from(agent.env.reset(), is_episode_start=True)
agent.learn_steps(64)
print(json.dumps(found | {"trained": fingerprint(agent)}))
"""


@pytest.mark.parametrize("kind", ["sac", "ppo"])
def test_another_process_loads_and_trains_the_same_agent(kind, tmp_path):
    agent = in_second_task(kind)
    agent.save(tmp_path / "agent")
    saved = fingerprint(agent)
    agent.env.seed(7)
    agent.continue_from(agent.env.reset(), is_episode_start=True)
    agent.learn_steps(64)

    (tmp_path / "script.py").write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, tmp_path / "script.py", kind, tmp_path / "agent"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    distillation = ["Distillation", {"n_states": 20, "weight": 0.5, "batch_size": 8}]
    replay = ["ReservoirReplay", {"n_per_task": 30, "share": 0.5}]
    assert found == {
        "class": type(agent).__name__,
        "components": [distillation] if kind == "ppo" else [replay, distillation],
        "optimizers": ["LifelongAdam"],
        "is_on_bus": True,
        "saved": saved,
        "trained": fingerprint(agent),
    }


def rewrite(path, changes):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("kind", KINDS)
def test_restoring_unpickles_nothing(kind, tmp_path, monkeypatch):
    path = tmp_path / "agent.zip"
    agent = in_second_task(kind)
    agent.save(path)
    with zipfile.ZipFile(path) as archive:
        assert ":serialized:" in archive.read("data").decode()  # where SB3 keeps its pickles
        assert not {"bus", "components", "_last_rollout"} & json.loads(archive.read("data")).keys()
    rewrite(path, {"data": b"poison"})
    again = make_agent(kind, make_env(kind, 2), components=make_components(kind))

    def refuse(*args, **kwargs):
        raise AssertionError("unpickled")

    for module, name in ((pickle, "loads"), (pickle, "load"), (cloudpickle, "loads"), (cloudpickle, "load")):
        monkeypatch.setattr(module, name, refuse)
    again.restore(path)
    monkeypatch.undo()
    assert_same_numbers(agent, again)
    with pytest.raises(Exception, match=r"Expecting value|poison|JSON"):
        type(agent).load(path, make_env(kind, 2))


def test_a_file_of_the_bare_learner_is_refused(tmp_path):
    make_bare("dqn").save(tmp_path / "bare")
    agent = make_agent("dqn")
    for take_over in (agent.restore, type(agent).load):
        with pytest.raises(ValueError, match=r"bare\.zip was not saved by a lifelong agent"):
            take_over(tmp_path / "bare")


def test_a_damaged_file_is_refused_and_nothing_taken_over(tmp_path):
    path = tmp_path / "agent.zip"
    in_second_task("dqn").save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        places = [archive.getinfo(name).header_offset + 300 for name in ("policy.pth", "lifelong/state.npz")]
    flipped = [whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :] for place in places]
    damages = [whole[: len(whole) // 2], b"", *flipped]
    agent = make_agent("dqn", make_env("dqn", 2), components=make_components("dqn"))
    before = fingerprint(agent)
    for damaged in damages:
        path.write_bytes(damaged)
        for take_over in (agent.restore, type(agent).load):
            with pytest.raises(ValueError, match=r"agent\.zip (is damaged|was not saved .* or was cut short)"):
                take_over(path)
    assert fingerprint(agent) == before


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        make_agent("dqn").restore(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "others, message",
    [
        ({"components": []}, r"components \['ReservoirReplay', 'Distillation'\], this one none"),
        ({"components": [Distillation()]}, r"this one \['Distillation'\]"),
        ({"buffer_size": 500}, "buffer_size 600, this one 500"),
        ({"buffer_size": 700}, "buffer_size 600, this one 700"),
        ({"env": make_env("dqn", 1)}, "n_envs 2, this one 1"),
        ({"policy_kwargs": {"net_arch": [8]}}, "do not fit this LifelongDQN"),
    ],
)
def test_restoring_into_an_agent_built_otherwise_is_refused(others, message, tmp_path):
    in_second_task("dqn").save(tmp_path / "agent")
    settings = {"env": make_env("dqn", 2), "components": make_components("dqn")} | others
    agent = make_agent("dqn", **settings)
    before = numbers(agent), fingerprint(agent)
    with pytest.raises(ValueError, match=message):
        agent.restore(tmp_path / "agent")
    if "policy_kwargs" not in others:
        assert fingerprint(agent) == before[1]


def test_restoring_another_learners_file_is_refused(tmp_path):
    make_agent("sac").save(tmp_path / "agent")
    with pytest.raises(ValueError, match="do not fit this LifelongTD3"):
        make_agent("td3").restore(tmp_path / "agent")


def test_loading_with_another_number_of_environments_is_refused(tmp_path):
    agent = in_second_task("ppo")
    agent.save(tmp_path / "agent")
    with pytest.raises(ValueError, match="n_envs 2, this one 3"):
        type(agent).load(tmp_path / "agent", make_env("ppo", 3))


class Unplain(Component):
    def __init__(self, weights=None):
        self.weights = weights


class Forgetful(Component):
    def __init__(self, weight=1.0):
        pass


@pytest.mark.parametrize(
    "component, message",
    [
        (Unplain(np.ones(2)), "hyper-parameters of Unplain must be plain"),
        (Forgetful(), "must store its argument 'weight'"),
    ],
)
def test_what_cannot_be_saved_does_not_cost_the_file_that_is_there(component, message, tmp_path):
    make_agent("dqn").save(tmp_path / "agent.zip")
    before = (tmp_path / "agent.zip").read_bytes()
    with pytest.raises(TypeError, match=message):
        make_agent("dqn", components=[component]).save(tmp_path / "agent.zip")
    assert (tmp_path / "agent.zip").read_bytes() == before


def test_a_component_that_cannot_be_imported_is_handed_to_load(tmp_path):
    class Local(Component):
        pass

    agent = make_agent("dqn", components=[Local()])
    agent.save(tmp_path / "agent")
    with pytest.raises(ValueError, match=r"components=\[\.\.\.\]"):
        type(agent).load(tmp_path / "agent", make_env("dqn"))
    again = type(agent).load(tmp_path / "agent", make_env("dqn"), components=[Local()])
    assert_same_numbers(agent, again)


def test_hooks_fire_in_a_loaded_agent(tmp_path):
    agent = make_agent("ppo", components=[Recorder()])
    agent.learn_steps(32)
    agent.save(tmp_path / "agent")
    again = type(agent).load(tmp_path / "agent", make_env("ppo"))
    again.learn_steps(32)
    events = again.components[0].events
    assert {"build", "route", "observe", "sample", "loss", "grad", "update", "tick"} == {event[0] for event in events}


def test_an_agent_is_saved_to_an_open_stream_too():
    import io

    agent, stream = make_agent("dqn"), io.BytesIO()
    agent.learn_steps(64)
    agent.save(stream)
    stream.seek(0)
    assert_same_numbers(agent, type(agent).load(stream, make_env("dqn")))
