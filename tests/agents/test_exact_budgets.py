import numpy as np
import pytest
import torch
from agent_toys import KINDS, OFF_POLICY, Recorder, assert_same_numbers, make_agent, make_env, optimizers
from stable_baselines3.common.vec_env import VecNormalize

from lifelong_rl.agents import TaskInfo
from lifelong_rl.agents.component import Component


def n_env_steps(agent):
    """What the environments themselves have counted, finished episodes and the present one together."""
    monitors = agent.env.envs
    return sum(sum(monitor.get_episode_lengths()) + len(monitor.rewards) for monitor in monitors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_steps", [3, 30, 33, 96, 141])
def test_a_budget_is_spent_exactly(kind, n_steps):
    agent = (
        make_agent(kind, make_env(kind, 3), train_freq=4) if kind != "ppo" else make_agent(kind, make_env(kind, 3))
    )
    agent.learn_steps(n_steps)
    assert agent.num_timesteps == n_steps
    agent.learn_steps(n_steps)
    assert agent.num_timesteps == 2 * n_steps
    assert n_env_steps(agent) == 2 * n_steps


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_shortened_is_as_usual_afterwards(kind):
    agent = make_agent(kind)
    stride = agent.stride
    agent.learn_steps(37)
    assert agent.stride == stride
    if kind == "ppo":
        assert agent.rollout_buffer.buffer_size == agent.n_steps == 32
    agent.learn_steps(agent.stride)


def test_a_shortened_rollout_is_trained_on():
    recorder = Recorder()
    agent = make_agent("ppo", components=[recorder])
    agent.learn_steps(42)
    assert [rows for _, rows in recorder.named("sample")] == [16, 16, 16, 16, 10, 10]
    assert agent._n_updates == 4


def test_the_last_steps_of_an_off_policy_budget_are_trained_on():
    agent = make_agent("dqn", train_freq=4, gradient_steps=1, learning_starts=0)
    agent.learn_steps(10)
    assert agent._n_updates == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_that_the_environments_cannot_share_is_refused(kind):
    agent = make_agent(kind, make_env(kind, 3))
    for n_steps in (10, -3):
        with pytest.raises(ValueError, match=f"multiple of the 3 parallel environments, found {n_steps}"):
            agent.learn_steps(n_steps)


def test_no_steps_are_no_training():
    agent = make_agent("ppo")
    agent.learn_steps(0)
    assert agent.num_timesteps == 0


def test_training_by_episodes_is_refused():
    agent = make_agent("dqn", train_freq=(1, "episode"))
    with pytest.raises(ValueError, match="train_freq in steps, found a number of episodes"):
        agent.learn_steps(10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_that_stops_the_training_stops_all_of_it(kind):
    agent = make_agent(kind)
    agent.learn_steps(2 * agent.stride + 5, lambda *_: agent.num_timesteps < 3)
    assert agent.num_timesteps == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_callbacks_is_called_beside_the_bus(kind):
    calls = []
    recorder = Recorder()
    callbacks = [lambda *_: calls.append("a") or True, lambda *_: calls.append("b") or True]
    make_agent(kind, components=[recorder]).learn_steps(8, callbacks)
    assert calls == ["a", "b"] * 8
    assert len(recorder.named("observe")) == 8


# The task events


def test_exploration_starts_over_with_the_very_first_step_of_a_task():
    agent = make_agent("dqn", learning_starts=0, exploration_fraction=0.5)
    agent.begin_task(TaskInfo("a", 64))
    agent.learn_steps(64)
    assert agent.exploration_rate == pytest.approx(0.05)
    rates = []
    agent.begin_task(TaskInfo("b", 64))
    assert agent.exploration_rate == 1.0
    predict = agent.predict
    agent.predict = lambda *args, **kwargs: rates.append(agent.exploration_rate) or predict(*args, **kwargs)
    agent.learn_steps(64)
    assert rates[0] == 1.0
    assert rates[16] == pytest.approx(0.525)
    assert rates[-1] == pytest.approx(0.05)


@pytest.mark.parametrize("kind", OFF_POLICY)
def test_warm_up_recurs_with_every_task(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder], learning_starts=20)
    for name in ("a", "b", "c"):
        agent.begin_task(TaskInfo(name, 40))
        start = len(recorder.events)
        agent.learn_steps(40)
        events = [event[0] for event in recorder.events[start:]]
        assert events[: events.index("sample")].count("observe") == 24  # the first multiple of 8 after warm-up


def test_without_announced_tasks_nothing_starts_over():
    agent = make_agent("dqn", learning_starts=20)
    agent.learn_steps(40)
    n_held, rate = agent.replay_buffer.size(), agent.exploration_rate
    agent.learn_steps(8)
    assert agent.replay_buffer.size() == n_held + 8
    assert agent.exploration_rate <= rate


@pytest.mark.parametrize("is_cleared", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_buffer_and_moments_are_cleared_where_asked(kind, is_cleared):
    agent = make_agent(kind, clear_buffer=is_cleared, clear_optimizer=is_cleared)
    agent.learn_steps(40)
    assert all(optimizer.state for optimizer in optimizers(agent).values())
    agent.begin_task(TaskInfo("b"))
    assert all(bool(optimizer.state) != is_cleared for optimizer in optimizers(agent).values())
    if kind != "ppo":
        assert agent.replay_buffer.size() == (0 if is_cleared else 40)
    agent.learn_steps(40)


@pytest.mark.parametrize("ent_coef, initial", [("auto", 1.0), ("auto_0.25", 0.25)])
def test_the_temperature_starts_over_with_the_optimisers(ent_coef, initial):
    for is_cleared in (True, False):
        agent = make_agent("sac", ent_coef=ent_coef, clear_optimizer=is_cleared, learning_rate=0.1)
        agent.learn_steps(64)
        learned = agent.log_ent_coef.exp().item()
        assert learned != pytest.approx(initial, rel=1e-2)
        agent.begin_task(TaskInfo("b"))
        assert agent.log_ent_coef.exp().item() == pytest.approx(initial if is_cleared else learned)
        agent.learn_steps(64)  # the optimiser still moves the same variable
        assert agent.log_ent_coef.exp().item() != pytest.approx(initial if is_cleared else learned, rel=1e-2)


def test_a_fixed_temperature_stays():
    agent = make_agent("sac", ent_coef=0.1)
    agent.begin_task(TaskInfo("b"))
    assert agent.ent_coef_tensor.item() == pytest.approx(0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_running_mean_of_returns_starts_over_with_a_task(kind):
    agent = make_agent(kind)
    agent.learn_steps(40)
    agent.ep_success_buffer.append(1.0)
    assert len(agent.ep_info_buffer) == 40 // 7
    agent.begin_task(TaskInfo("b"))
    assert len(agent.ep_info_buffer) == len(agent.ep_success_buffer) == 0


class Rates(Component):
    def build(self, agent):
        self.rates = []

    def tick(self, agent, stats):
        self.rates.append(stats["train/learning_rate"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_runs_over_the_tasks_budget_without_sawtooth(kind):
    n_chunks, chunk = 5, 32

    def trained(chunks):
        component = Rates()
        agent = make_agent(kind, components=[component], learning_rate=lambda left: 1e-3 * left)
        for _ in range(2):
            agent.begin_task(TaskInfo("a", n_chunks * chunk))
            for n_steps in chunks:
                agent.learn_steps(n_steps)
        return agent, component.rates

    in_chunks, rates = trained([chunk] * n_chunks)
    at_once, same_rates = trained([chunk * n_chunks])
    assert rates == same_rates
    assert_same_numbers(in_chunks, at_once)
    half = len(rates) // 2
    assert np.all(np.diff(rates[:half]) < 0)
    assert rates[:half] == pytest.approx(rates[half:])  # the second task has the whole schedule again
    assert rates[0] == pytest.approx(1e-3 * (1 - 32 / 160)) and rates[half - 1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_past_the_budget_stays_at_its_end(kind):
    component = Rates()
    agent = make_agent(kind, components=[component], learning_rate=lambda left: 1e-3 * left)
    agent.begin_task(TaskInfo("a", 32))
    agent.learn_steps(96)
    assert min(component.rates) == 0 and max(component.rates) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_counting_from_zero_again_moves_the_tasks_start_along(kind):
    """SB3's own learn() resets its counter unless told not to."""
    component = Rates()
    agent = make_agent(kind, components=[component], learning_rate=lambda left: 1e-3 * left)
    for name in ("a", "b"):
        agent.begin_task(TaskInfo(name, 64))
        agent.learn(64)
    half = len(component.rates) // 2
    assert component.rates[:half] == pytest.approx(component.rates[half:])
    assert half and max(component.rates) <= 1e-3
    if kind != "ppo":
        assert agent.learning_starts == 24
        assert len(agent.task_data().observations) == 64


# Going on from elsewhere


def test_episodes_cut_short_are_truncated_in_the_buffer_and_ended_ones_stay_as_they_are():
    for ends, n_steps, is_cut in (("terminated", 5, True), ("terminated", 7, False), ("truncated", 7, True)):
        agent = make_agent("dqn", make_env("dqn", ends=ends))
        agent.learn_steps(n_steps)
        agent.continue_from(agent.env.reset(), is_episode_start=True)
        last = agent.replay_buffer.pos - 1
        assert agent.replay_buffer.dones[last] == 1
        assert agent.replay_buffer.timeouts[last] == is_cut
        assert not agent.replay_buffer.dones[:last].any()


def test_going_on_within_episodes_marks_nothing():
    agent = make_agent("dqn")
    agent.learn_steps(5)
    agent.continue_from(agent._last_obs, is_episode_start=False)
    assert not agent.replay_buffer.dones[:5].any()


@pytest.mark.parametrize("kind", ["dqn", "ppo"])
def test_the_given_observations_are_where_training_goes_on(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder])
    agent.learn_steps(5)
    given = np.float32([[0.5, 1.0]])
    agent.continue_from(given, is_episode_start=True)
    agent.learn_steps(1)
    assert np.array_equal(recorder.named("observe")[-1][1].observations, given)
    if kind == "ppo":
        agent.continue_from(given, is_episode_start=True)
        assert agent._last_episode_starts.all()


def test_going_on_under_vecnormalize_stores_what_the_environment_gave():
    env = VecNormalize(make_env("dqn"))
    agent = make_agent("dqn", env)
    agent.learn_steps(16)
    agent.continue_from(env.reset(), is_episode_start=True)
    start = env.get_original_obs()
    agent.learn_steps(1)
    assert np.array_equal(agent.replay_buffer.observations[16], start)


def test_components_of_an_off_policy_agent_refuse_vecnormalize():
    with pytest.raises(ValueError, match="cannot work under VecNormalize"):
        make_agent("dqn", VecNormalize(make_env("dqn")), components=[Rates()])
    make_agent("ppo", VecNormalize(make_env("ppo")), components=[Rates()]).learn_steps(32)


def test_a_critic_asks_for_actions():
    agent = make_agent("sac")
    with pytest.raises(ValueError, match="need actions, found None"):
        agent.outputs("critic", torch.zeros(1, 2))
