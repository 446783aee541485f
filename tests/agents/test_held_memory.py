"""What an agent says that it holds is what a pickle or a state file of it weighs."""

import pickle

import pytest
import torch
from agent_toys import KINDS, OFF_POLICY, make_agent, make_env

from lifelong_rl.agents import TaskInfo
from lifelong_rl.agents.base import Held
from lifelong_rl.agents.component import Bus, Component, Cost
from lifelong_rl.agents.components.distillation import Distillation
from lifelong_rl.agents.components.replay import ReservoirReplay
from lifelong_rl.envs.state import state_to_bytes
from lifelong_rl.evaluation.diagnostics import setting_for

BUILT_IN = [(kind, ReservoirReplay, "n_per_task") for kind in OFF_POLICY]
BUILT_IN += [(kind, Distillation, "n_states") for kind in KINDS]
N_KEPT = 2000


def after_tasks(kind, component, n_tasks=2, steps=N_KEPT, **options):
    agent = make_agent(kind, components=[component], clear_optimizer=False, **options)
    for task in range(n_tasks):
        agent.begin_task(TaskInfo(str(task)))
        agent.learn_steps(steps)
        agent.end_task()
    return agent


def filled(kind, component, n_tasks=2):
    """Give an agent whose component has seen enough of each task, and trained little or nothing meanwhile."""
    if kind == "ppo":
        return after_tasks(kind, component, n_tasks, n_steps=N_KEPT, batch_size=N_KEPT)
    return after_tasks(kind, component, n_tasks, learning_starts=10**6, buffer_size=N_KEPT)


@pytest.fixture(scope="module", params=BUILT_IN, ids=lambda case: f"{case[0]}-{case[1].__name__}")
def full(request):
    """Give an agent, its component that two tasks have filled, and the name of what sets the component's size."""
    kind, component, name = request.param
    made = component(**{name: N_KEPT})
    return filled(kind, made), made, name


def test_the_bytes_of_a_component_are_those_of_its_state(full):
    _, made, _ = full
    reported = made.cost().n_bytes
    for measured in (len(pickle.dumps(made.state_dict())), len(state_to_bytes(made.state_dict()))):
        assert abs(reported - measured) < 0.05 * measured


def test_a_reservoir_that_is_being_filled_counts_the_room_it_takes():
    made = ReservoirReplay(n_per_task=N_KEPT)
    agent = filled("sac", made, n_tasks=1)
    one_task = made.cost().n_bytes
    agent.begin_task(TaskInfo("b"))
    agent.learn_steps(8)
    assert made.cost().n_bytes == 2 * one_task
    assert abs(made.cost().n_bytes - len(pickle.dumps(made.state_dict()))) < 0.05 * made.cost().n_bytes


def test_planned_bytes_are_what_full_components_then_hold(full):
    agent, made, name = full
    component = type(made)
    assert component(**{name: N_KEPT}).planned_bytes(agent, n_tasks=2) == made.cost().n_bytes
    assert component(**{name: 3 * N_KEPT}).planned_bytes(agent, n_tasks=4) == 6 * made.cost().n_bytes


@pytest.mark.parametrize("observation", ["box", "discrete"])
def test_bytes_are_planned_before_any_training(observation):
    policy = "MlpPolicy"
    agents = [
        make_agent("dqn", make_env("dqn", observation=observation), policy, components=[made])
        for made in (ReservoirReplay(n_per_task=40), Distillation(n_states=40))
    ]
    for agent in agents:
        (component,) = agent.components
        planned = component.planned_bytes(agent, n_tasks=1)
        agent.begin_task(TaskInfo("a"))
        agent.learn_steps(48)
        agent.end_task()
        assert planned == component.cost().n_bytes


def test_a_budget_gives_the_setting_that_holds_it():
    agent = make_agent("sac", components=[ReservoirReplay()])
    n = setting_for(100_000, lambda n: ReservoirReplay(n_per_task=n).planned_bytes(agent, n_tasks=5))
    # Two observations of 8 bytes, an action and a reward of 4, and a flag: 25 bytes a transition.
    assert n == 100_000 // (5 * 25)


def test_a_component_that_says_nothing_holds_nothing_and_plans_nothing():
    assert Component().cost().by_kind() == {}
    assert Component().planned_bytes(None, 3) is None


class Anchored(Component):
    def __init__(self, n_bytes, **kinds):
        self.n_bytes = n_bytes
        self.kinds = kinds

    def cost(self):
        return Cost(self.n_bytes, 1.5, 1.0, self.kinds)


def test_what_a_component_names_no_kind_of_is_a_buffer_and_kinds_add_up_on_the_bus():
    parts = [Anchored(100, snapshot=60, statistics=40), Anchored(50, snapshot=20), Anchored(7)]
    assert [part.cost().by_kind() for part in parts] == [
        {"snapshot": 60, "statistics": 40},
        {"snapshot": 20, "buffer": 30},
        {"buffer": 7},
    ]
    agent = make_agent("dqn")
    together = Bus(parts, agent, 0).cost()
    assert (together.n_bytes, together.forward) == (157, 2.5)
    assert together.by_kind() == {"snapshot": 80, "statistics": 40, "buffer": 37}


# The learner's own parts


def held(agent):
    return {(part.part, part.kind): part.n_bytes for part in agent.memory()}


@pytest.mark.parametrize("kind", KINDS)
def test_networks_and_optimisers_weigh_what_their_states_do(kind, tmp_path):
    networks = {"policy_kwargs": {"net_arch": [64, 64]}}
    agent = after_tasks(kind, Distillation(n_states=40), n_tasks=1, steps=64, **networks)
    names, _ = agent._get_torch_save_params()
    states = {name: numbers_of(agent.get_parameters()[name]) for name in names}
    weights = sum(states["policy"])
    moments = sum(sum(numbers) for name, numbers in states.items() if name != "policy")
    found = held(agent)
    assert found["networks", "weights"] == pytest.approx(weights, rel=0.001)  # SAC has a temperature beside them
    assert found["optimisers", "statistics"] == pytest.approx(moments, rel=0.001)
    torch.save(agent.policy.state_dict(), tmp_path / "policy.pth")
    assert found["networks", "weights"] == pytest.approx((tmp_path / "policy.pth").stat().st_size, rel=0.2)
    assert found["Distillation", "buffer"] == agent.components[0].cost().n_bytes


def numbers_of(state):
    if isinstance(state, torch.Tensor):
        return [state.nbytes]
    branches = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [number for branch in branches for number in numbers_of(branch)]


def test_buffers_count_with_the_room_for_what_is_to_come():
    found = held(make_agent("sac", buffer_size=600))
    # Two observations of 8 bytes, then an action, a reward, an end and a time limit of 4.
    assert found["replay buffer", "buffer"] == 600 * (2 * 8 + 4 * 4)
    assert ("optimisers", "statistics") not in found  # no step was made yet
    # An observation of 8 bytes and seven numbers of 4.
    assert held(make_agent("ppo", n_steps=32))["rollout buffer", "buffer"] == 32 * (8 + 7 * 4)


def test_the_last_rollout_is_held_once_a_rollout_was_trained_on():
    agent = after_tasks("ppo", Distillation(n_states=10), n_tasks=1, steps=64)
    assert Held("last rollout", "buffer", 32 * (8 + 4)) in agent.memory()


def test_asking_for_the_memory_changes_no_training():
    def trained(is_asked):
        agent = make_agent("sac", components=[ReservoirReplay(n_per_task=40), Distillation(n_states=20)])
        for task in "ab":
            agent.begin_task(TaskInfo(task))
            for _ in range(2):
                agent.learn_steps(32)
                if is_asked:
                    agent.memory()
                    [component.planned_bytes(agent, 2) for component in agent.components]
            agent.end_task()
        return torch.cat([p.flatten() for p in agent.policy.parameters()])

    assert torch.equal(trained(True), trained(False))
