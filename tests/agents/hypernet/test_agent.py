"""The HyperCRL agent: learns, keeps what it learned, resumes bit for bit, and refuses what it cannot do."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.component import Component
from lifelong_rl.agents.components.distillation import Distillation
from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.agents.hypernet.mechanisms import MECHANISMS
from lifelong_rl.envs.factory import make, make_vec

SMALL = {
    "n_random_steps": 100,
    "train_every": 50,
    "n_updates": 20,
    "batch_size": 32,
    "dynamics": {"hidden": (16, 16)},
    "planner_options": {"horizon": 5, "n_candidates": 20, "n_iterations": 2},
}
LIGHT, HEAVY = {"m": 0.7}, {"m": 1.8}


def pendulums(n_envs: int = 1):
    env = make_vec("pendulum-physics", n_envs, max_episode_steps=40)
    env.seed(0)
    return env


def play(agent: HyperCRL, task: dict[str, float]) -> None:
    """Let the environments play a task from now on."""
    for i in range(agent.env.num_envs):
        agent.env.env_method("queue_task", task, indices=[i])
    agent.continue_from(agent.env.reset(), is_episode_start=True)


def train(agent: HyperCRL, task: dict[str, float], name: str | None, n_steps: int = 200) -> None:
    play(agent, task)
    agent.begin_task(TaskInfo(name, n_steps))
    for _ in range(n_steps // 40):
        for i in range(agent.env.num_envs):
            agent.env.env_method("queue_task", task, indices=[i])
        agent.learn_steps(40)
    agent.end_task()


def emitted(agent: HyperCRL) -> list[torch.Tensor]:
    return [agent.dynamics.learner.weights(task) for task in range(agent.dynamics.n_tasks)]


@pytest.mark.parametrize("n_envs", [1, 2])
def test_a_short_training_predicts_most_of_what_a_step_changes(n_envs):
    agent = HyperCRL(pendulums(n_envs), seed=0, **SMALL | {"n_updates": 200})
    train(agent, LIGHT, "light", 400)
    assert agent.curves.error is not None
    assert agent.curves.error < 0.1


def test_learning_needs_no_announced_task_and_rounds_up_to_whole_steps():
    agent = HyperCRL(pendulums(2), seed=0, **SMALL).learn(121)
    assert agent.num_timesteps == 122
    assert agent.dynamics.n_tasks == 1


def test_acting_before_any_training_is_random_within_the_bounds_and_repeatable():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    observations = np.zeros((3, 3), np.float32)
    actions, _ = agent.predict(observations)
    assert actions.shape == (3, 1)
    assert (np.abs(actions) <= 2).all()
    assert len(np.unique(actions)) == 3
    np.testing.assert_array_equal(actions, agent.predict(observations)[0])


def test_one_observation_gives_one_action():
    agent = HyperCRL(pendulums(), seed=0, **SMALL).learn(160)
    actions, state = agent.predict(np.array([1.0, 0.0, 0.0]))
    assert actions.shape == (1,)
    again, _ = agent.predict(np.array([1.0, 0.0, 0.0]), state)
    assert again.shape == (1,)


def test_acting_for_an_evaluation_leaves_training_as_it_was():
    agents = [HyperCRL(pendulums(), seed=3, **SMALL) for _ in range(2)]
    for agent in agents:
        train(agent, LIGHT, "light")
    agents[0].predict(np.zeros((4, 3), np.float32), task=TaskInfo("light"))
    for agent in agents:
        train(agent, HEAVY, "heavy")
    for ours, theirs in zip(emitted(agents[0]), emitted(agents[1]), strict=True):
        assert torch.equal(ours, theirs)


def test_a_task_that_is_told_is_planned_with_its_own_model():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    train(agent, LIGHT, "light")
    train(agent, HEAVY, "heavy")
    used = []
    plan = agent.actor.plan

    def watched(observations, plans, tasks, rewards, generator):
        used.append(tasks.tolist())
        return plan(observations, plans, tasks, rewards, generator)

    agent.actor.plan = watched
    for task in (TaskInfo("light"), TaskInfo("heavy"), TaskInfo("never seen"), None):
        agent.predict(np.zeros((1, 3), np.float32), agent.predict(np.zeros((1, 3), np.float32))[1], task=task)
    assert [tasks[0] for tasks in used[2::3]] == [0, 1, 1, 1]


def test_a_task_that_comes_back_goes_on_with_its_embedding():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    train(agent, LIGHT, "light")
    train(agent, HEAVY, "heavy")
    train(agent, LIGHT, "light")
    assert agent.dynamics.n_tasks == 2
    assert agent.task_steps == [400, 200]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_restored_agent_continues_bit_for_bit(mechanism, tmp_path):
    def fresh() -> HyperCRL:
        return HyperCRL(pendulums(2), seed=1, mechanism=mechanism, noise=0.1, **SMALL)

    whole, stopped = fresh(), fresh()
    for agent in (whole, stopped):
        train(agent, LIGHT, "light")
        play(agent, HEAVY)
        agent.begin_task(TaskInfo("heavy"))
        agent.learn_steps(130)
    stopped.save(tmp_path / "agent.zip")
    resumed = fresh()
    resumed.restore(tmp_path / "agent.zip")
    resumed.env = stopped.env  # the environments are not part of an agent's state
    for agent in (whole, resumed):
        agent.learn_steps(70)
        agent.end_task()
    for ours, theirs in zip(emitted(whole), emitted(resumed), strict=True):
        assert torch.equal(ours, theirs)
    observations = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(whole.predict(observations)[0], resumed.predict(observations)[0])
    assert whole.curves.scalars().keys() == resumed.curves.scalars().keys()
    assert whole.curves.scalars()["train/loss"] == resumed.curves.scalars()["train/loss"]


def test_loading_builds_the_agent_that_was_saved(tmp_path):
    agent = HyperCRL(pendulums(), seed=1, **SMALL)
    train(agent, LIGHT, "light")
    agent.save(tmp_path / "agent.zip")
    loaded = HyperCRL.load(tmp_path / "agent.zip", pendulums())
    observations = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(agent.predict(observations)[0], loaded.predict(observations)[0])


def test_a_loaded_agent_goes_on_learning_in_environments_that_were_never_reset(tmp_path):
    agent = HyperCRL(pendulums(), seed=1, **SMALL)
    agent.begin_task(TaskInfo("light"))
    agent.learn(110)
    agent.save(tmp_path / "agent.zip")
    loaded = HyperCRL.load(tmp_path / "agent.zip", pendulums())
    assert loaded.learn(50).num_timesteps == 160
    assert loaded.task_steps == [160]


def test_an_agent_can_be_loaded_on_another_device_than_it_was_trained_on(tmp_path):
    agent = HyperCRL(pendulums(), seed=1, **SMALL).learn(110)
    agent.settings["device"] = "cuda:7"  # as if it had been trained there
    agent.save(tmp_path / "agent.zip")
    with pytest.raises(ValueError, match="device must be one that torch has here"):
        HyperCRL.load(tmp_path / "agent.zip", pendulums())
    loaded = HyperCRL.load(tmp_path / "agent.zip", pendulums(), device="cpu")
    observations = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(agent.predict(observations)[0], loaded.predict(observations)[0])


def test_a_file_of_another_agent_is_refused_and_changes_nothing(tmp_path):
    agent = HyperCRL(pendulums(), seed=1, **SMALL)
    agent.save(tmp_path / "agent.zip")
    other = HyperCRL(pendulums(), seed=1, **SMALL | {"n_updates": 21})
    with pytest.raises(ValueError, match="has n_updates 20, this one 21"):
        other.restore(tmp_path / "agent.zip")
    two = HyperCRL(pendulums(2), seed=1, **SMALL)
    with pytest.raises(ValueError, match="has n_envs 1"):
        two.restore(tmp_path / "agent.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "agent.zip").read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        agent.restore(tmp_path / "cut.zip")


class Watcher(Component):
    """Notes which hooks were called, and with what."""

    def __init__(self):
        self.calls: list[str] = []

    def begin_task(self, agent, task):
        self.calls.append(f"begin {task.id}")

    def end_task(self, agent, data):
        self.calls.append(f"end {len(data.observations)}")

    def observe(self, agent, transitions):
        self.calls.append("observe")

    def grad(self, agent, role, params):
        assert all(p.grad is not None for p in params)
        self.calls.append(f"grad {role}")

    def loss(self, agent, role, batch):
        self.calls.append(f"loss {role} {len(batch.inputs)}")

    def tick(self, agent, stats):
        assert stats["train/loss"] >= 0
        self.calls.append("tick")

    def evaluate(self, agent, record):
        return {"watched": 1.0}


def test_components_see_tasks_steps_updates_and_evaluations():
    watcher = Watcher()
    agent = HyperCRL(pendulums(), seed=0, components=[watcher], **SMALL)
    train(agent, LIGHT, "light", 120)
    calls = watcher.calls
    assert calls[0] == "begin light"
    assert calls.count("observe") == 120
    assert calls.count("grad hyper") == calls.count("grad embedding") == 40  # at 100 steps, and at the end
    assert calls.count("loss hyper 32") == calls.count("loss embedding 32") == 40
    assert calls.count("tick") == 2
    assert calls[-1] == "end 120"
    assert agent.diagnose({})["watched"] == 1.0


def test_distillation_of_policies_is_refused_at_construction():
    with pytest.raises(ValueError, match="a model-based agent has neither"):
        HyperCRL(pendulums(), seed=0, components=[Distillation()], **SMALL)


def test_components_that_only_watch_change_no_bit():
    bare = HyperCRL(pendulums(), seed=0, **SMALL)
    watched = HyperCRL(pendulums(), seed=0, components=[Watcher()], **SMALL)
    for agent in (bare, watched):
        train(agent, LIGHT, "light", 120)
    assert torch.allclose(emitted(bare)[0], emitted(watched)[0], atol=1e-7)


def test_evaluations_say_how_far_predictions_were_off_for_each_task():
    agent = HyperCRL(pendulums(), seed=0, **SMALL | {"n_updates": 200})
    train(agent, LIGHT, "light", 300)
    env = gymnasium.make("Pendulum-v1")
    observation, _ = env.reset(seed=0)
    state, start = None, np.array([True])
    for _ in range(10):
        action, state = agent.predict(observation[None], state, start, task=TaskInfo("light"))
        observation[:], *_ = env.step(action[0])  # in place, as the evaluator does
        start = np.array([False])
    assert 0 < agent.diagnose({})["dynamics_error/light"] < 0.3
    assert agent.diagnose({}) == {}


def test_exploding_predictions_are_clipped_and_counted():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    train(agent, LIGHT, "light", 120)
    with torch.no_grad():
        agent.dynamics.learner.network.head.bias.mul_(1e4)
    agent.actor.model_changed()
    agent.actor.n_clipped = agent.actor.n_predictions = 0
    actions, _ = agent.predict(np.ones((1, 3), np.float32), task=TaskInfo("light"))
    assert np.isfinite(actions).all()
    agent.actor.count_predictions()
    assert agent.actor.n_clipped > 0.5 * agent.actor.n_predictions > 0


def test_a_learned_reward_needs_no_reward_function():
    class Rewarded(gymnasium.Env):
        observation_space = spaces.Box(-1, 1, (2,), np.float32)
        action_space = spaces.Box(-1, 1, (1,), np.float32)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.state, self.steps = self.np_random.uniform(-1, 1, 2).astype(np.float32), 0
            return self.state.copy(), {}

        def step(self, action):
            self.state = np.clip(self.state + 0.2 * np.array([action[0], 0.0], np.float32), -1, 1)
            self.steps += 1
            return self.state.copy(), float(-abs(self.state[0] - 0.5)), False, self.steps >= 20, {}

    with pytest.raises(ValueError, match="has no known_reward; give a function"):
        HyperCRL(Rewarded(), seed=0, **SMALL)
    learned = SMALL | {"dynamics": {"hidden": (16, 16), "learns_reward": True}, "n_updates": 300}
    agent = HyperCRL(Rewarded(), seed=0, **learned).learn(300)
    actions, _ = agent.predict(np.array([[-0.9, 0.0], [0.95, 0.0]], np.float32))
    assert actions[0, 0] > 0.5  # the best place is 0.5
    assert actions[1, 0] < -0.3
    given = HyperCRL(Rewarded(), seed=0, reward_function=lambda o, a, n: -(n[..., 0] - 0.5).abs(), **SMALL).learn(160)
    assert given.predict(np.array([[-0.9, 0.0]], np.float32))[0][0, 0] > 0


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (3, "raised TypeError"),
        (lambda o: o[..., 0], "raised TypeError"),
        (lambda o, a, n: 1.0, "gave a float 1.0"),
        (lambda o, a, n: n, r"gave a Tensor \(2, 3, 4, 3\)"),
        (lambda o, a, n: n[:, 0], r"gave a Tensor \(2, 4, 3\). Index with \[..., i\]"),
        (lambda o, a, n: n[..., 0].numpy(), "gave a ndarray"),
        (lambda o, a, n: (n[..., 0], n[..., 0]), "truth values"),
        (lambda o, a, n: (n[..., 0], n[..., 0] > 1, n[..., 0]), "gave 3 tensors"),
    ],
)
def test_a_reward_function_of_another_form_is_refused_at_construction(function, found):
    with pytest.raises(ValueError, match=rf"reward_function must take tensors.*{found}"):
        HyperCRL(pendulums(), seed=0, reward_function=function, **SMALL)


def first_number(observations, actions, following):
    return following[..., 0]


def test_a_reward_function_may_be_named():
    agent = HyperCRL(pendulums(), seed=0, reward_function=f"{__name__}:first_number", **SMALL)
    observations = torch.rand(2, 3)
    assert torch.equal(agent.rewards.of({})(observations, observations, observations)[0], observations[:, 0])
    with pytest.raises(ValueError, match="unknown reward function 'foo'"):
        HyperCRL(pendulums(), seed=0, reward_function="foo", **SMALL)


def test_a_reward_is_either_given_or_learned():
    with pytest.raises(ValueError, match="leave reward_function out"):
        HyperCRL(pendulums(), reward_function=lambda o, a, n: n[..., 0], dynamics={"learns_reward": True})


class Breaking(gymnasium.Env):
    """Gives an observation and a reward that are not finite at its fifth step."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, observed: float, reward: float = 0.0):
        self.observed, self.reward, self.steps = observed, reward, 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        breaks = self.steps == 5
        observation = np.array([action[0], self.observed if breaks else 0.0], np.float32)
        return observation, self.reward if breaks else 0.0, False, False, {}


@pytest.mark.parametrize("observed", [np.nan, np.inf])
def test_observations_that_are_not_finite_are_refused_when_they_are_seen(observed):
    agent = HyperCRL(Breaking(observed), seed=0, reward_function=lambda o, a, n: n[..., 0], **SMALL)
    with pytest.raises(ValueError, match="observations must be finite numbers"):
        agent.learn(20)
    assert agent.num_timesteps == 4
    with pytest.raises(ValueError, match="observations must be finite numbers"):
        agent.predict(np.array([0.0, observed]))


def test_rewards_that_are_not_finite_are_refused_where_the_model_learns_them():
    learned = SMALL | {"dynamics": {"hidden": (16, 16), "learns_reward": True}}
    with pytest.raises(ValueError, match=r"rewards.* must be finite numbers"):
        HyperCRL(Breaking(0.0, np.nan), seed=0, **learned).learn(20)


class Pictures(gymnasium.Env):
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)
    action_space = spaces.Box(-1, 1, (1,), np.float32)


class Numbers(gymnasium.Env):
    observation_space = spaces.Discrete(3)
    action_space = spaces.Box(-1, 1, (1,), np.float32)


class Boundless(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        (Pictures, {}, "observations must be a Box of one dimension"),
        (Numbers, {}, "observations must be a Box of one dimension"),
        (Boundless, {}, "must be finite"),
        (pendulums, {"mechanism": "hypernet"}, "hypernetwork"),
        (pendulums, {"mechanism_options": {"bta": 1}}, "beta"),
        (pendulums, {"mechanism_options": {"beta": -1.0}}, "beta must be at least 0"),
        (pendulums, {"mechanism_options": {"n_embedding": 0}}, "n_embedding and each of hidden must be at least 1"),
        (pendulums, {"mechanism_options": {"hidden": [16, 0]}}, "n_embedding and each of hidden must be at least 1"),
        (pendulums, {"mechanism_options": {"published": "pendulums"}}, "pendulum"),
        (pendulums, {"mechanism": "ewc", "mechanism_options": {"strenth": 1}}, "ewc"),
        (pendulums, {"dynamics": {"hiden": (3,)}}, "hidden"),
        (pendulums, {"dynamics": {"activation": "rely"}}, "relu"),
        (pendulums, {"planner": "cme"}, "cem"),
        (pendulums, {"planner_options": {"horizon": 0}}, "horizon"),
        (pendulums, {"planner": "categorical-cem"}, "continuous"),
        (pendulums, {"held_out": 1.0}, "held_out"),
        (pendulums, {"n_updates": 0}, "n_updates"),
        (pendulums, {"discount": 1.5}, "discount"),
        (pendulums, {"precision": "int8"}, "precision"),
    ],
)
def test_what_cannot_work_is_refused_at_construction(env, options, message):
    with pytest.raises(ValueError, match=message):
        HyperCRL(env(), seed=0, **options)


@pytest.mark.parametrize(
    "env", [None, "Pendulum-v1", gymnasium.vector.SyncVectorEnv([lambda: make("pendulum-physics")])]
)
def test_what_is_no_environment_is_refused(env):
    with pytest.raises(ValueError, match=r"HyperCRL needs a gymnasium.Env, or a vector environment"):
        HyperCRL(env, seed=0, **SMALL)


def test_a_task_without_an_embedding_is_named():
    agent = HyperCRL(pendulums(), seed=0, **SMALL).learn(40)
    with pytest.raises(ValueError, match="task 3"):
        agent.dynamics.learner.weights(3)
    with pytest.raises(ValueError, match="call begin_task first"):
        HyperCRL(pendulums(), seed=0, **SMALL).learn_steps(40)
    with pytest.raises(ValueError, match="must have the shape"):
        agent.predict(np.zeros((1, 4)))


def test_calls_that_make_no_sense_are_refused_in_a_sentence():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    with pytest.raises(ValueError, match="call begin_task first"):
        agent.outputs("hyper", torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"TaskInfo\(id, ...\), found 'earth'"):
        agent.begin_task("earth")
    for n_steps in (-5, 10.5):
        with pytest.raises(ValueError, match=f"total_timesteps must be a whole number.*found {n_steps}"):
            agent.learn(n_steps)


def test_a_state_of_other_environments_is_refused():
    agent = HyperCRL(pendulums(), seed=0, **SMALL).learn(120)
    _, state = agent.predict(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="for these 2 environments, found that of 4 environments"):
        agent.predict(np.zeros((2, 3)), state)
    with pytest.raises(ValueError, match="found that of 'x'"):
        agent.predict(np.zeros((2, 3)), "x")


def test_a_script_repeats_by_its_seed_alone():
    first, again, other = (HyperCRL(make("pendulum-physics"), seed=seed, **SMALL).learn(110) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.data.columns()[0], again.data.columns()[0])
    assert not np.array_equal(first.data.columns()[0], other.data.columns()[0])


def test_a_reward_that_changes_within_a_task_is_refused():
    agent = HyperCRL(pendulums(), seed=0, **SMALL)
    play(agent, {"max_torque": 2.0})
    agent.begin_task(TaskInfo())
    agent.env.env_method("queue_task", {"max_torque": 3.0})
    with pytest.raises(ValueError, match="learn the reward"):
        agent.learn_steps(60)


def test_nan_in_the_networks_is_not_saved(tmp_path):
    agent = HyperCRL(pendulums(), seed=0, **SMALL).learn(40)
    with torch.no_grad():
        agent.dynamics.learner.network.head.bias[0] = torch.nan
    with pytest.raises(ValueError, match="diverged"):
        agent.save(tmp_path / "agent.zip")
    assert not (tmp_path / "agent.zip").exists()


def test_a_task_vector_in_the_observation_is_predicted_to_stay():
    env = make_vec("pendulum-physics", 1, max_episode_steps=40, observe_task="vector")
    agent = HyperCRL(env, seed=0, **SMALL | {"n_updates": 200})
    agent.learn(300)
    assert agent.curves.error < 0.2
    seen, after = (torch.from_numpy(column) for column in agent.data.columns()[0::3])
    predicted = agent.dynamics.predictor(0).step(seen, torch.from_numpy(agent.data.columns()[1]))
    assert torch.equal(predicted[:, 3:], after[:, 3:])
    agent.actor.count_predictions()
    assert agent.actor.n_clipped < 0.1 * agent.actor.n_predictions


def test_a_task_that_is_not_told_is_inferred_from_what_happens():
    agent = HyperCRL(pendulums(), seed=0, **SMALL | {"n_updates": 300})
    slow, fast = {"m": 1.9, "l": 1.8}, {"m": 0.6, "l": 0.6}
    train(agent, slow, "slow", 400)
    train(agent, fast, "fast", 400)
    used = []
    plan = agent.actor.plan

    def watched(observations, plans, tasks, rewards, generator):
        used.append(tasks.tolist())
        return plan(observations, plans, tasks, rewards, generator)

    agent.actor.plan = watched
    envs = [make("pendulum-physics"), make("pendulum-physics")]
    seen = [env.reset(seed=5, options={"task": task})[0] for env, task in zip(envs, (slow, fast), strict=True)]
    observations, state, starts = np.stack(seen), None, np.ones(2, bool)
    for _ in range(15):
        actions, state = agent.predict(observations, state, starts)
        observations = np.stack([env.step(action)[0] for env, action in zip(envs, actions, strict=True)])
        starts = np.zeros(2, bool)
    assert used[0] == [1, 1]  # before anything was seen: the task that was trained last
    assert used[-1] == [0, 1]
