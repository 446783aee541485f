from types import SimpleNamespace

import numpy as np
import pytest
import torch
from agent_toys import LIMIT, OFF_POLICY, make_agent, make_env
from gymnasium import spaces
from scipy import stats
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from lifelong_rl.agents import TaskInfo
from lifelong_rl.agents.component import Transitions
from lifelong_rl.agents.components.replay import ReservoirReplay
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes


def transitions(values):
    """One step of len(values) environments, each value its observation, reward and action."""
    values = np.asarray(values, np.float32)
    column, flags = values.reshape(-1, 1), np.zeros(len(values), bool)
    return Transitions(column, column, values, column + 0.5, flags, flags)


def batch(n=4, discounts=None):
    rows = torch.full((n, 1), -1.0)
    return ReplayBufferSamples(rows, rows, rows, rows, rows, discounts)


def component(seed=0, **options):
    made = ReservoirReplay(**options)
    made.rng = np.random.default_rng(seed)
    agent = SimpleNamespace(
        observation_space=spaces.Box(-1, 1, (1,)), replay_buffer=SimpleNamespace(obs_shape=(1,)), gamma=0.9
    )
    made.build(agent)
    return made, agent


def fill(made, agent, task_values):
    for values in task_values:
        made.begin_task(agent, TaskInfo())
        for value in values:
            made.observe(agent, transitions([value]))
        made.end_task(agent, None)


def test_every_transition_of_a_task_is_kept_with_the_same_chance():
    n_items, n_kept, n_repeats = 30, 6, 1500
    counts = np.zeros(n_items)
    made, agent = component(n_per_task=n_kept)
    for _ in range(n_repeats):
        made.build(agent)
        made.begin_task(agent, TaskInfo())
        for first in range(0, n_items, 2):  # two environments
            made.observe(agent, transitions([first, first + 1]))
        made.end_task(agent, None)
        kept = made.state_dict()["memory"][0]["rewards"].astype(int)
        assert len(set(kept)) == n_kept
        counts[kept] += 1
    expected = n_repeats * n_kept / n_items
    # Without replacement the counts vary less than a multinomial's: by the share that is not kept.
    chi_square = ((counts - expected) ** 2).sum() / (expected * (1 - n_kept / n_items)) * (n_items - 1) / n_items
    assert 0.001 < stats.chi2.sf(chi_square, n_items - 1) < 0.999


def test_the_columns_of_a_kept_transition_belong_together():
    made, agent = component(n_per_task=5)
    fill(made, agent, [range(50)])
    kept = made.state_dict()["memory"][0]
    assert np.array_equal(kept["observations"][:, 0], kept["rewards"])
    assert np.array_equal(kept["next_observations"][:, 0], kept["rewards"] + 0.5)
    assert np.array_equal(kept["actions"][:, 0], kept["rewards"])


def test_only_earlier_tasks_are_replayed():
    made, agent = component(n_per_task=5)
    made.begin_task(agent, TaskInfo())
    made.observe(agent, transitions([1, 2, 3]))
    assert made.sample(agent, batch()) is not None and len(made.sample(agent, batch()).rewards) == 4
    made.end_task(agent, None)
    assert len(made.sample(agent, batch()).rewards) == 8


@pytest.mark.parametrize("share, n_added", [(1.0, 8), (0.5, 4), (2.0, 16), (0.01, 1)])
def test_a_minibatch_grows_by_its_share(share, n_added):
    made, agent = component(n_per_task=5, share=share)
    fill(made, agent, [[1, 2, 3]])
    mixed = made.sample(agent, batch(8))
    for rows in (mixed.observations, mixed.actions, mixed.next_observations, mixed.dones, mixed.rewards):
        assert rows.shape == (8 + n_added, 1) and rows.dtype == torch.float32
    assert (mixed.rewards[:8] == -1).all() and (mixed.rewards[8:] > 0).all()
    assert torch.equal(mixed.next_observations[8:], mixed.rewards[8:] + 0.5)
    assert mixed.discounts is None


def test_tasks_are_drawn_evenly_however_much_is_kept_of_them():
    made, agent = component(n_per_task=100, share=1.0)
    fill(made, agent, [[1], [2] * 100, [3] * 10])
    rewards = made.sample(agent, batch(3000)).rewards[3000:, 0].numpy()
    counts = [(rewards == value).sum() for value in (1, 2, 3)]
    assert stats.chisquare(counts).pvalue > 0.001


def test_what_is_replayed_among_n_step_returns_is_discounted_by_one_step():
    made, agent = component(n_per_task=5)
    fill(made, agent, [[1, 2]])
    mixed = made.sample(agent, batch(4, discounts=torch.full((4, 1), 0.729)))
    assert torch.equal(mixed.discounts, torch.tensor([[0.729]] * 4 + [[0.9]] * 4))


def test_an_agent_with_n_step_returns_mixes_both_discounts():
    agent = make_agent("dqn", components=[ReservoirReplay(n_per_task=20)], n_steps=3, gamma=0.9)
    agent.begin_task(TaskInfo("a"))
    agent.learn_steps(40)
    agent.end_task()
    agent.begin_task(TaskInfo("b"))
    agent.learn_steps(40)
    mixed = agent.replay_buffer.sample(50)
    assert mixed.discounts.shape == (100, 1)
    assert mixed.discounts[50:].unique().tolist() == pytest.approx([0.9])
    assert set(np.round(mixed.discounts[:50, 0].tolist(), 3)) >= {0.729}


@pytest.mark.parametrize("ends", ["terminated", "truncated"])
@pytest.mark.parametrize("kind", OFF_POLICY)
def test_an_episodes_last_observation_is_kept_and_a_time_limit_is_no_terminal(kind, ends):
    made = ReservoirReplay(n_per_task=100)
    agent = make_agent(kind, make_env(kind, 2, ends=ends), components=[made])
    agent.learn_steps(48)
    agent.end_task()
    kept = made.state_dict()["memory"][0]
    assert len(kept["rewards"]) == 48
    assert np.array_equal(kept["next_observations"][:, 1], kept["observations"][:, 1] + 1)
    is_end = kept["next_observations"][:, 1] == LIMIT
    assert is_end.sum() == 6
    assert np.array_equal(kept["terminals"], is_end if ends == "terminated" else np.zeros(48, bool))


@pytest.mark.parametrize("kind", OFF_POLICY)
def test_what_is_kept_equals_what_the_buffer_holds(kind):
    made = ReservoirReplay(n_per_task=100)
    agent = make_agent(kind, components=[made])
    agent.learn_steps(40)
    agent.end_task()
    kept, held = made.state_dict()["memory"][0], agent.task_data()
    for name in ("observations", "actions", "rewards", "next_observations", "terminals"):
        np.testing.assert_array_equal(kept[name], getattr(held, name), err_msg=name)


def test_discrete_observations_are_replayed():
    agent = make_agent("dqn", make_env("dqn", 2, observation="discrete"), components=[ReservoirReplay(20)])
    for name in ("a", "b"):
        agent.begin_task(TaskInfo(name))
        agent.learn_steps(64)
        agent.end_task()
    assert agent.replay_buffer.sample(8).observations.shape == (16, 1)


def test_training_sees_the_replayed_transitions():
    agents = []
    for share in (1.0, 3.0):
        agent = make_agent("dqn", components=[ReservoirReplay(20, share=share)], clear_buffer=False)
        for name in ("a", "b"):
            agent.begin_task(TaskInfo(name))
            agent.learn_steps(40)
            agent.end_task()
        agents.append(agent.q_net.q_net[0].weight)
    assert not torch.equal(*agents)


def test_a_task_that_was_not_announced_is_kept_in_a_reservoir_of_its_own():
    made, agent = component(n_per_task=5)
    for first in (0, 100):
        for value in range(first + 1, first + 21):
            made.observe(agent, transitions([value]))
        made.end_task(agent, None)
    first, second = (memory["rewards"] for memory in made.state_dict()["memory"])
    assert (first >= 1).all() and (first <= 20).all()
    assert len(second) == 5 and (second > 100).all()


def test_the_state_continues_bit_for_bit_and_is_a_snapshot():
    made, agent = component(n_per_task=5)
    fill(made, agent, [range(1, 30)])
    made.observe(agent, transitions([50, 51]))
    in_memory = made.state_dict()
    stored = state_from_bytes(state_to_bytes(in_memory))

    def go_on(one):
        one.rng = np.random.default_rng(8)
        for value in range(60, 90):
            one.observe(agent, transitions([value]))
        one.end_task(agent, None)
        return one.sample(agent, batch(6)).rewards

    expected = go_on(made)
    for state in (stored, in_memory, in_memory):
        again, _ = component(n_per_task=5)
        again.load_state_dict(state)
        assert torch.equal(go_on(again), expected)
        assert state_to_bytes(again.state_dict()) == state_to_bytes(made.state_dict())


def test_its_cost_is_what_is_really_held():
    made, agent = component(n_per_task=1000, share=0.5)
    assert (made.cost().n_bytes, made.cost().forward) == (0, 1.0)
    fill(made, agent, [range(200), range(1500)])
    made.observe(agent, transitions([1]))
    held = [*made._memory, made._current]
    arrays = [array if array.base is None else array.base for reservoir in held for array in reservoir.values()]
    owners = {id(array): array for array in arrays}
    assert made.cost().n_bytes == pytest.approx(sum(array.nbytes for array in owners.values()), rel=0.05)
    assert (made.cost().forward, made.cost().backward) == (1.5, 1.5)


@pytest.mark.parametrize("options", [{"n_per_task": 0}, {"share": 0.0}])
def test_impossible_hyper_parameters_are_refused(options):
    with pytest.raises(ValueError, match="n_per_task >= 1 and share > 0"):
        make_agent("dqn", components=[ReservoirReplay(**options)])


def test_what_it_cannot_work_with_is_refused():
    with pytest.raises(ValueError, match="ReservoirReplay requires off_policy"):
        make_agent("ppo", components=[ReservoirReplay()])
    with pytest.raises(ValueError, match="needs an array observation, found a dictionary"):
        make_agent("sac", make_env("sac", observation="dict"), "MultiInputPolicy", components=[ReservoirReplay()])
