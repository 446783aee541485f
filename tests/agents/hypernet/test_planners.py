"""What every planner keeps: bounds, seeds, environments apart, candidates without a value, the budget, the names."""

import pytest
import torch
from planner_toys import CONTINUOUS, HIGH, KINDS, LOW, bounds, bowl, generator, plan, small

from lifelong_rl.agents.hypernet.planners import CEM, PLANNERS, Planner, make_planner
from lifelong_rl.agents.hypernet.planners import search as search_module
from lifelong_rl.agents.hypernet.planners.search import Search
from lifelong_rl.envs.lookup import hyperparameters

HIGHEST_FIRST = {name: bowl for name in CONTINUOUS} | {"categorical-cem": lambda a: a[..., 1].sum(dim=2)}


def equal(left, right):
    return all(torch.equal(getattr(left, key), getattr(right, key)) for key in ("actions", "plans", "returns"))


@pytest.fixture(params=KINDS)
def name(request):
    return request.param


def test_every_planner_is_found_by_its_name_and_stores_its_hyperparameters(name):
    planner = small(name, budget_ms=7.0)
    assert isinstance(planner, Planner)
    assert hyperparameters(planner) == vars(planner)
    assert set(KINDS) == set(PLANNERS)


def test_equal_seeds_give_equal_plans_and_others_do_not(name):
    low, high = bounds(name)
    planner = small(name, n_iterations=1)
    plans = [plan(planner, HIGHEST_FIRST[name], 3, seed, low, high) for seed in (4, 4, 5)]
    assert equal(plans[0], plans[1]) and not torch.equal(plans[0].returns, plans[2].returns)


def test_a_planner_draws_from_nothing_but_its_generator(name):
    before = torch.get_rng_state()
    low, high = bounds(name)
    plan(small(name), HIGHEST_FIRST[name], 2, 0, low, high)
    assert torch.equal(before, torch.get_rng_state())


def test_a_model_that_could_be_differentiated_is_not(name):
    low, high = bounds(name)
    weight = torch.nn.Parameter(torch.ones(1))
    found = plan(small(name), lambda actions: actions[..., 0, 0] * weight, 2, 0, low, high)
    assert not (found.plans.requires_grad or found.returns.requires_grad)


def test_a_plan_has_its_shapes_and_stays_inside_the_bounds(name):
    low, high = bounds(name)
    seen = []

    def evaluate(actions):
        seen.append((actions.shape, bool((actions >= low).all()), bool((actions <= high).all())))
        return actions.sum(dim=(2, 3)) * 100

    found = plan(small(name), evaluate, 3, 0, low, high)
    assert seen == [((3, 60, 4, 2), True, True)] * 3
    assert found.actions.shape == (3, 2) and found.plans.shape == (3, 4, 2) and found.returns.shape == (3,)
    assert bool(((found.plans >= low) & (found.plans <= high)).all())
    assert bool(((found.actions >= low) & (found.actions <= high)).all())
    assert found.n_iterations == 3 and found.n_invalid == 0 and found.metrics["n_iterations"] == 3
    assert found.metrics["expected_return"] == pytest.approx(float(found.returns.mean()))


def test_environments_planned_together_are_planned_as_each_alone(name, monkeypatch):
    low, high = bounds(name)
    shape = (3, 60, 4, 2)
    drawn = [torch.empty(shape).uniform_(0.1, 1, generator=generator(9)) for _ in range(3)]
    rows = [slice(None)]
    for kind in ("normal", "uniform", "exponential"):
        monkeypatch.setattr(Search, kind, lambda search: drawn[search.n_iterations][rows[0]])
    shifts = torch.tensor([0.0, 0.3, 0.6])[:, None, None, None]
    value = HIGHEST_FIRST[name]

    together = plan(small(name), lambda actions: value(actions + shifts), 3, 0, low, high)
    for i in range(3):
        rows[0] = slice(i, i + 1)
        alone = plan(small(name), lambda actions, i=i: value(actions + shifts[i : i + 1]), 1, 0, low, high)
        assert torch.allclose(alone.plans[0], together.plans[i], rtol=0, atol=1e-6)
        assert torch.allclose(alone.actions[0], together.actions[i], rtol=0, atol=1e-6)
        assert torch.allclose(alone.returns[0], together.returns[i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("worthless", [float("nan"), float("inf"), -float("inf")])
def test_candidates_without_a_finite_return_never_win_and_are_counted(name, worthless):
    low, high = bounds(name)
    middle = (low + high) / 2
    n_bad = []

    def evaluate(actions):  # the half with a low first component of the first action is worthless
        is_bad = actions[:, :, 0, 0] < middle[0]
        n_bad.append(int(is_bad.sum()))
        return torch.where(is_bad, worthless, -(actions**2).sum(dim=(2, 3)))

    found = plan(small(name), evaluate, 2, 0, low, high)
    assert found.n_invalid == sum(n_bad) > 0
    assert found.metrics["invalid_share"] == pytest.approx(sum(n_bad) / (3 * 2 * 60))
    assert bool((found.actions[:, 0] >= middle[0]).all())
    assert bool(torch.isfinite(found.plans).all() and torch.isfinite(found.returns).all())


def test_where_no_candidate_has_a_value_the_old_plan_stays_and_nothing_is_expected(name):
    low, high = bounds(name)
    unmixed = {"categorical-cem": {"exploration": 0.0}, "random-shooting": {"warm_start": False}}
    planner = small(name, **unmixed.get(name, {}))
    start = planner.fresh(2, low, high) + torch.tensor([0.25, -0.25])
    value = HIGHEST_FIRST[name]

    def evaluate(actions):
        returns = value(actions).clone()
        returns[1] = torch.nan
        return returns

    found = plan(planner, evaluate, 2, 0, low, high, plans=start)
    assert torch.equal(found.plans[1], start[1]) and found.returns[1] == -torch.inf
    assert torch.isfinite(found.returns[0]) and not torch.equal(found.plans[0], start[0])
    assert found.metrics["expected_return"] == pytest.approx(float(found.returns[0]))
    nothing = plan(planner, lambda actions: actions[..., 0, 0] * torch.nan, 2, 0, low, high)
    assert "expected_return" not in nothing.metrics
    assert all(value == value for value in nothing.metrics.values())


def test_constant_returns_are_expected_and_keep_the_plan_finite(name):
    low, high = bounds(name)
    found = plan(small(name), lambda actions: torch.full(actions.shape[:2], 3.0), 2, 0, low, high)
    assert torch.allclose(found.returns, torch.tensor(3.0)) and bool(torch.isfinite(found.plans).all())


def test_a_shifted_plan_starts_a_step_later_and_repeats_its_end(name):
    plans = torch.arange(8.0).reshape(1, 4, 2)
    assert small(name).shifted(plans).tolist() == [[[2, 3], [4, 5], [6, 7], [6, 7]]]


def test_rows_restart_where_an_episode_starts(name):
    low, high = bounds(name)
    planner = small(name)
    plans = torch.full((2, 4, 2), 0.75)
    restarted = planner.restarted(plans, torch.tensor([False, True]), low, high)
    assert torch.equal(restarted[0], plans[0])
    assert torch.equal(restarted[1], planner.fresh(1, low, high)[0])
    assert restarted[1].tolist() == [((low + high) / 2).tolist()] * 4


def ticking(monkeypatch, steps_ms):
    """Let the clock show these times, one a look, and the last one from then on."""
    looks = iter(steps_ms)
    last = [0.0]

    def clock():
        last[0] = next(looks, last[0])
        return last[0] / 1e3

    monkeypatch.setattr(search_module, "perf_counter", clock)


@pytest.mark.parametrize(("budget", "expected"), [(0.0, 1), (19.0, 1), (20.0, 2), (35.0, 3), (1000.0, 3)])
def test_a_budget_ends_the_search_before_a_population_that_would_be_late(name, budget, expected, monkeypatch):
    low, high = bounds(name)
    ticking(monkeypatch, [0, 10, 20, 30])
    found = plan(small(name, budget_ms=budget), HIGHEST_FIRST[name], 1, 0, low, high)
    assert found.n_iterations == expected


def test_a_budget_leaves_time_for_the_extra_population(monkeypatch):
    options = {"horizon": 4, "n_candidates": 20, "elite_fraction": 0.1}
    for budget, expected in ((29.0, 2), (30.0, 3)):
        ticking(monkeypatch, [0, 10, 20, 30])
        assert plan(CEM.published("pusher", **options, budget_ms=budget)).n_iterations == expected


def test_without_a_budget_the_clock_decides_nothing(name, monkeypatch):
    low, high = bounds(name)
    ticking(monkeypatch, [0, 1e9])
    assert plan(small(name), HIGHEST_FIRST[name], 1, 0, low, high).n_iterations == 3


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, option, value) for name in KINDS for option, value in (("horizon", 0), ("n_candidates", 0))]
    + [(name, option, value) for name in KINDS for option, value in (("n_iterations", 0), ("budget_ms", -1.0))]
    + [("cem", "elite_fraction", 0.0), ("cem", "elite_fraction", 1.5), ("cem", "initial_std", 0.0)]
    + [
        ("cem", "std_floor", -0.1),
        ("cem", "momentum", 1.0),
        ("cem", "std_unit", "metre"),
        ("cem", "execute", "worst"),
    ]
    + [("mppi", "std", 0.0), ("mppi", "temperature", 0.0), ("mppi", "control_cost", -1.0)]
    + [("pddm", "std", 0.0), ("pddm", "beta", 0.0), ("pddm", "beta", 1.1), ("pddm", "kappa", float("nan"))]
    + [("categorical-cem", "elite_fraction", 0.0), ("categorical-cem", "momentum", -0.1)]
    + [("categorical-cem", "exploration", 1.1)],
)
def test_a_hyperparameter_out_of_its_range_is_named(name, option, value):
    with pytest.raises(ValueError, match=rf"{option}.* be .*found {value!r}"):
        make_planner(name, {option: value})


def test_misspelt_planners_and_options_are_met_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'mppi'"):
        make_planner("mpi")
    with pytest.raises(ValueError, match="did you mean 'horizon'"):
        make_planner("cem", {"horizont": 3})
    with pytest.raises(ValueError, match="did you mean 'half_cheetah'"):
        CEM.published("halfcheetah")


def test_a_plug_in_is_found_by_its_import_path_and_must_be_a_planner():
    assert isinstance(make_planner("lifelong_rl.agents.hypernet.planners.cem:CEM", {"horizon": 3}), CEM)
    with pytest.raises(ValueError, match="must be a subclass of Planner"):
        make_planner("lifelong_rl.agents.hypernet.rollout:Rollout")


@pytest.mark.parametrize(
    ("low", "high"), [([-1.0, 0.0], [1.0, float("inf")]), ([-float("inf")] * 2, [float("inf")] * 2), ([0.0], [0.0])]
)
def test_bounds_between_which_nothing_can_be_drawn_are_refused(low, high, name):
    with pytest.raises(ValueError, match="finite bounds of the actions with low < high"):
        small(name).fresh(1, torch.tensor(low), torch.tensor(high))


def test_plans_and_returns_of_a_wrong_shape_are_refused(name):
    low, high = bounds(name)
    planner = small(name)
    with pytest.raises(ValueError, match=r"plans of the shape \(n_envs, 4, 2\)"):
        plan(planner, plans=torch.zeros(1, 5, 2), low=low, high=high)
    with pytest.raises(ValueError, match=r"returns of the shape \(1, 60\), found \(60,\)"):
        plan(planner, lambda actions: actions[0, :, 0, 0], low=low, high=high)


def test_bounds_of_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"the shape \(action_size,\), found \(2,\) and \(1,\)"):
        CEM().fresh(1, LOW, HIGH[:1])
