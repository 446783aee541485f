"""The memory ledger: who holds what, and rankings among those that hold equally much only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation.diagnostics import (
    MemoryEntry,
    MemoryLedger,
    aligned_ranking,
    area_over_budgets,
    setting_for,
)
from lifelong_rl.evaluation.measured import Undefined

LEDGER = MemoryLedger(
    (
        MemoryEntry("replay", "networks", "weights", 400),
        MemoryEntry("replay", "ReservoirReplay", "buffer", 610),
        MemoryEntry("ewc", "networks", "weights", 400),
        MemoryEntry("ewc", "EWC", "snapshot", 300),
        MemoryEntry("ewc", "EWC", "statistics", 300),
    )
)


def test_the_ledger_adds_up_by_method_and_by_kind():
    assert LEDGER.methods == ("replay", "ewc")
    assert LEDGER.total("replay") == 1010
    assert LEDGER.total("ewc", kinds=("snapshot", "statistics")) == 600
    assert LEDGER.by_kind("ewc") == {"weights": 400, "buffer": 0, "snapshot": 300, "statistics": 300}
    more = LEDGER + MemoryLedger((MemoryEntry("none", "networks", "weights", 400),))
    assert more.total("none") == 400 and more.total("ewc") == 1000


def test_an_unknown_method_or_kind_and_negative_bytes_are_errors():
    with pytest.raises(ValueError, match="no entry of the method 'si'; it has those of: replay, ewc"):
        LEDGER.total("si")
    with pytest.raises(ValueError, match="one of weights, buffer, snapshot, statistics, found 'disk'"):
        MemoryEntry("ewc", "EWC", "disk", 1)
    with pytest.raises(ValueError, match="at least 0, found -1"):
        MemoryEntry("ewc", "EWC", "buffer", -1)


def test_methods_within_the_tolerance_are_ranked_best_first():
    rows = aligned_ranking({"replay": 0.6, "ewc": 0.8}, LEDGER, budget=1000)
    assert [(row.rank, row.method, row.score, row.n_bytes) for row in rows] == [
        (1, "ewc", 0.8, 1000),
        (2, "replay", 0.6, 1010),
    ]


def test_equal_scores_share_a_rank():
    entries = tuple(MemoryEntry(name, "all", "buffer", 100) for name in "abc")
    rows = aligned_ranking({"a": 0.5, "b": 0.7, "c": 0.5}, MemoryLedger(entries), budget=100)
    assert [(row.rank, row.method) for row in rows] == [(1, "b"), (2, "a"), (2, "c")]


def test_rows_that_hold_more_or_less_than_the_budget_are_refused_by_name():
    with pytest.raises(Undefined, match=r"at 1,200 bytes .* within 5% of that: replay holds 1,010; ewc holds 1,000"):
        aligned_ranking({"replay": 0.6, "ewc": 0.8}, LEDGER, budget=1200)
    with pytest.raises(Undefined, match=r"replay holds 1,010$"):
        aligned_ranking({"replay": 0.6, "ewc": 0.8}, LEDGER, budget=1000, tolerance=0.005)
    assert len(aligned_ranking({"replay": 0.6, "ewc": 0.8}, LEDGER, budget=1200, tolerance=0.2)) == 2
    with pytest.raises(Undefined, match=r"replay holds 0$"):
        aligned_ranking({"replay": 0.6, "ewc": 0.8}, LEDGER, budget=300, kinds=("statistics",))


# Sweeps


def test_the_area_counts_each_doubling_alike():
    assert area_over_budgets([1024, 2048, 8192], [0.2, 0.4, 0.8]) == pytest.approx((0.3 + 2 * 0.6) / 3)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=6, unique=True), st.floats(-1, 1))
@settings(max_examples=50, deadline=None)
def test_the_area_of_a_constant_is_the_constant_in_any_unit(budgets, score):
    sizes = np.sort(budgets)
    assert area_over_budgets(sizes, np.full(len(sizes), score)) == pytest.approx(score, abs=1e-9)


def test_sweeps_without_an_area_are_refused():
    with pytest.raises(Undefined, match="two budgets"):
        area_over_budgets([1024], [0.5])
    with pytest.raises(Undefined, match="a score at each"):
        area_over_budgets([1024, 2048], np.ma.masked_array([0.5, 0.6], mask=[0, 1]))
    with pytest.raises(ValueError, match="positive and increasing"):
        area_over_budgets([2048, 1024], [0.5, 0.6])


# Settings


@given(st.integers(10**4, 10**9), st.integers(1, 500), st.integers(0, 200))
@settings(max_examples=100, deadline=None)
def test_the_largest_setting_within_the_budget_is_found(budget, per_item, fixed):
    n = setting_for(budget, lambda setting: fixed + per_item * setting)
    assert fixed + per_item * n <= budget < fixed + per_item * (n + 1)


def test_a_budget_that_no_setting_meets_is_refused():
    with pytest.raises(Undefined, match="the setting 1 needs 100 bytes already, and the budget is 50"):
        setting_for(50, lambda n: 100 * n)
    with pytest.raises(Undefined, match="the largest setting within 190 bytes is 1 and holds 100 only"):
        setting_for(190, lambda n: 100 * n)
    with pytest.raises(Undefined, match="the largest setting within 10,000 bytes is 20 and holds 2,000 only"):
        setting_for(10_000, lambda n: 100 * n, highest=20)


def test_the_limits_of_a_setting_can_be_the_answer():
    assert setting_for(2000, lambda n: 100 * n, highest=20) == 20
    assert setting_for(100, lambda n: 100 * n, lowest=1) == 1


def test_the_search_asks_for_few_settings():
    asked = []
    assert setting_for(10**9, lambda n: asked.append(n) or 8 * n) == 125_000_000
    assert len(asked) < 60


@pytest.mark.parametrize("score", [float("nan"), None, float("inf")])
def test_a_ranking_needs_a_score_of_every_method(score):
    """NaN is neither above nor below another number, so it would be ranked anywhere."""
    with pytest.raises(Undefined, match="found none of ewc"):
        aligned_ranking({"replay": 0.6, "ewc": score}, LEDGER, budget=1000)
