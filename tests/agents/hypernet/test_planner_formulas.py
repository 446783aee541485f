"""Each planner's own equations, by hand and on a bowl with a known top."""

import math

import pytest
import torch
from planner_toys import HIGH, LOW, TARGET, bowl, plan, small

from lifelong_rl.agents.hypernet.planners import CEM, MPPI, PDDM, CategoricalCEM, RandomShooting
from lifelong_rl.agents.hypernet.planners.cem import PUBLISHED
from lifelong_rl.agents.hypernet.planners.pddm import filter_matrix
from lifelong_rl.agents.hypernet.planners.search import Search, softmax_weights, spread

HALF = (HIGH - LOW) / 2
UNIT = torch.tensor([-1.0]), torch.tensor([1.0])


@pytest.mark.parametrize("name", ["cem", "mppi", "pddm"])
def test_repeated_planning_climbs_to_the_top_of_a_bowl(name):
    planner = small(name, n_candidates=300)
    found = plan(planner, n_envs=2)
    for step in range(8):
        found = plan(planner, n_envs=2, seed=1 + step, plans=found.plans)
    assert bool((((found.plans - TARGET) / HALF).abs() < 0.2).all())
    assert torch.allclose(found.actions, found.plans[:, 0])


def test_random_shooting_gives_the_best_of_what_it_drew():
    drawn = []

    def evaluate(actions):
        drawn.append(actions.clone())
        return bowl(actions)

    found = plan(small("random-shooting"), evaluate)
    candidates = torch.cat(drawn, dim=1)
    index = bowl(candidates).argmax()
    assert torch.equal(found.plans[0], candidates[0, index]) and found.returns[0] == bowl(candidates).max()
    assert candidates.shape[1] == 180 and torch.equal(found.actions[0], candidates[0, index, 0])


def test_random_shooting_never_gives_up_a_better_plan_of_a_step_ago_unless_it_starts_afresh():
    top = TARGET.repeat(1, 4, 1)
    assert torch.equal(plan(small("random-shooting"), plans=top).plans, top)
    assert not torch.equal(plan(small("random-shooting", warm_start=False), plans=top).plans, top)


def with_noise(monkeypatch, *populations):
    """Let populations of scalar noise, horizon 1 and action size 1, be drawn one after another."""
    drawn = [torch.tensor(values).reshape(1, -1, 1, 1) for values in populations]
    monkeypatch.setattr(Search, "normal", lambda search: drawn[search.n_iterations])


def one_step(planner, evaluate=lambda a: a[..., 0, 0], start=0.0):
    return plan(planner, evaluate, low=UNIT[0], high=UNIT[1], plans=torch.full((1, 1, 1), start))


def test_cem_refits_mean_and_deviation_to_its_elites(monkeypatch):
    with_noise(monkeypatch, [0.4, -1.0, 0.8, 0.0], [1.0, 0.0, -1.0, 0.5])
    cem = CEM(horizon=1, n_candidates=4, n_iterations=2, elite_fraction=0.5, initial_std=0.5, std_floor=0.0)
    # first candidates .2 -.5 .4 0: elites .4 .2, mean .3, deviation .1; then .4 .3 .2 .35: elites .4 .35
    found = one_step(cem)
    assert found.plans.item() == pytest.approx(0.375) and found.returns.item() == pytest.approx(0.375)
    assert found.metrics["std"] == pytest.approx(0.025)
    assert found.actions.item() == pytest.approx(0.375)


def test_cem_momentum_keeps_a_share_of_mean_and_deviation(monkeypatch):
    with_noise(monkeypatch, [0.4, -1.0, 0.8, 0.0])
    cem = CEM(1, 4, 1, elite_fraction=0.5, initial_std=0.5, std_floor=0.0, momentum=0.25)
    found = one_step(cem, start=0.0)
    assert found.plans.item() == pytest.approx(0.75 * 0.3)
    assert found.metrics["std"] == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)


def test_cem_keeps_its_deviation_above_the_floor():
    assert plan(small("cem", std_floor=0.2, elite_fraction=0.01)).metrics["std"] == pytest.approx(0.2)


def test_cem_executes_the_best_candidate_where_asked_to(monkeypatch):
    options = {"horizon": 1, "n_candidates": 4, "n_iterations": 1, "elite_fraction": 0.5}
    with_noise(monkeypatch, [0.4, -1.0, 0.8, 0.0])
    found = one_step(CEM(**options, execute="best"))
    assert (found.actions.item(), found.plans.item()) == pytest.approx((0.4, 0.3))
    assert found.returns.item() == pytest.approx(0.4)


def test_the_published_cem_executes_the_best_of_one_more_population_and_never_starts_warm(monkeypatch):
    with_noise(monkeypatch, [0.5, -1.0, 3.0, 0.0], [2.0, 1.0, 0.0, -1.0])
    cem = CEM.published("pusher", horizon=1, n_candidates=4, n_iterations=1, elite_fraction=0.5)
    # mean 0 and deviation 1, unclipped: elites 3 and .5, mean 1.75, deviation 1.25; then at best 1.75 + 2 * 1.25
    found = one_step(cem, start=-0.9)
    assert found.returns.item() == pytest.approx(4.25) and found.plans.item() == pytest.approx(1.75)
    assert found.actions.item() == 1.0  # what is executed is inside the bounds
    assert found.n_iterations == 2


def test_published_sizes_are_the_papers():
    sizes = {name: (c.horizon, c.n_candidates, c.n_iterations) for name in PUBLISHED for c in [CEM.published(name)]}
    assert sizes == {
        "cartpole": (25, 400, 5),
        "pusher": (20, 500, 5),
        "half_cheetah": (30, 500, 5),
        "door_pose": (10, 2000, 5),
    }
    elites = {name: round(c.elite_fraction * c.n_candidates) for name in PUBLISHED for c in [CEM.published(name)]}
    assert elites == {"cartpole": 40, "pusher": 40, "half_cheetah": 50, "door_pose": 40}
    mppi = MPPI.published()
    assert (mppi.horizon, mppi.n_candidates, mppi.n_iterations) == (15, 100, 10)


def test_a_planner_in_the_actions_own_unit_starts_at_0_whatever_the_bounds():
    cem = CEM.published("pusher")
    fresh = cem.fresh(2, torch.tensor([-math.inf, 1.0]), torch.tensor([math.inf, 3.0]))
    assert torch.equal(fresh, torch.zeros(2, 20, 2))


def test_mppi_weighs_candidates_as_the_paper_says(monkeypatch):
    with_noise(monkeypatch, [0.4, -1.0, 0.8])
    mppi = MPPI(1, 3, 1, std=0.5, temperature=0.3, is_scale_free=False, control_cost=1.0)
    start, eps = 0.1, [0.2, -0.5, 0.4]
    costs = [-(start + e) + 0.3 * start / 0.25 * e for e in eps]
    weights = [math.exp(-cost / 0.3) for cost in costs]
    found = one_step(mppi, start=start)
    mean = sum(w * e for w, e in zip(weights, eps, strict=True)) / sum(weights)
    assert found.plans.item() == pytest.approx(start + mean, rel=1e-5)
    assert found.returns.item() == pytest.approx(start + mean, rel=1e-5)


def test_mppi_clips_the_noise_with_the_candidate(monkeypatch):
    with_noise(monkeypatch, [4.0, 0.0])
    mppi = MPPI(1, 2, 1, std=0.5, temperature=1.0, is_scale_free=False, control_cost=1.0)
    eps, start = [0.5, 0.0], 0.5  # the first would reach 2.5, and is clipped to 1
    weights = [math.exp((start + e) - start / 0.25 * e) for e in eps]
    mean = sum(w * e for w, e in zip(weights, eps, strict=True)) / sum(weights)
    assert one_step(mppi, start=start).plans.item() == pytest.approx(start + mean, rel=1e-5)


@pytest.mark.parametrize("kind", [MPPI, PDDM])
def test_a_scale_free_planner_plans_alike_for_every_scale_and_offset_of_the_reward(kind):
    planner = kind(horizon=4, n_candidates=60)
    plans = [plan(planner, lambda a, s=s: s * bowl(a) + 7 * s).plans for s in (1.0, 1000.0)]
    assert torch.allclose(plans[0], plans[1], atol=1e-3)
    fixed = kind(horizon=4, n_candidates=60, is_scale_free=False)
    plans = [plan(fixed, lambda a, s=s: s * bowl(a)).plans for s in (1.0, 1000.0)]
    assert not torch.allclose(plans[0], plans[1], atol=1e-3)


def test_pddm_filters_its_noise_in_time():
    beta, u = 0.6, torch.tensor([1.0, -2.0, 0.5, 3.0])
    filtered, last = [], 0.0
    for value in u.tolist():
        last = beta * value + (1 - beta) * last
        filtered.append(last)
    assert torch.allclose(filter_matrix(4, beta, u) @ u, torch.tensor(filtered))
    assert torch.equal(filter_matrix(3, 1.0, u), torch.eye(3))


def test_pddm_weighs_candidates_by_the_exponential_of_kappa_times_the_return(monkeypatch):
    with_noise(monkeypatch, [1.0, -1.0, 0.0])
    pddm = PDDM.published(kappa=2.0, horizon=1, n_candidates=3, std=0.5, beta=0.6)
    noise = [0.3, -0.3, 0.0]
    weights = [math.exp(2 * e) for e in noise]
    mean = sum(w * e for w, e in zip(weights, noise, strict=True)) / sum(weights)
    assert one_step(pddm, start=0.1).plans.item() == pytest.approx(0.1 + mean, rel=1e-5)


def test_weights_are_0_for_the_worthless_and_sum_to_1_even_for_huge_returns():
    values = torch.tensor([[1e30, -1e30, -math.inf], [-math.inf] * 3, [2.0, 2.0, -math.inf]])
    assert softmax_weights(values, 1.0).tolist() == [[1, 0, 0], [0, 0, 0], [0.5, 0.5, 0]]


def test_the_spread_is_that_of_the_finite_returns():
    assert spread(torch.tensor([[1.0, 3.0, -math.inf]])).item() == 1.0
    assert 0 < spread(torch.tensor([[2.0, 2.0]])).item() < 1e-18


def test_the_categorical_planner_finds_the_sequence_of_choices_that_pays():
    wanted = torch.tensor([2, 0, 1, 1, 2])
    planner = CategoricalCEM(horizon=5, n_candidates=200, n_iterations=4)
    low, high = torch.zeros(3), torch.ones(3)

    def evaluate(actions):
        assert bool(((actions == 0) | (actions == 1)).all() and (actions.sum(dim=-1) == 1).all())
        return actions[:, :, torch.arange(5), wanted].sum(dim=-1)

    found = plan(planner, evaluate, 2, 0, low, high)
    assert found.plans.argmax(dim=-1).tolist() == [wanted.tolist()] * 2
    assert found.actions.tolist() == [[0, 0, 1]] * 2
    assert torch.allclose(found.plans.sum(dim=-1), torch.ones(2, 5))


def test_the_categorical_planner_draws_its_choices_as_often_as_it_says():
    seen = []

    def evaluate(actions):
        seen.append(actions.mean(dim=(0, 1)))
        return actions[..., 0, 0]

    odds = torch.tensor([[[0.7, 0.2, 0.1]]])
    plan(CategoricalCEM(1, 20_000, 1, exploration=0.0), evaluate, low=torch.zeros(3), high=torch.ones(3), plans=odds)
    assert torch.allclose(seen[0], odds[0], atol=0.015)
    plan(CategoricalCEM(1, 20_000, 1, exploration=1.0), evaluate, low=torch.zeros(3), high=torch.ones(3), plans=odds)
    assert torch.allclose(seen[1], torch.tensor(1 / 3), atol=0.015)


def test_random_shooting_starts_evenly_between_the_bounds():
    seen = []
    plan(RandomShooting(horizon=2, n_candidates=4000), lambda a: seen.append(a.clone()) or bowl(a))
    assert torch.allclose(seen[0].mean(dim=(0, 1, 2)), (LOW + HIGH) / 2, atol=0.1)
    assert torch.allclose(seen[0].std(dim=(0, 1, 2)), (HIGH - LOW) / math.sqrt(12), atol=0.1)
