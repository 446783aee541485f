"""Options of wrong types, as a command line gives them, are refused at construction in a sentence."""

from __future__ import annotations

import pytest

from lifelong_rl.agents.hypernet.agent import HyperCRL
from lifelong_rl.agents.hypernet.dynamics import DynamicsSettings
from lifelong_rl.agents.hypernet.options import checked_options
from lifelong_rl.agents.hypernet.planners import make_planner
from lifelong_rl.envs.factory import make


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dynamics": {"hidden": 64}}, "'hidden' of the dynamics model must be a list of whole numbers"),
        ({"dynamics": {"hidden": [2.5]}}, "'hidden' of the dynamics model must be a list of whole numbers"),
        ({"dynamics": {"scales_targets": "no"}}, "'scales_targets' of the dynamics model must be true or false"),
        ({"dynamics": 5}, "'dynamics' of HyperCRL must be options by name"),
        ({"mechanism_options": "x"}, "'mechanism_options' of HyperCRL must be options by name"),
        ({"mechanism_options": {"beta": "abc"}}, "'beta' of the hypernetwork must be a finite number, found 'abc'"),
        ({"mechanism_options": {"beta": float("nan")}}, "'beta' of the hypernetwork must be a finite number"),
        ({"mechanism_options": {"look_ahead": "no"}}, "'look_ahead' of the hypernetwork must be true or false"),
        ({"mechanism_options": {"n_sampled": "all"}}, "must be a whole number or null"),
        ({"mechanism_options": {"published": 3}}, "published setting"),
        (
            {"mechanism": "ewc", "mechanism_options": {"lr": "abc"}},
            "'lr' of the mechanism ewc must be a finite number",
        ),
        ({"mechanism": None}, "'mechanism' of HyperCRL must be a text"),
        ({"planner": 3}, "'planner' of HyperCRL must be a text"),
        ({"planner_options": {"horizon": "ten"}}, "'horizon' of the planner cem must be a whole number"),
        ({"n_updates": 2.5}, "'n_updates' of HyperCRL must be a whole number"),
        ({"clear_data": "False"}, "'clear_data' of HyperCRL must be true or false"),
        ({"device": "foo"}, "device must be one that torch has here, such as cpu, found 'foo'"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": None}, "'seed' of HyperCRL must be a whole number"),
    ],
)
def test_an_option_of_another_type_is_refused_at_construction(options, message):
    with pytest.raises(ValueError, match=message):
        HyperCRL(make("pendulum-physics"), **{"seed": 0} | options)


def test_whole_numbers_may_be_written_as_decimal_ones_and_tuples_as_lists():
    agent = HyperCRL(make("pendulum-physics"), seed=0, n_random_steps=1e3, dynamics={"hidden": [8, 8]})
    assert agent.n_random_steps == 1000
    assert isinstance(agent.n_random_steps, int)
    assert agent.dynamics.settings.hidden == (8, 8)
    assert HyperCRL(make("pendulum-physics"), seed=2**60 + 1).seed == 2**60 + 1
    assert make_planner("cem", {"horizon": 7.0}).horizon == 7


def test_names_that_a_class_does_not_take_are_left_to_others():
    assert checked_options("it", DynamicsSettings, {"unknown": "x", "n_members": 2}) == {
        "unknown": "x",
        "n_members": 2,
    }
