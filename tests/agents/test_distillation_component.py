import numpy as np
import pytest
import torch
from agent_toys import KINDS, make_agent, make_env
from torch.distributions import Categorical, Normal, kl_divergence

from lifelong_rl.agents import TaskInfo
from lifelong_rl.agents.component import TaskData
from lifelong_rl.agents.components.distillation import Distillation, distance
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes

CASES = [*((kind, None) for kind in KINDS), ("ppo", "discrete")]


def after_first_task(kind, action, **options):
    component = Distillation(**({"n_states": 20, "batch_size": 8} | options))
    env = make_env(kind) if action is None else make_env(kind, action=action)
    agent = make_agent(kind, env, components=[component], learning_rate=0.01)
    agent.begin_task(TaskInfo("a"))
    agent.learn_steps(64)
    agent.end_task()
    return agent, component


def move(agent):
    with torch.no_grad():
        for param in agent.policy.parameters():
            param += 0.1


@pytest.mark.parametrize("kind, action", CASES)
def test_right_after_storing_there_is_no_penalty_and_later_there_is(kind, action):
    agent, component = after_first_task(kind, action)
    for role in agent.roles():
        assert component.loss(agent, role, None).item() == pytest.approx(0, abs=1e-6)
    move(agent)
    for role in agent.roles():
        assert component.loss(agent, role, None).item() > 1e-4


@pytest.mark.parametrize("kind, action", CASES)
def test_the_gradient_flows_to_the_roles_network_only(kind, action):
    agent, component = after_first_task(kind, action)
    move(agent)
    before = state_to_bytes(component.state_dict() | {"last_penalty": {}})
    for name, role in agent.roles().items():
        agent.policy.zero_grad()
        component.loss(agent, name, None).backward()
        reached = {n for n, p in agent.policy.named_parameters() if p.grad is not None and p.grad.any()}
        own = {id(p) for p in role.optimizer.param_groups[0]["params"]}
        ids = dict(agent.policy.named_parameters())
        assert reached and all(id(ids[n]) in own for n in reached)
    assert state_to_bytes(component.state_dict() | {"last_penalty": {}}) == before


@pytest.mark.parametrize("kind, action", CASES)
def test_a_strong_penalty_holds_the_networks_where_they_were(kind, action):
    def drift(weight):
        agent, component = after_first_task(kind, action, weight=weight)
        agent.begin_task(TaskInfo("b"))
        agent.learn_steps(128)
        component.batch_size = 500
        penalties = [component.loss(agent, role, None).item() / weight for role in agent.roles()]
        assert set(agent.diagnose({})) == {f"distillation/{role}" for role in agent.roles()}
        return sum(penalties)

    assert drift(30.0) < 0.5 * drift(1e-9)


def test_policies_over_choices_are_held_by_their_divergence():
    old, new = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Categorical(logits=old), Categorical(logits=new)).mean()
    torch.testing.assert_close(distance({"logits": old}, {"logits": new}), expected)


def test_gaussian_policies_are_held_by_their_divergence():
    old = {"mean": torch.randn(5, 2), "log_std": torch.randn(5, 2)}
    new = {"mean": torch.randn(5, 2), "log_std": torch.randn(5, 2)}
    normals = [Normal(outputs["mean"], outputs["log_std"].exp()) for outputs in (old, new)]
    torch.testing.assert_close(distance(old, new), kl_divergence(*normals).sum(-1).mean())
    other_way = kl_divergence(*reversed(normals)).sum(-1).mean()
    assert not torch.isclose(distance(old, new), other_way)


def test_values_are_held_by_half_their_squared_error_and_all_outputs_add_up():
    stored = {"q0": torch.tensor([[1.0], [2.0]]), "q1": torch.tensor([[0.0], [0.0]])}
    present = {"q0": torch.tensor([[2.0], [4.0]]), "q1": torch.tensor([[2.0], [0.0]])}
    assert distance(stored, present).item() == pytest.approx(0.5 * (1 + 4) / 2 + 0.5 * 4 / 2)
    assert distance({"q": torch.zeros(1, 4)}, {"q": torch.tensor([[1.0, 1.0, 0.0, 0.0]])}).item() == 0.25


def test_the_penalty_is_weighted():
    agent, component = after_first_task("dqn", None)
    move(agent)
    component.batch_size = 1
    losses = []
    for component.weight in (1.0, 3.0):
        component.rng = np.random.default_rng(0)
        losses.append(component.loss(agent, "q", None).item())
    assert losses[1] == pytest.approx(3 * losses[0])
    assert agent.diagnose({})["distillation/q"] == pytest.approx(losses[0])


def test_states_are_kept_of_every_task_and_earlier_targets_are_not_renewed():
    agent, component = after_first_task("dqn", None)
    first = component.state_dict()["targets"]["q"]["q"]
    move(agent)
    agent.begin_task(TaskInfo("b"))
    agent.learn_steps(16)
    agent.end_task()
    state = component.state_dict()
    assert len(state["observations"]) == len(state["actions"]) == 20 + 16
    assert np.array_equal(state["targets"]["q"]["q"][:20], first)
    with torch.no_grad():
        now = agent.q_net(torch.as_tensor(state["observations"])).numpy()
    assert not np.allclose(now[:20], first)
    np.testing.assert_allclose(now[20:], state["targets"]["q"]["q"][20:], atol=1e-6)


def test_the_states_kept_are_drawn_from_the_whole_task():
    component = Distillation(n_states=10)
    agent = make_agent("dqn", components=[component])
    observations = np.arange(1000, dtype=np.float32).reshape(500, 2)
    agent.bus.end_task(TaskData(observations, np.zeros((500, 1), np.float32)))
    kept = component.state_dict()["observations"][:, 0]
    assert len(set(kept.tolist())) == 10
    assert kept.max() - kept.min() > 300


def test_a_task_without_data_is_refused():
    agent = make_agent("ppo", components=[Distillation()])
    agent.begin_task(TaskInfo("a"))
    with pytest.raises(ValueError, match="no data of the task that ends"):
        agent.end_task()


def test_the_state_continues_bit_for_bit_and_is_a_snapshot():
    agent, component = after_first_task("sac", None)
    state = component.state_dict()
    stored = state_from_bytes(state_to_bytes(state))
    data = agent.task_data()
    move(agent)

    def go_on(one):
        one.rng = np.random.default_rng(4)
        one.end_task(agent, data)
        return one.loss(agent, "actor", None).item(), state_to_bytes(one.state_dict())

    expected = go_on(component)
    for given in (stored, state, state):
        again = Distillation(n_states=20, batch_size=8)
        again.build(agent)
        again.load_state_dict(given)
        assert go_on(again) == expected


@pytest.mark.parametrize("kind, action", CASES)
def test_its_cost_is_what_is_really_held(kind, action):
    agent, component = after_first_task(kind, action)
    state = component.state_dict()
    arrays = [state["observations"], state["actions"]]
    arrays += [array for outputs in state["targets"].values() for array in outputs.values()]
    assert component.cost().n_bytes == sum(array.nbytes for array in arrays) > 20 * 3 * 4
    assert (component.cost().forward, agent.bus.cost().forward) == (2.0, 2.0)
    fresh = Distillation()
    fresh.build(agent)
    assert (fresh.cost().n_bytes, fresh.cost().forward) == (0, 1.0)


@pytest.mark.parametrize("options", [{"n_states": 0}, {"weight": 0.0}, {"batch_size": 0}])
def test_impossible_hyper_parameters_are_refused(options):
    with pytest.raises(ValueError, match="n_states >= 1, weight > 0 and batch_size >= 1"):
        make_agent("dqn", components=[Distillation(**options)])
