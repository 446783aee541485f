import pickle

import pytest
import torch
from agent_toys import make_agent

from lifelong_rl.agents.sb3.optimiser import HOOKED, HookedOptimizer, LifelongAdam, hooked


class Lookahead(torch.optim.Adam):
    pass


class MyOwn(HookedOptimizer, torch.optim.Adamax):
    pass


@pytest.mark.parametrize("bare", HOOKED)
def test_torchs_optimisers_are_mapped_to_their_version_on_the_bus(bare):
    assert issubclass(hooked(bare), bare) and issubclass(hooked(bare), HookedOptimizer)
    agent = make_agent("dqn", policy_kwargs={"optimizer_class": bare})
    assert type(agent.policy.optimizer) is HOOKED[bare]


def test_the_four_named_optimisers_are_known():
    assert {bare.__name__ for bare in HOOKED} == {"Adam", "AdamW", "RMSprop", "SGD"}


def test_an_unknown_optimiser_is_refused_with_what_to_do():
    message = r"Lookahead is not on the bus; use one of Adam, AdamW, RMSprop, SGD, or a class .*HookedOptimizer"
    with pytest.raises(ValueError, match=message):
        make_agent("dqn", policy_kwargs={"optimizer_class": Lookahead})


def test_an_optimiser_of_ones_own_on_the_bus_is_taken_as_it_is():
    assert hooked(MyOwn) is MyOwn
    assert hooked(LifelongAdam) is LifelongAdam
    make_agent("ppo", policy_kwargs={"optimizer_class": MyOwn}).learn_steps(32)


@pytest.mark.parametrize("ours", HOOKED.values())
def test_optimiser_classes_are_pickled_by_reference(ours):
    assert pickle.loads(pickle.dumps(ours)) is ours
    assert len(pickle.dumps(ours)) < 100


@pytest.mark.parametrize("bare", HOOKED)
def test_off_the_bus_an_optimiser_steps_like_the_bare_one(bare):
    params = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    for param, optimizer_class in zip(params, (bare, hooked(bare)), strict=True):
        optimizer = optimizer_class([param], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (param**3).sum().backward()
            optimizer.step()
    assert torch.equal(*params) and not torch.equal(params[0], torch.ones(3))
